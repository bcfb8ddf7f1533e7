/* zmq_impl.h - the ZeroMQ transport in its files: zmq.c opens and closes, zmq_link.c keeps
 * connections and tells what was lost, zmq_peer.c knows who is who, zmq_conn.c too where each
 * connection is a peer, zmq_revoke.c who no longer may be, zmq_io.c sends and receives.
 *
 * Who a peer is, its key says and nothing else. Peers set no routing id, so a ROUTER gives each
 * connection a number of its own; ZAP binds the key to a name, and the name's messages say which
 * connection is now the name's. (Were the routing id the name, any listed key could take
 * another's connection over and be sent what is meant for it, by saying that name once: ZAP is
 * not told the peer's routing id, and ROUTER_HANDOVER asks nobody.) */
#ifndef WITAN_BUS_ZMQ_IMPL_H
#define WITAN_BUS_ZMQ_IMPL_H
#include "bus/bus_impl.h"
#include "bus/allow.h"
#include "bus/zap.h"

enum { ZBUS_ID_BYTES = 255, ZBUS_OLD_ROUTES = 8, ZBUS_LINGER_MS = 1000, ZBUS_ADDRESS_BYTES = 63,
       ZBUS_SLOT_BITS = 16, ZBUS_BUCKETS = 1024 };

struct zbus_id { uint8_t len, bytes[ZBUS_ID_BYTES]; };   /* a connection, as ROUTER names it */

struct zbus_peer {
        char name[BUS_NAME_BYTES + 1], role[BUS_ROLE_BYTES + 1];
        char user[BUS_USER_BYTES + 1];           /* "NAME ROLE KEY", as ZAP said it */
        struct zbus_id route;                    /* len 0: none now, its key was taken away */
        int fd;                                  /* of that connection; -1: not known */
        char address[ZBUS_ADDRESS_BYTES + 1];    /* of that connection; "": it has none */
        struct zbus_id old[ZBUS_OLD_ROUTES];     /* replaced by a later connection: never again */
        uint32_t n_old;
        /* per_key alone. A connection's number: turn << ZBUS_SLOT_BITS | place. */
        uint32_t place, turn;                    /* in peers; turn: +1 when a connection ends */
        bool over;                               /* one more than its key may have */
        uint32_t probes; uint64_t probe_us;      /* pings to come that ask whether it is gone; when
                                                  * the next one is due */
        struct zbus_peer *next;                  /* in its bucket, or among the free ones */
};

struct zbus_link {                               /* a DEALER per endpoint */
        void *sock, *monitor;
        char *endpoint;
        bool up, refused;                        /* the handshake is done; was refused */
        bool refuses;                            /* the last one of which anything came was */
        uint64_t redial_us;                      /* when to begin anew; 0: libzmq does by itself */
        uint64_t backoff_us;                     /* before the next redial after a refusal */
};

struct zbus {
        wt_bus *b;
        void *ctx;
        struct zap *zap;
        struct bus_allow allow;                  /* the list, as ZAP's thread reads it too: which
                                                  * keys still stand there */
        uint32_t allow_version; uint64_t look_us;        /* that peers were held against; next
                                                          * look */
        void *router, *monitor;                  /* NULL when not bound */
        char *endpoint;
        struct zbus_peer **peers;                /* numbers n_links, n_links + 1, ... */
        uint32_t n_peers, cap_peers, last_peer;
        uint32_t per_key;                        /* 0: peers by name (zmq_peer.c); else the most
                                                  * connections of a key (zmq_conn.c) */
        struct zbus_peer *bucket[ZBUS_BUCKETS];  /* per_key: connections by route */
        struct zbus_peer *free_peers;            /* per_key: places of connections that are over */
        uint32_t n_suspects;                     /* with probes to come */
        struct zbus_link *links;                 /* numbers 0 .. n_links - 1 */
        uint32_t n_links, turn;                  /* turn: whose socket is looked at first */
        int all, events, timer;                  /* epoll of everything; epoll of monitors and
                                                  * timer, inside all; timerfd of the next redial */
        bool lost;
        bool settled;                            /* each socket was found empty, by a look that
                                                  * armed its descriptor, and not used since */
        uint32_t hwm;
        char public_key[41], secret_key[41], server_key[41];
        struct wt_buf scratch;                   /* an envelope being written */
};

/* zmq.c: a socket with every limit set, its own key in it. */
wt_err zbus_socket(struct zbus *z, int type, void **out);
wt_err zbus_watch(int epoll, void *sock);        /* adds a socket's descriptor */
void zbus_unwatch(int epoll, void *sock);
/* zmq_link.c */
wt_err zbus_monitor(struct zbus *z, void *sock, int events, void **out);
wt_err zbus_link_open(struct zbus *z, struct zbus_link *l);
void zbus_link_close(struct zbus *z, struct zbus_link *l);
void zbus_pump(struct zbus *z);                  /* looks at monitors and timer if they have news */
/* zmq_revoke.c: is "NAME ROLE KEY" what the allow-list says now? */
bool zbus_listed(struct zbus *z, const char *user);
void zbus_revoke(struct zbus *z);                /* cuts peers whose key is not listed any more */
void zbus_cut(const struct zbus *z, int fd);     /* shuts a connection of ours; else nothing */
/* zmq_peer.c: number of the peer that a message came from; false: not who it says. */
bool zbus_identify(struct zbus *z, const struct zbus_id *from, const char *user, uint32_t *peer);
/* The same connection, as ROUTER names it. */
bool zbus_same(const struct zbus_id *a, const struct zbus_id *b);
void zbus_forget_route(struct zbus_peer *p);     /* that connection is never again p's */
struct zbus_peer *zbus_peer_new(struct zbus *z, uint32_t *index);        /* zeroed, in peers */
/* "NAME ROLE KEY" into the lengths of name and role; false: it is none. */
bool zbus_split(const char *user, size_t *name, size_t *role);
struct zbus_peer *zbus_peer(struct zbus *z, uint32_t peer);      /* NULL: not a bound one */
/* zmq_conn.c: as zbus_identify, of a bus with per_key; what closed; who may be gone. */
bool zbus_connection(struct zbus *z, const struct zbus_id *from, const char *user, uint32_t *peer);
void zbus_connection_over(struct zbus *z, struct zbus_peer *p);  /* its number is nobody's now */
void zbus_closed(struct zbus *z, int fd, uint64_t now);
void zbus_probe(struct zbus *z);
/* zmq_io.c */
wt_err zbus_send(void *impl, wt_msg *m);
wt_err zbus_recv(void *impl, wt_msg **out);
#endif
