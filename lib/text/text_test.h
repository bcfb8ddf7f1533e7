/* text_test.h - what the tests of lib/text share: files, and ids told apart in words. */
#ifndef WITAN_TEXT_TEST_H
#define WITAN_TEXT_TEST_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "text/tok.h"

#define GOLDEN "tests/golden/tokenizer_tiny.json"

/* Path of a file of the shared data, or NULL (and "skipped" is said) when it is not there. */
static inline const char *shared_file(const char *name)
{
        static char path[4096];
        const char *root = getenv("WITAN_SHARED");

        snprintf(path, sizeof path, "%s/data/%s", root != NULL && *root ? root : "../shared", name);
        if (access(path, R_OK) == 0)
                return path;
        print_message("skipped: %s is not there\n", path);
        return NULL;
}

static inline void read_file(const char *path, struct wt_buf *out)
{
        if (wt_file_read(path, 256u << 20, out) != WT_OK)
                fail_msg("%s", wt_words());
}

static inline wt_json *read_json(const char *path)
{
        struct wt_buf text = { 0 };
        wt_json *j = NULL;

        read_file(path, &text);
        if (wt_json_parse(&j, text.data, text.len, &wt_json_default) != WT_OK)
                fail_msg("%s: %s", path, wt_words());
        wt_buf_free(&text);
        return j;
}

static inline wt_tokenizer *tokenizer_of(const char *json, size_t len)
{
        wt_tokenizer *t = NULL;

        if (wt_tokenizer_parse(&t, json, len) != WT_OK)
                fail_msg("%s", wt_words());
        return t;
}

static inline wt_tokenizer *tiny(void)
{
        wt_tokenizer *t = NULL;

        if (wt_tokenizer_load(&t, "models/tiny") != WT_OK)
                fail_msg("%s", wt_words());
        return t;
}

static inline void expect_ids(const char *what, const struct wt_ids *got, const int32_t *want,
                              size_t n_want)
{
        size_t i = 0, n = got->len < n_want ? got->len : n_want;

        while (i < n && got->data[i] == want[i])
                i++;
        if (i < n || got->len != n_want)
                fail_msg("%.200s: %zu ids, expected %zu; the first that differs is number %zu: %d, "
                         "expected %d", what, got->len, n_want, i, i < got->len ? got->data[i] : -1,
                         i < n_want ? want[i] : -1);
}

/* Encodes text and holds it against a JSON list of ids. */
static inline void expect_encoded(const wt_tokenizer *t, const char *text, size_t len,
                                  bool specials, const wt_json *j, wt_jv list)
{
        struct wt_ids got = { 0 }, want = { 0 };
        int64_t id;

        for (wt_jv v = wt_json_first(j, list); v != WT_JSON_NONE; v = wt_json_next(j, v)) {
                assert_true(wt_json_i64(j, v, &id));
                wt_ids_add(&want, (int32_t)id);
        }
        if (wt_tokenizer_encode(t, text, len, specials, &got) != WT_OK)
                fail_msg("%.200s: %s", text, wt_words());
        expect_ids(text, &got, want.data, want.len);
        wt_ids_free(&got);
        wt_ids_free(&want);
}

static inline void decoded(const wt_tokenizer *t, const struct wt_ids *ids, struct wt_buf *out)
{
        for (size_t i = 0; i < ids->len; i++) {
                size_t len;
                const char *p = wt_tokenizer_bytes(t, ids->data[i], &len, NULL);

                wt_buf_add(out, p, len);
        }
}
#endif
