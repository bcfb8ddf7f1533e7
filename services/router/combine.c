/* combine.c - the nodes of all replies, finished into one sum a row (numbers.md N7), then
 * h = h + (trie + shared). */
#include <string.h>
#include "math/kernels.h"
#include "path.h"

/* Calls each for every node of every answer that counts. */
static void each_node(struct batch *b, void (*each)(struct batch *b, uint32_t row,
                                                    const struct wt_node *n, const float *data),
                      uint32_t width)
{
        for (struct share *s = b->shares; s != NULL; s = s->next) {
                for (struct call *c = s->calls; c != NULL; c = c->next) {
                        const struct wt_node *n = c->node;

                        if (c->state != CALL_HOME || c->attempt != s->winner)
                                continue;
                        for (uint32_t p = 0; p < c->parts; p++) {
                                const float *data = c->part[p]->frame[1].data;
                                uint32_t rows = c->part[p]->env.tensors[0].shape[0];

                                for (uint32_t i = 0; i < rows; i++, n++)
                                        if (!b->dead[c->row[n->slot]])
                                                each(b, c->row[n->slot], n,
                                                     data + (size_t)i * width);
                        }
                }
        }
}

static void count(struct batch *b, uint32_t row, const struct wt_node *n, const float *data)
{
        (void)n; (void)data;
        b->node_at[row + 1]++;
}

static void put(struct batch *b, uint32_t row, const struct wt_node *n, const float *data)
{
        uint32_t at = b->node_at[row]++;

        b->node[at] = (struct wt_node){ row, n->depth, n->prefix };
        b->node_row[at] = data;
}

/* The few nodes of a row, by the lowest expert id under them. */
static void sort_row(struct batch *b, uint32_t from, uint32_t to, uint32_t bits)
{
        for (uint32_t i = from + 1; i < to; i++) {
                struct wt_node n = b->node[i];
                const float *data = b->node_row[i];
                uint32_t key = n.prefix << (bits - n.depth), j = i;

                for (; j > from && b->node[j - 1].prefix << (bits - b->node[j - 1].depth) > key;
                     j--) {
                        b->node[j] = b->node[j - 1];
                        b->node_row[j] = b->node_row[j - 1];
                }
                b->node[j] = n;
                b->node_row[j] = data;
        }
}

/* The replies stay until the queued work has read them. */
static void spend(struct batch *b)
{
        for (struct share *s = b->shares; s != NULL; s = s->next) {
                for (struct call *c = s->calls; c != NULL; c = c->next) {
                        for (uint32_t p = 0; p < c->parts; p++) {
                                if (c->part[p] == NULL)
                                        continue;
                                c->part[p]->next = b->spent;
                                b->spent = c->part[p];
                                c->part[p] = NULL;
                        }
                }
        }
        b->shares = NULL;
}

wt_err router_combine(struct router *r)
{
        struct batch *b = &r->batch;
        const struct wt_layer *y = &r->shape->layers[b->layer];
        uint32_t bits = wt_trie_bits(y->n_experts), from = 0;
        struct wt_combine_args a = {
                .size = sizeof a, .layer = y, .h = b->h, .in = b->node, .in_rows = b->node_row,
                .shared = y->shared_hidden > 0 ? b->shared : NULL, .n_rows = b->n_rows,
                .bad = b->bad,
        };

        memset(b->node_at, 0, (b->n_rows + 1) * sizeof *b->node_at);
        each_node(b, count, r->shape->width);
        for (uint32_t t = 0; t < b->n_rows; t++)         /* a dead row gets a root of zeros */
                b->node_at[t + 1] += b->node_at[t] + (b->dead[t] != 0);
        a.n_in = b->node_at[b->n_rows];
        each_node(b, put, r->shape->width);
        for (uint32_t t = 0; t < b->n_rows; t++) {       /* node_at[t] is now the end of row t */
                if (b->dead[t])
                        put(b, t, &(struct wt_node){ t, 0, 0 }, b->zero);
                sort_row(b, from, b->node_at[t], bits);
                from = b->node_at[t];
        }
        spend(b);
        return r->ops->combine(r->dev, &a);
}
