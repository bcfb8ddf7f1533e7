/* cases_test.c - inputs after faults that users of comparable servers reported publicly
 * (cases.jsonl, one case a line): each body, added to what all of a case share, has the status that
 * is named; a refusal names the parameter; and the next plain request is answered. The model is
 * models/tiny with a vocabulary rounded up beyond its tokenizer (case L18). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/file.h"
#include "base/json.h"
#include "whole.h"

enum { MAX_CASES = 16 };

struct one { char name[300]; wt_json *j; };
static struct one cases[MAX_CASES];
static char folder[160];

static int start(void **st)
{
        const char *tmp = getenv("TMPDIR");
        char line[600];

        (void)st;
        snprintf(folder, sizeof folder, "%s/witan-cases-XXXXXX", tmp != NULL ? tmp : "/tmp");
        if (mkdtemp(folder) == NULL)
                return -1;
        snprintf(line, sizeof line, "python3 tests/cluster/pad_vocab.py models/tiny %s/tiny 32",
                 folder);
        if (system(line) != 0)
                return -1;
        snprintf(line, sizeof line, "%s/tiny", folder);
        return whole_start_model(line);
}

static int stop(void **st)
{
        int rc = whole_stop(st);
        char line[600];

        snprintf(line, sizeof line, "rm -rf '%s'", folder);
        return system(line) | rc;
}

/* The members of an object, without its braces. */
static void put_members(struct wt_buf *b, const wt_json *j, wt_jv object)
{
        size_t len;
        const char *raw = wt_json_raw(j, object, &len);

        assert_true(raw != NULL && len >= 2);
        if (wt_json_count(j, object) > 0) {
                wt_buf_str(b, ",");
                wt_buf_add(b, raw + 1, len - 2);
        }
}

/* What a stream said of its usage and its ends. */
struct sums { uint64_t usage, prompt, completion, finishes; };

static void take_chunk(struct sums *s, const wt_json *j, uint64_t *after_usage)
{
        wt_jv u = wt_json_get(j, 0, "usage"), c = wt_json_first(j, wt_json_get(j, 0, "choices"));

        ++*after_usage;
        if (c == WT_JSON_NONE) {                 /* only a chunk of usage has no choices */
                *after_usage = 0;
                s->usage++;
                assert_true(wt_json_u64(j, wt_json_get(j, u, "prompt_tokens"), &s->prompt));
                assert_true(wt_json_u64(j, wt_json_get(j, u, "completion_tokens"),
                                        &s->completion));
                return;
        }
        assert_int_equal(wt_json_type(j, u), WT_JSON_NULL);
        s->finishes += wt_json_type(j, wt_json_get(j, c, "finish_reason")) == WT_JSON_STRING;
}

static void sums_of(const char *text, struct sums *s)
{
        uint64_t after_usage = 0;
        wt_json *j;

        memset(s, 0, sizeof *s);
        while ((text = strstr(text, "data: ")) != NULL) {
                const char *end = strstr(text += 6, "\n\n");

                assert_non_null(end);
                if (strncmp(text, "[DONE]", 6) == 0) {
                        assert_true(s->usage == 0 || after_usage == 0);
                        return;
                }
                assert_int_equal(wt_json_parse(&j, text, (size_t)(end - text), &wt_json_default),
                                 WT_OK);
                take_chunk(s, j, &after_usage);
                wt_json_free(j);
        }
        fail_msg("the stream has no end");
}

static void expect_sums(const wt_json *j, wt_jv want, const char *answer)
{
        struct sums s;
        uint64_t n;

        sums_of(answer, &s);
        const struct { const char *name; uint64_t have; } rows[] = {
                { "usage", s.usage }, { "prompt", s.prompt }, { "completion", s.completion },
                { "finishes", s.finishes } };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                assert_true(wt_json_u64(j, wt_json_get(j, want, rows[i].name), &n));
                if (n != rows[i].have)
                        fail_msg("%s: %llu, not %llu", rows[i].name,
                                 (unsigned long long)rows[i].have, (unsigned long long)n);
        }
}

/* The parameter that a refusal names. */
static void expect_param(const char *answer, const char *param)
{
        const char *have;
        wt_json *j;
        size_t len;

        assert_int_equal(wt_json_parse(&j, answer, strlen(answer), &wt_json_default), WT_OK);
        have = wt_json_str(j, wt_json_get(j, wt_json_get(j, 0, "error"), "param"), &len);
        if (have == NULL || strcmp(have, param) != 0)
                fail_msg("it names \"%s\": %s", have != NULL ? have : "", answer);
        wt_json_free(j);
}

