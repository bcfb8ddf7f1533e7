/* router.c - opens, turns, closes. A step is a state machine, so that the loop serves messages
 * while experts are at work:
 *      STEP_NONE --schedule, embed--> STEP_LAYER --attend, gate, place, dispatch--> STEP_AWAY
 *      STEP_AWAY --last reply, combine--> STEP_LAYER ... --sample, emit--> STEP_NONE */
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/trace.h"
#include "path.h"

/* A ping right after the news of a lost connection may still be taken for it; later ones are
 * not. */
enum { PINGS = 3, PING_US = 200000 };
enum { LAST_WORDS_US = 500000 };
enum { TICK_US = 100000, WATCH_US = 5000, MESSAGES_A_TURN = 4096 };

const double router_step_bounds[ROUTER_STEP_BOUNDS] = {
        .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5 };

/* ---- open, close ---- */

static wt_err read_shape(struct router *r)
{
        wt_err err;

        if ((r->variant = calloc(r->shape->n_layers, sizeof *r->variant)) == NULL)
                return wt_fail(WT_ENOMEM, "no memory for the table of experts");
        for (uint32_t l = 0; l < r->shape->n_layers; l++) {
                const struct wt_layer *y = &r->shape->layers[l];

                if (y->ffn != WT_FFN_MOE)
                        continue;
                if (y->n_picks > MAX_PICKS || y->n_experts > MAX_REFS)
                        return wt_fail(WT_EUNSUPPORTED,
                                       "layer %u picks %u of %u experts; at most %d of %d can be",
                                       l, y->n_picks, y->n_experts, MAX_PICKS, MAX_REFS);
                r->max_experts = y->n_experts > r->max_experts ? y->n_experts : r->max_experts;
                r->max_picks = y->n_picks > r->max_picks ? y->n_picks : r->max_picks;
                if ((r->variant[l] = calloc(y->n_experts, sizeof *r->variant[l])) == NULL)
                        return wt_fail(WT_ENOMEM, "no memory for the table of experts");
                for (uint32_t x = 0; x < y->n_experts; x++) {
                        err = wt_model_variant(r->conf.model, l, x, r->variant[l][x]);
                        if (err != WT_OK)
                                return err;
                }
        }
        r->max_context = r->shape->max_positions;
        if (r->conf.max_context > r->max_context)
                return wt_fail(WT_EINVAL, "max_context %u is above what the model was made for, %u",
                               r->conf.max_context, r->max_context);
        if (r->conf.max_context > 0)
                r->max_context = r->conf.max_context;
        return wt_model_revision(r->conf.model, r->revision);
}

static wt_err open_kv(struct router *r)
{
        struct kv *kv = &r->kv;
        wt_err err;

        for (uint32_t l = 0; l < r->shape->n_layers; l++)
                kv->page_bytes += r->ops->kv_page_bytes(&r->shape->layers[l]);
        if (r->conf.kv_bytes / kv->page_bytes == 0)
                return wt_fail(WT_EINVAL,
                               "kv_bytes %llu is less than one page of %d positions, %llu bytes",
                               (unsigned long long)r->conf.kv_bytes, WT_PAGE,
                               (unsigned long long)kv->page_bytes);
        if (r->conf.kv_bytes / kv->page_bytes > UINT32_MAX / WT_PAGE)
                return wt_fail(WT_EINVAL, "kv_bytes %llu makes more pages than can be numbered",
                               (unsigned long long)r->conf.kv_bytes);
        kv->n_pages = (uint32_t)(r->conf.kv_bytes / kv->page_bytes);
        kv->free = calloc(kv->n_pages, sizeof *kv->free);
        kv->layer = calloc(r->shape->n_layers, sizeof *kv->layer);
        if (kv->free == NULL || kv->layer == NULL)
                return wt_fail(WT_ENOMEM, "no memory for %u KV pages", kv->n_pages);
        for (uint32_t p = kv->n_pages; p-- > 0;)
                kv->free[kv->n_free++] = p;
        for (uint32_t l = 0; l < r->shape->n_layers; l++) {
                size_t bytes = kv->n_pages * r->ops->kv_page_bytes(&r->shape->layers[l]);

                if ((err = r->ops->buffer_new(r->dev, bytes, &kv->layer[l])) != WT_OK)
                        return err;
        }
        wt_log(WT_NOTICE, "ROUTER-KV",
               "kv_bytes=%llu page_bytes=%llu pages=%u tokens=%llu max_context=%u",
               (unsigned long long)r->conf.kv_bytes,
               (unsigned long long)kv->page_bytes, kv->n_pages,
               (unsigned long long)kv->n_pages * WT_PAGE, r->max_context);
        return WT_OK;
}

