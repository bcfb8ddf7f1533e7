/* rig.h - certificates made on the spot and a client of OpenSSL's own, for the tests of TLS. */
#ifndef WITAN_TLS_RIG_H
#define WITAN_TLS_RIG_H
#include "net/world.h"
#include <sys/stat.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

enum { DAY = 86400 };

struct rig { char dir[64], cert[96], key[96], other[96]; };

static UNUSED void write_pem(const char *path, mode_t mode, X509 *cert, EVP_PKEY *key,
                             const char *passphrase)
{
        FILE *f = fopen(path, "we");

        assert_non_null(f);
        assert_int_equal(fchmod(fileno(f), mode), 0);
        if (cert)
                assert_int_equal(PEM_write_X509(f, cert), 1);
        if (key)
                assert_int_equal(PEM_write_PrivateKey(f, key, passphrase ? EVP_aes_128_cbc() : NULL,
                                                      (const unsigned char *)passphrase,
                                                      passphrase ? (int)strlen(passphrase) : 0,
                                                      NULL, NULL), 1);
        fclose(f);
}

/* A certificate of its own making for san ("IP:127.0.0.1"), good from now + from to now + to
 * seconds, and its key, into the rig's two files. */
static UNUSED void make_cert(const struct rig *r, long serial, const char *san, long from, long to)
{
        EVP_PKEY *key = EVP_EC_gen("P-256");
        X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
        X509_EXTENSION *ca = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints,
                                                 "critical,CA:TRUE");
        X509 *cert = X509_new();
        X509_NAME *name = X509_get_subject_name(cert);

        assert_true(key && names && ca);
        X509_set_version(cert, 2);
        ASN1_INTEGER_set(X509_get_serialNumber(cert), serial);
        X509_gmtime_adj(X509_getm_notBefore(cert), from);
        X509_gmtime_adj(X509_getm_notAfter(cert), to);
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"witan test",
                                   -1, -1, 0);
        X509_set_issuer_name(cert, name);
        X509_set_pubkey(cert, key);
        X509_add_ext(cert, names, -1);
        X509_add_ext(cert, ca, -1);
        assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
        write_pem(r->cert, 0644, cert, NULL, NULL);
        write_pem(r->key, 0600, NULL, key, NULL);
        X509_EXTENSION_free(names);
        X509_EXTENSION_free(ca);
        X509_free(cert);
        EVP_PKEY_free(key);
}

static UNUSED void rig_open(struct rig *r)
{
        strcpy(r->dir, "/tmp/witan-tls-XXXXXX");
        assert_non_null(mkdtemp(r->dir));
        snprintf(r->cert, sizeof r->cert, "%s/cert.pem", r->dir);
        snprintf(r->key, sizeof r->key, "%s/key.pem", r->dir);
        snprintf(r->other, sizeof r->other, "%s/other.pem", r->dir);
        make_cert(r, 1, "IP:127.0.0.1,DNS:gateway.example", -DAY, DAY);
}

static UNUSED void rig_close(struct rig *r)
{
        unlink(r->cert);
        unlink(r->key);
        unlink(r->other);
        rmdir(r->dir);
}

/* ---- a client ---- */

struct peer { struct world *w; SSL_CTX *ctx; SSL *ssl; int fd; };

/* Connected, no handshake yet. least, most: protocol versions, 0: any. */
static UNUSED void peer_open(struct peer *p, struct world *w, int least, int most)
{
        p->w = w;
        p->ctx = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_security_level(p->ctx, 0);   /* or TLS 1.1 would not even be tried */
        SSL_CTX_set_min_proto_version(p->ctx, least);
        SSL_CTX_set_max_proto_version(p->ctx, most);
        SSL_CTX_set_mode(p->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
                         SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        p->ssl = SSL_new(p->ctx);
        p->fd = dial(w);
        assert_true(p->fd >= 0);
        SSL_set_fd(p->ssl, p->fd);
        SSL_set_connect_state(p->ssl);
}

static UNUSED void peer_close(struct peer *p)
{
        SSL_free(p->ssl);
        SSL_CTX_free(p->ctx);
        if (p->fd >= 0)
                close(p->fd);
        ERR_clear_error();
}

static UNUSED bool peer_waits(const struct peer *p, int n)
{
        int e = SSL_get_error(p->ssl, n);

        return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE;
}

/* True: shaken; false: refused. */
static UNUSED bool peer_shake(struct peer *p)
{
        int n;

        for (int turns = 0; turns < PATIENCE; turns++) {
                ERR_clear_error();
                n = SSL_do_handshake(p->ssl);
                if (n == 1)
                        return true;
                if (!peer_waits(p, n))
                        return false;
                turn(p->w);
        }
        fail_msg("the handshake never ends");
        return false;
}

static UNUSED void peer_put(struct peer *p, const char *s, size_t len)
{
        for (int turns = 0; len > 0 && turns < PATIENCE; turns++) {
                int n;

                ERR_clear_error();
                n = SSL_write(p->ssl, s, len > 65536 ? 65536 : (int)len);
                if (n > 0) {
                        s += n;
                        len -= (size_t)n;
                } else {
                        assert_true(peer_waits(p, n));
                }
                turn(p->w);
        }
        assert_int_equal(len, 0);
}

/* Reads what is there into the world's got. */
static UNUSED void peer_take(struct peer *p)
{
        struct wt_buf *b = &p->w->got;
        int n;

        ERR_clear_error();
        n = SSL_read(p->ssl, wt_buf_room(b, 64 << 10), 64 << 10);
        if (n > 0) {
                b->len += (size_t)n;
                b->data[b->len] = '\0';
        } else if (!peer_waits(p, n)) {
                p->w->ended = true;
        }
}

static UNUSED void peer_until(struct peer *p, const char *word)
{
        WAIT_FOR(p->w, (peer_take(p), has(p->w, word) || p->w->ended));
        if (!has(p->w, word))
                fail_msg("ended before \"%s\": %s", word, p->w->got.data ? p->w->got.data : "");
}

static UNUSED void peer_to_end(struct peer *p)
{
        WAIT_FOR(p->w, (peer_take(p), p->w->ended));
}

/* The farewell came before the end: nothing was cut off. */
static UNUSED bool peer_heard_bye(const struct peer *p)
{
        return SSL_get_shutdown(p->ssl) & SSL_RECEIVED_SHUTDOWN;
}

static UNUSED void peer_ask(struct peer *p, const char *path)
{
        char ask[300];

        snprintf(ask, sizeof ask, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
        peer_put(p, ask, strlen(ask));
}
#endif
