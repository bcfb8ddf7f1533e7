#include "identity/secret.h"
#include <string.h>
#include "base/rng.h"
#include "base/sha256.h"

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* n characters, each of 62 equally likely: bytes from 248 on are thrown again. */
static void base62(char *out, size_t n)
{
        uint8_t b[64];

        while (n > 0) {
                wt_random_bytes(b, sizeof b);
                for (size_t i = 0; i < sizeof b && n > 0; i++)
                        if (b[i] < 248) {
                                *out++ = digits[b[i] % 62];
                                n--;
                        }
        }
        explicit_bzero(b, sizeof b);
}

void wt_secret_make(char secret[WT_SECRET + 1])
{
        memcpy(secret, "wt-", 3);
        base62(secret + 3, WT_PREFIX);
        secret[3 + WT_PREFIX] = '-';
        base62(secret + 4 + WT_PREFIX, WT_RANDOM);
        secret[WT_SECRET] = '\0';
}

bool wt_secret_well_formed(const char *s, size_t len)
{
        if (len != WT_SECRET || memcmp(s, "wt-", 3) != 0 || s[3 + WT_PREFIX] != '-')
                return false;
        for (size_t i = 3; i < WT_SECRET; i++)
                if (i != 3 + WT_PREFIX && (!s[i] || !strchr(digits, s[i])))
                        return false;
        return true;
}

const char *wt_secret_prefix(const char *secret) { return secret + 3; }

void wt_secret_hash(const uint8_t salt[WT_SALT], const char secret[WT_SECRET], uint8_t out[WT_HASH])
{
        struct wt_sha256 s;

        wt_sha256_init(&s);
        wt_sha256_add(&s, salt, WT_SALT);
        wt_sha256_add(&s, secret, WT_SECRET);
        wt_sha256_end(&s, out);
        explicit_bzero(&s, sizeof s);
}

bool wt_secret_equal(const uint8_t a[WT_HASH], const uint8_t b[WT_HASH])
{
        volatile uint8_t differ = 0;

        for (size_t i = 0; i < WT_HASH; i++)
                differ |= a[i] ^ b[i];
        return differ == 0;
}
