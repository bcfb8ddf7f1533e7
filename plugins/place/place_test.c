/* place_test.c - the conformance test of kind place over the built-ins and over a plugin that
 * breaks it; then what each built-in promises beyond it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "conform.h"
#include "steps.h"

const struct wt_plugin *wt_plugin_contiguous(void);
const struct wt_plugin *wt_plugin_least_loaded(void);

static void note(void *arg, const char *what, bool ok, const char *words)
{
        if (!ok && *(bool *)arg)
                print_error("%s: %s\n", what, words);
}

static void conforms(void **state)
{
        bool loud = true;
        const struct wt_conform_places c = { note, &loud };

        assert_int_equal(wt_conform_place(*state, &c), 0);
}

/* One that always says worker 0, whoever holds the expert. */
static void place_zero(void *state, const struct wt_place_in *in, uint32_t *worker)
{
        (void)state;
        memset(worker, 0, in->n_items * sizeof *worker);
}

static void a_breaker_is_caught(void **state)
{
        static const struct wt_place_ops ops = { .size = sizeof ops, .place = place_zero };
        static const struct wt_plugin zero = { .kind = WT_PLACE, .name = "zero", .ops = &ops };
        bool loud = false;
        const struct wt_conform_places c = { note, &loud };

        (void)state;
        assert_int_equal(wt_conform_place(&zero, &c), 1);
}

/* ---- what contiguous promises ---- */

static uint32_t runs_of(const uint32_t *worker, uint32_t n)
{
        uint32_t runs = n > 0;

        for (uint32_t i = 1; i < n; i++)
                runs += worker[i] != worker[i - 1];
        return runs;
}

static void whole_subtrees_on_powers_of_two(void **state)
{
        (void)state;
        for (uint32_t w = 1; w <= 16; w *= 2) {
                struct step s = step_uniform(256, w, 3);
                uint32_t got[256];

                step_run(wt_plugin_contiguous(), &s, got);
                assert_int_equal(runs_of(got, 256), w);
                for (uint32_t i = 0; i < 256; i++)
                        assert_int_equal(got[i], i / (256 / w));
                step_free(&s);
        }
}

static void one_pick_each_for_a_small_step(void **state)
{
        struct step s = step_uniform(8, 8, 1);
        uint32_t got[8];

        (void)state;
        step_run(wt_plugin_contiguous(), &s, got);
        for (uint32_t i = 0; i < 8; i++)
                assert_int_equal(got[i], i);
        step_free(&s);
}

static void holders_that_differ_are_respected_in_runs(void **state)
{
        struct step s = step_new(8, 3, 12);   /* 0-3: workers 0, 1 in turns of one; 4-7: worker 2 */
        static const uint32_t first[] = { 0, 2, 4, 6, 8, 9, 10, 11, 12 };
        static const uint32_t holder[] = { 0, 1, 0, 1, 0, 1, 0, 1, 2, 2, 2, 2 };
        static const uint32_t want[] = { 0, 0, 1, 1, 2, 2, 2, 2 };
        uint32_t got[8];

        (void)state;
        for (uint32_t i = 0; i < 8; i++) {
                s.expert[i] = i;
                s.rows[i] = i < 4 ? 100 : 10;
        }
        memcpy(s.first, first, sizeof first);
        memcpy(s.holder, holder, sizeof holder);
        memset(s.load, 0, 3 * sizeof *s.load);
        step_run(wt_plugin_contiguous(), &s, got);
        assert_memory_equal(got, want, sizeof want);
        step_free(&s);
}

static void work_in_flight_counts(void **state)
{
        /* 20 rows' worth each; worker 0 is 640 behind */
        struct step s = step_uniform(64, 2, 4);
        uint32_t got[64], of_0 = 0;

        (void)state;
        s.load[0] = 640;
        step_run(wt_plugin_contiguous(), &s, got);
        for (uint32_t i = 0; i < 64; i++)
                of_0 += got[i] == 0;
        assert_in_range(of_0, 10, 22);           /* 16 would be even */
        assert_int_equal(runs_of(got, 64), 2);
        step_free(&s);
}

/* Where all workers may hold all: never worse than a fifth above even shares, or one expert. */
static void balanced_within_a_fifth(void **state)
{
        (void)state;
        for (uint32_t seed = 0; seed < N_RANDOM; seed++) {
                uint32_t n = 1 + place_draw(seed, 20, 0, 256), w = 1 + place_draw(seed, 21, 0, 16);
                struct step s = step_uniform(n, w, 1);
                uint32_t *got = place_block(n);
                uint64_t work[16] = { 0 }, all = 0, largest = 0, most = 0;

                for (uint32_t i = 0; i < n; i++) {
                        s.rows[i] = 1 + place_draw(seed, 22, i, 200);
                        all += s.rows[i] + 16;
                        largest = s.rows[i] + 16 > largest ? s.rows[i] + 16 : largest;
                }
                step_run(wt_plugin_contiguous(), &s, got);
                for (uint32_t i = 0; i < n; i++)
                        work[got[i]] += s.rows[i] + 16;
                for (uint32_t h = 0; h < w; h++)
                        most = work[h] > most ? work[h] : most;
                assert_true(most <= (all / w + largest) * 6 / 5);
                free(got);
                step_free(&s);
        }
}

/* ---- what least-loaded promises ---- */

static const struct greedy {
        const char *name; uint32_t rows[4], load[3], want[4];
} greedies[] = {
        {"equal loads: round by number", {1, 1, 1, 1}, {0, 0, 0}, {0, 1, 2, 0}},
        {"the least loaded first", {1, 1, 1, 1}, {9, 5, 7}, {1, 1, 1, 2}},
        {"rows given count", {10, 1, 1, 1}, {0, 0, 0}, {0, 1, 2, 1}},
        {"a load near the end of 32 bits",
         {5, 5, 5, 5},
         {UINT32_MAX, UINT32_MAX - 1, UINT32_MAX},
         {1, 0, 2, 1}},
};
enum { N_GREEDY = sizeof greedies / sizeof *greedies };

static void greedy(void **state)
{
        const struct greedy *g = *state;
        struct step s = step_uniform(4, 3, 1);
        uint32_t got[4];

        memcpy(s.rows, g->rows, sizeof g->rows);
        memcpy(s.load, g->load, sizeof g->load);
        step_run(wt_plugin_least_loaded(), &s, got);
        assert_memory_equal(got, g->want, sizeof got);
        step_free(&s);
}

/* ---- */

int main(void)
{
        struct CMUnitTest tests[16 + N_GREEDY] = {
                { "contiguous conforms", conforms, NULL, NULL, (void *)wt_plugin_contiguous() },
                { "least-loaded conforms", conforms, NULL, NULL, (void *)wt_plugin_least_loaded() },
                cmocka_unit_test(a_breaker_is_caught),
                cmocka_unit_test(whole_subtrees_on_powers_of_two),
                cmocka_unit_test(one_pick_each_for_a_small_step),
                cmocka_unit_test(holders_that_differ_are_respected_in_runs),
                cmocka_unit_test(work_in_flight_counts),
                cmocka_unit_test(balanced_within_a_fifth),
        };
        size_t n = 8;

        for (size_t i = 0; i < N_GREEDY; i++)
                tests[n++] = (struct CMUnitTest){ greedies[i].name, greedy, NULL, NULL,
                                                  (void *)&greedies[i] };
        return _cmocka_run_group_tests("place", tests, n, NULL, NULL);
}
