/* tree.h - the Merkle log's state in the store: its right edge, and tiles of hashes, so that a
 * proof reads O(log n) rows. Tables audit_tree (one row: size, frontier) and audit_tiles (level,
 * index, up to 256 hashes). Migrations under the schema name "audit_tree". */
#ifndef WITAN_AUDIT_TREE_H
#define WITAN_AUDIT_TREE_H
#include "audit/merkle.h"
#include "store/store.h"

wt_err wt_tree_migrate(wt_store *s);
/* In the caller's transaction: takes the log's one lock (the row of audit_tree), appends n leaves,
 * *first is the index of the first. Whoever inserts rows does it in the same transaction. */
wt_err wt_tree_add(wt_store *s, const struct wt_hash *leaf, uint32_t n, uint64_t *first);
/* In the caller's transaction or outside: size and root as they are now. */
wt_err wt_tree_head(wt_store *s, uint64_t *size, struct wt_hash *root);
/* For wt_merkle_inclusion and _consistency; arg is the wt_store. */
wt_err wt_tree_get(void *s, uint32_t level, uint64_t index, struct wt_hash *out);
#endif
