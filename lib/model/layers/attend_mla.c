/* attend_mla.c - multi-head latent attention, absorbed at every position (numbers.md N6).
 *   all rows first:
 *     x = norm(h);  [c_raw | k_r] = W_kva x;  page row = [norm(c_raw) | rope(k_r)]
 *   then by chunks of rows:
 *     q = W_qb norm(W_qa x) or W_q x, per head [q_n | q_r];  qhat = W_UK' q_n;  rope(q_r)
 *     latent = softmax(qhat . c + q_r . k_r) c;  o_h = W_UV latent;  h += W_o o
 * Source: DeepSeek-V2 (arXiv:2405.04434) section 2.1 and appendix C. */
#include <string.h>
#include "model/layers/stage.h"

enum { CHUNK_BYTES = 32 << 20 };                 /* of qhat: V3 has 256 KiB a row */

struct mla {
        struct wt_stage *s;
        const struct wt_attend_args *a;
        const struct wt_layer *l;
        float *x;                                /* (T, D); a chunk's rows become its W_o o */
        float *cq;                               /* (T, q_rank) */
        float *kv;                               /* (T, kv_rank + rope) */
        float *q;                                /* (chunk, H, nope + rope) */
        float *qhat;                             /* (chunk, H, kv_rank); then the latent output */
        float *o;                                /* (chunk, H, v) */
        const struct wt_run **run_of;            /* (T) */
        void *attention;
        uint32_t chunk;
        uint32_t row0, n_rows;                   /* the chunk at hand */
        uint32_t heads, rows, across; /* of an item: heads, rows; items across the heads */
};

static uint32_t head_q(const struct wt_layer *l)
{
        return l->nope + l->rope_dim;
}

static void plan(struct mla *m, struct wt_carve *c, const struct wt_layer *l, uint32_t n_rows,
                 size_t partial_floats)
{
        size_t row = (size_t)l->n_heads * l->kv_rank * sizeof(float), t = n_rows;

        m->chunk = wt_u32_min(n_rows, wt_u32_max(16, (uint32_t)(CHUNK_BYTES / row)));
        m->x = wt_carve_floats(c, t * l->width);
        m->cq = wt_carve_floats(c, t * l->q_rank);
        m->kv = wt_carve_floats(c, t * (l->kv_rank + l->rope_dim));
        m->q = wt_carve_floats(c, (size_t)m->chunk * l->n_heads * head_q(l));
        m->qhat = wt_carve_floats(c, (size_t)m->chunk * l->n_heads * l->kv_rank);
        m->o = wt_carve_floats(c, (size_t)m->chunk * l->n_heads * l->v_dim);
        m->run_of = wt_carve(c, t, sizeof *m->run_of);
        wt_attention_plan(c, m->chunk, partial_floats, &m->attention);
}

size_t wt_attend_mla_scratch(const struct wt_stage *s, const struct wt_layer *l)
{
        struct wt_carve c = { NULL, 0 };
        struct mla m;

        plan(&m, &c, l, s->max_rows, s->partial_floats);
        return c.used;
}

static int check(struct wt_stage *s, const struct wt_attend_args *a)
{
        const struct wt_layer *l = a->layer;
        const struct wt_layer_weights *w = a->w;
        uint32_t d = l->width, h = l->n_heads;
        int e;

        if (l->q_rank &&
            ((e = wt_weight_check(s, w->q_a, "q_a", WT_FORM_LINEAR, 1, l->q_rank, d)) ||
             (e = wt_weight_check(s, w->q_a_norm, "q_a_norm", WT_FORM_VECTOR, 1, l->q_rank, 1))))
                return e;
        if ((e = wt_weight_check(s, w->q, "q", WT_FORM_LINEAR, 1, h * head_q(l),
                                 l->q_rank ? l->q_rank : d)) ||
            (e = wt_weight_check(s, w->kv_a, "kv_a", WT_FORM_LINEAR, 1, l->kv_rank + l->rope_dim,
                                 d)) ||
            (e = wt_weight_check(s, w->kv_a_norm, "kv_a_norm", WT_FORM_VECTOR, 1, l->kv_rank, 1)) ||
            (e = wt_weight_check(s, w->uk_t, "uk_t", WT_FORM_LINEAR, h, l->kv_rank, l->nope)) ||
            (e = wt_weight_check(s, w->uv, "uv", WT_FORM_LINEAR, h, l->v_dim, l->kv_rank)))
                return e;
        return wt_weight_check(s, w->o, "o", WT_FORM_LINEAR, 1, d, h * l->v_dim);
}

/* ---- all rows: latents, appended to the pages ------------------------------------------------ */

