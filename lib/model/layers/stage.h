/* stage.h - what the layer files share: scratch that is carved, work that is spread over threads,
 * and products by N2 cut into panels. Inside lib/model/layers only. */
#ifndef WITAN_MODEL_LAYERS_STAGE_H
#define WITAN_MODEL_LAYERS_STAGE_H
#include "model/layers/layers.h"

enum {
        WT_SPAN = 16,                            /* pages in a span of N5 */
        WT_TILE_QUERIES = 64,                    /* of an attention tile: its u stays in L2 */
        WT_WAVE_GROUPS = 256,                    /* experts in flight in one product */
        WT_FOLD_COLUMNS = 512                    /* columns of a row that a thread sums at a time */
};

/* Carving: the same plan function sizes (base NULL) and places (base set). 64-aligned. */
struct wt_carve { char *base; size_t used; };
static inline void *wt_carve(struct wt_carve *c, size_t n, size_t size)
{
        void *p = c->base ? c->base + c->used : NULL;

        c->used += (n * size + 63) & ~(size_t)63;
        return p;
}
static inline float *wt_carve_floats(struct wt_carve *c, size_t n)
{
        return wt_carve(c, n, sizeof(float));
}

static inline uint32_t wt_u32_min(uint32_t a, uint32_t b) { return a < b ? a : b; }
static inline uint32_t wt_u32_max(uint32_t a, uint32_t b) { return a > b ? a : b; }
static inline uint32_t wt_div_up(uint32_t a, uint32_t b) { return a / b + (a % b != 0); }
static inline uint32_t wt_panels(uint32_t n) { return wt_div_up(n, WT_PANEL); }

/* Threads may mark the same row, all with the same value. */
static inline void wt_mark_bad(uint8_t *bad, uint32_t row)
{
        if (bad)
                __atomic_store_n(bad + row, 1, __ATOMIC_RELAXED);
}

/* Runs fn(arg, item, slot) for each item. slot < host.n_threads belongs to the call alone while it
 * runs. cost: multiply-adds in all; a small one stays on the calling thread, for waking another
 * costs more. */
typedef void wt_item_fn(void *arg, uint32_t item, uint32_t slot);
void wt_spread(struct wt_stage *s, uint32_t n_items, uint64_t cost, wt_item_fn *fn, void *arg);
static inline char *wt_slot(const struct wt_stage *s, uint32_t slot)
{
        return s->slots + slot * s->slot_bytes;
}

/* y (m, n) = x (m, k) W by N2; with w2, y2 = x W2 in the same breath (gate and up). */
struct wt_product {
        const struct wt_weight *w, *w2;
        const float *x; size_t ldx; uint32_t m;
        float *y, *y2; size_t ldy;
        uint32_t first;                          /* item of its first piece; wt_products fills */
};
/* A piece that is done: rows [m0, m1), columns [c0, c1) of p's y. */
typedef void wt_then_fn(void *arg, const struct wt_product *p, uint32_t m0, uint32_t m1,
                        uint32_t c0, uint32_t c1);
/* All products in one region of threads; then (or NULL) runs on the thread that made the piece. */
void wt_products(struct wt_stage *s, struct wt_product *p, uint32_t n, wt_then_fn *then, void *arg);

/* y[t] = rms_norm(x[t]) for T rows; bad (or NULL) marks rows that are not finite. */
void wt_norm_rows(struct wt_stage *s, const float *x, const struct wt_weight *w, uint32_t n_rows,
                  uint32_t width, float eps, float *y, uint8_t *bad);

/* The step's scratch, placed by a plan that must not pass what init took. */
int wt_scratch_check(struct wt_stage *s, const struct wt_carve *c, const char *stage);
/* w has this shape, or the failure in words. */
int wt_weight_check(struct wt_stage *s, const struct wt_weight *w, const char *name, uint32_t form,
                    uint32_t n_mat, uint32_t n_out, uint32_t n_in);
/* What every stage refuses: adapters and saved activations, more rows than init was told of. */
int wt_stage_check(struct wt_stage *s, const char *stage, uint32_t n_rows,
                   const struct wt_adapters *adapters, const struct wt_saved *saved);
int wt_buffer_check(struct wt_stage *s, const struct wt_buffer *b, const char *name, size_t floats);

/* ---- attention over pages (attention.c): MLA is one KV head that all heads share ------------- */

struct wt_attention {
        uint32_t n_kv, group;                    /* KV heads; query heads of each */
        const float *qa; size_t qa_row;          /* (row, head) at qa + row*qa_row + head*kd */
        const float *qr; size_t qr_row, qr_head; /* rope part apart (MLA), or NULL */
        float *out; size_t out_row;              /* (rows, H, vd); may be qa where kd == vd */
        uint32_t kd, rd, vd;
        const float *pages;
        size_t page_floats, kv_head;             /* floats of a page; from KV head to KV head */
        size_t ldk, ldv, kr_at, v_at;            /* row strides; where kr and v start in a head */
        float scale;
        const struct wt_run *runs; uint32_t n_runs;
        uint32_t row0, n_rows;                   /* of this call; row0 is row 0 of qa, qr, out */
};
void wt_attention_plan(struct wt_carve *c, uint32_t n_rows, size_t partial_floats, void **at);
size_t wt_attention_slot_floats(uint32_t kd, uint32_t vd);
/* Floats that splitting by spans can use with this many threads; bounded. */
size_t wt_attention_partials(uint32_t threads, uint32_t max_pages, uint32_t group, uint32_t vd);
void wt_attention_run(struct wt_stage *s, const struct wt_attention *a, void *at);

/* ---- what init asks the stages --------------------------------------------------------------- */

size_t wt_attend_scratch(const struct wt_stage *s, const struct wt_layer *l);
size_t wt_attend_slot(const struct wt_layer *l);
size_t wt_gate_scratch(const struct wt_stage *s, const struct wt_layer *l);
size_t wt_gate_slot(const struct wt_layer *l);
size_t wt_ffn_scratch(const struct wt_stage *s, const struct wt_layer *l);
size_t wt_experts_scratch(const struct wt_stage *s, const struct wt_layer *l);
size_t wt_combine_slot(const struct wt_layer *l);
size_t wt_head_scratch(const struct wt_stage *s, uint32_t width);

int wt_attend_mla(struct wt_stage *s, const struct wt_attend_args *a);
int wt_attend_gqa(struct wt_stage *s, const struct wt_attend_args *a);
size_t wt_attend_mla_scratch(const struct wt_stage *s, const struct wt_layer *l);
size_t wt_attend_gqa_scratch(const struct wt_stage *s, const struct wt_layer *l);
/* h += y on a piece of the output projection, and the finite check of the sum. arg: this. */
struct wt_residual {
        const struct wt_kernels *k;
        float *h; size_t ldh;
        uint8_t *bad; uint32_t row0;
};
void wt_residual_add(void *arg, const struct wt_product *p, uint32_t m0, uint32_t m1, uint32_t c0,
                     uint32_t c1);
/* cos or sin of a position: (rope_dim/2). */
static inline const float *wt_rope_row(const struct wt_weight *w, uint32_t pos)
{
        return (const float *)w->data + (size_t)pos * w->m.n_in;
}
#endif
