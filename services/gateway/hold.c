/* hold.c - law 3: the first byte of an answer leaves when its intent is on disk, the last one when
 * its outcome is. Until then the bytes lie here; the loop goes on, and wakes when the spool has
 * synced. An answer that is ready before its intent was synced shares that sync. */
#include "path.h"
#include <string.h>
#include "base/log.h"

static bool parked(const struct request *r)
{
        return r->hold.begin || r->hold.whole || r->hold.end || r->hold.bytes.len > 0;
}

static bool may_leave(struct request *r)
{
        return !r->tally.unwritten &&
               (r->hold.gate == 0 || wt_spool_durable(r->g->conf.spool) >= r->hold.gate);
}

static void list(struct request *r)
{
        struct audit *a = &r->g->audit;
        struct hold *h = &r->hold;

        if (h->listed)
                return;
        wt_spool_sync(r->g->conf.spool);         /* somebody waits for it now */
        h->listed = true;
        h->since_us = wt_now_us(r->g->conf.clock);
        h->prev = NULL;
        h->next = a->held;
        if (a->held != NULL)
                a->held->hold.prev = r;
        a->held = r;
        a->n_held++;
}

static void unlist(struct request *r)
{
        struct audit *a = &r->g->audit;
        struct hold *h = &r->hold;

        if (!h->listed)
                return;
        h->listed = false;
        if (h->prev != NULL)
                h->prev->hold.next = h->next;
        else
                a->held = h->next;
        if (h->next != NULL)
                h->next->hold.prev = h->prev;
        a->n_held--;
}

static void over(struct request *r)
{
        unlist(r);
        r->call = NULL;
        r->next = r->g->over;
        r->g->over = r;
}

void hold_reply(struct request *r, int status, const char *type, const char *headers,
                const void *body, size_t len)
{
        struct hold *h = &r->hold;

        h->whole = true;
        h->status = status;
        h->type = type;
        wt_buf_clear(&h->headers);
        wt_buf_str(&h->headers, headers != NULL ? headers : "");
        wt_buf_clear(&h->bytes);
        wt_buf_add(&h->bytes, body, len);
}

void hold_begin(struct request *r, int status, const char *type, const char *headers)
{
        struct hold *h = &r->hold;

        if (may_leave(r)) {
                h->sent = true;
                caller_begin(r->call, status, type, headers);
                return;
        }
        h->begin = true;
        h->status = status;
        h->type = type;
        wt_buf_clear(&h->headers);
        wt_buf_str(&h->headers, headers);
        list(r);
}

bool hold_write(struct request *r, const void *data, size_t len, bool last)
{
        if (!last && !parked(r) && may_leave(r))
                return caller_write(r->call, data, len);
        wt_buf_add(&r->hold.bytes, data, len);
        if (!last)
                list(r);
        return true;
}

void hold_end(struct request *r) { r->hold.end = true; }

bool hold_unsent(struct request *r)
{
        struct hold *h = &r->hold;

        if (h->sent || !h->begin)
                return false;
        h->begin = h->end = false;
        wt_buf_clear(&h->bytes);
        return true;
}

/* All that is parked leaves. A connection that died in it is told of by on_gone, or, when the
 * request is over, of no interest. */
static void leave(struct request *r)
{
        struct hold *h = &r->hold;
        bool alive = true;

        h->sent = true;
        if (h->whole) {
                caller_reply(r->call, h->status, h->type, h->headers.data, h->bytes.data,
                              h->bytes.len);
        } else {
                if (h->begin)
                        caller_begin(r->call, h->status, h->type, h->headers.data);
                if (h->bytes.len > 0)
                        alive = caller_write(r->call, h->bytes.data, h->bytes.len);
                if (h->end && alive)
                        caller_finish(r->call);
                else if (h->end)
                        caller_abort(r->call);
        }
        h->begin = h->whole = h->end = false;
        wt_buf_clear(&h->bytes);
}

void hold_settle(struct request *r)
{
        r->tally.ended = true;
        if (r->hold.gate != 0 && !r->tally.unwritten)    /* its outcome takes with it what waited */
                wt_loop_timer_off(r->g->conf.loop, &r->g->audit.later);
        if (!may_leave(r) && (r->call != NULL || r->tally.unwritten)) {
                list(r);
                return;
        }
        if (r->call != NULL && parked(r))
                leave(r);
        over(r);
}

void hold_gone(struct request *r)
{
        r->call = NULL;
        if (!r->tally.unwritten)
                over(r);
}

void hold_wake(struct gateway *g)
{
        for (struct request *r = g->audit.held, *next; r != NULL; r = next) {
                next = r->hold.next;
                if (!may_leave(r))
                        continue;
                unlist(r);
                if (r->call != NULL)
                        leave(r);
                if (r->tally.ended)
                        over(r);
        }
}

/* The disk does not answer: nothing was acknowledged, and nothing will be. */
static void expire(struct request *r)
{
        struct gateway *g = r->g;

        g->audit.late++;
        wt_log(WT_WARN, "GATEWAY-AUDIT-LATE", "request=%s", r->id_text);
        if (r->call != NULL && r->hold.sent)
                caller_abort(r->call);
        else if (r->call != NULL)
                call_refuse(r->call, r->id_text, refusal_of(WT_EUNAVAILABLE),
                            "the record of this request could not be put on disk in time, so it "
                            "is not answered; try again later");
        r->call = NULL;
        r->status = 503;
        if (!r->tally.ended) {
                unlist(r);
                request_end(r, "failed");
        } else if (!r->tally.unwritten) {
                over(r);
        } else {
                r->tally.outcome = "failed";     /* is written when the disk comes back */
        }
}

void hold_tick(struct gateway *g)
{
        uint64_t now = wt_now_us(g->conf.clock);

        for (struct request *r = g->audit.held, *next; r != NULL; r = next) {
                next = r->hold.next;
                if (r->tally.unwritten && record_again(r)) {
                        if (r->call == NULL)
                                over(r);
                        continue;                /* hold_wake sees to it when it is synced */
                }
                if (r->call != NULL && now - r->hold.since_us > g->conf.audit_wait_us)
                        expire(r);
        }
        flood_flush(g, false);
}

void hold_drop(struct gateway *g)
{
        wt_loop_timer_off(g->conf.loop, &g->audit.later);
        while (g->audit.held != NULL) {
                struct request *r = g->audit.held;

                if (r->call != NULL)
                        caller_abort(r->call);
                over(r);
        }
}
