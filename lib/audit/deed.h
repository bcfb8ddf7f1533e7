/* deed.h - what was done to the log itself, as a row of it: who read it, what was erased. */
#ifndef WITAN_AUDIT_DEED_H
#define WITAN_AUDIT_DEED_H
#include "audit/event.h"
#include "store/store.h"

/* Appends one event straight to the store (whoever has a spool uses it instead). A request id and
 * a time are made when e has none; the id is written to id (or NULL). In the caller's transaction,
 * or one of its own. *leaf (or NULL) is where it stands. */
wt_err wt_audit_deed(wt_store *s, const struct wt_audit_event *e, uint8_t id[16], uint64_t *leaf);
#endif
