/* avx2_tile.h - the register tile under every product of the AVX2 kernels: up to 6 rows times 16
 * columns, or fewer rows times several panels. Lanes are outputs; k runs upward in one chain for
 * each (N2). 2 FMA units of latency 4 want 8 accumulators at least, and 16 registers allow 12
 * beside the weights, hence the shapes. */
#ifndef WITAN_MATH_AVX2_TILE_H
#define WITAN_MATH_AVX2_TILE_H
#include <immintrin.h>
#include "math/kernels.h"

enum { TILE_ROWS = 6, TILE_PANELS = 4 };
enum tile_fetch { FETCH_L1, FETCH_L2 };
/* A stream is fetched so many bytes ahead. One panel alone wants a page, which takes it over the
 * edge of its own (measured: 1.1 to 1.15 times the rate of 4 to 6 rows); several hide that from
 * each other, and half of it is then 1.03 to 1.06 times as fast. Past the end of the weights the
 * hint does nothing. */
#define TILE_AHEAD(panels) ((panels) == 1 ? 4096 : 2048)
#define TILE_FN static inline __attribute__((always_inline))
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 6")
#endif

struct tile {
        const float *x; size_t ldx;
        const char *w;                           /* the first step of the first panel */
        size_t step, panel;                      /* bytes from one k to the next, between panels */
        uint32_t dtype, n_k;                     /* n_k <= WT_SLAB */
        float *y; size_t ldy;
        uint32_t width;                          /* columns wanted of all panels together */
        bool first;                              /* slab 0 starts the sum, others are added */
        float *wide;                             /* or NULL: keeps the weights as F32 (one panel) */
        const char *ahead; size_t ahead_step;    /* what to fetch meanwhile: so many bytes a step */
};

/* Sixteen weights of one step, widened exactly. */
TILE_FN void tile_load(uint32_t dtype, const char *w, __m256 *lo, __m256 *hi)
{
        if (dtype == WT_F32) {
                *lo = _mm256_loadu_ps((const float *)w);
                *hi = _mm256_loadu_ps((const float *)w + 8);
                return;
        }
        __m256i v = _mm256_loadu_si256((const __m256i *)w);

        if (dtype == WT_BF16) {
                *lo = _mm256_castsi256_ps(_mm256_slli_epi32(v, 16));
                *hi = _mm256_castsi256_ps(_mm256_and_si256(v, _mm256_set1_epi32(-65536)));
        } else {
                const __m256i split = _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11,
                                                       14, 15, 0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7,
                                                       10, 11, 14, 15);

                v = _mm256_permute4x64_epi64(_mm256_shuffle_epi8(v, split), 0xd8);
                *lo = _mm256_cvtph_ps(_mm256_castsi256_si128(v));
                *hi = _mm256_cvtph_ps(_mm256_extracti128_si256(v, 1));
        }
}

TILE_FN void tile_put(float *y, __m256 v, uint32_t width, bool first)
{
        if (width >= 8) {
                _mm256_storeu_ps(y, first ? v : _mm256_add_ps(_mm256_loadu_ps(y), v));
                return;
        }
        float tail[8];

        _mm256_storeu_ps(tail, v);
        for (uint32_t c = 0; c < width; c++)
                y[c] = first ? tail[c] : y[c] + tail[c];
}

/* All but t are constants where this is expanded: acc lives in registers. */
TILE_FN void tile_fixed(const struct tile *t, uint32_t dtype, uint32_t rows, uint32_t panels,
                        bool keep, enum tile_fetch fetch)
{
        __m256 acc[TILE_ROWS][TILE_PANELS][2];
        const float *x = t->x;
        const char *w = t->w;

        UNROLL
        for (uint32_t r = 0; r < rows; r++)
                UNROLL
                for (uint32_t p = 0; p < panels; p++)
                        acc[r][p][0] = acc[r][p][1] = _mm256_setzero_ps();
        if (fetch == FETCH_L2) {                 /* y went by a slab ago: it is in L3 by now */
                UNROLL
                for (uint32_t r = 0; r < rows; r++)
                        _mm_prefetch((const char *)(t->y + r * t->ldy), _MM_HINT_T0);
        }
        for (uint32_t k = 0; k < t->n_k; k++, w += t->step) {
                if (fetch == FETCH_L2)
                        _mm_prefetch(t->ahead + k * t->ahead_step, _MM_HINT_T1);
                UNROLL
                for (uint32_t p = 0; p < panels; p++) {
                        __m256 lo, hi;

                        if (fetch == FETCH_L1)
                                _mm_prefetch(w + p * t->panel + TILE_AHEAD(panels), _MM_HINT_T0);
                        tile_load(dtype, w + p * t->panel, &lo, &hi);
                        if (keep) {
                                _mm256_store_ps(t->wide + k * WT_PANEL, lo);
                                _mm256_store_ps(t->wide + k * WT_PANEL + 8, hi);
                        }
                        UNROLL
                        for (uint32_t r = 0; r < rows; r++) {
                                __m256 xk = _mm256_broadcast_ss(x + r * t->ldx + k);

                                acc[r][p][0] = _mm256_fmadd_ps(xk, lo, acc[r][p][0]);
                                acc[r][p][1] = _mm256_fmadd_ps(xk, hi, acc[r][p][1]);
                        }
                }
        }
        UNROLL
        for (uint32_t r = 0; r < rows; r++) {
                UNROLL
                for (uint32_t p = 0; p < panels; p++) {
                        float *y = t->y + r * t->ldy + p * WT_PANEL;
                        uint32_t left = t->width - p * WT_PANEL;         /* > 0 */

                        tile_put(y, acc[r][p][0], left, t->first);
                        if (left > 8)
                                tile_put(y + 8, acc[r][p][1], left - 8, t->first);
                }
        }
}

/* Several panels side by side only for few rows: tile_panels says how many at most. */
TILE_FN uint32_t tile_panels(uint32_t rows) { return rows == 1 ? 4 : rows <= 3 ? 2 : 1; }

/* One tile of a product of few rows: the weights pass by once. */
void wt_avx2_tile(const struct tile *t, uint32_t rows, uint32_t panels);
/* All of m rows by one panel, in tiles of equal heights (7 rows are 3 + 4, not 6 + 1). ahead (or
 * NULL): what comes next, as many bytes as the panel; each tile fetches its part into L2. The first
 * tile widens halves into wide (WT_SLAB * WT_PANEL floats), where the others find them. */
void wt_avx2_tiles(const struct tile *t, uint32_t m);
#endif
