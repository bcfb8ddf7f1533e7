/* avx512.h - what the files of the AVX-512 table share. Row functions are those of AVX2. */
#ifndef WITAN_MATH_AVX512_H
#define WITAN_MATH_AVX512_H
#include "math/kernels.h"

void wt_avx512_linear(const struct wt_packed *w, uint32_t p0, uint32_t p1, const float *x,
                      size_t ldx, uint32_t m, float *y, size_t ldy);
void wt_avx512_score(const float *qa, size_t ldqa, const float *qr, size_t ldqr, uint32_t n_q,
                     const float *ka, size_t ldka, uint32_t kd, const float *kr, size_t ldkr,
                     uint32_t rd, uint32_t n, float scale, float *score);
void wt_avx512_segment(float *score, uint32_t n_q, uint32_t n, const float *v, size_t ldv,
                       uint32_t vd, float *m, float *l, float *u, size_t ldu);
#endif
