/* chat_test.c - chats against the rendering of models/tiny's own template (jinja2, a
 * committed file), what is refused, and the one begin token (case L17). */
#include "text/text_test.h"
#include "text/chat.h"

enum { MAX_MESSAGES = 8, MAX_CALLS = 4 };

struct chat_of { struct wt_message m[MAX_MESSAGES]; struct wt_call calls[MAX_MESSAGES][MAX_CALLS];
                 size_t n; };

static void read_calls(struct chat_of *c, const wt_json *j, wt_jv list)
{
        struct wt_message *m = &c->m[c->n];

        for (wt_jv v = wt_json_first(j, list); v != WT_JSON_NONE; v = wt_json_next(j, v)) {
                wt_jv f = wt_json_get(j, v, "function");
                struct wt_call *call = &c->calls[c->n][m->n_calls++];

                assert_true(m->n_calls <= MAX_CALLS);
                call->name = wt_json_str(j, wt_json_get(j, f, "name"), &call->name_len);
                call->arguments = wt_json_str(j, wt_json_get(j, f, "arguments"),
                                              &call->arguments_len);
        }
        m->calls = c->calls[c->n];
}

static void read_chat(struct chat_of *c, const wt_json *j, wt_jv list)
{
        size_t len;

        memset(c, 0, sizeof *c);
        for (wt_jv v = wt_json_first(j, list); v != WT_JSON_NONE; v = wt_json_next(j, v), c->n++) {
                struct wt_message *m = &c->m[c->n];

                assert_true(c->n < MAX_MESSAGES);
                m->role = wt_json_str(j, wt_json_get(j, v, "role"), &len);
                m->content = wt_json_str(j, wt_json_get(j, v, "content"), &m->len);
                read_calls(c, j, wt_json_get(j, v, "tool_calls"));
        }
}

static void renders_as_the_template(void **state)
{
        wt_tokenizer *t = tiny();
        const wt_chat *format = NULL;
        wt_json *j = read_json(GOLDEN);
        size_t n = 0;

        (void)state;
        assert_int_equal(wt_chat_pick(&format, t), WT_OK);
        assert_string_equal(wt_chat_name(format), "deepseek-v3");
        for (wt_jv v = wt_json_first(j, wt_json_get(j, 0, "chats")); v != WT_JSON_NONE;
             v = wt_json_next(j, v), n++) {
                struct wt_ids got = { 0 }, want = { 0 };
                wt_jv list = wt_json_get(j, v, "ids");
                struct chat_of c;
                char what[32];
                int64_t id;

                read_chat(&c, j, wt_json_get(j, v, "messages"));
                for (list = wt_json_first(j, list); list != WT_JSON_NONE;
                     list = wt_json_next(j, list)) {
                        assert_true(wt_json_i64(j, list, &id));
                        wt_ids_add(&want, (int32_t)id);
                }
                if (wt_chat_render(format, t, c.m, c.n, &got) != WT_OK)
                        fail_msg("chat %zu: %s", n, wt_words());
                snprintf(what, sizeof what, "chat %zu", n);
                expect_ids(what, &got, want.data, want.len);
                for (size_t i = 0; i < got.len; i++)     /* one begin token, in front */
                        assert_int_equal(got.data[i] == 0, i == 0);
                wt_ids_free(&got);
                wt_ids_free(&want);
        }
        assert_true(n >= 16);
        wt_json_free(j);
        wt_tokenizer_free(t);
}

static const struct wt_call call = { .name = "f", .name_len = 1, .arguments = "{}",
                                     .arguments_len = 2 };
