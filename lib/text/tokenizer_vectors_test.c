/* tokenizer_vectors_test.c - ids by others: Hugging Face's tokenizers (a committed file), the
 * golden file of models/tiny, and, where the shared data is there, DeepSeek-V3's own vocabulary
 * on texts, whole files and llama.cpp's test texts. */
#include "base/base64.h"
#include "text/text_test.h"

/* --- models/tiny --- */

static void tiny_golden_texts(void **state)
{
        wt_tokenizer *t = tiny();
        wt_json *j = read_json("models/tiny/golden.json");
        wt_jv list = wt_json_get(j, 0, "prompts");
        size_t len, n = 0;

        (void)state;
        for (wt_jv v = wt_json_first(j, list); v != WT_JSON_NONE; v = wt_json_next(j, v), n++) {
                const char *s = wt_json_str(j, wt_json_get(j, v, "text"), &len);
                struct wt_ids ids = { 0 };
                struct wt_buf back = { 0 };
                int64_t id;

                assert_non_null(s);
                expect_encoded(t, s, len, true, j, wt_json_get(j, v, "ids"));
                wt_jv greedy = wt_json_first(j, wt_json_get(j, v, "greedy"));
                for (; greedy != WT_JSON_NONE; greedy = wt_json_next(j, greedy)) {
                        assert_true(wt_json_i64(j, greedy, &id));
                        wt_ids_add(&ids, (int32_t)id);
                }
                decoded(t, &ids, &back);
                assert_string_equal(back.data,
                                    wt_json_str(j, wt_json_get(j, v, "greedy_text"), &len));
                wt_ids_free(&ids);
                wt_buf_free(&back);
        }
        assert_true(n >= 6);
        wt_json_free(j);
        wt_tokenizer_free(t);
}

static void tiny_as_hugging_face(void **state)
{
        wt_tokenizer *t = tiny();
        wt_json *j = read_json(GOLDEN);
        size_t len, n = 0;

        (void)state;
        for (wt_jv v = wt_json_first(j, wt_json_get(j, 0, "tiny")); v != WT_JSON_NONE;
             v = wt_json_next(j, v), n++) {
                const char *s = wt_json_str(j, wt_json_get(j, v, "text"), &len);

                assert_non_null(s);
                expect_encoded(t, s, len, true, j, wt_json_get(j, v, "ids"));
                expect_encoded(t, s, len, false, j, wt_json_get(j, v, "plain"));
        }
        assert_true(n > 40);
        wt_json_free(j);
        wt_tokenizer_free(t);
}

/* --- one feature at a time --- */

static void add_raw(struct wt_buf *out, const wt_json *j, wt_jv v, const char *key)
{
        size_t len;
        const char *raw = wt_json_raw(j, wt_json_get(j, v, key), &len);

        wt_buf_json_key(out, key);
        wt_buf_add(out, raw, len);
}

static wt_tokenizer *machine(const wt_json *j, wt_jv v)
{
        struct wt_buf json = { 0 };
        wt_tokenizer *t;

        wt_buf_str(&json, "{\"decoder\":{\"type\":\"ByteLevel\"}");
        add_raw(&json, j, v, "added_tokens");
        add_raw(&json, j, v, "normalizer");
        add_raw(&json, j, v, "pre_tokenizer");
        wt_buf_str(&json, ",\"model\":{\"type\":\"BPE\"");
        add_raw(&json, j, v, "ignore_merges");
        add_raw(&json, j, 0, "vocab");
        add_raw(&json, j, 0, "merges");
        wt_buf_str(&json, "}}");
        t = tokenizer_of(json.data, json.len);
        wt_buf_free(&json);
        return t;
}

static void features_as_hugging_face(void **state)
{
        wt_json *j = read_json(GOLDEN);
        size_t len, n = 0;

        (void)state;
        for (wt_jv v = wt_json_first(j, wt_json_get(j, 0, "machines")); v != WT_JSON_NONE;
             v = wt_json_next(j, v)) {
                wt_tokenizer *t = machine(j, v);
                wt_jv c = wt_json_first(j, wt_json_get(j, v, "cases"));

                print_message("%s\n", wt_json_str(j, wt_json_get(j, v, "name"), &len));
                for (; c != WT_JSON_NONE; c = wt_json_next(j, c), n++) {
                        const char *s = wt_json_str(j, wt_json_get(j, c, "text"), &len);

                        assert_non_null(s);
                        expect_encoded(t, s, len, true, j, wt_json_get(j, c, "ids"));
                }
                wt_tokenizer_free(t);
        }
        assert_true(n > 100);
        wt_json_free(j);
}

