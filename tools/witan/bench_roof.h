/* bench_roof.h - counts what a step has to do: bytes of weights and keys that must be read at least
 * once, and multiply-adds, phase by phase. */
#ifndef WITAN_TOOLS_BENCH_ROOF_H
#define WITAN_TOOLS_BENCH_ROOF_H
#include "bench_direct.h"
#include "bench_limits.h"

struct bench_roof;

/* Looks into the folder for the types of the tensors; sizes are those of compute's packs. */
wt_err bench_roof_open(struct bench_roof **out, const struct wt_shape *shape,
                       const struct wt_compute_ops *compute, const char *folder);
void bench_roof_close(struct bench_roof *r);
/* Attention, gate, dense or shared FFN of one layer, without the routed experts. */
void bench_roof_trunk(const struct bench_roof *r, uint32_t layer, const struct wt_run *runs,
                      uint32_t n_runs, uint32_t n_rows, struct bench_work *w);
/* distinct experts were picked by n_rows rows. */
void bench_roof_moe(const struct bench_roof *r, uint32_t layer, uint32_t n_rows, uint32_t distinct,
                    struct bench_work *w);
void bench_roof_head(const struct bench_roof *r, uint32_t n_rows, uint32_t n_logits,
                     struct bench_work *w);

/* Seconds that a phase takes at least: the larger of its bytes at `read` seconds a byte and its
 * multiply-adds at `fma` seconds each. */
double bench_roof_limit(const struct bench_work *w, enum bench_phase p, double read, double fma);
bool bench_roof_reads(const struct bench_work *w, enum bench_phase p, double read, double fma);
#endif
