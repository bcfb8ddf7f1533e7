/* rows.c - reads the tables of identity.h, row by row. */
#include "identity/rows.h"
#include <stdio.h>
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
        struct wt_page *page; uint32_t limit, n; /* page NULL: all */
};

/* False: this row only says that there is more. second: of a key of two columns, else NULL. */
static bool goes(struct walk *w, const char *first, const char *second)
{
        if (w->page == NULL)
                return true;
        if (w->n == w->limit) {
                w->page->has_more = true;
                return false;
        }
        w->n++;
        snprintf(w->page->next, sizeof w->page->next, "%s%s%s", first, second != NULL ? "/" : "",
                 second != NULL ? second : "");
        return true;
}

/* All of a table, or a page of it: select, then what stands behind `after`, in the order of its key
 * (one column, or two). */
static wt_err read_table(wt_store *s, const char *select, const char *first, const char *second,
                         wt_on_row row, struct walk *w)
{
        const char *behind = second != NULL ? second : "";
        const char *comma = second != NULL ? ", " : "";
        char after[WT_PAGE_AT] = "", *slash;
        struct wt_value v[2];
        struct wt_buf sql = { 0 };
        uint32_t n = 0;
        wt_err err;

        if (w->page != NULL) {
                w->limit = w->page->limit > 0 ? w->page->limit : WT_PAGE_MOST;
                w->page->has_more = false;
                w->page->next[0] = '\0';
                snprintf(after, sizeof after, "%s", w->page->after);
        }
        slash = second != NULL ? strrchr(after, '/') : NULL;
        if (after[0] != '\0' && second != NULL && slash == NULL)
                return wt_fail(WT_EINVAL, "after is what the last page said, not \"%.40s\"",
                               after);
        wt_buf_str(&sql, select);
        if (slash != NULL)
                *slash = '\0';
        if (slash != NULL || after[0] != '\0') {
                v[n++] = wt_v_text(after);
                if (slash != NULL)
                        v[n++] = wt_v_text(slash + 1);
                wt_buf_fmt(&sql, slash != NULL ? " WHERE (%s%s%s) > ($1, $2)"
                                         : " WHERE %s%s%s > $1", first, comma, behind);
        }
        wt_buf_fmt(&sql, " ORDER BY %s%s%s", first, comma, behind);
        if (w->page != NULL)
                wt_buf_fmt(&sql, " LIMIT %u", w->limit + 1);
        err = wt_store_query(s, sql.data, v, n, row, w, NULL);
        wt_buf_free(&sql);
        return err;
}

static int tenant_row(void *arg, const struct wt_value *v, uint32_t n)
{
        struct walk *w = arg;
        struct wt_tenant t = { 0 };

        if (n != 5 + WT_N_LIMITS || !wt_v_copy(&v[0], t.id, sizeof t.id) ||
            !wt_v_copy(&v[1], t.name, sizeof t.name))
                return malformed("identity_tenants", t.id);
        t.created_at = v[2].as.i;
        t.disabled_at = v[3].as.i;
        t.weight = (uint32_t)v[4].as.i;
        read_limits(v + 5, &t.limits);
        if (goes(w, t.id, NULL))
                w->tenant(w->arg, &t);
        return WT_OK;
}

wt_err wt_tenant_page(wt_store *s, struct wt_page *page,
                      void (*each)(void *arg, const struct wt_tenant *t), void *arg)
{
        struct walk w = { .tenant = each, .arg = arg, .page = page };

        return read_table(s, "SELECT id, name, created_at, disabled_at, weight, " LIMIT_COLUMNS
                          " FROM identity_tenants", "id", NULL, tenant_row, &w);
}

wt_err wt_tenant_list(wt_store *s, void (*each)(void *arg, const struct wt_tenant *t), void *arg)
{
        return wt_tenant_page(s, NULL, each, arg);
}

static int team_row(void *arg, const struct wt_value *v, uint32_t n)
{
        struct walk *w = arg;
        struct wt_team t = { 0 };

        if (n != 3 + WT_N_LIMITS || !wt_v_copy(&v[0], t.tenant, sizeof t.tenant) ||
            !wt_v_copy(&v[1], t.id, sizeof t.id))
                return malformed("identity_teams", t.id);
        t.created_at = v[2].as.i;
        read_limits(v + 3, &t.limits);
        if (goes(w, t.tenant, t.id))
                w->team(w->arg, &t);
        return WT_OK;
}

wt_err wt_team_page(wt_store *s, struct wt_page *page,
                    void (*each)(void *arg, const struct wt_team *t), void *arg)
{
        struct walk w = { .team = each, .arg = arg, .page = page };

        return read_table(s, "SELECT tenant, id, created_at, " LIMIT_COLUMNS
                          " FROM identity_teams", "tenant", "id", team_row, &w);
}

wt_err wt_team_list(wt_store *s, void (*each)(void *arg, const struct wt_team *t), void *arg)
{
        return wt_team_page(s, NULL, each, arg);
}

static int price_row(void *arg, const struct wt_value *v, uint32_t n)
{
        struct walk *w = arg;
        struct wt_price p = { 0 };

        if (n != 4 || !wt_v_copy(&v[0], p.model, sizeof p.model) ||
            !wt_v_copy(&v[1], p.tenant, sizeof p.tenant))
                return malformed("identity_prices", p.model);
        p.prompt_nano = v[2].as.i;
        p.completion_nano = v[3].as.i;
        if (goes(w, p.model, p.tenant))
                w->price(w->arg, &p);
        return WT_OK;
}

wt_err wt_price_page(wt_store *s, struct wt_page *page,
                     void (*each)(void *arg, const struct wt_price *p), void *arg)
{
        struct walk w = { .price = each, .arg = arg, .page = page };

        return read_table(s, "SELECT model, tenant, prompt_nano, completion_nano"
                          " FROM identity_prices", "model", "tenant", price_row, &w);
}

wt_err wt_price_list(wt_store *s, void (*each)(void *arg, const struct wt_price *p), void *arg)
{
        return wt_price_page(s, NULL, each, arg);
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
        struct walk *w = arg;
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
        if (goes(w, k->id, NULL))
                w->key(w->arg, &r);
        return WT_OK;
}

/* An id begins with the time at which it was made: the oldest first. */
static wt_err keys_page(wt_store *s, struct wt_page *page,
                        void (*each)(void *arg, const struct key_row *r), void *arg)
{
        struct walk w = { .key = each, .arg = arg, .page = page };

        return read_table(s, "SELECT id, tenant, team, name, role, models, sources, created_at,"
                          " expires_at, revoked_at, prefix, salt, hash, rpc_public, "
                          LIMIT_COLUMNS " FROM identity_keys", "id", NULL, key_row, &w);
}

wt_err rows_keys(wt_store *s, void (*each)(void *arg, const struct key_row *r), void *arg)
{
        return keys_page(s, NULL, each, arg);
}

struct list { void (*each)(void *arg, const struct wt_key *k); void *arg; };

static void bare_key(void *arg, const struct key_row *r)
{
        const struct list *l = arg;

        l->each(l->arg, &r->key);
}

wt_err wt_key_page(wt_store *s, struct wt_page *page,
                   void (*each)(void *arg, const struct wt_key *k), void *arg)
{
        struct list l = { each, arg };

        return keys_page(s, page, bare_key, &l);
}

wt_err wt_key_list(wt_store *s, void (*each)(void *arg, const struct wt_key *k), void *arg)
{
        return wt_key_page(s, NULL, each, arg);
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
