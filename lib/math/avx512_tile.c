/* avx512_tile.c - see avx512_tile.h. The tile is expanded for each weight type and shape. One step
 * at a time: two would want more registers than there are. */
#include "math/avx512_tile.h"
#include <immintrin.h>

/* A stream is fetched so many bytes ahead: up to 8 rows 1.5 to 3 KiB are alike and a whole page
 * costs a twentieth, with more rows it gains as much (measured). Past the end of the weights this
 * is a hint that does nothing. */
enum { AHEAD_FEW = 2048, AHEAD_MORE = 4096 };
enum how { STREAM, WIDEN, AGAIN };               /* out of memory; and keep as F32; out of L1 */

#define TILE_FN static inline __attribute__((always_inline))
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 12")
#endif

/* Dword j is output j in its low half, output j + 8 in its high half: both halves of the register
 * get the same eight dwords; one shuffle puts the half that is wanted above two zero bytes. */
TILE_FN __m512 widen_bf16(__m256i v)
{
        const __m512i order = _mm512_set_epi64(
                0x0f0e80800b0a8080, 0x0706808003028080, 0x0f0e80800b0a8080, 0x0706808003028080,
                0x0d0c808009088080, 0x0504808001008080, 0x0d0c808009088080, 0x0504808001008080);

        return _mm512_castsi512_ps(_mm512_shuffle_epi8(_mm512_broadcast_i64x4(v), order));
}

TILE_FN __m512 widen_f16(__m256i v)
{
        const __m256i order = _mm256_set_epi16(15, 13, 11, 9, 7, 5, 3, 1,
                                               14, 12, 10, 8, 6, 4, 2, 0);

        return _mm512_cvtph_ps(_mm256_permutexvar_epi16(order, v));
}

/* The weights of a step, widened exactly. */
TILE_FN __m512 load(uint32_t dtype, const char *w)
{
        if (dtype == WT_F32)
                return _mm512_loadu_ps(w);
        __m256i v = _mm256_loadu_si256((const __m256i *)w);

        return dtype == WT_BF16 ? widen_bf16(v) : widen_f16(v);
}

TILE_FN void put(const struct tile512 *t, float *y, __m512 v, uint32_t left)
{
        __mmask16 some = left >= WT_PANEL ? 0xffff : (__mmask16)((1u << left) - 1);

        if (!t->first)
                v = _mm512_add_ps(_mm512_maskz_loadu_ps(some, y), v);
        _mm512_mask_storeu_ps(y, some, v);
}

/* All but t and carry are constants where this is expanded: acc lives in registers. carry (or
 * NULL): chains that began before these steps, or do not end with them. */
TILE_FN void tile(const struct tile512 *t, float *carry, uint32_t dtype, uint32_t rows,
                  uint32_t panels, enum how how)
{
        const char *w = t->w;
        __m512 acc[TILE512_FEW][4], wk[4];

        UNROLL
        for (uint32_t r = 0; r < rows; r++)
                UNROLL
                for (uint32_t p = 0; p < panels; p++)
                        acc[r][p] = carry && !t->begin
                                            ? _mm512_load_ps(carry + (r * panels + p) * WT_PANEL)
                                            : _mm512_setzero_ps();
        for (uint32_t k = 0; k < t->n_k; k++, w += t->step) {
                UNROLL
                for (uint32_t p = 0; p < panels; p++) {
                        if (how != AGAIN)
                                _mm_prefetch(w + p * t->panel +
                                             (rows <= 8 ? AHEAD_FEW : AHEAD_MORE), _MM_HINT_T0);
                        wk[p] = load(dtype, w + p * t->panel);
                        if (how == WIDEN)
                                _mm512_store_ps(t->wide + (p * TILE512_STEPS + k) * WT_PANEL,
                                                wk[p]);
                }
                UNROLL
                for (uint32_t r = 0; r < rows; r++) {
                        __m512 xk = _mm512_set1_ps(t->x[r * t->ldx + k]);

                        UNROLL
                        for (uint32_t p = 0; p < panels; p++)
                                acc[r][p] = _mm512_fmadd_ps(xk, wk[p], acc[r][p]);
                }
        }
        UNROLL
        for (uint32_t r = 0; r < rows; r++)
                UNROLL
                for (uint32_t p = 0; p < panels; p++) {
                        if (carry && !t->end)
                                _mm512_store_ps(carry + (r * panels + p) * WT_PANEL, acc[r][p]);
                        else
                                put(t, t->y + r * t->ldy + p * WT_PANEL, acc[r][p],
                                    t->width - p * WT_PANEL);
                }
}

#define CASE(r, p, how) case r * 8 + p: tile(t, carry, dtype, r, p, how); break;
#define UP_TO_2(r, how) CASE(r, 1, how) CASE(r, 2, how)
#define UP_TO_3(r, how) UP_TO_2(r, how) CASE(r, 3, how)
#define UP_TO_4(r, how) UP_TO_3(r, how) CASE(r, 4, how)

TILE_FN void few_rows(const struct tile512 *t, uint32_t dtype, uint32_t rows, uint32_t panels)
{
        float *const carry = NULL;

        switch (rows * 8 + panels) {
        UP_TO_4(1, STREAM) UP_TO_4(2, STREAM) UP_TO_4(3, STREAM) UP_TO_4(4, STREAM)
        UP_TO_4(5, STREAM) UP_TO_4(6, STREAM) UP_TO_3(7, STREAM) UP_TO_3(8, STREAM)
        UP_TO_2(9, STREAM) UP_TO_2(10, STREAM) UP_TO_2(11, STREAM) UP_TO_2(12, STREAM)
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

TILE_FN void many_rows(const struct tile512 *t, float *carry, uint32_t dtype, uint32_t rows,
                       uint32_t panels, enum how how)
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

        for (uint32_t i = 0; i < n; i++) {
                uint32_t rows = (m - done) / (n - i);
                float *carry = t->carry ? t->carry->acc[i] : NULL;

                one.x = t->x + done * t->ldx;
                one.y = t->y + done * t->ldy;
                if (i > 0)
                        many_rows(&one, carry, WT_F32, rows, panels, AGAIN);
                else if (one.dtype == WT_F32)
                        many_rows(&one, carry, WT_F32, rows, panels, STREAM);
                else if (one.dtype == WT_BF16)
                        many_rows(&one, carry, WT_BF16, rows, panels, WIDEN);
                else
                        many_rows(&one, carry, WT_F16, rows, panels, WIDEN);
                if (one.dtype != WT_F32) {       /* from here on out of wide */
                        one.w = (const char *)t->wide;
                        one.step = WT_PANEL * sizeof(float);
                        one.panel = TILE512_STEPS * one.step;
                        one.dtype = WT_F32;
                }
                done += rows;
        }
}
