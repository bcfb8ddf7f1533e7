/* open.c - opening the file as we want it, and its errors in our words. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "db.h"

enum { STEPS_BETWEEN_LOOKS = 2000, LONGEST_NAP_MS = 10 };

/* Damage is no WT_EDATA: that would make a caller throw one good row after another away. */
static const struct { int rc, code; bool lost; const char *hint; } rows[] = {
        { SQLITE_CONSTRAINT_UNIQUE, WT_EEXIST, false, "it is there already" },
        { SQLITE_CONSTRAINT_PRIMARYKEY, WT_EEXIST, false, "it is there already" },
        { SQLITE_CONSTRAINT_ROWID, WT_EEXIST, false, "it is there already" },
        { SQLITE_CONSTRAINT_TRIGGER, WT_EPERM, false, "sealed rows stay as they are" },
        { SQLITE_CONSTRAINT, WT_EDATA, false, "the row does not fit the table" },
        { SQLITE_MISMATCH, WT_EDATA, false, "the row does not fit the table" },
        { SQLITE_TOOBIG, WT_EDATA, false, "a value is too large" },
        { SQLITE_BUSY, WT_EABORTED, false, "another process holds it; try again" },
        { SQLITE_LOCKED, WT_EABORTED, false, "another process holds it; try again" },
        { SQLITE_SCHEMA, WT_EABORTED, false, "its tables changed; try again" },
        { SQLITE_INTERRUPT, WT_EUNAVAILABLE, false, "it took longer than store_timeout" },
        { SQLITE_FULL, WT_EEXHAUSTED, false, "make room on the disk" },
        { SQLITE_READONLY, WT_EPERM, false, "let this user write to it and to its folder" },
        { SQLITE_PERM, WT_EPERM, false, "let this user write to it and to its folder" },
        { SQLITE_AUTH, WT_EPERM, false, "it may not be done through the store" },
        { SQLITE_CANTOPEN, WT_EUNAVAILABLE, true, "let this user write to it and to its folder" },
        { SQLITE_NOTADB, WT_EUNAVAILABLE, true,
          "it is no SQLite database; move it away or restore a copy" },
        { SQLITE_CORRUPT, WT_EUNAVAILABLE, true, "it is damaged; restore a copy" },
        { SQLITE_IOERR, WT_EUNAVAILABLE, true, "look at the disk" },
        { SQLITE_NOMEM, WT_ENOMEM, false, "memory is gone" },
        { SQLITE_ERROR, WT_EINVAL, false, "mend the statement" },
        { SQLITE_RANGE, WT_EINVAL, false, "mend the statement" },
};

static bool late(const wt_db *db)
{
        return db->deadline_us != 0 && db->host->now_us() >= db->deadline_us;
}

int db_fail(wt_db *db, int rc, const char *doing)
{
        const char *said = db->db ? sqlite3_errmsg(db->db) : sqlite3_errstr(rc);
        const char *hint = "try again";
        int why = db->db && (rc & 0xff) == SQLITE_IOERR ? sqlite3_system_errno(db->db) : 0;
        int code = WT_EINTERNAL;
        bool lost = false;

        /* What SQLite calls an error of the disk may be one of memory, or of room for its -shm. */
        if (rc == SQLITE_IOERR_NOMEM)
                rc = SQLITE_NOMEM;
        if (why == ENOSPC || why == EDQUOT)
                rc = SQLITE_FULL;

        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
                if (rc == rows[i].rc || (rc & 0xff) == rows[i].rc) {
                        code = rows[i].code;
                        hint = rows[i].hint;
                        lost = rows[i].lost;
                        break;
                }
        if (code == WT_EABORTED && db->db != NULL && late(db)) {
                code = WT_EUNAVAILABLE;          /* its time is over: no more of the same */
                hint = "another process held it for longer than store_timeout";
        }
        db->failed = true;
        code = db->host->fail(code, "database %s: %s: %s; %s", db->path, doing, said, hint);
        if (lost)
                db_lose(db);
        return code;
}

/* Mode 0600 before SQLite writes the first byte; its -wal and -shm take the mode from the file. A
 * file that exists is never opened here: closing it would drop the locks that SQLite holds on it in
 * this process (POSIX). */
