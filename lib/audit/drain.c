/* drain.c - the drain's thread: batches while something waits, the gateway's lease, sweeps, and
 * patience with a store that is away. */
#include "audit/drain.h"
#include <stdio.h>
#include <stdlib.h>
#include "audit/drain_impl.h"
#include "audit/table.h"
#include "base/clock.h"

enum { LEASE_MS = 15000, FIRST_PAUSE_MS = 50, LONGEST_PAUSE_MS = 2000, STOP_US = 20000 };

static const char *const steps[] = {
        "CREATE TABLE audit_spools (spool TEXT PRIMARY KEY, gateway TEXT NOT NULL,"
        " seq BIGINT NOT NULL, time_us BIGINT NOT NULL);"
        "CREATE TABLE audit_open (request {bytes} PRIMARY KEY, gateway TEXT NOT NULL,"
        " time_us BIGINT NOT NULL, tokens BIGINT NOT NULL, body {bytes} NOT NULL);"
        "CREATE INDEX audit_open_gateway ON audit_open (gateway, time_us);"
        "CREATE TABLE audit_quarantine (spool TEXT NOT NULL, seq BIGINT NOT NULL,"
        " time_us BIGINT NOT NULL, reason TEXT NOT NULL, body {bytes} NOT NULL,"
        " PRIMARY KEY (spool, seq))",
};

wt_err wt_drain_migrate(wt_store *s)
{
        wt_err err = wt_audit_migrate(s);

        return err != WT_OK ? err
                : wt_store_migrate(s, "audit_drain", steps, sizeof steps / sizeof *steps);
}

static bool asked_to_stop(struct wt_drain *d, uint64_t *until_us)
{
        bool stop;

        pthread_mutex_lock(&d->lock);
        stop = d->stopping;
        *until_us = d->stop_at_us;
        pthread_mutex_unlock(&d->lock);
        return stop;
}

static void say(struct wt_drain *d, bool trouble)
{
        if (trouble != d->in_trouble && d->conf.said != NULL)
                d->conf.said(d->conf.arg, trouble ? "AUDIT-STORE-AWAY" : "AUDIT-STORE-BACK",
                             trouble ? wt_words() : "");
        d->in_trouble = trouble;
}

static wt_err ready(struct wt_drain *d)
{
        wt_err err = WT_OK;

        if (d->store == NULL)
                err = wt_store_open(&d->store, d->url, d->conf.timeout_ms);
        if (err == WT_OK && !d->migrated)
                d->migrated = (err = wt_drain_migrate(d->store)) == WT_OK;
        return err;
}

/* That this gateway lives. Held by another: it swept us for dead and lets go soon, or an earlier
 * state folder of this name had it and its time runs out, or two that live have one name. */
static wt_err renew(struct wt_drain *d)
{
        uint64_t now = wt_now_us(&wt_clock_real);
        struct wt_lease l;
        wt_err err;

        if (d->renewed_us != 0 && now - d->renewed_us < d->conf.lease_ms * 1000 / 3)
                return WT_OK;
        err = wt_lease_take(d->store, d->lease_name, wt_spool_id(d->conf.spool),
                            d->conf.lease_ms, &l);
        if (err != WT_OK && err != WT_EEXIST)
                return err;
        if (err == WT_OK)
                d->lease = l;
        d->alone = err == WT_OK;
        d->renewed_us = now;
        return WT_OK;
}

static wt_err turn(struct wt_drain *d)
{
        wt_err err;

        if ((err = ready(d)) != WT_OK || (err = renew(d)) != WT_OK)
                return err;
        err = drain_batch(d);
        if (err == WT_OK || err == WT_EAGAIN) {  /* also where there is always another batch */
                wt_err swept = drain_sweep(d);

                if (swept != WT_OK)
                        err = swept;
        }
        return err;
}

