/* bench_rig.c - see bench_rig.h. This file is the gateway's side; bench_parts.c starts the
 * others. */
#include "bench_rig.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/rng.h"
#include "bench_parts.h"

enum { READY_US = 600 * 1000000, SILENT_US = 120 * 1000000 };

/* After a message with events: when, and how many tokens there were. */
struct mark { uint64_t us; double cpu; uint64_t tokens; };
struct ask { uint32_t n_ids; bool over; };
struct rig {
        struct rig_conf conf;
        struct parts *parts;
        wt_bus *bus;
        struct wt_welcome welcome; bool welcomed;
        struct ask ask[RIG_ASKS];
        uint32_t n_asks, n_begun, n_over;
        uint64_t tokens;
        struct mark all, end;                    /* all asks have begun; the first is over */
        uint64_t heard_us;
        uint32_t round;                          /* of run; stands in the requests' ids */
        wt_err failed;
};

static uint64_t now_us(void) { return wt_now_us(&wt_clock_real); }

static wt_err say_hello(struct rig *r)
{
        wt_msg *m = wt_msg_new(r->bus);
        struct wt_hello *h = WT_ARENA_NEW(&m->arena, struct wt_hello);
        wt_err err;

        h->role = WT_STR("gateway");
        h->name = WT_STR("gateway-0");
        h->incarnation = now_us();
        m->env.method = WT_M_HELLO;
        m->env.body = h;
        if ((err = wt_bus_send(r->bus, m)) != WT_OK)
                wt_msg_free(m);
        return err;
}

static void hear_event(struct rig *r, const struct wt_event_msg *e)
{
        uint32_t id[2];
        struct ask *a;

        if (e->request.len != 16)
                return;
        memcpy(id, e->request.data, sizeof id);
        if (id[0] >= r->n_asks || id[1] != r->round)
                return;
        a = &r->ask[id[0]];
        if (e->finish == WT_FAILED || e->finish == WT_HANDED_BACK || e->finish == WT_CANCELLED) {
                r->failed = wt_fail(e->status != WT_OK ? (wt_err)e->status : WT_EINTERNAL,
                                    "the router ended a sequence: %.*s", (int)e->message.len,
                                    e->message.len > 0 ? (const char *)e->message.data : "");
                return;
        }
        r->n_begun += a->n_ids == 0 && e->n_ids > 0;
        a->n_ids += e->n_ids;
        r->tokens += e->n_ids;
        r->n_over += !a->over && e->finish != WT_RUNNING;
        a->over |= e->finish != WT_RUNNING;
}

static void hear_events(struct rig *r, const struct wt_events *list)
{
        struct mark now = { .us = now_us(), .cpu = parts_cpu(r->parts) };
        bool began = r->n_begun == r->n_asks, ended = r->n_over > 0;

        for (uint32_t i = 0; i < list->n_events; i++)
                hear_event(r, &list->events[i]);
        now.tokens = r->tokens;
        if (!began && r->n_begun == r->n_asks)
                r->all = now;
        if (!ended)                              /* up to the message in which the first one ends */
                r->end = now;
}

/* All messages that wait, or that come within max_us. */
static void listen_once(struct rig *r, uint64_t max_us)
{
        wt_msg *m;

        if (!wt_bus_ready(r->bus))
                wt_bus_wait(r->bus, -1, max_us);
        while (wt_bus_recv(r->bus, &m) == WT_OK) {
                r->heard_us = now_us();
                if (m->env.method == WT_M_WELCOME && m->env.body != NULL &&
                    m->env.status == WT_OK) {
                        r->welcome = *(const struct wt_welcome *)m->env.body;
                        r->welcomed = true;
                } else if (m->env.method == WT_M_WELCOME) {
                        r->failed = wt_fail(
                                WT_EPRECONDITION, "the router refused the benchmark: %.*s",
                                (int)m->env.message.len,
                                m->env.message.len > 0 ? (const char *)m->env.message.data : "");
                } else if (m->env.method == WT_M_EVENTS) {
                        if (m->env.body != NULL)
                                hear_events(r, m->env.body);
                }
                wt_msg_free(m);
        }
}

