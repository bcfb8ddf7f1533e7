/* wn1.h - the arithmetic of profile wn1 (numbers.md N10), once for processor, CUDA and trainer:
 * valid C11 and CUDA C++, no libm, no intrinsics. Every function is a fixed sequence of IEEE
 * operations (+ - * / sqrt fma and integers); the AVX2 kernels repeat the same sequence, so scalar
 * and vector agree bit for bit. Whoever includes it compiles with -ffp-contract=off (CUDA:
 * -fmad=false -ftz=false -prec-div=true -prec-sqrt=true). */
#ifndef WITAN_MATH_WN1_H
#define WITAN_MATH_WN1_H
#include <stdint.h>
#include <string.h>

#ifdef __CUDACC__
#define WN1_FN static __host__ __device__ __forceinline__
#else
#define WN1_FN static inline
#endif
#ifdef __CUDA_ARCH__
#define WN1_FMAF(a, b, c) __fmaf_rn((a), (b), (c))
#define WN1_FMA(a, b, c)  __fma_rn((a), (b), (c))
#define WN1_DIVF(a, b)    __fdiv_rn((a), (b))
#define WN1_DIV(a, b)     __ddiv_rn((a), (b))
#define WN1_SQRTF(a)      __fsqrt_rn(a)
#else
#define WN1_FMAF(a, b, c) __builtin_fmaf((a), (b), (c))
#define WN1_FMA(a, b, c)  __builtin_fma((a), (b), (c))
#define WN1_DIVF(a, b)    ((a) / (b))
#define WN1_DIV(a, b)     ((a) / (b))
#define WN1_SQRTF(a)      __builtin_sqrtf(a)
#endif

#define WN1_NAN  (wn1_double(0x7ff8000000000000ull))
#define WN1_INF  (wn1_double(0x7ff0000000000000ull))
#define WN1_INFF (wn1_float(0x7f800000u))

WN1_FN uint32_t wn1_bits(float x)     { uint32_t b; memcpy(&b, &x, 4); return b; }
WN1_FN float wn1_float(uint32_t b)    { float x; memcpy(&x, &b, 4); return x; }
WN1_FN uint64_t wn1_bits64(double x)  { uint64_t b; memcpy(&b, &x, 8); return b; }
WN1_FN double wn1_double(uint64_t b)  { double x; memcpy(&x, &b, 8); return x; }
/* NaN in b is passed over, in a it stays. */
WN1_FN float wn1_maxf(float a, float b) { return b > a ? b : a; }

/* ---- FP32 exp: x = n ln 2 + r; e^r = 1 + (r + r^2 q(r)), q a minimax polynomial on +-0.3467 with
 * a relative error of 2^-28; 2^n in two factors, so that only the last product rounds: results run
 * through the subnormals to 0 and to infinity. Within 1.01 ulp. */
#define WN1_EXPF_HIGH  89.0f                     /* above ln FLT_MAX = 88.72 */
#define WN1_EXPF_LOW   (-104.0f)                 /* below ln 2^-150 = -103.97 */
#define WN1_EXPF_ROUND 0x1.8p23f                 /* t + this: the nearest integer in the low bits */
#define WN1_EXPF_LOG2E 0x1.715476p+0f
#define WN1_EXPF_LN2   0x1.62e43p-1f
#define WN1_EXPF_LN2LO (-0x1.05c61p-29f)
#define WN1_EXPF_C2    0x1.fffffcp-2f
#define WN1_EXPF_C3    0x1.555492p-3f
#define WN1_EXPF_C4    0x1.5558aep-5f
#define WN1_EXPF_C5    0x1.123982p-7f
#define WN1_EXPF_C6    0x1.6a4efp-10f

WN1_FN float wn1_expf(float x)
{
        if (x != x)
                return x;
        x = x > WN1_EXPF_HIGH ? WN1_EXPF_HIGH : x;
        x = x < WN1_EXPF_LOW ? WN1_EXPF_LOW : x;
        float t = WN1_FMAF(x, WN1_EXPF_LOG2E, WN1_EXPF_ROUND);
        float n = t - WN1_EXPF_ROUND;
        float r = WN1_FMAF(-n, WN1_EXPF_LN2, x);
        r = WN1_FMAF(-n, WN1_EXPF_LN2LO, r);
        float q = WN1_FMAF(WN1_EXPF_C6, r, WN1_EXPF_C5);
        q = WN1_FMAF(q, r, WN1_EXPF_C4);
        q = WN1_FMAF(q, r, WN1_EXPF_C3);
        q = WN1_FMAF(q, r, WN1_EXPF_C2);
        float p = 1.0f + WN1_FMAF(r * r, q, r);
        uint32_t b = wn1_bits(t) - wn1_bits(WN1_EXPF_ROUND) + 2 * 127; /* n and two biases: > 0 */
        uint32_t b1 = b >> 1;
        return p * wn1_float(b1 << 23) * wn1_float((b - b1) << 23);
}

