/* write.c - the tables of identity.h, and what is written into them. Every change is told on the
 * channel "identity" in its own transaction. */
#include <string.h>
#include <time.h>
#include "base/rng.h"
#include "identity/rows.h"

#define LIMITS_SQL " requests_per_minute BIGINT, tokens_per_minute BIGINT, concurrency BIGINT," \
        " tokens_per_day BIGINT, tokens_per_month BIGINT, cost_per_day BIGINT,"                \
        " cost_per_month BIGINT"

/* One step a schema version; a step that was released is never changed. */
static const char *const steps[] = {
        "CREATE TABLE identity_tenants(id TEXT PRIMARY KEY, name TEXT NOT NULL,"
        " created_at BIGINT NOT NULL, disabled_at BIGINT NOT NULL, weight BIGINT NOT NULL,"
        LIMITS_SQL ");"
        "CREATE TABLE identity_teams(tenant TEXT NOT NULL REFERENCES identity_tenants(id),"
        " id TEXT NOT NULL, created_at BIGINT NOT NULL," LIMITS_SQL ", PRIMARY KEY (tenant, id));"
        "CREATE TABLE identity_keys(id TEXT PRIMARY KEY,"
        " tenant TEXT NOT NULL REFERENCES identity_tenants(id), team TEXT NOT NULL,"
        " name TEXT NOT NULL, role TEXT NOT NULL, models TEXT NOT NULL, sources TEXT NOT NULL,"
        " created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, revoked_at BIGINT NOT NULL,"
        " prefix TEXT NOT NULL UNIQUE, salt {bytes} NOT NULL, hash {bytes} NOT NULL,"
        LIMITS_SQL ");"
        "CREATE TABLE identity_prices(model TEXT NOT NULL, tenant TEXT NOT NULL,"
        " prompt_nano BIGINT NOT NULL, completion_nano BIGINT NOT NULL,"
        " PRIMARY KEY (model, tenant))",
        "ALTER TABLE identity_keys ADD COLUMN rpc_public TEXT NOT NULL DEFAULT ''",
        "CREATE TABLE identity_usage(day BIGINT NOT NULL, tenant TEXT NOT NULL, team TEXT NOT NULL,"
        " key_id TEXT NOT NULL, model TEXT NOT NULL, requests BIGINT NOT NULL,"
        " prompt_tokens BIGINT NOT NULL, completion_tokens BIGINT NOT NULL,"
        " cost_nano BIGINT NOT NULL, PRIMARY KEY (day, tenant, team, key_id, model))",
};
enum { N_STEPS = sizeof steps / sizeof *steps, MAX_VALUES = 14 + WT_N_LIMITS };

wt_err wt_identity_migrate(wt_store *s)
{
        return wt_store_migrate(s, "identity", steps, N_STEPS);
}

/* A statement with its values: what a change is. */
struct change {
        const char *sql, *missing;               /* missing: words for WT_ENOTFOUND; NULL: fine */
        struct wt_value v[MAX_VALUES];
        uint32_t n;
};

static void put(struct change *c, struct wt_value v)
{
        WT_ASSERT(c->n < MAX_VALUES);
        c->v[c->n++] = v;
}

static void put_limits(struct change *c, const struct wt_limits *l)
{
        for (int i = 0; i < WT_N_LIMITS; i++)
                put(c, l->most[i] < 0 ? wt_v_null() : wt_v_int(l->most[i]));
}

static wt_err change_work(void *arg, wt_store *s)
{
        const struct change *c = arg;
        uint64_t n = 0;
        wt_err err = wt_store_query(s, c->sql, c->v, c->n, NULL, NULL, &n);

        if (err != WT_OK)
                return err;
        if (n == 0 && c->missing != NULL)
                return wt_fail(WT_ENOTFOUND, "%s", c->missing);
        return wt_store_notify(s, "identity");
}

static wt_err change_do(wt_store *s, struct change *c)
{
        return wt_store_do(s, change_work, c);
}

/* Names that others type, that stand in logs and in lists separated by commas. */
static wt_err name_check(const char *what, const char *s)
{
        static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                   "0123456789._@+-";

        if (s[0] == '\0')
                return wt_fail(WT_EINVAL, "a %s needs a name", what);
        if (s[strspn(s, good)] != '\0')
                return wt_fail(WT_EINVAL, "\"%s\" is no name for a %s; letters, digits and ._@+- "
                               "are allowed", s, what);
        return WT_OK;
}

static wt_err exists(wt_err err, const char *what, const char *id)
{
        return err == WT_EEXIST ? wt_fail(err, "the %s \"%s\" exists already", what, id) : err;
}

