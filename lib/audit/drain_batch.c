/* drain_batch.c - a batch of the spool's records in one transaction. A batch that the store
 * refuses for its data is halved until one record is left; that one is put aside. */
#include <inttypes.h>
#include <stdio.h>
#include "audit/drain_impl.h"
#include "audit/table.h"
#include "base/clock.h"
#include "base/rng.h"

static struct wt_bytes bytes_of(const struct wt_drain *d, const struct item *i)
{
        return WT_BYTES(d->bytes.data + i->at, i->len);
}

static bool is_end(const struct wt_audit_event *e)
{
        return e->kind == WT_AUDIT_OUTCOME || e->kind == WT_AUDIT_INTERRUPTED;
}

/* Records behind d->seq: as many as the next batch may hold and as are durable. None of this run's
 * before the earlier one is swept: whatever is open then is the earlier one's, whatever its clock
 * said. */
static wt_err read_batch(struct wt_drain *d)
{
        uint64_t after = d->seq;
        wt_err err = WT_OK;

        d->n = 0;
        wt_buf_clear(&d->bytes);
        wt_arena_reset(&d->arena);
        while (d->n < d->limit && d->bytes.len < BATCH_BYTES) {
                struct item *i = &d->item[d->n];

                if (!d->swept && after >= d->begun_seq) {
                        err = WT_EAGAIN;
                        break;
                }
                i->at = d->bytes.len;
                if ((err = wt_spool_next(d->conf.spool, after, &d->bytes, &i->seq)) != WT_OK)
                        break;
                i->len = d->bytes.len - i->at;
                after = i->seq;
                d->n++;
        }
        d->full = err == WT_OK;
        return d->n > 0 ? WT_OK : err;
}

static wt_err decode_batch(struct wt_drain *d)
{
        for (uint32_t k = 0; k < d->n; k++) {
                struct item *i = &d->item[k];
                wt_err err = wt_audit_decode(&i->e, d->bytes.data + i->at, i->len, &d->arena);

                if (err == WT_ENOMEM)
                        return err;
                i->bad = err != WT_OK;
                i->ends = err == WT_OK && is_end(&i->e);
                if (i->bad)
                        snprintf(i->reason, sizeof i->reason, "%s", wt_words());
        }
        return WT_OK;
}

static int one_int(void *arg, const struct wt_value *v, uint32_t n)
{
        (void)n;
        *(int64_t *)arg = v[0].as.i;
        return 0;
}

static wt_err stored_seq(struct wt_drain *d, wt_store *s, int64_t *seq)
{
        const struct wt_value spool = wt_v_text(wt_spool_id(d->conf.spool));

        *seq = 0;
        return wt_store_query(s, "SELECT seq FROM audit_spools WHERE spool = $1", &spool, 1,
                              one_int, seq, NULL);
}

static wt_err put_aside(struct wt_drain *d, wt_store *s, const struct item *i)
{
        const struct wt_value v[] = { wt_v_text(wt_spool_id(d->conf.spool)),
                wt_v_int((int64_t)i->seq), wt_v_int((int64_t)wt_wall_us(&wt_clock_real)),
                wt_v_text(i->reason), wt_v_blob(d->bytes.data + i->at, (uint32_t)i->len) };

        return wt_store_query(s, "INSERT INTO audit_quarantine VALUES ($1, $2, $3, $4, $5) "
                              "ON CONFLICT (spool, seq) DO NOTHING", v, 5, NULL, NULL, NULL);
}

static wt_err append_rows(struct wt_drain *d, wt_store *s)
{
        struct wt_bytes body[BATCH_RECORDS];
        uint32_t n = 0, n_new = 0;
        uint64_t first;
        wt_err err = WT_OK;

        for (uint32_t k = 0; k < d->n && err == WT_OK; k++) {
                if (d->item[k].bad)
                        err = put_aside(d, s, &d->item[k]);
                else if (d->item[k].e.kind != WT_AUDIT_MARK)
                        body[n++] = bytes_of(d, &d->item[k]);
        }
        return err != WT_OK || n == 0 ? err : wt_audit_append(s, body, n, &first, &n_new, NULL);
}

static wt_err bill(struct wt_drain *d, wt_store *s)
{
        struct wt_audit_event *ends;
        uint32_t n = 0;

        if (d->conf.ends == NULL)
                return WT_OK;
        ends = wt_arena_try(&d->arena, BATCH_RECORDS * sizeof *ends);
        if (ends == NULL)
                return wt_fail(WT_ENOMEM, "no memory for a bill");
        for (uint32_t k = 0; k < d->n; k++)
                if (d->item[k].ends && d->item[k].was_open)
                        ends[n++] = d->item[k].e;
        return n > 0 ? d->conf.ends(d->conf.arg, s, ends, n) : WT_OK;
}

