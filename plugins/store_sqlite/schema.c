/* schema.c - schema versions, sealed tables, and days. */
#include <stdio.h>
#include <string.h>
#include "db.h"

int db_name(wt_db *db, const char *what, const char *name)
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

static int version_of(wt_db *db, const char *name, int64_t *out)
{
        const struct wt_value arg = text_of(name);
        int64_t there = 0;
        int err = db_run(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'witan_schema'",
                         NULL, 0, take_int, &there, NULL);

        *out = 0;
        if (err == WT_OK && there != 0)
                err = db_run(db, "SELECT max(version) FROM witan_schema WHERE name = $1", &arg, 1,
                             take_int, out, NULL);
        return err;
}

struct climb { const char *name; const char *const *steps; uint32_t n; };

static int too_new(wt_db *db, const struct climb *c, int64_t at)
{
        return db->host->fail(WT_EPRECONDITION, "database %s has schema %s %lld, this program "
                              "knows up to %u; use the newer program", db->path, c->name,
                              (long long)at, c->n);
}

static int climb(wt_db *db, void *arg)
{
        const struct climb *c = arg;
        int64_t at;
        int err = version_of(db, c->name, &at);  /* again: another process may have been first */

        if (err == WT_OK && at > c->n)
                return too_new(db, c, at);
        if (err == WT_OK)
                err = db_exec(db, "CREATE TABLE IF NOT EXISTS witan_schema (name TEXT NOT NULL, "
                              "version BIGINT NOT NULL, step TEXT NOT NULL, place BIGINT NOT NULL, "
                              "PRIMARY KEY (name, version))", "making witan_schema");
        for (; err == WT_OK && at < c->n; at++) {
                const struct wt_value row[3] = { text_of(c->name),
                        { .type = WT_INT, .as.i = at + 1 }, text_of(c->steps[at]) };
                char doing[96];

                snprintf(doing, sizeof doing, "migrating %.40s to %lld", c->name,
                         (long long)at + 1);
                if ((err = db_exec(db, c->steps[at], doing)) == WT_OK)
                        err = db_run(db, "INSERT INTO witan_schema(name, version, step, place) "
                                     "VALUES ($1, $2, $3, (SELECT count(*) + 1 FROM witan_schema))",
                                     row, 3, NULL, NULL, NULL);
        }
        return err;
}

int db_migrate(wt_db *db, const char *name, const char *const *steps, uint32_t n)
{
        struct climb c = { name, steps, n };
        int64_t at;
        int err;

        if ((err = db_may(db)) != WT_OK || (err = db_name(db, "schema", name)) != WT_OK ||
            (err = db_start(db, true)) != WT_OK || (err = version_of(db, name, &at)) != WT_OK)
                return err;
        if (at > n)
                return too_new(db, &c, at);
        return at == n ? WT_OK : db_within(db, climb, &c);
}

static int put_seal(wt_db *db, const char *table, const char *verb)
{
        char sql[512];

        snprintf(sql, sizeof sql, "CREATE TRIGGER IF NOT EXISTS witan_seal_%s_%s BEFORE %s ON %s "
                 "BEGIN SELECT RAISE(ABORT, 'table %s is sealed'); END", verb, table, verb, table,
                 table);
        return db_exec(db, sql, "sealing a table");
}

static int seal(wt_db *db, void *table)
{
        int err = put_seal(db, table, "update");

        return err != WT_OK ? err : put_seal(db, table, "delete");
}

int db_seal(wt_db *db, const char *table)
{
        int err = db_name(db, "table", table);

        return err != WT_OK ? err : db_within(db, seal, (void *)table);
}

/* One file: there is always room. */
int db_day_add(wt_db *db, const char *table, int64_t day)
{
        (void)day;
        return db_name(db, "table", table);
}

struct day { const char *table; int64_t day; };

/* Nobody else sees the table without its seal: the transaction holds the only right to write. */
static int drop(wt_db *db, void *arg)
{
        const struct day *d = arg;
        const struct wt_value day = { .type = WT_INT, .as.i = d->day };
        char trigger[128], sql[256];
        struct wt_value name;
        int64_t sealed = 0;
        uint64_t n = 0;
        int err;

        snprintf(trigger, sizeof trigger, "witan_seal_delete_%s", d->table);
        name = text_of(trigger);
        err = db_run(db, "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND name = $1",
                     &name, 1, take_int, &sealed, NULL);
        snprintf(sql, sizeof sql, "DROP TRIGGER IF EXISTS %s", trigger);
        if (err == WT_OK)
                err = db_exec(db, sql, "dropping a day");
        snprintf(sql, sizeof sql, "DELETE FROM %s WHERE day = $1", d->table);
        if (err == WT_OK)
                err = db_run(db, sql, &day, 1, NULL, NULL, &n);
        if (err == WT_OK && sealed != 0)
                err = put_seal(db, d->table, "delete");
        if (err == WT_OK && n == 0)
                return db->host->fail(WT_ENOTFOUND, "table %s has no rows of day %lld", d->table,
                                      (long long)d->day);
        return err;
}

int db_day_drop(wt_db *db, const char *table, int64_t day)
{
        struct day d = { table, day };
        int err = db_name(db, "table", table);

        return err != WT_OK ? err : db_within(db, drop, &d);
}

int db_columns(wt_db *db, wt_on_row row, void *arg)
{
        return db_query(db,
                "SELECT t.name, c.name,"
                " CASE WHEN c.type LIKE '%INT%' THEN 1 WHEN c.type LIKE '%DOUB%' THEN 2"
                " WHEN c.type = 'TEXT' THEN 3 ELSE 4 END, 0,"
                " EXISTS (SELECT 1 FROM sqlite_schema s WHERE s.type = 'trigger'"
                "         AND s.name = 'witan_seal_delete_' || t.name) "
                "FROM sqlite_schema t, pragma_table_info(t.name) c "
                "WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite!_%' ESCAPE '!' "
                "ORDER BY t.name, c.cid", NULL, 0, row, arg, NULL);
}
