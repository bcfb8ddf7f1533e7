/* checkpoint_store.h - the log's checkpoints and their cosignatures in the store: tables
 * audit_checkpoints (size, time, note) and audit_cosignatures (size, witness, time, line), both
 * sealed. Migrations under the schema name "audit_checkpoints". */
#ifndef WITAN_AUDIT_CHECKPOINT_STORE_H
#define WITAN_AUDIT_CHECKPOINT_STORE_H
#include "audit/checkpoint.h"
#include "store/store.h"

wt_err wt_checkpoints_migrate(wt_store *s);
/* The newest one: its size and its note with all cosignatures appended to text (NULL: not wanted);
 * size 0 when there is none. cosigned: only those that have a cosignature. */
wt_err wt_checkpoints_newest(wt_store *s, bool cosigned, uint64_t *size, struct wt_buf *text);
/* One with all its cosignatures. WT_ENOTFOUND. */
wt_err wt_checkpoints_get(wt_store *s, uint64_t size, struct wt_buf *text);
/* Reads the tree's head and, when it has grown beyond the newest checkpoint, signs it and keeps
 * it; under the lease, which is checked in the same transaction. *size is that of the newest
 * checkpoint then. WT_EPRECONDITION: the lease is lost. */
wt_err wt_checkpoints_sign(wt_store *s, const struct wt_signer *key, const struct wt_lease *l,
                           uint64_t time_us, uint64_t *size);
/* Keeps a cosignature that is good: line as a witness gave it, over the checkpoint of this size. */
wt_err wt_checkpoints_cosign(wt_store *s, uint64_t size, const struct wt_verifier *witness,
                             const char *line, size_t len);
#endif
