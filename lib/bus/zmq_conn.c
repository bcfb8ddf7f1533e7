/* zmq_conn.c - peers of a bound bus whose keys may have several connections at once (per_key): each
 * connection is a peer, from its first message until it closes.
 *
 * A number must never come to mean another connection while somebody may still send to it: what was
 * meant for one client would go to another. So a place in the table is given out again, but with
 * another number, and the old one is nobody's.
 *
 * libzmq says that a descriptor has closed, not which connection had it, and the number of a file
 * may be another one's by then. So who had it is only suspected, and asked by a ping: what cannot
 * be routed any more is gone. A connection's pipe may live for a moment longer than its descriptor,
 * and its last words may be read when all is over; so that is asked more than once, each time after
 * twice the time, and twice of whoever is new. */
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "bus/zmq_impl.h"

enum { PROBES = 8, PROBES_OF_NEW = 2, PROBE_US = 5000,   /* 5, 10, ... 640 ms */
       MOST_PLACES = 1 << ZBUS_SLOT_BITS, TURNS = 1 << (32 - ZBUS_SLOT_BITS) };

/* libzmq counts its ids up: the last byte is the one that changes most. */
static struct zbus_peer **bucket_of(struct zbus *z, const struct zbus_id *id)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < id->len; i++)
                n = n << 8 | id->bytes[i];
        return &z->bucket[n % ZBUS_BUCKETS];
}

static struct zbus_peer *find(struct zbus *z, const struct zbus_id *from)
{
        struct zbus_peer *p = *bucket_of(z, from);

        while (p && !zbus_same(&p->route, from))
                p = p->next;
        return p;
}

void zbus_connection_over(struct zbus *z, struct zbus_peer *p)
{
        struct zbus_peer **at = bucket_of(z, &p->route);

        while (*at != p)
                at = &(*at)->next;
        *at = p->next;
        z->n_suspects -= p->probes > 0;
        p->probes = 0;
        p->route.len = 0;
        p->fd = -1;
        p->turn = (p->turn + 1) % TURNS;
        p->next = z->free_peers;
        z->free_peers = p;
        z->lost = true;
}

static uint32_t number(const struct zbus_peer *p) { return p->turn << ZBUS_SLOT_BITS | p->place; }

static void suspect(struct zbus *z, struct zbus_peer *p, uint32_t probes, uint64_t now)
{
        z->n_suspects += p->probes == 0;
        p->probes = probes;
        p->probe_us = now + (PROBE_US << (PROBES - probes));
}

/* How many connections a key has, and one that it has over. */
static uint32_t count(struct zbus *z, const char *user, struct zbus_peer **over)
{
        uint32_t n = 0;

        *over = NULL;
        for (uint32_t i = 0; i < z->n_peers; i++) {
                struct zbus_peer *p = z->peers[i];

                if (p->route.len == 0 || strcmp(p->user, user) != 0)
                        continue;
                if (p->over)
                        *over = p;
                else
                        n++;
        }
        return n;
}

/* NULL: no place is left. */
static struct zbus_peer *add(struct zbus *z, const struct zbus_id *from, const char *user)
{
        struct zbus_peer *p = z->free_peers, **at = bucket_of(z, from);
        size_t name, role;
        uint32_t index;

        if (p)
                z->free_peers = p->next;
        else if (z->n_peers == MOST_PLACES)
                return NULL;
        else
                p = zbus_peer_new(z, &index);
        zbus_split(user, &name, &role);
        snprintf(p->name, sizeof p->name, "%.*s", (int)name, user);
        snprintf(p->role, sizeof p->role, "%.*s", (int)role, user + name + 1);
        strcpy(p->user, user);
        p->address[0] = '\0';
        p->over = false;
        p->route = *from;
        p->next = *at;
        suspect(z, p, PROBES_OF_NEW, wt_now_us(&wt_clock_real));
        return *at = p;
}

bool zbus_connection(struct zbus *z, const struct zbus_id *from, const char *user, uint32_t *peer)
{
        struct zbus_peer *p = find(z, from), *over;

        if (p && strcmp(p->user, user) != 0) {   /* that one has gone, its id was taken */
                zbus_connection_over(z, p);
                p = NULL;
        }
        if (p && !p->over) {
                *peer = number(p);
                return true;
        }
        /* libzmq's own ids begin with 0; a chosen one could be that of a connection before. */
        if (from->len == 0 || from->bytes[0])
                return false;
        zbus_pump(z);                            /* who has gone makes room */
        p = find(z, from);
        if (!p && !zbus_listed(z, user))         /* it may be older than the list as it is now */
                return false;
        if (count(z, user, &over) < z->per_key) {
                if (!p && !(p = add(z, from, user)))
                        return false;
                p->over = false;
        } else if (!p) {                         /* one over at a time: enough to be told */
                if (over)
                        zbus_connection_over(z, over);
                if (!(p = add(z, from, user)))
                        return false;
                p->over = true;
        }
        *peer = number(p);
        return true;
}

void zbus_closed(struct zbus *z, int fd, uint64_t now)
{
        for (uint32_t i = 0; z->per_key > 0 && i < z->n_peers; i++)
                if (z->peers[i]->route.len && z->peers[i]->fd == fd)
                        suspect(z, z->peers[i], PROBES, now);
}

/* False: it is gone. */
static bool ping(struct zbus *z, const struct zbus_peer *p)
{
        wt_msg *m = wt_msg_new(z->b);
        wt_err err;

        m->peer = number(p);
        m->env.method = WT_M_PING;
        m->env.body = WT_ARENA_NEW(&m->arena, struct wt_ping);
        if ((err = zbus_send(z, m)) != WT_OK)
                wt_msg_free(m);
        return err != WT_EUNAVAILABLE;
}

void zbus_probe(struct zbus *z)
{
        uint64_t now = z->n_suspects > 0 ? wt_now_us(&wt_clock_real) : 0;

        for (uint32_t i = 0; i < z->n_peers && z->n_suspects > 0; i++) {
                struct zbus_peer *p = z->peers[i];

                if (p->probes == 0 || now < p->probe_us)
                        continue;
                if (!ping(z, p)) {
                        zbus_connection_over(z, p);
                        continue;
                }
                z->n_suspects -= --p->probes == 0;
                p->probe_us = now + (PROBE_US << (PROBES - p->probes));
        }
}
