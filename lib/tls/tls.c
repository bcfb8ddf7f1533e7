/* tls.c - a server's certificate and key, a client's authorities, and both as OpenSSL wants
 * them. */
#include "tls/tls_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

/* 1.2 only with forward secrecy and authenticated encryption; 1.3 has nothing else. */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"
#define GROUPS "X25519:P-256:P-384"

const char *tls_why(char *room, size_t cap)
{
        unsigned long e = ERR_peek_error();
        const char *reason = ERR_reason_error_string(e);

        if (reason)
                snprintf(room, cap, "%s", reason);
        else if (e)
                ERR_error_string_n(e, room, cap);
        else
                snprintf(room, cap, "no reason is given");
        ERR_clear_error();
        return room;
}

/* ---- files ---- */

static bool same_stamp(const struct stamp *a, const struct stamp *b)
{
        return a->s == b->s && a->ns == b->ns && a->size == b->size && a->inode == b->inode;
}

static struct stamp stamp_of(const struct stat *st)
{
        return (struct stamp){ st->st_mtim.tv_sec, st->st_mtim.tv_nsec, st->st_size, st->st_ino };
}

/* Zeros when it cannot be looked at: then reading it says why. */
static struct stamp stamp_at(const char *path)
{
        struct stat st;

        return stat(path, &st) == 0 ? stamp_of(&st) : (struct stamp){ 0 };
}

/* Nobody but its owner may read a key, and root may let a group (as a volume of secrets does). */
static wt_err key_is_private(const char *path, const struct stat *st)
{
        mode_t open_to = st->st_uid == 0 ? 037 : 077;

        if (st->st_uid != 0 && st->st_uid != geteuid())
                return wt_fail(WT_EPERM, "the key %s belongs to another user; chown it to the one "
                               "who runs this", path);
        if (st->st_mode & open_to)
                return wt_fail(WT_EPERM, "the key %s may be read by others (mode %03o); chmod 600 "
                               "it", path, (unsigned)st->st_mode & 0777);
        return WT_OK;
}

/* Opens a PEM file; *seen says which state of it this is. */
static wt_err open_pem(FILE **out, const char *path, bool is_key, struct stamp *seen)
{
        FILE *f = fopen(path, "re");
        wt_err err = WT_OK;
        struct stat st;

        if (!f)
                return wt_fail(errno == ENOENT ? WT_ENOTFOUND : WT_EPERM, "cannot read %s: %s; "
                               "tls_cert and tls_key name PEM files", path, strerror(errno));
        if (fstat(fileno(f), &st) != 0 || !S_ISREG(st.st_mode))
                err = wt_fail(WT_EINVAL, "%s is no file; name a PEM file", path);
        else if (is_key)
                err = key_is_private(path, &st);
        if (err != WT_OK) {
                fclose(f);
                return err;
        }
        *seen = stamp_of(&st);
        *out = f;
        return WT_OK;
}

/* OpenSSL would ask on the terminal. */
static int no_passphrase(char *room, int size, int writing, void *arg)
{
        (void)room; (void)size; (void)writing; (void)arg;
        return -1;
}

/* ---- a certificate and its key ---- */

static wt_err use_chain(SSL_CTX *ctx, FILE *f, const char *path)
{
        X509 *own = PEM_read_X509(f, NULL, no_passphrase, NULL), *above;
        bool good = own && SSL_CTX_use_certificate(ctx, own) == 1;
        char why[200];

        if (!good) {
                X509_free(own);
                return wt_fail(WT_EINVAL, "%s: no certificate that can be used: %s; it begins with "
                               "-----BEGIN CERTIFICATE-----", path, tls_why(why, sizeof why));
        }
        X509_free(own);
        while ((above = PEM_read_X509(f, NULL, no_passphrase, NULL)) != NULL)
                if (SSL_CTX_add0_chain_cert(ctx, above) != 1)
                        X509_free(above);
        ERR_clear_error();                       /* the end of the file is an error to it */
        return WT_OK;
}

static wt_err use_key(SSL_CTX *ctx, FILE *f, const char *path, const char *cert)
{
        EVP_PKEY *key = PEM_read_PrivateKey(f, NULL, no_passphrase, NULL);
        wt_err err = WT_OK;
        char why[200];

        if (!key)
                return wt_fail(WT_EINVAL, "%s: no private key that can be used: %s; it is PEM "
                               "without a passphrase", path, tls_why(why, sizeof why));
        if (SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1) {
                ERR_clear_error();
                err = wt_fail(WT_EINVAL, "the key %s is not the one of the certificate %s; name "
                              "two that were made together", path, cert);
        }
        EVP_PKEY_free(key);
        return err;
}

