/* quota_show.c - every limit that is set, and how much of it is left, as the store knows it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/list.h"
#include "identity/quota.h"

struct show {
        const char *scope;                       /* only this one; NULL: all */
        struct wt_quota_line *line; uint32_t n, cap;
        bool seen;                               /* the scope is there, be it without limits */
        int64_t now_us;
};

static void add(struct show *w, const char *scope, const struct wt_limits *l)
{
        if (w->scope != NULL && strcmp(w->scope, scope) != 0)
                return;
        w->seen = true;
        for (int i = 0; i < WT_N_LIMITS; i++) {
                struct wt_quota_line *q;

                if (l->most[i] < 0)
                        continue;
                if ((q = wt_list_more(&w->line, w->n, &w->cap, sizeof *q)) == NULL)
                        wt_out_of_memory("a list of limits", w->n * sizeof *q);
                w->n++;
                *q = (struct wt_quota_line){ .limit = (enum wt_limit)i, .most = l->most[i] };
                snprintf(q->scope, sizeof q->scope, "%s", scope);
        }
}

static void on_tenant(void *arg, const struct wt_tenant *t)
{
        char scope[WT_SCOPE_NAME];

        snprintf(scope, sizeof scope, "tenant:%s", t->id);
        add(arg, scope, &t->limits);
}

static void on_team(void *arg, const struct wt_team *t)
{
        char scope[WT_SCOPE_NAME];

        snprintf(scope, sizeof scope, "team:%s/%s", t->tenant, t->id);
        add(arg, scope, &t->limits);
}

static void on_key(void *arg, const struct wt_key *k)
{
        char scope[WT_SCOPE_NAME];

        snprintf(scope, sizeof scope, "key:%s", k->id);
        if (k->revoked_at == 0)
                add(arg, scope, &k->limits);
}

static int on_sums(void *arg, const struct wt_value *v, uint32_t n)
{
        struct wt_quota_line *q = arg;

        if (n != 3 || v[0].type != WT_INT || v[1].type != WT_INT || v[2].type != WT_INT)
                return wt_fail(WT_EDATA, "a quota counter is no number");
        q->used = v[0].as.i - v[1].as.i;
        q->leased = v[2].as.i;
        q->left = q->most - (q->limit == WT_CONCURRENCY ? q->leased : q->used);
        q->left = q->left > 0 ? q->left : 0;
        return WT_OK;
}

/* Used is what is booked: granted without what gateways hold, be their leases over or not. */
static wt_err look(struct show *w, wt_store *s, struct wt_quota_line *q)
{
        const struct wt_value v[] = {
                wt_v_text(q->scope), wt_v_text(wt_limit_name(q->limit)),
                wt_v_int(wt_quota_window(q->limit, (uint64_t)w->now_us, &q->reset_s)),
                wt_v_int(w->now_us) };

        return wt_store_query(s, "SELECT CAST(COALESCE((SELECT granted FROM quota_counters WHERE"
                " scope = $1 AND what = $2 AND win = $3), 0) AS BIGINT),"
                " CAST(COALESCE((SELECT SUM(amount) FROM quota_leases WHERE scope = $1 AND"
                " what = $2 AND win = $3), 0) AS BIGINT),"
                " CAST(COALESCE((SELECT SUM(amount) FROM quota_leases WHERE scope = $1 AND"
                " what = $2 AND win = $3 AND expires_us > $4), 0) AS BIGINT)", v, 4, on_sums, q,
                NULL);
}

static wt_err show_work(void *arg, wt_store *s)
{
        struct show *w = arg;
        wt_err err;

        w->n = 0;
        w->seen = w->scope == NULL;
        if ((err = wt_store_now(s, &w->now_us)) != WT_OK ||
            (err = wt_tenant_list(s, on_tenant, w)) != WT_OK ||
            (err = wt_team_list(s, on_team, w)) != WT_OK ||
            (err = wt_key_list(s, on_key, w)) != WT_OK)
                return err;
        if (!w->seen)
                return wt_fail(WT_ENOTFOUND, "there is no \"%s\"; a scope is tenant:NAME, "
                               "team:TENANT/NAME or key:ID of what is there", w->scope);
        for (uint32_t i = 0; i < w->n && err == WT_OK; i++)
                err = look(w, s, &w->line[i]);
        return err;
}

wt_err wt_quota_report(wt_store *s, const char *scope,
                       void (*each)(void *arg, const struct wt_quota_line *q), void *arg)
{
        struct show w = { .scope = scope };
        wt_err err = wt_store_see(s, show_work, &w);

        for (uint32_t i = 0; i < w.n && err == WT_OK; i++)
                each(arg, &w.line[i]);
        free(w.line);
        return err;
}
