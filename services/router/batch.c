/* batch.c - the memory of a step, taken once for the largest step that the settings allow. */
#include <stdlib.h>
#include "inside.h"

enum { LOGITS_BYTES = 32 << 20, CALL_BYTES = 128 };

static wt_err device_memory(struct router *r)
{
        struct batch *b = &r->batch;
        size_t rows = r->conf.step_rows, row_bytes = r->shape->width * sizeof(float);
        size_t logit_bytes = r->shape->vocab * sizeof(float), fit = LOGITS_BYTES / logit_bytes;
        wt_err err;

        b->logits_rows = fit == 0 ? 1 : fit < rows ? (uint32_t)fit : (uint32_t)rows;
        if ((err = r->ops->buffer_new(r->dev, rows * row_bytes, &b->h)) != WT_OK ||
            (err = r->ops->buffer_new(r->dev, rows * row_bytes, &b->shared)) != WT_OK ||
            (err = r->ops->host_alloc(r->dev, rows * row_bytes, (void **)&b->x)) != WT_OK ||
            (err = r->ops->host_alloc(r->dev, b->logits_rows * logit_bytes,
                                      (void **)&b->logits)) != WT_OK)
                return err;
        if (r->max_picks == 0)
                return WT_OK;
        if ((err = r->ops->host_alloc(r->dev, rows * r->max_picks * 4, (void **)&b->pick)) != WT_OK)
                return err;
        return r->ops->host_alloc(r->dev, rows * r->max_picks * 4, (void **)&b->weight);
}

/* Zeroed memory for n items; *ok turns false once anything is missing. */
static void *take(bool *ok, size_t n, size_t each)
{
        void *p = calloc(n > 0 ? n : 1, each);

        *ok = *ok && p != NULL;
        return p;
}

wt_err router_batch_init(struct router *r)
{
        struct batch *b = &r->batch;
        size_t t = r->conf.step_rows, k = r->max_picks, x = r->max_experts, seqs = r->conf.max_seqs;
        bool ok = true;

        b->runs = take(&ok, seqs, sizeof *b->runs);
        b->seq = take(&ok, seqs, sizeof *b->seq);
        b->back = take(&ok, seqs, 1);
        b->run_of = take(&ok, t, sizeof *b->run_of);
        b->ids = take(&ok, t, sizeof *b->ids);
        b->bad = take(&ok, t, 1);
        b->dead = take(&ok, t, 1);
        b->all = take(&ok, t * k, sizeof *b->all);
        b->goes = take(&ok, x, sizeof *b->goes);
        b->item = take(&ok, x, sizeof *b->item);
        b->item_rows = take(&ok, x, sizeof *b->item_rows);
        b->item_worker = take(&ok, x, sizeof *b->item_worker);
        b->holder_first = take(&ok, x + 1, sizeof *b->holder_first);
        b->holder = take(&ok, x * MAX_WORKERS, sizeof *b->holder);
        b->place_state = take(&ok, 1, r->conf.place->state_size + 1);
        b->node = take(&ok, t * (k + 1), sizeof *b->node);
        b->node_row = take(&ok, t * (k + 1), sizeof *b->node_row);
        b->node_at = take(&ok, t + 1, sizeof *b->node_at);
        b->zero = take(&ok, r->shape->width, sizeof *b->zero);
        b->want = take(&ok, t, 1);
        b->head_row = take(&ok, t, sizeof *b->head_row);
        b->out_id = take(&ok, t, sizeof *b->out_id);
        b->out_logprob = take(&ok, t, sizeof *b->out_logprob);
        b->out_top = take(&ok, t * MAX_TOP, sizeof *b->out_top);
        b->out_top_logprob = take(&ok, t * MAX_TOP, sizeof *b->out_top_logprob);
        b->n_scratch = r->conf.host->n_threads > 0 ? r->conf.host->n_threads : 1;
        b->scratch_each = (r->conf.sample->scratch_bytes(r->shape->vocab) + 63) / 64 * 64;
        b->scratch = aligned_alloc(64, b->scratch_each * b->n_scratch + 64);
        if (!ok || b->scratch == NULL)
                return wt_fail(WT_ENOMEM, "no memory for steps of %u rows", r->conf.step_rows);
        wt_arena_init(&b->arena, t * (k + 1) * CALL_BYTES);
        return device_memory(r);
}

void router_batch_fini(struct router *r)
{
        struct batch *b = &r->batch;

        router_step_end(r);
        free(b->runs); free(b->seq); free(b->back);
        free(b->run_of); free(b->ids); free(b->bad); free(b->dead);
        free(b->all); free(b->goes); free(b->item); free(b->item_rows); free(b->item_worker);
        free(b->holder_first); free(b->holder); free(b->place_state); free(b->node);
        free(b->node_row); free(b->node_at); free(b->zero); free(b->want); free(b->head_row);
        free(b->out_id); free(b->out_logprob); free(b->out_top); free(b->out_top_logprob);
        free(b->scratch);
        wt_arena_fini(&b->arena);
        if (r->dev == NULL)
                return;
        r->ops->buffer_free(r->dev, b->h);
        r->ops->buffer_free(r->dev, b->shared);
        r->ops->host_free(r->dev, b->x);
        r->ops->host_free(r->dev, b->logits);
        r->ops->host_free(r->dev, b->pick);
        r->ops->host_free(r->dev, b->weight);
}

static void free_spent(struct batch *b)
{
        while (b->spent != NULL) {
                wt_msg *next = b->spent->next;

                wt_msg_free(b->spent);
                b->spent = next;
        }
}

wt_err router_sync(struct router *r)
{
        wt_err err = r->ops->sync(r->dev);

        free_spent(&r->batch);
        return err;
}

void router_step_end(struct router *r)
{
        struct batch *b = &r->batch;

        router_calls_drop(r);
        b->n_rows = b->n_runs = 0;
        b->phase = STEP_NONE;
        if (r->dev != NULL)
                router_sync(r);
        wt_arena_reset(&b->arena);
}
