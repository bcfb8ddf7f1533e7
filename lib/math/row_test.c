/* row_test.c - what works along a row: vectors against the plain loops by memcmp at odd widths, and
 * the reference against FP64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include "math/test_fill.h"

static const struct width { const char *name; uint32_t n; } widths[] = {
        { "2", 2 },   { "8", 8 },   { "14", 14 },  { "16", 16 },     { "18", 18 },
        { "30", 30 }, { "64", 64 }, { "250", 250 }, { "2048", 2048 }, { "7170", 7170 },
};
enum { N_WIDTHS = sizeof widths / sizeof *widths, MOST = 7170 };

static void same_bits(void **state)
{
        const uint32_t n = ((const struct width *)*state)->n;
        const struct wt_kernels *table[MAX_TABLES];
        uint32_t n_tables = all_tables(table);
        static float a[MOST], b[MOST], out[MAX_TABLES][9][MOST];

        memset(out, 0, sizeof out);
        fill(a, n, 31);
        fill_plain(b, n, 32);
        a[n - 1] = -200.0f;                      /* exp(200) is infinite, silu -0 */
        for (uint32_t i = 0; i < n_tables; i++) {
                const struct wt_kernels *k = table[i];

                k->rms_norm(a, b, n, 1e-6f, out[i][0]);
                k->silu_mul(a, b, n, out[i][1]);
                memcpy(out[i][2], a, n * 4);
                k->add(out[i][2], b, n);
                k->add2(a, b, n, out[i][3]);
                k->scale(a, 2.5f, n, out[i][4]);
                memcpy(out[i][5], b, n * 4);
                k->rope(out[i][5], n, true, a, b);
                memcpy(out[i][6], b, n * 4);
                k->rope(out[i][6], n, false, a, b);
                k->divide(a, 3.0f, n, out[i][7]);
                memcpy(out[i][8], a, n * 4);
                k->rms_norm(out[i][8], b, n, 1e-6f, out[i][8]);          /* in place */
        }
        for (uint32_t i = 1; i < n_tables; i++)
                for (int f = 0; f < 9; f++)
                        assert_memory_equal(out[0][f], out[i][f], n * 4);
        assert_memory_equal(out[0][0], out[0][8], n * 4);
}

static void finds_what_is_not_finite(void **state)
{
        const uint32_t n = ((const struct width *)*state)->n;
        const struct wt_kernels *table[MAX_TABLES];
        uint32_t n_tables = all_tables(table);
        static float a[MOST];
        const float bad[] = { NAN, -NAN, INFINITY, -INFINITY };

        fill(a, n, 33);
        a[0] = 3.4028235e38f;
        for (uint32_t i = 0; i < n_tables; i++) {
                assert_true(table[i]->finite(a, n));
                for (uint32_t at = 0; at < n; at += n / 2 + (at == 0 ? 0 : n / 2 - 1)) {
                        float kept = a[at];

                        for (int j = 0; j < 4; j++) {
                                a[at] = bad[j];
                                assert_false(table[i]->finite(a, n));
                        }
                        a[at] = kept;
                }
        }
}

static void means_what_it_says(void **state)
{
        const struct wt_kernels *k = wt_kernels_pick("ref");
        float x[250], w[250], y[250], pair[4] = { 1.0f, 2.0f, 3.0f, 4.0f };
        const float c[2] = { 0.6f, 0.28f }, s[2] = { 0.8f, 0.96f };
        double ss = 0;

        (void)state;
        fill_plain(x, 250, 34);
        fill_plain(w, 250, 35);
        k->rms_norm(x, w, 250, 1e-5f, y);
        for (int i = 0; i < 250; i++)
                ss += (double)x[i] * x[i];
        for (int i = 0; i < 250; i++)
                assert_true(fabs(y[i] - w[i] * (x[i] / sqrt(ss / 250 + 1e-5))) < 1e-6);
        k->silu_mul(x, w, 250, y);
        for (int i = 0; i < 250; i++)
                assert_true(fabs(y[i] - w[i] * (x[i] / (1 + exp(-(double)x[i])))) < 1e-7);
        k->rope(pair, 4, true, c, s);
        assert_true(fabs(pair[0] + 1.0) < 1e-6 && fabs(pair[1] - 2.0) < 1e-6);
        assert_true(fabs(pair[2] + 3.0) < 1e-6 && fabs(pair[3] - 4.0) < 1e-6);
        float halves[4] = { 1.0f, 3.0f, 2.0f, 4.0f };

        k->rope(halves, 4, false, c, s);
        assert_true(halves[0] == pair[0] && halves[2] == pair[1]);
        assert_true(halves[1] == pair[2] && halves[3] == pair[3]);
}

/* Sixteen chains, not one, and not eight. */
static void chains_show(void **state)
{
        float x[250], w[250], y[250], z[250], ss = 0.0f;
        int one = 0;

        (void)state;
        for (int i = 0; i < 250; i++)
                w[i] = 1.0f;
        for (uint32_t seed = 40; seed < 72; seed++) {
                fill_plain(x, 250, seed);
                wt_kernels_ref.rms_norm(x, w, 250, 1e-6f, y);
                ss = 0.0f;
                for (int i = 0; i < 250; i++)
                        ss = __builtin_fmaf(x[i], x[i], ss);
                for (int i = 0; i < 250; i++)
                        z[i] = x[i] * wn1_rms(ss, 250, 1e-6f) * w[i];
                one += memcmp(y, z, sizeof y) != 0;
        }
        assert_true(one > 8);
}

static void picks_by_name(void **state)
{
        (void)state;
        assert_ptr_equal(wt_kernels_pick("ref"), &wt_kernels_ref);
        assert_null(wt_kernels_pick("abacus"));
        assert_non_null(wt_kernels_pick(NULL));
}

int main(void)
{
        struct CMUnitTest tests[2 * N_WIDTHS + 3];
        size_t n = 0;

        for (size_t i = 0; i < N_WIDTHS; i++) {
                tests[n++] = (struct CMUnitTest){ widths[i].name, same_bits, NULL, NULL,
                                                  (void *)&widths[i] };
                tests[n++] = (struct CMUnitTest){ widths[i].name, finds_what_is_not_finite, NULL,
                                                  NULL, (void *)&widths[i] };
        }
        tests[n++] = (struct CMUnitTest)cmocka_unit_test(means_what_it_says);
        tests[n++] = (struct CMUnitTest)cmocka_unit_test(chains_show);
        tests[n++] = (struct CMUnitTest)cmocka_unit_test(picks_by_name);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
