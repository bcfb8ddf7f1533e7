/* gateway.c - opens the parts, turns the loop, closes them. */
#include "path.h"
#include "desk.h"
#include "authorize_jwt.h"
#include "encoder.h"
#include "rpc.h"
#include "sealer.h"
#include "secure.h"
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "base/rng.h"
#include "base/stop.h"

static const double seconds[] = { .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60 };
enum { N_SECONDS = sizeof seconds / sizeof *seconds };

static const struct wt_metric rows[N_METRICS] = {
        [M_REQUESTS] = {.name = "witan_gateway_requests_total", .help = "Requests taken."},
        [M_REFUSED] = {.name = "witan_gateway_refused_total", .help = "Requests refused (4xx)."},
        [M_FAILED] = {.name = "witan_gateway_failed_total", .help = "Requests that failed (5xx)."},
        [M_GONE] = {.name = "witan_gateway_client_closed_total",
                    .help = "Clients that left early."},
        [M_OPEN] = {.name = "witan_gateway_open_requests",
                    .help = "Requests open now.",
                    .kind = WT_GAUGE},
        [M_PROMPT_TOKENS] = {.name = "witan_gateway_prompt_tokens_total", .help = "Prompt tokens."},
        [M_COMPLETION_TOKENS] = {.name = "witan_gateway_completion_tokens_total",
                                 .help = "Generated tokens."},
        [M_RESUBMITTED] = {.name = "witan_gateway_resubmitted_total",
                           .help = "Sequences that went on at another router, or again."},
        [M_ROUTERS] = {.name = "witan_gateway_routers",
                       .help = "Routers that answer.",
                       .kind = WT_GAUGE},
        [M_PLAN] = {.name = "witan_gateway_plan_changes_total",
                    .help = "Changes of the routers' workers that they told of."},
        [M_POLICY] = {.name = "witan_gateway_policy_version",
                      .help = "The newest policy that a router handed on.",
                      .kind = WT_GAUGE},
        [M_KEYS_REVOKED] = {.name = "witan_gateway_key_pushes_total",
                            .help = "Revoked keys that routers told of."},
        [M_LIMITED] = {.name = "witan_gateway_limited_total",
                       .help = "Requests refused because a limit was reached (429)."},
        [M_WAITING] = {.name = "witan_gateway_waiting_requests",
                       .help = "Requests that wait for their turn.",
                       .kind = WT_GAUGE},
        [M_UNSENT] = {.name = "witan_gateway_unsent_bytes",
                      .help = "Bytes of answers that wait for slow readers.",
                      .kind = WT_GAUGE},
        [M_PAUSED] = {.name = "witan_gateway_paused_total",
                      .help = "Sequences that waited for a slow reader."},
        [M_UNHEARD] = {.name = "witan_gateway_submits_repeated_total",
                       .help = "Submits sent again because nothing was heard for router_wait."},
        [M_LONG_TEXTS] = {.name = "witan_gateway_long_texts_total",
                          .help = "Requests whose texts were tokenized beside the loop."},
        [M_TEXTS_DROPPED] = {.name = "witan_gateway_long_texts_dropped_total",
                             .help = "Of these, those whose client left before they were tokens."},
        [M_TEXTS_REFUSED] = {.name = "witan_gateway_long_texts_refused_total",
                             .help = "Requests refused because too many bytes of texts waited."},
        [M_TEXT_BYTES] = {.name = "witan_gateway_long_text_bytes",
                          .help = "Bytes of long texts that wait to become tokens.",
                          .kind = WT_GAUGE},
        [M_TTFT] = {.name = "witan_gateway_first_token_seconds",
                    .help = "Time to the first token.",
                    .kind = WT_HISTOGRAM,
                    .bounds = seconds,
                    .n_bounds = N_SECONDS},
        [M_DURATION] = {.name = "witan_gateway_request_seconds",
                        .help = "Time of a whole request.",
                        .kind = WT_HISTOGRAM,
                        .bounds = seconds,
                        .n_bounds = N_SECONDS},
};

wt_err gateway_metrics_init(struct gateway *g)
{
        g->metrics = malloc(sizeof rows);
        if (g->metrics == NULL)
                return wt_fail(WT_ENOMEM, "out of memory");
        memcpy(g->metrics, rows, sizeof rows);
        for (int i = 0; i < N_METRICS; i++)
                if (rows[i].kind == WT_HISTOGRAM) {
                        g->metrics[i].buckets = calloc(rows[i].n_bounds + 1, sizeof(uint64_t));
                        if (g->metrics[i].buckets == NULL)
                                return wt_fail(WT_ENOMEM, "no memory for the metrics");
                }
        return WT_OK;
}

