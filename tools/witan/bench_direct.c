/* bench_direct.c - see bench_direct.h. */
#include "bench_direct.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "bench_limits.h"
#include "bench_roof.h"
#include "math/kernels.h"
#include "plugin/plugin.h"

const char *const bench_phase_names[N_PHASES] = { "trunk", "routed experts", "head" };
const char *const bench_stage_names[N_STAGES] = { "embed",   "attend",  "gate", "ffn",
                                                  "experts", "combine", "head" };

struct bench_direct {
        const struct wt_compute_ops *ops;
        wt_compute *c;
        struct wt_host host;
        wt_model *model;
        const struct wt_shape *shape;
        struct bench_roof *roof;
        struct wt_trunk *trunk;
        struct wt_expert_weights **experts;      /* [layer][expert], NULL for dense layers */
        uint32_t max_rows, max_seqs, n_pages;    /* pages of one sequence */
        uint32_t max_picks, max_experts;
        uint32_t *pages;                         /* (max_seqs, n_pages) */
        wt_buffer **kv;                          /* per layer */
        wt_buffer *h, *shared;
        float *x, *weight, *leaf, *logits;
        int32_t *pick;
        uint8_t *bad;
        /* of a step (rows = max_rows, picks = max_rows * max_picks) */
        struct wt_run *runs;
        uint32_t *last;                          /* (runs) row whose logits are wanted */
        struct wt_expert_weights *group;         /* (experts) */
        uint32_t *first, *count, *row, *to;
        float *by_expert;
        struct wt_node *node; const float **node_row;
        uint32_t n_rows, n_runs;
        double busiest; uint32_t n_moe;
};

enum bench_phase bench_phase_of(enum bench_stage s)
{
        return s == STAGE_EXPERTS ? PHASE_EXPERTS : s == STAGE_HEAD ? PHASE_HEAD : PHASE_TRUNK;
}

const struct wt_shape *bench_direct_shape(const struct bench_direct *d) { return d->shape; }

/* ---- open, close ---- */

static wt_err open_weights(struct bench_direct *d, uint32_t positions)
{
        const struct wt_shape *s = d->shape;
        wt_err err = wt_model_trunk(d->model, d->c, positions, &d->trunk);

        if ((d->experts = calloc(s->n_layers, sizeof *d->experts)) == NULL)
                return wt_fail(WT_ENOMEM, "no memory for the table of experts");
        for (uint32_t l = 0; l < s->n_layers && err == WT_OK; l++) {
                const struct wt_layer *y = &s->layers[l];

                if (y->ffn != WT_FFN_MOE)
                        continue;
                d->max_picks = y->n_picks > d->max_picks ? y->n_picks : d->max_picks;
                d->max_experts = y->n_experts > d->max_experts ? y->n_experts : d->max_experts;
                d->experts[l] = calloc(y->n_experts, sizeof *d->experts[l]);
                for (uint32_t e = 0; d->experts[l] != NULL && e < y->n_experts && err == WT_OK; e++)
                        err = wt_model_expert(d->model, d->c, l, e, &d->experts[l][e], NULL);
                if (d->experts[l] == NULL)
                        err = wt_fail(WT_ENOMEM, "no memory for the table of experts");
        }
        return err;
}

static wt_err open_host(struct bench_direct *d, void *out, size_t n, size_t each)
{
        return d->ops->host_alloc(d->c, n * each + 64, out);
}

