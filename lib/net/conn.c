/* conn.c - a connection: reads, parses, hands over, sends, and ends in good manner. */
#include "net/conn.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { KEEP_BYTES = 4 << 10,                     /* of each buffer, while a connection is idle */
       MAX_AHEAD = 64 << 10,                     /* pipelined bytes read while an answer is owed */
       TURN_REQUESTS = 16,                       /* handed over in one go, then others are */
       LINGER_BODIES = 16 };                     /* of the largest size, after a refusal */
#define LINGER_US 2000000ull                     /* without a byte */

size_t conn_unsent(const struct conn *c) { return c->out.len - c->out_at; }

bool conn_idle(const struct conn *c)
{
        return c->mode == READING && !wt_http_parser_started(&c->parser) && c->in.len == c->in_at &&
               conn_unsent(c) == 0;
}

static void hold(struct conn *c, size_t bytes)
{
        c->http->held += bytes - c->held;
        c->held = bytes;
}

static void count_unsent(struct conn *c, size_t bytes)
{
        c->http->unsent += bytes - c->counted;
        c->counted = bytes;
}

/* What is waited for next has its own time, even if it is of the same kind. */
static void limit_anew(struct conn *c)
{
        c->timed = T_NONE;
        wt_loop_timer_off(c->http->loop, &c->limit);
}

void conn_die(struct conn *c)
{
        if (c->mode == DEAD)
                return;
        c->mode = DEAD;
        c->http->n_open--;
        wt_loop_remove(c->http->loop, c->fd);
        conn_unlink(c, !c->call.owed && conn_unsent(c) == 0);
        close(c->fd);
        c->fd = -1;
        count_unsent(c, 0);
        wt_loop_timer_off(c->http->loop, &c->limit);
        wt_loop_timer_set(c->http->loop, &c->kick, wt_loop_now(c->http->loop));
}

void conn_free(struct conn *c)
{
        struct wt_http *h = c->http;

        conn_die(c);
        if (c->call.owed) {
                c->call.owed = false;
                if (h->handler.on_gone)
                        h->handler.on_gone(h->handler.arg, &c->call);
        }
        wt_loop_timer_off(h->loop, &c->kick);
        hold(c, 0);
        *c->link = c->next;
        if (c->next)
                c->next->link = c->link;
        wt_http_parser_fini(&c->parser);
        wt_buf_free(&c->in);
        wt_buf_free(&c->out);
        free(c);
}

bool conn_flush(struct conn *c)
{
        while (c->mode != DEAD && conn_unsent(c) > 0) {
                ssize_t n = conn_send(c, c->out.data + c->out_at, conn_unsent(c));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
                        break;
                if (n < 0) {
                        conn_die(c);
                        break;
                }
                c->out_at += (size_t)n;
                if (c->timed == T_STALL)
                        limit_anew(c);           /* progress */
        }
        if (conn_unsent(c) == 0) {
                c->out_at = 0;
                if (c->out.cap > KEEP_BYTES && !c->call.owed)
                        wt_buf_free(&c->out);
                else
                        wt_buf_clear(&c->out);
        } else if (c->out_at > (64 << 10) && c->out_at > c->out.len / 2) {
                wt_buf_drop_front(&c->out, c->out_at);
                c->out_at = 0;
        }
        if (c->mode == DEAD)
                return false;
        count_unsent(c, conn_unsent(c));
        if (c->call.waits && conn_unsent(c) == 0)        /* not from inside the handler */
                wt_loop_timer_set(c->http->loop, &c->kick, wt_loop_now(c->http->loop));
        return true;
}

bool conn_room(struct conn *c, size_t n)
{
        if (c->mode != DEAD && !wt_buf_try(&c->out, n))
                conn_die(c);                     /* the others may go on */
        return c->mode != DEAD;
}

static void drop_input(struct conn *c)
{
        c->in_at = 0;
        if (c->in.cap > KEEP_BYTES)
                wt_buf_free(&c->in);
        else
                wt_buf_clear(&c->in);
}

void conn_answered(struct conn *c)
{
        c->call.owed = false;
        c->call.user = NULL;
        if (c->mode == DEAD)
                return;
        hold(c, 0);
        if (c->close_after || c->http->draining) {
                c->mode = CLOSING;
        } else {
                c->mode = READING;
                c->said_continue = false;
                wt_http_parser_reset(&c->parser, KEEP_BYTES);
        }
        if (!conn_flush(c) || c->in_step)
                return;
        if (c->in.len > c->in_at)                /* a request waits: not from inside this answer */
                wt_loop_timer_set(c->http->loop, &c->kick, wt_loop_now(c->http->loop));
        conn_settle(c);
}

