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

static uint64_t tensor_bytes(const wt_msg *m)
{
        uint64_t bytes = 0;

        for (uint32_t i = 0; i < m->env.n_tensors; i++)
                bytes += m->frame[i].len;
        return bytes;
}

/* False: that would be more than is kept for one peer. A single message is always kept. */
static bool keep(const struct router *r, struct outbox *o, wt_msg *m)
{
        uint64_t bytes = tensor_bytes(m) + wt_arena_bytes(&m->arena);

        if (o->n > 0 && (o->n == MAX_LETTERS || o->bytes + bytes > r->conf.outbox_bytes))
                return false;
        if (o->head == NULL)
                o->tail = &o->head;
        m->next = NULL;
        *o->tail = m;
        o->tail = &m->next;
        o->n++;
        o->bytes += bytes;
        return true;
}

/* Takes m. False: the peer is gone, or reads so little that it is given up. */
static bool post(struct router *r, struct outbox *o, wt_msg *m)
{
        uint64_t bytes = tensor_bytes(m);
        wt_err err = o->n > 0 ? WT_EAGAIN : WT_OK;

        if (err == WT_OK && (err = wt_bus_send(r->conf.bus, m)) == WT_OK) {
                r->n.bytes_out += bytes;
                return true;
        }
        if (err == WT_EAGAIN && keep(r, o, m))
                return true;
        wt_msg_free(m);
        return false;
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

/* What waited goes out again, in order. */
static bool flush(struct router *r, struct outbox *o)
{
        wt_msg *m = o->head;

        o->head = NULL;
        o->n = 0;
        o->bytes = 0;
        for (wt_msg *next; m != NULL; m = next) {
                next = m->next;
                m->next = NULL;
                if (!post(r, o, m)) {
                        for (m = next; m != NULL; m = next) {
                                next = m->next;
                                wt_msg_free(m);
                        }
                        return false;
                }
        }
        return true;
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

void router_outbox_clear(struct outbox *o)
{
        for (wt_msg *m = o->head, *next; m != NULL; m = next) {
                next = m->next;
                wt_msg_free(m);
        }
        *o = (struct outbox){ 0 };
}
