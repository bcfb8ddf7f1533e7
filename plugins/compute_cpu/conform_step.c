#include "conform_step.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/rng.h"

/* ---- truth ----------------------------------------------------------------------------------- */

void cf_truth_new(struct cf_truth *t, const struct cf_model *m, uint32_t n_seq, const uint32_t *len)
{
        size_t d = m->l.width, k = m->l.n_picks;

        *t = (struct cf_truth){ .m = m, .n_seq = n_seq };
        for (uint32_t s = 0; s < n_seq; s++) {
                size_t n = t->len[s] = len[s];

                t->att[s] = malloc(n * d * sizeof(float));
                t->out[s] = malloc(n * d * sizeof(float));
                t->x[s] = calloc(n * d, sizeof(float));
                t->logits[s] = malloc(n * CF_VOCAB * sizeof(float));
                t->weight[s] = calloc(n * k + 1, sizeof(float));
                t->pick[s] = calloc(n * k + 1, sizeof(int32_t));
                for (uint32_t p = 0; p < n; p++)
                        cf_embed_row(m, cf_token(s, p), t->att[s] + p * d);
                cf_attend(&m->ref, t->att[s], (uint32_t)n, NULL);
                memcpy(t->out[s], t->att[s], n * d * sizeof(float));
                for (uint32_t p = 0; p < n; p++) {
                        if (m->l.ffn == WT_FFN_MOE)
                                cf_gate(&m->ref, t->att[s] + p * d, t->x[s] + p * d,
                                        t->pick[s] + p * k, t->weight[s] + p * k);
                        cf_ffn(&m->ref, t->out[s] + p * d);
                        cf_head(&m->ref, t->out[s] + p * d, t->logits[s] + (size_t)p * CF_VOCAB);
                }
        }
}

void cf_truth_free(struct cf_truth *t)
{
        for (uint32_t s = 0; s < t->n_seq; s++) {
                free(t->att[s]);
                free(t->out[s]);
                free(t->x[s]);
                free(t->logits[s]);
                free(t->weight[s]);
                free(t->pick[s]);
        }
}

/* ---- batch ----------------------------------------------------------------------------------- */

/* Pages are dealt out of one shuffled deck. */
static void deal_pages(struct cf_batch *b, uint32_t each)
{
        uint32_t n = each * CF_SEQS, *deck = malloc(n * sizeof *deck);

        for (uint32_t i = 0; i < n; i++)
                deck[i] = i;
        for (uint32_t i = n; i > 1; i--) {
                uint32_t j = (uint32_t)(wt_philox_unit(3, i, 0, 0) * i), x = deck[i - 1];

                deck[i - 1] = deck[j];
                deck[j] = x;
        }
        for (uint32_t s = 0; s < CF_SEQS; s++) {
                b->pages[s] = malloc(each * sizeof *deck);
                memcpy(b->pages[s], deck + s * each, each * sizeof *deck);
        }
        free(deck);
}

int cf_batch_new(struct cf_batch *b, struct cf_device *d, const struct cf_truth *t,
                 uint32_t max_rows, uint32_t n_pages)
{
        const struct wt_layer *l = &d->m->l;
        size_t row = l->width * sizeof(float), rows = max_rows, k = l->n_picks + 1;
        const struct { size_t bytes; void **to;
        } host[] = {
                {rows * row, (void **)&b->x},         {rows * k * 4, (void **)&b->weight},
                {rows * 4, (void **)&b->margin},      {rows * k * row, (void **)&b->leaf},
                {rows * k * row, (void **)&b->nodes}, {rows * CF_VOCAB * 4, (void **)&b->logits},
                {rows * k * 4, (void **)&b->pick},
        };
        int err;

        *b = (struct cf_batch){ .d = d, .t = t, .max_rows = max_rows };
        b->mine = calloc(rows, row);
        b->bad = calloc(rows, 1);
        deal_pages(b, n_pages);
        if ((err = d->o->buffer_new(d->c, rows * row, &b->h)) ||
            (err = d->o->buffer_new(d->c, rows * row, &b->shared)) ||
            (err = d->o->buffer_new(d->c, d->o->kv_page_bytes(l) * n_pages * CF_SEQS, &b->kv)))
                return err;
        for (size_t i = 0; i < sizeof host / sizeof *host; i++)
                if ((err = d->o->host_alloc(d->c, host[i].bytes, host[i].to)))
                        return err;
        return WT_OK;
}

