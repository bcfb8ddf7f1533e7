/* attend.c - attention of one layer, and the FFN of a dense one. */
#include "path.h"

wt_err router_attend(struct router *r)
{
        struct batch *b = &r->batch;
        const struct wt_layer *y = &r->shape->layers[b->layer];
        struct wt_attend_args a = {
                .size = sizeof a, .layer = y, .w = &r->trunk->layers[b->layer], .h = b->h,
                .cos = r->trunk->cos, .sin = r->trunk->sin, .kv = r->kv.layer[b->layer],
                .runs = b->runs, .n_runs = b->n_runs, .n_rows = b->n_rows, .bad = b->bad,
        };
        struct wt_ffn_args f = { .size = sizeof f, .layer = y, .w = a.w, .h = b->h,
                                 .n_rows = b->n_rows, .bad = b->bad };
        wt_err err;

        if ((err = r->ops->attend(r->dev, &a)) != WT_OK || y->ffn == WT_FFN_MOE)
                return err;
        return r->ops->ffn(r->dev, &f);
}
