#include "identity/usage.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "identity/money.h"

const char *const wt_usage_by_name[WT_N_BY] = {
        [WT_BY_DAY] = "day", [WT_BY_TENANT] = "tenant", [WT_BY_KEY] = "key",
        [WT_BY_MODEL] = "model", [WT_BY_TEAM] = "team" };

bool wt_usage_by_named(const char *name, enum wt_usage_by *out)
{
        for (int i = 0; i < WT_N_BY; i++)
                if (strcmp(name, wt_usage_by_name[i]) == 0) {
                        *out = (enum wt_usage_by)i;
                        return true;
                }
        return false;
}

void wt_usage_days(struct wt_usage_ask *q, int64_t since_us, int64_t until_us)
{
        const int64_t day = (int64_t)86400 * 1000000;

        q->since_day = since_us / day;
        q->until_day = until_us > 0 ? (until_us + day - 1) / day : 0;
}

const char *wt_day_text(int64_t day, char out[16])
{
        time_t at = (time_t)(day * 86400);
        struct tm tm;

        if (gmtime_r(&at, &tm) == NULL || strftime(out, 16, "%Y-%m-%d", &tm) == 0)
                strcpy(out, "?");
        return out;
}

wt_err wt_usage_add(wt_store *s, const struct wt_usage *u)
{
        const struct wt_value v[] = {
                wt_v_int(u->day), wt_v_text(u->tenant), wt_v_text(u->team), wt_v_text(u->key_id),
                wt_v_text(u->model), wt_v_int(u->requests), wt_v_int(u->prompt_tokens),
                wt_v_int(u->completion_tokens), wt_v_int(u->cost_nano) };

        return wt_store_query(s, "INSERT INTO identity_usage(day, tenant, team, key_id, model,"
                " requests, prompt_tokens, completion_tokens, cost_nano)"
                " VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9)"
                " ON CONFLICT (day, tenant, team, key_id, model) DO UPDATE SET"
                " requests = identity_usage.requests + excluded.requests,"
                " prompt_tokens = identity_usage.prompt_tokens + excluded.prompt_tokens,"
                " completion_tokens = identity_usage.completion_tokens +"
                " excluded.completion_tokens,"
                " cost_nano = identity_usage.cost_nano + excluded.cost_nano",
                v, sizeof v / sizeof *v, NULL, NULL, NULL);
}

/* ---- reports ------------------------------------------------------------------------------- */

struct walk {
        enum wt_usage_by by;
        void (*each)(void *arg, const struct wt_usage *u);
        void *arg;
};

/* Columns: day, tenant, team, key, its name, model; then the sums. */
static int on_row(void *arg, const struct wt_value *v, uint32_t n)
{
        const struct walk *w = arg;
        struct wt_usage u = { .day = -1 };

        if (n != 10 || !wt_v_copy(&v[1], u.tenant, sizeof u.tenant) ||
            !wt_v_copy(&v[2], u.team, sizeof u.team) ||
            !wt_v_copy(&v[3], u.key_id, sizeof u.key_id) ||
            !wt_v_copy(&v[4], u.name, sizeof u.name) ||
            !wt_v_copy(&v[5], u.model, sizeof u.model))
                return wt_fail(WT_EDATA, "table identity_usage is malformed; restore a backup");
        for (int i = 6; i < 10; i++)
                if (v[i].type != WT_INT)
                        return wt_fail(WT_EDATA, "a sum of table identity_usage is no number that "
                                       "64 bits hold");
        if (w->by == WT_BY_DAY)
                u.day = v[0].as.i;
        u.requests = v[6].as.i;
        u.prompt_tokens = v[7].as.i;
        u.completion_tokens = v[8].as.i;
        u.cost_nano = v[9].as.i;
        w->each(w->arg, &u);
        return WT_OK;
}

#define SUM(c) "CAST(SUM(u." c ") AS BIGINT)"
#define SUMS SUM("requests") ", " SUM("prompt_tokens") ", " SUM("completion_tokens") ", " \
             SUM("cost_nano") " FROM identity_usage u"