static int own_file(wt_db *db)
{
        int fd = open(db->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        struct stat st;

        if (fd >= 0) {
                close(fd);
                return WT_OK;
        }
        if (errno != EEXIST)
                return db->host->fail(errno == ENOENT ? WT_ENOTFOUND : WT_EPERM,
                                      "cannot make the database %s: %s; make its folder and let "
                                      "this user write there", db->path, strerror(errno));
        if (stat(db->path, &st) == 0 && !S_ISREG(st.st_mode))
                return db->host->fail(WT_EINVAL, "database %s is no file; choose another path",
                                      db->path);
        if (stat(db->path, &st) == 0 && (st.st_mode & 077) && chmod(db->path, 0600) != 0)
                return db->host->fail(WT_EPERM, "database %s may be read by others and that cannot "
                                      "be changed: %s; make it 0600", db->path, strerror(errno));
        return WT_OK;
}

static int on_steps(void *arg)
{
        return late(arg);
}

/* Short naps that grow: SQLite's own handler sleeps 100 ms where a lock is free after 2. */
static int on_busy(void *arg, int tries)
{
        if (late(arg))
                return 0;
        sqlite3_sleep(tries < LONGEST_NAP_MS ? 1 + tries / 2 : LONGEST_NAP_MS);
        return 1;
}

/* Two processes that make the file at once meet here, where SQLite does not wait by itself. */
static int use_wal(wt_db *db)
{
        int rc;

        do {
                rc = sqlite3_exec(db->db, "PRAGMA journal_mode=WAL", NULL, NULL, NULL);
                if ((rc & 0xff) != SQLITE_BUSY && (rc & 0xff) != SQLITE_LOCKED)
                        break;
                sqlite3_sleep(2);
        } while (!late(db));
        return rc;
}

/* recursive_triggers: else INSERT OR REPLACE would delete a sealed row without a word.
 * secure_delete: what was deleted is overwritten, not left on free pages. */
static int reopen(wt_db *db)
{
        int err = own_file(db), rc;

        if (err != WT_OK)
                return err;
        rc = sqlite3_open_v2(db->path, &db->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
        if (rc == SQLITE_OK) {
                sqlite3_extended_result_codes(db->db, 1);
                sqlite3_busy_handler(db->db, on_busy, db);
                sqlite3_progress_handler(db->db, STEPS_BETWEEN_LOOKS, on_steps, db);
                sqlite3_db_config(db->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
                sqlite3_db_config(db->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
                rc = use_wal(db);
        }
        if (rc == SQLITE_OK)
                rc = sqlite3_exec(db->db, "PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY;"
                                  "PRAGMA recursive_triggers=ON; PRAGMA secure_delete=ON;"
                                  "PRAGMA foreign_keys=ON", NULL, NULL, NULL);
        if (rc != SQLITE_OK)
                err = db_fail(db, rc, "opening it");
        if (err != WT_OK)
                db_lose(db);
        else
                db->failed = false;
        return err;
}

int db_start(wt_db *db, bool bounded)
{
        db->deadline_us = bounded ? db->host->now_us() + db->timeout_us : 0;
        return db->db ? WT_OK : reopen(db);
}

void db_lose(wt_db *db)
{
        for (int i = 0; i < N_STATEMENTS; i++) {
                sqlite3_finalize(db->statements[i].s);
                free(db->statements[i].sql);
                db->statements[i] = (struct statement){ 0 };
        }
        sqlite3_close(db->db);
        db->db = NULL;
        db->version = -1;
        db->pending = db->n_channels < 32 ? (1u << db->n_channels) - 1 : UINT32_MAX;
}

int db_open(wt_db **out, const struct wt_host *host, const char *url, uint64_t timeout_ms)
{
        static const char scheme[] = "sqlite:";
        wt_db *db;
        int err;

        if (strncmp(url, scheme, sizeof scheme - 1) != 0 || url[sizeof scheme - 1] == '\0')
                return host->fail(WT_EINVAL, "the store's URL \"%.200s\" names no file; write "
                                  "sqlite:PATH", url);
        if ((db = calloc(1, sizeof *db)) == NULL ||
            (db->path = strdup(url + sizeof scheme - 1)) == NULL) {
                free(db);
                return host->fail(WT_ENOMEM, "no memory for a connection to the store");
        }
        db->host = host;
        db->timeout_us = timeout_ms * 1000;
        db->version = -1;
        if ((err = db_start(db, true)) != WT_OK) {
                db_close(db);
                return err;
        }
        *out = db;
        return WT_OK;
}

void db_close(wt_db *db)
{
        if (db == NULL)
                return;
        db_lose(db);
        free(db->path);
        free(db);
}

int db_describe(wt_db *db, char *out, size_t cap)
{
        (void)db;
        snprintf(out, cap, "SQLite %s", sqlite3_libversion());
        return WT_OK;
}

/* All who share the file share the machine, and so its clock. */
int db_now(wt_db *db, int64_t *us)
{
        struct timespec t;

        (void)db;
        clock_gettime(CLOCK_REALTIME, &t);
        *us = (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
        return WT_OK;
}
