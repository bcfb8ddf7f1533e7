/* bench_rig.h - a router and its workers, asked over the bus as a gateway asks them: in this
 * process on threads and the in-process bus, or as processes of their own over ZeroMQ with
 * CURVE. */
#ifndef WITAN_TOOLS_BENCH_RIG_H
#define WITAN_TOOLS_BENCH_RIG_H
#include <stdbool.h>
#include "bench_limits.h"

struct rig;
struct rig_conf {
        const char *folder;                      /* the model */
        const char *state;                       /* keys, packs, logs */
        bool processes;
        uint32_t n_workers, threads, worker_threads;     /* each worker holds all experts */
        uint32_t step_rows, chunk, max_seqs, max_context;
        uint64_t kv_bytes;
};
enum { RIG_ASKS = 64 };

/* Ready when it returns: the router has said welcome and has answered. */
wt_err rig_open(struct rig **out, const struct rig_conf *c);
void rig_close(struct rig *r);

/* n sequences of n_prompt random ids (seed) make n_tokens each, all at once. */
struct rig_result {
        double first; /* seconds from the first ask to the last first token */
        double token; /* seconds a token while all of them run (n_tokens > 2) */
        double cpu; /* the same in seconds of processor, all processes */
};
wt_err rig_run(struct rig *r, uint32_t n, uint32_t n_prompt, uint32_t n_tokens, uint64_t seed,
               struct rig_result *out);
#endif
