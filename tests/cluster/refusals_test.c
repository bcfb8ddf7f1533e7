/* refusals_test.c - what a user is told when a request is wrong: status, OpenAI's four keys, the
 * field and a sentence. After every refusal the next plain request must be answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/json.h"
#include "whole.h"

/* A chat whose second message is this; an assistant's with these tool_calls; a call. */
#define TALK(m) "{\"model\":\"tiny\",\"messages\":[{\"role\":\"user\",\"content\":\"w\"}," m "]}"
#define SAID(calls) TALK("{\"role\":\"assistant\",\"content\":null,\"tool_calls\":" calls "}")
#define CALL(id) "{\"id\":\"" id "\",\"type\":\"function\"," \
                 "\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}"

static const struct bad {
        const char *name, *method, *path, *body;
        int status;
        const char *param, *words;
} bads[] = {
        {"no JSON", "POST", CHAT, "{\"model\":", 400, NULL, "JSON"},
        {"an empty body", "POST", CHAT, "", 400, NULL, "empty"},
        {"an array as body", "POST", CHAT, "[]", 400, NULL, "object"},
        {"duplicate keys", "POST", CHAT, "{" HI ",\"model\":\"tiny\"}", 400, NULL,
         "the key \"model\" before this value stood already"},
        {"no model", "POST", CHAT, "{\"messages\":[]}", 400, "model", "tiny"},
        {"a model that is a number", "POST", CHAT, "{\"model\":5,\"messages\":[]}", 400, "model",
         "must be a string"},
        {"an unknown model", "POST", CHAT, "{\"model\":\"gpt-9\",\"messages\":[]}", 404, "model",
         "gpt-9"},
        {"no messages", "POST", CHAT, "{\"model\":\"tiny\"}", 400, "messages", "at least one"},
        {"empty messages", "POST", CHAT, "{\"model\":\"tiny\",\"messages\":[]}", 400, "messages",
         "at least"},
        {"an unknown role", "POST", CHAT,
         "{\"model\":\"tiny\",\"messages\":[{\"role\":\"king\",\"content\":\"x\"}]}", 400,
         "messages", "king"},
        {"no content", "POST", CHAT, "{\"model\":\"tiny\",\"messages\":[{\"role\":\"user\"}]}", 400,
         "messages", "content"},
        {"an image", "POST", CHAT,
         "{\"model\":\"tiny\",\"messages\":[{\"role\":\"user\",\"content\":"
         "[{\"type\":\"image_url\",\"image_url\":{\"url\":\"x\"}}]}]}",
         400, "messages", "image_url"},
        {"tool calls of a user", "POST", CHAT,
         TALK("{\"role\":\"user\",\"content\":\"x\",\"tool_calls\":[" CALL("a") "]}"), 400,
         "messages", "only an assistant"},
        {"tool calls that are no array", "POST", CHAT, SAID("\"x\""), 400, "messages",
         "messages[1].tool_calls must be an array"},
        {"a tool call without a type", "POST", CHAT, SAID("[{\"id\":\"a\"}]"), 400, "messages",
         "\"function\""},
        {"a tool call of a custom tool", "POST", CHAT,
         SAID("[{\"id\":\"a\",\"type\":\"custom\",\"custom\":{}}]"), 400, "messages",
         "\"function\""},
        {"a tool call without an id", "POST", CHAT,
         SAID("[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]"), 400,
         "messages", "has no id"},
        {"a tool call without a name", "POST", CHAT,
         SAID("[{\"id\":\"a\",\"type\":\"function\",\"function\":{\"arguments\":\"{}\"}}]"), 400,
         "messages", "has no name"},
        {"arguments that are an object", "POST", CHAT,
         SAID("[{\"id\":\"a\",\"type\":\"function\","
              "\"function\":{\"name\":\"f\",\"arguments\":{}}}]"),
         400, "messages", "one string of JSON"},
        {"a function_call of old", "POST", CHAT,
         TALK("{\"role\":\"assistant\",\"content\":null,\"function_call\":{\"name\":\"f\","
              "\"arguments\":\"{}\"}}"), 400, "messages", "send tool_calls"},
        {"a tool's output without an id", "POST", CHAT,
         TALK("{\"role\":\"tool\",\"content\":\"x\"}"), 400, "messages", "no tool_call_id"},
        {"a tool's output of an unknown call", "POST", CHAT,
         SAID("[" CALL("a") "]},{\"role\":\"tool\",\"tool_call_id\":\"b\",\"content\":\"x\""), 400,
         "messages", "messages[2] answers call \"b\""},
        {"a tool's output before its call", "POST", CHAT,
         TALK("{\"role\":\"tool\",\"tool_call_id\":\"a\",\"content\":\"x\"},"
              "{\"role\":\"assistant\",\"tool_calls\":[" CALL("a") "]}"), 400, "messages",
         "messages[1] answers"},
        {"max_tokens 0", "POST", CHAT, "{" HI ",\"max_tokens\":0}", 400, "max_tokens",
         "at least 1"},
        {"max_tokens below 0", "POST", CHAT, "{" HI ",\"max_tokens\":-1}", 400, "max_tokens",
         "is -1; it must be at least 1"},
        {"max_tokens as text", "POST", CHAT, "{" HI ",\"max_tokens\":\"9\"}", 400, "max_tokens",
         "integer"},
        {"max_tokens 0 in completions", "POST", COMP, "{" ONCE ",\"max_tokens\":0}", 400,
         "max_tokens", ""},
        {"temperature above 2", "POST", CHAT, "{" HI ",\"temperature\":2.1}", 400, "temperature",
         "2.1"},
        {"temperature below 0", "POST", CHAT, "{" HI ",\"temperature\":-0.1}", 400, "temperature",
         "-0.1"},
        {"temperature as text", "POST", CHAT, "{" HI ",\"temperature\":\"hot\"}", 400,
         "temperature", ""},
        {"top_p 0", "POST", CHAT, "{" HI ",\"top_p\":0}", 400, "top_p", "above 0"},
        {"top_p above 1", "POST", CHAT, "{" HI ",\"top_p\":1.5}", 400, "top_p", "1.5"},
        {"an empty stop string", "POST", CHAT, "{" HI ",\"stop\":[\"\"]}", 400, "stop", "empty"},
        {"an empty stop alone", "POST", CHAT, "{" HI ",\"stop\":\"\"}", 400, "stop", "empty"},
        {"a stop that is a number", "POST", CHAT, "{" HI ",\"stop\":[1]}", 400, "stop", "string"},
        {"seed beyond int64", "POST", CHAT, "{" HI ",\"seed\":9223372036854775808}", 400, "seed",
         "64"},
        {"seed beyond uint64", "POST", CHAT, "{" HI ",\"seed\":18446744073709551616}", 400, "seed",
         "64"},
        {"seed with a fraction", "POST", CHAT, "{" HI ",\"seed\":1.5}", 400, "seed", "integer"},
        {"seed as text", "POST", CHAT, "{" HI ",\"seed\":\"7\"}", 400, "seed", "integer"},
        {"seed as truth", "POST", CHAT, "{" HI ",\"seed\":true}", 400, "seed", "integer"},
        {"n 0", "POST", CHAT, "{" HI ",\"n\":0}", 400, "n", "from 1"},
        {"stream_options without stream", "POST", CHAT,
         "{" HI ",\"stream_options\":{\"include_usage\":true}}", 400, "stream_options", "stream"},
        {"a bias beyond the vocabulary", "POST", CHAT, "{" HI ",\"logit_bias\":{\"4096\":1}}", 400,
         "logit_bias", "4095"},
        {"a bias below 0", "POST", CHAT, "{" HI ",\"logit_bias\":{\"-1\":1}}", 400, "logit_bias",
         "-1"},
        {"a bias for a word", "POST", CHAT, "{" HI ",\"logit_bias\":{\"the\":1}}", 400,
         "logit_bias", "the"},
        {"a bias for 01 beside 1", "POST", CHAT,
         "{" HI ",\"logit_bias\":{\"1\":5,\"01\":-5}}", 400, "logit_bias",
         "\"01\"; write it without zeros in front, as \"1\""},
        {"a bias for 00", "POST", CHAT, "{" HI ",\"logit_bias\":{\"00\":1}}", 400, "logit_bias",
         "as \"0\""},
        {"a bias for +1", "POST", CHAT, "{" HI ",\"logit_bias\":{\"+1\":1}}", 400, "logit_bias",
         "no token id"},
        {"a bias for 1.0", "POST", CHAT, "{" HI ",\"logit_bias\":{\"1.0\":1}}", 400, "logit_bias",
         "no token id"},
        {"a bias of 101", "POST", CHAT, "{" HI ",\"logit_bias\":{\"5\":101}}", 400, "logit_bias",
         "100"},
        {"best_of below n", "POST", COMP, "{" ONCE ",\"n\":3,\"best_of\":2}", 400, "best_of", "3"},
        {"best_of streamed", "POST", COMP, "{" ONCE ",\"best_of\":2,\"stream\":true}", 400,
         "best_of", "streamed"},
        {"presence_penalty 3", "POST", COMP, "{" ONCE ",\"presence_penalty\":3}", 400,
         "presence_penalty", "3"},
        {"repetition_penalty 0", "POST", COMP, "{" ONCE ",\"repetition_penalty\":0}", 400,
         "repetition_penalty", "at least 0.01"},
        {"repetition_penalty that makes logits infinite", "POST", COMP,
         "{" ONCE ",\"repetition_penalty\":1e-39}", 400, "repetition_penalty", "at least 0.01"},
        {"repetition_penalty 101", "POST", COMP, "{" ONCE ",\"repetition_penalty\":101}", 400,
         "repetition_penalty", "at most 100"},
        {"top_p that is 0 in 32 bits", "POST", COMP, "{" ONCE ",\"top_p\":1e-46}", 400, "top_p",
         "0 in 32 bits"},
        {"a suffix that is a word of tools", "POST", COMP, "{" ONCE ",\"suffix\":\"none\"}", 400,
         "suffix", "not supported"},
        {"no text to tokenize", "POST", "/v1/tokenize", "{\"model\":\"tiny\"}", 400, "text",
         "string"},
        {"ids that are none", "POST", "/v1/detokenize", "{\"ids\":[4096]}", 400, "ids", "4095"},
        {"no prompt to go on from", "POST", "/v1/generate", "{\"max_tokens\":2}", 400, "prompt",
         "missing"},
        {"tools", "POST", CHAT,
         "{" HI ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]}", 400, "tools",
         "not supported"},
        {"an empty prompt array", "POST", COMP, "{\"model\":\"tiny\",\"prompt\":[]}", 400, "prompt",
         "empty"},
        {"an id beyond the vocabulary", "POST", COMP, "{\"model\":\"tiny\",\"prompt\":[5,4096]}",
         400, "prompt", "4095"},
        {"an id below 0", "POST", COMP, "{\"model\":\"tiny\",\"prompt\":[-1]}", 400, "prompt", "0"},
        {"no prompt", "POST", COMP, "{\"model\":\"tiny\"}", 400, "prompt", "missing"},
        {"too many tokens asked for", "POST", COMP, "{" ONCE ",\"max_tokens\":1024}", 400,
         "max_tokens", "1024"},
        {"a wrong method", "GET", CHAT, NULL, 405, NULL, "POST"},
        {"a wrong path", "POST", "/v1/chat/completion", "{}", 404, NULL, "/v1/chat/completions"},
        {"metrics at the front door", "GET", "/metrics", NULL, 404, NULL, "a port of their own"},
        {"a model that is not there", "GET", "/v1/models/none", NULL, 404, "model", "none"},
};
enum { N_BADS = sizeof bads / sizeof *bads };

