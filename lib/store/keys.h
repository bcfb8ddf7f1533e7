/* keys.h - bearer keys in SQLite: stored as salted hashes, shown once. The only code that includes
 * sqlite3.h is lib/store. Table keys: id, tenant, name, role, models, salt, hash, prefix,
 * created_at, expires_at, revoked_at, limits (JSON); table meta holds the schema version. */
#ifndef WITAN_STORE_KEYS_H
#define WITAN_STORE_KEYS_H
#include <stdbool.h>
#include "base/err.h"

typedef struct wt_keys wt_keys;
struct wt_key {                                  /* strings are NUL-ended, "" when absent */
        char id[40], tenant[65], name[65], role[16], models[1025];
        int64_t created_at, expires_at, revoked_at;      /* seconds since 1970; 0: never */
};
/* "SQLite 3.40.1", for people. */
void wt_store_library(char out[64]);
/* Opens or makes the database (0600), WAL, synchronous FULL. A schema newer than this program is
 * refused in words; an older one is migrated. */
wt_err wt_keys_open(wt_keys **out, const char *path);
void wt_keys_close(wt_keys *k);
/* in: tenant, name, role (user, operator, auditor, admin; "" user), models, expires_at. Gives the
 * secret "wt-<prefix>-<random>" once. out->id is set. */
wt_err wt_keys_create(wt_keys *k, const struct wt_key *in, struct wt_key *out, char secret[80]);
/* WT_EUNAUTH: unknown, expired or revoked (one and the same words, compare in constant time).
 * Answers come from memory and are read again when the database changed (PRAGMA data_version). */
wt_err wt_keys_check(wt_keys *k, const char *secret, size_t len, int64_t now, struct wt_key *out);
wt_err wt_keys_revoke(wt_keys *k, const char *id, int64_t now);         /* WT_ENOTFOUND */
wt_err wt_keys_list(wt_keys *k, void (*each)(void *arg, const struct wt_key *key), void *arg);
#endif
