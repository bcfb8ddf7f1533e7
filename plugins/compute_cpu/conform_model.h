/* conform_model.h - layers at awkward shapes with drawn weights, and a plugin that holds them. */
#ifndef WITAN_CONFORM_MODEL_H
#define WITAN_CONFORM_MODEL_H
#include "base/pool.h"
#include "conform.h"

enum { CF_TENSORS = 32, CF_VOCAB = 75 };

struct cf_case { const char *name; uint32_t dtype; struct wt_layer l; };
extern const struct cf_case cf_cases[];
extern const uint32_t cf_n_cases;

/* A tensor of a "file": source bytes in some dtype, the same numbers widened, a view of it. */
struct cf_tensor { struct wt_matrix m; void *src; float *wide; size_t src_at; bool view; };
enum cf_slot {
        CF_ATTN_NORM, CF_Q_A, CF_Q_A_NORM, CF_Q, CF_KV_A, CF_KV_A_NORM, CF_KV_B, CF_UK_T, CF_UV,
        CF_K, CF_V, CF_O, CF_FFN_NORM, CF_GATE, CF_BIAS, CF_FFN_GATE, CF_FFN_UP, CF_FFN_DOWN,
        CF_E_GATE, CF_E_UP, CF_E_DOWN, CF_COS, CF_SIN, CF_NORM, CF_HEAD, CF_EMBED, CF_SLOTS
};
struct cf_model {
        const struct cf_case *c;
        struct wt_layer l;
        struct cf_tensor t[CF_SLOTS];
        struct cf_ref ref;
        uint32_t positions;
};
/* The last row of the embedding has a NaN. */
void cf_model_new(struct cf_model *m, const struct cf_case *c, uint32_t positions);
void cf_model_free(struct cf_model *m);
void cf_embed_row(const struct cf_model *m, int32_t id, float *h);
int32_t cf_token(uint32_t seq, uint32_t pos);    /* of the test sequences; never the NaN row */

/* A plugin opened for one model. */
struct cf_device {
        const struct wt_compute_ops *o;
        wt_compute *c;
        struct wt_host host;
        wt_pool *pool;
        const struct cf_model *m;
        void **blob; wt_weight **weight; uint32_t n;     /* everything that was uploaded */
        struct wt_layer_weights w;
        const wt_weight *cos, *sin, *norm, *head, *embed;
        struct wt_expert_weights *experts;
};
/* wt_words() on failure. */
int cf_device_open(struct cf_device *d, const struct wt_compute_ops *o, const struct cf_model *m,
                   uint32_t threads, uint32_t max_rows, uint32_t max_seqs, uint32_t max_pages);
void cf_device_close(struct cf_device *d);
#endif
