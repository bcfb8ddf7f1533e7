/* merkle.h - a Merkle log by RFC 6962 (section 2.1): hashing, growing, proofs. Pure; SHA-256.
 * leaf = H(0x00 || bytes), node = H(0x01 || left || right), the empty log's root = H(""). */
#ifndef WITAN_AUDIT_MERKLE_H
#define WITAN_AUDIT_MERKLE_H
#include <stdbool.h>
#include "base/err.h"

struct wt_hash { uint8_t b[32]; };
enum { WT_MERKLE_DEEP = 63 };

void wt_merkle_leaf(const void *bytes, size_t len, struct wt_hash *out);
void wt_merkle_node(const struct wt_hash *l, const struct wt_hash *r, struct wt_hash *out);

/* The right edge of a log of `size` leaves: the roots of its perfect subtrees, largest first
 * (popcount(size) of them). All that growing needs. */
struct wt_frontier { uint64_t size; struct wt_hash hash[WT_MERKLE_DEEP]; };
/* on_node (or NULL) is told each perfect subtree that became complete: level 0 is a leaf; index
 * counts subtrees of that level from the left. */
void wt_merkle_add(struct wt_frontier *f, const struct wt_hash *leaf,
                   void (*on_node)(void *arg, uint32_t level, uint64_t index,
                                   const struct wt_hash *h), void *arg);
void wt_merkle_root(const struct wt_frontier *f, struct wt_hash *out);

/* Proofs. get fetches the hash of a complete perfect subtree. path: at most WT_MERKLE_DEEP. */
typedef wt_err (*wt_merkle_get)(void *arg, uint32_t level, uint64_t index, struct wt_hash *out);
wt_err wt_merkle_inclusion(uint64_t index, uint64_t size, wt_merkle_get get, void *arg,
                           struct wt_hash *path, uint32_t *n);
wt_err wt_merkle_consistency(uint64_t old_size, uint64_t size, wt_merkle_get get, void *arg,
                             struct wt_hash *path, uint32_t *n);
bool wt_merkle_included(const struct wt_hash *leaf, uint64_t index, uint64_t size,
                        const struct wt_hash *path, uint32_t n, const struct wt_hash *root);
bool wt_merkle_consistent(uint64_t old_size, const struct wt_hash *old_root, uint64_t size,
                          const struct wt_hash *root, const struct wt_hash *path, uint32_t n);
#endif
