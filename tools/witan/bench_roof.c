/* bench_roof.c - see bench_roof.h. Activations are not counted: they stay in caches. Keys are FP32
 * rows that each run reads once a layer, whatever the number of its rows and heads. */
#include "bench_roof.h"
#include <stdlib.h>
#include "model/parts.h"

struct size { double bytes, fmas; };             /* fmas: of one row */

struct bench_roof {
        const struct wt_shape *shape;
        const struct wt_compute_ops *compute;
        wt_source *source;
        struct size *trunk, *expert;             /* (layers); expert: of one */
        struct size head;
        double embed_row;                        /* bytes */
};

static struct size size_of(const struct bench_roof *r, struct wt_part *p)
{
        const struct wt_tensor_at *t = wt_source_find(r->source, p->name);

        p->view.dtype = t != NULL ? t->dtype : WT_BF16;
        return (struct size){ (double)r->compute->pack_bytes(&p->view),
                              p->view.form == WT_FORM_LINEAR
                                      ? (double)p->view.n_mat * p->view.n_out * p->view.n_in : 0 };
}

static struct size sum(const struct bench_roof *r, struct wt_part *p, uint32_t n)
{
        struct size all = { 0, 0 };

        for (uint32_t i = 0; i < n; i++) {
                struct size one = size_of(r, &p[i]);

                all.bytes += one.bytes;
                all.fmas += one.fmas;
        }
        return all;
}

static void count(struct bench_roof *r)
{
        const struct wt_shape *s = r->shape;
        bool head = wt_source_find(r->source, "lm_head.weight") != NULL;
        struct wt_part part[WT_LAYER_PARTS];

        for (uint32_t l = 0; l < s->n_layers; l++) {
                r->trunk[l] = sum(r, part, wt_layer_parts(s, l, part));
                if (s->layers[l].ffn == WT_FFN_MOE)
                        r->expert[l] = sum(r, part, wt_expert_parts(s, l, 0, part));
        }
        for (uint32_t i = 0, n = wt_trunk_parts(s, head, part); i < n; i++) {
                struct size one = size_of(r, &part[i]);

                if (part[i].view.form == WT_FORM_ROWS) {
                        r->embed_row = one.bytes / s->vocab;
                        continue;
                }
                r->head.bytes += one.bytes;
                r->head.fmas += one.fmas;
        }
}

wt_err bench_roof_open(struct bench_roof **out, const struct wt_shape *shape,
                       const struct wt_compute_ops *compute, const char *folder)
{
        struct bench_roof *r = calloc(1, sizeof *r);
        wt_err err;

        if (r == NULL)
                return wt_fail(WT_ENOMEM, "no memory for a roofline");
        r->shape = shape;
        r->compute = compute;
        r->trunk = calloc(shape->n_layers, sizeof *r->trunk);
        r->expert = calloc(shape->n_layers, sizeof *r->expert);
        if (r->trunk == NULL || r->expert == NULL)
                err = wt_fail(WT_ENOMEM, "no memory for a roofline");
        else
                err = wt_source_open(&r->source, folder);
        if (err != WT_OK) {
                bench_roof_close(r);
                return err;
        }
        count(r);
        *out = r;
        return WT_OK;
}

void bench_roof_close(struct bench_roof *r)
{
        if (r == NULL)
                return;
        if (r->source != NULL)
                wt_source_close(r->source);
        free(r->trunk);
        free(r->expert);
        free(r);
}

void bench_roof_trunk(const struct bench_roof *r, uint32_t layer, const struct wt_run *runs,
                      uint32_t n_runs, uint32_t n_rows, struct bench_work *w)
{
        const struct wt_layer *y = &r->shape->layers[layer];
        bool mla = y->attn == WT_ATTN_MLA;
        double key = (double)r->compute->kv_page_bytes(y) / WT_PAGE;
        double each = mla ? (double)y->n_heads * (2 * y->kv_rank + y->rope_dim)
                          : (double)y->n_heads * 2 * y->head_dim;

        w->bytes[PHASE_TRUNK] += r->trunk[layer].bytes;
        w->fmas[PHASE_TRUNK] += r->trunk[layer].fmas * n_rows;
        for (uint32_t i = 0; i < n_runs; i++) {
                double p = runs[i].pos, n = runs[i].n_rows;

                w->bytes[PHASE_TRUNK] += (p + n) * key;
                w->fmas[PHASE_TRUNK] += (n * p + n * (n + 1) / 2) * each;
        }
}

void bench_roof_moe(const struct bench_roof *r, uint32_t layer, uint32_t n_rows, uint32_t distinct,
                    struct bench_work *w)
{
        w->bytes[PHASE_EXPERTS] += r->expert[layer].bytes * distinct;
        w->fmas[PHASE_EXPERTS] += r->expert[layer].fmas * n_rows * r->shape->layers[layer].n_picks;
        w->distinct += distinct;
}

void bench_roof_head(const struct bench_roof *r, uint32_t n_rows, uint32_t n_logits,
                     struct bench_work *w)
{
        w->bytes[PHASE_TRUNK] += r->embed_row * n_rows;
        w->bytes[PHASE_HEAD] += r->head.bytes;
        w->fmas[PHASE_HEAD] += r->head.fmas * n_logits;
}

double bench_roof_limit(const struct bench_work *w, enum bench_phase p, double read, double fma)
{
        double b = w->bytes[p] * read, f = w->fmas[p] * fma;

        return b > f ? b : f;
}

bool bench_roof_reads(const struct bench_work *w, enum bench_phase p, double read, double fma)
{
        return w->bytes[p] * read >= w->fmas[p] * fma;
}
