/* ffn.c - the feed-forward stage: y = W_down (silu(W_gate x) * W_up x).
 * Dense: h += y of norm(h). Shared experts (one matrix for all of them): out = y of the rows that
 * the gate left for the experts. */
#include "model/layers/stage.h"

enum { CHUNK_BYTES = 64 << 20 }; /* of gate and up outputs: V3's dense FFN has 144 KiB a row */

struct ffn {
        const struct wt_kernels *k;
        float *x; /* (chunk, D) norm(h), then W_down's output; dense only */
        float *g, *u;                            /* (chunk, F); g becomes silu(g) * u */
        uint32_t chunk;
        uint8_t *bad;
        uint32_t row0;
};

static uint32_t hidden(const struct wt_layer *l)
{
        return l->ffn == WT_FFN_DENSE ? l->hidden : l->shared_hidden;
}

static void plan(struct ffn *f, struct wt_carve *c, const struct wt_layer *l, uint32_t n_rows)
{
        size_t row = (size_t)2 * hidden(l) * sizeof(float);

        f->chunk = wt_u32_min(n_rows, wt_u32_max(64, (uint32_t)(CHUNK_BYTES / (row + 1))));
        f->x = wt_carve_floats(c, l->ffn == WT_FFN_DENSE ? (size_t)f->chunk * l->width : 0);
        f->g = wt_carve_floats(c, (size_t)f->chunk * hidden(l));
        f->u = wt_carve_floats(c, (size_t)f->chunk * hidden(l));
}

size_t wt_ffn_scratch(const struct wt_stage *s, const struct wt_layer *l)
{
        struct wt_carve c = { NULL, 0 };
        struct ffn f;

        plan(&f, &c, l, s->max_rows);
        return c.used;
}

static void activate(void *arg, const struct wt_product *p, uint32_t m0, uint32_t m1, uint32_t c0,
                     uint32_t c1)
{
        const struct ffn *f = arg;

        for (uint32_t t = m0; t < m1; t++) {
                float *g = p->y + t * p->ldy + c0;

                f->k->silu_mul(g, p->y2 + t * p->ldy + c0, c1 - c0, g);
        }
}

static void check_out(void *arg, const struct wt_product *p, uint32_t m0, uint32_t m1, uint32_t c0,
                      uint32_t c1)
{
        const struct ffn *f = arg;

        for (uint32_t t = m0; t < m1; t++)
                if (!f->k->finite(p->y + t * p->ldy + c0, c1 - c0))
                        wt_mark_bad(f->bad, f->row0 + t);
}

static int check(struct wt_stage *s, const struct wt_ffn_args *a)
{
        const struct wt_layer *l = a->layer;
        uint32_t d = l->width, f = hidden(l);
        bool dense = l->ffn == WT_FFN_DENSE;
        int err;

        if (!f || (!dense && !a->x))
                return s->host.fail(WT_EINVAL,
                                    "ffn: layer %u has no dense or shared part, or x is missing",
                                    l->index);
        if ((err = wt_stage_check(s, "ffn", a->n_rows, a->adapters, a->saved)) ||
            (err = wt_buffer_check(s, dense ? a->h : a->out, dense ? "h" : "out",
                                   (size_t)a->n_rows * d)) ||
            (dense &&
             (err = wt_weight_check(s, a->w->ffn_norm, "ffn_norm", WT_FORM_VECTOR, 1, d, 1))) ||
            (err = wt_weight_check(s, a->w->ffn_gate, "ffn_gate", WT_FORM_LINEAR, 1, f, d)) ||
            (err = wt_weight_check(s, a->w->ffn_up, "ffn_up", WT_FORM_LINEAR, 1, f, d)))
                return err;
        return wt_weight_check(s, a->w->ffn_down, "ffn_down", WT_FORM_LINEAR, 1, d, f);
}

static void chunk(struct wt_stage *s, struct ffn *f, const struct wt_ffn_args *a, uint32_t n)
{
        const struct wt_layer *l = a->layer;
        uint32_t d = l->width, hid = hidden(l);
        bool dense = l->ffn == WT_FFN_DENSE;
        size_t at = (size_t)f->row0 * d;
        float *to = dense ? (float *)a->h->data + at : (float *)a->out->data + at;
        struct wt_residual r = { s->k, to, d, a->bad, f->row0 };
        struct wt_product in = {.w = a->w->ffn_gate,
                                .w2 = a->w->ffn_up,
                                .x = dense ? f->x : a->x + at,
                                .ldx = d,
                                .m = n,
                                .y = f->g,
                                .y2 = f->u,
                                .ldy = hid};
        struct wt_product out = { .w = a->w->ffn_down, .x = f->g, .ldx = hid, .m = n,
                                  .y = dense ? f->x : to, .ldy = d };

        if (dense)
                wt_norm_rows(s, to, a->w->ffn_norm, n, d, l->eps, f->x, NULL);
        wt_products(s, &in, 1, activate, f);
        wt_products(s, &out, 1, dense ? wt_residual_add : check_out, dense ? (void *)&r : f);
}

int wt_layer_ffn(struct wt_stage *s, const struct wt_ffn_args *a)
{
        struct wt_carve c = { s->scratch, 0 };
        struct ffn f = { .k = s->k, .bad = a->bad };
        int err;

        plan(&f, &c, a->layer, a->n_rows);
        if ((err = check(s, a)) || (err = wt_scratch_check(s, &c, "ffn")))
                return err;
        for (; f.row0 < a->n_rows; f.row0 += f.chunk)
                chunk(s, &f, a, wt_u32_min(f.chunk, a->n_rows - f.row0));
        return WT_OK;
}
