/* spool_sync.c - the spool's own thread: what was appended while the last sync ran is the next
 * group; one write and one fdatasync make it durable together. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <sys/stat.h>
#include <unistd.h>
#include "audit/spool_impl.h"
#include "base/clock.h"

enum { FIRST_PAUSE_MS = 50, LONGEST_PAUSE_MS = 1000 };
const double wt_spool_bounds[WT_SPOOL_BUCKETS - 1] = { .0001, .00025, .0005, .001, .0025, .005,
                                                       .01, .025, .05, .1, .25, .5, 1 };

static int sys_open(void *arg, const char *path, int flags, mode_t mode)
{
        (void)arg;
        return open(path, flags, mode);
}

static ssize_t sys_write(void *arg, int fd, const void *data, size_t len)
{
        (void)arg;
        return write(fd, data, len);
}

/* A file that has no name any more (somebody removed the folder) keeps nothing, synced or not. */
static int sys_datasync(void *arg, int fd)
{
        struct stat st;

        (void)arg;
        if (fdatasync(fd) != 0 || fstat(fd, &st) != 0)
                return -1;
        errno = ESTALE;
        return st.st_nlink > 0 ? 0 : -1;
}

static int sys_rename(void *arg, const char *from, const char *to)
{
        (void)arg;
        return rename(from, to);
}

/* Opened anew each time: a descriptor whose sync failed is not asked again. */
static int sys_syncdir(void *arg, const char *folder)
{
        int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc, was;

        (void)arg;
        if (fd < 0)
                return -1;
        rc = fsync(fd);
        was = errno;
        close(fd);
        errno = was;
        return rc;
}

static int sys_unlink(void *arg, const char *path)
{
        (void)arg;
        return unlink(path);
}

const struct wt_spool_io wt_spool_disk = { .open = sys_open, .write = sys_write,
        .datasync = sys_datasync, .rename = sys_rename, .syncdir = sys_syncdir,
        .unlink = sys_unlink };

bool spool_write(struct wt_spool *s, int fd, const void *data, size_t len)
{
        const char *p = data;

        while (len > 0) {
                ssize_t n = s->io->write(s->io->arg, fd, p, len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n == 0)
                        errno = ENOSPC;
                if (n <= 0)
                        return false;
                p += n;
                len -= (size_t)n;
        }
        return true;
}

static bool sync_timed(struct wt_spool *s, int fd)
{
        uint64_t begin = wt_now_us(&wt_clock_real), us;
        bool ok = s->io->datasync(s->io->arg, fd) == 0;
        uint32_t b = 0;

        us = wt_now_us(&wt_clock_real) - begin;
        while (b < WT_SPOOL_BUCKETS - 1 && (double)us > wt_spool_bounds[b] * 1e6)
                b++;
        pthread_mutex_lock(&s->lock);
        s->stats.syncs++;
        s->stats.buckets[b]++;
        s->stats.sync_us += us;
        pthread_mutex_unlock(&s->lock);
        return ok;
}

/* The place in the list is there before the file has its name. */
static bool list_room(struct wt_spool *s)
{
        struct seg *more = NULL;
        bool ok;

        pthread_mutex_lock(&s->lock);
        ok = s->n_segs < s->cap_segs;
        if (!ok && (more = realloc(s->segs, (2 * s->cap_segs + 64) * sizeof *more)) != NULL) {
                s->segs = more;
                s->cap_segs = 2 * s->cap_segs + 64;
                ok = true;
        }
        pthread_mutex_unlock(&s->lock);
        errno = ENOMEM;
        return ok;
}

static void list_add(struct wt_spool *s, uint64_t first)
{
        pthread_mutex_lock(&s->lock);
        /* One of the same number was abandoned before anything in it was durable: its name now
         * leads to the new file. */
        if (s->n_segs > 0 && s->segs[s->n_segs - 1].first == first)
                s->disk_bytes -= s->segs[--s->n_segs].bytes;
        s->segs[s->n_segs++] = (struct seg){ .first = first, .last = first - 1,
                                             .bytes = s->fd_bytes };
        s->disk_bytes += s->fd_bytes;
        pthread_mutex_unlock(&s->lock);
}

