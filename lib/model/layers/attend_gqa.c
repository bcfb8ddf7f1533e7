/* attend_gqa.c - grouped-query attention: q, k, v = W x; rope on q and k; H/n_kv_heads queries
 * share the keys of one KV head. Page: per KV head 64 rows of key, then 64 rows of value. */
#include <string.h>
#include "model/layers/stage.h"

struct gqa {
        struct wt_stage *s;
        const struct wt_attend_args *a;
        const struct wt_layer *l;
        float *x, *q, *k, *v; /* (T, D) norm(h), then W_o o; (T, H, hd); (T, KV, hd) */
        float *o;                                /* (T, H, hd) */
        const struct wt_run **run_of;            /* (T) */
        void *attention;
        uint32_t per;                            /* rows of an item */
};

static void plan(struct gqa *g, struct wt_carve *c, const struct wt_layer *l, uint32_t n_rows,
                 size_t partial_floats)
{
        size_t t = n_rows, hd = l->head_dim;

        g->x = wt_carve_floats(c, t * l->width);
        g->q = wt_carve_floats(c, t * l->n_heads * hd);
        g->k = wt_carve_floats(c, t * l->n_kv_heads * hd);
        g->v = wt_carve_floats(c, t * l->n_kv_heads * hd);
        g->o = wt_carve_floats(c, t * l->n_heads * hd);
        g->run_of = wt_carve(c, t, sizeof *g->run_of);
        wt_attention_plan(c, n_rows, partial_floats, &g->attention);
}

size_t wt_attend_gqa_scratch(const struct wt_stage *s, const struct wt_layer *l)
{
        struct wt_carve c = { NULL, 0 };
        struct gqa g;

        plan(&g, &c, l, s->max_rows, s->partial_floats);
        return c.used;
}

static int check(struct wt_stage *s, const struct wt_attend_args *a)
{
        const struct wt_layer *l = a->layer;
        const struct wt_layer_weights *w = a->w;
        uint32_t d = l->width, q = l->n_heads * l->head_dim, kv = l->n_kv_heads * l->head_dim;
        int e;

        if ((e = wt_weight_check(s, w->q, "q", WT_FORM_LINEAR, 1, q, d)) ||
            (e = wt_weight_check(s, w->k, "k", WT_FORM_LINEAR, 1, kv, d)) ||
            (e = wt_weight_check(s, w->v, "v", WT_FORM_LINEAR, 1, kv, d)))
                return e;
        return wt_weight_check(s, w->o, "o", WT_FORM_LINEAR, 1, d, q);
}

/* Rotates one row's queries; its rotated keys and its values go to their page. */
static void append_row(const struct gqa *g, uint32_t t)
{
        const struct wt_layer *l = g->l;
        const struct wt_run *r = g->run_of[t];
        uint32_t pos = r->pos + (t - r->row), hd = l->head_dim;
        const float *cos = wt_rope_row(g->a->cos, pos), *sin = wt_rope_row(g->a->sin, pos);
        bool interleaved = l->rope == WT_ROPE_INTERLEAVED;
        size_t half = (size_t)WT_PAGE * hd;
        float *page =
                (float *)g->a->kv->data + r->pages[pos / WT_PAGE] * (2 * l->n_kv_heads * half);

        for (uint32_t h = 0; h < l->n_heads; h++)
                g->s->k->rope(g->q + ((size_t)t * l->n_heads + h) * hd, hd, interleaved, cos, sin);
        for (uint32_t h = 0; h < l->n_kv_heads; h++) {
                size_t from = ((size_t)t * l->n_kv_heads + h) * hd;
                float *key = page + 2 * h * half + (size_t)(pos % WT_PAGE) * hd;

                memcpy(key, g->k + from, hd * sizeof *key);
                g->s->k->rope(key, hd, interleaved, cos, sin);
                memcpy(key + half, g->v + from, hd * sizeof *key);
        }
}

static void append_item(void *arg, uint32_t item, uint32_t slot)
{
        const struct gqa *g = arg;
        uint32_t end = wt_u32_min(g->a->n_rows, (item + 1) * g->per);

        (void)slot;
        for (uint32_t t = item * g->per; t < end; t++)
                append_row(g, t);
}

static void project(struct gqa *g)
{
        const struct wt_layer *l = g->l;
        const struct wt_layer_weights *w = g->a->w;
        uint32_t t = g->a->n_rows, q = l->n_heads * l->head_dim, kv = l->n_kv_heads * l->head_dim;
        struct wt_product p[3] = {
                { .w = w->q, .x = g->x, .ldx = l->width, .m = t, .y = g->q, .ldy = q },
                { .w = w->k, .x = g->x, .ldx = l->width, .m = t, .y = g->k, .ldy = kv },
                { .w = w->v, .x = g->x, .ldx = l->width, .m = t, .y = g->v, .ldy = kv },
        };

        wt_norm_rows(g->s, g->a->h->data, w->attn_norm, t, l->width, l->eps, g->x, NULL);
        wt_products(g->s, p, 3, NULL, NULL);
        for (uint32_t i = 0; i < g->a->n_runs; i++)
                for (uint32_t j = 0; j < g->a->runs[i].n_rows; j++)
                        g->run_of[g->a->runs[i].row + j] = g->a->runs + i;
        g->per = wt_u32_max(1, t / (4 * g->s->host.n_threads));
        wt_spread(g->s, wt_div_up(t, g->per), (uint64_t)t * (q + 2 * kv), append_item, g);
}

int wt_attend_gqa(struct wt_stage *s, const struct wt_attend_args *a)
{
        const struct wt_layer *l = a->layer;
        struct wt_carve c = { s->scratch, 0 };
        struct gqa g = { .s = s, .a = a, .l = l };
        uint32_t q = l->n_heads * l->head_dim;
        size_t half = (size_t)WT_PAGE * l->head_dim;
        int err;

        plan(&g, &c, l, a->n_rows, s->partial_floats);
        if ((err = wt_scratch_check(s, &c, "attend")) || (err = check(s, a)))
                return err;
        project(&g);

        struct wt_attention at = {
                .n_kv = l->n_kv_heads, .group = l->n_heads / l->n_kv_heads,
                .qa = g.q, .qa_row = q, .out = g.o, .out_row = q,
                .kd = l->head_dim, .vd = l->head_dim,
                .pages = a->kv->data, .page_floats = 2 * l->n_kv_heads * half, .kv_head = 2 * half,
                .ldk = l->head_dim, .ldv = l->head_dim, .v_at = half,
                .scale = l->attn_scale,
                .runs = a->runs, .n_runs = a->n_runs, .n_rows = a->n_rows,
        };
        struct wt_product p = { .w = a->w->o, .x = g.o, .ldx = q, .m = a->n_rows, .y = g.x,
                                .ldy = l->width };
        struct wt_residual r = { s->k, a->h->data, l->width, a->bad, 0 };

        wt_attention_run(s, &at, g.attention);
        wt_products(s, &p, 1, wt_residual_add, &r);
        return WT_OK;
}
