/* tiny_test.c - models/tiny against its own golden.json: six prompts, log-probabilities and 48
 * greedy tokens by transformers. Where two best logits lie closer than 1e-3, another order of
 * summation may part: greedy is compared up to there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/file.h"
#include "base/json.h"
#include "forward.h"

const struct wt_plugin *wt_plugin_compute_cpu(void);
enum { MAX_IDS = 1024 };
static struct forward f;
static char pack_dir[256];

static uint32_t ints(const wt_json *j, wt_jv list, int32_t *out)
{
        uint32_t n = 0;
        int64_t i;

        for (wt_jv v = wt_json_first(j, list); v != WT_JSON_NONE && n < MAX_IDS;
             v = wt_json_next(j, v)) {
                assert_true(wt_json_i64(j, v, &i));
                out[n++] = (int32_t)i;
        }
        return n;
}

static double logprob(const float *z, int32_t id)
{
        double m = z[0], sum = 0;

        for (uint32_t i = 1; i < f.shape->vocab; i++)
                m = fmax(m, z[i]);
        for (uint32_t i = 0; i < f.shape->vocab; i++)
                sum += exp(z[i] - m);
        return z[id] - m - log(sum);
}

/* The best id; gap: to the next best. The end token is an id like others: golden.json goes on
 * after it. */
static int32_t best(const float *z, double *gap)
{
        int32_t a = -1, b = -1;

        for (int32_t i = 0; i < (int32_t)f.shape->vocab; i++) {
                if (a < 0 || z[i] > z[a]) {
                        b = a;
                        a = i;
                } else if (b < 0 || z[i] > z[b]) {
                        b = i;
                }
        }
        *gap = z[a] - z[b];
        return a;
}

static void prompt(const wt_json *j, wt_jv p, double *worst)
{
        int32_t ids[MAX_IDS], greedy[MAX_IDS], id;
        uint32_t n = ints(j, wt_json_get(j, p, "ids"), ids), v = f.shape->vocab;
        uint32_t n_greedy = ints(j, wt_json_get(j, p, "greedy"), greedy);
        float *z = malloc((size_t)n * v * 4);
        wt_jv lp = wt_json_first(j, wt_json_get(j, p, "logprobs"));
        double want, gap;

        assert_int_equal(forward_run(&f, ids, 0, n, 17, z, NULL), WT_OK);
        for (uint32_t i = 1; i < n; i++) {
                lp = wt_json_next(j, lp);
                assert_true(wt_json_f64(j, lp, &want));
                *worst = fmax(*worst, fabs(want - logprob(z + (size_t)(i - 1) * v, ids[i])));
        }
        id = best(z + (size_t)(n - 1) * v, &gap);
        for (uint32_t i = 0; i < n_greedy; i++) {
                if (gap < 1e-3)
                        break;
                assert_int_equal(id, greedy[i]);
                assert_int_equal(forward_run(&f, &id, n + i, 1, 1, z, NULL), WT_OK);
                id = best(z, &gap);
        }
        free(z);
}

static void golden(void **state)
{
        struct wt_buf text = { 0 };
        wt_json *j;
        wt_jv list;
        double worst = 0;

        (void)state;
        assert_int_equal(wt_file_read("models/tiny/golden.json", 1 << 20, &text), WT_OK);
        assert_int_equal(wt_json_parse(&j, text.data, text.len, &wt_json_default), WT_OK);
        list = wt_json_get(j, 0, "prompts");
        assert_int_equal(wt_json_count(j, list), 6);
        for (wt_jv p = wt_json_first(j, list); p != WT_JSON_NONE; p = wt_json_next(j, p))
                prompt(j, p, &worst);
        print_message("# models/tiny: largest difference of a log-probability %.2e\n", worst);
        assert_true(worst <= 1e-4);
        wt_json_free(j);
        wt_buf_free(&text);
}

static int open_tiny(void **state)
{
        const char *tmp = getenv("TMPDIR");

        (void)state;
        snprintf(pack_dir, sizeof pack_dir, "%s/witan-tiny-XXXXXX", tmp != NULL ? tmp : "/tmp");
        if (mkdtemp(pack_dir) == NULL ||
            forward_open(&f, wt_plugin_compute_cpu, "models/tiny", pack_dir, 1024, 64) != WT_OK) {
                print_error("%s\n", wt_words());
                return -1;
        }
        return 0;
}

static int close_tiny(void **state)
{
        (void)state;
        forward_close(&f);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(golden) };

        return cmocka_run_group_tests_name("models/tiny", tests, open_tiny, close_tiny);
}
