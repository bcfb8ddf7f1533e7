/* rpc_call.c - a call of the RPC door as the caller of a request: JSON in, messages out, as fast as
 * the client grants them. */
#include "path.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "rpc.h"

enum { MOST_TEXT = 4 << 20 };                    /* bytes of an admin's answer */

static wt_msg *message(struct rpc_call *c, uint32_t method)
{
        wt_msg *m = wt_msg_new(c->rpc->bus);

        m->peer = c->peer;
        m->env.method = method;
        m->env.call_id = c->id;
        return m;
}

/* False: not sent. It is lost, the client being gone, or stuck, when it does not even read what it
 * asked for. */
static bool post(struct rpc_call *c, wt_msg *m)
{
        wt_err err = wt_bus_send(c->rpc->bus, m);

        c->stuck = err == WT_EAGAIN;
        if (err == WT_OK)
                return true;
        c->lost |= !c->stuck;
        c->rpc->some_lost |= c->lost;
        wt_msg_free(m);
        return false;
}

/* Lines of headers as metadata, in the message's memory. */
static void put_metadata(const struct rpc_call *c, wt_msg *m, struct wt_rpc_end *e)
{
        char *p = c->headers.len > 0 ? wt_arena_str(&m->arena, c->headers.data, c->headers.len)
                                     : NULL, *end, *colon;

        e->metadata = WT_ARENA_ARRAY(&m->arena, struct wt_metadata, 32);
        while (p != NULL && e->n_metadata < 32 && (end = strstr(p, "\r\n")) != NULL) {
                *end = '\0';
                if ((colon = strstr(p, ": ")) != NULL) {
                        *colon = '\0';
                        e->metadata[e->n_metadata++] =
                                (struct wt_metadata){ WT_STR(p), WT_STR(colon + 2) };
                }
                p = end + 2;
        }
}

static bool send_end(struct rpc_call *c)
{
        wt_msg *m = message(c, WT_M_RPC_END);
        struct wt_rpc_end *e = WT_ARENA_NEW(&m->arena, struct wt_rpc_end);

        put_metadata(c, m, e);
        e->messages = c->seq;
        if (c->closed && c->piece != NULL) {     /* one message instead of two */
                e->body = WT_BYTES(c->piece->body.data, c->piece->body.len);
                e->messages++;
        }
        m->env.body = e;
        m->env.status = (uint32_t)c->status;
        if (c->status != WT_OK)
                m->env.message = WT_STR(c->words);
        return post(c, m);
}

static void drop_piece(struct rpc_call *c)
{
        struct rpc_piece *p = c->piece;

        c->unsent -= p->body.len;
        c->rpc->unsent -= p->body.len;
        c->piece = p->next;
        if (c->piece == NULL)
                c->last = &c->piece;
        wt_buf_free(&p->body);
        free(p);
}

static bool send_piece(struct rpc_call *c)
{
        struct rpc_piece *p = c->piece;
        wt_msg *m = message(c, WT_M_RPC_DATA);
        struct wt_rpc_data *d = WT_ARENA_NEW(&m->arena, struct wt_rpc_data);

        d->seq = c->seq;
        d->body = WT_BYTES(p->body.data, p->body.len);
        m->env.body = d;
        if (!post(c, m))
                return false;
        c->seq++;
        c->credit--;
        c->since_us = 0;
        drop_piece(c);
        return true;
}

/* As much as credit and the connection allow, but for the last one of all, which goes with the
 * end. */
static void send_pieces(struct rpc_call *c)
{
        while (c->piece != NULL && (!c->closed || c->piece->next != NULL) && c->credit > 0 &&
               !c->lost && send_piece(c))
                ;
        if (c->since_us == 0 && c->piece != NULL)
                c->since_us = wt_now_us(c->rpc->gateway->conf.clock);
}

