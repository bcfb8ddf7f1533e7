/* api_test.c - the API over a whole cluster as `witan up` starts it: answers, streams, and what a
 * user is told when a request is wrong. After every refusal the next plain request must be
 * answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "field.h"
#include "net/http.h"

static char state[128], url[160], key[80], user_key[80];

static int command(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int command(const char *fmt, ...)         /* exit code of build/bin/witan ... */
{
        char line[1024], all[1400];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(line, sizeof line, fmt, ap);
        va_end(ap);
        snprintf(all, sizeof all, "%s/bin/witan %s", getenv("WITAN_BUILD"), line);
        return WEXITSTATUS(system(all));
}

static int ask(const char *method, const char *path, const char *bearer, const char *body,
               struct wt_buf *out)
{
        char full[256], headers[256];
        int status = 0;

        snprintf(full, sizeof full, "%s%s", url, path);
        snprintf(headers, sizeof headers, "%s%s%sContent-Type: application/json\r\n",
                 bearer != NULL ? "Authorization: Bearer " : "", bearer != NULL ? bearer : "",
                 bearer != NULL ? "\r\n" : "");
        wt_buf_clear(out);
        if (wt_http_fetch(method, full, headers, body, body != NULL ? strlen(body) : 0,
                          60 * 1000000, &status, out, NULL, NULL) != WT_OK)
                fail_msg("%s %s: %s", method, path, wt_words());
        return status;
}

static void plain_is_answered(void)
{
        struct wt_buf b = { 0 };

        assert_int_equal(
                ask("POST", "/v1/completions", key,
                    "{\"model\":\"tiny\",\"prompt\":\"Once\",\"max_tokens\":2,\"temperature\":0}",
                    &b),
                200);
        wt_buf_free(&b);
}

#define CHAT "/v1/chat/completions"
#define COMP "/v1/completions"
#define HI "\"model\":\"tiny\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]"
#define ONCE "\"model\":\"tiny\",\"prompt\":\"Once\""

static const struct bad {
        const char *name, *method, *path, *body;
        int status;
        const char *param, *words;
} bads[] = {
        {"no JSON", "POST", CHAT, "{\"model\":", 400, NULL, "JSON"},
        {"an empty body", "POST", CHAT, "", 400, NULL, "empty"},
        {"an array as body", "POST", CHAT, "[]", 400, NULL, "object"},
        {"duplicate keys", "POST", CHAT, "{" HI ",\"model\":\"tiny\"}", 400, NULL, "stood already"},
        {"no model", "POST", CHAT, "{\"messages\":[]}", 400, "model", "tiny"},
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
        {"max_tokens 0", "POST", CHAT, "{" HI ",\"max_tokens\":0}", 400, "max_tokens",
         "at least 1"},
        {"max_tokens below 0", "POST", CHAT, "{" HI ",\"max_tokens\":-1}", 400, "max_tokens", "-1"},
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
        {"a bias of 101", "POST", CHAT, "{" HI ",\"logit_bias\":{\"5\":101}}", 400, "logit_bias",
         "100"},
        {"best_of below n", "POST", COMP, "{" ONCE ",\"n\":3,\"best_of\":2}", 400, "best_of", "3"},
        {"best_of streamed", "POST", COMP, "{" ONCE ",\"best_of\":2,\"stream\":true}", 400,
         "best_of", "streamed"},
        {"presence_penalty 3", "POST", COMP, "{" ONCE ",\"presence_penalty\":3}", 400,
         "presence_penalty", "3"},
        {"repetition_penalty 0", "POST", COMP, "{" ONCE ",\"repetition_penalty\":0}", 400,
         "repetition_penalty", "above 0"},
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
        {"a model that is not there", "GET", "/v1/models/none", NULL, 404, "model", "none"},
};
enum { N_BADS = sizeof bads / sizeof *bads };

