/* rpc.c - the socket of the RPC door: calls come in, credits, cancels and deadlines find theirs. */
#include "rpc.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/log.h"
#include "path.h"

static const struct door *const doors[] = { &door_chat, &door_completions, &door_tokenize,
                                            &door_detokenize };

/* Where a call is listed. Both numbers are mixed into the upper bits (Fibonacci hashing): clients
 * count their calls up, and connections have their place in the lower bits. */
struct rpc_call **rpc_bucket(struct rpc *r, uint32_t peer, uint64_t id)
{
        uint64_t h = (id ^ (uint64_t)peer << 32 ^ peer) * 0x9e3779b97f4a7c15u;

        return &r->bucket[h >> 54];
}
_Static_assert(RPC_BUCKETS == 1 << (64 - 54), "the upper bits are a bucket's number");

static struct rpc_call *find(struct rpc *r, uint32_t peer, uint64_t id)
{
        struct rpc_call *c = *rpc_bucket(r, peer, id);

        while (c != NULL && (c->peer != peer || c->id != id))
                c = c->next_in_bucket;
        return c;
}

/* An answer to what is no call, or cannot become one. */
static void refuse(struct rpc *r, const wt_msg *m, wt_err status, const char *words)
{
        wt_msg *out = wt_msg_new(r->bus);

        r->refused++;
        out->peer = m->peer;
        out->env.method = WT_M_RPC_END;
        out->env.call_id = m->env.call_id;
        out->env.status = (uint32_t)status;
        out->env.message = WT_BYTES(wt_arena_str(&out->arena, words, strlen(words)), strlen(words));
        out->env.body = WT_ARENA_NEW(&out->arena, struct wt_rpc_end);
        if (wt_bus_send(r->bus, out) != WT_OK)
                wt_msg_free(out);
}

static void on_deadline(void *arg, struct wt_timer *t)
{
        struct rpc_call *c = arg;
        struct request *q = c->request;

        (void)t;
        c->request = NULL;
        if (q != NULL)
                request_left(q);
        rpc_end(c, WT_EDEADLINE, "the call's time is over");
        c->credit = UINT64_MAX;                  /* what is there already goes with it */
        rpc_done(c);
}

static struct rpc_call *call_new(struct rpc *r, wt_msg *m, const struct api_method *method)
{
        struct rpc_call *c = calloc(1, sizeof *c), **bucket;

        if (c == NULL)
                wt_out_of_memory("a call", sizeof *c);
        c->rpc = r;
        c->msg = m;
        c->body = m->env.body;
        c->method = method;
        c->peer = m->peer;
        c->id = m->env.call_id;
        snprintf(c->key_id, sizeof c->key_id, "%s", wt_bus_peer_name(r->bus, m->peer));
        snprintf(c->source, sizeof c->source, "%s", wt_bus_peer_address(r->bus, m->peer));
        if (c->source[0] == '\0')                /* ipc: a process of this machine */
                strcpy(c->source, "127.0.0.1");
        c->credit = c->body->credit > 0 ? c->body->credit : 1;
        c->last = &c->piece;
        c->deadline.fire = on_deadline;
        c->deadline.arg = c;
        c->next = r->open;
        if (r->open != NULL)
                r->open->prev = c;
        r->open = c;
        r->n_open++;
        bucket = rpc_bucket(r, c->peer, c->id);
        c->next_in_bucket = *bucket;
        *bucket = c;
        return c;
}

/* A member of an AdminRequest, "" when absent; NULL: there is a NUL in it, or more than most. */
static const char *admin_text(const wt_json *j, const char *name, size_t most)
{
        size_t len = 0;
        const char *s = wt_json_str(j, wt_json_get(j, 0, name), &len);

        return s == NULL ? "" : len > most || strlen(s) != len ? NULL : s;
}

