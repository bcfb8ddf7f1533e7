/* bench_client.c - see bench_client.h. The parser takes what our gateway and other servers of this
 * kind send: a status line, headers, chunks, and in them lines that begin with "data: ". */
#include "bench_client.h"
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/rng.h"
#include "net/loop.h"

enum { MOST_LINE = 1 << 20 };

wt_err bench_target_find(struct bench_target *t)
{
        struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
        const char *colon = strrchr(t->address, ':');
        char host[300];
        int rc;

        if (colon == NULL)
                return wt_fail(WT_EINVAL, "%s is not HOST:PORT", t->address);
        snprintf(host, sizeof host, "%.*s", (int)(colon - t->address), t->address);
        if ((rc = getaddrinfo(host, colon + 1, &hints, &list)) != 0)
                return wt_fail(WT_EUNAVAILABLE, "could not find %s: %s", t->address,
                               gai_strerror(rc));
        memcpy(&t->at, list->ai_addr, list->ai_addrlen);
        t->at_len = list->ai_addrlen;
        freeaddrinfo(list);
        return WT_OK;
}

static void fail(struct bench_client *c, const char *why)
{
        if (!c->failed)
                snprintf(c->why, sizeof c->why, "%s", why);
        c->failed = true;
        bench_client_close(c);
}

void bench_client_close(struct bench_client *c)
{
        if (c->link != NULL)
                c->target->secure->close(c->link);
        c->link = NULL;
        if (c->fd >= 0)
                close(c->fd);
        c->fd = -1;
        c->done = true;
}

static void put_request(struct bench_client *c, const struct bench_target *t, uint32_t n)
{
        struct wt_buf body = { 0 };

        wt_buf_str(&body, "{");
        wt_buf_json_kv(&body, "model", t->model);
        wt_buf_json_key(&body, "prompt");
        wt_buf_str(&body, "[");
        for (uint32_t i = 0; i < t->prompt_tokens; i++)
                wt_buf_fmt(&body, "%s%u", i > 0 ? "," : "",
                           t->first_id + (uint32_t)(wt_philox_unit(77, n, i, 0) * t->n_ids));
        wt_buf_str(&body, "]");
        wt_buf_json_ku(&body, "max_tokens", t->tokens);
        wt_buf_json_ku(&body, "seed", n);
        wt_buf_str(&body, ",\"temperature\":1,\"ignore_eos\":true,\"stream\":true,"
                   "\"stream_options\":{\"include_usage\":true}}");
        wt_buf_clear(&c->out);
        wt_buf_fmt(&c->out, "POST /v1/completions HTTP/1.1\r\nHost: %s\r\n"
                   "%s%s%sContent-Type: application/json\r\n"
                   "Connection: close\r\nContent-Length: %zu\r\n\r\n", t->address,
                   *t->key != '\0' ? "Authorization: Bearer " : "", t->key,
                   *t->key != '\0' ? "\r\n" : "", body.len);
        wt_buf_add(&c->out, body.data, body.len);
        wt_buf_free(&body);
}

void bench_client_ask(struct bench_client *c, const struct bench_target *t, uint32_t n, int epoll)
{
        struct epoll_event e = { .events = EPOLLIN | EPOLLOUT, .data.ptr = c };

        put_request(c, t, n);
        wt_buf_clear(&c->line);
        c->fd = -1;
        c->target = t;
        c->link = NULL;
        c->sent = 0;
        c->status = 0;
        c->header_end = c->n_status = c->events = c->tokens = 0;
        c->headers_over = c->in_size = c->size_seen = c->done = c->failed = false;
        c->chunk_left = c->first_us = c->last_us = 0;
        c->asked_us = wt_now_us(&wt_clock_real);
        c->fd = socket(t->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (c->fd < 0 ||
            (connect(c->fd, (const struct sockaddr *)&t->at, t->at_len) != 0 &&
             errno != EINPROGRESS) ||
            epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &e) != 0)
                fail(c, strerror(errno));
}

/* ---- the answer ----------------------------------------------------------------------------- */

/* A whole line of the events. */
static void take_line(struct bench_client *c, void (*gap)(void *arg, uint64_t us), void *arg)
{
        const char *s = c->line.data, *usage;
        uint64_t now;

        if (c->line.len < 6 || strncmp(s, "data: ", 6) != 0)
                return;
        if (strcmp(s + 6, "[DONE]") == 0) {
                c->done = true;
                return;
        }
        if (strstr(s, "\"error\"") != NULL && strstr(s, "\"choices\"") == NULL) {
                fail(c, s + 6);
                return;
        }
        if ((usage = strstr(s, "\"completion_tokens\":")) != NULL) {
                c->tokens = (uint32_t)strtoul(usage + 20, NULL, 10);
                return;
        }
        now = wt_now_us(&wt_clock_real);
        if (c->first_us == 0)
                c->first_us = now;
        else if (gap != NULL)
                gap(arg, now - c->last_us);
        c->last_us = now;
        c->events++;
}

static void take_payload(struct bench_client *c, const char *p, size_t n,
                         void (*gap)(void *arg, uint64_t us), void *arg)
{
        while (n > 0 && !c->failed) {
                const char *end = memchr(p, '\n', n);
                size_t k = end != NULL ? (size_t)(end - p) : n;

                if (c->line.len + k > MOST_LINE) {
                        fail(c, "a line of more than 1 MiB");
                        return;
                }
                wt_buf_add(&c->line, p, k);
                if (end == NULL)
                        return;
                take_line(c, gap, arg);
                wt_buf_clear(&c->line);
                p += k + 1;
                n -= k + 1;
        }
}

