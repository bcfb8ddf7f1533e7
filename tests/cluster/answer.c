/* answer.c - a streamed completion, joined by choice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "base/json.h"
#include "field.h"
#include "net/http.h"

static void choice(struct answer *a, const wt_json *j, wt_jv c)
{
        const char *text, *finish;
        uint64_t at = 0;
        size_t n;

        wt_json_u64(j, wt_json_get(j, c, "index"), &at);
        assert_true(at < ANSWER_MAX);
        text = wt_json_str(j, wt_json_get(j, c, "text"), &n);
        if (text != NULL)
                wt_buf_add(&a->text[at], text, n);
        finish = wt_json_str(j, wt_json_get(j, c, "finish_reason"), &n);
        if (finish != NULL)
                snprintf(a->finish[at], sizeof *a->finish, "%s", finish);
}

static bool event(struct answer *a, const char *data, size_t n)
{
        const char *words;
        size_t len;
        wt_json *j;
        wt_jv c;

        assert_false(a->done);                   /* nothing after [DONE] */
        if (n == 6 && memcmp(data, "[DONE]", 6) == 0) {
                a->done = true;
                return true;
        }
        if (wt_json_parse(&j, data, n, &wt_json_default) != WT_OK)
                fail_msg("%s: %.*s", wt_words(), (int)n, data);
        words = wt_json_str(j, wt_json_get(j, wt_json_get(j, 0, "error"), "message"), &len);
        if (words != NULL)
                snprintf(a->error, sizeof a->error, "%s", words);
        for (c = wt_json_first(j, wt_json_get(j, 0, "choices")); c != WT_JSON_NONE;
             c = wt_json_next(j, c))
                choice(a, j, c);
        a->chunks++;
        wt_json_free(j);
        return a->each == NULL || a->each(a->arg, a);
}

static bool each(void *arg, const char *data, size_t n)
{
        struct answer *a = arg;
        char *end;

        wt_buf_add(&a->rest, data, n);
        while (a->rest.len > 0 && (end = memmem(a->rest.data, a->rest.len, "\n\n", 2)) != NULL) {
                size_t line = (size_t)(end - a->rest.data);
                bool go_on = true;

                if (strncmp(a->rest.data, "data: ", 6) == 0)
                        go_on = event(a, a->rest.data + 6, line - 6);
                wt_buf_drop_front(&a->rest, line + 2);
                if (!go_on)
                        return false;
        }
        return true;
}

int answer_stream(const char *address, const char *body, struct answer *a)
{
        char url[160];
        int status = 0;

        snprintf(url, sizeof url, "http://%s/v1/completions", address);
        if (wt_http_fetch("POST", url, "Content-Type: application/json\r\n", body, strlen(body),
                          60 * 1000000, &status, NULL, each, a) != WT_OK)
                return 0;
        return status;
}

void answer_free(struct answer *a)
{
        for (int i = 0; i < ANSWER_MAX; i++)
                wt_buf_free(&a->text[i]);
        wt_buf_free(&a->rest);
}
