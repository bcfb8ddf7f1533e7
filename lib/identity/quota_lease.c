/* quota_lease.c - the store's side: blocks out, blocks back, what was used booked. */
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "identity/quota_books.h"

/* A gateway's lease as a whole is a row without scope and amount: its window is when the lease
 * began, by the gateway's own clock. Nothing but a renewal moves its end, so that no other row of
 * the gateway ends before it: while it is there, all of them are. */
#define WHOLE "scope = '' AND what = 'lease'"

static const char *const steps[] = {
        "CREATE TABLE quota_counters(scope TEXT NOT NULL, what TEXT NOT NULL, win BIGINT NOT NULL,"
        " granted BIGINT NOT NULL, PRIMARY KEY (scope, what, win));"
        "CREATE TABLE quota_leases(gateway TEXT NOT NULL, scope TEXT NOT NULL, what TEXT NOT NULL,"
        " win BIGINT NOT NULL, amount BIGINT NOT NULL, expires_us BIGINT NOT NULL,"
        " PRIMARY KEY (gateway, scope, what, win));"
        "CREATE INDEX quota_leases_end ON quota_leases(expires_us)",
};

wt_err wt_quota_migrate(wt_store *s)
{
        return wt_store_migrate(s, "quota", steps, sizeof steps / sizeof *steps);
}

static int one_int(void *arg, const struct wt_value *v, uint32_t n)
{
        if (n != 1 || v[0].type != WT_INT)
                return wt_fail(WT_EDATA, "a quota counter is no number");
        *(int64_t *)arg = v[0].as.i;
        return WT_OK;
}

/* counter += delta; the row is made when it is not there. */
static wt_err counter_add(wt_store *s, const struct errand *e, int64_t delta)
{
        const struct wt_value v[] = { wt_v_text(e->scope), wt_v_text(wt_limit_name(e->limit)),
                                      wt_v_int(e->window), wt_v_int(delta) };

        return wt_store_query(s, "INSERT INTO quota_counters(scope, what, win, granted)"
                              " VALUES($1, $2, $3, $4) ON CONFLICT (scope, what, win) DO UPDATE"
                              " SET granted = quota_counters.granted + excluded.granted", v, 4,
                              NULL, NULL, NULL);
}

static wt_err lease_add(wt_store *s, const char *gateway, const struct errand *e, int64_t delta,
                        int64_t expires_us)
{
        const struct wt_value v[] = { wt_v_text(gateway), wt_v_text(e->scope),
                                      wt_v_text(wt_limit_name(e->limit)), wt_v_int(e->window),
                                      wt_v_int(delta), wt_v_int(expires_us) };

        return wt_store_query(s, "INSERT INTO quota_leases(gateway, scope, what, win, amount,"
                              " expires_us) VALUES($1, $2, $3, $4, $5, $6)"
                              " ON CONFLICT (gateway, scope, what, win) DO UPDATE"
                              " SET amount = quota_leases.amount + excluded.amount,"
                              " expires_us = excluded.expires_us", v, 6, NULL, NULL, NULL);
}

static wt_err granted(wt_store *s, const struct errand *e, int64_t *out)
{
        const struct wt_value v[] = { wt_v_text(e->scope), wt_v_text(wt_limit_name(e->limit)),
                                      wt_v_int(e->window) };

        *out = 0;
        return wt_store_query(s, "SELECT granted FROM quota_counters WHERE scope = $1 AND what = $2"
                              " AND win = $3", v, 3, one_int, out, NULL);
}

/* Gateways that died: what they held comes back, of every scope. */
static wt_err sweep(wt_store *s, int64_t now_us)
{
        const struct wt_value v[] = { wt_v_int(now_us) };
        wt_err err = wt_store_query(s, "UPDATE quota_counters SET granted = granted - (SELECT"
                " COALESCE(SUM(l.amount), 0) FROM quota_leases l WHERE l.scope ="
                " quota_counters.scope AND l.what = quota_counters.what AND l.win ="
                " quota_counters.win AND l.expires_us <= $1) WHERE EXISTS (SELECT 1 FROM"
                " quota_leases x WHERE x.scope = quota_counters.scope AND x.what ="
                " quota_counters.what AND x.win = quota_counters.win AND x.expires_us <= $1)",
                v, 1, NULL, NULL, NULL);

        if (err != WT_OK)
                return err;
        return wt_store_query(s, "DELETE FROM quota_leases WHERE expires_us <= $1", v, 1, NULL,
                              NULL, NULL);
}

/* What is needed, as far as it is there. Beyond that a quarter of what is left at most, so that
 * other gateways find something too: near the limit that is nothing. */
static int64_t size_of(const struct errand *e, int64_t left)
{
        int64_t block = e->block < left / 4 ? e->block : left / 4;

        if (left <= 0 || e->need <= 0)
                return 0;
        if (e->need > left)
                return left;
        return block > e->need ? block : e->need;
}

