/* base64.h - RFC 4648's base64 with padding, and base64url without, as JWS wants it (RFC 7515, 2).
 * Both are strict: one text for each value. */
#ifndef WITAN_BASE_BASE64_H
#define WITAN_BASE_BASE64_H
#include <stdbool.h>
#include "base/buf.h"

void wt_base64_add(struct wt_buf *out, const void *data, size_t len);
/* Appends the bytes to out. False, out as it was: not base64, a wrong length, bits set beyond the
 * end. */
bool wt_base64_read(struct wt_buf *out, const char *text, size_t len);
/* The same into exactly n bytes. */
bool wt_base64_exact(const char *text, size_t len, void *out, size_t n);

/* Appends the bytes of len characters of base64url to out. False, out as it was: another character
 * (padding, blanks and '+' '/' too), a length that no bytes have, or unused bits that are set. */
bool wt_base64url_read(struct wt_buf *out, const char *text, size_t len);
#endif
