/* admit.c - a submit arrives. What can never be served is refused at once, with the two numbers
 * that do not fit; the rest waits its turn in a bounded queue. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "path.h"

/* Every refusal is an event, so that a gateway has one way to learn how a sequence ends. */
static void refuse(struct router *r, uint32_t peer, const struct wt_submit *q, uint32_t n_ids,
                   wt_err e)
{
        struct wt_event_msg ev = {
                .request = q->request, .attempt = q->attempt, .choice = q->choice,
                .prompt_index = q->prompt_index, .position = n_ids, .finish = WT_FAILED,
                .status = (uint32_t)wt_code_outside(e), .message = WT_STR(wt_words()),
        };

        r->n.refused++;
        router_tell(r, peer, &ev);
}

static wt_err check_identity(const struct router *r, const struct wt_submit *q)
{
        const char *profile = r->ops->profile;

        if (q->request.len != 16)
                return wt_fail(WT_EINVAL, "request id of %u bytes; a UUID has 16", q->request.len);
        if (q->revision.len != 0 &&
            (q->revision.len != 32 || memcmp(q->revision.data, r->revision, 32) != 0))
                return wt_fail(WT_ENOTFOUND,
                               "this router serves another revision of %s than the one asked for",
                               wt_model_name(r->conf.model));
        if (q->profile.len != 0 && (q->profile.len != strlen(profile) ||
                                    memcmp(q->profile.data, profile, q->profile.len) != 0))
                return wt_fail(WT_EPRECONDITION, "this router computes %s, not %.64s", profile,
                               (const char *)q->profile.data);
        return WT_OK;
}

static wt_err check_sampling(const struct router *r, const struct wt_submit *q)
{
        uint32_t vocab = r->shape->vocab;

        if (!isfinite(q->temperature) || q->temperature < 0)
                return wt_fail(WT_EINVAL, "temperature %g; it is a number from 0 on",
                               q->temperature);
        if (!(q->top_p > 0 && q->top_p <= 1))
                return wt_fail(WT_EINVAL, "top_p %g; it lies above 0 and not above 1", q->top_p);
        if (q->n_top > MAX_TOP)
                return wt_fail(WT_ERANGE, "%u best tokens asked for; at most %d", q->n_top,
                               MAX_TOP);
        if (q->n_eos > MAX_EOS)
                return wt_fail(WT_ERANGE, "%u end tokens; at most %d", q->n_eos, MAX_EOS);
        for (uint32_t i = 0; i < q->n_eos; i++)
                if (q->eos[i] >= vocab)
                        return wt_fail(WT_ERANGE, "end token %u; the vocabulary has %u", q->eos[i],
                                       vocab);
        for (uint32_t i = 0; i < q->n_bias; i++)
                if (q->bias[i].id >= vocab)
                        return wt_fail(WT_ERANGE, "bias for token %u; the vocabulary has %u",
                                       q->bias[i].id, vocab);
        if (q->valid_vocab > vocab)
                return wt_fail(WT_ERANGE, "valid_vocab %u; the vocabulary has %u", q->valid_vocab,
                               vocab);
        return WT_OK;
}

static wt_err check_ids(const int32_t *id, uint32_t n, uint32_t vocab, const char *which)
{
        for (uint32_t i = 0; i < n; i++)
                if (id[i] < 0 || (uint32_t)id[i] >= vocab)
                        return wt_fail(WT_ERANGE,
                                       "id at place %u of %s is outside the vocabulary of %u",
                                       i, which, vocab);
        return WT_OK;
}

/* Prompt and answer against context and memory, each with both numbers. */
static wt_err check_room(const struct router *r, const struct wt_submit *q, uint32_t n_prompt,
                         uint32_t n_made)
{
        uint64_t all = (uint64_t)n_prompt + q->max_tokens;

        if (n_prompt == 0)
                return wt_fail(WT_EINVAL, "the prompt is empty; at least one token is needed");
        if (q->max_tokens == 0 && !q->prompt_logprobs)
                return wt_fail(WT_EINVAL, "max_tokens is 0 and no prompt log-probabilities are "
                               "asked for: there is nothing to do");
        if (n_made > q->max_tokens)
                return wt_fail(WT_EINVAL, "%u tokens are made already, above max_tokens %u", n_made,
                               q->max_tokens);
        if (all > r->max_context)
                return wt_fail(WT_ERANGE, "prompt of %u tokens and max_tokens of %u make %llu; the "
                               "context is %u tokens", n_prompt, q->max_tokens,
                               (unsigned long long)all, r->max_context);
        if (router_pages_for((uint32_t)all) > r->kv.n_pages)
                return wt_fail(WT_EEXHAUSTED, "prompt and answer of %llu tokens need %u KV pages "
                               "of %d; this router has %u: raise kv_bytes", (unsigned long long)all,
                               router_pages_for((uint32_t)all), WT_PAGE, r->kv.n_pages);
        return WT_OK;
}

