#include "base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_full(int e) { return e == ENOSPC || e == EDQUOT || e == EFBIG; }

wt_err wt_file_code(int e)
{
        return e == ENOENT || e == ENOTDIR                    ? WT_ENOTFOUND
               : e == EACCES || e == EPERM || e == EROFS      ? WT_EPERM
               : e == ENOMEM                                  ? WT_ENOMEM
               : e == EMFILE || e == ENFILE || is_full(e)     ? WT_EEXHAUSTED
                                                              : WT_EIO;
}

static wt_err failed(const char *what, const char *path)
{
        int e = errno;

        return wt_fail(wt_file_code(e), "cannot %s %s: %s%s", what, path, strerror(e),
                       is_full(e) ? "; make room on the disk" : "");
}

static wt_err read_all(int fd, const char *path, size_t max, struct wt_buf *out)
{
        size_t before = out->len;

        for (;;) {
                size_t have = out->len - before, want = 64 * 1024;
                ssize_t n;
                char *to;

                if (want > max - have)
                        want = max - have + 1;        /* one more byte tells that it is too large */
                if (!(to = wt_buf_try(out, want)))
                        return wt_fail(WT_ENOMEM, "no memory to read %s", path);
                n = read(fd, to, want);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return failed("read", path);
                if (n == 0)
                        return WT_OK;
                out->len += (size_t)n;
                out->data[out->len] = '\0';
                if (have + (size_t)n > max)
                        return wt_fail(WT_EEXHAUSTED,
                                       "%s is larger than %zu bytes; make it smaller", path, max);
        }
}

wt_err wt_file_read(const char *path, size_t max, struct wt_buf *out)
{
        size_t before = out->len;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct stat st;
        wt_err err;

        if (fd < 0)
                return failed("open", path);
        if (max > SIZE_MAX / 8)
                max = SIZE_MAX / 8;
        if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size <= max &&
            !wt_buf_try(out, (size_t)st.st_size + 1))
                err = wt_fail(WT_ENOMEM, "no memory for the %llu bytes of %s",
                              (unsigned long long)st.st_size, path);
        else
                err = read_all(fd, path, max, out);
        close(fd);
        if (err != WT_OK && out->data) {
                out->len = before;
                out->data[before] = '\0';
        }
        return err;
}

static wt_err write_all(int fd, const char *path, const void *data, size_t len)
{
        const char *p = data;

        while (len) {
                ssize_t n = write(fd, p, len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return failed("write", path);
                p += n;
                len -= (size_t)n;
        }
        if (fsync(fd) && errno != EINVAL)        /* a pipe or a device has nothing to sync */
                return failed("fsync", path);
        return WT_OK;
}

/* A rename is durable once its folder is. */
static wt_err sync_folder_of(const char *path)
{
        char folder[PATH_MAX];
        char *slash;
        wt_err err = WT_OK;
        int fd;

        snprintf(folder, sizeof folder, "%s", path);
        slash = strrchr(folder, '/');
        if (!slash)
                strcpy(folder, ".");
        else if (slash == folder)
                slash[1] = '\0';
        else
                *slash = '\0';
        fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return failed("open", folder);
        if (fsync(fd) && errno != EINVAL && errno != ENOTSUP)    /* some filesystems have none */
                err = failed("fsync", folder);
        close(fd);
        return err;
}

/* A device or a pipe takes the bytes itself: a file put in its place would be the end of it. */
static wt_err write_into(const char *path, const void *data, size_t len)
{
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        wt_err err;

        if (fd < 0)
                return failed("open", path);
        err = write_all(fd, path, data, len);
        close(fd);
        return err;
}

wt_err wt_file_write(const char *path, const void *data, size_t len, mode_t mode)
{
        char tmp[PATH_MAX];
        struct stat st;
        wt_err err;
        int fd;

        if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
                return write_into(path, data, len);
        if ((size_t)snprintf(tmp, sizeof tmp, "%s.tmp.%ld", path, (long)getpid()) >= sizeof tmp)
                return wt_fail(WT_EINVAL, "the path %s is too long; choose a shorter one", path);
        unlink(tmp);                             /* left by a dead process of the same number */
        fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
                return failed("create", path);          /* its place, that is */
        err = write_all(fd, tmp, data, len);
        if (err == WT_OK && fchmod(fd, mode))
                err = failed("chmod", tmp);
        close(fd);
        if (err == WT_OK && rename(tmp, path))
                err = failed("rename to", path);
        if (err != WT_OK) {
                unlink(tmp);
                return err;
        }
        return sync_folder_of(path);
}

wt_err wt_dir_make(const char *path, mode_t mode)
{
        char part[PATH_MAX];
        size_t len = strlen(path);
        struct stat st;

        if (len == 0 || len >= sizeof part)
                return wt_fail(WT_EINVAL, "the folder name '%s' is empty or too long", path);
        memcpy(part, path, len + 1);
        for (size_t i = 1; i <= len; i++) {
                if (part[i] != '/' && part[i] != '\0')
                        continue;
                part[i] = '\0';
                if (mkdir(part, mode) && errno != EEXIST)
                        return failed("make folder", part);
                if (i < len)
                        part[i] = '/';
        }
        if (stat(path, &st))
                return failed("look at", path);
        if (!S_ISDIR(st.st_mode))
                return wt_fail(WT_EEXIST, "%s exists and is no folder; move it away", path);
        return WT_OK;
}

wt_err wt_map_open(struct wt_map *out, const char *path)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct wt_map m = { 0 };
        struct stat st;
        wt_err err = WT_OK;

        if (fd < 0)
                return failed("open", path);
        if (fstat(fd, &st))
                err = failed("look at", path);
        else if (!S_ISREG(st.st_mode))
                err = wt_fail(WT_EINVAL, "%s is no regular file", path);
        else if (st.st_size > 0) {
                void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);

                if (p == MAP_FAILED)
                        err = failed("map", path);
                else
                        m = (struct wt_map){ p, (size_t)st.st_size };
        }
        close(fd);
        if (err == WT_OK)
                *out = m;
        return err;
}

void wt_map_close(struct wt_map *m)
{
        if (m->data)
                munmap((void *)m->data, m->bytes);
        *m = (struct wt_map){ 0 };
}