/* ---- FP64 exp, as above, with the Taylor series to r^13 (next term 4e-18). Within 1.01 ulp. */
WN1_FN double wn1_exp(double x)
{
        if (x != x)
                return x;
        x = x > 710.0 ? 710.0 : x;
        x = x < -746.0 ? -746.0 : x;
        double t = WN1_FMA(x, 0x1.71547652b82fep+0, 0x1.8p52);
        double n = t - 0x1.8p52;
        double r = WN1_FMA(-n, 0x1.62e42fefa39efp-1, x);
        r = WN1_FMA(-n, 0x1.abc9e3b39803fp-56, r);
        double q = WN1_FMA(1.0 / 6227020800.0, r, 1.0 / 479001600.0);
        q = WN1_FMA(q, r, 1.0 / 39916800.0);
        q = WN1_FMA(q, r, 1.0 / 3628800.0);
        q = WN1_FMA(q, r, 1.0 / 362880.0);
        q = WN1_FMA(q, r, 1.0 / 40320.0);
        q = WN1_FMA(q, r, 1.0 / 5040.0);
        q = WN1_FMA(q, r, 1.0 / 720.0);
        q = WN1_FMA(q, r, 1.0 / 120.0);
        q = WN1_FMA(q, r, 1.0 / 24.0);
        q = WN1_FMA(q, r, 1.0 / 6.0);
        q = WN1_FMA(q, r, 0.5);
        double p = 1.0 + WN1_FMA(r * r, q, r);
        uint64_t b = wn1_bits64(t) - wn1_bits64(0x1.8p52) + 2 * 1023;
        uint64_t b1 = b >> 1;
        return p * wn1_double(b1 << 52) * wn1_double((b - b1) << 52);
}

/* ---- FP64 log: x = 2^e m, m in [0.70, 1.41]; log m = 2 atanh s, s = (m-1)/(m+1), by its series to
 * s^23 (next term 1e-20 of s); s carries its own rounding error along. Within 0.6 ulp. */
WN1_FN double wn1_log(double x)
{
        if (x != x || x < 0.0)
                return WN1_NAN;
        if (x == 0.0)
                return -WN1_INF;
        if (x == WN1_INF)
                return x;
        double e = 0.0;
        if (x < 0x1p-1022) {
                x = x * 0x1p54;
                e = -54.0;
        }
        uint64_t b = wn1_bits64(x);
        uint64_t top = (b - 0x3fe6a09e667f3bcdull) >> 52;       /* bits of sqrt(1/2) */
        int64_t k = (int64_t)(top ^ 0x800) - 0x800;             /* 12 bits, signed */
        e = e + (double)k;
        double f = wn1_double(b - ((uint64_t)k << 52)) - 1.0;
        double d = 2.0 + f;
        double s = WN1_DIV(f, d);
        double lo = WN1_DIV(WN1_FMA(-s, d, f) - s * (f - (d - 2.0)), d);
        double z = s * s;
        double q = WN1_FMA(2.0 / 23.0, z, 2.0 / 21.0);
        q = WN1_FMA(q, z, 2.0 / 19.0);
        q = WN1_FMA(q, z, 2.0 / 17.0);
        q = WN1_FMA(q, z, 2.0 / 15.0);
        q = WN1_FMA(q, z, 2.0 / 13.0);
        q = WN1_FMA(q, z, 2.0 / 11.0);
        q = WN1_FMA(q, z, 2.0 / 9.0);
        q = WN1_FMA(q, z, 2.0 / 7.0);
        q = WN1_FMA(q, z, 2.0 / 5.0);
        q = WN1_FMA(q, z, 2.0 / 3.0);
        double tail = WN1_FMA(s * z, q, 2.0 * lo);
        double high = e * 0x1.62e42fefa38p-1;                   /* 42 bits of ln 2: exact product */
        double sum = high + 2.0 * s;
        double rest = (high - sum) + 2.0 * s;   /* exact: high is 0 or above 2s */
        return sum + (rest + WN1_FMA(e, 0x1.ef35793c7673p-45, tail));
}

/* ---- FP64 sin and cos for |x| <= 2^30 (NaN beyond, and for NaN): x minus n pi/2, pi/2 in three
 * doubles, the remainder in two; Taylor series on +-pi/4. Within 0.8 ulp. */
struct wn1_angle { double hi, lo; uint32_t quadrant; };

