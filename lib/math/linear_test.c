/* linear_test.c - N2: vectors against the plain loops by memcmp, for every weight type, odd shapes
 * and row counts; a row does not depend on its neighbours; and the definition itself, out of
 * unpacked weights. What would break the contract must be seen: K in another order, one chain for
 * all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "math/test_fill.h"

static const struct shape { const char *name; uint32_t dtype, n, k; } shapes[] = {
        { "f32, one number",             WT_F32, 1, 1 },
        { "f32, one panel, k 511",       WT_F32, 16, 511 },
        { "f32, three panels, k 512",    WT_F32, 48, 512 },
        { "f32, n 23, k 513",            WT_F32, 23, 513 },
        { "f32, n 133, k 1543",          WT_F32, 133, 1543 },
        { "bf16, n 7, k 1",              WT_BF16, 7, 1 },
        { "bf16, n 80, k 512",           WT_BF16, 80, 512 },
        { "bf16, n 133, k 1543",         WT_BF16, 133, 1543 },
        { "f16, n 9, k 3",               WT_F16, 9, 3 },
        { "f16, n 64, k 1024",           WT_F16, 64, 1024 },
        { "f16, n 133, k 1543",          WT_F16, 133, 1543 },
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes, PAD = 5, MOST = 250 };
static const uint32_t row_counts[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 64, MOST };

struct made { void *src, *packed; float *x, *want, *got; struct wt_packed w; };

static void make(struct made *d, const struct shape *s)
{
        struct wt_matrix m = { .size = sizeof m, .form = WT_FORM_LINEAR, .dtype = s->dtype,
                               .n_mat = 1, .n_out = s->n, .n_in = s->k, .out_stride = s->k,
                               .in_stride = 1 };
        size_t n = (size_t)s->n * s->k;

        d->src = need(n * 4);
        if (s->dtype == WT_F32)
                fill(d->src, n, 1);
        else
                fill_half(d->src, n, s->dtype, 2);
        d->packed = need(wt_pack_bytes(&m));
        wt_pack(&m, d->src, d->packed);
        d->w = wt_packed_of(&m, d->packed, 0);
        d->x = need((size_t)MOST * (s->k + PAD) * 4);
        fill(d->x, (size_t)MOST * (s->k + PAD), 3);
        d->want = need((size_t)MOST * (s->n + PAD) * 4);
        d->got = need((size_t)MOST * (s->n + PAD) * 4);
}

static void drop(struct made *d)
{
        free(d->src);
        free(d->packed);
        free(d->x);
        free(d->want);
        free(d->got);
}

static float weight(const struct made *d, uint32_t o, uint32_t k)
{
        size_t i = (size_t)o * d->w.k + k;

        return d->w.dtype == WT_F32 ? ((float *)d->src)[i]
                                    : half_widen(d->w.dtype, ((uint16_t *)d->src)[i]);
}

/* N2 word by word. */
static float by_definition(const struct made *d, const float *x, uint32_t o)
{
        float y = 0.0f;

        for (uint32_t slab = 0; slab * 512 < d->w.k; slab++) {
                float acc = +0.0f;

                for (uint32_t k = slab * 512; k < d->w.k && k < (slab + 1) * 512; k++)
                        acc = __builtin_fmaf(x[k], weight(d, o, k), acc);
                y = slab == 0 ? acc : y + acc;
        }
        return y;
}

static void reference(void **state)
{
        const struct shape *s = *state;
        struct made d;

        make(&d, s);
        wt_kernels_ref.linear(&d.w, 0, (s->n + 15) / 16, d.x, s->k + PAD, 3, d.want, s->n + PAD);
        for (uint32_t r = 0; r < 3; r++) {
                for (uint32_t o = 0; o < s->n; o++) {
                        float y = by_definition(&d, d.x + r * (s->k + PAD), o);

                        assert_memory_equal(&y, &d.want[r * (s->n + PAD) + o], 4);
                }
        }
        drop(&d);
}

static void compare(const struct wt_kernels *fast, struct made *d)
{
        uint32_t n = d->w.n, panels = (n + 15) / 16, ldx = d->w.k + PAD, ldy = n + PAD;

        for (uint32_t i = 0; i < sizeof row_counts / sizeof *row_counts; i++) {
                uint32_t m = row_counts[i];

                memset(d->want, 0x55, (size_t)m * ldy * 4);      /* nothing past n may be touched */
                memset(d->got, 0x55, (size_t)m * ldy * 4);
                wt_kernels_ref.linear(&d->w, 0, panels, d->x, ldx, m, d->want, ldy);
                fast->linear(&d->w, 0, panels, d->x, ldx, m, d->got, ldy);
                assert_memory_equal(d->want, d->got, (size_t)m * ldy * 4);

                memset(d->got, 0x55, (size_t)m * ldy * 4);       /* as threads would cut it */
                fast->linear(&d->w, 0, panels / 3, d->x, ldx, m, d->got, ldy);
                fast->linear(&d->w, panels / 3, panels, d->x, ldx, m, d->got, ldy);
                assert_memory_equal(d->want, d->got, (size_t)m * ldy * 4);
        }
        for (uint32_t r = 0; r < 9; r++) {                       /* alone as in the batch */
                fast->linear(&d->w, 0, panels, d->x + r * ldx, ldx, 1, d->got, ldy);
                assert_memory_equal(d->want + r * ldy, d->got, n * 4);
        }
}

static void same_bits(void **state)
{
        const struct wt_kernels *table[MAX_TABLES];
        uint32_t n = all_tables(table);
        struct made d;

        make(&d, *state);
        for (uint32_t i = 1; i < n; i++)
                compare(table[i], &d);
        drop(&d);
}

static void other_orders_differ(void **state)
{
        const struct shape s = { "", WT_F32, 64, 1543 };
        struct made d;
        uint32_t backward = 0, one_chain = 0;

        (void)state;
        make(&d, &s);
        fill_plain(d.x, s.k, 4);
        fill_plain(d.src, (size_t)s.n * s.k, 5);
        for (uint32_t o = 0; o < s.n; o++) {
                float want = by_definition(&d, d.x, o), y = 0.0f, acc = 0.0f;

                for (uint32_t slab = 0; slab < 4; slab++) {
                        float back = 0.0f;

                        for (uint32_t k = slab < 3 ? slab * 512 + 512 : s.k; k-- > slab * 512;)
                                back = __builtin_fmaf(d.x[k], weight(&d, o, k), back);
                        y = slab == 0 ? back : y + back;
                }
                for (uint32_t k = 0; k < s.k; k++)
                        acc = __builtin_fmaf(d.x[k], weight(&d, o, k), acc);
                backward += memcmp(&want, &y, 4) != 0;
                one_chain += memcmp(&want, &acc, 4) != 0;
        }
        assert_true(backward > s.n / 2);
        assert_true(one_chain > s.n / 2);
        drop(&d);
}

int main(void)
{
        struct CMUnitTest tests[2 * N_SHAPES + 1];

        for (size_t i = 0; i < N_SHAPES; i++) {
                tests[2 * i] = (struct CMUnitTest){ shapes[i].name, reference, NULL, NULL,
                                                    (void *)&shapes[i] };
                tests[2 * i + 1] = (struct CMUnitTest){ shapes[i].name, same_bits, NULL, NULL,
                                                        (void *)&shapes[i] };
        }
        tests[2 * N_SHAPES] = (struct CMUnitTest)cmocka_unit_test(other_orders_differ);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
