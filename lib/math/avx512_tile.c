/* avx512_tile.c - see avx512_tile.h. The tile is expanded for each weight type and shape. */
#include "math/avx512_tile.h"
#include <immintrin.h>

/* A stream is fetched so many bytes ahead: out of memory over the edge of a page, out of L2 a few
 * steps. Past the end of the weights this is a hint that does nothing. */
enum { FROM_MEMORY = 4096, FROM_L2 = 768 };
enum how { STREAM, WIDEN, AGAIN };               /* few rows; the first tile of many; the others */

#define TILE_FN static inline __attribute__((always_inline))
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

/* Word 2j+1 of a step's dword j is the upper half of output j; words of 16 outputs in order. */
#define HALVES(at)                                                                         \
        _mm512_set_epi16(at + 15, 0, at + 13, 0, at + 11, 0, at + 9, 0, at + 7, 0,           \
                         at + 5, 0, at + 3, 0, at + 1, 0, at + 14, 0, at + 12, 0,            \
                         at + 10, 0, at + 8, 0, at + 6, 0, at + 4, 0, at + 2, 0, at, 0)

TILE_FN __m512 widen_f16(__m256i v)
{
        const __m256i order =
                _mm256_set_epi16(15, 13, 11, 9, 7, 5, 3, 1, 14, 12, 10, 8, 6, 4, 2, 0);

        return _mm512_cvtph_ps(_mm256_permutexvar_epi16(order, v));
}

/* The weights of steps k and k + 1, widened exactly. */
TILE_FN void load_two(uint32_t dtype, const char *w, size_t step, __m512 *a, __m512 *b)
{
        if (dtype == WT_F32) {
                *a = _mm512_loadu_ps(w);
                *b = _mm512_loadu_ps(w + step);
                return;
        }
        __m512i v = _mm512_loadu_si512(w);

        if (dtype == WT_BF16) {
                *a = _mm512_castsi512_ps(_mm512_maskz_permutexvar_epi16(0xaaaaaaaa, HALVES(0), v));
                *b = _mm512_castsi512_ps(_mm512_maskz_permutexvar_epi16(0xaaaaaaaa, HALVES(16), v));
        } else {
                *a = widen_f16(_mm512_castsi512_si256(v));
                *b = widen_f16(_mm512_extracti64x4_epi64(v, 1));
        }
}

TILE_FN __m512 load_one(uint32_t dtype, const char *w)
{
        if (dtype == WT_F32)
                return _mm512_loadu_ps(w);
        __m256i v = _mm256_loadu_si256((const __m256i *)w);

        if (dtype == WT_F16)
                return widen_f16(v);
        return _mm512_castsi512_ps(_mm512_maskz_permutexvar_epi16(0xaaaaaaaa, HALVES(0),
                                                                  _mm512_castsi256_si512(v)));
}

typedef __m512 acc_t[TILE512_ROWS][TILE512_PANELS];

/* All but t and acc are constants where this is expanded: acc lives in registers. */
TILE_FN void multiply(const struct tile512 *t, acc_t acc, const __m512 *w, const float *x,
                      uint32_t rows, uint32_t panels)
{
        UNROLL
        for (uint32_t r = 0; r < rows; r++) {
                __m512 xk = _mm512_set1_ps(x[r * t->ldx]);

                UNROLL
                for (uint32_t p = 0; p < panels; p++)
                        acc[r][p] = _mm512_fmadd_ps(xk, w[p], acc[r][p]);
        }
}

TILE_FN void put(const struct tile512 *t, acc_t acc, uint32_t rows, uint32_t panels)
{
        UNROLL
        for (uint32_t p = 0; p < panels; p++) {
                uint32_t left = t->width - p * WT_PANEL;         /* > 0 */
                __mmask16 some = left >= WT_PANEL ? 0xffff : (__mmask16)((1u << left) - 1);

                UNROLL
                for (uint32_t r = 0; r < rows; r++) {
                        float *y = t->y + r * t->ldy + p * WT_PANEL;
                        __m512 v = acc[r][p];

                        if (!t->first)
                                v = _mm512_add_ps(_mm512_maskz_loadu_ps(some, y), v);
                        _mm512_mask_storeu_ps(y, some, v);
                }
        }
}

TILE_FN void keep(const struct tile512 *t, uint32_t p, uint32_t k, __m512 v)
{
        _mm512_store_ps(t->wide + ((size_t)p * WT_SLAB + k) * WT_PANEL, v);
}

