/* bench_tensors.h - random tensors, written as safetensors without ever lying in memory as a
 * whole. */
#ifndef WITAN_TOOLS_BENCH_TENSORS_H
#define WITAN_TOOLS_BENCH_TENSORS_H
#include "base/err.h"

/* BF16: about + span * u with u uniform in (-1, 1) of 16 bits, rounded to nearest even. Where
 * values is set: those F32 numbers instead. */
struct bench_tensor {
        char name[192];
        uint32_t n_dim; uint64_t dim[2];
        float about, span;
        const float *values;
        uint64_t bytes, offset;                  /* bench_tensors_write fills these two and shard */
        uint32_t shard;
};

/* Writes model.safetensors, or shards of about shard_bytes with their index (0: one file). What a
 * number is depends on (seed, name of the tensor, place in it) alone. */
wt_err bench_tensors_write(struct bench_tensor *t, uint32_t n, const char *dir,
                           uint64_t shard_bytes, uint64_t seed,
                           void (*progress)(void *arg, uint64_t done, uint64_t of), void *arg);
#endif
