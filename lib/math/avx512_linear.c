/* avx512_linear.c - y = W x out of panels (N2), sixteen outputs a register. Few rows: the weights
 * stream through once. Many rows: blocks of rows that stay in L2, and of three panels one slab at a
 * time, while the next three are fetched. */
#include "math/avx512.h"
#include "math/avx512_tile.h"
#include "math/half.h"

enum { BLOCK_ROWS = 128, WIDE_PANELS = 3 };      /* rows * 512 * 4 = 256 KiB of x */

static struct tile512 tile_of(const struct wt_packed *w, uint32_t p, uint32_t k0, const float *x,
                              size_t ldx, float *y, size_t ldy)
{
        size_t step = WT_PANEL * dtype_bytes(w->dtype), panel = w->k * step;

        return (struct tile512){
                .x = x + k0, .ldx = ldx, .w = (const char *)w->data + p * panel + k0 * step,
                .step = step, .panel = panel, .dtype = w->dtype,
                .n_k = w->k - k0 < WT_SLAB ? w->k - k0 : WT_SLAB,
                .y = y + p * WT_PANEL, .ldy = ldy, .width = w->n - p * WT_PANEL, .first = k0 == 0 };
}

static void few(const struct wt_packed *w, uint32_t p0, uint32_t p1, const float *x, size_t ldx,
                uint32_t m, float *y, size_t ldy)
{
        uint32_t most = tile512_panels(m);

        for (uint32_t p = p0, n; p < p1; p += n) {
                n = p1 - p < most ? p1 - p : most;
                for (uint32_t k0 = 0; k0 < w->k; k0 += WT_SLAB) {
                        struct tile512 t = tile_of(w, p, k0, x, ldx, y, ldy);

                        wt_avx512_tile(&t, m, n);
                }
        }
}

static void block(const struct wt_packed *w, uint32_t p0, uint32_t p1, const float *x, size_t ldx,
                  uint32_t m, float *y, size_t ldy)
{
        float wide[WIDE_PANELS * WT_SLAB * WT_PANEL] __attribute__((aligned(64)));

        for (uint32_t k0 = 0; k0 < w->k; k0 += WT_SLAB) {
                for (uint32_t p = p0, n; p < p1; p += n) {
                        struct tile512 t = tile_of(w, p, k0, x, ldx, y, ldy);

                        n = p1 - p < WIDE_PANELS ? p1 - p : WIDE_PANELS;
                        t.wide = wide;
                        t.ahead = p + n < p1 ? t.w + n * t.panel : NULL;
                        wt_avx512_tiles(&t, m, n);
                }
        }
}

void wt_avx512_linear(const struct wt_packed *w, uint32_t p0, uint32_t p1, const float *x,
                      size_t ldx, uint32_t m, float *y, size_t ldy)
{
        uint32_t blocks = (m + BLOCK_ROWS - 1) / BLOCK_ROWS, done = 0;

        if (m <= TILE512_ROWS) {
                few(w, p0, p1, x, ldx, m, y, ldy);
                return;
        }
        for (uint32_t i = 0; i < blocks; i++) {
                uint32_t rows = (m - done) / (blocks - i);

                block(w, p0, p1, x + done * ldx, ldx, rows, y + done * ldy, ldy);
                done += rows;
        }
}
