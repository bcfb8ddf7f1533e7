/* bench_wave.h - one load of clients on a cluster, and what they saw. */
#ifndef WITAN_TOOLS_BENCH_WAVE_H
#define WITAN_TOOLS_BENCH_WAVE_H
#include "bench_client.h"

struct bench_wave {
        const struct bench_target *target;
        uint32_t clients;                        /* each asks again when it was answered */
        double rate;                             /* above 0: requests come by themselves, so many
                                                  * a second, with exponential gaps; clients is
                                                  * then the most at a time */
        uint32_t requests;
        /* results; times in seconds */
        double seconds;                          /* from the first ask to the last answer */
        uint64_t tokens;
        uint32_t answered, failed;
        double ttft[3], gap[3];                  /* p50, p95, p99 */
        double unfair;                           /* of clients that asked equally often: the
                                                  * largest distance of one's time from the mean,
                                                  * over the mean */
        uint32_t most_open;
        char why[200];                           /* of the first failure */
};
wt_err bench_wave_run(struct bench_wave *w);

/* n streams opened at once and held until their end. */
struct bench_streams {
        const struct bench_target *target;
        uint32_t n;
        /* Called before the first is opened (false), when every stream has begun, and at the first
         * end, when all of them hold all that they ever will (true). */
        void (*look)(void *arg, bool all_open); void *arg;
        /* results */
        uint32_t begun, answered, failed;
        double seconds;
        uint64_t tokens;
        double ttft[3], gap[3];
        uint32_t least, most;
        double mean; /* tokens of a stream between all begun and first end */
        char why[200];
};
wt_err bench_streams_run(struct bench_streams *s);
#endif
