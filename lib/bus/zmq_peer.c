/* zmq_peer.c - names and connections of the peers of a bound bus. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bus/zmq_impl.h"

bool zbus_same(const struct zbus_id *a, const struct zbus_id *b)
{
        return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

static struct zbus_peer *find(struct zbus *z, const char *name, size_t len, uint32_t *index)
{
        for (*index = 0; *index < z->n_peers; ++*index) {
                struct zbus_peer *p = z->peers[*index];

                if (strlen(p->name) == len && memcmp(p->name, name, len) == 0)
                        return p;
        }
        return NULL;
}

struct zbus_peer *zbus_peer_new(struct zbus *z, uint32_t *index)
{
        struct zbus_peer *p = calloc(1, sizeof *p);

        if (z->n_peers == z->cap_peers) {
                z->cap_peers = z->cap_peers ? 2 * z->cap_peers : 16;
                z->peers = realloc(z->peers, z->cap_peers * sizeof *z->peers);
        }
        if (!p || !z->peers)
                wt_out_of_memory("the peers of a bus", z->cap_peers * sizeof *z->peers + sizeof *p);
        p->fd = -1;
        p->place = *index = z->n_peers;
        return z->peers[z->n_peers++] = p;
}

bool zbus_split(const char *user, size_t *name, size_t *role)
{
        const char *blank = user ? strchr(user, ' ') : NULL;
        const char *key = blank ? strchr(blank + 1, ' ') : NULL;

        if (!key || blank - user > BUS_NAME_BYTES || key - blank - 1 > BUS_ROLE_BYTES ||
            strlen(key + 1) > BUS_KEY_BYTES)
                return false;                    /* not through ZAP: cannot be */
        *name = (size_t)(blank - user);
        *role = (size_t)(key - blank - 1);
        return true;
}

/* The peer's messages now come from another connection: a new one, or one that was replaced. */
static bool move(struct zbus_peer *p, const struct zbus_id *from)
{
        for (uint32_t i = 0; i < p->n_old && i < ZBUS_OLD_ROUTES; i++)
                if (zbus_same(&p->old[i], from))
                        return false;
        zbus_forget_route(p);
        p->route = *from;
        return true;
}

void zbus_forget_route(struct zbus_peer *p)
{
        if (p->route.len)
                p->old[p->n_old++ % ZBUS_OLD_ROUTES] = p->route;
        p->route.len = 0;
        p->fd = -1;
}

bool zbus_identify(struct zbus *z, const struct zbus_id *from, const char *user, uint32_t *peer)
{
        struct zbus_peer *p;
        size_t len, role;

        if (!zbus_split(user, &len, &role))
                return false;
        if (z->per_key > 0)
                return zbus_connection(z, from, user, peer);
        p = z->last_peer < z->n_peers ? z->peers[z->last_peer] : NULL;
        if (p && zbus_same(&p->route, from) && strcmp(p->user, user) == 0) {
                *peer = z->n_links + z->last_peer;
                return true;
        }
        /* A routing id that the peer chose itself (libzmq's own begin with 0) must be its name. */
        if (from->len == 0 ||
            (from->bytes[0] && (from->len != len || memcmp(from->bytes, user, len) != 0)))
                return false;
        p = find(z, user, len, &z->last_peer);
        /* A connection that is new to us may be older than the list as it is now. */
        if ((!p || !zbus_same(&p->route, from)) && !zbus_listed(z, user))
                return false;
        if (!p) {
                p = zbus_peer_new(z, &z->last_peer);
                memcpy(p->name, user, len);
        }
        if (!zbus_same(&p->route, from) && !move(p, from))
                return false;
        strcpy(p->user, user);
        snprintf(p->role, sizeof p->role, "%.*s", (int)role, user + len + 1);
        *peer = z->n_links + z->last_peer;
        return true;
}

struct zbus_peer *zbus_peer(struct zbus *z, uint32_t peer)
{
        if (z->per_key > 0) {
                uint32_t at = peer & ((1u << ZBUS_SLOT_BITS) - 1);
                struct zbus_peer *p = at < z->n_peers ? z->peers[at] : NULL;

                return p && p->route.len && p->turn == peer >> ZBUS_SLOT_BITS ? p : NULL;
        }
        return peer < z->n_links || peer - z->n_links >= z->n_peers ? NULL
                                                                    : z->peers[peer - z->n_links];
}
