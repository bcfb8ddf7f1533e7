/* alg.c - the algorithms of JWS and how each verifies (RFC 7518 section 3, RFC 8037). */
#include "tls/jwk_impl.h"
#include <string.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

const struct jws_alg jws_algs[] = {
        { WT_RS256, "RS256", JWK_RSA, EVP_sha256, 32, false, NULL, 0 },
        { WT_RS384, "RS384", JWK_RSA, EVP_sha384, 48, false, NULL, 0 },
        { WT_RS512, "RS512", JWK_RSA, EVP_sha512, 64, false, NULL, 0 },
        { WT_PS256, "PS256", JWK_RSA, EVP_sha256, 32, true, NULL, 0 },
        { WT_PS384, "PS384", JWK_RSA, EVP_sha384, 48, true, NULL, 0 },
        { WT_PS512, "PS512", JWK_RSA, EVP_sha512, 64, true, NULL, 0 },
        { WT_ES256, "ES256", JWK_EC, EVP_sha256, 32, false, "P-256", 32 },
        { WT_ES384, "ES384", JWK_EC, EVP_sha384, 48, false, "P-384", 48 },
        { WT_ES512, "ES512", JWK_EC, EVP_sha512, 64, false, "P-521", 66 },
        { WT_EDDSA, "EdDSA", JWK_OKP, NULL, 0, false, "Ed25519", 0 },
        { WT_HS256, "HS256", JWK_OCT, EVP_sha256, 32, false, NULL, 0 },
        { WT_HS384, "HS384", JWK_OCT, EVP_sha384, 48, false, NULL, 0 },
        { WT_HS512, "HS512", JWK_OCT, EVP_sha512, 64, false, NULL, 0 },
};
const uint32_t n_jws_algs = sizeof jws_algs / sizeof *jws_algs;

const struct jws_alg *jws_alg_row(unsigned alg)
{
        for (uint32_t i = 0; i < n_jws_algs; i++)
                if (jws_algs[i].alg == alg)
                        return &jws_algs[i];
        return NULL;
}

const char *wt_jws_alg_name(enum wt_jws_alg a)
{
        const struct jws_alg *row = jws_alg_row(a);

        return row ? row->name : NULL;
}

unsigned wt_jws_alg_of(const char *name, size_t len)
{
        for (uint32_t i = 0; i < n_jws_algs; i++)
                if (strlen(jws_algs[i].name) == len && memcmp(jws_algs[i].name, name, len) == 0)
                        return jws_algs[i].alg;
        return 0;
}

wt_err wt_jws_alg_list(unsigned *out, const char *list)
{
        unsigned all = 0;

        for (const char *p = list; *p;) {
                size_t n = strcspn(p, ", ");
                unsigned one = wt_jws_alg_of(p, n);

                if (n > 0 && one == 0)
                        return wt_fail(WT_EINVAL, "\"%.*s\" is no signature algorithm; name some "
                                       "of RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 "
                                       "EdDSA HS256 HS384 HS512", (int)(n < 32 ? n : 32), p);
                all |= one;
                p += n + (p[n] != '\0');
        }
        if (all == 0)
                return wt_fail(WT_EINVAL, "the list of signature algorithms is empty; name some, "
                               "such as RS256,ES256");
        *out = all;
        return WT_OK;
}

/* ---- verifying ---- */

static bool hmac_good(const struct jws_alg *a, const struct jwk *k, const void *data, size_t len,
                      const void *sig, size_t sig_len)
{
        uint8_t mac[EVP_MAX_MD_SIZE];
        unsigned n = 0;
        bool good = sig_len == a->digest_bytes &&
                    HMAC(a->digest(), k->secret, (int)k->secret_len, data, len, mac, &n) &&
                    n == sig_len && CRYPTO_memcmp(mac, sig, n) == 0;

        OPENSSL_cleanse(mac, sizeof mac);
        return good;
}

/* r and s side by side become the DER that OpenSSL reads; the caller frees *der. */
static int ecdsa_der(uint8_t **der, const uint8_t *sig, size_t half)
{
        ECDSA_SIG *pair = ECDSA_SIG_new();
        BIGNUM *r = BN_bin2bn(sig, (int)half, NULL), *s = BN_bin2bn(sig + half, (int)half, NULL);
        int n = -1;

        *der = NULL;
        if (pair && r && s && ECDSA_SIG_set0(pair, r, s) == 1) {
                r = s = NULL;                    /* the pair's now */
                n = i2d_ECDSA_SIG(pair, der);
        }
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(pair);
        return n;
}

static bool rsa_padding(EVP_PKEY_CTX *p, const struct jws_alg *a)
{
        if (!a->pss)
                return EVP_PKEY_CTX_set_rsa_padding(p, RSA_PKCS1_PADDING) == 1;
        return EVP_PKEY_CTX_set_rsa_padding(p, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_mgf1_md(p, a->digest()) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(p, RSA_PSS_SALTLEN_DIGEST) == 1;
}

static bool public_good(const struct jws_alg *a, const struct jwk *k, const void *data, size_t len,
                        const void *sig, size_t sig_len)
{
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        EVP_PKEY_CTX *p = NULL;
        uint8_t *der = NULL;
        bool good = ctx && EVP_DigestVerifyInit(ctx, &p, a->digest ? a->digest() : NULL, NULL,
                                                k->public_key) == 1;

        if (good && a->kind == JWK_RSA)
                good = sig_len == (size_t)EVP_PKEY_get_size(k->public_key) && rsa_padding(p, a);
        if (good && a->kind == JWK_EC) {
                int n = sig_len == 2 * a->coordinate ? ecdsa_der(&der, sig, a->coordinate) : -1;

                good = n > 0;
                sig = der;
                sig_len = good ? (size_t)n : 0;
        }
        good = good && EVP_DigestVerify(ctx, sig, sig_len, data, len) == 1;
        OPENSSL_free(der);
        EVP_MD_CTX_free(ctx);
        ERR_clear_error();
        return good;
}

bool wt_jwks_good(const wt_jwks *s, uint32_t i, enum wt_jws_alg alg, const void *data, size_t len,
                  const void *sig, size_t sig_len)
{
        const struct jws_alg *a = jws_alg_row(alg);
        const struct jwk *k = &s->key[i];

        WT_ASSERT(i < s->n);
        if (!a || !(k->algs & alg))
                return false;
        if (len == 0)
                data = "";
        return a->kind == JWK_OCT ? hmac_good(a, k, data, len, sig, sig_len)
                                  : public_good(a, k, data, len, sig, sig_len);
}
