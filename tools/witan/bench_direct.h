/* bench_direct.h - a whole model driven stage by stage in this process: no router, no bus, one step
 * of many sequences at a time. What one process can do, and where its time goes. */
#ifndef WITAN_TOOLS_BENCH_DIRECT_H
#define WITAN_TOOLS_BENCH_DIRECT_H
#include "base/pool.h"
#include "model/pack.h"

/* The phases that a roofline is summed over, and the stages that they are made of. */
enum bench_phase { PHASE_TRUNK, PHASE_EXPERTS, PHASE_HEAD, N_PHASES };
enum bench_stage { STAGE_EMBED, STAGE_ATTEND, STAGE_GATE, STAGE_FFN, STAGE_EXPERTS, STAGE_COMBINE,
                   STAGE_HEAD, N_STAGES };
extern const char *const bench_phase_names[N_PHASES], *const bench_stage_names[N_STAGES];
enum bench_phase bench_phase_of(enum bench_stage s);

/* One step: rows of n_runs sequences. */
struct bench_run { uint32_t seq, pos, n_rows; };

/* What a step took and what it had to do. bytes: of weights and keys that must be read at least
 * once (each picked expert's pack once); fmas: multiply-adds of its rows. */
struct bench_work {
        double wall[N_STAGES], cpu[N_STAGES]; /* seconds; cpu: of all threads over their number */
        double bytes[N_PHASES], fmas[N_PHASES];
        uint32_t distinct;                       /* experts picked, summed over layers */
        uint32_t rows;
};

struct bench_direct;

/* compute: whose stages; may be a traced table. max_seqs sequences of max_positions each. */
wt_err bench_direct_open(struct bench_direct **out, const struct wt_compute_ops *compute,
                         const char *folder, const char *packs, wt_pool *pool, uint32_t max_rows,
                         uint32_t max_seqs, uint32_t max_positions);
void bench_direct_close(struct bench_direct *d);
const struct wt_shape *bench_direct_shape(const struct bench_direct *d);
/* The embeddings come from ids (rows of all runs in order); logits of each run's last row. Adds to
 * w what is measured. */
wt_err bench_direct_step(struct bench_direct *d, const struct bench_run *runs, uint32_t n_runs,
                         const int32_t *ids, struct bench_work *w);
/* Of the last step: root mean square of h, the share of picks that the busiest expert of a layer
 * got (averaged over layers), whether all logits are finite. For tests of generated models. */
double bench_direct_rms(struct bench_direct *d);
double bench_direct_busiest(const struct bench_direct *d);
bool bench_direct_finite(const struct bench_direct *d);
#endif