static wt_err open_buffers(struct bench_direct *d)
{
        size_t rows = d->max_rows, width = d->shape->width, picks = rows * d->max_picks + 1;
        wt_err err;

        if ((err = d->ops->buffer_new(d->c, rows * width * 4, &d->h)) != WT_OK ||
            (err = d->ops->buffer_new(d->c, rows * width * 4, &d->shared)) != WT_OK ||
            (err = open_host(d, &d->x, rows * width, 4)) != WT_OK ||
            (err = open_host(d, &d->weight, picks, 4)) != WT_OK ||
            (err = open_host(d, &d->pick, picks, 4)) != WT_OK ||
            (err = open_host(d, &d->leaf, picks * width, 4)) != WT_OK ||
            (err = open_host(d, &d->logits, (size_t)d->max_seqs * d->shape->vocab, 4)) != WT_OK ||
            (err = open_host(d, &d->bad, rows, 1)) != WT_OK)
                return err;
        d->runs = calloc(d->max_seqs, sizeof *d->runs);
        d->last = calloc(d->max_seqs, sizeof *d->last);
        d->pages = calloc((size_t)d->max_seqs * d->n_pages, sizeof *d->pages);
        d->group = calloc(d->max_experts + 1, sizeof *d->group);
        d->first = calloc(d->max_experts + 2, sizeof *d->first);
        d->count = calloc(d->max_experts + 1, sizeof *d->count);
        d->row = calloc(picks, sizeof *d->row);
        d->to = calloc(picks, sizeof *d->to);
        d->by_expert = calloc(picks, sizeof *d->by_expert);
        d->node = calloc(picks, sizeof *d->node);
        d->node_row = calloc(picks, sizeof *d->node_row);
        d->kv = calloc(d->shape->n_layers, sizeof *d->kv);
        if (!d->runs || !d->last || !d->pages || !d->group || !d->first || !d->count || !d->row ||
            !d->to || !d->by_expert || !d->node || !d->node_row || !d->kv)
                return wt_fail(WT_ENOMEM, "no memory for a step of %u rows", d->max_rows);
        for (uint32_t i = 0; i < d->max_seqs * d->n_pages; i++)
                d->pages[i] = i;
        for (uint32_t l = 0; l < d->shape->n_layers && err == WT_OK; l++)
                err = d->ops->buffer_new(d->c, (size_t)d->max_seqs * d->n_pages *
                                         d->ops->kv_page_bytes(&d->shape->layers[l]), &d->kv[l]);
        return err;
}

wt_err bench_direct_open(struct bench_direct **out, const struct wt_compute_ops *compute,
                         const char *folder, const char *packs, wt_pool *pool, uint32_t max_rows,
                         uint32_t max_seqs, uint32_t max_positions)
{
        struct wt_compute_conf c = { .size = sizeof c, .max_rows = max_rows, .max_seqs = max_seqs };
        struct bench_direct *d = calloc(1, sizeof *d);
        wt_err err;

        if (d == NULL)
                return wt_fail(WT_ENOMEM, "no memory for a model");
        d->ops = compute;
        d->max_rows = max_rows;
        d->max_seqs = max_seqs;
        d->n_pages = (max_positions + WT_PAGE - 1) / WT_PAGE;
        wt_host_init(&d->host, pool);
        if ((err = wt_model_open(&d->model, folder, packs, compute)) == WT_OK) {
                d->shape = wt_model_shape(d->model);
                c.max_pages = d->n_pages;
                c.vocab = d->shape->vocab;
                c.layers = d->shape->layers;
                c.n_layers = d->shape->n_layers;
                if ((err = bench_roof_open(&d->roof, d->shape, compute, folder)) == WT_OK &&
                    (err = compute->open(&d->c, &d->host, &c)) == WT_OK &&
                    (err = open_weights(d, max_positions)) == WT_OK)
                        err = open_buffers(d);
        }
        if (err != WT_OK) {
                bench_direct_close(d);
                return err;
        }
        *out = d;
        return WT_OK;
}

static void close_device(struct bench_direct *d)
{
        for (uint32_t l = 0; d->experts != NULL && l < d->shape->n_layers; l++) {
                for (uint32_t e = 0; d->experts[l] != NULL && e < d->shape->layers[l].n_experts;
                     e++)
                        if (d->experts[l][e].gate != NULL)
                                wt_model_drop_expert(d->model, d->c, l, e, &d->experts[l][e]);
                free(d->experts[l]);
        }
        for (uint32_t l = 0; d->kv != NULL && l < d->shape->n_layers; l++)
                d->ops->buffer_free(d->c, d->kv[l]);
        if (d->trunk != NULL)
                wt_model_drop_trunk(d->model, d->c, d->trunk);
        d->ops->buffer_free(d->c, d->h);
        d->ops->buffer_free(d->c, d->shared);
        d->ops->host_free(d->c, d->x);
        d->ops->host_free(d->c, d->weight);
        d->ops->host_free(d->c, d->pick);
        d->ops->host_free(d->c, d->leaf);
        d->ops->host_free(d->c, d->logits);
        d->ops->host_free(d->c, d->bad);
        d->ops->close(d->c);
}

void bench_direct_close(struct bench_direct *d)
{
        if (d == NULL)
                return;
        if (d->c != NULL)
                close_device(d);
        free(d->experts);
        free(d->kv);
        free(d->runs);
        free(d->last);
        free(d->pages);
        free(d->group);
        free(d->first);
        free(d->count);
        free(d->row);
        free(d->to);
        free(d->by_expert);
        free(d->node);
        free(d->node_row);
        bench_roof_close(d->roof);
        if (d->model != NULL)
                wt_model_close(d->model);
        free(d);
}

/* ---- a step ---- */

struct lap { struct bench_watch w; struct bench_work *to; uint32_t threads; };

