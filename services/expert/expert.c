/* expert.c - the worker's loop. */
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/trace.h"
#include "base/rng.h"
#include "path.h"

enum { WORK_BYTES = 256 << 20, MOST_ROWS = 4096, TICK_US = 100000 };

/* Most experts and most picks a row of any layer. */
static void widest(const struct wt_shape *s, uint32_t *experts, uint32_t *picks)
{
        *experts = *picks = 0;
        for (uint32_t l = 0; l < s->n_layers; l++) {
                const struct wt_layer *y = &s->layers[l];

                if (y->ffn != WT_FFN_MOE)
                        continue;
                *experts = y->n_experts > *experts ? y->n_experts : *experts;
                *picks = y->n_picks > *picks ? y->n_picks : *picks;
        }
}

static wt_err work_init(struct expert *e, uint32_t n_experts, uint32_t n_picks)
{
        struct work *w = &e->work;
        size_t width = e->shape->width, p;
        wt_err err;

        w->max_picks = w->max_rows * n_picks;
        p = w->max_picks;
        w->pick = calloc(p, sizeof *w->pick);
        w->first = calloc(n_experts + 1, sizeof *w->first);
        w->count = calloc(n_experts, sizeof *w->count);
        w->groups = calloc(n_experts, sizeof *w->groups);
        w->row = calloc(p, sizeof *w->row);
        w->to = calloc(p, sizeof *w->to);
        w->weight = calloc(p, sizeof *w->weight);
        w->in = calloc(p, sizeof *w->in);
        w->out = calloc(p, sizeof *w->out);
        w->in_rows = calloc(p, sizeof *w->in_rows);
        w->node_first = calloc(p + 1, sizeof *w->node_first);
        w->bad = calloc(w->max_rows, 1);
        if (w->pick == NULL || w->first == NULL || w->count == NULL || w->groups == NULL ||
            w->row == NULL || w->to == NULL || w->weight == NULL || w->in == NULL ||
            w->out == NULL || w->in_rows == NULL || w->node_first == NULL || w->bad == NULL)
                return wt_fail(WT_ENOMEM, "no memory for a call of %u rows", w->max_rows);
        if ((err = e->ops->host_alloc(e->dev, w->max_rows * width * 4, (void **)&w->x)) != WT_OK)
                return err;
        return e->ops->host_alloc(e->dev, p * width * 4, (void **)&w->leaf);
}

static void work_fini(struct expert *e)
{
        struct work *w = &e->work;

        free(w->pick); free(w->first); free(w->count); free(w->groups); free(w->row); free(w->to);
        free(w->weight); free(w->in); free(w->out); free(w->in_rows); free(w->node_first);
        free(w->bad);
        if (w->x != NULL)
                e->ops->host_free(e->dev, w->x);
        if (w->leaf != NULL)
                e->ops->host_free(e->dev, w->leaf);
}

static wt_err open_model(struct expert *e)
{
        struct wt_compute_conf cc = { .size = sizeof cc, .max_seqs = 1, .max_pages = 1,
                                      .layers = e->shape->layers, .n_layers = e->shape->n_layers };
        uint32_t n_experts, n_picks;
        wt_err err;

        widest(e->shape, &n_experts, &n_picks);
        if (n_picks == 0)
                return wt_fail(WT_EINVAL, "model %s has no routed experts: it needs no workers",
                               wt_model_name(e->conf.model));
        if ((e->work.max_rows = e->conf.max_rows) == 0) {
                size_t fit = WORK_BYTES / ((n_picks + 1) * e->shape->width * sizeof(float));

                e->work.max_rows = fit > MOST_ROWS ? MOST_ROWS : fit > 0 ? (uint32_t)fit : 1;
        }
        if ((e->held = calloc(e->shape->n_layers, sizeof *e->held)) == NULL)
                return wt_fail(WT_ENOMEM, "no memory for the table of experts");
        for (uint32_t l = 0; l < e->shape->n_layers; l++)
                if (e->shape->layers[l].ffn == WT_FFN_MOE &&
                    (e->held[l] = calloc(e->shape->layers[l].n_experts, sizeof **e->held)) == NULL)
                        return wt_fail(WT_ENOMEM, "no memory for the table of experts");
        if ((err = expert_shard(e, e->conf.shard)) != WT_OK)
                return err;
        cc.max_rows = e->work.max_rows;
        if ((err = e->ops->open(&e->dev, e->conf.host, &cc)) != WT_OK)
                return err;
        if ((err = expert_map(e)) != WT_OK)
                return err;
        return work_init(e, n_experts, n_picks);
}

static void publish(struct expert *e)
{
        struct wt_bus_stats bus;

        wt_bus_stats(e->conf.bus, &bus);
        e->n.malformed = bus.dropped_malformed;
        e->n.too_long = bus.dropped_too_long;
        e->n.turns = ++e->n_turns;
        e->n.held = e->n_held;
        e->n.routers = e->conf.n_routers;
        e->n.draining = e->draining;
        e->n.queued = e->n.routers_known = 0;
        for (uint32_t i = 0; i < e->conf.n_routers; i++) {
                e->n.queued += e->link[i].n_jobs;
                e->n.routers_known += e->link[i].welcome;
        }
        pthread_mutex_lock(&e->lock);
        e->shown = e->n;
        pthread_mutex_unlock(&e->lock);
}