static void expect(const struct bad *r)
{
        static const char *const keys[] = { "message", "type", "param", "code" };
        struct wt_buf b = { 0 };
        const char *s;
        size_t len;
        wt_json *j;
        wt_jv e;

        assert_int_equal(ask(r->method, r->path, key, r->body, &b), r->status);
        assert_int_equal(wt_json_parse(&j, b.data, b.len, &wt_json_default), WT_OK);
        e = wt_json_get(j, 0, "error");
        assert_int_equal(wt_json_count(j, e), 4);
        for (int i = 0; i < 4; i++)
                assert_true(wt_json_get(j, e, keys[i]) != WT_JSON_NONE);
        s = wt_json_str(j, wt_json_get(j, e, "message"), &len);
        if (s == NULL || strstr(s, r->words) == NULL)
                fail_msg("the message does not hold \"%s\": %s", r->words, b.data);
        s = wt_json_str(j, wt_json_get(j, e, "param"), &len);
        if (r->param == NULL)
                assert_null(s);
        else
                assert_string_equal(s, r->param);
        wt_json_free(j);
        wt_buf_free(&b);
        plain_is_answered();
}

static void refused(void **st)
{
        expect(*st);
}

/* Prompt and answer together are 1,024 tokens and not one more, by the gateway's own words: the
 * router's would name the wrong field. */
