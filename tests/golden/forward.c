/* forward.c - see forward.h. Errors of the stages come back as they are. */
#include "forward.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "math/kernels.h"
#include "plugin/plugin.h"

static wt_err open_weights(struct forward *f, uint32_t max_positions)
{
        wt_err err = wt_model_trunk(f->model, f->c, max_positions, &f->trunk);

        f->experts = calloc(f->shape->n_layers, sizeof *f->experts);
        for (uint32_t l = 0; l < f->shape->n_layers && err == WT_OK; l++) {
                const struct wt_layer *y = &f->shape->layers[l];
                if (y->ffn != WT_FFN_MOE)
                        continue;
                f->experts[l] = calloc(y->n_experts, sizeof **f->experts);
                for (uint32_t e = 0; e < y->n_experts && err == WT_OK; e++)
                        err = wt_model_expert(f->model, f->c, l, e, &f->experts[l][e], NULL);
        }
        return err;
}

static wt_err open_buffers(struct forward *f)
{
        size_t rows = f->max_rows, d = f->shape->width, most = 1;
        wt_err err;

        for (uint32_t l = 0; l < f->shape->n_layers; l++)
                if (f->shape->layers[l].n_picks > most)
                        most = f->shape->layers[l].n_picks;
        if ((err = f->ops->buffer_new(f->c, rows * d * 4, &f->h)) != WT_OK ||
            (err = f->ops->buffer_new(f->c, rows * d * 4, &f->shared)) != WT_OK ||
            (err = f->ops->host_alloc(f->c, rows * d * 4, (void **)&f->x)) != WT_OK ||
            (err = f->ops->host_alloc(f->c, rows * most * 4, (void **)&f->weight)) != WT_OK ||
            (err = f->ops->host_alloc(f->c, rows * most * 4, (void **)&f->pick)) != WT_OK ||
            (err = f->ops->host_alloc(f->c, rows * most * d * 4, (void **)&f->leaf)) != WT_OK ||
            (err = f->ops->host_alloc(f->c, rows * f->shape->vocab * 4, (void **)&f->logits)) !=
                    WT_OK ||
            (err = f->ops->host_alloc(f->c, rows, (void **)&f->bad)) != WT_OK)
                return err;
        f->kv = calloc(f->shape->n_layers, sizeof *f->kv);
        for (uint32_t l = 0; l < f->shape->n_layers && err == WT_OK; l++)
                err = f->ops->buffer_new(
                        f->c, f->n_pages * f->ops->kv_page_bytes(&f->shape->layers[l]), &f->kv[l]);
        return err;
}

wt_err forward_open(struct forward *f, const struct wt_plugin *(*entry)(void), const char *folder,
                    const char *pack_dir, uint32_t max_positions, uint32_t max_rows)
{
        struct wt_compute_conf c = { .size = sizeof c, .max_rows = max_rows, .max_seqs = 1 };
        wt_err err;

        memset(f, 0, sizeof *f);
        f->smallest_margin = INFINITY;
        f->ops = entry()->ops;
        f->max_rows = max_rows;
        f->n_pages = (max_positions + WT_PAGE - 1) / WT_PAGE;
        if ((err = wt_model_open(&f->model, folder, pack_dir, f->ops)) != WT_OK ||
            (err = wt_pool_new(&f->pool, 2)) != WT_OK)
                return err;
        f->shape = wt_model_shape(f->model);
        wt_host_init(&f->host, f->pool);
        c.max_pages = f->n_pages;
        c.vocab = f->shape->vocab;
        c.layers = f->shape->layers;
        c.n_layers = f->shape->n_layers;
        if ((err = f->ops->open(&f->c, &f->host, &c)) != WT_OK ||
            (err = open_weights(f, max_positions)) != WT_OK)
                return err;
        return open_buffers(f);
}

