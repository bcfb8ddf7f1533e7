#include <pthread.h>
#include <string.h>
#include "base/buf.h"
#include "plugin/plugin.h"

enum { MOST_PLUGINS = 64 };

static const struct wt_plugin *list[MOST_PLUGINS];
static size_t n_list;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;         /* of list and n_list */

static const struct wt_plugin *find(uint32_t kind, const char *name)
{
        for (size_t i = 0; i < n_list; i++)
                if (list[i]->kind == kind && strcmp(list[i]->name, name) == 0)
                        return list[i];
        return NULL;
}

static wt_err add(const struct wt_plugin *p)
{
        const struct wt_plugin *old;
        wt_err err = wt_plugin_check(p, 0);

        if (err != WT_OK)
                return wt_fail_in(err, "plugin");
        old = find(p->kind, p->name);
        if (old == p)
                return WT_OK;
        if (old)
                return wt_fail(WT_EEXIST, "two %s plugins have the name %s; rename one",
                               wt_kind_name(p->kind), p->name);
        if (n_list == MOST_PLUGINS)
                return wt_fail(WT_EEXHAUSTED, "more than %d plugins", MOST_PLUGINS);
        list[n_list++] = p;
        return WT_OK;
}

wt_err wt_plugin_add(const struct wt_plugin *p)
{
        wt_err err;

        pthread_mutex_lock(&lock);
        err = add(p);
        pthread_mutex_unlock(&lock);
        return err;
}

const struct wt_plugin *wt_plugin_at(size_t i)
{
        const struct wt_plugin *p;

        pthread_mutex_lock(&lock);
        p = i < n_list ? list[i] : NULL;
        pthread_mutex_unlock(&lock);
        return p;
}

wt_err wt_plugin_register(const struct wt_plugin *(*const *entries)(void))
{
        wt_err err = WT_OK;

        pthread_mutex_lock(&lock);
        for (; err == WT_OK && *entries; entries++)
                err = add((*entries)());
        pthread_mutex_unlock(&lock);
        return err;
}

/* Lock held. */
static wt_err not_found(uint32_t kind, const char *name)
{
        struct wt_buf names = { 0 };
        wt_err err;

        for (size_t i = 0; i < n_list; i++)
                if (list[i]->kind == kind)
                        wt_buf_fmt(&names, "%s%s", names.len ? ", " : "", list[i]->name);
        err = wt_fail(WT_ENOTFOUND, "no %s plugin is called '%.64s'; there %s: %s",
                      wt_kind_name(kind), name, names.len ? "are" : "is",
                      names.len ? names.data : "none");
        wt_buf_free(&names);
        return err;
}

wt_err wt_plugin_find(uint32_t kind, const char *name, const struct wt_plugin **out)
{
        const struct wt_plugin *p;
        wt_err err = WT_OK;

        pthread_mutex_lock(&lock);
        p = find(kind, name);
        if (p)
                *out = p;
        else
                err = not_found(kind, name);
        pthread_mutex_unlock(&lock);
        return err;
}
