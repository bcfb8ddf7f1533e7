/* zmq.c - the ZeroMQ transport: ROUTER where we bind, a DEALER per endpoint where we connect, CURVE
 * always. Descriptors of libzmq sockets are edge triggered: readable once something changed, quiet
 * although messages wait. So whoever sleeps looks at ZMQ_EVENTS first. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>
#include "base/clock.h"
#include "base/file.h"
#include "bus/zmq_impl.h"

enum { MAX_ENDPOINT = 512, CURVE_OVERHEAD = 64 };

/* A socket's limits; milliseconds, seconds for keepalive. */
static const struct { int option, value; } tuning[] = {
        { ZMQ_LINGER, ZBUS_LINGER_MS },
        { ZMQ_IMMEDIATE, 1 },                    /* nothing waits for a peer that is not there */
        { ZMQ_RECONNECT_IVL, 20 }, { ZMQ_RECONNECT_IVL_MAX, 1000 },
        { ZMQ_CONNECT_TIMEOUT, 3000 }, { ZMQ_HANDSHAKE_IVL, 3000 },
        { ZMQ_HEARTBEAT_IVL, 2000 }, { ZMQ_HEARTBEAT_TIMEOUT, 6000 }, { ZMQ_HEARTBEAT_TTL, 6000 },
        { ZMQ_TCP_KEEPALIVE, 1 }, { ZMQ_TCP_KEEPALIVE_IDLE, 30 },
        { ZMQ_TCP_KEEPALIVE_INTVL, 10 }, { ZMQ_TCP_KEEPALIVE_CNT, 3 },
        { ZMQ_IPV6, 0 },
};
/* A name is taken over by its key alone (zmq_impl.h), so no handover by routing id. */
static const struct { int option, value; } router_tuning[] = {
        { ZMQ_ROUTER_MANDATORY, 1 }, { ZMQ_ROUTER_HANDOVER, 0 }, { ZMQ_CURVE_SERVER, 1 },
};

static int set_int(void *s, int option, int value)
{
        return zmq_setsockopt(s, option, &value, sizeof value);
}

static int set_keys(const struct zbus *z, void *s, int type)
{
        if (zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, z->secret_key, 41) < 0)
                return -1;
        if (type == ZMQ_ROUTER)
                return zmq_setsockopt(s, ZMQ_ZAP_DOMAIN, "witan", 5);
        if (zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, z->public_key, 41) < 0)
                return -1;
        return zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, z->server_key, 41);
}

wt_err zbus_socket(struct zbus *z, int type, void **out)
{
        int64_t most = (int64_t)WT_MAX_FRAME + CURVE_OVERHEAD;
        void *s = zmq_socket(z->ctx, type);
        int rc = s ? 0 : -1;

        for (size_t i = 0; rc == 0 && i < sizeof tuning / sizeof *tuning; i++)
                rc = set_int(s, tuning[i].option, tuning[i].value);
        for (size_t i = 0; rc == 0 && type == ZMQ_ROUTER &&
                           i < sizeof router_tuning / sizeof *router_tuning; i++)
                rc = set_int(s, router_tuning[i].option, router_tuning[i].value);
        if (rc == 0 && set_int(s, ZMQ_SNDHWM, (int)z->hwm) == 0 &&
            set_int(s, ZMQ_RCVHWM, (int)z->hwm) == 0 &&
            zmq_setsockopt(s, ZMQ_MAXMSGSIZE, &most, sizeof most) == 0 &&
            set_keys(z, s, type) == 0) {
                *out = s;
                return WT_OK;
        }
        rc = errno;
        if (s)
                zmq_close(s);
        if (rc == EINVAL)
                return wt_fail(WT_EINVAL, "socket of bus: %s; are the keys Z85?", zmq_strerror(rc));
        return wt_fail(wt_file_code(rc), "socket of bus: %s", zmq_strerror(rc));
}

static int socket_fd(void *sock)
{
        int fd = -1;
        size_t len = sizeof fd;

        zmq_getsockopt(sock, ZMQ_FD, &fd, &len);
        return fd;
}

