/* gate.c - the rows that experts eat, and which experts eat them: x = norm(h), z = W_g x, then the
 * layer's rules (kernels.h, wt_gate_choose). A row that is not finite goes to experts 0..K-1 with
 * weight 0: its sequence has failed, and its neighbours must not notice. */
#include <string.h>
#include "model/layers/stage.h"

struct gate {
        struct wt_stage *s;
        const struct wt_gate_args *a;
        float *z;                                /* (T, E) */
        uint32_t per;
};

static void plan(struct gate *g, struct wt_carve *c, const struct wt_layer *l, uint32_t n_rows)
{
        g->z = wt_carve_floats(c, (size_t)n_rows * l->n_experts);
}

size_t wt_gate_scratch(const struct wt_stage *s, const struct wt_layer *l)
{
        struct wt_carve c = { NULL, 0 };
        struct gate g;

        plan(&g, &c, l, s->max_rows);
        return c.used;
}

size_t wt_gate_slot(const struct wt_layer *l)
{
        return (size_t)3 * l->n_experts * sizeof(float);
}

static void choose(const struct gate *g, uint32_t t, float *scratch)
{
        const struct wt_gate_args *a = g->a;
        const struct wt_layer *l = a->layer;
        const float *z = g->z + (size_t)t * l->n_experts;
        const float *bias = l->has_bias ? a->w->gate_bias->data : NULL;
        int32_t *pick = a->pick + (size_t)t * l->n_picks;
        float *weight = a->weight + (size_t)t * l->n_picks;

        if (g->s->k->finite(z, l->n_experts)) {
                wt_gate_choose(l, z, bias, pick, weight, a->margin ? a->margin + t : NULL, scratch);
                if (g->s->k->finite(weight, l->n_picks))
                        return;
        }
        wt_mark_bad(a->bad, t);
        for (uint32_t i = 0; i < l->n_picks; i++)
                pick[i] = (int32_t)i;
        memset(weight, 0, l->n_picks * sizeof *weight);
        if (a->margin)
                a->margin[t] = 0.0f;
}

static void choose_item(void *arg, uint32_t item, uint32_t slot)
{
        const struct gate *g = arg;
        uint32_t end = wt_u32_min(g->a->n_rows, (item + 1) * g->per);

        for (uint32_t t = item * g->per; t < end; t++)
                choose(g, t, (float *)wt_slot(g->s, slot));
}

static int check(struct wt_stage *s, const struct wt_gate_args *a)
{
        const struct wt_layer *l = a->layer;
        int err;

        if (l->ffn != WT_FFN_MOE)
                return s->host.fail(WT_EINVAL, "gate: layer %u has no experts", l->index);
        if ((err = wt_stage_check(s, "gate", a->n_rows, a->adapters, a->saved)) ||
            (err = wt_buffer_check(s, a->h, "h", (size_t)a->n_rows * l->width)) ||
            (err = wt_weight_check(s, a->w->ffn_norm, "ffn_norm", WT_FORM_VECTOR, 1, l->width,
                                   1)) ||
            (err = wt_weight_check(s, a->w->gate, "gate", WT_FORM_LINEAR, 1, l->n_experts,
                                   l->width)))
                return err;
        return l->has_bias ? wt_weight_check(s, a->w->gate_bias, "gate_bias", WT_FORM_VECTOR, 1,
                                             l->n_experts, 1) : WT_OK;
}

int wt_layer_gate(struct wt_stage *s, const struct wt_gate_args *a)
{
        const struct wt_layer *l = a->layer;
        struct wt_carve c = { s->scratch, 0 };
        struct gate g = {.s = s, .a = a, .per = wt_u32_max(1, a->n_rows / (4 * s->host.n_threads))};
        struct wt_product p = { .w = a->w->gate, .x = a->x, .ldx = l->width, .m = a->n_rows,
                                .ldy = l->n_experts };
        int err;

        plan(&g, &c, l, a->n_rows);
        if ((err = check(s, a)) || (err = wt_scratch_check(s, &c, "gate")) || !a->n_rows)
                return err;
        p.y = g.z;
        wt_norm_rows(s, a->h->data, a->w->ffn_norm, a->n_rows, l->width, l->eps, a->x, a->bad);
        wt_products(s, &p, 1, NULL, NULL);
        wt_spread(s, wt_div_up(a->n_rows, g.per), (uint64_t)a->n_rows * l->n_experts * 16,
                  choose_item, &g);
        return WT_OK;
}
