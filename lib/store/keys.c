#include "store/keys.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/rng.h"
#include "store/db.h"
#include "store/secret.h"

/* One step a schema version; a step that was released is never changed. */
static const char *const steps[] = {
        "CREATE TABLE keys("
        " id TEXT PRIMARY KEY, tenant TEXT NOT NULL, name TEXT NOT NULL, role TEXT NOT NULL,"
        " models TEXT NOT NULL, salt BLOB NOT NULL, hash BLOB NOT NULL,"
        " prefix TEXT NOT NULL UNIQUE,"
        " created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL DEFAULT 0,"
        " revoked_at INTEGER NOT NULL DEFAULT 0, limits TEXT NOT NULL DEFAULT '{}') WITHOUT ROWID",
};
enum { N_STEPS = sizeof steps / sizeof *steps, PREFIX_TRIES = 8 };

static const char *const roles[] = { "user", "operator", "auditor", "admin" };

enum { SQL_VERSION, SQL_INSERT, SQL_REVOKE, SQL_EXISTS, SQL_ALL, SQL_ORDERED, N_SQL };
#define COLUMNS "id, tenant, name, role, models, created_at, expires_at, revoked_at"
static const char *const sql[N_SQL] = {
        [SQL_VERSION] = "PRAGMA data_version",
        [SQL_INSERT] = "INSERT INTO keys(" COLUMNS ", salt, hash, prefix)"
                       " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?9, ?10)",
        [SQL_REVOKE] = "UPDATE keys SET revoked_at = ?2 WHERE id = ?1 AND revoked_at = 0",
        [SQL_EXISTS] = "SELECT 1 FROM keys WHERE id = ?1",
        [SQL_ALL] = "SELECT " COLUMNS ", salt, hash, prefix FROM keys ORDER BY prefix",
        [SQL_ORDERED] = "SELECT " COLUMNS " FROM keys ORDER BY created_at, id",
};

struct row { char prefix[WT_PREFIX]; uint8_t salt[WT_SALT], hash[WT_HASH]; struct wt_key key; };

struct wt_keys {
        sqlite3 *db;
        sqlite3_stmt *st[N_SQL];
        struct row *rows;                        /* (n_rows) by prefix: the database in memory */
        size_t n_rows, cap_rows;
        int64_t version;                         /* data_version of rows; -1: to be read */
        uint8_t no_salt[WT_SALT], no_hash[WT_HASH];     /* what unknown keys are compared with */
};

static wt_err end(struct wt_keys *k, int which, int rc, const char *doing)
{
        wt_err err = WT_OK;

        if (rc != SQLITE_DONE && rc != SQLITE_ROW && rc != SQLITE_OK)
                err = wt_db_fail(k->db, rc, doing);
        sqlite3_reset(k->st[which]);
        sqlite3_clear_bindings(k->st[which]);
        return err;
}

/* False: no text, though the columns are NOT NULL: memory is gone. It must not be taken for an empty
 * one: no models are all of them. */
static bool column(sqlite3_stmt *s, int i, char *out, size_t n)
{
        const char *t = (const char *)sqlite3_column_text(s, i);

        if (t)
                snprintf(out, n, "%s", t);
        return t != NULL;
}

static wt_err read_key(sqlite3_stmt *s, struct wt_key *k)
{
        *k = (struct wt_key){ 0 };
        if (!column(s, 0, k->id, sizeof k->id) || !column(s, 1, k->tenant, sizeof k->tenant) ||
            !column(s, 2, k->name, sizeof k->name) || !column(s, 3, k->role, sizeof k->role) ||
            !column(s, 4, k->models, sizeof k->models))
                return wt_db_fail(sqlite3_db_handle(s), SQLITE_NOMEM, "reading a key");
        k->created_at = sqlite3_column_int64(s, 5);
        k->expires_at = sqlite3_column_int64(s, 6);
        k->revoked_at = sqlite3_column_int64(s, 7);
        return WT_OK;
}

static bool known_role(const char *role)
{
        for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
                if (strcmp(role, roles[i]) == 0)
                        return true;
        return false;
}

static wt_err read_row(struct wt_keys *k, sqlite3_stmt *s)
{
        const void *salt, *hash, *prefix;
        struct row *r;
        wt_err err;

        if (k->n_rows == k->cap_rows) {
                size_t cap = k->cap_rows ? 2 * k->cap_rows : 16;

                r = realloc(k->rows, cap * sizeof *r);
                if (!r)
                        return wt_fail(WT_ENOMEM, "no memory for %zu keys", cap);
                k->rows = r;
                k->cap_rows = cap;
        }
        r = &k->rows[k->n_rows];
        if ((err = read_key(s, &r->key)) != WT_OK)
                return err;
        if (sqlite3_column_bytes(s, 8) != WT_SALT || sqlite3_column_bytes(s, 9) != WT_HASH ||
            sqlite3_column_bytes(s, 10) != WT_PREFIX || !known_role(r->key.role))
                return wt_fail(WT_EDATA, "database %s: the row of key %s is malformed; restore a "
                               "copy", sqlite3_db_filename(k->db, "main"), r->key.id);
        salt = sqlite3_column_blob(s, 8);
        hash = sqlite3_column_blob(s, 9);
        prefix = sqlite3_column_text(s, 10);
        if (!salt || !hash || !prefix)
                return wt_db_fail(k->db, SQLITE_NOMEM, "reading a key");
        memcpy(r->salt, salt, WT_SALT);
        memcpy(r->hash, hash, WT_HASH);
        memcpy(r->prefix, prefix, WT_PREFIX);
        k->n_rows++;
        return WT_OK;
}

