/* link.c - one connection under TLS. */
#include "tls/tls_impl.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include "net/loop.h"

struct wt_link {
        SSL *ssl;
        wt_tls *side;
        unsigned waits;
        bool counted, broken, said_bye;
        char host[256];                          /* client: for words */
};

/* ---- opening ---- */

static bool is_address(const char *host)
{
        unsigned char room[sizeof(struct in6_addr)];

        return inet_pton(AF_INET, host, room) == 1 || inet_pton(AF_INET6, host, room) == 1;
}

/* Whom the certificate must be for, and what the server is told of it. One that is pinned may be
 * for anybody. */
static bool expect(SSL *ssl, const char *host, bool pinned)
{
        if (pinned)
                return is_address(host) || SSL_set_tlsext_host_name(ssl, host) == 1;
        if (is_address(host))
                return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
        SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

static wt_err make_ssl(SSL **out, wt_tls *t, int fd)
{
        wt_err err = WT_OK;
        SSL *ssl = NULL;

        pthread_mutex_lock(&t->lock);
        if (!t->ctx)
                err = tls_trust(t, "");
        if (err == WT_OK)
                ssl = SSL_new(t->ctx);           /* holds the context, whatever is reloaded */
        pthread_mutex_unlock(&t->lock);
        if (err == WT_OK && (!ssl || !tls_socket(ssl, fd))) {
                ERR_clear_error();
                SSL_free(ssl);
                err = wt_fail(WT_ENOMEM, "no memory for a connection under TLS");
        }
        if (err == WT_OK)
                *out = ssl;
        return err;
}

static wt_err link_open(wt_link **out, void *arg, int fd, const char *host)
{
        wt_link *l = calloc(1, sizeof *l);
        wt_tls *t = arg;
        wt_err err = l ? make_ssl(&l->ssl, t, fd)
                       : wt_fail(WT_ENOMEM, "no memory for a connection under TLS");

        if (err != WT_OK) {
                free(l);
                return err;
        }
        l->side = t;
        l->waits = WT_READ;
        if (!t->client) {
                SSL_set_accept_state(l->ssl);
                *out = l;
                return WT_OK;
        }
        host = t->name[0] ? t->name : host;
        if (strlen(host) >= sizeof l->host || !expect(l->ssl, host, t->cert != NULL)) {
                ERR_clear_error();
                SSL_free(l->ssl);
                free(l);
                return wt_fail(WT_EINVAL, "\"%.200s\" is no name that a certificate could be for",
                               host);
        }
        strcpy(l->host, host);
        SSL_set_connect_state(l->ssl);
        *out = l;
        return WT_OK;
}

/* ---- what a call came to ---- */

/* Words for a link that has failed: of the certificate where that is why. */
static void word(const wt_link *l)
{
        long verified = SSL_get_verify_result(l->ssl);
        char why[200];

        if (l->side->client && !SSL_is_init_finished(l->ssl) && verified != X509_V_OK) {
                ERR_clear_error();
                wt_fail(WT_EUNAVAILABLE, "the certificate of \"%s\" is not trusted: %s; cacert "
                        "names a file of the authorities to trust, tls_name whom to expect",
                        l->host, X509_verify_cert_error_string(verified));
        } else {
                wt_fail(WT_EUNAVAILABLE, "TLS: %s", tls_why(why, sizeof why));
        }
}

/* The meaning of a call that returned n <= 0: 0 is the peer's farewell, else -1 and errno. */
static int meaning(wt_link *l, int n)
{
        int failed = errno, what = SSL_get_error(l->ssl, n);

        switch (what) {
        case SSL_ERROR_WANT_READ: case SSL_ERROR_WANT_WRITE:
                l->waits = what == SSL_ERROR_WANT_READ ? WT_READ : WT_WRITE;
                errno = EAGAIN;
                return -1;
        case SSL_ERROR_ZERO_RETURN:
                return 0;
        case SSL_ERROR_SYSCALL:
                l->broken = true;
                ERR_clear_error();
                wt_fail(WT_EUNAVAILABLE, "TLS: the connection is gone");
                errno = failed ? failed : ECONNRESET;
                return -1;
        default:
                l->broken = true;
                failed = ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING
                                 ? ECONNRESET : EPROTO;
                word(l);
                errno = failed;
                return -1;
        }
}

/* Before each call into OpenSSL: what is in its queue is not of this link. */
static void begin(void)
{
        ERR_clear_error();
        errno = 0;
}

static void count(wt_link *l)
{
        if (l->counted || !SSL_is_init_finished(l->ssl))
                return;
        l->counted = true;
        __atomic_fetch_add(&l->side->shaken, 1, __ATOMIC_RELAXED);
}

static wt_err link_shake(wt_link *l)
{
        int n;

        begin();
        n = SSL_do_handshake(l->ssl);
        if (n == 1) {
                count(l);
                return WT_OK;
        }
        if (meaning(l, n) == 0)
                return wt_fail(WT_EUNAVAILABLE, "TLS: the peer left during the handshake");
        return errno == EAGAIN ? WT_EAGAIN : WT_EUNAVAILABLE;
}

static bool link_shaken(const wt_link *l) { return SSL_is_init_finished(l->ssl); }

static ssize_t link_recv(wt_link *l, void *p, size_t n)
{
        int got;

        if (l->broken) {
                errno = ECONNRESET;
                return -1;
        }
        begin();
        got = SSL_read(l->ssl, p, n > INT32_MAX ? INT32_MAX : (int)n);
        count(l);
        return got > 0 ? got : meaning(l, got);
}

static ssize_t link_send(wt_link *l, const void *p, size_t n)
{
        int sent;

        if (l->broken || l->said_bye) {
                errno = ECONNRESET;
                return -1;
        }
        begin();
        sent = SSL_write(l->ssl, p, n > INT32_MAX ? INT32_MAX : (int)n);
        count(l);
        if (sent > 0)
                return sent;
        if (meaning(l, sent) == 0) {             /* cannot be: a farewell is heard by reading */
                l->broken = true;
                errno = ECONNRESET;
        }
        return -1;
}

static unsigned link_waits(const wt_link *l) { return l->waits; }

static void link_bye(wt_link *l)
{
        if (l->broken || l->said_bye || !SSL_is_init_finished(l->ssl))
                return;
        l->said_bye = true;
        begin();
        SSL_shutdown(l->ssl);                    /* one record; nobody waits for its leaving */
        ERR_clear_error();
}

static void link_close(wt_link *l)
{
        if (!l)
                return;
        if (!l->counted && BIO_number_read(SSL_get_rbio(l->ssl)) > 0)
                __atomic_fetch_add(&l->side->failed, 1, __ATOMIC_RELAXED);
        SSL_free(l->ssl);
        ERR_clear_error();
        free(l);
}

const struct wt_secure tls_table = {
        .open = link_open, .shake = link_shake, .shaken = link_shaken, .recv = link_recv,
        .send = link_send, .waits = link_waits, .bye = link_bye, .close = link_close,
};
