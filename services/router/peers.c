/* peers.c - workers and gateways: who they are, what they hold, whether they live. Every hello
 * of a worker starts a new epoch; what was out under the old one is sent again (calls.c).
 * Nothing is keyed by a worker's slot. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "inside.h"

static uint32_t holds_words(const struct router *r)
{
        return (r->shape->n_layers * r->max_experts + 31) / 32;
}

wt_err router_peers_init(struct router *r)
{
        uint32_t *bits;

        r->worker = calloc(MAX_WORKERS, sizeof *r->worker);
        bits = calloc((size_t)MAX_WORKERS * holds_words(r), sizeof *bits);
        if (r->worker == NULL || bits == NULL) {
                free(bits);
                return wt_fail(WT_ENOMEM, "no memory for the table of workers");
        }
        for (uint32_t i = 0; i < MAX_WORKERS; i++)
                r->worker[i].holds = bits + (size_t)i * holds_words(r);
        wt_random_bytes(&r->last_id, sizeof r->last_id); /* another router's or life's ids differ */
        r->last_id >>= 16;
        return WT_OK;
}

void router_peers_close(struct router *r)
{
        if (r->worker == NULL)
                return;
        for (uint32_t i = 0; i < MAX_WORKERS; i++)
                wt_outbox_clear(&r->worker[i].out);
        for (uint32_t i = 0; i < MAX_GATEWAYS; i++)
                wt_outbox_clear(&r->gateway[i].out);
        free(r->worker[0].holds);
        free(r->worker);
}

struct worker *router_worker_of(struct router *r, uint32_t peer)
{
        for (uint32_t i = 0; i < r->n_workers; i++)
                if (r->worker[i].peer == peer && r->worker[i].state != PEER_NONE)
                        return &r->worker[i];
        return NULL;
}

struct gateway *router_gateway_of(struct router *r, uint32_t peer)
{
        for (uint32_t i = 0; i < MAX_GATEWAYS; i++)
                if (r->gateway[i].peer == peer && r->gateway[i].state != PEER_NONE)
                        return &r->gateway[i];
        return NULL;
}

/* ---- welcome ---- */

static wt_msg *welcome_new(struct router *r, uint32_t peer, uint64_t epoch)
{
        wt_msg *m = router_message(r, peer, WT_M_WELCOME);
        struct wt_welcome *w = WT_ARENA_NEW(&m->arena, struct wt_welcome);
        const char *model = wt_model_name(r->conf.model);

        *w = (struct wt_welcome){
                .epoch = epoch, .profile = WT_STR(r->ops->profile),
                .revision = router_copy(m, r->revision, 32), .max_context = r->max_context,
                .vocab = r->shape->vocab, .kv_pages = r->kv.n_pages,
                .max_waiting = r->conf.max_waiting, .model = router_copy(m, model, strlen(model)),
                .max_seqs = r->conf.max_seqs, .missing = r->n.missing,
        };
        m->env.epoch = epoch;
        m->env.body = w;
        return m;
}

/* A welcome that is none: the thread's last words say what does not fit. */
static void refuse(struct router *r, uint32_t peer, wt_err code)
{
        wt_msg *m = welcome_new(r, peer, 0);

        m->env.status = (uint32_t)wt_code_outside(code);
        m->env.message = router_copy(m, wt_words(), strlen(wt_words()));
        if (wt_bus_send(r->conf.bus, m) != WT_OK)
                wt_msg_free(m);
}

static wt_err check_kind(const struct router *r, const struct wt_hello *h)
{
        if (h->profile.len > 0 && !wt_bytes_same(h->profile, WT_STR(r->ops->profile)))
                return wt_fail(WT_EPRECONDITION, "router %s computes profile %s, %.64s computes "
                               "%.64s: start both from the same build with the same settings",
                               r->conf.name, r->ops->profile, (const char *)h->name.data,
                               (const char *)h->profile.data);
        if (h->config.len > 0 && !wt_bytes_same(h->config, WT_BYTES(r->shape->digest, 32)))
                return wt_fail(WT_EPRECONDITION, "router %s serves %s, whose config.json has "
                               "another shape than the one of %.64s: give both the same --model",
                               r->conf.name,
                               wt_model_name(r->conf.model), (const char *)h->name.data);
        return WT_OK;
}

/* ---- workers ---- */

