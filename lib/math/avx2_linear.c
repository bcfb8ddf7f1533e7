/* avx2_linear.c - y = W x out of panels (N2). Few rows: the weights stream through once, widened in
 * registers, several panels in flight. Many rows: blocks of rows that stay in L2, and of each panel
 * one slab at a time, while the next is fetched. */
#include "math/avx2_tile.h"
#include "math/half.h"

enum { BLOCK_ROWS = 66 };                        /* eleven tiles; 132 KiB of x a slab */

static struct tile tile_of(const struct wt_packed *w, uint32_t p, uint32_t k0)
{
        size_t step = WT_PANEL * dtype_bytes(w->dtype), panel = w->k * step;

        return (struct tile){ .w = (const char *)w->data + p * panel + k0 * step, .step = step,
                              .panel = panel, .dtype = w->dtype, .first = k0 == 0,
                              .n_k = w->k - k0 < WT_SLAB ? w->k - k0 : WT_SLAB };
}

static void few(const struct wt_packed *w, uint32_t p0, uint32_t p1, const float *x, size_t ldx,
                uint32_t m, float *y, size_t ldy)
{
        uint32_t most = tile_panels(m);

        for (uint32_t p = p0, n; p < p1; p += n) {
                n = p1 - p < most ? p1 - p : most;
                for (uint32_t k0 = 0; k0 < w->k; k0 += WT_SLAB) {
                        struct tile t = tile_of(w, p, k0);

                        t.x = x + k0;
                        t.ldx = ldx;
                        t.y = y + p * WT_PANEL;
                        t.ldy = ldy;
                        t.width = w->n - p * WT_PANEL;
                        wt_avx2_tile(&t, m, n);
                }
        }
}

static void block(const struct wt_packed *w, uint32_t p0, uint32_t p1, const float *x, size_t ldx,
                  uint32_t m, float *y, size_t ldy)
{
        float wide[WT_SLAB * WT_PANEL] __attribute__((aligned(64)));

        for (uint32_t k0 = 0; k0 < w->k; k0 += WT_SLAB) {
                for (uint32_t p = p0; p < p1; p++) {
                        struct tile t = tile_of(w, p, k0);

                        t.wide = wide;
                        t.ahead = p + 1 < p1 ? t.w + t.panel : NULL;
                        t.x = x + k0;
                        t.ldx = ldx;
                        t.y = y + p * WT_PANEL;
                        t.ldy = ldy;
                        t.width = w->n - p * WT_PANEL;
                        wt_avx2_tiles(&t, m);
                }
        }
}

void wt_avx2_linear(const struct wt_packed *w, uint32_t p0, uint32_t p1, const float *x, size_t ldx,
                    uint32_t m, float *y, size_t ldy)
{
        uint32_t blocks = (m + BLOCK_ROWS - 1) / BLOCK_ROWS, done = 0;

        if (m <= TILE_ROWS) {
                few(w, p0, p1, x, ldx, m, y, ldy);
                return;
        }
        for (uint32_t i = 0; i < blocks; i++) {
                uint32_t rows = (m - done) / (blocks - i);

                block(w, p0, p1, x + done * ldx, ldx, rows, y + done * ldy, ldy);
                done += rows;
        }
}
