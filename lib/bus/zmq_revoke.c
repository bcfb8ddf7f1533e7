/* zmq_revoke.c - keys that are taken off the allow-list while their connections are open. ZAP is
 * asked at handshakes only; so the bound side holds its peers against the list itself, twice a
 * second. Who is not listed any more is lost at once: nothing of it is taken, nothing sent to it,
 * and its connection is shut; when it connects again, ZAP refuses it. A list that is missing or
 * wrong cuts nobody: somebody may be writing it. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "base/clock.h"
#include "bus/zmq_impl.h"

enum { LOOK_US = 500000 };

bool zbus_listed(struct zbus *z, const char *user)
{
        const char *key = strrchr(user, ' ');
        const struct bus_allowed *e = key ? bus_allow_find(&z->allow, key + 1) : NULL;
        char now[BUS_USER_BYTES + 1];

        if (!e)
                return false;
        snprintf(now, sizeof now, "%s %s %s", e->name, e->role, e->key);
        return strcmp(now, user) == 0;
}

/* Is fd a connection that came in at our endpoint? Its number may be another file's by now. */
static bool is_ours(const struct zbus *z, int fd)
{
        union { struct sockaddr any; struct sockaddr_in in; struct sockaddr_un un; } a;
        socklen_t len = sizeof a;

        memset(&a, 0, sizeof a);
        if (fd < 0 || !z->endpoint || getsockname(fd, &a.any, &len) != 0)
                return false;
        if (a.any.sa_family == AF_INET)
                return strncmp(z->endpoint, "tcp://", 6) == 0 &&
                       atoi(strrchr(z->endpoint, ':') + 1) == ntohs(a.in.sin_port);
        return a.any.sa_family == AF_UNIX && strncmp(z->endpoint, "ipc://", 6) == 0 &&
               strncmp(z->endpoint + 6, a.un.sun_path, sizeof a.un.sun_path) == 0;
}

/* libzmq cannot close one connection of a socket; the system can, and libzmq takes that for the
 * peer's leaving. */
void zbus_cut(const struct zbus *z, int fd)
{
        if (is_ours(z, fd))
                shutdown(fd, SHUT_RDWR);
}

void zbus_revoke(struct zbus *z)
{
        uint64_t now;

        if (!z->router || (now = wt_now_us(&wt_clock_real)) < z->look_us)
                return;
        z->look_us = now + LOOK_US;
        if (!bus_allow_fresh(&z->allow) || z->allow.version == z->allow_version)
                return;
        z->allow_version = z->allow.version;
        for (uint32_t i = 0; i < z->n_peers; i++) {
                struct zbus_peer *p = z->peers[i];

                if (p->route.len == 0 || zbus_listed(z, p->user))
                        continue;
                zbus_cut(z, p->fd);
                if (z->per_key > 0)
                        zbus_connection_over(z, p);
                else
                        zbus_forget_route(p);
                bus_count(&z->b->refused_keys, 1);
                z->lost = true;
        }
}
