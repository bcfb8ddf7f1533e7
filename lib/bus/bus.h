/* bus.h - messages between services. Two transports behind one table: zmq (ROUTER/DEALER with
 * CURVE and a ZAP allow-list, for tcp:// and ipc://) and inproc (queues in one process, for
 * inproc://); a bus may be bound on both. One thread owns a bus. Only lib/bus/zmq*.c includes
 * zmq.h.
 *
 * A service that binds sees many peers; one that connects sees the services it connected to, in
 * order of its endpoints: peer 0, 1, ... A message belongs to whoever holds it: a send that
 * succeeds takes it, one that fails does not. */
#ifndef WITAN_BUS_BUS_H
#define WITAN_BUS_BUS_H
#include <stdbool.h>
#include "wire/wire.h"

typedef struct wt_bus wt_bus;

/* A tensor's bytes. The bus owns them and frees them with the message. */
struct wt_frame { void *data; size_t len; };

typedef struct wt_msg {
        struct wt_envelope env;
        uint32_t peer;                           /* from whom, or to whom */
        struct wt_frame frame[WT_MAX_TENSORS];   /* env.n_tensors of them */
        struct wt_arena arena;                   /* body and strings live here */
        wt_err fault;                            /* of a bus with faults: see there; else WT_OK */
        wt_bus *home;                            /* whose free list it goes back to */
        struct wt_msg *next;
} wt_msg;

struct wt_bus_keys {                             /* CURVE; all NULL: only inproc:// is allowed */
        const char *public_key, *secret_key;     /* Z85, 40 characters */
        const char *server_key;                  /* of the services connected to */
        const char *allow_file;                  /* binds: lines "NAME ROLE PUBLICKEY"; read again
                                                  * when it changes; ZAP refuses unlisted keys,
                                                  * and a peer whose key is taken off is cut off
                                                  * within a second, as if it had gone */
};
struct wt_bus_conf {
        const char *name;                        /* own name; zmq: peers know us by our key alone */
        const char *bind;                        /* endpoint or NULL; port '*': any free port;
                                                  * "inproc://A,tcp://B": peers of this process
                                                  * and of others on one bus, which connects to
                                                  * none */
        const char *const *connect; uint32_t n_connect;
        struct wt_bus_keys keys;
        const struct wt_bus_ops *transport;      /* NULL: chosen by the endpoint's scheme */
        uint32_t hwm;                            /* messages queued per peer; 0: 10,000 */
        uint32_t per_key;                        /* zmq, binds alone: each connection is a peer of
                                                  * its own, and so many of one key at most; 0: a
                                                  * key is one peer, its later connection takes the
                                                  * place of the earlier one */
        bool faults;                             /* what breaks a limit or a check is counted, but
                                                  * not dropped where its call_id can be read: a
                                                  * message whose fault is WT_EINVAL, or
                                                  * WT_EEXHAUSTED for its length, env.message the
                                                  * words, and nothing but call_id beside */
        void *arg;                               /* for a test's transport */
};

/* "libzmq 4.3.4 with CURVE", for people. */
void wt_bus_library(char out[64]);
bool wt_bus_can_encrypt(void);                   /* the library was built with CURVE */
/* WT_EEXIST: "tcp://127.0.0.1:7071 is in use; ...". */
wt_err wt_bus_open(wt_bus **out, const struct wt_bus_conf *conf);
void wt_bus_close(wt_bus *b);                    /* drops what is queued after LINGER (1 s) */
/* As bound, with the port that was taken; of a bus on both transports both, with a comma. */
const char *wt_bus_endpoint(const wt_bus *b);
/* For poll or epoll. Edge triggered by nature: after each wake and after each send, receive until
 * WT_EAGAIN before waiting again; wt_bus_ready says whether something waits now. */
int wt_bus_fd(const wt_bus *b);
bool wt_bus_ready(wt_bus *b);
/* Before a sleep on wt_bus_fd: nothing waits, and what comes from now on will wake it. Costs nothing
 * when nothing was sent since the last WT_EAGAIN; but it is no look: what has come since then makes
 * the descriptor readable and leaves this true. */
bool wt_bus_settled(wt_bus *b);

/* An empty message from the bus's free list: arena warm, nothing set. Never NULL. */
wt_msg *wt_msg_new(wt_bus *b);
void wt_msg_free(wt_msg *m);                     /* NULL is fine; back to its home, any time */
/* Adds a tensor frame of the given type and shape and returns its memory (not zeroed, 64-aligned,
 * from the bus's pool): the caller fills it before sending. */
void *wt_msg_tensor(wt_msg *m, uint32_t dtype, uint32_t n_dim, const uint32_t *shape);

