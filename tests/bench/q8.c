/* q8.c - see q8.h: packing, quantising, and the plain loops that give the meaning. */
#include "q8.h"
#include <stdbool.h>
#include <string.h>
#include "math/half.h"

static const uint8_t *scales_of(const void *w, uint32_t k, uint32_t panel)
{
        return (const uint8_t *)w + panel * q8_panel_bytes(k);
}

static size_t scale_bytes(uint32_t k)
{
        return ((size_t)q8_blocks(k) * Q8_PANEL * 2 + 63) / 64 * 64;
}

size_t q8_panel_bytes(uint32_t k)
{
        return scale_bytes(k) + (size_t)q8_blocks(k) * Q8_BLOCK * Q8_PANEL;
}

size_t q8_bytes(uint32_t n, uint32_t k)
{
        return (size_t)((n + Q8_PANEL - 1) / Q8_PANEL) * q8_panel_bytes(k);
}

/* Where input i of a block lies for output c. */
static uint32_t slot(uint32_t i, uint32_t c) { return i / 4 * 64 + c * 4 + i % 4; }

void q8_pack(void *dst, const int8_t *w, const uint16_t *d, uint32_t n, uint32_t k)
{
        uint32_t blocks = q8_blocks(k);

        memset(dst, 0, q8_bytes(n, k));
        for (uint32_t o = 0; o < n; o++) {
                uint8_t *panel = (uint8_t *)dst + o / Q8_PANEL * q8_panel_bytes(k);
                uint8_t *bytes = panel + scale_bytes(k);
                uint32_t c = o % Q8_PANEL;

                for (uint32_t b = 0; b < blocks; b++) {
                        memcpy(panel + (b * Q8_PANEL + c) * 2, &d[(size_t)o * blocks + b], 2);
                        for (uint32_t i = 0; i < Q8_BLOCK; i++)
                                bytes[(size_t)b * 512 + slot(i, c)] = (uint8_t)(
                                        w[((size_t)o * blocks + b) * Q8_BLOCK + i] + 128);
                }
        }
}

/* One block: dx = amax / 127, q = rint(x / dx); both are IEEE divisions, no reciprocal. */
static void quantise(const float x[Q8_BLOCK], int8_t q[Q8_BLOCK], float *d, int32_t *offset)
{
        uint32_t most = 0;
        int32_t sum = 0;
        float dx;

        for (int i = 0; i < Q8_BLOCK; i++) {     /* bits of |x| are in the order of |x| */
                uint32_t bits = wn1_bits(x[i]) & 0x7fffffff;
                most = bits > most ? bits : most;
        }
        dx = wn1_float(most) / 127.0f;
        for (int i = 0; i < Q8_BLOCK; i++) {
                float v = dx == 0.0f ? 0.0f : __builtin_rintf(x[i] / dx);
                v = v > 127.0f ? 127.0f : v < -127.0f ? -127.0f : v;
                q[i] = (int8_t)v;
                sum += q[i];
        }
        *d = dx;
        *offset = -128 * sum;
}

void q8_quantise(const float *x, uint32_t m, uint32_t k, struct q8_rows *out)
{
        uint32_t blocks = q8_blocks(k);

        out->m = m;
        out->ld = blocks;
        for (uint32_t r = 0; r < m; r++)
                for (uint32_t b = 0; b < blocks; b++) {
                        size_t at = (size_t)r * blocks + b;
                        const float *from = x + (size_t)r * k + b * Q8_BLOCK;
                        uint32_t n = k - b * Q8_BLOCK;
                        float last[Q8_BLOCK] = { 0 };

                        if (n < Q8_BLOCK)
                                from = memcpy(last, from, n * sizeof *x);
                        quantise(from, out->q + at * Q8_BLOCK, &out->d[at], &out->offset[at]);
                }
}

static void ref_linear(const void *w, uint32_t n, const struct q8_rows *x, float *y)
{
        uint32_t k = x->ld * Q8_BLOCK;

        for (uint32_t r = 0; r < x->m; r++)
                for (uint32_t o = 0; o < n; o++) {
                        const uint8_t *s = scales_of(w, k, o / Q8_PANEL), *p = s + scale_bytes(k);
                        float acc = 0.0f;

                        for (uint32_t b = 0; b < x->ld; b++) {
                                size_t at = (size_t)r * x->ld + b;
                                int32_t sum = 0;
                                uint16_t half;

                                for (uint32_t i = 0; i < Q8_BLOCK; i++)
                                        sum += x->q[at * Q8_BLOCK + i] *
                                               (p[b * 512 + slot(i, o % Q8_PANEL)] - 128);
                                memcpy(&half, s + (b * Q8_PANEL + o % Q8_PANEL) * 2, 2);
                                acc = WN1_FMAF((float)sum, half_f16(half) * x->d[at], acc);
                        }
                        y[(size_t)r * n + o] = acc;
                }
}

const struct q8_kernels q8_ref = { "ref", ref_linear };

static bool runs(const char *name)
{
#ifdef __x86_64__
        if (strcmp(name, "avx512") == 0)
                return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                       __builtin_cpu_supports("avx512vnni");
        return true;                             /* this file is compiled for AVX2 */
#else
        return strcmp(name, "ref") == 0;
#endif
}

const struct q8_kernels *q8_pick(const char *name)
{
        static const struct q8_kernels *const tables[] = {
#ifdef __x86_64__
                &q8_avx512, &q8_avx2,
#endif
                &q8_ref };

        for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
                if (strcmp(tables[i]->name, name) == 0)
                        return runs(name) ? tables[i] : NULL;
        return NULL;
}
