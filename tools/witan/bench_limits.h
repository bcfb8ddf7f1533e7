/* bench_limits.h - what this machine can read and multiply: the two limits that every benchmark is
 * held against, measured in the same run. */
#ifndef WITAN_TOOLS_BENCH_LIMITS_H
#define WITAN_TOOLS_BENCH_LIMITS_H
#include <stddef.h>
#include "base/pool.h"

struct bench_limits;

/* Seconds by the wall, and of this process's threads together over their number: what the wall
 * would have shown if nobody else had wanted the cores. Time in which threads of ours wait is not
 * in it. */
struct bench_time { double wall, cpu; };
struct bench_watch { double wall, cpu; };
void bench_watch_start(struct bench_watch *w);
struct bench_time bench_watch_read(const struct bench_watch *w, uint32_t threads);

/* Takes `most` bytes of memory, in huge pages where the system has them. */
wt_err bench_limits_open(struct bench_limits **out, size_t most);
void bench_limits_close(struct bench_limits *l);
/* Seconds a byte of a loop that reads the same `bytes` (at most those of open) again and again, as
 * a model is read token after token: what fits into a cache comes out of the cache. Seconds a
 * multiply-add of chains that touch no memory, `wide` floats at a time (0: as wide as this
 * processor's registers, which is the most). By all threads of the pool (NULL: the calling one);
 * some tens of milliseconds each. */
struct bench_time bench_read_time(struct bench_limits *l, wt_pool *pool, double bytes);
struct bench_time bench_fma_time(struct bench_limits *l, wt_pool *pool, unsigned wide);
/* The width of this processor's registers, in floats. */
unsigned bench_fma_lanes(void);
#endif
