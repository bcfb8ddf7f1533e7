/* db.h - opening a SQLite file as we want it, schema versions, and errors in our words; for this
 * folder only. */
#ifndef WITAN_STORE_DB_H
#define WITAN_STORE_DB_H
#include <sqlite3.h>
#include "base/err.h"

/* The file is made with mode 0600 when absent; a wider mode is narrowed. WAL, synchronous FULL, a
 * busy timeout of 5 s. WT_EDATA: no database, or a damaged one. */
wt_err wt_db_open(sqlite3 **out, const char *path);
/* rc of the last call on db as a code and words. */
wt_err wt_db_fail(sqlite3 *db, int rc, const char *doing);
wt_err wt_db_run(sqlite3 *db, const char *sql);
wt_err wt_db_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out);
/* steps[i] is SQL that leads from schema version i to i + 1. Brings the database to version n in
 * one transaction; what two processes do at once, one of them does. A version above n is refused:
 * WT_EPRECONDITION. */
wt_err wt_db_migrate(sqlite3 *db, const char *const *steps, int n);
#endif
