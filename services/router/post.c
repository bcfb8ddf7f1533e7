/* post.c - messages on their way out. Nothing here blocks: what a full queue does not take is
 * kept in order, and a peer that cannot be reached is marked, to be buried by the next
 * router_peers_check. */
#include <string.h>
#include "inside.h"

wt_msg *router_message(struct router *r, uint32_t peer, uint32_t method)
{
        wt_msg *m = wt_msg_new(r->conf.bus);

        m->peer = peer;
        m->next = NULL;
        m->env.version = WT_WIRE_VERSION;
        m->env.method = method;
        return m;
}

/* For what would not outlive the message's wait in an outbox. */
struct wt_bytes router_copy(wt_msg *m, const void *p, size_t n)
{
        return WT_BYTES(wt_arena_str(&m->arena, p, n), n);
}

/* Takes m. False: the peer is gone, or reads so little that it is given up. */
static bool post(struct router *r, struct wt_outbox *o, wt_msg *m)
{
        return wt_outbox_send(o, r->conf.bus, m, r->conf.outbox_bytes, &r->n.bytes_out) == WT_OK;
}

bool router_post_worker(struct router *r, struct worker *w, wt_msg *m)
{
        if (w->cut)
                wt_msg_free(m);
        else
                w->cut = !post(r, &w->out, m);
        return !w->cut;
}

bool router_post_gateway(struct router *r, struct gateway *g, wt_msg *m)
{
        if (g->cut)
                wt_msg_free(m);
        else
                g->cut = !post(r, &g->out, m);
        return !g->cut;
}

static bool flush(struct router *r, struct wt_outbox *o)
{
        return wt_outbox_flush(o, r->conf.bus, r->conf.outbox_bytes, &r->n.bytes_out) == WT_OK;
}

void router_flush(struct router *r)
{
        for (uint32_t i = 0; i < r->n_workers; i++)
                if (r->worker[i].out.n > 0 && !flush(r, &r->worker[i].out))
                        r->worker[i].cut = true;
        for (uint32_t i = 0; i < MAX_GATEWAYS; i++)
                if (r->gateway[i].out.n > 0 && !flush(r, &r->gateway[i].out))
                        r->gateway[i].cut = true;
}
