/* digests.h - what was hashed once on this host: a file of text lines "key sha256 check". Lines are
 * appended whole (O_APPEND), so that processes share it without a lock; a torn line fails its check
 * and is computed again. */
#ifndef WITAN_MODEL_DIGESTS_H
#define WITAN_MODEL_DIGESTS_H
#include <stdbool.h>
#include "base/err.h"

struct wt_digests;

/* A file that is missing is an empty one; it is made by the first add. */
wt_err wt_digests_open(struct wt_digests **out, const char *path);
void wt_digests_close(struct wt_digests *d);
/* key: printable, without blanks, below 160 bytes. */
bool wt_digests_find(const struct wt_digests *d, const char *key, uint8_t out[32]);
/* Cannot fail: what could not be written is only computed again by the next process. */
void wt_digests_add(struct wt_digests *d, const char *key, const uint8_t sha[32]);
#endif
