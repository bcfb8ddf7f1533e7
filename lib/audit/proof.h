/* proof.h - the log in a file that proves itself: NDJSON, first a line with a cosigned checkpoint,
 * then one line an event, with its path to the checkpoint's root, then a line that says that this
 * was all. verify.h reads it; docs/audit.md says how anybody else can. */
#ifndef WITAN_AUDIT_PROOF_H
#define WITAN_AUDIT_PROOF_H
#include "audit/query.h"

/* Writes the events that f lets through (its limit and after are not looked at) and that the
 * newest cosigned checkpoint covers; without a cosigned one, the newest signed. emit gets whole
 * lines; not WT_OK stops. Without a filter the export is complete: no leaf may be missing but
 * those that retention took, which its last line lists. *n: events written.
 * WT_EPRECONDITION: there is no checkpoint yet. */
wt_err wt_audit_export(wt_store *s, const struct wt_audit_filter *f,
                       wt_err (*emit)(void *arg, const char *data, size_t len), void *arg,
                       uint64_t *n);
#endif
