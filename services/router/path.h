/* path.h - the path of a token; each name is a file beside this one.
 *
 *      admit -> schedule -> embed -> [ attend -> gate -> place -> dispatch -> gather -> combine
 *      ] ->
 *      sample -> emit                 the part in brackets once per layer
 *
 * A step is the rows of many sequences that go through the model together. It is a state machine
 * (router.c): while its calls are away the loop serves messages, and goes on when the last reply
 * is home. Nothing here may let the numbers of a row depend on its neighbours, on who multiplied
 * it or on when (law 1): sums have one order (numbers.md N7), whatever arrives first. */
#ifndef WITAN_ROUTER_PATH_H
#define WITAN_ROUTER_PATH_H
#include "inside.h"

void router_admit(struct router *r, wt_msg *m);  /* 1 a submit becomes a sequence that waits, or an
                                                  *   event that says why not; takes m            */
void router_cancel(struct router *r, const wt_msg *m);
bool router_schedule(struct router *r);          /* 2 the rows of the next step; false: none */
wt_err router_embed(struct router *r);           /* 3 ids -> h */
wt_err router_attend(struct router *r);          /* 4 h += attention, and the dense FFN */
wt_err router_gate(struct router *r);            /* 5 h -> x, picks, weights; bad rows fail here */
/* 6 picks -> a live worker for each expert among them (b->goes), none of the set `not`; returns how
 * many experts nobody may take. Picks are numbers row * K + k, ascending. */
uint32_t router_place(struct router *r, const uint32_t *pick, uint32_t n, const uint32_t *not);
/* 7 picks -> calls on the bus, by b->goes. share NULL: each call is a share of its own; else the
 * calls are added to that attempt of the share. */
void router_dispatch(struct router *r, const uint32_t *pick, uint32_t n, struct share *share,
                     uint32_t attempt);
wt_err router_shared(struct router *r);          /*   meanwhile: the shared expert */
void router_gather(struct router *r, wt_msg *m); /* 8 a part of a reply comes home; takes m */
void router_watch(struct router *r);             /*   calls that are late, lost or without holder */
wt_err router_combine(struct router *r);         /* 9 h += trie + shared */
wt_err router_sample(struct router *r);          /* 10 head, then the next token of each sequence */
void router_emit(struct router *r);              /* 11 one message of events per gateway */
#endif
