/* routers.c - the routers as a gateway sees them. A hello goes out every second and is answered
 * by a welcome; its epoch is the router's incarnation: another one means that it has started anew
 * and knows none of our sequences, so they are submitted again, with the ids made so far. */
#include "path.h"
#include "desk.h"
#include "rpc.h"
#include <stdio.h>
#include <string.h>
#include "base/log.h"

enum { TICK_US = 200 * 1000, HELLO_US = 1000 * 1000, SILENT_US = 3 * 1000 * 1000,
       MAX_MOVES = 64 };

void routers_hello(struct gateway *g, uint32_t router)
{
        struct router_peer *p = &g->routers[router];
        uint64_t now = wt_now_us(g->conf.clock);
        wt_msg *m = wt_msg_new(g->conf.bus);
        struct wt_hello *h = WT_ARENA_NEW(&m->arena, struct wt_hello);

        h->role = WT_STR("gateway");
        h->name = WT_STR(g->conf.name);
        h->config = WT_BYTES(g->conf.shape->digest, 32);
        h->incarnation = g->incarnation;
        m->peer = router;
        m->env.method = WT_M_HELLO;
        m->env.body = h;
        p->asked_us = now;
        if (p->unanswered_us == 0)
                p->unanswered_us = now;
        if (wt_bus_send(g->conf.bus, m) != WT_OK)
                wt_msg_free(m);
}

void routers_cancel(struct sequence *s)
{
        struct gateway *g = s->r->g;
        struct wt_cancel *c;
        wt_msg *m;

        if (s->router < 0)
                return;
        m = wt_msg_new(g->conf.bus);
        c = WT_ARENA_NEW(&m->arena, struct wt_cancel);
        c->request = WT_BYTES(s->r->id, 16);
        c->attempt = s->attempt;
        c->choice = s->choice;
        c->prompt_index = s->prompt;
        m->peer = (uint32_t)s->router;
        m->env.method = WT_M_CANCEL;
        m->env.body = c;
        if (wt_bus_send(g->conf.bus, m) != WT_OK)
                wt_msg_free(m);
        g->routers[s->router].open--;
        s->router = -1;
}

void routers_move(struct gateway *g, int32_t router)
{
        uint32_t moved = 0;

        for (struct request *r = g->open; r != NULL; r = r->next)
                for (uint32_t i = 0; i < r->n_seqs; i++) {
                        struct sequence *s = &r->seqs[i];
                        if (s->finish != NULL || s->router != router)
                                continue;
                        g->routers[router].open--;
                        gateway_choose(s);
                        gateway_submit(s);
                        moved++;
                }
        wt_metric_add(&g->metrics[M_RESUBMITTED], moved);
        if (moved > 0)
                wt_log(WT_NOTICE, "GATEWAY-RESUBMIT", "router=%d sequences=%u", router, moved);
}

bool routers_elsewhere(struct sequence *s, wt_err status)
{
        struct gateway *g = s->r->g;
        struct router_peer *p = &g->routers[s->router];

        if (s->n_moved == MAX_MOVES ||
            !(status == WT_EPRECONDITION || (status == WT_EUNAVAILABLE && p->draining)))
                return false;
        s->n_moved++;
        if (status == WT_EPRECONDITION)          /* it has started anew: a hello first */
                p->welcome = false;
        p->open--;
        s->router = -1;
        s->submitted_us = wt_now_us(g->conf.clock);
        return true;
}

/* One sequence that waits: a router that is welcome takes it. False: its time is over. The clock is
 * read here: a turn's time may be older than the moment at which the wait began. */
static bool serve(struct gateway *g, struct sequence *s)
{
        uint64_t since = s->submitted_us;

        if (routers_pick(g) >= 0) {
                gateway_choose(s);
                gateway_submit(s);
        }
        if (s->router < 0)
                s->submitted_us = since;
        return s->router >= 0 || wt_now_us(g->conf.clock) - since <= g->conf.router_wait_us;
}

/* Sequences that wait for a router, and clients that no longer wait for them: one that has closed
 * its sending side before a whole answer is taken to have left. */
static void serve_waiting(struct gateway *g)
{
        for (struct request *r = g->open, *next; r != NULL; r = next) {
                next = r->next;
                if (r->call != NULL && !r->opt.stream && r->n_prompts > 0 &&
                    caller_half_closed(r->call)) {
                        caller_abort(r->call);
                        request_left(r);         /* the call is no more */
                        continue;
                }
                admit_expire(r);
                for (uint32_t i = 0; i < r->n_seqs; i++) {
                        struct sequence *s = &r->seqs[i];

                        if (s->finish == NULL && s->router >= 0)
                                submit_unheard(s);
                        if (s->finish != NULL || s->paused || s->router >= 0 ||
                            serve(g, s))
                                continue;
                        request_refuse(
                                r, refusal_of(WT_EUNAVAILABLE),
                                "no router is there to answer; witan ps shows the processes, "
                                "witan up starts them");
                        break;
                }
        }
}

