/* ledger.c - see ledger.h. Usage is summed up before it is booked: a batch of a thousand requests
 * of one key is three scopes of one minute, not three thousand. */
#include "ledger.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "audit/drain.h"
#include "base/log.h"
#include "identity/quota.h"
#include "identity/usage.h"
#include "net/metrics.h"

enum { PAUSE_MS = 100, LAST_MS = 3000, MINUTE_US = 60 * 1000 * 1000 };

struct gateway_ledger {
        wt_drain *drain;
        wt_spool *spool;
        const char *name;
        bool books;                              /* usage is booked: there are keys */
};

static void said(void *arg, const char *id, const char *words)
{
        (void)arg;
        if (words[0] != '\0')
                wt_log(WT_WARN, id, "words=\"%.700s\"", words);
        else
                wt_log(WT_NOTICE, id, "words=\"the audit log's records reach the store again\"");
}

/* ---- bills --------------------------------------------------------------------------------- */

struct sum {
        const struct wt_audit_event *of;         /* the first of them */
        uint64_t time_us;                        /* the first of them to come */
        struct wt_charge used;
        struct wt_usage usage;
};

/* When the request came: its windows are named by that, and its id says it. */
static uint64_t came_us(const struct wt_audit_event *e)
{
        uint64_t ms = 0;

        for (int i = 0; i < 6; i++)
                ms = ms << 8 | e->request.data[i];
        return ms * 1000;
}

static void add(struct sum *s, const struct wt_audit_event *e)
{
        int64_t tokens = (int64_t)(e->prompt_tokens + e->completion_tokens);

        s->used.n[WT_REQUESTS_PER_MINUTE]++;
        s->used.n[WT_TOKENS_PER_MINUTE] += tokens;
        s->used.n[WT_TOKENS_PER_DAY] += tokens;
        s->used.n[WT_TOKENS_PER_MONTH] += tokens;
        s->used.n[WT_COST_PER_DAY] += (int64_t)e->cost_nano;
        s->used.n[WT_COST_PER_MONTH] += (int64_t)e->cost_nano;
        s->usage.requests++;
        s->usage.prompt_tokens += (int64_t)e->prompt_tokens;
        s->usage.completion_tokens += (int64_t)e->completion_tokens;
        s->usage.cost_nano += (int64_t)e->cost_nano;
}

static void copy(char *out, size_t cap, struct wt_bytes b)
{
        snprintf(out, cap, "%.*s", (int)b.len, b.len > 0 ? (const char *)b.data : "");
}

/* The same for reports, which no gateway's lease is a part of. */
static wt_err book_usage(wt_store *s, struct sum *u)
{
        const struct wt_audit_event *e = u->of;

        u->usage.day = (int64_t)(u->time_us / 1000000 / 86400);
        copy(u->usage.tenant, sizeof u->usage.tenant, e->tenant);
        copy(u->usage.team, sizeof u->usage.team, e->team);
        copy(u->usage.key_id, sizeof u->usage.key_id, e->key_id);
        copy(u->usage.model, sizeof u->usage.model, e->model);
        return wt_usage_add(s, &u->usage);
}

/* Is it of the admin API, whose calls are charged to nobody? */
static bool is_admin(const struct wt_audit_event *e)
{
        return wt_bytes_same(e->cause, WT_STR("admin"));
}

static wt_err book(const struct gateway_ledger *l, wt_store *s, const struct sum *u)
{
        char room[WT_SCOPES][WT_SCOPE_NAME];
        const char *scope[WT_SCOPES], *tenant = (const char *)u->of->tenant.data;
        uint32_t n = 0;

        if (u->of->key_id.len > 0)
                snprintf(room[n++], sizeof *room, "key:%s", (const char *)u->of->key_id.data);
        if (u->of->team.len > 0)
                snprintf(room[n++], sizeof *room, "team:%s/%s", tenant,
                         (const char *)u->of->team.data);
        snprintf(room[n++], sizeof *room, "tenant:%s", tenant);
        for (uint32_t i = 0; i < n; i++)
                scope[i] = room[i];
        return wt_quota_bill(s, l->name, scope, n, u->time_us, &u->used);
}