static int64_t seconds_of(const ASN1_TIME *t)
{
        struct tm tm;

        return t && ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static int pick_protocol(SSL *ssl, const unsigned char **out, unsigned char *n,
                         const unsigned char *in, unsigned in_len, void *arg)
{
        static const unsigned char ours[] = "\x08http/1.1";

        (void)ssl; (void)arg;
        if (SSL_select_next_proto((unsigned char **)out, n, ours, sizeof ours - 1, in, in_len) !=
            OPENSSL_NPN_NEGOTIATED)
                return SSL_TLSEXT_ERR_ALERT_FATAL;
        return SSL_TLSEXT_ERR_OK;
}

static wt_err new_ctx(SSL_CTX **out, bool client, bool only_13)
{
        SSL_CTX *ctx = SSL_CTX_new(client ? TLS_client_method() : TLS_server_method());
        char why[200];

        if (!ctx || SSL_CTX_set_cipher_list(ctx, CIPHERS) != 1 ||
            SSL_CTX_set1_groups_list(ctx, GROUPS) != 1 ||
            SSL_CTX_set_min_proto_version(ctx, only_13 ? TLS1_3_VERSION : TLS1_2_VERSION) != 1) {
                SSL_CTX_free(ctx);
                return wt_fail(WT_EINTERNAL, "no TLS: %s", tls_why(why, sizeof why));
        }
        SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                            SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
        SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS |
                         SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets need none */
        SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
        *out = ctx;
        return WT_OK;
}

static wt_err fill_server(SSL_CTX *ctx, struct wt_tls *t, struct stamp seen[2])
{
        FILE *cert = NULL, *key = NULL;
        wt_err err = open_pem(&cert, t->cert, false, &seen[0]);

        if (err == WT_OK)
                err = open_pem(&key, t->key, true, &seen[1]);
        if (err == WT_OK)
                err = use_chain(ctx, cert, t->cert);
        if (err == WT_OK)
                err = use_key(ctx, key, t->key, t->cert);
        if (err == WT_OK)
                SSL_CTX_set_alpn_select_cb(ctx, pick_protocol, NULL);
        if (cert)
                fclose(cert);
        if (key)
                fclose(key);
        return err;
}

/* Reads both files; on success they serve from now on. seen is filled either way. */
static wt_err take_files(struct wt_tls *t, struct stamp seen[2])
{
        SSL_CTX *ctx, *before;
        wt_err err = new_ctx(&ctx, false, t->only_13);

        seen[0] = stamp_at(t->cert);
        seen[1] = stamp_at(t->key);
        if (err != WT_OK)
                return err;
        if ((err = fill_server(ctx, t, seen)) != WT_OK) {
                SSL_CTX_free(ctx);
                return err;
        }
        pthread_mutex_lock(&t->lock);
        before = t->ctx;
        t->ctx = ctx;
        t->not_before = seconds_of(X509_get0_notBefore(SSL_CTX_get0_certificate(ctx)));
        t->not_after = seconds_of(X509_get0_notAfter(SSL_CTX_get0_certificate(ctx)));
        pthread_mutex_unlock(&t->lock);
        SSL_CTX_free(before);                    /* links hold what they need of it */
        return WT_OK;
}

static wt_err new_side(wt_tls **out)
{
        wt_tls *t = calloc(1, sizeof *t);

        if (!t)
                return wt_fail(WT_ENOMEM, "no memory for TLS");
        pthread_mutex_init(&t->lock, NULL);
        t->table = tls_table;
        t->table.arg = t;
        *out = t;
        return WT_OK;
}

wt_err wt_tls_server(wt_tls **out, const struct wt_tls_files *f)
{
        wt_tls *t = NULL;
        wt_err err;

        if (!*f->cert || !*f->key)
                return wt_fail(WT_EINVAL, "tls_cert and tls_key belong together; %s is missing",
                               *f->cert ? "tls_key" : "tls_cert");
        if ((err = new_side(&t)) != WT_OK)
                return err;
        t->only_13 = f->only_13;
        t->cert = strdup(f->cert);
        t->key = strdup(f->key);
        err = t->cert && t->key ? take_files(t, t->seen) : wt_fail(WT_ENOMEM, "no memory for TLS");
        if (err != WT_OK) {
                wt_tls_free(t);
                return err;
        }
        *out = t;
        return WT_OK;
}

wt_err wt_tls_reload(wt_tls *t, bool *taken)
{
        struct stamp now[2] = { stamp_at(t->cert), stamp_at(t->key) };
        wt_err err;

        *taken = false;
        if (same_stamp(&now[0], &t->seen[0]) && same_stamp(&now[1], &t->seen[1]))
                return WT_OK;
        err = take_files(t, now);
        memcpy(t->seen, now, sizeof now);
        *taken = err == WT_OK;
        if (err == WT_OK)
                __atomic_fetch_add(&t->reloads, 1, __ATOMIC_RELAXED);
        return err;
}

/* Is what the peer shows the certificate in the file? Nothing else of it is asked. */
static int is_pinned(X509_STORE_CTX *shown, void *pinned)
{
        X509 *leaf = X509_STORE_CTX_get0_cert(shown);

        if (leaf && X509_cmp(leaf, pinned) == 0) {
                X509_STORE_CTX_set_error(shown, X509_V_OK);
                return 1;
        }
        X509_STORE_CTX_set_error(shown, X509_V_ERR_CERT_UNTRUSTED);
        return 0;
}

static wt_err pin(wt_tls *t, SSL_CTX *ctx)
{
        struct stamp seen;
        FILE *f;
        wt_err err = open_pem(&f, t->cert, false, &seen);
        char why[200];

        if (err != WT_OK)
                return err;
        t->pinned = PEM_read_X509(f, NULL, no_passphrase, NULL);
        fclose(f);
        if (!t->pinned)
                return wt_fail(WT_EINVAL, "%s: no certificate: %s", t->cert,
                               tls_why(why, sizeof why));
        SSL_CTX_set_cert_verify_callback(ctx, is_pinned, t->pinned);
        return WT_OK;
}

/* A file's certificates are trusted as they are, whoever signed them. */
static wt_err trust(SSL_CTX *ctx, const char *ca)
{
        char why[200];

        if ((*ca ? SSL_CTX_load_verify_file(ctx, ca) : SSL_CTX_set_default_verify_paths(ctx)) != 1)
                return wt_fail(WT_EINVAL, "%s: no certificates of authorities: %s; name a PEM file",
                               *ca ? ca : "the system's folder", tls_why(why, sizeof why));
        if (*ca)
                X509_STORE_set_flags(SSL_CTX_get_cert_store(ctx), X509_V_FLAG_PARTIAL_CHAIN);
        return WT_OK;
}

wt_err tls_trust(wt_tls *t, const char *ca)
{
        SSL_CTX *ctx = NULL;
        wt_err err = new_ctx(&ctx, true, false);

        if (err == WT_OK)
                err = t->cert ? pin(t, ctx) : trust(ctx, ca);
        if (err != WT_OK) {
                SSL_CTX_free(ctx);
                return err;
        }
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
        t->ctx = ctx;
        return WT_OK;
}

wt_err wt_tls_client(wt_tls **out, const char *ca, const char *name)
{
        wt_tls *t = NULL;
        wt_err err = new_side(&t);

        if (err != WT_OK)
                return err;
        t->client = true;
        snprintf(t->name, sizeof t->name, "%s", name);
        if (*ca && (err = tls_trust(t, ca)) != WT_OK) {
                wt_tls_free(t);
                return err;
        }
        *out = t;
        return WT_OK;
}

wt_err wt_tls_pinned(wt_tls **out, const char *cert)
{
        wt_tls *t = NULL;
        wt_err err = new_side(&t);

        if (err != WT_OK)
                return err;
        t->client = true;
        t->cert = strdup(cert);
        if (!t->cert) {
                wt_tls_free(t);
                return wt_fail(WT_ENOMEM, "no memory for TLS");
        }
        *out = t;
        return WT_OK;
}

void wt_tls_free(wt_tls *t)
{
        if (!t)
                return;
        SSL_CTX_free(t->ctx);
        X509_free(t->pinned);
        pthread_mutex_destroy(&t->lock);
        free(t->cert);
        free(t->key);
        free(t);
}

const struct wt_secure *wt_tls_secure(wt_tls *t) { return &t->table; }

void wt_tls_facts(wt_tls *t, struct wt_tls_facts *out)
{
        pthread_mutex_lock(&t->lock);
        *out = (struct wt_tls_facts){
                .shaken = __atomic_load_n(&t->shaken, __ATOMIC_RELAXED),
                .failed = __atomic_load_n(&t->failed, __ATOMIC_RELAXED),
                .reloads = __atomic_load_n(&t->reloads, __ATOMIC_RELAXED),
                .not_before = t->not_before, .not_after = t->not_after,
        };
        pthread_mutex_unlock(&t->lock);
}
