/* rows.c - reads the tables of identity.h, row by row. */
#include "identity/rows.h"
#include <string.h>

static wt_err malformed(const char *table, const char *id)
{
        return wt_fail(WT_EDATA, "table %s: the row of \"%s\" is malformed; restore a backup",
                       table, id);
}

static void read_limits(const struct wt_value *v, struct wt_limits *out)
{
        for (int i = 0; i < WT_N_LIMITS; i++)
                out->most[i] = v[i].type == WT_INT ? v[i].as.i : -1;
}

/* Whoever walks a table: what each row becomes and to whom it goes. */
struct walk {
        void (*tenant)(void *arg, const struct wt_tenant *t);
        void (*team)(void *arg, const struct wt_team *t);
        void (*price)(void *arg, const struct wt_price *p);
        void (*key)(void *arg, const struct key_row *r);
        void *arg;
};

static int tenant_row(void *arg, const struct wt_value *v, uint32_t n)
{
        const struct walk *w = arg;
        struct wt_tenant t = { 0 };

        if (n != 5 + WT_N_LIMITS || !wt_v_copy(&v[0], t.id, sizeof t.id) ||
            !wt_v_copy(&v[1], t.name, sizeof t.name))
                return malformed("identity_tenants", t.id);
        t.created_at = v[2].as.i;
        t.disabled_at = v[3].as.i;
        t.weight = (uint32_t)v[4].as.i;
        read_limits(v + 5, &t.limits);
        w->tenant(w->arg, &t);
        return WT_OK;
}

wt_err wt_tenant_list(wt_store *s, void (*each)(void *arg, const struct wt_tenant *t), void *arg)
{
        struct walk w = { .tenant = each, .arg = arg };

        return wt_store_query(s, "SELECT id, name, created_at, disabled_at, weight, "
                              LIMIT_COLUMNS " FROM identity_tenants ORDER BY id", NULL, 0,
                              tenant_row, &w, NULL);
}

static int team_row(void *arg, const struct wt_value *v, uint32_t n)
{
        const struct walk *w = arg;
        struct wt_team t = { 0 };

        if (n != 3 + WT_N_LIMITS || !wt_v_copy(&v[0], t.tenant, sizeof t.tenant) ||
            !wt_v_copy(&v[1], t.id, sizeof t.id))
                return malformed("identity_teams", t.id);
        t.created_at = v[2].as.i;
        read_limits(v + 3, &t.limits);
        w->team(w->arg, &t);
        return WT_OK;
}

wt_err wt_team_list(wt_store *s, void (*each)(void *arg, const struct wt_team *t), void *arg)
{
        struct walk w = { .team = each, .arg = arg };

        return wt_store_query(s, "SELECT tenant, id, created_at, " LIMIT_COLUMNS
                              " FROM identity_teams ORDER BY tenant, id", NULL, 0, team_row, &w,
                              NULL);
}

static int price_row(void *arg, const struct wt_value *v, uint32_t n)
{
        const struct walk *w = arg;
        struct wt_price p = { 0 };

        if (n != 4 || !wt_v_copy(&v[0], p.model, sizeof p.model) ||
            !wt_v_copy(&v[1], p.tenant, sizeof p.tenant))
                return malformed("identity_prices", p.model);
        p.prompt_nano = v[2].as.i;
        p.completion_nano = v[3].as.i;
        w->price(w->arg, &p);
        return WT_OK;
}

wt_err wt_price_list(wt_store *s, void (*each)(void *arg, const struct wt_price *p), void *arg)
{
        struct walk w = { .price = each, .arg = arg };

        return wt_store_query(s, "SELECT model, tenant, prompt_nano, completion_nano"
                              " FROM identity_prices ORDER BY model, tenant", NULL, 0, price_row,
                              &w, NULL);
}

static bool read_blob(const struct wt_value *v, void *out, uint32_t n)
{
        if (v->type != WT_BLOB || v->len != n)
                return false;
        memcpy(out, v->as.data, n);
        return true;
}

static int key_row(void *arg, const struct wt_value *v, uint32_t n)
{
        const struct walk *w = arg;
        struct key_row r = { 0 };
        struct wt_key *k = &r.key;

        if (n != 14 + WT_N_LIMITS || !wt_v_copy(&v[0], k->id, sizeof k->id) ||
            !wt_v_copy(&v[1], k->tenant, sizeof k->tenant) ||
            !wt_v_copy(&v[2], k->team, sizeof k->team) ||
            !wt_v_copy(&v[3], k->name, sizeof k->name) ||
            !wt_v_copy(&v[4], k->role, sizeof k->role) || !wt_role_known(k->role) ||
            !wt_v_copy(&v[5], k->models, sizeof k->models) ||
            !wt_v_copy(&v[6], k->sources, sizeof k->sources) ||
            !wt_v_copy(&v[10], r.prefix, sizeof r.prefix) || strlen(r.prefix) != WT_PREFIX ||
            !read_blob(&v[11], r.salt, WT_SALT) || !read_blob(&v[12], r.hash, WT_HASH) ||
            !wt_v_copy(&v[13], k->rpc_public, sizeof k->rpc_public))
                return malformed("identity_keys", k->id);
        k->created_at = v[7].as.i;
        k->expires_at = v[8].as.i;
        k->revoked_at = v[9].as.i;
        read_limits(v + 14, &k->limits);
        w->key(w->arg, &r);
        return WT_OK;
}

wt_err rows_keys(wt_store *s, void (*each)(void *arg, const struct key_row *r), void *arg)
{
        struct walk w = { .key = each, .arg = arg };

        return wt_store_query(s, "SELECT id, tenant, team, name, role, models, sources, created_at,"
                              " expires_at, revoked_at, prefix, salt, hash, rpc_public, "
                              LIMIT_COLUMNS " FROM identity_keys ORDER BY created_at, id", NULL, 0,
                              key_row, &w, NULL);
}

struct list { void (*each)(void *arg, const struct wt_key *k); void *arg; };

static void bare_key(void *arg, const struct key_row *r)
{
        const struct list *l = arg;

        l->each(l->arg, &r->key);
}

wt_err wt_key_list(wt_store *s, void (*each)(void *arg, const struct wt_key *k), void *arg)
{
        struct list l = { each, arg };

        return rows_keys(s, bare_key, &l);
}

static void take_price(void *arg, const struct wt_price *p) { *(struct wt_price *)arg = *p; }

wt_err wt_price_find(wt_store *s, const char *model, const char *tenant, struct wt_price *out)
{
        struct wt_price found = { .model = "" };
        struct walk w = { .price = take_price, .arg = &found };
        const struct wt_value v[] = { wt_v_text(model), wt_v_text(tenant) };
        wt_err err = wt_store_query(s, "SELECT model, tenant, prompt_nano, completion_nano FROM"
                                    " identity_prices WHERE model = $1 AND (tenant = $2 OR tenant"
                                    " = '') ORDER BY CASE WHEN tenant = '' THEN 1 ELSE 0 END"
                                    " LIMIT 1", v, 2, price_row, &w, NULL);

        if (err == WT_OK && found.model[0] == '\0')
                return wt_fail(WT_ENOTFOUND, "model %s has no price", model);
        if (err == WT_OK)
                *out = found;
        return err;
}
