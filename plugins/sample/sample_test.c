/* The sampler against the reference that sorts everything, and a wrong sampler that is caught. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "conform.h"
#include "rank.h"

const struct wt_plugin *wt_plugin_sample(void);

static void note(void *arg, const char *what, bool ok, const char *words)
{
        (void)arg;
        if (!ok)
                print_error("%s: %s\n", what, words);
}

static void the_sampler_conforms(void **state)
{
        struct wt_conform_draws c = { .note = note };

        (void)state;
        assert_int_equal(wt_conform_sample(wt_plugin_sample(), &c), 0);
}

static const struct wt_sample_ops *right;
static struct wt_sample_ops wrong;

/* Rounds top_p a little: the kind of fault that only an exact comparison finds. */
static int nearly(void *scratch, const struct wt_sample_in *in, struct wt_sample_out *out)
{
        struct wt_sample_in other = *in;

        if (other.top_p == 0.5f)
                other.top_p = 0.4f;
        return right->sample(scratch, &other, out);
}

static void quiet(void *arg, const char *what, bool ok, const char *words)
{
        (void)arg;
        (void)what;
        (void)ok;
        (void)words;
}

static void a_wrong_sampler_is_found(void **state)
{
        struct wt_conform_draws c = { .note = quiet };
        struct wt_plugin p = *wt_plugin_sample();

        (void)state;
        right = p.ops;
        wrong = *right;
        wrong.sample = nearly;
        p.ops = &wrong;
        assert_true(wt_conform_sample(&p, &c) > 0);
}

/* Logits that all fall into one bucket, in orders that are hard for a quicksort. */
static void sorts_hard_orders(void **state)
{
        enum { N = 20000 };
        static float logits[N];
        static uint64_t key[N];
        static uint32_t start[RANK_BUCKETS + 1];
        struct rank r;

        (void)state;
        for (int kind = 0; kind < 4; kind++) {
                for (uint32_t i = 0; i < N; i++) {
                        uint32_t half = i < N / 2 ? i : N - i;   /* organ pipe */
                        uint32_t x[4] = { i, N - i, half, i % 2 ? i : N - i };

                        logits[i] = 1.0f + (float)x[kind] * 0x1p-23f * 100;
                }
                rank_init(&r, logits, N, key, start);
                rank_sort(&r, 10);
                assert_true(r.sorted >= 10);
                rank_sort(&r, N);
                for (uint32_t i = 1; i < N; i++)
                        assert_true(key[i] > key[i - 1]);
                for (uint32_t i = 1; i < N; i++)
                        assert_true(logits[rank_id(key[i])] <= logits[rank_id(key[i - 1])]);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_sampler_conforms),
                cmocka_unit_test(a_wrong_sampler_is_found),
                cmocka_unit_test(sorts_hard_orders),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
