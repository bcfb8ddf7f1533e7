/* world.c - services, a gateway's part played by hand, and the clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "plugin/plugin.h"
#include "world.h"

const struct wt_plugin *wt_plugin_compute_cpu(void), *wt_plugin_contiguous(void),
                       *wt_plugin_least_loaded(void), *wt_plugin_sample(void);

enum { TURN_US = 50, MANY_TURNS = 2000000 };

static uint64_t now_us = 1000000;
static uint64_t now(void *arg) { (void)arg; return now_us; }
static const struct wt_clock by_hand = { now, now, NULL };

void world_move(uint64_t us) { now_us += us; }

static bool asked(void *arg) { return *(bool *)arg; }

static void good(wt_err err)
{
        if (err != WT_OK)
                fail_msg("%s: %s", wt_code_name(err), wt_words());
}

static const struct wt_compute_ops *compute(void) { return wt_plugin_compute_cpu()->ops; }

static struct wt_host *host(void)
{
        static struct wt_host h;

        if (h.size == 0)
                wt_host_init(&h, NULL);
        return &h;
}

/* One of each folder for all worlds; packs are made once per build. */
static wt_model *model(const char *folder)
{
        static struct opened { const char *folder; wt_model *m; } all[4];
        struct opened *at;
        const char *build = getenv("WITAN_BUILD");
        char dir[4096];

        snprintf(dir, sizeof dir, "%s/test-packs", build != NULL ? build : "build");
        for (at = all; at->m != NULL; at++) {
                if (strcmp(at->folder, folder) == 0)
                        return at->m;
                assert_true(at + 1 < all + sizeof all / sizeof *all);
        }
        good(wt_model_open(&at->m, folder, dir, compute()));
        at->folder = folder;
        return at->m;
}

static wt_bus *bus(const char *name, const char *bind, const char *connect,
                   const struct wt_bus_ops *transport)
{
        struct wt_bus_conf c = { .name = name, .bind = bind, .connect = &connect,
                                 .n_connect = connect != NULL, .transport = transport };
        wt_bus *b;

        good(wt_bus_open(&b, &c));
        return b;
}

void world_worker_start(struct world *w, uint32_t i, const char *shard)
{
        static const char *const names[WORLD_WORKERS] =
                { "expert-0", "expert-1", "expert-2", "expert-3",
                                                          "expert-4", "expert-5", "expert-6",
                                                          "expert-7" };
        struct expert_conf c = {
                .name = names[i], .shard = shard, .compute = compute(), .host = host(),
                .model = w->model,
                .n_routers = 1, .clock = &by_hand, .drain_us = 1000000, .stop_fd = -1,
                .max_rows = w->conf.credit_rows, .stop_asked = asked,
                .stop_arg = &w->stop_worker[i],
        };

        w->stuck[i] = w->stop_worker[i] = false;
        w->worker_bus[i] = c.bus = bus(names[i], NULL, wt_bus_endpoint(w->router_bus), NULL);
        good(expert_open(&w->worker[i], &c));
}

void world_worker_kill(struct world *w, uint32_t i)
{
        expert_close(w->worker[i]);
        wt_bus_close(w->worker_bus[i]);
        w->worker[i] = NULL;
        w->worker_bus[i] = NULL;
}

void world_hello(struct world *w)
{
        wt_msg *m = wt_msg_new(w->gateway_bus);
        struct wt_hello *h = WT_ARENA_NEW(&m->arena, struct wt_hello);

        h->role = WT_STR("gateway");
        h->name = WT_STR("gateway-0");
        h->incarnation = 7;
        m->env.method = WT_M_HELLO;
        m->env.body = h;
        good(wt_bus_send(w->gateway_bus, m));
}

static uint32_t or(uint32_t v, uint32_t otherwise) { return v > 0 ? v : otherwise; }

