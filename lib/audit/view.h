/* view.h - an event as JSON, for people and for the lines of an export. A function of the event
 * alone: a verifier makes it again and compares. */
#ifndef WITAN_AUDIT_VIEW_H
#define WITAN_AUDIT_VIEW_H
#include "audit/event.h"

/* Appends an object: the fields of audit.proto in their order, absent ones left out; request as a
 * UUID, kind by name, other bytes in hex; of `sealed` only its length, "sealed_bytes". */
void wt_audit_event_json(const struct wt_audit_event *e, struct wt_buf *out);
#endif
