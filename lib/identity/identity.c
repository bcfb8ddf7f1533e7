/* identity.c - the copy in memory, and the thread that keeps it true. A copy is built aside and put
 * in place whole; while the store is away the last one goes on answering. */
#include "identity/identity.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/clock.h"
#include "base/rng.h"
#include "identity/rows.h"

/* A list of rows that grows while it is read. */
struct rows { char *data; size_t size, n, cap; bool failed; };

struct copy {
        struct rows keys, tenants, teams, prices;        /* keys by prefix */
};

struct wt_identity {
        wt_store *store;                         /* the thread's, after open */
        pthread_t thread;
        pthread_mutex_t lock;                    /* of copy and seen_us */
        struct copy *copy;
        uint64_t seen_us;                        /* when copy was last known to be current */
        uint64_t rpc_version;                    /* moves with every copy */
        atomic_bool stop, wake;
        uint8_t no_salt[WT_SALT], no_hash[WT_HASH];     /* what unknown keys are compared with */
};

enum { TURN_MS = 500, READ_ANYWAY_US = 10 * 1000 * 1000 };

static void add(struct rows *r, const void *row)
{
        if (r->n == r->cap) {
                size_t cap = r->cap > 0 ? 2 * r->cap : 16;
                char *data = realloc(r->data, cap * r->size);

                if (data == NULL) {
                        r->failed = true;
                        return;
                }
                r->data = data;
                r->cap = cap;
        }
        memcpy(r->data + r->n++ * r->size, row, r->size);
}

static void add_key(void *arg, const struct key_row *r) { add(&((struct copy *)arg)->keys, r); }
static void add_tenant(void *arg, const struct wt_tenant *t)
{
        add(&((struct copy *)arg)->tenants, t);
}
static void add_team(void *arg, const struct wt_team *t) { add(&((struct copy *)arg)->teams, t); }
static void add_price(void *arg, const struct wt_price *p)
{
        add(&((struct copy *)arg)->prices, p);
}

static void copy_free(struct copy *c)
{
        if (c == NULL)
                return;
        free(c->keys.data);
        free(c->tenants.data);
        free(c->teams.data);
        free(c->prices.data);
        free(c);
}

static int by_prefix(const void *a, const void *b)
{
        return memcmp(((const struct key_row *)a)->prefix, ((const struct key_row *)b)->prefix,
                      WT_PREFIX);
}

/* All four tables as of one moment. */
static wt_err read_all(void *arg, wt_store *s)
{
        struct copy *c = arg;
        wt_err err;

        c->keys.n = c->tenants.n = c->teams.n = c->prices.n = 0;
        if ((err = rows_keys(s, add_key, c)) != WT_OK ||
            (err = wt_tenant_list(s, add_tenant, c)) != WT_OK ||
            (err = wt_team_list(s, add_team, c)) != WT_OK ||
            (err = wt_price_list(s, add_price, c)) != WT_OK)
                return err;
        if (c->keys.failed || c->tenants.failed || c->teams.failed || c->prices.failed)
                return wt_fail(WT_ENOMEM, "no memory for %zu keys", c->keys.n);
        return WT_OK;
}

static wt_err renew(struct wt_identity *i)
{
        struct copy *c = calloc(1, sizeof *c), *old;
        uint64_t now = wt_now_us(&wt_clock_real);
        wt_err err;

        if (c == NULL)
                return wt_fail(WT_ENOMEM, "no memory for the keys");
        c->keys.size = sizeof(struct key_row);
        c->tenants.size = sizeof(struct wt_tenant);
        c->teams.size = sizeof(struct wt_team);
        c->prices.size = sizeof(struct wt_price);
        err = wt_store_see(i->store, read_all, c);
        if (err != WT_OK) {
                copy_free(c);
                return err;
        }
        if (c->keys.n > 0)
                qsort(c->keys.data, c->keys.n, c->keys.size, by_prefix);
        pthread_mutex_lock(&i->lock);
        old = i->copy;
        i->copy = c;
        i->seen_us = now;
        i->rpc_version++;
        pthread_mutex_unlock(&i->lock);
        copy_free(old);
        return WT_OK;
}

/* Reads again when told, and every READ_ANYWAY_US in case a word was lost. A store that is away
 * is asked again and again; what is in memory stays. */
