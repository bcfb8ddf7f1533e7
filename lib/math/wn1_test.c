/* wn1_test.c - exp, log, sin and cos against the C library's long double, their ends, and the eight
 * lanes of avx2.h against one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <float.h>
#include <math.h>
#include "base/rng.h"
#include "math/kernels.h"
#include "math/wn1.h"
#ifdef __x86_64__
#include "math/avx2.h"
#endif

/* Distance of y from the truth in units in the last place of the truth. */
static double ulps_f(float y, long double want)
{
        float at = fabsf((float)want);

        return (double)(fabsl((long double)y - want) / (nextafterf(at, INFINITY) - at));
}

static double ulps(double y, long double want)
{
        double at = fabs((double)want);

        return (double)(fabsl((long double)y - want) / (nextafter(at, INFINITY) - at));
}

static void expf_is_near(void **state)
{
        double worst = 0.0;

        (void)state;
        for (uint32_t b = 0; b < 0x42b17218u; b += 1009) {       /* 0 .. 88.72, both signs */
                worst = fmax(worst, ulps_f(wn1_expf(wn1_float(b)), expl(wn1_float(b))));
                worst = fmax(worst, ulps_f(wn1_expf(-wn1_float(b)), expl(-wn1_float(b))));
        }
        for (float x = -104.5f; x < -86.0f; x += 0x1p-12f)       /* the subnormals */
                worst = fmax(worst, ulps_f(wn1_expf(x), expl(x)));
        print_message("expf: %.3f ulp\n", worst);
        assert_true(worst < 1.02);
}

/* Uniform in [lo, hi). */
static double draw(uint32_t i, double lo, double hi)
{
        return lo + (hi - lo) * wt_philox_unit(7, i, 0, 0);
}

static void doubles_are_near(void **state)
{
        double e = 0.0, l = 0.0, s = 0.0, c = 0.0;

        (void)state;
        for (uint32_t i = 0; i < 300000; i++) {
                double x = draw(i, -745.0, 709.7), y = i % 2 ? exp(x) : draw(i, 0.5, 2.0);
                double reach = i % 3 == 0 ? 0x1p2 : i % 3 == 1 ? 0x1p21 : 0x1p30;
                double a = draw(i, -reach, reach);

                e = fmax(e, ulps(wn1_exp(x), expl(x)));
                if (y > 0.0)
                        l = fmax(l, ulps(wn1_log(y), logl(y)));
                a = i % 2 ? a : (float)a;
                s = fmax(s, ulps(wn1_sin(a), sinl(a)));
                c = fmax(c, ulps(wn1_cos(a), cosl(a)));
        }
        print_message("exp: %.3f, log: %.3f, sin: %.3f, cos: %.3f ulp\n", e, l, s, c);
        assert_true(e < 1.02 && l < 0.75 && s < 0.9 && c < 0.9);
}

/* Multiples of pi/2 leave almost nothing: the reduction must carry more than 53 bits. */
static void near_multiples_of_half_pi(void **state)
{
        double worst = 0.0;

        (void)state;
        for (uint32_t n = 1; n < 1u << 20; n += n / 64 + 1) {
                double x = (double)(n * 1.57079632679489661923L);

                double y = n % 2 ? wn1_cos(x) : wn1_sin(x);

                worst = fmax(worst, ulps(y, n % 2 ? cosl(x) : sinl(x)));
        }
        print_message("near multiples of pi/2: %.3f ulp\n", worst);
        assert_true(worst < 0.9);
}

static const struct end { const char *name; float x, want; } ends[] = {
        { "exp(0) is 1",                         0.0f, 1.0f },
        { "exp(-0) is 1",                        -0.0f, 1.0f },
        { "a subnormal is 0 enough",             1e-42f, 1.0f },
        { "the largest that is finite",          0x1.62e42ep+6f, 0x1.ffff08p+127f },
        { "the next is infinite",                0x1.62e430p+6f, INFINITY },
        { "infinity",                            INFINITY, INFINITY },
        { "the largest float",                   FLT_MAX, INFINITY },
        { "underflow is gradual",                -100.0f, 0x1.b4p-145f },
        { "the least subnormal",                 -103.5f, 0x1p-149f },
        { "then 0",                              -104.0f, 0.0f },
        { "the lowest float",                    -FLT_MAX, 0.0f },
        { "minus infinity",                      -INFINITY, 0.0f },
};
enum { N_ENDS = sizeof ends / sizeof *ends };

