/* http.h - a small strict HTTP/1.1 server on the reactor (RFC 9112): keep-alive, Content-Length and
 * chunked bodies, Expect: 100-continue, pipelining one at a time. Refused: both CL and TE, bare LF
 * in headers, obs-fold, bad tokens, repeated Content-Lengths, unknown transfer codings, HTTP/0.9
 * and 2. Limits answer 408, 413, 414, 431, 503. */
#ifndef WITAN_NET_HTTP_H
#define WITAN_NET_HTTP_H
#include <stdbool.h>
#include "base/buf.h"
#include "net/loop.h"
#include "net/secure.h"

struct wt_http_limits {
        size_t max_line, max_headers, max_body;  /* bytes */
        uint32_t max_connections;
        bool evict;                              /* beyond them the oldest one that is owed nothing
                                                  * makes room; else the new one is answered 503 */
        uint64_t request_timeout_us, idle_timeout_us;
        size_t max_unsent;                       /* of one connection */
        size_t max_unsent_all;                   /* of all; 0: 64 x max_unsent */
        size_t max_held;                         /* bodies of all connections; 0: 32 x max_body */
};
extern const struct wt_http_limits wt_http_default;     /* 8 KiB, 32 KiB, 8 MiB, 4096, 10 s, 75 s,
                                                         * 4 MiB */
typedef struct wt_http wt_http;                  /* a listener */
typedef struct wt_call wt_call;                  /* one request and its answer */

struct wt_http_handler {
        /* A whole request is here. The handler answers now or later, by wt_call_*; the call lives
         * until its answer is complete or on_gone was called. */
        void (*on_request)(void *arg, wt_call *c);
        /* The client left before the answer was complete: forget the call. Comes from the loop's
         * timers (or wt_http_close), never from inside wt_call_*; not after reply, end or abort. */
        void (*on_gone)(void *arg, wt_call *c);
        void *arg;
};
/* address "HOST:PORT", port 0: any. WT_EEXIST: "127.0.0.1:8080 is in use; ...". */
wt_err wt_http_listen(wt_http **out, wt_loop *l, const char *address,
                      const struct wt_http_limits *lim, const struct wt_http_handler *h);
/* Connections taken from now on speak by s (tls.h); borrowed until wt_http_close. Handshakes have
 * request_timeout_us. */
void wt_http_secure(wt_http *h, const struct wt_secure *s);
/* For writers that ask wt_call_full: it was true, and now all that was written has been sent. Comes
 * from the loop's timers, with the handler's arg. */
void wt_http_on_room(wt_http *h, void (*on_room)(void *arg, wt_call *c));
const char *wt_http_address(const wt_http *h);   /* as bound */
void wt_http_drain(wt_http *h);                  /* no new connections; idle ones are closed */
uint32_t wt_http_open(const wt_http *h);         /* connections */
size_t wt_http_unsent(const wt_http *h);         /* bytes of answers that wait for their readers */
void wt_http_close(wt_http *h);                  /* cuts all; not from inside a handler */

/* Request; lent until the answer is complete. */
const char *wt_call_method(const wt_call *c);
const char *wt_call_path(const wt_call *c);      /* without query; percent-decoding is not done */
const char *wt_call_query(const wt_call *c);     /* after '?', or "" */
const char *wt_call_header(const wt_call *c, const char *name);  /* any case; NULL: absent */
const char *wt_call_body(const wt_call *c, size_t *len);
void **wt_call_user(wt_call *c);                 /* one pointer for the handler */
const char *wt_call_peer(const wt_call *c);      /* "127.0.0.1:53214" */
/* The client will send nothing more. It may still read (nc -N), or it closed: a streamed answer
 * finds out by its next write; who computes long before the first byte may choose to believe the
 * worse. */
bool wt_call_half_closed(const wt_call *c);

/* Answer whole: headers is NULL or "Name: value\r\n..." lines to add. */
void wt_call_reply(wt_call *c, int status, const char *type, const char *headers,
                   const void *body, size_t len);
/* Answer as a stream (chunked): begin, then write any number of times, then end. write returns
 * false when the client is gone, or when more than max_unsent lay unsent before it (then the
 * connection is cut and on_gone follows). A writer that asks full before it writes is never cut for
 * that: what it has to say waits until on_room, and a reader that takes nothing for idle_timeout is
 * cut. Full is a connection with more than max_unsent unsent, or with anything while all together
 * have more than max_unsent_all; so one whose reader keeps up never waits for the slow ones. abort
 * cuts the connection so that the client sees a broken stream. */
void wt_call_begin(wt_call *c, int status, const char *type, const char *headers);
bool wt_call_write(wt_call *c, const void *data, size_t len);
bool wt_call_full(wt_call *c);
void wt_call_end(wt_call *c);
void wt_call_abort(wt_call *c);

/* The parser alone, for tests and fuzzing: feeds bytes; returns how many were used. state: needs
 * more, request complete, or refused with an HTTP status. */
enum wt_http_state { WT_HTTP_MORE, WT_HTTP_DONE, WT_HTTP_REFUSED };
struct wt_http_parser;
size_t wt_http_parser_bytes(void);
void wt_http_parser_init(struct wt_http_parser *p, const struct wt_http_limits *lim);
size_t wt_http_parser_feed(struct wt_http_parser *p, const char *data, size_t len,
                           enum wt_http_state *state);
int wt_http_parser_status(const struct wt_http_parser *p, const char **why);
void wt_http_parser_fini(struct wt_http_parser *p);

/* A blocking client for the command line: one request, the body handed to each as it comes (NULL:
 * collected into out, at most 64 MiB). headers: lines or NULL. url: http://HOST:PORT/path, or https
 * where wt_http_secure_client said how. status out, as soon as it is known. timeout_us: the longest
 * silence. each returns false to stop: WT_ECANCELLED; it is called without bytes when a signal
 * comes. WT_EUNAVAILABLE: nobody listens, or the answer broke off; WT_EDEADLINE. */
wt_err wt_http_fetch(const char *method, const char *url, const char *headers, const void *body,
                     size_t len, uint64_t timeout_us, int *status, struct wt_buf *out,
                     bool (*each)(void *arg, const char *data, size_t n), void *arg);
/* The same by s; NULL: https:// is refused, WT_EPRECONDITION. WT_EUNAVAILABLE also when the
 * handshake fails: nobody who can be trusted answers there. */
wt_err wt_http_fetch_by(const struct wt_secure *s, const char *method, const char *url,
                        const char *headers, const void *body, size_t len, uint64_t timeout_us,
                        int *status, struct wt_buf *out,
                        bool (*each)(void *arg, const char *data, size_t n), void *arg);
/* By what wt_http_fetch speaks https, for the whole process; once, before threads. Borrowed. */
void wt_http_secure_client(const struct wt_secure *s);
#endif
