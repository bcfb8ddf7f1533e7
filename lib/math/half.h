/* half.h - BF16 and F16 widened exactly to FP32, one at a time: what vector loads must equal. */
#ifndef WITAN_MATH_HALF_H
#define WITAN_MATH_HALF_H
#include "math/kernels.h"
#include "math/wn1.h"

static inline float half_bf16(uint16_t h) { return wn1_float((uint32_t)h << 16); }

static inline float half_f16(uint16_t h)
{
        uint32_t sign = (uint32_t)(h & 0x8000) << 16, exp = h >> 10 & 31, frac = h & 0x3ff;

        if (exp == 0)                            /* zero, subnormal: frac * 2^-24 is exact */
                return wn1_float(wn1_bits((float)frac * 0x1p-24f) | sign);
        if (exp == 31)
                return wn1_float(sign | 0x7f800000u | frac << 13);
        return wn1_float(sign | (exp + 112) << 23 | frac << 13);
}

static inline float half_widen(uint32_t dtype, uint16_t h)
{
        return dtype == WT_BF16 ? half_bf16(h) : half_f16(h);
}

static inline size_t dtype_bytes(uint32_t dtype)          /* 0: not a weight's */
{
        return dtype == WT_F32 ? 4 : dtype == WT_BF16 || dtype == WT_F16 ? 2 : 0;
}

/* Where column c of a step of 16 halves lies: dword c%8, low half for c < 8. */
static inline uint32_t half_slot(uint32_t c) { return 2 * (c & 7) + (c >> 3); }

/* One step (k) of a panel as FP32. */
static inline void half_step(uint32_t dtype, const void *step, float out[WT_PANEL])
{
        const uint16_t *h = (const uint16_t *)step;

        if (dtype == WT_F32) {
                memcpy(out, step, WT_PANEL * sizeof *out);
                return;
        }
        for (uint32_t c = 0; c < WT_PANEL; c++)
                out[c] = half_widen(dtype, h[half_slot(c)]);
}
#endif
