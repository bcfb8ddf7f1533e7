/* chat_ask.c - one request and its stream of events. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/json.h"
#include "base/utf8.h"
#include "chat.h"
#include "net/http.h"

enum { SILENCE_US = 600 * 1000 * 1000 };
static volatile sig_atomic_t stopped;

void chat_stop(void)
{
        stopped = 1;
}

/* What the model says is text: on a terminal it commands nothing. */
static void show(const struct chat *h, const char *s, size_t n)
{
        for (size_t i = 0, len; i < n; i += len) {
                len = wt_utf8(s + i, n - i);
                len = len == 0 ? 1 : len;
                bool c1 = len == 2 && (unsigned char)s[i] == 0xc2 && (unsigned char)s[i + 1] < 0xa0;
                bool c0 = len == 1 && (unsigned char)s[i] < ' ' && s[i] != '\n' && s[i] != '\t';
                if (!h->terminal || (!c0 && !c1 && s[i] != 0x7f))
                        fwrite(s + i, 1, len, stdout);
        }
        fflush(stdout);
}

static void take_event(struct chat *h, const char *data, size_t len)
{
        wt_json *j;
        wt_jv choice;
        const char *s;
        size_t n;

        if (wt_json_parse(&j, data, len, &wt_json_default) != WT_OK)
                return;
        if ((s = wt_json_str(j, wt_json_get(j, wt_json_get(j, 0, "error"), "message"), &n)) != NULL)
                wt_buf_add(&h->error, s, n);
        choice = wt_json_first(j, wt_json_get(j, 0, "choices"));
        s = wt_json_str(j, wt_json_get(j, wt_json_get(j, choice, "delta"), "content"), &n);
        if (s != NULL && n > 0) {
                h->last_us = wt_now_us(&wt_clock_real);
                h->pieces++;
                if (!h->silent)
                        show(h, s, n);
                wt_buf_add(&h->answer, s, n);
        }
        wt_json_u64(j, wt_json_get(j, wt_json_get(j, 0, "usage"), "completion_tokens"), &h->tokens);
        wt_json_free(j);
}

static bool take_bytes(void *arg, const char *data, size_t n)
{
        struct chat *h = arg;
        char *end;

        wt_buf_add(&h->line, data, n);
        while (h->line.len > 0 && (end = memchr(h->line.data, '\n', h->line.len)) != NULL) {
                size_t len = (size_t)(end - h->line.data);
                if (len > 6 && memcmp(h->line.data, "data: ", 6) == 0)
                        take_event(h, h->line.data + 6, len - 6);
                wt_buf_drop_front(&h->line, len + 1);
        }
        return !stopped;
}

static void put_number(struct wt_buf *b, const char *key, const char *given, const char *def)
{
        if (given != NULL || def != NULL)
                wt_buf_json_kf(b, key, strtod(given != NULL ? given : def, NULL));
}

static void put_request(struct chat *h, struct wt_buf *b)
{
        const char *slash = strrchr(h->cl->model, '/');
        const char *const *flag = h->c->flag;

        wt_buf_str(b, "{");
        wt_buf_json_kv(b, "model", slash != NULL ? slash + 1 : h->cl->model);
        chat_messages(h, b);
        wt_buf_str(b, ",\"stream\":true,\"stream_options\":{\"include_usage\":true}");
        put_number(b, "temperature", flag[CHAT_TEMPERATURE], "0.7");
        put_number(b, "top_p", flag[CHAT_TOP_P], "0.9");
        if (flag[CHAT_MAX] != NULL)
                wt_buf_json_ku(b, "max_tokens", (uint64_t)strtod(flag[CHAT_MAX], NULL));
        if (flag[CHAT_SEED] != NULL)
                wt_buf_json_ku(b, "seed", strtoull(flag[CHAT_SEED], NULL, 10));
        wt_buf_str(b, "}");
}

static enum chat_end failed(struct chat *h, wt_err err, int status)
{
        if (err == WT_OK && status == 401)
                verb_fail(h->c,
                          "the gateway refuses the key in %s/witan.json: it was revoked, or has "
                          "expired; witan "
                          "down, then witan up makes a new one",
                          h->c->state);
        else if (h->error.len > 0)
                verb_fail(h->c, "%s", h->error.data);
        else if (err != WT_OK)
                verb_fail(h->c, "%s; witan ps shows whether the cluster runs", wt_words());
        else
                verb_fail(h->c, "the gateway answered with status %d; witan logs gateway shows why",
                          status);
        return CHAT_FAILED;
}

enum chat_end chat_ask(struct chat *h)
{
        struct wt_buf body = { 0 };
        char url[400], headers[200];
        int status = 0;
        wt_err err;

        stopped = 0;
        h->tokens = h->pieces = 0;
        h->asked_us = h->last_us = wt_now_us(&wt_clock_real);
        wt_buf_clear(&h->answer);
        wt_buf_clear(&h->line);
        wt_buf_clear(&h->error);
        put_request(h, &body);
        snprintf(url, sizeof url, "%s/v1/chat/completions", h->cl->http);
        snprintf(headers, sizeof headers,
                 "Authorization: Bearer %s\r\nContent-Type: application/json\r\n",
                 h->cl->admin_key);
        err = wt_http_fetch("POST", url, headers, body.data, body.len, SILENCE_US, &status, NULL,
                            take_bytes, h);
        wt_buf_free(&body);
        if (h->line.len > 0)                     /* a refusal is one line of JSON, not an event */
                take_event(h, h->line.data, h->line.len);
        if (h->answer.len > 0 && !h->silent)
                putchar('\n');
        fflush(stdout);
        h->tokens = h->tokens > 0 ? h->tokens : h->pieces;
        if (!stopped && (err != WT_OK || status != 200 || h->error.len > 0))
                return failed(h, err, status);
        chat_add(h, "assistant", h->answer.len > 0 ? h->answer.data : "");
        return stopped ? CHAT_STOPPED : CHAT_ANSWERED;
}

double chat_speed(const struct chat *h)
{
        double s = (double)(h->last_us - h->asked_us) / 1e6;

        return s > 0 ? (double)h->tokens / s : 0;
}
