/* books.h - the store that a verb works on: keys, tenants, limits, usage. */
#ifndef WITAN_TOOLS_BOOKS_H
#define WITAN_TOOLS_BOOKS_H
#include "store/store.h"
#include "verb.h"

extern const enum wt_set books_sets[];           /* for a verb's .sets */
/* The store of the settings (store, state), migrated. The state folder is made when absent. */
wt_err books_open(const struct call *c, wt_store **out);
/* The same for what only reads. WT_ENOTFOUND: the state folder has no database yet, and none is
 * made. */
wt_err books_read(const struct call *c, wt_store **out);
/* The database as it stands, with nothing made in it, and with more patience than the setting
 * has. */
wt_err books_bare(const struct call *c, uint64_t patience_ms, wt_store **out);
/* One that may hold nothing yet, for a backup to be read into: the state folder is made. */
wt_err books_fresh(const struct call *c, uint64_t patience_ms, wt_store **out);
/* A change and the audit log's row of it (action; words: what work put there), both or neither.
 * work may run several times, words being empty each time. */
wt_err books_change(struct call *c, wt_store *s, const char *action,
                    wt_err (*work)(void *arg, wt_store *s, struct wt_buf *words), void *arg);
/* "2026-11-26 10:00", by UTC; "-" for 0. */
const char *books_time(int64_t t, char out[32]);
/* A list of rows, as JSON or under its titles (printf's words): give what it returns to whoever
 * writes a row: b, or NULL where a row is printed. The end prints the JSON, frees b, and is the
 * exit code. */
struct wt_buf *books_list(const struct call *c, struct wt_buf *b, const char *titles, ...)
        __attribute__((format(printf, 3, 4)));
int books_list_end(struct call *c, struct wt_buf *b, wt_err err);
/* The tenant is made when it does not exist: the one that a fresh installation needs. */
wt_err books_tenant(wt_store *s, const char *id);
/* Is secret a key that opens? *role is its role then. */
wt_err books_check(const struct call *c, const char *secret, char role[16]);
#endif
