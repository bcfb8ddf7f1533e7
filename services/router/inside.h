/* inside.h - what the files of this folder share. Times are microseconds of conf.clock. All is of
 * the thread that turns the router, but for what `lock` guards. */
#ifndef WITAN_ROUTER_INSIDE_H
#define WITAN_ROUTER_INSIDE_H
#include <pthread.h>
#include "batch.h"
#include "bus/outbox.h"

enum {
        MAX_GATEWAYS = 64,
        MAX_OWED = 64,                           /* calls that a worker may owe at one time */
        MAX_PICKS = 64,                          /* K */
        MAX_REFS = 1024,                         /* experts of a layer: expert.proto */
        N_USUAL = 14                             /* classes of call size: log2 of its rows */
};

/* A call that a worker has and has not ended, wanted or not: it holds credit until then. */
struct owed { uint64_t id, bytes, sent; uint32_t rows, n_home; };

enum peer_state { PEER_NONE, PEER_LIVE, PEER_DRAINS, PEER_GONE };
struct worker {
        enum peer_state state;
        bool late;                               /* owes a call for long: others go first */
        bool cut;                                /* a send failed; gone from the next watch on */
        bool silent;                             /* has nothing to do, and answers no ping */
        uint32_t peer; char name[65];
        uint64_t incarnation, epoch, heard, stamp;       /* stamp: of our last ping */
        uint64_t asked, pinged;                  /* while it has nothing to do: first ping since it
                                                  * was heard, last one */
        uint64_t credit_rows, credit_bytes, rows_out, bytes_out;
        uint32_t *holds;                         /* bits: layer * E + expert */
        struct owed owed[MAX_OWED]; uint32_t n_owed;
        struct wt_outbox out;                    /* at most outbox_bytes */
        uint32_t usual_us[N_USUAL];              /* smoothed time of a call, by size */
        uint64_t picks, calls;
};
struct gateway {
        enum peer_state state;
        bool cut;
        uint32_t peer; char name[65];
        uint64_t incarnation, epoch, stamp;
        struct wt_outbox out;                    /* at most outbox_bytes */
};

struct router {
        struct router_conf conf;
        const struct wt_compute_ops *ops;
        wt_compute *dev;
        const struct wt_shape *shape;
        struct wt_trunk *trunk;
        uint8_t revision[32];
        uint8_t (**variant)[32];                 /* (layers) -> (E); NULL for dense layers */
        uint32_t max_context, max_experts, max_picks;
        uint64_t now;                            /* the clock at the start of the turn */
        uint64_t last_id;                        /* of calls; epochs too: never given out twice */

        struct kv kv;
        struct seq *waiting, **waiting_tail; uint32_t n_waiting;
        struct seq **running; uint32_t n_running;        /* in order of admission */
        uint64_t expire_at;                      /* deadlines are looked at next */
        uint32_t next_decode;                    /* whose turn it is when a step cannot take all */

        struct worker *worker; uint32_t n_workers;       /* (MAX_WORKERS); slots ever used */
        struct gateway gateway[MAX_GATEWAYS];
        bool membership;                         /* who lives has changed: look again at calls that
                                                  * nobody could take */
        uint32_t n_pings; uint64_t ping_at;      /* of everybody, after a lost connection */
        uint64_t plan_version;                   /* how often it has changed */
        uint64_t policy_version;                 /* the newest that a control has spoken of */
        struct batch batch;

        bool draining, said_bye; uint64_t drain_until;
        struct router_numbers n, shown;          /* shown is guarded by lock */
        pthread_mutex_t lock;
};

/* batch.c */
wt_err router_batch_init(struct router *r);
void router_batch_fini(struct router *r);
wt_err router_sync(struct router *r);            /* queued work is done, spent replies freed */
void router_step_end(struct router *r);          /* to STEP_NONE; calls that are out are dropped */

/* seq.c */
struct seq *router_seq_find(struct router *r, const uint8_t request[16], uint32_t choice,
                            uint32_t prompt_index);
