#include "tls/sign.h"
#include <string.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include "base/rng.h"

enum { MOST = 1 << 30 };                         /* bytes of one seal: OpenSSL counts in int */

/* OpenSSL's own words are for the log of whoever asked; its queue must not grow. */
static wt_err failed(const char *what)
{
        char why[256];

        ERR_error_string_n(ERR_peek_last_error(), why, sizeof why);
        ERR_clear_error();
        return wt_fail(WT_EINTERNAL, "%s: %s", what, why);
}

wt_err wt_ed25519_public(const uint8_t seed[32], uint8_t public_key[32])
{
        EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
        uint8_t out[WT_ED25519_PUBLIC];
        size_t n = sizeof out;
        wt_err err = WT_OK;

        if (!key || EVP_PKEY_get_raw_public_key(key, out, &n) != 1 || n != sizeof out)
                err = failed("no Ed25519 key from this seed");
        else
                memcpy(public_key, out, sizeof out);
        EVP_PKEY_free(key);
        return err;
}

wt_err wt_ed25519_new(uint8_t seed[32], uint8_t public_key[32])
{
        uint8_t fresh[WT_ED25519_SEED];
        wt_err err;

        wt_random_bytes(fresh, sizeof fresh);
        err = wt_ed25519_public(fresh, public_key);
        if (err == WT_OK)
                memcpy(seed, fresh, sizeof fresh);
        wt_wipe(fresh, sizeof fresh);
        return err;
}

wt_err wt_ed25519_sign(const uint8_t seed[32], const void *data, size_t len, uint8_t sig[64])
{
        EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        uint8_t out[WT_ED25519_SIGNATURE];
        size_t n = sizeof out;
        wt_err err = WT_OK;

        if (!key || !ctx || EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) != 1 ||
            EVP_DigestSign(ctx, out, &n, len > 0 ? data : "", len) != 1 || n != sizeof out)
                err = failed("no Ed25519 signature");
        else
                memcpy(sig, out, sizeof out);
        EVP_MD_CTX_free(ctx);
        EVP_PKEY_free(key);
        return err;
}

bool wt_ed25519_good(const uint8_t public_key[32], const void *data, size_t len,
                     const uint8_t sig[64])
{
        EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, 32);
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        bool good = key && ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
                    EVP_DigestVerify(ctx, sig, 64, len > 0 ? data : "", len) == 1;

        EVP_MD_CTX_free(ctx);
        EVP_PKEY_free(key);
        ERR_clear_error();
        return good;
}

/* Key, nonce and what is only authenticated; seal: which way. */
static bool begin(EVP_CIPHER_CTX *c, bool seal, const uint8_t *key, const uint8_t *nonce,
                  const void *aad, size_t aad_len)
{
        int n;

        return c && EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce, seal) == 1 &&
               (aad_len == 0 || EVP_CipherUpdate(c, NULL, &n, aad, (int)aad_len) == 1);
}

wt_err wt_gcm_seal(const uint8_t key[32], const uint8_t nonce[12], const void *aad, size_t aad_len,
                   const void *in, size_t len, uint8_t *out)
{
        EVP_CIPHER_CTX *c;
        wt_err err = WT_OK;
        int n = 0;

        if (len > MOST || aad_len > MOST)
                return wt_fail(WT_EEXHAUSTED, "%zu bytes are too many to be sealed at once; "
                               "seal parts of at most 1 GiB", len > aad_len ? len : aad_len);
        c = EVP_CIPHER_CTX_new();
        if (!begin(c, true, key, nonce, aad, aad_len) ||
            (len > 0 && EVP_CipherUpdate(c, out, &n, in, (int)len) != 1) ||
            EVP_CipherFinal_ex(c, out + len, &n) != 1 ||
            EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, WT_GCM_TAG, out + len) != 1)
                err = failed("AES-256-GCM did not seal");
        EVP_CIPHER_CTX_free(c);
        return err;
}

wt_err wt_gcm_open(const uint8_t key[32], const uint8_t nonce[12], const void *aad, size_t aad_len,
                   const uint8_t *in, size_t len, uint8_t *out)
{
        uint8_t tag[WT_GCM_TAG], rest[WT_GCM_TAG];
        EVP_CIPHER_CTX *c;
        bool good;
        int n = 0;

        if (len < WT_GCM_TAG || len - WT_GCM_TAG > MOST || aad_len > MOST)
                return wt_fail(WT_EDATA, "%zu sealed bytes: a seal has its tag of 16 bytes and "
                               "at most 1 GiB before it", len);
        len -= WT_GCM_TAG;
        memcpy(tag, in + len, sizeof tag);
        c = EVP_CIPHER_CTX_new();
        good = begin(c, false, key, nonce, aad, aad_len) &&
               (len == 0 || EVP_CipherUpdate(c, out, &n, in, (int)len) == 1) &&
               EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, WT_GCM_TAG, tag) == 1 &&
               EVP_CipherFinal_ex(c, rest, &n) == 1;
        EVP_CIPHER_CTX_free(c);
        if (good)
                return WT_OK;
        ERR_clear_error();
        wt_wipe(out, len);                       /* what nobody vouches for is not handed out */
        return wt_fail(WT_EDATA, "the sealed bytes do not open: they were changed, or sealed with "
                       "another key, nonce or header");
}

void wt_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len, uint8_t out[32])
{
        unsigned n = 0;

        WT_ASSERT(key_len <= MOST);
        if (!HMAC(EVP_sha256(), key_len > 0 ? key : "", (int)key_len, data, len, out, &n))
                wt_out_of_memory("an HMAC", 32); /* nothing else can fail here */
        WT_ASSERT(n == 32);
}

void wt_wipe(void *p, size_t n) { OPENSSL_cleanse(p, n); }
bool wt_same(const void *a, const void *b, size_t n) { return CRYPTO_memcmp(a, b, n) == 0; }
