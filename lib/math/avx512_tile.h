/* avx512_tile.h - the register tile under every product of the AVX-512 kernels: up to 8 rows times
 * three panels, 6 rows times four. Lanes are outputs; k runs upward in one chain for each (N2), so
 * the bits are those of every other table. 24 accumulators beside the weights fill 32 registers;
 * more rows than 8 would fall on the same cache set when rows lie 8 KiB apart. */
#ifndef WITAN_MATH_AVX512_TILE_H
#define WITAN_MATH_AVX512_TILE_H
#include "math/kernels.h"

enum { TILE512_ROWS = 8, TILE512_PANELS = 4 };

struct tile512 {
        const float *x; size_t ldx;
        const char *w;                           /* the first step of the first panel */
        size_t step, panel;                      /* bytes from one k to the next, between panels */
        uint32_t dtype, n_k;                     /* n_k <= WT_SLAB; halves: step is 32 */
        float *y; size_t ldy;
        uint32_t width;                          /* columns wanted of all panels together */
        bool first;                              /* slab 0 starts the sum, others are added */
        float *wide;                             /* tiles of halves: room for panels * WT_SLAB steps
                                                  * of 16 floats, where the first tile widens them
                                                  * */
        const char *ahead;                       /* what to fetch meanwhile, or NULL; its strides */
        size_t ahead_step, ahead_panel;          /* are wt_avx512_tiles' own */
};

/* Panels of a tile of so many rows. */
static inline uint32_t tile512_panels(uint32_t rows) { return rows <= 6 ? 4 : 3; }

/* One tile of a product of few rows: the weights pass by once, fetched ahead. */
void wt_avx512_tile(const struct tile512 *t, uint32_t rows, uint32_t panels);
/* All of m rows by up to three panels, in tiles of equal heights. ahead: the next panels, as many
 * bytes apart as these; each tile fetches its part into L2. */
void wt_avx512_tiles(const struct tile512 *t, uint32_t m, uint32_t panels);
#endif
