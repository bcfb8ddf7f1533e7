#include <stdlib.h>
#include <string.h>
#include "conform_ref.h"
#include "math/wn1.h"

const char *const cf_mutation_name[CF_MUTATIONS] = {
        "none",
        "reversed k",
        "no slabs",
        "one chain for latent and rope",
        "chunk-dependent softmax",
        "no spans",
        "expanded prefill",
        "arrival order",
        "key cached unrotated",
        "norm over all of kv_a",
};

/* N2, on from acc: one slab's chain. */
static float chain(const struct cf_ref *r, const float *x, const float *w, uint32_t n, float acc)
{
        for (uint32_t i = 0; i < n; i++) {
                uint32_t k = r->mutation == CF_REVERSED_K ? n - 1 - i : i;

                acc = WN1_FMAF(x[k], w[k], acc);
        }
        return acc;
}

static float dot(const struct cf_ref *r, const float *x, const float *w, uint32_t n)
{
        uint32_t slab = r->mutation == CF_NO_SLABS ? n : 512;
        float y = 0.0f;

        for (uint32_t k = 0; k < n; k += slab) {
                float part = chain(r, x + k, w + k, n - k < slab ? n - k : slab, 0.0f);

                y = k ? y + part : part;
        }
        return y;
}

static void linear(const struct cf_ref *r, const float *w, uint32_t n, uint32_t k, const float *x,
                   float *y)
{
        for (uint32_t o = 0; o < n; o++)
                y[o] = dot(r, x, w + (size_t)o * k, k);
}

/* N4, N10. */
static float rms_of(const float *x, uint32_t d, float eps)
{
        float acc[16] = { 0 };

        for (uint32_t i = 0; i < d; i++)
                acc[i % 16] = WN1_FMAF(x[i], x[i], acc[i % 16]);
        for (uint32_t half = 8; half; half /= 2)
                for (uint32_t j = 0; j < half; j++)
                        acc[j] = acc[j] + acc[j + half];
        return 1.0f / WN1_SQRTF(acc[0] / (float)d + eps);
}

static void norm(const float *x, const float *w, uint32_t d, float eps, float *y)
{
        float rms = rms_of(x, d, eps);

        for (uint32_t i = 0; i < d; i++)
                y[i] = x[i] * rms * w[i];
}

static void rotate(const struct cf_ref *r, float *x, uint32_t pos)
{
        uint32_t half = r->l->rope_dim / 2;

        for (uint32_t i = 0; i < half; i++) {
                uint32_t a = r->l->rope == WT_ROPE_INTERLEAVED ? 2 * i : i;
                uint32_t b = r->l->rope == WT_ROPE_INTERLEAVED ? 2 * i + 1 : i + half;
                float c = r->cos[(size_t)pos * half + i], s = r->sin[(size_t)pos * half + i];
                float xa = x[a], xb = x[b];

                x[a] = xa * c - xb * s;
                x[b] = xb * c + xa * s;
        }
}

/* ---- N5 for one query: keys as rows of (kd + rd), values as rows of vd ----------------------- */

struct sums { float m, l; float *u; };

struct keys { const float *key, *value; size_t ldk, ldv; uint32_t kd, rd, vd; };

static float score(const struct cf_ref *r, const struct keys *k, const float *q, const float *qr,
                   uint32_t t)
{
        const float *key = k->key + t * k->ldk;
        float s = dot(r, q, key, k->kd);

        if (k->rd && r->mutation == CF_ONE_CHAIN)
                return chain(r, qr, key + k->kd, k->rd, s) * r->l->attn_scale;
        if (k->rd)
                s = s + dot(r, qr, key + k->kd, k->rd);
        return s * r->l->attn_scale;
}

static void segment(const struct cf_ref *r, const struct keys *k, const float *q, const float *qr,
                    uint32_t t0, uint32_t t1, struct sums *to)
{
        float s[64] = { 0 };

        for (uint32_t t = t0; t < t1; t++)
                s[t - t0] = score(r, k, q, qr, t);
        to->m = s[0];
        for (uint32_t i = 1; i < t1 - t0; i++)
                to->m = s[i] > to->m ? s[i] : to->m;
        to->l = 0.0f;
        memset(to->u, 0, k->vd * sizeof *to->u);
        for (uint32_t t = t0; t < t1; t++) {
                float p = wn1_expf(s[t - t0] - to->m);

                to->l = to->l + p;
                for (uint32_t c = 0; c < k->vd; c++)
                        to->u[c] = WN1_FMAF(p, k->value[t * k->ldv + c], to->u[c]);
        }
}

