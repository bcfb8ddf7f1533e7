#include "store/db.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "store/keys.h"

void wt_store_library(char out[64])
{
        snprintf(out, 64, "SQLite %s", sqlite3_libversion());
}

enum { BUSY_MS = 5000, RETRY_MS = 5 };

static const struct { int rc; wt_err code; const char *hint; } rows[] = {
        { SQLITE_NOTADB, WT_EDATA, "it is no SQLite database; move it away or restore a copy" },
        { SQLITE_CORRUPT, WT_EDATA, "it is damaged; restore a copy" },
        { SQLITE_BUSY, WT_EUNAVAILABLE, "another process holds it; try again" },
        { SQLITE_LOCKED, WT_EUNAVAILABLE, "another process holds it; try again" },
        { SQLITE_FULL, WT_EEXHAUSTED, "make room on the disk" },
        { SQLITE_READONLY, WT_EPERM, "let this user write to it and to its folder" },
        { SQLITE_CANTOPEN, WT_EPERM, "let this user write to it and to its folder" },
        { SQLITE_PERM, WT_EPERM, "let this user write to it and to its folder" },
        { SQLITE_NOMEM, WT_ENOMEM, "give the process more memory" },
        { SQLITE_CONSTRAINT, WT_EEXIST, "it is there already" },
};

wt_err wt_db_fail(sqlite3 *db, int rc, const char *doing)
{
        const char *path = db ? sqlite3_db_filename(db, "main") : NULL;
        wt_err code = WT_EIO;
        const char *hint = "look at the disk";

        int why = db && (rc & 0xff) == SQLITE_IOERR ? sqlite3_system_errno(db) : 0;

        /* What SQLite calls an error of the disk may be one of memory, or of room for its -shm. */
        if (rc == SQLITE_IOERR_NOMEM)
                rc = SQLITE_NOMEM;
        if (why == ENOSPC || why == EDQUOT)
                rc = SQLITE_FULL;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
                if ((rc & 0xff) == rows[i].rc) {
                        code = rows[i].code;
                        hint = rows[i].hint;
                }
        return wt_fail(code, "database %s: %s: %s; %s", path ? path : "", doing,
                       db ? sqlite3_errmsg(db) : sqlite3_errstr(rc), hint);
}

wt_err wt_db_run(sqlite3 *db, const char *sql)
{
        int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);

        return rc == SQLITE_OK ? WT_OK : wt_db_fail(db, rc, "running a statement");
}

wt_err wt_db_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out)
{
        int rc = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);

        return rc == SQLITE_OK ? WT_OK : wt_db_fail(db, rc, "preparing a statement");
}

/* Mode 0600 before SQLite writes the first byte; its -wal and -shm take the mode from the file. A
 * file that exists is never opened here: closing it would drop the locks that SQLite holds on it in
 * this process (POSIX). */
static wt_err own_file(const char *path)
{
        int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        struct stat st;

        if (fd >= 0) {
                close(fd);
                return WT_OK;
        }
        if (errno != EEXIST)
                return wt_fail(errno == ENOENT ? WT_ENOTFOUND : WT_EPERM,
                               "cannot make the database %s: %s; make its folder and let this user "
                               "write there", path, strerror(errno));
        if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
                return wt_fail(WT_EINVAL, "database %s is no file; choose another path", path);
        if (stat(path, &st) == 0 && (st.st_mode & 077) && chmod(path, 0600) != 0)
                return wt_fail(WT_EPERM, "database %s may be read by others and that cannot be "
                               "changed: %s; make it 0600", path, strerror(errno));
        return WT_OK;
}

/* Two processes that make the file at once meet here, where SQLite does not wait by itself. */
static int use_wal(sqlite3 *db)
{
        int rc = SQLITE_BUSY;

        for (int ms = 0; ms < BUSY_MS; ms += RETRY_MS) {
                rc = sqlite3_exec(db, "PRAGMA journal_mode=WAL", NULL, NULL, NULL);
                if ((rc & 0xff) != SQLITE_BUSY && (rc & 0xff) != SQLITE_LOCKED)
                        break;
                sqlite3_sleep(RETRY_MS);
        }
        return rc;
}

wt_err wt_db_open(sqlite3 **out, const char *path)
{
        sqlite3 *db = NULL;
        wt_err err = own_file(path);
        int rc;

        if (err != WT_OK)
                return err;
        rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
        if (rc == SQLITE_OK) {
                sqlite3_busy_timeout(db, BUSY_MS);
                sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
                sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
                rc = use_wal(db);
        }
        if (rc == SQLITE_OK)
                rc = sqlite3_exec(db, "PRAGMA synchronous=FULL", NULL, NULL, NULL);
        if (rc != SQLITE_OK) {
                err = wt_db_fail(db, rc, "opening it");
                sqlite3_close(db);
                return err;
        }
        *out = db;
        return WT_OK;
}

static wt_err read_version(sqlite3 *db, int *out)
{
        sqlite3_stmt *s = NULL;
        int rc, v = 0;
        wt_err err = wt_db_prepare(db, "SELECT count(*) FROM sqlite_schema WHERE name='meta'", &s);

        if (err != WT_OK)
                return err;
        rc = sqlite3_step(s);
        if (rc == SQLITE_ROW && sqlite3_column_int(s, 0) > 0) {
                sqlite3_finalize(s);
                err = wt_db_prepare(db, "SELECT value FROM meta WHERE key='schema'", &s);
                if (err != WT_OK)
                        return err;
                rc = sqlite3_step(s);
                if (rc == SQLITE_ROW)
                        v = sqlite3_column_int(s, 0);
        }
        err = rc == SQLITE_ROW || rc == SQLITE_DONE
                    ? WT_OK : wt_db_fail(db, rc, "reading the schema version");
        sqlite3_finalize(s);
        if (err == WT_OK)
                *out = v;
        return err;
}

static wt_err climb(sqlite3 *db, const char *const *steps, int n)
{
        char sql[96];
        int at;
        wt_err err = read_version(db, &at);      /* again: another process may have been first */

        if (err != WT_OK)
                return err;
        for (; at < n; at++)
                if ((err = wt_db_run(db, steps[at])) != WT_OK)
                        return wt_fail_in(err, "migrating to schema %d", at + 1);
        snprintf(sql, sizeof sql, "INSERT OR REPLACE INTO meta VALUES('schema', %d)", at);
        return wt_db_run(db, sql);
}

wt_err wt_db_migrate(sqlite3 *db, const char *const *steps, int n)
{
        int at;
        wt_err err = read_version(db, &at);

        if (err != WT_OK)
                return err;
        if (at > n)
                return wt_fail(WT_EPRECONDITION, "database %s has schema %d, this program knows up "
                               "to %d; use the newer program",
                               sqlite3_db_filename(db, "main"), at, n);
        if (at == n)
                return WT_OK;
        err = wt_db_run(db, "BEGIN IMMEDIATE");
        if (err != WT_OK)
                return err;
        err = wt_db_run(db, "CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value)");
        if (err == WT_OK)
                err = climb(db, steps, n);
        if (err == WT_OK)
                err = wt_db_run(db, "COMMIT");
        if (err != WT_OK)
                sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);  /* the words stay the first ones */
        return err;
}
