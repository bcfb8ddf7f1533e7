/* families_test.c - every family through the public API, experts in other processes: the
 * log-probabilities that transformers gives for 300 positions (echo), and its 64 greedy tokens.
 * The golden models have no tokenizer, so each gets one whose token i is two letters that spell
 * i. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/json.h"
#include "model/shape.h"
#include "model/source.h"
#include "whole.h"

enum { T = 300, PROMPT = 40, GREEDY = 64 };

static void spell(uint32_t id, char out[3])
{
        snprintf(out, 3, "%c%c", 'A' + (int)(id / 26), 'a' + (int)(id % 26));
}

static void write_tokenizer(const char *folder, uint32_t vocab)
{
        struct wt_buf b = { 0 };
        char path[600], name[3];

        wt_buf_str(
                &b,
                "{\"version\":\"1.0\",\"added_tokens\":[],\"normalizer\":null,\"pre_tokenizer\":{"
                "\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_"
                "regex\":"
                "false},\"post_processor\":null,\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_"
                "space\":"
                "false,\"trim_offsets\":true,\"use_regex\":true},\"model\":{\"type\":\"BPE\","
                "\"dropout\":"
                "null,\"unk_token\":null,\"continuing_subword_prefix\":null,\"end_of_word_suffix\":"
                "null,"
                "\"fuse_unk\":false,\"byte_fallback\":false,\"merges\":[],\"vocab\":{");
        for (uint32_t i = 0; i < vocab; i++) {
                spell(i, name);
                wt_buf_json_ku(&b, name, i);
        }
        wt_buf_str(&b, "}}}");
        snprintf(path, sizeof path, "%s/tokenizer.json", folder);
        assert_int_equal(wt_file_write(path, b.data, b.len, 0600), WT_OK);
        wt_buf_free(&b);
}

/* A folder under TMPDIR with the model's own files by link and the tokenizer. */
static void make_folder(const char *name, char folder[256])
{
        static const char *const files[] = { "config.json", "model.safetensors" };
        const char *tmp = getenv("TMPDIR");
        char from[1200], to[600], here[512];
        struct wt_shape *shape;

        snprintf(folder, 256, "%s/witan-family-XXXXXX", tmp != NULL ? tmp : "/tmp");
        assert_non_null(mkdtemp(folder));
        assert_non_null(getcwd(here, sizeof here));
        for (int i = 0; i < 2; i++) {
                snprintf(from, sizeof from, "%s/tests/golden/models/%s/%s", here, name, files[i]);
                snprintf(to, sizeof to, "%s/%s", folder, files[i]);
                assert_int_equal(symlink(from, to), 0);
        }
        assert_int_equal(wt_shape_load(&shape, folder), WT_OK);
        write_tokenizer(folder, shape->vocab);
        wt_shape_free(shape);
}

static void remove_folder(const char *folder)
{
        static const char *const files[] = { "config.json", "model.safetensors", "tokenizer.json" };
        char path[600];

        for (int i = 0; i < 3; i++) {
                snprintf(path, sizeof path, "%s/%s", folder, files[i]);
                unlink(path);
        }
        rmdir(folder);
}

static float *vector(wt_source *s, const char *name)
{
        const struct wt_tensor_at *t = wt_source_find(s, name);
        float *v;

        assert_non_null(t);
        assert_non_null(v = malloc(t->bytes));
        assert_int_equal(wt_source_read(s, t, v), WT_OK);
        return v;
}

static wt_json *complete(const char *folder, const float *ids, uint32_t n, const char *options)
{
        const char *slash = strrchr(folder, '/');
        struct wt_buf body = { 0 }, b = { 0 };
        wt_json *j;

        wt_buf_fmt(&body, "{\"model\":\"%s\",\"temperature\":0,%s,\"prompt\":[", slash + 1,
                   options);
        for (uint32_t i = 0; i < n; i++)
                wt_buf_fmt(&body, i == 0 ? "%d" : ",%d", (int)ids[i]);
        wt_buf_str(&body, "]}");
        if (ask("POST", COMP, key, body.data, &b) != 200)
                fail_msg("%s", b.data);
        assert_int_equal(wt_json_parse(&j, b.data, b.len, &wt_json_default), WT_OK);
        wt_buf_free(&body);
        wt_buf_free(&b);
        return j;
}

static void scored(const char *folder, wt_source *v, uint32_t vocab)
{
        float *ids = vector(v, "ids"), *want = vector(v, "logprobs");
        wt_json *j = complete(folder, ids, T, "\"max_tokens\":1,\"echo\":true,\"logprobs\":1");
        wt_jv c = wt_json_first(j, wt_json_get(j, 0, "choices"));
        wt_jv p = wt_json_first(j, wt_json_get(j, wt_json_get(j, c, "logprobs"), "token_logprobs"));
        double got, worst = 0;

        for (uint32_t i = 1; i < T; i++) {
                p = wt_json_next(j, p);
                assert_true(wt_json_f64(j, p, &got));
                worst = fmax(worst, fabs(got - want[(size_t)(i - 1) * vocab + (uint32_t)ids[i]]));
        }
        print_message("# largest difference of a log-probability %.2e\n", worst);
        assert_true(worst <= 1e-4);
        wt_json_free(j);
        free(ids);
        free(want);
}

/* Up to the end token where transformers drew it: the API ends there. */
static void greedy(const char *folder, wt_source *v)
{
        float *ids = vector(v, "ids"), *want = vector(v, "greedy");
        wt_json *j = complete(folder, ids, PROMPT, "\"max_tokens\":64");
        size_t len;
        const char *text = wt_json_str(
                j, wt_json_get(j, wt_json_first(j, wt_json_get(j, 0, "choices")), "text"), &len);
        uint32_t n = 0;

        for (; n < GREEDY && want[n] != 1; n++) {
                char name[3];
                spell((uint32_t)want[n], name);
                assert_true(2 * n + 1 < len);
                assert_memory_equal(text + 2 * n, name, 2);
        }
        assert_int_equal(len, 2 * n);
        wt_json_free(j);
        free(ids);
        free(want);
}

static void family(void **state_)
{
        const char *name = *state_;
        char folder[256], path[256];
        struct wt_shape *shape;
        wt_source *v;

        make_folder(name, folder);
        assert_int_equal(whole_start_model(folder), 0);
        snprintf(path, sizeof path, "tests/golden/models/%s/vectors.safetensors", name);
        assert_int_equal(wt_source_open(&v, path), WT_OK);
        assert_int_equal(wt_shape_load(&shape, folder), WT_OK);
        scored(folder, v, shape->vocab);
        greedy(folder, v);
        wt_shape_free(shape);
        wt_source_close(v);
        assert_int_equal(whole_stop(NULL), 0);
        remove_folder(folder);
}

int main(void)
{
        static const char *const names[] = { "v2lite", "v2", "v3", "v3neg", "mixtral", "llama" };
        enum { N = sizeof names / sizeof *names };
        struct CMUnitTest tests[N];

        for (int i = 0; i < N; i++)
                tests[i] = (struct CMUnitTest){ names[i], family, NULL, NULL, (void *)names[i] };
        return cmocka_run_group_tests_name("families over HTTP", tests, NULL, NULL);
}