/* An admin's call: its door, and a body that becomes the call's own. */
static void serve_admin(struct rpc_call *c)
{
        const char *method, *path, *query, *body;
        char full[16 + 512];
        wt_json *j;
        size_t len = 0;

        if (wt_json_parse(&j, c->json.data, c->json.len, &wt_json_default) != WT_OK) {
                rpc_end(c, WT_EINVAL, wt_words());
                rpc_done(c);
                return;
        }
        method = admin_text(j, "method", 16);
        path = admin_text(j, "path", 512);
        query = admin_text(j, "query", 4096);
        if (method == NULL || path == NULL || query == NULL) {
                rpc_end(c, WT_EINVAL, "AdminRequest: method has at most 16 bytes, path 512, query "
                        "4,096, and none of them a NUL");
                rpc_done(c);
        } else if (strcmp(path, "audit/export") == 0) {
                rpc_end(c, WT_EUNSUPPORTED, "an export is a file: GET /v1/admin/audit/export over "
                        "HTTP, or witan audit export; here GET audit gives it by pages");
                rpc_done(c);
        } else {
                snprintf(full, sizeof full, API_ADMIN "%s", path);
                body = wt_json_str(j, wt_json_get(j, 0, "body"), &len);
                wt_buf_clear(&c->json);
                wt_buf_add(&c->json, body != NULL ? body : "", body != NULL ? len : 0);
                request_under_admin(c->rpc->gateway, rpc_caller(c), method, full, query);
        }
        wt_json_free(j);
}

/* The request may be over, and c freed, when this returns. */
static void serve(struct rpc_call *c)
{
        struct gateway *g = c->rpc->gateway;

        if (c->body->timeout_us > 0)
                wt_loop_timer_set(c->rpc->loop, &c->deadline,
                                  wt_now_us(g->conf.clock) + c->body->timeout_us);
        if (strcmp(c->method->door, "/v1/models") == 0) {
                request_models(g, rpc_caller(c), NULL);
                return;
        }
        if (strcmp(c->method->door, API_ADMIN) == 0) {
                serve_admin(c);
                return;
        }
        for (size_t i = 0; i < sizeof doors / sizeof *doors; i++)
                if (strcmp(doors[i]->path, c->method->door) == 0) {
                        request_serve(g, rpc_caller(c), doors[i]);
                        return;
                }
        WT_ASSERT(!"a method without a door");
}

/* Takes m. */
static void take_call(struct rpc *r, wt_msg *m)
{
        const struct wt_rpc_call *b = m->env.body;
        const struct api_method *method = api_method((const char *)b->path.data);
        struct rpc_call *c;
        const char *words = NULL;
        wt_err err = WT_OK;

        r->calls++;
        if (method == NULL) {
                err = WT_EUNSUPPORTED;
                words = "there is no such method; proto/witan/v1/api.proto lists them";
        } else if (find(r, m->peer, m->env.call_id) != NULL) {
                err = WT_EEXIST;
                words = "a call with this id is open already";
        } else if (r->n_open >= r->max_open) {
                err = WT_EEXHAUSTED;
                words = "too many calls are open; try again later";
        }
        if (err != WT_OK) {
                refuse(r, m, err, words);
                wt_msg_free(m);
                return;
        }
        c = call_new(r, m, method);
        err = api_to_json(method->request, b->body.data, b->body.len, method->extra, &c->json);
        if (err != WT_OK) {
                rpc_end(c, err, wt_words());
                rpc_done(c);
                return;
        }
        serve(c);
}

static void take_credit(struct rpc *r, const wt_msg *m)
{
        struct rpc_call *c = find(r, m->peer, m->env.call_id);

        if (c == NULL)
                return;
        c->credit += ((const struct wt_rpc_credit *)m->env.body)->messages;
        rpc_flush(c);
}

/* A connection too many of its client file is told so, and nothing else of it is taken. */
static void refuse_over(struct rpc *r, wt_msg *m)
{
        char words[160];

        snprintf(words, sizeof words, "%u processes are connected with this client file, as many "
                 "as rpc_connections allows; make another file (witan key create --rpc)",
                 r->per_key);
        if (m->env.method == WT_M_RPC_CALL)
                refuse(r, m, WT_EEXHAUSTED, words);
        wt_msg_free(m);
}

