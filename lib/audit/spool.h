/* spool.h - audit events on this machine's disk before anything is acknowledged: segments of
 * records {length, CRC-32C, sequence, bytes} in a folder of one gateway, appended by one thread,
 * written and fdatasynced in groups by a thread of the spool's own, read by the drain's thread.
 *
 * After a failed write or sync the segment is abandoned as it stands: what was not durable is
 * written again into a new one, and the same descriptor is never synced again. A torn end found
 * by open is cut off (it was never durable, so never acknowledged); damage before the end is
 * WT_EDATA. Full (max_bytes not yet drained) or a disk that fails: appends are refused, and the
 * gateway sheds. */
#ifndef WITAN_AUDIT_SPOOL_H
#define WITAN_AUDIT_SPOOL_H
#include <stdbool.h>
#include "base/buf.h"
#include "base/err.h"

typedef struct wt_spool wt_spool;
struct wt_spool_conf {
        const char *folder;                      /* made 0700 when absent; locked: one process */
        uint64_t segment_bytes, max_bytes;
};
struct wt_spool_stats { uint64_t records, bytes, syncs, failures, waiting_bytes; };

wt_err wt_spool_open(wt_spool **out, const struct wt_spool_conf *conf);
void wt_spool_close(wt_spool *s);                /* syncs what was appended */
const char *wt_spool_id(const wt_spool *s);      /* 32 hex digits, made with the folder; the store
                                                  * keeps how far this spool was drained */
/* Never blocks on the disk. *seq counts from 1 and never restarts in a folder. WT_EEXHAUSTED: full;
 * WT_EIO: the disk fails (the reason in words). */
wt_err wt_spool_append(wt_spool *s, const void *data, size_t len, uint64_t *seq);
uint64_t wt_spool_durable(const wt_spool *s);    /* every record up to this one is on disk */
int wt_spool_fd(const wt_spool *s);              /* an eventfd: readable when durable has moved; the
                                                  * reader reads it empty */

/* The drain's side, another thread: durable records in order, from the first that is not
 * released. */
wt_err wt_spool_next(wt_spool *s, uint64_t after, struct wt_buf *out, uint64_t *seq); /* WT_EAGAIN:
                                                  * no durable record after that one */
bool wt_spool_wait(wt_spool *s, uint64_t after, uint64_t timeout_us);    /* for one to be there */
void wt_spool_release(wt_spool *s, uint64_t seq);/* all up to seq are in the store: segments that
                                                  * hold nothing else are deleted */
void wt_spool_stats(const wt_spool *s, struct wt_spool_stats *out);
#endif