static wt_err advance(struct wt_drain *d, wt_store *s)
{
        const struct wt_value v[] = { wt_v_text(wt_spool_id(d->conf.spool)),
                wt_v_text(d->gateway), wt_v_int((int64_t)d->item[d->n - 1].seq),
                wt_v_int((int64_t)wt_wall_us(&wt_clock_real)) };
        wt_err err = wt_store_query(s, "INSERT INTO audit_spools VALUES ($1, $2, $3, $4) "
                                    "ON CONFLICT (spool) DO UPDATE SET gateway = excluded.gateway, "
                                    "seq = excluded.seq, time_us = excluded.time_us", v, 4, NULL,
                                    NULL, NULL);

        return err == WT_OK ? wt_store_notify(s, "audit") : err;
}

/* May run several times; a commit of before whose answer was lost is seen by its offset. */
static wt_err work(void *arg, wt_store *s)
{
        struct wt_drain *d = arg;
        int64_t seq = 0;
        wt_err err;

        for (uint32_t k = 0; k < d->n; k++)
                d->item[k].was_open = false;
        if ((err = stored_seq(d, s, &seq)) != WT_OK)
                return err;
        if ((uint64_t)seq > d->seq)              /* those are there: begin behind them */
                return wt_fail(WT_EEXIST, "the store has this spool up to %" PRId64, seq);
        if ((err = append_rows(d, s)) != WT_OK || (err = drain_open_end(d, s)) != WT_OK ||
            (err = drain_open_keep(d, s)) != WT_OK || (err = bill(d, s)) != WT_OK)
                return err;
        return advance(d, s);
}

static void note_aside(struct wt_drain *d, const struct item *i)
{
        struct wt_audit_event e = { .kind = WT_AUDIT_NOTE };
        struct wt_buf b = { 0 };
        uint8_t id[16];
        char words[700];
        uint64_t now = wt_wall_us(&wt_clock_real), seq;

        snprintf(words, sizeof words, "record %" PRIu64 " of spool %s is in audit_quarantine: %s",
                 i->seq, wt_spool_id(d->conf.spool), i->reason);
        if (d->conf.said != NULL)
                d->conf.said(d->conf.arg, "AUDIT-QUARANTINE", words);
        if (!i->bad || i->e.kind == WT_AUDIT_NOTE)
                return;                          /* a note about a note would never end */
        wt_uuid7(now, id);
        e.request = WT_BYTES(id, 16);
        e.time_us = now;
        e.gateway = WT_STR(d->gateway);
        e.action = WT_STR("quarantine");
        e.count = 1;
        e.words = WT_STR(words);
        if (wt_audit_encode(&e, &b) == WT_OK)
                wt_spool_append(d->conf.spool, b.data, b.len, &seq);     /* full: said above */
        wt_buf_free(&b);
}

static void taken(struct wt_drain *d)
{
        uint64_t rows = 0, aside = 0;

        for (uint32_t k = 0; k < d->n; k++) {
                rows += !d->item[k].bad && d->item[k].e.kind != WT_AUDIT_MARK;
                aside += d->item[k].bad;
                if (d->item[k].bad)
                        note_aside(d, &d->item[k]);
        }
        d->seq = d->item[d->n - 1].seq;
        wt_spool_release(d->conf.spool, d->seq);
        d->limit = 2 * d->limit < BATCH_RECORDS ? 2 * d->limit : BATCH_RECORDS;
        pthread_mutex_lock(&d->lock);
        d->stats.rows += rows;
        d->stats.quarantined += aside;
        pthread_mutex_unlock(&d->lock);
}

static wt_err learn_seq(struct wt_drain *d)
{
        int64_t seq = 0;
        wt_err err = stored_seq(d, d->store, &seq);

        if (err == WT_OK && (uint64_t)seq > d->seq) {
                d->seq = (uint64_t)seq;
                wt_spool_release(d->conf.spool, d->seq);
        }
        return err;
}

/* A commit whose answer was lost, or somebody else wrote the same row just now: try again. */
static wt_err go_behind(struct wt_drain *d)
{
        uint64_t was = d->seq;
        wt_err err = learn_seq(d);

        return err != WT_OK || d->seq > was ? err
                : wt_fail(WT_EABORTED, "a row of this batch is being written by another");
}

wt_err drain_batch(struct wt_drain *d)
{
        wt_err err;

        if (d->seq == 0 && (err = learn_seq(d)) != WT_OK)
                return err;
        if ((err = read_batch(d)) != WT_OK || (err = decode_batch(d)) != WT_OK)
                return err;
        err = wt_store_do(d->store, work, d);
        while (err == WT_EDATA) {
                if (d->n == 1) {
                        d->item[0].bad = true;
                        d->item[0].ends = false;
                        snprintf(d->item[0].reason, REASON, "%s", wt_words());
                } else {
                        d->n /= 2;
                        d->limit = d->n;
                        d->full = true;
                }
                err = wt_store_do(d->store, work, d);
                if (err == WT_EDATA && d->n == 1 && d->item[0].bad)
                        return wt_fail_in(WT_EINTERNAL, "not even the quarantine takes it");
        }
        if (err == WT_OK)
                taken(d);
        else if (err == WT_EEXIST)
                err = go_behind(d);
        return err;
}
