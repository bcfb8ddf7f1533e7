/* schema.c - schema versions, sealed tables, and days as partitions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "db.h"

int pg_name(wt_db *db, const char *what, const char *name)
{
        size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");

        if (n > 0 && n < NAME && name[n] == '\0' && (name[0] < '0' || name[0] > '9'))
                return WT_OK;
        return db->host->fail(WT_EINVAL, "\"%.60s\" is no name of a %s; write up to %d of a-z, 0-9 "
                              "and _", name, what, NAME - 1);
}

static struct wt_value text_of(const char *s)
{
        return (struct wt_value){ .type = WT_TEXT, .len = (uint32_t)strlen(s), .as.data = s };
}

static int take_int(void *arg, const struct wt_value *v, uint32_t n)
{
        (void)n;
        *(int64_t *)arg = v[0].type == WT_INT ? v[0].as.i : 0;
        return 0;
}

static int ask(wt_db *db, const char *sql, const struct wt_value *args, uint32_t n, int64_t *out)
{
        return pg_run(db, sql, args, n, take_int, out, NULL);
}

static int version_of(wt_db *db, const char *name, int64_t *out)
{
        const struct wt_value arg = text_of(name);
        int64_t there = 0;                       /* to_regclass may remember that there was none */
        int err = ask(db, "SELECT count(*) FROM pg_class WHERE relname = 'witan_schema' "
                      "AND relnamespace = current_schema()::regnamespace", NULL, 0, &there);

        *out = 0;
        if (err == WT_OK && there != 0)
                err = ask(db, "SELECT max(version) FROM witan_schema WHERE name = $1", &arg, 1,
                          out);
        return err;
}

struct climb { const char *name; const char *const *steps; uint32_t n; };

static int too_new(wt_db *db, const struct climb *c, int64_t at)
{
        return db->host->fail(WT_EPRECONDITION, "PostgreSQL has schema %s %lld, this program knows "
                              "up to %u; use the newer program", c->name, (long long)at, c->n);
}

static int one_step(wt_db *db, const struct climb *c, int64_t at)
{
        const struct wt_value row[3] = { text_of(c->name), { .type = WT_INT, .as.i = at + 1 },
                                         text_of(c->steps[at]) };
        char *sql = pg_expand(c->steps[at]), doing[96];
        int err;

        if (sql == NULL)
                return db->host->fail(WT_ENOMEM, "no memory for a statement");
        snprintf(doing, sizeof doing, "migrating %.40s to %lld", c->name, (long long)at + 1);
        err = pg_exec(db, sql, doing);
        free(sql);
        if (err != WT_OK)
                return err;
        return pg_run(db, "INSERT INTO witan_schema(name, version, step, place) "
                      "VALUES ($1, $2, $3, (SELECT count(*) + 1 FROM witan_schema))", row, 3, NULL,
                      NULL, NULL);
}

static int climb(wt_db *db, void *arg)
{
        const struct climb *c = arg;
        int64_t at;
        int err = version_of(db, c->name, &at);  /* again: another process may have been first */

        if (err != WT_OK || at == c->n)
                return err;
        if (at > c->n)
                return too_new(db, c, at);
        err = pg_exec(db, "CREATE TABLE IF NOT EXISTS witan_schema (name TEXT NOT NULL, "
                      "version BIGINT NOT NULL, step TEXT NOT NULL, place BIGINT NOT NULL, "
                      "PRIMARY KEY (name, version))", "making witan_schema");
        if (err == WT_OK)
                err = pg_exec(db, pg_functions, "making functions");
        for (; err == WT_OK && at < c->n; at++)
                err = one_step(db, c, at);
        return err != WT_OK ? err : pg_exec(db, pg_roles, "granting rights to the roles");
}

int pg_migrate(wt_db *db, const char *name, const char *const *steps, uint32_t n)
{
        struct climb c = { name, steps, n };
        int64_t at;
        int err;

        if ((err = pg_may(db)) != WT_OK || (err = pg_name(db, "schema", name)) != WT_OK ||
            (err = pg_start(db, db->timeout_ms)) != WT_OK ||
            (err = version_of(db, name, &at)) != WT_OK)
                return err;
        if (at > n)
                return too_new(db, &c, at);
        if (at == n || (err = pg_within(db, climb, &c)) != WT_OK || db->tx != TX_NONE)
                return err;
        err = pg_start(db, db->timeout_ms);      /* a transaction of its own: it is there to stay */
        return err != WT_OK ? err : pg_look_for_turns(db);
}

/* Only what is missing: CREATE TRIGGER waits for all who write. ALWAYS: also under
 * session_replication_role. */