static void router_start(struct world *w)
{
        const struct world_conf *c = &w->conf;
        const struct wt_plugin *place = c->place != NULL && strcmp(c->place, "least-loaded") == 0
                ? wt_plugin_least_loaded() : wt_plugin_contiguous();
        struct router_conf rc = {
                .name = "router-0", .compute = compute(), .place = place->ops,
                .sample = wt_plugin_sample()->ops, .host = host(), .model = w->model,
                .bus = w->router_bus, .clock = &by_hand,
                .kv_bytes = c->kv_bytes > 0 ? c->kv_bytes : 64 << 20,
                .step_rows = or(c->step_rows, 256), .chunk = or(c->chunk, 128),
                .max_seqs = or(c->max_seqs, 64), .max_waiting = or(c->max_waiting, 64),
                .max_context = c->max_context, .expert_wait_us = 10000000, .hedge_after_us = 250000,
                .drain_us = 1000000,
                .outbox_bytes = c->outbox_bytes > 0 ? c->outbox_bytes : 64 << 20,
                .stop_asked = asked, .stop_arg = &w->stop_router,
                .stop_fd = -1,
        };

        good(router_open(&w->router, &rc));
}

void world_open(struct world *w, const struct world_conf *c)
{
        static const struct world_conf two = { .shard = { "*", "*" } };

        memset(w, 0, sizeof *w);
        w->conf = *c;
        if (c->shard[0] == NULL)
                memcpy(w->conf.shard, two.shard, sizeof two.shard);
        w->model = model(c->model != NULL ? c->model : "models/tiny");
        w->router_bus = bus("router-0", "inproc://*", NULL, c->transport);
        router_start(w);
        w->gateway_bus = bus("gateway-0", NULL, wt_bus_endpoint(w->router_bus), NULL);
        while (w->n_workers < WORLD_WORKERS && w->conf.shard[w->n_workers] != NULL) {
                world_worker_start(w, w->n_workers, w->conf.shard[w->n_workers]);
                w->n_workers++;
        }
        world_hello(w);
        for (int i = 0; i < 100 && (!w->welcomed || world_numbers(w)->missing > 0); i++)
                world_turn(w);
}

void world_close(struct world *w)
{
        for (uint32_t i = 0; i < w->n_workers; i++)
                if (w->worker[i] != NULL)
                        world_worker_kill(w, i);
        router_close(w->router);
        wt_bus_close(w->gateway_bus);
        wt_bus_close(w->router_bus);
}

static struct wt_bytes request_id(wt_msg *m, uint32_t n)
{
        uint8_t *id = wt_arena_take(&m->arena, 16);

        memcpy(id, &n, sizeof n);
        return WT_BYTES(id, 16);
}

void world_ask(struct world *w, const struct ask *a)
{
        wt_msg *m = wt_msg_new(w->gateway_bus);
        struct wt_submit *q = WT_ARENA_NEW(&m->arena, struct wt_submit);

        *q = (struct wt_submit){
                .request = request_id(m, a->n), .attempt = a->attempt, .choice = a->choice,
                .max_tokens = a->max_tokens, .temperature = a->temperature,
                .top_p = a->top_p > 0 ? a->top_p : 1, .top_k = a->top_k, .seed = a->seed,
                .ignore_eos = a->ignore_eos, .n_top = a->n_top, .logprobs = a->logprobs,
                .prompt_logprobs = a->prompt_logprobs, .valid_vocab = a->valid_vocab,
                .logits_digest = true,
        };
        if (a->eos != 0) {
                q->eos = WT_ARENA_NEW(&m->arena, uint32_t);
                q->eos[q->n_eos++] = a->eos;
        }
        memcpy(wt_msg_tensor(m, WT_I32, 1, &a->n_prompt), a->prompt, a->n_prompt * 4);
        if (a->n_made > 0)
                memcpy(wt_msg_tensor(m, WT_I32, 1, &a->n_made), a->made, a->n_made * 4);
        else
                wt_msg_tensor(m, WT_I32, 1, &a->n_made);
        m->env.method = WT_M_SUBMIT;
        m->env.deadline_us = a->deadline_us;
        m->env.body = q;
        if (a->attempt == 0)
                memset(&w->answer[a->n], 0, sizeof w->answer[a->n]);
        good(wt_bus_send(w->gateway_bus, m));
}

