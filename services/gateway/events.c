/* events.c - new tokens come home. Only the next position of the current attempt is taken, so
 * that a token that comes twice (a router was slow, another went on) is seen once. */
#include "path.h"
#include <string.h>
#include "base/log.h"

enum { MAX_GAPS = 16 };

static void finish(struct sequence *s, const char *why)
{
        struct request *r = s->r;

        if (!folds_flush(&s->folds, &s->text))
                why = "stop";
        s->finish = why;
        if (s->router >= 0)
                r->g->routers[s->router].open--;
        s->router = -1;
        r->n_open--;
}

static void take_prompt_scores(struct sequence *s, const struct wt_event_msg *e)
{
        const struct door *d = s->r->door;
        uint32_t n_top = s->r->opt.n_top;

        for (uint32_t i = 0; i < e->n_ids && i < e->n_logprobs; i++) {
                bool top = e->n_top_ids >= (i + 1) * n_top && e->n_top_logprobs >= (i + 1) * n_top;
                if (e->position + i != s->n_scored)
                        continue;
                d->mark(s, e->ids[i], e->logprobs[i], top ? e->top_ids + i * n_top : NULL,
                        top ? e->top_logprobs + i * n_top : NULL, top ? n_top : 0, false);
                s->n_scored++;
        }
}

static bool is_eos(const struct gateway *g, int32_t id)
{
        for (uint32_t i = 0; i < g->conf.shape->n_eos; i++)
                if (g->conf.shape->eos[i] == id)
                        return true;
        return false;
}

/* False: a stop string ended the text. */
static bool take_ids(struct sequence *s, const struct wt_event_msg *e)
{
        struct request *r = s->r;
        uint32_t n_top = r->opt.n_top;

        for (uint32_t i = 0; i < e->n_ids; i++) {
                uint32_t next = (uint32_t)(r->prompt[s->prompt].len + s->made.len);
                bool top = e->n_top_ids >= (i + 1) * n_top && e->n_top_logprobs >= (i + 1) * n_top;
                bool last = e->finish == WT_STOP && i + 1 == e->n_ids && is_eos(r->g, e->ids[i]);

                if (e->position + i != next)
                        continue;
                wt_ids_add(&s->made, e->ids[i]);
                r->n_made++;
                if (i < e->n_logprobs)
                        s->logprob += e->logprobs[i];
                if (!last && !gateway_fold(s, &e->ids[i], 1))
                        return false;            /* a token that completes a stop is not shown */
                if (r->opt.logprobs && i < e->n_logprobs && !last)
                        r->door->mark(s, e->ids[i], e->logprobs[i],
                                      top ? e->top_ids + i * n_top : NULL,
                                      top ? e->top_logprobs + i * n_top : NULL, top ? n_top : 0,
                                      false);
        }
        return true;
}

static void stopped_by_text(struct sequence *s)
{
        routers_cancel(s);
        s->finish = "stop";
        s->r->n_open--;
}

/* An event before this one was lost: what follows it cannot be joined to what is here. */
static bool gap(const struct sequence *s, const struct wt_event_msg *e)
{
        const struct request *r = s->r;
        uint32_t n_prompt = (uint32_t)r->prompt[s->prompt].len;

        if (e->of_prompt)
                return e->position > s->n_scored;
        return e->position > n_prompt + s->made.len ||
               (r->opt.echo && r->opt.logprobs && s->n_scored < n_prompt);
}

/* The record leaves again, with the ids that are here; the router's older attempt ends. Only so
 * often: one that leaves a gap each time would be asked for ever. */
static void again(struct sequence *s)
{
        struct gateway *g = s->r->g;

        if (s->n_gaps++ == MAX_GAPS) {
                request_refuse(s->r, refusal_of(WT_EINTERNAL), "events of this answer were lost %d "
                               "times between router and gateway; ask again", MAX_GAPS);
                return;
        }
        routers_cancel(s);
        gateway_choose(s);
        gateway_submit(s);
        wt_metric_add(&g->metrics[M_RESUBMITTED], 1);
        wt_log(WT_WARN, "GATEWAY-EVENT-LOST", "request=%s prompt=%u choice=%u attempt=%u",
               s->r->id_text, s->prompt, s->choice, s->attempt);
}

/* Everything one event says about one sequence; the request may be over afterwards. */
static void take(struct sequence *s, const struct wt_event_msg *e)
{
        struct request *r = s->r;
        struct gateway *g = r->g;

        s->heard_us = wt_now_us(g->conf.clock);
        if (e->finish == WT_FAILED && e->status == WT_EEXIST)
                return;                          /* it was sent again, and runs there already */
        s->n_unheard = 0;
        if (e->finish == WT_FAILED && routers_elsewhere(s, (wt_err)e->status))
                return;
        if (e->finish == WT_FAILED) {
                request_refuse(r, refusal_of((wt_err)e->status), "%s",
                               e->message.len > 0 ? (const char *)e->message.data
                                                  : "the router failed");
                return;
        }
        if (e->finish == WT_HANDED_BACK) {
                g->routers[s->router].open--;
                gateway_choose(s);
                gateway_submit(s);
                wt_metric_add(&g->metrics[M_RESUBMITTED], 1);
                return;
        }
        if (gap(s, e)) {
                again(s);
                return;
        }
        if (e->of_prompt) {
                take_prompt_scores(s, e);
        } else if (e->n_ids > 0 && s->first_us == 0) {
                s->first_us = wt_now_us(g->conf.clock);
                if (r->first_us == 0) {
                        r->first_us = s->first_us;
                        wt_metric_see(&g->metrics[M_TTFT],
                                      (double)(r->first_us - r->start_us) / 1e6);
                }
        }
        if (!e->of_prompt && e->n_ids > 0)
                record_tokens(s, e->n_ids);
        if (!e->of_prompt && !take_ids(s, e))
                stopped_by_text(s);
        else if (e->finish == WT_STOP || e->finish == WT_LENGTH)
                finish(s, e->finish == WT_STOP ? "stop" : "length");
        if (s->finish != NULL) {
                s->queue_us = e->queue_us;
                s->prefill_us = e->prefill_us;
                s->decode_us = e->decode_us;
        }
        gateway_stream(s);
}

void gateway_events(struct gateway *g, const wt_msg *m)
{
        const struct wt_events *list = m->env.body;

        for (uint32_t i = 0; i < list->n_events; i++) {
                const struct wt_event_msg *e = &list->events[i];
                struct request *r = e->request.len == 16 ? request_find(g, e->request.data) : NULL;
                uint64_t at;

                if (r == NULL)
                        continue;                /* its client left; the cancel is on its way */
                at = (uint64_t)e->prompt_index * r->per_prompt + e->choice;
                if (e->choice >= r->per_prompt || at >= r->n_seqs)
                        continue;
                if (r->seqs[at].attempt != e->attempt || r->seqs[at].finish != NULL ||
                    r->seqs[at].router != (int32_t)m->peer)
                        continue;
                take(&r->seqs[at], e);
        }
}

bool gateway_fold(struct sequence *s, const int32_t *ids, uint32_t n)
{
        for (uint32_t i = 0; i < n; i++)
                if (!folds_feed(&s->folds, ids[i], &s->text))
                        return false;
        return true;
}