/* Rows of the database as it is now. The version is read first: a change in between is then seen by
 * the next call at the latest. When reading fails no key is good. */
static wt_err refresh(struct wt_keys *k)
{
        sqlite3_stmt *s = k->st[SQL_VERSION];
        int rc = sqlite3_step(s);
        int64_t version = rc == SQLITE_ROW ? sqlite3_column_int64(s, 0) : -1;
        wt_err err = end(k, SQL_VERSION, rc, "reading its version"), row_err = WT_OK;

        if (err != WT_OK || version == k->version)
                return err;
        k->version = -1;
        k->n_rows = 0;
        s = k->st[SQL_ALL];
        while ((rc = sqlite3_step(s)) == SQLITE_ROW && row_err == WT_OK)
                row_err = read_row(k, s);
        err = end(k, SQL_ALL, rc, "reading the keys");
        if (err == WT_OK)
                err = row_err;
        if (err == WT_OK)
                k->version = version;
        else
                k->n_rows = 0;
        return err;
}

wt_err wt_keys_open(wt_keys **out, const char *path)
{
        struct wt_keys *k = calloc(1, sizeof *k);
        wt_err err;

        if (!k)
                return wt_fail(WT_ENOMEM, "no memory for the keys");
        k->version = -1;
        wt_random_bytes(k->no_salt, sizeof k->no_salt);
        wt_random_bytes(k->no_hash, sizeof k->no_hash);
        err = wt_db_open(&k->db, path);
        if (err == WT_OK)
                err = wt_db_migrate(k->db, steps, N_STEPS);
        for (int i = 0; i < N_SQL && err == WT_OK; i++)
                err = wt_db_prepare(k->db, sql[i], &k->st[i]);
        if (err == WT_OK)
                err = refresh(k);
        if (err != WT_OK) {
                wt_keys_close(k);
                return err;
        }
        *out = k;
        return WT_OK;
}

void wt_keys_close(wt_keys *k)
{
        if (!k)
                return;
        for (int i = 0; i < N_SQL; i++)
                sqlite3_finalize(k->st[i]);
        sqlite3_close(k->db);
        free(k->rows);
        free(k);
}

/* Names stand in logs, tables and metrics: no control characters. */
static wt_err check_text(const char *what, const char *s, size_t room)
{
        if (strnlen(s, room) == room)
                return wt_fail(WT_EINVAL, "%s is longer than %zu bytes", what, room - 1);
        for (; *s; s++)
                if ((unsigned char)*s < ' ' || *s == 0x7f)
                        return wt_fail(WT_EINVAL, "%s has a control character", what);
        return WT_OK;
}

static wt_err check_new(const struct wt_key *in, int64_t now)
{
        wt_err err;

        if ((err = check_text("tenant", in->tenant, sizeof in->tenant)) != WT_OK ||
            (err = check_text("name", in->name, sizeof in->name)) != WT_OK ||
            (err = check_text("role", in->role, sizeof in->role)) != WT_OK ||
            (err = check_text("models", in->models, sizeof in->models)) != WT_OK)
                return err;
        if (in->role[0] && !known_role(in->role))
                return wt_fail(WT_EINVAL, "role \"%s\" is none of user, operator, auditor, admin",
                               in->role);
        if (in->expires_at != 0 && in->expires_at <= now)
                return wt_fail(WT_EINVAL, "expires_at lies in the past; give a later time, or 0 "
                               "for never");
        return WT_OK;
}

static void bind_text(sqlite3_stmt *s, int i, const char *t)
{
        sqlite3_bind_text(s, i, t, -1, SQLITE_STATIC);
}

/* Binds nothing that SQLite would have to copy: a copy may fail, and the NULL in its place would look
 * like a broken constraint. */
static int insert(struct wt_keys *k, const struct wt_key *key, const char *secret)
{
        sqlite3_stmt *s = k->st[SQL_INSERT];
        uint8_t salt[WT_SALT], hash[WT_HASH];

        wt_random_bytes(salt, sizeof salt);
        wt_secret_hash(salt, secret, hash);
        bind_text(s, 1, key->id);
        bind_text(s, 2, key->tenant);
        bind_text(s, 3, key->name);
        bind_text(s, 4, key->role);
        bind_text(s, 5, key->models);
        sqlite3_bind_int64(s, 6, key->created_at);
        sqlite3_bind_int64(s, 7, key->expires_at);
        sqlite3_bind_blob(s, 8, salt, sizeof salt, SQLITE_STATIC);
        sqlite3_bind_blob(s, 9, hash, sizeof hash, SQLITE_STATIC);
        sqlite3_bind_text(s, 10, wt_secret_prefix(secret), WT_PREFIX, SQLITE_STATIC);
        return sqlite3_step(s);                  /* salt and hash are not looked at after it */
}

