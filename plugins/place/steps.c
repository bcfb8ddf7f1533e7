/* steps.c - inputs of kind place, for its tests. */
#include "steps.h"
#include <stdlib.h>
#include <string.h>
#include "base/err.h"
#include "base/rng.h"

uint32_t place_draw(uint32_t seed, uint32_t what, uint32_t i, uint32_t below)
{
        return (uint32_t)(wt_philox_unit(seed, what, i, 0) * below);
}

uint32_t *place_block(size_t n)
{
        uint32_t *p = malloc(n ? n * sizeof(uint32_t) : 1);

        WT_ASSERT(p != NULL);
        return p;
}

struct step step_new(uint32_t n, uint32_t n_workers, uint32_t n_holders)
{
        return (struct step){n,
                             n_workers,
                             place_block(n),
                             place_block(n),
                             place_block(n + 1),
                             place_block(n_holders),
                             place_block(n_workers)};
}

void step_free(struct step *s)
{
        free(s->expert);
        free(s->rows);
        free(s->first);
        free(s->holder);
        free(s->load);
}

/* Every item may go to every worker. */
struct step step_uniform(uint32_t n, uint32_t n_workers, uint32_t rows)
{
        struct step s = step_new(n, n_workers, n * n_workers);

        for (uint32_t i = 0; i <= n; i++)
                s.first[i] = i * n_workers;
        for (uint32_t i = 0; i < n; i++) {
                s.expert[i] = i;
                s.rows[i] = rows;
                for (uint32_t w = 0; w < n_workers; w++)
                        s.holder[i * n_workers + w] = w;
        }
        memset(s.load, 0, n_workers * sizeof *s.load);
        return s;
}

struct step step_random(uint32_t seed)
{
        uint32_t n = place_draw(seed, 0, 0, MOST_ITEMS),
                 w = 1 + place_draw(seed, 1, 0, MOST_HOLDERS);
        uint32_t share = 1 + place_draw(seed, 2, 0, 100), id = 0, at = 0;
        static uint32_t all[MOST_ITEMS * MOST_HOLDERS];
        struct step s;

        s = step_new(n, w, 0);
        for (uint32_t i = 0; i < n; i++) {
                uint32_t sure = place_draw(seed, 3, i, w);

                s.first[i] = at;
                id += 1 + place_draw(seed, 4, i, 4);
                s.expert[i] = id;
                s.rows[i] = 1 + place_draw(seed, 5, i, 1u << place_draw(seed, 6, i, 12));
                for (uint32_t h = 0; h < w; h++)
                        if (h == sure || place_draw(seed, 1000 + i, h, 100) < share)
                                all[at++] = h;
        }
        s.first[n] = at;
        free(s.holder);
        s.holder = place_block(at);
        memcpy(s.holder, all, at * sizeof *all);
        for (uint32_t h = 0; h < w; h++)
                s.load[h] = place_draw(seed, 7, h, 1u << place_draw(seed, 8, h, 16));
        return s;
}

/* Runs the plugin on scratch that the host zeroed; out (n). */
void step_run(const struct wt_plugin *p, const struct step *s, uint32_t *out)
{
        const struct wt_place_ops *ops = p->ops;
        const struct wt_place_in in = { .size = sizeof in, .expert = s->expert, .rows = s->rows,
                .n_items = s->n, .holder_first = s->first, .holder = s->holder, .load = s->load,
                .n_workers = s->n_workers };
        void *state = calloc(1, ops->state_size + 1);

        WT_ASSERT(state != NULL);
        ops->place(state, &in, out);
        free(state);
}
