/* jwk_impl.h - a key and the table of algorithms; for this folder only. */
#ifndef WITAN_TLS_JWK_IMPL_H
#define WITAN_TLS_JWK_IMPL_H
#include <openssl/evp.h>
#include "base/json.h"
#include "tls/jwk.h"

enum jwk_kind { JWK_RSA, JWK_EC, JWK_OKP, JWK_OCT };

struct jwk {
        char kid[WT_KID + 1]; bool has_kid;
        unsigned algs;                           /* what it may verify; 0: skipped, kid alone */
        EVP_PKEY *public_key;                    /* NULL: a secret */
        uint8_t *secret; size_t secret_len;
};
struct wt_jwks {
        uint32_t n, n_usable, n_skipped;
        char why[256];                           /* the first skipped key's reason */
        struct jwk key[WT_JWKS_KEYS];
};

struct jws_alg {
        enum wt_jws_alg alg;
        const char *name;
        enum jwk_kind kind;
        const EVP_MD *(*digest)(void);           /* NULL: the algorithm has its own */
        size_t digest_bytes;
        bool pss;
        const char *curve;                       /* EC and OKP: crv of the key */
        size_t coordinate;                       /* EC: bytes of x, y, r and s */
};
extern const struct jws_alg jws_algs[];
extern const uint32_t n_jws_algs;
const struct jws_alg *jws_alg_row(unsigned alg);

/* jwk_key.c: one key; *out is all zeros before. WT_EUNSUPPORTED in words: to be skipped; out has
 * its kid then if it is a key for signatures. WT_EDATA: spoils its set. */
wt_err jwk_read(struct jwk *out, const wt_json *j, wt_jv v);
void jwk_fini(struct jwk *k);
#endif
