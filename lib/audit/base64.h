/* base64.h - RFC 4648 base64 with padding, strict: one text for each value. */
#ifndef WITAN_AUDIT_BASE64_H
#define WITAN_AUDIT_BASE64_H
#include <stdbool.h>
#include "base/buf.h"

void wt_base64_add(struct wt_buf *out, const void *data, size_t len);
/* Appends the bytes to out. False, out as it was: not base64, a wrong length, bits set beyond the
 * end. */
bool wt_base64_read(struct wt_buf *out, const char *text, size_t len);
/* The same into exactly n bytes. */
bool wt_base64_exact(const char *text, size_t len, void *out, size_t n);
#endif
