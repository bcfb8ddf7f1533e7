/* chat.c - witan chat: a conversation on the terminal, streamed, with tokens per second after each
 * answer; or one question from the command line or a pipe, with the answer alone on stdout. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/json.h"
#include "cluster.h"
#include "net/http.h"
#include "verb.h"

enum { F_SYSTEM, F_TEMPERATURE, F_TOP_P, F_MAX, F_SEED };

struct chat {
        struct call *c;
        struct cluster cl;
        struct wt_buf history;                   /* messages as JSON, separated by commas */
        struct wt_buf answer, line, error;       /* line: of the event stream, not whole yet */
        uint64_t first_us, last_us;
        uint64_t tokens;
        bool shown;                              /* something of the answer is on the screen */
};
static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
        (void)sig;
        interrupted = 1;
}

static void add_message(struct chat *h, const char *role, const char *text, size_t len)
{
        if (h->history.len > 0)
                wt_buf_str(&h->history, ",");
        wt_buf_str(&h->history, "{");
        wt_buf_json_kv(&h->history, "role", role);
        wt_buf_json_key(&h->history, "content");
        wt_buf_json_str(&h->history, text, len);
        wt_buf_str(&h->history, "}");
}

static void take_event(struct chat *h, const char *data, size_t len)
{
        wt_json *j;
        wt_jv choice, error;
        const char *s;
        size_t n;
        uint64_t u;

        if (wt_json_parse(&j, data, len, &wt_json_default) != WT_OK)
                return;
        error = wt_json_get(j, 0, "error");
        if ((s = wt_json_str(j, wt_json_get(j, error, "message"), &n)) != NULL)
                wt_buf_add(&h->error, s, n);
        choice = wt_json_first(j, wt_json_get(j, 0, "choices"));
        s = wt_json_str(j, wt_json_get(j, wt_json_get(j, choice, "delta"), "content"), &n);
        if (s != NULL && n > 0) {
                h->last_us = wt_now_us(&wt_clock_real);
                if (h->first_us == 0)
                        h->first_us = h->last_us;
                fwrite(s, 1, n, stdout);
                fflush(stdout);
                h->shown = true;
                wt_buf_add(&h->answer, s, n);
        }
        if (wt_json_u64(j, wt_json_get(j, wt_json_get(j, 0, "usage"), "completion_tokens"), &u))
                h->tokens = u;
        wt_json_free(j);
}

static bool take_bytes(void *arg, const char *data, size_t n)
{
        struct chat *h = arg;
        char *end;

        wt_buf_add(&h->line, data, n);
        while ((end = memchr(h->line.data, '\n', h->line.len)) != NULL) {
                size_t len = (size_t)(end - h->line.data);
                if (len > 6 && memcmp(h->line.data, "data: ", 6) == 0)
                        take_event(h, h->line.data + 6, len - 6);
                wt_buf_drop_front(&h->line, len + 1);
        }
        return !interrupted;
}

static void put_option(struct wt_buf *b, const char *key, const char *value)
{
        if (value != NULL) {
                wt_buf_json_key(b, key);
                wt_buf_str(b, value);
        }
}

static void put_request(struct chat *h, struct wt_buf *b)
{
        const char *slash = strrchr(h->cl.model, '/');

        wt_buf_str(b, "{");
        wt_buf_json_kv(b, "model", slash != NULL ? slash + 1 : h->cl.model);
        wt_buf_json_key(b, "messages");
        wt_buf_str(b, "[");
        wt_buf_add(b, h->history.data, h->history.len);
        wt_buf_str(b, "],\"stream\":true,\"stream_options\":{\"include_usage\":true}");
        put_option(b, "temperature", h->c->flag[F_TEMPERATURE] ? h->c->flag[F_TEMPERATURE] : "0.7");
        put_option(b, "top_p", h->c->flag[F_TOP_P] ? h->c->flag[F_TOP_P] : "0.9");
        put_option(b, "max_tokens", h->c->flag[F_MAX]);
        put_option(b, "seed", h->c->flag[F_SEED]);
        wt_buf_str(b, "}");
}

