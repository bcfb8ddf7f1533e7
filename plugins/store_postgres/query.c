/* query.c - one statement: prepared once a connection, values and rows in binary. */
#include <endian.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "db.h"

static const Oid oid_of[] = { [WT_NULL] = 0, [WT_INT] = 20, [WT_REAL] = 701, [WT_TEXT] = 25,
                              [WT_BLOB] = 17 };

char *pg_expand(const char *sql)
{
        return sql_expand(sql, "BYTEA", "PARTITION BY RANGE (day)");
}

void pg_forget(wt_db *db)
{
        for (int i = 0; i < N_STATEMENTS; i++) {
                free(db->statements[i].sql);
                free(db->statements[i].types);
                db->statements[i] = (struct statement){ 0 };
        }
}

/* The same text with values of other types is another statement. */
static uint64_t hash_of(const char *s, const struct wt_value *args, uint32_t n)
{
        uint64_t h = sql_hash(SQL_HASH, s);

        for (uint32_t i = 0; i < n; i++)
                h = (h ^ args[i].type) * 0x100000001b3u;
        return h;
}

static bool is_it(const struct statement *st, uint64_t hash, const char *sql,
                  const struct wt_value *args, uint32_t n)
{
        if (st->sql == NULL || st->hash != hash || st->n_types != n || strcmp(st->sql, sql) != 0)
                return false;
        for (uint32_t i = 0; i < n; i++)
                if (st->types[i] != args[i].type)
                        return false;
        return true;
}

static int fill(wt_db *db, struct statement *st, const char *sql, const struct wt_value *args,
                uint32_t n, uint64_t hash)
{
        char drop[40];
        int err = WT_OK;

        if (st->sql != NULL) {
                snprintf(drop, sizeof drop, "DEALLOCATE w%llu", (unsigned long long)st->id);
                err = pg_exec(db, drop, "forgetting a statement");
                if (db->c == NULL || err != WT_OK)
                        return err;
        }
        free(st->sql);
        free(st->types);
        *st = (struct statement){ .n_types = n, .hash = hash, .id = ++db->clock };
        st->sql = strdup(sql);
        st->types = malloc(n > 0 ? n : 1);
        if (st->sql == NULL || st->types == NULL) {
                free(st->sql);
                free(st->types);
                *st = (struct statement){ 0 };
                return db->host->fail(WT_ENOMEM, "no memory for a statement");
        }
        for (uint32_t i = 0; i < n; i++)
                st->types[i] = (uint8_t)args[i].type;
        return WT_OK;
}

static int send_prepare(wt_db *db, const struct statement *st)
{
        Oid types[MOST_ARGS];
        char name[24], *text = pg_expand(st->sql);
        int sent;

        if (text == NULL)
                return db->host->fail(WT_ENOMEM, "no memory for a statement");
        for (uint32_t i = 0; i < st->n_types; i++)
                types[i] = oid_of[st->types[i]];
        snprintf(name, sizeof name, "w%llu", (unsigned long long)st->id);
        sent = PQsendPrepare(db->c, name, text, (int)st->n_types, types);
        free(text);
        return sent ? pg_flush(db) : pg_fail(db, NULL, "preparing a statement");
}

static int prepare(wt_db *db, const char *sql, const struct wt_value *args, uint32_t n,
                   struct statement **out)
{
        uint64_t hash = hash_of(sql, args, n);
        struct statement *st = &db->statements[0];
        PGresult *res;
        int err, bad = WT_OK;

        for (int i = 0; i < N_STATEMENTS; i++) {
                if (is_it(&db->statements[i], hash, sql, args, n)) {
                        *out = &db->statements[i];
                        (*out)->used = ++db->clock;
                        return WT_OK;
                }
                if (db->statements[i].used < st->used)
                        st = &db->statements[i];
        }
        if ((err = fill(db, st, sql, args, n, hash)) != WT_OK || (err = send_prepare(db, st)) !=
                                                                       WT_OK)
                return err;
        while ((err = pg_next(db, &res)) == WT_OK && res != NULL) {
                if (PQresultStatus(res) != PGRES_COMMAND_OK)
                        bad = pg_fail(db, res, "preparing a statement");
                PQclear(res);
                if (db->c == NULL)
                        return bad;
        }
        if (err == WT_OK && bad != WT_OK) {
                free(st->sql);
                free(st->types);
                *st = (struct statement){ 0 };
                return bad;
        }
        st->used = ++db->clock;
        *out = st;
        return err;
}

/* NaN is refused by every store, because SQLite has none. */
int pg_bad_value(wt_db *db, const struct wt_value *v, uint32_t number)
{
        const char *why = NULL;

        if (v->type == WT_REAL && isnan(v->as.d))
                why = "it is no number (NaN)";
        else if (v->type == WT_TEXT && memchr(v->len ? v->as.data : "", 0, v->len) != NULL)
                why = "its text has a NUL in it";
        else if (v->type > WT_BLOB)
                why = "its type is unknown";
        if (why == NULL)
                return WT_OK;
        db->failed = true;
        return db->host->fail(WT_EDATA, "PostgreSQL: value %u: %s", number, why);
}

