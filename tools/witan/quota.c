/* quota.c - witan quota show|set: what is left of which limit. */
#include <stdio.h>
#include <string.h>
#include "books.h"
#include "identity/form.h"
#include "limit.h"
#include "names.h"

enum { SHOW, SET };
enum { F_LIMITS };

struct job { const char *scope; struct wt_limits limits; uint32_t given; };

static wt_err set_work(void *arg, wt_store *s, struct wt_buf *words)
{
        struct job *j = arg;

        wt_buf_fmt(words, "scope=%.150s", j->scope);
        return wt_limits_set(s, j->scope, &j->limits, j->given);
}

static void row(void *arg, const struct wt_quota_line *q)
{
        char most[32], used[32], leased[32], left[32], reset[32] = "-";
        enum wt_limit l = q->limit;

        if (arg != NULL) {
                wt_quota_json(q, arg);
                return;
        }
        if (q->reset_s > 0)
                snprintf(reset, sizeof reset, "%llu s", (unsigned long long)q->reset_s);
        printf("%-44s %-20s %14s %14s %14s %14s  %s\n", q->scope, wt_limit_name(l),
               wt_limit_text(l, q->most, most), wt_limit_text(l, q->used, used),
               wt_limit_text(l, q->leased, leased), wt_limit_text(l, q->left, left), reset);
}

static int show(struct call *c, wt_store *s, const char *scope)
{
        struct wt_buf b = { 0 },
                *json = books_list(c, &b, "%-44s %-20s %14s %14s %14s %14s  %s\n", "SCOPE",
                                   "LIMIT", "MOST", "USED", "LEASED", "LEFT", "RESETS IN");
        wt_err err = wt_quota_migrate(s);

        return books_list_end(c, &b, err != WT_OK ? err : wt_quota_report(s, scope, row, json));
}

static int run(struct call *c)
{
        const struct sub *sub = verb_sub(c);
        struct job j = { .limits = wt_no_limits };
        wt_store *s;
        bool set;
        int rc;

        if (sub == NULL)
                return EXIT_USAGE;
        set = sub - c->verb->subs == SET;
        if ((rc = verb_words(c, 2)) != 0)
                return rc;
        if (set && c->n_words != 2)
                return verb_usage(c, "set takes tenant:NAME, team:TENANT/NAME or key:ID");
        if (!limit_flags(c, F_LIMITS, &j.limits, &j.given))
                return EXIT_USAGE;
        if (set == (j.given == 0))
                return verb_usage(c, set ? "name a limit: --tokens-per-day 200000, or none for no "
                                  "limit" : "limits are for quota set");
        j.scope = c->n_words == 2 ? c->words[1] : NULL;
        if (books_read(c, &s) != WT_OK)
                return verb_fail(c, "%s", wt_words());
        if (j.scope != NULL && names_scope(s, j.scope) != WT_OK)
                rc = verb_fail(c, "%s", wt_words());
        else if (set && books_change(c, s, "admin.quota.set", set_work, &j) != WT_OK)
                rc = verb_fail(c, "%s", wt_words());
        else
                rc = show(c, s, j.scope);
        wt_store_close(s);
        return rc;
}

const struct verb verb_quota = {
        .name = "quota",
        .about = "shows what is left of which limit, and changes limits",
        .usage = "witan quota show [SCOPE] | set SCOPE LIMITS",
        .example = "witan quota set tenant:research --tokens-per-day 2000000",
        .text = "A scope is tenant:NAME, team:TENANT/NAME or key:ID. Minutes, days and months are "
                "those of UTC. Gateways lease parts of a limit in advance: LEASED is what they "
                "hold, charged to requests under way or kept for the next ones; what they do not "
                "use comes back. LEFT is what is not used.",
        .subs = {{"show", "[SCOPE]", "every limit, or those of one scope"},
                 {"set", "SCOPE", "changes the limits that flags name; none takes one off"}},
        .flags = {LIMIT_FLAGS(F_LIMITS)},
        .sets = books_sets,
        .run = run,
};