/* One character of the status line and the headers. */
static void take_header(struct bench_client *c, char ch)
{
        static const char end[] = "\r\n\r\n";

        if (c->n_status + 1 < sizeof c->status_line && ch != '\r' && ch != '\n' &&
            c->header_end == 0 && c->status == 0)
                c->status_line[c->n_status++] = ch;
        if (ch == end[c->header_end])
                c->header_end++;
        else
                c->header_end = ch == '\r';
        if (c->header_end == 2 && c->status == 0) {
                c->status_line[c->n_status] = '\0';
                c->status = c->n_status > 9 ? atoi(c->status_line + 9) : -1;
        }
        if (c->header_end < 4)
                return;
        c->headers_over = c->in_size = true;
        if (c->status != 200)
                fail(c, c->status_line);
}

/* One character of the line with a chunk's size. */
static void take_size(struct bench_client *c, char ch)
{
        int digit = ch >= '0' && ch <= '9' ? ch - '0' : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10
                    : ch >= 'A' && ch <= 'F' ? ch - 'A' + 10 : -1;

        if (digit >= 0) {
                c->chunk_left = c->chunk_left << 4 | (unsigned)digit;
                c->size_seen = true;
        } else if (ch == '\n' && c->size_seen) { /* the line end after a chunk has no size */
                c->in_size = c->size_seen = false;
                if (c->chunk_left == 0)
                        bench_client_close(c);
        }
}

static void take(struct bench_client *c, const char *p, size_t n,
                 void (*gap)(void *arg, uint64_t us), void *arg)
{
        while (n > 0 && !c->failed && c->fd >= 0) {
                size_t k = 1;

                if (!c->headers_over) {
                        take_header(c, *p);
                } else if (c->in_size) {
                        take_size(c, *p);
                } else {
                        k = c->chunk_left < n ? (size_t)c->chunk_left : n;
                        take_payload(c, p, k, gap, arg);
                        c->chunk_left -= k;
                        c->in_size = c->chunk_left == 0;
                }
                p += k;
                n -= k;
        }
}

/* ---- plain or secure ------------------------------------------------------------------------ */

static const char *why(const struct bench_client *c)
{
        return c->link != NULL && errno == EPROTO ? wt_words() : strerror(errno);
}

/* What is waited for next: the link says; else room to send, then the answer. */
static void wait_for(struct bench_client *c, int epoll)
{
        struct epoll_event e = { .events = c->sent < c->out.len ? EPOLLOUT : EPOLLIN,
                                 .data.ptr = c };

        if (c->link != NULL)
                e.events = c->target->secure->waits(c->link) & WT_WRITE ? EPOLLOUT : EPOLLIN;
        epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &e);
}

static ssize_t put(struct bench_client *c, const void *p, size_t n)
{
        return c->link != NULL ? c->target->secure->send(c->link, p, n)
                               : send(c->fd, p, n, MSG_NOSIGNAL);
}

static ssize_t get(struct bench_client *c, void *p, size_t n)
{
        return c->link != NULL ? c->target->secure->recv(c->link, p, n) : recv(c->fd, p, n, 0);
}

/* The request; the handshake before it is the link's. False: not all of it has gone. */
static bool send_more(struct bench_client *c, int epoll)
{
        const struct wt_secure *by = c->target->secure;
        int error = 0;
        socklen_t len = sizeof error;

        if (by != NULL && c->link == NULL &&
            (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0)) {
                fail(c, strerror(error != 0 ? error : errno));
                return false;
        }
        if (by != NULL && c->link == NULL &&
            by->open(&c->link, by->arg, c->fd, c->target->host) != WT_OK) {
                c->link = NULL;
                fail(c, wt_words());
                return false;
        }
        while (c->sent < c->out.len) {
                ssize_t k = put(c, c->out.data + c->sent, c->out.len - c->sent);

                if (k < 0 && errno == EAGAIN) {
                        wait_for(c, epoll);
                        return false;
                }
                if (k < 0) {
                        fail(c, why(c));
                        return false;
                }
                c->sent += (size_t)k;
        }
        wait_for(c, epoll);
        return true;
}

void bench_client_ready(struct bench_client *c, uint32_t events, int epoll,
                        void (*gap)(void *arg, uint64_t us), void *arg)
{
        bool plain = c->target->secure == NULL;
        char room[16384];

        if (c->fd >= 0 && c->sent < c->out.len && (!plain || (events & EPOLLOUT)) &&
            !send_more(c, epoll) && !plain)
                return;                          /* the handshake reads by itself */
        while (c->fd >= 0 && (!plain || (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))) {
                ssize_t k = get(c, room, sizeof room);

                if (k < 0 && errno == EAGAIN) {
                        if (!plain)
                                wait_for(c, epoll);
                        return;
                }
                if (k <= 0) {
                        if (c->done)
                                bench_client_close(c);
                        else
                                fail(c, k < 0 ? why(c) : "the answer broke off");
                        return;
                }
                take(c, room, (size_t)k, gap, arg);
        }
}