static uint32_t ids_in(const wt_msg *m, uint32_t i)
{
        bool ids = i < m->env.n_tensors && m->env.tensors[i].dtype == WT_I32;

        return ids ? m->env.tensors[i].shape[0] : 0;
}

static wt_err check(const struct router *r, const wt_msg *m, const struct gateway *g)
{
        const struct wt_submit *q = m->env.body;
        uint32_t n_prompt = ids_in(m, 0), n_made = ids_in(m, 1), vocab = r->shape->vocab;
        wt_err err;

        if (g == NULL || g->state != PEER_LIVE)
                return wt_fail(WT_EPRECONDITION,
                               "a submit before hello: say hello as a gateway first");
        if (r->draining)
                return wt_fail(WT_EUNAVAILABLE, "this router is draining; submit to another one");
        if ((err = check_identity(r, q)) != WT_OK || (err = check_sampling(r, q)) != WT_OK ||
            (err = check_room(r, q, n_prompt, n_made)) != WT_OK ||
            (err = check_ids(m->frame[0].data, n_prompt, vocab, "the prompt")) != WT_OK)
                return err;
        return n_made > 0 ? check_ids(m->frame[1].data, n_made, vocab, "the ids made so far")
                : WT_OK;
}

/* One allocation: the sequence, its ids, its pages, its biases. */
static struct seq *seq_new(struct router *r, const wt_msg *m, uint32_t gateway)
{
        const struct wt_submit *q = m->env.body;
        uint32_t n_prompt = ids_in(m, 0), n_made = ids_in(m, 1), n = n_prompt + q->max_tokens;
        uint32_t pages = router_pages_for(n);
        struct seq *s =
                calloc(1, sizeof *s + ((size_t)n + pages) * 4 + q->n_bias * sizeof *s->bias);

        if (s == NULL)
                return NULL;
        s->ids = (int32_t *)(s + 1);
        s->pages = (uint32_t *)(s->ids + n);
        s->n_pages = pages;
        s->bias = (struct wt_bias *)(s->pages + pages);
        memcpy(s->request, q->request.data, 16);
        s->attempt = q->attempt;
        s->choice = q->choice;
        s->prompt_index = q->prompt_index;
        s->gateway = gateway;
        if (m->env.traceparent.len > 0 && m->env.traceparent.len < sizeof s->trace)
                memcpy(s->trace, m->env.traceparent.data, m->env.traceparent.len);
        s->deadline = m->env.deadline_us > 0 ? r->now + m->env.deadline_us : 0;
        s->max_tokens = q->max_tokens;
        s->temperature = q->temperature;
        s->top_p = q->top_p;
        s->top_k = q->top_k;
        s->seed = q->seed;
        s->ignore_eos = q->ignore_eos;
        s->logprobs = q->logprobs;
        s->prompt_logprobs = q->prompt_logprobs;
        s->digest = q->logits_digest;
        for (s->n_eos = 0; s->n_eos < q->n_eos; s->n_eos++)
                s->eos[s->n_eos] = (int32_t)q->eos[s->n_eos];
        s->min_p = q->min_p;
        s->repetition_penalty = q->repetition_penalty;
        s->frequency_penalty = q->frequency_penalty;
        s->presence_penalty = q->presence_penalty;
        s->min_tokens = q->min_tokens;
        for (s->n_bias = 0; s->n_bias < q->n_bias; s->n_bias++)
                s->bias[s->n_bias] = (struct wt_bias){ (int32_t)q->bias[s->n_bias].id,
                                                       q->bias[s->n_bias].value };
        s->n_top = q->n_top;
        s->n_valid = q->valid_vocab > 0 ? q->valid_vocab : r->shape->vocab;
        memcpy(s->ids, m->frame[0].data, n_prompt * sizeof *s->ids);
        if (n_made > 0)
                memcpy(s->ids + n_prompt, m->frame[1].data, n_made * sizeof *s->ids);
        s->n_prompt = n_prompt;
        s->n_ids = n_prompt + n_made;
        s->at_submit = r->now;
        wt_sha256_init(&s->sha);
        return s;
}

