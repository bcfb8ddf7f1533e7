/* gate.c - which experts each row visits, with what weight; and the shared expert, which is
 * computed while the routed ones are away. */
#include <stdio.h>
#include "path.h"

void router_fail_bad(struct router *r)
{
        struct batch *b = &r->batch;
        char words[160];

        for (uint32_t t = 0; t < b->n_rows; t++) {
                if (!b->bad[t] || b->dead[t])
                        continue;
                snprintf(words, sizeof words,
                         "numeric_error: a number before %s %u, position %u is not finite",
                         b->layer < r->shape->n_layers ? "the experts of layer"
                         : "the end of layer", b->layer,
                         b->runs[b->run_of[t]].pos + t - b->runs[b->run_of[t]].row);
                router_end(r, b->seq[b->run_of[t]], WT_FAILED, WT_EDATA, words);
        }
}

wt_err router_gate(struct router *r)
{
        struct batch *b = &r->batch;
        struct wt_gate_args a = {
                .size = sizeof a, .layer = &r->shape->layers[b->layer],
                .w = &r->trunk->layers[b->layer], .h = b->h, .x = b->x, .pick = b->pick,
                .weight = b->weight, .n_rows = b->n_rows, .bad = b->bad,
        };
        wt_err err;

        if ((err = r->ops->gate(r->dev, &a)) != WT_OK || (err = router_sync(r)) != WT_OK)
                return err;
        router_fail_bad(r);
        return WT_OK;
}

wt_err router_shared(struct router *r)
{
        struct batch *b = &r->batch;
        const struct wt_layer *y = &r->shape->layers[b->layer];
        struct wt_ffn_args a = { .size = sizeof a, .layer = y, .w = &r->trunk->layers[b->layer],
                                 .x = b->x, .out = b->shared, .n_rows = b->n_rows, .bad = b->bad };

        return y->shared_hidden > 0 ? r->ops->ffn(r->dev, &a) : WT_OK;
}