void cf_batch_free(struct cf_batch *b)
{
        void *host[] = { b->x, b->weight, b->margin, b->leaf, b->nodes, b->logits, b->pick };

        for (size_t i = 0; i < sizeof host / sizeof *host; i++)
                b->d->o->host_free(b->d->c, host[i]);
        b->d->o->buffer_free(b->d->c, b->h);
        b->d->o->buffer_free(b->d->c, b->shared);
        b->d->o->buffer_free(b->d->c, b->kv);
        free(b->mine);
        free(b->bad);
        for (uint32_t s = 0; s < CF_SEQS; s++)
                free(b->pages[s]);
}

/* ---- comparing ------------------------------------------------------------------------------- */

struct rows { const struct cf_feed *f; uint32_t n_feeds, n; };

static bool same(struct cf_batch *b, const struct rows *r, const char *what, const void *mine,
                 size_t size, void *const *truth)
{
        uint32_t row = 0;

        for (uint32_t i = 0; i < r->n_feeds; row += r->f[i++].n) {
                const struct cf_feed *f = r->f + i;

                for (uint32_t j = 0; j < f->n && f->seq != CF_POISONED; j++)
                        if (memcmp((const char *)mine + (row + j) * size,
                                   (const char *)truth[f->seq] + (f->pos + j) * size, size)) {
                                snprintf(b->words, sizeof b->words,
                                         "%s of sequence %u, position %u "
                                         "(row %u of %u) differs",
                                         what, f->seq, f->pos + j, row + j, r->n);
                                return false;
                        }
        }
        return true;
}

static bool same_h(struct cf_batch *b, const struct rows *r, const char *what, float *const *truth)
{
        size_t row = b->d->m->l.width * sizeof(float);
        int err = b->d->o->copy_out(b->d->c, b->mine, b->h, 0, r->n * row);

        if (!err)
                err = b->d->o->sync(b->d->c);
        if (err)
                snprintf(b->words, sizeof b->words, "%s: copy_out: %s", what, wt_words());
        return !err && same(b, r, what, b->mine, row, (void *const *)truth);
}

static bool bad_rows(struct cf_batch *b, const struct rows *r)
{
        uint32_t row = 0;

        for (uint32_t i = 0; i < r->n_feeds; row += r->f[i++].n)
                for (uint32_t j = 0; j < r->f[i].n; j++) {
                        bool want = r->f[i].seq == CF_POISONED && r->f[i].pos + j >= CF_POISON_AT;

                        if (b->bad[row + j] == want)
                                continue;
                        snprintf(b->words, sizeof b->words,
                                 "row of sequence %u, position %u is%s marked "
                                 "bad",
                                 r->f[i].seq, r->f[i].pos + j, want ? " not" : "");
                        return false;
                }
        return true;
}

static bool failed(struct cf_batch *b, const char *stage, int err)
{
        if (err)
                snprintf(b->words, sizeof b->words, "%s: code %d: %.150s", stage, err, wt_words());
        return err != WT_OK;
}

/* ---- experts: workers, each with its own part of the trie ------------------------------------ */

struct part { struct wt_node node; const float *row; };

struct moe {
        struct cf_batch *b;
        uint32_t n_rows, bits, worker;
        struct wt_node *node; uint32_t n;        /* nodes of this worker */
        struct part *part; uint32_t n_parts;     /* of all workers */
        uint32_t leaf0, node0;                   /* rows of b->leaf and b->nodes in use */
};

static uint32_t owner(const struct cf_batch *b, uint32_t e)
{
        uint32_t w = b->workers ? b->workers : 1;

        return b->scattered ? e % w : e * w / b->d->m->l.n_experts;
}