/* What breaks a limit of the wire ends the call that it speaks of, and names the limit. */
static void take_fault(struct rpc *r, const wt_msg *m)
{
        struct rpc_call *c = find(r, m->peer, m->env.call_id);
        const char *words = (const char *)m->env.message.data;

        r->faults++;
        if (c != NULL)
                rpc_cut(c, m->fault, words);
        else
                refuse(r, m, m->fault, words);
}

static void take(struct rpc *r, wt_msg *m)
{
        struct rpc_call *c;

        if (wt_bus_peer_over(r->bus, m->peer)) {
                refuse_over(r, m);
                return;
        }
        if (m->fault != WT_OK) {
                take_fault(r, m);
                wt_msg_free(m);
                return;
        }
        switch (m->env.n_tensors > 0 ? 0 : m->env.method) {
        case WT_M_RPC_CALL:
                if (r->gateway != NULL) {
                        take_call(r, m);
                        return;
                }
                refuse(r, m, WT_EUNAVAILABLE, "this gateway is starting; try again");
                break;
        case WT_M_RPC_CREDIT: take_credit(r, m); break;
        case WT_M_RPC_CANCEL:
                if ((c = find(r, m->peer, m->env.call_id)) != NULL)
                        rpc_lost(c);
                break;
        case WT_M_PING:
                if (wt_bus_send(r->bus, m) == WT_OK)
                        return;
                break;
        default:
                refuse(r, m, WT_EUNSUPPORTED, "this is the RPC door; see docs/wire.md");
        }
        wt_msg_free(m);
}

static void end_lost(struct rpc *r)
{
        if (!r->some_lost)                       /* it is asked with each batch */
                return;
        r->some_lost = false;
        for (struct rpc_call *c = r->open, *next; c != NULL; c = next) {
                next = c->next;
                if (c->lost)
                        rpc_lost(c);
        }
}

bool rpc_drain(struct rpc *r)
{
        bool more = r->woke || !wt_bus_settled(r->bus);
        wt_msg *m;

        r->woke = false;
        for (int i = 0; i < 64 && more; i++) {
                more = wt_bus_recv(r->bus, &m) == WT_OK;
                if (more)
                        take(r, m);
        }
        end_lost(r);
        return more || !wt_bus_settled(r->bus);
}

/* Connections were cut: whose calls were they? */
static void look_for_lost(struct rpc *r)
{
        for (struct rpc_call *c = r->open; c != NULL; c = c->next)
                c->lost |= !wt_bus_peer_here(r->bus, c->peer);
        r->some_lost = true;
        end_lost(r);
}

/* Sends again what did not go, and cuts who has taken nothing for too long. */
static void look_at_slow(struct rpc *r)
{
        uint64_t now = wt_now_us(r->gateway->conf.clock);
        char words[120];

        snprintf(words, sizeof words, "the rest of the answer was given up, because nothing of it "
                 "was taken for %" PRIu64 " s", r->idle_us / 1000000);
        for (struct rpc_call *c = r->open, *next; c != NULL; c = next) {
                next = c->next;
                if (c->since_us > 0 && now - c->since_us > r->idle_us) {
                        r->cut++;
                        rpc_cut(c, WT_EEXHAUSTED, words);
                } else if (c->stuck) {
                        rpc_flush(c);
                }
        }
        end_lost(r);
}

/* The keys that may connect: the allow-list is written anew when they have changed. */
static void write_allowed(struct rpc *r)
{
        struct gateway *g = r->gateway;
        struct wt_buf b = { 0 };
        uint64_t version;

        if (g->conf.identity == NULL || r->allow_file[0] == '\0')
                return;
        version = wt_identity_rpc_version(g->conf.identity);
        if (version == r->allowed_version)
                return;
        wt_buf_str(&b, "# written by the gateway: the keys of `witan key create --rpc`\n");
        wt_identity_rpc_allowed(g->conf.identity, (int64_t)(wt_wall_us(g->conf.clock) / 1000000),
                                &b);
        if (wt_file_write(r->allow_file, b.data, b.len, 0600) == WT_OK)
                r->allowed_version = version;
        else
                wt_log(WT_ERROR, "GATEWAY-RPC-ALLOWED", "words=\"%s\"", wt_words());
        wt_buf_free(&b);
}

