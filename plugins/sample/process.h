/* process.h - the logit processors that stand before the draw (numbers.md N8): pure functions of
 * (logits, prompt ids, ids made, options). A processor is a row of a table; they run in the
 * table's order. */
#ifndef WITAN_SAMPLE_PROCESS_H
#define WITAN_SAMPLE_PROCESS_H
#include <stdbool.h>
#include "witan/plugin.h"

bool process_wanted(const struct wt_sample_in *in);      /* any of them does something */
/* out (n): the first n logits, changed. count (n): scratch. */
void process(const struct wt_sample_in *in, uint32_t n, float *out, uint32_t *count);
#endif