wt_err wt_tenant_create(wt_store *s, const struct wt_tenant *in, struct wt_tenant *out)
{
        struct change c = { .sql = "INSERT INTO identity_tenants(id, name, created_at, disabled_at,"
                " weight, " LIMIT_COLUMNS ") VALUES($1, $2, $3, 0, $4, $5, $6, $7, $8, $9, $10,"
                " $11)" };
        struct wt_tenant t = *in;
        wt_err err = name_check("tenant", t.id);

        if (err != WT_OK)
                return err;
        if (t.weight > 1000)
                return wt_fail(WT_EINVAL, "a tenant's weight is 1 to 1000, not %u", t.weight);
        t.weight = t.weight == 0 ? 1 : t.weight;
        t.created_at = time(NULL);
        t.disabled_at = 0;
        put(&c, wt_v_text(t.id));
        put(&c, wt_v_text(t.name));
        put(&c, wt_v_int(t.created_at));
        put(&c, wt_v_int(t.weight));
        put_limits(&c, &t.limits);
        err = exists(change_do(s, &c), "tenant", t.id);
        if (err == WT_OK)
                *out = t;
        return err;
}

wt_err wt_tenant_update(wt_store *s, const struct wt_tenant *in, bool disabled)
{
        struct change c = { .sql = "UPDATE identity_tenants SET name = $1, weight = $2,"
                " disabled_at = $3, requests_per_minute = $4, tokens_per_minute = $5,"
                " concurrency = $6, tokens_per_day = $7, tokens_per_month = $8,"
                " cost_per_day = $9, cost_per_month = $10 WHERE id = $11",
                .missing = "no such tenant; witan tenant list shows them" };

        if (in->weight < 1 || in->weight > 1000)
                return wt_fail(WT_EINVAL, "a tenant's weight is 1 to 1000, not %u", in->weight);
        put(&c, wt_v_text(in->name));
        put(&c, wt_v_int(in->weight));
        put(&c, wt_v_int(disabled ? (int64_t)time(NULL) : 0));
        put_limits(&c, &in->limits);
        put(&c, wt_v_text(in->id));
        return change_do(s, &c);
}

wt_err wt_team_create(wt_store *s, const struct wt_team *in, struct wt_team *out)
{
        struct change c = { .sql = "INSERT INTO identity_teams(tenant, id, created_at, "
                LIMIT_COLUMNS ") SELECT id, $1, $2, $3, $4, $5, $6, $7, $8, $9"
                " FROM identity_tenants WHERE id = $10",
                .missing = "no such tenant; witan tenant list shows them" };
        struct wt_team t = *in;
        wt_err err = name_check("team", t.id);

        if (err != WT_OK)
                return err;
        t.created_at = time(NULL);
        put(&c, wt_v_text(t.id));
        put(&c, wt_v_int(t.created_at));
        put_limits(&c, &t.limits);
        put(&c, wt_v_text(t.tenant));
        err = exists(change_do(s, &c), "team", t.id);
        if (err == WT_OK)
                *out = t;
        return err;
}

/* What does not need the store to be found wrong. */
static wt_err key_check(const struct wt_key *k)
{
        wt_err err = name_check("tenant", k->tenant);

        if (err == WT_OK && k->name[0] != '\0')
                err = name_check("key", k->name);
        if (err == WT_OK && !wt_role_known(k->role))
                err = wt_fail(WT_EINVAL, "\"%s\" is no role; there are user, operator, auditor and "
                              "admin", k->role);
        if (err == WT_OK && k->expires_at != 0 && k->expires_at <= (int64_t)time(NULL))
                err = wt_fail(WT_EINVAL, "expires_at lies in the past");
        if (err == WT_OK && k->rpc_public[0] != '\0' &&
            (strlen(k->rpc_public) != 40 || strpbrk(k->rpc_public, " \t\r\n") != NULL))
                err = wt_fail(WT_EINVAL, "rpc_public is no CURVE key of 40 characters (Z85)");
        return err != WT_OK ? err : wt_sources_check(k->sources);
}

wt_err wt_key_create(wt_store *s, const struct wt_key *in, struct wt_key *out, char secret[80])
{
        struct change c = { .sql = "INSERT INTO identity_keys(id, team, name, role, models,"
                " sources, created_at, expires_at, revoked_at, prefix, salt, hash, rpc_public, "
                LIMIT_COLUMNS ", tenant) SELECT $1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10, $11,"
                " $12, $13, $14, $15, $16, $17, $18, $19, id FROM identity_tenants WHERE id = $20"
                " AND ($2 = '' OR EXISTS (SELECT 1 FROM identity_teams WHERE tenant = $20 AND id ="
                " $2))",
                .missing = "no such tenant, or no such team of it; witan tenant list shows them, "
                           "witan tenant create makes one" };
        struct key_row r = { .key = *in };
        struct wt_key *k = &r.key;
        char text[WT_SECRET + 1];
        uint8_t id[16];
        wt_err err;

        if (k->role[0] == '\0')
                strcpy(k->role, "user");
        if ((err = key_check(k)) != WT_OK)
                return err;
        k->created_at = time(NULL);
        k->revoked_at = 0;
        wt_uuid7((uint64_t)k->created_at * 1000000, id);
        wt_uuid_text(id, k->id);
        wt_secret_make(text);
        memcpy(r.prefix, wt_secret_prefix(text), WT_PREFIX);
        wt_random_bytes(r.salt, sizeof r.salt);
        wt_secret_hash(r.salt, text, r.hash);
        const char *const words[] = { k->id, k->team, k->name, k->role, k->models, k->sources };
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
                put(&c, wt_v_text(words[i]));
        put(&c, wt_v_int(k->created_at));
        put(&c, wt_v_int(k->expires_at));
        put(&c, wt_v_text(r.prefix));
        put(&c, wt_v_blob(r.salt, sizeof r.salt));
        put(&c, wt_v_blob(r.hash, sizeof r.hash));
        put(&c, wt_v_text(k->rpc_public));
        put_limits(&c, &k->limits);
        put(&c, wt_v_text(k->tenant));
        if ((err = change_do(s, &c)) == WT_OK) {
                *out = *k;
                strcpy(secret, text);
        }
        explicit_bzero(text, sizeof text);
        return err;
}

