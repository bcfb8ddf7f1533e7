/* avx2_tile.c - the tile expanded for each weight type and shape. */
#include "math/avx2_tile.h"

void wt_avx2_tile(const struct tile *t, uint32_t rows, uint32_t panels)
{
        switch (t->dtype) {
        case WT_F32:  tile_rows(t, WT_F32, rows, panels);  break;
        case WT_BF16: tile_rows(t, WT_BF16, rows, panels); break;
        case WT_F16:  tile_rows(t, WT_F16, rows, panels);  break;
        }
}

void wt_avx2_tiles(const struct tile *t, uint32_t m)
{
        uint32_t n = (m + TILE_ROWS - 1) / TILE_ROWS, done = 0;
        struct tile one = *t;

        for (uint32_t i = 0; i < n; i++) {
                uint32_t rows = (m - done) / (n - i);

                one.x = t->x + done * t->ldx;
                one.y = t->y + done * t->ldy;
                wt_avx2_tile(&one, rows, 1);
                done += rows;
        }
}
