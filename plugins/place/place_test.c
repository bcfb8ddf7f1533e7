/* place_test.c - the conformance test of kind place, against the ABI alone: the built-ins, and any
 * .so named on the command line. Then what each built-in promises beyond it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/rng.h"
#include "plugin/plugin.h"
#undef fail                                      /* cmocka's macro; struct wt_host has a fail */

const struct wt_plugin *wt_plugin_contiguous(void);
const struct wt_plugin *wt_plugin_least_loaded(void);

enum { MOST_ITEMS = 300, MOST_HOLDERS = 64, N_RANDOM = 400 };

/* A step's input in heap blocks of their exact sizes, so that ASan sees a read beyond them. */
struct step {
        uint32_t n, n_workers;
        uint32_t *expert, *rows, *first, *holder, *load;
};

static uint32_t draw(uint32_t seed, uint32_t what, uint32_t i, uint32_t below)
{
        return (uint32_t)(wt_philox_unit(seed, what, i, 0) * below);
}

static void *block(size_t n)
{
        void *p = malloc(n ? n * sizeof(uint32_t) : 1);

        assert_non_null(p);
        return p;
}

static struct step step_new(uint32_t n, uint32_t n_workers, uint32_t n_holders)
{
        return (struct step){ n, n_workers, block(n), block(n), block(n + 1), block(n_holders),
                              block(n_workers) };
}

static void step_free(struct step *s)
{
        free(s->expert);
        free(s->rows);
        free(s->first);
        free(s->holder);
        free(s->load);
}

/* Every item may go to every worker. */
static struct step uniform(uint32_t n, uint32_t n_workers, uint32_t rows)
{
        struct step s = step_new(n, n_workers, n * n_workers);

        for (uint32_t i = 0; i <= n; i++)
                s.first[i] = i * n_workers;
        for (uint32_t i = 0; i < n; i++) {
                s.expert[i] = i;
                s.rows[i] = rows;
                for (uint32_t w = 0; w < n_workers; w++)
                        s.holder[i * n_workers + w] = w;
        }
        memset(s.load, 0, n_workers * sizeof *s.load);
        return s;
}

static struct step random_step(uint32_t seed)
{
        uint32_t n = draw(seed, 0, 0, MOST_ITEMS), w = 1 + draw(seed, 1, 0, MOST_HOLDERS);
        uint32_t share = 1 + draw(seed, 2, 0, 100), id = 0, at = 0;
        static uint32_t all[MOST_ITEMS * MOST_HOLDERS];
        struct step s;

        s = step_new(n, w, 0);
        for (uint32_t i = 0; i < n; i++) {
                uint32_t sure = draw(seed, 3, i, w);

                s.first[i] = at;
                id += 1 + draw(seed, 4, i, 4);
                s.expert[i] = id;
                s.rows[i] = 1 + draw(seed, 5, i, 1u << draw(seed, 6, i, 12));
                for (uint32_t h = 0; h < w; h++)
                        if (h == sure || draw(seed, 1000 + i, h, 100) < share)
                                all[at++] = h;
        }
        s.first[n] = at;
        free(s.holder);
        s.holder = block(at);
        memcpy(s.holder, all, at * sizeof *all);
        for (uint32_t h = 0; h < w; h++)
                s.load[h] = draw(seed, 7, h, 1u << draw(seed, 8, h, 16));
        return s;
}

/* Runs the plugin on scratch that the host zeroed; out (n). */
static void run(const struct wt_plugin *p, const struct step *s, uint32_t *out)
{
        const struct wt_place_ops *ops = p->ops;
        const struct wt_place_in in = { .size = sizeof in, .expert = s->expert, .rows = s->rows,
                .n_items = s->n, .holder_first = s->first, .holder = s->holder, .load = s->load,
                .n_workers = s->n_workers };
        void *state = calloc(1, ops->state_size + 1);

        assert_non_null(state);
        ops->place(state, &in, out);
        free(state);
}

