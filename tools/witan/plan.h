/* plan.h - which processes a cluster on one machine has, under which names, keys and ports, and
 * which experts each worker holds. The one planner of such a cluster. */
#ifndef WITAN_TOOLS_PLAN_H
#define WITAN_TOOLS_PLAN_H
#include "base/buf.h"
#include "cluster.h"
#include "model/shape.h"
#include "verb.h"

struct plan {
        struct cluster cluster;
        struct wt_buf routers_at;                /* with commas; freed by plan_fini */
        char bin[4096];                          /* folder of the programs; set by the caller */
        const struct wt_shape *shape;            /* borrowed */
        uint32_t n_experts, replicas;            /* workers; holders of each, 0: all may */
        int port[MAX_PROCESSES * 4 + 8]; uint32_t n_ports;       /* sockets that keep ports */
};

/* Fills cluster.processes (pids 0), endpoints and routers_at. Default ports that are taken are
 * replaced by free ones; ports that were named stay, so that the process says that they are
 * taken. */
wt_err plan_make(struct plan *p, const struct call *c, const struct wt_shape *shape);
void plan_fini(struct plan *p);
/* --shard of worker i: '*', or items of whole layers with equal ranges. out grows. */
void plan_shard(const struct plan *p, uint32_t worker, struct wt_buf *out);
/* On 127.0.0.1, and kept for the plan until its fini: a socket of ours is bound to it without
 * listening, so that nobody is given it for the asking, while a process that is told to binds and
 * listens there (as ZeroMQ and lib/net do, with SO_REUSEADDR). -1: there is none. */
int plan_free_port(struct plan *p);
/* HOST:PORT, or what stands in its place, is this plan's until its fini as far as any other witan
 * up of this host is concerned, which asks here first: of two that start at the same moment one
 * has it, although nobody listens yet. False: another one has it. */
bool plan_reserve(struct plan *p, const char *address);
#endif
