/* avx2_attend.c - a segment of attention (N5). Lanes are outputs here too: 16 keys for a score, 16
 * columns of the value for u. Keys lie in rows, so that 16 of them are turned into a panel first;
 * value rows are a panel as they lie. */
#include "math/avx2.h"
#include "math/avx2_tile.h"

enum { ROPE_QUERIES = 48 };                      /* queries whose rope scores are held at once */

static const float zeros[WT_SLAB];               /* stands for a key that is not there */

/* Four rows i and i+4 side by side: the halves of a register are loaded, not shuffled. */
static inline __m256 two_rows(const float *lo, const float *hi)
{
        return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(lo)), _mm_loadu_ps(hi), 1);
}

/* Numbers k..k+3 of eight rows, as four times eight lanes. */
static inline void turn4(const float *const row[8], uint32_t k, float *to)
{
        __m256 a = two_rows(row[0] + k, row[4] + k), b = two_rows(row[1] + k, row[5] + k);
        __m256 c = two_rows(row[2] + k, row[6] + k), d = two_rows(row[3] + k, row[7] + k);
        __m256 ab0 = _mm256_unpacklo_ps(a, b), ab2 = _mm256_unpackhi_ps(a, b);
        __m256 cd0 = _mm256_unpacklo_ps(c, d), cd2 = _mm256_unpackhi_ps(c, d);

        _mm256_storeu_ps(to, _mm256_shuffle_ps(ab0, cd0, 0x44));
        _mm256_storeu_ps(to + WT_PANEL, _mm256_shuffle_ps(ab0, cd0, 0xee));
        _mm256_storeu_ps(to + 2 * WT_PANEL, _mm256_shuffle_ps(ab2, cd2, 0x44));
        _mm256_storeu_ps(to + 3 * WT_PANEL, _mm256_shuffle_ps(ab2, cd2, 0xee));
}

/* Numbers [0, n_k) of up to 16 keys as a panel. n_k <= WT_SLAB. */
void wt_avx2_turn_keys(const float *key, size_t ld, uint32_t n_keys, uint32_t n_k, float *panel)
{
        const float *row[WT_PANEL];
        uint32_t k;

        for (uint32_t i = 0; i < WT_PANEL; i++)
                row[i] = i < n_keys ? key + i * ld : zeros;
        for (k = 0; k + 4 <= n_k; k += 4) {
                turn4(row, k, panel + k * WT_PANEL);
                turn4(row + 8, k, panel + k * WT_PANEL + 8);
        }
        for (; k < n_k; k++)
                for (uint32_t i = 0; i < WT_PANEL; i++)
                        panel[k * WT_PANEL + i] = row[i][k];
}

/* y[q][0..n_keys) = N2(x[q] . key), all queries, up to 16 keys. */
static void keys16(const float *x, size_t ldx, uint32_t n_q, const float *key, size_t ld,
                   uint32_t n_keys, uint32_t n_k, float *y, size_t ldy)
{
        float panel[WT_SLAB * WT_PANEL] __attribute__((aligned(64)));

        for (uint32_t k0 = 0; k0 < n_k; k0 += WT_SLAB) {
                struct tile t = { .x = x + k0, .ldx = ldx, .w = (const char *)panel,
                                  .step = WT_PANEL * sizeof *panel, .dtype = WT_F32,
                                  .n_k = n_k - k0 < WT_SLAB ? n_k - k0 : WT_SLAB,
                                  .y = y, .ldy = ldy, .width = n_keys, .first = k0 == 0 };

                wt_avx2_turn_keys(key + k0, ld, n_keys, t.n_k, panel);
                wt_avx2_tiles(&t, n_q);
        }
}

void wt_avx2_score(const float *qa, size_t ldqa, const float *qr, size_t ldqr, uint32_t n_q,
                   const float *ka, size_t ldka, uint32_t kd, const float *kr, size_t ldkr,
                   uint32_t rd, uint32_t n, float scale, float *score)
{
        for (uint32_t t = 0; t < n; t += WT_PANEL) {
                uint32_t keys = n - t < WT_PANEL ? n - t : WT_PANEL;

                keys16(qa, ldqa, n_q, ka + t * ldka, ldka, keys, kd, score + t, WT_PAGE);
                for (uint32_t q0 = 0; q0 < n_q; q0 += ROPE_QUERIES) {
                        uint32_t some = n_q - q0 < ROPE_QUERIES ? n_q - q0 : ROPE_QUERIES;
                        float rope[ROPE_QUERIES * WT_PANEL];

                        if (kr)
                                keys16(qr + q0 * ldqr, ldqr, some, kr + t * ldkr, ldkr, keys, rd,
                                       rope, WT_PANEL);
                        for (uint32_t q = 0; q < some; q++) {
                                float *s = score + (q0 + q) * WT_PAGE + t;

                                for (uint32_t i = 0; i < keys; i++) {
                                        float v = kr ? s[i] + rope[q * WT_PANEL + i] : s[i];

                                        s[i] = v * scale;
                                }
                        }
                }
        }
}