/* The highest nodes of row t all of whose picks are the worker's; or the leaves themselves. */
static void own_nodes(struct moe *m, uint32_t t, uint32_t depth, uint32_t prefix)
{
        const struct wt_layer *l = &m->b->d->m->l;
        uint32_t mine = 0, others = 0;

        for (uint32_t k = 0; k < l->n_picks; k++) {
                uint32_t e = (uint32_t)m->b->pick[t * l->n_picks + k];

                if (e >> (m->bits - depth) == prefix)
                        *(owner(m->b, e) == m->worker ? &mine : &others) += 1;
        }
        if (!mine)
                return;
        if (!others && (m->b->workers || depth == m->bits)) {
                m->node[m->n++] = (struct wt_node){ t, depth, prefix };
                return;
        }
        own_nodes(m, t, depth + 1, 2 * prefix);
        own_nodes(m, t, depth + 1, 2 * prefix + 1);
}

/* The worker's picks, expert by expert, upward or downward; leaves land in (slot, id) order. */
static int multiply(struct moe *m, struct wt_node *leaves, const float **rows, uint32_t *n_leaves)
{
        struct cf_batch *b = m->b;
        const struct wt_layer *l = &b->d->m->l;
        uint32_t most = m->n_rows * l->n_picks, e_n = l->n_experts, n = 0, groups = 0;
        uint32_t *first = malloc((e_n + 1 + 2 * (size_t)most) * sizeof *first),
                 *row = first + e_n + 1;
        uint32_t *leaf = row + most, *at = calloc(most, sizeof *at);
        struct wt_expert_weights *w = malloc(e_n * sizeof *w);
        float *weight = malloc(most * sizeof *weight);
        int err;

        *n_leaves = 0;
        for (uint32_t i = 0; i < most; i++) {
                uint32_t e = (uint32_t)b->pick[i];

                if (owner(b, e) != m->worker)
                        continue;
                at[i] = m->leaf0 + *n_leaves;
                rows[*n_leaves] = b->leaf + (size_t)at[i] * l->width;
                leaves[(*n_leaves)++] = (struct wt_node){ i / l->n_picks, m->bits, e };
        }
        first[0] = 0;
        for (uint32_t j = 0; j < e_n; j++) {
                uint32_t e = m->worker % 2 ? e_n - 1 - j : j;

                if (owner(b, e) != m->worker)
                        continue;
                for (uint32_t i = 0; i < most; i++)
                        if ((uint32_t)b->pick[i] == e) {
                                row[n] = i / l->n_picks;
                                weight[n] = b->weight[i];
                                leaf[n++] = at[i];
                        }
                w[groups++] = b->d->experts[e];
                first[groups] = n;
        }
        err = b->d->o->expert_ffn(b->d->c,
                                  &(struct wt_expert_args){.size = sizeof(struct wt_expert_args),
                                                           .layer = l,
                                                           .weights = w,
                                                           .first = first,
                                                           .n_groups = groups,
                                                           .x = b->x,
                                                           .row = row,
                                                           .weight = weight,
                                                           .leaf = leaf,
                                                           .out = b->leaf,
                                                           .bad = b->bad});
        if (!err)
                err = b->d->o->sync(b->d->c);
        free(first);
        free(at);
        free(w);
        free(weight);
        return err;
}

static int worker(struct moe *m)
{
        struct cf_batch *b = m->b;
        const struct wt_layer *l = &b->d->m->l;
        uint32_t most = m->n_rows * l->n_picks, n_leaves;
        struct wt_node *leaves = malloc(2 * (size_t)most * sizeof *leaves);
        const float **rows = malloc(most * sizeof *rows);
        float *to = b->nodes + (size_t)m->node0 * l->width;
        int err = multiply(m, leaves, rows, &n_leaves);

        m->node = leaves + most;
        m->n = 0;
        for (uint32_t t = 0; t < m->n_rows; t++)
                own_nodes(m, t, 0, 0);
        if (!err && b->workers)
                err = b->d->o->fold(b->d->c,
                                    &(struct wt_fold_args){.size = sizeof(struct wt_fold_args),
                                                           .width = l->width,
                                                           .bits = m->bits,
                                                           .in = leaves,
                                                           .in_rows = rows,
                                                           .n_in = n_leaves,
                                                           .out = m->node,
                                                           .out_rows = to,
                                                           .n_out = m->n});
        if (!err)
                err = b->d->o->sync(b->d->c);
        for (uint32_t i = 0; i < m->n; i++)
                m->part[m->n_parts++] =
                        (struct part){m->node[i], b->workers ? to + (size_t)i * l->width : rows[i]};
        m->leaf0 += n_leaves;
        m->node0 += m->n;
        free(leaves);
        free(rows);
        return err;
}