static void merge(struct sums *a, const struct sums *b, uint32_t vd)
{
        float m = a->m > b->m ? a->m : b->m, wa = wn1_expf(a->m - m), wb = wn1_expf(b->m - m);

        a->l = WN1_FMAF(a->l, wa, b->l * wb);
        for (uint32_t c = 0; c < vd; c++)
                a->u[c] = WN1_FMAF(a->u[c], wa, b->u[c] * wb);
        a->m = m;
}

/* out (vd) of the query at position pos. */
static void look(const struct cf_ref *r, const struct keys *k, const float *q, const float *qr,
                 uint32_t pos, float *out)
{
        uint32_t seg = r->mutation == CF_CHUNK_SOFTMAX ? 17 : 64;
        uint32_t span = r->mutation == CF_NO_SPANS ? UINT32_MAX : 1024, n = pos + 1;
        float *u = malloc(3 * (size_t)k->vd * sizeof *u);
        struct sums all = { 0, 0, u }, sp = { 0, 0, u + k->vd }, one = { 0, 0, u + 2 * k->vd };

        for (uint32_t s0 = 0; s0 < n; s0 += span) {
                uint32_t s1 = n - s0 < span ? n : s0 + span;

                for (uint32_t t = s0; t < s1; t += seg) {
                        segment(r, k, q, qr, t, s1 - t < seg ? s1 : t + seg, t == s0 ? &sp : &one);
                        if (t > s0)
                                merge(&sp, &one, k->vd);
                }
                if (s0 == 0) {
                        all.m = sp.m;
                        all.l = sp.l;
                        memcpy(all.u, sp.u, k->vd * sizeof *all.u);
                } else {
                        merge(&all, &sp, k->vd);
                }
                if (s1 == n)
                        break;
        }
        for (uint32_t c = 0; c < k->vd; c++)
                out[c] = all.u[c] / all.l;
        free(u);
}

/* ---- MLA ------------------------------------------------------------------------------------- */

static void mla_key(const struct cf_ref *r, const float *x, uint32_t pos, float *row)
{
        const struct wt_layer *l = r->l;
        uint32_t n = l->kv_rank + l->rope_dim;
        float rms;

        linear(r, r->kv_a, n, l->width, x, row);
        rms = rms_of(row, r->mutation == CF_NORM_OVER_ALL ? n : l->kv_rank, l->latent_eps);
        for (uint32_t i = 0; i < l->kv_rank; i++)
                row[i] = row[i] * rms * r->kv_a_norm[i];
        if (r->mutation != CF_KEY_UNROTATED)
                rotate(r, row + l->kv_rank, pos);
}

/* Absorbed: qhat = W_UK' q_n, latent = sum p c, o = W_UV latent. */
static void mla_head(const struct cf_ref *r, const float *cache, const float *q, uint32_t h,
                     uint32_t pos, float *o)
{
        const struct wt_layer *l = r->l;
        const float *b = r->kv_b + (size_t)h * (l->nope + l->v_dim) * l->kv_rank;
        size_t row = l->kv_rank + l->rope_dim;
        struct keys k = { cache, cache, row, row, l->kv_rank, l->rope_dim, l->kv_rank };
        float *qhat = malloc((2 * (size_t)l->kv_rank + l->nope) * sizeof *qhat),
              *u = qhat + l->kv_rank;
        float *column = u + l->kv_rank;

        for (uint32_t c = 0; c < l->kv_rank; c++) {
                for (uint32_t i = 0; i < l->nope; i++)
                        column[i] = b[(size_t)i * l->kv_rank + c];
                qhat[c] = dot(r, q, column, l->nope);
        }
        look(r, &k, qhat, q + l->nope, pos, u);
        linear(r, b + (size_t)l->nope * l->kv_rank, l->v_dim, l->kv_rank, u, o);
        free(qhat);
}

