#include "conform_model.h"
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/rng.h"
#include "math/wn1.h"

#define MLA(d, h, qr, kv, no, ro, v)                                                               \
        .size = sizeof(struct wt_layer), .width = d, .eps = 1e-5f, .attn = WT_ATTN_MLA,            \
        .n_heads = h, .q_rank = qr, .kv_rank = kv, .nope = no, .rope_dim = ro, .v_dim = v,         \
        .latent_eps = 1e-6f, .attn_scale = 0.7f
#define GQA(d, h, kvh, hd)                                                                         \
        .size = sizeof(struct wt_layer), .width = d, .eps = 1e-6f, .attn = WT_ATTN_GQA,            \
        .n_heads = h, .n_kv_heads = kvh, .head_dim = hd, .rope_dim = hd, .attn_scale = 0.6f
#define DENSE(f) .ffn = WT_FFN_DENSE, .hidden = f, .weight_scale = 1.0f
#define MOE(e, k, f, sh)                                                                           \
        .ffn = WT_FFN_MOE, .n_experts = e, .n_picks = k, .expert_hidden = f, .shared_hidden = sh

/* Widths that 16 does not divide, K past one slab, more heads than a tile, every gate and rope. */
const struct cf_case cf_cases[] = {
        {"mla without q_rank, dense",
         WT_F32,
         {MLA(72, 3, 0, 20, 10, 6, 9), .rope = WT_ROPE_INTERLEAVED, DENSE(50)}},
        {"mla with q_rank, sigmoid gate by two best of a group, bias",
         WT_BF16,
         {MLA(530, 4, 28, 36, 12, 8, 20), .rope = WT_ROPE_INTERLEAVED, MOE(16, 3, 24, 40),
          .score = WT_SCORE_SIGMOID, .select = WT_SELECT_GROUP_TOP2, .n_group = 4,
          .n_group_kept = 2, .normalise = 1, .weight_scale = 2.5f, .has_bias = 1}},
        {"mla of 130 heads and a latent past one slab, softmax gate by best of a group",
         WT_F32,
         {MLA(40, 130, 17, 520, 5, 4, 3), .rope = WT_ROPE_HALVES, MOE(12, 4, 18, 0),
          .score = WT_SCORE_SOFTMAX, .select = WT_SELECT_GROUP_MAX, .n_group = 3, .n_group_kept = 2,
          .weight_scale = 16.0f}},
        {"gqa halves, softmax of the picked",
         WT_F16,
         {GQA(64, 6, 2, 16), .rope = WT_ROPE_HALVES, MOE(8, 2, 33, 0),
          .score = WT_SCORE_SOFTMAX_PICKED, .select = WT_SELECT_TOP, .weight_scale = 1.0f}},
        {"gqa interleaved, a head each, dense past one slab",
         WT_BF16,
         {GQA(48, 4, 4, 10), .rope = WT_ROPE_INTERLEAVED, DENSE(600)}},
        {"gqa of one kv head, softmax gate normalised, eleven experts",
         WT_F32,
         {GQA(56, 5, 1, 24), .rope = WT_ROPE_HALVES, MOE(11, 5, 20, 12), .score = WT_SCORE_SOFTMAX,
          .select = WT_SELECT_TOP, .normalise = 1, .weight_scale = 1.0f}},
};
const uint32_t cf_n_cases = sizeof cf_cases / sizeof *cf_cases;

/* ---- tensors --------------------------------------------------------------------------------- */

/* The bits of x in the dtype, truncated; wide: what they mean. */
static void put(uint32_t dtype, void *src, size_t i, float x, float *wide)
{
        uint32_t b = wn1_bits(x), sign = b >> 16 & 0x8000;
        int32_t e = (int32_t)(b >> 23 & 255) - 127 + 15;

        if (dtype == WT_F32) {
                ((float *)src)[i] = *wide = x;
        } else if (dtype == WT_BF16) {
                ((uint16_t *)src)[i] = (uint16_t)(b >> 16);
                *wide = wn1_float(b & 0xffff0000u);
        } else if (e > 0) {
                ((uint16_t *)src)[i] = (uint16_t)(sign | (uint32_t)e << 10 | (b >> 13 & 0x3ff));
                *wide = wn1_float(b & 0xffffe000u);
        } else {                                 /* subnormal half: whole units of 2^-24 */
                uint32_t units = (uint32_t)((x < 0 ? -x : x) * 0x1p24f);

                ((uint16_t *)src)[i] = (uint16_t)(sign | units);
                *wide = (float)units * (x < 0 ? -0x1p-24f : 0x1p-24f);
        }
}