static void the_edge_of_the_context(void **st)
{
        static const struct { uint32_t n; const char *more; struct bad want; } rows[] = {
                { 1023, "\"max_tokens\":1", { .status = 200 } },
                { 1023, "\"max_tokens\":2", { .status = 400, .param = "max_tokens",
                  .words = "1023 tokens and max_tokens is 2, together 1025; this model's context "
                           "is 1024" } },
                { 1024, "\"max_tokens\":1", { .status = 400, .param = "prompt",
                  .words = "1024 tokens; this model's context is 1024" } },
                { 1024, "\"max_tokens\":0,\"echo\":true,\"logprobs\":0", { .status = 200 } },
                { 1025, "\"max_tokens\":0,\"echo\":true,\"logprobs\":0",
                  { .status = 400, .param = "prompt",
                    .words = "1025 tokens; this model's context is 1024" } },
        };

        (void)st;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                struct bad want = rows[i].want;
                struct wt_buf body = { 0 }, out = { 0 };

                wt_buf_str(&body, "{\"model\":\"tiny\",\"prompt\":[100");
                for (uint32_t k = 1; k < rows[i].n; k++)
                        wt_buf_str(&body, ",100");
                wt_buf_fmt(&body, "],%s}", rows[i].more);
                want.method = "POST";
                want.path = COMP;
                want.body = body.data;
                if (want.status == 200)
                        assert_int_equal(ask("POST", COMP, key, body.data, &out), 200);
                else
                        expect(&want);
                wt_buf_free(&body);
                wt_buf_free(&out);
        }
}