wt_err wt_key_revoke(wt_store *s, const char *id)
{
        struct change c = { .sql = "UPDATE identity_keys SET revoked_at = $1 WHERE id = $2 AND"
                " revoked_at = 0", .missing = "no such key, or it is revoked already" };

        put(&c, wt_v_int(time(NULL)));
        put(&c, wt_v_text(id));
        return change_do(s, &c);
}

/* What a scope's row is found by: its table, and one column or two. */
static wt_err scope_row(const char *scope, struct change *c, struct wt_buf *sql, char room[130])
{
        static const struct { const char *kind, *table; } kinds[] = {
                { "tenant:", "identity_tenants" }, { "key:", "identity_keys" },
                { "team:", "identity_teams" } };
        size_t i = 0, n = sizeof kinds / sizeof *kinds;
        char *slash;

        while (i < n && strncmp(scope, kinds[i].kind, strlen(kinds[i].kind)) != 0)
                i++;
        if (i == n || strlen(scope) - strlen(kinds[i].kind) >= 130)
                return wt_fail(WT_EINVAL, "\"%.80s\" is no scope; write tenant:NAME, "
                               "team:TENANT/NAME or key:ID", scope);
        strcpy(room, scope + strlen(kinds[i].kind));
        wt_buf_fmt(sql, "UPDATE %s SET ", kinds[i].table);
        if (i < 2) {
                put(c, wt_v_text(room));
                return WT_OK;
        }
        if ((slash = strchr(room, '/')) == NULL)
                return wt_fail(WT_EINVAL, "a team is written team:TENANT/NAME");
        *slash = '\0';
        put(c, wt_v_text(slash + 1));
        put(c, wt_v_text(room));
        return WT_OK;
}

wt_err wt_limits_set(wt_store *s, const char *scope, const struct wt_limits *l, uint32_t given)
{
        struct change c = { .missing = "there is no such tenant, team or key; witan tenant list, "
                                       "witan team list and witan key list show them" };
        struct wt_buf sql = { 0 };
        char room[130];
        wt_err err = scope_row(scope, &c, &sql, room);
        uint32_t n_names = c.n;
        bool first = true;

        for (int i = 0; i < WT_N_LIMITS && err == WT_OK; i++)
                if (given >> i & 1) {
                        put(&c, l->most[i] < 0 ? wt_v_null() : wt_v_int(l->most[i]));
                        wt_buf_fmt(&sql, "%s%s = $%u", first ? "" : ", ",
                                   wt_limit_name((enum wt_limit)i), c.n);
                        first = false;
                }
        if (err == WT_OK && first)
                err = wt_fail(WT_EINVAL, "no limit is named; there are requests_per_minute, "
                              "tokens_per_minute, concurrency, tokens_per_day, tokens_per_month, "
                              "cost_per_day and cost_per_month");
        wt_buf_str(&sql, n_names > 1 ? " WHERE id = $1 AND tenant = $2" : " WHERE id = $1");
        c.sql = sql.data;
        if (err == WT_OK)
                err = change_do(s, &c);
        wt_buf_free(&sql);
        return err;
}

wt_err wt_price_set(wt_store *s, const struct wt_price *p)
{
        struct change c = { .sql = "INSERT INTO identity_prices(model, tenant, prompt_nano,"
                " completion_nano) VALUES($1, $2, $3, $4) ON CONFLICT (model, tenant) DO UPDATE"
                " SET prompt_nano = excluded.prompt_nano,"
                " completion_nano = excluded.completion_nano" };

        if (p->model[0] == '\0' || p->prompt_nano < 0 || p->completion_nano < 0)
                return wt_fail(WT_EINVAL, "a price needs a model and two numbers that are not "
                               "negative");
        put(&c, wt_v_text(p->model));
        put(&c, wt_v_text(p->tenant));
        put(&c, wt_v_int(p->prompt_nano));
        put(&c, wt_v_int(p->completion_nano));
        return change_do(s, &c);
}

wt_err wt_price_remove(wt_store *s, const struct wt_price *p)
{
        struct change c = { .sql = "DELETE FROM identity_prices WHERE model = $1 AND tenant = $2",
                            .missing = "there is no such price; witan price list shows them" };

        put(&c, wt_v_text(p->model));
        put(&c, wt_v_text(p->tenant));
        return change_do(s, &c);
}
