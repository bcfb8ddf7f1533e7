/* bio.c - how OpenSSL reaches a socket: as its own way does, but a peer that is gone is an error
 * and no SIGPIPE, whoever forgot to ignore that. */
#include "tls/tls_impl.h"
#include <errno.h>
#include <sys/socket.h>
#include <openssl/bio.h>

static int again(BIO *b, ssize_t n, int flag)
{
        BIO_clear_retry_flags(b);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
                BIO_set_flags(b, flag | BIO_FLAGS_SHOULD_RETRY);
        return (int)n;
}

static int put(BIO *b, const char *p, int n)
{
        return again(b, send((int)(intptr_t)BIO_get_data(b), p, (size_t)n, MSG_NOSIGNAL),
                     BIO_FLAGS_WRITE);
}

static int get(BIO *b, char *p, int n)
{
        ssize_t got = recv((int)(intptr_t)BIO_get_data(b), p, (size_t)n, 0);

        if (got == 0)
                BIO_set_flags(b, BIO_FLAGS_IN_EOF);
        return again(b, got, BIO_FLAGS_READ);
}

static long control(BIO *b, int what, long n, void *p)
{
        (void)n; (void)p;
        if (what == BIO_CTRL_EOF)
                return BIO_test_flags(b, BIO_FLAGS_IN_EOF) != 0;
        return what == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;
static pthread_once_t made = PTHREAD_ONCE_INIT;

static void make(void)
{
        method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
        if (method &&
            (BIO_meth_set_write(method, put) != 1 || BIO_meth_set_read(method, get) != 1 ||
             BIO_meth_set_ctrl(method, control) != 1)) {
                BIO_meth_free(method);
                method = NULL;
        }
}

bool tls_socket(SSL *ssl, int fd)
{
        BIO *b;

        pthread_once(&made, make);
        b = method ? BIO_new(method) : NULL;
        if (!b)
                return false;
        BIO_set_data(b, (void *)(intptr_t)fd);
        BIO_set_init(b, 1);
        SSL_set_bio(ssl, b, b);                  /* the link's now, for both ways */
        return true;
}
