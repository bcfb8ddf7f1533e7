/* sql.h - what the stores that speak SQL share: limits, names, the two words that each database has
 * its own for, and how a schema climbs to its newest version. Calls return WT_OK or a code whose
 * words they gave to the host. */
#ifndef WITAN_STORE_SQL_SQL_H
#define WITAN_STORE_SQL_SQL_H
#include <stdbool.h>
#include <stdint.h>
#include "witan/plugin.h"

enum { N_STATEMENTS = 96,                        /* prepared ones that a connection keeps */
       MOST_CHANNELS = 32, MOST_ARGS = 1000, MOST_COLUMNS = 200,
       NAME = 41 };                              /* room for a name with its NUL */

/* [a-z_][a-z0-9_]{0,39}; what: "table". WT_EINVAL. */
int sql_check_name(const struct wt_host *host, const char *what, const char *name);
/* At most MOST_CHANNELS of [a-z_]{1,32}. WT_EINVAL. */
int sql_check_channels(const struct wt_host *host, const char *const *channels, uint32_t n);

struct wt_value sql_text(const char *s);         /* lends s */
/* A wt_on_row: *(int64_t *)arg becomes the first column, 0 where that is no INT. */
int sql_take_int(void *arg, const struct wt_value *v, uint32_t n);

/* sql with `bytes` for {bytes} and `by_day` for {by_day}; malloced, the caller's. NULL: no
 * memory. */
char *sql_expand(const char *sql, const char *bytes, const char *by_day);
/* FNV-1a of s, going on from h; of a text alone: from SQL_HASH. */
#define SQL_HASH 0xcbf29ce484222325u
uint64_t sql_hash(uint64_t h, const char *s);

/* How a database migrates; all in a transaction that the plugin opens. */
struct sql_base {
        const char *is_there;                    /* counts the tables witan_schema: one row, INT */
        int (*run)(wt_db *db, const char *sql, const struct wt_value *args, uint32_t n_args,
                   wt_on_row row, void *arg, uint64_t *n_changed);
        /* Statements, `;` between, with {bytes} and {by_day}; doing: words for a failure. */
        int (*exec)(wt_db *db, const char *sql, const char *doing);
        const char *before, *after;              /* statements around the steps, or NULL */
};
struct sql_climb {
        const struct sql_base *base; const struct wt_host *host;
        const char *where;                       /* the database, as words of a failure begin */
        const char *name; const char *const *steps; uint32_t n;
};
/* The schema's version now: WT_EPRECONDITION above n, else *behind says whether it is below. */
int sql_behind(wt_db *db, const struct sql_climb *c, bool *behind);
/* Inside the transaction: what is missing, each step kept in witan_schema (witan/plugin.h). Looks
 * at the version again, because another process may have been first. */
int sql_climb(wt_db *db, const struct sql_climb *c);
#endif
