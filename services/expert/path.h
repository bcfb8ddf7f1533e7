/* path.h - the path of an expert call; each name is a file beside this one.
 *
 *      take -> sort -> multiply -> unsort -> give
 *
 * A call is a pure function of what it carries (law 2): nothing of one call is kept for the
 * next, and a call may be refused, dropped or sent twice at any time without harm. */
#ifndef WITAN_EXPERT_PATH_H
#define WITAN_EXPERT_PATH_H
#include "inside.h"

void expert_take(struct expert *e, wt_msg *m);   /* 1 a part arrives: checked, collected; takes m */
void expert_sort(struct expert *e, const struct job *j);     /* 2 picks by (row, expert) -> groups
                                                              *   of one expert */
wt_err expert_multiply(struct expert *e);        /* 3 leaf = weight * expert(row), whole call */
void expert_unsort(struct expert *e);            /* 4 leaves -> the trie nodes that are asked for */
wt_err expert_give(struct expert *e, const struct job *j);   /* 5 nodes summed into the reply's
                                                              *   frames, sent in parts */
#endif
