/* batch.h - one step: the rows of many sequences on their way through the layers, and the expert
 * calls of the layer it is at. Each group of fields is written by the stage that is named.
 * Shapes: T rows of the step (at most step_rows), D width, K picks a row, E experts of a layer, V
 * vocabulary. Times are microseconds of the router's clock. What is not said to be borrowed is the
 * batch's: made by router_batch_init, or in its arena, which is emptied after each layer. */
#ifndef WITAN_ROUTER_BATCH_H
#define WITAN_ROUTER_BATCH_H
#include "router.h"
#include "seq.h"

enum phase { STEP_NONE, STEP_LAYER, STEP_AWAY };
enum { MAX_WORKERS = ROUTER_MAX_WORKERS, WORKER_WORDS = MAX_WORKERS / 32 };

/* A call is QUEUED while nobody lives who holds its experts, or while that worker's credit is
 * used up; OUT until its last reply part is HOME; DROPPED when its answer is no longer wanted. */
enum call_state { CALL_QUEUED, CALL_OUT, CALL_HOME, CALL_DROPPED };
struct call {
        struct call *next;                       /* of its share */
        struct share *share;
        uint32_t attempt;
        enum call_state state;
        int32_t worker;                          /* -1: no live holder */
        uint64_t id, epoch;                      /* of this sending */
        uint64_t since;                          /* sent, or queued */
        const uint32_t *pick; uint32_t n_picks;  /* row * K + k, ascending */
        uint32_t *row, n_rows;                   /* slot -> row of the step */
        uint32_t *depth;                         /* (picks) of the node that it becomes part of */
        struct wt_node *node; uint32_t n_nodes;  /* what the reply must hold, by slot */
        uint64_t bytes;
        wt_msg **part; uint32_t parts, n_home;   /* the reply; 0 parts: none yet */
};
/* Picks that went out together. They are done when one attempt has all its calls home: attempt 1 is
 * the hedge, sent to others while attempt 0 is late; whichever is whole first counts, with the same
 * bits. A lost call is replaced within its attempt. */
struct share {
        struct share *next;
        struct call *calls;
        const uint32_t *pick; uint32_t n_picks;
        uint32_t n_open[2];
        bool hedged, done;
        uint32_t winner;
        uint32_t refused[WORKER_WORDS];          /* workers that answered with an error */
};

enum head_want { HEAD_NONE, HEAD_DIGEST = 1, HEAD_SCORE = 2, HEAD_DRAW = 4 };

struct batch {
        enum phase phase;
        uint32_t layer;
        uint64_t started;

        /* schedule */
        uint32_t n_rows, n_runs;
        struct wt_run *runs; struct seq **seq;   /* (max_seqs) */
        uint8_t *back;                           /* (max_seqs) left the step: runs again later */
        uint32_t *run_of;                        /* (T) */
        int32_t *ids;                            /* (T) */
        /* embed, attend, gate */
        wt_buffer *h, *shared;                   /* (T, D) */
        float *x;                                /* (T, D) host-visible */
        int32_t *pick; float *weight;            /* (T, K) */
        uint8_t *bad;                            /* (T) became NaN or infinite */
        uint8_t *dead;                           /* (T) its sequence is over: not sent any more */
        /* place */
        uint32_t *all;                           /* (T * K) picks of the rows that are not dead */
        int32_t *goes;                           /* (E) worker, or -1 */
        uint32_t *item, *item_rows, *holder_first, *holder, *item_worker;
        void *place_state;
        /* dispatch, gather */
        struct wt_arena arena;                   /* calls of this layer */
        struct share *shares; uint32_t n_open;   /* shares that are not done */
        uint64_t away_since, away_span;          /* by the clock; for the trace, ns or 0 */
        /* combine */
        struct wt_node *node; const float **node_row;    /* (T * K) */
        uint32_t *node_at;                       /* (T + 1) */
        float *zero;                             /* (D) */
        wt_msg *spent;                           /* replies that the queued work may still read */
        /* sample */
        uint8_t *want;                           /* (T) enum head_want */
        uint32_t *head_row;                      /* (T) */
        float *logits; uint32_t logits_rows;     /* (logits_rows, V) host-visible */
        char *scratch; size_t scratch_each; uint32_t n_scratch;  /* one per thread */
        int32_t *out_id; double *out_logprob;    /* (T) */
        int32_t *out_top; double *out_top_logprob;       /* (T, MAX_TOP) */
};
#endif
