/* pool.h - a pool of threads that sleep. wt_pool_run spreads [0, n) over the calling thread and the
 * pool's; idle threads spin at most 20 us, then sleep on a futex. */
#ifndef WITAN_BASE_POOL_H
#define WITAN_BASE_POOL_H
#include <stdint.h>
#include "base/allowance.h"
#include "base/err.h"

typedef struct wt_pool wt_pool;

/* n_threads counts the caller: 1 makes no thread. 0: as many as this process may run (affinity and
 * cgroup cpu.max). Each thread checks the floating-point ground at start (numbers.md N1). */
wt_err wt_pool_new(wt_pool **out, uint32_t n_threads);
void wt_pool_free(wt_pool *p);
/* From now on each thread holds a core of a (borrowed until the free) while it works; fewer help
 * where others hold the rest. Before the first run, a not shared with another pool. */
void wt_pool_within(wt_pool *p, wt_allowance *a);
uint32_t wt_pool_threads(const wt_pool *p);
/* Runs body(arg, i) for each i in [0, n) once and returns when all are done. Called by one thread
 * at a time. Allocates nothing. */
void wt_pool_run(wt_pool *p, uint32_t n, void (*body)(void *arg, uint32_t i), void *arg);
/* Cores this process may use: the least of affinity and cgroup v2 cpu.max, at least 1. */
uint32_t wt_cores_allowed(void);
/* The same from n cores, a /proc/PID/cgroup file and the folder where cgroup v2 is mounted. */
uint32_t wt_cores_in_cgroup(const char *self, const char *mount, uint32_t n);
/* N1: nearest-even, no FTZ, no DAZ on the calling thread. WT_EPRECONDITION in words otherwise. */
wt_err wt_float_ground(void);
#endif
