/* q8_test.c - the kernels of q8.h against its plain loops by memcmp, and those against the
 * contract's own words on small numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/rng.h"
#include "q8.h"

enum { MAX_M = 64 };

static const struct shape { const char *name; uint32_t n, k; int worst; } shapes[] = {
        { "one block", 16, 32, 0 },
        { "outputs that 16 does not divide", 75, 256, 0 },
        { "nine outputs", 9, 96, 0 },
        { "a short last block", 40, 2048 + 7, 0 },
        { "several runs of blocks", 129, 3328, 0 },
        { "weights of -128 and 127 against rows of +-127: the largest sums", 64, 1056, 1 },
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

struct product { int8_t *w; uint16_t *d; float *x, *y; void *packed; struct q8_rows rows; };

static double unit(uint32_t key, uint32_t i) { return wt_philox_unit(key, i, 0, 0); }

static void fill(struct product *p, const struct shape *s)
{
        uint32_t blocks = q8_blocks(s->k), k = blocks * Q8_BLOCK;

        for (uint32_t i = 0; i < s->n * k; i++)
                p->w[i] = s->worst ? (i / k % 3 ? -128 : 127) : (int8_t)(unit(1, i) * 256 - 128);
        for (uint32_t i = 0; i < s->n * blocks; i++)     /* about 2^-6, either sign; some 0 */
                p->d[i] = i % 37 == 5 ? 0 : (uint16_t)(0x2400 + i % 1024 + (i % 5 == 0) * 0x8000);
        for (uint32_t i = 0; i < MAX_M * s->k; i++) {
                p->x[i] = (float)(unit(2, i) - 0.5);
                if (s->worst)
                        p->x[i] = i / s->k % 3 ? -1.0f : 1.0f;
                else if (i / 32 % 11 == 3)       /* blocks of zeros: no division by them */
                        p->x[i] = 0;
        }
        q8_pack(p->packed, p->w, p->d, s->n, s->k);
}

static void make(struct product *p, const struct shape *s)
{
        uint32_t blocks = q8_blocks(s->k);

        p->w = malloc((size_t)s->n * blocks * Q8_BLOCK);
        p->d = malloc((size_t)s->n * blocks * 2);
        p->x = malloc((size_t)MAX_M * s->k * 4);
        p->y = malloc((size_t)2 * MAX_M * s->n * 4);
        p->packed = aligned_alloc(64, q8_bytes(s->n, s->k));
        p->rows.q = malloc((size_t)MAX_M * blocks * Q8_BLOCK);
        p->rows.d = malloc((size_t)MAX_M * blocks * 4);
        p->rows.offset = malloc((size_t)MAX_M * blocks * 4);
        fill(p, s);
}

static void drop(struct product *p)
{
        free(p->w); free(p->d); free(p->x); free(p->y); free(p->packed);
        free(p->rows.q); free(p->rows.d); free(p->rows.offset);
}

static void equal_bits(void **state)
{
        static const char *const names[] = { "avx2", "avx512" };
        const struct shape *s = *state;
        struct product p;
        float *got;

        make(&p, s);
        got = p.y + (size_t)MAX_M * s->n;
        q8_quantise(p.x, MAX_M, s->k, &p.rows);
        q8_ref.linear(p.packed, s->n, &p.rows, p.y);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
                const struct q8_kernels *k = q8_pick(names[i]);

                if (k == NULL)
                        print_message("# %s: not on this processor\n", names[i]);
                for (uint32_t m = 1; k != NULL && m <= MAX_M; m++) {
                        memset(got, 0xff, (size_t)m * s->n * 4);
                        p.rows.m = m;
                        k->linear(p.packed, s->n, &p.rows, got);
                        if (memcmp(got, p.y, (size_t)m * s->n * 4) != 0)
                                fail_msg("%s differs for %u rows", names[i], m);
                }
        }
        drop(&p);
}

/* Against the unquantised product in FP64: within what half a step of each factor can make. */
static void means_a_product(void **state)
{
        const struct shape s = { "", 48, 640, 0 };
        struct product p;

        (void)state;
        make(&p, &s);
        q8_quantise(p.x, MAX_M, s.k, &p.rows);
        q8_ref.linear(p.packed, s.n, &p.rows, p.y);
        for (uint32_t r = 0; r < MAX_M; r++)
                for (uint32_t o = 0; o < s.n; o++) {
                        double want = 0, bound = 1e-5;

                        for (uint32_t i = 0; i < s.k; i++) {
                                uint16_t h = p.d[o * q8_blocks(s.k) + i / 32];
                                double size = ldexp(1024 + (h & 0x3ff), (h >> 10 & 31) - 25);
                                double w = p.w[o * s.k + i] * (h == 0 ? 0 : size) *
                                           (h >> 15 ? -1 : 1);

                                want += p.x[r * s.k + i] * w;
                                bound += fabs(w) * p.rows.d[r * q8_blocks(s.k) + i / 32] * 0.5001;
                        }
                        assert_true(fabs(p.y[r * s.n + o] - want) <= bound);
                }
        drop(&p);
}

static void quantised_as_written(void **state)
{
        float x[40] = { 0, 127, -127, 0.5f, 1.5f, -2.5f, 63.49f, -0.0f }, d[2];
        int8_t q[64];
        int32_t offset[2];
        struct q8_rows rows = { q, d, offset, 0, 0 };
        static const int8_t want[8] = { 0, 127, -127, 0, 2, -2, 63, 0 };

        (void)state;
        x[32] = -3;                              /* the short block: its amax is 3 */
        x[33] = 1;
        memset(q, 99, sizeof q);
        q8_quantise(x, 1, 40, &rows);
        assert_memory_equal(q, want, 8);         /* dx is 1: to the nearest, ties to even */
        assert_true(d[0] == 1.0f && d[1] == 3.0f / 127.0f);
        assert_int_equal(q[32], -127);
        assert_int_equal(q[33], 42);
        for (int i = 34; i < 64; i++)
                assert_int_equal(q[i], 0);
        assert_int_equal(offset[0], -128 * 63);
        assert_int_equal(offset[1], -128 * (42 - 127));
        memset(x, 0, sizeof x);
        q8_quantise(x, 1, 40, &rows);
        assert_true(d[0] == 0 && q[0] == 0 && offset[0] == 0);
}

int main(void)
{
        struct CMUnitTest tests[N_SHAPES + 2];

        for (int i = 0; i < N_SHAPES; i++)
                tests[i] = (struct CMUnitTest){ shapes[i].name, equal_bits, NULL, NULL,
                                                (void *)&shapes[i] };
        tests[N_SHAPES] = (struct CMUnitTest)cmocka_unit_test(means_a_product);
        tests[N_SHAPES + 1] = (struct CMUnitTest)cmocka_unit_test(quantised_as_written);
        return cmocka_run_group_tests_name("Q8_0", tests, NULL, NULL);
}
