/* place.c - a live worker for each expert that was picked. The choice among holders is the
 * plugin's; it cannot change a bit, only the time. */
#include <string.h>
#include "path.h"

static bool takes(const struct router *r, const struct worker *w, uint32_t i, const uint32_t *not,
                  uint32_t expert, bool late)
{
        return w->state == PEER_LIVE && !w->cut && w->late == late &&
               !(not != NULL && (not[i / 32] >> (i % 32) & 1)) &&
               router_holds(r, w, r->batch.layer, expert);
}

/* Live holders of the expert into to, ascending: those that answer in time, else those that are
 * late. */
static uint32_t holders(const struct router *r, uint32_t expert, const uint32_t *not, uint32_t *to)
{
        uint32_t n = 0;

        for (int late = 0; late < 2 && n == 0; late++)
                for (uint32_t i = 0; i < r->n_workers; i++)
                        if (takes(r, &r->worker[i], i, not, expert, late))
                                to[n++] = i;
        return n;
}

uint32_t router_place(struct router *r, const uint32_t *pick, uint32_t n, const uint32_t *not)
{
        struct batch *b = &r->batch;
        uint32_t n_experts = r->shape->layers[b->layer].n_experts, none = 0, at = 0;
        uint32_t load[MAX_WORKERS];
        struct wt_place_in in = { .size = sizeof in, .expert = b->item, .rows = b->item_rows,
                                  .holder_first = b->holder_first, .holder = b->holder,
                                  .load = load, .n_workers = r->n_workers };

        memset(b->goes, 0, n_experts * sizeof *b->goes);
        for (uint32_t i = 0; i < n; i++)
                b->goes[b->pick[pick[i]]]++;     /* rows of the expert, for now */
        for (uint32_t x = 0; x < n_experts; x++) {
                uint32_t rows = (uint32_t)b->goes[x], found;

                b->goes[x] = -1;
                if (rows == 0)
                        continue;
                if ((found = holders(r, x, not, b->holder + at)) == 0) {
                        none++;
                        continue;
                }
                b->item[in.n_items] = x;
                b->item_rows[in.n_items] = rows;
                b->holder_first[in.n_items++] = at;
                at += found;
        }
        b->holder_first[in.n_items] = at;
        for (uint32_t i = 0; i < r->n_workers; i++)
                load[i] = (uint32_t)r->worker[i].rows_out;
        if (b->place_state != NULL)
                memset(b->place_state, 0, r->conf.place->state_size);
        if (in.n_items > 0)
                r->conf.place->place(b->place_state, &in, b->item_worker);
        for (uint32_t i = 0; i < in.n_items; i++)
                b->goes[b->item[i]] = (int32_t)b->item_worker[i];
        return none;
}