static void count(struct wt_drain *d, wt_err err)
{
        bool waits = wt_spool_durable(d->conf.spool) > d->seq;

        pthread_mutex_lock(&d->lock);
        d->stats.drained = d->seq;
        d->stats.failures += err != WT_OK && err != WT_EAGAIN;
        if (!waits)
                d->waits_since_us = 0;
        else if (d->waits_since_us == 0 || err == WT_OK)         /* it moves: since now */
                d->waits_since_us = wt_now_us(&wt_clock_real);
        pthread_mutex_unlock(&d->lock);
}

static void *run(void *arg)
{
        struct wt_drain *d = arg;
        uint64_t until = 0, pause_ms = FIRST_PAUSE_MS;

        for (;;) {
                bool stop = asked_to_stop(d, &until);
                wt_err err;

                if (stop && wt_now_us(&wt_clock_real) >= until)
                        break;
                err = turn(d);
                count(d, err);
                if (err == WT_OK || err == WT_EAGAIN)
                        say(d, false);
                if (err == WT_EAGAIN) {
                        if (stop && wt_spool_appended(d->conf.spool) <= d->seq)
                                break;
                        wt_spool_wait(d->conf.spool, d->seq,
                                      stop ? STOP_US : d->conf.lease_ms * 1000 / 4);
                } else if (err != WT_OK) {
                        say(d, true);
                        wt_spool_wait(d->conf.spool, UINT64_MAX, pause_ms * 1000);
                        pause_ms = 2 * pause_ms < LONGEST_PAUSE_MS ? 2 * pause_ms
                                                                   : LONGEST_PAUSE_MS;
                        continue;
                }
                pause_ms = FIRST_PAUSE_MS;
                if (!d->full && !stop && d->conf.pause_ms > 0)   /* more of them in one commit */
                        wt_spool_wait(d->conf.spool, UINT64_MAX, d->conf.pause_ms * 1000);
        }
        if (d->store != NULL && d->lease.token != 0)
                wt_lease_give(d->store, &d->lease);
        return NULL;
}

static void drop(struct wt_drain *d)
{
        wt_store_close(d->store);
        pthread_mutex_destroy(&d->lock);
        wt_buf_free(&d->bytes);
        wt_arena_fini(&d->arena);
        free(d->url);
        free(d->gateway);
        free(d);
}

wt_err wt_drain_start(wt_drain **out, const struct wt_drain_conf *conf)
{
        struct wt_drain *d = calloc(1, sizeof *d);

        if (d == NULL)
                return wt_fail(WT_ENOMEM, "no memory for the drain of the audit log");
        pthread_mutex_init(&d->lock, NULL);
        d->conf = *conf;
        d->url = strdup(conf->store_url);
        d->gateway = strdup(conf->gateway);
        if (d->conf.lease_ms == 0)
                d->conf.lease_ms = LEASE_MS;
        d->limit = BATCH_RECORDS;
        d->begun_seq = wt_spool_durable(conf->spool);
        if (d->url == NULL || d->gateway == NULL) {
                drop(d);
                return wt_fail(WT_ENOMEM, "no memory for the drain of the audit log");
        }
        drain_lease_of(d->gateway, d->lease_name);
        if (pthread_create(&d->thread, NULL, run, d) != 0) {
                drop(d);
                return wt_fail(WT_EIO, "no thread for the drain of the audit log");
        }
        *out = d;
        return WT_OK;
}

void wt_drain_stop(wt_drain *d, uint64_t wait_ms)
{
        if (d == NULL)
                return;
        pthread_mutex_lock(&d->lock);
        d->stopping = true;
        d->stop_at_us = wt_now_us(&wt_clock_real) + wait_ms * 1000;
        pthread_mutex_unlock(&d->lock);
        wt_spool_wake(d->conf.spool);
        pthread_join(d->thread, NULL);
        drop(d);
}

void wt_drain_stats(wt_drain *d, struct wt_drain_stats *out)
{
        pthread_mutex_lock(&d->lock);
        *out = d->stats;
        out->lag_us = d->waits_since_us != 0 ? wt_now_us(&wt_clock_real) - d->waits_since_us : 0;
        pthread_mutex_unlock(&d->lock);
}
