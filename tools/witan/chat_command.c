/* chat_command.c - what a line that begins with '/' does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/file.h"
#include "chat.h"
#include "near.h"

static void put_text(const struct chat *h, struct wt_buf *b)
{
        for (uint32_t i = 0; i < h->n; i++)
                wt_buf_fmt(b, "%s%s:\n%s\n", i > 0 ? "\n" : "", h->messages[i].role,
                           h->messages[i].text);
}

static uint32_t first(const struct chat *h)      /* message behind the system's */
{
        return h->n > 0 && strcmp(h->messages[0].role, "system") == 0;
}

/* What another one wrote is not written over unasked; what this conversation wrote is. */
static bool may_write(const struct chat *h, const char *file, bool over)
{
        struct stat st;

        if (stat(file, &st) != 0)
                return true;                     /* none is there, or the write will say why */
        if (S_ISDIR(st.st_mode))
                fprintf(stderr, "%s is a folder; name a file in it, such as %s/chat.json\n", file,
                        file);
        else if (!S_ISREG(st.st_mode))
                fprintf(stderr, "%s is no regular file; name another one\n", file);
        else if (!over && strcmp(h->saved, file) != 0)
                fprintf(stderr, "%s is there already; /save -f %s writes over it\n", file, file);
        else
                return true;
        return false;
}

static void write_conversation(struct chat *h, const char *file)
{
        size_t n = strlen(file);
        struct wt_buf b = { 0 };

        if (n > 5 && strcmp(file + n - 5, ".json") == 0) {
                wt_buf_str(&b, "{");
                chat_messages(h, &b);
                wt_buf_str(&b, "}\n");
        } else {
                put_text(h, &b);
        }
        if (wt_file_write(file, b.data, b.len, 0600) == WT_OK) {
                snprintf(h->saved, sizeof h->saved, "%s", file);
                fprintf(stderr, "%u messages are in %s\n", h->n, file);
        } else {
                fprintf(stderr, "%s; nothing was saved, name a file that you may write\n",
                        wt_words());
        }
        wt_buf_free(&b);
}

static enum chat_next save(struct chat *h, const char *rest)
{
        bool over = strncmp(rest, "-f ", 3) == 0;
        const char *file = over ? rest + 3 + strspn(rest + 3, " ") : rest, *home = getenv("HOME");
        char path[4096];

        if (home != NULL && strncmp(file, "~/", 2) == 0)
                snprintf(path, sizeof path, "%s%s", home, file + 1);
        else
                snprintf(path, sizeof path, "%s", file);
        if (*path == '\0' || strcmp(path, "-f") == 0)
                fputs("/save takes the name of a file; one that ends in .json gets the messages as "
                      "JSON\n", stderr);
        else if (h->n == first(h))
                fputs("there is no answer to save yet; ask something first\n", stderr);
        else if (may_write(h, path, over))
                write_conversation(h, path);
        return CHAT_GO_ON;
}

static enum chat_next regen(struct chat *h, const char *rest)
{
        (void)rest;
        if (h->n > first(h) && strcmp(h->messages[h->n - 1].role, "assistant") == 0)
                chat_drop(h, h->n - 1);
        if (h->n == first(h)) {
                fputs("there is no answer to make again\n", stderr);
                return CHAT_GO_ON;
        }
        if (h->c->flag[CHAT_SEED] != NULL)
                fputs("(with --seed the same answer comes again)\n", stderr);
        return CHAT_AGAIN;
}

static enum chat_next begin(struct chat *h, const char *rest)
{
        (void)rest;
        chat_drop(h, first(h));
        h->saved[0] = '\0';
        fputs("a new conversation\n", stderr);
        return CHAT_GO_ON;
}

/* The system message stands first: a new one begins a new conversation. */
static enum chat_next set_system(struct chat *h, const char *text)
{
        chat_drop(h, 0);
        h->saved[0] = '\0';
        if (text[0] != '\0')
                chat_add(h, "system", text);
        fputs(text[0] != '\0' ? "a new conversation with this system message\n"
                              : "a new conversation without a system message\n", stderr);
        return CHAT_GO_ON;
}

static enum chat_next quit(struct chat *h, const char *rest)
{
        (void)h, (void)rest;
        return CHAT_QUIT;
}

static enum chat_next help(struct chat *h, const char *rest);
static const struct {
        const char *name, *takes, *about;
        enum chat_next (*run)(struct chat *, const char *);
} commands[] = {
        {"/help", "", "shows this", help},
        {"/new", "", "begins a new conversation", begin},
        {"/system", "TEXT", "begins a new conversation with this system message", set_system},
        {"/regen", "", "makes the last answer again", regen},
        {"/save", "FILE", "writes the conversation: JSON when FILE ends in .json, else text; -f "
                  "FILE: over a file that is there", save},
        {"/quit", "", "ends, as Ctrl-D does", quit},
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };
const char *const chat_commands[] = {"/help",  "/new",  "/system ", "/regen",
                                     "/save ", "/quit", NULL};

static enum chat_next help(struct chat *h, const char *rest)
{
        (void)h, (void)rest;
        for (int i = 0; i < N_COMMANDS; i++)
                fprintf(stderr, "  %-8s %-5s %s\n", commands[i].name, commands[i].takes,
                        commands[i].about);
        fputs("  a line that ends in \\ goes on; \"\"\" begins and ends a text of several lines\n"
              "  Ctrl-C stops an answer; arrows, Ctrl-A, -E, -K, -U, -W, -Y edit\n", stderr);
        return CHAT_GO_ON;
}

enum chat_next chat_command(struct chat *h, const char *line)
{
        const char *names[N_COMMANDS + 1], *near;
        size_t n = strcspn(line, " \n");
        char name[32];

        snprintf(name, sizeof name, "%.*s", n < 31 ? (int)n : 31, line);
        for (int i = 0; i < N_COMMANDS; i++) {
                if (strcmp(name, commands[i].name) == 0)
                        return commands[i].run(h, line + n + strspn(line + n, " \n"));
                names[i] = commands[i].name;
        }
        names[N_COMMANDS] = NULL;
        near = near_word(name, names);
        fprintf(stderr, "there is no %s; %s%s\n", name,
                near != NULL ? "did you mean " : "/help shows what there is",
                near != NULL ? near : "");
        return CHAT_GO_ON;
}
