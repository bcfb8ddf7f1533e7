/* arena.h - memory with one lifetime: many allocations, one reset. Not thread safe. */
#ifndef WITAN_BASE_ARENA_H
#define WITAN_BASE_ARENA_H
#include <stddef.h>

struct wt_arena_block;
/* All zeros is a valid empty arena. */
struct wt_arena { struct wt_arena_block *head, *at; size_t used, block_bytes; };

/* The first block is taken now, so that a warm arena never allocates; 0: on first use (64 KiB). */
void wt_arena_init(struct wt_arena *a, size_t block_bytes);
void wt_arena_fini(struct wt_arena *a);
/* Zeroed, 64-byte aligned when bytes >= 64, else 16. Never NULL: wt_out_of_memory
 * (callers bound what they ask for by limits checked before). */
void *wt_arena_take(struct wt_arena *a, size_t bytes);
/* The same, for what a peer's bytes make large: NULL when memory is gone. */
void *wt_arena_try(struct wt_arena *a, size_t bytes);
#define WT_ARENA_NEW(a, type) ((type *)wt_arena_take((a), sizeof(type)))
#define WT_ARENA_ARRAY(a, type, n) ((type *)wt_arena_take((a), sizeof(type) * (size_t)(n)))
char *wt_arena_str(struct wt_arena *a, const char *s, size_t len);     /* copies, adds NUL */
char *wt_arena_fmt(struct wt_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void wt_arena_reset(struct wt_arena *a);         /* keeps the blocks */
size_t wt_arena_bytes(const struct wt_arena *a); /* of all its blocks, used or not */
#endif