/* Do other gateways hold some of it? */
static wt_err held_elsewhere(wt_store *s, const char *gateway, struct errand *e)
{
        const struct wt_value v[] = { wt_v_text(gateway), wt_v_text(e->scope),
                                      wt_v_text(wt_limit_name(e->limit)), wt_v_int(e->window) };
        int64_t amount = 0;
        wt_err err = wt_store_query(s, "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM"
                                    " quota_leases WHERE gateway <> $1 AND scope = $2 AND what = $3"
                                    " AND win = $4", v, 4, one_int, &amount, NULL);

        e->elsewhere = amount > 0;
        return err;
}

static wt_err lease(wt_store *s, const char *gateway, struct errand *e, int64_t now_us,
                    int64_t expires_us)
{
        int64_t was;
        wt_err err = granted(s, e, &was);

        if (err == WT_OK && e->most - was < e->need &&
            (err = sweep(s, now_us)) == WT_OK)
                err = granted(s, e, &was);
        if (err != WT_OK)
                return err;
        if (e->most - was < e->need && (err = held_elsewhere(s, gateway, e)) != WT_OK)
                return err;
        e->got = size_of(e, e->most - was);
        e->left = e->most - was - e->got;
        if (e->got == 0)
                return WT_OK;
        if ((err = counter_add(s, e, e->got)) != WT_OK)
                return err;
        return lease_add(s, gateway, e, e->got, expires_us);
}

/* Only out of a lease that is still there: one that ended has come back already. */
static wt_err give(wt_store *s, const char *gateway, const struct errand *e)
{
        const struct wt_value v[] = { wt_v_int(e->give), wt_v_text(gateway), wt_v_text(e->scope),
                                      wt_v_text(wt_limit_name(e->limit)), wt_v_int(e->window) };
        uint64_t n = 0;
        wt_err err = wt_store_query(s, "UPDATE quota_leases SET amount = amount - $1 WHERE"
                                    " gateway = $2 AND scope = $3 AND what = $4 AND win = $5 AND"
                                    " amount >= $1", v, 5, NULL, NULL, &n);

        return err != WT_OK || n == 0 ? err : counter_add(s, e, -e->give);
}

static wt_err give_back(wt_store *s, const char *gateway, int64_t now_us)
{
        const struct wt_value v[] = { wt_v_text(gateway) };
        wt_err err = wt_store_query(s, "UPDATE quota_leases SET expires_us = 0 WHERE gateway = $1",
                                    v, 1, NULL, NULL, NULL);

        return err == WT_OK ? sweep(s, now_us) : err;
}

/* A transaction of the thread. Its errands were made for the lease since_us; where that has ended,
 * be it only that its time is over, none of them is run. */
struct run {
        wt_quota *q; struct errand *e; uint32_t n;
        bool lost, anew;
        int64_t since_us, now_us, expires_us;
};

static wt_err still_leased(wt_store *s, const struct run *r, int64_t *out)
{
        const struct wt_value v[] = { wt_v_text(r->q->gateway), wt_v_int(r->q->since_us),
                                      wt_v_int(r->now_us) };

        *out = 0;
        return wt_store_query(s, "SELECT COUNT(*) FROM quota_leases WHERE gateway = $1 AND " WHOLE
                              " AND win = $2 AND expires_us > $3", v, 3, one_int, out, NULL);
}

static wt_err lease_anew(wt_store *s, struct run *r)
{
        const int64_t wall = (int64_t)wt_wall_us(&wt_clock_real);
        wt_err err = give_back(s, r->q->gateway, r->now_us);

        r->since_us = wall > r->q->since_us ? wall : r->q->since_us + 1;
        const struct wt_value v[] = { wt_v_text(r->q->gateway), wt_v_int(r->since_us),
                                      wt_v_int(r->expires_us) };
        return err != WT_OK ? err : wt_store_query(s, "INSERT INTO quota_leases(gateway, scope,"
                              " what, win, amount, expires_us) VALUES($1, '', 'lease', $2, 0, $3)",
                              v, 3, NULL, NULL, NULL);
}

/* The head of each transaction; with anew set it is all of it. */
static wt_err begin_run(wt_store *s, struct run *r)
{
        int64_t held = 0;
        wt_err err = wt_store_now(s, &r->now_us);

        r->expires_us = r->now_us + (int64_t)r->q->conf.lease_ms * 1000;
        if (err == WT_OK && !r->lost)
                err = still_leased(s, r, &held);
        r->anew = held == 0;
        return err == WT_OK && r->anew ? lease_anew(s, r) : err;
}

static wt_err end_run(struct run *r, wt_err err, bool *anew)
{
        if (err == WT_OK && r->anew)
                r->q->since_us = r->since_us;
        *anew = err == WT_OK && r->anew;
        return err;
}

static wt_err run_work(void *arg, wt_store *s)
{
        struct run *r = arg;
        wt_err err = begin_run(s, r);

        for (uint32_t i = 0; i < r->n && err == WT_OK && !r->anew; i++) {
                struct errand *e = &r->e[i];

                e->got = 0;
                e->elsewhere = false;
                err = e->give > 0 ? give(s, r->q->gateway, e)
                                  : lease(s, r->q->gateway, e, r->now_us, r->expires_us);
        }
        return err;
}

