/* chat_talk.c - the conversation: reads entries of one or several lines, asks, says how fast it
 * went. */
#include <inttypes.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "chat.h"
#include "terminal.h"

static const char quotes[] = "\"\"\"";

static void on_interrupt(int sig)
{
        (void)sig;
        chat_stop();
}

/* Does the line end in a backslash of its own? "\\\\" is one that was meant. */
static bool goes_on(const struct wt_buf *b)
{
        size_t n = 0;

        while (n < b->len && b->data[b->len - 1 - n] == '\\')
                n++;
        return n % 2 == 1;
}

static bool ends_quotes(const struct wt_buf *b)
{
        return b->len >= 3 && memcmp(b->data + b->len - 3, quotes, 3) == 0;
}

/* One entry into text. Lines that go on are joined by newlines. */
static enum edit_state read_entry(struct edit *e, struct wt_buf *text)
{
        enum edit_state s = terminal_read(e, "> ");
        bool quoted = s == EDIT_LINE && e->text.len >= 3 && memcmp(e->text.data, quotes, 3) == 0;

        wt_buf_clear(text);
        if (s != EDIT_LINE)
                return s;
        wt_buf_str(text, e->text.data + (quoted ? 3 : 0));
        while (quoted ? !ends_quotes(text) : goes_on(text)) {
                if (!quoted)
                        text->data[--text->len] = '\0';
                if ((s = terminal_read(e, ". ")) != EDIT_LINE)
                        return s == EDIT_END ? EDIT_INTERRUPTED : s;
                wt_buf_fmt(text, "\n%s", e->text.data);
        }
        if (quoted) {
                text->len -= 3;
                text->data[text->len] = '\0';
        }
        return EDIT_LINE;
}

static void answer(struct chat *h, bool keep_question)
{
        uint32_t n = h->n;

        switch (chat_ask(h)) {
        case CHAT_ANSWERED:
                if (chat_speed(h) > 0)
                        fprintf(stderr, "(%" PRIu64 " tokens, %.1f tokens/s)\n", h->tokens,
                                chat_speed(h));
                break;
        case CHAT_STOPPED:
                fprintf(stderr, "(stopped after %" PRIu64 " tokens)\n", h->tokens);
                break;
        case CHAT_FAILED:                        /* as if it had not been asked */
                chat_drop(h, keep_question ? n : n - 1);
                break;
        }
}

/* False: the conversation is over. */
static bool turn(struct chat *h, const char *text)
{
        if (text[0] == '/' && text[1] != '/') {
                enum chat_next next = chat_command(h, text);
                if (next == CHAT_AGAIN)
                        answer(h, true);
                return next != CHAT_QUIT;
        }
        if (text[strspn(text, " \n\t")] != '\0') {
                chat_add(h, "user", text);
                answer(h, false);
        }
        return true;
}

int chat_talk(struct chat *h)
{
        struct sigaction act = { .sa_handler = on_interrupt };
        const char *slash = strrchr(h->cl->model, '/');
        struct wt_buf text = { 0 };
        enum edit_state s;
        struct edit e;

        setlocale(LC_CTYPE, "C.UTF-8");          /* widths of characters */
        sigaction(SIGINT, &act, NULL);
        edit_init(&e, chat_commands);
        fprintf(stderr, "model %s; /help shows the commands, Ctrl-C stops an answer, Ctrl-D ends\n",
                slash != NULL ? slash + 1 : h->cl->model);
        while ((s = read_entry(&e, &text)) != EDIT_END) {
                if (s == EDIT_INTERRUPTED)
                        continue;
                edit_remember(&e, text.data);
                if (!turn(h, text.data))
                        break;
        }
        edit_fini(&e);
        wt_buf_free(&text);
        return EXIT_DONE;
}
