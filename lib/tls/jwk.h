/* jwk.h - keys that verify, and the algorithms they verify by (RFC 7517, RFC 7518, RFC 8037). */
#ifndef WITAN_TLS_JWK_H
#define WITAN_TLS_JWK_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

/* One bit each, so that lists of them are numbers. */
enum wt_jws_alg {
        WT_RS256 = 1, WT_RS384 = 2, WT_RS512 = 4, WT_PS256 = 8, WT_PS384 = 16, WT_PS512 = 32,
        WT_ES256 = 64, WT_ES384 = 128, WT_ES512 = 256, WT_EDDSA = 512,
        WT_HS256 = 1024, WT_HS384 = 2048, WT_HS512 = 4096,
        WT_JWS_PUBLIC = 1023, WT_JWS_SHARED = 7168   /* with a public key; with a shared secret */
};
/* "RS256", ... or NULL. */
const char *wt_jws_alg_name(enum wt_jws_alg a);
/* The bit of a name, 0 when there is none ("none" has none). */
unsigned wt_jws_alg_of(const char *name, size_t len);
/* Names separated by commas or blanks. WT_EINVAL names the unknown one; an empty list, too. */
wt_err wt_jws_alg_list(unsigned *out, const char *list);

enum { WT_JWKS_BYTES = 256 << 10,                /* longest text of a set */
       WT_JWKS_KEYS = 64,                        /* most keys that are kept */
       WT_KID = 256 };                           /* longest key id, in bytes */

typedef struct wt_jwks wt_jwks;                  /* a set of keys; does not change */

/* A JWK, or a set of them, as JSON. A key that nobody here can use (unknown kty, curve or alg, use
 * or key_ops not for signatures, RSA under 2048 bits, with a weak exponent or made by a broken
 * generator (ROCA), a point that is not on its curve, a secret shorter than its hash) is skipped
 * and counted, as RFC 7517 section 5 says. The whole set is refused with WT_EDATA when it is no
 * set, names one kid twice, mixes public keys with secrets, gives away the private part of a key,
 * or has no key left. WT_EEXHAUSTED: a limit. */
wt_err wt_jwks_parse(wt_jwks **out, const char *text, size_t len);
void wt_jwks_free(wt_jwks *s);                   /* NULL is fine */
uint32_t wt_jwks_count(const wt_jwks *s);        /* with those that only keep their kid taken */
/* How many were skipped, and why the first of them was ("" when none). */
uint32_t wt_jwks_skipped(const wt_jwks *s, const char **why);
/* Keys are shared secrets: such a set comes from a file of the operator's, never from a URL. */
bool wt_jwks_secret(const wt_jwks *s);

/* For jwt.c and tests: key i, what it may verify (0: nothing), its kid (NULL: none). */
unsigned wt_jwks_algs(const wt_jwks *s, uint32_t i);
const char *wt_jwks_kid(const wt_jwks *s, uint32_t i);
/* Is sig key i's signature by alg over data? False also when the key is not for alg. ECDSA
 * signatures are r then s, each as long as the curve's order. */
bool wt_jwks_good(const wt_jwks *s, uint32_t i, enum wt_jws_alg alg, const void *data, size_t len,
                  const void *sig, size_t sig_len);
#endif
