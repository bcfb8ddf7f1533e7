/* clock.h - time as an argument: a table, so that tests turn it by hand. */
#ifndef WITAN_BASE_CLOCK_H
#define WITAN_BASE_CLOCK_H
#include <stdint.h>

struct wt_clock {
        uint64_t (*now_us)(void *arg);           /* monotonic; only differences mean anything */
        uint64_t (*wall_us)(void *arg);          /* since 1970-01-01 UTC */
        void *arg;
};
extern const struct wt_clock wt_clock_real;
static inline uint64_t wt_now_us(const struct wt_clock *c) { return c->now_us(c->arg); }
static inline uint64_t wt_wall_us(const struct wt_clock *c) { return c->wall_us(c->arg); }
#endif