static void refused(void **st)
{
        const struct bad *r = *st;
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

static void wrong_keys(void **st)
{
        struct wt_buf b = { 0 };

        (void)st;
        assert_int_equal(ask("GET", "/v1/models", NULL, NULL, &b), 401);
        assert_non_null(strstr(b.data, "invalid_api_key"));
        assert_int_equal(ask("GET", "/v1/models", "wt-nonsense", NULL, &b), 401);
        assert_int_equal(ask("GET", "/v1/models", user_key, NULL, &b), 200);
        wt_buf_free(&b);
}

static void revoked_key(void **st)
{
        char path[256];
        struct wt_buf b = { 0 }, text = { 0 };
        wt_json *j;
        size_t len;

        (void)st;
        snprintf(path, sizeof path, "%s/revoke.json", state);
        assert_int_equal(command("key create --state %s --name gone -o json >%s", state, path), 0);
        assert_int_equal(wt_file_read(path, 4096, &text), WT_OK);
        assert_int_equal(wt_json_parse(&j, text.data, text.len, &wt_json_default), WT_OK);
        const char *secret = wt_json_str(j, wt_json_get(j, 0, "key"), &len);
        assert_int_equal(ask("GET", "/v1/models", secret, NULL, &b), 200);
        assert_int_equal(command("key revoke --state %s %s", state,
                                 wt_json_str(j, wt_json_get(j, 0, "id"), &len)), 0);
        assert_int_equal(ask("GET", "/v1/models", secret, NULL, &b), 401);
        wt_json_free(j);
        wt_buf_free(&b);
        wt_buf_free(&text);
}

static void long_prompt(void **st)
{
        struct wt_buf body = { 0 }, b = { 0 };

        (void)st;
        wt_buf_str(&body, "{\"model\":\"tiny\",\"prompt\":[0");
        for (int i = 0; i < 1100; i++)
                wt_buf_str(&body, ",5");
        wt_buf_str(&body, "]}");
        assert_int_equal(ask("POST", COMP, key, body.data, &b), 400);
        assert_non_null(strstr(b.data, "context_length_exceeded"));
        assert_non_null(strstr(b.data, "1101"));
        assert_non_null(strstr(b.data, "1024"));
        wt_buf_free(&body);
        wt_buf_free(&b);
        plain_is_answered();
}

/* Joins the deltas of a stream; counts chunks, usage chunks and finish reasons. */
struct stream {
        struct wt_buf text;
        int chunks, usages, finishes, null_usages;
        bool done;
        char finish[16];
        uint64_t completion, prompt;
};

static void read_stream(const struct wt_buf *b, struct stream *s)
{
        const char *p = b->data;
        size_t len;

        memset(s, 0, sizeof *s);
        while ((p = strstr(p, "data: ")) != NULL) {
                const char *end = strstr(p += 6, "\n\n"), *t;
                wt_json *j;
                wt_jv c, u;
                assert_non_null(end);
                if (strncmp(p, "[DONE]", 6) == 0) {
                        s->done = true;
                        assert_null(strstr(p, "data: "));        /* nothing after it */
                        break;
                }
                assert_int_equal(wt_json_parse(&j, p, (size_t)(end - p), &wt_json_default), WT_OK);
                c = wt_json_first(j, wt_json_get(j, 0, "choices"));
                u = wt_json_get(j, 0, "usage");
                if (c == WT_JSON_NONE) {
                        s->usages++;
                        assert_true(wt_json_u64(j, wt_json_get(j, u, "completion_tokens"),
                                                &s->completion));
                        assert_true(wt_json_u64(j, wt_json_get(j, u, "prompt_tokens"), &s->prompt));
                } else {
                        s->chunks++;
                        s->null_usages += u != WT_JSON_NONE && wt_json_type(j, u) == WT_JSON_NULL;
                        t = wt_json_str(j, wt_json_get(j, c, "text"), &len);
                        if (t == NULL)
                                t = wt_json_str(
                                        j, wt_json_get(j, wt_json_get(j, c, "delta"), "content"),
                                        &len);
                        if (t != NULL)
                                wt_buf_add(&s->text, t, len);
                        t = wt_json_str(j, wt_json_get(j, c, "finish_reason"), &len);
                        if (t != NULL) {
                                s->finishes++;
                                snprintf(s->finish, sizeof s->finish, "%s", t);
                        }
                }
                wt_json_free(j);
                p = end;
        }
}

/* The joined stream equals the whole answer, for the same seed; so do usage and finish. */
static void stream_equals_whole(void **st)
{
        static const char *const bodies[][2] = {
                { CHAT, "{" HI ",\"seed\":5,\"max_tokens\":40" },
                { CHAT, "{" HI ",\"temperature\":0" },
                { COMP, "{" ONCE ",\"seed\":9223372036854775807,\"max_tokens\":30" },
                { COMP, "{" ONCE ",\"temperature\":0,\"max_tokens\":60,\"stop\":[\" the\"]" },
                { COMP, "{" ONCE ",\"temperature\":0,\"max_tokens\":20,\"echo\":true" },
        };
        struct wt_buf whole = { 0 }, body = { 0 }, streamed = { 0 };

        (void)st;
        for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
                struct stream s;
                const char *text, *finish;
                size_t len;
                uint64_t completion;
                wt_json *j;
                wt_jv c;

                wt_buf_clear(&body);
                wt_buf_fmt(&body, "%s}", bodies[i][1]);
                assert_int_equal(ask("POST", bodies[i][0], user_key, body.data, &whole), 200);
                wt_buf_clear(&body);
                wt_buf_fmt(&body, "%s,\"stream\":true,\"stream_options\":{\"include_usage\":true}}",
                           bodies[i][1]);
                assert_int_equal(ask("POST", bodies[i][0], user_key, body.data, &streamed), 200);
                read_stream(&streamed, &s);
                assert_int_equal(wt_json_parse(&j, whole.data, whole.len, &wt_json_default), WT_OK);
                c = wt_json_first(j, wt_json_get(j, 0, "choices"));
                text = wt_json_str(j, wt_json_get(j, c, "text"), &len);
                if (text == NULL)
                        text = wt_json_str(
                                j, wt_json_get(j, wt_json_get(j, c, "message"), "content"), &len);
                assert_int_equal(len, s.text.len);
                assert_memory_equal(text, s.text.data, len);
                finish = wt_json_str(j, wt_json_get(j, c, "finish_reason"), &len);
                assert_string_equal(finish, s.finish);
                assert_true(wt_json_u64(j, wt_json_get(j, wt_json_get(j, 0, "usage"),
                                                       "completion_tokens"), &completion));
                assert_int_equal(completion, s.completion);
                assert_int_equal(s.usages, 1);
                assert_int_equal(s.finishes, 1);
                assert_int_equal(s.null_usages, s.chunks);
                assert_true(s.done);
                wt_json_free(j);
                wt_buf_free(&s.text);
        }
        wt_buf_free(&whole);
        wt_buf_free(&body);
        wt_buf_free(&streamed);
}

