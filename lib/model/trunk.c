/* trunk.c - everything but routed experts, uploaded: embedding, layers, head, rope tables. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/list.h"
#include "math/kernels.h"
#include "model/model.h"

/* A weight and what it was made from: a pack's mapping, or a blob of our own. */
struct held { wt_weight *w; struct wt_map map; void *blob; };
struct trunk {
        struct wt_trunk pub;                     /* first: a trunk is told by its public part */
        struct held *held; uint32_t n, cap;
};

static struct held *next(struct trunk *t)
{
        struct held *h = wt_list_more(&t->held, t->n, &t->cap, sizeof *h);

        if (h) {
                *h = (struct held){ 0 };
                t->n++;
        }
        return h;
}

/* Packs, maps and uploads each part; its weight goes to base + slot. */
static wt_err take_parts(wt_model *m, wt_compute *c, struct trunk *t, struct wt_part *parts,
                         uint32_t n, void *base)
{
        for (uint32_t i = 0; i < n; i++) {
                struct held *h = next(t);
                size_t at;
                wt_err err;

                if (!h)
                        return wt_fail(WT_ENOMEM, "no memory for a model's weights");
                if ((err = wt_model_pack(m, &parts[i], 1, &h->map, &at)) != WT_OK)
                        return err;
                err = m->compute->upload(c, &parts[i].view, h->map.data + at, &h->w);
                if (err != WT_OK)
                        return wt_fail_in(err, "%s", parts[i].name);
                memcpy((char *)base + parts[i].slot, &h->w, sizeof h->w);
        }
        return WT_OK;
}

/* A correction bias that is not finite would win or lose every choice (it occurs in published
 * fixtures): refused by name. */
static wt_err check_bias(wt_model *m, const struct wt_part *p)
{
        const struct wt_tensor_at *t = wt_source_find(m->source, p->name);
        uint32_t n = p->view.n_out, i = 0;
        void *raw = malloc(t->bytes);
        float *x = malloc(n * sizeof *x);
        wt_err err = raw && x ? wt_source_read(m->source, t, raw)
                              : wt_fail(WT_ENOMEM, "no memory to read %s", p->name);

        if (err == WT_OK) {
                wt_row_widen(raw, t->dtype, 0, n, x);
                while (i < n && isfinite(x[i]))
                        i++;
                if (i < n)
                        err = wt_fail(WT_EDATA, "%s: %s[%u] is %s; a gate's bias must be finite",
                                      wt_source_file(m->source, t->file), p->name, i,
                                      isnan(x[i]) ? "NaN" : "infinite");
        }
        free(raw);
        free(x);
        return err;
}

static wt_err take_layers(wt_model *m, wt_compute *c, struct trunk *t)
{
        struct wt_part parts[WT_LAYER_PARTS];

        t->pub.layers = calloc(m->shape->n_layers, sizeof *t->pub.layers);
        if (!t->pub.layers)
                return wt_fail(WT_ENOMEM, "no memory for %u layers", m->shape->n_layers);
        for (uint32_t l = 0; l < m->shape->n_layers; l++) {
                uint32_t n = wt_layer_parts(m->shape, l, parts);
                wt_err err = WT_OK;

                for (uint32_t i = 0; i < n && err == WT_OK; i++)
                        if (parts[i].slot == offsetof(struct wt_layer_weights, gate_bias))
                                err = check_bias(m, &parts[i]);
                if (err != WT_OK)
                        return err;
                t->pub.layers[l].size = sizeof t->pub.layers[l];
                if ((err = take_parts(m, c, t, parts, n, &t->pub.layers[l])) != WT_OK)
                        return err;
        }
        return WT_OK;
}

/* A table of our own making (rows of F32) becomes a weight like any other. */
static wt_err take_table(wt_model *m, wt_compute *c, struct trunk *t, const float *rows,
                         uint32_t n_out, uint32_t n_in, const wt_weight **out)
{
        struct wt_matrix v = { .size = sizeof v, .form = WT_FORM_ROWS, .dtype = WT_F32, .n_mat = 1,
                               .n_out = n_out, .n_in = n_in, .mat_stride = (uint64_t)n_out * n_in,
                               .out_stride = n_in, .in_stride = 1 };
        size_t bytes = m->compute->pack_bytes(&v);
        struct held *h = next(t);
        wt_err err;

        if (!bytes)
                return wt_fail(WT_EUNSUPPORTED, "the layout %s has no form for rope tables",
                               m->compute->layout);
        if (!h || posix_memalign(&h->blob, 64, bytes) != 0)
                return wt_fail(WT_ENOMEM, "no memory for rope tables of %u positions", n_out);
        memset(h->blob, 0, bytes);
        m->compute->pack(&v, rows, h->blob);
        err = m->compute->upload(c, &v, h->blob, &h->w);
        if (err == WT_OK)
                *out = h->w;
        return err;
}

static wt_err take_rope(wt_model *m, wt_compute *c, struct trunk *t, uint32_t positions)
{
        uint32_t half = m->shape->rope.dim / 2;
        size_t n = (size_t)positions * half;
        float *tables = malloc((2 * n + half) * sizeof *tables), magnitude;
        wt_err err;

        if (!tables)
                return wt_fail(WT_ENOMEM, "no memory for rope tables of %u positions", positions);
        wt_rope_freqs(&m->shape->rope, tables + 2 * n, &magnitude);
        wt_rope_table(tables + 2 * n, half, positions, magnitude, tables, tables + n);
        err = take_table(m, c, t, tables, positions, half, &t->pub.cos);
        if (err == WT_OK)
                err = take_table(m, c, t, tables + n, positions, half, &t->pub.sin);
        free(tables);
        return err;
}

wt_err wt_model_trunk(wt_model *m, wt_compute *c, uint32_t positions, struct wt_trunk **out)
{
        struct wt_part parts[WT_TRUNK_PARTS];
        struct trunk *t;
        wt_err err;

        if (!m->compute || !m->packs)
                return wt_fail(WT_EPRECONDITION,
                               "the model %s was opened without a folder for packs or "
                               "a compute plugin",
                               m->name);
        if (positions == 0 || positions > 1u << 26)
                return wt_fail(WT_EINVAL, "rope tables of %u positions; allowed: 1 to %u",
                               positions, 1u << 26);
        if (!(t = calloc(1, sizeof *t)))
                return wt_fail(WT_ENOMEM, "no memory for a model's trunk");
        err = take_parts(m, c, t, parts, wt_trunk_parts(m->shape, m->head_in_file, parts), &t->pub);
        if (err == WT_OK)
                err = take_layers(m, c, t);
        if (err == WT_OK)
                err = take_rope(m, c, t, positions);
        if (err != WT_OK) {
                wt_model_drop_trunk(m, c, &t->pub);
                return err;
        }
        *out = &t->pub;
        return WT_OK;
}

void wt_model_drop_trunk(wt_model *m, wt_compute *c, struct wt_trunk *trunk)
{
        struct trunk *t = (struct trunk *)trunk;

        if (!t)
                return;
        for (uint32_t i = 0; i < t->n; i++) {
                if (t->held[i].w)
                        m->compute->drop(c, t->held[i].w);
                wt_map_close(&t->held[i].map);
                free(t->held[i].blob);
        }
        free(t->held);
        free(t->pub.layers);
        free(t);
}