static uint32_t part_bits;                       /* qsort has no argument */

static int by_slot(const void *a, const void *b)
{
        const struct wt_node *x = &((const struct part *)a)->node,
                             *y = &((const struct part *)b)->node;
        uint64_t i = (uint64_t)x->slot << 32 | x->prefix << (part_bits - x->depth);
        uint64_t j = (uint64_t)y->slot << 32 | y->prefix << (part_bits - y->depth);

        return i < j ? -1 : i > j;
}

static bool experts(struct cf_batch *b, uint32_t n_rows)
{
        const struct wt_layer *l = &b->d->m->l;
        uint32_t most = n_rows * l->n_picks;
        struct moe m = { .b = b, .n_rows = n_rows, .part = malloc(most * sizeof *m.part) };
        struct wt_node *node = malloc(most * sizeof *node);
        const float **row = malloc(most * sizeof *row);
        int err = WT_OK;

        while ((1u << m.bits) < l->n_experts)
                m.bits++;
        for (; m.worker < (b->workers ? b->workers : 1) && !err; m.worker++)
                err = worker(&m);
        part_bits = m.bits;
        qsort(m.part, m.n_parts, sizeof *m.part, by_slot);
        for (uint32_t i = 0; i < m.n_parts; i++) {
                node[i] = m.part[i].node;
                row[i] = m.part[i].row;
        }
        if (!failed(b, "expert_ffn or fold", err))
                failed(b, "combine", err = b->d->o->combine(b->d->c, &(struct wt_combine_args){
                        .size = sizeof(struct wt_combine_args), .layer = l, .h = b->h,
                        .shared = l->shared_hidden ? b->shared : NULL, .in = node, .in_rows = row,
                        .n_in = m.n_parts, .n_rows = n_rows, .bad = b->bad }));
        free(m.part);
        free(node);
        free(row);
        return !err;
}

/* ---- a step ---------------------------------------------------------------------------------- */

static bool attend(struct cf_batch *b, const struct rows *r)
{
        struct wt_run *runs = malloc(r->n_feeds * sizeof *runs);
        uint32_t row = 0;
        int err;

        for (uint32_t i = 0; i < r->n_feeds; row += r->f[i++].n)
                runs[i] = (struct wt_run){ row, r->f[i].n, r->f[i].pos, b->pages[r->f[i].seq] };
        err = b->d->o->attend(b->d->c,
                              &(struct wt_attend_args){.size = sizeof(struct wt_attend_args),
                                                       .layer = &b->d->m->l,
                                                       .w = &b->d->w,
                                                       .h = b->h,
                                                       .cos = b->d->cos,
                                                       .sin = b->d->sin,
                                                       .kv = b->kv,
                                                       .runs = runs,
                                                       .n_runs = r->n_feeds,
                                                       .n_rows = r->n,
                                                       .bad = b->bad});
        free(runs);
        return !failed(b, "attend", err);
}

static bool gate(struct cf_batch *b, const struct rows *r)
{
        const struct wt_layer *l = &b->d->m->l;
        size_t k = l->n_picks;
        int err = b->d->o->gate(b->d->c, &(struct wt_gate_args){.size = sizeof(struct wt_gate_args),
                                                                .layer = l,
                                                                .w = &b->d->w,
                                                                .h = b->h,
                                                                .x = b->x,
                                                                .pick = b->pick,
                                                                .weight = b->weight,
                                                                .margin = b->margin,
                                                                .n_rows = r->n,
                                                                .bad = b->bad});

        if (!err)
                err = b->d->o->sync(b->d->c);
        if (failed(b, "gate", err))
                return false;
        for (uint32_t i = 0; i < r->n * k; i++)
                if (b->pick[i] < 0 || b->pick[i] >= (int32_t)l->n_experts ||
                    (i % k && b->pick[i] <= b->pick[i - 1])) {
                        snprintf(b->words, sizeof b->words, "picks of row %zu do not ascend",
                                 i / k);
                        return false;
                }
        return same(b, r, "x", b->x, l->width * sizeof(float), (void *const *)b->t->x) &&
               same(b, r, "pick", b->pick, k * sizeof(int32_t), (void *const *)b->t->pick) &&
               same(b, r, "weight", b->weight, k * sizeof(float), (void *const *)b->t->weight);
}