/* A new segment that begins with the group: named once that is synced. */
static bool begin_segment(struct wt_spool *s, uint64_t first)
{
        uint8_t head[SEG_HEAD];
        char from[4400], to[4400], name[SEG_NAME];

        spool_name(first, name);
        spool_path(s, "new", from, sizeof from);
        spool_path(s, name, to, sizeof to);
        spool_put_head(s, first, head);
        if (s->fd >= 0)
                close(s->fd);
        s->fd = list_room(s) ? s->io->open(s->io->arg, from, O_WRONLY | O_CREAT | O_TRUNC |
                                           O_CLOEXEC, 0600) : -1;
        s->fd_bytes = SEG_HEAD + s->writing.len;
        if (s->fd < 0 || !spool_write(s, s->fd, head, sizeof head) ||
            !spool_write(s, s->fd, s->writing.data, s->writing.len) || !sync_timed(s, s->fd) ||
            s->io->rename(s->io->arg, from, to) != 0 ||
            s->io->syncdir(s->io->arg, s->folder) != 0)
                return false;
        list_add(s, first);
        return true;
}

static bool write_group(struct wt_spool *s, uint64_t first)
{
        if (s->fd < 0 || s->fd_bytes + s->writing.len > s->segment_bytes)
                return begin_segment(s, first);
        if (!spool_write(s, s->fd, s->writing.data, s->writing.len) || !sync_timed(s, s->fd))
                return false;
        s->fd_bytes += s->writing.len;
        pthread_mutex_lock(&s->lock);
        s->segs[s->n_segs - 1].bytes += s->writing.len;
        s->disk_bytes += s->writing.len;
        pthread_mutex_unlock(&s->lock);
        return true;
}

static void tell(struct wt_spool *s)
{
        static const uint64_t one = 1;

        pthread_cond_broadcast(&s->moved);
        if (write(s->event_fd, &one, sizeof one) < 0)
                WT_ASSERT(errno == EAGAIN);      /* full: readable all the same */
}

/* Under the lock. */
static void succeeded(struct wt_spool *s)
{
        s->durable = s->writing_last;
        s->segs[s->n_segs - 1].last = s->durable;
        s->failing = false;
        s->writing_bytes = 0;
        wt_buf_clear(&s->writing);
        tell(s);
}

/* Under the lock. The descriptor is closed and the segment left as it stands; `writing` is kept
 * for the next one. */
static void failed(struct wt_spool *s, int why, uint32_t *pause_ms)
{
        struct timespec until;

        if (s->fd >= 0)
                close(s->fd);
        s->fd = -1;
        s->stats.failures++;
        s->failing = true;
        snprintf(s->why, sizeof s->why, "%.180s: %s", s->folder, strerror(why));
        tell(s);
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += (long)(*pause_ms % 1000) * 1000000;
        until.tv_sec += *pause_ms / 1000 + until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        while (!s->stopping && pthread_cond_timedwait(&s->news, &s->lock, &until) == 0)
                ;
        *pause_ms = 2 * *pause_ms < LONGEST_PAUSE_MS ? 2 * *pause_ms : LONGEST_PAUSE_MS;
}

/* Under the lock: what is pending joins the group. False: nothing to write, or nothing that may not
 * wait for others. */
static bool take_group(struct wt_spool *s)
{
        if (!s->due && !s->stopping && s->writing.len == 0)
                return false;
        s->due = false;
        if (s->writing.len == 0) {
                struct wt_buf empty = s->writing;

                s->writing = s->pending;
                s->pending = empty;
        } else if (s->pending.len > 0) {
                if (wt_buf_try(&s->writing, s->pending.len) == NULL) {
                        s->due = true;
                        return true;             /* what is there goes first */
                }
                wt_buf_add(&s->writing, s->pending.data, s->pending.len);
                wt_buf_clear(&s->pending);
        }
        s->writing_last = s->appended;
        s->writing_bytes = s->writing.len;
        return s->writing.len > 0;
}

void *spool_sync_run(void *arg)
{
        struct wt_spool *s = arg;
        uint32_t pause_ms = FIRST_PAUSE_MS;

        pthread_mutex_lock(&s->lock);
        for (;;) {
                uint64_t first = s->durable + 1;
                bool ok, last_try = s->stopping;
                int why;

                if (!take_group(s)) {
                        if (s->stopping)
                                break;
                        pthread_cond_wait(&s->news, &s->lock);
                        continue;
                }
                pthread_mutex_unlock(&s->lock);
                ok = write_group(s, first);
                why = errno;
                pthread_mutex_lock(&s->lock);
                if (ok) {
                        pause_ms = FIRST_PAUSE_MS;
                        succeeded(s);
                } else if (last_try) {
                        break;                   /* lost, but nobody was told that it is kept */
                } else {
                        failed(s, why, &pause_ms);
                }
        }
        pthread_mutex_unlock(&s->lock);
        if (s->fd >= 0)
                close(s->fd);
        return NULL;
}
