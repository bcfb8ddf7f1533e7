/* drain.h - from the spool to the store, on a thread with a connection of its own: durable records
 * in order, each batch in one transaction that also stores how far this spool was drained, so that
 * a record is in the store once, whatever dies. A store that is away is waited for; a record that
 * it refuses is put aside with the reason (audit_quarantine) and a note, and the rest goes on.
 *
 * Tables (schema name "audit_drain"): audit_spools (spool, gateway, seq, time_us),
 * audit_open (requests whose intent is in the log and whose end is not: request, gateway, time_us,
 * tokens of the last mark, body of the intent), audit_quarantine (spool, seq, time_us, reason,
 * body). The rows themselves: table.h. Channel of changes: "audit".
 *
 * An intent without an end whose gateway died gets an "interrupted", with the tokens of its last
 * mark: of an earlier run of this gateway, once its spool is drained; of another gateway, by
 * whoever holds the lease "audit-sweeper", once that gateway's own lease has ended. */
#ifndef WITAN_AUDIT_DRAIN_H
#define WITAN_AUDIT_DRAIN_H
#include "audit/event.h"
#include "audit/spool.h"
#include "store/store.h"

/* In the transaction that takes them in: ends of requests (outcome, interrupted) that have not
 * been billed before. */
typedef wt_err (*wt_on_ends)(void *arg, wt_store *s, const struct wt_audit_event *ends,
                             uint32_t n);
struct wt_drain_conf {
        wt_spool *spool;
        const char *store_url; uint64_t timeout_ms;
        const char *gateway;
        uint64_t pause_ms;                       /* between two batches that are not full */
        uint64_t lease_ms;                       /* 0: 15 s */
        wt_on_ends ends;                         /* or NULL */
        /* In the transaction that writes it: what an interrupted request has cost by its tokens,
         * into e->cost_nano. NULL: nothing. */
        wt_err (*price)(void *arg, wt_store *s, struct wt_audit_event *e);
        /* On the drain's thread, once when a trouble begins (words) and once when it is over (""),
         * and for each record that is put aside. NULL: nobody is told. */
        void (*said)(void *arg, const char *id, const char *words);
        void *arg;
};
struct wt_drain_stats {
        uint64_t drained;                        /* last sequence that the store has */
        uint64_t rows, quarantined, interrupted, failures;
        uint64_t lag_us;                         /* how long something durable waits; 0: nothing */
};
typedef struct wt_drain wt_drain;

wt_err wt_drain_migrate(wt_store *s);            /* with the tables of table.h */
/* conf's strings are copied. The store need not be there yet. */
wt_err wt_drain_start(wt_drain **out, const struct wt_drain_conf *conf);
/* Drains what is left, for at most wait_ms, then joins. NULL is fine. */
void wt_drain_stop(wt_drain *d, uint64_t wait_ms);
void wt_drain_stats(wt_drain *d, struct wt_drain_stats *out);    /* any thread */
#endif
