/* tenant.c - witan tenant create|list|limit|disable|enable. */
#include <stdio.h>
#include <string.h>
#include "books.h"
#include "identity/form.h"
#include "limit.h"
#include "names.h"
#include "page.h"

enum { F_NAME, F_WEIGHT, F_LIMITS, F_PAGE = F_LIMITS + WT_N_LIMITS };
enum { CREATE, LIST, LIMIT, DISABLE, ENABLE };

struct job {
        struct call *c;
        long what;
        struct wt_limits limits; uint32_t given;
        double weight;                           /* 0: not given */
        struct wt_tenant tenant;                 /* out */
        bool found;
};

static void on_find(void *arg, const struct wt_tenant *t)
{
        struct job *j = arg;

        if (strcmp(t->id, j->c->words[1]) != 0)
                return;
        j->tenant = *t;
        j->found = true;
}

/* What the flags name is put over what is there. */
static wt_err apply(struct job *j, struct wt_tenant *t)
{
        const char *name = j->c->flag[F_NAME];

        if (name != NULL && strlen(name) >= sizeof t->name)
                return wt_fail(WT_EINVAL, "--name has at most %zu bytes; shorten it",
                               sizeof t->name - 1);
        if (name != NULL)
                strcpy(t->name, name);
        if (j->weight > 0)
                t->weight = (uint32_t)j->weight;
        for (int i = 0; i < WT_N_LIMITS; i++)
                if (j->given >> i & 1)
                        t->limits.most[i] = j->limits.most[i];
        return WT_OK;
}

static wt_err create_work(void *arg, wt_store *s, struct wt_buf *words)
{
        struct job *j = arg;
        struct wt_tenant in = { .limits = wt_no_limits };
        wt_err err;

        wt_buf_fmt(words, "tenant=%.64s", j->c->words[1]);
        if (strlen(j->c->words[1]) >= sizeof in.id)
                return wt_fail(WT_EINVAL, "a tenant's name has at most 64 bytes; shorten it");
        strcpy(in.id, j->c->words[1]);
        if ((err = apply(j, &in)) != WT_OK)
                return err;
        return wt_tenant_create(s, &in, &j->tenant);
}

static wt_err update_work(void *arg, wt_store *s, struct wt_buf *words)
{
        struct job *j = arg;
        bool disabled;
        wt_err err = wt_tenant_list(s, on_find, j);

        wt_buf_fmt(words, "tenant=%.64s%s", j->c->words[1],
                   j->what == DISABLE ? " disabled" : j->what == ENABLE ? " enabled" : "");
        if (err == WT_OK && !j->found)
                err = wt_fail(WT_ENOTFOUND, "there is no tenant \"%.64s\"; witan tenant list shows "
                              "them", j->c->words[1]);
        disabled = j->what == DISABLE || (j->what == LIMIT && j->tenant.disabled_at != 0);
        if (err != WT_OK || (err = apply(j, &j->tenant)) != WT_OK ||
            (err = wt_tenant_update(s, &j->tenant, disabled)) != WT_OK)
                return err;
        return wt_tenant_list(s, on_find, j);
}

static void row(void *arg, const struct wt_tenant *t)
{
        struct wt_buf limits = { 0 };
        char created[32];

        if (arg != NULL) {
                wt_tenant_json(t, arg);
                return;
        }
        limit_words(&t->limits, &limits);
        printf("%-16s %-20s %-17s %-9s %6u  %s\n", t->id, t->name[0] != '\0' ? t->name : "-",
               books_time(t->created_at, created), t->disabled_at != 0 ? "disabled" : "enabled",
               t->weight, limits.data);
        wt_buf_free(&limits);
}

static int list(struct call *c, wt_store *s, struct wt_page *page)
{
        struct wt_buf b = { 0 },
                *json = books_list(c, &b, "%-16s %-20s %-17s %-9s %6s  %s\n", "TENANT", "NAME",
                                   "CREATED", "STATE", "WEIGHT", "LIMITS");

        return page_end(c, &b, page, wt_tenant_page(s, page, row, json));
}