void rpc_tick(struct rpc *r)
{
        r->woke = true;                          /* revoked keys and silent peers wake nobody */
        write_allowed(r);
        if (wt_bus_lost(r->bus))
                look_for_lost(r);
        look_at_slow(r);
}

static void on_bus(void *arg, int fd, unsigned ready)
{
        struct rpc *r = arg;

        (void)fd; (void)ready;
        r->woke = true;                          /* rpc_drain follows every batch */
}

wt_err rpc_open(struct rpc **out, const struct rpc_conf *conf)
{
        struct wt_bus_conf c = { .name = "rpc", .bind = conf->endpoint, .keys = conf->keys,
                                 .per_key = conf->per_key, .faults = true };
        struct rpc *r = calloc(1, sizeof *r);
        wt_err err = WT_OK;

        if (r == NULL)
                return wt_fail(WT_ENOMEM, "no memory for the RPC door");
        r->loop = conf->loop;
        r->max_open = conf->max_open;
        r->max_unsent = conf->max_unsent;
        r->max_unsent_all = conf->max_unsent_all;
        r->idle_us = conf->idle_us;
        r->per_key = conf->per_key;
        if (conf->keys.allow_file != NULL) {
                snprintf(r->allow_file, sizeof r->allow_file, "%s", conf->keys.allow_file);
                err = wt_file_write(r->allow_file, "# nobody yet\n", 13, 0600);
        }
        if (err == WT_OK)
                err = wt_bus_open(&r->bus, &c);
        if (err == WT_OK)
                err = wt_loop_add(r->loop, wt_bus_fd(r->bus), WT_READ, on_bus, r);
        if (err != WT_OK) {
                wt_bus_close(r->bus);
                free(r);
                return err;
        }
        *out = r;
        return WT_OK;
}

void rpc_start(struct rpc *r, struct gateway *g)
{
        r->gateway = g;
        rpc_tick(r);
}

void rpc_close(struct rpc *r)
{
        if (r == NULL)
                return;
        while (r->open != NULL) {
                r->open->request = NULL;         /* the gateway has ended it */
                rpc_caller(r->open).ops->abort(r->open);
        }
        wt_loop_remove(r->loop, wt_bus_fd(r->bus));
        wt_bus_close(r->bus);
        free(r);
}

uint64_t rpc_unsent(const struct rpc *r) { return r != NULL ? r->unsent : 0; }

const char *rpc_endpoint(const struct rpc *r) { return wt_bus_endpoint(r->bus); }

void rpc_metrics(const struct rpc *r, struct wt_buf *out)
{
        struct wt_bus_stats bus;
        struct wt_metric rows[] = {
                { .name = "witan_rpc_calls_total", .help = "Calls at the RPC door." },
                { .name = "witan_rpc_refused_total", .help = "Calls that were none." },
                { .name = "witan_rpc_cut_total",
                  .help = "Calls ended because the client took nothing." },
                { .name = "witan_rpc_dropped_total",
                  .help = "Messages that were none, of nobody's call." },
                { .name = "witan_rpc_open_calls", .help = "Calls open now.", .kind = WT_GAUGE },
        };
        double now[] = { (double)r->calls, (double)r->refused, (double)r->cut, 0,
                         (double)r->n_open };

        wt_bus_stats(r->bus, &bus);
        now[3] = (double)(bus.dropped_malformed + bus.dropped_too_long + bus.dropped_identity -
                          r->faults);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
                wt_metric_set(&rows[i], now[i]);
        wt_metrics_text(out, rows, sizeof rows / sizeof *rows);
}