TILE_FN void fetch(const struct tile512 *t, const char *w, uint32_t k, uint32_t panels,
                   enum how how)
{
        UNROLL
        for (uint32_t p = 0; p < panels; p++) {
                if (how == STREAM)
                        _mm_prefetch(w + p * t->panel + FROM_MEMORY, _MM_HINT_T0);
                else
                        _mm_prefetch(w + p * t->panel + FROM_L2, _MM_HINT_T0);
                if (how != STREAM && t->ahead)
                        _mm_prefetch(t->ahead + p * t->ahead_panel + k * t->ahead_step,
                                     _MM_HINT_T1);
        }
}

TILE_FN void tile(const struct tile512 *t, uint32_t dtype, uint32_t rows, uint32_t panels,
                  enum how how)
{
        const char *w = t->w;
        const float *x = t->x;
        __m512 a[TILE512_PANELS], b[TILE512_PANELS];
        acc_t acc;
        uint32_t k;

        UNROLL
        for (uint32_t r = 0; r < rows; r++)
                UNROLL
                for (uint32_t p = 0; p < panels; p++)
                        acc[r][p] = _mm512_setzero_ps();
        for (k = 0; k + 2 <= t->n_k; k += 2, w += 2 * t->step, x += 2) {
                fetch(t, w, k, panels, how);
                UNROLL
                for (uint32_t p = 0; p < panels; p++) {
                        load_two(dtype, w + p * t->panel, t->step, a + p, b + p);
                        if (how == WIDEN) {
                                keep(t, p, k, a[p]);
                                keep(t, p, k + 1, b[p]);
                        }
                }
                multiply(t, acc, a, x, rows, panels);
                multiply(t, acc, b, x + 1, rows, panels);
        }
        if (k < t->n_k) {
                UNROLL
                for (uint32_t p = 0; p < panels; p++) {
                        a[p] = load_one(dtype, w + p * t->panel);
                        if (how == WIDEN)
                                keep(t, p, k, a[p]);
                }
                multiply(t, acc, a, x, rows, panels);
        }
        put(t, acc, rows, panels);
}

#define CASE(r, p, how) case r * 8 + p: tile(t, dtype, r, p, how); break;
#define UP_TO_3(r, how) CASE(r, 1, how) CASE(r, 2, how) CASE(r, 3, how)

TILE_FN void few_rows(const struct tile512 *t, uint32_t dtype, uint32_t rows, uint32_t panels)
{
        switch (rows * 8 + panels) {
        UP_TO_3(1, STREAM) CASE(1, 4, STREAM) UP_TO_3(2, STREAM) CASE(2, 4, STREAM)
        UP_TO_3(3, STREAM) CASE(3, 4, STREAM) UP_TO_3(4, STREAM) CASE(4, 4, STREAM)
        UP_TO_3(5, STREAM) CASE(5, 4, STREAM) UP_TO_3(6, STREAM) CASE(6, 4, STREAM)
        UP_TO_3(7, STREAM) UP_TO_3(8, STREAM)
        }
}

void wt_avx512_tile(const struct tile512 *t, uint32_t rows, uint32_t panels)
{
        switch (t->dtype) {
        case WT_F32:  few_rows(t, WT_F32, rows, panels);  break;
        case WT_BF16: few_rows(t, WT_BF16, rows, panels); break;
        case WT_F16:  few_rows(t, WT_F16, rows, panels);  break;
        }
}

TILE_FN void many_rows(const struct tile512 *t, uint32_t dtype, uint32_t rows, uint32_t panels,
                       enum how how)
{
        switch (rows * 8 + panels) {
        UP_TO_3(1, how) UP_TO_3(2, how) UP_TO_3(3, how) UP_TO_3(4, how)
        UP_TO_3(5, how) UP_TO_3(6, how) UP_TO_3(7, how) UP_TO_3(8, how)
        }
}

void wt_avx512_tiles(const struct tile512 *t, uint32_t m, uint32_t panels)
{
        uint32_t n = (m + TILE512_ROWS - 1) / TILE512_ROWS, done = 0;
        struct tile512 one = *t;

        one.ahead_step = (t->step + n - 1) / n;
        one.ahead_panel = t->panel;
        for (uint32_t i = 0; i < n; i++) {
                uint32_t rows = (m - done) / (n - i);

                one.x = t->x + done * t->ldx;
                one.y = t->y + done * t->ldy;
                switch (one.dtype) {
                case WT_F32:  many_rows(&one, WT_F32, rows, panels, AGAIN);  break;
                case WT_BF16: many_rows(&one, WT_BF16, rows, panels, WIDEN); break;
                case WT_F16:  many_rows(&one, WT_F16, rows, panels, WIDEN);  break;
                }
                if (one.dtype != WT_F32) {       /* from here on out of wide */
                        one.w = (const char *)t->wide;
                        one.step = WT_PANEL * sizeof(float);
                        one.panel = WT_SLAB * one.step;
                        one.dtype = WT_F32;
                }
                if (one.ahead)
                        one.ahead += t->n_k * one.ahead_step;
                done += rows;
        }
}