static void lap(struct lap *p, enum bench_stage s) /* what passed since the last one was stage s */
{
        struct bench_time t = bench_watch_read(&p->w, p->threads);

        p->to->wall[s] += t.wall;
        p->to->cpu[s] += t.cpu;
        bench_watch_start(&p->w);
}

/* Picks by expert; pick i of all rows keeps place i of the leaves. */
static struct wt_expert_args sort_picks(struct bench_direct *d, const struct wt_layer *y)
{
        uint32_t n = d->n_rows * y->n_picks, groups = 0, at = 0, most = 0;
        struct wt_expert_args a = { .size = sizeof a,
                                    .layer = y,
                                    .weights = d->group,
                                    .first = d->first,
                                    .x = d->x,
                                    .row = d->row,
                                    .weight = d->by_expert,
                                    .leaf = d->to,
                                    .out = d->leaf,
                                    .bad = d->bad };

        memset(d->count, 0, y->n_experts * sizeof *d->count);
        for (uint32_t i = 0; i < n; i++)
                d->count[d->pick[i]]++;
        for (uint32_t e = 0; e < y->n_experts; e++) {
                uint32_t many = d->count[e];

                most = many > most ? many : most;
                d->count[e] = at;                /* now: where its next pick goes */
                if (many == 0)
                        continue;
                d->first[groups] = at;
                d->group[groups++] = d->experts[y->index][e];
                at += many;
        }
        d->first[groups] = at;
        for (uint32_t i = 0; i < n; i++) {
                uint32_t to = d->count[d->pick[i]]++;

                d->row[to] = i / y->n_picks;
                d->by_expert[to] = d->weight[i];
                d->to[to] = i;
        }
        a.n_groups = groups;
        d->busiest += (double)most / (n > 0 ? n : 1);
        d->n_moe++;
        return a;
}

static wt_err moe(struct bench_direct *d, const struct wt_layer *y, struct lap *p)
{
        const struct wt_layer_weights *w = &d->trunk->layers[y->index];
        uint32_t n = d->n_rows * y->n_picks, bits = wt_trie_bits(y->n_experts);
        struct wt_gate_args g = { .size = sizeof g, .layer = y, .w = w, .h = d->h, .x = d->x,
                                  .pick = d->pick, .weight = d->weight, .n_rows = d->n_rows,
                                  .bad = d->bad };
        struct wt_ffn_args f = { .size = sizeof f, .layer = y, .w = w, .x = d->x, .out = d->shared,
                                 .n_rows = d->n_rows, .bad = d->bad };
        struct wt_combine_args c = { .size = sizeof c,
                                     .layer = y,
                                     .h = d->h,
                                     .in = d->node,
                                     .in_rows = d->node_row,
                                     .n_in = n,
                                     .n_rows = d->n_rows,
                                     .bad = d->bad,
                                     .shared = y->shared_hidden > 0 ? d->shared : NULL };
        struct wt_expert_args e;
        wt_err err;

        if ((err = d->ops->gate(d->c, &g)) != WT_OK || (err = d->ops->sync(d->c)) != WT_OK)
                return err;
        lap(p, STAGE_GATE);
        if (y->shared_hidden > 0 && ((err = d->ops->ffn(d->c, &f)) != WT_OK ||
                                     (err = d->ops->sync(d->c)) != WT_OK))
                return err;
        lap(p, STAGE_FFN);
        e = sort_picks(d, y);
        if ((err = d->ops->expert_ffn(d->c, &e)) != WT_OK || (err = d->ops->sync(d->c)) != WT_OK)
                return err;
        lap(p, STAGE_EXPERTS);
        for (uint32_t i = 0; i < n; i++) {
                d->node[i] = (struct wt_node){ i / y->n_picks, bits, (uint32_t)d->pick[i] };
                d->node_row[i] = d->leaf + (size_t)i * y->width;
        }
        if ((err = d->ops->combine(d->c, &c)) != WT_OK || (err = d->ops->sync(d->c)) != WT_OK)
                return err;
        lap(p, STAGE_COMBINE);
        bench_roof_moe(d->roof, y->index, d->n_rows, e.n_groups, p->to);
        return WT_OK;
}

