/* spool_read.c - the drain's side: durable records in order. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include "audit/spool_impl.h"

/* Of the first record after `after` that is there: its sequence, its segment's first. False: no
 * durable one. */
static bool find(struct wt_spool *s, uint64_t after, uint64_t *want, uint64_t *first)
{
        bool found = false;

        *want = after + 1;
        pthread_mutex_lock(&s->lock);
        for (uint32_t i = 0; i < s->n_segs && !found; i++) {
                const struct seg *g = &s->segs[i];

                if (g->last < *want || g->last < g->first)
                        continue;
                if (*want < g->first)
                        *want = g->first;
                *first = g->first;
                found = *want <= s->durable;
                break;
        }
        pthread_mutex_unlock(&s->lock);
        return found;
}

static wt_err seek_to(struct wt_spool *s, uint64_t first)
{
        char path[4400], name[SEG_NAME];

        if (s->read_fd >= 0)
                close(s->read_fd);
        s->read_first = 0;
        spool_name(first, name);
        spool_path(s, name, path, sizeof path);
        s->read_fd = open(path, O_RDONLY | O_CLOEXEC);
        if (s->read_fd < 0)
                return wt_fail(WT_EIO, "could not open %s: %s", path, strerror(errno));
        s->read_first = s->read_next = first;
        s->read_at = SEG_HEAD;
        return WT_OK;
}

static wt_err read_at(struct wt_spool *s, void *to, size_t n, uint64_t at)
{
        for (size_t got = 0; got < n;) {
                ssize_t k = pread(s->read_fd, (char *)to + got, n - got, (off_t)(at + got));

                if (k < 0 && errno == EINTR)
                        continue;
                if (k <= 0)
                        return wt_fail(k < 0 ? WT_EIO : WT_EDATA, "%s/%020" PRIu64 ".seg: byte "
                                       "%" PRIu64 ": %s", s->folder, s->read_first, at + got,
                                       k < 0 ? strerror(errno) : "the file ends");
                got += (size_t)k;
        }
        return WT_OK;
}

static wt_err damaged(const struct wt_spool *s)
{
        return wt_fail(WT_EDATA, "%s/%020" PRIu64 ".seg: record %" PRIu64 " at byte %" PRIu64
                       " is damaged, and it was durable", s->folder, s->read_first, s->read_next,
                       s->read_at);
}

/* The next record of the open segment, whole, behind what out holds. */
static wt_err read_one(struct wt_spool *s, struct wt_buf *out, struct record *r)
{
        uint8_t head[REC_HEAD], *p;
        uint32_t len;
        wt_err err;

        if ((err = read_at(s, head, sizeof head, s->read_at)) != WT_OK)
                return err;
        len = head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 24;
        if (len == 0 || len > WT_SPOOL_MOST)
                return damaged(s);
        if ((p = (uint8_t *)wt_buf_try(out, REC_HEAD + (size_t)len)) == NULL)
                return wt_fail(WT_ENOMEM, "no memory for a record of %u bytes", len);
        memcpy(p, head, sizeof head);
        if ((err = read_at(s, p + REC_HEAD, len, s->read_at + REC_HEAD)) != WT_OK)
                return err;
        if (!spool_get_record(p, REC_HEAD + (size_t)len, s->read_next, r))
                return damaged(s);
        s->read_at += REC_HEAD + len;
        s->read_next++;
        return WT_OK;
}

wt_err wt_spool_next(wt_spool *s, uint64_t after, struct wt_buf *out, uint64_t *seq)
{
        struct record r = { 0 };
        uint64_t want, first;
        wt_err err = WT_OK;

        if (!find(s, after, &want, &first))
                return WT_EAGAIN;                /* not worded: the drain asks all the time */
        if (s->read_fd < 0 || s->read_first != first || s->read_next > want)
                err = seek_to(s, first);
        do {
                if (err == WT_OK)
                        err = read_one(s, out, &r);
        } while (err == WT_OK && r.seq < want);
        if (err != WT_OK)
                return err;
        memmove(out->data + out->len, r.data, r.len);
        out->len += r.len;
        out->data[out->len] = '\0';
        *seq = r.seq;
        return WT_OK;
}

static bool is_there(struct wt_spool *s, uint64_t after) { return s->durable > after; }

bool wt_spool_wait(wt_spool *s, uint64_t after, uint64_t timeout_us)
{
        struct timespec until;
        bool there;

        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += (time_t)(timeout_us / 1000000);
        until.tv_nsec += (long)(timeout_us % 1000000) * 1000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_mutex_lock(&s->lock);
        while (!is_there(s, after) && s->wakes == s->wakes_seen &&
               pthread_cond_timedwait(&s->moved, &s->lock, &until) == 0)
                ;
        there = is_there(s, after);
        s->wakes_seen = s->wakes;
        pthread_mutex_unlock(&s->lock);
        return there;
}

void wt_spool_wake(wt_spool *s)
{
        pthread_mutex_lock(&s->lock);
        s->wakes++;
        pthread_cond_broadcast(&s->moved);
        pthread_mutex_unlock(&s->lock);
}