/* OpenAI's error shape, for what no handler sees; the connection ends after it. */
void conn_refuse(struct conn *c, int status, const char *why)
{
        struct wt_buf body = { 0 };

        wt_buf_str(&body, "{\"error\":{");
        wt_buf_json_kv(&body, "message", why);
        wt_buf_json_kv(&body, "type", status == 503 ? "server_error" : "invalid_request_error");
        wt_buf_json_kv(&body, "param", NULL);
        wt_buf_json_kv(&body, "code", NULL);
        wt_buf_str(&body, "}}");
        hold(c, 0);
        drop_input(c);
        c->close_after = true;
        c->mode = CLOSING;
        conn_head(c, status, "application/json", status == 503 ? "Retry-After: 1\r\n" : NULL,
                  (int64_t)body.len);
        if (c->mode != DEAD)
                wt_buf_add(&c->out, body.data, body.len);
        wt_buf_free(&body);
        conn_flush(c);
}

static void hand_over(struct conn *c)
{
        c->mode = ANSWERING;
        limit_anew(c);
        c->close_after = !wt_http_parser_keeps(&c->parser) || c->http->draining;
        c->call = (struct wt_call){ .conn = c, .owed = true };
        c->call.bodiless = strcmp(wt_call_method(&c->call), "HEAD") == 0;
        c->http->handler.on_request(c->http->handler.arg, &c->call);
}

