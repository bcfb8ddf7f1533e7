/* send.c - answers on their way out, an outbox for each router. */
#include <string.h>
#include "base/log.h"
#include "inside.h"

/* It cannot be reached, or reads too little; it asks again if it is there after all. */
static void give_up(struct expert *e, uint32_t peer)
{
        struct link *k = &e->link[peer];

        if (k->welcome)
                expert_jobs_drop(e, peer);
        k->welcome = k->cut = false;
        k->bye = true;
        wt_outbox_clear(&k->out);
}

/* What became of a send: WT_OK, or the router is cut off. */
static void sent(struct expert *e, uint32_t peer, wt_err err)
{
        if (err == WT_EAGAIN)
                wt_log(WT_WARN, "EXPERT-ROUTER-DEAF", "router=%s messages=%u bytes=%llu",
                       wt_bus_peer_name(e->conf.bus, peer), e->link[peer].out.n,
                       (unsigned long long)e->link[peer].out.bytes);
        e->link[peer].cut |= err != WT_OK;
}

void expert_send(struct expert *e, wt_msg *m)
{
        uint32_t peer = m->peer;

        if (e->link[peer].cut)
                wt_msg_free(m);
        else
                sent(e, peer, wt_outbox_send(&e->link[peer].out, e->conf.bus, m, OUTBOX_BYTES,
                                             &e->n.bytes_out));
}

void expert_flush(struct expert *e)
{
        for (uint32_t i = 0; i < e->conf.n_routers; i++) {
                struct link *k = &e->link[i];

                if (k->out.n > 0)
                        sent(e, i, wt_outbox_flush(&k->out, e->conf.bus, OUTBOX_BYTES,
                                                   &e->n.bytes_out));
                if (k->cut)                      /* now, when nobody looks at its calls */
                        give_up(e, i);
        }
}

wt_msg *expert_answer(struct expert *e, uint32_t peer, uint64_t call_id, uint64_t epoch)
{
        wt_msg *m = wt_msg_new(e->conf.bus);

        m->peer = peer;
        m->env = (struct wt_envelope){ .version = WT_WIRE_VERSION, .method = WT_M_EXPERT_REPLY,
                                       .call_id = call_id, .epoch = epoch, .parts = 1 };
        return m;
}

void expert_refuse(struct expert *e, uint32_t peer, uint64_t call_id, uint64_t epoch, wt_err code)
{
        wt_msg *m = expert_answer(e, peer, call_id, epoch);
        const char *words = code == WT_ECANCELLED ? "cancelled" : wt_words();

        m->env.status = (uint32_t)wt_code_outside(code);
        m->env.message = WT_STR(wt_arena_str(&m->arena, words, strlen(words)));
        e->n.refused += code != WT_ECANCELLED;
        expert_send(e, m);
}