static void mla_head_expanded(const struct cf_ref *r, const float *cache, const float *q,
                              uint32_t h, uint32_t pos, float *o)
{
        const struct wt_layer *l = r->l;
        const float *b = r->kv_b + (size_t)h * (l->nope + l->v_dim) * l->kv_rank;
        size_t from = l->kv_rank + l->rope_dim, row = l->nope + l->rope_dim + l->v_dim;
        float *e = malloc((pos + 1) * row * sizeof *e);
        struct keys k = { e, e + l->nope + l->rope_dim, row, row, l->nope, l->rope_dim, l->v_dim };

        for (uint32_t t = 0; t <= pos; t++) {
                const float *c = cache + t * from;
                float *to = e + t * row;

                linear(r, b, l->nope, l->kv_rank, c, to);
                memcpy(to + l->nope, c + l->kv_rank, l->rope_dim * sizeof *to);
                linear(r, b + (size_t)l->nope * l->kv_rank, l->v_dim, l->kv_rank, c,
                       to + l->nope + l->rope_dim);
        }
        look(r, &k, q, q + l->nope, pos, o);
        free(e);
}

static void mla_row(const struct cf_ref *r, const float *cache, const float *x, uint32_t pos,
                    float *o)
{
        const struct wt_layer *l = r->l;
        uint32_t hq = l->nope + l->rope_dim;
        float *cq = malloc(((size_t)l->q_rank + l->n_heads * hq) * sizeof *cq), *q = cq + l->q_rank;

        if (l->q_rank) {
                linear(r, r->q_a, l->q_rank, l->width, x, cq);
                norm(cq, r->q_a_norm, l->q_rank, l->latent_eps, cq);
        }
        linear(r, r->q, l->n_heads * hq, l->q_rank ? l->q_rank : l->width, l->q_rank ? cq : x, q);
        for (uint32_t h = 0; h < l->n_heads; h++) {
                rotate(r, q + h * hq + l->nope, pos);
                (r->mutation == CF_EXPANDED ? mla_head_expanded : mla_head)(r, cache, q + h * hq, h,
                                                                            pos, o + h * l->v_dim);
        }
        free(cq);
}

/* ---- GQA: cache row = [all keys | all values] ------------------------------------------------ */

static void gqa_key(const struct cf_ref *r, const float *x, uint32_t pos, float *row)
{
        const struct wt_layer *l = r->l;
        uint32_t n = l->n_kv_heads * l->head_dim;

        linear(r, r->k, n, l->width, x, row);
        linear(r, r->v, n, l->width, x, row + n);
        for (uint32_t h = 0; h < l->n_kv_heads && r->mutation != CF_KEY_UNROTATED; h++)
                rotate(r, row + h * l->head_dim, pos);
}

static void gqa_row(const struct cf_ref *r, const float *cache, const float *x, uint32_t pos,
                    float *o)
{
        const struct wt_layer *l = r->l;
        uint32_t hd = l->head_dim, n = l->n_kv_heads * hd;
        float *q = malloc((size_t)l->n_heads * hd * sizeof *q);

        linear(r, r->q, l->n_heads * hd, l->width, x, q);
        for (uint32_t h = 0; h < l->n_heads; h++) {
                uint32_t kv = h / (l->n_heads / l->n_kv_heads);
                struct keys k = { cache + kv * hd, cache + n + kv * hd, 2 * n, 2 * n, hd, 0, hd };

                rotate(r, q + h * hd, pos);
                look(r, &k, q + h * hd, NULL, pos, o + h * hd);
        }
        free(q);
}

void cf_attend(const struct cf_ref *r, float *h, uint32_t n, const uint8_t *want)
{
        const struct wt_layer *l = r->l;
        int mla = l->attn == WT_ATTN_MLA;
        uint32_t d = l->width, width = l->n_heads * (mla ? l->v_dim : l->head_dim);
        size_t row = mla ? l->kv_rank + l->rope_dim : 2 * l->n_kv_heads * l->head_dim;
        float *x = malloc((n * ((size_t)d + row) + width + d) * sizeof *x),
              *cache = x + (size_t)n * d;
        float *o = cache + n * row, *y = o + width;

        for (uint32_t t = 0; t < n; t++) {
                norm(h + (size_t)t * d, r->attn_norm, d, l->eps, x + (size_t)t * d);
                (mla ? mla_key : gqa_key)(r, x + (size_t)t * d, t, cache + t * row);
        }
        for (uint32_t t = 0; t < n; t++) {
                if (want && !want[t])
                        continue;
                (mla ? mla_row : gqa_row)(r, cache, x + (size_t)t * d, t, o);
                linear(r, r->o, d, width, o, y);
                for (uint32_t i = 0; i < d; i++)
                        h[(size_t)t * d + i] = h[(size_t)t * d + i] + y[i];
        }
        free(x);
}