static size_t numbers(const struct wt_matrix *m)
{
        return (size_t)m->n_mat * m->n_out * m->n_in;
}

/* Numbers around mean, spread over +-range, drawn by (case, slot, index). */
static void tensor(struct cf_model *m, enum cf_slot slot, uint32_t form, uint32_t n_mat,
                   uint32_t n_out, uint32_t n_in, float mean, float range)
{
        struct cf_tensor *t = m->t + slot;
        uint32_t dtype = form == WT_FORM_LINEAR ? m->c->dtype : WT_F32;
        size_t n;

        t->m = (struct wt_matrix){
                sizeof t->m, form, dtype, n_mat, n_out, n_in, (uint64_t)n_out * n_in, n_in, 1};
        n = numbers(&t->m);
        t->src = malloc(n * sizeof(float));
        t->wide = malloc(n * sizeof(float));
        for (size_t i = 0; i < n; i++) {
                double u =
                        wt_philox_unit(0x77697431, (uint32_t)(m->c - cf_cases), slot, (uint32_t)i);

                put(dtype, t->src, i, mean + range * (float)(2.0 * u - 1.0), t->wide + i);
        }
}

static void linear(struct cf_model *m, enum cf_slot slot, uint32_t n_mat, uint32_t n_out,
                   uint32_t n_in)
{
        tensor(m, slot, WT_FORM_LINEAR, n_mat, n_out, n_in, 0.0f, 2.5f / WN1_SQRTF((float)n_in));
}

static void vector(struct cf_model *m, enum cf_slot slot, uint32_t n, float mean, float range)
{
        tensor(m, slot, WT_FORM_VECTOR, 1, n, 1, mean, range);
}

static void attention(struct cf_model *m)
{
        const struct wt_layer *l = &m->l;
        uint32_t h = l->n_heads, each = l->nope + l->v_dim, d = l->width;

        vector(m, CF_ATTN_NORM, d, 1.0f, 0.4f);
        if (l->attn == WT_ATTN_GQA) {
                linear(m, CF_Q, 1, h * l->head_dim, d);
                linear(m, CF_K, 1, l->n_kv_heads * l->head_dim, d);
                linear(m, CF_V, 1, l->n_kv_heads * l->head_dim, d);
                linear(m, CF_O, 1, d, h * l->head_dim);
                return;
        }
        if (l->q_rank) {
                linear(m, CF_Q_A, 1, l->q_rank, d);
                vector(m, CF_Q_A_NORM, l->q_rank, 1.0f, 0.4f);
        }
        linear(m, CF_Q, 1, h * (l->nope + l->rope_dim), l->q_rank ? l->q_rank : d);
        linear(m, CF_KV_A, 1, l->kv_rank + l->rope_dim, d);
        vector(m, CF_KV_A_NORM, l->kv_rank, 1.0f, 0.4f);
        linear(m, CF_KV_B, 1, h * each, l->kv_rank);
        linear(m, CF_O, 1, d, h * l->v_dim);
        /* W_UK transposed and W_UV: two views of kv_b. */
        m->t[CF_UK_T] = (struct cf_tensor){ .src = m->t[CF_KV_B].src, .view = true, .m = {
                sizeof(struct wt_matrix), WT_FORM_LINEAR, m->c->dtype, h, l->kv_rank, l->nope,
                (uint64_t)each * l->kv_rank, 1, l->kv_rank } };
        m->t[CF_UV] = (struct cf_tensor){.src = m->t[CF_KV_B].src,
                                         .view = true,
                                         .src_at = (size_t)l->nope * l->kv_rank,
                                         .m = {sizeof(struct wt_matrix), WT_FORM_LINEAR,
                                               m->c->dtype, h, l->v_dim, l->kv_rank,
                                               (uint64_t)each * l->kv_rank, l->kv_rank, 1}};
}

static void feed_forward(struct cf_model *m)
{
        const struct wt_layer *l = &m->l;
        uint32_t d = l->width, f = l->ffn == WT_FFN_DENSE ? l->hidden : l->shared_hidden;

        vector(m, CF_FFN_NORM, d, 1.0f, 0.4f);
        if (f) {
                linear(m, CF_FFN_GATE, 1, f, d);
                linear(m, CF_FFN_UP, 1, f, d);
                linear(m, CF_FFN_DOWN, 1, d, f);
        }
        if (l->ffn != WT_FFN_MOE)
                return;
        linear(m, CF_GATE, 1, l->n_experts, d);
        if (l->has_bias)
                vector(m, CF_BIAS, l->n_experts, -0.1f, 0.3f);
        linear(m, CF_E_GATE, l->n_experts, l->expert_hidden, d);
        linear(m, CF_E_UP, l->n_experts, l->expert_hidden, d);
        linear(m, CF_E_DOWN, l->n_experts, d, l->expert_hidden);
}

