/* team.c - witan team create|list|limit. */
#include <stdio.h>
#include <string.h>
#include "books.h"
#include "identity/form.h"
#include "limit.h"
#include "names.h"
#include "page.h"

enum { CREATE, LIST, LIMIT };
enum { F_LIMITS, F_PAGE = F_LIMITS + WT_N_LIMITS };

struct job { struct call *c; struct wt_team team; uint32_t given; };

static wt_err create_work(void *arg, wt_store *s, struct wt_buf *words)
{
        struct job *j = arg;
        struct wt_team made;

        wt_buf_fmt(words, "tenant=%s team=%s", j->team.tenant, j->team.id);
        return wt_team_create(s, &j->team, &made);
}

static wt_err limit_work(void *arg, wt_store *s, struct wt_buf *words)
{
        struct job *j = arg;
        char scope[160];

        snprintf(scope, sizeof scope, "team:%s/%s", j->team.tenant, j->team.id);
        wt_buf_fmt(words, "scope=%s", scope);
        return wt_limits_set(s, scope, &j->team.limits, j->given);
}

static void row(void *arg, const struct wt_team *t)
{
        struct wt_buf limits = { 0 };
        char created[32];

        if (arg != NULL) {
                wt_team_json(t, arg);
                return;
        }
        limit_words(&t->limits, &limits);
        printf("%-16s %-16s %-17s %s\n", t->tenant, t->id, books_time(t->created_at, created),
               limits.data);
        wt_buf_free(&limits);
}

static int list(struct call *c, wt_store *s, struct wt_page *page)
{
        struct wt_buf b = { 0 }, *json = books_list(c, &b, "%-16s %-16s %-17s %s\n", "TENANT",
                                                    "TEAM", "CREATED", "LIMITS");

        return page_end(c, &b, page, wt_team_page(s, page, row, json));
}

static int change(struct call *c, wt_store *s, struct job *j, bool make)
{
        if ((make ? names_tenant(s, j->team.tenant)
                  : names_team(s, j->team.tenant, j->team.id)) != WT_OK ||
            books_change(c, s, make ? "admin.team.create" : "admin.quota.set",
                         make ? create_work : limit_work, j) != WT_OK)
                return verb_fail(c, "%s", wt_words());
        if (c->json)
                printf("{\"tenant\":\"%s\",\"id\":\"%s\"}\n", j->team.tenant, j->team.id);
        else
                printf("team %s of tenant %s is %s\n", j->team.id, j->team.tenant,
                       make ? "made" : "changed");
        return EXIT_DONE;
}

static int run(struct call *c)
{
        const struct sub *sub = verb_sub(c);
        struct job j = { .c = c, .team = { .limits = wt_no_limits } };
        long what;
        struct wt_page room, *page;
        wt_store *s;
        int rc;

        if (sub == NULL)
                return EXIT_USAGE;
        what = sub - c->verb->subs;
        if ((rc = verb_words(c, what == LIST ? 1 : 3)) != 0)
                return rc;
        if (what != LIST && (c->n_words != 3 || strlen(c->words[1]) >= sizeof j.team.tenant ||
                             strlen(c->words[2]) >= sizeof j.team.id))
                return verb_usage(c, "%s takes the names of a tenant and of a team, of 64 bytes at "
                                  "most", sub->name);
        if (!limit_flags(c, F_LIMITS, &j.team.limits, &j.given))
                return EXIT_USAGE;
        if (what == LIST ? j.given != 0 : what == LIMIT && j.given == 0)
                return verb_usage(c, what == LIST ? "limits are for create and limit"
                                  : "name a limit: --tokens-per-day 200000, or none for no limit");
        if (what != LIST) {
                strcpy(j.team.tenant, c->words[1]);
                strcpy(j.team.id, c->words[2]);
        }
        if (!page_flags(c, F_PAGE, what == LIST, &room, &page))
                return EXIT_USAGE;
        if (books_read(c, &s) != WT_OK)
                return verb_fail(c, "%s", wt_words());
        rc = what == LIST ? list(c, s, page) : change(c, s, &j, what == CREATE);
        wt_store_close(s);
        return rc;
}

const struct verb verb_team = {
        .name = "team",
        .about = "makes, limits and lists the teams of tenants",
        .usage = "witan team create TENANT TEAM [LIMITS] | list | limit TENANT TEAM LIMITS",
        .example = "witan team create research night-shift --cost-per-month 50",
        .text = "A team is some of a tenant's keys with limits of their own: witan key create "
                "--team puts a key into one. A request is held to the limits of its key, its team "
                "and its tenant.",
        .subs = {{"create", "TENANT TEAM", "makes a team"},
                 {"list", "", "shows all teams and their limits"},
                 {"limit", "TENANT TEAM", "changes the limits that flags name; none takes one "
                  "off"}},
        .flags = {LIMIT_FLAGS(F_LIMITS), PAGE_FLAGS(F_PAGE)},
        .sets = books_sets,
        .run = run,
};