static wt_err open_all(struct router *r)
{
        struct wt_compute_conf cc = {
                .size = sizeof cc, .max_rows = r->conf.step_rows, .max_seqs = r->conf.max_seqs,
                .vocab = r->shape->vocab, .layers = r->shape->layers,
                .n_layers = r->shape->n_layers,
        };
        wt_err err;

        if (r->conf.step_rows == 0 || r->conf.chunk == 0 || r->conf.max_seqs == 0)
                return wt_fail(WT_EINVAL, "step_rows, chunk and max_seqs are at least 1");
        if ((err = read_shape(r)) != WT_OK)
                return err;
        cc.max_pages = router_pages_for(r->max_context);
        if ((r->running = calloc(r->conf.max_seqs, sizeof *r->running)) == NULL)
                return wt_fail(WT_ENOMEM, "no memory for %u sequences", r->conf.max_seqs);
        if ((err = r->ops->open(&r->dev, r->conf.host, &cc)) != WT_OK ||
            (err = wt_model_trunk(r->conf.model, r->dev, r->max_context, &r->trunk)) != WT_OK ||
            (err = open_kv(r)) != WT_OK || (err = router_batch_init(r)) != WT_OK)
                return err;
        return router_peers_init(r);
}

static void publish(struct router *r)
{
        struct router_numbers *n = &r->n;
        struct wt_bus_stats bus;

        wt_bus_stats(r->conf.bus, &bus);
        n->keys_refused = bus.refused_keys;
        n->malformed = bus.dropped_malformed;
        n->too_long = bus.dropped_too_long;
        n->misnamed = bus.dropped_identity;
        n->turns++;
        n->running = r->n_running;
        n->waiting = r->n_waiting;
        n->pages = r->kv.n_pages;
        n->pages_used = r->kv.n_pages - r->kv.n_free;
        n->page_bytes = (uint32_t)r->kv.page_bytes;
        n->max_context = r->max_context;
        n->draining = r->draining;
        n->plan_version = r->plan_version;
        n->policy_version = r->policy_version;
        n->n_workers = r->n_workers;
        n->gateways = 0;
        for (uint32_t i = 0; i < MAX_GATEWAYS; i++)
                n->gateways += r->gateway[i].state == PEER_LIVE;
        for (uint32_t i = 0; i < r->n_workers; i++) {
                const struct worker *w = &r->worker[i];

                memcpy(n->worker[i].name, w->name, sizeof w->name);
                n->worker[i].live = w->state == PEER_LIVE;
                n->worker[i].late = w->late;
                n->worker[i].picks = w->picks;
                n->worker[i].calls = w->calls;
        }
        pthread_mutex_lock(&r->lock);
        memcpy(&r->shown, n, offsetof(struct router_numbers, worker) +
               r->n_workers * sizeof n->worker[0]);
        pthread_mutex_unlock(&r->lock);
}

wt_err router_open(struct router **out, const struct router_conf *c)
{
        struct router *r = calloc(1, sizeof *r);
        wt_err err;

        if (r == NULL)
                return wt_fail(WT_ENOMEM, "no memory for a router");
        r->conf = *c;
        r->ops = c->compute;
        r->shape = wt_model_shape(c->model);
        r->waiting_tail = &r->waiting;
        r->now = wt_now_us(c->clock);
        pthread_mutex_init(&r->lock, NULL);
        if ((err = open_all(r)) != WT_OK) {
                router_close(r);
                return err;
        }
        r->n.missing = router_missing(r);
        publish(r);
        *out = r;
        return WT_OK;
}

void router_close(struct router *r)
{
        if (r == NULL)
                return;
        router_batch_fini(r);
        router_seqs_close(r);
        router_peers_close(r);
        for (uint32_t l = 0; r->kv.layer != NULL && l < r->shape->n_layers; l++)
                r->ops->buffer_free(r->dev, r->kv.layer[l]);
        free(r->kv.layer);
        free(r->kv.free);
        for (uint32_t l = 0; r->variant != NULL && l < r->shape->n_layers; l++)
                free(r->variant[l]);
        free(r->variant);
        if (r->trunk != NULL)
                wt_model_drop_trunk(r->conf.model, r->dev, r->trunk);
        if (r->dev != NULL)
                r->ops->close(r->dev);
        pthread_mutex_destroy(&r->lock);
        free(r);
}

