/* tls_impl.h - one side of TLS; for this folder only. */
#ifndef WITAN_TLS_TLS_IMPL_H
#define WITAN_TLS_TLS_IMPL_H
#include <pthread.h>
#include <sys/stat.h>
#include <openssl/ssl.h>
#include "tls/tls.h"

/* What tells one state of a file from another. */
struct stamp { int64_t s, ns, size; uint64_t inode; };

struct wt_tls {
        struct wt_secure table;
        pthread_mutex_t lock;                    /* of ctx and the times: reload may be elsewhere */
        SSL_CTX *ctx;                            /* of links opened from now on; NULL: of a client,
                                                  * made when needed */
        int64_t not_before, not_after;
        uint64_t shaken, failed, reloads;        /* atomic */
        bool client, only_13;
        char *cert, *key;                        /* a client's cert: the one it expects */
        X509 *pinned;
        struct stamp seen[2];                    /* of cert and key, when they were looked at */
        char name[256];                          /* client: whom to expect, "" the host */
};

extern const struct wt_secure tls_table;         /* link.c; arg is the side */

/* tls.c: makes a client's ctx; ca "": the system's authorities. */
wt_err tls_trust(wt_tls *t, const char *ca);
/* bio.c: the link reads and writes fd, which stays the caller's. */
bool tls_socket(SSL *ssl, int fd);
/* The front of OpenSSL's error queue in words, which is emptied. */
const char *tls_why(char *room, size_t cap);
#endif
