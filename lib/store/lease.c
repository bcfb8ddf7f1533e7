/* lease.c - leases, told by the database's clock. A row stays when its lease ends: its token must
 * go on growing. */
#include <stdio.h>
#include "store/store.h"

static const char *const steps[] = {
        "CREATE TABLE witan_leases (name TEXT PRIMARY KEY, holder TEXT NOT NULL,"
        " token BIGINT NOT NULL, expires_us BIGINT NOT NULL)",
};
enum { N_STEPS = sizeof steps / sizeof *steps };

struct take { const char *name, *holder; int64_t for_us; struct wt_lease *out, row; bool there; };

static int read_row(void *arg, const struct wt_value *v, uint32_t n)
{
        struct take *t = arg;

        (void)n;
        t->there = true;
        t->row.token = v[1].as.i;
        t->row.expires_us = v[2].as.i;
        if (!wt_v_copy(&v[0], t->row.holder, sizeof t->row.holder))
                return wt_fail(WT_EDATA, "the holder of lease %s is no short text", t->name);
        return 0;
}

static wt_err look(wt_store *s, struct take *t)
{
        const struct wt_value name = wt_v_text(t->name);

        t->there = false;
        t->row = (struct wt_lease){ 0 };
        snprintf(t->row.name, sizeof t->row.name, "%s", t->name);
        return wt_store_query(s, "SELECT holder, token, expires_us FROM witan_leases "
                              "WHERE name = $1", &name, 1, read_row, t, NULL);
}

static wt_err take(void *arg, wt_store *s)
{
        struct take *t = arg;
        int64_t now = 0;
        wt_err err = look(s, t);

        if (err != WT_OK || (err = wt_store_now(s, &now)) != WT_OK)
                return err;
        if (t->there && t->row.expires_us > now && strcmp(t->row.holder, t->holder) != 0) {
                *t->out = t->row;
                return wt_fail(WT_EEXIST, "lease %s is held by %s", t->name, t->row.holder);
        }
        if (!t->there || strcmp(t->row.holder, t->holder) != 0)
                t->row.token++;
        t->row.expires_us = now + t->for_us;
        snprintf(t->row.holder, sizeof t->row.holder, "%s", t->holder);
        {
                const struct wt_value v[4] = { wt_v_text(t->name), wt_v_text(t->holder),
                        wt_v_int(t->row.token), wt_v_int(t->row.expires_us) };

                return wt_store_query(s, "INSERT INTO witan_leases VALUES ($1, $2, $3, $4) "
                                      "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, "
                                      "token = excluded.token, expires_us = excluded.expires_us",
                                      v, 4, NULL, NULL, NULL);
        }
}

wt_err wt_lease_take(wt_store *s, const char *name, const char *holder, uint64_t for_ms,
                     struct wt_lease *out)
{
        struct take t = { .name = name, .holder = holder, .for_us = (int64_t)for_ms * 1000,
                          .out = out };
        wt_err err;

        if (name[0] == '\0' || strlen(name) >= sizeof out->name || holder[0] == '\0' ||
            strlen(holder) >= sizeof out->holder)
                return wt_fail(WT_EINVAL, "the names of a lease and of its holder have 1 to 63 "
                               "bytes: \"%.70s\", \"%.70s\"", name, holder);
        if ((err = wt_store_migrate(s, "leases", steps, N_STEPS)) != WT_OK)
                return err;
        if ((err = wt_store_do(s, take, &t)) == WT_OK)
                *out = t.row;
        return err;
}

wt_err wt_lease_check(wt_store *s, const struct wt_lease *l)
{
        struct take t = { .name = l->name };
        int64_t now = 0;
        wt_err err = look(s, &t);

        if (err != WT_OK || (err = wt_store_now(s, &now)) != WT_OK)
                return err;
        if (!t.there || t.row.token != l->token || strcmp(t.row.holder, l->holder) != 0 ||
            t.row.expires_us <= now)
                return wt_fail(WT_EPRECONDITION, "%s no longer holds lease %s", l->holder, l->name);
        return WT_OK;
}

wt_err wt_lease_give(wt_store *s, const struct wt_lease *l)
{
        const struct wt_value v[3] = { wt_v_text(l->name), wt_v_text(l->holder),
                                       wt_v_int(l->token) };

        return wt_store_query(s, "UPDATE witan_leases SET expires_us = 0 "
                              "WHERE name = $1 AND holder = $2 AND token = $3", v, 3, NULL, NULL,
                              NULL);
}
