/* drain_impl.h - the drain's inside, for drain*.c alone. */
#ifndef WITAN_AUDIT_DRAIN_IMPL_H
#define WITAN_AUDIT_DRAIN_IMPL_H
#include <pthread.h>
#include "audit/drain.h"

enum { BATCH_RECORDS = 512, BATCH_BYTES = 4 << 20, REASON = 400 };

struct item {
        uint64_t seq;
        size_t at, len;                          /* in bytes */
        struct wt_audit_event e;
        bool bad, ends, was_open;                /* not for the log; an end; its intent was there */
        char reason[REASON];                     /* of a bad one */
};

struct wt_drain {
        struct wt_drain_conf conf;
        char *url, *gateway, lease_name[64];
        wt_store *store;
        bool migrated, in_trouble, full;
        uint64_t begun_seq;                      /* what the spool held when this run began */
        bool swept;                              /* the earlier run's intents have their ends */
        bool alone;                              /* no other that lives has this gateway's name */
        uint64_t renewed_us, swept_us;           /* monotonic */
        struct wt_lease lease, sweeper;

        struct wt_buf bytes;                     /* a batch */
        struct item item[BATCH_RECORDS]; uint32_t n, limit;      /* limit: records of the next */
        struct wt_arena arena;
        uint64_t seq;                            /* the store has all up to this one */

        pthread_t thread;
        pthread_mutex_t lock;                    /* guards what follows */
        bool stopping; uint64_t stop_at_us;
        uint64_t waits_since_us;                 /* monotonic; 0: nothing durable waits */
        struct wt_drain_stats stats;
};

/* drain_batch.c: one batch. WT_EAGAIN: nothing durable waits. */
wt_err drain_batch(struct wt_drain *d);
/* drain_open.c: in the caller's transaction */
wt_err drain_open_keep(struct wt_drain *d, wt_store *s); /* intents without an end, marks */
wt_err drain_open_end(struct wt_drain *d, wt_store *s);  /* ends: sets was_open */
/* drain_sweep.c: earlier runs and dead gateways. */
wt_err drain_sweep(struct wt_drain *d);
/* The name of a gateway's lease: a hash, for it has less room than the gateway's own. */
void drain_lease_of(const char *gateway, char out[64]);
#endif