/* ---- what any plugin must do ---- */

static void only_listed_holders(void **state)
{
        for (uint32_t seed = 0; seed < N_RANDOM; seed++) {
                struct step s = random_step(seed);
                uint32_t *got = block(s.n);

                memset(got, 0xee, s.n * sizeof *got);
                run(*state, &s, got);
                for (uint32_t i = 0; i < s.n; i++) {
                        uint32_t h = s.first[i];

                        while (h < s.first[i + 1] && s.holder[h] != got[i])
                                h++;
                        assert_true(h < s.first[i + 1]);
                }
                free(got);
                step_free(&s);
        }
}

static void input_is_left_alone(void **state)
{
        for (uint32_t seed = 0; seed < 50; seed++) {
                struct step s = random_step(seed), same = random_step(seed);
                uint32_t *got = block(s.n);

                run(*state, &s, got);
                assert_memory_equal(s.expert, same.expert, s.n * sizeof *got);
                assert_memory_equal(s.rows, same.rows, s.n * sizeof *got);
                assert_memory_equal(s.first, same.first, (s.n + 1) * sizeof *got);
                assert_memory_equal(s.holder, same.holder, s.first[s.n] * sizeof *got);
                assert_memory_equal(s.load, same.load, s.n_workers * sizeof *got);
                free(got);
                step_free(&s);
                step_free(&same);
        }
}

/* The same answer when asked again, with scratch that earlier calls used, and with other bytes
 * behind the arrays. */
static void function_of_its_input(void **state)
{
        const struct wt_plugin *p = *state;
        const struct wt_place_ops *ops = p->ops;
        void *used = calloc(1, ops->state_size + 1);

        for (uint32_t seed = 0; seed < N_RANDOM; seed++) {
                struct step s = random_step(seed);
                size_t n = s.n, nw = s.n_workers, nh = s.first[s.n], all = 3 * n + 1 + nh + nw;
                uint32_t *got = block(n), *again = block(n + 1), *copy = block(all + 5 * 8),
                         *at = copy;
                struct wt_place_in in = {
                        .size = sizeof in, .n_items = s.n, .n_workers = s.n_workers};

                run(p, &s, got);
                memset(copy, seed & 1 ? 0xff : 0x01, (all + 5 * 8) * sizeof *copy);
                in.expert = memcpy(at, s.expert, n * sizeof *at), at += n + 8;
                in.rows = memcpy(at, s.rows, n * sizeof *at), at += n + 8;
                in.holder_first = memcpy(at, s.first, (n + 1) * sizeof *at), at += n + 1 + 8;
                in.holder = memcpy(at, s.holder, nh * sizeof *at), at += nh + 8;
                in.load = memcpy(at, s.load, nw * sizeof *at);
                again[n] = 0xabcdef01;
                ops->place(used, &in, again);
                assert_memory_equal(got, again, n * sizeof *got);
                assert_int_equal(again[n], 0xabcdef01);
                free(got);
                free(again);
                free(copy);
                step_free(&s);
        }
        free(used);
}

static void no_items_is_fine(void **state)
{
        struct step s = uniform(0, 3, 1);
        uint32_t untouched = 7;

        run(*state, &s, &untouched);
        assert_int_equal(untouched, 7);
        step_free(&s);
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
                struct step s = uniform(256, w, 3);
                uint32_t got[256];

                run(wt_plugin_contiguous(), &s, got);
                assert_int_equal(runs_of(got, 256), w);
                for (uint32_t i = 0; i < 256; i++)
                        assert_int_equal(got[i], i / (256 / w));
                step_free(&s);
        }
}

static void one_pick_each_for_a_small_step(void **state)
{
        struct step s = uniform(8, 8, 1);
        uint32_t got[8];

        (void)state;
        run(wt_plugin_contiguous(), &s, got);
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
        run(wt_plugin_contiguous(), &s, got);
        assert_memory_equal(got, want, sizeof want);
        step_free(&s);
}