void world_cancel(struct world *w, uint32_t n)
{
        wt_msg *m = wt_msg_new(w->gateway_bus);
        struct wt_cancel *c = WT_ARENA_NEW(&m->arena, struct wt_cancel);

        c->request = request_id(m, n);
        m->env.method = WT_M_CANCEL;
        m->env.body = c;
        good(wt_bus_send(w->gateway_bus, m));
}

static void hear_event(struct world *w, const struct wt_event_msg *e)
{
        struct answer *a;
        uint32_t n;

        memcpy(&n, e->request.data, sizeof n);
        assert_in_range(n, 0, WORLD_ANSWERS - 1);
        a = &w->answer[n];
        a->events++;
        if (e->of_prompt) {
                memcpy(a->prompt_logprobs + a->n_prompt_logprobs, e->logprobs,
                       e->n_logprobs * sizeof *e->logprobs);
                assert_int_equal(e->position, a->n_prompt_logprobs + 1);
                a->n_prompt_logprobs += e->n_logprobs;
                return;
        }
        for (uint32_t i = 0; i < e->n_ids; i++) {
                if (e->n_logprobs > 0)
                        a->logprobs[a->n_ids] = e->logprobs[i];
                if (e->n_top_ids > 0)
                        a->top[a->n_ids] = e->top_ids[i * e->n_top_ids / e->n_ids];
                a->ids[a->n_ids++] = e->ids[i];
        }
        a->finish = e->finish;
        a->status = e->status;
        a->refused = e->status != WT_OK ? e->status : a->refused;
        snprintf(a->message, sizeof a->message, "%.*s", (int)e->message.len,
                 e->message.len > 0 ? (const char *)e->message.data : "");
        if ((a->has_digest = e->logits_digest.len == 32))
                memcpy(a->digest, e->logits_digest.data, 32);
        if (e->n_ids > 0 && w->on_token != NULL)
                w->on_token(w, n);
}

static void hear(struct world *w, const wt_msg *m)
{
        if (m->env.method == WT_M_EVENTS) {
                const struct wt_events *list = m->env.body;

                for (uint32_t i = 0; i < list->n_events; i++)
                        hear_event(w, &list->events[i]);
        } else if (m->env.method == WT_M_WELCOME) {
                w->welcome = *(const struct wt_welcome *)m->env.body;
                w->welcomed = m->env.status == WT_OK;
                snprintf(w->refused, sizeof w->refused, "%.*s", (int)m->env.message.len,
                         m->env.message.len > 0 ? (const char *)m->env.message.data : "");
        } else if (m->env.method == WT_M_PUSH) {
                w->draining_pushed = ((const struct wt_push *)m->env.body)->draining;
                w->missing_pushed = ((const struct wt_push *)m->env.body)->missing;
        }
}

void world_turn(struct world *w)
{
        wt_msg *m;

        now_us += TURN_US;
        if (!w->router_over)
                w->router_over = !router_turn(w->router, 0);
        for (uint32_t i = 0; i < w->n_workers; i++)
                if (w->worker[i] != NULL && !w->stuck[i] && !expert_turn(w->worker[i], 0))
                        world_worker_kill(w, i);
        while (w->gateway_bus != NULL && wt_bus_recv(w->gateway_bus, &m) == WT_OK) {
                hear(w, m);
                wt_msg_free(m);
        }
}

struct answer *world_answer(struct world *w, uint32_t n)
{
        for (int i = 0; i < MANY_TURNS && w->answer[n].finish == WT_RUNNING; i++)
                world_turn(w);
        assert_int_not_equal(w->answer[n].finish, WT_RUNNING);
        return &w->answer[n];
}

struct router_numbers *world_numbers(struct world *w)
{
        static struct router_numbers n;

        router_numbers(w->router, &n);
        return &n;
}
