/* schema.c - schema versions, sealed tables, and days as partitions. */
#include <stdio.h>
#include <stdlib.h>
#include "db.h"

static int ask(wt_db *db, const char *sql, const struct wt_value *args, uint32_t n, int64_t *out)
{
        return pg_run(db, sql, args, n, sql_take_int, out, NULL);
}

static int exec(wt_db *db, const char *sql, const char *doing)
{
        char *text = pg_expand(sql);
        int err;

        if (text == NULL)
                return db->host->fail(WT_ENOMEM, "no memory for a statement");
        err = pg_exec(db, text, doing);
        free(text);
        return err;
}

static const struct sql_base base = {            /* to_regclass may remember that there was none */
        .is_there = "SELECT count(*) FROM pg_class WHERE relname = 'witan_schema' "
                    "AND relnamespace = current_schema()::regnamespace",
        .run = pg_run,
        .exec = exec,
        .before = pg_functions,
        .after = pg_roles,
};

static int climb(wt_db *db, void *arg)
{
        return sql_climb(db, arg);
}

int pg_migrate(wt_db *db, const char *name, const char *const *steps, uint32_t n)
{
        struct sql_climb c = { &base, db->host, "PostgreSQL", name, steps, n };
        bool behind;
        int err;

        if ((err = pg_may(db)) != WT_OK ||
            (err = sql_check_name(db->host, "schema", name)) != WT_OK ||
            (err = pg_start(db, db->timeout_ms)) != WT_OK ||
            (err = sql_behind(db, &c, &behind)) != WT_OK)
                return err;
        if (!behind || (err = pg_within(db, climb, &c)) != WT_OK || db->tx != TX_NONE)
                return err;
        err = pg_start(db, db->timeout_ms);      /* a transaction of its own: it is there to stay */
        return err != WT_OK ? err : pg_look_for_turns(db);
}

/* Only what is missing: CREATE TRIGGER waits for all who write. ALWAYS: also under
 * session_replication_role. */
static int seal(wt_db *db, void *table)
{
        const struct wt_value name = sql_text(table);
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
        int err = sql_check_name(db->host, "table", table);

        return err != WT_OK ? err : pg_within(db, seal, (void *)table);
}

int pg_day_add(wt_db *db, const char *table, int64_t day)
{
        const struct wt_value args[2] = { sql_text(table), { .type = WT_INT, .as.i = day } };
        int64_t n;
        int err = sql_check_name(db->host, "table", table);

        if (err == WT_OK && (day < 0 || day > 99999999))
                return db->host->fail(WT_EINVAL, "day %lld is none", (long long)day);
        return err != WT_OK ? err : pg_query(db, "SELECT 1 FROM (SELECT witan_day_add($1, $2)) "
                                             "AS made", args, 2, sql_take_int, &n, NULL);
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
        name = sql_text(part);
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
        int err = sql_check_name(db->host, "table", table);

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
