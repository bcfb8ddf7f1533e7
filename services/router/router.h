/* router.h - one base model's trunk: attention, gates, shared experts, head, KV pages. Token ids
 * come in from gateways, rows go out to workers, token ids go back. One thread owns it; compute
 * plugins have their own threads. No globals: several may live in one process. */
#ifndef WITAN_ROUTER_ROUTER_H
#define WITAN_ROUTER_ROUTER_H
#include <stdbool.h>
#include "base/clock.h"
#include "bus/bus.h"
#include "model/pack.h"

struct router_conf {                             /* all borrowed until close */
        const char *name;
        const struct wt_compute_ops *compute;
        const struct wt_place_ops *place;
        const struct wt_sample_ops *sample;
        const struct wt_host *host;
        wt_model *model;
        wt_bus *bus;                             /* bound */
        const struct wt_clock *clock;
        uint64_t kv_bytes;                       /* never exceeded; at least one page is needed */
        uint32_t step_rows, chunk, max_seqs;     /* of a step: rows, prompt rows of one sequence,
                                                  * sequences */
        uint32_t max_waiting, max_context;       /* max_context 0: the model's own */
        uint64_t expert_wait_us, hedge_after_us, drain_us;
        uint64_t outbox_bytes;                   /* kept for a peer that does not read; beyond, it
                                                  * is taken to be gone */
        bool (*stop_asked)(void *arg); void *stop_arg;   /* NULL: never */
        int stop_fd;                             /* readable when a stop is asked; -1: none */
};
struct router;

/* Uploads the trunk and logs what the KV pages hold. WT_EINVAL, WT_EEXHAUSTED: a setting that
 * cannot work, with the numbers. */
wt_err router_open(struct router **out, const struct router_conf *c);
/* One turn: messages, then as much of the step as can go on; sleeps at most max_us when there is
 * nothing to do. False once stopped and drained. */
bool router_turn(struct router *r, uint64_t max_us);
void router_run(struct router *r);               /* turns until then */
void router_close(struct router *r);             /* NULL is fine */

enum { ROUTER_STEP_BOUNDS = 12, ROUTER_MAX_WORKERS = 256 };
extern const double router_step_bounds[ROUTER_STEP_BOUNDS];      /* seconds */

struct router_worker_numbers { char name[65]; bool live, late; uint64_t picks, calls; };
struct router_numbers {
        uint64_t turns, steps, step_rows, tokens, prompt_tokens, submits, refused, cancelled;
        uint64_t failed, handed_back, calls, resends, hedges, hedges_won, calls_lost, replies_late,
                 bytes_out, bytes_in, idle_us, step_us, head_rows, put_back;
        uint64_t keys_refused, malformed, too_long, misnamed;    /* as the bus counts */
        uint64_t step_buckets[ROUTER_STEP_BOUNDS + 1];   /* not summed up; the last: beyond all */
        uint32_t running, waiting, pages_used, pages, page_bytes, gateways, n_workers;
        uint64_t plan_version, policy_version;   /* as pushed to gateways */
        uint32_t missing;                        /* experts without a live holder that answers */
        uint32_t max_context;
        bool draining;
        struct router_worker_numbers worker[ROUTER_MAX_WORKERS];
};
void router_numbers(struct router *r, struct router_numbers *out);     /* from any thread */
#endif