static bool feed_forward(struct cf_batch *b, const struct rows *r)
{
        const struct wt_layer *l = &b->d->m->l;
        struct wt_ffn_args a = { .size = sizeof a, .layer = l, .w = &b->d->w, .h = b->h, .x = b->x,
                                 .out = b->shared, .n_rows = r->n, .bad = b->bad };

        if (l->ffn == WT_FFN_MOE && !gate(b, r))
                return false;
        if ((l->ffn == WT_FFN_DENSE || l->shared_hidden) &&
            failed(b, "ffn", b->d->o->ffn(b->d->c, &a)))
                return false;
        return l->ffn == WT_FFN_DENSE || experts(b, r->n);
}

/* Logits of every row, asked for in descending order. */
static bool head(struct cf_batch *b, const struct rows *r)
{
        uint32_t *want = malloc(r->n * sizeof *want);
        size_t row = CF_VOCAB * sizeof(float);
        float *straight = malloc(r->n * row);
        bool ok;

        for (uint32_t i = 0; i < r->n; i++)
                want[i] = r->n - 1 - i;
        ok = !failed(b, "head",
                     b->d->o->head(b->d->c,
                                   &(struct wt_head_args){.size = sizeof(struct wt_head_args),
                                                          .norm = b->d->norm,
                                                          .head = b->d->head,
                                                          .eps = b->d->m->l.eps,
                                                          .h = b->h,
                                                          .rows = want,
                                                          .n = r->n,
                                                          .width = b->d->m->l.width,
                                                          .vocab = CF_VOCAB,
                                                          .logits = b->logits,
                                                          .bad = b->bad})) &&
             !failed(b, "sync", b->d->o->sync(b->d->c));
        for (uint32_t i = 0; i < r->n; i++)
                memcpy((char *)straight + want[i] * row, b->logits + (size_t)i * CF_VOCAB, row);
        ok = ok && same(b, r, "logits", straight, row, (void *const *)b->t->logits);
        free(want);
        free(straight);
        return ok;
}

static struct rows rows_of(const struct cf_feed *f, uint32_t n_feeds)
{
        struct rows r = { f, n_feeds, 0 };

        for (uint32_t i = 0; i < n_feeds; i++)
                r.n += f[i].n;
        return r;
}

bool cf_step(struct cf_batch *b, const struct cf_feed *f, uint32_t n_feeds)
{
        struct rows r = rows_of(f, n_feeds);
        int32_t *ids = malloc(r.n * sizeof *ids);
        uint32_t row = 0;
        bool ok;

        for (uint32_t i = 0; i < n_feeds; i++)
                for (uint32_t j = 0; j < f[i].n; j++)
                        ids[row++] = f[i].seq == CF_POISONED && f[i].pos + j == CF_POISON_AT
                                             ? CF_VOCAB - 1 : cf_token(f[i].seq, f[i].pos + j);
        memset(b->bad, 0, b->max_rows);
        ok = !failed(b, "embed", b->d->o->embed(b->d->c, &(struct wt_embed_args){
                .size = sizeof(struct wt_embed_args), .table = b->d->embed, .ids = ids, .h = b->h,
                .width = b->d->m->l.width, .n_rows = r.n }));
        free(ids);
        return ok && attend(b, &r) && same_h(b, &r, "attention", b->t->att) &&
               feed_forward(b, &r) && same_h(b, &r, "layer output", b->t->out) && head(b, &r) &&
               bad_rows(b, &r);
}

bool cf_attend_only(struct cf_batch *b, const struct cf_feed *f, uint32_t n_feeds)
{
        struct rows r = rows_of(f, n_feeds);
        size_t bytes = (size_t)r.n * b->d->m->l.width * sizeof(float);

        return !failed(b, "copy_in", b->d->o->copy_in(b->d->c, b->h, 0, b->mine, bytes)) &&
               attend(b, &r) &&
               !failed(b, "copy_out", b->d->o->copy_out(b->d->c, b->mine, b->h, 0, bytes)) &&
               !failed(b, "sync", b->d->o->sync(b->d->c));
}
