/* drain_sweep.c - "interrupted" for what began and will not end any more. In one transaction with
 * the look at the log that no end is there, and under leases told by the store's clock. */
#include <stdio.h>
#include "audit/drain_impl.h"
#include "audit/table.h"
#include "base/clock.h"
#include "base/sha256.h"

enum { SWEEP_ROWS = 128, MAX_DEAD = 16 };

struct dead { char gateway[65]; struct wt_lease lease; };
struct found { uint8_t request[16]; struct wt_bytes body; int64_t tokens; bool ended; };
struct sweep {
        struct wt_drain *d;
        const char *gateway;
        int64_t before_us;                       /* intents older than this */
        const struct wt_lease *lease;            /* of the dead one, ours now; NULL: ourselves */
        struct wt_arena arena;
        struct found row[SWEEP_ROWS]; uint32_t n, written;
};

static int take_row(void *arg, const struct wt_value *v, uint32_t n)
{
        struct sweep *w = arg;
        struct found *f = &w->row[w->n];
        char *body = wt_arena_try(&w->arena, v[1].len + 1u);

        (void)n;
        if (body == NULL || v[0].len != 16)
                return wt_fail(body == NULL ? WT_ENOMEM : WT_EDATA, "a row of audit_open");
        memcpy(f->request, v[0].as.data, 16);
        memcpy(body, v[1].as.data, v[1].len);
        f->body = WT_BYTES(body, v[1].len);
        f->tokens = v[2].as.i;
        f->ended = false;
        w->n++;
        return 0;
}

static int there(void *arg, const struct wt_value *v, uint32_t n)
{
        (void)v; (void)n;
        *(bool *)arg = true;
        return 0;
}

/* The event of one: what its intent said, how far its last mark came. */
static wt_err write_one(struct sweep *w, wt_store *s, struct found *f)
{
        struct wt_audit_event e;
        struct wt_buf b = { 0 };
        struct wt_bytes body;
        uint64_t first;
        uint32_t n_new = 0;
        wt_err err = wt_audit_decode(&e, f->body.data, f->body.len, &w->arena);

        if (err != WT_OK)
                return err;
        e.kind = WT_AUDIT_INTERRUPTED;
        e.time_us = wt_wall_us(&wt_clock_real);
        e.outcome = WT_STR("interrupted");
        e.completion_tokens = (uint64_t)f->tokens;
        e.prompt_hash = WT_BYTES("", 0);
        if (w->d->conf.price != NULL)
                err = w->d->conf.price(w->d->conf.arg, s, &e);
        if (err == WT_OK && (err = wt_audit_encode(&e, &b)) == WT_OK) {
                body = WT_BYTES(b.data, b.len);
                err = wt_audit_append(s, &body, 1, &first, &n_new, NULL);
        }
        if (err == WT_OK && n_new > 0 && w->d->conf.ends != NULL)
                err = w->d->conf.ends(w->d->conf.arg, s, &e, 1);
        w->written += n_new;
        wt_buf_free(&b);
        return err;
}

static wt_err sweep_one(struct sweep *w, wt_store *s, struct found *f)
{
        const struct wt_value v[] = { wt_v_int(wt_audit_day(f->request)),
                                      wt_v_blob(f->request, 16) };
        wt_err err = wt_store_query(s, "SELECT 1 FROM audit_events WHERE day = $1 AND request = $2"
                                    " AND kind = 2", v, 2, there, &f->ended, NULL);

        if (err == WT_OK && !f->ended)
                err = write_one(w, s, f);
        if (err != WT_OK)
                return err;
        return wt_store_query(s, "DELETE FROM audit_open WHERE request = $1", v + 1, 1, NULL, NULL,
                              NULL);
}

