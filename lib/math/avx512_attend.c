/* avx512_attend.c - a segment of attention (N5) on registers of sixteen: 48 keys at a time for the
 * scores, 48 columns of the value for u. Maxima, weights and normalisers are those of AVX2. */
#include "math/avx2.h"
#include "math/avx512.h"
#include "math/avx512_tile.h"

enum { GROUP = TILE512_PANELS, ROPE_QUERIES = 48 };      /* queries whose rope scores are held */

/* One slab of y[q][0..n_keys) = N2(x[q] . key): the keys are turned into panels a quarter at a
 * time. */
static void slab48(struct tile512 t, uint32_t n_q, const float *key, size_t ld, uint32_t n_keys)
{
        float panel[GROUP * TILE512_STEPS * WT_PANEL] __attribute__((aligned(64)));
        uint32_t panels = (n_keys + WT_PANEL - 1) / WT_PANEL, all = t.n_k;
        struct carry512 carry;

        t.w = (const char *)panel;
        t.carry = &carry;
        for (uint32_t k = 0; k < all; k += TILE512_STEPS) {
                t.n_k = all - k < TILE512_STEPS ? all - k : TILE512_STEPS;
                t.begin = k == 0;
                t.end = k + t.n_k == all;
                for (uint32_t p = 0; p < panels; p++) {
                        uint32_t left = n_keys - p * WT_PANEL;

                        wt_avx2_turn_keys(key + (size_t)p * WT_PANEL * ld + k, ld,
                                          left < WT_PANEL ? left : WT_PANEL, t.n_k,
                                          panel + (size_t)p * TILE512_STEPS * WT_PANEL);
                }
                wt_avx512_tiles(&t, n_q, panels);
                t.x += t.n_k;
        }
}

/* All queries (at most TILE512_MOST), up to 48 keys. */
static void keys48(const float *x, size_t ldx, uint32_t n_q, const float *key, size_t ld,
                   uint32_t n_keys, uint32_t n_k, float *y, size_t ldy)
{
        for (uint32_t k0 = 0; k0 < n_k; k0 += WT_SLAB) {
                struct tile512 t = { .x = x + k0, .ldx = ldx, .step = WT_PANEL * sizeof *x,
                                     .panel = TILE512_STEPS * WT_PANEL * sizeof *x,
                                     .dtype = WT_F32,
                                     .n_k = n_k - k0 < WT_SLAB ? n_k - k0 : WT_SLAB,
                                     .y = y, .ldy = ldy, .width = n_keys, .first = k0 == 0 };

                slab48(t, n_q, key + k0, ld, n_keys);
        }
}

/* s = fl(s + rope) * scale, sixteen keys at a time; rope NULL: fl(s) * scale. */
static void add_rope(float *s, const float *rope, uint32_t n, float scale)
{
        for (uint32_t i = 0; i < n; i += WT_PANEL) {
                __mmask16 some = n - i >= WT_PANEL ? 0xffff : (__mmask16)((1u << (n - i)) - 1);
                __m512 v = _mm512_maskz_loadu_ps(some, s + i);

                if (rope)
                        v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(some, rope + i));
                _mm512_mask_storeu_ps(s + i, some, _mm512_mul_ps(v, _mm512_set1_ps(scale)));
        }
}

void wt_avx512_score(const float *qa, size_t ldqa, const float *qr, size_t ldqr, uint32_t n_q,
                     const float *ka, size_t ldka, uint32_t kd, const float *kr, size_t ldkr,
                     uint32_t rd, uint32_t n, float scale, float *score)
{
        const uint32_t most = GROUP * WT_PANEL;

        while (n_q > TILE512_MOST) {             /* the last of them, until few enough are left */
                n_q -= TILE512_MOST;
                wt_avx512_score(qa + n_q * ldqa, ldqa, kr ? qr + n_q * ldqr : NULL, ldqr,
                                TILE512_MOST, ka, ldka, kd, kr, ldkr, rd, n, scale,
                                score + (size_t)n_q * WT_PAGE);
        }
        for (uint32_t t = 0; t < n; t += most) {
                uint32_t keys = n - t < most ? n - t : most;

                keys48(qa, ldqa, n_q, ka + t * ldka, ldka, keys, kd, score + t, WT_PAGE);
                for (uint32_t q0 = 0; q0 < n_q; q0 += ROPE_QUERIES) {
                        uint32_t some = n_q - q0 < ROPE_QUERIES ? n_q - q0 : ROPE_QUERIES;
                        float rope[ROPE_QUERIES * GROUP * WT_PANEL];

                        if (kr)
                                keys48(qr + q0 * ldqr, ldqr, some, kr + t * ldkr, ldkr, keys, rd,
                                       rope, most);
                        for (uint32_t q = 0; q < some; q++)
                                add_rope(score + (q0 + q) * WT_PAGE + t,
                                         kr ? rope + q * most : NULL, keys, scale);
                }
        }
}

/* Whole panels of value columns. */
static void value_panels(struct tile512 t, const float *v, uint32_t n_q, uint32_t cols, float *u)
{
        bool few = n_q <= TILE512_FEW;
        uint32_t most = few ? tile512_panels(n_q) : GROUP;

        for (uint32_t c = 0, panels; c < cols; c += panels * WT_PANEL) {
                uint32_t left = (cols - c) / WT_PANEL;

                panels = left < most ? left : most;
                t.w = (const char *)(v + c);
                t.y = u + c;
                t.width = panels * WT_PANEL;
                if (few)
                        wt_avx512_tile(&t, n_q, panels);
                else
                        wt_avx512_tiles(&t, n_q, panels);
        }
}

void wt_avx512_segment(float *score, uint32_t n_q, uint32_t n, const float *v, size_t ldv,
                       uint32_t vd, float *m, float *l, float *u, size_t ldu)
{
        uint32_t whole = vd & ~(uint32_t)(WT_PANEL - 1);
        struct tile512 t = { .x = score, .ldx = WT_PAGE, .step = ldv * sizeof *v,
                             .panel = WT_PANEL * sizeof *v, .dtype = WT_F32, .n_k = n, .ldy = ldu,
                             .first = true };

        wt_avx2_weigh(score, n_q, n, m, l);
        value_panels(t, v, n_q, whole, u);
        if (whole < vd) {                        /* a panel that would read past the row: copied */
                float edge[WT_PAGE * WT_PANEL] = { 0 };

                for (uint32_t i = 0; i < n; i++)
                        memcpy(edge + i * WT_PANEL, v + i * ldv + whole, (vd - whole) * sizeof *v);
                t.w = (const char *)edge;
                t.step = WT_PANEL * sizeof *edge;
                t.y = u + whole;
                t.width = vd - whole;
                wt_avx512_tiles(&t, n_q, 1);
        }
}
