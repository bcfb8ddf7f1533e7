/* avx2_row.c - what works along one row, eight numbers at a time, and the tables. Ends of rows go
 * through wn1.h one by one. */
#include "math/avx2.h"
#include "math/avx512.h"

static inline __m256 get(const float *x)         { return _mm256_loadu_ps(x); }
static inline void put(float *x, __m256 v)       { _mm256_storeu_ps(x, v); }

static void rms_norm(const float *x, const float *w, uint32_t d, float eps, float *y)
{
        __m256 lo = _mm256_setzero_ps(), hi = lo;
        uint32_t whole = d & ~15u, i;
        float acc[16];

        for (i = 0; i < whole; i += 16) {
                __m256 a = get(x + i), b = get(x + i + 8);

                lo = _mm256_fmadd_ps(a, a, lo);
                hi = _mm256_fmadd_ps(b, b, hi);
        }
        put(acc, lo);
        put(acc + 8, hi);
        for (; i < d; i++)
                acc[i % 16] = WN1_FMAF(x[i], x[i], acc[i % 16]);

        float r = wn1_rms(wn1_fold16(acc), d, eps);
        __m256 rv = _mm256_set1_ps(r);

        for (i = 0; i + 8 <= d; i += 8)
                put(y + i, _mm256_mul_ps(_mm256_mul_ps(get(x + i), rv), get(w + i)));
        for (; i < d; i++)
                y[i] = x[i] * r * w[i];
}

static void silu_mul(const float *gate, const float *up, uint32_t n, float *out)
{
        const __m256 one = _mm256_set1_ps(1.0f), sign = _mm256_set1_ps(-0.0f);
        uint32_t i;

        for (i = 0; i + 8 <= n; i += 8) {
                __m256 g = get(gate + i);
                __m256 e = _mm256_add_ps(one, avx2_exp(_mm256_xor_ps(g, sign)));

                put(out + i, _mm256_mul_ps(_mm256_div_ps(g, e), get(up + i)));
        }
        for (; i < n; i++)
                out[i] = wn1_silu(gate[i]) * up[i];
}

static void add2(const float *a, const float *b, uint32_t n, float *out)
{
        uint32_t i;

        for (i = 0; i + 8 <= n; i += 8)
                put(out + i, _mm256_add_ps(get(a + i), get(b + i)));
        for (; i < n; i++)
                out[i] = a[i] + b[i];
}

static void add(float *y, const float *x, uint32_t n) { add2(y, x, n, y); }

static void scale(const float *x, float s, uint32_t n, float *out)
{
        __m256 sv = _mm256_set1_ps(s);
        uint32_t i;

        for (i = 0; i + 8 <= n; i += 8)
                put(out + i, _mm256_mul_ps(sv, get(x + i)));
        for (; i < n; i++)
                out[i] = s * x[i];
}

static bool all_finite(const float *x, uint32_t n)
{
        const __m256i exp = _mm256_set1_epi32(0x7f800000);
        __m256i bad = _mm256_setzero_si256();
        uint32_t i, tail = 0;

        for (i = 0; i + 8 <= n; i += 8) {
                __m256i v = _mm256_and_si256(_mm256_castps_si256(get(x + i)), exp);

                bad = _mm256_or_si256(bad, _mm256_cmpeq_epi32(v, exp));
        }
        for (; i < n; i++)
                tail |= (wn1_bits(x[i]) & 0x7f800000u) == 0x7f800000u;
        return _mm256_testz_si256(bad, bad) && !tail;
}

/* Pairs (2i, 2i+1): cos and sin of 4 pairs doubled; addsub is the minus of even lanes. */
static uint32_t rope_interleaved(float *x, uint32_t half, const float *cos, const float *sin)
{
        uint32_t i;

        for (i = 0; i + 4 <= half; i += 4) {
                __m128 c4 = _mm_loadu_ps(cos + i), s4 = _mm_loadu_ps(sin + i);
                __m256 c = _mm256_set_m128(_mm_unpackhi_ps(c4, c4), _mm_unpacklo_ps(c4, c4));
                __m256 s = _mm256_set_m128(_mm_unpackhi_ps(s4, s4), _mm_unpacklo_ps(s4, s4));
                __m256 v = get(x + 2 * i), swapped = _mm256_permute_ps(v, 0xb1);

                put(x + 2 * i, _mm256_addsub_ps(_mm256_mul_ps(v, c), _mm256_mul_ps(swapped, s)));
        }
        return i;
}

static uint32_t rope_halves(float *x, uint32_t half, const float *cos, const float *sin)
{
        uint32_t i;

        for (i = 0; i + 8 <= half; i += 8) {
                __m256 a = get(x + i), b = get(x + half + i), c = get(cos + i), s = get(sin + i);

                put(x + i, _mm256_sub_ps(_mm256_mul_ps(a, c), _mm256_mul_ps(b, s)));
                put(x + half + i, _mm256_add_ps(_mm256_mul_ps(b, c), _mm256_mul_ps(a, s)));
        }
        return i;
}

static void rope(float *x, uint32_t d, bool interleaved, const float *cos, const float *sin)
{
        uint32_t half = d / 2, i;

        if (interleaved) {
                for (i = rope_interleaved(x, half, cos, sin); i < half; i++)
                        wn1_rotate(x + 2 * i, x + 2 * i + 1, cos[i], sin[i]);
        } else {
                for (i = rope_halves(x, half, cos, sin); i < half; i++)
                        wn1_rotate(x + i, x + half + i, cos[i], sin[i]);
        }
}

static void divide(const float *u, float l, uint32_t n, float *out)
{
        __m256 lv = _mm256_set1_ps(l);
        uint32_t i;

        for (i = 0; i + 8 <= n; i += 8)
                put(out + i, _mm256_div_ps(get(u + i), lv));
        for (; i < n; i++)
                out[i] = WN1_DIVF(u[i], l);
}

const struct wt_kernels wt_kernels_avx2 = {
        .name = "avx2",
        .linear = wt_avx2_linear,
        .rms_norm = rms_norm,
        .silu_mul = silu_mul,
        .add = add,
        .add2 = add2,
        .scale = scale,
        .finite = all_finite,
        .rope = rope,
        .score = wt_avx2_score,
        .segment = wt_avx2_segment,
        .merge = wt_avx2_merge,
        .divide = divide,
};

/* What works along one row waits for memory, not for the width of registers. */
const struct wt_kernels wt_kernels_avx512 = {
        .name = "avx512", .linear = wt_avx512_linear, .rms_norm = rms_norm, .silu_mul = silu_mul,
        .add = add, .add2 = add2, .scale = scale, .finite = all_finite, .rope = rope,
        .score = wt_avx512_score, .segment = wt_avx512_segment, .merge = wt_avx2_merge,
        .divide = divide,
};
