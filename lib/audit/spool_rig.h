/* spool_rig.h - a disk that fails, lies and forgets, for the spool's tests: counts calls, fails the
 * n-th of a kind, and knows what of a folder would be there after a power cut: of each file what
 * was synced, under the names that were synced. */
#ifndef WITAN_AUDIT_SPOOL_RIG_H
#define WITAN_AUDIT_SPOOL_RIG_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "audit/spool.h"
#include "base/file.h"

enum op { OPEN, WRITE, DATASYNC, RENAME, SYNCDIR, N_OPS };
enum { MAX_FILES = 512 };
struct name { char text[64]; ino_t ino; };
struct rig {
        struct wt_spool_io io;
        pthread_mutex_t lock;
        char folder[128];
        uint64_t calls[N_OPS], fail_at[N_OPS], fail_until[N_OPS];
        bool lies;                               /* says of a sync that it was done */
        int bad_fd;                              /* whose sync failed; -1: none */
        bool asked_again;
        int hold;                                /* syncs wait while it is 1 */
        struct { ino_t ino; off_t synced; } file[MAX_FILES]; uint32_t n_files;
        struct name name[MAX_FILES]; uint32_t n_names;
};

static bool rig_fails(struct rig *r, enum op op)
{
        uint64_t n = ++r->calls[op];

        errno = op == WRITE ? ENOSPC : EIO;
        return r->fail_at[op] != 0 && n >= r->fail_at[op] && n <= r->fail_until[op];
}

static int rig_open(void *arg, const char *path, int flags, mode_t mode)
{
        struct rig *r = arg;
        int fd = -1;

        pthread_mutex_lock(&r->lock);
        if (!rig_fails(r, OPEN) && (fd = open(path, flags, mode)) == r->bad_fd)
                r->bad_fd = -1;                  /* the number is another file's now */
        pthread_mutex_unlock(&r->lock);
        return fd;
}

/* A write that fails has written half. */
static ssize_t rig_write(void *arg, int fd, const void *data, size_t len)
{
        struct rig *r = arg;
        ssize_t n;

        pthread_mutex_lock(&r->lock);
        if (rig_fails(r, WRITE)) {
                n = write(fd, data, len / 2);
                errno = ENOSPC;
                n = -1;
        } else {
                n = write(fd, data, len);
        }
        pthread_mutex_unlock(&r->lock);
        return n;
}

static void rig_synced(struct rig *r, int fd)
{
        struct stat st;
        uint32_t i = 0;

        assert_int_equal(fstat(fd, &st), 0);
        while (i < r->n_files && r->file[i].ino != st.st_ino)
                i++;
        assert_true(i < MAX_FILES);
        r->file[i].ino = st.st_ino;
        r->file[i].synced = st.st_size;
        r->n_files += i == r->n_files;
}

static int rig_datasync(void *arg, int fd)
{
        struct rig *r = arg;
        int rc = 0;

        while (__atomic_load_n(&r->hold, __ATOMIC_ACQUIRE))
                sched_yield();
        pthread_mutex_lock(&r->lock);
        r->asked_again |= fd == r->bad_fd;
        if (rig_fails(r, DATASYNC)) {
                r->bad_fd = fd;
                rc = -1;
        } else if (!r->lies) {
                rig_synced(r, fd);
        }
        pthread_mutex_unlock(&r->lock);
        errno = EIO;
        return rc;
}

static int rig_rename(void *arg, const char *from, const char *to)
{
        struct rig *r = arg;
        int rc;

        pthread_mutex_lock(&r->lock);
        rc = rig_fails(r, RENAME) ? -1 : rename(from, to);
        pthread_mutex_unlock(&r->lock);
        return rc;
}

static void rig_names(struct rig *r)
{
        DIR *d = opendir(r->folder);
        struct dirent *e;

        assert_non_null(d);
        r->n_names = 0;
        while ((e = readdir(d)) != NULL)
                if (e->d_name[0] != '.' && strcmp(e->d_name, "lock") != 0) {
                        assert_true(r->n_names < MAX_FILES && strlen(e->d_name) < 64);
                        snprintf(r->name[r->n_names].text, 64, "%.63s", e->d_name);
                        r->name[r->n_names++].ino = e->d_ino;
                }
        closedir(d);
}

static int rig_syncdir(void *arg, const char *folder)
{
        struct rig *r = arg;
        int rc = -1;

        pthread_mutex_lock(&r->lock);
        assert_string_equal(folder, r->folder);
        if (!rig_fails(r, SYNCDIR)) {
                rig_names(r);
                rc = 0;
        }
        pthread_mutex_unlock(&r->lock);
        return rc;
}

static int rig_unlink(void *arg, const char *path)
{
        struct rig *r = arg;
        int rc;

        pthread_mutex_lock(&r->lock);
        rc = unlink(path);
        pthread_mutex_unlock(&r->lock);
        return rc;
}

static void rig_init(struct rig *r, const char *folder)
{
        memset(r, 0, sizeof *r);
        r->io = (struct wt_spool_io){ rig_open, rig_write, rig_datasync, rig_rename, rig_syncdir,
                                      rig_unlink, r };
        r->bad_fd = -1;
        pthread_mutex_init(&r->lock, NULL);
        snprintf(r->folder, sizeof r->folder, "%s", folder);
}

/* The id stays: that it is synced costs more than all of a test. */
static __attribute__((unused)) void empty_folder(const char *folder, bool id_too)
{
        DIR *d = opendir(folder);
        struct dirent *e;
        char path[400];

        while (d != NULL && (e = readdir(d)) != NULL) {
                snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
                if (e->d_name[0] != '.' && (id_too || strcmp(e->d_name, "id") != 0))
                        unlink(path);
        }
        if (d != NULL)
                closedir(d);
}

static __attribute__((unused)) void plain_write(const char *path, const void *data, size_t len)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

        assert_true(fd >= 0 && write(fd, data, len) == (ssize_t)len);
        close(fd);
}

/* What is there after the power was cut now. A file without its name is gone, as are bytes that
 * no sync has seen. Files that the spool does not write through the rig (id) are whole. */
static __attribute__((unused)) void rig_power_cut(struct rig *r, const char *to)
{
        char path[400];
        struct wt_buf b = { 0 };

        empty_folder(to, true);
        assert_int_equal(wt_dir_make(to, 0700), WT_OK);
        pthread_mutex_lock(&r->lock);
        for (uint32_t i = 0; i < r->n_names; i++) {
                bool segment = strstr(r->name[i].text, ".seg") != NULL;
                size_t keep = segment || strcmp(r->name[i].text, "new") == 0 ? 0 : SIZE_MAX;

                for (uint32_t k = 0; k < r->n_files; k++)
                        if (keep != SIZE_MAX && r->file[k].ino == r->name[i].ino)
                                keep = (size_t)r->file[k].synced;
                wt_buf_clear(&b);
                snprintf(path, sizeof path, "%s/%s", r->folder, r->name[i].text);
                if (wt_file_read(path, 64 << 20, &b) != WT_OK)
                        continue;                /* released, and its name is not yet synced away */
                snprintf(path, sizeof path, "%s/%s", to, r->name[i].text);
                plain_write(path, b.data, b.len < keep ? b.len : keep);
        }
        pthread_mutex_unlock(&r->lock);
        wt_buf_free(&b);
}
#endif
