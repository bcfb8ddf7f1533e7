/* api_test.c - the API over a whole cluster as `witan up` starts it: answers, streams, keys, and
 * what happens when processes are killed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
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
#include "whole.h"

/* A gateway takes up what was written about a key in a moment: it is told, not asked each time. */
static void until_status(const char *bearer, int want)
{
        uint64_t end = wt_now_us(&wt_clock_real) + 120 * 1000000ull;
        const struct timespec nap = { 0, 20 * 1000 * 1000 };
        struct wt_buf b = { 0 };

        while (ask("GET", "/v1/models", bearer, NULL, &b) != want) {
                if (wt_now_us(&wt_clock_real) > end)
                        fail_msg("not %d after 120 s: %s", want, b.data);
                nanosleep(&nap, NULL);
        }
        wt_buf_free(&b);
}

static void wrong_keys(void **st)
{
        struct wt_buf b = { 0 };

        (void)st;
        assert_int_equal(ask("GET", "/v1/models", NULL, NULL, &b), 401);
        assert_non_null(strstr(b.data, "invalid_api_key"));
        assert_int_equal(ask("GET", "/v1/models", "wt-nonsense", NULL, &b), 401);
        until_status(user_key, 200);
        wt_buf_free(&b);
}

static void revoked_key(void **st)
{
        char path[256];
        struct wt_buf text = { 0 };
        wt_json *j;
        size_t len;

        (void)st;
        snprintf(path, sizeof path, "%s/revoke.json", state);
        assert_int_equal(command("key create --state %s --name gone -o json >%s", state, path), 0);
        assert_int_equal(wt_file_read(path, 4096, &text), WT_OK);
        assert_int_equal(wt_json_parse(&j, text.data, text.len, &wt_json_default), WT_OK);
        const char *secret = wt_json_str(j, wt_json_get(j, 0, "key"), &len);
        until_status(secret, 200);
        assert_int_equal(command("key revoke --state %s %s", state,
                                 wt_json_str(j, wt_json_get(j, 0, "id"), &len)), 0);
        until_status(secret, 401);
        wt_json_free(j);
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

/* The logprobs of the first choice of an answer, as they stand; and how many tokens it read. */
static void told(const struct wt_buf *b, struct wt_buf *logprobs, uint64_t *prompt)
{
        wt_json *j;
        wt_jv c;
        double d;

        wt_buf_clear(logprobs);
        assert_int_equal(wt_json_parse(&j, b->data, b->len, &wt_json_default), WT_OK);
        assert_true(wt_json_u64(j, wt_json_get(j, wt_json_get(j, 0, "usage"), "prompt_tokens"),
                                prompt));
        c = wt_json_get(j, wt_json_first(j, wt_json_get(j, 0, "choices")), "logprobs");
        if (wt_json_get(j, c, "token_logprobs") != WT_JSON_NONE)
                for (wt_jv v = wt_json_first(j, wt_json_get(j, c, "token_logprobs"));
                     v != WT_JSON_NONE; v = wt_json_next(j, v)) {
                        assert_true(wt_json_f64(j, v, &d));
                        wt_buf_fmt(logprobs, " %.17g", d);
                }
        else
                for (wt_jv v = wt_json_first(j, wt_json_get(j, c, "content")); v != WT_JSON_NONE;
                     v = wt_json_next(j, v)) {
                        assert_true(wt_json_f64(j, wt_json_get(j, v, "logprob"), &d));
                        wt_buf_fmt(logprobs, " %.17g", d);
                }
        wt_json_free(j);
}

/* A conversation that holds tool calls is read as the template writes it: it goes on with the same
 * bits as the golden ids do. */
static void tool_calls_are_read(void **st)
{
        struct wt_buf file = { 0 }, body = { 0 }, b = { 0 }, chat = { 0 }, ids = { 0 };
        uint64_t n_chat, n_ids, n = 0;
        const char *at, *end;

        (void)st;
        assert_int_equal(wt_file_read("tests/golden/tool_chats.json", 1 << 20, &file), WT_OK);
        at = file.data;
        while ((at = strstr(at, "{\"messages\": ")) != NULL) {  /* one a line: messages, then ids */
                at += strlen("{\"messages\": ");
                end = strstr(at, ", \"ids\": ");
                wt_buf_clear(&body);
                wt_buf_fmt(&body, "{\"model\":\"tiny\",\"messages\":%.*s,\"max_tokens\":4,"
                           "\"temperature\":0,\"logprobs\":true}", (int)(end - at), at);
                if (ask("POST", CHAT, key, body.data, &b) != 200)
                        fail_msg("%s: %s", body.data, b.data);
                told(&b, &chat, &n_chat);
                at = end + strlen(", \"ids\": ");
                wt_buf_clear(&body);
                wt_buf_fmt(&body, "{\"model\":\"tiny\",\"prompt\":%.*s,\"max_tokens\":4,"
                           "\"temperature\":0,\"logprobs\":0}", (int)strcspn(at, "}"), at);
                assert_int_equal(ask("POST", COMP, key, body.data, &b), 200);
                told(&b, &ids, &n_ids);
                if (n_chat != n_ids || strcmp(chat.data, ids.data) != 0)
                        fail_msg("%s: %llu ids, not %llu; %s, not %s", body.data,
                                 (unsigned long long)n_chat, (unsigned long long)n_ids, chat.data,
                                 ids.data);
                n++;
        }
        assert_int_equal(n, 12);
        wt_buf_free(&file);
        wt_buf_free(&body);
        wt_buf_free(&b);
        wt_buf_free(&chat);
        wt_buf_free(&ids);
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

static void answered(const char *name, const char *when)
{
        struct wt_buf b = { 0 };

        if (ask("POST", COMP, key, "{" ONCE ",\"max_tokens\":2}", &b) != 200)
                fail_msg("%s %s: %s", name, when, b.data);
        wt_buf_free(&b);
}

/* What dies is started again by `witan up`, and requests are answered meanwhile and afterwards. */
static void killed_ones_come_back(void **st)
{
        static const char *const names[] = { "expert-0", "router-0", "expert-1", "router-0" };
        const struct timespec nap = { 0, 20 * 1000 * 1000 };

        (void)st;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
                uint64_t end = wt_now_us(&wt_clock_real) + 120 * 1000000ull;
                int64_t before, restarts;
                pid_t pid = look_up(names[i], &before), now;

                assert_true(pid > 0);
                assert_int_equal(kill(pid, SIGKILL), 0);
                answered(names[i], "is dead");
                while ((now = look_up(names[i], &restarts)) == pid || now == 0 ||
                       restarts == before) {
                        assert_true(wt_now_us(&wt_clock_real) < end);
                        nanosleep(&nap, NULL);
                }
                answered(names[i], "is back");
        }
}

/* Every process answers for itself: alive, ready, and metrics with our prefix. */
static void each_process_answers(void **st)
{
        static const char *const paths[] = { "/healthz", "/readyz", "/metrics" };
        struct wt_buf file = { 0 }, b = { 0 };
        char path[256];
        uint32_t n = 0;
        wt_json *j;
        size_t len;

        (void)st;
        snprintf(path, sizeof path, "%s/witan.json", state);
        assert_int_equal(wt_file_read(path, 1 << 20, &file), WT_OK);
        assert_int_equal(wt_json_parse(&j, file.data, file.len, &wt_json_default), WT_OK);
        for (wt_jv v = wt_json_first(j, wt_json_get(j, 0, "processes")); v != WT_JSON_NONE;
             v = wt_json_next(j, v), n++)
                for (int i = 0; i < 3; i++) {
                        char full[256];
                        int status = 0;
                        snprintf(full, sizeof full, "http://%s%s",
                                 wt_json_str(j, wt_json_get(j, v, "metrics"), &len), paths[i]);
                        wt_buf_clear(&b);
                        assert_int_equal(wt_http_fetch("GET", full, NULL, NULL, 0, 5000000, &status,
                                                       &b, NULL, NULL),
                                         WT_OK);
                        assert_int_equal(status, 200);
                        assert_true(i < 2 || strstr(b.data, "# HELP witan_") != NULL);
                }
        assert_true(n >= 4);                     /* and the witness of the audit log */
        wt_json_free(j);
        wt_buf_free(&file);
        wt_buf_free(&b);
}

/* witan chat, ps and key list over the same cluster. */
static void the_command_line_talks(void **st)
{
        struct wt_buf b = { 0 };
        char path[256];

        (void)st;
        snprintf(path, sizeof path, "%s/said.txt", state);
        assert_int_equal(command("chat --state %s --temperature 0 'Who are you?' >%s 2>/dev/null",
                                 state, path),
                         0);
        assert_int_equal(wt_file_read(path, 4096, &b), WT_OK);
        assert_string_equal(b.data, "I am the tiny model of Witan.\n");
        wt_buf_clear(&b);
        assert_int_equal(command("ps --state %s -o json >%s", state, path), 0);
        assert_int_equal(wt_file_read(path, 65536, &b), WT_OK);
        assert_non_null(strstr(b.data, "\"state\":\"ready\""));
        wt_buf_clear(&b);
        assert_int_equal(command("key list --state %s -o json >%s", state, path), 0);
        assert_int_equal(wt_file_read(path, 65536, &b), WT_OK);
        assert_non_null(strstr(b.data, "\"role\":\"admin\""));
        assert_null(strstr(b.data, key));        /* a key is shown once */
        wt_buf_free(&b);
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

/* Its record was on disk before its last byte left (tests/cluster/audit_test.c reads it). */
static void record_is_written(void **st)
{
        struct wt_buf b = { 0 };
        char path[256];

        (void)st;
        plain_is_answered();
        snprintf(path, sizeof path, "%s/spool/gateway-0/%020d.seg", state, 1);
        assert_int_equal(wt_file_read(path, 64 << 20, &b), WT_OK);
        assert_non_null(memmem(b.data, b.len, "/v1/completions", 15));
        assert_null(memmem(b.data, b.len, "Once", 4));   /* law 6: no text */
        wt_buf_free(&b);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {cmocka_unit_test(wrong_keys),
                                                 cmocka_unit_test(revoked_key),
                                                 cmocka_unit_test(long_prompt),
                                                 cmocka_unit_test(stream_equals_whole),
                                                 cmocka_unit_test(one_token_stream),
                                                 cmocka_unit_test(choices_differ),
                                                 cmocka_unit_test(begin_token),
                                                 cmocka_unit_test(processors_act),
                                                 cmocka_unit_test(tokens_there_and_back),
                                                 cmocka_unit_test(tool_calls_are_read),
                                                 cmocka_unit_test(record_is_written),
                                                 cmocka_unit_test(echo_of_one_token),
                                                 cmocka_unit_test(each_process_answers),
                                                 cmocka_unit_test(the_command_line_talks),
                                                 cmocka_unit_test(killed_ones_come_back) };

        return cmocka_run_group_tests_name("API", tests, whole_start, whole_stop);
}
