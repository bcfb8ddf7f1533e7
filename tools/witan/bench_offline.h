/* bench_offline.h - what witan bench offline measures, and how it is told. */
#ifndef WITAN_TOOLS_BENCH_OFFLINE_H
#define WITAN_TOOLS_BENCH_OFFLINE_H
#include "bench.h"
#include "bench_direct.h"
#include "bench_limits.h"

enum { MOST_ROUNDS = 99 };

/* What is run; each in every round. */
enum bench_load { LOAD_DECODE, LOAD_STEP, LOAD_PREFILL, N_LOADS };
struct bench_load_row {
        const char *name;
        uint32_t seqs, rows, context, steps;     /* rows of each sequence in a step */
        double most;                             /* the ratio to the roofline that is aimed at */
};
extern const struct bench_load_row bench_loads[N_LOADS];

/* By whom: this process stage by stage; a router and two workers on threads of this process; a
 * router and two workers as processes. */
enum bench_way { WAY_DIRECT, WAY_INPROC, WAY_PROCESSES, N_WAYS };
extern const char *const bench_ways[N_WAYS];

struct bench_round {
        struct bench_time read[N_LOADS], fma;    /* seconds a byte, seconds a multiply-add */
        struct bench_work work[N_LOADS];         /* of all steps of the load */
        double wall[N_WAYS][N_LOADS];            /* seconds a token */
        double cpu[N_WAYS][N_LOADS];             /* the same of all processors; 0: not known */
};
struct bench_offline_result {
        const struct wt_shape *shape;
        const char *model;
        uint32_t threads, workers, rounds;
        bool has_way[N_WAYS];
        bool profiled; /* spans were recorded meanwhile: times are longer */
        double rms, busiest;                     /* of h; share of the busiest expert's picks */
        struct bench_round round[MOST_ROUNDS];
};

void bench_offline_json(const struct bench_offline_result *r, struct wt_buf *b);
void bench_offline_table(const struct bench_offline_result *r);
#endif
