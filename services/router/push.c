/* push.c - what gateways are told unasked: that this router drains, that its workers have changed,
 * how many experts it lacks, and what a control says about keys and policies. */
#include <string.h>
#include "base/log.h"
#include "inside.h"

/* What holds at this router now. */
static struct wt_push state_of(const struct router *r)
{
        return (struct wt_push){ .plan_version = r->plan_version,
                                 .policy_version = r->policy_version, .draining = r->draining,
                                 .missing = r->n.missing };
}

void router_push_state(struct router *r, struct gateway *g)
{
        wt_msg *m = router_message(r, g->peer, WT_M_PUSH);
        struct wt_push *p = WT_ARENA_NEW(&m->arena, struct wt_push);

        *p = state_of(r);
        m->env.body = p;
        router_post_gateway(r, g, m);
}

void router_push_states(struct router *r)
{
        for (uint32_t i = 0; i < MAX_GATEWAYS; i++)
                if (r->gateway[i].state == PEER_LIVE)
                        router_push_state(r, &r->gateway[i]);
}

/* The same push goes back, with what became of it. */
static void answer(struct router *r, const wt_msg *m, wt_err err)
{
        const struct wt_push *p = m->env.body;
        wt_msg *a = router_message(r, m->peer, WT_M_PUSH);
        struct wt_push *same = WT_ARENA_NEW(&a->arena, struct wt_push);

        *same = *p;
        same->key_revoked = router_copy(a, p->key_revoked.data, p->key_revoked.len);
        a->env.body = same;
        a->env.call_id = m->env.call_id;
        if (err != WT_OK) {
                a->env.status = (uint32_t)wt_code_outside(err);
                a->env.message = router_copy(a, wt_words(), strlen(wt_words()));
        }
        if (wt_bus_send(r->conf.bus, a) != WT_OK)
                wt_msg_free(a);
}

/* To all gateways: the news alone. Whether this router drains, or what its plan is, nobody else
 * can say. */
static void relay(struct router *r, const struct wt_push *p)
{
        for (uint32_t i = 0; i < MAX_GATEWAYS; i++) {
                struct gateway *g = &r->gateway[i];
                struct wt_push *news;
                wt_msg *m;

                if (g->state != PEER_LIVE)
                        continue;
                m = router_message(r, g->peer, WT_M_PUSH);
                news = WT_ARENA_NEW(&m->arena, struct wt_push);
                *news = state_of(r);
                news->key_revoked = router_copy(m, p->key_revoked.data, p->key_revoked.len);
                m->env.body = news;
                router_post_gateway(r, g, m);
        }
}

void router_relay(struct router *r, const wt_msg *m)
{
        const struct wt_push *p = m->env.body;
        const char *role = wt_bus_peer_role(r->conf.bus, m->peer);
        wt_err err = WT_OK;

        if (p == NULL)
                return;
        if (strcmp(role, "control") != 0)
                err = wt_fail(WT_EPERM, "%s may not push: only a key that the allow-list gives the "
                              "role control may", wt_bus_peer_name(r->conf.bus, m->peer));
        else if (p->policy_version == 0 && p->key_revoked.len == 0)
                err = wt_fail(WT_EINVAL, "a push of %s without policy_version and key_revoked says "
                              "nothing that a router hands on",
                              wt_bus_peer_name(r->conf.bus, m->peer));
        if (err != WT_OK) {
                wt_log_err(WT_WARN, "ROUTER-REFUSES", err);
        } else {
                if (p->policy_version > r->policy_version)       /* an old one arrives late */
                        r->policy_version = p->policy_version;
                wt_log(WT_NOTICE, "ROUTER-PUSH", "policy_version=%llu key_revoked=%.64s",
                       (unsigned long long)p->policy_version,
                       p->key_revoked.len > 0 ? (const char *)p->key_revoked.data : "");
                relay(r, p);
        }
        answer(r, m, err);
}
