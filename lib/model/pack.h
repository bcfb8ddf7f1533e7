/* pack.h - weights repacked for the kernels, once per host: DIR/<digest>.pack, named by digest
 * of (source bytes, views, layout), written whole, then mapped shared and read-only by every
 * process. */
#ifndef WITAN_MODEL_PACK_H
#define WITAN_MODEL_PACK_H
#include "base/err.h"
#include "base/file.h"
#include "model/shape.h"
#include "model/source.h"

typedef struct wt_model wt_model;                /* a folder with its shape, source and packs */

/* A model is used by one thread at a time. pack_dir: made when missing (0700). compute: whose
 * layout is packed for. Either may be NULL for tools that only look: then nothing is packed, and
 * without a pack_dir digests are not kept. Checks every tensor that the shape asks for (all
 * layers, all experts: name, dimensions) before anything is packed, and names the first that is
 * missing or has another shape than the config says. */
wt_err wt_model_open(wt_model **out, const char *folder, const char *pack_dir,
                     const struct wt_compute_ops *compute);
void wt_model_close(wt_model *m);                /* unmaps its packs */
const struct wt_shape *wt_model_shape(const wt_model *m);
const char *wt_model_name(const wt_model *m);    /* the folder's last component */
const char *wt_model_notes(const wt_model *m);   /* remarks for the log, or "": an lm_head that
                                                  * is used although the config ties, stray files */

/* Variant: SHA-256 of (config fields that shape the expert, then dtype, shape and digest of the
 * bytes of gate, up, down as in the source; neither layer nor expert). Reads the file at most
 * once per host; never maps it. */
wt_err wt_model_variant(wt_model *m, uint32_t layer, uint32_t expert, uint8_t out[32]);
/* Revision: SHA-256 of the canonical manifest (architecture.md section 7). */
wt_err wt_model_revision(wt_model *m, uint8_t out[32]);

/* The trunk: everything but routed experts, uploaded to c. Freed by wt_model_drop_trunk. */
struct wt_trunk {
        const wt_weight *embed, *norm, *head;    /* head == packed embed when tied */
        const wt_weight *cos, *sin;              /* (positions, rope_dim/2) */
        struct wt_layer_weights *layers;         /* (n_layers) */
};
/* positions: rows of the rope tables (the longest context in use). A gate bias that is not
 * finite is refused by name. */
wt_err wt_model_trunk(wt_model *m, wt_compute *c, uint32_t positions, struct wt_trunk **out);
void wt_model_drop_trunk(wt_model *m, wt_compute *c, struct wt_trunk *t);
/* One expert: three weights out of one pack, mapped when first asked for. bytes (or NULL): of its
 * pack. */
wt_err wt_model_expert(wt_model *m, wt_compute *c, uint32_t layer, uint32_t expert,
                       struct wt_expert_weights *out, size_t *bytes);
/* Drops the three weights and unmaps the pack when nobody else holds it. */
void wt_model_drop_expert(wt_model *m, wt_compute *c, uint32_t layer, uint32_t expert,
                          const struct wt_expert_weights *w);
#endif
