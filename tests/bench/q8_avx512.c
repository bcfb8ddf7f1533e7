/* q8_avx512.c - Q8_0 with VNNI: a byte without sign by one with, four of them a lane, into 32 bits
 * without saturation. */
#include "q8_tile.h"

#define TILE_FN                                                                                   \
        static inline __attribute__((always_inline,                                               \
                                     target("avx512f,avx512bw,avx512vl,avx512vnni")))
enum { ROWS = 12, STREAMS = 4 };                /* of one panel; panels of one row */

TILE_FN __mmask16 columns(const struct q8_tile *t, uint32_t p)
{
        uint32_t left = t->width - p * Q8_PANEL;

        return left >= Q8_PANEL ? 0xffff : (__mmask16)((1u << left) - 1);
}

/* One block's integers of all rows and panels, from the offsets on. */
TILE_FN void sums(const struct q8_tile *t, uint32_t b, uint32_t rows, uint32_t panels, int fetch,
                  __m512i sum[ROWS][STREAMS])
{
        Q8_UNROLL
        for (uint32_t r = 0; r < rows; r++)
                Q8_UNROLL
                for (uint32_t p = 0; p < panels; p++)
                        sum[r][p] = _mm512_set1_epi32(t->offset[r * t->ld + b]);
        Q8_UNROLL
        for (uint32_t g = 0; g < 8; g++) {
                __m512i w[STREAMS];

                Q8_UNROLL
                for (uint32_t p = 0; p < panels; p++) {
                        const uint8_t *at = t->bytes + p * t->panel + b * 512 + g * 64;

                        if (fetch)
                                _mm_prefetch((const char *)at + Q8_AHEAD, _MM_HINT_T0);
                        w[p] = _mm512_loadu_si512(at);
                }
                Q8_UNROLL
                for (uint32_t r = 0; r < rows; r++) {
                        const int8_t *x = t->x + (r * t->ld + b) * Q8_BLOCK + g * 4;
                        __m512i four = _mm512_set1_epi32(q8_four(x));

                        Q8_UNROLL
                        for (uint32_t p = 0; p < panels; p++)
                                sum[r][p] = _mm512_dpbusd_epi32(sum[r][p], w[p], four);
                }
        }
}

/* All but t are constants where this is expanded. */
TILE_FN void tile(const struct q8_tile *t, uint32_t rows, uint32_t panels, int fetch)
{
        __m512 acc[ROWS][STREAMS];
        __m512i sum[ROWS][STREAMS];

        Q8_UNROLL
        for (uint32_t r = 0; r < rows; r++)
                Q8_UNROLL
                for (uint32_t p = 0; p < panels; p++)
                        acc[r][p] = t->first ? _mm512_setzero_ps()
                                             : _mm512_maskz_loadu_ps(
                                                       columns(t, p),
                                                       t->y + r * t->ldy + p * Q8_PANEL);
        for (uint32_t b = 0; b < t->n_blocks; b++) {
                sums(t, b, rows, panels, fetch, sum);
                Q8_UNROLL
                for (uint32_t p = 0; p < panels; p++) {
                        const void *at = t->scales + p * t->panel + b * 2 * Q8_PANEL;
                        __m512 dw = _mm512_cvtph_ps(_mm256_loadu_si256(at));

                        Q8_UNROLL
                        for (uint32_t r = 0; r < rows; r++) {
                                __m512 d = _mm512_mul_ps(dw, _mm512_set1_ps(t->d[r * t->ld + b]));
                                acc[r][p] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[r][p]), d,
                                                            acc[r][p]);
                        }
                }
        }
        Q8_UNROLL
        for (uint32_t r = 0; r < rows; r++)
                Q8_UNROLL
                for (uint32_t p = 0; p < panels; p++)
                        _mm512_mask_storeu_ps(t->y + r * t->ldy + p * Q8_PANEL, columns(t, p),
                                              acc[r][p]);
}

#define FN __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#define CASE(r) case r: tile(t, r, 1, 0); break;

FN static void tile_of_rows(const struct q8_tile *t, uint32_t rows)
{
        switch (rows) {
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
        CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
        }
}

FN static void one_row(const void *w, uint32_t n, const struct q8_rows *x, float *y)
{
        uint32_t panels = (n + Q8_PANEL - 1) / Q8_PANEL;

        for (uint32_t p = 0; p < panels; p += STREAMS) {
                struct q8_tile t = q8_tile_of(w, n, x, y, p, 0, 0, x->ld);

                switch (panels - p) {
                case 1:  tile(&t, 1, 1, 1); break;
                case 2:  tile(&t, 1, 2, 1); break;
                case 3:  tile(&t, 1, 3, 1); break;
                default: tile(&t, 1, STREAMS, 1); break;
                }
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

const struct q8_kernels q8_avx512 = { "avx512", linear };
