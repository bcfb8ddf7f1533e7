/* quota.h - how much is left, for one gateway among several. A request is charged before it is
 * dispatched (prompt and max_tokens, one request, one slot) and settled when it ends. A gateway
 * charges its own balances, which it leases in blocks from the store: a block is debited there
 * before it is granted here, so that all gateways together never grant more than the limit. Blocks
 * shrink to one charge near the limit, unused balance goes back, and what a dead gateway held
 * comes back when its lease ends (by the database's clock). One that lives, but was stopped or away
 * from the store for as long, has lost all it held: its balances are nothing, what tickets of that
 * lease did not use is in the store already, and it begins a new lease. What such tickets do use is
 * above what the store gave away meanwhile; nothing else is.
 *
 * What was used is booked by wt_quota_bill, in the transaction that takes the outcome out of the
 * audit spool: counters and log agree whatever dies.
 *
 *      quota_counters.granted = booked + the sum of quota_leases.amount      (per scope and window)
 *      a lease's amount       = balance + charged + used but not yet booked  (of its gateway)
 */
#ifndef WITAN_IDENTITY_QUOTA_H
#define WITAN_IDENTITY_QUOTA_H
#include <stdbool.h>
#include "identity/identity.h"
#include "store/store.h"

enum { WT_SCOPES = 3, WT_SCOPE_NAME = 144 };
struct wt_scope { char name[WT_SCOPE_NAME]; struct wt_limits limits; };  /* "key:ID", "team:T/ID",
                                                                          * "tenant:ID" */
/* The scopes of who, those without any limit left out; returns how many. */
uint32_t wt_scopes_of(const struct wt_who *who, struct wt_scope scope[WT_SCOPES]);

/* Of each limit, how much. Concurrency is given back by settle, the others are used up. */
struct wt_charge { int64_t n[WT_N_LIMITS]; };

enum wt_ticket_state { WT_TICKET_NONE, WT_TICKET_WAITS, WT_TICKET_HELD, WT_TICKET_OVER };
/* A request's place in the books; the caller's memory, zeroed, not moved until it is over. */
struct wt_ticket {
        struct wt_scope scope[WT_SCOPES]; uint32_t n_scopes;
        struct wt_charge charge;
        uint64_t time_us;                        /* wall time of the request: names its windows */
        void *user;
        enum wt_ticket_state state;
        wt_err err;                              /* once decided: WT_OK, WT_EEXHAUSTED (a limit),
                                                  * WT_EUNAVAILABLE (the store is away) */
        uint32_t why_scope; enum wt_limit why;   /* which limit, and: */
        int64_t why_left;                        /* how much of it is left; may be above 0 */
        uint64_t retry_s;                        /* seconds until its window ends; 0: none */
        uint64_t round[WT_SCOPES][WT_N_LIMITS];
        bool asked_again;                        /* others held some of what it lacked */
        uint64_t lease;                          /* which one of its gateway it was charged to */
        struct wt_ticket *next, *prev;
};

typedef struct wt_quota wt_quota;
struct wt_quota_conf {
        const char *store_url; uint64_t timeout_ms;
        const char *gateway;                     /* name; who starts under that of a dead one gives
                                                  * its leases back first */
        uint64_t lease_ms;                       /* 0: 30 s */
        /* From wt_quota_turn: a waiting ticket was decided (see err). */
        void (*decided)(void *arg, struct wt_ticket *t);
        void *arg;
};
wt_err wt_quota_migrate(wt_store *s);
wt_err wt_quota_open(wt_quota **out, const struct wt_quota_conf *conf);
void wt_quota_close(wt_quota *q);                /* gives balances back */

/* All calls below: one thread. */

/* WT_OK: charged. WT_EAGAIN: the store is asked; decided is called. WT_EEXHAUSTED: a charge that
 * is above the limit itself. */
wt_err wt_quota_ask(wt_quota *q, struct wt_ticket *t);
/* A waiting one whose client left. */
void wt_quota_withdraw(wt_quota *q, struct wt_ticket *t);
/* used: what it came to; what was charged beyond goes back to the balance. More than was charged
 * is taken as well. */
void wt_quota_settle(wt_quota *q, struct wt_ticket *t, const struct wt_charge *used);
int wt_quota_fd(const wt_quota *q);              /* readable: call turn */
void wt_quota_turn(wt_quota *q);
/* The tightest limits that t met, for x-ratelimit-* headers; left counts this gateway's view:
 * the store's remainder when last asked, plus its own balance. False: no such limit. */
bool wt_quota_left(wt_quota *q, const struct wt_ticket *t, enum wt_limit l, int64_t *limit,
                   int64_t *left, uint64_t *reset_s);

/* In the caller's transaction: usage of a request that ended. gateway: whose lease it was. time_us:
 * when it came, of several the first. */
wt_err wt_quota_bill(wt_store *s, const char *gateway, const char *const *scopes, uint32_t n_scopes,
                     uint64_t time_us, const struct wt_charge *used);
/* Every limit of a tenant, a team or a key that is not revoked, as the store knows it now. used:
 * booked in the window that runs; leased: with gateways, charged or kept by them; left: not used
 * (of concurrency: not leased). scope: only this one; NULL: all. WT_ENOTFOUND. */
struct wt_quota_line {
        char scope[WT_SCOPE_NAME];
        enum wt_limit limit;
        int64_t most, used, leased, left;
        uint64_t reset_s;                        /* until the window ends; 0: it has none */
};
wt_err wt_quota_report(wt_store *s, const char *scope,
                       void (*each)(void *arg, const struct wt_quota_line *q), void *arg);
/* The window of a limit that holds that time, and seconds from then to its end (0: none). */
int64_t wt_quota_window(enum wt_limit l, uint64_t time_us, uint64_t *left_s);
#endif