/* One row's query latent is normed, its key latent and rotated key go to its page. */
static void append_row(const struct mla *m, uint32_t t)
{
        const struct wt_layer *l = m->l;
        const struct wt_run *r = m->run_of[t];
        uint32_t pos = r->pos + (t - r->row), row = l->kv_rank + l->rope_dim;
        const float *kv = m->kv + (size_t)t * row;
        float *to = (float *)m->a->kv->data +
                    ((size_t)r->pages[pos / WT_PAGE] * WT_PAGE + pos % WT_PAGE) * row;

        if (l->q_rank) {
                float *cq = m->cq + (size_t)t * l->q_rank;

                m->s->k->rms_norm(cq, m->a->w->q_a_norm->data, l->q_rank, l->latent_eps, cq);
        }
        m->s->k->rms_norm(kv, m->a->w->kv_a_norm->data, l->kv_rank, l->latent_eps, to);
        memcpy(to + l->kv_rank, kv + l->kv_rank, l->rope_dim * sizeof *to);
        m->s->k->rope(to + l->kv_rank, l->rope_dim, l->rope == WT_ROPE_INTERLEAVED,
                      wt_rope_row(m->a->cos, pos), wt_rope_row(m->a->sin, pos));
}

static void append_item(void *arg, uint32_t item, uint32_t slot)
{
        const struct mla *m = arg;
        uint32_t end = wt_u32_min(m->a->n_rows, (item + 1) * m->rows);

        (void)slot;
        for (uint32_t t = item * m->rows; t < end; t++)
                append_row(m, t);
}

static void latents(struct mla *m)
{
        const struct wt_layer *l = m->l;
        const struct wt_layer_weights *w = m->a->w;
        uint32_t t = m->a->n_rows, n = 0;
        struct wt_product p[2];

        wt_norm_rows(m->s, m->a->h->data, w->attn_norm, t, l->width, l->eps, m->x, NULL);
        if (l->q_rank)
                p[n++] = (struct wt_product){ .w = w->q_a, .x = m->x, .ldx = l->width, .m = t,
                                              .y = m->cq, .ldy = l->q_rank };
        p[n++] = (struct wt_product){ .w = w->kv_a, .x = m->x, .ldx = l->width, .m = t, .y = m->kv,
                                      .ldy = l->kv_rank + l->rope_dim };
        wt_products(m->s, p, n, NULL, NULL);
        for (uint32_t i = 0; i < m->a->n_runs; i++)
                for (uint32_t j = 0; j < m->a->runs[i].n_rows; j++)
                        m->run_of[m->a->runs[i].row + j] = m->a->runs + i;
        m->rows = wt_u32_max(1, t / (4 * m->s->host.n_threads));
        wt_spread(m->s, wt_div_up(t, m->rows), (uint64_t)t * (l->q_rank + l->kv_rank), append_item,
                  m);
}

/* ---- a chunk of rows ------------------------------------------------------------------------- */

/* Items of some heads by some rows; heads in blocks whose outputs fill whole panels, so that no two
 * items share one. */
static uint32_t cut_heads(struct mla *m, uint32_t block)
{
        uint32_t threads = m->s->host.n_threads;

        m->heads = block;
        m->across = wt_div_up(m->l->n_heads, block);
        m->rows = m->n_rows;
        if (threads > 1 && m->across < 3 * threads)
                m->rows = wt_u32_max(32, wt_div_up(m->n_rows, wt_div_up(3 * threads, m->across)));
        return m->across * wt_div_up(m->n_rows, m->rows);
}

static void head_span(const struct mla *m, uint32_t item, uint32_t *h0, uint32_t *h1, uint32_t *t0,
                      uint32_t *t1)
{
        *h0 = item % m->across * m->heads;
        *h1 = wt_u32_min(*h0 + m->heads, m->l->n_heads);
        *t0 = item / m->across * m->rows;
        *t1 = wt_u32_min(*t0 + m->rows, m->n_rows);
}

