/* checkpoint_signer.h - signs the head of the log once a second when it has grown, and takes the
 * checkpoint to the witness. Of all gateways the one that holds the lease "audit-signer" does it,
 * on a thread with a store connection of its own. The log's key (KEYS/audit-log.key, 0600, its
 * public line beside it as .pub) is made by the first that holds the lease. */
#ifndef WITAN_AUDIT_CHECKPOINT_SIGNER_H
#define WITAN_AUDIT_CHECKPOINT_SIGNER_H
#include "audit/checkpoint_store.h"

struct wt_log_conf {
        const char *store; uint64_t timeout_ms;  /* URL, as wt_store_open takes it */
        const char *keys;                        /* folder */
        const char *epochs;                      /* folder of the epoch keys: what an erasure left
                                                  * undone (erase.h) is done here; "": not */
        const char *holder;                      /* name in the lease: one for each process */
        const char *witness;                     /* "HOST:PORT", or "": none */
        uint64_t every_ms;
        /* On the signer's thread, once when a trouble begins (words) and once when it is over
         * (""). rollback: the witness has cosigned more than the log has. NULL: nobody is told. */
        void (*said)(void *arg, bool rollback, const char *words);
        void *arg;
};
struct wt_log_state {
        uint64_t signed_rows, cosigned_rows;     /* of the newest checkpoint, and cosignature */
        uint64_t signed_us, cosigned_us;         /* when, monotonic; 0: never */
        bool holds_lease;
};

/* KEYS/audit-log.key, made when absent. */
wt_err wt_log_key(const char *keys, struct wt_signer *out);

/* One turn, on the caller's thread. What w keeps from turn to turn is all zeros at first. */
struct wt_log_turn {
        struct wt_lease lease;
        struct wt_signer key; bool has_key;
        struct wt_verifier witness; bool has_witness;
        struct wt_log_state state;
        uint64_t renewed_us, finished_us;        /* the lease; what erasures left; monotonic */
        bool rollback;
};
wt_err wt_log_turn(struct wt_log_turn *t, wt_store *s, const struct wt_log_conf *c);

typedef struct wt_log_signer wt_log_signer;
/* conf's strings are copied. The store need not be there yet. */
wt_err wt_log_signer_start(wt_log_signer **out, const struct wt_log_conf *c);
void wt_log_signer_state(wt_log_signer *s, struct wt_log_state *out);    /* any thread */
void wt_log_signer_stop(wt_log_signer *s);       /* a last turn, then joined; NULL is fine */
#endif