static void rope_tables(struct cf_model *m)
{
        uint32_t half = m->l.rope_dim / 2;

        tensor(m, CF_COS, WT_FORM_ROWS, 1, m->positions, half, 0.0f, 0.0f);
        tensor(m, CF_SIN, WT_FORM_ROWS, 1, m->positions, half, 0.0f, 0.0f);
        for (uint32_t p = 0; p < m->positions; p++)
                for (uint32_t i = 0; i < half; i++) {
                        float freq = WN1_DIVF(1.0f, (float)(1 + i * i));
                        size_t at = (size_t)p * half + i;

                        m->t[CF_COS].wide[at] = (float)wn1_cos((float)p * freq);
                        m->t[CF_SIN].wide[at] = (float)wn1_sin((float)p * freq);
                }
        memcpy(m->t[CF_COS].src, m->t[CF_COS].wide, numbers(&m->t[CF_COS].m) * sizeof(float));
        memcpy(m->t[CF_SIN].src, m->t[CF_SIN].wide, numbers(&m->t[CF_SIN].m) * sizeof(float));
}

void cf_model_new(struct cf_model *m, const struct cf_case *c, uint32_t positions)
{
        const struct cf_tensor *t = m->t;
        uint32_t nan = 0x7fc00000;

        memset(m, 0, sizeof *m);
        m->c = c;
        m->l = c->l;
        m->positions = positions;
        attention(m);
        feed_forward(m);
        rope_tables(m);
        vector(m, CF_NORM, m->l.width, 1.0f, 0.4f);
        linear(m, CF_HEAD, 1, CF_VOCAB, m->l.width);
        tensor(m, CF_EMBED, WT_FORM_ROWS, 1, CF_VOCAB, m->l.width, 0.0f, 1.5f);
        memcpy((float *)t[CF_EMBED].src + (size_t)(CF_VOCAB - 1) * m->l.width + 1, &nan,
               sizeof nan);
        m->ref = (struct cf_ref){
                .l = &m->l, .attn_norm = t[CF_ATTN_NORM].wide, .q_a = t[CF_Q_A].wide,
                .q_a_norm = t[CF_Q_A_NORM].wide, .q = t[CF_Q].wide, .kv_a = t[CF_KV_A].wide,
                .kv_a_norm = t[CF_KV_A_NORM].wide, .kv_b = t[CF_KV_B].wide, .k = t[CF_K].wide,
                .v = t[CF_V].wide, .o = t[CF_O].wide, .ffn_norm = t[CF_FFN_NORM].wide,
                .gate = t[CF_GATE].wide, .bias = t[CF_BIAS].wide, .ffn_gate = t[CF_FFN_GATE].wide,
                .ffn_up = t[CF_FFN_UP].wide, .ffn_down = t[CF_FFN_DOWN].wide,
                .e_gate = t[CF_E_GATE].wide, .e_up = t[CF_E_UP].wide, .e_down = t[CF_E_DOWN].wide,
                .cos = t[CF_COS].wide, .sin = t[CF_SIN].wide, .norm = t[CF_NORM].wide,
                .head = t[CF_HEAD].wide, .vocab = CF_VOCAB };
}

void cf_model_free(struct cf_model *m)
{
        for (uint32_t i = 0; i < CF_SLOTS; i++)
                if (!m->t[i].view) {
                        free(m->t[i].src);
                        free(m->t[i].wide);
                }
}

void cf_embed_row(const struct cf_model *m, int32_t id, float *h)
{
        memcpy(h, m->t[CF_EMBED].wide + (size_t)id * m->l.width, m->l.width * sizeof *h);
}

int32_t cf_token(uint32_t seq, uint32_t pos)
{
        return (int32_t)(wt_philox_unit(7, seq, pos, 0) * (CF_VOCAB - 1));
}

/* ---- a plugin that holds the model ----------------------------------------------------------- */

static uint64_t now_us(void)
{
        return wt_now_us(&wt_clock_real);
}

static void parallel(void *pool, uint32_t n, void (*body)(void *arg, uint32_t i), void *arg)
{
        wt_pool_run(pool, n, body, arg);
}

