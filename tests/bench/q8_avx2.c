/* q8_avx2.c - Q8_0 without VNNI. maddubs adds two products in 16 bits and saturates there, so the
 * signless factor must stay within 128: |w|, with w's sign given to x (128 * 127 * 2 < 2^15; -128
 * has |w| = 128 as a byte without sign, and x, within +-127, can be negated). */
#include "q8_tile.h"

#define TILE_FN static inline __attribute__((always_inline))
enum { ROWS = 4, HALVES = 4 };                  /* of half a panel; half panels of one row */

TILE_FN void put(const struct q8_tile *t, float *y, __m256 v, uint32_t half)
{
        float all[8];

        if (t->width >= half * 8 + 8) {
                _mm256_storeu_ps(y, v);
                return;
        }
        _mm256_storeu_ps(all, v);
        for (uint32_t c = 0; half * 8 + c < t->width; c++)
                y[c] = all[c];
}

TILE_FN __m256 get(const struct q8_tile *t, const float *y, uint32_t half)
{
        float all[8] = { 0 };

        if (t->first)
                return _mm256_setzero_ps();
        if (t->width >= half * 8 + 8)
                return _mm256_loadu_ps(y);
        for (uint32_t c = 0; half * 8 + c < t->width; c++)
                all[c] = y[c];
        return _mm256_loadu_ps(all);
}

/* One block's integers of rows by eight outputs; w: their bytes of the first group. */
TILE_FN void sums(const struct q8_tile *t, const uint8_t *w, uint32_t b, uint32_t rows, int fetch,
                  __m256i sum[ROWS])
{
        const __m256i ones = _mm256_set1_epi16(1), bias = _mm256_set1_epi8(-128);

        Q8_UNROLL
        for (uint32_t r = 0; r < rows; r++)
                sum[r] = _mm256_setzero_si256();
        Q8_UNROLL
        for (uint32_t g = 0; g < 8; g++) {
                __m256i v, size;

                if (fetch)
                        _mm_prefetch((const char *)w + g * 64 + Q8_AHEAD, _MM_HINT_T0);
                v = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)(w + g * 64)), bias);
                size = _mm256_abs_epi8(v);
                Q8_UNROLL
                for (uint32_t r = 0; r < rows; r++) {
                        const int8_t *x = t->x + (r * t->ld + b) * Q8_BLOCK + g * 4;
                        __m256i four = _mm256_sign_epi8(_mm256_set1_epi32(q8_four(x)), v);
                        __m256i two = _mm256_maddubs_epi16(size, four);

                        sum[r] = _mm256_add_epi32(sum[r], _mm256_madd_epi16(two, ones));
                }
        }
}

/* All but t and half are constants where this is expanded. half: of the tile's columns, eight each,
 * the first one. */
TILE_FN void tile(const struct q8_tile *t, uint32_t rows, uint32_t half, uint32_t halves, int fetch)
{
        __m256 acc[ROWS][HALVES];
        __m256i sum[ROWS];

        Q8_UNROLL
        for (uint32_t r = 0; r < rows; r++)
                Q8_UNROLL
                for (uint32_t h = 0; h < halves; h++)
                        acc[r][h] = get(t, t->y + r * t->ldy + (half + h) * 8, half + h);
        for (uint32_t b = 0; b < t->n_blocks; b++) {
                Q8_UNROLL
                for (uint32_t h = 0; h < halves; h++) {
                        size_t panel = (half + h) / 2 * t->panel, side = (half + h) % 2;
                        const void *at = t->scales + panel + b * 2 * Q8_PANEL + side * 16;
                        __m256 dw = _mm256_cvtph_ps(_mm_loadu_si128(at));

                        sums(t, t->bytes + panel + b * 512 + side * 32, b, rows,
                             fetch && side == 0, sum);
                        Q8_UNROLL
                        for (uint32_t r = 0; r < rows; r++) {
                                __m256 d = _mm256_mul_ps(dw, _mm256_set1_ps(t->d[r * t->ld + b]));
                                acc[r][h] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[r]), d,
                                                            acc[r][h]);
                        }
                }
        }
        Q8_UNROLL
        for (uint32_t r = 0; r < rows; r++)
                Q8_UNROLL
                for (uint32_t h = 0; h < halves; h++)
                        put(t, t->y + r * t->ldy + (half + h) * 8, acc[r][h], half + h);
}

static void one_row(const void *w, uint32_t n, const struct q8_rows *x, float *y)
{
        uint32_t panels = (n + Q8_PANEL - 1) / Q8_PANEL;

        for (uint32_t p = 0; p < panels; p += HALVES / 2) {
                struct q8_tile t = q8_tile_of(w, n, x, y, p, 0, 0, x->ld);

                if (t.width > Q8_PANEL + 8)
                        tile(&t, 1, 0, HALVES, 1);
                else if (t.width > Q8_PANEL)
                        tile(&t, 1, 0, 3, 1);
                else if (t.width > 8)
                        tile(&t, 1, 0, 2, 1);
                else
                        tile(&t, 1, 0, 1, 1);
        }
}

static void tile_of_rows(const struct q8_tile *t, uint32_t rows)
{
        for (uint32_t half = 0; half < 2 && half * 8 < t->width; half++)
                switch (rows) {
                case 1: tile(t, 1, half, 1, 0); break;
                case 2: tile(t, 2, half, 1, 0); break;
                case 3: tile(t, 3, half, 1, 0); break;
                case 4: tile(t, 4, half, 1, 0); break;
                }
}

/* Of each panel a run of blocks by all rows, in tiles of equal heights. */
static void linear(const void *w, uint32_t n, const struct q8_rows *x, float *y)
{
        uint32_t panels = (n + Q8_PANEL - 1) / Q8_PANEL, tiles = (x->m + ROWS - 1) / ROWS;

        if (x->m == 1) {
                one_row(w, n, x, y);
                return;
        }
        for (uint32_t b = 0; b < x->ld; b += Q8_RUN)
                for (uint32_t p = 0; p < panels; p++)
                        for (uint32_t i = 0, done = 0; i < tiles; i++) {
                                struct q8_tile t = q8_tile_of(w, n, x, y, p, done, b, Q8_RUN);
                                uint32_t rows = (x->m - done) / (tiles - i);

                                tile_of_rows(&t, rows);
                                done += rows;
                        }
}

const struct q8_kernels q8_avx2 = { "avx2", linear };