static void holds(void **state)
{
        const wt_json *j = ((const struct one *)*state)->j;
        wt_jv status = wt_json_first(j, wt_json_get(j, 0, "status"));
        wt_jv stream = wt_json_first(j, wt_json_get(j, 0, "streams"));
        struct wt_buf body = { 0 }, answer = { 0 };
        size_t len;

        for (wt_jv v = wt_json_first(j, wt_json_get(j, 0, "bodies")); v != WT_JSON_NONE;
             v = wt_json_next(j, v), status = wt_json_next(j, status)) {
                uint64_t want = 0;
                int have;

                wt_buf_clear(&body);
                wt_buf_str(&body, "{\"model\":\"tiny\"");
                put_members(&body, j, wt_json_get(j, 0, "with"));
                put_members(&body, j, v);
                wt_buf_str(&body, "}");
                have = ask("POST", wt_json_str(j, wt_json_get(j, 0, "path"), &len), key, body.data,
                           &answer);
                assert_true(wt_json_u64(j, status, &want));
                if (have != (int)want)
                        fail_msg("%s is answered with %d: %s", body.data, have, answer.data);
                if (want == 400)
                        expect_param(answer.data, wt_json_str(j, wt_json_get(j, 0, "param"), &len));
                if (stream != WT_JSON_NONE) {
                        expect_sums(j, stream, answer.data);
                        stream = wt_json_next(j, stream);
                }
        }
        assert_true(status == WT_JSON_NONE);     /* as many as bodies */
        plain_is_answered();
        wt_buf_free(&body);
        wt_buf_free(&answer);
}

/* Rows of zeros would be drawn often at temperature 2: every token has bytes (case L18). */
static void padding_is_never_drawn(void **state)
{
        static const char body[] = "{" HI ",\"temperature\":2,\"n\":16,\"max_tokens\":60,"
                "\"seed\":1,\"logprobs\":true,\"top_logprobs\":20,\"ignore_eos\":true}";
        struct wt_buf b = { 0 };
        uint64_t n = 0;

        (void)state;
        assert_int_equal(ask("POST", CHAT, key, body, &b), 200);
        for (const char *at = b.data; (at = strstr(at, "\"bytes\":[")) != NULL; n++)
                assert_true((at += strlen("\"bytes\":["))[0] != ']');
        assert_int_equal(n, 16 * 60 * (1 + 20));
        wt_buf_free(&b);
}

/* Prompts of two ids, the first of them this one, with further fields. */
static void prompts(struct wt_buf *b, uint32_t first, uint32_t n, const char *more)
{
        wt_buf_clear(b);
        wt_buf_str(b, "{\"model\":\"tiny\",\"ignore_eos\":true,\"prompt\":[");
        for (uint32_t i = first; i < first + n; i++)
                wt_buf_fmt(b, "%s[%u,7]", i > first ? "," : "", 300 + 11 * i);
        wt_buf_fmt(b, "],%s}", more);
}

static double mean_of(const wt_json *j, wt_jv choice)
{
        wt_jv list = wt_json_get(j, wt_json_get(j, choice, "logprobs"), "token_logprobs");
        double sum = 0, one;

        for (wt_jv v = wt_json_first(j, list); v != WT_JSON_NONE; v = wt_json_next(j, v)) {
                assert_true(wt_json_f64(j, v, &one));
                sum += one;
        }
        return sum / wt_json_count(j, list);
}

/* Asks and hands over the texts of the choices, whose indices are 0, 1, 2, ..., and their mean
 * log-probabilities, if wanted. */
static void texts_of(const char *body, char (*text)[64], double *mean, uint32_t n)
{
        struct wt_buf answer = { 0 };
        uint64_t index;
        uint32_t i = 0;
        wt_json *j;
        size_t len;

        if (ask("POST", COMP, key, body, &answer) != 200)
                fail_msg("%s", answer.data);
        assert_int_equal(wt_json_parse(&j, answer.data, answer.len, &wt_json_default), WT_OK);
        for (wt_jv c = wt_json_first(j, wt_json_get(j, 0, "choices")); c != WT_JSON_NONE;
             c = wt_json_next(j, c), i++) {
                assert_true(i < n);
                assert_true(wt_json_u64(j, wt_json_get(j, c, "index"), &index));
                assert_int_equal(index, i);
                snprintf(text[i], sizeof *text, "%s",
                         wt_json_str(j, wt_json_get(j, c, "text"), &len));
                assert_true(len > 0);
                if (mean != NULL)
                        mean[i] = mean_of(j, c);
        }
        assert_int_equal(i, n);
        wt_json_free(j);
        wt_buf_free(&answer);
}

