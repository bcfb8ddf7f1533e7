/* query.c - one statement: prepared once, values in, rows out. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/utf8.h"
#include "db.h"

static char *expand(const char *sql)
{
        return sql_expand(sql, "BLOB", "");
}

/* A slot for sql: its own, or that of the statement that was not used for the longest time. */
static struct statement *slot_of(wt_db *db, const char *sql, uint64_t hash)
{
        struct statement *oldest = &db->statements[0];

        for (int i = 0; i < N_STATEMENTS; i++) {
                struct statement *st = &db->statements[i];

                if (st->s != NULL && st->hash == hash && strcmp(st->sql, sql) == 0)
                        return st;
                if (st->used < oldest->used)
                        oldest = st;
        }
        sqlite3_finalize(oldest->s);
        free(oldest->sql);
        *oldest = (struct statement){ .hash = hash };
        return oldest;
}

static int prepare(wt_db *db, const char *sql, sqlite3_stmt **out)
{
        struct statement *st = slot_of(db, sql, sql_hash(SQL_HASH, sql));
        const char *rest = NULL;
        char *text;
        int rc;

        st->used = ++db->clock;
        if (st->s != NULL) {
                *out = st->s;
                return WT_OK;
        }
        text = expand(sql);
        st->sql = strdup(sql);
        if (text == NULL || st->sql == NULL) {
                free(text);
                return db->host->fail(WT_ENOMEM, "no memory for a statement");
        }
        rc = sqlite3_prepare_v3(db->db, text, -1, SQLITE_PREPARE_PERSISTENT, &st->s, &rest);
        if (rc == SQLITE_OK && (st->s == NULL || rest[strspn(rest, " \t\r\n;")] != '\0')) {
                sqlite3_finalize(st->s);
                st->s = NULL;
                rc = db->host->fail(WT_EINVAL, "database %s: \"%.60s\" is not one statement",
                                    db->path, sql);
                db->failed = true;
        } else if (rc != SQLITE_OK) {
                rc = db_fail(db, rc, "reading a statement");
        }
        free(text);
        *out = st->s;
        return rc;
}

static bool good_text(const char *s, uint32_t len)
{
        for (size_t at = 0, n; at < len; at += n)
                if (s[at] == '\0' || (n = wt_utf8(s + at, len - at)) == 0)
                        return false;
        return true;
}

/* What PostgreSQL would refuse is refused here, too. NaN: SQLite would make it NULL. */
static int bad_value(wt_db *db, const struct wt_value *v, uint32_t number)
{
        const char *why = NULL;

        if (v->type == WT_TEXT && !good_text(v->as.data, v->len))
                why = "its text is no UTF-8, or has a NUL in it";
        else if (v->type == WT_REAL && isnan(v->as.d))
                why = "it is no number (NaN)";
        else if (v->type > WT_BLOB)
                why = "its type is unknown";
        if (why == NULL)
                return WT_OK;
        db->failed = true;
        return db->host->fail(WT_EDATA, "database %s: value %u: %s", db->path, number, why);
}

static int bind_one(sqlite3_stmt *s, int at, const struct wt_value *v)
{
        switch (v->type) {
        case WT_INT:  return sqlite3_bind_int64(s, at, v->as.i);
        case WT_REAL: return sqlite3_bind_double(s, at, v->as.d);
        case WT_TEXT: return sqlite3_bind_text64(s, at, v->len ? v->as.data : "", v->len,
                                                 SQLITE_STATIC, SQLITE_UTF8);
        case WT_BLOB: return sqlite3_bind_blob64(s, at, v->len ? v->as.data : "", v->len,
                                                 SQLITE_STATIC);
        default:      return sqlite3_bind_null(s, at);
        }
}

/* Parameters are named $1, $2, ...; SQLite numbers them as they come. */
static int bind(wt_db *db, sqlite3_stmt *s, const struct wt_value *args, uint32_t n_args)
{
        int n = sqlite3_bind_parameter_count(s), err, rc;

        for (int at = 1; at <= n; at++) {
                const char *name = sqlite3_bind_parameter_name(s, at);
                unsigned long k = name != NULL && name[0] == '$' ? strtoul(name + 1, NULL, 10) : 0;

                if (k == 0 || k > n_args || (uint32_t)n != n_args) {
                        db->failed = true;
                        return db->host->fail(WT_EINVAL, "database %s: \"%.60s\" has other "
                                              "parameters than $1 to $%u", db->path,
                                              sqlite3_sql(s), n_args);
                }
                if ((err = bad_value(db, &args[k - 1], (uint32_t)k)) != WT_OK)
                        return err;
                if ((rc = bind_one(s, at, &args[k - 1])) != SQLITE_OK)
                        return db_fail(db, rc, "taking a value");
        }
        if (n == 0 && n_args > 0) {
                db->failed = true;
                return db->host->fail(WT_EINVAL, "database %s: \"%.60s\" takes no values, %u came",
                                      db->path, sqlite3_sql(s), n_args);
        }
        return WT_OK;
}

