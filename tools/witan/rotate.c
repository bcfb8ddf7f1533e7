/* rotate.c - see rotate.h. A rename would not do: a process writes to the file that it was started
 * with, whatever its name. */
#include "rotate.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_PATH = 4400 };

static wt_err failed(const char *path)
{
        return wt_fail(WT_EIO, "could not turn over %s: %s", path, strerror(errno));
}

/* PATH.i becomes PATH.i+1; the last is written over. */
static void shift(const char *path, uint32_t keep)
{
        char from[MAX_PATH], to[MAX_PATH];

        for (uint32_t i = keep; i-- > 1;) {
                snprintf(from, sizeof from, "%s.%u", path, i);
                snprintf(to, sizeof to, "%s.%u", path, i + 1);
                rename(from, to);                /* it may not be there yet */
        }
}

/* All of in, up to its end as it is when that is reached. */
static wt_err copy(int in, const char *path)
{
        char to[MAX_PATH];
        ssize_t n = 1;
        int out;

        snprintf(to, sizeof to, "%s.1", path);
        out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (out < 0)
                return failed(path);
        while (n > 0 || (n < 0 && errno == EINTR))
                n = sendfile(out, in, NULL, 1 << 20);
        if (n < 0 || close(out) != 0) {
                wt_err err = failed(path);

                if (n < 0)
                        close(out);
                unlink(to);                      /* half of a log beside the whole one */
                return err;
        }
        return WT_OK;
}

wt_err rotate(const char *path, uint64_t most, uint32_t keep, bool *turned)
{
        int fd = open(path, O_RDWR | O_CLOEXEC);
        struct stat st;
        wt_err err = WT_OK;

        *turned = false;
        if (fd < 0)
                return errno == ENOENT ? WT_OK : failed(path);
        if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size > most) {
                if (keep > 0) {
                        shift(path, keep);
                        err = copy(fd, path);
                }
                if (err == WT_OK && ftruncate(fd, 0) != 0)
                        err = failed(path);
                *turned = err == WT_OK;
        }
        close(fd);
        return err;
}