WN1_FN struct wn1_angle wn1_reduce(double x)
{
        struct wn1_angle a;
        double t = WN1_FMA(x, 0x1.45f306dc9c883p-1, 0x1.8p52);
        double n = t - 0x1.8p52;
        double r = WN1_FMA(-n, 0x1.921fb54442d18p+0, x);        /* exact: both end at 2^-53 */
        double p = n * 0x1.1a62633145c07p-54;
        double p_lo = WN1_FMA(n, 0x1.1a62633145c07p-54, -p);
        a.hi = r - p;
        a.lo = ((r - a.hi) - p) - p_lo;
        a.lo = WN1_FMA(n, 0x1.f1976b7ed8fbcp-110, a.lo);
        a.quadrant = (uint32_t)wn1_bits64(t) & 3;
        return a;
}

WN1_FN double wn1_sin_near(double r, double lo)
{
        double z = r * r;
        double q = WN1_FMA(1.0 / 355687428096000.0, z, -1.0 / 1307674368000.0);
        q = WN1_FMA(q, z, 1.0 / 6227020800.0);
        q = WN1_FMA(q, z, -1.0 / 39916800.0);
        q = WN1_FMA(q, z, 1.0 / 362880.0);
        q = WN1_FMA(q, z, -1.0 / 5040.0);
        q = WN1_FMA(q, z, 1.0 / 120.0);
        q = WN1_FMA(q, z, -1.0 / 6.0);
        return r + WN1_FMA(z * r, q, WN1_FMA(-0.5 * z, lo, lo));
}

WN1_FN double wn1_cos_near(double r, double lo)
{
        double z = r * r;
        double q = WN1_FMA(1.0 / 20922789888000.0, z, -1.0 / 87178291200.0);
        q = WN1_FMA(q, z, 1.0 / 479001600.0);
        q = WN1_FMA(q, z, -1.0 / 3628800.0);
        q = WN1_FMA(q, z, 1.0 / 40320.0);
        q = WN1_FMA(q, z, -1.0 / 720.0);
        q = WN1_FMA(q, z, 1.0 / 24.0);
        double half = 0.5 * z;
        double top = 1.0 - half;
        double lost = WN1_FMA(-0.5 * r, r, half); /* to the rounding of half */
        double rest = (1.0 - top) - half + lost;
        return top + (rest + WN1_FMA(z * z, q, -(r * lo)));
}

WN1_FN double wn1_sin(double x)
{
        if (!(x <= 0x1p30 && x >= -0x1p30))
                return WN1_NAN;
        struct wn1_angle a = wn1_reduce(x);
        double y = a.quadrant & 1 ? wn1_cos_near(a.hi, a.lo) : wn1_sin_near(a.hi, a.lo);
        return a.quadrant & 2 ? -y : y;
}

WN1_FN double wn1_cos(double x)
{
        if (!(x <= 0x1p30 && x >= -0x1p30))
                return WN1_NAN;
        struct wn1_angle a = wn1_reduce(x);
        double y = a.quadrant & 1 ? wn1_sin_near(a.hi, a.lo) : wn1_cos_near(a.hi, a.lo);
        return (a.quadrant + 1) & 2 ? -y : y;
}

/* ---- the pieces of the stages ------------------------------------------------------------- */

WN1_FN float wn1_sigmoid(float x) { return WN1_DIVF(1.0f, 1.0f + wn1_expf(-x)); }
WN1_FN float wn1_silu(float x)    { return WN1_DIVF(x, 1.0f + wn1_expf(-x)); }

/* N4: sixteen chains fold to one. */
WN1_FN float wn1_fold16(float acc[16])
{
        for (int half = 8; half > 0; half >>= 1)
                for (int j = 0; j < half; j++)
                        acc[j] = acc[j] + acc[j + half];
        return acc[0];
}
/* ss: sum of squares of d numbers. A normed number is (x * wn1_rms) * w. */
WN1_FN float wn1_rms(float ss, uint32_t d, float eps)
{
        return WN1_DIVF(1.0f, WN1_SQRTF(WN1_DIVF(ss, (float)d) + eps));
}

/* Rotates the pair (x0, x1): products and sums rounded one by one. */
WN1_FN void wn1_rotate(float *x0, float *x1, float c, float s)
{
        float a = *x0, b = *x1;

        *x0 = a * c - b * s;
        *x1 = b * c + a * s;
}

/* N5. The maximum of a segment is kept as +0 where it is a zero, so that no order of comparing can
 * be seen in its bits. Of two parts with maxima m1 and m2, each is weighed by exp of its own minus
 * the larger; sums join as wn1_join(l1, a, l2, b). */
WN1_FN float wn1_plus_zero(float m) { return m + 0.0f; }
WN1_FN float wn1_join(float v1, float a, float v2, float b) { return WN1_FMAF(v1, a, v2 * b); }

/* Gate: the share of a pick of score s among picks that sum to sum. */
WN1_FN float wn1_share(float s, float sum) { return WN1_DIVF(s, sum + 1e-20f); }
#endif
