/* ref.c - every kernel as plain loops: the meaning of the vector kernels beside it. */
#include "math/half.h"
#include "math/kernels.h"
#include "math/wn1.h"

/* One output row of one panel: a chain per column and slab, slabs added in order (N2). */
static void panel_row(const struct wt_packed *w, uint32_t p, const float *x, float y[WT_PANEL])
{
        size_t step = WT_PANEL * dtype_bytes(w->dtype);
        const char *panel = (const char *)w->data + (size_t)p * w->k * step;

        for (uint32_t k0 = 0; k0 < w->k; k0 += WT_SLAB) {
                uint32_t k1 = w->k - k0 < WT_SLAB ? w->k : k0 + WT_SLAB;
                float acc[WT_PANEL] = { 0 }, wk[WT_PANEL];

                for (uint32_t k = k0; k < k1; k++) {
                        half_step(w->dtype, panel + k * step, wk);
                        for (int c = 0; c < WT_PANEL; c++)
                                acc[c] = WN1_FMAF(x[k], wk[c], acc[c]);
                }
                for (int c = 0; c < WT_PANEL; c++)
                        y[c] = k0 == 0 ? acc[c] : y[c] + acc[c];
        }
}

static void linear(const struct wt_packed *w, uint32_t p0, uint32_t p1, const float *x, size_t ldx,
                   uint32_t m, float *y, size_t ldy)
{
        for (uint32_t p = p0; p < p1; p++) {
                uint32_t o = p * WT_PANEL, n = w->n - o < WT_PANEL ? w->n - o : WT_PANEL;

                for (uint32_t r = 0; r < m; r++) {
                        float row[WT_PANEL];

                        panel_row(w, p, x + r * ldx, row);
                        memcpy(y + r * ldy + o, row, n * sizeof *row);
                }
        }
}

static void rms_norm(const float *x, const float *w, uint32_t d, float eps, float *y)
{
        float acc[16] = { 0 };

        for (uint32_t i = 0; i < d; i++)
                acc[i % 16] = WN1_FMAF(x[i], x[i], acc[i % 16]);
        float r = wn1_rms(wn1_fold16(acc), d, eps);
        for (uint32_t i = 0; i < d; i++)
                y[i] = x[i] * r * w[i];
}

static void silu_mul(const float *gate, const float *up, uint32_t n, float *out)
{
        for (uint32_t i = 0; i < n; i++)
                out[i] = wn1_silu(gate[i]) * up[i];
}

static void add(float *y, const float *x, uint32_t n)
{
        for (uint32_t i = 0; i < n; i++)
                y[i] = y[i] + x[i];
}

static void add2(const float *a, const float *b, uint32_t n, float *out)
{
        for (uint32_t i = 0; i < n; i++)
                out[i] = a[i] + b[i];
}

static void scale(const float *x, float s, uint32_t n, float *out)
{
        for (uint32_t i = 0; i < n; i++)
                out[i] = s * x[i];
}

static bool all_finite(const float *x, uint32_t n)
{
        uint32_t bad = 0;

        for (uint32_t i = 0; i < n; i++)
                bad |= (wn1_bits(x[i]) & 0x7f800000u) == 0x7f800000u;
        return !bad;
}

static void rope(float *x, uint32_t d, bool interleaved, const float *cos, const float *sin)
{
        uint32_t half = d / 2;

        for (uint32_t i = 0; i < half; i++) {
                if (interleaved)
                        wn1_rotate(x + 2 * i, x + 2 * i + 1, cos[i], sin[i]);
                else
                        wn1_rotate(x + i, x + half + i, cos[i], sin[i]);
        }
}

/* N2 of two rows. */
static float dot(const float *x, const float *w, uint32_t n)
{
        float y = 0.0f;

        for (uint32_t k0 = 0; k0 < n; k0 += WT_SLAB) {
                uint32_t k1 = n - k0 < WT_SLAB ? n : k0 + WT_SLAB;
                float acc = 0.0f;

                for (uint32_t k = k0; k < k1; k++)
                        acc = WN1_FMAF(x[k], w[k], acc);
                y = k0 == 0 ? acc : y + acc;
        }
        return y;
}

static void score(const float *qa, size_t ldqa, const float *qr, size_t ldqr, uint32_t n_q,
                  const float *ka, size_t ldka, uint32_t kd, const float *kr, size_t ldkr,
                  uint32_t rd, uint32_t n, float scale, float *score)
{
        for (uint32_t q = 0; q < n_q; q++) {
                for (uint32_t t = 0; t < n; t++) {
                        float s = dot(qa + q * ldqa, ka + t * ldka, kd);

                        if (kr)
                                s = s + dot(qr + q * ldqr, kr + t * ldkr, rd);
                        score[q * WT_PAGE + t] = s * scale;
                }
        }
}

static void segment(float *score, uint32_t n_q, uint32_t n, const float *v, size_t ldv, uint32_t vd,
                    float *m, float *l, float *u, size_t ldu)
{
        for (uint32_t q = 0; q < n_q; q++) {
                float *s = score + q * WT_PAGE, max = s[0], sum = 0.0f;

                for (uint32_t t = 1; t < n; t++)
                        max = wn1_maxf(max, s[t]);
                max = wn1_plus_zero(max);
                for (uint32_t t = 0; t < n; t++) {
                        s[t] = wn1_expf(s[t] - max);
                        sum = sum + s[t];
                }
                m[q] = max;
                l[q] = sum;
                for (uint32_t c = 0; c < vd; c++)
                        u[q * ldu + c] = 0.0f;
                for (uint32_t t = 0; t < n; t++)
                        for (uint32_t c = 0; c < vd; c++)
                                u[q * ldu + c] = WN1_FMAF(s[t], v[t * ldv + c], u[q * ldu + c]);
        }
}

static void merge(float *m1, float *l1, float *u1, float m2, float l2, const float *u2, uint32_t vd)
{
        float m = wn1_maxf(*m1, m2), a = wn1_expf(*m1 - m), b = wn1_expf(m2 - m);

        *m1 = m;
        *l1 = wn1_join(*l1, a, l2, b);
        for (uint32_t c = 0; c < vd; c++)
                u1[c] = wn1_join(u1[c], a, u2[c], b);
}

static void divide(const float *u, float l, uint32_t n, float *out)
{
        for (uint32_t i = 0; i < n; i++)
                out[i] = WN1_DIVF(u[i], l);
}

const struct wt_kernels wt_kernels_ref = {
        .name = "ref", .linear = linear, .rms_norm = rms_norm, .silu_mul = silu_mul, .add = add,
        .add2 = add2, .scale = scale, .finite = all_finite, .rope = rope, .score = score,
        .segment = segment, .merge = merge, .divide = divide,
};
