/* emit.c - what the step has made, as one message per gateway; sequences that ended leave. */
#include <string.h>
#include "path.h"

enum { MAX_EVENTS = 4096, LETTER_BYTES = 256 << 10 };

/* A message of events under way. */
struct letter { struct router *r; struct gateway *to; wt_msg *m; struct wt_events *list;
                size_t bytes; };

static void letter_send(struct letter *l)
{
        if (l->m != NULL)
                router_post_gateway(l->r, l->to, l->m);
        l->m = NULL;
}

/* Room for one more event about s. */
static struct wt_event_msg *letter_event(struct letter *l, const struct seq *s)
{
        struct wt_event_msg *e;

        if (l->m != NULL && (l->list->n_events == MAX_EVENTS || l->bytes > LETTER_BYTES))
                letter_send(l);
        if (l->m == NULL) {
                uint32_t most = 2 * l->r->batch.n_runs;

                l->m = router_message(l->r, l->to->peer, WT_M_EVENTS);
                l->list = WT_ARENA_NEW(&l->m->arena, struct wt_events);
                l->list->events = WT_ARENA_ARRAY(&l->m->arena, struct wt_event_msg,
                                                 most < MAX_EVENTS ? most : MAX_EVENTS);
                l->m->env.body = l->list;
                l->bytes = 0;
        }
        e = &l->list->events[l->list->n_events++];
        e->request = router_copy(l->m, s->request, 16);
        e->attempt = s->attempt;
        e->choice = s->choice;
        e->prompt_index = s->prompt_index;
        return e;
}

/* Ids and what was asked about them, of n rows of the step from row on. */
static void fill(struct letter *l, struct wt_event_msg *e, const struct seq *s, uint32_t row,
                 uint32_t n, bool scored)
{
        const struct batch *b = &l->r->batch;
        uint32_t n_top = scored ? s->n_top : 0;

        e->n_ids = n;
        e->ids = WT_ARENA_ARRAY(&l->m->arena, int32_t, n);
        memcpy(e->ids, b->out_id + row, n * sizeof *e->ids);
        l->bytes += n * (24ull + n_top * 20ull);
        if (!scored)
                return;
        e->n_logprobs = n;
        e->logprobs = WT_ARENA_ARRAY(&l->m->arena, double, n);
        memcpy(e->logprobs, b->out_logprob + row, n * sizeof *e->logprobs);
        e->n_top_ids = e->n_top_logprobs = n * n_top;
        e->top_ids = WT_ARENA_ARRAY(&l->m->arena, int32_t, n * n_top);
        e->top_logprobs = WT_ARENA_ARRAY(&l->m->arena, double, n * n_top);
        for (uint32_t i = 0; i < n; i++) {
                memcpy(e->top_ids + i * n_top, b->out_top + (row + i) * MAX_TOP,
                       n_top * sizeof *e->top_ids);
                memcpy(e->top_logprobs + i * n_top, b->out_top_logprob + (row + i) * MAX_TOP,
                       n_top * sizeof *e->top_logprobs);
        }
}

static void last_words(struct letter *l, struct wt_event_msg *e, struct seq *s,
                       enum wt_finish finish)
{
        uint64_t now = wt_now_us(l->r->conf.clock), first = s->at_first ? s->at_first : now;

        e->finish = finish;
        e->queue_us = s->at_admit - s->at_submit;
        e->prefill_us = first - s->at_admit;
        e->decode_us = now - first;
        if (s->digest) {
                uint8_t out[32];

                wt_sha256_end(&s->sha, out);
                e->logits_digest = router_copy(l->m, out, sizeof out);
        }
        s->over = true;
}

/* The token drawn at the run's last row joins its sequence. */
static void emit_token(struct letter *l, struct seq *s, uint32_t row)
{
        struct wt_event_msg *e = letter_event(l, s);
        int32_t id = l->r->batch.out_id[row];
        enum wt_finish finish = WT_RUNNING;

        e->position = s->n_ids;
        fill(l, e, s, row, 1, s->logprobs);
        s->ids[s->n_ids++] = id;
        l->r->n.tokens++;
        if (s->at_first == 0)
                s->at_first = wt_now_us(l->r->conf.clock);
        if (s->n_ids - s->n_prompt == s->max_tokens)
                finish = WT_LENGTH;
        for (uint32_t i = 0; !s->ignore_eos && i < s->n_eos; i++)
                if (id == s->eos[i])
                        finish = WT_STOP;
        if (finish != WT_RUNNING)
                last_words(l, e, s, finish);
}

/* The scored prompt tokens of a run come first: row t tells of the token behind it. */
static void emit_run(struct letter *l, uint32_t i)
{
        struct batch *b = &l->r->batch;
        const struct wt_run *run = &b->runs[i];
        struct seq *s = b->seq[i];
        uint32_t last = run->row + run->n_rows - 1, n = 0;

        while (n < run->n_rows && (b->want[run->row + n] & HEAD_SCORE))
                n++;
        if (n > 0) {
                struct wt_event_msg *e = letter_event(l, s);

                e->of_prompt = true;
                e->position = run->pos + 1;
                fill(l, e, s, run->row, n, true);
        }
        if (b->want[last] & HEAD_DRAW) {
                emit_token(l, s, last);
        } else if (s->max_tokens == 0 && s->n_cached == s->n_ids) {
                struct wt_event_msg *e = letter_event(l, s);     /* only scores were asked for */

                e->position = s->n_ids;
                last_words(l, e, s, WT_LENGTH);
        }
}

void router_emit(struct router *r)
{
        struct batch *b = &r->batch;

        for (uint32_t i = 0; i < b->n_runs; i++) {
                struct seq *s = b->seq[i];
                uint32_t left = s->n_cached < s->n_prompt ? s->n_prompt - s->n_cached : 0;

                if (b->back[i])
                        continue;
                s->waits_since = 0;
                s->n_cached += b->runs[i].n_rows;
                r->n.prompt_tokens += left < b->runs[i].n_rows ? left : b->runs[i].n_rows;
        }
        for (uint32_t g = 0; g < MAX_GATEWAYS; g++) {
                struct letter l = { .r = r, .to = &r->gateway[g] };

                if (r->gateway[g].state == PEER_NONE)
                        continue;
                for (uint32_t i = 0; i < b->n_runs; i++)
                        if (b->seq[i]->gateway == g && !b->seq[i]->over && !b->back[i])
                                emit_run(&l, i);
                letter_send(&l);
        }
}