static void *follow(void *arg)
{
        struct wt_identity *i = arg;
        uint64_t read_us = wt_now_us(&wt_clock_real);
        bool stale = false;

        while (!i->stop) {
                uint64_t now;
                uint32_t heard = 0;
                wt_err err = wt_store_wait(i->store, TURN_MS, &heard);

                now = wt_now_us(&wt_clock_real);
                stale |= heard != 0 || atomic_exchange(&i->wake, false) ||
                         now - read_us > READ_ANYWAY_US;
                if (err == WT_OK && stale && renew(i) == WT_OK) {
                        stale = false;
                        read_us = now;
                } else if (err != WT_OK) {
                        stale = true;
                        nanosleep(&(struct timespec){ .tv_nsec = TURN_MS * 1000000L }, NULL);
                } else if (!stale) {
                        pthread_mutex_lock(&i->lock);
                        i->seen_us = now;
                        pthread_mutex_unlock(&i->lock);
                }
        }
        return NULL;
}

wt_err wt_identity_open(wt_identity **out, const char *store_url, uint64_t timeout_ms)
{
        static const char *const channels[] = { "identity" };
        struct wt_identity *i = calloc(1, sizeof *i);
        wt_err err;

        if (i == NULL)
                return wt_fail(WT_ENOMEM, "no memory for the keys");
        pthread_mutex_init(&i->lock, NULL);
        wt_random_bytes(i->no_salt, sizeof i->no_salt);
        wt_random_bytes(i->no_hash, sizeof i->no_hash);
        if ((err = wt_store_open(&i->store, store_url, timeout_ms)) != WT_OK ||
            (err = wt_identity_migrate(i->store)) != WT_OK ||
            (err = wt_store_listen(i->store, channels, 1)) != WT_OK || (err = renew(i)) != WT_OK)
                goto failed;
        if (pthread_create(&i->thread, NULL, follow, i) != 0) {
                err = wt_fail(WT_EEXHAUSTED, "no thread for the keys; raise the limit of tasks");
                goto failed;
        }
        *out = i;
        return WT_OK;
failed:
        wt_store_close(i->store);
        copy_free(i->copy);
        pthread_mutex_destroy(&i->lock);
        free(i);
        return err;
}

void wt_identity_close(wt_identity *i)
{
        if (i == NULL)
                return;
        i->stop = true;
        pthread_join(i->thread, NULL);
        wt_store_close(i->store);
        copy_free(i->copy);
        pthread_mutex_destroy(&i->lock);
        free(i);
}

void wt_identity_wake(wt_identity *i)
{
        i->wake = true;
}

uint64_t wt_identity_rpc_version(wt_identity *i)
{
        uint64_t version;

        pthread_mutex_lock(&i->lock);
        version = i->rpc_version;
        pthread_mutex_unlock(&i->lock);
        return version;
}

double wt_identity_age(wt_identity *i)
{
        uint64_t seen;

        pthread_mutex_lock(&i->lock);
        seen = i->seen_us;
        pthread_mutex_unlock(&i->lock);
        return (double)(wt_now_us(&wt_clock_real) - seen) / 1e6;
}

/* Lock held, here and below. */
static const struct wt_tenant *find_tenant(const struct copy *c, const char *id)
{
        const struct wt_tenant *t = (const struct wt_tenant *)c->tenants.data;

        for (size_t k = 0; k < c->tenants.n; k++)
                if (strcmp(t[k].id, id) == 0)
                        return &t[k];
        return NULL;
}

static const struct wt_team *find_team(const struct copy *c, const char *tenant, const char *id)
{
        const struct wt_team *t = (const struct wt_team *)c->teams.data;

        for (size_t k = 0; k < c->teams.n; k++)
                if (strcmp(t[k].tenant, tenant) == 0 && strcmp(t[k].id, id) == 0)
                        return &t[k];
        return NULL;
}

static const struct key_row *find_key(const struct copy *c, const char *secret)
{
        struct key_row want = { 0 };

        memcpy(want.prefix, wt_secret_prefix(secret), WT_PREFIX);
        return c->keys.n == 0
                       ? NULL
                       : bsearch(&want, c->keys.data, c->keys.n, c->keys.size, by_prefix);
}

/* What stands against a key whose secret was right; NULL: nothing. */
static const char *why_not(const struct key_row *r, const struct wt_tenant *t, int64_t now)
{
        if (r->key.revoked_at != 0)
                return "this key was revoked; ask an admin for a new one (witan key create)";
        if (r->key.expires_at != 0 && r->key.expires_at <= now)
                return "this key has expired; ask an admin for a new one (witan key create)";
        if (t == NULL)
                return "this key's tenant is not there any more";
        return t->disabled_at != 0 ? "this key's tenant is disabled; an admin may enable it again"
                                   : NULL;
}

/* WT_ENOTFOUND: one answer for whatever is wrong with a secret, and the same work before it.
 * WT_EUNAUTH: it was right, so that out is who came, and *why says why he may not. */
