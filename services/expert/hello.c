/* hello.c - how a worker and its routers come to know each other. A hello is repeated until a
 * welcome gives an epoch; every later hello starts a new one, so whatever was out before is
 * void. */
#include <string.h>
#include "base/log.h"
#include "inside.h"

enum { HELLO_SOON_US = 200000, HELLO_SLOW_US = 1000000 };

static void list_held(const struct expert *e, struct wt_held *to)
{
        for (uint32_t l = 0; l < e->shape->n_layers; l++) {
                for (uint32_t x = 0; e->held[l] != NULL && x < e->shape->layers[l].n_experts; x++) {
                        if (!e->held[l][x].here)
                                continue;
                        to->layer = l;
                        to->expert = x;
                        memcpy(to++->variant, e->held[l][x].variant, sizeof to->variant);
                }
        }
}

static void say_hello(struct expert *e, uint32_t peer)
{
        wt_msg *m = wt_msg_new(e->conf.bus);
        struct wt_hello *h = WT_ARENA_NEW(&m->arena, struct wt_hello);
        uint32_t shape[2] = { e->n_held, sizeof(struct wt_held) };

        m->peer = peer;
        m->env = (struct wt_envelope){ .version = WT_WIRE_VERSION, .method = WT_M_HELLO,
                                       .body = h };
        *h = (struct wt_hello){
                .role = WT_STR("expert"),
                .name = WT_STR(e->conf.name), .profile = WT_STR(e->ops->profile),
                .config = WT_BYTES(e->shape->digest, 32),
                .credit_rows = e->work.max_rows,
                .credit_bytes = (uint64_t)e->work.max_rows * (e->shape->width * 4ull + 16ull *
                                (e->work.max_picks / e->work.max_rows)),
                .incarnation = e->incarnation,
        };
        list_held(e, wt_msg_tensor(m, WT_U8, 2, shape));
        expert_send(e, m);
}

void expert_hello(struct expert *e)
{
        for (uint32_t i = 0; i < e->conf.n_routers; i++) {
                struct link *k = &e->link[i];

                if (k->welcome || e->draining || e->now < k->hello_at || k->out.n > 0)
                        continue;                /* hellos do not pile up for who does not read */
                say_hello(e, i);
                k->hello_at = e->now + k->hello_every;
        }
}

void expert_welcome(struct expert *e, const wt_msg *m)
{
        const struct wt_welcome *w = m->env.body;
        struct link *k = &e->link[m->peer];
        uint64_t epoch = w != NULL ? w->epoch : 0;

        if (m->env.status == WT_OK && epoch != 0) {
                if (!k->welcome)
                        wt_log(WT_NOTICE, "EXPERT-WELCOME", "router=%s held=%u",
                               wt_bus_peer_name(e->conf.bus, m->peer), e->n_held);
                if (epoch != k->epoch)
                        expert_jobs_drop(e, m->peer);    /* they were sent again under this epoch */
                k->welcome = true;
                k->epoch = epoch;
                k->hello_every = HELLO_SOON_US;
                return;
        }
        k->welcome = false;
        if (m->env.status == WT_EABORTED) {      /* the router has lost sight of us */
                k->hello_at = e->now;
                return;
        }
        k->hello_every = HELLO_SLOW_US;
        k->hello_at = e->now + HELLO_SLOW_US;
        wt_log(WT_ERROR, "EXPERT-REFUSED", "router=%s code=\"%s\" words=\"%s\"",
               wt_bus_peer_name(e->conf.bus, m->peer), wt_code_name((wt_err)m->env.status),
               (const char *)m->env.message.data);
        if (m->env.status == WT_EPRECONDITION)
                e->refusal = wt_fail(WT_EPRECONDITION, "router %s refuses this worker: %s",
                                     wt_bus_peer_name(e->conf.bus, m->peer),
                                     (const char *)m->env.message.data);
}

void expert_router_bye(struct expert *e, const wt_msg *m)
{
        struct link *k = &e->link[m->peer];

        k->bye = true;                           /* while we drain: the answer to our own */
        k->welcome = false;
        k->hello_every = HELLO_SLOW_US;
        k->hello_at = e->now + HELLO_SLOW_US;
        if (!e->draining)
                expert_jobs_drop(e, m->peer);
}

void expert_say_bye(struct expert *e)
{
        for (uint32_t i = 0; i < e->conf.n_routers; i++) {
                wt_msg *m = wt_msg_new(e->conf.bus);
                struct wt_bye *b = WT_ARENA_NEW(&m->arena, struct wt_bye);

                b->reason = WT_STR("stopping");
                m->peer = i;
                m->env = (struct wt_envelope){ .version = WT_WIRE_VERSION, .method = WT_M_BYE,
                                               .body = b };
                e->link[i].bye = !e->link[i].welcome;    /* nobody there: no answer to wait for */
                expert_send(e, m);
        }
}

void expert_lost(struct expert *e)
{
        for (uint32_t i = 0; i < e->conf.n_routers; i++) {
                e->link[i].welcome = false;
                e->link[i].hello_every = HELLO_SOON_US;
                e->link[i].hello_at = e->now;
        }
}