static void drop_experts(struct forward *f)
{
        for (uint32_t l = 0; l < f->shape->n_layers; l++) {
                for (uint32_t e = 0; f->experts[l] != NULL && e < f->shape->layers[l].n_experts;
                     e++) {
                        f->ops->drop(f->c, (wt_weight *)f->experts[l][e].gate);
                        f->ops->drop(f->c, (wt_weight *)f->experts[l][e].up);
                        f->ops->drop(f->c, (wt_weight *)f->experts[l][e].down);
                }
                free(f->experts[l]);
                f->ops->buffer_free(f->c, f->kv[l]);
        }
        free(f->experts);
        free(f->kv);
}

void forward_close(struct forward *f)
{
        drop_experts(f);
        wt_model_drop_trunk(f->model, f->c, f->trunk);
        f->ops->buffer_free(f->c, f->h);
        f->ops->buffer_free(f->c, f->shared);
        f->ops->host_free(f->c, f->x);
        f->ops->host_free(f->c, f->weight);
        f->ops->host_free(f->c, f->pick);
        f->ops->host_free(f->c, f->leaf);
        f->ops->host_free(f->c, f->logits);
        f->ops->host_free(f->c, f->bad);
        f->ops->close(f->c);
        wt_model_close(f->model);
        wt_pool_free(f->pool);
}

/* The picks of all rows, expert by expert; leaf i of the trie is pick i in row order. */
static wt_err run_experts(struct forward *f, const struct wt_layer *y, uint32_t n)
{
        uint32_t k = y->n_picks, bits = wt_trie_bits(y->n_experts), total = n * k, at = 0,
                 groups = 0;
        struct wt_expert_weights *w = calloc(y->n_experts, sizeof *w);
        uint32_t *first = calloc(y->n_experts + 1, 4), *row = calloc(total, 4),
                 *leaf = calloc(total, 4);
        float *weight = calloc(total, 4);
        struct wt_node *node = calloc(total, sizeof *node);
        const float **rows = calloc(total, sizeof *rows);
        struct wt_expert_args a = {.size = sizeof a,
                                   .layer = y,
                                   .weights = w,
                                   .first = first,
                                   .x = f->x,
                                   .row = row,
                                   .weight = weight,
                                   .leaf = leaf,
                                   .out = f->leaf,
                                   .bad = f->bad};
        struct wt_combine_args c = {.size = sizeof c,
                                    .layer = y,
                                    .h = f->h,
                                    .in = node,
                                    .in_rows = rows,
                                    .n_in = total,
                                    .n_rows = n,
                                    .bad = f->bad,
                                    .shared = y->shared_hidden > 0 ? f->shared : NULL};
        wt_err err;

        for (uint32_t e = 0; e < y->n_experts; e++) {
                first[groups] = at;
                for (uint32_t i = 0; i < total; i++) {
                        if (f->pick[i] != (int32_t)e)
                                continue;
                        row[at] = i / k;
                        weight[at] = f->weight[i];
                        leaf[at++] = i;
                }
                if (at > first[groups])
                        w[groups++] = f->experts[y->index][e];
        }
        first[groups] = at;
        a.n_groups = groups;
        for (uint32_t i = 0; i < total; i++) {
                node[i] = (struct wt_node){ i / k, bits, (uint32_t)f->pick[i] };
                rows[i] = f->leaf + (size_t)i * y->width;
        }
        err = f->ops->expert_ffn(f->c, &a);
        if (err == WT_OK)
                err = f->ops->combine(f->c, &c);
        free(w); free(first); free(row); free(leaf); free(weight); free(node); free(rows);
        return err;
}

