/* conform_rig.h - two connections and short ways to ask; for conform*.c. */
#ifndef WITAN_STORE_CONFORM_RIG_H
#define WITAN_STORE_CONFORM_RIG_H
#include <stdio.h>
#include <string.h>
#include "base/buf.h"
#include "conform.h"

enum { TIMEOUT_MS = 5000, NOTES = 500 };

struct rig {
        const struct wt_conform_stores *c;
        const struct wt_store_ops *ops;
        wt_db *a, *b;
        char why[NOTES];                         /* what did not hold */
};

/* Remembers the first that did not hold; returns ok. */
bool ask_holds(struct rig *r, bool ok, const char *what);
/* err is want, or the plugin's words are remembered. */
bool ask_code(struct rig *r, int err, int want, const char *what);
bool ask_open(struct rig *r, wt_db **out);
/* A statement without rows that must work. */
bool ask_run(struct rig *r, wt_db *db, const char *sql);
/* The first column of the only row, an INT. -1 when it is none. */
int64_t ask_int(struct rig *r, wt_db *db, const char *sql, const struct wt_value *args, uint32_t n);
/* A migration of one step under its own name. */
bool ask_make(struct rig *r, const char *name, const char *step);

static inline struct wt_value v_int(int64_t i)
{
        return (struct wt_value){ .type = WT_INT, .as.i = i };
}
static inline struct wt_value v_bytes(uint32_t type, const void *p, size_t n)
{
        return (struct wt_value){ .type = type, .len = (uint32_t)n, .as.data = p };
}

/* conform_values.c */
bool conform_values(struct rig *r), conform_bad_rows(struct rig *r), conform_unique(struct rig *r);
bool conform_load(struct rig *r), conform_dialect(struct rig *r), conform_stops(struct rig *r);
/* conform_tx.c */
bool conform_rollback(struct rig *r), conform_counter(struct rig *r), conform_skew(struct rig *r);
bool conform_snapshot(struct rig *r), conform_misuse(struct rig *r), conform_slow(struct rig *r);
/* conform_schema.c */
bool conform_migrate(struct rig *r), conform_seal(struct rig *r), conform_days(struct rig *r);
bool conform_feed(struct rig *r), conform_columns(struct rig *r), conform_clock(struct rig *r);
#endif
