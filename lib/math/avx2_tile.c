/* avx2_tile.c - the tile expanded for each weight type and shape. */
#include "math/avx2_tile.h"

TILE_FN void few_rows(const struct tile *t, uint32_t dtype, uint32_t rows, uint32_t panels)
{
        switch (rows * 8 + panels) {
        case 1 * 8 + 1: tile_fixed(t, dtype, 1, 1, false, FETCH_L1); break;
        case 1 * 8 + 2: tile_fixed(t, dtype, 1, 2, false, FETCH_L1); break;
        case 1 * 8 + 3: tile_fixed(t, dtype, 1, 3, false, FETCH_L1); break;
        case 1 * 8 + 4: tile_fixed(t, dtype, 1, 4, false, FETCH_L1); break;
        case 2 * 8 + 1: tile_fixed(t, dtype, 2, 1, false, FETCH_L1); break;
        case 2 * 8 + 2: tile_fixed(t, dtype, 2, 2, false, FETCH_L1); break;
        case 3 * 8 + 1: tile_fixed(t, dtype, 3, 1, false, FETCH_L1); break;
        case 3 * 8 + 2: tile_fixed(t, dtype, 3, 2, false, FETCH_L1); break;
        case 4 * 8 + 1: tile_fixed(t, dtype, 4, 1, false, FETCH_L1); break;
        case 5 * 8 + 1: tile_fixed(t, dtype, 5, 1, false, FETCH_L1); break;
        case 6 * 8 + 1: tile_fixed(t, dtype, 6, 1, false, FETCH_L1); break;
        }
}

void wt_avx2_tile(const struct tile *t, uint32_t rows, uint32_t panels)
{
        switch (t->dtype) {
        case WT_F32:  few_rows(t, WT_F32, rows, panels);  break;
        case WT_BF16: few_rows(t, WT_BF16, rows, panels); break;
        case WT_F16:  few_rows(t, WT_F16, rows, panels);  break;
        }
}

TILE_FN void many_rows(const struct tile *t, uint32_t dtype, uint32_t rows)
{
        const bool keep = dtype != WT_F32;

        switch (rows) {
        case 1: tile_fixed(t, dtype, 1, 1, keep, FETCH_L2); break;
        case 2: tile_fixed(t, dtype, 2, 1, keep, FETCH_L2); break;
        case 3: tile_fixed(t, dtype, 3, 1, keep, FETCH_L2); break;
        case 4: tile_fixed(t, dtype, 4, 1, keep, FETCH_L2); break;
        case 5: tile_fixed(t, dtype, 5, 1, keep, FETCH_L2); break;
        case 6: tile_fixed(t, dtype, 6, 1, keep, FETCH_L2); break;
        }
}

void wt_avx2_tiles(const struct tile *t, uint32_t m)
{
        uint32_t n = (m + TILE_ROWS - 1) / TILE_ROWS, done = 0;
        struct tile one = *t;

        one.ahead_step = t->ahead ? (t->step + n - 1) / n : 0;
        if (!t->ahead)
                one.ahead = t->w;
        for (uint32_t i = 0; i < n; i++) {
                uint32_t rows = (m - done) / (n - i);

                one.x = t->x + done * t->ldx;
                one.y = t->y + done * t->ldy;
                switch (one.dtype) {
                case WT_F32:  many_rows(&one, WT_F32, rows);  break;
                case WT_BF16: many_rows(&one, WT_BF16, rows); break;
                case WT_F16:  many_rows(&one, WT_F16, rows);  break;
                }
                if (one.dtype != WT_F32) {
                        one.w = (const char *)t->wide;
                        one.step = WT_PANEL * sizeof(float);
                        one.dtype = WT_F32;
                }
                one.ahead += t->n_k * one.ahead_step;
                done += rows;
        }
}
