#include "base/clock.h"
#include <stddef.h>
#include <time.h>

static uint64_t read_us(clockid_t id)
{
        struct timespec t;

        clock_gettime(id, &t);
        return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static uint64_t now_us(void *arg) { (void)arg; return read_us(CLOCK_MONOTONIC); }
static uint64_t wall_us(void *arg) { (void)arg; return read_us(CLOCK_REALTIME); }

const struct wt_clock wt_clock_real = { .now_us = now_us, .wall_us = wall_us, .arg = NULL };