void router_fill(struct router *r);              /* admits those that wait, while there is room */
/* The last event of s, at once; s may be freed. Its rows leave the step; its pages are given back
 * after the step. */
void router_end(struct router *r, struct seq *s, enum wt_finish finish, wt_err code,
                const char *words);
/* The run of row leaves the step, as if it had not been scheduled: its sequence runs again from its
 * last committed token once workers have changed. c: the call that nobody can take. */
void router_put_back(struct router *r, const struct call *c, uint32_t row);
void router_unblock(struct router *r);           /* workers have changed: all try again */
void router_blocked(struct router *r);           /* ends those that wait longer than expert_wait */
void router_forget(struct router *r, struct seq *s);     /* the same without an event */
/* A sequence one of whose rows is no number any more ends; the others go on. After a sync. */
void router_fail_bad(struct router *r);
void router_expire(struct router *r);            /* ends what is past its deadline */
void router_reap(struct router *r);              /* frees what is over; only between steps */
void router_seqs_close(struct router *r);

/* peers.c: workers and gateways, who lives */
wt_err router_peers_init(struct router *r);
void router_peers_close(struct router *r);
void router_hello(struct router *r, const wt_msg *m);
void router_bye(struct router *r, const wt_msg *m);
void router_ping(struct router *r, wt_msg *m);   /* takes m */
void router_peers_lost(struct router *r);        /* a connection was cut: ping everybody */
void router_peers_check(struct router *r);       /* buries those whose sends failed */
struct worker *router_worker_of(struct router *r, uint32_t peer);
struct gateway *router_gateway_of(struct router *r, uint32_t peer);
void router_worker_gone(struct router *r, struct worker *w, const char *why);
void router_worker_ping(struct router *r, struct worker *w);
uint32_t router_missing(struct router *r);       /* experts without a live holder that answers */
void router_peers_idle(struct router *r);        /* do those that have nothing to do live? */
void router_say_bye(struct router *r);
static inline bool router_holds(const struct router *r, const struct worker *w, uint32_t layer,
                                uint32_t expert)
{
        uint32_t i = layer * r->max_experts + expert;

        return w->holds[i / 32] >> (i % 32) & 1;
}

/* post.c: messages on their way out */
void router_flush(struct router *r);
/* Both take m; false: the peer is cut. */
bool router_post_worker(struct router *r, struct worker *w, wt_msg *m);
bool router_post_gateway(struct router *r, struct gateway *g, wt_msg *m);
wt_msg *router_message(struct router *r, uint32_t peer, uint32_t method);
struct wt_bytes router_copy(wt_msg *m, const void *p, size_t n);      /* into the message's arena */

/* push.c: what gateways are told unasked */
void router_push_state(struct router *r, struct gateway *g);   /* drains, plan, policy */
void router_push_states(struct router *r);       /* to all */
void router_relay(struct router *r, const wt_msg *m);    /* a control's push, to all gateways */

/* calls.c: the shares of a layer */
struct call *router_call_find(struct router *r, uint64_t id);
void router_call_failed(struct router *r, struct call *c, wt_err code, const char *words);
void router_call_home(struct router *r, struct call *c);
bool router_call_send(struct router *r, struct call *c);      /* false: no credit, or cut */
void router_calls_drop(struct router *r);        /* all of the step: nobody wants them */
struct owed *router_owed_find(struct worker *w, uint64_t id);
void router_owed_end(struct worker *w, struct owed *o);
uint32_t router_size_class(uint32_t n_rows);             /* below N_USUAL */
uint64_t router_patience(const struct router *r, const struct worker *w, uint32_t n_rows);

/* event.c: one event outside a step */
void router_tell(struct router *r, uint32_t peer, const struct wt_event_msg *e);

/* trie.c: depth of the largest node around pick i of a row whose picks all are in the set `ours`
 * (bit j: pick j of the row). pick (k) ascending. */
uint32_t router_depth(uint32_t bits, const int32_t *pick, uint32_t k, uint64_t ours, uint32_t i);
#endif
