/* spool.h - audit events on this machine's disk before anything is acknowledged: segments of
 * records in a folder of one gateway, appended by any thread, written and fdatasynced in groups by
 * a thread of the spool's own, read by the drain's thread.
 *
 * A segment is a file NUMBER.seg, NUMBER being the sequence of its first record: a head
 * {"WTSPOOL1", the spool's id, NUMBER, CRC-32C}, then records {length, CRC-32C, sequence, what
 * was durable when it was appended, bytes}. It gets its name once its head and its first group are
 * synced, and the name is synced before that group counts as durable.
 *
 * After a failed write or sync the segment is abandoned as it stands: what was not durable is
 * written again into a new one, and the same descriptor is never synced again. A torn end found
 * by open is cut off (it was never durable, so never acknowledged); damage before the end (a later
 * record or a later segment says that it was durable) is WT_EDATA. Full (max_bytes not yet
 * drained) or a disk that fails: appends are refused, and the gateway sheds. */
#ifndef WITAN_AUDIT_SPOOL_H
#define WITAN_AUDIT_SPOOL_H
#include <stdbool.h>
#include <sys/types.h>
#include "base/buf.h"
#include "base/err.h"

typedef struct wt_spool wt_spool;
enum { WT_SPOOL_MOST = 6 << 20 };                /* bytes of a record */

/* What the spool asks of the disk, as the system's calls of these names (-1 and errno), so that a
 * test may fail or lie. Borrowed until close; called by any thread. */
struct wt_spool_io {
        int (*open)(void *arg, const char *path, int flags, mode_t mode);
        ssize_t (*write)(void *arg, int fd, const void *data, size_t len);
        int (*datasync)(void *arg, int fd);
        int (*rename)(void *arg, const char *from, const char *to);
        int (*syncdir)(void *arg, const char *folder);
        int (*unlink)(void *arg, const char *path);
        void *arg;
};
extern const struct wt_spool_io wt_spool_disk;

struct wt_spool_conf {
        const char *folder;                      /* made 0700 when absent; locked: one process */
        uint64_t segment_bytes, max_bytes;       /* a segment is at most an eighth of all */
        const struct wt_spool_io *io;            /* NULL: wt_spool_disk */
};
enum { WT_SPOOL_BUCKETS = 14 };
extern const double wt_spool_bounds[WT_SPOOL_BUCKETS - 1];       /* seconds of a sync */
struct wt_spool_stats {
        uint64_t records, syncs, failures;       /* appended; since open */
        uint64_t bytes;                          /* in segments that are not deleted, and waiting */
        uint64_t waiting_bytes;                  /* appended, not durable */
        uint64_t buckets[WT_SPOOL_BUCKETS], sync_us;     /* times of syncs, and their sum */
        bool failing;
};

/* WT_EUNAVAILABLE: another process has the folder. WT_EDATA: see above. WT_EIO. */
wt_err wt_spool_open(wt_spool **out, const struct wt_spool_conf *conf);
/* Syncs what was appended. NULL is fine. */
void wt_spool_close(wt_spool *s);
const char *wt_spool_id(const wt_spool *s);      /* 32 hex digits, made with the folder; the store
                                                  * keeps how far this spool was drained */
/* Never blocks on the disk. *seq counts from 1 and never restarts in a folder. WT_EEXHAUSTED: full;
 * WT_EIO: the disk fails (the reason in words). WT_EINVAL: empty, or above WT_SPOOL_MOST. */
wt_err wt_spool_append(wt_spool *s, const void *data, size_t len, uint64_t *seq);
/* The same, but the disk is not asked for this record alone: it is synced together with the next
 * one that is appended by wt_spool_append, or from wt_spool_sync on. */
wt_err wt_spool_append_later(wt_spool *s, const void *data, size_t len, uint64_t *seq);
void wt_spool_sync(wt_spool *s);                 /* begins, and does not wait */
uint64_t wt_spool_appended(wt_spool *s);         /* the last sequence that was given */
uint64_t wt_spool_durable(wt_spool *s);          /* every record up to this one is on disk */
int wt_spool_fd(const wt_spool *s);              /* an eventfd: readable when durable has moved, or
                                                  * the disk began to fail; the reader reads it
                                                  * empty */

/* The drain's side, one thread: durable records in order, from the first that is not released.
 * Appends to out. WT_EAGAIN: no durable record after that one. WT_EDATA, WT_EIO. */
wt_err wt_spool_next(wt_spool *s, uint64_t after, struct wt_buf *out, uint64_t *seq);
bool wt_spool_wait(wt_spool *s, uint64_t after, uint64_t timeout_us);    /* for one to be there */
void wt_spool_wake(wt_spool *s);                 /* ends a wait early, or the next one; any
                                                  * thread */
void wt_spool_release(wt_spool *s, uint64_t seq);/* all up to seq are in the store: segments that
                                                  * hold nothing else are deleted, but for the
                                                  * newest, which keeps the count */
void wt_spool_stats(wt_spool *s, struct wt_spool_stats *out);
/* false and the reason while appends are refused for a disk that fails. */
bool wt_spool_good(wt_spool *s, char *words, size_t cap);
#endif
