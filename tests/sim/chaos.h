/* chaos.h - a transport over the in-process one that shuffles, repeats and drops by seed what a
 * router receives from workers, drops what it sends to them, and takes nothing for gateways. Set
 * `chaos` before a bus is opened. */
#ifndef WITAN_SIM_CHAOS_H
#define WITAN_SIM_CHAOS_H
#include "bus/bus.h"

struct chaos {
        uint64_t seed;
        uint32_t draws, drop_percent;            /* draws: 0 at the start */
        bool deaf;                               /* gateways' queues are full */
        uint64_t n_replies, n_overtook;          /* parts that came; those that passed another */
};
extern struct chaos chaos;
extern const struct wt_bus_ops chaos_bus;
#endif
