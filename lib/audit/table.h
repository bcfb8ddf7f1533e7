/* table.h - the audit log's table in the store, and the one way into it. Table audit_events: leaf
 * (index in the Merkle log), day, request, kind, columns to search by, and body (the encoded event,
 * which is what was hashed). The columns are a function of the body: a verifier computes them
 * again. Insert-only: sealed, cut by day. Migrations under the schema name "audit". */
#ifndef WITAN_AUDIT_TABLE_H
#define WITAN_AUDIT_TABLE_H
#include "audit/event.h"
#include "store/store.h"

enum wt_audit_column {
        WT_COL_LEAF, WT_COL_DAY, WT_COL_REQUEST, WT_COL_KIND, WT_COL_TIME, WT_COL_GATEWAY,
        WT_COL_TENANT, WT_COL_ACTOR, WT_COL_KEY, WT_COL_MODEL, WT_COL_REVISION, WT_COL_ARM,
        WT_COL_OUTCOME, WT_COL_STATUS, WT_COL_SUBJECT, WT_COL_BODY, N_WT_COLS
};
extern const char *const wt_audit_columns[N_WT_COLS];    /* "leaf", "day", ... */

/* The tables audit_events, audit_tree, audit_tiles, and audit_dropped (day, first_leaf, last_leaf:
 * what retention took); idempotent. */
wt_err wt_audit_migrate(wt_store *s);
/* The row of an event; what the values point to is lent by e and body. Absent strings and bytes
 * are NULL. */
void wt_audit_row(const struct wt_audit_event *e, struct wt_bytes body, uint64_t leaf,
                  struct wt_value row[N_WT_COLS]);
/* In the caller's transaction: those of n encoded events that the table does not hold yet (by day,
 * request and kind), in their order, each a leaf of the log. *n_new of them were new, *first is
 * the leaf of the first new one. WT_EDATA: one of them is no event, *bad (or NULL) says which. */
wt_err wt_audit_append(wt_store *s, const struct wt_bytes *body, uint32_t n, uint64_t *first,
                       uint32_t *n_new, uint32_t *bad);
#endif
