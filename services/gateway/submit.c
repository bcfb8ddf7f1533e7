/* submit.c - the sequence record leaves for a router: all that it needs to start the sequence, or
 * to go on after the ids that another router has made. Each submission is a new attempt; events
 * of older ones are not taken any more. The same attempt is sent again where nothing was heard of
 * it for long: a router that has it says so, one that lost it takes it. */
#include "path.h"
#include <string.h>

static void fill(struct sequence *s, struct wt_submit *b)
{
        const struct request *r = s->r;
        const struct options *o = &r->opt;
        const struct wt_shape *shape = r->g->conf.shape;

        b->request = WT_BYTES(r->id, 16);
        b->attempt = s->attempt;
        b->choice = s->choice;
        b->prompt_index = s->prompt;
        b->max_tokens = o->max_tokens;
        b->temperature = o->temperature;
        b->top_p = o->top_p;
        b->top_k = o->top_k;
        b->seed = o->seed;
        b->ignore_eos = o->ignore_eos;
        b->n_eos = shape->n_eos;
        b->n_top = o->n_top;
        b->logprobs = o->logprobs || o->best_of > o->n;
        b->min_p = o->min_p;
        b->repetition_penalty = o->repetition_penalty;
        b->frequency_penalty = o->frequency_penalty;
        b->presence_penalty = o->presence_penalty;
        b->min_tokens = o->min_tokens;
        b->bias = r->opt.n_bias > 0 ? (struct wt_bias_msg *)o->bias : NULL;
        b->n_bias = o->n_bias;
        b->prompt_logprobs = o->echo && o->logprobs && s->n_scored < r->prompt[s->prompt].len;
        b->valid_vocab = wt_tokenizer_size(r->g->conf.tokenizer);
        if (b->valid_vocab >= shape->vocab)
                b->valid_vocab = 0;
}

static void put_ids(wt_msg *m, const struct wt_ids *ids)
{
        uint32_t n = (uint32_t)ids->len;
        void *to = wt_msg_tensor(m, WT_I32, 1, &n);

        if (n > 0)
                memcpy(to, ids->data, n * sizeof *ids->data);
}

static void fill_eos(const struct gateway *g, struct wt_arena *a, struct wt_submit *b)
{
        b->eos = WT_ARENA_ARRAY(a, uint32_t, b->n_eos);
        for (uint32_t i = 0; i < b->n_eos; i++)
                b->eos[i] = (uint32_t)g->conf.shape->eos[i];
}

/* A router drops what breaks the limits of the wire, without a word: it is found here, in words.
 * All sequences of a request have the same options, so one stands for all. */
bool submit_fits(struct request *r)
{
        const struct wt_ids *ids = &r->prompt[0];
        wt_msg *m = wt_msg_new(r->g->conf.bus);
        struct wt_submit *b = WT_ARENA_NEW(&m->arena, struct wt_submit);
        const void *frame[2] = { ids->data, "" };
        const size_t len[2] = { ids->len * sizeof *ids->data, 0 };
        wt_err err;

        fill(&r->seqs[0], b);
        fill_eos(r->g, &m->arena, b);
        m->env.method = WT_M_SUBMIT;
        m->env.body = b;
        m->env.n_tensors = 2;
        m->env.tensors[0] = (struct wt_tensor){ WT_I32, 1, { (uint32_t)ids->len } };
        m->env.tensors[1] = (struct wt_tensor){ WT_I32, 1, { 0 } };
        err = wt_wire_check(&m->env, frame, len, 2);
        wt_msg_free(m);
        return err == WT_OK || request_refuse(r, BAD(NULL), "no router would take this request: %s",
                                              wt_words());
}

/* As this attempt. False: its router is gone or full. */
static bool send(struct sequence *s)
{
        struct gateway *g = s->r->g;
        wt_msg *m = wt_msg_new(g->conf.bus);
        struct wt_submit *b = WT_ARENA_NEW(&m->arena, struct wt_submit);

        fill(s, b);
        fill_eos(g, &m->arena, b);
        m->peer = (uint32_t)s->router;
        m->env.method = WT_M_SUBMIT;
        m->env.traceparent = WT_STR(s->r->trace);
        m->env.body = b;
        put_ids(m, &s->r->prompt[s->prompt]);
        put_ids(m, &s->made);
        s->heard_us = wt_now_us(g->conf.clock);
        if (wt_bus_send(g->conf.bus, m) == WT_OK)
                return true;
        wt_msg_free(m);
        return false;
}

void gateway_submit(struct sequence *s)
{
        if (s->router < 0)
                return;
        s->attempt++;
        s->n_unheard = 0;
        if (!send(s)) {                          /* wait for the next tick */
                s->r->g->routers[s->router].open--;
                s->router = -1;
        }
}

/* A submit that a router had no memory for, or the last message of events, is lost without a trace
 * in what follows, since nothing follows. A router that only has much to do answers each time: the
 * wait doubles, up to 64 times router_wait. */
void submit_unheard(struct sequence *s)
{
        struct gateway *g = s->r->g;
        uint32_t shift = s->n_unheard < 6 ? s->n_unheard : 6;

        if (s->router < 0 || !g->routers[s->router].welcome ||
            wt_now_us(g->conf.clock) - s->heard_us <= g->conf.router_wait_us << shift)
                return;
        s->n_unheard++;
        wt_metric_add(&g->metrics[M_UNHEARD], 1);
        send(s);                                 /* full: its queue is looked at again next time */
}
