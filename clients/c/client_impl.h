/* client_impl.h - what the files of the C client share: client.c opens and turns, call.c is one
 * call, text.c asks in words. */
#ifndef WITAN_CLIENTS_C_CLIENT_IMPL_H
#define WITAN_CLIENTS_C_CLIENT_IMPL_H
#include <stdbool.h>
#include "base/buf.h"
#include "bus/bus.h"
#include "witan/client.h"

enum { MOST_PAIRS = 32, MOST_BODY = 8 << 20, WORDS_BYTES = 1100 };

/* A call: waits to be sent (sent false), is out, or is over and goes at the end of the turn. */
struct call {
        struct call *next;
        uint64_t id, wire_id;                    /* the user's; of this try */
        char path[129];
        struct wt_buf request, pairs;            /* pairs: key NUL value NUL ... */
        uint32_t n_pairs, credit, taken;         /* taken: messages not granted anew yet */
        uint32_t retries;                        /* left */
        bool hold, sent, begun, cancelled, over; /* begun: something of the answer has come */
        uint64_t seq;                            /* of the next message */
        uint64_t deadline_us, connect_us;        /* connect_us: how long without a connection */
        uint64_t lost_us;                        /* since when it finds none; 0: not tried */
        uint64_t next_us, backoff_us;            /* not sent: when to try */
        struct witan_handler h;
};

struct witan_client {
        wt_bus *bus;
        char endpoint[256], bearer[256], public_key[41], secret_key[41], server_key[41];
        struct call *calls;
        uint64_t last_id;
        bool turning;
        char words[WORDS_BYTES];
        struct wt_buf ended;                     /* metadata of the last call: key NUL value NUL */
        char model[128];                         /* the first that is served, once asked for */
};

uint64_t client_now(void);
/* call.c */
void call_free(struct call *t);
void call_end(witan_client *c, struct call *t, int status, const char *words);
void call_send(witan_client *c, struct call *t, uint64_t now);
void call_lost(witan_client *c, struct call *t, uint64_t now);   /* the connection broke */
void call_take(witan_client *c, struct call *t, const wt_msg *m);
void call_tell(witan_client *c, const struct call *t, uint32_t method, uint32_t credit);
/* client.c: turns until the call is over. */
int client_wait(witan_client *c, uint64_t id);
#endif
