#include "base/stop.h"
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static atomic_bool asked;
static atomic_int wake_fd = -1, reload_fd = -1;

/* Async-signal-safe: an atomic flag and one write(2). The eventfd is never read, so it stays
 * readable. */
void wt_stop_ask(void)
{
        const uint64_t one = 1;
        int was = errno, fd = atomic_load(&wake_fd);

        atomic_store(&asked, true);
        if (fd >= 0 && write(fd, &one, sizeof one) < 0)
                atomic_store(&asked, true);      /* a full counter is readable as well */
        errno = was;
}

static void on_signal(int sig)
{
        (void)sig;
        wt_stop_ask();
}

wt_err wt_stop_init(void)
{
        struct sigaction stop = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
        struct sigaction ignore = { .sa_handler = SIG_IGN };
        int fd;

        if (atomic_load(&wake_fd) < 0) {
                fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
                if (fd < 0)
                        return wt_fail(WT_EEXHAUSTED,
                                       "no eventfd for the stop signal: %s; raise the limit "
                                       "of open files",
                                       strerror(errno));
                atomic_store(&wake_fd, fd);
        }
        sigemptyset(&stop.sa_mask);
        sigemptyset(&ignore.sa_mask);
        if (sigaction(SIGTERM, &stop, NULL) || sigaction(SIGINT, &stop, NULL) ||
            sigaction(SIGPIPE, &ignore, NULL))
                return wt_fail(WT_EINTERNAL, "cannot install signal handlers: %s", strerror(errno));
        return WT_OK;
}

static void on_hangup(int sig)
{
        const uint64_t one = 1;
        int was = errno;

        (void)sig;
        if (write(atomic_load(&reload_fd), &one, sizeof one) < 0)
                errno = was;                     /* a full counter is readable as well */
        errno = was;
}

wt_err wt_reload_init(void)
{
        struct sigaction look = { .sa_handler = on_hangup, .sa_flags = SA_RESTART };
        int fd;

        if (atomic_load(&reload_fd) >= 0)
                return WT_OK;
        if ((fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
                return wt_fail(WT_EEXHAUSTED, "no eventfd for SIGHUP: %s; raise the limit of open "
                               "files", strerror(errno));
        atomic_store(&reload_fd, fd);
        sigemptyset(&look.sa_mask);
        return sigaction(SIGHUP, &look, NULL) == 0 ? WT_OK
                : wt_fail(WT_EINTERNAL, "cannot install signal handlers: %s", strerror(errno));
}

int wt_reload_fd(void) { return atomic_load(&reload_fd); }
bool wt_stop_asked(void) { return atomic_load(&asked); }
int wt_stop_fd(void) { return atomic_load(&wake_fd); }