/* SQLITE_NOMEM: a text or blob that could not be had; it must not be taken for an empty one. */
static int column(sqlite3_stmt *s, int i, struct wt_value *out)
{
        struct wt_value v = { 0 };

        switch (sqlite3_column_type(s, i)) {
        case SQLITE_INTEGER:
                v.type = WT_INT;
                v.as.i = sqlite3_column_int64(s, i);
                break;
        case SQLITE_FLOAT:
                v.type = WT_REAL;
                v.as.d = sqlite3_column_double(s, i);
                break;
        case SQLITE_TEXT:
                v.type = WT_TEXT;
                v.as.data = sqlite3_column_text(s, i);
                v.len = (uint32_t)sqlite3_column_bytes(s, i);
                break;
        case SQLITE_BLOB:
                v.type = WT_BLOB;
                v.as.data = sqlite3_column_blob(s, i);
                v.len = (uint32_t)sqlite3_column_bytes(s, i);
                break;
        }
        if (v.type >= WT_TEXT && v.as.data == NULL) {
                if ((sqlite3_errcode(sqlite3_db_handle(s)) & 0xff) == SQLITE_NOMEM)
                        return SQLITE_NOMEM;
                v.as.data = "";                  /* an empty blob */
        }
        *out = v;
        return SQLITE_OK;
}

/* Rows until the end, or until the caller has enough. */
static int step(wt_db *db, sqlite3_stmt *s, wt_on_row row, void *arg)
{
        struct wt_value v[MOST_COLUMNS];
        int rc, stop, n = sqlite3_column_count(s);

        if (n > MOST_COLUMNS) {
                db->failed = true;
                return db->host->fail(WT_EINVAL, "database %s: more than %d columns", db->path,
                                      MOST_COLUMNS);
        }
        while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
                if (row == NULL)
                        continue;
                for (int i = 0; i < n; i++)
                        if ((rc = column(s, i, &v[i])) != SQLITE_OK)
                                return db_fail(db, rc, "reading a row");
                if ((stop = row(arg, v, (uint32_t)n)) != 0)
                        return stop;
                if (db->tx == TX_READ)
                        db->deadline_us = db->host->now_us() + db->timeout_us;
        }
        return rc == SQLITE_DONE ? WT_OK : db_fail(db, rc, "running a statement");
}

int db_run(wt_db *db, const char *sql, const struct wt_value *args, uint32_t n_args, wt_on_row row,
           void *arg, uint64_t *n_changed)
{
        sqlite3_stmt *s = NULL;
        int64_t before = sqlite3_total_changes64(db->db);
        int err = prepare(db, sql, &s);

        if (err != WT_OK)
                return err;
        if ((err = bind(db, s, args, n_args)) == WT_OK)
                err = step(db, s, row, arg);
        if (db->db == NULL)                      /* lost, and s with it */
                return err;
        if (n_changed != NULL && err == WT_OK)
                *n_changed = sqlite3_total_changes64(db->db) == before ||
                             sqlite3_stmt_readonly(s) ? 0 : (uint64_t)sqlite3_changes64(db->db);
        sqlite3_reset(s);
        sqlite3_clear_bindings(s);               /* what they point to is the caller's */
        return err;
}

int db_exec(wt_db *db, const char *sql, const char *doing)
{
        char *text = expand(sql);
        int rc;

        if (text == NULL)
                return db->host->fail(WT_ENOMEM, "no memory for a statement");
        rc = sqlite3_exec(db->db, text, NULL, NULL, NULL);
        free(text);
        return rc == SQLITE_OK ? WT_OK : db_fail(db, rc, doing);
}

int db_query(wt_db *db, const char *sql, const struct wt_value *args, uint32_t n_args,
             wt_on_row row, void *arg, uint64_t *n_changed)
{
        int err = db_may(db);

        if (err == WT_OK && (err = db_start(db, true)) == WT_OK)
                err = db_run(db, sql, args, n_args, row, arg, n_changed);
        if (db->tx == TX_NONE)
                db->failed = false;
        return err;
}

/* INSERT INTO t(a, b) VALUES($1, $2); malloced, NULL: no memory, or a name is none. */
static char *insert_of(wt_db *db, const char *table, const char *const *columns, uint32_t n,
                       int *err)
{
        size_t cap = 64 + NAME + (size_t)n * (NAME + 16), at;
        char *sql = malloc(cap);

        *err = sql == NULL ? db->host->fail(WT_ENOMEM, "no memory for a statement")
                           : sql_check_name(db->host, "table", table);
        at = sql != NULL ? (size_t)snprintf(sql, cap, "INSERT INTO %.*s(", NAME, table) : 0;
        for (uint32_t i = 0; i < n && *err == WT_OK; i++)
                if ((*err = sql_check_name(db->host, "column", columns[i])) == WT_OK)
                        at += (size_t)snprintf(sql + at, cap - at, "%s%s", i ? ", " : "",
                                               columns[i]);
        for (uint32_t i = 0; i < n && *err == WT_OK; i++)
                at += (size_t)snprintf(sql + at, cap - at, "%s$%u", i ? ", " : ") VALUES(", i + 1);
        if (*err != WT_OK) {
                free(sql);
                return NULL;
        }
        strcpy(sql + at, ")");
        return sql;
}

int db_load(wt_db *db, const char *table, const char *const *columns, uint32_t n_columns,
            const struct wt_value *rows, uint32_t n_rows)
{
        int err;
        char *sql;

        if (db->tx != TX_WRITE)
                return db->host->fail(WT_EPRECONDITION, "database %s: rows are loaded inside a "
                                      "transaction; begin one", db->path);
        if (n_columns == 0 || n_columns > MOST_ARGS)
                return db->host->fail(WT_EINVAL, "load takes 1 to %d columns, not %u", MOST_ARGS,
                                      n_columns);
        if ((err = db_may(db)) != WT_OK || (err = db_start(db, true)) != WT_OK ||
            (sql = insert_of(db, table, columns, n_columns, &err)) == NULL) {
                db->failed = true;
                return err;
        }
        for (uint32_t r = 0; r < n_rows && err == WT_OK; r++)
                err = db_run(db, sql, rows + (size_t)r * n_columns, n_columns, NULL, NULL, NULL);
        free(sql);
        return err;
}
