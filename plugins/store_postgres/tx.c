/* tx.c - transactions. */
#include <stdio.h>
#include <string.h>
#include "db.h"

enum { TURN_MS = 250 };

/* Migrations, seals and days wait for each other, in one database: any number will do, as long as
 * it is ours. */
#define SCHEMA_LOCK "SELECT pg_advisory_xact_lock(8751974420165)"

int pg_may(wt_db *db)
{
        if (db->tx != TX_NONE && (db->failed || db->c == NULL))
                return db->host->fail(WT_EPRECONDITION, "PostgreSQL: a statement of this "
                                      "transaction has failed; roll it back");
        return WT_OK;
}

/* The words of a failure before it stay as they are. */
static void undo(wt_db *db)
{
        db->tx = TX_NONE;
        if (db->c != NULL && PQtransactionStatus(db->c) != PQTRANS_IDLE) {
                bool aborted = db->aborted;

                db->deadline_us = db->host->now_us() + db->timeout_ms * 1000;
                if (PQtransactionStatus(db->c) == PQTRANS_ACTIVE ||
                    pg_exec(db, "ROLLBACK", "rolling back") != WT_OK)
                        pg_lose(db);             /* the server rolls back what is lost */
                db->aborted = aborted;
        }
        db->failed = false;
}

static int open_tx(wt_db *db, enum tx tx, const char *sql)
{
        int err;

        if (db->tx != TX_NONE)
                return db->host->fail(WT_EPRECONDITION, "PostgreSQL: a transaction is open; end it "
                                      "first");
        db->failed = false;
        if ((err = pg_start(db, db->timeout_ms)) != WT_OK ||
            (err = pg_exec(db, sql, "beginning")) != WT_OK) {
                undo(db);
                return err;
        }
        db->tx = tx;
        return WT_OK;
}

static int take_turns(void *arg, const struct wt_value *v, uint32_t n)
{
        (void)n;
        *(bool *)arg = v[0].as.i != 0;
        return WT_OK;
}

int pg_look_for_turns(wt_db *db)
{
        return pg_run(db, "SELECT count(*) FROM pg_class WHERE relname = 'witan_turn' "
                      "AND relnamespace = current_schema()::regnamespace", NULL, 0, take_turns,
                      &db->turns, NULL);
}

/* Who runs into others again and again would give up in the end. So a transaction that lost takes
 * its next turn alone: it locks a table of which all others hold a weaker lock, before the moment
 * that it sees is fixed (LOCK TABLE fixes none). When that does not come to pass soon (one of the
 * others hangs), it runs with the others, and nobody waits behind it. */
int pg_begin(wt_db *db)
{
        char sql[256];
        int err;

        if (db->tx == TX_NONE && db->aborted && db->c != NULL && db->turns) {
                snprintf(sql, sizeof sql, "BEGIN ISOLATION LEVEL SERIALIZABLE;"
                         "SET LOCAL lock_timeout = %d; LOCK TABLE witan_turn IN EXCLUSIVE MODE;"
                         "SET LOCAL lock_timeout = %llu", TURN_MS,
                         (unsigned long long)db->timeout_ms);
                err = open_tx(db, TX_WRITE, sql);
                db->aborted = false;
                if (err == WT_OK || db->c == NULL)
                        return err;
        }
        return open_tx(db, TX_WRITE, db->turns ? "BEGIN ISOLATION LEVEL SERIALIZABLE;"
                                                 "LOCK TABLE witan_turn IN ROW SHARE MODE"
                                               : "BEGIN ISOLATION LEVEL SERIALIZABLE");
}

/* The first read fixes the moment; it shall be that of this call. */
int pg_snapshot(wt_db *db)
{
        return open_tx(db, TX_READ, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
                       "SET LOCAL statement_timeout = 0; SELECT 1");
}

int pg_commit(wt_db *db)
{
        int err;

        if (db->tx == TX_NONE)
                return db->host->fail(WT_EPRECONDITION, "PostgreSQL: no transaction is open");
        if ((err = pg_may(db)) != WT_OK || (err = pg_start(db, db->timeout_ms)) != WT_OK) {
                undo(db);
                return err;
        }
        err = pg_exec(db, "COMMIT", "committing");
        if (err == WT_OK)
                db->aborted = false;
        undo(db);
        return err;
}

int pg_rollback(wt_db *db)
{
        undo(db);
        return WT_OK;
}

static int no_limit(wt_db *db, bool on)
{
        char sql[80];

        snprintf(sql, sizeof sql, "SET LOCAL statement_timeout = %llu",
                 on ? 0ull : (unsigned long long)db->timeout_ms);
        return pg_exec(db, sql, "settling in");
}

int pg_within(wt_db *db, int (*work)(wt_db *db, void *arg), void *arg)
{
        bool own = db->tx == TX_NONE;
        int err;

        if (db->tx == TX_READ)
                return db->host->fail(WT_EPRECONDITION, "PostgreSQL: this is a reading "
                                      "transaction; end it first");
        err = own ? open_tx(db, TX_WRITE, "BEGIN ISOLATION LEVEL READ COMMITTED") : pg_may(db);
        if (err != WT_OK)
                return err;
        if ((err = pg_start(db, SCHEMA_WAIT_MS)) == WT_OK && (err = no_limit(db, true)) == WT_OK &&
            (err = pg_exec(db, SCHEMA_LOCK, "waiting for another's migration")) == WT_OK &&
            (err = work(db, arg)) == WT_OK && !own)
                err = no_limit(db, false);
        if (!own)
                db->failed = db->failed || err != WT_OK;
        else if (err == WT_OK)
                return pg_commit(db);
        else
                undo(db);
        return err;
}