/* ---- gate ------------------------------------------------------------------------------------ */

static void softmax(float *z, uint32_t n)
{
        float m = z[0], sum = 0.0f;

        for (uint32_t i = 1; i < n; i++)
                m = z[i] > m ? z[i] : m;
        for (uint32_t i = 0; i < n; i++) {
                z[i] = wn1_expf(z[i] - m);
                sum = sum + z[i];
        }
        for (uint32_t i = 0; i < n; i++)
                z[i] = z[i] / sum;
}

/* Index of the largest of b among those still allowed; ties to the lowest. */
static uint32_t largest(const float *b, const uint8_t *allowed, uint32_t n)
{
        uint32_t best = n;

        for (uint32_t i = 0; i < n; i++)
                if (allowed[i] && (best == n || b[i] > b[best]))
                        best = i;
        return best;
}

/* Leaves only the members of the kept groups allowed. */
static void keep_groups(const struct wt_layer *l, const float *b, uint8_t *allowed)
{
        uint32_t each = l->n_experts / l->n_group;
        float score[64];
        uint8_t open[64], kept[64] = { 0 };

        for (uint32_t g = 0; g < l->n_group; g++) {
                uint8_t in[4096];

                memset(in, 1, each);
                uint32_t i = largest(b + g * each, in, each);

                score[g] = b[g * each + i];
                in[i] = 0;
                if (l->select == WT_SELECT_GROUP_TOP2 && each > 1)
                        score[g] = score[g] + b[g * each + largest(b + g * each, in, each)];
                open[g] = 1;
        }
        for (uint32_t n = 0; n < l->n_group_kept; n++) {
                uint32_t g = largest(score, open, l->n_group);

                open[g] = 0;
                kept[g] = 1;
        }
        for (uint32_t e = 0; e < l->n_experts; e++)
                allowed[e] = kept[e / each];
}

void cf_gate(const struct cf_ref *r, const float *h, float *x, int32_t *pick, float *weight)
{
        const struct wt_layer *l = r->l;
        uint32_t e_n = l->n_experts, n = 0;
        float *s = malloc(2 * e_n * sizeof *s), *b = s + e_n, sum = 0.0f;
        uint8_t *allowed = malloc(2 * e_n), *picked = allowed + e_n;

        norm(h, r->ffn_norm, l->width, l->eps, x);
        linear(r, r->gate, e_n, l->width, x, s);
        if (l->score == WT_SCORE_SOFTMAX)
                softmax(s, e_n);
        for (uint32_t e = 0; e < e_n; e++) {
                if (l->score == WT_SCORE_SIGMOID)
                        s[e] = 1.0f / (1.0f + wn1_expf(-s[e]));
                b[e] = l->has_bias ? s[e] + r->bias[e] : s[e];
        }
        memset(allowed, 1, e_n);
        memset(picked, 0, e_n);
        if (l->select != WT_SELECT_TOP)
                keep_groups(l, b, allowed);
        for (uint32_t i = 0; i < l->n_picks; i++) {
                uint32_t e = largest(b, allowed, e_n);

                allowed[e] = 0;
                picked[e] = 1;
        }
        for (uint32_t e = 0; e < e_n; e++)
                if (picked[e]) {
                        pick[n] = (int32_t)e;
                        weight[n++] = s[e];
                }
        if (l->score == WT_SCORE_SOFTMAX_PICKED)
                softmax(weight, n);
        for (uint32_t i = 0; i < n; i++)
                sum = sum + weight[i];
        for (uint32_t i = 0; i < n; i++) {
                if (l->normalise && l->score != WT_SCORE_SOFTMAX_PICKED)
                        weight[i] = weight[i] / (sum + 1e-20f);
                weight[i] = weight[i] * l->weight_scale;
        }
        free(s);
        free(allowed);
}

