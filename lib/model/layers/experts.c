/* experts.c - routed experts: leaf = fl(w * y), y = W_down (silu(W_gate x) * W_up x) (numbers.md
 * N7). Picks run in waves of as many as the scratch holds: all experts of a wave are one product of
 * many parts, so that a few rows each still feed every thread, and an expert's weights are read
 * once unless it alone has more rows than a wave. */
#include <string.h>
#include "model/layers/stage.h"

enum { WAVE_PICKS = 512, WAVE_LEAST = 64 };

struct wave {
        struct wt_stage *s;
        const struct wt_expert_args *a;
        float *x;                                /* (wave, D) gathered rows; then W_down's output */
        float *g, *u;                            /* (wave, F) */
        struct wt_product *p;                    /* (WT_WAVE_GROUPS) */
        uint32_t most;                           /* picks that fit */
        uint32_t pick0, n;                       /* the picks at hand */
        uint32_t n_p, per;
};

static void plan(struct wave *w, struct wt_carve *c, const struct wt_layer *l, uint32_t max_rows)
{
        uint64_t picks = (uint64_t)max_rows * l->n_picks;

        w->most = picks > WAVE_PICKS ? WAVE_PICKS : wt_u32_max(WAVE_LEAST, (uint32_t)picks);
        w->x = wt_carve_floats(c, (size_t)w->most * l->width);
        w->g = wt_carve_floats(c, (size_t)w->most * l->expert_hidden);
        w->u = wt_carve_floats(c, (size_t)w->most * l->expert_hidden);
        w->p = wt_carve(c, WT_WAVE_GROUPS, sizeof *w->p);
}

size_t wt_experts_scratch(const struct wt_stage *s, const struct wt_layer *l)
{
        struct wt_carve c = { NULL, 0 };
        struct wave w;

        plan(&w, &c, l, s->max_rows);
        return c.used;
}

static void gather_item(void *arg, uint32_t item, uint32_t slot)
{
        const struct wave *w = arg;
        uint32_t d = w->a->layer->width, end = wt_u32_min(w->n, (item + 1) * w->per);

        (void)slot;
        for (uint32_t i = item * w->per; i < end; i++)
                memcpy(w->x + (size_t)i * d, w->a->x + (size_t)w->a->row[w->pick0 + i] * d,
                       d * sizeof(float));
}

static void activate(void *arg, const struct wt_product *p, uint32_t m0, uint32_t m1, uint32_t c0,
                     uint32_t c1)
{
        const struct wave *w = arg;

        for (uint32_t t = m0; t < m1; t++) {
                float *g = p->y + t * p->ldy + c0;

                w->s->k->silu_mul(g, p->y2 + t * p->ldy + c0, c1 - c0, g);
        }
}

static void put_leaf(void *arg, const struct wt_product *p, uint32_t m0, uint32_t m1, uint32_t c0,
                     uint32_t c1)
{
        const struct wave *w = arg;
        const struct wt_expert_args *a = w->a;
        uint32_t first = w->pick0 + (uint32_t)((p->y - w->x) / p->ldy);

        for (uint32_t t = m0; t < m1; t++) {
                uint32_t i = first + t;
                float *leaf = a->out + a->leaf[i] * p->ldy + c0;

                w->s->k->scale(p->y + t * p->ldy + c0, a->weight[i], c1 - c0, leaf);
                if (!w->s->k->finite(leaf, c1 - c0))
                        wt_mark_bad(a->bad, a->row[i]);
        }
}

/* The next wave: whole groups while they fit, or a part of one that is larger than a wave.
 * group: at which group, pick: at which of all picks; both move on. */
static void fill(struct wave *w, uint32_t *group, uint32_t *pick)
{
        const struct wt_expert_args *a = w->a;
        uint32_t d = a->layer->width, f = a->layer->expert_hidden;

        w->pick0 = *pick;
        w->n = w->n_p = 0;
        while (*group < a->n_groups && w->n_p < WT_WAVE_GROUPS) {
                uint32_t n = a->first[*group + 1] - *pick, room = w->most - w->n;

                if (n > room && w->n > 0)
                        return;
                n = wt_u32_min(n, room);
                if (n)
                        w->p[w->n_p++] = (struct wt_product){.w = a->weights[*group].gate,
                                                             .w2 = a->weights[*group].up,
                                                             .x = w->x + (size_t)w->n * d,
                                                             .ldx = d,
                                                             .m = n,
                                                             .y = w->g + (size_t)w->n * f,
                                                             .y2 = w->u + (size_t)w->n * f,
                                                             .ldy = f};
                w->n += n;
                *pick += n;
                if (*pick < a->first[*group + 1])
                        return;
                ++*group;
        }
}

/* The parts of a wave in order; down(i): the expert of part i. */
static void run(struct wave *w, uint32_t group)
{
        const struct wt_expert_args *a = w->a;
        uint32_t d = a->layer->width, f = a->layer->expert_hidden, at = 0;

        if (!w->n)
                return;
        w->per = wt_u32_max(1, w->n / (4 * w->s->host.n_threads));
        wt_spread(w->s, wt_div_up(w->n, w->per), (uint64_t)w->n * d, gather_item, w);
        wt_products(w->s, w->p, w->n_p, activate, w);
        for (uint32_t i = 0; i < w->n_p; i++) {
                struct wt_product *p = w->p + i;

                while (a->first[group + 1] <= w->pick0 + at)
                        group++;                 /* an empty group, or one that is done */
                *p = (struct wt_product){.w = a->weights[group].down,
                                         .x = w->g + (size_t)at * f,
                                         .ldx = f,
                                         .m = p->m,
                                         .y = w->x + (size_t)at * d,
                                         .ldy = d};
                at += p->m;
        }
        wt_products(w->s, w->p, w->n_p, put_leaf, w);
}

static int check(struct wt_stage *s, const struct wt_expert_args *a)
{
        uint32_t d = a->layer->width, f = a->layer->expert_hidden;
        int err;

        if (a->layer->ffn != WT_FFN_MOE)
                return s->host.fail(WT_EINVAL, "expert_ffn: layer %u has no experts",
                                    a->layer->index);
        if ((err = wt_stage_check(s, "expert_ffn", 0, a->adapters, a->saved)))
                return err;
        for (uint32_t g = 0; g < a->n_groups; g++) {
                const struct wt_expert_weights *w = a->weights + g;

                if (a->first[g + 1] < a->first[g] || a->first[0] != 0)
                        return s->host.fail(WT_EINVAL, "expert_ffn: group %u ends before it starts",
                                            g);
                if ((err = wt_weight_check(s, w->gate, "gate of an expert", WT_FORM_LINEAR, 1, f,
                                           d)) ||
                    (err = wt_weight_check(s, w->up, "up of an expert", WT_FORM_LINEAR, 1, f, d)) ||
                    (err = wt_weight_check(s, w->down, "down of an expert", WT_FORM_LINEAR, 1, d,
                                           f)))
                        return err;
        }
        return WT_OK;
}

int wt_layer_experts(struct wt_stage *s, const struct wt_expert_args *a)
{
        struct wt_carve c = { s->scratch, 0 };
        struct wave w = { .s = s, .a = a };
        uint32_t group = 0, pick = 0;
        int err;

        plan(&w, &c, a->layer, s->max_rows);
        if ((err = check(s, a)) || (err = wt_scratch_check(s, &c, "expert_ffn")))
                return err;
        while (group < a->n_groups) {
                uint32_t from = group;

                fill(&w, &group, &pick);
                run(&w, from);
        }
        return WT_OK;
}
