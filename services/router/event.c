/* event.c - one event outside a step: a refusal, a cancel, a failure. */
#include <string.h>
#include "inside.h"

/* To a gateway that has said hello, through its outbox; to others (refused before hello), at
 * once or not at all. */
void router_tell(struct router *r, uint32_t peer, const struct wt_event_msg *e)
{
        struct gateway *g = router_gateway_of(r, peer);
        wt_msg *m = router_message(r, peer, WT_M_EVENTS);
        struct wt_events *list = WT_ARENA_NEW(&m->arena, struct wt_events);

        list->events = WT_ARENA_NEW(&m->arena, struct wt_event_msg);
        list->n_events = 1;
        *list->events = *e;
        list->events->request = router_copy(m, e->request.data, e->request.len);
        list->events->message = router_copy(m, e->message.data, e->message.len);
        m->env.body = list;
        if (g != NULL)
                router_post_gateway(r, g, m);
        else if (wt_bus_send(r->conf.bus, m) != WT_OK)
                wt_msg_free(m);
}
