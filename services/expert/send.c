/* send.c - answers on their way out, a list for each router: one that does not read holds up
 * nobody else, and is given up once too much waits for it. Credits keep queues far below the
 * high-water mark, so the lists are nearly always empty. */
#include <string.h>
#include "base/log.h"
#include "inside.h"

static uint64_t tensor_bytes(const wt_msg *m)
{
        uint64_t bytes = 0;

        for (uint32_t i = 0; i < m->env.n_tensors; i++)
                bytes += m->frame[i].len;
        return bytes;
}

void expert_outbox_clear(struct outbox *o)
{
        for (wt_msg *m = o->head, *next; m != NULL; m = next) {
                next = m->next;
                wt_msg_free(m);
        }
        *o = (struct outbox){ 0 };
}

/* It cannot be reached, or reads too little; it asks again if it is there after all. */
static void give_up(struct expert *e, uint32_t peer)
{
        struct link *k = &e->link[peer];

        if (k->welcome)
                expert_jobs_drop(e, peer);
        k->welcome = k->cut = false;
        k->bye = true;
        expert_outbox_clear(&k->out);
}

/* False: that would be more than is kept for one router. A single message is always kept. */
static bool keep(struct outbox *o, wt_msg *m)
{
        uint64_t bytes = tensor_bytes(m) + wt_arena_bytes(&m->arena);

        if (o->n > 0 && (o->n == MAX_LETTERS || o->bytes + bytes > LETTER_BYTES))
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

void expert_send(struct expert *e, wt_msg *m)
{
        struct outbox *o = &e->link[m->peer].out;
        uint64_t bytes = tensor_bytes(m);
        uint32_t peer = m->peer;
        wt_err err;

        if (e->link[peer].cut) {
                wt_msg_free(m);
                return;
        }
        err = o->n > 0 ? WT_EAGAIN : wt_bus_send(e->conf.bus, m);
        if (err == WT_OK) {
                e->n.bytes_out += bytes;
                return;
        }
        if (err == WT_EAGAIN && keep(o, m))
                return;
        if (err == WT_EAGAIN)
                wt_log(WT_WARN, "EXPERT-ROUTER-DEAF", "router=%s messages=%u bytes=%llu",
                       wt_bus_peer_name(e->conf.bus, peer), o->n, (unsigned long long)o->bytes);
        wt_msg_free(m);
        e->link[peer].cut = true;
}

/* What waited goes out again, in order. */
static void flush(struct expert *e, struct outbox *o)
{
        struct outbox old = *o;

        *o = (struct outbox){ 0 };
        while (old.head != NULL) {
                wt_msg *m = old.head;

                old.head = m->next;
                m->next = NULL;
                expert_send(e, m);
        }
}

void expert_flush(struct expert *e)
{
        for (uint32_t i = 0; i < e->conf.n_routers; i++) {
                if (e->link[i].out.n > 0)
                        flush(e, &e->link[i].out);
                if (e->link[i].cut)              /* now, when nobody looks at its calls */
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
