/* b64.h - base64url without padding, as JWS wants it (RFC 7515, 2); for this folder only. */
#ifndef WITAN_TLS_B64_H
#define WITAN_TLS_B64_H
#include <stdbool.h>
#include "base/buf.h"

/* Appends the n characters' bytes to out. False, out as it was: another character (padding, blanks
 * and '+' '/' too), a length that no bytes have, or unused bits that are set: every text but one
 * of the same bytes. */
bool wt_b64url(const char *s, size_t n, struct wt_buf *out);
#endif
