#include "store/store.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "base/rng.h"
#include "plugin/plugin.h"

enum { MOST_TRIES = 10, FIRST_NAP_US = 500, LONGEST_NAP_US = 50000 };

struct wt_store {
        const struct wt_store_ops *ops;
        wt_db *db;
        struct wt_host host;
        bool in_tx, in_row;
};

static const struct wt_plugin *by_scheme(const char *scheme, size_t n)
{
        const struct wt_plugin *p;

        for (size_t i = 0; (p = wt_plugin_at(i)) != NULL; i++) {
                const struct wt_store_ops *ops = p->ops;

                if (p->kind == WT_STORE && strlen(ops->scheme) == n &&
                    memcmp(ops->scheme, scheme, n) == 0)
                        return p;
        }
        return NULL;
}

/* store_SCHEME.so beside the program; its words say what to do when it is not there. */
static wt_err load(const char *scheme, size_t n)
{
        const struct wt_plugin *p;
        char folder[PATH_MAX], path[PATH_MAX + 64];
        wt_err err = wt_plugin_own(folder);

        if (err != WT_OK)
                return err;
        snprintf(path, sizeof path, "%s/store_%.*s.so", folder, (int)n, scheme);
        err = wt_plugin_load(path, &p);
        if (err == WT_ENOTFOUND)
                return wt_fail(err, "no plugin opens a store of the kind \"%.*s\": there is no "
                               "%s; %s", (int)n, scheme, path,
                               n == 10 && memcmp(scheme, "postgresql", 10) == 0
                                       ? "install libpq-dev, then run cmake and build again"
                                       : "write sqlite, sqlite:PATH or postgresql://...");
        return err != WT_OK ? err : wt_plugin_add(p);
}

static wt_err find(const char *url, const struct wt_plugin **out)
{
        size_t n = strspn(url, "abcdefghijklmnopqrstuvwxyz0123456789");
        wt_err err;

        if (n == 0 || n > 32 || url[n] != ':')
                return wt_fail(WT_EINVAL, "the store \"%.200s\" is no URL; write sqlite, "
                               "sqlite:PATH or postgresql://USER@HOST/DATABASE", url);
        if (n == 8 && memcmp(url, "postgres", 8) == 0) {         /* libpq takes both names */
                url = "postgresql";
                n = 10;
        }
        if ((*out = by_scheme(url, n)) != NULL)
                return WT_OK;
        if ((err = load(url, n)) != WT_OK)
                return err;
        if ((*out = by_scheme(url, n)) == NULL)
                return wt_fail(WT_EINVAL, "store_%.*s.so opens another kind of store", (int)n, url);
        return WT_OK;
}

wt_err wt_store_url(const char *setting, const char *state, char *out, size_t cap)
{
        int n = strcmp(setting, "sqlite") == 0 ? snprintf(out, cap, "sqlite:%s/witan.db", state)
                                               : snprintf(out, cap, "%s", setting);

        if (n < 0 || (size_t)n >= cap)
                return wt_fail(WT_EINVAL, "the store's URL is longer than %zu bytes", cap - 1);
        if (strchr(out, ':') == NULL)
                return wt_fail(WT_EINVAL, "the store \"%.200s\" is no URL; write sqlite, "
                               "sqlite:PATH or postgresql://USER@HOST/DATABASE", out);
        return WT_OK;
}

wt_err wt_store_open(wt_store **out, const char *url, uint64_t timeout_ms)
{
        const struct wt_plugin *p;
        wt_store *s;
        wt_err err = find(url, &p);

        if (err != WT_OK)
                return err;
        if ((s = calloc(1, sizeof *s)) == NULL)
                return wt_fail(WT_ENOMEM, "no memory for a connection to the store");
        s->ops = p->ops;
        wt_host_init(&s->host, NULL);
        if ((err = s->ops->open(&s->db, &s->host, url, timeout_ms)) != WT_OK) {
                free(s);
                return err;
        }
        *out = s;
        return WT_OK;
}

void wt_store_close(wt_store *s)
{
        if (s == NULL)
                return;
        s->ops->close(s->db);
        free(s);
}

/* A bug of the caller's that PostgreSQL would punish and SQLite would not. */
static void free_to_call(const wt_store *s)
{
        WT_ASSERT(!s->in_row);
}

wt_err wt_store_describe(wt_store *s, char *out, size_t cap)
{
        free_to_call(s);
        return s->ops->describe(s->db, out, cap);
}

wt_err wt_store_now(wt_store *s, int64_t *us)
{
        free_to_call(s);
        return s->ops->now(s->db, us);
}

/* Sleeps longer each time, by chance, so that two that met do not meet again. False: often
 * enough. */
static bool again(int *tries)
{
        uint32_t most = (uint32_t)FIRST_NAP_US << *tries, drawn;
        struct timespec nap = { 0 };

        if (++*tries >= MOST_TRIES)
                return false;
        if (most > LONGEST_NAP_US)
                most = LONGEST_NAP_US;
        wt_random_bytes(&drawn, sizeof drawn);
        nap.tv_nsec = (most / 2 + drawn % most) * 1000L;
        nanosleep(&nap, NULL);
        return true;
}

