/* llhttp_test.c - the request cases of llhttp's own tests (shared data): what llhttp refuses we
 * refuse, what it accepts we accept, except where a row below says why not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/base64.h"
#include "base/file.h"
#include "base/json.h"
#include "net/parse.h"

static const struct { const char *id, *why; } otherwise[] = {
        { "27aa1684a6", "llhttp stops where a protocol changes; we answer as if none was asked" },
        { "f710c76564", "that test tells llhttp to skip the body, which no server may do" },
        { "d5dbc55c5d", "any token is a method (RFC 9110 9.1); the handler answers 405" },
        { "229c58ad6e", "\"*\" is for OPTIONS alone (RFC 9112 3.2.4)" },
        { "7ea7a7741b", "ICE/1.0 is not HTTP" },
        { "f4ca778529", "RTSP/1.0 is not HTTP" },
        { "99564ca335", "a fragment in the target; and of codings we understand chunked alone" },
        { "054e1ba857", "a fragment in the target (RFC 9112 3.2: the target has none)" },
};

/* What a sequence of requests came to. */
struct result { int messages, status; bool last_closes; const char *why; };

/* Parses requests until one is refused, one closes, or bytes are missing. The cases of llhttp
 * mostly have no Host, which RFC 9112 3.2 makes us refuse: that is checked, and then each gets
 * one. */
static struct result parse(struct wt_buf *in, struct wt_http_parser *p, int *n_hosts)
{
        struct result r = { 0 };
        enum wt_http_state s = WT_HTTP_DONE;
        size_t at = 0, n;

        while (at < in->len && s == WT_HTTP_DONE && !r.last_closes) {
                wt_http_parser_reset(p, 0);
                n = wt_http_parser_feed(p, in->data + at, in->len - at, &s);
                r.status = wt_http_parser_status(p, &r.why);
                if (r.status && strstr(r.why, "needs a Host")) {
                        struct wt_buf with = { 0 };
                        size_t line = (size_t)(strstr(in->data + at + 2, "\r\n") + 2 - in->data);

                        assert_int_equal(r.status, 400);
                        wt_buf_add(&with, in->data, line);
                        wt_buf_str(&with, "Host: a\r\n");
                        wt_buf_add(&with, in->data + line, in->len - line);
                        wt_buf_free(in);
                        *in = with;
                        s = WT_HTTP_DONE;
                        ++*n_hosts;
                        continue;
                }
                at += n;
                if (s == WT_HTTP_DONE) {
                        r.messages++;
                        r.last_closes = !wt_http_parser_keeps(p);
                }
        }
        return r;
}

static bool agrees(const struct result *r, bool reject, int messages, const char *reason)
{
        if (reason && strstr(reason, "Data after `Connection: close`"))
                return !r->status && r->messages == messages && r->last_closes;
        return reject ? r->status != 0 : r->status == 0 && r->messages == messages;
}

static const char *excused(const char *id)
{
        for (size_t i = 0; i < sizeof otherwise / sizeof *otherwise; i++)
                if (strcmp(otherwise[i].id, id) == 0)
                        return otherwise[i].why;
        return NULL;
}

static int run_case(const wt_json *j, int *n_hosts, int *n_excused)
{
        static const char *const tails[] = { "", "\r\n", "\r\n\r\n" };
        const char *id = wt_json_str(j, wt_json_get(j, 0, "id"), NULL);
        const char *reason =
                wt_json_str(j, wt_json_get(j, wt_json_get(j, 0, "error"), "reason"), NULL);
        const char *bytes = wt_json_str(j, wt_json_get(j, 0, "input_b64"), NULL);
        struct wt_http_parser p;
        struct wt_buf in = { 0 };
        struct result r = { 0 };
        bool reject = false, good = false;
        int64_t messages = 0;

        wt_json_bool(j, wt_json_get(j, 0, "reject"), &reject);
        wt_json_i64(j, wt_json_get(j, 0, "messages_complete"), &messages);
        wt_http_parser_init(&p, &wt_http_default);
        /* The data lost the last line ends of some cases: with them is as good. */
        for (int t = 0; t < 3 && !good; t++) {
                wt_buf_clear(&in);
                assert_true(wt_base64_read(&in, bytes, strlen(bytes)));
                wt_buf_str(&in, tails[t]);
                r = parse(&in, &p, n_hosts);
                good = agrees(&r, reject, (int)messages, reason);
        }
        wt_http_parser_fini(&p);
        wt_buf_free(&in);
        if (!good && excused(id)) {
                ++*n_excused;
                return 0;
        }
        if (!good)
                print_message("%s (%s): llhttp %s after %d messages (%s), here %d, status %d %s\n",
                              id, wt_json_str(j, wt_json_get(j, 0, "title"), NULL),
                              reject ? "refuses" : "accepts", (int)messages, reason ? reason : "",
                              r.messages, r.status, r.why ? r.why : "");
        else if (excused(id))
                print_message("%s agrees and needs no excuse\n", id);
        return !good || excused(id);
}

static void llhttp_cases(void **state)
{
        const char *shared = getenv("WITAN_SHARED");
        int n = 0, bad = 0, n_hosts = 0, n_excused = 0;
        struct wt_buf path = { 0 }, file = { 0 };
        char *line, *save = NULL;

        (void)state;
        wt_buf_fmt(&path, "%s/data/api/http/llhttp_cases.jsonl", shared ? shared : "../shared");
        if (wt_file_read(path.data, 16 << 20, &file) != WT_OK) {
                print_message("skipped: %s\n", wt_words());
                wt_buf_free(&path);
                skip();
        }
        for (line = strtok_r(file.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                wt_json *j;

                assert_int_equal(wt_json_parse(&j, line, strlen(line), &wt_json_default), WT_OK);
                if (strcmp(wt_json_str(j, wt_json_get(j, 0, "type"), NULL), "request") == 0) {
                        bad += run_case(j, &n_hosts, &n_excused);
                        n++;
                }
                wt_json_free(j);
        }
        wt_buf_free(&path);
        wt_buf_free(&file);
        print_message("%d cases, %d otherwise for a reason, %d hosts added\n", n, n_excused,
                      n_hosts);
        assert_true(n > 50);
        assert_int_equal(bad, 0);
}

int main(void)
{
        static const struct CMUnitTest tests[] = { cmocka_unit_test(llhttp_cases) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
