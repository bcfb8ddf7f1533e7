/* times_test.c - what the histogram says of known times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "base/rng.h"
#include "times.h"

enum { N = 20000 };

static int by_value(const void *a, const void *b)
{
        uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

        return x < y ? -1 : x > y;
}

/* Against the sorted samples: within a hundredth, from nanoseconds to minutes. */
static void quantiles(void **state)
{
        static const double parts[] = { .001, .1, .5, .9, .99, .999, 1 };
        static uint64_t ns[N];
        static struct times t;

        (void)state;
        memset(&t, 0, sizeof t);
        for (uint32_t i = 0; i < N; i++) {
                uint32_t bits = (uint32_t)(wt_philox_unit(1, i, 0, 0) * 37);

                ns[i] = (1ull << bits) + (uint64_t)(wt_philox_unit(1, i, 1, 0) *
                                                    (double)(1ull << bits));
                times_add(&t, ns[i]);
        }
        qsort(ns, N, sizeof *ns, by_value);
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
                double want = (double)ns[(size_t)(parts[i] * N + .9999999) - 1] / 1e3;
                double got = times_us(&t, parts[i]);

                if (got < want * .99 || got > want * 1.01)
                        fail_msg("part %g is %g us, not %g", parts[i], got, want);
        }
        assert_int_equal(t.n, N);
        assert_int_equal(t.max, ns[N - 1]);
}

static void edges(void **state)
{
        static struct times t;
        struct wt_buf b = { 0 };

        (void)state;
        memset(&t, 0, sizeof t);
        assert_true(times_us(&t, .5) == 0);      /* none at all */
        times_add(&t, 0);
        assert_true(times_us(&t, .5) == 0);
        times_add(&t, UINT64_MAX);               /* beyond the last bucket: in the last one */
        assert_true(times_us(&t, 1) > 1e9);
        times_json(&t, "us", &b);
        assert_non_null(strstr(b.data, "\"us\":{\"p50\":0.0,"));
        wt_buf_free(&b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                { "quantiles to a hundredth", quantiles, NULL, NULL, NULL },
                { "no times, none at all and endless ones", edges, NULL, NULL, NULL },
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