static const struct row {
        const char *name, *words;
        struct wt_message m[3];
        size_t n;
        wt_err err;
} rows[] = {
        { "no message", "messages is empty", { { .role = "user" } }, 0, WT_EINVAL },
        { "only a system message", "nothing to answer", {
                { .role = "system", .content = "a", .len = 1 } }, 1, WT_EINVAL },
        { "the assistant spoke last", "nothing to answer", {
                { .role = "user", .content = "a", .len = 1 },
                { .role = "assistant", .content = "b", .len = 1 } }, 2, WT_EINVAL },
        { "an unknown role", "messages[1]: role \"wizard\"", {
                { .role = "user", .content = "a", .len = 1 },
                { .role = "wizard", .content = "b", .len = 1 } }, 2, WT_EINVAL },
        { "no role", "messages[0]: role \"\"", { { .content = "a", .len = 1 } }, 1, WT_EINVAL },
        { "a user calls a tool", "messages[0]: only an assistant", {
                { .role = "user", .content = "a", .len = 1, .calls = &call, .n_calls = 1 } }, 1,
          WT_EINVAL },
        { "content that is not UTF-8", "messages[0]: the text is not UTF-8: byte 0xff at offset", {
                { .role = "user", .content = "a\xff", .len = 2 } }, 1, WT_EINVAL },
        { "a system message that is not UTF-8", "the system messages: ", {
                { .role = "system", .content = "\xff", .len = 1 },
                { .role = "user", .content = "a", .len = 1 } }, 2, WT_EINVAL },
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static void is_refused(void **state)
{
        const struct row *r = *state;
        wt_tokenizer *t = tiny();
        const wt_chat *format = NULL;
        struct wt_ids got = { 0 };

        assert_int_equal(wt_chat_pick(&format, t), WT_OK);
        wt_ids_add(&got, 7);
        assert_int_equal(wt_chat_render(format, t, r->m, r->n, &got), r->err);
        if (strstr(wt_words(), r->words) == NULL)
                fail_msg("\"%s\" does not say \"%s\"", wt_words(), r->words);
        assert_int_equal(got.len, 1);
        wt_ids_free(&got);
        wt_tokenizer_free(t);
}

/* Tokenizer with the tokens given ("," between them, ids from 1) and "a" as id 0. */
static wt_tokenizer *with_tokens(const char *const *token, size_t n, const char *more)
{
        struct wt_buf json = { 0 };
        wt_tokenizer *t;

        wt_buf_str(&json, "{\"added_tokens\":[");
        for (size_t i = 0; i < n; i++)
                wt_buf_fmt(&json, "%s{\"id\":%zu,\"content\":\"%s\",\"special\":true}",
                           i > 0 ? "," : "", i + 1, token[i]);
        wt_buf_fmt(&json, "],\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":"
                   "false},\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"vocab\":{\"a\":0},"
                   "\"merges\":[]}%s}", more);
        t = tokenizer_of(json.data, json.len);
        wt_buf_free(&json);
        return t;
}

static const char *const deepseek[] = { "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>",
                                        "<｜User｜>", "<｜Assistant｜>" };

static void needs_the_tokens_of_the_format(void **state)
{
        wt_tokenizer *three = with_tokens(deepseek, 3, ""), *four = with_tokens(deepseek, 4, "");
        const struct wt_message m[] = { { .role = "user", .content = "a", .len = 1 },
                                        { .role = "tool", .content = "a", .len = 1 } };
        const int32_t want[] = { 1, 3, 0, 4 };
        const wt_chat *format = NULL;
        struct wt_ids got = { 0 };

        (void)state;
        assert_int_equal(wt_chat_pick(&format, three), WT_EUNSUPPORTED);
        assert_null(format);
        assert_int_equal(wt_chat_pick(&format, four), WT_OK);
        assert_int_equal(wt_chat_render(format, four, m, 1, &got), WT_OK);
        expect_ids("a user's a", &got, want, 4);
        assert_int_equal(wt_chat_render(format, four, m, 2, &got), WT_EUNSUPPORTED);
        assert_non_null(strstr(wt_words(), "messages[1]: the tokenizer has no token"));
        assert_int_equal(got.len, 4);
        wt_ids_free(&got);
        wt_tokenizer_free(three);
        wt_tokenizer_free(four);
}

static void knows_the_begin_token(void **state)
{
        static const char *const s[] = { "<s>" };
        static const char post[] =
                ",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":["
                "{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\","
                "\"type_id\":0}}],"
                "\"pair\":[],\"special_tokens\":{\"<s>\":{\"id\":\"<s>\",\"ids\":[1],\"tokens\":"
                "[\"<s>\"]}}}";
        wt_tokenizer *t = tiny(), *other = with_tokens(s, 1, post), *none = with_tokens(s, 1, "");
        const wt_chat *format = NULL;

        (void)state;
        assert_int_equal(wt_chat_pick(&format, t), WT_OK);
        assert_int_equal(wt_chat_bos(format, t), 0);
        assert_int_equal(wt_chat_bos(NULL, other), 1);
        assert_int_equal(wt_chat_bos(NULL, none), -1);
        wt_tokenizer_free(t);
        wt_tokenizer_free(other);
        wt_tokenizer_free(none);
}

/* L17 B: a prompt that spells the begin token has it once, and encode itself puts none in front. */
static void puts_nothing_in_front(void **state)
{
        wt_tokenizer *t = tiny();
        struct wt_ids got = { 0 };
        char text[64];
        int n = snprintf(text, sizeof text, "%sping", deepseek[0]);

        (void)state;
        assert_int_equal(wt_tokenizer_encode(t, text, (size_t)n, true, &got), WT_OK);
        assert_int_equal(got.data[0], 0);
        assert_int_not_equal(got.data[1], 0);
        got.len = 0;
        assert_int_equal(wt_tokenizer_encode(t, "ping", 4, true, &got), WT_OK);
        assert_int_not_equal(got.data[0], 0);
        wt_ids_free(&got);
        wt_tokenizer_free(t);
}

int main(void)
{
        static const struct CMUnitTest others[] = {
                cmocka_unit_test(renders_as_the_template),
                cmocka_unit_test(needs_the_tokens_of_the_format),
                cmocka_unit_test(knows_the_begin_token),
                cmocka_unit_test(puts_nothing_in_front),
        };
        struct CMUnitTest tests[N_ROWS + sizeof others / sizeof *others];

        for (size_t i = 0; i < N_ROWS; i++)
                tests[i] = (struct CMUnitTest){ rows[i].name, is_refused, NULL, NULL,
                                                (void *)&rows[i] };
        memcpy(tests + N_ROWS, others, sizeof others);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
