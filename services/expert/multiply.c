/* multiply.c - all experts of a call at once; the plugin spreads the work over its threads. */
#include <string.h>
#include "inside.h"

wt_err expert_multiply(struct expert *e)
{
        struct work *w = &e->work;
        struct wt_expert_args a = {
                .size = sizeof a, .layer = w->layer, .weights = w->groups, .first = w->first,
                .n_groups = w->n_groups, .x = w->x, .row = w->row, .weight = w->weight,
                .leaf = w->to, .out = w->leaf, .bad = w->bad,
        };
        wt_err err;

        memset(w->bad, 0, w->n_rows);
        if ((err = e->ops->expert_ffn(e->dev, &a)) != WT_OK)
                return err;
        return e->ops->sync(e->dev);
}