void rpc_free(struct rpc_call *c)
{
        struct rpc *r = c->rpc;
        struct rpc_call **at = rpc_bucket(r, c->peer, c->id);

        while (*at != c)
                at = &(*at)->next_in_bucket;
        *at = c->next_in_bucket;
        if (c->prev != NULL)
                c->prev->next = c->next;
        else
                r->open = c->next;
        if (c->next != NULL)
                c->next->prev = c->prev;
        r->n_open--;
        wt_loop_timer_off(r->loop, &c->deadline);
        while (c->piece != NULL)
                drop_piece(c);
        wt_buf_free(&c->json);
        wt_buf_free(&c->headers);
        wt_msg_free(c->msg);
        free(c);
}

void rpc_lost(struct rpc_call *c)
{
        struct request *r = c->request;

        c->request = NULL;
        if (r != NULL)
                request_left(r);
        rpc_free(c);
}

void rpc_flush(struct rpc_call *c)
{
        struct request *q = c->request;

        send_pieces(c);
        if (c->lost) {
                rpc_lost(c);
        } else if (c->piece != NULL &&
                   (!c->closed || c->piece->next != NULL || c->credit == 0)) {
                return;
        } else if (c->closed) {
                if (send_end(c) || !c->stuck)
                        rpc_free(c);
                else if (c->since_us == 0)
                        c->since_us = wt_now_us(c->rpc->gateway->conf.clock);
        } else if (c->full) {
                c->full = false;
                if (q != NULL)
                        stream_resume(q);        /* may be the end of both */
        }
}

void rpc_cut(struct rpc_call *c, wt_err status, const char *words)
{
        struct request *q = c->request;

        c->request = NULL;
        if (q != NULL)
                request_left(q);
        while (c->piece != NULL)
                drop_piece(c);
        c->ended = false;
        rpc_end(c, status, words);
        send_end(c);
        rpc_free(c);
}

void rpc_end(struct rpc_call *c, wt_err status, const char *words)
{
        if (c->ended)
                return;
        c->ended = true;
        c->status = status;
        snprintf(c->words, sizeof c->words, "%s", words);
}

void rpc_done(struct rpc_call *c)
{
        rpc_end(c, WT_OK, "");
        c->closed = true;
        c->request = NULL;
        rpc_flush(c);
}

/* ---- the request's view of it --------------------------------------------------------------- */

static void bind(void *end, void *request) { ((struct rpc_call *)end)->request = request; }

static const char *header(void *end, const char *name)
{
        const struct wt_rpc_call *b = ((struct rpc_call *)end)->body;

        for (uint32_t i = 0; i < b->n_metadata; i++)
                if (strcasecmp((const char *)b->metadata[i].key.data, name) == 0)
                        return (const char *)b->metadata[i].value.data;
        return NULL;
}

static const char *peer(void *end) { return ((const struct rpc_call *)end)->source; }
static const char *key_id(void *end) { return ((const struct rpc_call *)end)->key_id; }

static const char *body(void *end, size_t *len)
{
        const struct rpc_call *c = end;

        *len = c->json.len;
        return c->json.data;
}

static bool half_closed(void *end)
{
        (void)end;
        return false;
}

static wt_err grpc_of(int status)
{
        switch (status) {
        case 400: case 405: case 413: return WT_EINVAL;
        case 401: return WT_EUNAUTH;
        case 403: return WT_EPERM;
        case 404: return WT_ENOTFOUND;
        case 409: return WT_EEXIST;
        case 408: return WT_EDEADLINE;
        case 429: return WT_EEXHAUSTED;
        case 503: return WT_EUNAVAILABLE;
        default:  return status < 400 ? WT_OK : WT_EINTERNAL;
        }
}

/* An error object's message, or NULL when it is none. */
static const char *error_words(const wt_json *j, int *status)
{
        wt_jv e = wt_json_get(j, 0, "error");
        const char *type = wt_json_str(j, wt_json_get(j, e, "type"), NULL);
        const char *words = wt_json_str(j, wt_json_get(j, e, "message"), NULL);

        if (words != NULL && *status < 400)      /* in band, behind a status that was good */
                *status = type != NULL && strcmp(type, "server_error") == 0 ? 500 : 400;
        return words;
}