/* As wt_quota_bill goes through them, which the drain does meanwhile in a transaction of its own:
 * rows that two transactions take in different orders are a deadlock, and PostgreSQL lets both wait
 * for a second before it says so. */
static int by_scope(const void *a, const void *b)
{
        const struct errand *x = a, *y = b;
        int d = strcmp(x->scope, y->scope);

        if (d == 0)
                d = (x->limit > y->limit) - (x->limit < y->limit);
        return d != 0 ? d : (x->window > y->window) - (x->window < y->window);
}

wt_err quota_run(wt_quota *q, struct errand *e, uint32_t n, bool lost, bool *anew)
{
        struct run r = { .q = q, .e = e, .n = n, .lost = lost };

        if (n > 0)
                qsort(e, n, sizeof *e, by_scope);
        return end_run(&r, wt_store_do(q->store, run_work, &r), anew);
}

static wt_err renew_work(void *arg, wt_store *s)
{
        struct run *r = arg;
        wt_err err = begin_run(s, r);
        const struct wt_value v[] = { wt_v_int(r->expires_us), wt_v_text(r->q->gateway) };
        const struct wt_value old[] = { wt_v_int(r->now_us / 60000000 - 10) };
        static const char *const minutes[] = {
                "DELETE FROM quota_leases WHERE win < $1 AND what IN ('requests_per_minute',"
                " 'tokens_per_minute')",
                "DELETE FROM quota_counters WHERE win < $1 AND what IN ('requests_per_minute',"
                " 'tokens_per_minute')",
        };

        if (err == WT_OK)
                err = wt_store_query(s, "UPDATE quota_leases SET expires_us = $1 WHERE gateway ="
                                     " $2", v, 2, NULL, NULL, NULL);
        if (err == WT_OK)
                err = sweep(s, r->now_us);
        for (int i = 0; i < 2 && err == WT_OK; i++)
                err = wt_store_query(s, minutes[i], old, 1, NULL, NULL, NULL);
        return err;
}

wt_err quota_renew(wt_quota *q, bool lost, bool *anew)
{
        struct run r = { .q = q, .lost = lost };

        return end_run(&r, wt_store_do(q->store, renew_work, &r), anew);
}

static wt_err give_all_work(void *arg, wt_store *s)
{
        int64_t now_us;
        wt_err err = wt_store_now(s, &now_us);

        return err == WT_OK ? give_back(s, arg, now_us) : err;
}

wt_err quota_give_all(wt_store *s, const char *gateway)
{
        return wt_store_do(s, give_all_work, (void *)gateway);
}

/* Out of the lease as far as it reaches; the counter has it already then. What no lease covers (it
 * ended meanwhile, and one that began later holds charges of its own) is added to the counter, so
 * that nothing is used for free. */
static wt_err bill_one(wt_store *s, const char *gateway, const struct errand *e, uint64_t time_us,
                       int64_t used)
{
        const struct wt_value v[] = { wt_v_text(gateway), wt_v_text(e->scope),
                                      wt_v_text(wt_limit_name(e->limit)), wt_v_int(e->window),
                                      wt_v_int((int64_t)time_us) };
        int64_t amount = 0, covered;
        wt_err err = wt_store_query(s, "SELECT amount FROM quota_leases WHERE gateway = $1 AND"
                                    " scope = $2 AND what = $3 AND win = $4 AND NOT EXISTS (SELECT"
                                    " 1 FROM quota_leases WHERE gateway = $1 AND " WHOLE
                                    " AND win > $5)", v, 5, one_int, &amount, NULL);

        if (err != WT_OK)
                return err;
        covered = used < amount ? used : amount > 0 ? amount : 0;
        if (covered > 0) {
                const struct wt_value w[] = { wt_v_int(covered), v[0], v[1], v[2], v[3] };

                err = wt_store_query(s, "UPDATE quota_leases SET amount = amount - $1 WHERE gateway"
                                     " = $2 AND scope = $3 AND what = $4 AND win = $5", w, 5,
                                     NULL, NULL, NULL);
        }
        if (err == WT_OK && used > covered)
                err = counter_add(s, e, used - covered);
        return err;
}

wt_err wt_quota_bill(wt_store *s, const char *gateway, const char *const *scopes, uint32_t n_scopes,
                     uint64_t time_us, const struct wt_charge *used)
{
        struct errand e = { 0 };
        uint64_t left;
        wt_err err = WT_OK;

        for (uint32_t i = 0; i < n_scopes; i++)
                for (int l = 0; l < WT_N_LIMITS && err == WT_OK; l++) {
                        if (l == WT_CONCURRENCY || used->n[l] == 0)
                                continue;
                        strncpy(e.scope, scopes[i], sizeof e.scope - 1);
                        e.limit = (enum wt_limit)l;
                        e.window = wt_quota_window(e.limit, time_us, &left);
                        err = bill_one(s, gateway, &e, time_us, used->n[l]);
                }
        return err;
}
