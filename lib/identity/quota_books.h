/* quota_books.h - what the gateway's thread and the leasing thread share; for this folder only. */
#ifndef WITAN_IDENTITY_BOOKS_H
#define WITAN_IDENTITY_BOOKS_H
#include <pthread.h>
#include "identity/quota.h"

enum { N_ACCOUNTS = 4096 };                      /* buckets */

/* One limit of one scope in one window. */
struct account {
        char scope[WT_SCOPE_NAME];
        enum wt_limit limit;
        int64_t window, most;                    /* most: the limit */
        int64_t balance;                         /* leased and neither charged nor used */
        int64_t charged;                         /* by tickets that are held */
        int64_t want;                            /* what waiting tickets need, while it is summed */
        int64_t largest;                         /* charge since the last turn: what to keep */
        int64_t lately, pace;                    /* charged in this turn of the thread so far, and
                                                  * in the last one; of slots the most held at one
                                                  * time */
        int64_t left;                            /* the store's remainder when last asked */
        /* Of asking the store: last that tickets wait for, on its way, answered. */
        uint64_t round_asked, round_sent, round_done;
        wt_err round_err;                        /* how round_done ended */
        bool elsewhere;                          /* other gateways held some of it then */
        uint64_t busy_us, answered_us;           /* last time anybody was here; of round_done */
        struct account *next;
};

struct wt_quota {
        struct wt_quota_conf conf;
        char gateway[65];
        pthread_mutex_t lock;                    /* of all below but the store */
        pthread_cond_t work;
        struct account *bucket[N_ACCOUNTS];
        struct wt_ticket *waiting, **waiting_tail;
        bool stop, asked;
        /* The lease that balances and charges belong to. From valid_us on (monotonic) it may have
         * ended; lost: it is given up, and the store is not told yet. */
        uint64_t lease, valid_us;
        bool lost;
        int fd;
        pthread_t thread;
        wt_store *store;                         /* the thread's, and: */
        int64_t since_us;                        /* when the lease began (wall): its name there */
};

/* One errand to the store: give > 0 returns, otherwise need (and up to block) is asked for. */
struct errand {
        struct account *account;                 /* stays: only the thread removes accounts */
        char scope[WT_SCOPE_NAME];
        enum wt_limit limit;
        int64_t window, most, need, block, give;
        uint64_t round;
        int64_t got, left; bool elsewhere;       /* out */
};
/* quota.c, lock held: want of every account, from the tickets that wait. */
void quota_sum(wt_quota *q);
/* quota.c, lock held: all that is held belongs to a lease that is over. */
void quota_lose(wt_quota *q);
/* quota_lease.c: all errands in one transaction; and the lease's end moved on. *anew: the lease had
 * ended, or was lost; instead, what the store still has of it came back and a new one began. */
wt_err quota_run(wt_quota *q, struct errand *e, uint32_t n, bool lost, bool *anew);
wt_err quota_renew(wt_quota *q, bool lost, bool *anew);
/* What a gateway held that is not running. */
wt_err quota_give_all(wt_store *s, const char *gateway);
void *quota_thread(void *arg);                   /* quota_thread.c */
#endif