static void one_token_stream(void **st)          /* case H05 */
{
        struct wt_buf b = { 0 };
        struct stream s;

        (void)st;
        assert_int_equal(ask("POST", COMP, key, "{" ONCE ",\"max_tokens\":1,\"stream\":true,"
                             "\"stream_options\":{\"include_usage\":true}}", &b), 200);
        read_stream(&b, &s);
        assert_int_equal(s.completion, 1);
        assert_string_equal(s.finish, "length");
        wt_buf_free(&s.text);
        assert_int_equal(ask("POST", COMP, key, "{" ONCE ",\"max_tokens\":1,\"stream\":true}", &b),
                         200);
        read_stream(&b, &s);
        assert_int_equal(s.usages, 0);
        assert_int_equal(s.null_usages, 0);
        wt_buf_free(&s.text);
        wt_buf_free(&b);
}

/* The text of choice i. */
static void choice_text(const struct wt_buf *b, uint32_t i, char out[2048])
{
        wt_json *j;
        wt_jv c;
        size_t len;

        assert_int_equal(wt_json_parse(&j, b->data, b->len, &wt_json_default), WT_OK);
        c = wt_json_first(j, wt_json_get(j, 0, "choices"));
        while (i-- > 0)
                c = wt_json_next(j, c);
        snprintf(out, 2048, "%s", wt_json_str(j, wt_json_get(j, c, "text"), &len));
        wt_json_free(j);
}

