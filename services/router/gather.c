/* gather.c - replies come home, in any order, twice, late, or from workers that were given up. Only
 * the id of a call that is out counts; whatever else arrives is dropped and counted. */
#include <string.h>
#include "path.h"

static uint32_t parts_of(const wt_msg *m)
{
        return m->env.parts > 0 ? m->env.parts : 1;
}

static uint32_t nodes_in(const wt_msg *m)
{
        return m->env.n_tensors > 1 ? m->env.tensors[0].shape[0] : 0;
}

/* The worker ended the call without an answer. */
static void refused(struct router *r, struct worker *w, struct call *c, const wt_msg *m)
{
        wt_err code = (wt_err)m->env.status;

        if (code == WT_EABORTED) {               /* it knows another epoch: say hello again */
                router_worker_gone(r, w, "its epoch is another one");
                return;
        }
        if (code == WT_EUNAVAILABLE) {           /* its bye is behind, or was lost */
                r->membership = r->membership || w->state == PEER_LIVE;
                w->state = PEER_DRAINS;
        }
        if (c != NULL)
                router_call_failed(r, c, code, m->env.message.len > 0
                                   ? (const char *)m->env.message.data : wt_code_name(code));
}

/* Rows that became NaN or infinite over there. */
static void mark_bad(struct router *r, const struct call *c, const wt_msg *m)
{
        const struct wt_expert_reply *body = m->env.body;

        for (uint32_t i = 0; i < body->n_bad_slots; i++)
                if (body->bad_slots[i] < c->n_rows)
                        r->batch.bad[c->row[body->bad_slots[i]]] = 1;
}

/* All parts are here: exactly the nodes that were asked for, in order. */
static bool whole(const struct router *r, const struct call *c)
{
        uint32_t at = 0;

        for (uint32_t i = 0; i < c->parts; i++) {
                const wt_msg *m = c->part[i];
                uint32_t n = nodes_in(m);

                if (n > c->n_nodes - at || m->env.tensors[1].shape[0] != n ||
                    m->env.tensors[1].dtype != WT_F32 || m->env.tensors[0].dtype != WT_U32 ||
                    m->env.tensors[1].shape[1] != r->shape->width ||
                    memcmp(m->frame[0].data, c->node + at, n * sizeof *c->node) != 0)
                        return false;
                at += n;
        }
        return at == c->n_nodes;
}

static void came_home(struct router *r, struct worker *w, struct call *c)
{
        uint32_t *usual = &w->usual_us[router_size_class(c->n_rows)];
        uint64_t took = r->now - c->since;

        *usual = *usual == 0 ? (uint32_t)took : (uint32_t)((7ull * *usual + took) / 8);
        if (!whole(r, c)) {
                router_call_failed(r, c, WT_EINTERNAL,
                                   "a worker answered with other nodes than asked for");
                return;
        }
        for (uint32_t i = 0; i < c->parts; i++)
                mark_bad(r, c, c->part[i]);
        w->picks += c->n_picks;
        router_call_home(r, c);
}

/* Keeps the part with its call; false: it is here already, or contradicts the others. */
static bool keep(struct router *r, struct call *c, wt_msg *m)
{
        if (c->parts == 0) {
                c->parts = parts_of(m);
                c->part = WT_ARENA_ARRAY(&r->batch.arena, wt_msg *, c->parts);
        }
        if (parts_of(m) != c->parts || m->env.part >= c->parts || c->part[m->env.part] != NULL)
                return false;
        c->part[m->env.part] = m;
        c->n_home++;
        return true;
}

void router_gather(struct router *r, wt_msg *m)
{
        struct worker *w = router_worker_of(r, m->peer);
        struct owed *o = w != NULL ? router_owed_find(w, m->env.call_id) : NULL;
        struct call *c = o != NULL ? router_call_find(r, m->env.call_id) : NULL;

        for (uint32_t i = 0; i < m->env.n_tensors; i++)
                r->n.bytes_in += m->frame[i].len;
        if (o == NULL) {
                r->n.replies_late++;
                wt_msg_free(m);
        } else if (m->env.status != WT_OK || m->env.body == NULL) {
                router_owed_end(w, o);
                refused(r, w, c, m);
                wt_msg_free(m);
        } else if (c == NULL) {                  /* ended here, not there: its credit comes home */
                if (++o->n_home >= parts_of(m))
                        router_owed_end(w, o);
                r->n.replies_late++;
                wt_msg_free(m);
        } else if (!keep(r, c, m)) {
                r->n.replies_late++;
                wt_msg_free(m);
        } else if (c->n_home == c->parts) {
                router_owed_end(w, o);
                came_home(r, w, c);
        } else {
                o->n_home = c->n_home;
        }
}
