/* The processor's plugin against the reference, the golden hash of the profile, and what it
 * refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/hot.h"
#include "conform_step.h"

const struct wt_plugin *wt_plugin_compute_cpu(void);
const struct wt_plugin *wt_plugin_compute_cpu_ref(void);

/* Of profile wn1/f32. A commit that changes it changes the bits of every answer: it must raise the
 * arithmetic's version. Equal for every compiler, optimisation and processor. */
static const char golden[] = "f5b1ad696388d4c814d3b7bb3d636b4f46018c8f77c0c8851a86f6b3751e0a2f";

static void note(void *arg, const char *what, bool ok, const char *words)
{
        (void)arg;
        if (!ok)
                print_error("%s: %s\n", what, words);
}

static void the_fast_kernels_conform(void **state)
{
#ifdef WITAN_DEBUG
        struct wt_conform c = { .note = note, .quick = true };   /* sanitizers look at memory */
#else
        struct wt_conform c = { .note = note };
#endif

        (void)state;
        assert_int_equal(wt_conform_compute(wt_plugin_compute_cpu(), &c), 0);
}

static void the_plain_kernels_conform(void **state)
{
        struct wt_conform c = { .note = note, .quick = true };

        (void)state;
        assert_int_equal(wt_conform_compute(wt_plugin_compute_cpu_ref(), &c), 0);
}

static void hex_of(enum cf_mutation m, char hex[65])
{
        uint8_t sum[32];

        wt_conform_golden(m, sum);
        for (int i = 0; i < 32; i++)
                snprintf(hex + 2 * i, 3, "%02x", sum[i]);
}

static void the_golden_hash_stands(void **state)
{
        char hex[65];

        (void)state;
        hex_of(CF_NONE, hex);
        assert_string_equal(hex, golden);
}

static void each_mutation_changes_the_hash(void **state)
{
        (void)state;
        for (int m = CF_NONE + 1; m < CF_MUTATIONS; m++) {
                char hex[65];

                hex_of((enum cf_mutation)m, hex);
                if (!strcmp(hex, golden))
                        fail_msg("%s keeps the hash", cf_mutation_name[m]);
        }
}

/* ---- conformance must be able to fail: a plugin with one stage that is wrong in one bit ------ */

static const struct wt_compute_ops *right;
static struct wt_compute_ops wrong;

static int off_by_a_bit(wt_compute *c, const struct wt_fold_args *a)
{
        int err = right->fold(c, a);

        if (!err && a->n_out > 1)
                *(uint32_t *)(a->out_rows + a->width) ^= 1;
        return err;
}

static void count(void *arg, const char *what, bool ok, const char *words)
{
        (void)what;
        (void)words;
        *(uint32_t *)arg += !ok;
}

static void one_wrong_bit_is_found(void **state)
{
        uint32_t noted = 0;
        struct wt_conform c = { .note = count, .arg = &noted, .quick = true, .most_threads = 1 };
        struct wt_plugin p = *wt_plugin_compute_cpu();

        (void)state;
        right = p.ops;
        wrong = *right;
        wrong.fold = off_by_a_bit;
        p.ops = &wrong;
        assert_true(wt_conform_compute(&p, &c) > 0);
        assert_true(noted > 0);
}

/* ---- refusals -------------------------------------------------------------------------------- */

struct bench { struct cf_model m; struct cf_device d; struct cf_batch b; struct cf_truth none; };

static int set_up(void **state)
{
        struct bench *t = calloc(1, sizeof *t);

        cf_model_new(&t->m, cf_cases + 1, 100);
        *state = t;
        return cf_device_open(&t->d, wt_plugin_compute_cpu()->ops, &t->m, 2, 8, 2, 2) ||
               cf_batch_new(&t->b, &t->d, &t->none, 8, 2);
}

static int tear_down(void **state)
{
        struct bench *t = *state;

        cf_batch_free(&t->b);
        cf_device_close(&t->d);
        cf_model_free(&t->m);
        free(t);
        return 0;
}

static struct wt_attend_args attend_args(struct bench *t, struct wt_run *r)
{
        return (struct wt_attend_args){
                .size = sizeof(struct wt_attend_args), .layer = &t->m.l, .w = &t->d.w, .h = t->b.h,
                .cos = t->d.cos, .sin = t->d.sin, .kv = t->b.kv, .runs = r, .n_runs = 1,
                .n_rows = r->n_rows, .bad = t->b.bad };
}

static void refuses_with_words(void **state)
{
        struct bench *t = *state;
        uint32_t pages[3] = { 1, 0, 7 }, astray[1] = { 99 };
        struct wt_run run = {0, 4, 0, pages}, far = {0, 4, 97, pages}, lost = {0, 4, 0, astray};
        struct wt_run twice[2] = { { 0, 3, 0, pages }, { 2, 2, 0, pages } };
        struct wt_attend_args a = attend_args(t, &run);

        assert_int_equal(t->d.o->attend(t->d.c, &a), WT_OK);
        a.adapters = (const void *)t;
        assert_int_equal(t->d.o->attend(t->d.c, &a), WT_EUNSUPPORTED);
        assert_non_null(strstr(wt_words(), "adapters"));
        a = attend_args(t, &far);
        assert_int_equal(t->d.o->attend(t->d.c, &a), WT_ERANGE);
        a = attend_args(t, &lost);
        assert_int_equal(t->d.o->attend(t->d.c, &a), WT_EINVAL);
        assert_non_null(strstr(wt_words(), "page 99"));
        a = attend_args(t, &run);
        a.runs = twice;
        a.n_runs = 2;
        a.n_rows = 5;
        assert_int_equal(t->d.o->attend(t->d.c, &a), WT_EINVAL);
        assert_non_null(strstr(wt_words(), "two runs"));
        a = attend_args(t, &run);
        a.n_rows = 9;
        assert_int_equal(t->d.o->attend(t->d.c, &a), WT_EINVAL);
        a = attend_args(t, &run);
        t->d.w.o = t->d.w.q;
        assert_int_equal(t->d.o->attend(t->d.c, &a), WT_EINVAL);
        assert_non_null(strstr(wt_words(), "weight o"));
}

