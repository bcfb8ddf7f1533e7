/* tx.c - transactions. A statement that failed leaves SQLite's transaction usable; PostgreSQL's is
 * dead then. Callers must work on both, so here it is dead as well. */
#include "db.h"

int db_may(wt_db *db)
{
        if (db->tx != TX_NONE && (db->failed || db->db == NULL))
                return db->host->fail(WT_EPRECONDITION, "database %s: a statement of this "
                                      "transaction has failed; roll it back", db->path);
        return WT_OK;
}

static int open_tx(wt_db *db, enum tx tx, const char *sql)
{
        int err;

        if (db->tx != TX_NONE)
                return db->host->fail(WT_EPRECONDITION, "database %s: a transaction is open; end "
                                      "it first", db->path);
        db->failed = false;
        if ((err = db_start(db, true)) != WT_OK || (err = db_run(db, sql, NULL, 0, NULL, NULL,
                                                                 NULL)) != WT_OK)
                return err;
        db->tx = tx;
        return WT_OK;
}

int db_begin(wt_db *db)
{
        return open_tx(db, TX_WRITE, "BEGIN IMMEDIATE");
}

/* The first read fixes the moment; it shall be that of this call. */
int db_snapshot(wt_db *db)
{
        int err = open_tx(db, TX_READ, "BEGIN");

        if (err == WT_OK && (err = db_run(db, "SELECT count(*) FROM sqlite_schema", NULL, 0, NULL,
                                          NULL, NULL)) != WT_OK)
                db_rollback(db);
        return err;
}

static void undo(wt_db *db)
{
        if (db->db != NULL && !sqlite3_get_autocommit(db->db))
                sqlite3_exec(db->db, "ROLLBACK", NULL, NULL, NULL);      /* words stay */
        db->tx = TX_NONE;
        db->failed = false;
}

int db_commit(wt_db *db)
{
        int err;

        if (db->tx == TX_NONE)
                return db->host->fail(WT_EPRECONDITION, "database %s: no transaction is open",
                                      db->path);
        if ((err = db_may(db)) == WT_OK && (err = db_start(db, true)) == WT_OK)
                err = db_run(db, "COMMIT", NULL, 0, NULL, NULL, NULL);
        if (err != WT_OK)
                undo(db);
        db->tx = TX_NONE;
        return err;
}

int db_rollback(wt_db *db)
{
        undo(db);
        return WT_OK;
}

int db_within(wt_db *db, int (*work)(wt_db *db, void *arg), void *arg)
{
        int err;

        if (db->tx == TX_READ)
                return db->host->fail(WT_EPRECONDITION, "database %s: this is a reading "
                                      "transaction; end it first", db->path);
        if (db->tx == TX_WRITE) {
                if ((err = db_may(db)) == WT_OK && (err = db_start(db, false)) == WT_OK)
                        err = work(db, arg);
                db->failed = db->failed || err != WT_OK;
                return err;
        }
        if ((err = db_begin(db)) != WT_OK)
                return err;
        db->deadline_us = 0;
        if ((err = work(db, arg)) == WT_OK)
                return db_commit(db);
        db_rollback(db);
        return err;
}
