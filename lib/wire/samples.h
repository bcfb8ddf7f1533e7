/* samples.h - messages for tests: one true message per method, and random ones that only have to
 * obey the limits of proto/. Everything lies in the arena given. */
#ifndef WITAN_WIRE_SAMPLES_H
#define WITAN_WIRE_SAMPLES_H
#include "wire/table.h"

struct sample { struct wt_envelope e; void *frame[WT_MAX_TENSORS]; size_t len[WT_MAX_TENSORS]; };

extern const uint32_t sample_methods[];          /* every method, 0 at the end */

/* A message that passes wt_wire_check. */
void sample_true(struct sample *s, uint32_t method, struct wt_arena *a);
/* Any values within the limits; the same for the same seed. About half of the fields are absent. */
void sample_random(struct wt_envelope *e, uint32_t method, uint64_t seed, struct wt_arena *a);
/* The same for a message on its own (d->size bytes at base). */
void sample_fill(const struct wire_desc *d, void *base, uint64_t seed, struct wt_arena *a);
/* Equal in every field, by the tables. */
bool sample_equal(const struct wt_envelope *x, const struct wt_envelope *y);
#endif
