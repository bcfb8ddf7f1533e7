/* unsynced.c - LD_PRELOAD: a disk under the audit spool that forgets, lies or fails, and dies with
 * its process. Only files NUMBER.seg and "new" of a folder whose path holds "/spool/" are touched;
 * what is written to them stays in memory until fdatasync, and is lost when the process is killed.
 *
 * UNSYNCED_COUNT=FILE: the number of those syncs, as text (of the latest process).
 * UNSYNCED_LIE=1: only the first sync of a file is done, the others are said to be.
 * UNSYNCED_FAIL=FILE: while FILE exists a sync fails with EIO (and what was written is dropped).
 * UNSYNCED_KILL=WHERE:N: at the N-th time that it comes there the process kills itself, as kill -9
 * does: "write" (half of what was written has reached the file), "sync" (before it), "synced"
 * (behind it, and nobody was told), "rename" (before a new segment has its name), "renamed" (behind
 * that, before its folder is synced). */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum { MAX_FD = 4096 };
static struct { int ours, synced; char *bytes; size_t len, cap; } file[MAX_FD];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long syncs;

static void *real(const char *name)
{
        void *f = dlsym(RTLD_NEXT, name);

        if (f == NULL)
                abort();
        return f;
}

static int is_segment(const char *path)
{
        size_t n = strlen(path);

        return strstr(path, "/spool/") != NULL &&
               ((n > 4 && strcmp(path + n - 4, ".seg") == 0) ||
                (n > 4 && strcmp(path + n - 4, "/new") == 0));
}

static int write_down(int fd, const char *bytes, size_t len)
{
        static ssize_t (*f)(int, const void *, size_t);
        size_t at = 0;

        if (f == NULL)
                *(void **)&f = real("write");
        while (at < len) {
                ssize_t n = f(fd, bytes + at, len - at);

                if (n <= 0)
                        return -1;
                at += (size_t)n;
        }
        return 0;
}

/* Under the lock. Is this the time at which the process shall die here? fd: whose bytes half go
 * down before; -1: none. */
static void come_to(const char *where, int fd)
{
        static unsigned long times;
        const char *kill_at = getenv("UNSYNCED_KILL");
        size_t n = strlen(where);

        if (kill_at == NULL || strncmp(kill_at, where, n) != 0 || kill_at[n] != ':' ||
            ++times < strtoul(kill_at + n + 1, NULL, 10))
                return;
        if (fd >= 0)
                write_down(fd, file[fd].bytes, file[fd].len / 2);
        raise(SIGKILL);
}

static int opened(int fd, const char *path, int flags)
{
        if (fd >= 0 && fd < MAX_FD) {
                pthread_mutex_lock(&lock);
                file[fd].ours = (flags & O_ACCMODE) != O_RDONLY && is_segment(path);
                file[fd].synced = 0;
                file[fd].len = 0;
                pthread_mutex_unlock(&lock);
        }
        return fd;
}

int open(const char *path, int flags, ...)
{
        static int (*f)(const char *, int, ...);
        mode_t mode = 0;
        va_list ap;

        if (flags & O_CREAT) {
                va_start(ap, flags);
                mode = va_arg(ap, mode_t);
                va_end(ap);
        }
        if (f == NULL)
                *(void **)&f = real("open");
        return opened(f(path, flags, mode), path, flags);
}

/* The number is another file's from now on. */
int close(int fd)
{
        static int (*f)(int);

        if (f == NULL)
                *(void **)&f = real("close");
        if (fd >= 0 && fd < MAX_FD && file[fd].ours) {
                pthread_mutex_lock(&lock);
                file[fd].ours = 0;
                file[fd].len = 0;
                pthread_mutex_unlock(&lock);
        }
        return f(fd);
}

ssize_t write(int fd, const void *data, size_t n)
{
        static ssize_t (*f)(int, const void *, size_t);

        if (f == NULL)
                *(void **)&f = real("write");
        if (fd < 0 || fd >= MAX_FD || !file[fd].ours)
                return f(fd, data, n);
        pthread_mutex_lock(&lock);
        if (file[fd].len + n > file[fd].cap) {
                file[fd].cap = 2 * (file[fd].len + n);
                file[fd].bytes = realloc(file[fd].bytes, file[fd].cap);
                if (file[fd].bytes == NULL)
                        abort();
        }
        memcpy(file[fd].bytes + file[fd].len, data, n);
        file[fd].len += n;
        come_to("write", fd);
        pthread_mutex_unlock(&lock);
        return (ssize_t)n;
}

static void count_one(void)
{
        const char *path = getenv("UNSYNCED_COUNT");
        FILE *out = path != NULL ? fopen(path, "w") : NULL;

        syncs++;
        if (out != NULL) {
                fprintf(out, "%lu\n", syncs);
                fclose(out);
        }
}

/* Under the lock: what is kept goes to the file. */
static int put_down(int fd)
{
        int rc = write_down(fd, file[fd].bytes, file[fd].len);

        if (rc == 0)
                file[fd].len = 0;
        return rc;
}

int rename(const char *from, const char *to)
{
        static int (*f)(const char *, const char *);
        int rc, ours = is_segment(to);

        if (f == NULL)
                *(void **)&f = real("rename");
        if (!ours)
                return f(from, to);
        pthread_mutex_lock(&lock);
        come_to("rename", -1);
        rc = f(from, to);
        come_to("renamed", -1);
        pthread_mutex_unlock(&lock);
        return rc;
}

int fdatasync(int fd)
{
        static int (*f)(int);
        const char *fail = getenv("UNSYNCED_FAIL");
        int rc = 0, ours = fd >= 0 && fd < MAX_FD && file[fd].ours;

        if (f == NULL)
                *(void **)&f = real("fdatasync");
        if (!ours)
                return f(fd);
        pthread_mutex_lock(&lock);
        come_to("sync", -1);
        if (fail != NULL && access(fail, F_OK) == 0) {
                file[fd].len = 0;
                rc = -1;
        } else if (getenv("UNSYNCED_LIE") == NULL || !file[fd].synced) {
                rc = put_down(fd);
                file[fd].synced = 1;
        }
        count_one();
        if (rc == 0)
                rc = f(fd);
        come_to("synced", -1);
        pthread_mutex_unlock(&lock);
        if (rc == 0)
                return 0;
        errno = EIO;
        return -1;
}
