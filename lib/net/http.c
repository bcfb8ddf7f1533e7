/* http.c - the listener: takes connections in, up to the limit, and lets them go. */
#include "net/addr.h"
#include "net/conn.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TURN_ACCEPTS = 64, BACKLOG = 1024,
       OVER = 128 };                             /* connections above the limit that are told so */
#define REST_US 100000ull

static void on_rest(void *arg, struct wt_timer *t)
{
        struct wt_http *h = arg;

        (void)t;
        if (h->fd >= 0)
                wt_loop_want(h->loop, h->fd, WT_READ);
}

/* The oldest connection that nothing is owed to goes: half a request does not keep it. If there is
 * none, the oldest that does not read its answer. */
static void evict(struct wt_http *h)
{
        struct conn *oldest = NULL, *slow = NULL;

        for (struct conn *c = h->conns; c; c = c->next) {        /* the newest is first */
                if (c->mode == DEAD || c->call.owed)
                        continue;
                if (conn_unsent(c) > 0)
                        slow = c;
                else
                        oldest = c;
        }
        if (oldest || slow)
                conn_die(oldest ? oldest : slow);
}

static void on_accept(void *arg, int fd, unsigned ready)
{
        struct wt_http *h = arg;
        char peer[80];

        (void)ready;
        for (int i = 0; i < TURN_ACCEPTS; i++) {
                struct sockaddr_storage sa;
                socklen_t len = sizeof sa;
                int s = accept4(fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

                if (s < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
                              errno == ENOMEM)) {
                        /* Nothing can be accepted, and the listener would stay ready: rest. */
                        wt_loop_want(h->loop, fd, 0);
                        wt_loop_timer_set(h->loop, &h->rest, wt_loop_now(h->loop) + REST_US);
                        return;
                }
                if (s < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
                        return;
                if (s < 0)
                        continue;                /* that client is gone already */
                wt_addr_text(&sa, len, peer, sizeof peer);
                if (h->lim.evict && h->n_open >= h->lim.max_connections)
                        evict(h);
                if (h->n_open >= h->lim.max_connections + OVER ||
                    conn_new(h, s, peer, h->n_open >= h->lim.max_connections) != WT_OK)
                        close(s);
        }
}

/* These options pass to what is accepted. Keep-alive probes find a client whose machine is gone, or
 * that closed while it waited for an answer. */
static void set_options(int fd)
{
        static const struct { int level, name, value; } rows[] = {
                { SOL_SOCKET, SO_REUSEADDR, 1 },  { IPPROTO_TCP, TCP_NODELAY, 1 },
                { SOL_SOCKET, SO_KEEPALIVE, 1 },  { IPPROTO_TCP, TCP_KEEPIDLE, 30 },
                { IPPROTO_TCP, TCP_KEEPINTVL, 10 }, { IPPROTO_TCP, TCP_KEEPCNT, 3 },
        };

        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
                setsockopt(fd, rows[i].level, rows[i].name, &rows[i].value, sizeof rows[i].value);
}

static wt_err open_socket(const char *address, int *out)
{
        struct sockaddr_storage sa;
        socklen_t len;
        wt_err err = wt_addr_resolve(address, true, &sa, &len);
        int fd;

        if (err != WT_OK)
                return err;
        fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return wt_fail(WT_EEXHAUSTED, "no socket for %s: %s", address, strerror(errno));
        set_options(fd);
        if (bind(fd, (struct sockaddr *)&sa, len) == 0 && listen(fd, BACKLOG) == 0) {
                *out = fd;
                return WT_OK;
        }
        if (errno == EADDRINUSE)
                err = wt_fail(WT_EEXIST, "%s is in use; stop what holds it or choose another port",
                              address);
        else if (errno == EACCES)
                err = wt_fail(WT_EPERM, "%s: not allowed; choose a port above 1023", address);
        else
                err = wt_fail(WT_EINVAL, "cannot listen on %s: %s", address, strerror(errno));
        close(fd);
        return err;
}

wt_err wt_http_listen(wt_http **out, wt_loop *l, const char *address,
                      const struct wt_http_limits *lim, const struct wt_http_handler *handler)
{
        struct sockaddr_storage sa;
        socklen_t len = sizeof sa;
        wt_http *h = calloc(1, sizeof *h);
        wt_err err;

        if (!h)
                return wt_fail(WT_ENOMEM, "no memory for a listener");
        err = open_socket(address, &h->fd);
        if (err == WT_OK && (err = wt_loop_add(l, h->fd, WT_READ, on_accept, h)) != WT_OK)
                close(h->fd);
        if (err != WT_OK) {
                free(h);
                return err;
        }
        h->loop = l;
        h->lim = lim ? *lim : wt_http_default;
        if (h->lim.max_held == 0)
                h->lim.max_held = 32 * h->lim.max_body;
        if (h->lim.max_unsent_all == 0)
                h->lim.max_unsent_all = 64 * h->lim.max_unsent;
        h->handler = *handler;
        h->rest = (struct wt_timer){ .fire = on_rest, .arg = h };
        getsockname(h->fd, (struct sockaddr *)&sa, &len);
        wt_addr_text(&sa, len, h->address, sizeof h->address);
        *out = h;
        return WT_OK;
}

void wt_http_secure(wt_http *h, const struct wt_secure *s) { h->secure = s; }
void wt_http_on_room(wt_http *h, void (*on_room)(void *arg, wt_call *c)) { h->on_room = on_room; }
const char *wt_http_address(const wt_http *h) { return h->address; }
uint32_t wt_http_open(const wt_http *h) { return h->n_open; }
size_t wt_http_unsent(const wt_http *h) { return h->unsent; }

static void stop_listening(wt_http *h)
{
        if (h->fd < 0)
                return;
        wt_loop_timer_off(h->loop, &h->rest);
        wt_loop_remove(h->loop, h->fd);
        close(h->fd);
        h->fd = -1;
}

void wt_http_drain(wt_http *h)
{
        stop_listening(h);
        h->draining = true;
        for (struct conn *c = h->conns; c; c = c->next)
                if (conn_idle(c))
                        conn_die(c);             /* freed by a timer: the list stays as it is */
}

void wt_http_close(wt_http *h)
{
        if (!h)
                return;
        stop_listening(h);
        while (h->conns)
                conn_free(h->conns);
        free(h);
}