/* One object of JSON: a piece of the answer, or the error that ends it. */
static void take_json(struct rpc_call *c, int status, const char *text, size_t len)
{
        struct rpc_piece *p;
        const char *words;
        wt_json *j;

        if (wt_json_parse(&j, text, len, &wt_json_default) != WT_OK) {
                rpc_end(c, WT_EINTERNAL, "the answer is no JSON");
                return;
        }
        words = error_words(j, &status);
        if (words != NULL || status >= 400) {
                rpc_end(c, grpc_of(status), words != NULL ? words : "refused");
        } else {
                p = calloc(1, sizeof *p);
                if (p == NULL)
                        wt_out_of_memory("a piece of an answer", sizeof *p);
                if (api_of_json(c->method->response, j, 0, &p->body) != WT_OK) {
                        wt_buf_free(&p->body);
                        free(p);
                        rpc_end(c, WT_EINTERNAL, wt_words());
                } else {
                        *c->last = p;
                        c->last = &p->next;
                        c->unsent += p->body.len;
                        c->rpc->unsent += p->body.len;
                }
        }
        wt_json_free(j);
}

static void keep_headers(struct rpc_call *c, const char *headers)
{
        wt_buf_clear(&c->headers);
        wt_buf_str(&c->headers, headers != NULL ? headers : "");
}

/* An admin's answer as the one text of its message. */
static void take_text(struct rpc_call *c, const char *type, const char *data, size_t len)
{
        struct wt_buf b = { 0 };

        if (len > MOST_TEXT) {
                rpc_end(c, WT_EEXHAUSTED, "the answer has more than 4 MiB; ask for less at a time "
                        "(limit)");
                return;
        }
        wt_buf_str(&b, "{");
        wt_buf_json_kv(&b, "type", type);
        wt_buf_json_key(&b, "body");
        wt_buf_json_str(&b, data, len);
        wt_buf_str(&b, "}");
        take_json(c, 200, b.data, b.len);
        wt_buf_free(&b);
}

static void reply(void *end, int status, const char *type, const char *headers, const void *data,
                  size_t len)
{
        struct rpc_call *c = end;

        keep_headers(c, headers);
        if (status < 400 && strcmp(c->method->door, API_ADMIN) == 0)
                take_text(c, type, data, len);
        else
                take_json(c, status, data, len);
        rpc_done(c);
}

static void begin(void *end, int status, const char *type, const char *headers)
{
        (void)status; (void)type;
        keep_headers(end, headers);
}

/* Whole lines, one object each. */
static bool send(void *end, const void *data, size_t len)
{
        struct rpc_call *c = end;
        const char *p = data, *stop = p + len, *line;

        for (; p < stop && !c->ended; p = line + 1) {
                line = memchr(p, '\n', (size_t)(stop - p));
                WT_ASSERT(line != NULL);
                take_json(c, 200, p, (size_t)(line - p));
        }
        send_pieces(c);
        return !c->lost;
}

/* What waits for credit is the client's own wish, so it may be as much as a slow reader of HTTP
 * may have unsent, and the two count together. */
static bool full(void *end)
{
        struct rpc_call *c = end;
        const struct rpc *r = c->rpc;
        const wt_http *http = r->gateway->http;
        uint64_t all = r->unsent + (http != NULL ? wt_http_unsent(http) : 0);

        c->full = c->unsent > r->max_unsent || (c->unsent > 0 && all > r->max_unsent_all);
        return c->full;
}

static void finish(void *end) { rpc_done(end); }

static void cut(void *end)
{
        struct rpc_call *c = end;

        rpc_end(c, WT_EUNAVAILABLE, "the answer broke off; ask again");
        send_end(c);
        rpc_free(c);
}

static const struct caller_ops ops = {
        .name = "rpc:", .before = "", .after = "\n", .last = "", .bind = bind, .header = header,
        .peer = peer, .key_id = key_id, .body = body, .half_closed = half_closed, .reply = reply,
        .begin = begin, .write = send, .full = full, .finish = finish, .abort = cut,
};

struct caller rpc_caller(struct rpc_call *c)
{
        return (struct caller){ &ops, c };
}
