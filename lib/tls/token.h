/* token.h - tokens that a test signs itself; to be included behind cmocka.h. */
#ifndef WITAN_TLS_TOKEN_H
#define WITAN_TLS_TOKEN_H
#include <string.h>
#include "base/buf.h"
#include "tls/sign.h"

#define MAYBE_UNUSED __attribute__((unused))
static MAYBE_UNUSED const uint8_t seed[32] = "thirty-two bytes of no entropy.";
static MAYBE_UNUSED const char secret[] = "a secret of two and thirty bytes";

static MAYBE_UNUSED void put_b64(struct wt_buf *out, const void *data, size_t n)
{
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789-_";
        const uint8_t *p = data;
        unsigned bits = 0;
        int have = 0;

        for (size_t i = 0; i < n; i++)
                for (bits = bits << 8 | p[i], have += 8; have >= 6; have -= 6)
                        wt_buf_add(out, &digits[bits >> (have - 6) & 63], 1);
        if (have > 0)
                wt_buf_add(out, &digits[bits << (6 - have) & 63], 1);
}

/* A token with this header and payload, signed by the Ed25519 key, or by the secret when mac. */
static MAYBE_UNUSED char *token(struct wt_buf *t, const char *header, const char *payload, bool mac)
{
        uint8_t sig[64];

        wt_buf_clear(t);
        put_b64(t, header, strlen(header));
        wt_buf_str(t, ".");
        put_b64(t, payload, strlen(payload));
        if (mac)
                wt_hmac_sha256(secret, 32, t->data, t->len, sig);
        else
                assert_int_equal(wt_ed25519_sign(seed, t->data, t->len, sig), WT_OK);
        wt_buf_str(t, ".");
        put_b64(t, sig, mac ? 32 : 64);
        return t->data;
}

/* {"kty":"OKP",...} of the key that signs, with this kid. */
static MAYBE_UNUSED void put_key(struct wt_buf *out, const char *kid)
{
        uint8_t key[32];

        assert_int_equal(wt_ed25519_public(seed, key), WT_OK);
        wt_buf_fmt(out, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"%s\",\"x\":\"", kid);
        put_b64(out, key, 32);
        wt_buf_str(out, "\"}");
}
#endif
