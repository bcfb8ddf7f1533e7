/* rpc.h - the RPC door: calls of protobuf messages over ZeroMQ with CURVE (docs/wire.md and
 * proto/witan/v1/rpc.proto). A call becomes a request like one of HTTP: its message as JSON at the
 * same door, its answer as messages again. One thread: the gateway's loop. */
#ifndef WITAN_GATEWAY_RPC_H
#define WITAN_GATEWAY_RPC_H
#include "bus/bus.h"
#include "caller.h"
#include "net/loop.h"
#include "wire/api.h"

struct gateway;
struct request;

/* A message of the answer that waits for credit. */
struct rpc_piece { struct rpc_piece *next; struct wt_buf body; };

struct rpc_call {
        struct rpc *rpc;
        wt_msg *msg;                             /* the call: its metadata lives in it */
        const struct wt_rpc_call *body;
        const struct api_method *method;
        struct request *request;                 /* NULL: over, or never begun */
        uint32_t peer; uint64_t id;              /* peer: a connection */
        char key_id[65], source[64];             /* whose it is; from where, as "10.0.0.7" */
        struct wt_buf json;                      /* the request as the door reads it */
        uint64_t credit, seq, unsent;            /* unsent: bytes in pieces */
        struct rpc_piece *piece, **last;
        struct wt_buf headers;                   /* lines, for the end's metadata */
        bool ended; wt_err status; char words[1024];     /* how it ends, once known */
        bool closed;                             /* the request is done with it: c goes when all is
                                                  * sent */
        bool lost;                               /* a send failed: rpc_drain ends it */
        bool full;                               /* its request waits until all pieces are sent */
        bool stuck;                              /* what credit allows does not go: the connection
                                                  * is not read; tried again by rpc_tick */
        uint64_t since_us;                       /* since when it takes nothing of what is there;
                                                  * 0: nothing is */
        struct wt_timer deadline;
        struct rpc_call *next, *prev;            /* open calls */
        struct rpc_call *next_in_bucket;
};

enum { RPC_BUCKETS = 1024 };                    /* rpc_calls is some thousands at most */
struct rpc {
        struct gateway *gateway;
        wt_bus *bus;
        wt_loop *loop;
        struct rpc_call *open; uint32_t n_open, max_open, per_key;
        struct rpc_call *bucket[RPC_BUCKETS];    /* open calls, by (peer, id) */
        bool woke;                               /* the bus has news, or it is time to look */
        bool some_lost;                          /* open has calls that are */
        size_t max_unsent, max_unsent_all;       /* bytes of answers that clients do not take: of
                                                  * one call; of all, and of HTTP's with them */
        uint64_t unsent, idle_us;                /* of all calls; how long one may take nothing */
        char allow_file[4096]; uint64_t allowed_version; /* of wt_identity_rpc_version */
        uint64_t calls, refused, cut, faults;    /* metrics; faults: of the wire, answered */
};

/* rpc.c. endpoint: as for a bus, bound here. keys NULL: inproc only. */
struct rpc_conf { const char *endpoint; struct wt_bus_keys keys; wt_loop *loop;
                  uint32_t max_open;
                  uint32_t per_key;              /* connections of one client file at once */
                  size_t max_unsent, max_unsent_all; uint64_t idle_us; };
wt_err rpc_open(struct rpc **out, const struct rpc_conf *conf);
void rpc_start(struct rpc *r, struct gateway *g);        /* from now on it serves */
void rpc_close(struct rpc *r);                   /* NULL is fine; open calls end UNAVAILABLE */
bool rpc_drain(struct rpc *r);                   /* reads the socket; true: more is there */
/* A few times a second: peers, the allow-list, calls that take nothing. */
void rpc_tick(struct rpc *r);
uint64_t rpc_unsent(const struct rpc *r);        /* bytes that clients do not take; r NULL: 0 */
const char *rpc_endpoint(const struct rpc *r);
void rpc_metrics(const struct rpc *r, struct wt_buf *out);

/* rpc_call.c */
struct caller rpc_caller(struct rpc_call *c);
void rpc_flush(struct rpc_call *c);              /* what credit allows; may free c */
void rpc_end(struct rpc_call *c, wt_err status, const char *words);     /* the first one counts */
void rpc_done(struct rpc_call *c);               /* no more comes: closes and flushes it */
struct rpc_call **rpc_bucket(struct rpc *r, uint32_t peer, uint64_t id);        /* rpc.c */
void rpc_free(struct rpc_call *c);               /* unlinks, without a word */
void rpc_lost(struct rpc_call *c);               /* nobody waits for it: its request ends */
/* It ends now, whatever of its answer is left, and frees c. */
void rpc_cut(struct rpc_call *c, wt_err status, const char *words);
#endif