wt_err wt_keys_create(wt_keys *k, const struct wt_key *in, struct wt_key *out, char secret[80])
{
        uint64_t wall_us = wt_wall_us(&wt_clock_real);
        struct wt_key key = *in;
        char made[WT_SECRET + 1];
        uint8_t id[16];
        wt_err err = check_new(in, (int64_t)(wall_us / 1000000));
        int rc = SQLITE_CONSTRAINT;

        if (err != WT_OK)
                return err;
        if (!key.role[0])
                strcpy(key.role, roles[0]);
        key.created_at = (int64_t)(wall_us / 1000000);
        key.revoked_at = 0;
        wt_uuid7(wall_us, id);
        wt_uuid_text(id, key.id);
        /* One in 10^14 prefixes is taken already when there are two keys: then another is drawn. */
        for (int i = 0; i < PREFIX_TRIES && (rc & 0xff) == SQLITE_CONSTRAINT; i++) {
                wt_secret_make(made);
                rc = insert(k, &key, made);
                if ((rc & 0xff) == SQLITE_CONSTRAINT)
                        sqlite3_reset(k->st[SQL_INSERT]);
        }
        err = end(k, SQL_INSERT, rc, "making a key");
        if (err == WT_OK) {
                k->version = -1;                 /* data_version tells of others' changes alone */
                *out = key;
                memcpy(secret, made, sizeof made);
        }
        explicit_bzero(made, sizeof made);
        return err;
}

static const struct row *find(const struct wt_keys *k, const char *prefix)
{
        size_t lo = 0, hi = k->n_rows;

        while (lo < hi) {
                size_t mid = (lo + hi) / 2;
                int c = memcmp(prefix, k->rows[mid].prefix, WT_PREFIX);

                if (c == 0)
                        return &k->rows[mid];
                if (c < 0)
                        hi = mid;
                else
                        lo = mid + 1;
        }
        return NULL;
}

wt_err wt_keys_check(wt_keys *k, const char *secret, size_t len, int64_t now, struct wt_key *out)
{
        char text[WT_SECRET] = { 0 };
        const struct row *r = NULL;
        uint8_t hash[WT_HASH];
        bool good;
        wt_err err = refresh(k);

        if (err != WT_OK)
                return err;
        if (wt_secret_well_formed(secret, len)) {
                memcpy(text, secret, WT_SECRET);
                r = find(k, wt_secret_prefix(text));
        }
        /* Hashed and compared whether or not there is such a row, and its state is looked at last:
         * the time of a refusal tells nothing. */
        wt_secret_hash(r ? r->salt : k->no_salt, text, hash);
        good = wt_secret_equal(hash, r ? r->hash : k->no_hash) && r;
        explicit_bzero(text, sizeof text);
        if (!good || (r->key.expires_at != 0 && r->key.expires_at <= now) ||
            r->key.revoked_at != 0)              /* whatever the clocks of two machines say */
                return wt_fail(WT_EUNAUTH, "the API key is unknown, expired or revoked");
        *out = r->key;
        return WT_OK;
}

static wt_err exists(struct wt_keys *k, const char *id)
{
        int rc;
        wt_err err;

        bind_text(k->st[SQL_EXISTS], 1, id);
        rc = sqlite3_step(k->st[SQL_EXISTS]);
        err = end(k, SQL_EXISTS, rc, "looking for a key");
        if (err == WT_OK && rc != SQLITE_ROW)
                return wt_fail(WT_ENOTFOUND, "there is no key %.64s; see witan key list", id);
        return err;
}

wt_err wt_keys_revoke(wt_keys *k, const char *id, int64_t now)
{
        wt_err err = exists(k, id);

        if (err != WT_OK)
                return err;
        bind_text(k->st[SQL_REVOKE], 1, id);
        sqlite3_bind_int64(k->st[SQL_REVOKE], 2, now > 0 ? now : 1);
        err = end(k, SQL_REVOKE, sqlite3_step(k->st[SQL_REVOKE]), "revoking a key");
        k->version = -1;
        return err;
}

wt_err wt_keys_list(wt_keys *k, void (*each)(void *arg, const struct wt_key *key), void *arg)
{
        sqlite3_stmt *s = k->st[SQL_ORDERED];
        struct wt_key key;
        wt_err err = WT_OK, read_err = WT_OK;
        int rc;

        while ((rc = sqlite3_step(s)) == SQLITE_ROW && (read_err = read_key(s, &key)) == WT_OK)
                each(arg, &key);
        err = end(k, SQL_ORDERED, rc, "listing the keys");
        return err == WT_OK ? read_err : err;
}
