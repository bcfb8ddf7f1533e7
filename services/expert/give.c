/* give.c - the nodes of a call go back, in parts of at most WT_PART_BYTES, each summed straight
 * into its frame. */
#include <string.h>
#include "inside.h"

/* Slots that became NaN or infinite; the first part carries them. */
static void list_bad(struct expert *e, wt_msg *m, struct wt_expert_reply *r)
{
        const struct work *w = &e->work;
        uint32_t n = 0;

        for (uint32_t i = 0; i < w->n_rows; i++)
                n += w->bad[i] != 0;
        if (n == 0)
                return;
        r->bad_slots = WT_ARENA_ARRAY(&m->arena, uint32_t, n);
        for (uint32_t i = 0; i < w->n_rows; i++)
                if (w->bad[i] != 0)
                        r->bad_slots[r->n_bad_slots++] = i;
}

/* Nodes [o0, o1) of the call into m. */
static wt_err fill(struct expert *e, wt_msg *m, uint32_t o0, uint32_t o1)
{
        struct work *w = &e->work;
        uint32_t i0 = w->node_first[o0], n = o1 - o0;
        struct wt_node *nodes = wt_msg_tensor(m, WT_U32, 2, (uint32_t[]){ n, 3 });
        float *rows = wt_msg_tensor(m, WT_F32, 2, (uint32_t[]){ n, e->shape->width });
        struct wt_fold_args a = {
                .size = sizeof a, .width = e->shape->width, .bits = w->bits,
                .in = w->in + i0, .in_rows = w->in_rows + i0, .n_in = w->node_first[o1] - i0,
                .out = w->out + o0, .out_rows = rows, .n_out = n,
        };

        memcpy(nodes, w->out + o0, n * sizeof *nodes);
        return e->ops->fold(e->dev, &a);
}

wt_err expert_give(struct expert *e, const struct job *j)
{
        struct work *w = &e->work;
        size_t node_bytes = sizeof(struct wt_node) + e->shape->width * sizeof(float);
        uint32_t each = node_bytes < WT_PART_BYTES ? (uint32_t)(WT_PART_BYTES / node_bytes) : 1;
        uint32_t parts = (w->n_nodes + each - 1) / each;

        for (uint32_t p = 0; p < parts; p++) {
                wt_msg *m = expert_answer(e, j->peer, j->call_id, j->epoch);
                struct wt_expert_reply *r = WT_ARENA_NEW(&m->arena, struct wt_expert_reply);
                uint32_t o0 = p * each, o1 = o0 + each < w->n_nodes ? o0 + each : w->n_nodes;
                wt_err err;

                r->layer = j->layer;
                r->compute_us = wt_now_us(e->conf.clock) - e->now;
                m->env.body = r;
                m->env.part = p;
                m->env.parts = parts;
                if (p == 0)
                        list_bad(e, m, r);
                if ((err = fill(e, m, o0, o1)) != WT_OK || (err = e->ops->sync(e->dev)) != WT_OK) {
                        wt_msg_free(m);
                        return err;
                }
                expert_send(e, m);
        }
        e->n.nodes += w->n_nodes;
        return WT_OK;
}