static wt_err bill(void *arg, wt_store *s, const struct wt_audit_event *ends, uint32_t n)
{
        const struct gateway_ledger *l = arg;
        struct sum *sum = calloc(n, sizeof *sum);
        uint32_t n_sums = 0;
        wt_err err = WT_OK;

        if (sum == NULL)
                return wt_fail(WT_ENOMEM, "no memory for the bills of %u requests", n);
        for (uint32_t i = 0; i < n; i++) {
                const struct wt_audit_event *e = &ends[i];
                uint64_t t = came_us(e);
                uint32_t k = 0;

                if (e->tenant.len == 0 || is_admin(e))
                        continue;                /* the door was open: nobody pays */
                while (k < n_sums && !(sum[k].time_us / MINUTE_US == t / MINUTE_US &&
                                       wt_bytes_same(sum[k].of->key_id, e->key_id) &&
                                       wt_bytes_same(sum[k].of->tenant, e->tenant) &&
                                       wt_bytes_same(sum[k].of->team, e->team) &&
                                       wt_bytes_same(sum[k].of->model, e->model)))
                        k++;
                if (k == n_sums)
                        sum[n_sums++] = (struct sum){ .of = e, .time_us = t };
                if (t < sum[k].time_us)
                        sum[k].time_us = t;
                add(&sum[k], e);
        }
        for (uint32_t k = 0; k < n_sums && err == WT_OK; k++)
                if ((err = book(l, s, &sum[k])) == WT_OK)
                        err = book_usage(s, &sum[k]);
        free(sum);
        return err;
}

/* What a gateway that died could not say of its requests. */
static wt_err price(void *arg, wt_store *s, struct wt_audit_event *e)
{
        char model[257], tenant[65];
        struct wt_price p;
        wt_err err;

        (void)arg;
        copy(model, sizeof model, e->model);
        copy(tenant, sizeof tenant, e->tenant);
        err = wt_price_find(s, model, tenant, &p);
        if (err == WT_OK)
                e->cost_nano = e->prompt_tokens * (uint64_t)p.prompt_nano +
                               e->completion_tokens * (uint64_t)p.completion_nano;
        return err == WT_ENOTFOUND ? WT_OK : err;
}

/* ---- open, close, show --------------------------------------------------------------------- */

wt_err gateway_ledger_open(struct gateway_ledger **out, const wt_conf *conf, const char *name,
                           const char *store, wt_spool *spool)
{
        struct gateway_ledger *l = calloc(1, sizeof *l);
        wt_err err;

        if (l == NULL)
                return wt_fail(WT_ENOMEM, "no memory for the audit log's way into the store");
        l->spool = spool;
        l->name = name;
        l->books = !wt_conf_bool(conf, WT_SET_open_door);
        err = wt_drain_start(&l->drain, &(struct wt_drain_conf){
                .spool = spool, .store_url = store,
                .timeout_ms = wt_conf_u64(conf, WT_SET_store_timeout), .gateway = name,
                .pause_ms = PAUSE_MS, .ends = l->books ? bill : NULL,
                .price = l->books ? price : NULL, .said = said, .arg = l });
        if (err != WT_OK) {
                free(l);
                return err;
        }
        *out = l;
        return WT_OK;
}

void gateway_ledger_close(struct gateway_ledger *l)
{
        if (l == NULL)
                return;
        wt_drain_stop(l->drain, LAST_MS);
        free(l);
}

void gateway_ledger_metrics(struct gateway_ledger *l, struct wt_buf *out)
{
        struct wt_drain_stats st;

        if (l == NULL)
                return;
        wt_drain_stats(l->drain, &st);
        const struct wt_metric rows[] = {
                { .name = "witan_audit_drained_total", .value = (double)st.drained,
                  .help = "Last sequence of the spool that the store has." },
                { .name = "witan_audit_rows_total", .value = (double)st.rows,
                  .help = "Events that this process took into the store." },
                { .name = "witan_audit_lag_seconds", .kind = WT_GAUGE,
                  .value = (double)st.lag_us / 1e6,
                  .help = "How long a durable record waits already for the store." },
                { .name = "witan_audit_quarantined_total", .value = (double)st.quarantined,
                  .help = "Records that the store refused and that were put aside." },
                { .name = "witan_audit_interrupted_total", .value = (double)st.interrupted,
                  .help = "Requests without an end whose gateway died." },
                { .name = "witan_audit_store_failures_total", .value = (double)st.failures,
                  .help = "Batches that the store did not take at once." },
        };

        wt_metrics_text(out, rows, sizeof rows / sizeof *rows);
}