static int send_query(wt_db *db, const struct statement *st, const struct wt_value *args,
                      uint32_t n)
{
        const char *values[MOST_ARGS];
        int lens[MOST_ARGS], formats[MOST_ARGS], err;
        uint64_t big[MOST_ARGS];
        char name[24];

        for (uint32_t i = 0; i < n; i++) {
                const struct wt_value *v = &args[i];
                uint64_t bits = 0;

                if ((err = pg_bad_value(db, v, i + 1)) != WT_OK)
                        return err;
                memcpy(&bits, &v->as, sizeof bits);      /* an INT or a REAL */
                big[i] = htobe64(bits);
                formats[i] = 1;
                values[i] = v->type == WT_NULL ? NULL : v->type <= WT_REAL ? (char *)&big[i]
                                               : v->len > 0 ? v->as.data : "";
                lens[i] = v->type <= WT_REAL ? (int)sizeof big[i] : (int)v->len;
        }
        snprintf(name, sizeof name, "w%llu", (unsigned long long)st->id);
        if (!PQsendQueryPrepared(db->c, name, (int)n, values, lens, formats, 1))
                return pg_fail(db, NULL, "asking");
        PQsetSingleRowMode(db->c);
        return pg_flush(db);
}

static int give(wt_db *db, const PGresult *res, wt_on_row row, void *arg)
{
        struct wt_value v[MOST_COLUMNS];
        int n = PQnfields(res);

        for (int i = 0; i < n && n <= MOST_COLUMNS; i++)
                if (!pg_column(res, 0, i, &v[i])) {
                        db->failed = true;
                        return db->host->fail(WT_EINVAL, "PostgreSQL: column %s is of a type "
                                              "(%u) that the store does not have; cast it",
                                              PQfname(res, i), PQftype(res, i));
                }
        if (n > MOST_COLUMNS) {
                db->failed = true;
                return db->host->fail(WT_EINVAL, "PostgreSQL: more than %d columns", MOST_COLUMNS);
        }
        return row(arg, v, (uint32_t)n);
}

static uint64_t changed(PGresult *res)
{
        const char *tag = PQcmdStatus(res);

        return strncmp(tag, "INSERT", 6) == 0 || strncmp(tag, "UPDATE", 6) == 0 ||
               strncmp(tag, "DELETE", 6) == 0 ? strtoull(PQcmdTuples(res), NULL, 10) : 0;
}

/* A table that a prepared statement reads was changed: "cached plan must not change result
 * type". */
static int failed(wt_db *db, const PGresult *res)
{
        const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
        bool stale = state != NULL && (strcmp(state, "0A000") == 0 || strcmp(state, "26000") == 0);
        int err = pg_fail(db, res, "running a statement");

        if (!stale || db->c == NULL)
                return err;
        pg_lose(db);
        return db->host->fail(WT_EABORTED, "PostgreSQL: the tables of a statement changed; try "
                              "again");
}

int pg_run(wt_db *db, const char *sql, const struct wt_value *args, uint32_t n_args, wt_on_row row,
           void *arg, uint64_t *n_changed)
{
        struct statement *st = NULL;
        PGresult *res;
        int err, end = WT_OK;

        if (n_args > MOST_ARGS)
                return db->host->fail(WT_EINVAL, "a statement takes at most %d values", MOST_ARGS);
        if ((err = prepare(db, sql, args, n_args, &st)) != WT_OK ||
            (err = send_query(db, st, args, n_args)) != WT_OK)
                return err;
        while ((err = pg_next(db, &res)) == WT_OK && res != NULL) {
                ExecStatusType s = PQresultStatus(res);

                if (s == PGRES_SINGLE_TUPLE) {
                        if (end == WT_OK && row != NULL)
                                end = give(db, res, row, arg);
                        if (db->tx == TX_READ)
                                db->deadline_us = db->host->now_us() + db->timeout_ms * 1000;
                } else if (s == PGRES_COMMAND_OK || s == PGRES_TUPLES_OK) {
                        if (n_changed != NULL)
                                *n_changed = changed(res);
                } else {
                        end = failed(db, res);
                }
                PQclear(res);
                if (db->c == NULL)
                        return end;
        }
        return err != WT_OK ? err : end;
}

int pg_query(wt_db *db, const char *sql, const struct wt_value *args, uint32_t n_args,
             wt_on_row row, void *arg, uint64_t *n_changed)
{
        int err = pg_may(db);

        if (err == WT_OK && (err = pg_start(db, db->timeout_ms)) == WT_OK)
                err = pg_run(db, sql, args, n_args, row, arg, n_changed);
        if (db->tx == TX_NONE)
                db->failed = false;
        return err;
}
