/* times.h - a histogram of times in ns, to a hundredth of their value; single samples are not
 * kept. All zeros is an empty one. */
#ifndef WITAN_TESTS_BENCH_TIMES_H
#define WITAN_TESTS_BENCH_TIMES_H
#include <stdint.h>
#include "base/buf.h"

enum { TIMES_STEPS = 128, TIMES_OCTAVES = 40 };  /* up to 2^40 ns, 18 minutes */
struct times { uint64_t n, sum, max, bucket[TIMES_OCTAVES * TIMES_STEPS]; };

uint64_t times_now(void);                        /* ns, monotonic */
void times_add(struct times *t, uint64_t ns);
double times_us(const struct times *t, double part);     /* of that part of them; 0: none */
/* "NAME":{"p50":..,"p90":..,"p99":..,"p999":..,"mean":..,"max":..} in us. */
void times_json(const struct times *t, const char *name, struct wt_buf *out);
#endif
