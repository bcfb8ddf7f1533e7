/* kernels.h - the tables of the processor's kernels: reference ("ref", the meaning), AVX2 and
 * AVX-512 beside it, equal by memcmp (numbers.md N1-N10). Float weights are widened exactly, so a
 * matrix in BF16, F16 or F32 gives the bits of its F32 values.
 *
 * Packed matrix (N, K), layout "p16": panels of 16 outputs; panel p, then k ascending, then 16
 * columns (outputs 16p..16p+15, missing ones zero). F32: 16 floats a step. BF16 and F16: 16
 * halves a step, as 8 dwords, dword j = output j in the low half, output j+8 in the high half
 * (one load, a shift and a mask widen BF16). Each matrix of n_mat starts at a multiple of 64
 * bytes. */
#ifndef WITAN_MATH_KERNELS_H
#define WITAN_MATH_KERNELS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "witan/plugin.h"

enum { WT_PANEL = 16, WT_SLAB = 512 };

struct wt_packed { const void *data; uint32_t dtype, n, k; };   /* one (N, K) matrix in panels */

struct wt_kernels {
        const char *name;                        /* "ref", "avx2", "avx512" */
        /* y[m*ldy + o] for m < M, o in outputs of panels [p0, p1) (those below n): N2. y and x do
         * not overlap. Fastest for M = 1 and for large M alike; no scratch beyond the stack. */
        void (*linear)(const struct wt_packed *w, uint32_t p0, uint32_t p1, const float *x,
                       size_t ldx, uint32_t m, float *y, size_t ldy);
        /* y = x / rms * w over D (N4, N10): x and y may be the same. */
        void (*rms_norm)(const float *x, const float *w, uint32_t d, float eps, float *y);
        /* silu(g)*u */
        void (*silu_mul)(const float *gate, const float *up, uint32_t n, float *out);
        void (*add)(float *y, const float *x, uint32_t n);          /* y = y + x */
        void (*add2)(const float *a, const float *b, uint32_t n, float *out); /* out = a + b */
        void (*scale)(const float *x, float s, uint32_t n, float *out);       /* out = s * x */
        bool (*finite)(const float *x, uint32_t n);
        /* Rotates pairs of one head in place: interleaved (2i, 2i+1) or halves (i, i+d/2). */
        void (*rope)(float *x, uint32_t d, bool interleaved, const float *cos, const float *sin);

        /* Attention of one segment of N5 for Q queries that share its keys (heads of one row under
         * MLA, the group of one KV head under GQA). Keys are rows of kd (+ kr) floats, values
         * rows of vd floats; n <= 64 valid keys.
         * score[q][t] = fl(N2(qa[q].ka[t]) + N2(qr[q].kr[t])) * scale; the second term is omitted
         * when kr is NULL. ldq, ldk, ldv: row strides in floats. score is (Q, 64). */
        void (*score)(const float *qa, size_t ldqa, const float *qr, size_t ldqr, uint32_t n_q,
                      const float *ka, size_t ldka, uint32_t kd, const float *kr, size_t ldkr,
                      uint32_t rd, uint32_t n, float scale, float *score);
        /* For each q: m = exact max of score[q][0..n), p = exp(s-m) ascending, l = sum of p,
         * u[q][c] = chain over t of fmaf(p, v[t][c], u). m, l (Q); u (Q, vd) stride ldu. Overwrites
         * score with p. */
        void (*segment)(float *score, uint32_t n_q, uint32_t n, const float *v, size_t ldv,
                        uint32_t vd, float *m, float *l, float *u, size_t ldu);
        /* Merges (m2,l2,u2) into (m1,l1,u1), one query: N10. */
        void (*merge)(float *m1, float *l1, float *u1, float m2, float l2, const float *u2,
                      uint32_t vd);
        void (*divide)(const float *u, float l, uint32_t n, float *out);      /* out = u / l */
};
extern const struct wt_kernels wt_kernels_ref;
extern const struct wt_kernels wt_kernels_avx2, wt_kernels_avx512;      /* x86-64 only */
/* The fastest that this processor runs; force: a name, or NULL. NULL when force is not there, or
 * on an x86-64 without AVX2, FMA or F16C (the reference too is compiled for them). */
const struct wt_kernels *wt_kernels_pick(const char *force);
/* The same kernels, each call of which leaves a span in the trace (base/trace.h). One table in a
 * process can be traced; another one comes back as it is. */
const struct wt_kernels *wt_kernels_traced(const struct wt_kernels *k);

/* Packing and unpacking of a view (plugin.h, struct wt_matrix) for WT_FORM_LINEAR and
 * _VECTOR/_ROWS:
 * VECTOR: n_out floats; ROWS: n_out rows of n_in in the source dtype, row-major. */
size_t wt_pack_bytes(const struct wt_matrix *m);
void wt_pack(const struct wt_matrix *m, const void *src, void *dst);
/* Matrix i of a packed blob. */
struct wt_packed wt_packed_of(const struct wt_matrix *m, const void *blob, uint32_t i);
void wt_row_widen(const void *rows, uint32_t dtype, size_t row, uint32_t n, float *out);

/* Gate: scores of z (E) by the layer's rules, picks ascending by id, their weights (N10).
 * margin (or NULL): selection score of the K-th minus the (K+1)-th, among what may be picked;
 * INFINITY when nothing is left. Scratch: 3 * E floats. Ties go to the lower id. */
void wt_gate_choose(const struct wt_layer *l, const float *z, const float *bias, int32_t *pick,
                    float *weight, float *margin, float *scratch);
/* Trie of expert ids (N7): least b with 2^b >= n_experts. */
uint32_t wt_trie_bits(uint32_t n_experts);
/* out[c] = trie sum of the rows in[i] (ids ascending, distinct; depth: of each node, prefix
 * likewise) below node (depth, prefix). n >= 1. No recursion. out may be in[0]. scratch: bits *
 * width floats. */
void wt_trie_sum(const struct wt_kernels *k, uint32_t bits, const struct wt_node *node,
                 const float *const *in, uint32_t n, uint32_t width, float *out, float *scratch);
/* cos and sin tables (positions, d/2) by our FP64 code; magnitude multiplies both. */
void wt_rope_table(const float *inv_freq, uint32_t half, uint32_t n_pos, float magnitude,
                   float *cos, float *sin);
#endif
