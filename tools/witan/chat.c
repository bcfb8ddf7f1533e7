/* chat.c - witan chat: a conversation on the terminal, streamed; or one question from the command
 * line or a pipe, with the answer alone on standard output. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "chat.h"

void chat_add(struct chat *h, const char *role, const char *text)
{
        if (h->n == h->cap) {
                h->cap = h->cap > 0 ? h->cap * 2 : 16;
                h->messages = realloc(h->messages, h->cap * sizeof *h->messages);
                WT_ASSERT(h->messages != NULL);
        }
        h->messages[h->n] = (struct message){ role, strdup(text) };
        WT_ASSERT(h->messages[h->n].text != NULL);
        h->n++;
}

void chat_messages(const struct chat *h, struct wt_buf *b)
{
        wt_buf_json_key(b, "messages");
        wt_buf_str(b, "[");
        for (uint32_t i = 0; i < h->n; i++) {
                wt_buf_json_sep(b);
                wt_buf_str(b, "{");
                wt_buf_json_kv(b, "role", h->messages[i].role);
                wt_buf_json_kv(b, "content", h->messages[i].text);
                wt_buf_str(b, "}");
        }
        wt_buf_str(b, "]");
}

void chat_drop(struct chat *h, uint32_t n)
{
        while (h->n > n)
                free(h->messages[--h->n].text);
}

static void put_json(const struct chat *h)
{
        struct wt_buf b = { 0 };

        wt_buf_str(&b, "{");
        wt_buf_json_kv(&b, "answer", h->answer.data != NULL ? h->answer.data : "");
        wt_buf_json_ku(&b, "tokens", h->tokens);
        wt_buf_json_kf(&b, "tokens_per_second", chat_speed(h));
        wt_buf_str(&b, "}");
        puts(b.data);
        wt_buf_free(&b);
}

static int ask_once(struct chat *h)
{
        struct wt_buf q = { 0 };
        char part[4096];
        size_t n;
        int rc = EXIT_DONE;

        for (int i = 0; i < h->c->n_words; i++)
                wt_buf_fmt(&q, "%s%s", i > 0 ? " " : "", h->c->words[i]);
        while (h->c->n_words == 0 && (n = fread(part, 1, sizeof part, stdin)) > 0)
                wt_buf_add(&q, part, n);
        while (q.len > 0 && q.data[q.len - 1] == '\n')
                q.data[--q.len] = '\0';
        if (q.len == 0) {
                wt_buf_free(&q);
                return verb_usage(h->c,
                                  "there is no question; write it behind \"chat\" or into a pipe");
        }
        h->silent = h->c->json;
        chat_add(h, "user", q.data);
        wt_buf_free(&q);
        if (chat_ask(h) != CHAT_ANSWERED)
                rc = EXIT_FAILED;
        else if (h->c->json)
                put_json(h);
        else if (isatty(2) && chat_speed(h) > 0)
                fprintf(stderr, "(%" PRIu64 " tokens, %.1f tokens/s)\n", h->tokens, chat_speed(h));
        return rc;
}

static bool numbers_are_fine(const struct call *c)
{
        double v;
        const char *seed = c->flag[CHAT_SEED];

        if (!verb_number(c, CHAT_TEMPERATURE, 0, 2, &v) ||
            !verb_number(c, CHAT_TOP_P, 0.000001, 1, &v) ||
            !verb_number(c, CHAT_MAX, 1, 1000000, &v))
                return false;
        if (seed == NULL ||
            (seed[0] != '\0' && seed[strspn(seed, "0123456789")] == '\0' && strlen(seed) < 19))
                return true;
        verb_usage(c, "--seed is \"%s\"; it takes a whole number", seed);
        return false;
}

static int run(struct call *c)
{
        struct chat h = { .c = c, .terminal = isatty(1) };
        bool talk = isatty(0) && c->n_words == 0;
        int rc;

        if (!numbers_are_fine(c))
                return EXIT_USAGE;
        if (talk && c->json)
                return verb_usage(c, "-o json is for one question; write it behind \"chat\"");
        h.cl = calloc(1, sizeof *h.cl);
        WT_ASSERT(h.cl != NULL);
        if (cluster_read(h.cl, c->state) != WT_OK) {
                rc = verb_fail(c, "%s", wt_words());
        } else if (h.cl->supervisor == 0) {
                rc = verb_fail(c, "the cluster in %s is stopped; witan up starts it again",
                               c->state);
        } else {
                if (c->flag[CHAT_SYSTEM] != NULL)
                        chat_add(&h, "system", c->flag[CHAT_SYSTEM]);
                rc = talk ? chat_talk(&h) : ask_once(&h);
        }
        chat_drop(&h, 0);
        free(h.messages);
        free(h.cl);
        wt_buf_free(&h.answer);
        wt_buf_free(&h.line);
        wt_buf_free(&h.error);
        return rc;
}

const struct verb verb_chat = {
        .name = "chat",
        .about = "talks with the model on the terminal",
        .usage = "witan chat [--system TEXT] [--temperature T] [--top-p P] [--max-tokens N] "
                 "[--seed N] "
                 "[-o json|table] [QUESTION]",
        .example = "witan chat --temperature 0 'Who are you?'",
        .text = "Without a question it is a conversation: arrows, history and the keys of bash; a "
                "line that ends in a "
                "backslash goes on, \"\"\" begins and ends a text of several lines; Ctrl-C stops "
                "an answer, Ctrl-D ends. "
                "/system TEXT, /regen, /save [-f] FILE, /new, /help and /quit are commands. What "
                "is typed is kept nowhere "
                "but in FILE. With a question, or one in a pipe, the answer alone is written to "
                "standard output.",
        .flags = {[CHAT_SYSTEM] = {"system", "TEXT", "the system message", 0},
                  [CHAT_TEMPERATURE] = {"temperature", "T", "0 to 2 [0.7]", 0},
                  [CHAT_TOP_P] = {"top-p", "P", "above 0 to 1 [0.9]", 0},
                  [CHAT_MAX] = {"max-tokens", "N", "longest answer [what the context leaves]", 0},
                  [CHAT_SEED] = {"seed", "N", "makes the answer repeatable [drawn anew each time]",
                                 0}},
        .sets = verb_asks,
        .run = run,
};