static void expf_ends(void **state)
{
        const struct end *e = *state;
        float y = wn1_expf(e->x);

        assert_memory_equal(&y, &e->want, 4);
}

static void other_ends(void **state)
{
        (void)state;
        assert_true(isnan(wn1_expf(NAN)) && isnan(wn1_exp(NAN)) && isnan(wn1_log(NAN)));
        assert_true(wn1_exp(0.0) == 1.0 && wn1_exp(INFINITY) == INFINITY);
        assert_true(wn1_exp(710.0) == INFINITY);
        assert_true(wn1_exp(-INFINITY) == 0.0 && wn1_exp(-745.1) == 0x1p-1074);
        assert_true(wn1_exp(-746.0) == 0.0);
        assert_true(wn1_log(1.0) == 0.0 && wn1_log(0.0) == -INFINITY && wn1_log(-0.0) == -INFINITY);
        assert_true(wn1_log(INFINITY) == INFINITY && isnan(wn1_log(-1.0)));
        assert_true(ulps(wn1_log(0x1p-1074), logl(0x1p-1074L)) < 0.75);
        assert_true(wn1_sin(0.0) == 0.0 && wn1_cos(0.0) == 1.0);
        assert_true(isnan(wn1_sin(INFINITY)) && isnan(wn1_cos(NAN)) && isnan(wn1_cos(0x1.1p30)));
        assert_true(signbit(wn1_silu(-200.0f)) && wn1_silu(-200.0f) == 0.0f);
        assert_true(wn1_silu(200.0f) == 200.0f && wn1_sigmoid(-200.0f) == 0.0f);
        assert_true(wn1_sigmoid(0.0f) == 0.5f && wn1_sigmoid(200.0f) == 1.0f);
        assert_true(isnan(wn1_silu(NAN)) && isnan(wn1_sigmoid(NAN)));
}

static void eight_lanes_as_one(void **state)
{
        (void)state;
#ifdef __x86_64__
        float x[8], y[8];

        for (uint64_t b = 0; b < 1ull << 32; b += 8 * 127) {     /* NaNs and infinities, too */
                for (uint32_t i = 0; i < 8; i++)
                        x[i] = wn1_float((uint32_t)b + i * 127);
                _mm256_storeu_ps(y, avx2_exp(_mm256_loadu_ps(x)));
                for (int i = 0; i < 8; i++) {
                        float one = wn1_expf(x[i]);

                        if (memcmp(&one, &y[i], 4) != 0 && !(isnan(one) && isnan(y[i])))
                                fail_msg("exp(%a): %a in a lane, %a alone", x[i], y[i], one);
                }
        }
#else
        skip();
#endif
}

static void tables(void **state)
{
        const float inv_freq[3] = { 1.0f, 0.01f, 1.0f / 3.0f };
        static float c[1001 * 3], s[1001 * 3], c2[1001 * 3], s2[1001 * 3];

        (void)state;
        wt_rope_table(inv_freq, 3, 1001, 1.0f, c, s);
        wt_rope_table(inv_freq, 3, 1001, 1.25f, c2, s2);
        for (int p = 0; p <= 1000; p++) {
                for (int i = 0; i < 3; i++) {
                        float angle = (float)p * inv_freq[i];            /* FP32, as N10 has it */

                        assert_true(c[p * 3 + i] == (float)cos(angle));
                        assert_true(s[p * 3 + i] == (float)sin(angle));
                        assert_true(s2[p * 3 + i] == (float)(1.25 * sin(angle)));
                        assert_true(c2[p * 3 + i] == (float)(1.25 * cos(angle)));
                }
        }
}

int main(void)
{
        struct CMUnitTest tests[N_ENDS + 6];
        size_t n = 0;

        for (size_t i = 0; i < N_ENDS; i++)
                tests[n++] = (struct CMUnitTest){ ends[i].name, expf_ends, NULL, NULL,
                                                  (void *)&ends[i] };
        tests[n++] = (struct CMUnitTest)cmocka_unit_test(expf_is_near);
        tests[n++] = (struct CMUnitTest)cmocka_unit_test(doubles_are_near);
        tests[n++] = (struct CMUnitTest)cmocka_unit_test(near_multiples_of_half_pi);
        tests[n++] = (struct CMUnitTest)cmocka_unit_test(other_ends);
        tests[n++] = (struct CMUnitTest)cmocka_unit_test(eight_lanes_as_one);
        tests[n++] = (struct CMUnitTest)cmocka_unit_test(tables);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