static wt_err run_ffn(struct forward *f, const struct wt_layer *y, uint32_t n)
{
        const struct wt_layer_weights *w = &f->trunk->layers[y->index];
        struct wt_ffn_args d = { .size = sizeof d, .layer = y, .w = w, .h = f->h, .n_rows = n,
                                 .bad = f->bad };
        float margin[n];
        struct wt_gate_args g = {.size = sizeof g,
                                 .layer = y,
                                 .w = w,
                                 .h = f->h,
                                 .x = f->x,
                                 .pick = f->pick,
                                 .weight = f->weight,
                                 .margin = margin,
                                 .n_rows = n,
                                 .bad = f->bad};
        wt_err err;

        if (y->ffn == WT_FFN_DENSE)
                return f->ops->ffn(f->c, &d);
        if ((err = f->ops->gate(f->c, &g)) != WT_OK)
                return err;
        for (uint32_t i = 0; i < n; i++)
                f->smallest_margin = fminf(f->smallest_margin, margin[i]);
        if (y->shared_hidden > 0) {
                d.h = NULL;
                d.x = f->x;
                d.out = f->shared;
                if ((err = f->ops->ffn(f->c, &d)) != WT_OK)
                        return err;
        }
        return run_experts(f, y, n);
}

static wt_err run_chunk(struct forward *f, const int32_t *ids, uint32_t pos, uint32_t n, float *out,
                        const struct forward_watch *watch)
{
        const struct wt_shape *s = f->shape;
        uint32_t pages[f->n_pages], rows[n];
        struct wt_run run = { 0, n, pos, pages };
        struct wt_embed_args e = {.size = sizeof e,
                                  .table = f->trunk->embed,
                                  .ids = ids,
                                  .h = f->h,
                                  .width = s->width,
                                  .n_rows = n};
        struct wt_head_args hd = {.size = sizeof hd,
                                  .norm = f->trunk->norm,
                                  .head = f->trunk->head,
                                  .eps = s->eps,
                                  .h = f->h,
                                  .rows = rows,
                                  .n = n,
                                  .width = s->width,
                                  .vocab = s->vocab,
                                  .logits = f->logits,
                                  .bad = f->bad};
        float *copy = malloc((size_t)n * s->width * 4);
        wt_err err = f->ops->embed(f->c, &e);

        for (uint32_t i = 0; i < f->n_pages; i++)
                pages[i] = f->n_pages - 1 - i;   /* not in order: a page table is a table */
        for (uint32_t i = 0; i < n; i++)
                rows[i] = i;
        for (uint32_t l = 0; l < s->n_layers && err == WT_OK; l++) {
                const struct wt_layer *y = &s->layers[l];
                struct wt_attend_args a = { .size = sizeof a, .layer = y, .w = &f->trunk->layers[l],
                        .h = f->h, .cos = f->trunk->cos, .sin = f->trunk->sin, .kv = f->kv[l],
                        .runs = &run, .n_runs = 1, .n_rows = n, .bad = f->bad };
                if ((err = f->ops->attend(f->c, &a)) != WT_OK || (err = run_ffn(f, y, n)) != WT_OK)
                        break;
                if (watch != NULL && (err = f->ops->copy_out(f->c, copy, f->h, 0,
                                                             (size_t)n * s->width * 4)) == WT_OK)
                        watch->layer(watch->arg, l, pos, n, copy,
                                     y->ffn == WT_FFN_MOE ? f->pick : NULL);
        }
        if (err == WT_OK && out != NULL && (err = f->ops->head(f->c, &hd)) == WT_OK)
                memcpy(out, f->logits, (size_t)n * s->vocab * 4);
        free(copy);
        return err;
}

wt_err forward_run(struct forward *f, const int32_t *ids, uint32_t pos, uint32_t n, uint32_t chunk,
                   float *out, const struct forward_watch *watch)
{
        for (uint32_t at = 0; at < n; at += chunk) {
                uint32_t m = n - at < chunk ? n - at : chunk;
                wt_err err =
                        run_chunk(f, ids + at, pos + at, m,
                                  out != NULL ? out + (size_t)at * f->shape->vocab : NULL, watch);
                if (err != WT_OK)
                        return err;
        }
        return WT_OK;
}
