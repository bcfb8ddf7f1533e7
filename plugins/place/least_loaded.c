/* least_loaded.c - sends each expert, ids ascending, to its holder with the fewest rows in
 * flight and given so far; ties to the lowest number. */
#include <witan/plugin.h>

enum { MOST_WORKERS = 4096 };                    /* workers beyond are compared by load alone */
struct given { uint32_t rows[MOST_WORKERS]; };

static uint64_t busy(const struct given *g, const struct wt_place_in *in, uint32_t w)
{
        return (uint64_t)in->load[w] + (w < MOST_WORKERS ? g->rows[w] : 0);
}

static void place(void *state, const struct wt_place_in *in, uint32_t *worker)
{
        struct given *g = state;

        for (uint32_t w = 0; w < in->n_workers && w < MOST_WORKERS; w++)
                g->rows[w] = 0;
        for (uint32_t i = 0; i < in->n_items; i++) {
                const uint32_t *h = in->holder + in->holder_first[i];
                const uint32_t *end = in->holder + in->holder_first[i + 1];
                uint32_t best = *h;

                while (++h < end)
                        if (busy(g, in, *h) < busy(g, in, best))
                                best = *h;
                worker[i] = best;
                if (best < MOST_WORKERS)
                        g->rows[best] += in->rows[i];
        }
}

static const struct wt_place_ops ops = { .size = sizeof ops, .state_size = sizeof(struct given),
                                         .place = place };
WT_PLUGIN(.kind = WT_PLACE, .name = "least-loaded", .version = "1.0", .ops = &ops,
          .about = "least rows in flight among the holders, ties to the lowest worker");