/* --- DeepSeek-V3, from the shared data --- */

/* Lines of "base64(token in byte-level letters) id". */
static void add_vocab(struct wt_buf *json, const struct wt_buf *tiktoken)
{
        const char *p = tiktoken->data, *end = p + tiktoken->len;
        struct wt_buf token = { 0 };

        wt_buf_str(json, "{");
        while (p < end) {
                const char *blank = memchr(p, ' ', (size_t)(end - p));
                const char *line_end = memchr(p, '\n', (size_t)(end - p));

                line_end = line_end != NULL ? line_end : end;
                assert_true(blank != NULL && blank < line_end);
                wt_buf_clear(&token);
                assert_true(wt_base64_read(&token, p, (size_t)(blank - p)));
                wt_buf_json_sep(json);
                wt_buf_json_str(json, token.data, token.len);
                wt_buf_fmt(json, ":%ld", strtol(blank, NULL, 10));
                p = line_end + 1;
        }
        wt_buf_str(json, "}");
        wt_buf_free(&token);
}

static void add_merges(struct wt_buf *json, const struct wt_buf *merges)
{
        const char *p = merges->data, *end = p + merges->len;

        wt_buf_str(json, "[");
        while (p < end) {
                const char *line_end = memchr(p, '\n', (size_t)(end - p));

                line_end = line_end != NULL ? line_end : end;
                wt_buf_json_sep(json);
                wt_buf_json_str(json, p, (size_t)(line_end - p));
                p = line_end + 1;
        }
        wt_buf_str(json, "]");
}

static void add_specials(struct wt_buf *json, const wt_json *specials)
{
        wt_jv list = wt_json_get(specials, 0, "special_tokens");
        size_t len;
        int64_t id;

        wt_buf_str(json, "[");
        for (wt_jv v = wt_json_first(specials, list); v != WT_JSON_NONE;
             v = wt_json_next(specials, v)) {
                const char *s = wt_json_key(specials, v, &len);

                assert_true(wt_json_i64(specials, v, &id));
                wt_buf_json_sep(json);
                wt_buf_str(json, "{\"content\":");
                wt_buf_json_str(json, s, len);
                wt_buf_fmt(json, ",\"id\":%d,\"special\":%s}", (int)id, id < 3 ? "true" : "false");
        }
        wt_buf_str(json, "]");
}

/* NULL when the shared data is not there. */
static wt_tokenizer *deepseek_v3(void)
{
        struct wt_buf tiktoken = { 0 }, merges = { 0 }, json = { 0 };
        wt_json *layout, *specials;
        const char *path = shared_file("tokenizer/deepseek_v3.tiktoken");
        wt_tokenizer *t;

        if (path == NULL)
                return NULL;
        read_file(path, &tiktoken);
        read_file(shared_file("tokenizer/deepseek_v3.merges"), &merges);
        specials = read_json(shared_file("tokenizer/deepseek_v3_special_tokens.json"));
        layout = read_json("models/tiny/tokenizer.json");
        wt_buf_str(&json, "{\"added_tokens\":");
        add_specials(&json, specials);
        add_raw(&json, layout, 0, "pre_tokenizer");
        add_raw(&json, layout, 0, "decoder");
        wt_buf_str(&json, ",\"model\":{\"type\":\"BPE\",\"vocab\":");
        add_vocab(&json, &tiktoken);
        wt_buf_str(&json, ",\"merges\":");
        add_merges(&json, &merges);
        wt_buf_str(&json, "}}");
        t = tokenizer_of(json.data, json.len);
        wt_json_free(layout);
        wt_json_free(specials);
        wt_buf_free(&tiktoken);
        wt_buf_free(&merges);
        wt_buf_free(&json);
        return t;
}

/* One JSON object a line: {"text": ..., "ids": {"deepseek-v3": [...]}}. */
static void deepseek_texts(const wt_tokenizer *t)
{
        struct wt_buf lines = { 0 };
        size_t n = 0, len;

        read_file(shared_file("tokenizer/vectors.jsonl"), &lines);
        for (char *p = lines.data, *end; (end = strchr(p, '\n')) != NULL; p = end + 1) {
                wt_json *j;
                const char *s;

                assert_int_equal(wt_json_parse(&j, p, (size_t)(end - p), &wt_json_default), WT_OK);
                s = wt_json_str(j, wt_json_get(j, 0, "text"), &len);
                assert_non_null(s);
                expect_encoded(t, s, len, false, j,      /* these ids know no added tokens */
                               wt_json_get(j, wt_json_get(j, 0, "ids"), "deepseek-v3"));
                wt_json_free(j);
                n++;
        }
        assert_int_equal(n, 226);
        wt_buf_free(&lines);
}