/* Megabytes that cannot fit are refused by their bytes: both numbers, and no token is made. */
static void what_cannot_fit_is_not_read(void **st)
{
        static const char *const before[] = { "{\"model\":\"tiny\",\"prompt\":\"",
                "{\"model\":\"tiny\",\"messages\":[{\"role\":\"user\",\"content\":\"" };
        static const char *const after[] = { "\"}", "\"}]}" };
        enum { BYTES = 4000000 };

        (void)st;
        for (int i = 0; i < 2; i++) {
                struct wt_buf body = { 0 };
                struct bad want = { .method = "POST", .path = i == 0 ? COMP : CHAT, .status = 400,
                                    .param = i == 0 ? "prompt" : "messages",
                                    .words = "the prompt has 4000000 bytes, which are" };

                wt_buf_str(&body, before[i]);
                for (int k = 0; k < BYTES; k++)
                        wt_buf_add(&body, k % 5 == 4 ? " " : "w", 1);
                wt_buf_str(&body, after[i]);
                want.body = body.data;
                expect(&want);
                want.words = "context is 1024 tokens";
                expect(&want);
                wt_buf_free(&body);
        }
}

/* A text too long for the loop and not too long for the model's bytes: the same refusal as ever,
 * and as many ids as its parts have. */
static void a_long_text_is_read_beside(void **st)
{
        enum { WORDS = 8000 };
        struct wt_buf body = { 0 }, out = { 0 };
        uint64_t count = 0;
        wt_json *j;

        (void)st;
        for (int i = 1; i <= 2; i++) {           /* 16,000 and 80,000 bytes */
                wt_buf_clear(&body);
                wt_buf_str(&body, "{\"text\":\"");
                for (int k = 0; k < WORDS * (i == 1 ? 1 : 5) / 5; k++)
                        wt_buf_str(&body, " once upon");
                wt_buf_str(&body, "\"}");
                assert_int_equal(ask("POST", "/v1/tokenize", key, body.data, &out), 200);
                assert_int_equal(wt_json_parse(&j, out.data, out.len, &wt_json_default), WT_OK);
                if (i == 1)
                        assert_true(wt_json_u64(j, wt_json_get(j, 0, "count"), &count));
                assert_int_equal(wt_json_count(j, wt_json_get(j, 0, "ids")),
                                 count * (i == 1 ? 1 : 5));
                wt_json_free(j);
        }
        wt_buf_clear(&body);
        wt_buf_str(&body, "{\"model\":\"tiny\",\"prompt\":\"");
        for (int k = 0; k < 2000; k++)           /* 20,000 bytes, below 1,024 tokens' most */
                wt_buf_str(&body, " once upon");
        wt_buf_str(&body, "\"}");
        expect(&(struct bad){ .method = "POST", .path = COMP, .body = body.data, .status = 400,
                              .param = "prompt", .words = "this model's context is 1024 tokens" });
        wt_buf_free(&body);
        wt_buf_free(&out);
}

int main(void)
{
        struct CMUnitTest tests[N_BADS + 3];

        for (size_t i = 0; i < N_BADS; i++)
                tests[i] = (struct CMUnitTest){bads[i].name, refused, NULL, NULL, (void *)&bads[i]};
        tests[N_BADS] = (struct CMUnitTest)cmocka_unit_test(the_edge_of_the_context);
        tests[N_BADS + 1] = (struct CMUnitTest)cmocka_unit_test(what_cannot_fit_is_not_read);
        tests[N_BADS + 2] = (struct CMUnitTest)cmocka_unit_test(a_long_text_is_read_beside);
        return cmocka_run_group_tests_name("refusals", tests, whole_start, whole_stop);
}
