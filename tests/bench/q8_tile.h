/* q8_tile.h - what the tiles of q8.h's vector kernels share: lanes are outputs, blocks run upward
 * in one chain for each; sums of integers are exact, so their order is free. */
#ifndef WITAN_TESTS_Q8_TILE_H
#define WITAN_TESTS_Q8_TILE_H
#include <immintrin.h>
#include <string.h>
#include "q8.h"

#ifdef __clang__
#define Q8_UNROLL _Pragma("clang loop unroll(full)")
#else
#define Q8_UNROLL _Pragma("GCC unroll 16")
#endif

enum { Q8_RUN = 32, Q8_AHEAD = 1024 };          /* blocks a tile runs over, for they stay in L1 */

/* A run of blocks of some rows by some columns; everything points to its first block. */
struct q8_tile {
        const int8_t *x; const float *d; const int32_t *offset;  /* (rows, ld) */
        size_t ld;
        const uint8_t *scales, *bytes;           /* of the first panel */
        size_t panel;                            /* bytes from one panel to the next */
        uint32_t n_blocks;
        float *y; size_t ldy;
        uint32_t width;                          /* columns wanted of y */
        int first;                               /* the chains begin; else they go on from y */
};

static inline struct q8_tile q8_tile_of(const void *w, uint32_t n, const struct q8_rows *x,
                                        float *y, uint32_t panel, uint32_t row, uint32_t block,
                                        uint32_t run)
{
        size_t at = (size_t)row * x->ld + block, bytes = q8_panel_bytes(x->ld * Q8_BLOCK);
        const uint8_t *p = (const uint8_t *)w + panel * bytes;
        size_t scales = bytes - (size_t)x->ld * Q8_BLOCK * Q8_PANEL;
        uint32_t left = x->ld - block;

        return (struct q8_tile){ .x = x->q + at * Q8_BLOCK, .d = x->d + at,
                                 .offset = x->offset + at, .ld = x->ld,
                                 .scales = p + block * 2 * Q8_PANEL,
                                 .bytes = p + scales + (size_t)block * Q8_BLOCK * Q8_PANEL,
                                 .panel = bytes, .n_blocks = left < run ? left : run,
                                 .y = y + (size_t)row * n + panel * Q8_PANEL, .ldy = n,
                                 .width = n - panel * Q8_PANEL, .first = block == 0 };
}

/* Four inputs of a row, as every lane wants them. */
static inline int32_t q8_four(const int8_t *x)
{
        int32_t four;

        memcpy(&four, x, sizeof four);
        return four;
}
#endif