/* Feeds bytes while requests are welcome; returns how many were used. */
static size_t feed(struct conn *c, const char *data, size_t len)
{
        enum wt_http_state state;
        const char *why;
        size_t at = 0;

        c->in_step = true;
        for (int n = 0; n < TURN_REQUESTS && at < len && c->mode == READING && !conn_unsent(c);) {
                at += wt_http_parser_feed(&c->parser, data + at, len - at, &state);
                hold(c, c->parser.body.len);
                if (state == WT_HTTP_REFUSED) {
                        int status = wt_http_parser_status(&c->parser, &why);

                        conn_refuse(c, status, why);
                } else if (c->http->held > c->http->lim.max_held) {
                        conn_refuse(c, 503, "too many large requests at once; try again later");
                } else if (state == WT_HTTP_DONE) {
                        hand_over(c);
                        n++;
                } else if (wt_http_parser_waits(&c->parser) && !c->said_continue) {
                        c->said_continue = true;
                        if (conn_room(c, 32))
                                wt_buf_str(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
                        conn_flush(c);
                }
        }
        c->in_step = false;
        return at;
}

/* Goes on with what was read earlier. */
static void step(struct conn *c)
{
        if (c->mode != READING || c->in_step)
                return;
        if (c->in.len > c->in_at)
                c->in_at += feed(c, c->in.data + c->in_at, c->in.len - c->in_at);
        if (c->mode == DEAD)
                return;
        if (c->in_at >= c->in.len)
                drop_input(c);
        else if (c->mode == READING && conn_unsent(c) == 0)
                wt_loop_timer_set(c->http->loop, &c->kick, wt_loop_now(c->http->loop));
        conn_settle(c);
}

static void arrived(struct conn *c, const char *data, size_t n)
{
        size_t used = 0;

        if (c->mode == LINGERING) {
                c->lingered += n;
                if (c->lingered / LINGER_BODIES > c->http->lim.max_body)
                        conn_die(c);
                else
                        limit_anew(c);           /* it still writes, and reads the answer then */
                return;
        }
        if (c->in.len == c->in_at)
                used = feed(c, data, n);
        if (used == n || c->mode > ANSWERING)
                return;                          /* all used, or nobody will read the rest */
        wt_buf_drop_front(&c->in, c->in_at);
        c->in_at = 0;
        if (!wt_buf_try(&c->in, n - used))
                return conn_die(c);
        wt_buf_add(&c->in, data + used, n - used);
}

static void read_some(struct conn *c)
{
        ssize_t n = conn_recv(c, c->http->scratch, sizeof c->http->scratch);

        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
                return;
        if (n < 0 || (n == 0 && c->mode == LINGERING))
                return conn_die(c);
        if (n == 0)
                c->eof = true;
        else
                arrived(c, c->http->scratch, (size_t)n);
}

/* May more be read now? */
static bool reads(const struct conn *c)
{
        return c->mode == LINGERING ||
               (c->mode <= ANSWERING && !c->eof && c->in.len - c->in_at < MAX_AHEAD);
}

static void on_event(void *arg, int fd, unsigned ready)
{
        struct conn *c = arg;

        (void)fd;
        if (ready & ~c->want)                    /* what was not asked for: an error or a hang-up */
                return conn_die(c);
        if (ready & c->send_waits)
                conn_flush(c);
        if ((ready & c->read_waits) && c->mode != DEAD && reads(c))
                read_some(c);
        if (c->mode == READING)
                step(c);
        conn_settle(c);
}

/* The kinds of waiting, each with its limit. */
static enum timed kind_of_wait(const struct conn *c)
{
        if (c->mode == LINGERING)
                return T_LINGER;
        if (!conn_shaken(c))
                return T_SHAKE;
        if (conn_unsent(c) > 0)
                return T_STALL;
        if (c->mode == ANSWERING)
                return T_NONE;
        return conn_idle(c) ? T_IDLE : T_REQUEST;
}

/* Until it is silent, but not for longer than a request may take. */
static uint64_t linger_us(const struct conn *c)
{
        uint64_t now = wt_loop_now(c->http->loop);
        uint64_t left = c->linger_end > now ? c->linger_end - now : 0;

        return left < LINGER_US ? left : LINGER_US;
}

static void set_limit(struct conn *c)
{
        const struct wt_http_limits *lim = &c->http->lim;
        enum timed kind = kind_of_wait(c);

        if (kind == c->timed)
                return;
        c->timed = kind;
        if (kind == T_NONE)
                return wt_loop_timer_off(c->http->loop, &c->limit);
        c->limit_us = kind == T_REQUEST || kind == T_SHAKE ? lim->request_timeout_us
                    : kind == T_LINGER                     ? linger_us(c)
                                                           : lim->idle_timeout_us;
        wt_loop_timer_set(c->http->loop, &c->limit, wt_loop_now(c->http->loop) + c->limit_us);
}

void conn_settle(struct conn *c)
{
        unsigned want = 0;

        if (c->mode == CLOSING && conn_unsent(c) == 0) {
                conn_bye(c);
                if (c->eof || shutdown(c->fd, SHUT_WR) != 0)
                        return conn_die(c);
                c->read_waits = WT_READ;
                c->mode = LINGERING;             /* to close on unread bytes resets the answer */
                c->linger_end = wt_loop_now(c->http->loop) + c->http->lim.request_timeout_us;
        }
        if (c->mode == READING && c->eof && c->in.len == c->in_at && conn_unsent(c) == 0)
                conn_die(c);                     /* idle, or in the middle of a request */
        if (c->mode == DEAD)
                return;
        if (conn_unsent(c) > 0)
                want |= c->send_waits;
        if (reads(c))
                want |= c->read_waits;
        if (want != c->want)
                wt_loop_want(c->http->loop, c->fd, want);
        c->want = want;
        set_limit(c);
}

static void on_limit(void *arg, struct wt_timer *t)
{
        struct conn *c = arg;

        (void)t;
        if (c->timed != T_REQUEST)
                return conn_die(c);
        conn_refuse(c, 408, "the request did not arrive in time");
        conn_settle(c);
}

static void on_kick(void *arg, struct wt_timer *t)
{
        struct conn *c = arg;

        (void)t;
        if (c->mode == DEAD)
                return conn_free(c);
        if (c->call.owed && c->call.waits && conn_unsent(c) == 0) {
                c->call.waits = false;
                if (c->http->on_room)
                        c->http->on_room(c->http->handler.arg, &c->call);
        }
        step(c);
}

wt_err conn_new(struct wt_http *h, int fd, const char *peer, bool over)
{
        struct conn *c = calloc(1, sizeof *c);
        wt_err err;

        if (!c)
                return wt_fail(WT_ENOMEM, "no memory for a connection");
        c->http = h;
        c->fd = fd;
        c->want = c->read_waits = WT_READ;
        c->send_waits = WT_WRITE;
        c->limit = (struct wt_timer){ .fire = on_limit, .arg = c };
        c->kick = (struct wt_timer){ .fire = on_kick, .arg = c };
        snprintf(c->peer, sizeof c->peer, "%s", peer);
        wt_http_parser_init(&c->parser, &h->lim);
        err = h->secure ? h->secure->open(&c->tls, h->secure->arg, fd, NULL) : WT_OK;
        if (err == WT_OK)
                err = wt_loop_add(h->loop, fd, c->want, on_event, c);
        if (err != WT_OK) {
                conn_unlink(c, false);
                free(c);
                return err;
        }
        c->next = h->conns;
        c->link = &h->conns;
        if (c->next)
                c->next->link = &c->next;
        h->conns = c;
        h->n_open++;
        if (over)
                conn_refuse(c, 503, "too many connections; try again later");
        conn_settle(c);
        return WT_OK;
}
