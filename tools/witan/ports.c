/* ports.c - see ports.h. Linux tells listeners by inode in /proc/net/tcp, and processes by their
 * descriptors. */
#include "ports.h"
#include <dirent.h>
#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LISTENING = 0x0a, MAX_INODES = 16 };

/* Inodes of the sockets that listen on port. */
static int listeners(const char *table, unsigned port, unsigned long *inode, int n)
{
        FILE *f = fopen(table, "re");
        char line[512];

        while (f != NULL && n < MAX_INODES && fgets(line, sizeof line, f) != NULL) {
                unsigned local, state;
                unsigned long i;
                if (sscanf(line, "%*d: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x %*s %*s %*s %*d %*d %lu",
                           &local, &state, &i) == 3 &&
                    state == LISTENING && local == port)
                        inode[n++] = i;
        }
        if (f != NULL)
                fclose(f);
        return n;
}

/* Does a process have one of these sockets open? */
static bool holds(const char *pid, const unsigned long *inode, int n)
{
        char path[300], link[64];
        unsigned long is;
        bool found = false;
        struct dirent *e;
        DIR *d;

        snprintf(path, sizeof path, "/proc/%.20s/fd", pid);
        d = opendir(path);
        while (d != NULL && !found && (e = readdir(d)) != NULL) {
                ssize_t len = readlinkat(dirfd(d), e->d_name, link, sizeof link - 1);
                link[len > 0 ? len : 0] = '\0';
                for (int i = 0; i < n; i++)
                        found |= sscanf(link, "socket:[%lu]", &is) == 1 && is == inode[i];
        }
        if (d != NULL)
                closedir(d);
        return found;
}

static void who(unsigned port, struct port_holder *by)
{
        unsigned long inode[MAX_INODES];
        int n = listeners("/proc/net/tcp6", port, inode,
                          listeners("/proc/net/tcp", port, inode, 0));
        DIR *d = n > 0 ? opendir("/proc") : NULL;
        struct dirent *e;
        char path[64];
        FILE *f;

        while (d != NULL && by->pid == 0 && (e = readdir(d)) != NULL) {
                if (e->d_name[0] < '1' || e->d_name[0] > '9' || !holds(e->d_name, inode, n))
                        continue;
                by->pid = (pid_t)atoi(e->d_name);
                snprintf(path, sizeof path, "/proc/%d/comm", (int)by->pid);
                if ((f = fopen(path, "re")) != NULL) {
                        if (fgets(by->name, sizeof by->name, f) != NULL)
                                by->name[strcspn(by->name, "\n")] = '\0';
                        fclose(f);
                }
        }
        if (d != NULL)
                closedir(d);
}

static int try_bind(const struct addrinfo *a)    /* 0, or errno */
{
        int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, e = 0;

        if (fd < 0)
                return errno;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, 1) != 0)
                e = errno;
        close(fd);
        return e;
}

wt_err port_check(const char *address, struct port_holder *by)
{
        struct addrinfo want = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *a;
        struct port_holder unseen;
        const char *colon = strrchr(address, ':');
        char host[256];
        int e;

        by = by != NULL ? by : &unseen;
        memset(by, 0, sizeof *by);
        if (colon == NULL)
                return wt_fail(WT_EINVAL, "%s is no HOST:PORT", address);
        snprintf(host, sizeof host, "%.*s", (int)(colon - address), address);
        if (host[0] == '[' && host[strlen(host) - 1] == ']') {
                memmove(host, host + 1, strlen(host));
                host[strlen(host) - 1] = '\0';
        }
        if (getaddrinfo(host[0] == '\0' || strcmp(host, "*") == 0 ? NULL : host, colon + 1, &want,
                        &a) != 0)
                return wt_fail(WT_EINVAL, "%s: this machine knows no host \"%s\"", address, host);
        e = try_bind(a);
        freeaddrinfo(a);
        if (e == 0)
                return WT_OK;
        if (e == EACCES)
                return wt_fail(WT_EPERM, "%s: this user may not open a port below 1024", address);
        if (e != EADDRINUSE)
                return wt_fail(WT_EINVAL, "%s: %s", address, strerror(e));
        who((unsigned)atoi(colon + 1), by);
        if (by->pid != 0)
                return wt_fail(WT_EEXIST, "%s is in use by process %d (%s)", address, (int)by->pid,
                               by->name);
        return wt_fail(WT_EEXIST, "%s is in use by a process of another user", address);
}
