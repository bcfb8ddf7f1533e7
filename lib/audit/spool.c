/* spool.c - see spool.h: opening, appending, releasing. */
#include "audit/spool.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <unistd.h>
#include "audit/spool_impl.h"
#include "base/file.h"
#include "base/rng.h"
#include "base/sha256.h"

enum { MOST_PENDING = 256 << 20 };               /* bytes that wait in memory for a slow disk */

static wt_err lock_folder(struct wt_spool *s)
{
        char path[4400];

        spool_path(s, "lock", path, sizeof path);
        s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (s->lock_fd < 0)
                return wt_fail(WT_EIO, "could not open %s: %s", path, strerror(errno));
        if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0)
                return wt_fail(WT_EUNAVAILABLE, "another process has the spool %s; a gateway "
                               "needs a name of its own (--name)", s->folder);
        return WT_OK;
}

/* The store says of an id how far it was drained, so an id never comes to another spool's
 * sequences: segments without one are refused. */
static wt_err load_id(struct wt_spool *s)
{
        char path[4400];
        struct wt_buf b = { 0 };
        wt_err err;

        spool_path(s, "id", path, sizeof path);
        err = wt_file_read(path, 64, &b);
        if (err == WT_ENOTFOUND) {
                wt_random_bytes(s->raw_id, sizeof s->raw_id);
                wt_hex(s->raw_id, sizeof s->raw_id, s->id);
                err = wt_file_write(path, s->id, 32, 0600);
        } else if (err == WT_OK && (b.len != 32 || wt_unhex(b.data, 16, s->raw_id) != 0)) {
                err = wt_fail(WT_EDATA, "%s holds no 32 hex digits; move the folder away", path);
        } else if (err == WT_OK) {
                memcpy(s->id, b.data, 32);
        }
        wt_buf_free(&b);
        return err;
}

static wt_err start(struct wt_spool *s)
{
        s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (s->event_fd < 0)
                return wt_fail(WT_EIO, "no eventfd: %s", strerror(errno));
        if (pthread_create(&s->thread, NULL, spool_sync_run, s) != 0)
                return wt_fail(WT_EIO, "no thread for the spool");
        s->started = true;
        return WT_OK;
}

wt_err wt_spool_open(wt_spool **out, const struct wt_spool_conf *conf)
{
        struct wt_spool *s = calloc(1, sizeof *s);
        pthread_condattr_t attr;
        wt_err err;

        if (s == NULL || (s->folder = strdup(conf->folder)) == NULL) {
                free(s);
                return wt_fail(WT_ENOMEM, "no memory for a spool");
        }
        /* The newest segment is never deleted: alone it must not fill the spool, nor with the
         * largest group that may still come to it. */
        s->max_bytes = conf->max_bytes;
        s->segment_bytes = conf->segment_bytes < s->max_bytes / 8 ? conf->segment_bytes
                                                                  : s->max_bytes / 8;
        s->most_pending = s->max_bytes / 4 < MOST_PENDING ? s->max_bytes / 4 : MOST_PENDING;
        s->io = conf->io != NULL ? conf->io : &wt_spool_disk;
        s->lock_fd = s->event_fd = s->fd = s->read_fd = -1;
        pthread_mutex_init(&s->lock, NULL);
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(&s->news, &attr);
        pthread_cond_init(&s->moved, &attr);
        pthread_condattr_destroy(&attr);
        if ((err = wt_dir_make(s->folder, 0700)) != WT_OK || (err = lock_folder(s)) != WT_OK ||
            (err = load_id(s)) != WT_OK || (err = spool_load(s)) != WT_OK ||
            (err = start(s)) != WT_OK) {
                wt_spool_close(s);
                return err;
        }
        *out = s;
        return WT_OK;
}

void wt_spool_close(wt_spool *s)
{
        if (s == NULL)
                return;
        if (s->started) {
                pthread_mutex_lock(&s->lock);
                s->stopping = true;
                pthread_cond_broadcast(&s->news);
                pthread_mutex_unlock(&s->lock);
                pthread_join(s->thread, NULL);
        }
        for (int i = 0; i < 3; i++) {
                int fd = i == 0 ? s->lock_fd : i == 1 ? s->event_fd : s->read_fd;

                if (fd >= 0)
                        close(fd);
        }
        pthread_cond_destroy(&s->news);
        pthread_cond_destroy(&s->moved);
        pthread_mutex_destroy(&s->lock);
        wt_buf_free(&s->pending);
        wt_buf_free(&s->writing);
        free(s->segs);
        free(s->folder);
        free(s);
}