/* The hello's table against the model's own digests; bits of what is held. */
static wt_err read_held(const struct router *r, const wt_msg *m, const char *name, uint32_t *bits)
{
        const uint8_t *p = m->env.n_tensors > 0 ? m->frame[0].data : NULL;
        uint32_t n = p != NULL ? m->env.tensors[0].shape[0] : 0;
        struct wt_held held;

        if (n == 0 || m->env.tensors[0].n_dim != 2 || m->env.tensors[0].shape[1] != sizeof held)
                return wt_fail(WT_EPRECONDITION, "%.64s holds no experts", name);
        memset(bits, 0, holds_words(r) * sizeof *bits);
        for (uint32_t i = 0; i < n; i++, p += sizeof held) {
                uint32_t l, x, at;
                char theirs[17], ours[17];

                memcpy(&held, p, sizeof held);   /* a frame may lie at any address */
                l = held.layer, x = held.expert, at = l * r->max_experts + x;
                if (l >= r->shape->n_layers || r->variant[l] == NULL ||
                    x >= r->shape->layers[l].n_experts)
                        return wt_fail(WT_EPRECONDITION, "%.64s holds expert %u of layer %u, which "
                                       "%s does not have: give both the same --model", name, x, l,
                                       wt_model_name(r->conf.model));
                bits[at / 32] |= 1u << (at % 32);
                if (memcmp(held.variant, r->variant[l][x], 32) == 0)
                        continue;
                wt_hex(held.variant, 8, theirs);
                wt_hex(r->variant[l][x], 8, ours);
                return wt_fail(WT_EPRECONDITION, "%.64s holds variant %s of expert %u of layer %u, "
                               "router %s has %s: the model folders differ; give both the same "
                               "--model",
                               name, theirs, x, l, r->conf.name, ours);
        }
        return WT_OK;
}

/* The slot of a worker that says hello: its own, a new one, or one whose owner is gone. */
static struct worker *slot_for(struct router *r, uint32_t peer)
{
        struct worker *w = router_worker_of(r, peer);

        for (uint32_t i = 0; w == NULL && i < MAX_WORKERS; i++)
                if (r->worker[i].state == PEER_NONE)
                        w = &r->worker[i];
        for (uint32_t i = 0; w == NULL && i < MAX_WORKERS; i++)
                if (r->worker[i].state == PEER_GONE)
                        w = &r->worker[i];
        return w;
}

static void clear_owed(struct worker *w)
{
        w->n_owed = 0;
        w->rows_out = w->bytes_out = 0;
        w->late = w->cut = false;
        wt_outbox_clear(&w->out);
}

static wt_err hello_worker(struct router *r, const wt_msg *m, const struct wt_hello *h)
{
        uint64_t least = r->shape->width * 4ull + r->max_picks * sizeof(struct wt_pick);
        struct worker *w = slot_for(r, m->peer);
        const char *name = (const char *)h->name.data;
        wt_err err;

        if (w == NULL)
                return wt_fail(WT_EEXHAUSTED, "router %s serves %d workers already", r->conf.name,
                               MAX_WORKERS);
        if (h->credit_rows == 0 || h->credit_bytes < least)
                return wt_fail(WT_EPRECONDITION, "%.64s offers credit for %llu rows and %llu "
                               "bytes; one row takes %llu bytes", name,
                               (unsigned long long)h->credit_rows,
                               (unsigned long long)h->credit_bytes, (unsigned long long)least);
        if ((err = read_held(r, m, name, w->holds)) != WT_OK) {
                if (w->state != PEER_NONE)       /* its table is overwritten */
                        router_worker_gone(r, w, "it came back with another model");
                return err;
        }
        if (w->state != PEER_LIVE || w->incarnation != h->incarnation)
                wt_log(WT_NOTICE, "ROUTER-WORKER", "worker=%.64s held=%u credit_rows=%llu", name,
                       m->env.tensors[0].shape[0], (unsigned long long)h->credit_rows);
        if (strcmp(w->name, name) != 0)
                w->picks = w->calls = 0;
        snprintf(w->name, sizeof w->name, "%.64s", name);
        clear_owed(w);
        w->state = PEER_LIVE;
        w->peer = m->peer;
        w->incarnation = h->incarnation;
        w->epoch = ++r->last_id;
        w->heard = r->now;
        w->silent = false;
        w->credit_rows = h->credit_rows;
        w->credit_bytes = h->credit_bytes;
        if (w - r->worker >= r->n_workers)
                r->n_workers = (uint32_t)(w - r->worker) + 1;
        r->membership = true;
        router_post_worker(r, w, welcome_new(r, w->peer, w->epoch));
        return WT_OK;
}

void router_worker_gone(struct router *r, struct worker *w, const char *why)
{
        if (w->state == PEER_GONE || w->state == PEER_NONE)
                return;
        wt_log(w->state == PEER_DRAINS && w->n_owed == 0 ? WT_NOTICE : WT_WARN,
               "ROUTER-WORKER-GONE", "worker=%s calls_out=%u why=\"%s\"", w->name, w->n_owed, why);
        clear_owed(w);
        w->state = PEER_GONE;
        r->membership = true;
        wt_fail(WT_EABORTED, "router %s has lost sight of %s: say hello again", r->conf.name,
                w->name);
        refuse(r, w->peer, WT_EABORTED);         /* reaches it if it lives after all */
}