wt_err wt_usage_report(wt_store *s, const struct wt_usage_ask *q,
                       void (*each)(void *arg, const struct wt_usage *u), void *arg)
{
        static const struct { const char *select, *group; } by[WT_N_BY] = {
                [WT_BY_DAY] = { "u.day, '', '', '', '', '', " SUMS, "u.day" },
                [WT_BY_TENANT] = { "0, u.tenant, '', '', '', '', " SUMS, "u.tenant" },
                [WT_BY_KEY] = { "0, u.tenant, '', u.key_id, COALESCE(k.name, ''), '', " SUMS
                                " LEFT JOIN identity_keys k ON k.id = u.key_id",
                                "u.tenant, u.key_id, k.name" },
                [WT_BY_MODEL] = { "0, '', '', '', '', u.model, " SUMS, "u.model" },
                [WT_BY_TEAM] = { "0, u.tenant, u.team, '', '', '', " SUMS, "u.tenant, u.team" },
        };
        const struct { const char *value, *column; } words[] = {
                { q->tenant, "tenant" }, { q->key, "key_id" }, { q->model, "model" } };
        struct walk w = { q->by, each, arg };
        struct wt_value v[5];
        struct wt_buf sql = { 0 };
        uint32_t n = 0;
        wt_err err;

        v[n++] = wt_v_int(q->since_day);
        wt_buf_fmt(&sql, "SELECT %s WHERE u.day >= $1", by[q->by].select);
        if (q->until_day > 0) {
                v[n++] = wt_v_int(q->until_day);
                wt_buf_fmt(&sql, " AND u.day < $%u", n);
        }
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
                if (words[i].value[0] != '\0') {
                        v[n++] = wt_v_text(words[i].value);
                        wt_buf_fmt(&sql, " AND u.%s = $%u", words[i].column, n);
                }
        wt_buf_fmt(&sql, " GROUP BY %s ORDER BY %s", by[q->by].group, by[q->by].group);
        err = wt_store_query(s, sql.data, v, n, on_row, &w, NULL);
        wt_buf_free(&sql);
        return err;
}

/* ---- forms --------------------------------------------------------------------------------- */

void wt_usage_json(enum wt_usage_by by, const struct wt_usage *u, struct wt_buf *out)
{
        char text[WT_MONEY_TEXT];

        wt_buf_json_sep(out);
        wt_buf_str(out, "{");
        if (by == WT_BY_DAY)
                wt_buf_json_kv(out, "day", wt_day_text(u->day, text));
        if (by == WT_BY_TENANT || by == WT_BY_KEY || by == WT_BY_TEAM)
                wt_buf_json_kv(out, "tenant", u->tenant);
        if (by == WT_BY_TEAM)
                wt_buf_json_kv(out, "team", u->team);
        if (by == WT_BY_KEY) {
                wt_buf_json_kv(out, "key", u->key_id);
                wt_buf_json_kv(out, "name", u->name);
        }
        if (by == WT_BY_MODEL)
                wt_buf_json_kv(out, "model", u->model);
        wt_buf_json_ki(out, "requests", u->requests);
        wt_buf_json_ki(out, "prompt_tokens", u->prompt_tokens);
        wt_buf_json_ki(out, "completion_tokens", u->completion_tokens);
        wt_buf_json_ki(out, "total_tokens", u->prompt_tokens + u->completion_tokens);
        wt_buf_json_key(out, "cost");
        wt_buf_str(out, wt_money_text(u->cost_nano, text));
        wt_buf_str(out, "}");
}

/* Quoted where it must be. A value that a spreadsheet would take for a formula is text to it when
 * it begins with an apostrophe. */
static void csv_text(struct wt_buf *out, const char *s)
{
        bool formula = s[0] != '\0' && strchr("=+-@\t\r", s[0]) != NULL;

        if (!formula && strpbrk(s, ",\"\r\n") == NULL) {
                wt_buf_str(out, s);
                return;
        }
        wt_buf_str(out, formula ? "\"'" : "\"");
        for (; *s != '\0'; s++)
                wt_buf_fmt(out, *s == '"' ? "\"%c" : "%c", *s);
        wt_buf_str(out, "\"");
}

void wt_usage_csv_head(enum wt_usage_by by, struct wt_buf *out)
{
        static const char *const names[WT_N_BY] = {
                [WT_BY_DAY] = "day", [WT_BY_TENANT] = "tenant", [WT_BY_KEY] = "tenant,key,name",
                [WT_BY_MODEL] = "model", [WT_BY_TEAM] = "tenant,team" };

        wt_buf_fmt(out, "%s,requests,prompt_tokens,completion_tokens,total_tokens,cost\r\n",
                   names[by]);
}

void wt_usage_csv(enum wt_usage_by by, const struct wt_usage *u, struct wt_buf *out)
{
        char day[16], cost[WT_MONEY_TEXT];
        const char *const rows[WT_N_BY][3] = {
                [WT_BY_DAY] = { wt_day_text(u->day, day) }, [WT_BY_TENANT] = { u->tenant },
                [WT_BY_KEY] = { u->tenant, u->key_id, u->name }, [WT_BY_MODEL] = { u->model },
                [WT_BY_TEAM] = { u->tenant, u->team } };

        for (int i = 0; i < 3 && rows[by][i] != NULL; i++) {
                csv_text(out, rows[by][i]);
                wt_buf_str(out, ",");
        }
        wt_buf_fmt(out, "%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%s\r\n", u->requests,
                   u->prompt_tokens, u->completion_tokens, u->prompt_tokens + u->completion_tokens,
                   wt_money_text(u->cost_nano, cost));
}