static void work_in_flight_counts(void **state)
{
        struct step s = uniform(64, 2, 4);       /* 20 rows' worth each; worker 0 is 640 behind */
        uint32_t got[64], of_0 = 0;

        (void)state;
        s.load[0] = 640;
        run(wt_plugin_contiguous(), &s, got);
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
                uint32_t n = 1 + draw(seed, 20, 0, 256), w = 1 + draw(seed, 21, 0, 16);
                struct step s = uniform(n, w, 1);
                uint32_t *got = block(n);
                uint64_t work[16] = { 0 }, all = 0, largest = 0, most = 0;

                for (uint32_t i = 0; i < n; i++) {
                        s.rows[i] = 1 + draw(seed, 22, i, 200);
                        all += s.rows[i] + 16;
                        largest = s.rows[i] + 16 > largest ? s.rows[i] + 16 : largest;
                }
                run(wt_plugin_contiguous(), &s, got);
                for (uint32_t i = 0; i < n; i++)
                        work[got[i]] += s.rows[i] + 16;
                for (uint32_t h = 0; h < w; h++)
                        most = work[h] > most ? work[h] : most;
                assert_true(most <= (all / w + largest) * 6 / 5);
if (runs_of(got,n)>w) fprintf(stderr,"n %u w %u runs %u\n", n, w, runs_of(got,n));
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
        struct step s = uniform(4, 3, 1);
        uint32_t got[4];

        memcpy(s.rows, g->rows, sizeof g->rows);
        memcpy(s.load, g->load, sizeof g->load);
        run(wt_plugin_least_loaded(), &s, got);
        assert_memory_equal(got, g->want, sizeof got);
        step_free(&s);
}

/* ---- */

static size_t add_conformance(struct CMUnitTest *t, const struct wt_plugin *p)
{
        static const struct { const char *what; void (*f)(void **); } all[] = {
                { "only listed holders", only_listed_holders },
                { "input is left alone", input_is_left_alone },
                { "a function of its input", function_of_its_input },
                { "no items is fine", no_items_is_fine },
        };
        static char names[8][4][96];
        static size_t n_plugins;
        size_t n = sizeof all / sizeof *all;

        for (size_t i = 0; i < n; i++) {
                snprintf(names[n_plugins][i], sizeof names[0][0], "%s: %s", p->name, all[i].what);
                t[i] = (struct CMUnitTest){ names[n_plugins][i], all[i].f, NULL, NULL, (void *)p };
        }
        n_plugins++;
        return n;
}

int main(int argc, char **argv)
{
        struct CMUnitTest tests[32 + 5 + N_GREEDY] = {
                cmocka_unit_test(whole_subtrees_on_powers_of_two),
                cmocka_unit_test(one_pick_each_for_a_small_step),
                cmocka_unit_test(holders_that_differ_are_respected_in_runs),
                cmocka_unit_test(work_in_flight_counts),
                cmocka_unit_test(balanced_within_a_fifth),
        };
        size_t n = 5;

        for (size_t i = 0; i < N_GREEDY; i++)
                tests[n++] = (struct CMUnitTest){ greedies[i].name, greedy, NULL, NULL,
                                                  (void *)&greedies[i] };
        n += add_conformance(tests + n, wt_plugin_contiguous());
        n += add_conformance(tests + n, wt_plugin_least_loaded());
        for (int i = 1; i < argc && i <= 6; i++) {
                const struct wt_plugin *p;

                if (wt_plugin_load(argv[i], &p) != WT_OK || wt_plugin_check(p, WT_PLACE) != WT_OK) {
                        fprintf(stderr, "%s\n", wt_words());
                        return 1;
                }
                n += add_conformance(tests + n, p);
        }
        return _cmocka_run_group_tests("place", tests, n, NULL, NULL);
}
