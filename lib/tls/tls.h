/* tls.h - TLS 1.2 and 1.3 by OpenSSL, as the table that lib/net speaks through (net/secure.h).
 * A server's certificate is read from PEM files and read again when they change; connections that
 * are open keep what they began with. */
#ifndef WITAN_TLS_TLS_H
#define WITAN_TLS_TLS_H
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "net/secure.h"

typedef struct wt_tls wt_tls;                    /* one side; its table lives as long */

struct wt_tls_files {
        const char *cert, *key;                  /* PEM: the chain, its own certificate first; the
                                                  * key without a passphrase */
        bool only_13;                            /* 1.2 is refused too */
};
/* Borrows f only during the call. WT_ENOTFOUND, WT_EPERM: a file cannot be read, or others may
 * read the key (0600, or 0640 of root's); WT_EINVAL in words: no certificate, no key, or not of
 * one another. An expired certificate is taken: wt_tls_facts says so. */
wt_err wt_tls_server(wt_tls **out, const struct wt_tls_files *f);
/* Looks whether the files changed, and takes them if they are good; else what was there stays,
 * with the error in words once for each state of the files. Open connections do not notice. Any
 * thread, one at a time. */
wt_err wt_tls_reload(wt_tls *t, bool *taken);

/* ca: a PEM file of the authorities to trust; "" those of the system, which are read when the first
 * link is opened (a client that never opens one costs nothing). name: whom the certificate must be
 * for; "" the host of the address. */
wt_err wt_tls_client(wt_tls **out, const char *ca, const char *name);

/* Trusts exactly the certificate that stands first in this file, whoever it is for: of a server on
 * this machine whose files are known. Read when the first link is opened. */
wt_err wt_tls_pinned(wt_tls **out, const char *cert);

void wt_tls_free(wt_tls *t);                     /* NULL is fine; no link may be left */
const struct wt_secure *wt_tls_secure(wt_tls *t);

/* failed: handshakes that did not come to an end, of clients that said something. Times in
 * seconds since 1970, of the server's own certificate. */
struct wt_tls_facts { uint64_t shaken, failed, reloads; int64_t not_before, not_after; };
void wt_tls_facts(wt_tls *t, struct wt_tls_facts *out);
#endif