/* Never blocks. Takes m when it returns WT_OK. WT_EUNAVAILABLE: the peer is gone; WT_EAGAIN: its
 * queue is full (m stays the caller's). */
wt_err wt_bus_send(wt_bus *b, wt_msg *m);
/* Never blocks. The next whole message, decoded, its frames matched with env.tensors and checked by
 * wt_wire_check; WT_EAGAIN: none waits. A message that fails a check is dropped, counted by reason,
 * and the next one is looked at. */
wt_err wt_bus_recv(wt_bus *b, wt_msg **out);
/* Sleeps until a message waits, fd (-1: none) becomes readable, or the time is over. */
void wt_bus_wait(wt_bus *b, int fd, uint64_t timeout_us);

/* Peers of a bus that binds. A peer keeps its number while it is connected under its name; a
 * reconnection under the same name keeps the number too (its hello carries a new incarnation).
 * With per_key a number is a connection's: it ends with it, and names no other one for long after
 * (65,535 connections later at the least). A connection beyond the bound is a peer as well, but one
 * over: fit to be told so, and maybe forgotten when the next one over speaks. */
uint32_t wt_bus_peers(const wt_bus *b);          /* numbers below this have been given out; not with
                                                  * per_key */
const char *wt_bus_peer_name(const wt_bus *b, uint32_t peer);   /* from the allow-list, by key; ""
                                                  * of a connection that is over */
const char *wt_bus_peer_role(const wt_bus *b, uint32_t peer);   /* "" inproc: as named in connect */
const char *wt_bus_peer_address(const wt_bus *b, uint32_t peer);        /* "10.0.0.7", without port;
                                                  * "" where there is none: ipc, inproc */
bool wt_bus_peer_here(const wt_bus *b, uint32_t peer);  /* false: it has gone, as far as is known */
bool wt_bus_peer_over(const wt_bus *b, uint32_t peer);  /* one more than per_key allows */
/* Of an endpoint that this bus connects to: the last handshake was refused, our key or theirs being
 * wrong, and nothing has come of a later try yet. False, too, where nobody listens. */
bool wt_bus_peer_refuses(const wt_bus *b, uint32_t peer);
/* True once after one or more peers may have gone (their connection closed): find out by ping.
 * A bus that connects says hello again then: after a reconnection the bound side can send to it
 * only once it has spoken (until then WT_EUNAVAILABLE). */
bool wt_bus_lost(wt_bus *b);

struct wt_bus_stats { uint64_t sent, received, bytes_sent, bytes_received, refused_keys,
                      dropped_malformed, dropped_too_long, dropped_identity; };
void wt_bus_stats(const wt_bus *b, struct wt_bus_stats *out);

/* Splits the setting routers_at ("tcp://a:1,tcp://b:1") into out (most), copied into room
 * (bytes). */
wt_err wt_bus_endpoints(const char *list, char *room, size_t bytes, const char **out, uint32_t most,
                        uint32_t *n);

/* A new CURVE pair in Z85. WT_EUNSUPPORTED in a build with libc alone. */
wt_err wt_bus_keypair(char public_key[41], char secret_key[41]);

/* The table behind it; tests bring their own (tests/sim: drops, delays, shuffles by seed). */
struct wt_bus_ops {
        const char *scheme;
        wt_err (*open)(void **impl, wt_bus *b, const struct wt_bus_conf *c);
        void (*close)(void *impl);
        int (*fd)(void *impl);
        bool (*ready)(void *impl);
        wt_err (*send)(void *impl, wt_msg *m);
        wt_err (*recv)(void *impl, wt_msg **out);
        void (*wait)(void *impl, int fd, uint64_t timeout_us);
        const char *(*endpoint)(void *impl);
        uint32_t (*peers)(void *impl);
        const char *(*peer_name)(void *impl, uint32_t peer);
        const char *(*peer_role)(void *impl, uint32_t peer);
        bool (*lost)(void *impl);
        /* Each may be NULL: "", here, not over, does not refuse, not ready. */
        const char *(*peer_address)(void *impl, uint32_t peer);
        bool (*peer_here)(void *impl, uint32_t peer);
        bool (*peer_over)(void *impl, uint32_t peer);
        bool (*peer_refuses)(void *impl, uint32_t peer);
        bool (*settled)(void *impl);
};
extern const struct wt_bus_ops wt_bus_inproc;
extern const struct wt_bus_ops wt_bus_zmq;       /* absent from the build with libc alone */
extern const struct wt_bus_ops wt_bus_both;      /* the two above, for a bus that is bound twice */
#endif
