/* pack_test.c - where each element of a view comes to lie, sizes, and halves widened exactly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include "math/test_fill.h"

#define LINEAR(DTYPE, MAT, OUT, IN, MS, OS, IS)                                                    \
        { .size = sizeof(struct wt_matrix), .form = WT_FORM_LINEAR, .dtype = (DTYPE),             \
          .n_mat = (MAT), .n_out = (OUT), .n_in = (IN), .mat_stride = (MS),                      \
          .out_stride = (OS), .in_stride = (IS) }

static const struct view { const char *name; struct wt_matrix m; size_t bytes; } views[] = {
        { "rows as they lie",            LINEAR(WT_F32, 1, 32, 10, 0, 10, 1), 2 * 10 * 64 },
        { "23 rows: two panels",         LINEAR(WT_F32, 1, 23, 10, 0, 10, 1), 2 * 10 * 64 },
        { "transposed",                  LINEAR(WT_F32, 1, 17, 9, 0, 1, 17), 2 * 9 * 64 },
        { "bf16, odd k: up to 64",       LINEAR(WT_BF16, 1, 16, 3, 0, 3, 1), 128 },
        { "W_UK of 3 heads, turned",    LINEAR(WT_BF16, 3, 20, 8, 20 * 12, 1, 20), 3 * 2 * 8 * 32 },
        { "W_UV of 3 heads, odd k",      LINEAR(WT_F16, 3, 4, 5, 12 * 5, 5, 1), 3 * 192 },
};
enum { N_VIEWS = sizeof views / sizeof *views };

static void lies_where_it_should(void **state)
{
        const struct view *v = *state;
        const struct wt_matrix *m = &v->m;
        size_t n_src = m->n_mat * m->mat_stride + m->n_out * m->out_stride + m->n_in * m->in_stride;
        void *src = need(n_src * 4), *blob = need(v->bytes);

        assert_int_equal(wt_pack_bytes(m), v->bytes);
        memset(blob, 0xff, v->bytes);
        if (m->dtype == WT_F32)
                fill(src, n_src, 51);
        else
                fill_half(src, n_src, m->dtype, 52);
        wt_pack(m, src, blob);
        for (uint32_t i = 0; i < m->n_mat; i++) {
                struct wt_packed w = wt_packed_of(m, blob, i);
                size_t step = m->dtype == WT_F32 ? 64 : 32;

                assert_int_equal((uintptr_t)w.data % 64, 0);
                for (uint32_t o = 0; o < (m->n_out + 15u) / 16 * 16; o++) {
                        for (uint32_t k = 0; k < m->n_in; k++) {
                                size_t s = i * m->mat_stride + o * m->out_stride + k * m->in_stride;
                                float want = 0.0f, got[16];

                                if (o < m->n_out && m->dtype == WT_F32)
                                        want = ((float *)src)[s];
                                else if (o < m->n_out)
                                        want = half_widen(m->dtype, ((uint16_t *)src)[s]);
                                half_step(m->dtype, (const char *)w.data +
                                          ((size_t)(o / 16) * m->n_in + k) * step, got);
                                assert_memory_equal(&want, &got[o % 16], 4);
                        }
                }
        }
        free(src);
        free(blob);
}

static void other_forms(void **state)
{
        struct wt_matrix v = { .form = WT_FORM_VECTOR, .dtype = WT_BF16, .n_mat = 1, .n_out = 3,
                               .n_in = 1, .out_stride = 2 };
        struct wt_matrix r = { .form = WT_FORM_ROWS, .dtype = WT_F16, .n_mat = 1, .n_out = 2,
                               .n_in = 3, .out_stride = 4, .in_stride = 1 };
        const uint16_t src[8] = { 0x3f80, 1, 0xc000, 2, 0x4040, 0x3c00, 0xc000, 3 };
        float f[3];
        uint16_t h[6];

        (void)state;
        assert_int_equal(wt_pack_bytes(&v), 12);
        wt_pack(&v, src, f);
        assert_true(f[0] == 1.0f && f[1] == -2.0f && f[2] == 3.0f);
        assert_int_equal(wt_pack_bytes(&r), 12);
        wt_pack(&r, src, h);
        assert_memory_equal(h, src, 6);
        assert_memory_equal(h + 3, src + 4, 6);
        wt_row_widen(h, WT_F16, 1, 3, f);
        assert_true(f[1] == 1.0f && f[2] == -2.0f);
}

static void refused(void **state)
{
        static const struct wt_matrix bad[] = {
                LINEAR(WT_I32, 1, 16, 16, 0, 16, 1), LINEAR(WT_F32, 0, 16, 16, 0, 16, 1),
                LINEAR(WT_F32, 1, 0, 16, 0, 16, 1), LINEAR(WT_F32, 1, 16, 0, 0, 16, 1),
                LINEAR(WT_F32, UINT32_MAX, UINT32_MAX, UINT32_MAX, 0, 16, 1),
                { .form = 9, .dtype = WT_F32, .n_mat = 1, .n_out = 1, .n_in = 1 },
                { .form = WT_FORM_VECTOR, .dtype = WT_F32, .n_mat = 1, .n_out = 4, .n_in = 2 },
                { .form = WT_FORM_ROWS, .dtype = WT_F32, .n_mat = 2, .n_out = 4, .n_in = 2 },
        };

        (void)state;
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
                assert_int_equal(wt_pack_bytes(&bad[i]), 0);
}

/* All 65,536 of each, by their definition. */
static void halves(void **state)
{
        (void)state;
        for (uint32_t h = 0; h < 65536; h++) {
                float f = half_f16((uint16_t)h), b = half_bf16((uint16_t)h);
                int exp = (int)(h >> 10 & 31), frac = (int)(h & 1023);
                double want = exp == 0 ? ldexp(frac, -24) : ldexp(1024 + frac, exp - 25);

                assert_int_equal(wn1_bits(b), h << 16);
                if (exp == 31)
                        want = frac ? NAN : INFINITY;
                assert_true(isnan(want) ? isnan(f) : fabsf(f) == want);
                assert_int_equal(wn1_bits(f) >> 31, h >> 15);
        }
}

int main(void)
{
        struct CMUnitTest tests[N_VIEWS + 3];

        for (size_t i = 0; i < N_VIEWS; i++)
                tests[i] = (struct CMUnitTest){ views[i].name, lies_where_it_should, NULL, NULL,
                                                (void *)&views[i] };
        tests[N_VIEWS] = (struct CMUnitTest)cmocka_unit_test(other_forms);
        tests[N_VIEWS + 1] = (struct CMUnitTest)cmocka_unit_test(refused);
        tests[N_VIEWS + 2] = (struct CMUnitTest)cmocka_unit_test(halves);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
