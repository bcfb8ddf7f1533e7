/* up_detach.c - witan up --detach: the process that stays, and the one that waits for it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "up.h"

enum { LAST_BYTES = 2048 };

struct heard { bool ready, failed; };

static void hear(struct up *u, struct heard *h, char kind, const char *words)
{
        if (kind == '*') {
                h->ready = true;
                return;
        }
        if (kind == '!') {
                h->failed = true;
                progress_close(&u->progress);
        }
        up_say(u, kind, words);
}

/* Shows what the supervisor tells until it closes its end, by saying so or by dying. */
static struct heard listen_to(struct up *u, int fd)
{
        struct pollfd p = { .fd = fd, .events = POLLIN };
        struct heard h = { 0 };
        struct wt_buf in = { 0 };
        ssize_t n = 1;
        char *end;

        up_progress(u);
        while (n > 0) {
                if (poll(&p, 1, TURN_MS) > 0 && (n = read(fd, wt_buf_room(&in, 4096), 4096)) > 0)
                        in.len += (size_t)n;
                while (in.len > 0 && (end = memchr(in.data, '\n', in.len)) != NULL) {
                        *end = '\0';
                        hear(u, &h, in.data[0], in.data + 1);
                        wt_buf_drop_front(&in, (size_t)(end - in.data) + 1);
                }
                progress_turn(&u->progress);
        }
        progress_close(&u->progress);
        wt_buf_free(&in);
        return h;
}

/* The last line of a log file, if it was written to since. */
static void show_last(const char *path, const char *name, const struct timespec *since)
{
        char text[LAST_BYTES + 1], *line;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct stat st;
        ssize_t n = -1;

        if (fd >= 0 && fstat(fd, &st) == 0 &&
            (st.st_mtim.tv_sec > since->tv_sec ||
             (st.st_mtim.tv_sec == since->tv_sec && st.st_mtim.tv_nsec >= since->tv_nsec)))
                n = pread(fd, text, LAST_BYTES, st.st_size > LAST_BYTES ? st.st_size - LAST_BYTES
                                                                        : 0);
        if (fd >= 0)
                close(fd);
        while (n > 0 && text[n - 1] == '\n')
                n--;
        if (n <= 0)
                return;
        text[n] = '\0';
        line = strrchr(text, '\n');
        fprintf(stderr, "  %s: %s\n", name, line != NULL ? line + 1 : text);
}

static void show_logs(const struct up *u, const struct timespec *since)
{
        char path[4400];

        fprintf(stderr, "the last lines in %s/logs:\n", u->c->state);
        snprintf(path, sizeof path, "%s/logs/supervisor.log", u->c->state);
        show_last(path, "supervisor", since);
        for (uint32_t i = 0; i < u->n; i++) {
                snprintf(path, sizeof path, "%s/logs/%s.log", u->c->state, u->child[i].p->name);
                show_last(path, u->child[i].p->name, since);
        }
}

static void say_end(struct up *u, pid_t pid)
{
        char how[64] = "for an unknown reason";
        int st;

        if (waitpid(pid, &st, 0) == pid && WIFSIGNALED(st))
                snprintf(how, sizeof how, "by signal %d (%s)", WTERMSIG(st),
                         strsignal(WTERMSIG(st)));
        else if (WIFEXITED(st))
                snprintf(how, sizeof how, "with code %d", WEXITSTATUS(st));
        verb_fail(u->c, "the supervisor ended %s before the cluster was ready; its processes end "
                  "with it, and witan up starts it again", how);
}

/* In the new process: no terminal; what it says on stderr has a log of its own. */
static int stay(struct up *u, int tell, int (*run)(struct up *u))
{
        char path[4400];
        int null = open("/dev/null", O_RDWR | O_CLOEXEC), log;

        setsid();
        signal(SIGPIPE, SIG_IGN);                /* the parent may be gone before we are ready */
        u->tell = tell;
        snprintf(path, sizeof path, "%s/logs/supervisor.log", u->c->state);
        log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        dup2(null, 0);
        dup2(null, 1);
        dup2(log >= 0 ? log : null, 2);
        return run(u);
}

int up_detach(struct up *u, int (*run)(struct up *u))
{
        struct timespec since;
        struct heard h;
        int fd[2];
        pid_t pid;

        if (pipe2(fd, O_CLOEXEC) != 0)
                return verb_fail(u->c, "no pipe: %s", strerror(errno));
        clock_gettime(CLOCK_REALTIME_COARSE, &since);    /* the clock of files' times */
        pid = fork();
        if (pid == 0) {
                close(fd[0]);
                _exit(stay(u, fd[1], run));
        }
        close(fd[1]);
        if (pid < 0) {
                close(fd[0]);
                return verb_fail(u->c, "could not fork: %s", strerror(errno));
        }
        h = listen_to(u, fd[0]);
        close(fd[0]);
        if (h.ready) {
                up_announce(u, stdout);
                return EXIT_DONE;
        }
        if (!h.failed)
                say_end(u, pid);
        show_logs(u, &since);
        return EXIT_FAILED;
}
