/* verify_walk.h - what the files of the verifier of a store share. */
#ifndef WITAN_AUDIT_VERIFY_WALK_H
#define WITAN_AUDIT_VERIFY_WALK_H
#include "audit/verify.h"

enum { PAGE = 256, UPPER = 8 };                  /* a page is what one tile of leaves covers */

/* A checkpoint that is signed as it should be. */
struct head { uint64_t size; struct wt_hash root; bool cosigned; };
/* Leaves that retention took, by its own account; `stated` once a note in the log says so. */
struct gone { int64_t day; uint64_t first, last; bool stated; };
struct node { uint32_t level; uint64_t index; struct wt_hash hash; };

struct walk {
        struct wt_verify *v;
        wt_store *store;
        struct head *head; uint32_t n_heads, head_cap, at_head;
        struct gone *gone; uint32_t n_gone, gone_cap;
        struct wt_frontier rows, tiles;          /* grown from bodies; from the stored leaves */
        struct wt_frontier stored;               /* the row of audit_tree */
        uint64_t end;                            /* leaves there must be */
        uint64_t next;                           /* the leaf that comes next */
        uint64_t good;                           /* all before it are proved by a checkpoint */
        struct wt_hash tile[PAGE]; uint32_t n_tile; uint64_t page_first;
        struct node up[UPPER]; uint32_t n_up;
        bool has_odd; uint64_t odd; char odd_request[37];        /* the first leaf whose body and
                                                                  * tile differ, not judged yet */
        struct wt_finding tree;                  /* the first trouble that is no row's */
        bool has_range; uint64_t range, range_last;      /* the first node above the leaves that is
                                                          * not what the rows give */
        struct wt_arena arena;                   /* of one row */
        struct wt_buf scratch;
};

/* The first finding stays. Returns WT_ECANCELLED, which ends a query. */
int walk_found(struct walk *w, enum wt_wrong wrong, uint64_t leaf, uint64_t last,
               const char *request, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* Trouble with the tree's own rows: told only when the rows are good. */
void walk_tree(struct walk *w, enum wt_wrong wrong, uint64_t leaf, const char *fmt, ...)
        __attribute__((format(printf, 4, 5)));
/* verify_head.c: checkpoints, the row audit_tree, what retention took. */
wt_err walk_heads(struct walk *w);
wt_err walk_gone(struct walk *w);
/* A note that says what retention took of a day; and: marks the ranges that it states. */
bool is_retention(const struct wt_audit_event *e);
void gone_stated(struct gone *gone, uint32_t n, int64_t day, const char code[64]);
/* verify_row.c: one row against its columns; WT_ECANCELLED: found. */
int walk_row(void *arg, const struct wt_value *column, uint32_t n);
/* Leaf `next` has this hash by its body (NULL: no row); judges where a checkpoint ends. */
int walk_leaf(struct walk *w, const struct wt_hash *body, const char *request);
int walk_gap(struct walk *w, uint64_t to);       /* leaves without rows up to to */
#endif
