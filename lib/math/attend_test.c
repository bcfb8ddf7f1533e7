/* attend_test.c - N5: the kernels of a segment against the plain loops by memcmp, the whole against
 * softmax in FP64, and what a softmax that depends on chunks would do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include "math/test_fill.h"

static const struct shape { const char *name; uint32_t n_q, n, kd, rd, vd; } shapes[] = {
        { "mla, 16 heads, a full page",  16, 64, 512, 64, 512 },
        { "mla, 128 heads, 33 keys",     128, 33, 512, 64, 512 },
        { "mla, odd widths",             5, 17, 513, 7, 129 },
        { "long keys, long rope",        50, 16, 1100, 530, 40 },
        { "gqa, group of 4",             4, 63, 128, 0, 128 },
        { "gqa, one query",              1, 64, 64, 0, 80 },
        { "gqa, one query, one key",     1, 1, 5, 0, 7 },
        { "seven queries, eight keys",   7, 8, 24, 0, 24 },
        { "two queries, nine keys",      2, 9, 40, 3, 16 },
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes, PAD = 3 };

struct outcome { float *score, *u, *m, *l; };

/* The whole of it: score, segment, one merge, division. */
static void run(const struct wt_kernels *k, const struct shape *s, const float *q, const float *key,
                const float *v, struct outcome *o)
{
        uint32_t ldq = s->kd + s->rd + PAD, ldv = s->vd + PAD;

        o->score = need(s->n_q * 64 * 4);
        o->u = need(s->n_q * ldv * 4);
        o->m = need(s->n_q * 4);
        o->l = need(s->n_q * 4);
        k->score(q, ldq, q + s->kd, ldq, s->n_q, key, ldq, s->kd, s->rd ? key + s->kd : NULL, ldq,
                 s->rd, s->n, 0.125f, o->score);
        k->segment(o->score, s->n_q, s->n, v, ldv, s->vd, o->m, o->l, o->u, ldv);
        if (s->n_q > 1) {
                k->merge(o->m, o->l, o->u, 0.75f, 3.5f, o->u + (s->n_q - 1) * ldv, s->vd);
                k->divide(o->u, o->l[0], s->vd, o->u);
        }
}

static void drop(struct outcome *o)
{
        free(o->score);
        free(o->u);
        free(o->m);
        free(o->l);
}

static void same_bits(void **state)
{
        const struct shape *s = *state;
        const struct wt_kernels *table[MAX_TABLES];
        uint32_t ldq = s->kd + s->rd + PAD, ldv = s->vd + PAD, n = all_tables(table);
        float *q = need(s->n_q * ldq * 4), *key = need(64 * ldq * 4), *v = need(64 * ldv * 4);
        struct outcome want, got;

        fill_plain(q, s->n_q * ldq, 11);
        fill_plain(key, 64 * ldq, 12);
        fill(v, 64 * ldv, 13);
        q[0] = -0.0f;
        run(table[0], s, q, key, v, &want);
        for (uint32_t i = 1; i < n; i++) {
                run(table[i], s, q, key, v, &got);
                assert_memory_equal(want.score, got.score, s->n_q * 64 * 4);
                assert_memory_equal(want.m, got.m, s->n_q * 4);
                assert_memory_equal(want.l, got.l, s->n_q * 4);
                assert_memory_equal(want.u, got.u, s->n_q * ldv * 4);
                drop(&got);
        }
        drop(&want);
        free(q);
        free(key);
        free(v);
}

static const struct odd { const char *name; float s[4]; bool nan; float m, l; } odds[] = {
        { "all zeros of either sign",    { -0.0f, 0.0f, -0.0f, -0.0f }, false, 0.0f, 4.0f },
        { "far apart",                   { -300.0f, 0.5f, -1e30f, 0.5f }, false, 0.5f, 2.0f },
        { "one minus infinity",          { -INFINITY, 1.0f, 1.0f, 1.0f }, false, 1.0f, 3.0f },
        { "all minus infinity", { -INFINITY, -INFINITY, -INFINITY, -INFINITY }, true, 0, 0 },
        { "plus infinity",               { 1.0f, INFINITY, 1.0f, 1.0f }, true, 0, 0 },
        { "NaN first",                   { NAN, 1.0f, 1.0f, 1.0f }, true, 0, 0 },
        { "NaN in the middle",           { 1.0f, 1.0f, NAN, 1.0f }, true, 0, 0 },
};
enum { N_ODDS = sizeof odds / sizeof *odds };

