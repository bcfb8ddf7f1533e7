/* rank.h - ids in rank order (logit descending, id ascending), sorted only as far as they are asked
 * for: one pass deals the ids into 2,048 buckets by the leading bits of their keys, and a bucket is
 * sorted when it is reached. Keys are unique, so every way of sorting gives the same order. */
#ifndef WITAN_SAMPLE_RANK_H
#define WITAN_SAMPLE_RANK_H
#include <stdint.h>
#include "math/wn1.h"

enum { RANK_BUCKETS = 2048 };
struct rank {
        uint64_t *key;                           /* (n); the first `sorted` are in their places */
        uint32_t *start;                         /* (RANK_BUCKETS + 1) */
        uint32_t n, sorted, bucket;
};

/* Ascending keys are descending logits, then ascending ids; -0 equals +0. */
static inline uint64_t rank_key(float logit, uint32_t id)
{
        uint32_t b = wn1_bits(wn1_plus_zero(logit));

        b ^= b >> 31 ? 0xffffffffu : 0x80000000u;
        return (uint64_t)~b << 32 | id;
}
static inline uint32_t rank_id(uint64_t key) { return (uint32_t)key; }

/* key (n) and start are the caller's scratch. */
void rank_init(struct rank *r, const float *logits, uint32_t n, uint64_t *key, uint32_t *start);
/* Sorts on until at least `want` keys are in place, or all. */
void rank_sort(struct rank *r, uint32_t want);
#endif
