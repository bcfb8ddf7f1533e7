/* schema.c - schema versions, sealed tables, and days. */
#include <stdio.h>
#include "db.h"

static const struct sql_base base = {
        .is_there = "SELECT count(*) FROM sqlite_schema WHERE name = 'witan_schema'",
        .run = db_run,
        .exec = db_exec,
};

static int climb(wt_db *db, void *arg)
{
        return sql_climb(db, arg);
}

int db_migrate(wt_db *db, const char *name, const char *const *steps, uint32_t n)
{
        char where[4200];
        struct sql_climb c = { &base, db->host, where, name, steps, n };
        bool behind;
        int err;

        snprintf(where, sizeof where, "database %s", db->path);
        if ((err = db_may(db)) != WT_OK ||
            (err = sql_check_name(db->host, "schema", name)) != WT_OK ||
            (err = db_start(db, true)) != WT_OK || (err = sql_behind(db, &c, &behind)) != WT_OK)
                return err;
        return behind ? db_within(db, climb, &c) : WT_OK;
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
        int err = sql_check_name(db->host, "table", table);

        return err != WT_OK ? err : db_within(db, seal, (void *)table);
}

/* One file: there is always room. */
int db_day_add(wt_db *db, const char *table, int64_t day)
{
        (void)day;
        return sql_check_name(db->host, "table", table);
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
        name = sql_text(trigger);
        err = db_run(db, "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND name = $1",
                     &name, 1, sql_take_int, &sealed, NULL);
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
        int err = sql_check_name(db->host, "table", table);

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
