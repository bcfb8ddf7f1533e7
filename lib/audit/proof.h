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

/* The same as CSV (RFC 4180; control characters of a text are blanks, so that a row is a line): a
 * line of names, then a row of the kind "checkpoint", one for each event, and one of the kind
 * "end". Columns: what people read, then `checkpoint` (its size), `proof` (hashes in base64 with
 * blanks between) and `body` (base64), which is the encoded event, or of the first and last row the
 * first and last line of the other form. Everything but those three is a function of the body. */
wt_err wt_audit_export_csv(wt_store *s, const struct wt_audit_filter *f,
                           wt_err (*emit)(void *arg, const char *data, size_t len), void *arg,
                           uint64_t *n);

/* ---- its rows, for the two that read and write them ---- */
extern const char wt_proof_csv_head[];           /* with its end of line, as all of these */
struct wt_hash;
void wt_proof_csv_row(struct wt_buf *out, uint64_t size, uint64_t leaf, struct wt_bytes body,
                      const struct wt_hash *path, uint32_t n_path, const struct wt_audit_event *e);
/* The first (kind "checkpoint") or last ("end") row, which holds a line of the other form. */
void wt_proof_csv_edge(struct wt_buf *out, const char *kind, uint64_t size, const char *line,
                       size_t len);
/* Appends the line of the other form that this row (without its end of line) says, for the verifier
 * to look at: path and body as they are, the event made from the body. False: it is no row, or a
 * column says something else than its body; *leaf (or 0) is what it says of itself. */
bool wt_proof_csv_read(const char *row, size_t len, uint64_t size, uint64_t *leaf,
                       struct wt_buf *out);
#endif