const char *wt_spool_id(const wt_spool *s) { return s->id; }
int wt_spool_fd(const wt_spool *s) { return s->event_fd; }

/* Under the lock. */
static wt_err append(struct wt_spool *s, const void *data, size_t len, uint64_t *seq)
{
        uint64_t waiting = s->pending.len + s->writing_bytes, need = REC_HEAD + len;

        if (s->failing)
                return wt_fail(WT_EIO, "the spool cannot be written (%s)", s->why);
        if (s->disk_bytes + waiting + need > s->max_bytes)
                return wt_fail(WT_EEXHAUSTED, "the spool is full: %" PRIu64 " bytes in %s wait for "
                               "the store; is the database there? (spool_bytes is the limit)",
                               s->disk_bytes + waiting, s->folder);
        if (waiting + need > s->most_pending || wt_buf_try(&s->pending, need) == NULL)
                return wt_fail(WT_EEXHAUSTED, "%" PRIu64 " bytes wait for the disk of %s",
                               waiting, s->folder);
        spool_put_record(&s->pending, ++s->appended, s->durable, data, len);
        s->stats.records++;
        *seq = s->appended;
        return WT_OK;
}

/* Under the lock, which it leaves. Signalled after that: a thread that wakes to a lock that is held
 * goes to sleep again. */
static void leave_due(struct wt_spool *s, bool due)
{
        bool news = due && s->pending.len > 0 && !s->due;

        s->due |= news;
        pthread_mutex_unlock(&s->lock);
        if (news)
                pthread_cond_signal(&s->news);
}

static wt_err append_checked(wt_spool *s, const void *data, size_t len, uint64_t *seq, bool due)
{
        wt_err err;

        if (len == 0 || len > WT_SPOOL_MOST)
                return wt_fail(WT_EINVAL, "a record of %zu bytes; 1 to %d go into a spool", len,
                               WT_SPOOL_MOST);
        pthread_mutex_lock(&s->lock);
        err = append(s, data, len, seq);
        leave_due(s, due);
        return err;
}

wt_err wt_spool_append(wt_spool *s, const void *data, size_t len, uint64_t *seq)
{
        return append_checked(s, data, len, seq, true);
}

wt_err wt_spool_append_later(wt_spool *s, const void *data, size_t len, uint64_t *seq)
{
        return append_checked(s, data, len, seq, false);
}

void wt_spool_sync(wt_spool *s)
{
        pthread_mutex_lock(&s->lock);
        leave_due(s, true);
}

uint64_t wt_spool_appended(wt_spool *s)
{
        uint64_t v;

        pthread_mutex_lock(&s->lock);
        v = s->appended;
        pthread_mutex_unlock(&s->lock);
        return v;
}

uint64_t wt_spool_durable(wt_spool *s)
{
        uint64_t v;

        pthread_mutex_lock(&s->lock);
        v = s->durable;
        pthread_mutex_unlock(&s->lock);
        return v;
}

bool wt_spool_good(wt_spool *s, char *words, size_t cap)
{
        bool good;

        pthread_mutex_lock(&s->lock);
        good = !s->failing;
        snprintf(words, cap, "%s", good ? "" : s->why);
        pthread_mutex_unlock(&s->lock);
        return good;
}

void wt_spool_stats(wt_spool *s, struct wt_spool_stats *out)
{
        pthread_mutex_lock(&s->lock);
        *out = s->stats;
        out->waiting_bytes = s->pending.len + s->writing_bytes;
        out->bytes = s->disk_bytes + out->waiting_bytes;
        out->failing = s->failing;
        pthread_mutex_unlock(&s->lock);
}

/* The oldest segment if all of it is released and it is not the newest; its first, or 0. */
static uint64_t take_oldest(struct wt_spool *s, uint64_t seq)
{
        uint64_t first = 0;

        pthread_mutex_lock(&s->lock);
        if (s->n_segs > 1 && s->segs[0].last <= seq) {
                first = s->segs[0].first;
                s->disk_bytes -= s->segs[0].bytes;
                memmove(s->segs, s->segs + 1, --s->n_segs * sizeof *s->segs);
        }
        pthread_mutex_unlock(&s->lock);
        return first;
}

/* One after another, each gone for good before the next: after a crash no hole is left. */
void wt_spool_release(wt_spool *s, uint64_t seq)
{
        uint64_t first;
        char name[SEG_NAME], path[4400];

        while ((first = take_oldest(s, seq)) != 0) {
                spool_name(first, name);
                spool_path(s, name, path, sizeof path);
                s->io->unlink(s->io->arg, path);
                s->io->syncdir(s->io->arg, s->folder);
        }
}