static wt_err sweep_work(void *arg, wt_store *s)
{
        struct sweep *w = arg;
        const struct wt_value v[] = { wt_v_text(w->gateway), wt_v_int(w->before_us),
                                      wt_v_int(SWEEP_ROWS) };
        wt_err err;

        w->n = w->written = 0;
        wt_arena_reset(&w->arena);
        if (w->lease != NULL && ((err = wt_lease_check(s, &w->d->sweeper)) != WT_OK ||
                                 (err = wt_lease_check(s, w->lease)) != WT_OK))
                return err;
        err = wt_store_query(s, "SELECT request, body, tokens FROM audit_open WHERE gateway = $1 "
                             "AND time_us < $2 ORDER BY time_us LIMIT $3", v, 3, take_row, w, NULL);
        for (uint32_t i = 0; i < w->n && err == WT_OK; i++)
                err = sweep_one(w, s, &w->row[i]);
        return err != WT_OK || w->written == 0 ? err : wt_store_notify(s, "audit");
}

static wt_err sweep(struct wt_drain *d, const char *gateway, uint64_t before_us,
                    const struct wt_lease *lease)
{
        struct sweep w = { .d = d, .gateway = gateway, .before_us = (int64_t)before_us,
                           .lease = lease };
        wt_err err;

        do {
                err = wt_store_do(d->store, sweep_work, &w);
                pthread_mutex_lock(&d->lock);
                d->stats.interrupted += err == WT_OK ? w.written : 0;
                pthread_mutex_unlock(&d->lock);
        } while (err == WT_OK && w.n == SWEEP_ROWS);
        wt_arena_fini(&w.arena);
        return err;
}

struct others { struct dead list[MAX_DEAD]; uint32_t n; };

static int take_gateway(void *arg, const struct wt_value *v, uint32_t n)
{
        struct others *o = arg;

        (void)n;
        if (o->n < MAX_DEAD && wt_v_copy(&v[0], o->list[o->n].gateway, sizeof o->list->gateway))
                o->n++;
        return 0;
}

void drain_lease_of(const char *gateway, char out[64])
{
        uint8_t sum[32];
        char hex[33];

        wt_sha256_of(gateway, strlen(gateway), sum);
        wt_hex(sum, 16, hex);
        snprintf(out, 64, "audit-gateway-%s", hex);
}

/* Whoever can take another gateway's lease knows that it has ended, and that one cannot have it
 * back meanwhile. */
static wt_err sweep_others(struct wt_drain *d)
{
        const char *me = wt_spool_id(d->conf.spool);
        const struct wt_value self = wt_v_text(d->gateway);
        struct others o = { .n = 0 };
        uint64_t now = wt_wall_us(&wt_clock_real);
        char name[64];
        wt_err err = wt_lease_take(d->store, "audit-sweeper", me, d->conf.lease_ms, &d->sweeper);

        if (err != WT_OK)
                return err == WT_EEXIST ? WT_OK : err;
        err = wt_store_query(d->store, "SELECT DISTINCT gateway FROM audit_open WHERE gateway <> "
                             "$1", &self, 1, take_gateway, &o, NULL);
        for (uint32_t i = 0; i < o.n && err == WT_OK; i++) {
                drain_lease_of(o.list[i].gateway, name);
                err = wt_lease_take(d->store, name, me, d->conf.lease_ms, &o.list[i].lease);
                if (err == WT_OK) {
                        err = sweep(d, o.list[i].gateway, now, &o.list[i].lease);
                        wt_lease_give(d->store, &o.list[i].lease);
                }
                if (err == WT_EEXIST || err == WT_EPRECONDITION)
                        err = WT_OK;             /* it lives, or another is at it */
        }
        return err;
}

wt_err drain_sweep(struct wt_drain *d)
{
        uint64_t now = wt_now_us(&wt_clock_real);
        wt_err err;

        if (!d->swept && d->seq >= d->begun_seq && !d->alone)
                return wt_fail(WT_EPRECONDITION, "another gateway that lives is called %s, too, and "
                               "what is open in the store may be its own: give each gateway of a "
                               "store a --name of its own (after a state folder was lost this "
                               "passes within %u s)", d->gateway,
                               (unsigned)(d->conf.lease_ms / 1000 + 1));
        if (!d->swept && d->seq >= d->begun_seq) {
                if ((err = sweep(d, d->gateway, INT64_MAX, NULL)) != WT_OK)
                        return err;
                d->swept = true;
        }
        if (d->swept_us != 0 && now - d->swept_us < d->conf.lease_ms * 1000 / 3)
                return WT_OK;
        d->swept_us = now;
        return sweep_others(d);
}