/* One question and its answer. False: it failed, said on stderr. */
static bool ask(struct chat *h, const char *text, size_t len)
{
        struct wt_buf body = { 0 };
        char url[400], headers[200];
        size_t mark = h->history.len;
        int status = 0;
        wt_err err;

        interrupted = 0;
        h->first_us = h->tokens = 0;
        h->shown = false;
        wt_buf_clear(&h->answer);
        wt_buf_clear(&h->line);
        wt_buf_clear(&h->error);
        add_message(h, "user", text, len);
        put_request(h, &body);
        snprintf(url, sizeof url, "%s/v1/chat/completions", h->cl.http);
        snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\nContent-Type: application/json\r\n",
                 h->cl.admin_key);
        err = wt_http_fetch("POST", url, headers, body.data, body.len, 600ull * 1000000, &status, NULL,
                            take_bytes, h);
        wt_buf_free(&body);
        if (h->line.len > 0)                     /* a refusal is one line of JSON, not an event */
                take_event(h, h->line.data, h->line.len);
        if (h->shown)
                putchar('\n');
        if (err == WT_OK && status == 200 && h->error.len == 0) {
                add_message(h, "assistant", h->answer.data, h->answer.len);
                return true;
        }
        if (interrupted) {
                add_message(h, "assistant", h->answer.len > 0 ? h->answer.data : "", h->answer.len);
                return true;
        }
        h->history.len = mark;                   /* as if it had not been asked */
        if (h->error.len > 0)
                verb_fail(h->c, "%s", h->error.data);
        else if (err != WT_OK)
                verb_fail(h->c, "%s; witan ps shows whether the cluster runs", wt_words());
        else
                verb_fail(h->c, "the gateway answered with status %d", status);
        return false;
}

static void speed(const struct chat *h)
{
        double s = (double)(h->last_us - h->first_us) / 1e6;

        if (h->tokens > 1 && s > 0)
                fprintf(stderr, "(%llu tokens, %.1f tokens/s)\n", (unsigned long long)h->tokens,
                        (double)(h->tokens - 1) / s);
}

static void system_message(struct chat *h)
{
        h->history.len = 0;
        if (h->c->flag[F_SYSTEM] != NULL)
                add_message(h, "system", h->c->flag[F_SYSTEM], strlen(h->c->flag[F_SYSTEM]));
}

static int converse(struct chat *h)
{
        char *line = NULL;
        size_t cap = 0;
        ssize_t n;

        fprintf(stderr, "model %s; /new begins again, /quit or Ctrl-D ends, Ctrl-C stops an answer\n",
                strrchr(h->cl.model, '/') + 1);
        for (;;) {
                fputs("> ", stderr);
                if ((n = getline(&line, &cap, stdin)) < 0)
                        break;
                while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
                        line[--n] = '\0';
                if (strcmp(line, "/quit") == 0)
                        break;
                if (strcmp(line, "/new") == 0)
                        system_message(h);
                else if (line[0] == '/')
                        fputs("there are /new and /quit\n", stderr);
                else if (n > 0 && ask(h, line, (size_t)n))
                        speed(h);
        }
        free(line);
        return EXIT_DONE;
}

static int ask_once(struct chat *h)
{
        struct wt_buf q = { 0 };
        char part[4096];
        size_t n;
        int rc;

        for (int i = 0; i < h->c->n_words; i++)
                wt_buf_fmt(&q, "%s%s", i > 0 ? " " : "", h->c->words[i]);
        while (h->c->n_words == 0 && (n = fread(part, 1, sizeof part, stdin)) > 0)
                wt_buf_add(&q, part, n);
        while (q.len > 0 && q.data[q.len - 1] == '\n')
                q.data[--q.len] = '\0';
        if (q.len == 0)
                rc = verb_usage(h->c, "there is no question; write it behind \"chat\" or into a pipe");
        else
                rc = ask(h, q.data, q.len) ? EXIT_DONE : EXIT_FAILED;
        if (rc == EXIT_DONE && isatty(2))
                speed(h);
        wt_buf_free(&q);
        return rc;
}

static int run(struct call *c)
{
        struct chat h = { .c = c };
        struct sigaction act = { .sa_handler = on_interrupt };
        int rc;

        if (cluster_read(&h.cl, c->state) != WT_OK)
                return verb_fail(c, "%s", wt_words());
        if (isatty(0) && c->n_words == 0)
                sigaction(SIGINT, &act, NULL);
        system_message(&h);
        rc = isatty(0) && c->n_words == 0 ? converse(&h) : ask_once(&h);
        wt_buf_free(&h.history);
        wt_buf_free(&h.answer);
        wt_buf_free(&h.line);
        wt_buf_free(&h.error);
        return rc;
}

const struct verb verb_chat = {
        .name = "chat", .about = "talks with the model on the terminal",
        .usage = "witan chat [--system TEXT] [--temperature T] [--top-p P] [--max-tokens N] [--seed N] "
                 "[QUESTION]",
        .example = "witan chat --temperature 0 'Who are you?'",
        .flags = { [F_SYSTEM] = { "system", "TEXT", "the system message", 0 },
                   [F_TEMPERATURE] = { "temperature", "T", "0 to 2 (0.7)", 0 },
                   [F_TOP_P] = { "top-p", "P", "above 0 to 1 (0.9)", 0 },
                   [F_MAX] = { "max-tokens", "N", "longest answer (what the context leaves)", 0 },
                   [F_SEED] = { "seed", "N", "makes the answer repeatable (drawn anew each time)", 0 } },
        .run = run,
};
