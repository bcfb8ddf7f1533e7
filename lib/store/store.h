/* store.h - the database of a deployment through its plugin (kind store): sqlite (built in) or
 * postgresql (plugins/store_postgres). One wt_store is one connection: one thread at a time.
 * Leases and the index of blobs are SQL that both read, so they stand here once. */
#ifndef WITAN_STORE_STORE_H
#define WITAN_STORE_STORE_H
#include <stdbool.h>
#include <string.h>
#include "base/buf.h"
#include "base/err.h"

typedef struct wt_store wt_store;

/* url: "sqlite:PATH" or "postgresql://USER@HOST/DATABASE?..." (a password comes from the file that
 * passfile= or PGPASSFILE names, never from argv). The plugin is one that main registered, or
 * store_SCHEME.so of the program's own plugins' folder (wt_plugin_own). WT_ENOTFOUND: none. */
wt_err wt_store_open(wt_store **out, const char *url, uint64_t timeout_ms);
void wt_store_close(wt_store *s);                /* NULL is fine */
/* The URL of a setting: "sqlite" is witan.db in the state folder. WT_EINVAL: too long, or none. */
wt_err wt_store_url(const char *setting, const char *state, char *out, size_t cap);
wt_err wt_store_describe(wt_store *s, char *out, size_t cap);
wt_err wt_store_now(wt_store *s, int64_t *us);

/* Runs work in a transaction and commits; again (at most 10 times, with a short growing pause)
 * while it ends in WT_EABORTED. work may run several times: it keeps its results until it returns
 * WT_OK. Inside of another wt_store_do work is a part of that one. */
wt_err wt_store_do(wt_store *s, wt_err (*work)(void *arg, wt_store *s), void *arg);
/* Runs work in a reading transaction: all its queries see one moment, and it hinders nobody. */
wt_err wt_store_see(wt_store *s, wt_err (*work)(void *arg, wt_store *s), void *arg);
/* Outside of both it is a transaction of its own, and is run again as above as long as no row was
 * given. The calls below are part of the transaction that is open, or one of their own. row must
 * not use s. */
wt_err wt_store_query(wt_store *s, const char *sql, const struct wt_value *args, uint32_t n_args,
                      wt_on_row row, void *arg, uint64_t *n_changed);
wt_err wt_store_load(wt_store *s, const char *table, const char *const *columns,
                     uint32_t n_columns, const struct wt_value *rows, uint32_t n_rows);
wt_err wt_store_migrate(wt_store *s, const char *name, const char *const *steps, uint32_t n);
wt_err wt_store_seal(wt_store *s, const char *table);
wt_err wt_store_day_add(wt_store *s, const char *table, int64_t day);
wt_err wt_store_day_drop(wt_store *s, const char *table, int64_t day);
wt_err wt_store_notify(wt_store *s, const char *channel);
wt_err wt_store_listen(wt_store *s, const char *const *channels, uint32_t n);
wt_err wt_store_wait(wt_store *s, uint64_t timeout_ms, uint32_t *heard);
wt_err wt_store_columns(wt_store *s, wt_on_row row, void *arg);

/* A consistent copy of all that migrations made, in a folder (absent or empty; made 0700), while
 * others go on; and back, in one transaction, into a database that holds nothing yet, be it of
 * this kind or another. Format: lib/store/dump.h. */
struct wt_store_copy { char from[64]; int64_t taken_us; uint32_t n_tables; uint64_t n_rows; };
wt_err wt_store_backup(wt_store *s, const char *folder, struct wt_store_copy *out);
wt_err wt_store_restore(wt_store *s, const char *folder, struct wt_store_copy *out);

/* Values. Text and blobs are borrowed. */
static inline struct wt_value wt_v_null(void)
{
        return (struct wt_value){ .type = WT_NULL };
}
static inline struct wt_value wt_v_int(int64_t i)
{
        return (struct wt_value){ .type = WT_INT, .as.i = i };
}
static inline struct wt_value wt_v_real(double d)
{
        return (struct wt_value){ .type = WT_REAL, .as.d = d };
}
static inline struct wt_value wt_v_text(const char *s)
{
        return (struct wt_value){ .type = WT_TEXT, .len = (uint32_t)strlen(s), .as.data = s };
}
static inline struct wt_value wt_v_blob(const void *p, uint32_t n)
{
        return (struct wt_value){ .type = WT_BLOB, .len = n, .as.data = p };
}
/* Copies a text column into room (cap bytes, NUL-ended); NULL gives "". False: it does not fit. */
bool wt_v_copy(const struct wt_value *v, char *room, size_t cap);

/* A lease: at most one holder of a name at any time, told by the database's clock. token grows
 * with each change of holder: whoever writes under a lease passes its token along
 * (wt_lease_check in the same transaction), so that a holder that slept is fenced off. */
struct wt_lease { char name[64], holder[64]; int64_t token, expires_us; };
/* Takes it when free, expired, or ours (then it is renewed and token stays). WT_EEXIST: held by
 * out->holder until out->expires_us. */
wt_err wt_lease_take(wt_store *s, const char *name, const char *holder, uint64_t for_ms,
                     struct wt_lease *out);
wt_err wt_lease_check(wt_store *s, const struct wt_lease *l);    /* in a transaction;
                                                                  * WT_EPRECONDITION: lost */
wt_err wt_lease_give(wt_store *s, const struct wt_lease *l);     /* back, early */

/* Blobs: bytes in a folder (state/files, or a volume that all share), named by SHA-256; the index
 * in the store says which exist. Written to a temporary name, synced, renamed, synced, indexed. */
wt_err wt_blob_put(wt_store *s, const char *folder, const void *data, size_t len, const char *kind,
                   uint8_t digest[32]);
wt_err wt_blob_get(wt_store *s, const char *folder, const uint8_t digest[32], struct wt_buf *out);
wt_err wt_blob_drop(wt_store *s, const char *folder, const uint8_t digest[32]);
#endif