static wt_err watch_fd(int epoll, int fd)
{
        struct epoll_event e = { .events = EPOLLIN };

        return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) == 0
                ? WT_OK : wt_fail(WT_EIO, "epoll of bus: %s", strerror(errno));
}

static bool readable(void *sock)
{
        int events = 0;
        size_t len = sizeof events;

        return sock && zmq_getsockopt(sock, ZMQ_EVENTS, &events, &len) == 0 &&
               (events & ZMQ_POLLIN);
}

/* The first look at a socket is what makes libzmq signal at all: a queue that was never found empty
 * does not wake its reader. It comes before anything can have arrived. */
wt_err zbus_watch(int epoll, void *sock)
{
        wt_err err = watch_fd(epoll, socket_fd(sock));

        readable(sock);
        return err;
}

void zbus_unwatch(int epoll, void *sock)
{
        epoll_ctl(epoll, EPOLL_CTL_DEL, socket_fd(sock), NULL);
}

static wt_err bind_failed(const char *endpoint)
{
        switch (errno) {
        case EADDRINUSE:
                return wt_fail(WT_EEXIST, "%s is in use; stop what holds it or choose another port",
                               endpoint);
        case EACCES: case EPERM:
                return wt_fail(WT_EPERM, "bind to %s: %s", endpoint, strerror(errno));
        case EINVAL: case ENODEV: case EADDRNOTAVAIL: case EPROTONOSUPPORT: case ENAMETOOLONG:
                return wt_fail(WT_EINVAL, "bind to %s: %s; name an address of this machine",
                               endpoint, zmq_strerror(errno));
        default:
                return wt_fail(WT_EIO, "bind to %s: %s", endpoint, zmq_strerror(errno));
        }
}

/* libzmq would remove the socket of a living process and bind anew: ask whether one listens. */
static wt_err check_ipc(const char *endpoint, bool binds)
{
        struct sockaddr_un a = { .sun_family = AF_UNIX };
        const char *path = endpoint + 6;         /* behind ipc:// */
        bool lives;
        int s;

        if (strncmp(endpoint, "ipc://", 6) != 0 || strcmp(path, "*") == 0)
                return WT_OK;
        if (strlen(path) >= sizeof a.sun_path)
                return wt_fail(WT_EINVAL, "%s: the path has %zu bytes, a UNIX socket's at most "
                               "%zu; choose a shorter folder", endpoint, strlen(path),
                               sizeof a.sun_path - 1);
        if (!binds || (s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0)
                return WT_OK;
        strcpy(a.sun_path, path);
        lives = connect(s, (struct sockaddr *)&a, sizeof a) == 0;
        close(s);
        return lives ? wt_fail(WT_EEXIST, "%s is in use; stop what holds it or choose another path",
                               endpoint) : WT_OK;
}

static wt_err bind_router(struct zbus *z, const struct wt_bus_conf *c)
{
        char as_bound[MAX_ENDPOINT];
        size_t len = sizeof as_bound;
        wt_err err;

        if ((err = check_ipc(c->bind, true)) != WT_OK ||
            (err = bus_allow_open(&z->allow, c->keys.allow_file)) != WT_OK ||
            (err = zap_start(&z->zap, z->ctx, z->b, c->keys.allow_file)) != WT_OK ||
            (err = zbus_socket(z, ZMQ_ROUTER, &z->router)) != WT_OK ||
            (err = zbus_monitor(z, z->router, ZMQ_EVENT_DISCONNECTED, &z->monitor)) != WT_OK ||
            (err = zbus_watch(z->all, z->router)) != WT_OK)
                return err;
        if (zmq_bind(z->router, c->bind) < 0)
                return bind_failed(c->bind);
        zmq_getsockopt(z->router, ZMQ_LAST_ENDPOINT, as_bound, &len);
        z->endpoint = strdup(as_bound);
        return z->endpoint ? WT_OK : wt_fail(WT_ENOMEM, "no memory for an endpoint");
}

static wt_err connect_links(struct zbus *z, const struct wt_bus_conf *c)
{
        wt_err err;

        z->links = calloc(c->n_connect ? c->n_connect : 1, sizeof *z->links);
        if (!z->links)
                return wt_fail(WT_ENOMEM, "no memory for %u connections", c->n_connect);
        for (uint32_t i = 0; i < c->n_connect; i++) {
                z->n_links = i + 1;
                z->links[i].backoff_us = 100000;
                if (!(z->links[i].endpoint = strdup(c->connect[i])))
                        return wt_fail(WT_ENOMEM, "no memory for an endpoint");
                if ((err = check_ipc(c->connect[i], false)) != WT_OK ||
                    (err = zbus_link_open(z, &z->links[i])) != WT_OK)
                        return err;
        }
        return WT_OK;
}

/* Copies the keys (a redial needs them again) and says what does not go together. */
static wt_err take_keys(struct zbus *z, const struct wt_bus_conf *c)
{
        const struct wt_bus_keys *k = &c->keys;
        const struct { const char *what, *from; char *to; bool wanted; } rows[] = {
                { "public", k->public_key, z->public_key, true },
                { "secret", k->secret_key, z->secret_key, true },
                { "server", k->server_key, z->server_key, c->n_connect > 0 },
        };

        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                if (!rows[i].wanted)
                        continue;
                if (!rows[i].from || strlen(rows[i].from) != 40)
                        return wt_fail(WT_EINVAL, "bus %s: tcp:// and ipc:// are always encrypted "
                                       "and want a %s key of 40 characters", c->name, rows[i].what);
                memcpy(rows[i].to, rows[i].from, 41);
        }
        if (c->per_key > 0 && (!c->bind || c->n_connect > 0))
                return wt_fail(WT_EINVAL, "bus %s: connections that are peers of their own want a "
                               "bus that binds and connects to none", c->name);
        if (c->bind && !k->allow_file)
                return wt_fail(WT_EINVAL, "bus %s: %s wants an allow-list of keys", c->name,
                               c->bind);
        return WT_OK;
}