static void choices_differ(void **st)            /* case H09 */
{
        static const char body[] =
                "{\"model\":\"tiny\",\"prompt\":\"Once upon\",\"n\":4,\"seed\":7,"
                "\"temperature\":1,\"max_tokens\":24}";
        struct wt_buf a = { 0 }, b = { 0 };
        char x[2048], y[2048], zero[2048];
        int differ = 0;

        (void)st;
        assert_int_equal(ask("POST", COMP, key, body, &a), 200);
        assert_int_equal(ask("POST", COMP, key, body, &b), 200);
        choice_text(&a, 0, zero);
        for (uint32_t i = 0; i < 4; i++) {
                choice_text(&a, i, x);
                choice_text(&b, i, y);
                assert_string_equal(x, y);
                differ += strcmp(x, zero) != 0;
        }
        assert_true(differ > 0);
        assert_int_equal(ask("POST", COMP, key, "{\"model\":\"tiny\",\"prompt\":\"Once upon\","
                             "\"max_tokens\":24}", &a), 200);
        assert_int_equal(ask("POST", COMP, key, "{\"model\":\"tiny\",\"prompt\":\"Once upon\","
                             "\"max_tokens\":24}", &b), 200);
        choice_text(&a, 0, x);
        choice_text(&b, 0, y);
        assert_string_not_equal(x, y);
        wt_buf_free(&a);
        wt_buf_free(&b);
}

/* Case L17 and ids taken as they are: echo of ids shows no token in front. */
static void begin_token(void **st)
{
        static const struct { const char *prompt; uint64_t tokens; } rows[] = {
                { "\"Once upon a time\"", 6 }, { "\"<｜begin▁of▁sentence｜>Once upon a time\"", 6 },
                { "[0,2802,417,780,274,569]", 6 }, { "[2802,417,780,274,569]", 5 } };
        struct wt_buf b = { 0 }, body = { 0 };

        (void)st;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                uint64_t n;
                wt_json *j;
                wt_buf_clear(&body);
                wt_buf_fmt(&body, "{\"model\":\"tiny\",\"prompt\":%s,\"max_tokens\":1}",
                           rows[i].prompt);
                assert_int_equal(ask("POST", COMP, key, body.data, &b), 200);
                assert_int_equal(wt_json_parse(&j, b.data, b.len, &wt_json_default), WT_OK);
                assert_true(wt_json_u64(
                        j, wt_json_get(j, wt_json_get(j, 0, "usage"), "prompt_tokens"), &n));
                assert_int_equal(n, rows[i].tokens);
                wt_json_free(j);
        }
        wt_buf_free(&b);
        wt_buf_free(&body);
}

/* A bias of 100 decides; one of -100 forbids; penalties and min_tokens do something; best_of is a
 * choice. */
static void processors_act(void **st)
{
        struct wt_buf b = { 0 };
        char x[2048], y[2048];
        struct stream s;

        (void)st;
        assert_int_equal(ask("POST", COMP, key, "{" ONCE ",\"max_tokens\":5,\"temperature\":0,"
                             "\"logit_bias\":{\"417\":100}}", &b), 200);
        choice_text(&b, 0, x);
        assert_int_equal(ask("POST", "/v1/detokenize", key, "{\"ids\":[417,417,417,417,417]}", &b),
                         200);
        assert_non_null(strstr(b.data, x));
        assert_int_equal(
                ask("POST", COMP, key, "{" ONCE ",\"max_tokens\":40,\"temperature\":0}", &b), 200);
        choice_text(&b, 0, x);
        assert_int_equal(ask("POST", COMP, key, "{" ONCE ",\"max_tokens\":40,\"temperature\":0,"
                             "\"repetition_penalty\":1.5}", &b), 200);
        choice_text(&b, 0, y);
        assert_string_not_equal(x, y);
        assert_int_equal(ask("POST", CHAT, key,
                             "{" HI ",\"temperature\":0,\"min_tokens\":90,"
                             "\"max_tokens\":95,\"stream\":true,\"stream_options\":{\"include_"
                             "usage\":true}}",
                             &b),
                         200);
        read_stream(&b, &s);
        assert_true(s.completion >= 90);
        wt_buf_free(&s.text);
        assert_int_equal(ask("POST", COMP, key, "{" ONCE ",\"n\":2,\"best_of\":4,\"seed\":3,"
                             "\"max_tokens\":12}", &b), 200);
        choice_text(&b, 1, x);
        assert_int_equal(ask("POST", COMP, key, "{" ONCE ",\"n\":2,\"best_of\":4,\"seed\":3,"
                             "\"max_tokens\":12}", &b), 200);
        choice_text(&b, 1, y);
        assert_string_equal(x, y);
        wt_buf_free(&b);
}

