/* unsort.c - the leaves, back in the order of their picks, as nodes of the trie (numbers.md N7).
 * The router has named with each pick the depth of the largest node that is wholly ours;
 * neighbours under the same node are one row of the reply. */
#include "inside.h"
#include "math/kernels.h"

void expert_unsort(struct expert *e)
{
        struct work *w = &e->work;
        uint32_t bits = wt_trie_bits(w->layer->n_experts), n = 0;

        w->bits = bits;
        for (uint32_t i = 0; i < w->n_picks; i++) {
                const struct wt_pick *p = &w->pick[i];
                struct wt_node node = { p->row, p->depth, p->expert >> (bits - p->depth) };

                w->in[i] = (struct wt_node){ p->row, bits, p->expert };
                w->in_rows[i] = w->leaf + (size_t)i * e->shape->width;
                if (n > 0 && w->out[n - 1].slot == node.slot && w->out[n - 1].depth == node.depth &&
                    w->out[n - 1].prefix == node.prefix)
                        continue;
                w->node_first[n] = i;
                w->out[n++] = node;
        }
        w->node_first[n] = w->n_picks;
        w->n_nodes = n;
}
