/* times.c - see times.h. A bucket is an octave's 128th part; below 128 ns each ns has its own. */
#include "times.h"
#include <math.h>
#include <time.h>

uint64_t times_now(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint32_t bucket_of(uint64_t ns)
{
        uint32_t shift = 0, at;

        while (ns >> shift >= 2 * TIMES_STEPS)
                shift++;
        at = shift * TIMES_STEPS + (uint32_t)(ns >> shift);
        return at < TIMES_OCTAVES * TIMES_STEPS ? at : TIMES_OCTAVES * TIMES_STEPS - 1;
}

/* The middle of a bucket. */
static double value_of(uint32_t b)
{
        uint32_t shift = b < 2 * TIMES_STEPS ? 0 : b / TIMES_STEPS - 1;
        double low = (double)(b - shift * TIMES_STEPS);

        return ldexp(shift == 0 ? low : low + .5, (int)shift);
}

void times_add(struct times *t, uint64_t ns)
{
        t->n++;
        t->sum += ns;
        t->max = ns > t->max ? ns : t->max;
        t->bucket[bucket_of(ns)]++;
}

double times_us(const struct times *t, double part)
{
        uint64_t rank = (uint64_t)ceil(part * (double)t->n), n = 0;

        for (uint32_t b = 0; t->n > 0 && b < TIMES_OCTAVES * TIMES_STEPS; b++)
                if ((n += t->bucket[b]) >= rank && n > 0)
                        return value_of(b) / 1e3;
        return 0;
}

void times_json(const struct times *t, const char *name, struct wt_buf *out)
{
        wt_buf_json_key(out, name);
        wt_buf_fmt(out, "{\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"mean\":%.1f,"
                   "\"max\":%.1f}", times_us(t, .5), times_us(t, .9), times_us(t, .99),
                   times_us(t, .999), t->n > 0 ? (double)t->sum / (double)t->n / 1e3 : 0,
                   (double)t->max / 1e3);
}