/* ---- the step ---- */

static wt_err step_begin(struct router *r)
{
        struct batch *b = &r->batch;

        b->layer = 0;
        b->started = wt_now_us(r->conf.clock);
        b->phase = STEP_LAYER;
        return router_embed(r);
}

/* The picks of all rows that are still wanted go out. */
static wt_err send_out(struct router *r)
{
        struct batch *b = &r->batch;
        uint32_t k = r->shape->layers[b->layer].n_picks, n = 0;
        uint64_t span = wt_trace_begin();
        wt_err err;

        for (uint32_t t = 0; t < b->n_rows; t++)
                for (uint32_t i = 0; i < k && !b->dead[t]; i++)
                        b->all[n++] = t * k + i;
        b->phase = STEP_AWAY;
        b->n_open = 0;
        r->now = wt_now_us(r->conf.clock);
        router_place(r, b->all, n, NULL);
        router_dispatch(r, b->all, n, NULL, 0);
        wt_trace_end(span, "router", "dispatch", n);
        err = router_shared(r);
        b->away_since = wt_now_us(r->conf.clock);
        b->away_span = wt_trace_begin();
        return err;
}

/* From here to where experts are awaited, or to the head. */
static wt_err layers(struct router *r)
{
        struct batch *b = &r->batch;
        wt_err err;

        for (; b->layer < r->shape->n_layers; b->layer++) {
                if ((err = router_attend(r)) != WT_OK)
                        return err;
                if (r->shape->layers[b->layer].ffn != WT_FFN_MOE)
                        continue;
                if ((err = router_gate(r)) != WT_OK)
                        return err;
                return send_out(r);
        }
        return WT_OK;
}

static wt_err came_home(struct router *r)
{
        struct batch *b = &r->batch;
        wt_err err;

        wt_trace_end(b->away_span, "router", "away", b->n_rows);
        err = router_combine(r);
        wt_arena_reset(&b->arena);
        b->layer++;
        b->phase = STEP_LAYER;
        return err;
}

static void count_step(struct router *r)
{
        uint64_t us = wt_now_us(r->conf.clock) - r->batch.started;
        uint32_t i = 0;

        while (i < ROUTER_STEP_BOUNDS && (double)us / 1e6 > router_step_bounds[i])
                i++;
        r->n.step_buckets[i]++;
        r->n.step_us += us;
        r->n.steps++;
        r->n.step_rows += r->batch.n_rows;
}

static wt_err step_finish(struct router *r)
{
        uint64_t span = wt_trace_begin();
        wt_err err = router_sample(r);

        wt_trace_end(span, "router", "sample", r->batch.n_rows);
        if (err != WT_OK)
                return err;
        span = wt_trace_begin();
        router_emit(r);
        wt_trace_end(span, "router", "emit", r->batch.n_runs);
        count_step(r);
        router_step_end(r);
        router_reap(r);
        router_fill(r);
        return WT_OK;
}

/* The device failed: the sequences of the step end, the loop goes on. */
static void step_failed(struct router *r, wt_err err)
{
        struct batch *b = &r->batch;
        char words[256];

        wt_log_err(WT_ERROR, "ROUTER-STEP", err);
        memccpy(words, wt_words(), '\0', sizeof words);
        words[sizeof words - 1] = '\0';
        for (uint32_t i = 0; i < b->n_runs; i++)
                if (!b->back[i])
                        router_end(r, b->seq[i], WT_FAILED, WT_EINTERNAL, words);
        router_step_end(r);
        router_reap(r);
}

/* All its sequences were cancelled, have failed or left: nobody waits for the rest. */
static bool abandoned(const struct batch *b)
{
        for (uint32_t i = 0; i < b->n_runs; i++)
                if (!b->seq[i]->over && !b->back[i])
                        return false;
        return true;
}

/* Moves the step by one phase. False: it waits, for replies or for sequences. */
static bool step(struct router *r)
{
        struct batch *b = &r->batch;
        wt_err err = WT_OK;

        if (b->phase != STEP_NONE && abandoned(b))
                router_step_end(r);
        switch (b->phase) {
        case STEP_NONE:
                router_reap(r);
                router_fill(r);
                if (!router_schedule(r))
                        return false;
                err = step_begin(r);
                break;
        case STEP_LAYER:
                err = b->layer < r->shape->n_layers ? layers(r) : step_finish(r);
                break;
        case STEP_AWAY:
                if (b->n_open > 0)
                        return false;
                r->n.idle_us += wt_now_us(r->conf.clock) - b->away_since;
                err = came_home(r);
                break;
        }
        if (err != WT_OK)
                step_failed(r, err);
        return true;
}