static int change(struct call *c, wt_store *s, struct job *j)
{
        static const char *const said[] = { "is made", "", "is changed",
                                            "is disabled: its keys are refused", "is enabled" };
        struct wt_buf b = { 0 };
        wt_err err = j->what == CREATE ? WT_OK : names_tenant(s, c->words[1]);

        if (err == WT_OK)
                err = books_change(c, s, j->what == CREATE ? "admin.tenant.create"
                                                          : "admin.tenant.update",
                                   j->what == CREATE ? create_work : update_work, j);

        if (err != WT_OK)
                return verb_fail(c, "%s", wt_words());
        if (c->json)
                wt_tenant_json(&j->tenant, &b);
        else
                wt_buf_fmt(&b, "tenant %s %s", j->tenant.id, said[j->what]);
        puts(b.data);
        wt_buf_free(&b);
        return EXIT_DONE;
}

static int run(struct call *c)
{
        const struct sub *sub = verb_sub(c);
        struct job j = { .c = c };
        struct wt_page room, *page;
        wt_store *s;
        int rc;

        if (sub == NULL)
                return EXIT_USAGE;
        j.what = sub - c->verb->subs;
        if ((rc = verb_words(c, j.what == LIST ? 1 : 2)) != 0)
                return rc;
        if (j.what != LIST && c->n_words != 2)
                return verb_usage(c, "%s takes the name of a tenant", sub->name);
        for (int k = 0; k < F_PAGE && j.what != CREATE && j.what != LIMIT; k++)
                if (c->flag[k] != NULL)
                        return verb_usage(c, "--%s is for create and limit",
                                          c->verb->flags[k].name);
        if (!verb_number(c, F_WEIGHT, 1, 1000, &j.weight) ||
            !limit_flags(c, F_LIMITS, &j.limits, &j.given))
                return EXIT_USAGE;
        if (j.what == LIMIT && j.given == 0 && j.weight == 0 && c->flag[F_NAME] == NULL)
                return verb_usage(c, "name a limit: --tokens-per-day 200000, or none for no limit");
        if (!page_flags(c, F_PAGE, j.what == LIST, &room, &page))
                return EXIT_USAGE;
        if ((j.what == CREATE ? books_open(c, &s) : books_read(c, &s)) != WT_OK)
                return verb_fail(c, "%s", wt_words());
        rc = j.what == LIST ? list(c, s, page) : change(c, s, &j);
        wt_store_close(s);
        return rc;
}

const struct verb verb_tenant = {
        .name = "tenant",
        .about = "makes, limits, disables and lists tenants",
        .usage = "witan tenant create NAME [--weight N] [LIMITS] | list | limit NAME LIMITS | "
                 "disable NAME | enable NAME",
        .example = "witan tenant create research --tokens-per-day 2000000 --concurrency 16",
        .text = "A tenant is who pays: keys, teams, limits, prices and usage are of a tenant. Its "
                "limits hold for all of its keys together. When the house is full each tenant gets "
                "turns by its weight. A cluster that runs takes up a change within a moment; each "
                "has a row in the audit log.",
        .subs = {{"create", "NAME", "makes a tenant"},
                 {"list", "", "shows all tenants and their limits"},
                 {"limit", "NAME", "changes the limits that flags name; none takes one off"},
                 {"disable", "NAME", "refuses all of its keys from now on"},
                 {"enable", "NAME", "lets them in again"}},
        .flags = {[F_NAME] = {"name", "TEXT", "what people call it", 0},
                  [F_WEIGHT] = {"weight", "N", "its share of a full house, 1 to 1000 [1]", 0},
                  LIMIT_FLAGS(F_LIMITS), PAGE_FLAGS(F_PAGE)},
        .sets = books_sets,
        .run = run,
};
