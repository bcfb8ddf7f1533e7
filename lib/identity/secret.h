/* secret.h - the text of a key and its hash; for this folder only. "wt-" prefix(8) "-" random(40),
 * base 62: the prefix finds the row and may be shown, the random part has 238 bits, so one salted
 * SHA-256 is enough: there is nothing to guess from a dictionary. */
#ifndef WITAN_IDENTITY_SECRET_H
#define WITAN_IDENTITY_SECRET_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WT_PREFIX = 8, WT_RANDOM = 40, WT_SECRET = 3 + WT_PREFIX + 1 + WT_RANDOM, WT_SALT = 16,
       WT_HASH = 32 };

void wt_secret_make(char secret[WT_SECRET + 1]);
bool wt_secret_well_formed(const char *s, size_t len);
/* The prefix inside a well-formed secret. */
const char *wt_secret_prefix(const char *secret);
void wt_secret_hash(const uint8_t salt[WT_SALT], const char secret[WT_SECRET],
                    uint8_t out[WT_HASH]);
/* Takes the same time wherever they differ. */
bool wt_secret_equal(const uint8_t a[WT_HASH], const uint8_t b[WT_HASH]);
#endif
