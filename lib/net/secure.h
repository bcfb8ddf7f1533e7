/* secure.h - what may lie between a connection and its socket: a table of functions, so that this
 * floor knows no cryptography. lib/tls/tls.h makes one; NULL is plain TCP. The socket stays the
 * caller's, connected and non-blocking; one thread has a link at a time. */
#ifndef WITAN_NET_SECURE_H
#define WITAN_NET_SECURE_H
#include <stdbool.h>
#include <sys/types.h>
#include "base/err.h"

typedef struct wt_link wt_link;                  /* one connection's; the table's own */

struct wt_secure {
        /* host: whom a client means to reach, borrowed for the call; NULL on a server. */
        wt_err (*open)(wt_link **out, void *arg, int fd, const char *host);
        /* Goes on with the handshake. WT_EAGAIN: see waits. Else it has failed, in words. recv and
         * send do it too, when nobody did. */
        wt_err (*shake)(wt_link *l);
        bool (*shaken)(const wt_link *l);
        /* As recv(2) and send(2): bytes; 0 when the peer said farewell (recv); -1 with errno EAGAIN
         * (see waits), ECONNRESET (gone without a farewell) or EPROTO (words say what is wrong):
         * then the link is of no more use. After EAGAIN, send is called again with the same bytes
         * first, wherever they lie then. recv wants room for a whole record, 16 KiB. */
        ssize_t (*recv)(wt_link *l, void *p, size_t n);
        ssize_t (*send)(wt_link *l, const void *p, size_t n);
        /* What the call that said EAGAIN waits for on the socket: WT_READ or WT_WRITE. */
        unsigned (*waits)(const wt_link *l);
        void (*bye)(wt_link *l);                 /* the farewell, if the link can still say it */
        void (*close)(wt_link *l);               /* NULL is fine */
        void *arg;
};
#endif
