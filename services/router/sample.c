/* sample.c - the head for the rows that want logits, then the next token of each sequence
 * (numbers.md N8). Draws are pure, so they run on the host's threads. */
#include <string.h>
#include "path.h"

/* What row t of the step wants: the last known position draws the next token; prompt positions are
 * scored when asked. A digest covers every row that a whole run has logits for, so the rows that a
 * continued sequence replays are among them. */
static uint8_t wants(const struct seq *s, uint32_t pos)
{
        uint8_t w = HEAD_NONE;

        if (s->over)
                return HEAD_NONE;
        if (s->prompt_logprobs && pos + 1 < s->n_prompt)
                w |= HEAD_SCORE;
        if (pos + 1 == s->n_ids && s->n_ids - s->n_prompt < s->max_tokens)
                w |= HEAD_DRAW;
        if (s->digest && (w != HEAD_NONE || (pos + 1 >= s->n_prompt && s->max_tokens > 0)))
                w |= HEAD_DIGEST;
        return w;
}

/* The row list of the head; returns its length. */
static uint32_t list(struct batch *b)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < b->n_runs; i++) {
                const struct wt_run *run = &b->runs[i];

                for (uint32_t t = 0; t < run->n_rows; t++) {
                        uint32_t row = run->row + t;

                        b->want[row] = b->dead[row] ? HEAD_NONE : wants(b->seq[i], run->pos + t);
                        if (b->want[row] != HEAD_NONE)
                                b->head_row[n++] = row;
                }
        }
        return n;
}

struct drawing { struct router *r; const uint32_t *rows; uint32_t n; };

static void draw_row(struct router *r, void *scratch, uint32_t row, const float *logits)
{
        struct batch *b = &r->batch;
        const struct wt_run *run = &b->runs[b->run_of[row]];
        const struct seq *s = b->seq[b->run_of[row]];
        uint32_t pos = run->pos + row - run->row;
        bool no_end = s->ignore_eos || s->n_ids - s->n_prompt < s->min_tokens;
        struct wt_sample_in in = {
                .size = sizeof in, .logits = logits, .vocab = r->shape->vocab,
                .n_valid = s->n_valid,
                .prompt = s->ids, .n_prompt = s->n_prompt, .made = s->ids + s->n_prompt,
                .n_made = s->n_ids - s->n_prompt, .temperature = s->temperature, .top_p = s->top_p,
                .top_k = s->top_k, .seed = s->seed, .prompt_index = s->prompt_index,
                .choice = s->choice, .position = pos + 1, .n_top = s->n_top,
                .banned = s->eos, .n_banned = no_end ? s->n_eos : 0, .min_p = s->min_p,
                .repetition_penalty = s->repetition_penalty,
                .frequency_penalty = s->frequency_penalty, .presence_penalty = s->presence_penalty,
                .bias = s->bias, .n_bias = s->n_bias,
        };
        struct wt_sample_out out = { .size = sizeof out, .top_id = b->out_top + row * MAX_TOP,
                                     .top_logprob = b->out_top_logprob + row * MAX_TOP };
        int err = b->want[row] & HEAD_DRAW
                ? r->conf.sample->sample(scratch, &in, &out)
                : r->conf.sample->score(scratch, &in, s->ids[pos + 1], &out);

        if (err != WT_OK)                        /* a logit that is no number */
                b->bad[row] = 1;
        b->out_id[row] = b->want[row] & HEAD_DRAW ? out.id : s->ids[pos + 1];
        b->out_logprob[row] = out.logprob;
}

/* Thread i takes rows i, i + n_scratch, ...: which thread that is changes nothing. */
static void draw_some(void *arg, uint32_t i)
{
        struct drawing *d = arg;
        struct batch *b = &d->r->batch;
        size_t vocab = d->r->shape->vocab;

        for (uint32_t j = i; j < d->n; j += b->n_scratch)
                if (b->want[d->rows[j]] & (HEAD_DRAW | HEAD_SCORE))
                        draw_row(d->r, b->scratch + i * b->scratch_each, d->rows[j],
                                 b->logits + j * vocab);
}

static void digest(struct router *r, const uint32_t *rows, uint32_t n)
{
        struct batch *b = &r->batch;
        size_t bytes = r->shape->vocab * sizeof(float);

        for (uint32_t j = 0; j < n; j++)
                if (b->want[rows[j]] & HEAD_DIGEST)
                        wt_sha256_add(&b->seq[b->run_of[rows[j]]]->sha,
                                      b->logits + j * r->shape->vocab, bytes);
}

wt_err router_sample(struct router *r)
{
        struct batch *b = &r->batch;
        uint32_t n = list(b);
        wt_err err;

        r->n.head_rows += n;
        for (uint32_t at = 0; at < n; at += b->logits_rows) {
                struct drawing d = { r, b->head_row + at,
                                     n - at < b->logits_rows ? n - at : b->logits_rows };
                struct wt_head_args a = {
                        .size = sizeof a, .norm = r->trunk->norm, .head = r->trunk->head,
                        .eps = r->shape->eps, .h = b->h, .rows = d.rows, .n = d.n,
                        .width = r->shape->width, .vocab = r->shape->vocab, .logits = b->logits,
                        .bad = b->bad,
                };

                if ((err = r->ops->head(r->dev, &a)) != WT_OK || (err = router_sync(r)) != WT_OK)
                        return err;
                r->conf.host->parallel(r->conf.host->pool, b->n_scratch, draw_some, &d);
                digest(r, d.rows, d.n);
        }
        if (n == 0 && (err = router_sync(r)) != WT_OK)   /* prompt rows alone, no head */
                return err;
        router_fail_bad(r);
        return WT_OK;
}
