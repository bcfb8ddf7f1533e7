/* tx.c - transactions. */
#include <stdio.h>
#include <string.h>
#include "db.h"

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

static int open_tx(wt_db *db, enum tx tx, const char *sql)
{
        int err;

        if (db->tx != TX_NONE)
                return db->host->fail(WT_EPRECONDITION, "PostgreSQL: a transaction is open; end it "
                                      "first");
        db->failed = false;
        if ((err = pg_start(db, db->timeout_ms)) != WT_OK ||
            (err = pg_exec(db, sql, "beginning")) != WT_OK) {
                if (db->c != NULL)
                        pg_lose(db);             /* whatever it is in now, it is not ours */
                return err;
        }
        db->tx = tx;
        return WT_OK;
}

int pg_begin(wt_db *db)
{
        return open_tx(db, TX_WRITE, "BEGIN ISOLATION LEVEL SERIALIZABLE");
}

/* The first read fixes the moment; it shall be that of this call. */
int pg_snapshot(wt_db *db)
{
        return open_tx(db, TX_READ, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
                       "SET LOCAL statement_timeout = 0; SELECT 1");
}

static int undo(wt_db *db)
{
        int err = WT_OK;

        db->tx = TX_NONE;
        if (db->c != NULL && PQtransactionStatus(db->c) != PQTRANS_IDLE) {
                db->deadline_us = db->host->now_us() + db->timeout_ms * 1000;
                err = PQtransactionStatus(db->c) == PQTRANS_ACTIVE ? WT_EUNAVAILABLE
                                                                   : pg_exec(db, "ROLLBACK",
                                                                             "rolling back");
                if (err != WT_OK && db->c != NULL)
                        pg_lose(db);             /* the server rolls back what is lost */
        }
        db->failed = false;
        return WT_OK;
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
        undo(db);
        return err;
}

int pg_rollback(wt_db *db)
{
        return undo(db);
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
