/* avx512_linear.c - y = W x out of panels (N2), sixteen outputs a register. Few rows: the weights
 * stream through once. Many rows: blocks of rows whose x stays in L2, and of three panels a quarter
 * of a slab at a time, which stays in L1 as F32; the chains wait in memory meanwhile. */
#include "math/avx512.h"
#include "math/avx512_tile.h"
#include "math/half.h"

enum { STREAM_FLOATS = 96 << 10 };              /* 384 KiB of x: it shares L2 with the weights */

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

/* Three panels of one slab, all rows. */
static void slab(struct tile512 t, uint32_t m, uint32_t panels)
{
        float wide[TILE512_PANELS * TILE512_STEPS * WT_PANEL] __attribute__((aligned(64)));
        struct carry512 carry;
        uint32_t all = t.n_k;

        t.wide = wide;
        t.carry = &carry;
        for (uint32_t k = 0; k < all; k += TILE512_STEPS) {
                t.n_k = all - k < TILE512_STEPS ? all - k : TILE512_STEPS;
                t.begin = k == 0;
                t.end = k + t.n_k == all;
                wt_avx512_tiles(&t, m, panels);
                t.x += t.n_k;
                t.w += t.n_k * t.step;
        }
}

/* Whole panels one after another while x stays in L2, for then the weights are one stream; else all
 * panels of a slab. */
static void block(const struct wt_packed *w, uint32_t p0, uint32_t p1, const float *x, size_t ldx,
                  uint32_t m, float *y, size_t ldy)
{
        uint32_t k_run = m <= STREAM_FLOATS / w->k ? w->k : WT_SLAB;

        for (uint32_t k1 = 0; k1 < w->k; k1 += k_run)
                for (uint32_t p = p0, n; p < p1; p += n) {
                        n = p1 - p < TILE512_PANELS ? p1 - p : TILE512_PANELS;
                        for (uint32_t k0 = k1; k0 < w->k && k0 < k1 + k_run; k0 += WT_SLAB)
                                slab(tile_of(w, p, k0, x, ldx, y, ldy), m, n);
                }
}

void wt_avx512_linear(const struct wt_packed *w, uint32_t p0, uint32_t p1, const float *x,
                      size_t ldx, uint32_t m, float *y, size_t ldy)
{
        uint32_t blocks = (m + TILE512_MOST - 1) / TILE512_MOST, done = 0;

        if (m <= TILE512_FEW) {
                few(w, p0, p1, x, ldx, m, y, ldy);
                return;
        }
        for (uint32_t i = 0; i < blocks; i++) {
                uint32_t rows = (m - done) / (blocks - i);

                block(w, p0, p1, x + done * ldx, ldx, rows, y + done * ldy, ldy);
                done += rows;
        }
}