/* Each case at 4 keys, and at 16, so that eight lanes see it, too. */
static void odd_scores(void **state)
{
        const struct odd *o = *state;
        const struct wt_kernels *table[MAX_TABLES];
        uint32_t n_tables = all_tables(table);

        for (uint32_t i = 0; i < n_tables; i++) {
                for (uint32_t n = 4; n <= 16; n += 12) {
                        float score[64] = { 0 }, v[16] = { 0 }, m, l, u;

                        for (uint32_t t = 0; t < n; t++)
                                score[t] = t < 4 ? o->s[t] : o->s[0];
                        for (uint32_t t = 4; t < n; t++)         /* the rest leaves l alone */
                                score[t] = o->nan ? o->s[t % 4] : -1e30f;
                        table[i]->segment(score, 1, n, v, 1, 1, &m, &l, &u, 1);
                        if (o->nan) {
                                assert_true(isnan(l) && isnan(u));
                                continue;
                        }
                        assert_memory_equal(&m, &o->m, 4);
                        assert_memory_equal(&l, &o->l, 4);
                }
        }
}

enum { KEYS = 200, D = 24 };
struct attention { float q[D], k[KEYS][D], v[KEYS][D]; };

static void make(struct attention *a)
{
        fill_plain(a->q, D, 21);
        fill_plain(a->k[0], KEYS * D, 22);
        fill_plain(a->v[0], KEYS * D, 23);
}

/* One query over all keys in segments of at most size, folded upward; the first is copied. */
static void attend(const struct wt_kernels *f, const struct attention *a, uint32_t size,
                   float out[D])
{
        float m = 0, l = 0, u[D], m2, l2, u2[D], score[64];

        for (uint32_t t = 0; t < KEYS; t += size) {
                uint32_t n = KEYS - t < size ? KEYS - t : size;

                f->score(a->q, D, NULL, 0, 1, a->k[t], D, D, NULL, 0, 0, n, 1.5f, score);
                f->segment(score, 1, n, a->v[t], D, D, t ? &m2 : &m, t ? &l2 : &l, t ? u2 : u, D);
                if (t)
                        f->merge(&m, &l, u, m2, l2, u2, D);
        }
        f->divide(u, l, D, out);
}

static void is_attention(void **state)
{
        struct attention a;
        float got[D];
        double l = 0, u[D] = { 0 };

        (void)state;
        make(&a);
        attend(wt_kernels_pick(NULL), &a, 64, got);
        for (int t = 0; t < KEYS; t++) {
                double s = 0;

                for (int i = 0; i < D; i++)
                        s += (double)a.q[i] * a.k[t][i];
                double p = exp(1.5 * s);

                l += p;
                for (int i = 0; i < D; i++)
                        u[i] += p * a.v[t][i];
        }
        for (int i = 0; i < D; i++)
                assert_true(fabs(got[i] - u[i] / l) < 1e-6);
}

static void segments_are_part_of_the_answer(void **state)
{
        struct attention a;
        float pages[D], chunks[D];

        (void)state;
        make(&a);
        attend(wt_kernels_pick(NULL), &a, 64, pages);
        attend(wt_kernels_pick(NULL), &a, 48, chunks);
        assert_memory_not_equal(pages, chunks, sizeof pages);
        attend(&wt_kernels_ref, &a, 64, chunks);
        assert_memory_equal(pages, chunks, sizeof pages);
}

int main(void)
{
        struct CMUnitTest tests[N_SHAPES + N_ODDS + 2];
        size_t n = 0;

        for (size_t i = 0; i < N_SHAPES; i++)
                tests[n++] = (struct CMUnitTest){ shapes[i].name, same_bits, NULL, NULL,
                                                  (void *)&shapes[i] };
        for (size_t i = 0; i < N_ODDS; i++)
                tests[n++] = (struct CMUnitTest){ odds[i].name, odd_scores, NULL, NULL,
                                                  (void *)&odds[i] };
        tests[n++] = (struct CMUnitTest)cmocka_unit_test(is_attention);
        tests[n++] = (struct CMUnitTest)cmocka_unit_test(segments_are_part_of_the_answer);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