wt_err expert_open(struct expert **out, const struct expert_conf *c)
{
        struct expert *e;
        wt_err err;

        if (c->n_routers == 0 || c->n_routers > WT_MOST_ROUTERS)
                return wt_fail(WT_EINVAL, "%u routers; a worker serves 1 to %u", c->n_routers,
                               WT_MOST_ROUTERS);
        if ((e = calloc(1, sizeof *e)) == NULL)
                return wt_fail(WT_ENOMEM, "no memory for a worker");
        e->conf = *c;
        e->ops = c->compute;
        e->shape = wt_model_shape(c->model);
        pthread_mutex_init(&e->lock, NULL);
        wt_random_bytes(&e->incarnation, sizeof e->incarnation);
        if ((err = open_model(e)) != WT_OK) {
                expert_close(e);
                return err;
        }
        e->now = wt_now_us(c->clock);
        expert_lost(e);
        publish(e);
        *out = e;
        return WT_OK;
}

void expert_close(struct expert *e)
{
        if (e == NULL)
                return;
        for (uint32_t i = 0; i < e->conf.n_routers; i++) {
                expert_jobs_drop(e, i);
                wt_outbox_clear(&e->link[i].out);
        }
        work_fini(e);
        for (uint32_t l = 0; e->held != NULL && l < e->shape->n_layers; l++) {
                for (uint32_t x = 0; e->held[l] != NULL && x < e->shape->layers[l].n_experts; x++) {
                        if (e->held[l][x].w.gate != NULL)
                                wt_model_drop_expert(e->conf.model, e->dev, l, x, &e->held[l][x].w);
                }
                free(e->held[l]);
        }
        free(e->held);
        if (e->dev != NULL)
                e->ops->close(e->dev);
        pthread_mutex_destroy(&e->lock);
        free(e);
}

static void take_message(struct expert *e, wt_msg *m)
{
        if (m->env.method == WT_M_ASSIGN || m->env.method == WT_M_UNASSIGN)
                expert_assign(e, m);
        if (m->peer >= e->conf.n_routers) {      /* a planner has nothing else to say */
                wt_msg_free(m);
                return;
        }
        switch (m->env.method) {
        case WT_M_EXPERT_CALL:
                expert_take(e, m);
                return;
        case WT_M_PING:                          /* the same ping goes back */
                if (m->env.body != NULL) {
                        expert_send(e, m);
                        return;
                }
                break;
        case WT_M_EXPERT_CANCEL: expert_cancel(e, m); break;
        case WT_M_WELCOME: expert_welcome(e, m); break;
        case WT_M_BYE: expert_router_bye(e, m); break;
        default: break;                          /* a newer router's: not for us */
        }
        wt_msg_free(m);
}

/* One call: sort, multiply, unsort, give. */
static void serve(struct expert *e, struct job *j)
{
        uint64_t span = wt_trace_begin();
        wt_err err;

        e->now = wt_now_us(e->conf.clock);
        if (e->now > j->deadline) {
                err = wt_fail(WT_EDEADLINE, "the call waited %llu ms, beyond its deadline",
                              (unsigned long long)(e->now - j->since) / 1000);
        } else {
                expert_sort(e, j);
                if ((err = expert_multiply(e)) == WT_OK) {
                        expert_unsort(e);
                        err = expert_give(e, j);
                }
        }
        if (err != WT_OK) {
                wt_log(WT_WARN, "EXPERT-CALL", "trace=%.55s code=\"%s\" words=\"%s\"",
                       j->part->env.traceparent.len > 0
                       ? (const char *)j->part->env.traceparent.data : "", wt_code_name(err),
                       wt_words());
                expert_refuse(e, j->peer, j->call_id, j->epoch, err);
        }
        e->n.calls++;
        e->n.rows += j->rows;
        e->n.picks += j->picks;
        e->n.compute_us += wt_now_us(e->conf.clock) - e->now;
        wt_trace_end(span, "expert", "call", j->rows);
        expert_job_free(e, j);
}

/* Once stopped: says bye, ends what is queued, and is over when every router has answered the
 * bye. */
static bool drained(struct expert *e)
{
        if (!e->draining) {
                e->draining = true;
                e->drain_until = e->now + e->conf.drain_us;
                expert_say_bye(e);
                wt_log(WT_NOTICE, "EXPERT-DRAINS", "held=%u", e->n_held);
        }
        if (e->now >= e->drain_until)
                return true;
        for (uint32_t i = 0; i < e->conf.n_routers; i++)
                if (!e->link[i].bye || e->link[i].n_jobs > 0 || e->link[i].out.n > 0)
                        return false;
        return true;
}

void expert_numbers(struct expert *e, struct expert_numbers *out)
{
        pthread_mutex_lock(&e->lock);
        *out = e->shown;
        pthread_mutex_unlock(&e->lock);
}

bool expert_turn(struct expert *e, uint64_t max_us)
{
        struct job *j;
        wt_msg *m;

        e->now = wt_now_us(e->conf.clock);
        if (wt_bus_lost(e->conf.bus))
                expert_lost(e);
        expert_flush(e);
        for (uint32_t i = 0; i < MESSAGES_A_TURN && wt_bus_recv(e->conf.bus, &m) == WT_OK; i++)
                take_message(e, m);
        if (e->assigned) {
                e->assigned = false;
                expert_lost(e);
        }
        expert_hello(e);                         /* after a welcome that may wait has been read */
        if ((j = expert_job_next(e)) != NULL)
                serve(e, j);
        publish(e);
        if (e->refusal != WT_OK)
                return false;
        if (e->draining || (e->conf.stop_asked != NULL && e->conf.stop_asked(e->conf.stop_arg)))
                if (drained(e))
                        return false;
        if (j == NULL && max_us > 0 && !wt_bus_ready(e->conf.bus))
                wt_bus_wait(e->conf.bus, e->draining ? -1 : e->conf.stop_fd, max_us);
        return true;
}

wt_err expert_run(struct expert *e)
{
        while (expert_turn(e, TICK_US))
                ;
        return e->refusal;
}