/* q of some heads, its rope part rotated, and qhat. */
static void query_item(void *arg, uint32_t item, uint32_t slot)
{
        const struct mla *m = arg;
        const struct wt_layer *l = m->l;
        const struct wt_kernels *k = m->s->k;
        uint32_t hq = head_q(l), in = l->q_rank ? l->q_rank : l->width, h0, h1, t0, t1;
        const struct wt_weight *wq = m->a->w->q, *uk = m->a->w->uk_t;
        size_t ldq = (size_t)l->n_heads * hq, ldl = (size_t)l->n_heads * l->kv_rank;
        struct wt_packed w = wt_packed_of(&wq->m, wq->data, 0);

        (void)slot;
        head_span(m, item, &h0, &h1, &t0, &t1);
        k->linear(&w, h0 * hq / WT_PANEL, wt_panels(h1 * hq),
                  (l->q_rank ? m->cq : m->x) + (size_t)(m->row0 + t0) * in, in, t1 - t0,
                  m->q + t0 * ldq, ldq);
        for (uint32_t t = t0; t < t1; t++) {
                const struct wt_run *r = m->run_of[m->row0 + t];
                uint32_t pos = r->pos + (m->row0 + t - r->row);

                for (uint32_t h = h0; h < h1; h++)
                        k->rope(m->q + t * ldq + (size_t)h * hq + l->nope, l->rope_dim,
                                l->rope == WT_ROPE_INTERLEAVED, wt_rope_row(m->a->cos, pos),
                                wt_rope_row(m->a->sin, pos));
        }
        for (uint32_t h = h0; h < h1; h++) {
                w = wt_packed_of(&uk->m, uk->data, h);
                k->linear(&w, 0, wt_panels(l->kv_rank), m->q + t0 * ldq + (size_t)h * hq, ldq,
                          t1 - t0, m->qhat + t0 * ldl + (size_t)h * l->kv_rank, ldl);
        }
}

static void value_item(void *arg, uint32_t item, uint32_t slot)
{
        const struct mla *m = arg;
        const struct wt_layer *l = m->l;
        size_t ldl = (size_t)l->n_heads * l->kv_rank, ldo = (size_t)l->n_heads * l->v_dim;
        uint32_t h0, h1, t0, t1;

        (void)slot;
        head_span(m, item, &h0, &h1, &t0, &t1);
        for (uint32_t h = h0; h < h1; h++) {
                struct wt_packed w = wt_packed_of(&m->a->w->uv->m, m->a->w->uv->data, h);

                m->s->k->linear(&w, 0, wt_panels(l->v_dim),
                                m->qhat + t0 * ldl + (size_t)h * l->kv_rank, ldl, t1 - t0,
                                m->o + t0 * ldo + (size_t)h * l->v_dim, ldo);
        }
}

static void look(struct mla *m)
{
        const struct wt_layer *l = m->l;
        uint32_t row = l->kv_rank + l->rope_dim;
        struct wt_attention at = {
                .n_kv = 1,
                .group = l->n_heads,
                .qa = m->qhat,
                .qa_row = (size_t)l->n_heads * l->kv_rank,
                .qr = m->q + l->nope,
                .qr_row = (size_t)l->n_heads * head_q(l),
                .qr_head = head_q(l),
                .out = m->qhat,
                .out_row = (size_t)l->n_heads * l->kv_rank,
                .kd = l->kv_rank,
                .rd = l->rope_dim,
                .vd = l->kv_rank,
                .pages = m->a->kv->data,
                .page_floats = (size_t)WT_PAGE * row,
                .ldk = row,
                .ldv = row,
                .kr_at = l->kv_rank,
                .scale = l->attn_scale,
                .runs = m->a->runs,
                .n_runs = m->a->n_runs,
                .row0 = m->row0,
                .n_rows = m->n_rows,
        };

        wt_attention_run(m->s, &at, m->attention);
}

static void chunk(struct mla *m)
{
        const struct wt_layer *l = m->l;
        const struct wt_layer_weights *w = m->a->w;
        float *x = m->x + (size_t)m->row0 * l->width;
        uint32_t block = 1, hq = head_q(l);
        uint64_t heads = (uint64_t)m->n_rows * l->n_heads;
        struct wt_product p = { .w = w->o, .x = m->o, .ldx = (size_t)l->n_heads * l->v_dim,
                                .m = m->n_rows, .y = x, .ldy = l->width };
        struct wt_residual r = {m->s->k, (float *)m->a->h->data + (size_t)m->row0 * l->width,
                                l->width, m->a->bad, m->row0};

        while (block * hq % WT_PANEL)
                block *= 2;
        wt_spread(m->s, cut_heads(m, block),
                  heads * ((uint64_t)hq * w->q->m.n_in + (uint64_t)l->kv_rank * l->nope),
                  query_item, m);
        look(m);
        wt_spread(m->s, cut_heads(m, 1), heads * l->kv_rank * l->v_dim, value_item, m);
        wt_products(m->s, &p, 1, wt_residual_add, &r);
}

int wt_attend_mla(struct wt_stage *s, const struct wt_attend_args *a)
{
        struct wt_carve c = { s->scratch, 0 };
        struct mla m = { .s = s, .a = a, .l = a->layer };
        int err;

        plan(&m, &c, a->layer, a->n_rows, s->partial_floats);
        if ((err = wt_scratch_check(s, &c, "attend")) || (err = check(s, a)))
                return err;
        latents(&m);
        for (m.row0 = 0; m.row0 < a->n_rows; m.row0 += m.chunk) {
                m.n_rows = wt_u32_min(m.chunk, a->n_rows - m.row0);
                chunk(&m);
        }
        return WT_OK;
}