void router_worker_ping(struct router *r, struct worker *w)
{
        wt_msg *m = router_message(r, w->peer, WT_M_PING);
        struct wt_ping *p = WT_ARENA_NEW(&m->arena, struct wt_ping);

        p->stamp = w->stamp = ++r->last_id;
        m->env.body = p;
        router_post_worker(r, w, m);
}

uint32_t router_missing(struct router *r)
{
        uint32_t missing = 0;

        for (uint32_t l = 0; l < r->shape->n_layers; l++) {
                for (uint32_t x = 0; r->variant[l] != NULL && x < r->shape->layers[l].n_experts;
                     x++) {
                        bool held = false;

                        for (uint32_t i = 0; i < r->n_workers && !held; i++)
                                held = r->worker[i].state == PEER_LIVE && !r->worker[i].silent &&
                                       router_holds(r, &r->worker[i], l, x);
                        missing += !held;
                }
        }
        return missing;
}

/* One that has calls shows by them whether it lives (watch_owed). One that has none is pinged; when
 * it answers nothing for expert_wait it still gets its share of what comes, since that decides, but
 * nobody is told any more that its experts are there. */
static bool watch_idle(struct router *r, struct worker *w)
{
        bool waits = w->asked > w->heard, was = w->silent;
        uint64_t since = waits ? w->pinged : w->heard;

        if (w->n_owed == 0 && r->now - since >= r->conf.expert_wait_us / 4) {
                w->pinged = r->now;
                if (!waits)
                        w->asked = r->now;
                router_worker_ping(r, w);
        }
        w->silent = waits && r->now - w->asked >= r->conf.expert_wait_us;
        if (w->silent != was)
                wt_log(was ? WT_NOTICE : WT_WARN,
                       was ? "ROUTER-WORKER-SPEAKS" : "ROUTER-WORKER-SILENT", "worker=%s", w->name);
        return w->silent != was;
}

void router_peers_idle(struct router *r)
{
        bool changed = false;

        for (uint32_t i = 0; i < r->n_workers; i++)
                if (r->worker[i].state == PEER_LIVE && !r->worker[i].cut)
                        changed |= watch_idle(r, &r->worker[i]);
        if (!changed)
                return;
        r->n.missing = router_missing(r);
        router_push_states(r);
}

/* ---- gateways ---- */

static void gateway_clear(struct router *r, struct gateway *g)
{
        uint32_t number = (uint32_t)(g - r->gateway);

        for (uint32_t i = 0; i < r->n_running; i++)
                if (r->running[i]->gateway == number)
                        router_forget(r, r->running[i]);
        for (struct seq *s = r->waiting, *next; s != NULL; s = next) {
                next = s->next;
                if (s->gateway == number)
                        router_forget(r, s);
        }
        wt_outbox_clear(&g->out);
        g->cut = false;
}

static void gateway_gone(struct router *r, struct gateway *g)
{
        if (g->state != PEER_LIVE)
                return;
        wt_log(WT_WARN, "ROUTER-GATEWAY-GONE", "gateway=%s", g->name);
        gateway_clear(r, g);
        g->state = PEER_GONE;
}

static wt_err hello_gateway(struct router *r, const wt_msg *m, const struct wt_hello *h)
{
        struct gateway *g = router_gateway_of(r, m->peer);

        for (uint32_t i = 0; g == NULL && i < MAX_GATEWAYS; i++)
                if (r->gateway[i].state == PEER_NONE)
                        g = &r->gateway[i];
        for (uint32_t i = 0; g == NULL && i < MAX_GATEWAYS; i++)
                if (r->gateway[i].state == PEER_GONE)
                        g = &r->gateway[i];
        if (g == NULL)
                return wt_fail(WT_EEXHAUSTED, "router %s serves %d gateways already", r->conf.name,
                               MAX_GATEWAYS);
        if (g->state != PEER_LIVE || g->incarnation != h->incarnation || g->peer != m->peer) {
                gateway_clear(r, g);             /* it knows nothing of what it had here before */
                snprintf(g->name, sizeof g->name, "%.64s", (const char *)h->name.data);
                g->state = PEER_LIVE;
                g->peer = m->peer;
                g->incarnation = h->incarnation;
                g->epoch = ++r->last_id;
                wt_log(WT_NOTICE, "ROUTER-GATEWAY", "gateway=%s", g->name);
        }
        router_post_gateway(r, g, welcome_new(r, g->peer, g->epoch));
        router_push_state(r, g);                 /* with each hello: one may have been lost */
        return WT_OK;
}

