/* fuzz_jwt.c - a set of keys, a newline, a token. What is taken must hold what the rules say: a
 * changed signature of a token that was taken is refused, and so is the same token without its
 * signature. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "tls/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_token(const wt_jwks *set, const char *token, size_t len)
{
        const unsigned all = WT_JWS_PUBLIC | WT_JWS_SHARED;
        struct wt_buf payload = { 0 };
        struct wt_jws about;
        wt_err err = wt_jws_open(&payload, &about, set, all, token, len);

        WT_ASSERT(err == WT_OK || err == WT_EUNAUTH || err == WT_ENOTFOUND);
        WT_ASSERT(err == WT_OK || (payload.len == 0 && wt_words()[0]));
        if (err == WT_OK) {
                char *other = malloc(len);

                WT_ASSERT(other && wt_jwt_looks(token, len));
                memcpy(other, token, len);
                for (size_t i = len - 8; i < len - 6; i++) {
                        other[i] = other[i] == 'A' ? 'B' : 'A';
                        WT_ASSERT(wt_jws_open(&payload, &about, set, all, other, len) != WT_OK);
                        other[i] = token[i];
                }
                WT_ASSERT(wt_jws_open(&payload, &about, set, all & ~(unsigned)about.alg, token,
                                      len) != WT_OK);
                free(other);
        }
        wt_buf_free(&payload);
}

static void try_claims(const wt_jwks *set, const char *token, size_t len)
{
        const struct wt_jwt_rules rules = { .issuer = "https://id.example", .audience = "witan",
                                            .algs = WT_JWS_PUBLIC, .leeway_s = 60 };
        wt_json *claims = NULL;
        wt_err err = wt_jwt_check(&claims, set, &rules, 1700000000, token, len);

        WT_ASSERT((err == WT_OK) == (claims != NULL));
        if (claims) {
                WT_ASSERT(strcmp(wt_json_str(claims, wt_jwt_claim(claims, "iss"), NULL),
                                 rules.issuer) == 0);
                wt_jwt_claim(claims, "realm_access.roles");
        }
        wt_json_free(claims);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const char *text = (const char *)data, *line = size ? memchr(text, '\n', size) : NULL;
        size_t n = line ? (size_t)(line - text) : size;
        wt_jwks *set = NULL;
        wt_err err = wt_jwks_parse(&set, text, n);

        WT_ASSERT(err == WT_OK || err == WT_EDATA || err == WT_EEXHAUSTED);
        WT_ASSERT((err == WT_OK) == (set != NULL));
        if (line && set) {
                try_token(set, line + 1, size - n - 1);
                try_claims(set, line + 1, size - n - 1);
        }
        wt_jwks_free(set);
        return 0;
}