static wt_err once(wt_store *s, int (*begin)(wt_db *db),
                   wt_err (*work)(void *arg, wt_store *s), void *arg)
{
        wt_err err = begin(s->db);

        if (err != WT_OK)
                return err;
        s->in_tx = true;
        err = work(arg, s);
        s->in_tx = false;
        if (err == WT_OK && begin == s->ops->begin)
                return s->ops->commit(s->db);
        s->ops->rollback(s->db);
        return err;
}

/* Once, or until it lost against no other; inside a transaction it is a part of that one. */
static wt_err within(wt_store *s, int (*begin)(wt_db *db),
                     wt_err (*work)(void *arg, wt_store *s), void *arg)
{
        int tries = 0;
        wt_err err;

        free_to_call(s);
        if (s->in_tx)
                return work(arg, s);
        do
                err = once(s, begin, work, arg);
        while (err == WT_EABORTED && again(&tries));
        return err;
}

wt_err wt_store_do(wt_store *s, wt_err (*work)(void *arg, wt_store *s), void *arg)
{
        return within(s, s->ops->begin, work, arg);
}

wt_err wt_store_see(wt_store *s, wt_err (*work)(void *arg, wt_store *s), void *arg)
{
        return within(s, s->ops->snapshot, work, arg);
}

struct given { wt_store *s; wt_on_row row; void *arg; bool any; };

static int give(void *arg, const struct wt_value *column, uint32_t n)
{
        struct given *g = arg;
        int stop;

        g->any = g->s->in_row = true;
        stop = g->row(g->arg, column, n);
        g->s->in_row = false;
        return stop;
}

wt_err wt_store_query(wt_store *s, const char *sql, const struct wt_value *args, uint32_t n_args,
                      wt_on_row row, void *arg, uint64_t *n_changed)
{
        struct given g = { s, row, arg, false };
        int tries = 0;
        wt_err err;

        free_to_call(s);
        do
                err = s->ops->query(s->db, sql, args, n_args, row != NULL ? give : NULL, &g,
                                    n_changed);
        while (err == WT_EABORTED && !s->in_tx && !g.any && again(&tries));
        return err;
}

wt_err wt_store_columns(wt_store *s, wt_on_row row, void *arg)
{
        struct given g = { s, row, arg, false };

        free_to_call(s);
        return s->ops->columns(s->db, give, &g);
}

wt_err wt_store_load(wt_store *s, const char *table, const char *const *columns,
                     uint32_t n_columns, const struct wt_value *rows, uint32_t n_rows)
{
        free_to_call(s);
        return s->ops->load(s->db, table, columns, n_columns, rows, n_rows);
}

wt_err wt_store_migrate(wt_store *s, const char *name, const char *const *steps, uint32_t n)
{
        int tries = 0;
        wt_err err;

        free_to_call(s);
        do
                err = s->ops->migrate(s->db, name, steps, n);
        while (err == WT_EABORTED && !s->in_tx && again(&tries));
        return err;
}

wt_err wt_store_seal(wt_store *s, const char *table)
{
        int tries = 0;
        wt_err err;

        free_to_call(s);
        do
                err = s->ops->seal(s->db, table);
        while (err == WT_EABORTED && !s->in_tx && again(&tries));
        return err;
}

static wt_err one_day(wt_store *s, int (*call)(wt_db *db, const char *table, int64_t day),
                      const char *table, int64_t day)
{
        int tries = 0;
        wt_err err;

        free_to_call(s);
        do
                err = call(s->db, table, day);
        while (err == WT_EABORTED && !s->in_tx && again(&tries));
        return err;
}

wt_err wt_store_day_add(wt_store *s, const char *table, int64_t day)
{
        return one_day(s, s->ops->day_add, table, day);
}

wt_err wt_store_day_drop(wt_store *s, const char *table, int64_t day)
{
        return one_day(s, s->ops->day_drop, table, day);
}

wt_err wt_store_notify(wt_store *s, const char *channel)
{
        free_to_call(s);
        return s->ops->notify(s->db, channel);
}

wt_err wt_store_listen(wt_store *s, const char *const *channels, uint32_t n)
{
        free_to_call(s);
        return s->ops->listen(s->db, channels, n);
}

wt_err wt_store_wait(wt_store *s, uint64_t timeout_ms, uint32_t *heard)
{
        free_to_call(s);
        return s->ops->wait(s->db, timeout_ms, heard);
}

bool wt_v_copy(const struct wt_value *v, char *room, size_t cap)
{
        size_t n = v->type == WT_TEXT ? v->len : 0;

        if (cap == 0 || n >= cap)
                return false;
        if (n > 0)
                memcpy(room, v->as.data, n);
        room[n] = '\0';
        return v->type == WT_TEXT || v->type == WT_NULL;
}
