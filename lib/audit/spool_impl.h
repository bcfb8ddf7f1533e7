/* spool_impl.h - the spool's inside, for spool*.c alone. */
#ifndef WITAN_AUDIT_SPOOL_IMPL_H
#define WITAN_AUDIT_SPOOL_IMPL_H
#include <pthread.h>
#include <string.h>
#include "audit/spool.h"

enum { SEG_HEAD = 40, REC_HEAD = 24, SEG_NAME = 32 };

/* A segment that has its name. last: of the records that count; first - 1 while there is none. */
struct seg { uint64_t first, last, bytes; };

struct wt_spool {
        char *folder, id[33];
        uint8_t raw_id[16];
        uint64_t segment_bytes, max_bytes, most_pending;
        const struct wt_spool_io *io;
        int lock_fd, event_fd;
        pthread_t thread; bool started;

        pthread_mutex_t lock;                    /* guards what follows, up to the next blank */
        pthread_cond_t news, moved;              /* for the syncing thread; for the drain */
        struct wt_buf pending;                   /* appended, not taken by the syncing thread */
        uint64_t appended, durable, wakes, wakes_seen;
        struct seg *segs; uint32_t n_segs, cap_segs;
        uint64_t disk_bytes, writing_bytes;
        bool due;                                /* pending is to be synced as soon as may be */
        bool stopping, failing;
        char why[256];
        struct wt_spool_stats stats;

        int fd;                                  /* the syncing thread's: -1 when there is none */
        uint64_t fd_bytes;
        struct wt_buf writing; uint64_t writing_last;

        int read_fd;                             /* the drain's */
        uint64_t read_first, read_next, read_at;
};

/* spool_file.c: the bytes */
struct record { uint32_t len; uint64_t seq, durable; const uint8_t *data; };
void spool_put_head(const struct wt_spool *s, uint64_t first, uint8_t out[SEG_HEAD]);
void spool_put_record(struct wt_buf *out, uint64_t seq, uint64_t durable, const void *data,
                      size_t len);               /* room was asked for */
/* False: no whole record of sequence seq lies there. */
bool spool_get_record(const uint8_t *p, size_t n, uint64_t seq, struct record *r);
void spool_path(const struct wt_spool *s, const char *name, char *out, size_t cap);
void spool_name(uint64_t first, char out[SEG_NAME]);
/* A segment's bytes: its head, then records up to a bad one (*end) or to the last byte.
 * first is what its name says; newest: nothing else says what it must hold. Past *last nothing
 * counts. WT_EDATA: the head is not whole, or damage in what was durable. */
wt_err spool_scan(const uint8_t *p, size_t n, const uint8_t id[16], uint64_t first, bool newest,
                  uint64_t *last, size_t *end);

/* spool_open.c: folder -> segments; cuts a torn end off. */
wt_err spool_load(struct wt_spool *s);
/* spool_sync.c */
void *spool_sync_run(void *s);
bool spool_write(struct wt_spool *s, int fd, const void *data, size_t len);      /* all of it */
#endif