static void zbus_close(void *impl)
{
        struct zbus *z = impl;

        for (uint32_t i = 0; i < z->n_links; i++) {
                zbus_link_close(z, &z->links[i]);
                free(z->links[i].endpoint);
        }
        if (z->router) {
                zmq_socket_monitor(z->router, NULL, 0);
                zmq_close(z->router);
        }
        if (z->monitor)
                zmq_close(z->monitor);
        /* Waits for what lingers, at most ZBUS_LINGER_MS, and ends the ZAP handler. */
        while (z->ctx && zmq_ctx_term(z->ctx) < 0 && errno == EINTR)
                ;
        zap_end(z->zap);
        bus_allow_close(&z->allow);
        for (uint32_t i = 0; i < z->n_peers; i++)
                free(z->peers[i]);
        if (z->all >= 0)
                close(z->all);
        if (z->events >= 0)
                close(z->events);
        if (z->timer >= 0)
                close(z->timer);
        free(z->peers);
        free(z->links);
        free(z->endpoint);
        wt_buf_free(&z->scratch);
        explicit_bzero(z, sizeof *z);            /* the secret key */
        free(z);
}

static wt_err zbus_open(void **impl, wt_bus *b, const struct wt_bus_conf *c)
{
        struct zbus *z = calloc(1, sizeof *z);
        wt_err err;

        if (!z)
                return wt_fail(WT_ENOMEM, "no memory for bus %s", c->name);
        z->b = b;
        z->hwm = c->hwm ? c->hwm : BUS_DEFAULT_HWM;
        z->per_key = c->per_key;
        z->all = epoll_create1(EPOLL_CLOEXEC);
        z->events = epoll_create1(EPOLL_CLOEXEC);
        z->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
        z->ctx = zmq_ctx_new();
        if (z->all < 0 || z->events < 0 || z->timer < 0 || !z->ctx)
                err = wt_fail(wt_file_code(errno), "bus %s: %s", c->name, strerror(errno));
        else if ((err = watch_fd(z->events, z->timer)) == WT_OK &&
                 (err = watch_fd(z->all, z->events)) == WT_OK &&
                 (err = take_keys(z, c)) == WT_OK &&
                 (err = connect_links(z, c)) == WT_OK && c->bind)
                err = bind_router(z, c);
        if (err != WT_OK) {
                zbus_close(z);
                return err;
        }
        *impl = z;
        return WT_OK;
}

