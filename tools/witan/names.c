/* names.c - see names.h. Asked only when somebody names something, so lists are read whole. */
#include "names.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cluster.h"
#include "identity/identity.h"
#include "near.h"

struct names {
        const char *typed, *tenant;              /* tenant: of teams */
        char **name; size_t n;                   /* ends in NULL */
        char alias[48];                          /* the id of the key that has this name */
        bool there, full;
};

static void add(struct names *l, const char *name)
{
        char **more;

        l->there = l->there || strcmp(name, l->typed) == 0;
        if (l->there || l->full)
                return;
        more = realloc(l->name, (l->n + 2) * sizeof *more);
        if (more != NULL)
                l->name = more;
        if (more == NULL || (l->name[l->n] = strdup(name)) == NULL)
                l->full = true;                  /* fewer to choose from; nothing else is lost */
        else
                l->name[++l->n] = NULL;
}

static void on_tenant(void *arg, const struct wt_tenant *t)
{
        add(arg, t->id);
}

static void on_team(void *arg, const struct wt_team *t)
{
        struct names *l = arg;

        if (strcmp(t->tenant, l->tenant) == 0)
                add(l, t->id);
}

static void on_key(void *arg, const struct wt_key *k)
{
        struct names *l = arg;

        add(l, k->id);
        if (k->name[0] != '\0' && k->revoked_at == 0 && strcmp(k->name, l->typed) == 0)
                snprintf(l->alias, sizeof l->alias, "%s", k->id);
}

/* "; did you mean X?" or "; LIST" */
static wt_err missing(struct names *l, wt_err err, const char *what, const char *list)
{
        const char *near = l->alias[0] != '\0' ? l->alias
                           : l->name != NULL ? near_word(l->typed, (const char *const *)l->name)
                                             : NULL;

        if (err == WT_OK && !l->there)
                err = wt_fail(WT_ENOTFOUND, "there is no %s \"%.80s\"%s%.64s; %s%s%s", what,
                              l->typed, l->tenant != NULL ? " of tenant " : "",
                              l->tenant != NULL ? l->tenant : "",
                              near != NULL ? "did you mean " : list,
                              near != NULL ? near : "", near != NULL ? "?" : "");
        for (size_t i = 0; i < l->n; i++)
                free(l->name[i]);
        free(l->name);
        return err;
}

wt_err names_tenant(wt_store *s, const char *tenant)
{
        struct names l = { .typed = tenant };

        return missing(&l, wt_tenant_list(s, on_tenant, &l), "tenant",
                       "witan tenant list shows them, witan tenant create makes one");
}

wt_err names_team(wt_store *s, const char *tenant, const char *team)
{
        struct names l = { .typed = team, .tenant = tenant };
        wt_err err = names_tenant(s, tenant);

        return err != WT_OK ? err
                : missing(&l, wt_team_list(s, on_team, &l), "team",
                          "witan team list shows them, witan team create makes one");
}

wt_err names_key(wt_store *s, const char *id)
{
        struct names l = { .typed = id };

        return missing(&l, wt_key_list(s, on_key, &l), "key", "witan key list shows the ids");
}

wt_err names_scope(wt_store *s, const char *scope)
{
        const char *slash = strchr(scope, '/');
        char tenant[65];

        if (strncmp(scope, "tenant:", 7) == 0)
                return names_tenant(s, scope + 7);
        if (strncmp(scope, "key:", 4) == 0)
                return names_key(s, scope + 4);
        if (strncmp(scope, "team:", 5) != 0 || slash == NULL || slash - scope - 5 > 64)
                return WT_OK;
        snprintf(tenant, sizeof tenant, "%.*s", (int)(slash - scope - 5), scope + 5);
        return names_team(s, tenant, slash + 1);
}

void names_models(const struct call *c, const char *list)
{
        struct cluster *cl = calloc(1, sizeof *cl);
        const char *model = NULL;

        if (cl != NULL && cluster_read(cl, c->state) == WT_OK)
                model = strrchr(cl->model, '/');
        for (const char *at = list; model != NULL && *at != '\0'; ) {
                size_t n = strcspn(at, ",");
                const char *const served[] = { model + 1, NULL };
                char one[260];

                snprintf(one, sizeof one, "%.*s", n < 256 ? (int)n : 256, at);
                if (strcmp(one, model + 1) != 0 && strcmp(one, "*") != 0)
                        fprintf(stderr, "note: the cluster of %s serves %s, and no model \"%s\"%s"
                                "\n", c->state, model + 1, one,
                                near_word(one, served) != NULL ? "; is that what you mean?" : "");
                at += n + (at[n] == ',');
        }
        free(cl);
}