void routers_tick(void *arg, struct wt_timer *t)
{
        struct gateway *g = arg;
        uint64_t now = wt_now_us(g->conf.clock);
        bool lost = wt_bus_lost(g->conf.bus);
        uint32_t n_welcome = 0;

        if (g->conf.rpc != NULL)
                rpc_tick(g->conf.rpc);
        desk_look(g->desk);                      /* whose client has left is told of so */
        for (uint32_t i = 0; i < g->conf.n_routers; i++) {
                struct router_peer *p = &g->routers[i];
                bool silent = now - p->heard_us > SILENT_US;

                if (lost)                        /* one of them: each must say so again */
                        p->welcome = false;
                if (!p->welcome || now - p->asked_us >= HELLO_US)
                        routers_hello(g, i);
                if (p->welcome && silent && p->unanswered_us != 0 &&
                    now - p->unanswered_us > SILENT_US) {
                        p->welcome = false;
                        wt_log(WT_WARN, "GATEWAY-ROUTER-SILENT", "router=%u", i);
                }
                if (!p->welcome && silent && p->open > 0)
                        routers_move(g, (int32_t)i);     /* elsewhere, or they wait */
                n_welcome += p->welcome;
        }
        wt_metric_set(&g->metrics[M_ROUTERS], n_welcome);
        serve_waiting(g);
        hold_tick(g);
        wt_loop_timer_set(g->conf.loop, t, now + TICK_US);
}

static void take_missing(struct router_peer *p, uint32_t router, uint32_t missing)
{
        if ((p->missing == 0) != (missing == 0))
                wt_log(missing > 0 ? WT_WARN : WT_NOTICE, "GATEWAY-EXPERTS", "router=%u missing=%u",
                       router, missing);
        p->missing = missing;
}

void routers_welcome(struct gateway *g, const wt_msg *m)
{
        const struct wt_welcome *w = m->env.body;
        struct router_peer *p = &g->routers[m->peer];
        bool again = p->epoch != 0 && w != NULL && p->epoch != w->epoch;

        p->unanswered_us = 0;
        if (m->env.status != WT_OK || w == NULL) {
                p->welcome = false;
                routers_move(g, (int32_t)m->peer);
                wt_log(WT_ERROR, "GATEWAY-REFUSED", "router=%u words=\"%s\"", m->peer,
                       m->env.message.len > 0 ? (const char *)m->env.message.data : "");
                return;
        }
        if (!p->welcome || again)
                wt_log(WT_NOTICE, "GATEWAY-WELCOME",
                       "router=%u epoch=%llu max_context=%u kv_pages=%llu", m->peer,
                       (unsigned long long)w->epoch, w->max_context,
                       (unsigned long long)w->kv_pages);
        if (again)
                p->draining = false;
        p->welcome = true;
        p->epoch = w->epoch;
        p->max_context = w->max_context;
        p->vocab = w->vocab;
        p->kv_pages = w->kv_pages;
        p->max_seqs = w->max_seqs;
        p->max_waiting = w->max_waiting;
        take_missing(p, m->peer, w->missing);
        snprintf(p->profile, sizeof p->profile, "%.*s", (int)w->profile.len,
                 w->profile.len > 0 ? (const char *)w->profile.data : "");
        if (w->revision.len == 32)
                memcpy(p->revision, w->revision.data, 32);
        if (again)
                routers_move(g, (int32_t)m->peer);
        serve_waiting(g);
}

void routers_push(struct gateway *g, const wt_msg *m)
{
        const struct wt_push *p = m->env.body;
        struct router_peer *from = &g->routers[m->peer];

        if (p->draining && !from->draining) {
                from->draining = true;
                wt_log(WT_NOTICE, "GATEWAY-ROUTER-DRAINS", "router=%u", m->peer);
        }
        take_missing(from, m->peer, p->missing);
        if (p->plan_version != from->plan) {     /* smaller: it has started anew */
                from->plan = p->plan_version;
                wt_metric_add(&g->metrics[M_PLAN], 1);
        }
        if (p->policy_version > (uint64_t)g->metrics[M_POLICY].value)
                wt_metric_set(&g->metrics[M_POLICY], (double)p->policy_version);
        if (p->key_revoked.len > 0)
                wt_metric_add(&g->metrics[M_KEYS_REVOKED], 1);
        /* A revoked key needs no more than this wake: keys are read again when the database
         * changed. */
}