static void on_gone(void *arg, wt_call *c)
{
        (void)arg;
        if (*wt_call_user(c) != NULL)
                request_left(*wt_call_user(c));
}

static void on_room(void *arg, wt_call *c)
{
        struct gateway *g = arg;

        if (*wt_call_user(c) != NULL)
                stream_resume(*wt_call_user(c));
        desk_look(g->desk);
}

void request_left(struct request *r)
{
        if (r->tally.ended) {
                hold_gone(r);
                return;
        }
        r->call = NULL;
        r->status = 499;
        request_end(r, "client_closed");
}

static void take(struct gateway *g, wt_msg *m)
{
        if (m->peer < g->conf.n_routers) {
                g->routers[m->peer].heard_us = wt_now_us(g->conf.clock);
                switch (m->env.method) {
                case WT_M_WELCOME: routers_welcome(g, m); break;
                case WT_M_EVENTS:  gateway_events(g, m);  break;
                case WT_M_PUSH:    routers_push(g, m);    break;
                default:                                  break;
                }
        }
        wt_msg_free(m);
}

/* After each batch of events: the bus is edge triggered, so it is emptied before the loop sleeps. A
 * bounded number at a time, so that HTTP is not starved. Each look at a bus is some system calls, so
 * one that has not woken us, and that we have not used, is left alone. */
static bool drain_bus(void *arg)
{
        struct gateway *g = arg;
        bool more = g->bus_woke || !wt_bus_settled(g->conf.bus);
        wt_msg *m;

        g->bus_woke = false;
        for (int i = 0; i < 64 && more; i++) {
                more = wt_bus_recv(g->conf.bus, &m) == WT_OK;
                if (more)
                        take(g, m);
        }
        if (g->conf.rpc != NULL)
                more |= rpc_drain(g->conf.rpc);
        admit_turns(g);
        requests_reap(g);
        return more || !wt_bus_settled(g->conf.bus);
}

static void on_bus(void *arg, int fd, unsigned ready)
{
        struct gateway *g = arg;

        (void)fd; (void)ready;
        g->bus_woke = true;                      /* drain_bus follows every batch */
}

static void on_quota(void *arg, int fd, unsigned ready)
{
        struct gateway *g = arg;

        (void)fd; (void)ready;
        wt_quota_turn(g->conf.quota);
}

static void on_spool(void *arg, int fd, unsigned ready)
{
        uint64_t n;

        (void)ready;
        if (read(fd, &n, sizeof n) == (ssize_t)sizeof n)
                hold_wake(arg);
        desk_look(((struct gateway *)arg)->desk);
}

static wt_err open_desk(struct gateway *g)
{
        const struct desk_conf c = { .loop = g->conf.loop, .store = g->conf.store,
                                     .timeout_ms = g->conf.store_timeout_ms,
                                     .piece = audit_piece, .room = audit_room, .arg = g };

        return desk_open(&g->desk, &c);
}

static wt_err open_sealer(struct gateway *g)
{
        const struct sealer_conf c = { .loop = g->conf.loop, .clock = g->conf.clock,
                                       .store = g->conf.store,
                                       .timeout_ms = g->conf.store_timeout_ms,
                                       .folder = g->conf.audit_epochs, .ready = seal_ready,
                                       .arg = g };

        return sealer_open(&g->sealer, &c);
}

wt_err gateway_open(struct gateway **out, const struct gateway_conf *conf)
{
        struct gateway *g = calloc(1, sizeof *g);
        struct wt_http_handler h = { .on_request = gateway_listen, .on_gone = on_gone, .arg = g };
        wt_err err;

        if (g == NULL)
                return wt_fail(WT_ENOMEM, "out of memory");
        g->conf = *conf;
        wt_random_bytes(&g->incarnation, sizeof g->incarnation);
        g->routers = calloc(conf->n_routers, sizeof *g->routers);
        if (g->routers == NULL)
                err = wt_fail(WT_ENOMEM, "out of memory");
        else
                err = gateway_metrics_init(g);
        if (err == WT_OK && wt_chat_pick(&g->chat, conf->tokenizer) != WT_OK) {
                g->chat = NULL;
                wt_log(WT_NOTICE, "GATEWAY-NO-CHAT", "words=\"%s\"", wt_words());
        }
        if (err == WT_OK)
                err = wt_http_listen(&g->http, conf->loop, conf->http, &conf->limits, &h);
        if (err == WT_OK) {
                wt_http_on_room(g->http, on_room);
                gateway_tls_guard(conf->tls, g->http);
        }
        if (err == WT_OK)
                err = wt_loop_add(conf->loop, wt_bus_fd(conf->bus), WT_READ, on_bus, g);
        if (err == WT_OK)
                err = wt_loop_add(conf->loop, wt_spool_fd(conf->spool), WT_READ, on_spool, g);
        if (err == WT_OK && conf->quota != NULL)
                err = wt_loop_add(conf->loop, wt_quota_fd(conf->quota), WT_READ, on_quota, g);
        if (err == WT_OK)
                err = encoder_open(&g->encoder, conf->loop, tokenize_done, g);
        if (err == WT_OK && conf->store != NULL)
                err = open_desk(g);
        if (err == WT_OK && conf->audit_epochs != NULL)
                err = open_sealer(g);
        if (err != WT_OK) {
                gateway_close(g);
                return err;
        }
        wt_loop_after(conf->loop, drain_bus, g);
        g->tick.fire = routers_tick;
        g->tick.arg = g;
        if (conf->rpc != NULL)
                rpc_start(conf->rpc, g);
        routers_tick(g, &g->tick);
        *out = g;
        return WT_OK;
}

