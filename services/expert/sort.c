/* sort.c - the picks of a call, which come by (row, expert), grouped by expert: each expert's
 * weights are read once for all its rows. */
#include <string.h>
#include "inside.h"

/* Rows and picks of all parts, one behind the other; row numbers become slots of the call. */
static void gather_parts(struct expert *e, const struct job *j)
{
        struct work *w = &e->work;

        w->n_rows = w->n_picks = 0;
        for (const wt_msg *m = j->part; m != NULL; m = m->next) {
                uint32_t rows = m->env.tensors[0].shape[0], picks = m->env.tensors[1].shape[0];
                const struct wt_pick *p = m->frame[1].data;

                memcpy(w->x + (size_t)w->n_rows * e->shape->width, m->frame[0].data,
                       m->frame[0].len);
                for (uint32_t i = 0; i < picks; i++) {
                        w->pick[w->n_picks + i] = p[i];
                        w->pick[w->n_picks + i].row += w->n_rows;
                }
                w->n_rows += rows;
                w->n_picks += picks;
        }
}

void expert_sort(struct expert *e, const struct job *j)
{
        struct work *w = &e->work;
        uint32_t at = 0;

        w->layer = &e->shape->layers[j->layer];
        gather_parts(e, j);
        memset(w->count, 0, w->layer->n_experts * sizeof *w->count);
        for (uint32_t i = 0; i < w->n_picks; i++)
                w->count[w->pick[i].expert]++;
        w->n_groups = 0;
        for (uint32_t x = 0; x < w->layer->n_experts; x++) {
                uint32_t n = w->count[x];

                w->count[x] = at;                /* from here on: where its next pick goes */
                if (n == 0)
                        continue;
                w->groups[w->n_groups] = e->held[j->layer][x].w;
                w->first[w->n_groups++] = at;
                at += n;
        }
        w->first[w->n_groups] = at;
        for (uint32_t i = 0; i < w->n_picks; i++) {
                uint32_t to = w->count[w->pick[i].expert]++;

                w->row[to] = w->pick[i].row;
                w->weight[to] = w->pick[i].weight;
                w->to[to] = i;                   /* leaves lie in the order of the picks again */
        }
}