/* s = exp(s - max); returns max, a zero as +0. */
static float weigh(float *s, uint32_t n)
{
        float max = s[0];
        uint32_t t = 0;

        if (n >= 8) {
                __m256 top = _mm256_loadu_ps(s);

                for (t = 8; t + 8 <= n; t += 8)
                        top = _mm256_max_ps(top, _mm256_loadu_ps(s + t));
                float lane[8];

                _mm256_storeu_ps(lane, top);
                max = lane[0];
                for (int i = 1; i < 8; i++)
                        max = wn1_maxf(max, lane[i]);
        }
        for (; t < n; t++)
                max = wn1_maxf(max, s[t]);
        max = wn1_plus_zero(max);
        for (t = 0; t + 8 <= n; t += 8)
                _mm256_storeu_ps(s + t, avx2_exp(_mm256_sub_ps(_mm256_loadu_ps(s + t),
                                                               _mm256_set1_ps(max))));
        for (; t < n; t++)
                s[t] = wn1_expf(s[t] - max);
        return max;
}

/* l[q] = sum of row q, upward; up to four queries at a time hide the latency of the adds. */
static void normalisers(const float *p, uint32_t n_q, uint32_t n, float *l)
{
        uint32_t q = 0;

        for (; q + 4 <= n_q; q += 4, p += 4 * WT_PAGE) {
                float a = 0.0f, b = 0.0f, c = 0.0f, d = 0.0f;

                for (uint32_t t = 0; t < n; t++) {
                        a = a + p[t];
                        b = b + p[WT_PAGE + t];
                        c = c + p[2 * WT_PAGE + t];
                        d = d + p[3 * WT_PAGE + t];
                }
                l[q] = a;
                l[q + 1] = b;
                l[q + 2] = c;
                l[q + 3] = d;
        }
        for (; q < n_q; q++, p += WT_PAGE) {
                float a = 0.0f;

                for (uint32_t t = 0; t < n; t++)
                        a = a + p[t];
                l[q] = a;
        }
}

void wt_avx2_weigh(float *score, uint32_t n_q, uint32_t n, float *m, float *l)
{
        for (uint32_t q = 0; q < n_q; q++)
                m[q] = weigh(score + q * WT_PAGE, n);
        normalisers(score, n_q, n, l);
}

/* Whole panels of value columns [c0, c1), c1 - c0 a multiple of 16. */
static void value_panels(struct tile t, const float *v, uint32_t n_q, uint32_t cols, float *u)
{
        for (uint32_t c = 0, panels; c < cols; c += panels * WT_PANEL) {
                uint32_t left = (cols - c) / WT_PANEL, most = n_q == 1 ? TILE_PANELS : 1;

                panels = left < most ? left : most;
                t.w = (const char *)(v + c);
                t.y = u + c;
                t.width = panels * WT_PANEL;
                if (n_q == 1)
                        wt_avx2_tile(&t, 1, panels);
                else
                        wt_avx2_tiles(&t, n_q);
        }
}

void wt_avx2_segment(float *score, uint32_t n_q, uint32_t n, const float *v, size_t ldv,
                     uint32_t vd, float *m, float *l, float *u, size_t ldu)
{
        uint32_t whole = vd & ~(uint32_t)(WT_PANEL - 1);
        struct tile t = { .x = score, .ldx = WT_PAGE, .step = ldv * sizeof *v,
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
                wt_avx2_tiles(&t, n_q);
        }
}

void wt_avx2_merge(float *m1, float *l1, float *u1, float m2, float l2, const float *u2,
                   uint32_t vd)
{
        float m = wn1_maxf(*m1, m2), a = wn1_expf(*m1 - m), b = wn1_expf(m2 - m);
        __m256 av = _mm256_set1_ps(a), bv = _mm256_set1_ps(b);
        uint32_t c;

        *m1 = m;
        *l1 = wn1_join(*l1, a, l2, b);
        for (c = 0; c + 8 <= vd; c += 8) {
                __m256 other = _mm256_mul_ps(_mm256_loadu_ps(u2 + c), bv);

                _mm256_storeu_ps(u1 + c, _mm256_fmadd_ps(_mm256_loadu_ps(u1 + c), av, other));
        }
        for (; c < vd; c++)
                u1[c] = wn1_join(u1[c], a, u2[c], b);
}
