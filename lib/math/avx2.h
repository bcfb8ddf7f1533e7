/* avx2.h - what the files of the AVX2 table share: its functions, and exp on eight lanes. */
#ifndef WITAN_MATH_AVX2_H
#define WITAN_MATH_AVX2_H
#include <immintrin.h>
#include "math/kernels.h"
#include "math/wn1.h"

void wt_avx2_linear(const struct wt_packed *w, uint32_t p0, uint32_t p1, const float *x, size_t ldx,
                    uint32_t m, float *y, size_t ldy);
void wt_avx2_score(const float *qa, size_t ldqa, const float *qr, size_t ldqr, uint32_t n_q,
                   const float *ka, size_t ldka, uint32_t kd, const float *kr, size_t ldkr,
                   uint32_t rd, uint32_t n, float scale, float *score);
void wt_avx2_segment(float *score, uint32_t n_q, uint32_t n, const float *v, size_t ldv,
                     uint32_t vd, float *m, float *l, float *u, size_t ldu);
/* Parts of them that AVX-512 shares. Numbers [0, n_k) of up to 16 keys as a panel, n_k <= WT_SLAB;
 * each row of scores (WT_PAGE apart) -> its maximum m, exp(score - m), and their sum l. */
void wt_avx2_turn_keys(const float *key, size_t ld, uint32_t n_keys, uint32_t n_k, float *panel);
void wt_avx2_weigh(float *score, uint32_t n_q, uint32_t n, float *m, float *l);
void wt_avx2_merge(float *m1, float *l1, float *u1, float m2, float l2, const float *u2,
                   uint32_t vd);

/* wn1_expf, the same operations in the same order. */
static inline __m256 avx2_exp(__m256 x0)
{
        const __m256 round = _mm256_set1_ps(WN1_EXPF_ROUND);
        __m256 x = _mm256_min_ps(x0, _mm256_set1_ps(WN1_EXPF_HIGH));

        x = _mm256_max_ps(x, _mm256_set1_ps(WN1_EXPF_LOW));
        __m256 t = _mm256_fmadd_ps(x, _mm256_set1_ps(WN1_EXPF_LOG2E), round);
        __m256 n = _mm256_sub_ps(t, round);
        __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(WN1_EXPF_LN2), x);
        r = _mm256_fnmadd_ps(n, _mm256_set1_ps(WN1_EXPF_LN2LO), r);
        __m256 q = _mm256_fmadd_ps(_mm256_set1_ps(WN1_EXPF_C6), r, _mm256_set1_ps(WN1_EXPF_C5));
        q = _mm256_fmadd_ps(q, r, _mm256_set1_ps(WN1_EXPF_C4));
        q = _mm256_fmadd_ps(q, r, _mm256_set1_ps(WN1_EXPF_C3));
        q = _mm256_fmadd_ps(q, r, _mm256_set1_ps(WN1_EXPF_C2));
        __m256 p = _mm256_fmadd_ps(_mm256_mul_ps(r, r), q, r);
        p = _mm256_add_ps(_mm256_set1_ps(1.0f), p);
        __m256i b = _mm256_sub_epi32(_mm256_castps_si256(t), _mm256_castps_si256(round));
        b = _mm256_add_epi32(b, _mm256_set1_epi32(2 * 127));
        __m256i b1 = _mm256_srli_epi32(b, 1);
        p = _mm256_mul_ps(p, _mm256_castsi256_ps(_mm256_slli_epi32(b1, 23)));
        p = _mm256_mul_ps(p, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_sub_epi32(b, b1), 23)));
        return _mm256_blendv_ps(p, x0, _mm256_cmp_ps(x0, x0, _CMP_UNORD_Q));
}
#endif