static void tokens_there_and_back(void **st)
{
        struct wt_buf b = { 0 };

        (void)st;
        assert_int_equal(ask("POST", "/v1/tokenize", key,
                             "{\"model\":\"tiny\",\"text\":\"Once upon a time\"}", &b),
                         200);
        assert_non_null(strstr(b.data, "\"ids\":[2802,417,780,274,569],\"count\":5"));
        assert_int_equal(ask("POST", "/v1/detokenize", key,
                             "{\"model\":\"tiny\",\"ids\":[2802,417,780,274,569]}", &b), 200);
        assert_non_null(strstr(b.data, "\"text\":\"Once upon a time\""));
        assert_int_equal(ask("POST", "/v1/generate", key,
                             "{\"prompt\":\"Once upon a time\",\"max_tokens\":20,"
                             "\"temperature\":0}",
                             &b),
                         200);
        assert_non_null(strstr(b.data, "\"text\":\" a man who had been"));
        wt_buf_free(&b);
}

/* pid and restarts of a process as witan.json says; pid 0 when it has none. */
static pid_t look_up(const char *name, int64_t *restarts)
{
        struct wt_buf b = { 0 };
        char path[256];
        int64_t pid = 0;
        wt_json *j;
        size_t len;

        *restarts = 0;
        snprintf(path, sizeof path, "%s/witan.json", state);
        assert_int_equal(wt_file_read(path, 1 << 20, &b), WT_OK);
        assert_int_equal(wt_json_parse(&j, b.data, b.len, &wt_json_default), WT_OK);
        for (wt_jv v = wt_json_first(j, wt_json_get(j, 0, "processes")); v != WT_JSON_NONE;
             v = wt_json_next(j, v)) {
                if (strcmp(wt_json_str(j, wt_json_get(j, v, "name"), &len), name) != 0)
                        continue;
                wt_json_i64(j, wt_json_get(j, v, "pid"), &pid);
                wt_json_i64(j, wt_json_get(j, v, "restarts"), restarts);
        }
        wt_json_free(j);
        wt_buf_free(&b);
        return (pid_t)pid;
}

/* What dies is started again by `witan up`, and requests are answered meanwhile and afterwards. */
static void killed_ones_come_back(void **st)
{
        static const char *const names[] = { "expert-0", "router-0", "expert-1" };
        const struct timespec nap = { 0, 20 * 1000 * 1000 };

        (void)st;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
                uint64_t end = wt_now_us(&wt_clock_real) + 30 * 1000000ull;
                int64_t restarts;
                pid_t pid = look_up(names[i], &restarts), now;

                assert_true(pid > 0);
                assert_int_equal(kill(pid, SIGKILL), 0);
                plain_is_answered();
                while ((now = look_up(names[i], &restarts)) == pid || now == 0 || restarts == 0) {
                        assert_true(wt_now_us(&wt_clock_real) < end);
                        nanosleep(&nap, NULL);
                }
                plain_is_answered();
        }
}