static wt_err layer(struct bench_direct *d, uint32_t l, struct lap *p)
{
        const struct wt_layer *y = &d->shape->layers[l];
        const struct wt_layer_weights *w = &d->trunk->layers[l];
        struct wt_attend_args a = { .size = sizeof a,
                                    .layer = y,
                                    .w = w,
                                    .h = d->h,
                                    .cos = d->trunk->cos,
                                    .sin = d->trunk->sin,
                                    .kv = d->kv[l],
                                    .runs = d->runs,
                                    .n_runs = d->n_runs,
                                    .n_rows = d->n_rows,
                                    .bad = d->bad };
        struct wt_ffn_args f = {
                .size = sizeof f, .layer = y, .w = w, .h = d->h, .n_rows = d->n_rows, .bad = d->bad
        };
        wt_err err;

        if ((err = d->ops->attend(d->c, &a)) != WT_OK || (err = d->ops->sync(d->c)) != WT_OK)
                return err;
        lap(p, STAGE_ATTEND);
        bench_roof_trunk(d->roof, l, d->runs, d->n_runs, d->n_rows, p->to);
        if (y->ffn == WT_FFN_MOE)
                return moe(d, y, p);
        if ((err = d->ops->ffn(d->c, &f)) != WT_OK || (err = d->ops->sync(d->c)) != WT_OK)
                return err;
        lap(p, STAGE_FFN);
        return WT_OK;
}

static wt_err set_runs(struct bench_direct *d, const struct bench_run *runs, uint32_t n_runs)
{
        d->n_rows = 0;
        d->n_runs = n_runs;
        d->busiest = 0;
        d->n_moe = 0;
        if (n_runs > d->max_seqs)
                return wt_fail(WT_EINVAL, "a step of %u sequences; %u were told of", n_runs,
                               d->max_seqs);
        for (uint32_t i = 0; i < n_runs; i++) {
                const struct bench_run *r = &runs[i];

                if (r->seq >= d->max_seqs || r->n_rows > d->max_rows - d->n_rows ||
                    (r->pos + r->n_rows - 1) / WT_PAGE >= d->n_pages)
                        return wt_fail(WT_EINVAL, "run %u does not fit what was told", i);
                d->runs[i] = (struct wt_run){ d->n_rows, r->n_rows, r->pos,
                                              d->pages + (size_t)r->seq * d->n_pages };
                d->n_rows += r->n_rows;
                d->last[i] = d->n_rows - 1;
        }
        memset(d->bad, 0, d->n_rows);
        return WT_OK;
}

wt_err bench_direct_step(struct bench_direct *d, const struct bench_run *runs, uint32_t n_runs,
                         const int32_t *ids, struct bench_work *w)
{
        const struct wt_shape *s = d->shape;
        struct lap p = { .to = w, .threads = d->host.n_threads > 0 ? d->host.n_threads : 1 };
        struct wt_embed_args e = {
                .size = sizeof e, .table = d->trunk->embed, .ids = ids, .h = d->h, .width = s->width
        };
        struct wt_head_args h = { .size = sizeof h, .norm = d->trunk->norm, .head = d->trunk->head,
                                  .eps = s->eps, .h = d->h, .rows = d->last, .n = n_runs,
                                  .width = s->width, .vocab = s->vocab, .logits = d->logits,
                                  .bad = d->bad };
        wt_err err = set_runs(d, runs, n_runs);

        if (err != WT_OK)
                return err;
        e.n_rows = d->n_rows;
        bench_watch_start(&p.w);
        if ((err = d->ops->embed(d->c, &e)) != WT_OK)
                return err;
        lap(&p, STAGE_EMBED);
        for (uint32_t l = 0; l < s->n_layers && err == WT_OK; l++)
                err = layer(d, l, &p);
        if (err != WT_OK || (err = d->ops->head(d->c, &h)) != WT_OK ||
            (err = d->ops->sync(d->c)) != WT_OK)
                return err;
        lap(&p, STAGE_HEAD);
        bench_roof_head(d->roof, d->n_rows, n_runs, w);
        w->rows += d->n_rows;
        return WT_OK;
}

/* ---- what a test asks ---- */

double bench_direct_rms(struct bench_direct *d)
{
        size_t n = (size_t)d->n_rows * d->shape->width;
        float *h = malloc(n * sizeof *h);
        double sum = 0;

        if (h == NULL || d->ops->copy_out(d->c, h, d->h, 0, n * sizeof *h) != WT_OK)
                sum = NAN;
        for (size_t i = 0; h != NULL && i < n; i++)
                sum += (double)h[i] * h[i];
        free(h);
        return sqrt(sum / (double)n);
}

double bench_direct_busiest(const struct bench_direct *d)
{
        return d->n_moe > 0 ? d->busiest / d->n_moe : 0;
}

bool bench_direct_finite(const struct bench_direct *d)
{
        for (uint32_t i = 0; i < d->n_rows; i++)
                if (d->bad[i])
                        return false;
        return true;
}