/* ---- both ---- */

void router_hello(struct router *r, const wt_msg *m)
{
        const struct wt_hello *h = m->env.body;
        const char *role = wt_bus_peer_role(r->conf.bus, m->peer);
        const char *name = wt_bus_peer_name(r->conf.bus, m->peer);
        wt_err err;

        if (h == NULL)
                return;
        if (role != NULL && role[0] != '\0' && !wt_bytes_same(h->role, WT_STR(role)))
                err = wt_fail(WT_EPERM, "%.64s says that it is a %.16s; the allow-list says %.16s",
                              (const char *)h->name.data, (const char *)h->role.data, role);
        else if (!wt_bytes_same(h->name, WT_STR(name)))
                err = wt_fail(WT_EPERM, "%.64s says hello with the key of %s: give each process "
                              "its own --name and key", (const char *)h->name.data, name);
        else if ((err = check_kind(r, h)) != WT_OK)
                ;
        else if (wt_bytes_same(h->role, WT_STR("expert")))
                err = hello_worker(r, m, h);
        else if (wt_bytes_same(h->role, WT_STR("gateway")))
                err = hello_gateway(r, m, h);
        else
                err = wt_fail(WT_EINVAL, "role %.16s is neither expert nor gateway",
                              (const char *)h->role.data);
        if (err == WT_OK)
                return;
        wt_log_err(WT_WARN, "ROUTER-REFUSES", err);
        refuse(r, m->peer, err);
}

/* A peer leaves in peace: a worker ends what it has and gets nothing new; the bye that goes back
 * tells it that all of its calls are with it. */
void router_bye(struct router *r, const wt_msg *m)
{
        struct worker *w = router_worker_of(r, m->peer);
        struct gateway *g = router_gateway_of(r, m->peer);
        wt_msg *answer;

        if (g != NULL)
                gateway_gone(r, g);
        if (w == NULL || w->state == PEER_GONE)
                return;
        wt_log(WT_NOTICE, "ROUTER-WORKER-LEAVES", "worker=%s calls_out=%u", w->name, w->n_owed);
        w->state = PEER_DRAINS;
        r->membership = true;
        answer = router_message(r, w->peer, WT_M_BYE);
        answer->env.body = WT_ARENA_NEW(&answer->arena, struct wt_bye);
        router_post_worker(r, w, answer);
}

/* Our own ping comes back, or a peer asks whether the loop turns. */
void router_ping(struct router *r, wt_msg *m)
{
        const struct wt_ping *p = m->env.body;
        struct worker *w = router_worker_of(r, m->peer);
        struct gateway *g = router_gateway_of(r, m->peer);

        if (p == NULL || (w != NULL && p->stamp == w->stamp) ||
            (g != NULL && p->stamp == g->stamp) ||
            wt_bus_send(r->conf.bus, m) != WT_OK)
                wt_msg_free(m);
}

void router_peers_lost(struct router *r)
{
        for (uint32_t i = 0; i < r->n_workers; i++)
                if (r->worker[i].state == PEER_LIVE || r->worker[i].state == PEER_DRAINS)
                        router_worker_ping(r, &r->worker[i]);
        for (uint32_t i = 0; i < MAX_GATEWAYS; i++) {
                struct gateway *g = &r->gateway[i];
                wt_msg *m;
                struct wt_ping *p;

                if (g->state != PEER_LIVE)
                        continue;
                m = router_message(r, g->peer, WT_M_PING);
                p = WT_ARENA_NEW(&m->arena, struct wt_ping);
                p->stamp = g->stamp = ++r->last_id;
                m->env.body = p;
                router_post_gateway(r, g, m);
        }
}

void router_peers_check(struct router *r)
{
        for (uint32_t i = 0; i < r->n_workers; i++)
                if (r->worker[i].cut)
                        router_worker_gone(r, &r->worker[i], "its connection is closed");
        for (uint32_t i = 0; i < MAX_GATEWAYS; i++)
                if (r->gateway[i].cut)
                        gateway_gone(r, &r->gateway[i]);
}

void router_say_bye(struct router *r)
{
        for (uint32_t i = 0; i < r->n_workers; i++) {
                wt_msg *m;

                if (r->worker[i].state != PEER_LIVE && r->worker[i].state != PEER_DRAINS)
                        continue;
                m = router_message(r, r->worker[i].peer, WT_M_BYE);
                m->env.body = WT_ARENA_NEW(&m->arena, struct wt_bye);
                router_post_worker(r, &r->worker[i], m);
        }
}
