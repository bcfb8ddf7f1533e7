/* layers.h - the layers of the model on the processor: each stage of the compute ABI as one
 * function over the kernels of lib/math. The processor's plugin and the trainer run these same
 * layers, so what serves and what trains give the same bits by construction (architecture.md
 * section 3). Shapes as in plugin.h. A stage takes the ABI's own argument struct; its weights are
 * those below. */
#ifndef WITAN_MODEL_LAYERS_LAYERS_H
#define WITAN_MODEL_LAYERS_LAYERS_H
#include "math/kernels.h"

/* What the ABI's handles are on the processor. */
struct wt_weight { struct wt_matrix m; const void *data; };     /* as wt_pack wrote it, borrowed */
struct wt_buffer { void *data; size_t bytes; };                 /* host memory, 64-aligned */

/* What the stages run on: kernels, threads, and scratch sized once. One step at a time. */
struct wt_stage {
        const struct wt_kernels *k;
        struct wt_host host;
        uint32_t max_rows, max_pages;
        char *scratch; size_t scratch_bytes;     /* of the step */
        char *slots; size_t slot_bytes;          /* host.n_threads of them */
        size_t partial_floats;                   /* of attention that is split by spans */
};

/* Takes all memory that stages will use for c's layers, rows, pages and vocabulary: none of the
 * stages below allocates. WT_EINVAL in words for a shape that cannot be run, WT_ENOMEM. */
int wt_stage_init(struct wt_stage *s, const struct wt_kernels *k, const struct wt_host *host,
                  const struct wt_compute_conf *c);
void wt_stage_fini(struct wt_stage *s);

/* Bytes of one KV page (FP32). MLA: 64 rows of [normed latent | rotated key]. GQA: per KV head
 * 64 rows of key, then 64 of value. */
size_t wt_layer_page_bytes(const struct wt_layer *l);

/* Words (not NULL) say what makes l impossible: a missing or contradictory number. */
const char *wt_layer_fault(const struct wt_layer *l);

/* The stages. Rows that are not finite are marked in bad[] and disturb no other row. */
int wt_layer_embed(struct wt_stage *s, const struct wt_embed_args *a);
int wt_layer_attend(struct wt_stage *s, const struct wt_attend_args *a);
int wt_layer_gate(struct wt_stage *s, const struct wt_gate_args *a);
int wt_layer_ffn(struct wt_stage *s, const struct wt_ffn_args *a);
int wt_layer_experts(struct wt_stage *s, const struct wt_expert_args *a);
int wt_layer_fold(struct wt_stage *s, const struct wt_fold_args *a);
int wt_layer_combine(struct wt_stage *s, const struct wt_combine_args *a);
int wt_layer_head(struct wt_stage *s, const struct wt_head_args *a);
#endif
