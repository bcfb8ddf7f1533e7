#include "base/clock.h"
#include "plugin/plugin.h"

static uint64_t host_now_us(void) { return wt_now_us(&wt_clock_real); }

static void host_parallel(void *pool, uint32_t n, void (*body)(void *arg, uint32_t i), void *arg)
{
        if (pool) {
                wt_pool_run(pool, n, body, arg);
                return;
        }
        for (uint32_t i = 0; i < n; i++)
                body(arg, i);
}

void wt_host_init(struct wt_host *h, wt_pool *pool)
{
        *h = (struct wt_host){.size = sizeof *h,
                              .fail = wt_fail,
                              .now_us = host_now_us,
                              .parallel = host_parallel,
                              .pool = pool,
                              .n_threads = pool ? wt_pool_threads(pool) : 1};
}
