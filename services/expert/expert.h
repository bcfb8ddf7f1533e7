/* expert.h - a worker: holds routed experts, read-only, and multiplies the rows that routers send.
 * One thread owns it; the compute plugin has its own threads. No globals: several may live in one
 * process. */
#ifndef WITAN_EXPERT_EXPERT_H
#define WITAN_EXPERT_EXPERT_H
#include <stdbool.h>
#include "base/clock.h"
#include "bus/bus.h"
#include "model/pack.h"

struct expert_conf {                             /* all borrowed until close */
        const char *name;                        /* as in the routers' allow-list */
        const char *shard;                       /* "*", or "1-5:0-7,2:9": layers:experts */
        const struct wt_compute_ops *compute;
        const struct wt_host *host;
        wt_model *model;
        wt_bus *bus;                             /* connected: peers 0 .. n_routers-1 are routers;
                                                  * further ones, if it is bound, planners */
        uint32_t n_routers;
        const struct wt_clock *clock;
        uint64_t drain_us;                       /* how long queued work may go on after a stop */
        uint32_t max_rows;                       /* rows in flight from one router; 0: as many as
                                                  * 256 MiB of work area hold, at most 4,096 */
        bool (*stop_asked)(void *arg); void *stop_arg;   /* NULL: never */
        int stop_fd;                             /* readable when a stop is asked; -1: none */
};
struct expert;

/* Maps and uploads what the shard names, nothing else. WT_EINVAL: a shard that names no expert of
 * this model, in words. */
wt_err expert_open(struct expert **out, const struct expert_conf *c);
/* One turn of the loop: messages, then at most one call; sleeps at most max_us when idle. False
 * once the worker has drained, or a router refused it for good. */
bool expert_turn(struct expert *e, uint64_t max_us);
/* Turns until stopped and drained. WT_EPRECONDITION: a router has another model or profile. */
wt_err expert_run(struct expert *e);
void expert_close(struct expert *e);             /* NULL is fine */

struct expert_numbers {
        uint64_t turns, calls, rows, picks, nodes, refused, cancelled, dropped, compute_us;
        uint64_t bytes_in, bytes_out, bytes_mapped,
                 malformed, too_long;            /* messages that the bus dropped */
        uint32_t held, queued, routers_known, routers;
        bool draining;
};
void expert_numbers(struct expert *e, struct expert_numbers *out);    /* from any thread */
#endif
