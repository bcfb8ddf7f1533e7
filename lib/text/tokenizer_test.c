/* tokenizer_test.c - added tokens (case L14), control tokens in user text, merges short and long,
 * round trips. Ids of other people's making are in tokenizer_vectors_test.c. */
#include "text/text_test.h"
#include "base/utf8.h"

static const char l14[] =
        "{\"version\":\"1.0\",\"added_tokens\":["
        "{\"id\":10,\"content\":\"<t>\",\"normalized\":false,\"special\":true},"
        "{\"id\":11,\"content\":\"<t>>\",\"normalized\":false,\"special\":true},"
        "{\"id\":12,\"content\":\"[M]\",\"lstrip\":true,\"normalized\":false,\"special\":true}],"
        "\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
        "\"use_regex\":false},\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\","
        "\"vocab\":{\"a\":1,\"b\":2,\"<\":3,\"t\":4,\">\":5,\"\xc4\xa0\":6,\"[\":7,\"M\":8,"
        "\"]\":9},\"merges\":[]}}";

static const struct row { const char *text; bool specials; int32_t want[12]; size_t n; } rows[] = {
        { "a<t>>b<t>", true,  { 1, 11, 2, 10 }, 4 },
        { "a [M] b",   true,  { 1, 12, 6, 2 }, 4 },
        { "<t",        true,  { 3, 4 }, 2 },
        { "<t><t>>>",  true,  { 10, 11, 5 }, 3 },
        { "  [M]",     true,  { 12 }, 1 },
        { "<t> [M]",   true,  { 10, 12 }, 2 },
        { "<t>>",      false, { 3, 4, 5, 5 }, 4 },
        { "[M]",       false, { 7, 8, 9 }, 3 },
        { "",          true,  { 0 }, 0 },
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static void finds_added_tokens(void **state)
{
        const struct row *r = *state;
        wt_tokenizer *t = tokenizer_of(l14, sizeof l14 - 1);
        struct wt_ids got = { 0 };

        assert_int_equal(wt_tokenizer_encode(t, r->text, strlen(r->text), r->specials, &got),
                         WT_OK);
        expect_ids(r->text, &got, r->want, r->n);
        wt_ids_free(&got);
        wt_tokenizer_free(t);
}

static void says_what_an_id_is(void **state)
{
        wt_tokenizer *t = tokenizer_of(l14, sizeof l14 - 1);
        size_t len;
        bool special;

        (void)state;
        assert_int_equal(wt_tokenizer_size(t), 13);
        assert_memory_equal(wt_tokenizer_bytes(t, 6, &len, &special), " ", 1);
        assert_int_equal(len, 1);
        assert_false(special);
        assert_memory_equal(wt_tokenizer_bytes(t, 11, &len, &special), "<t>>", 4);
        assert_true(special);
        for (int32_t id = -2; id < 20; id++) {
                const char *p = wt_tokenizer_bytes(t, id, &len, NULL);

                assert_non_null(p);
                assert_int_equal(len > 0, id >= 1 && id <= 12);
        }
        assert_int_equal(wt_tokenizer_id(t, "<t>>"), 11);
        assert_int_equal(wt_tokenizer_id(t, "[M]"), 12);
        assert_int_equal(wt_tokenizer_id(t, "<t"), -1);
        assert_int_equal(wt_tokenizer_id(t, "a"), -1);   /* of the vocabulary, not added */
        wt_tokenizer_free(t);
}

static void refuses_bytes_that_it_cannot_say(void **state)
{
        wt_tokenizer *t = tokenizer_of(l14, sizeof l14 - 1), *full = tiny();
        struct wt_ids got = { 0 };

        (void)state;
        wt_ids_add(&got, 7);
        assert_int_equal(wt_tokenizer_encode(t, "abc", 3, true, &got), WT_EINVAL);
        assert_non_null(strstr(wt_words(), "0x63"));
        assert_int_equal(wt_tokenizer_encode(full, "ab\xc3(", 4, true, &got), WT_EINVAL);
        assert_non_null(strstr(wt_words(), "byte 0xc3 at offset 2"));
        assert_int_equal(wt_tokenizer_encode(full, "\xed\xa0\x80", 3, true, &got), WT_EINVAL);
        assert_int_equal(got.len, 1);                    /* nothing of a failed text is left */
        wt_ids_free(&got);
        wt_tokenizer_free(t);
        wt_tokenizer_free(full);
}

/* Merges lead to a special token, and ignore_merges finds it whole: user text stays text. */
static void user_text_makes_no_control_token(void **state)
{
        static const char form[] =
                "{\"added_tokens\":[{\"id\":3,\"content\":\"<t>\",\"special\":true}],"
                "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
                "\"use_regex\":false},\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{"
                "\"ignore_merges\":%s,\"vocab\":{\"<\":0,\"t\":1,\">\":2,\"<t>\":3,\"t>\":4},"
                "\"merges\":[\"t >\",\"< t>\"]}}";
        static const int32_t text[] = { 0, 1, 2 }, token[] = { 3 };

        (void)state;
        for (int k = 0; k < 2; k++) {
                char json[600];
                int n = snprintf(json, sizeof json, form, k == 0 ? "false" : "true");
                wt_tokenizer *t = tokenizer_of(json, (size_t)n);
                struct wt_ids got = { 0 };

                assert_int_equal(wt_tokenizer_encode(t, "<t>", 3, false, &got), WT_OK);
                expect_ids("as text", &got, text, 3);
                got.len = 0;
                assert_int_equal(wt_tokenizer_encode(t, "<t>", 3, true, &got), WT_OK);
                expect_ids("as a token", &got, token, 1);
                wt_ids_free(&got);
                wt_tokenizer_free(t);
        }
}

static uint32_t draw(uint32_t *seed)
{
        *seed = *seed * 1664525u + 1013904223u;
        return *seed >> 8;
}

/* What BPE means, said without any cleverness. */
static void merge_plainly(const wt_tokenizer *t, const char *p, size_t len, struct wt_ids *out)
{
        for (size_t i = 0; i < len; i++)
                wt_ids_add(out, t->byte_id[(uint8_t)p[i]]);
        for (;;) {
                const struct wt_tok_pair *best = NULL;
                size_t at = 0;

                for (size_t i = 0; i + 1 < out->len; i++) {
                        uint64_t left = (uint32_t)out->data[i], right = (uint32_t)out->data[i + 1];
                        const struct wt_tok_pair *pair =
                                wt_tok_pairs_get(&t->merges, left << 32 | right);

                        if (pair != NULL && (best == NULL || pair->a < best->a)) {
                                best = pair;
                                at = i;
                        }
                }
                if (best == NULL)
                        return;
                out->data[at] = (int32_t)best->b;
                memmove(out->data + at + 1, out->data + at + 2,
                        (out->len - at - 2) * sizeof *out->data);
                out->len--;
        }
}

static void merges_short_and_long(void **state)
{
        wt_tokenizer *t = tiny();
        struct wt_tok_scratch scratch = { 0 };
        uint32_t seed = 7;
        char text[400];

        (void)state;
        for (int turn = 0; turn < 3000; turn++) {
                size_t len = 1 + draw(&seed) % (turn % 10 == 0 ? 400 : 70);
                struct wt_ids got = { 0 }, want = { 0 };

                for (size_t i = 0; i < len; i++)
                        text[i] = "etaoinshr dlu\xc3\xa9"[draw(&seed) % (turn % 2 == 0 ? 4 : 15)];
                assert_int_equal(wt_tok_bpe(t, &scratch, text, len, &got), WT_OK);
                merge_plainly(t, text, len, &want);
                expect_ids("random letters", &got, want.data, want.len);
                wt_ids_free(&got);
                wt_ids_free(&want);
        }
        wt_tok_scratch_free(&scratch);
        wt_tokenizer_free(t);
}

static void random_character(uint32_t *seed, struct wt_buf *out)
{
        uint32_t c = draw(seed) % 4 == 0 ? draw(seed) % 0x110000 : draw(seed) % 0x250;
        char p[4];

        if (c >= 0xd800 && c < 0xe000)
                c = 'x';
        wt_buf_add(out, p, wt_utf8_put(c, p));
}

static void comes_back_as_it_went(void **state)
{
        wt_tokenizer *t = tiny();
        uint32_t seed = 3;

        (void)state;
        for (int turn = 0; turn < 3000; turn++) {
                struct wt_buf text = { 0 }, back = { 0 };
                struct wt_ids ids = { 0 };

                for (uint32_t n = 1 + draw(&seed) % 60; n > 0; n--) {
                        if (draw(&seed) % 20 == 0)
                                wt_buf_str(&text, "<\xef\xbd\x9cUser\xef\xbd\x9c>");
                        random_character(&seed, &text);
                }
                assert_int_equal(wt_utf8_valid(text.data, text.len), text.len);
                if (wt_tokenizer_encode(t, text.data, text.len, turn % 2 == 0, &ids) != WT_OK)
                        fail_msg("%s", wt_words());
                decoded(t, &ids, &back);
                assert_int_equal(back.len, text.len);
                assert_memory_equal(back.data, text.data, text.len);
                wt_ids_free(&ids);
                wt_buf_free(&text);
                wt_buf_free(&back);
        }
        wt_tokenizer_free(t);
}

/* One word of 64 KiB costs n log n: a scan of all pairs for each merge would take minutes. */
static void long_words_end(void **state)
{
        wt_tokenizer *t = tiny();
        struct wt_buf text = { 0 }, back = { 0 };
        struct wt_ids ids = { 0 };

        (void)state;
        for (int i = 0; i < 1 << 15; i++)
                wt_buf_add(&text, "an", 2);
        assert_int_equal(wt_tokenizer_encode(t, text.data, text.len, true, &ids), WT_OK);
        assert_true(ids.len <= 1 << 15);
        decoded(t, &ids, &back);
        assert_string_equal(text.data, back.data);
        wt_buf_clear(&text);
        for (int i = 0; i < (1 << 20) + 1; i++)
                wt_buf_add(&text, "a", 1);
        assert_int_equal(wt_tokenizer_encode(t, text.data, text.len, true, &ids), WT_EEXHAUSTED);
        wt_ids_free(&ids);
        wt_buf_free(&text);
        wt_buf_free(&back);
        wt_tokenizer_free(t);
}

int main(void)
{
        static const struct CMUnitTest others[] = {
                cmocka_unit_test(says_what_an_id_is),
                cmocka_unit_test(refuses_bytes_that_it_cannot_say),
                cmocka_unit_test(user_text_makes_no_control_token),
                cmocka_unit_test(merges_short_and_long),
                cmocka_unit_test(comes_back_as_it_went),
                cmocka_unit_test(long_words_end),
        };
        struct CMUnitTest tests[N_ROWS + sizeof others / sizeof *others];

        for (size_t i = 0; i < N_ROWS; i++)
                tests[i] = (struct CMUnitTest){ rows[i].text, finds_added_tokens, NULL, NULL,
                                                (void *)&rows[i] };
        memcpy(tests + N_ROWS, others, sizeof others);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
