/* zmq_link.c - connections: what libzmq's monitors tell, and dialling anew where libzmq gives
 * up. A DEALER whose handshake was refused, or whose peer broke the protocol, never tries again
 * (libzmq ends its session); one that merely lost its peer does. So a link that is down and
 * silent for too long gets a new socket, at once after a refusal (our key may be listed in a
 * moment). */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <zmq.h>
#include "base/clock.h"
#include "base/file.h"
#include "bus/zmq_impl.h"

enum { BACKOFF_LEAST_US = 100000, BACKOFF_MOST_US = 1000000, SILENT_US = 5000000 };

wt_err zbus_monitor(struct zbus *z, void *sock, int events, void **out)
{
        static atomic_ullong serial;
        char endpoint[64];
        int none = 0, why;
        void *m;

        snprintf(endpoint, sizeof endpoint, "inproc://monitor-%llu",
                 (unsigned long long)atomic_fetch_add(&serial, 1));
        m = zmq_socket(z->ctx, ZMQ_PAIR);
        /* No limit on news unread: a full queue would hold up libzmq's I/O thread. */
        if (m && zmq_setsockopt(m, ZMQ_RCVHWM, &none, sizeof none) == 0 &&
            zmq_setsockopt(m, ZMQ_LINGER, &none, sizeof none) == 0 &&
            zmq_socket_monitor(sock, endpoint, events) == 0 && zmq_connect(m, endpoint) == 0 &&
            zbus_watch(z->events, m) == WT_OK) {
                *out = m;
                return WT_OK;
        }
        why = errno;
        if (m)
                zmq_close(m);
        return wt_fail(wt_file_code(why), "socket monitor: %s", zmq_strerror(why));
}

/* The next event of a monitor, 0: none waits. value: with a disconnection, the descriptor. */
static uint16_t next_event(void *monitor, int32_t *value)
{
        uint16_t event = 0;
        int more = 1;

        while (more) {
                zmq_msg_t part;

                zmq_msg_init(&part);
                if (zmq_msg_recv(&part, monitor, ZMQ_DONTWAIT) < 0) {
                        zmq_msg_close(&part);
                        if (errno == EINTR)
                                continue;
                        return event;
                }
                if (!event && zmq_msg_size(&part) >= sizeof event + sizeof *value) {
                        memcpy(&event, zmq_msg_data(&part), sizeof event);
                        memcpy(value, (const char *)zmq_msg_data(&part) + sizeof event,
                               sizeof *value);
                }
                more = zmq_msg_more(&part);
                zmq_msg_close(&part);
        }
        return event;
}

wt_err zbus_link_open(struct zbus *z, struct zbus_link *l)
{
        wt_err err;

        l->up = l->refused = false;
        z->settled = false;
        l->redial_us = wt_now_us(&wt_clock_real) + SILENT_US;
        if ((err = zbus_socket(z, ZMQ_DEALER, &l->sock)) != WT_OK ||
            (err = zbus_monitor(z, l->sock, ZMQ_EVENT_ALL, &l->monitor)) != WT_OK ||
            (err = zbus_watch(z->all, l->sock)) != WT_OK)
                return err;
        if (zmq_connect(l->sock, l->endpoint) < 0)
                return wt_fail(errno == EINVAL ? WT_EINVAL : WT_EIO, "connect to %s: %s",
                               l->endpoint, zmq_strerror(errno));
        return WT_OK;
}

void zbus_link_close(struct zbus *z, struct zbus_link *l)
{
        if (l->sock) {
                zmq_socket_monitor(l->sock, NULL, 0);
                zbus_unwatch(z->all, l->sock);   /* zmq_close closes it later, on another thread */
                zmq_close(l->sock);
        }
        if (l->monitor) {
                zbus_unwatch(z->events, l->monitor);
                zmq_close(l->monitor);
        }
        l->sock = l->monitor = NULL;
        l->up = false;
}

static void link_event(struct zbus *z, struct zbus_link *l, uint16_t event, uint64_t now)
{
        switch (event) {
        case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
                l->up = true;
                l->refuses = false;
                l->redial_us = 0;
                l->backoff_us = BACKOFF_LEAST_US;
                break;
        case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
                l->refused = l->refuses = true;
                l->redial_us = now + l->backoff_us;
                l->backoff_us = 2 * l->backoff_us < BACKOFF_MOST_US ? 2 * l->backoff_us
                                                                    : BACKOFF_MOST_US;
                break;
        case ZMQ_EVENT_CLOSED:                   /* nobody listens there */
                l->refuses &= l->refused;
                if (!l->up && !l->refused)
                        l->redial_us = now + SILENT_US;
                break;
        case ZMQ_EVENT_DISCONNECTED:
                z->lost |= l->up;
                l->up = false;
                /* fall through */
        default:
                if (!l->up && !l->refused)       /* a sign of trying */
                        l->redial_us = now + SILENT_US;
        }
}

static void link_pump(struct zbus *z, struct zbus_link *l, uint64_t now)
{
        uint16_t event;
        int32_t value;

        while (l->monitor && (event = next_event(l->monitor, &value)) != 0)
                link_event(z, l, event, now);
        if (l->redial_us && now >= l->redial_us) {
                zbus_link_close(z, l);
                zbus_link_open(z, l);            /* if this fails, again when silent for too long */
        }
}

static void arm(struct zbus *z, uint64_t now)
{
        struct itimerspec t = { .it_value = { 0 } };
        uint64_t next = UINT64_MAX;

        for (uint32_t i = 0; i < z->n_links; i++)
                if (z->links[i].redial_us && z->links[i].redial_us < next)
                        next = z->links[i].redial_us;
        if (next != UINT64_MAX) {
                uint64_t in = next > now ? next - now : 1;

                t.it_value.tv_sec = (time_t)(in / 1000000);
                t.it_value.tv_nsec = (long)(in % 1000000) * 1000;
        }
        timerfd_settime(z->timer, 0, &t, NULL);
}

void zbus_pump(struct zbus *z)
{
        struct pollfd news = { .fd = z->events, .events = POLLIN };
        uint64_t now, ticks;
        int32_t fd;

        zbus_revoke(z);
        zbus_probe(z);
        if (poll(&news, 1, 0) <= 0)
                return;
        now = wt_now_us(&wt_clock_real);
        while (read(z->timer, &ticks, sizeof ticks) < 0 && errno == EINTR)
                ;
        while (z->monitor && next_event(z->monitor, &fd) != 0) {
                z->lost = true;                  /* bound: it tells of nothing but disconnections */
                zbus_closed(z, fd, now);
        }
        for (uint32_t i = 0; i < z->n_links; i++)
                link_pump(z, &z->links[i], now);
        arm(z, now);
}
