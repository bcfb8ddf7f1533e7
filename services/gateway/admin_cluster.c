/* admin_cluster.c - GET /v1/admin/cluster: the gateway that is asked, and the routers as they have
 * told it. Workers are known to routers alone; witan ps asks every process for its own. */
#include <stdio.h>
#include <string.h>
#include "admin.h"
#include "base/sha256.h"
#include "path.h"

static void put_gateway(struct gateway *g, struct wt_buf *b)
{
        const char *why;
        bool ready = gateway_ready(g, &why);

        wt_buf_str(b, "{");
        wt_buf_json_kv(b, "role", "gateway");
        wt_buf_json_kv(b, "name", g->conf.name);
        wt_buf_json_kv(b, "endpoint", gateway_address(g));
        wt_buf_json_kv(b, "state", g->draining ? "draining" : ready ? "ready" : "waiting");
        wt_buf_json_kv(b, "words", why);
        wt_buf_json_kv(b, "model", g->conf.model);
        wt_buf_json_ku(b, "open_requests", g->n_open);
        wt_buf_json_ku(b, "running_sequences", g->running);
        wt_buf_json_ku(b, "waiting_requests", g->fair.n);
        if (g->conf.identity != NULL)
                wt_buf_json_kf(b, "keys_age_seconds", wt_identity_age(g->conf.identity));
        wt_buf_str(b, "}");
}

static void put_router(const struct gateway *g, uint32_t i, struct wt_buf *b)
{
        const struct router_peer *p = &g->routers[i];
        char name[32], revision[65];

        snprintf(name, sizeof name, "router-%u", i);
        wt_buf_json_sep(b);
        wt_buf_str(b, "{");
        wt_buf_json_kv(b, "role", "router");
        wt_buf_json_kv(b, "name", name);
        wt_buf_json_kv(b, "state", p->draining ? "draining" : p->welcome ? "ready" : "away");
        wt_buf_json_ku(b, "open_sequences", p->open);
        wt_buf_json_ku(b, "max_sequences", p->max_seqs);
        wt_buf_json_ku(b, "max_context", p->max_context);
        wt_buf_json_ku(b, "kv_pages", p->kv_pages);
        wt_buf_json_ku(b, "plan", p->plan);
        wt_buf_json_kv(b, "profile", p->profile[0] != '\0' ? p->profile : NULL);
        wt_hex(p->revision, 32, revision);
        wt_buf_json_kv(b, "revision", p->epoch != 0 ? revision : NULL);
        if (p->heard_us != 0)
                wt_buf_json_kf(b, "heard_seconds_ago",
                               (double)(wt_now_us(g->conf.clock) - p->heard_us) / 1e6);
        wt_buf_str(b, "}");
}

void admin_cluster(struct request *r)
{
        struct gateway *g = r->g;
        struct wt_buf b = { 0 };
        char headers[100];

        wt_buf_str(&b, "{\"object\":\"cluster\",\"processes\":[");
        put_gateway(g, &b);
        for (uint32_t i = 0; i < g->conf.n_routers; i++)
                put_router(g, i, &b);
        wt_buf_str(&b, "]}");
        snprintf(headers, sizeof headers, "x-request-id: %s\r\ncache-control: no-store\r\n",
                 r->id_text);
        hold_reply(r, 200, "application/json", headers, b.data, b.len);
        wt_buf_free(&b);
        request_end(r, "ok");
}
