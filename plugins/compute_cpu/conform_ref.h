/* conform_ref.h - a layer of the model by the plainest loops, written from docs/numbers.md and from
 * nothing else: one number at a time, no packing, no pages, no batch, no threads. Only exp, silu,
 * sigmoid and the like come from math/wn1.h, which is their definition.
 * A mutation breaks one rule; whoever conforms must differ from it. */
#ifndef WITAN_CONFORM_REF_H
#define WITAN_CONFORM_REF_H
#include "witan/plugin.h"

enum cf_mutation {
        CF_NONE,
        CF_REVERSED_K,                           /* N2: k descending */
        CF_NO_SLABS,                             /* N2: one chain over all of K */
        CF_ONE_CHAIN,                            /* N5: latent and rope in one chain */
        CF_CHUNK_SOFTMAX,                        /* N5: segments of 17, as a chunk would cut them */
        CF_NO_SPANS,                             /* N5: pages fold without spans */
        CF_EXPANDED,                             /* N6: keys and values expanded per head */
        CF_ARRIVAL_ORDER,                        /* N7: leaves added in a row */
        CF_KEY_UNROTATED,                        /* the key's rope part is kept unrotated */
        CF_NORM_OVER_ALL,                        /* the latent's norm covers the rope part */
        CF_MUTATIONS
};
extern const char *const cf_mutation_name[CF_MUTATIONS];

/* Tensors as f32, row-major (n_out, n_in). kv_b: (H*(nope+v), kv_rank), as a checkpoint has it. */
struct cf_ref {
        const struct wt_layer *l;
        enum cf_mutation mutation;
        const float *attn_norm, *q_a, *q_a_norm, *q, *kv_a, *kv_a_norm, *kv_b, *k, *v, *o;
        const float *ffn_norm, *gate, *bias, *ffn_gate, *ffn_up, *ffn_down;
        const float *e_gate, *e_up, *e_down;     /* (E, F, D), (E, F, D), (E, D, F) */
        const float *cos, *sin;                  /* (positions, rope_dim/2) */
        const float *norm, *head;                /* D; (V, D) */
        uint32_t vocab;
};

/* h (T, D) of one sequence from position 0: h += attention(norm(h)) for the rows where want[t] is
 * set (NULL: all); other rows only lend their keys. */
void cf_attend(const struct cf_ref *r, float *h, uint32_t n, const uint8_t *want);
/* One row: x (D), pick and weight (K). */
void cf_gate(const struct cf_ref *r, const float *h, float *x, int32_t *pick, float *weight);
/* y = w * expert(x). */
void cf_leaf(const struct cf_ref *r, uint32_t expert, const float *x, float w, float *y);
/* One row: h += dense(norm(h)), or h += trie of the picks + shared(x). */
void cf_ffn(const struct cf_ref *r, float *h);
/* One row: logits (V). */
void cf_head(const struct cf_ref *r, const float *h, float *logits);
#endif