static void deepseek_whole_files(const wt_tokenizer *t)
{
        wt_json *j = read_json(shared_file("tokenizer/whole_file_counts.json"));
        size_t len;

        for (wt_jv v = wt_json_first(j, 0); v != WT_JSON_NONE; v = wt_json_next(j, v)) {
                const char *path = shared_file(wt_json_key(j, v, &len));
                struct wt_buf text = { 0 }, back = { 0 };
                struct wt_ids ids = { 0 };
                uint64_t want;

                assert_true(wt_json_u64(j, wt_json_get(j, v, "deepseek-v3"), &want));
                read_file(path, &text);
                assert_int_equal(wt_tokenizer_encode(t, text.data, text.len, true, &ids), WT_OK);
                assert_int_equal(ids.len, want);
                decoded(t, &ids, &back);
                assert_int_equal(back.len, text.len);
                assert_memory_equal(back.data, text.data, text.len);
                wt_ids_free(&ids);
                wt_buf_free(&text);
                wt_buf_free(&back);
        }
        wt_json_free(j);
}

/* llama.cpp's texts, parted by a mark, and their ids, a line each. */
static void deepseek_llama_texts(const wt_tokenizer *t)
{
        static const char mark[] = "\n__ggml_vocab_test__\n";
        struct wt_buf in = { 0 }, out = { 0 };
        const char *line;
        size_t n = 0;

        read_file(shared_file("tokenizer/deepseek-v3.inp"), &in);
        read_file(shared_file("tokenizer/deepseek-v3.out"), &out);
        line = out.data;
        for (const char *p = in.data, *end; (end = strstr(p, mark)) != NULL;
             p = end + sizeof mark - 1, n++) {
                struct wt_ids got = { 0 }, want = { 0 };
                const char *stop = strchr(line, '\n');
                char *next;

                assert_non_null(stop);
                while (line < stop) {
                        long id = strtol(line, &next, 10);

                        if (next == line || next > stop)
                                break;           /* blanks before the end of the line */
                        wt_ids_add(&want, (int32_t)id);
                        line = next;
                }
                line = stop + 1;
                assert_int_equal(wt_tokenizer_encode(t, p, (size_t)(end - p), true, &got), WT_OK);
                expect_ids(p, &got, want.data, want.len);
                wt_ids_free(&got);
                wt_ids_free(&want);
        }
        assert_true(n > 30);
        wt_buf_free(&in);
        wt_buf_free(&out);
}

static void deepseek(void **state)
{
        wt_tokenizer *t = deepseek_v3();
        struct wt_ids ids = { 0 };
        const int32_t think[] = { 128798 };

        (void)state;
        if (t == NULL)
                return;
        deepseek_texts(t);
        deepseek_whole_files(t);
        deepseek_llama_texts(t);
        assert_int_equal(wt_tokenizer_encode(t, "<think>", 7, true, &ids), WT_OK);
        expect_ids("<think>", &ids, think, 1);
        wt_ids_free(&ids);
        wt_tokenizer_free(t);
}

/* A file whose vocabulary says " t" where byte-level text would be "\xc4\xa0t", so that it has
 * no token for a blank. Hugging Face drops the blanks of a text without a word; here they are
 * refused. */
static void torchtitan(void **state)
{
        static const int32_t hello[] = { 72, 101, 108, 108, 111, 44 };
        const char *path = shared_file("tokenizer/torchtitan_test_tokenizer.json");
        struct wt_buf json = { 0 };
        struct wt_ids ids = { 0 };
        wt_tokenizer *t;

        (void)state;
        if (path == NULL)
                return;
        read_file(path, &json);
        t = tokenizer_of(json.data, json.len);
        assert_int_equal(wt_tokenizer_encode(t, "Hello,", 6, true, &ids), WT_OK);
        expect_ids("Hello,", &ids, hello, 6);
        assert_int_equal(wt_tokenizer_encode(t, "a b", 3, true, &ids), WT_EINVAL);
        assert_non_null(strstr(wt_words(), "no token for byte 0x20"));
        wt_ids_free(&ids);
        wt_buf_free(&json);
        wt_tokenizer_free(t);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(tiny_golden_texts),
                cmocka_unit_test(tiny_as_hugging_face),
                cmocka_unit_test(features_as_hugging_face),
                cmocka_unit_test(deepseek),
                cmocka_unit_test(torchtitan),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
