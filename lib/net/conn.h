/* conn.h - one connection and its one call, for this folder only.
 *
 *   READING --whole request--> ANSWERING --answer complete--> READING or CLOSING
 *   READING --refused--> CLOSING --all sent--> LINGERING --peer closed, or silent--> DEAD
 *   any --reset, cut, stalled--> DEAD --next turn--> on_gone if an answer was owed; freed
 *
 * A half-closed client (FIN after its request) still gets its answer, since nothing tells it from
 * one that is gone. One that is gone answers the next byte with a reset, which is seen at once,
 * whether or not anything is being written then; while nothing is written keep-alive probes find
 * it. */
#ifndef WITAN_NET_CONN_H
#define WITAN_NET_CONN_H
#include "net/parse.h"
#include "net/secure.h"

enum mode { READING, ANSWERING, CLOSING, LINGERING, DEAD };
enum timed { T_NONE, T_SHAKE, T_IDLE, T_REQUEST, T_STALL, T_LINGER };

struct wt_call {
        struct conn *conn;
        void *user;
        bool owed;                               /* the handler has not completed its answer */
        bool begun, chunked, bodiless;           /* bodiless: HEAD, 204, 304 */
        bool waits;                              /* was told that it is full: on_room is owed */
};

struct conn {
        struct wt_http *http;
        struct conn *next, **link;
        int fd;
        wt_link *tls;                            /* NULL: plain TCP */
        unsigned want, read_waits, send_waits;   /* on what a read or a write waits: of itself
                                                  * WT_READ or WT_WRITE, under TLS either */
        uint8_t mode, timed;
        bool eof, said_continue, close_after, in_step;
        char peer[64];
        struct wt_buf in, out;                   /* in: bytes behind the request being answered */
        size_t in_at, out_at, lingered, held, counted;   /* counted: unsent, in http->unsent */
        uint64_t limit_us;                       /* when the limit of `timed` is over */
        uint64_t linger_end;                     /* what a refused client still writes is read until
                                                  * then */
        struct wt_timer limit, kick;
        struct wt_call call;
        struct wt_http_parser parser;
};

struct wt_http {
        wt_loop *loop;
        const struct wt_secure *secure;          /* NULL: plain TCP */
        int fd;                                  /* -1: drained */
        bool draining;
        struct wt_http_handler handler;
        void (*on_room)(void *arg, wt_call *c);
        struct wt_http_limits lim;
        char address[80];
        struct conn *conns;
        uint32_t n_open;
        size_t held;                             /* bytes of bodies in memory */
        size_t unsent;                           /* bytes of answers in memory */
        struct wt_timer rest;                    /* no descriptors: accepts again later */
        int64_t date_at;
        char date[32];
        char scratch[64 << 10];                  /* one read; shared, since all run on one thread */
};

/* conn.c */
wt_err conn_new(struct wt_http *h, int fd, const char *peer, bool over);
void conn_die(struct conn *c);                   /* freed by the loop's next timers */
void conn_free(struct conn *c);
bool conn_idle(const struct conn *c);
bool conn_flush(struct conn *c);                 /* sends what it can; false: dead */
size_t conn_unsent(const struct conn *c);
bool conn_room(struct conn *c, size_t n);        /* n bytes more to send; false: no memory, dead */
void conn_answered(struct conn *c);              /* the handler's answer is complete */
void conn_settle(struct conn *c);                /* what to wait for now, and until when */
void conn_refuse(struct conn *c, int status, const char *why);

/* io.c: the socket, or the link on it. As recv(2) and send(2). */
ssize_t conn_recv(struct conn *c, void *p, size_t n);
ssize_t conn_send(struct conn *c, const void *p, size_t n);
bool conn_shaken(const struct conn *c);
void conn_bye(struct conn *c);                   /* under TLS the farewell; else nothing */
void conn_unlink(struct conn *c, bool in_order);

/* head.c: with room for a body of that length behind it; dead without memory */
void conn_head(struct conn *c, int status, const char *type, const char *headers, int64_t length);
#endif