#ifdef WITAN_DEBUG                               /* a thousand take minutes under sanitizers */
enum { PROMPTS = 6, N = 16 };
#else
enum { PROMPTS = 64, N = 16 };
#endif

/* As many prompts as one request may have, and as many answers to each: all come, in order, those
 * that the prompt has alone. */
static void as_wide_as_may_be(void **state)
{
        static const char greedy[] = "\"n\":16,\"temperature\":0,\"max_tokens\":3";
        static char all[PROMPTS * N][64], few[N][64];
        struct wt_buf body = { 0 };
        uint32_t differ = 0;

        (void)state;
        prompts(&body, 0, PROMPTS, greedy);
        texts_of(body.data, all, NULL, PROMPTS * N);
        for (uint32_t i = 0; i < PROMPTS * N; i++)
                assert_string_equal(all[i], all[i / N * N]);
        for (uint32_t i = 1; i < PROMPTS; i++)
                differ += strcmp(all[i * N], all[0]) != 0;
        assert_true(differ >= PROMPTS / 4);
        prompts(&body, PROMPTS - 1, 1, greedy);
        texts_of(body.data, few, NULL, N);
        for (uint32_t i = 0; i < N; i++)
                assert_string_equal(few[i], all[(PROMPTS - 1) * N + i]);
        wt_buf_free(&body);
}

/* The best two of sixteen, of each prompt: those that the sixteen have as their best. */
static void the_best_of_wide_requests(void **state)
{
        static const char every[] = "\"n\":16,\"seed\":5,\"max_tokens\":3,\"logprobs\":0",
                          best[] = "\"n\":2,\"best_of\":16,\"seed\":5,\"max_tokens\":3";
        static char all[PROMPTS * N][64], two[PROMPTS * 2][64];
        static double mean[PROMPTS * N];
        struct wt_buf body = { 0 };

        (void)state;
        prompts(&body, 0, PROMPTS, every);
        texts_of(body.data, all, mean, PROMPTS * N);
        prompts(&body, 0, PROMPTS, best);
        texts_of(body.data, two, NULL, PROMPTS * 2);
        for (uint32_t i = 0; i < PROMPTS * 2; i++) {
                uint32_t from = i / 2 * N, at = from;

                for (uint32_t k = from; k < from + N; k++)
                        if (mean[k] > mean[at])
                                at = k;
                assert_string_equal(two[i], all[at]);
                mean[at] = -1e9;
        }
        wt_buf_free(&body);
}

static size_t read_cases(struct CMUnitTest tests[MAX_CASES])
{
        struct wt_buf file = { 0 };
        size_t n = 0, len;

        WT_ASSERT(wt_file_read("tests/cluster/cases.jsonl", 1 << 20, &file) == WT_OK);
        for (char *line = file.data, *end; (end = strchr(line, 10)) != NULL; line = end + 1, n++) {
                struct one *c = &cases[n];

                WT_ASSERT(n < MAX_CASES && wt_json_parse(&c->j, line, (size_t)(end - line),
                                                         &wt_json_default) == WT_OK);
                snprintf(c->name, sizeof c->name, "%s: %s",
                         wt_json_str(c->j, wt_json_get(c->j, 0, "id"), &len),
                         wt_json_str(c->j, wt_json_get(c->j, 0, "why"), &len));
                tests[n] = (struct CMUnitTest){ c->name, holds, NULL, NULL, c };
        }
        wt_buf_free(&file);
        return n;
}

int main(void)
{
        static const struct CMUnitTest last[] = { cmocka_unit_test(padding_is_never_drawn),
                                                  cmocka_unit_test(as_wide_as_may_be),
                                                  cmocka_unit_test(the_best_of_wide_requests) };
        struct CMUnitTest tests[MAX_CASES + 3];
        size_t n = read_cases(tests);
        int rc;

        memcpy(tests + n, last, sizeof last);
        rc = _cmocka_run_group_tests("reported cases", tests, n + 3, start, stop);
        for (size_t i = 0; i < n; i++)
                wt_json_free(cases[i].j);
        return rc;
}