void gateway_close(struct gateway *g)
{
        if (g == NULL)
                return;
        desk_close(g->desk);
        sealer_close(g->sealer);
        while (g->open != NULL) {
                if (g->open->call != NULL && g->open->begun)
                        caller_abort(g->open->call);
                else if (g->open->call != NULL)  /* not held: it promises nothing */
                        call_refuse(g->open->call, g->open->id_text, refusal_of(WT_EUNAVAILABLE),
                                    "this gateway is shutting down; ask again");
                g->open->call = NULL;
                request_end(g->open, "interrupted");
        }
        hold_drop(g);
        encoder_close(g->encoder);               /* lets go of what it still reads */
        flood_flush(g, true);
        requests_reap(g);
        if (g->tick.fire != NULL)
                wt_loop_timer_off(g->conf.loop, &g->tick);
        wt_loop_after(g->conf.loop, NULL, NULL);
        wt_loop_remove(g->conf.loop, wt_bus_fd(g->conf.bus));
        wt_loop_remove(g->conf.loop, wt_spool_fd(g->conf.spool));
        if (g->conf.quota != NULL)
                wt_loop_remove(g->conf.loop, wt_quota_fd(g->conf.quota));
        wt_http_close(g->http);
        for (int i = 0; g->metrics != NULL && i < N_METRICS; i++)
                free(g->metrics[i].buckets);
        free(g->metrics);
        free(g->routers);
        wt_buf_free(&g->line);
        wt_buf_free(&g->audit.event);
        wt_buf_free(&g->audit.scratch);
        wt_buf_free(&g->audit.sealed);
        free(g);
}

int gateway_run(struct gateway *g)
{
        uint64_t end;
        uint32_t left;

        while (!wt_stop_asked())
                wt_loop_turn(g->conf.loop, 500 * 1000);
        g->draining = true;
        wt_http_drain(g->http);
        wt_log(WT_NOTICE, "GATEWAY-DRAIN", "open=%u", g->n_open);
        end = wt_now_us(g->conf.clock) + g->conf.drain_us;
        while (g->n_open + g->audit.n_held > 0 && wt_now_us(g->conf.clock) < end)
                wt_loop_turn(g->conf.loop, 50 * 1000);
        left = g->n_open + g->audit.n_held;
        if (left > 0)
                wt_log(WT_WARN, "GATEWAY-CUT", "open=%u", left);
        return left > 0;
}

const char *gateway_address(const struct gateway *g)
{
        return wt_http_address(g->http);
}

/* Is there a router whose workers hold everything? If not: why. */
static bool routers_ready(const struct gateway *g, const char **why)
{
        bool any = false;

        for (uint32_t i = 0; i < g->conf.n_routers; i++) {
                const struct router_peer *p = &g->routers[i];
                bool there = p->welcome && !p->draining;

                if (there && p->missing == 0)
                        return true;
                any |= there;
        }
        *why = any ? "experts have no worker that lives and answers; witan ps shows the workers"
                   : "no router answers yet";
        return false;
}

bool gateway_ready(struct gateway *g, const char **words)
{
        const char *why = "ok";
        bool yes = routers_ready(g, &why) && audit_ready(g, &why);

        if (g->draining)
                why = "draining";
        if (words != NULL)
                *words = yes && !g->draining ? "ok" : why;
        return yes && !g->draining;
}

void gateway_metrics(struct gateway *g, struct wt_buf *out)
{
        wt_metric_set(&g->metrics[M_UNSENT], (double)(wt_http_unsent(g->http) +
                                                      rpc_unsent(g->conf.rpc)));
        wt_metrics_text(out, g->metrics, N_METRICS);
        audit_metrics(g, out);
        if (g->conf.rpc != NULL)
                rpc_metrics(g->conf.rpc, out);
        gateway_tls_metrics(g->conf.tls, out);
        gateway_oidc_metrics(g->conf.oidc, out);
}