static void refuses_wrong_nodes(void **state)
{
        static const struct row {
                const char *name;
                struct wt_node in[2], out[2];
                uint32_t n_out;
        } rows[] = {
                {"a part inside another", {{0, 2, 1}, {0, 4, 5}}, {{0, 0, 0}}, 1},
                {"parts out of order", {{0, 4, 9}, {0, 4, 5}}, {{0, 0, 0}}, 1},
                {"rows out of order", {{1, 4, 5}, {0, 4, 9}}, {{0, 0, 0}, {1, 0, 0}}, 2},
                {"a part outside the trie", {{0, 4, 5}, {0, 4, 16}}, {{0, 0, 0}}, 1},
                {"too deep", {{0, 4, 5}, {0, 5, 20}}, {{0, 0, 0}}, 1},
                {"a sum of nothing", {{0, 4, 1}, {0, 4, 2}}, {{0, 1, 0}, {0, 1, 1}}, 2},
                {"a part that is nobody's", {{0, 4, 1}, {0, 4, 9}}, {{0, 1, 0}}, 1},
        };
        struct bench *t = *state;
        uint32_t d = t->m.l.width;

        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                const float *in[2] = { t->b.leaf, t->b.leaf + d };
                struct wt_fold_args a = {sizeof a, d,           4,          rows[i].in,   in,
                                         2,        rows[i].out, t->b.nodes, rows[i].n_out};

                if (t->d.o->fold(t->d.c, &a) != WT_EINVAL)
                        fail_msg("taken: %s", rows[i].name);
        }
}

/* Sums written over their own parts. */
static void folds_in_place(void **state)
{
        struct bench *t = *state;
        struct wt_node in[4] = { { 0, 4, 1 }, { 0, 4, 2 }, { 1, 4, 3 }, { 1, 4, 12 } };
        struct wt_node out[3] = { { 0, 0, 0 }, { 1, 1, 0 }, { 1, 1, 1 } };
        uint32_t d = t->m.l.width;
        const float *rows[4];
        struct wt_fold_args a = { sizeof a, d, 4, in, rows, 4, out, t->b.leaf, 3 };

        for (uint32_t i = 0; i < 4; i++) {
                rows[i] = t->b.leaf + i * d;
                for (uint32_t c = 0; c < d; c++)
                        t->b.leaf[i * d + c] = (float)(i + 1) * (float)(c + 1);
        }
        assert_int_equal(t->d.o->fold(t->d.c, &a), WT_OK);
        for (uint32_t c = 0; c < d; c++) {
                assert_true(t->b.leaf[c] == 3.0f * (float)(c + 1));
                assert_true(t->b.leaf[d + c] == 3.0f * (float)(c + 1));
                assert_true(t->b.leaf[2 * d + c] == 4.0f * (float)(c + 1));
        }
}

/* Debug builds abort on an allocation between begin and end. */
static void stages_allocate_nothing(void **state)
{
        struct bench *t = *state;
        uint32_t pages[2] = { 1, 0 };
        struct wt_run run = { 0, 8, 0, pages };
        struct wt_attend_args a = attend_args(t, &run);
        struct wt_gate_args g = {.size = sizeof g,
                                 .layer = &t->m.l,
                                 .w = &t->d.w,
                                 .h = t->b.h,
                                 .x = t->b.x,
                                 .pick = t->b.pick,
                                 .weight = t->b.weight,
                                 .n_rows = 8,
                                 .bad = t->b.bad};
        uint64_t before = wt_hot_allocs();

        wt_hot_begin();
        assert_int_equal(t->d.o->attend(t->d.c, &a), WT_OK);
        assert_int_equal(t->d.o->gate(t->d.c, &g), WT_OK);
        wt_hot_end();
        assert_int_equal(wt_hot_allocs() - before, 0);
}

static void open_names_a_layer_that_cannot_be(void **state)
{
        struct bench *t = *state;
        struct wt_layer l = t->m.l;
        struct wt_compute_conf conf = { sizeof conf, 8, 2, 2, 0, &l, 1 };
        wt_compute *c = NULL;

        l.n_group_kept = 1;
        l.n_picks = 7;
        assert_int_equal(t->d.o->open(&c, &t->d.host, &conf), WT_EINVAL);
        assert_non_null(strstr(wt_words(), "layer 0: the groups kept hold fewer"));
        l = t->m.l;
        l.rope_dim = 7;
        assert_int_equal(t->d.o->open(&c, &t->d.host, &conf), WT_EINVAL);
        assert_null(c);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_fast_kernels_conform),
                cmocka_unit_test(the_plain_kernels_conform),
                cmocka_unit_test(the_golden_hash_stands),
                cmocka_unit_test(each_mutation_changes_the_hash),
                cmocka_unit_test(one_wrong_bit_is_found),
                cmocka_unit_test_setup_teardown(refuses_with_words, set_up, tear_down),
                cmocka_unit_test_setup_teardown(refuses_wrong_nodes, set_up, tear_down),
                cmocka_unit_test_setup_teardown(folds_in_place, set_up, tear_down),
                cmocka_unit_test_setup_teardown(stages_allocate_nothing, set_up, tear_down),
                cmocka_unit_test_setup_teardown(open_names_a_layer_that_cannot_be, set_up,
                                                tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
