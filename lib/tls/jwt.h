/* jwt.h - compact JWS (RFC 7515) and the claims of a JWT (RFC 7519, RFC 8725): who a bearer is,
 * signed by an issuer whose keys are known. The algorithm is the key's own, within a list that the
 * operator allows; a token only says which of them it is, and "none" is not among them. */
#ifndef WITAN_TLS_JWT_H
#define WITAN_TLS_JWT_H
#include "base/buf.h"
#include "base/json.h"
#include "tls/jwk.h"

enum { WT_JWT_BYTES = 16 << 10 };                /* longest token */

/* Looks like one: three parts of base64url's characters. What it is worth, wt_jwt_check says. */
bool wt_jwt_looks(const char *token, size_t len);

struct wt_jws { enum wt_jws_alg alg; char typ[64]; };
/* The payload of a token whose signature is good, appended; what its header says of it in *about.
 * WT_EUNAUTH in words: it is not good. WT_ENOTFOUND: its key is not in the set, which may be an
 * old one. A token without a kid is held against the one key of the set that fits its algorithm. */
wt_err wt_jws_open(struct wt_buf *payload, struct wt_jws *about, const wt_jwks *set,
                   unsigned algs, const char *token, size_t len);

struct wt_jwt_rules {
        const char *issuer;                      /* "iss" must be this, byte for byte */
        const char *audience;                    /* "aud" must be this or hold it */
        unsigned algs;                           /* enum wt_jws_alg, or-ed */
        uint32_t leeway_s;                       /* clocks may differ by so much */
};
/* A good token's claims, for wt_json_free. exp is required; nbf and iat are looked at where they
 * are. now_s: seconds since 1970. Errors as wt_jws_open's. */
wt_err wt_jwt_check(wt_json **claims, const wt_jwks *set, const struct wt_jwt_rules *rules,
                    int64_t now_s, const char *token, size_t len);
/* The claim that path names: a member of that very name ("https://x.example/role"), or members of
 * members with dots between ("realm_access.roles"); WT_JSON_NONE. */
wt_jv wt_jwt_claim(const wt_json *claims, const char *path);
#endif
