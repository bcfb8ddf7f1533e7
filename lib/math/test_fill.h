/* test_fill.h - numbers for the kernel tests: the same on every machine (Philox), and awkward. */
#ifndef WITAN_MATH_TEST_FILL_H
#define WITAN_MATH_TEST_FILL_H
#include <stdlib.h>
#include "base/rng.h"
#include "math/half.h"

enum { MAX_TABLES = 3 };

/* Every table that this processor runs, the reference first; the number of them. */
static inline uint32_t all_tables(const struct wt_kernels *out[MAX_TABLES])
{
        static const char *const name[MAX_TABLES] = { "ref", "avx2", "avx512" };
        uint32_t n = 0;

        for (int i = 0; i < MAX_TABLES; i++)
                if (wt_kernels_pick(name[i]))
                        out[n++] = wt_kernels_pick(name[i]);
        return n;
}

/* Uniform in [-1, 1); one in 16 is a zero of either sign, a subnormal, or 1e-20 .. 1e9. */
static inline void fill(float *x, size_t n, uint32_t seed)
{
        static const float odd[8] = { 0.0f, -0.0f, 1e-40f, -3e-42f, 1e9f, -7e8f, 1e-20f,
                                      0x1p-126f };
        uint32_t key[2] = { seed, 0x5eed }, out[4];

        for (size_t i = 0; i < n; i++) {
                uint32_t counter[4] = { (uint32_t)i, (uint32_t)(i >> 32), 0, 0 };

                wt_philox(key, counter, out);
                x[i] = out[1] % 16 == 0 ? odd[out[2] % 8] : (float)(int32_t)out[0] * 0x1p-31f;
        }
}

/* The same without the awkward ones: uniform in [-1, 1). */
static inline void fill_plain(float *x, size_t n, uint32_t seed)
{
        for (size_t i = 0; i < n; i++)
                x[i] = (float)(2.0 * wt_philox_unit(seed, (uint32_t)i, (uint32_t)(i >> 32), 1) - 1);
}

/* Random finite halves (F16 with its subnormals; BF16 between 2^-20 and 2^20 and subnormals). */
static inline void fill_half(uint16_t *x, size_t n, uint32_t dtype, uint32_t seed)
{
        uint32_t key[2] = { seed, 0x4a1f }, out[4];

        for (size_t i = 0; i < n; i++) {
                uint32_t counter[4] = { (uint32_t)i, (uint32_t)(i >> 32), 0, 0 };

                wt_philox(key, counter, out);
                uint32_t bf16 = out[0] % 16 == 0 ? 0 : 107 + out[0] % 40;
                uint32_t exp = dtype == WT_F16 ? out[0] % 20 : bf16;
                uint32_t bits = dtype == WT_F16 ? 10 : 7;

                x[i] = (uint16_t)((out[1] & 1) << 15 | exp << bits | (out[2] & ((1u << bits) - 1)));
        }
}

static inline void *need(size_t bytes)
{
        void *p = aligned_alloc(64, (bytes + 127) & ~(size_t)63);

        if (!p)
                abort();
        memset(p, 0, bytes);
        return p;
}
#endif