/* One matrix of a tensor (mat >= 0), or all of it. */
static int load(struct cf_device *d, const struct cf_tensor *t, int64_t mat, const wt_weight **out)
{
        size_t one = t->m.dtype == WT_F32 ? 4 : 2, at = t->src_at, bytes;
        struct wt_matrix m = t->m;
        wt_weight *w;
        void *blob;
        int err;

        if (!t->src)
                return WT_OK;                    /* this layer has none */
        if (mat >= 0) {
                at += (size_t)mat * m.mat_stride;
                m.n_mat = 1;
        }
        if (!(bytes = d->o->pack_bytes(&m)))
                return wt_fail(WT_EUNSUPPORTED, "pack_bytes knows no form %u of dtype %u", m.form,
                               m.dtype);
        if (posix_memalign(&blob, 64, bytes))
                return wt_fail(WT_ENOMEM, "no memory");
        d->o->pack(&m, (const char *)t->src + at * one, blob);
        if ((err = d->o->upload(d->c, &m, blob, &w))) {
                free(blob);
                return err;
        }
        d->blob[d->n] = blob;
        d->weight[d->n++] = w;
        *out = w;
        return WT_OK;
}

static int load_all(struct cf_device *d)
{
        const struct cf_tensor *t = d->m->t;
        struct wt_layer_weights *w = &d->w;
        const struct {
                enum cf_slot slot;
                const wt_weight **to;
        } one[] = {
                {CF_ATTN_NORM, &w->attn_norm},
                {CF_Q_A, &w->q_a},
                {CF_Q_A_NORM, &w->q_a_norm},
                {CF_Q, &w->q},
                {CF_KV_A, &w->kv_a},
                {CF_KV_A_NORM, &w->kv_a_norm},
                {CF_UK_T, &w->uk_t},
                {CF_UV, &w->uv},
                {CF_K, &w->k},
                {CF_V, &w->v},
                {CF_O, &w->o},
                {CF_FFN_NORM, &w->ffn_norm},
                {CF_GATE, &w->gate},
                {CF_BIAS, &w->gate_bias},
                {CF_FFN_GATE, &w->ffn_gate},
                {CF_FFN_UP, &w->ffn_up},
                {CF_FFN_DOWN, &w->ffn_down},
                {CF_COS, &d->cos},
                {CF_SIN, &d->sin},
                {CF_NORM, &d->norm},
                {CF_HEAD, &d->head},
                {CF_EMBED, &d->embed},
        };
        int err = WT_OK;

        for (size_t i = 0; i < sizeof one / sizeof *one && !err; i++)
                err = load(d, t + one[i].slot, -1, one[i].to);
        for (uint32_t e = 0; e < d->m->l.n_experts && !err; e++)
                if ((err = load(d, t + CF_E_GATE, e, &d->experts[e].gate)) == WT_OK &&
                    (err = load(d, t + CF_E_UP, e, &d->experts[e].up)) == WT_OK)
                        err = load(d, t + CF_E_DOWN, e, &d->experts[e].down);
        return err;
}

int cf_device_open(struct cf_device *d, const struct wt_compute_ops *o, const struct cf_model *m,
                   uint32_t threads, uint32_t max_rows, uint32_t max_seqs, uint32_t max_pages)
{
        struct wt_compute_conf conf = {sizeof conf, max_rows, max_seqs, max_pages,
                                       CF_VOCAB,    &m->l,    1};
        uint32_t most = CF_SLOTS + 3 * m->l.n_experts;
        int err;

        *d = (struct cf_device){ .o = o, .m = m, .w.size = sizeof d->w };
        if ((err = wt_pool_new(&d->pool, threads)))
                return err;
        d->host = (struct wt_host){ sizeof d->host, wt_fail, now_us, parallel, d->pool, threads };
        d->blob = calloc(most, sizeof *d->blob);
        d->weight = calloc(most, sizeof *d->weight);
        d->experts = calloc(m->l.n_experts + 1, sizeof *d->experts);
        if ((err = o->open(&d->c, &d->host, &conf)) || (err = load_all(d))) {
                cf_device_close(d);
                return err;
        }
        return WT_OK;
}

void cf_device_close(struct cf_device *d)
{
        for (uint32_t i = 0; i < d->n; i++) {
                d->o->drop(d->c, d->weight[i]);
                free(d->blob[i]);
        }
        d->o->close(d->c);
        wt_pool_free(d->pool);
        free(d->blob);
        free(d->weight);
        free(d->experts);
}
