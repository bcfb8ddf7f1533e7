/* intend.c - the intent of a request is given to the spool before anything of it leaves for a
 * router; its sync delays the answer's first byte, and not the routers. Where nothing can be
 * recorded nothing is begun. */
#include "path.h"
#include <stdio.h>
#include "base/log.h"

enum { LATER_US = 1000 };

static bool shed(struct request *r, const char *words)
{
        r->tally.shed = true;
        r->g->audit.shed++;
        return request_refuse(r, refusal_of(WT_EUNAVAILABLE), "%s", words);
}

bool audit_ready(struct gateway *g, const char **words)
{
        struct audit *a = &g->audit;
        struct wt_spool_stats st;
        char why[256];

        *words = a->why;
        if (!wt_spool_good(g->conf.spool, why, sizeof why)) {
                snprintf(a->why, sizeof a->why, "the disk of the audit log fails (%.250s), and "
                         "what cannot be recorded is not answered; try again later", why);
                return false;
        }
        wt_spool_stats(g->conf.spool, &st);
        if (st.bytes >= g->conf.spool_bytes / 10 * 9) {
                /* The last tenth is for the ends of what has begun. */
                snprintf(a->why, sizeof a->why, "the spool of the audit log is full (%llu bytes "
                         "wait for the store; spool_bytes is the limit), and what cannot be "
                         "recorded is not answered; try again later",
                         (unsigned long long)st.bytes);
                return false;
        }
        return true;
}

bool audit_open(struct request *r)
{
        const char *words;

        return audit_ready(r->g, &words) || shed(r, words);
}

/* Its sync begins LATER_US from now at the latest; before that with the outcome's, which most
 * answers without a stream wait for anyway, or when a first byte waits (hold.c). */
static void sync_later(void *arg, struct wt_timer *t)
{
        (void)t;
        wt_spool_sync(arg);
}

static wt_err append_later(struct gateway *g, const struct wt_audit_event *e, uint64_t *seq)
{
        struct audit *a = &g->audit;
        wt_err err;

        wt_buf_clear(&a->event);
        if ((err = wt_audit_encode(e, &a->event)) != WT_OK ||
            (err = wt_spool_append_later(g->conf.spool, a->event.data, a->event.len, seq)) != WT_OK)
                return err;
        if (a->later.heap_pos == 0) {
                a->later.fire = sync_later;
                a->later.arg = g->conf.spool;
                wt_loop_timer_set(g->conf.loop, &a->later, wt_now_us(g->conf.clock) + LATER_US);
        }
        return WT_OK;
}

bool gateway_intend(struct request *r)
{
        struct wt_audit_event e;
        uint8_t hash[32];
        wt_err err;

        record_describe(r, WT_AUDIT_INTENT, &e);
        record_hash(r, "prompt", true, hash);
        e.prompt_hash = WT_BYTES(hash, 32);
        if ((err = append_later(r->g, &e, &r->hold.gate)) != WT_OK) {
                wt_log_err(WT_WARN, "GATEWAY-AUDIT-SHED", err);
                return shed(r, "the audit log cannot take a record now, and what cannot be "
                            "recorded is not answered; try again later");
        }
        r->tally.intended = true;
        r->g->audit.intents++;
        return true;
}
