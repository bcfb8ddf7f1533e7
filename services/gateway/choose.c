/* choose.c - which router makes a sequence: the welcome one with the fewest open sequences. A
 * sequence that finds none waits: a router that says welcome takes it, or router_wait ends it. */
#include "path.h"

int32_t routers_pick(struct gateway *g)
{
        int32_t best = -1;

        for (uint32_t i = 0; i < g->conf.n_routers; i++) {
                const struct router_peer *p = &g->routers[i];
                if (p->welcome && !p->draining && (best < 0 || p->open < g->routers[best].open))
                        best = (int32_t)i;
        }
        return best;
}

void gateway_choose(struct sequence *s)
{
        struct gateway *g = s->r->g;

        s->router = routers_pick(g);
        s->submitted_us = wt_now_us(g->conf.clock);
        if (s->router >= 0)
                g->routers[s->router].open++;
}
