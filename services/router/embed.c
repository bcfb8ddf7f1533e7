/* embed.c - ids become rows. */
#include "path.h"

wt_err router_embed(struct router *r)
{
        struct batch *b = &r->batch;
        struct wt_embed_args a = { .size = sizeof a, .table = r->trunk->embed, .ids = b->ids,
                                   .h = b->h, .width = r->shape->width, .n_rows = b->n_rows };

        return r->ops->embed(r->dev, &a);
}
