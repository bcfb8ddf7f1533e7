/* family.h - the model families as rows of a table: what their config.json means and what their
 * tensors are called. A new family is a row (and a reader, when its fields are new). */
#ifndef WITAN_MODEL_FAMILY_H
#define WITAN_MODEL_FAMILY_H
#include "model/field.h"
#include "model/shape.h"

/* What a family's reader fills: the two kinds of layer, and which is which. Layer i is MoE when
 * i >= moe_first and i % moe_every == 0. */
struct wt_plan {
        struct wt_layer dense, moe;
        uint32_t moe_first, moe_every;
};

struct wt_family {
        const char *name;                        /* model_type */
        double eps, theta;                       /* where config.json is silent */
        void (*attn)(struct wt_fields *f, const struct wt_shape *s, struct wt_layer *l);
        void (*ffn)(struct wt_fields *f, const struct wt_shape *s, struct wt_plan *p);
        /* Below "model.layers.N.": the gate, an expert's folder, its gate, up and down. */
        const char *gate, *experts, *leaf[3];
};

const struct wt_family *wt_family_find(const char *name);      /* NULL: unknown */
const char *wt_family_list(void);                /* "deepseek_v2, ..." */
#endif
