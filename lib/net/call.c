/* call.c - what a handler sees of a request, and the ways to answer it. */
#include "net/conn.h"
#include <string.h>
#include <sys/socket.h>

enum { CHUNK_ROOM = 32 };                        /* a chunk's size, its ends */

static const char *at(const wt_call *c, uint32_t offset)
{
        return c->conn->parser.head.data + offset;
}

const char *wt_call_method(const wt_call *c) { return at(c, c->conn->parser.method); }
const char *wt_call_path(const wt_call *c) { return at(c, c->conn->parser.path); }
const char *wt_call_query(const wt_call *c) { return at(c, c->conn->parser.query); }
const char *wt_call_peer(const wt_call *c) { return c->conn->peer; }
void **wt_call_user(wt_call *c) { return &c->user; }
bool wt_call_half_closed(const wt_call *c) { return c->conn->eof || c->conn->mode == DEAD; }

const char *wt_call_header(const wt_call *c, const char *name)
{
        return wt_http_parser_field(&c->conn->parser, name);
}

const char *wt_call_body(const wt_call *c, size_t *len)
{
        const struct wt_buf *b = &c->conn->parser.body;

        *len = b->len;
        return b->data ? b->data : "";
}

static bool without_body(int status) { return status == 204 || status == 304; }

void wt_call_reply(wt_call *c, int status, const char *type, const char *headers,
                   const void *body, size_t len)
{
        struct conn *k = c->conn;

        WT_ASSERT(c->owed && !c->begun);
        if (k->mode != DEAD) {
                conn_head(k, status, type, headers, without_body(status) ? -2 : (int64_t)len);
                if (k->mode != DEAD && !c->bodiless && !without_body(status))
                        wt_buf_add(&k->out, body, len);
        }
        conn_answered(k);
}

void wt_call_begin(wt_call *c, int status, const char *type, const char *headers)
{
        struct conn *k = c->conn;

        WT_ASSERT(c->owed && !c->begun);
        c->begun = true;
        if (k->mode == DEAD)
                return;
        c->bodiless |= without_body(status);
        c->chunked = k->parser.minor_1;
        if (!c->chunked && !c->bodiless)
                k->close_after = true;           /* HTTP/1.0: the end of the connection ends it */
        conn_head(k, status, type, headers, without_body(status) ? -2 : -1);
        if (conn_flush(k) && !k->in_step)
                conn_settle(k);
}

bool wt_call_write(wt_call *c, const void *data, size_t len)
{
        struct conn *k = c->conn;

        WT_ASSERT(c->owed && c->begun);
        if (k->mode == DEAD)
                return false;
        if (len == 0 || c->bodiless)
                return true;                     /* an empty chunk would end the stream */
        if (conn_unsent(k) > k->http->lim.max_unsent) {
                conn_die(k);
                return false;
        }
        if (!conn_room(k, len + CHUNK_ROOM))
                return false;
        if (c->chunked)
                wt_buf_fmt(&k->out, "%zx\r\n", len);
        wt_buf_add(&k->out, data, len);
        if (c->chunked)
                wt_buf_add(&k->out, "\r\n", 2);
        if (!conn_flush(k))
                return false;
        if (!k->in_step)
                conn_settle(k);
        return true;
}

bool wt_call_full(wt_call *c)
{
        const struct conn *k = c->conn;
        const struct wt_http *h = k->http;
        size_t unsent = conn_unsent(k);

        c->waits = k->mode != DEAD && (unsent > h->lim.max_unsent ||
                                       (unsent > 0 && h->unsent > h->lim.max_unsent_all));
        return c->waits;
}

void wt_call_end(wt_call *c)
{
        struct conn *k = c->conn;

        WT_ASSERT(c->owed && c->begun);
        if (k->mode != DEAD && c->chunked && !c->bodiless && conn_room(k, CHUNK_ROOM))
                wt_buf_str(&k->out, "0\r\n\r\n");
        conn_answered(k);
}

void wt_call_abort(wt_call *c)
{
        struct conn *k = c->conn;

        WT_ASSERT(c->owed);
        c->owed = false;
        if (k->mode == DEAD)
                return;
        /* A chunked answer without its last chunk is broken by itself; any other would look
         * whole. */
        if (!c->chunked)
                setsockopt(k->fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 },
                           sizeof(struct linger));
        conn_die(k);
}
