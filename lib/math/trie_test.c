/* trie_test.c - N7: the sum over the trie of expert ids against its recursive definition, and the
 * same bits for every way to deal the picks to workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "math/test_fill.h"

enum { W = 11, MAX_PICKS = 16, MAX_BITS = 10 };

struct row { uint32_t bits, n; uint32_t id[MAX_PICKS]; float leaf[MAX_PICKS][W]; };

/* Distinct ids of [0, n_experts), ascending. */
static void make(struct row *r, uint32_t n_experts, uint32_t n, uint32_t seed)
{
        uint32_t left = n_experts, got = 0;

        r->bits = wt_trie_bits(n_experts);
        r->n = n;
        for (uint32_t e = 0; e < n_experts; e++, left--)
                if (wt_philox_unit(seed, e, 0, 9) * left < n - got)
                        r->id[got++] = e;
        assert_int_equal(got, n);
        fill_plain(r->leaf[0], MAX_PICKS * W, seed);
}

/* node = left + right, a lone child passes through; false where nothing is below. */
static bool define(const struct row *r, uint32_t depth, uint32_t prefix, float out[W])
{
        float left[W] = { 0 }, right[W] = { 0 };

        if (depth == r->bits) {
                for (uint32_t i = 0; i < r->n; i++)
                        if (r->id[i] == prefix)
                                return memcpy(out, r->leaf[i], sizeof left);
                return false;
        }
        bool l = define(r, depth + 1, prefix * 2, left);
        bool h = define(r, depth + 1, prefix * 2 + 1, right);

        for (int c = 0; c < W; c++)
                out[c] = l && h ? left[c] + right[c] : l ? left[c] : right[c];
        return l || h;
}

static void sum(const struct row *r, const struct wt_node *node, const float *const *in, uint32_t n,
                float *out)
{
        static float scratch[MAX_BITS * W + 1];

        scratch[r->bits * W] = 42.0f;            /* not one float more than was promised */
        wt_trie_sum(wt_kernels_pick(NULL), r->bits, node, in, n, W, out, scratch);
        assert_true(scratch[r->bits * W] == 42.0f);
}

static const struct shape { const char *name; uint32_t experts, picks; } shapes[] = {
        { "1 of 1", 1, 1 },      { "1 of 64", 64, 1 },    { "2 of 2", 2, 2 },   { "2 of 8", 8, 2 },
        { "6 of 64", 64, 6 },    { "6 of 160", 160, 6 },  { "8 of 256", 256, 8 },
        { "16 of 16", 16, 16 },  { "5 of 7", 7, 5 },      { "16 of 1000", 1000, 16 },
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

static void as_defined(void **state)
{
        const struct shape *s = *state;
        struct row r;
        struct wt_node node[MAX_PICKS];
        const float *in[MAX_PICKS];
        float want[W], got[W];

        for (uint32_t seed = 0; seed < 200; seed++) {
                make(&r, s->experts, s->picks, seed);
                assert_true(define(&r, 0, 0, want));
                for (uint32_t i = 0; i < r.n; i++) {
                        node[i] = (struct wt_node){ 0, r.bits, r.id[i] };
                        in[i] = r.leaf[i];
                }
                sum(&r, node, in, r.n, got);
                assert_memory_equal(want, got, sizeof want);
                sum(&r, node, in, r.n, r.leaf[0]);               /* in place */
                assert_memory_equal(want, r.leaf[0], sizeof want);
        }
}

struct reply { struct wt_node node[MAX_PICKS]; float data[MAX_PICKS][W]; uint32_t n; };

/* The largest nodes all of whose picks are one worker's, left to right. */
static void split(const struct row *r, const uint32_t *owner, uint32_t depth, uint32_t prefix,
                  struct reply *to)
{
        struct wt_node node[MAX_PICKS];
        const float *in[MAX_PICKS];
        uint32_t n = 0, first = 0;
        bool one = true;

        for (uint32_t i = 0; i < r->n; i++) {
                if (r->id[i] >> (r->bits - depth) != prefix)
                        continue;
                first = n == 0 ? i : first;
                one &= owner[i] == owner[first];
                node[n] = (struct wt_node){ 0, r->bits, r->id[i] };
                in[n++] = r->leaf[i];
        }
        if (n == 0)
                return;
        if (one) {
                to->node[to->n] = (struct wt_node){ 0, depth, prefix };
                sum(r, node, in, n, to->data[to->n++]);
                return;
        }
        split(r, owner, depth + 1, prefix * 2, to);
        split(r, owner, depth + 1, prefix * 2 + 1, to);
}

static void however_dealt(void **state)
{
        struct row r;
        float want[W], got[W];

        (void)state;
        for (uint32_t seed = 0; seed < 12; seed++) {
                make(&r, seed % 2 ? 64 : 10, 6, seed);
                define(&r, 0, 0, want);
                for (uint32_t deal = 0; deal < 729; deal++) {    /* 6 picks, 3 workers */
                        uint32_t owner[6], rest = deal;
                        const float *in[MAX_PICKS];
                        struct reply to = { .n = 0 };

                        for (int i = 0; i < 6; i++, rest /= 3)
                                owner[i] = rest % 3;
                        split(&r, owner, 0, 0, &to);
                        for (uint32_t i = 0; i < to.n; i++)
                                in[i] = to.data[i];
                        sum(&r, to.node, in, to.n, got);
                        assert_memory_equal(want, got, sizeof want);
                }
        }
}

/* A sum in order of ids, or of arrival, is another sum. */
static void other_orders_differ(void **state)
{
        uint32_t differ = 0;

        (void)state;
        for (uint32_t seed = 0; seed < 100; seed++) {
                struct row r;
                float want[W], plain[W];

                make(&r, 64, 6, seed);
                define(&r, 0, 0, want);
                memcpy(plain, r.leaf[0], sizeof plain);
                for (uint32_t i = 1; i < r.n; i++)
                        wt_kernels_ref.add(plain, r.leaf[i], W);
                differ += memcmp(want, plain, sizeof plain) != 0;
        }
        assert_true(differ > 80);
}

static void bits(void **state)
{
        static const uint32_t want[][2] = { { 1, 0 }, { 2, 1 }, { 3, 2 }, { 4, 2 }, { 5, 3 },
                                            { 64, 6 }, { 65, 7 }, { 160, 8 }, { 256, 8 },
                                            { 1u << 31, 31 } };

        (void)state;
        for (size_t i = 0; i < sizeof want / sizeof *want; i++)
                assert_int_equal(wt_trie_bits(want[i][0]), want[i][1]);
}

int main(void)
{
        struct CMUnitTest tests[N_SHAPES + 3];

        for (size_t i = 0; i < N_SHAPES; i++)
                tests[i] = (struct CMUnitTest){ shapes[i].name, as_defined, NULL, NULL,
                                                (void *)&shapes[i] };
        tests[N_SHAPES] = (struct CMUnitTest)cmocka_unit_test(however_dealt);
        tests[N_SHAPES + 1] = (struct CMUnitTest)cmocka_unit_test(other_orders_differ);
        tests[N_SHAPES + 2] = (struct CMUnitTest)cmocka_unit_test(bits);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
