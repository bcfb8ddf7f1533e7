/* hot.h - law 5: our code allocates nothing on the hot path after warm-up. A loop says where it
 * is hot; regions nest and belong to the thread. Every door through which our code takes memory
 * while it runs (arena growth, buf growth, frames, ...) calls wt_hot_note_alloc. In a hot region
 * a debug build (WITAN_DEBUG) prints what grew and aborts; a release build counts. Why doors and
 * not malloc itself: libzmq, libpq and OpenSSL allocate on our threads and are counted apart;
 * replacing malloc would need to know who called. Debug builds on GNU ld add --wrap for the
 * malloc family (lib/base/CMakeLists.txt): that rewrites the calls of our objects alone, never
 * those of a shared library, so that a plain malloc of ours in a hot region aborts as well. */
#ifndef WITAN_BASE_HOT_H
#define WITAN_BASE_HOT_H
#include <stdbool.h>
#include <stdint.h>

void wt_hot_begin(void);
void wt_hot_end(void);                           /* a bug without its begin */
bool wt_hot(void);                               /* is the calling thread in a hot region? */
/* what: a few words for the message, e.g. "arena block". */
void wt_hot_note_alloc(const char *what);
/* Allocations in hot regions of all threads so far (a debug build never gets beyond 0). */
uint64_t wt_hot_allocs(void);
#endif
