/* inside.h - what the files of this folder share.
 * Shapes: D width, E experts of a layer, K picks of a row. Times are microseconds of conf.clock. */
#ifndef WITAN_EXPERT_INSIDE_H
#define WITAN_EXPERT_INSIDE_H
#include <pthread.h>
#include "bus/dial.h"
#include "bus/outbox.h"
#include "expert.h"

enum {
        MAX_JOBS = 256,                          /* calls that may be here at one time */
        OUTBOX_BYTES = 64 << 20,                 /* kept for a router that does not read */
        MESSAGES_A_TURN = 4096,                  /* read before the next call is served */
        DECODE_ROWS = 32,                        /* a call of so few rows goes before longer ones */
        DECODE_STREAK = 8                        /* ... but not more than so many in a row */
};

struct held {                                    /* one expert of one layer */
        bool here;
        uint8_t variant[32];
        struct wt_expert_weights w;
        size_t bytes;                            /* of its pack */
};

struct link {                                    /* one router */
        bool welcome, bye;
        bool cut;                                /* a send failed; given up in the next turn */
        struct wt_outbox out;
        uint64_t epoch;                          /* of the last welcome; calls repeat it */
        uint64_t hello_at, hello_every;          /* next hello, while not welcome */
        uint32_t rows;                           /* in flight from it */
        uint32_t n_jobs;
};

enum job_state { JOB_FREE, JOB_PARTS, JOB_READY };
struct job {                                     /* one call */
        enum job_state state;
        uint32_t peer, layer, parts, n_here, rows, picks;
        uint64_t call_id, epoch, since, deadline;
        uint64_t turn;                           /* order of arrival */
        wt_msg *part;                            /* ascending by part number */
};

/* The call being multiplied. Sized once, by max_rows. */
struct work {
        const struct wt_layer *layer;
        uint32_t bits;                           /* depth of a leaf in the trie of expert ids */
        uint32_t n_rows, n_picks, n_groups, n_nodes;
        float *x;                                /* (rows, D) host-visible */
        float *leaf;                             /* (picks, D) host-visible, by (slot, expert) */
        struct wt_pick *pick;                    /* (picks) by (slot, expert); row is the slot */
        uint32_t *first;                         /* (E + 1) of a group in the three below */
        uint32_t *row, *to; float *weight;       /* (picks) by expert: of x, of leaf, factor */
        struct wt_expert_weights *groups;        /* (E) */
        uint32_t *count;                         /* (E) */
        struct wt_node *in, *out;                /* (picks) leaves; nodes of the reply */
        const float **in_rows;                   /* (picks) */
        uint32_t *node_first;                    /* (picks + 1) first leaf of a node */
        uint8_t *bad;                            /* (rows) */
        uint32_t max_rows, max_picks;
};

struct expert {
        struct expert_conf conf;
        const struct wt_compute_ops *ops;
        wt_compute *dev;
        const struct wt_shape *shape;
        struct held **held;                      /* (layers) -> (E); NULL for dense layers */
        uint32_t n_held;
        bool assigned;                           /* more is held than the routers were told */
        uint64_t incarnation;
        uint64_t now;
        struct link link[WT_MOST_ROUTERS];
        struct job jobs[MAX_JOBS];
        uint64_t n_turns, arrivals;
        uint32_t streak;                         /* short calls served in a row */
        struct work work;
        bool draining; uint64_t drain_until;
        wt_err refusal;
        pthread_mutex_t lock;                    /* guards shown */
        struct expert_numbers n, shown;
};

/* shard.c */
wt_err expert_shard(struct expert *e, const char *spec);     /* marks held[][].here */
wt_err expert_map(struct expert *e);                         /* maps and uploads what is marked */

/* assign.c: a planner's Assign or Unassign, answered */
void expert_assign(struct expert *e, const wt_msg *m);

/* hello.c: who the routers are and what they were told */
void expert_hello(struct expert *e);                         /* says hello where it is due */
void expert_welcome(struct expert *e, const wt_msg *m);
void expert_router_bye(struct expert *e, const wt_msg *m);
void expert_say_bye(struct expert *e);
void expert_lost(struct expert *e);                          /* a connection was cut: hello again */

/* queue.c: calls that are here */
struct job *expert_job_find(struct expert *e, uint32_t peer, uint64_t call_id);
struct job *expert_job_new(struct expert *e, const wt_msg *m);       /* NULL: full */
void expert_job_free(struct expert *e, struct job *j);
struct job *expert_job_next(struct expert *e);               /* the one to multiply now, or NULL */
void expert_jobs_drop(struct expert *e, uint32_t peer);      /* all calls of a router */
void expert_cancel(struct expert *e, const wt_msg *m);

/* send.c */
void expert_send(struct expert *e, wt_msg *m);               /* to a router; takes m, whatever
                                                              * happens */
void expert_flush(struct expert *e);
wt_msg *expert_answer(struct expert *e, uint32_t peer, uint64_t call_id, uint64_t epoch);
/* Ends a call with the thread's last words (code != WT_OK). */
void expert_refuse(struct expert *e, uint32_t peer, uint64_t call_id, uint64_t epoch, wt_err code);
#endif