static bool zbus_ready(void *impl)
{
        struct zbus *z = impl;
        bool some = readable(z->router);

        for (uint32_t i = 0; i < z->n_links; i++)
                some |= readable(z->links[i].sock);      /* all: each look quiets a descriptor */
        return some;
}

static bool zbus_settled(void *impl)
{
        struct zbus *z = impl;

        if (!z->settled)
                z->settled = !zbus_ready(z);
        return z->settled;
}

static void zbus_wait(void *impl, int fd, uint64_t timeout_us)
{
        struct zbus *z = impl;
        struct pollfd on[2] = { { .fd = z->all, .events = POLLIN },
                                { .fd = fd, .events = POLLIN } };
        uint64_t now = wt_now_us(&wt_clock_real), end = now + timeout_us;
        bool known = z->lost;                    /* only news ends the wait */

        if (end < now)
                end = UINT64_MAX;
        for (;;) {
                struct timespec t;

                zbus_pump(z);
                if (zbus_ready(z) || (z->lost && !known))
                        return;
                t.tv_sec = (time_t)((end - now) / 1000000);
                t.tv_nsec = (long)((end - now) % 1000000) * 1000;
                if (ppoll(on, fd < 0 ? 1 : 2, &t, NULL) <= 0 || (fd >= 0 && on[1].revents))
                        return;                  /* time, a signal, or the caller's descriptor */
                if ((now = wt_now_us(&wt_clock_real)) >= end)
                        return;
        }
}

static int zbus_fd(void *impl) { return ((struct zbus *)impl)->all; }

static const char *zbus_endpoint(void *impl)
{
        const struct zbus *z = impl;

        return z->endpoint ? z->endpoint : "";
}

static uint32_t zbus_peers(void *impl)
{
        const struct zbus *z = impl;

        return z->n_links + z->n_peers;
}

static const char *zbus_peer_name(void *impl, uint32_t peer)
{
        struct zbus *z = impl;
        struct zbus_peer *p = zbus_peer(z, peer);

        if (!p && z->per_key > 0)
                return "";
        WT_ASSERT(p || peer < z->n_links);
        return p ? p->name : z->links[peer].endpoint;
}

static const char *zbus_peer_role(void *impl, uint32_t peer)
{
        struct zbus_peer *p = zbus_peer(impl, peer);

        return p ? p->role : "";
}

static const char *zbus_peer_address(void *impl, uint32_t peer)
{
        struct zbus_peer *p = zbus_peer(impl, peer);

        return p ? p->address : "";
}

static bool zbus_peer_here(void *impl, uint32_t peer)
{
        struct zbus *z = impl;
        struct zbus_peer *p = zbus_peer(z, peer);

        return p ? p->route.len > 0 : peer < z->n_links && z->links[peer].up;
}

static bool zbus_peer_over(void *impl, uint32_t peer)
{
        struct zbus_peer *p = zbus_peer(impl, peer);

        return p && p->over;
}

static bool zbus_peer_refuses(void *impl, uint32_t peer)
{
        const struct zbus *z = impl;

        return peer < z->n_links && z->links[peer].refuses;
}

static bool zbus_lost(void *impl)
{
        struct zbus *z = impl;
        bool lost;

        zbus_pump(z);
        lost = z->lost;
        z->lost = false;
        return lost;
}

const struct wt_bus_ops wt_bus_zmq = {
        .scheme = "zmq", .open = zbus_open, .close = zbus_close, .fd = zbus_fd,
        .ready = zbus_ready, .send = zbus_send, .recv = zbus_recv, .wait = zbus_wait,
        .endpoint = zbus_endpoint, .peers = zbus_peers, .peer_name = zbus_peer_name,
        .peer_role = zbus_peer_role, .lost = zbus_lost, .peer_address = zbus_peer_address,
        .peer_here = zbus_peer_here, .peer_over = zbus_peer_over,
        .peer_refuses = zbus_peer_refuses, .settled = zbus_settled,
};

const struct wt_bus_ops *bus_remote(void) { return &wt_bus_zmq; }
