/* tokenizer_bad_test.c - files that are broken or ask for what is not there: each is refused in
 * words that say what and where. Parts of a good file are exchanged one at a time. */
#include "text/text_test.h"

#define BYTES "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}"
#define SPLIT(p, more) "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\"," \
                       "\"pattern\":" p more "}," BYTES "]}"
#define VOCAB "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},"
#define MODEL(more) "{\"type\":\"BPE\"," VOCAB "\"merges\":[\"a b\"]" more "}"

static const struct row {
        const char *name, *words;                /* words NULL: the file is good */
        wt_err err;
        const char *added, *normal, *pre, *post, *decoder, *model, *more;        /* NULL: good */
} rows[] = {
        { "a good file", NULL, .err = WT_OK },
        { "a good file with everything", NULL, WT_OK,
          .added = "[{\"id\":9,\"content\":\"x\"}]", .normal = "{\"type\":\"NFC\"}",
          .pre = SPLIT("{\"String\":\"a\"}", ",\"behavior\":\"Removed\",\"invert\":true"),
          .post = "{\"type\":\"Sequence\",\"processors\":[{\"type\":\"ByteLevel\"},{\"type\":"
                  "\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"x\"}},"
                  "{\"Sequence\":{\"id\":\"A\"}}],\"special_tokens\":{\"x\":{\"ids\":[9]}}}]}",
          .model = "{\"vocab\":{\"a\":0,\"b\":4,\"ab\":2},\"merges\":[[\"a\",\"b\"]],"
                   "\"dropout\":0.0,\"end_of_word_suffix\":\"\","
                   "\"fuse_unk\":true,\"byte_fallback\":false}" },
        { "an unknown member", "\"lookahead\" is not known", WT_EUNSUPPORTED,
          .more = ",\"lookahead\":1" },
        { "a member's name with a blank", "\" version\" is not known", WT_EUNSUPPORTED,
          .more = ",\" version\":1" },
        { "an unknown member that is null", NULL, WT_OK, .more = ",\"lookahead\":null" },
        { "another version", "version", WT_EUNSUPPORTED, .more = ",\"version\":\"2.0\"" },
        { "truncation", "truncation is not supported", WT_EUNSUPPORTED,
          .more = ",\"truncation\":{\"max_length\":5}" },
        { "not BPE", "type BPE", WT_EUNSUPPORTED, .model = "{\"type\":\"Unigram\",\"vocab\":[]}" },
        { "dropout", "dropout", WT_EUNSUPPORTED, .model = MODEL(",\"dropout\":0.1") },
        { "a prefix of subwords", "continuing_subword_prefix", WT_EUNSUPPORTED,
          .model = MODEL(",\"continuing_subword_prefix\":\"##\"") },
        { "a suffix of words", "end_of_word_suffix", WT_EUNSUPPORTED,
          .model = MODEL(",\"end_of_word_suffix\":\"</w>\"") },
        { "byte_fallback", "byte_fallback", WT_EUNSUPPORTED,
          .model = MODEL(",\"byte_fallback\":true") },
        { "ignore_merges that is no flag", "ignore_merges must be", WT_EINVAL,
          .model = MODEL(",\"ignore_merges\":1") },
        { "unk_token that is needed", "unk_token", WT_EUNSUPPORTED,
          .model = MODEL(",\"unk_token\":\"a\"") },
        { "an unknown member of the model", "\"window\" is not known", WT_EUNSUPPORTED,
          .model = MODEL(",\"window\":3") },
        { "no vocabulary", "vocab", WT_EINVAL, .model = "{\"merges\":[]}" },
        { "no merges", "merges", WT_EINVAL, .model = "{\"vocab\":{\"a\":0}}" },
        { "an empty vocabulary", "vocab is empty", WT_EINVAL,
          .model = "{\"vocab\":{},\"merges\":[]}" },
        { "a merge of an unknown token", "number 1 names \"c\"", WT_EINVAL,
          .model = "{" VOCAB "\"merges\":[\"a b\",\"a c\"]}" },
        { "a merge that makes an unknown token", "number 0 names \"ba\"", WT_EINVAL,
          .model = "{" VOCAB "\"merges\":[[\"b\",\"a\"]]}" },
        { "a merge of three", "number 0 is neither", WT_EINVAL,
          .model = "{" VOCAB "\"merges\":[\"a b a\"]}" },
        { "a merge of one", "number 0 is neither", WT_EINVAL,
          .model = "{" VOCAB "\"merges\":[\"ab\"]}" },
        { "a merge list of three", "number 0 is neither", WT_EINVAL,
          .model = "{" VOCAB "\"merges\":[[\"a\",\"b\",\"a\"]]}" },
        { "a merge of numbers", "number 0 is neither", WT_EINVAL,
          .model = "{" VOCAB "\"merges\":[[0,1]]}" },
        { "a merge that is not of bytes", "not byte-level", WT_EUNSUPPORTED,
          .model = "{\"vocab\":{\"a\":0,\"\xe2\x96\x81\":1,\"\xe2\x96\x81" "a\":2},\"merges\":"
                   "[\"\xe2\x96\x81 a\"]}" },
        { "one id for two tokens", "id 0 is given twice, to \"a\" and to \"b\"", WT_EINVAL,
          .model = "{\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}" },
        { "a negative id", "\"b\" has no id", WT_EINVAL,
          .model = "{\"vocab\":{\"a\":0,\"b\":-1},\"merges\":[]}" },
        { "an id too high", "\"b\" has no id from 0 to 1048575", WT_EINVAL,
          .model = "{\"vocab\":{\"a\":0,\"b\":1048576},\"merges\":[]}" },
        { "an id with a fraction", "\"b\" has no id", WT_EINVAL,
          .model = "{\"vocab\":{\"a\":0,\"b\":1.5},\"merges\":[]}" },
        { "holes between ids", NULL, WT_OK,
          .model = "{\"vocab\":{\"a\":70000,\"b\":3},\"merges\":[]}" },
        { "an added token without id", "one has no id", WT_EINVAL,
          .added = "[{\"content\":\"x\"}]" },
        { "an added token without content", "id 5 has no content", WT_EINVAL,
          .added = "[{\"id\":5,\"content\":\"\"}]" },
        { "an added token with another's id", "\"x\" and id 1 are not together in vocab", WT_EINVAL,
          .added = "[{\"id\":1,\"content\":\"x\"}]" },
        { "an added token with two ids", "\"b\" and id 7 are not together in vocab", WT_EINVAL,
          .added = "[{\"id\":7,\"content\":\"b\"}]" },
        { "two added tokens with one id", "id 7 is given twice", WT_EINVAL,
          .added = "[{\"id\":7,\"content\":\"x\"},{\"id\":7,\"content\":\"y\"}]" },
        { "an added token given twice", "\"x\" is there twice", WT_EINVAL,
          .added = "[{\"id\":7,\"content\":\"x\"},{\"id\":8,\"content\":\"x\"}]" },
        { "an added token's unknown flag", "\"sticky\" is not known", WT_EUNSUPPORTED,
          .added = "[{\"id\":7,\"content\":\"x\",\"sticky\":true}]" },
        { "an added token's flag that is none", "lstrip must be", WT_EINVAL,
          .added = "[{\"id\":7,\"content\":\"x\",\"lstrip\":\"yes\"}]" },
        { "an added token with two texts", "byte-level text for something else", WT_EUNSUPPORTED,
          .added = "[{\"id\":1,\"content\":\"\xc4\xa0\"}]",
          .model = "{\"vocab\":{\"a\":0,\"\xc4\xa0\":1},\"merges\":[]}" },
        { "a normalizer that is not supported", "normalizer Lowercase", WT_EUNSUPPORTED,
          .normal = "{\"type\":\"Lowercase\"}" },
        { "a normalizer without a type", "normalizer without a type", WT_EUNSUPPORTED,
          .normal = "{}" },
        { "too many normalizers", "more than 4 steps", WT_EEXHAUSTED,
          .normal = "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},{\"type\":\"NFC\"},"
                    "{\"type\":\"NFC\"},{\"type\":\"NFC\"},{\"type\":\"NFC\"}]}" },
        { "no pre-tokenizer", "no ByteLevel", WT_EUNSUPPORTED, .pre = "null" },
        { "another pre-tokenizer", "step 1 (Metaspace)", WT_EUNSUPPORTED,
          .pre = "{\"type\":\"Metaspace\"}" },
        { "something after ByteLevel", "step 2 (Digits) comes after ByteLevel", WT_EUNSUPPORTED,
          .pre = "{\"type\":\"Sequence\",\"pretokenizers\":[" BYTES ",{\"type\":\"Digits\"}]}" },
        { "a Sequence of nothing", "no ByteLevel", WT_EUNSUPPORTED,
          .pre = "{\"type\":\"Sequence\",\"pretokenizers\":[]}" },
        { "a Sequence without a list", "without its list", WT_EINVAL,
          .pre = "{\"type\":\"Sequence\"}" },
        { "a pattern that does not compile",
          "step 1 (Split): the pattern does not compile, near offset 1", WT_EINVAL,
          .pre = SPLIT("{\"Regex\":\"a)b\"}", ",\"behavior\":\"Isolated\"") },
        { "a pattern with another meaning", "step 1 (Split): an intersection of", WT_EUNSUPPORTED,
          .pre = SPLIT("{\"Regex\":\"[a&&[b]]\"}", ",\"behavior\":\"Isolated\"") },
        { "an empty pattern", "has 0 bytes", WT_EINVAL,
          .pre = SPLIT("{\"String\":\"\"}", ",\"behavior\":\"Isolated\"") },
        { "a pattern that is none", "pattern must be", WT_EINVAL,
          .pre = SPLIT("\"a\"", ",\"behavior\":\"Isolated\"") },
        { "a behavior that is none", "behavior is none of", WT_EUNSUPPORTED,
          .pre = SPLIT("{\"Regex\":\"a\"}", ",\"behavior\":\"Scattered\"") },
        { "a post-processor that is not supported", "post_processor", WT_EUNSUPPORTED,
          .post = "{\"type\":\"BertProcessing\"}" },
        { "a template with a token behind", "puts one token in front", WT_EUNSUPPORTED,
          .post = "{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"A\"}},"
                  "{\"SpecialToken\":{\"id\":\"x\"}}],\"special_tokens\":{}}" },
        { "a template with an unknown token", "no id that is known", WT_EINVAL,
          .post = "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"x\"}},"
                  "{\"Sequence\":{\"id\":\"A\"}}],\"special_tokens\":{\"x\":{\"ids\":[3]}}}" },
        { "another decoder", "decoder is not ByteLevel", WT_EUNSUPPORTED,
          .decoder = "{\"type\":\"Metaspace\"}" },
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static const char *or_else(const char *s, const char *other) { return s != NULL ? s : other; }

static void write_row(const struct row *r, struct wt_buf *out)
{
        wt_buf_fmt(out, "{\"added_tokens\":%s,\"normalizer\":%s,\"pre_tokenizer\":%s,"
                   "\"post_processor\":%s,\"decoder\":%s,\"model\":%s%s}", or_else(r->added, "[]"),
                   or_else(r->normal, "null"), or_else(r->pre, BYTES), or_else(r->post, "null"),
                   or_else(r->decoder, "{\"type\":\"ByteLevel\"}"), or_else(r->model, MODEL("")),
                   or_else(r->more, ""));
}

static void is_refused(void **state)
{
        const struct row *r = *state;
        wt_tokenizer *t = NULL;
        struct wt_buf json = { 0 };
        wt_err err;

        write_row(r, &json);
        err = wt_tokenizer_parse(&t, json.data, json.len);
        if (r->words == NULL && err != WT_OK)
                fail_msg("refused: %s", wt_words());
        assert_int_equal(err, r->err);
        if (r->words != NULL && strstr(wt_words(), r->words) == NULL)
                fail_msg("\"%s\" does not say \"%s\"", wt_words(), r->words);
        if (r->words != NULL)
                assert_null(t);
        wt_tokenizer_free(t);
        wt_buf_free(&json);
}

/* Cut anywhere, a file is refused and nothing is lost (under ASan) or left behind. */
static void is_refused_when_cut(void **state)
{
        struct wt_buf json = { 0 };

        (void)state;
        write_row(&rows[1], &json);
        for (size_t n = 0; n < json.len; n++) {
                wt_tokenizer *t = NULL;

                assert_int_not_equal(wt_tokenizer_parse(&t, json.data, n), WT_OK);
                assert_null(t);
        }
        wt_buf_free(&json);
}

static void names_the_file(void **state)
{
        wt_tokenizer *t;

        (void)state;
        assert_int_not_equal(wt_tokenizer_load(&t, "no/such/folder"), WT_OK);
        assert_non_null(strstr(wt_words(), "no/such/folder/tokenizer.json"));
}

int main(void)
{
        struct CMUnitTest tests[N_ROWS + 2];

        for (size_t i = 0; i < N_ROWS; i++)
                tests[i] = (struct CMUnitTest){ rows[i].name, is_refused, NULL, NULL,
                                                (void *)&rows[i] };
        tests[N_ROWS] = (struct CMUnitTest)cmocka_unit_test(is_refused_when_cut);
        tests[N_ROWS + 1] = (struct CMUnitTest)cmocka_unit_test(names_the_file);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
