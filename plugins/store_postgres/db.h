/* db.h - a connection to PostgreSQL, shared by the files of this folder. libpq is only asked in its
 * asynchronous way, with poll and a deadline, so that a server that stands still holds nobody up.
 * The one exception is the look-up of a host's name, which libpq leaves to the system: give
 * addresses (hostaddr=), or a resolver that answers in time. */
#ifndef WITAN_STORE_POSTGRES_DB_H
#define WITAN_STORE_POSTGRES_DB_H
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>
#include "store_sql/sql.h"

enum { SCHEMA_WAIT_MS = 900000 };                /* for migrate and day_drop */

/* A prepared statement; its name at the server is "w" and id. */
struct statement { char *sql; uint8_t *types; uint32_t n_types; uint64_t hash, used, id; };
enum tx { TX_NONE, TX_WRITE, TX_READ };

struct wt_db {
        PGconn *c;                               /* NULL: lost; opened again by pg_start */
        const struct wt_host *host;
        char *url;
        uint64_t timeout_ms, deadline_us;
        enum tx tx;
        bool failed;                             /* in this transaction: only rollback is left */
        bool turns, aborted;                     /* tx.c: there is witan_turn; the last transaction
                                                  * lost against another one */
        struct statement statements[N_STATEMENTS];
        uint64_t clock;                          /* counts uses and names of statements */
        /* feed.c */
        char channels[MOST_CHANNELS][NAME]; uint32_t n_channels;
        uint32_t pending;                        /* bits that wait has still to report */
};

/* connect.c */
int pg_open(wt_db **out, const struct wt_host *host, const char *url, uint64_t timeout_ms);
void pg_close(wt_db *db);
int pg_describe(wt_db *db, char *out, size_t cap);
int pg_now(wt_db *db, int64_t *us);
/* A deadline in ms from now, and a connection: opens it again after it was lost. */
int pg_start(wt_db *db, uint64_t ms);
void pg_lose(wt_db *db);                         /* closes it; what was open in it is gone */

/* state.c: a result (NULL: the connection's own trouble) as a code and words; marks the
 * transaction, loses the connection when it is of no more use. */
int pg_fail(wt_db *db, const PGresult *res, const char *doing);
int pg_late(wt_db *db);                          /* the deadline has passed: loses the connection */

/* wait.c: until libpq can go on without blocking. */
int pg_flush(wt_db *db);                         /* all that was written has left */
int pg_next(wt_db *db, PGresult **out);          /* the next result; NULL: there is no more */
int pg_poll(wt_db *db, short events);            /* WT_EUNAVAILABLE: late */
/* Simple statements, `;` between; rows are thrown away. */
int pg_exec(wt_db *db, const char *sql, const char *doing);

/* query.c */
int pg_query(wt_db *db, const char *sql, const struct wt_value *args, uint32_t n_args,
             wt_on_row row, void *arg, uint64_t *n_changed);
/* The same without a new deadline and without looking at the transaction's state. */
int pg_run(wt_db *db, const char *sql, const struct wt_value *args, uint32_t n_args,
           wt_on_row row, void *arg, uint64_t *n_changed);
/* {bytes} and {by_day} as PostgreSQL has them; malloced. NULL: no memory. */
char *pg_expand(const char *sql);
int pg_bad_value(wt_db *db, const struct wt_value *v, uint32_t number);
void pg_forget(wt_db *db);                       /* all prepared statements */

/* load.c */
int pg_load(wt_db *db, const char *table, const char *const *columns, uint32_t n_columns,
            const struct wt_value *rows, uint32_t n_rows);

/* value.c: a column of a binary result. False: of a type that the store does not have. number:
 * room for what has to be computed. */
bool pg_column(const PGresult *res, int row, int column, struct wt_value *out);

/* tx.c */
int pg_begin(wt_db *db);
int pg_snapshot(wt_db *db);
int pg_commit(wt_db *db);
int pg_rollback(wt_db *db);
/* Runs work in the open transaction, or in one of its own (READ COMMITTED: it shall see what others
 * did while it waited for the schema's lock, which it then holds). */
int pg_within(wt_db *db, int (*work)(wt_db *db, void *arg), void *arg);
int pg_may(wt_db *db);                           /* WT_OK, or the transaction has failed */
int pg_look_for_turns(wt_db *db);                /* sets db->turns */

/* schema.c */
int pg_migrate(wt_db *db, const char *name, const char *const *steps, uint32_t n);
int pg_seal(wt_db *db, const char *table);
int pg_day_add(wt_db *db, const char *table, int64_t day);
int pg_day_drop(wt_db *db, const char *table, int64_t day);
int pg_columns(wt_db *db, wt_on_row row, void *arg);
extern const char pg_functions[], pg_roles[];    /* sql.c */

/* feed.c */
int pg_notify(wt_db *db, const char *channel);
int pg_listen(wt_db *db, const char *const *channels, uint32_t n);
int pg_listen_again(wt_db *db);                  /* after a new connection */
int pg_wait(wt_db *db, uint64_t timeout_ms, uint32_t *heard);
#endif
