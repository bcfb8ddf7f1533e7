/* dump.c - see dump.h. PR_SET_DUMPABLE 0 would do it too, and gives the files of /proc/PID to root:
 * witan doctor could no longer tell an ordinary user which of his processes has a port, nor an
 * operator see what his services map. */
#include "base/dump.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

wt_err wt_dump_none(void)
{
        /* 0 forbids files alone: a collector behind a pipe (core_pattern "|...") is run all the
         * same. 1 is less than any core, and the kernel's own word for "no pipe either". Whoever
         * started us with a hard limit of 0 leaves us that. */
        const struct rlimit none = { 1, 1 }, least = { 0, 0 };
        int fd;

        if (setrlimit(RLIMIT_CORE, &none) != 0 && setrlimit(RLIMIT_CORE, &least) != 0)
                return wt_fail(WT_EPERM, "cannot forbid core files: %s; core_dumps true starts "
                               "with them", strerror(errno));
        /* No kind of memory belongs in a core of ours, whoever makes one. Where /proc is not
         * mounted, the limit above stands alone. */
        if ((fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC)) >= 0) {
                ssize_t n = write(fd, "0", 1);

                (void)n;                         /* as above */
                close(fd);
        }
        return WT_OK;
}