/* ---- the loop ---- */

static void take_message(struct router *r, wt_msg *m)
{
        struct worker *w = router_worker_of(r, m->peer);

        if (w != NULL && w->state != PEER_GONE)
                w->heard = r->now;
        switch (m->env.method) {
        case WT_M_EXPERT_REPLY: router_gather(r, m); return;
        case WT_M_SUBMIT: router_admit(r, m); return;
        case WT_M_PING: router_ping(r, m); return;
        case WT_M_CANCEL: router_cancel(r, m); break;
        case WT_M_HELLO: router_hello(r, m); break;
        case WT_M_BYE: router_bye(r, m); break;
        case WT_M_PUSH: router_relay(r, m); break;
        default: break;                          /* a newer peer's; nothing of ours depends on it */
        }
        wt_msg_free(m);
}

void router_numbers(struct router *r, struct router_numbers *out)
{
        pthread_mutex_lock(&r->lock);
        *out = r->shown;
        pthread_mutex_unlock(&r->lock);
}

/* Does a peer that lives still owe us the reading of something? */
static bool letters_wait(const struct router *r)
{
        for (uint32_t i = 0; i < r->n_workers; i++)
                if (r->worker[i].out.n > 0)
                        return true;
        for (uint32_t i = 0; i < MAX_GATEWAYS; i++)
                if (r->gateway[i].out.n > 0)
                        return true;
        return false;
}

/* A stop is asked: nothing new comes in, those that wait go to another router at once, those
 * that run end here or, when the time is over, go too. True: all is done, and read by those who
 * read within that time; what is handed back at its end has a moment more. */
static bool drained(struct router *r)
{
        if (!r->draining) {
                r->draining = true;
                r->drain_until = r->now + r->conf.drain_us;
                wt_log(WT_NOTICE, "ROUTER-DRAINS", "running=%u waiting=%u", r->n_running,
                       r->n_waiting);
                router_push_states(r);
                while (r->waiting != NULL)
                        router_end(r, r->waiting, WT_HANDED_BACK, WT_OK, "this router drains");
        }
        if (r->now >= r->drain_until && r->n_running > 0) {
                r->drain_until = r->now + LAST_WORDS_US;
                for (uint32_t i = 0; i < r->n_running; i++)
                        router_end(r, r->running[i], WT_HANDED_BACK, WT_OK, "this router drains");
                router_step_end(r);
                router_reap(r);
        }
        if (r->n_running > 0)
                return false;
        if (!r->said_bye) {
                r->said_bye = true;
                router_say_bye(r);
        }
        return !letters_wait(r) || r->now >= r->drain_until;
}

bool router_turn(struct router *r, uint64_t max_us)
{
        bool moved = false;
        wt_msg *m;

        r->now = wt_now_us(r->conf.clock);
        if (wt_bus_lost(r->conf.bus)) {
                r->n_pings = PINGS;
                r->ping_at = r->now;
        }
        if (r->n_pings > 0 && r->now >= r->ping_at) {
                r->n_pings--;
                r->ping_at = r->now + PING_US;
                router_peers_lost(r);
        }
        router_flush(r);
        for (uint32_t i = 0; i < MESSAGES_A_TURN && wt_bus_recv(r->conf.bus, &m) == WT_OK; i++)
                take_message(r, m);
        router_peers_check(r);
        router_expire(r);
        router_watch(r);
        while (step(r)) {                        /* until it waits; messages come between phases */
                moved = true;
                if (r->batch.phase != STEP_LAYER || wt_bus_ready(r->conf.bus))
                        break;
        }
        publish(r);
        if (r->draining || (r->conf.stop_asked != NULL && r->conf.stop_asked(r->conf.stop_arg)))
                if (drained(r))
                        return false;
        if (!moved && max_us > 0 && !wt_bus_ready(r->conf.bus))
                wt_bus_wait(r->conf.bus, r->draining ? -1 : r->conf.stop_fd,
                            r->batch.phase == STEP_AWAY && max_us > WATCH_US ? WATCH_US : max_us);
        return true;
}

void router_run(struct router *r)
{
        while (router_turn(r, TICK_US))
                ;
}