/* A record whose last token is there already (its router went before it could say so): nothing is
 * left to compute. */
static bool complete(struct router *r, struct seq *s)
{
        uint32_t n_made = s->n_ids - s->n_prompt;
        enum wt_finish finish = WT_RUNNING;

        if (n_made == 0)
                return false;
        for (uint32_t i = 0; !s->ignore_eos && i < s->n_eos; i++)
                if (s->ids[s->n_ids - 1] == s->eos[i])
                        finish = WT_STOP;
        if (finish == WT_RUNNING && n_made == s->max_tokens)
                finish = WT_LENGTH;
        if (finish != WT_RUNNING)
                router_end(r, s, finish, WT_OK, "");
        return finish != WT_RUNNING;
}

/* Sent again because its gateway has heard nothing: it changes nothing, a drain neither. */
static wt_err repeated(struct router *r, const wt_msg *m)
{
        const struct wt_submit *q = m->env.body;
        struct seq *s = q->request.len == 16 ? router_seq_find(r, q->request.data, q->choice,
                                                               q->prompt_index) : NULL;

        return s != NULL && s->attempt == q->attempt
                ? wt_fail(WT_EEXIST, "attempt %u of this sequence runs here already", q->attempt)
                : WT_OK;
}

/* The same sequence is here already: a newer attempt takes its place, an older one is turned
 * away. */
static wt_err replace(struct router *r, const struct wt_submit *q)
{
        struct seq *old = router_seq_find(r, q->request.data, q->choice, q->prompt_index);

        if (old == NULL)
                return WT_OK;
        if (q->attempt < old->attempt)
                return wt_fail(WT_EABORTED, "attempt %u of this sequence is older than attempt %u, "
                               "which runs here", q->attempt, old->attempt);
        router_forget(r, old);
        return WT_OK;
}

static wt_err take(struct router *r, const wt_msg *m)
{
        struct gateway *g = router_gateway_of(r, m->peer);
        const struct wt_submit *q = m->env.body;
        struct seq *s;
        wt_err err;

        if ((err = repeated(r, m)) != WT_OK || (err = check(r, m, g)) != WT_OK ||
            (err = replace(r, q)) != WT_OK)
                return err;
        if (r->batch.phase == STEP_NONE)
                router_reap(r);                  /* what was cancelled makes room for this one */
        router_fill(r);
        if (r->n_waiting >= r->conf.max_waiting)
                return wt_fail(WT_EEXHAUSTED, "%u sequences wait already, the most that "
                               "max_waiting allows (%u); try again later", r->n_waiting,
                               r->conf.max_waiting);
        if ((s = seq_new(r, m, (uint32_t)(g - r->gateway))) == NULL)
                return wt_fail(WT_ENOMEM, "no memory for a sequence of %u tokens",
                               ids_in(m, 0) + q->max_tokens);
        *r->waiting_tail = s;
        r->waiting_tail = &s->next;
        r->n_waiting++;
        r->n.submits++;
        if (!complete(r, s))
                router_fill(r);
        return WT_OK;
}

void router_admit(struct router *r, wt_msg *m)
{
        const struct wt_submit *q = m->env.body;
        wt_err err;

        if (q != NULL && (err = take(r, m)) != WT_OK)
                refuse(r, m->peer, q, ids_in(m, 0) + ids_in(m, 1), err);
        wt_msg_free(m);
}

void router_cancel(struct router *r, const wt_msg *m)
{
        const struct wt_cancel *c = m->env.body;
        struct seq *s = c != NULL && c->request.len == 16
                ? router_seq_find(r, c->request.data, c->choice, c->prompt_index) : NULL;

        if (s != NULL && s->attempt == c->attempt &&
            r->gateway[s->gateway].peer == m->peer)
                router_end(r, s, WT_CANCELLED, WT_OK, "");
}