static wt_err check(const struct wt_identity *i, const char *text, int64_t now, struct wt_who *out,
                    const char **why)
{
        const struct key_row *r = find_key(i->copy, text);
        const struct wt_tenant *t = r != NULL ? find_tenant(i->copy, r->key.tenant) : NULL;
        const struct wt_team *team;
        uint8_t hash[WT_HASH];
        bool good;

        wt_secret_hash(r != NULL ? r->salt : i->no_salt, text, hash);
        good = wt_secret_equal(hash, r != NULL ? r->hash : i->no_hash);
        if (!good || r == NULL)
                return WT_ENOTFOUND;
        team = r->key.team[0] != '\0' ? find_team(i->copy, r->key.tenant, r->key.team) : NULL;
        out->key = r->key;
        out->tenant = t != NULL ? *t : (struct wt_tenant){ .limits = wt_no_limits };
        out->team = team != NULL ? *team : (struct wt_team){ .limits = wt_no_limits };
        *why = why_not(r, t, now);
        return *why == NULL ? WT_OK : WT_EUNAUTH;
}

/* "127.0.0.1:53214" and "[::1]:80" without the port, which changes with each connection. */
static int host_len(const char *address)
{
        const char *port = strrchr(address, ':');

        if (port == NULL || (strchr(address, ':') != port && port != address && port[-1] != ']'))
                port = address + strlen(address);
        return (int)(port - address);
}

wt_err wt_identity_check(wt_identity *i, const char *secret, size_t len, int64_t now,
                         const char *address, struct wt_who *out)
{
        char text[WT_SECRET + 1];
        const char *why;
        struct wt_who who;
        wt_err err;

        if (!wt_secret_well_formed(secret, len))
                return wt_fail(WT_EUNAUTH, "the API key is unknown");
        memcpy(text, secret, WT_SECRET);
        text[WT_SECRET] = '\0';
        pthread_mutex_lock(&i->lock);
        err = check(i, text, now, &who, &why);
        pthread_mutex_unlock(&i->lock);
        explicit_bzero(text, sizeof text);
        if (err == WT_ENOTFOUND)
                return wt_fail(WT_EUNAUTH, "the API key is unknown");
        *out = who;
        if (err != WT_OK)
                return wt_fail(err, "%s", why);
        if (!wt_sources_allow(who.key.sources, address))
                return wt_fail(WT_EPERM, "this key may not be used from %.*s; use it from where it "
                               "may be (its sources, see witan key list), or ask an admin for one "
                               "with that address among its sources", host_len(address), address);
        return WT_OK;
}

wt_err wt_identity_tenant(wt_identity *i, const char *tenant, struct wt_tenant *out)
{
        const struct wt_tenant *t;
        wt_err err = WT_OK;

        pthread_mutex_lock(&i->lock);
        t = find_tenant(i->copy, tenant);
        if (t == NULL || t->disabled_at != 0)
                err = wt_fail(WT_EUNAUTH, "there is no tenant \"%.64s\"", tenant);
        else
                *out = *t;
        pthread_mutex_unlock(&i->lock);
        return err;
}

bool wt_identity_price(wt_identity *i, const char *model, const char *tenant,
                       struct wt_price *out)
{
        const struct wt_price *p, *best = NULL;

        pthread_mutex_lock(&i->lock);
        p = (const struct wt_price *)i->copy->prices.data;
        for (size_t k = 0; k < i->copy->prices.n; k++)
                if (strcmp(p[k].model, model) == 0 &&
                    (strcmp(p[k].tenant, tenant) == 0 || (best == NULL && p[k].tenant[0] == '\0')))
                        best = &p[k];
        if (best != NULL)
                *out = *best;
        pthread_mutex_unlock(&i->lock);
        return best != NULL;
}

void wt_identity_rpc_allowed(wt_identity *i, int64_t now, struct wt_buf *out)
{
        const struct key_row *r;

        pthread_mutex_lock(&i->lock);
        r = (const struct key_row *)i->copy->keys.data;
        for (size_t k = 0; k < i->copy->keys.n; k++) {
                const struct wt_tenant *t = find_tenant(i->copy, r[k].key.tenant);

                if (r[k].key.rpc_public[0] != '\0' && r[k].key.revoked_at == 0 &&
                    (r[k].key.expires_at == 0 || r[k].key.expires_at > now) && t != NULL &&
                    t->disabled_at == 0)
                        wt_buf_fmt(out, "%s client %s\n", r[k].key.id, r[k].key.rpc_public);
        }
        pthread_mutex_unlock(&i->lock);
}