/* ---- feed-forward ---------------------------------------------------------------------------- */

static void swiglu(const struct cf_ref *r, const float *gate, const float *up, const float *down,
                   uint32_t f, const float *x, float *y)
{
        uint32_t d = r->l->width;
        float *a = malloc(2 * (size_t)f * sizeof *a), *b = a + f;

        linear(r, gate, f, d, x, a);
        linear(r, up, f, d, x, b);
        for (uint32_t i = 0; i < f; i++)
                a[i] = a[i] / (1.0f + wn1_expf(-a[i])) * b[i];
        linear(r, down, d, f, a, y);
        free(a);
}

void cf_leaf(const struct cf_ref *r, uint32_t e, const float *x, float w, float *y)
{
        uint32_t d = r->l->width, f = r->l->expert_hidden;
        size_t at = (size_t)e * f * d;

        swiglu(r, r->e_gate + at, r->e_up + at, r->e_down + at, f, x, y);
        for (uint32_t i = 0; i < d; i++)
                y[i] = w * y[i];
}

/* One number of the trie over ids [lo, lo + 2^bits): leaf (K, D), pick (K). False: none inside. */
static int trie(const struct cf_ref *r, const float *leaf, const int32_t *pick, uint32_t i,
                uint32_t lo, uint32_t bits, float *out)
{
        float a, b;
        int left, right;

        if (bits == 0) {
                for (uint32_t k = 0; k < r->l->n_picks; k++)
                        if (pick[k] == (int32_t)lo) {
                                *out = leaf[(size_t)k * r->l->width + i];
                                return 1;
                        }
                return 0;
        }
        left = trie(r, leaf, pick, i, lo, bits - 1, &a);
        right = trie(r, leaf, pick, i, lo + (1u << (bits - 1)), bits - 1, &b);
        *out = left && right ? a + b : left ? a : b;
        return left || right;
}

static void moe(const struct cf_ref *r, float *h)
{
        const struct wt_layer *l = r->l;
        uint32_t d = l->width, bits = 0;
        float *x = malloc((size_t)d * (l->n_picks + 2) * sizeof *x), *leaf = x + d;
        float *shared = leaf + (size_t)l->n_picks * d,
              *weight = malloc(l->n_picks * sizeof *weight);
        int32_t *pick = malloc(l->n_picks * sizeof *pick);

        cf_gate(r, h, x, pick, weight);
        while ((1u << bits) < l->n_experts)
                bits++;
        for (uint32_t k = 0; k < l->n_picks; k++)
                cf_leaf(r, (uint32_t)pick[k], x, weight[k], leaf + (size_t)k * d);
        if (l->shared_hidden)
                swiglu(r, r->ffn_gate, r->ffn_up, r->ffn_down, l->shared_hidden, x, shared);
        for (uint32_t i = 0; i < d; i++) {
                float sum;

                trie(r, leaf, pick, i, 0, bits, &sum);
                if (r->mutation == CF_ARRIVAL_ORDER) {
                        sum = leaf[(size_t)(l->n_picks - 1) * d + i];
                        for (uint32_t k = l->n_picks - 1; k-- > 0;)
                                sum = sum + leaf[(size_t)k * d + i];
                }
                h[i] = h[i] + (l->shared_hidden ? sum + shared[i] : sum);
        }
        free(x);
        free(weight);
        free(pick);
}

void cf_ffn(const struct cf_ref *r, float *h)
{
        uint32_t d = r->l->width;
        float *x;

        if (r->l->ffn == WT_FFN_MOE) {
                moe(r, h);
                return;
        }
        x = calloc(2 * (size_t)d, sizeof *x);
        norm(h, r->ffn_norm, d, r->l->eps, x);
        swiglu(r, r->ffn_gate, r->ffn_up, r->ffn_down, r->l->hidden, x, x + d);
        for (uint32_t i = 0; i < d; i++)
                h[i] = h[i] + x[d + i];
        free(x);
}

void cf_head(const struct cf_ref *r, const float *h, float *logits)
{
        float *x = malloc(r->l->width * sizeof *x);

        norm(h, r->norm, r->l->width, r->l->eps, x);
        linear(r, r->head, r->vocab, r->l->width, x, logits);
        free(x);
}