static wt_err wait_welcome(struct rig *r)
{
        uint64_t end = now_us() + READY_US, again = 0;

        while (!r->welcomed && r->failed == WT_OK) {
                if (!parts_alive(r->parts))
                        return WT_EUNAVAILABLE;  /* in the words of who ended */
                if (now_us() > end)
                        return wt_fail(WT_EDEADLINE,
                                       "the router did not answer; its log is in %s/logs",
                                       r->conf.state);
                if (now_us() >= again) {
                        say_hello(r);
                        again = now_us() + 500000;
                }
                listen_once(r, 50000);
        }
        return r->failed;
}

wt_err rig_open(struct rig **out, const struct rig_conf *c)
{
        struct rig *r = calloc(1, sizeof *r);
        struct rig_result warm;
        wt_err err;

        if (r == NULL)
                return wt_fail(WT_ENOMEM, "no memory for a benchmark");
        r->conf = *c;
        if ((err = parts_open(&r->parts, c, &r->bus)) != WT_OK ||
            (err = wait_welcome(r)) != WT_OK || (err = rig_run(r, 1, 8, 2, 1, &warm)) != WT_OK) {
                rig_close(r);
                return err;
        }
        *out = r;
        return WT_OK;
}

void rig_close(struct rig *r)
{
        if (r == NULL)
                return;
        parts_close(r->parts);
        if (r->bus != NULL)
                wt_bus_close(r->bus);
        free(r);
}

static wt_err submit(struct rig *r, uint32_t i, uint32_t n_prompt, uint32_t n_tokens, uint64_t seed)
{
        wt_msg *m = wt_msg_new(r->bus);
        struct wt_submit *q = WT_ARENA_NEW(&m->arena, struct wt_submit);
        uint32_t *id = wt_arena_take(&m->arena, 16), none = 0;
        int32_t *prompt = wt_msg_tensor(m, WT_I32, 1, &n_prompt);
        wt_err err;

        memset(id, 0, 16);
        id[0] = i;
        id[1] = r->round;
        for (uint32_t k = 0; k < n_prompt; k++)
                prompt[k] = (int32_t)(wt_philox_unit(seed, i, k, 1) * r->welcome.vocab);
        wt_msg_tensor(m, WT_I32, 1, &none);
        *q = (struct wt_submit){ .request = WT_BYTES(id, 16),
                                 .max_tokens = n_tokens,
                                 .temperature = 1,
                                 .top_p = 1,
                                 .seed = seed + i,
                                 .ignore_eos = true };
        m->env.method = WT_M_SUBMIT;
        m->env.body = q;
        if ((err = wt_bus_send(r->bus, m)) != WT_OK)
                wt_msg_free(m);
        return err;
}

/* Between the last first token and the first end all sequences run. */
static void conclude(const struct rig *r, uint64_t asked_us, struct rig_result *out)
{
        double tokens = r->end.tokens > r->all.tokens ? (double)(r->end.tokens - r->all.tokens) : 0;

        *out = (struct rig_result){ .first = (double)(r->all.us - asked_us) / 1e6 };
        if (tokens > 0) {
                out->token = (double)(r->end.us - r->all.us) / 1e6 / tokens;
                out->cpu = (r->end.cpu - r->all.cpu) / tokens;
        }
}

wt_err rig_run(struct rig *r, uint32_t n, uint32_t n_prompt, uint32_t n_tokens, uint64_t seed,
               struct rig_result *out)
{
        uint64_t asked_us = now_us();
        wt_err err = WT_OK;

        WT_ASSERT(n <= RIG_ASKS);
        memset(r->ask, 0, sizeof r->ask);
        r->n_asks = n;
        r->n_begun = r->n_over = 0;
        r->tokens = 0;
        r->failed = WT_OK;
        r->round++;
        for (uint32_t i = 0; i < n && err == WT_OK; i++)
                err = submit(r, i, n_prompt, n_tokens, seed);
        r->heard_us = now_us();
        while (err == WT_OK && r->n_over < n) {
                listen_once(r, 100000);
                if ((err = r->failed) == WT_OK && !parts_alive(r->parts))
                        err = WT_EUNAVAILABLE;
                if (err == WT_OK && now_us() - r->heard_us > SILENT_US)
                        err = wt_fail(WT_EDEADLINE,
                                      "the router has been silent for %d s; its log is in "
                                      "%s/logs",
                                      SILENT_US / 1000000, r->conf.state);
        }
        if (err == WT_OK)
                conclude(r, asked_us, out);
        return err;
}