/* One token of prompt, echoed with log-probabilities: its entry is there and has none. */
static void echo_of_one_token(void **st)
{
        struct wt_buf b = { 0 };

        (void)st;
        assert_int_equal(ask("POST", COMP, key, "{\"model\":\"tiny\",\"prompt\":[5],\"echo\":true,"
                             "\"logprobs\":1,\"max_tokens\":1,\"temperature\":0}", &b), 200);
        assert_non_null(strstr(b.data, "\"token_logprobs\":[null,-"));
        wt_buf_free(&b);
}

static void record_is_written(void **st)
{
        struct wt_buf b = { 0 };
        char path[256];

        (void)st;
        plain_is_answered();
        snprintf(path, sizeof path, "%s/spool/requests.ndjson", state);
        assert_int_equal(wt_file_read(path, 64 << 20, &b), WT_OK);
        assert_non_null(strstr(b.data, "\"completion_tokens\":2"));
        assert_null(strstr(b.data, "Once"));     /* law 6: no text */
        wt_buf_free(&b);
}

static int remove_one(const char *path, const struct stat *s, int flag, struct FTW *ftw)
{
        (void)s; (void)flag; (void)ftw;
        return remove(path);
}

static void read_cluster(void)
{
        char path[256];
        struct wt_buf b = { 0 };
        wt_json *j;
        size_t len;

        snprintf(path, sizeof path, "%s/witan.json", state);
        assert_int_equal(wt_file_read(path, 1 << 20, &b), WT_OK);
        assert_int_equal(wt_json_parse(&j, b.data, b.len, &wt_json_default), WT_OK);
        snprintf(url, sizeof url, "%s", wt_json_str(j, wt_json_get(j, 0, "http"), &len));
        snprintf(key, sizeof key, "%s", wt_json_str(j, wt_json_get(j, 0, "admin_key"), &len));
        wt_json_free(j);
        wt_buf_clear(&b);
        snprintf(path, sizeof path, "%s/key.txt", state);
        assert_int_equal(
                command("key create --state %s --tenant t --name u >%s 2>/dev/null", state, path),
                0);
        assert_int_equal(wt_file_read(path, 4096, &b), WT_OK);
        snprintf(user_key, sizeof user_key, "%.*s", (int)strcspn(b.data, "\n"), b.data);
        wt_buf_free(&b);
}

static int start(void **st)
{
        const char *tmp = getenv("TMPDIR");

        (void)st;
        snprintf(state, sizeof state, "%s/witan-api-XXXXXX", tmp != NULL ? tmp : "/tmp");
        if (mkdtemp(state) == NULL ||
            command("up --detach --state %s --http 127.0.0.1:0 --model models/tiny >/dev/null",
                    state) != 0)
                return -1;
        read_cluster();
        return 0;
}

static int stop(void **st)
{
        int rc = command("down --state %s >/dev/null", state);
        char line[400];

        (void)st;
        snprintf(line, sizeof line, "! grep -A20 -E 'Sanitizer|runtime error|bug:' %s/logs/*.log >&2", state);
        rc |= system(line);                      /* a sanitized build has nothing to say */
        nftw(state, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        return rc;
}

int main(void)
{
        static const struct CMUnitTest more[] = {cmocka_unit_test(wrong_keys),
                                                 cmocka_unit_test(revoked_key),
                                                 cmocka_unit_test(long_prompt),
                                                 cmocka_unit_test(stream_equals_whole),
                                                 cmocka_unit_test(one_token_stream),
                                                 cmocka_unit_test(choices_differ),
                                                 cmocka_unit_test(begin_token),
                                                 cmocka_unit_test(processors_act),
                                                 cmocka_unit_test(tokens_there_and_back),
                                                 cmocka_unit_test(record_is_written), cmocka_unit_test(echo_of_one_token),
                cmocka_unit_test(killed_ones_come_back) };
        enum { N_MORE = sizeof more / sizeof *more };
        struct CMUnitTest tests[N_BADS + N_MORE];

        for (size_t i = 0; i < N_BADS; i++)
                tests[i] = (struct CMUnitTest){bads[i].name, refused, NULL, NULL, (void *)&bads[i]};
        memcpy(tests + N_BADS, more, sizeof more);
        return cmocka_run_group_tests_name("API", tests, start, stop);
}
