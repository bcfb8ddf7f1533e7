/* db.h - a connection to a SQLite file, shared by the files of this folder. Every entry point sets
 * the deadline first (db_start), so that neither a lock nor a long statement outlasts it. */
#ifndef WITAN_STORE_SQLITE_DB_H
#define WITAN_STORE_SQLITE_DB_H
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include "store_sql/sql.h"

struct statement { char *sql; uint64_t hash, used; sqlite3_stmt *s; };
enum tx { TX_NONE, TX_WRITE, TX_READ };

struct wt_db {
        sqlite3 *db;                             /* NULL: lost; opened again by db_start */
        const struct wt_host *host;
        char *path;
        uint64_t timeout_us, deadline_us;
        enum tx tx;
        bool failed;                             /* in this transaction: only rollback is left */
        struct statement statements[N_STATEMENTS];
        uint64_t clock;                          /* counts uses of statements */
        /* feed.c */
        char channels[MOST_CHANNELS][NAME]; uint32_t n_channels;
        int64_t seen[MOST_CHANNELS], version;    /* version: PRAGMA data_version of the last look */
        bool told;                               /* this connection notified since then */
        uint32_t pending;                        /* bits that wait has still to report */
};

/* open.c */
int db_open(wt_db **out, const struct wt_host *host, const char *url, uint64_t timeout_ms);
void db_close(wt_db *db);
int db_describe(wt_db *db, char *out, size_t cap);
int db_now(wt_db *db, int64_t *us);
/* The deadline of one call from now on (bounded: timeout_us from now; else none), and a connection:
 * opens it again after it was lost. */
int db_start(wt_db *db, bool bounded);
void db_lose(wt_db *db);                         /* closes it; what was open in it is gone */
/* The last call on db as a code and words; marks the transaction, loses the connection when the
 * file is in trouble. */
int db_fail(wt_db *db, int rc, const char *doing);

/* query.c */
int db_query(wt_db *db, const char *sql, const struct wt_value *args, uint32_t n_args,
             wt_on_row row, void *arg, uint64_t *n_changed);
int db_load(wt_db *db, const char *table, const char *const *columns, uint32_t n_columns,
            const struct wt_value *rows, uint32_t n_rows);
/* The same without a new deadline and without looking at the transaction's state. */
int db_run(wt_db *db, const char *sql, const struct wt_value *args, uint32_t n_args,
           wt_on_row row, void *arg, uint64_t *n_changed);
/* Several statements, `;` between, with {bytes} and {by_day}; rows are thrown away. */
int db_exec(wt_db *db, const char *sql, const char *doing);

/* tx.c */
int db_begin(wt_db *db);
int db_snapshot(wt_db *db);
int db_commit(wt_db *db);
int db_rollback(wt_db *db);
/* Runs work in the open transaction, or in one of its own. Without a deadline. */
int db_within(wt_db *db, int (*work)(wt_db *db, void *arg), void *arg);
int db_may(wt_db *db);                           /* WT_OK, or the transaction has failed */

/* schema.c */
int db_migrate(wt_db *db, const char *name, const char *const *steps, uint32_t n);
int db_seal(wt_db *db, const char *table);
int db_day_add(wt_db *db, const char *table, int64_t day);
int db_day_drop(wt_db *db, const char *table, int64_t day);
int db_columns(wt_db *db, wt_on_row row, void *arg);

/* feed.c */
int db_notify(wt_db *db, const char *channel);
int db_listen(wt_db *db, const char *const *channels, uint32_t n);
int db_wait(wt_db *db, uint64_t timeout_ms, uint32_t *heard);
#endif
