/* rope.h - the rope fields of a config.json, in the old spelling and in the new. */
#ifndef WITAN_MODEL_ROPE_H
#define WITAN_MODEL_ROPE_H
#include "model/field.h"
#include "model/shape.h"

/* Fills r from rope_scaling or rope_parameters and the top level; r->dim is set by the caller.
 * theta: of the family, where the file is silent. */
void wt_rope_read(struct wt_fields *top, double theta, uint32_t max_positions,
                  struct wt_rope_conf *r);
#endif