static int seal(wt_db *db, void *table)
{
        const struct wt_value name = text_of(table);
        char sql[1400];
        int64_t sealed = 0;
        int err = ask(db, "SELECT count(*) FROM pg_trigger WHERE tgname = 'witan_seal' "
                      "AND tgrelid = to_regclass($1)", &name, 1, &sealed);

        if (err != WT_OK || sealed != 0)
                return err;
        snprintf(sql, sizeof sql,
                 "CREATE TRIGGER witan_seal BEFORE UPDATE OR DELETE ON %s FOR EACH ROW "
                 "EXECUTE FUNCTION witan_refuse();"
                 "ALTER TABLE %s ENABLE ALWAYS TRIGGER witan_seal;"
                 "DO $f$ DECLARE t regclass; BEGIN "
                 "FOR t IN SELECT '%s'::regclass UNION SELECT inhrelid::regclass FROM pg_inherits "
                 "         WHERE inhparent = '%s'::regclass LOOP "
                 " EXECUTE format('CREATE TRIGGER witan_seal_all BEFORE TRUNCATE ON %%s "
                 "                 EXECUTE FUNCTION witan_refuse()', t); "
                 "END LOOP; "
                 "IF to_regrole('witan_writer') IS NOT NULL THEN "
                 " REVOKE UPDATE, DELETE, TRUNCATE ON %s FROM witan_writer; END IF; END $f$",
                 (char *)table, (char *)table, (char *)table, (char *)table, (char *)table);
        return pg_exec(db, sql, "sealing a table");
}

int pg_seal(wt_db *db, const char *table)
{
        int err = pg_name(db, "table", table);

        return err != WT_OK ? err : pg_within(db, seal, (void *)table);
}

int pg_day_add(wt_db *db, const char *table, int64_t day)
{
        const struct wt_value args[2] = { text_of(table), { .type = WT_INT, .as.i = day } };
        int64_t n;
        int err = pg_name(db, "table", table);

        if (err == WT_OK && (day < 0 || day > 99999999))
                return db->host->fail(WT_EINVAL, "day %lld is none", (long long)day);
        return err != WT_OK ? err : pg_query(db, "SELECT 1 FROM (SELECT witan_day_add($1, $2)) "
                                             "AS made", args, 2, take_int, &n, NULL);
}

struct day { const char *table; int64_t day; };

static int drop(wt_db *db, void *arg)
{
        const struct day *d = arg;
        char part[64], sql[128];
        struct wt_value name;
        int64_t there = 0;
        int err;

        snprintf(part, sizeof part, "%s_d%lld", d->table, (long long)d->day);
        snprintf(sql, sizeof sql, "LOCK TABLE %s IN SHARE UPDATE EXCLUSIVE MODE", d->table);
        if ((err = pg_exec(db, sql, "dropping a day")) != WT_OK)
                return err;
        name = text_of(part);
        err = ask(db, "SELECT pg_partition_root(to_regclass($1)) IS NOT NULL", &name, 1, &there);
        if (err != WT_OK)
                return err;
        if (there == 0)
                return db->host->fail(WT_ENOTFOUND, "table %s has no rows of day %lld", d->table,
                                      (long long)d->day);
        snprintf(sql, sizeof sql, "DROP TABLE %s", part);
        return pg_exec(db, sql, "dropping a day");
}

int pg_day_drop(wt_db *db, const char *table, int64_t day)
{
        struct day d = { table, day };
        int err = pg_name(db, "table", table);

        return err != WT_OK ? err : pg_within(db, drop, &d);
}

int pg_columns(wt_db *db, wt_on_row row, void *arg)
{
        return pg_query(db,
                "SELECT c.relname, a.attname,"
                " CASE WHEN a.atttypid IN (20, 21, 23) THEN 1 WHEN a.atttypid IN (700, 701) THEN 2"
                " WHEN a.atttypid = 17 THEN 4 ELSE 3 END, CAST(c.relkind = 'p' AS INT),"
                " CAST(EXISTS (SELECT 1 FROM pg_trigger t WHERE t.tgrelid = c.oid"
                "              AND t.tgname = 'witan_seal') AS INT) "
                "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
                "WHERE c.relnamespace = current_schema()::regnamespace "
                "AND c.relkind IN ('r', 'p') AND NOT c.relispartition "
                "AND c.relname <> 'witan_turn' AND a.attnum > 0 AND NOT a.attisdropped "
                "ORDER BY c.relname COLLATE \"C\", a.attnum", NULL, 0, row, arg, NULL);
}
