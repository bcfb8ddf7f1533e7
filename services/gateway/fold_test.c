/* fold_test.c - detokenise and stop, over a tokenizer of single pieces made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "fold.h"

/* Ids 0.. are the letters a..h and two that end in each other's stop strings; byte-level needs no
 * more. */
static const char json[] =
        "{\"version\":\"1.0\",\"added_tokens\":[{\"id\":9,\"content\":\"<e>\",\"single_word\":"
        "false,"
        "\"lstrip\":false,\"rstrip\":false,\"normalized\":false,\"special\":true}],"
        "\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
        "\"trim_offsets\":true,\"use_regex\":false},\"post_processor\":null,\"decoder\":"
        "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":"
        "true},"
        "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,"
        "\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,\"fuse_unk\":false,"
        "\"byte_fallback\":false,\"vocab\":{\"a\":0,\"b\":1,\"c\":2,\"d\":3,\"\u00e3\":4,"
        "\"\u0123\":5,"
        "\"\u0124\":6,\"E\":7,\"N\":8},\"merges\":[]}}";

enum { MAX_IDS = 12, MAX_STOP = 3 };
static const struct row {
        const char *name;
        int32_t ids[MAX_IDS]; uint32_t n;
        const char *stop[MAX_STOP];
        const char *want;                        /* all text */
        bool stopped;
} rows[] = {
        { "no stop: all of it", { 0, 1, 2 }, 3, { 0 }, "abc", false },
        { "special tokens are not shown", { 0, 9, 1 }, 3, { 0 }, "ab", false },
        { "a stop string ends the text before it", { 0, 1, 2, 3 }, 4, { "cd" }, "ab", true },
        { "across token borders", { 0, 7, 8, 3 }, 4, { "END" }, "aENd", false },
        { "one letter", { 0, 1, 0 }, 3, { "b" }, "a", true },
        { "the earliest of two wins", { 0, 1, 2, 3 }, 4, { "cd", "bc" }, "a", true },
        { "what might begin a stop comes out at the end", { 0, 2 }, 2, { "cd" }, "ac", false },
        { "a false start is let go", { 2, 2, 3 }, 3, { "cd" }, "c", true },
        { "a stop inside one longer run", { 0, 0, 1, 0, 0, 1, 2 }, 7, { "aabc" }, "aab", true },
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static void folds(void **state)
{
        const struct row *r = *state;
        struct stop_list stops = { 0 };
        char *text[MAX_STOP];
        size_t len[MAX_STOP];
        struct wt_buf out = { 0 };
        struct folds f;
        wt_tokenizer *t;
        bool on = true;

        assert_int_equal(wt_tokenizer_parse(&t, json, sizeof json - 1), WT_OK);
        for (; stops.n < MAX_STOP && r->stop[stops.n] != NULL; stops.n++) {
                text[stops.n] = (char *)r->stop[stops.n];
                len[stops.n] = strlen(r->stop[stops.n]);
        }
        stops.text = text;
        stops.len = len;
        folds_init(&f, t, &stops);
        for (uint32_t i = 0; i < r->n && on; i++)
                on = folds_feed(&f, r->ids[i], &out);
        if (on)
                on = folds_flush(&f, &out);
        assert_int_equal(folds_held(&f), 0);
        wt_buf_add(&out, "", 1);
        assert_string_equal(out.data, r->want);
        assert_int_equal(!on, r->stopped);
        folds_fini(&f);
        wt_buf_free(&out);
        wt_tokenizer_free(t);
}

int main(void)
{
        struct CMUnitTest tests[N_ROWS];

        for (size_t i = 0; i < N_ROWS; i++)
                tests[i] = (struct CMUnitTest){ rows[i].name, folds, NULL, NULL, (void *)&rows[i] };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
