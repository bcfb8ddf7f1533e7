/* avx512_tile.h - the register tile under every product of the AVX-512 kernels: up to 8 rows times
 * three panels, 6 rows times four, 12 rows times two. Lanes are outputs; k runs upward in one chain
 * for each (N2), so the bits are those of every other table. 24 accumulators beside the weights
 * fill 32 registers. */
#ifndef WITAN_MATH_AVX512_TILE_H
#define WITAN_MATH_AVX512_TILE_H
#include "math/kernels.h"

enum {
        TILE512_FEW = 12,                        /* rows of a product that one tile can hold */
        TILE512_ROWS = 8, TILE512_PANELS = 3,    /* of the tiles of many rows */
        TILE512_MOST = 128,                      /* rows of many tiles */
        TILE512_STEPS = 128                      /* k at a time: three panels of F32 stay in L1 */
};

/* Chains that go on: 24 registers of each tile of many rows. */
struct carry512 {
        float acc[TILE512_MOST / TILE512_ROWS][TILE512_ROWS * TILE512_PANELS * WT_PANEL]
                __attribute__((aligned(64)));
};

struct tile512 {
        const float *x; size_t ldx;
        const char *w;                           /* the first step of the first panel */
        size_t step, panel;                      /* bytes from one k to the next, between panels */
        uint32_t dtype, n_k;                     /* n_k <= WT_SLAB */
        float *y; size_t ldy;
        uint32_t width;                          /* columns wanted of all panels together */
        bool first;                              /* slab 0 starts the sum, others are added */
        /* of many rows */
        float *wide;                             /* for halves: TILE512_STEPS * 16 floats a panel,
                                                  * where the first tile leaves them as F32 */
        struct carry512 *carry;                  /* NULL: these steps are the whole slab */
        bool begin, end;                         /* the slab's first steps, and its last */
};

/* Panels of a tile of so few rows. */
static inline uint32_t tile512_panels(uint32_t rows)
{
        return rows <= 6 ? 4 : rows <= 8 ? 3 : 2;
}

/* One tile of at most TILE512_FEW rows over a whole slab: the weights pass by once, fetched
 * ahead. */
void wt_avx512_tile(const struct tile512 *t, uint32_t rows, uint32_t panels);
/* All of m <= TILE512_MOST rows by up to three panels, in tiles of equal heights; at most
 * TILE512_STEPS steps where there is a carry or wide. */
void wt_avx512_tiles(const struct tile512 *t, uint32_t m, uint32_t panels);
#endif
