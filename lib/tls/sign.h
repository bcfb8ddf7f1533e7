/* sign.h - Ed25519, AES-256-GCM and HMAC-SHA-256, by OpenSSL. Keys are plain bytes in the caller's
 * memory; wt_wipe them. */
#ifndef WITAN_TLS_SIGN_H
#define WITAN_TLS_SIGN_H
#include <stdbool.h>
#include "base/err.h"

enum { WT_ED25519_PUBLIC = 32, WT_ED25519_SEED = 32, WT_ED25519_SIGNATURE = 64,
       WT_GCM_KEY = 32, WT_GCM_NONCE = 12, WT_GCM_TAG = 16 };

wt_err wt_ed25519_new(uint8_t seed[32], uint8_t public_key[32]);
wt_err wt_ed25519_public(const uint8_t seed[32], uint8_t public_key[32]);
wt_err wt_ed25519_sign(const uint8_t seed[32], const void *data, size_t len, uint8_t sig[64]);
bool wt_ed25519_good(const uint8_t public_key[32], const void *data, size_t len,
                     const uint8_t sig[64]);
/* out: len + WT_GCM_TAG bytes, the tag last. A nonce is used once with a key. */
wt_err wt_gcm_seal(const uint8_t key[32], const uint8_t nonce[12], const void *aad, size_t aad_len,
                   const void *in, size_t len, uint8_t *out);
/* in: len bytes, the tag last; out: len - WT_GCM_TAG. WT_EDATA: it was changed, or another key. */
wt_err wt_gcm_open(const uint8_t key[32], const uint8_t nonce[12], const void *aad, size_t aad_len,
                   const uint8_t *in, size_t len, uint8_t *out);
void wt_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len, uint8_t out[32]);
void wt_wipe(void *p, size_t n);                 /* not optimised away */
bool wt_same(const void *a, const void *b, size_t n);    /* in constant time */
#endif
