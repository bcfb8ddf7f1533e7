/* send.c - answers on their way out. Credits keep queues far below the high-water mark, so the list
 * of what a full queue did not take is nearly always empty. */
#include <string.h>
#include "inside.h"

static void try_send(struct expert *e, wt_msg *m)
{
        uint32_t peer = m->peer;
        size_t bytes = 0;
        wt_err err;

        for (uint32_t i = 0; i < m->env.n_tensors; i++)
                bytes += m->frame[i].len;
        err = wt_bus_send(e->conf.bus, m);
        if (err == WT_OK) {
                e->n.bytes_out += bytes;
                return;
        }
        if (err == WT_EAGAIN) {
                m->next = NULL;
                *e->out_tail = m;
                e->out_tail = &m->next;
                return;
        }
        wt_msg_free(m);                          /* gone; it asks again if it is not */
        if (e->link[peer].welcome)
                expert_jobs_drop(e, peer);
        e->link[peer].welcome = false;
        e->link[peer].bye = true;
}

void expert_send(struct expert *e, wt_msg *m)
{
        if (e->out_head == NULL) {
                try_send(e, m);
                return;
        }
        m->next = NULL;
        *e->out_tail = m;
        e->out_tail = &m->next;
}

void expert_flush(struct expert *e)
{
        wt_msg *m = e->out_head;

        e->out_head = NULL;
        e->out_tail = &e->out_head;
        while (m != NULL) {
                wt_msg *next = m->next;

                m->next = NULL;
                expert_send(e, m);
                m = next;
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
