/* outbox.c - see outbox.h. */
#include "bus/outbox.h"

static uint64_t tensor_bytes(const wt_msg *m)
{
        uint64_t bytes = 0;

        for (uint32_t i = 0; i < m->env.n_tensors; i++)
                bytes += m->frame[i].len;
        return bytes;
}

static bool keep(struct wt_outbox *o, wt_msg *m, uint64_t most_bytes)
{
        uint64_t bytes = tensor_bytes(m) + wt_arena_bytes(&m->arena);

        if (o->n > 0 && (o->n == WT_OUTBOX_MOST || o->bytes + bytes > most_bytes))
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

wt_err wt_outbox_send(struct wt_outbox *o, wt_bus *b, wt_msg *m, uint64_t most_bytes,
                      uint64_t *sent)
{
        uint64_t bytes = tensor_bytes(m);
        wt_err err = o->n > 0 ? WT_EAGAIN : wt_bus_send(b, m);

        if (err == WT_OK) {
                *sent += bytes;
                return WT_OK;
        }
        if (err == WT_EAGAIN && keep(o, m, most_bytes))
                return WT_OK;
        wt_msg_free(m);
        return err;
}

wt_err wt_outbox_flush(struct wt_outbox *o, wt_bus *b, uint64_t most_bytes, uint64_t *sent)
{
        wt_msg *m = o->head;
        wt_err err = WT_OK;

        *o = (struct wt_outbox){ 0 };
        for (wt_msg *next; m != NULL; m = next) {
                next = m->next;
                m->next = NULL;
                if (err == WT_OK)
                        err = wt_outbox_send(o, b, m, most_bytes, sent);
                else
                        wt_msg_free(m);
        }
        return err;
}

void wt_outbox_clear(struct wt_outbox *o)
{
        for (wt_msg *m = o->head, *next; m != NULL; m = next) {
                next = m->next;
                wt_msg_free(m);
        }
        *o = (struct wt_outbox){ 0 };
}
