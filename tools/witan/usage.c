/* usage.c - witan usage: requests, tokens and cost by day, tenant, team, key or model. */
#include <stdio.h>
#include <string.h>
#include "audit/query.h"
#include "base/clock.h"
#include "books.h"
#include "identity/money.h"
#include "identity/usage.h"

enum { F_BY, F_TENANT, F_KEY, F_MODEL, F_SINCE, F_UNTIL, F_CSV };

struct show { struct call *c; enum wt_usage_by by; struct wt_buf out; };

static bool read_flags(struct call *c, struct wt_usage_ask *q)
{
        struct wt_audit_filter f = { .limit = 0 };
        int64_t now = (int64_t)wt_wall_us(&wt_clock_real);

        q->by = WT_BY_DAY;                       /* a word that is none was refused with the flag */
        if (c->flag[F_BY] != NULL)
                wt_usage_by_named(c->flag[F_BY], &q->by);
        for (int i = F_TENANT; i <= F_UNTIL; i++)
                if (c->flag[i] != NULL &&
                    wt_audit_filter_set(&f, c->verb->flags[i].name, c->flag[i], now) != WT_OK) {
                        verb_usage(c, "--%s: %s", c->verb->flags[i].name, wt_words());
                        return false;
                }
        wt_usage_days(q, f.since_us, f.until_us);
        snprintf(q->tenant, sizeof q->tenant, "%s", f.tenant);
        snprintf(q->key, sizeof q->key, "%s", f.key);
        snprintf(q->model, sizeof q->model, "%s", f.model);
        return true;
}

static void heads(const struct show *s)
{
        static const char *const names[WT_N_BY][2] = {
                [WT_BY_DAY] = { "DAY", "" }, [WT_BY_TENANT] = { "TENANT", "" },
                [WT_BY_KEY] = { "KEY", "NAME" }, [WT_BY_MODEL] = { "MODEL", "" },
                [WT_BY_TEAM] = { "TENANT", "TEAM" } };

        printf("%-37s %-16s %10s %14s %14s %16s\n", names[s->by][0], names[s->by][1], "REQUESTS",
               "PROMPT", "COMPLETION", "COST");
}

static void row(void *arg, const struct wt_usage *u)
{
        struct show *s = arg;
        char day[16], cost[WT_MONEY_TEXT];
        const char *const first[WT_N_BY] = {
                [WT_BY_DAY] = wt_day_text(u->day, day), [WT_BY_TENANT] = u->tenant,
                [WT_BY_KEY] = u->key_id, [WT_BY_MODEL] = u->model, [WT_BY_TEAM] = u->tenant };

        if (s->c->flag[F_CSV] != NULL)
                wt_usage_csv(s->by, u, &s->out);
        else if (s->c->json)
                wt_usage_json(s->by, u, &s->out);
        else
                printf("%-37s %-16s %10lld %14lld %14lld %16s\n", first[s->by],
                       s->by == WT_BY_KEY ? u->name : u->team, (long long)u->requests,
                       (long long)u->prompt_tokens, (long long)u->completion_tokens,
                       wt_money_text(u->cost_nano, cost));
}

static int run(struct call *c)
{
        struct wt_usage_ask q = { .by = WT_BY_DAY };
        struct show s = { .c = c };
        wt_store *store;
        wt_err err;
        int rc;

        if ((rc = verb_words(c, 0)) != 0)
                return rc;
        if (!read_flags(c, &q))
                return EXIT_USAGE;
        s.by = q.by;
        if (books_read(c, &store) != WT_OK)
                return verb_fail(c, "%s", wt_words());
        if (c->flag[F_CSV] != NULL)
                wt_usage_csv_head(s.by, &s.out);
        else if (c->json)
                wt_buf_str(&s.out, "[");
        else
                heads(&s);
        err = wt_usage_report(store, &q, row, &s);
        if (c->json && c->flag[F_CSV] == NULL)
                wt_buf_str(&s.out, "]\n");
        if (err == WT_OK && s.out.len > 0)
                fwrite(s.out.data, 1, s.out.len, stdout);
        wt_buf_free(&s.out);
        wt_store_close(store);
        return err == WT_OK ? EXIT_DONE : verb_fail(c, "%s", wt_words());
}

const struct verb verb_usage_of = {
        .name = "usage",
        .about = "shows requests, tokens and cost by day, tenant, team, key or model",
        .usage = "witan usage [--by WHAT] [--since TIME] [--until TIME] [--tenant T] [--key ID] "
                 "[--model M] [--csv]",
        .example = "witan usage --by tenant --since 30d --csv",
        .text = "Usage is booked when a request ends, in the transaction that takes its row into "
                "the audit log. Days are those of UTC: the one of --since, and those before "
                "--until. Times are 2026-11-25, today, yesterday, or 7d for a week ago. The cost "
                "is that of the price when the request was admitted (witan price).",
        .flags = {[F_BY] = {"by", "day|tenant|team|key|model", "what a line is [day]", 0},
                  [F_TENANT] = {"tenant", "NAME", "only of this tenant", 0},
                  [F_KEY] = {"key", "ID", "only by this key", 0},
                  [F_MODEL] = {"model", "NAME", "only of this model", 0},
                  [F_SINCE] = {"since", "TIME", "from this day on", 0},
                  [F_UNTIL] = {"until", "TIME", "before this time", 0},
                  [F_CSV] = {"csv", NULL, "comma separated values", 0}},
        .sets = books_sets,
        .run = run,
};
