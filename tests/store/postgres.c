/* postgres.c - see postgres.h. */
#include "postgres.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_S = 60, MOST_ARGS = 32 };

static void broken(const char *what)
{
        fprintf(stderr, "the PostgreSQL of the test: %s: %s\n", what, strerror(errno));
        exit(3);
}

static void nap(void)
{
        const struct timespec t = { .tv_nsec = 20000000 };

        nanosleep(&t, NULL);
}

/* The newest version that is there. */
static bool find_bin(char out[128])
{
        glob_t g;
        bool ok = glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &g) == 0 && g.gl_pathc > 0;

        if (ok) {
                snprintf(out, 128, "%s", g.gl_pathv[g.gl_pathc - 1]);
                *strrchr(out, '/') = '\0';
        }
        globfree(&g);
        return ok;
}

bool pg_installed(void)
{
        char bin[128];

        return find_bin(bin);
}

/* In the child: the ordinary user, and no life beyond that of the test. */
static void become(bool stay)
{
        if (getuid() == 0) {
                const struct passwd *nobody = getpwnam("nobody");

                if (nobody == NULL || setgid(nobody->pw_gid) != 0 || setuid(nobody->pw_uid) != 0)
                        _exit(126);
        }
        if (stay)
                prctl(PR_SET_PDEATHSIG, SIGQUIT);
        if (chdir("/") != 0)
                _exit(126);
}

/* Runs bin/args[0] as that user; its output goes to fd. */
static pid_t start(const struct pg *pg, char *const *args, int fd, bool stay)
{
        char path[256];
        pid_t pid = fork();

        if (pid != 0)
                return pid;
        snprintf(path, sizeof path, "%s/%s", pg->bin, args[0]);
        become(stay);
        dup2(fd, 1);
        dup2(fd, 2);
        for (int i = 3; i < 1024; i++)
                close(i);
        execv(path, args);
        _exit(127);
}

static int finish(pid_t pid)
{
        int status = -1;

        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static int log_of(const struct pg *pg)
{
        char path[128];
        int fd;

        snprintf(path, sizeof path, "%s/log", pg->dir);
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (fd < 0)
                broken(path);
        return fd;
}

/* *keeper stays bound to it, without listening: the server binds with SO_REUSEADDR, and nobody else
 * is given the port, also while the server is down. */
static int free_port(int *keeper)
{
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t n = sizeof a;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
            bind(fd, (struct sockaddr *)&a, sizeof a) != 0 ||
            getsockname(fd, (struct sockaddr *)&a, &n) != 0)
                broken("finding a free port");
        *keeper = fd;
        return ntohs(a.sin_port);
}

static void make_folder(struct pg *pg)
{
        const struct passwd *nobody = getuid() == 0 ? getpwnam("nobody") : NULL;
        const char *tmp = getenv("TMPDIR");

        snprintf(pg->dir, sizeof pg->dir, "%.60s/witan-pg-XXXXXX", tmp != NULL ? tmp : "/tmp");
        if (mkdtemp(pg->dir) == NULL)
                broken(pg->dir);
        if (nobody != NULL && chown(pg->dir, nobody->pw_uid, nobody->pw_gid) != 0)
                broken(pg->dir);
}

static void make_cluster(struct pg *pg)
{
        char data[128];
        char *args[] = { "initdb", "-D", data, "-U", "witan", "-A", "trust", "-E", "UTF8",
                         "--locale=C.UTF-8", "--no-sync", "--no-instructions", NULL };
        int fd = log_of(pg);

        snprintf(data, sizeof data, "%s/data", pg->dir);
        if (finish(start(pg, args, fd, false)) != 0) {
                fprintf(stderr, "see %s/log\n", pg->dir);
                broken("initdb");
        }
        close(fd);
}

bool pg_sql(struct pg *pg, const char *database, const char *sql, char *out, size_t cap)
{
        char port[16];
        char *args[] = { "psql", "-h", pg->dir, "-p", port, "-U", "witan", "-d", (char *)database,
                         "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", (char *)sql, NULL };
        int pipes[2];
        pid_t pid;
        size_t n = 0;
        ssize_t got;
        char drop[256];

        snprintf(port, sizeof port, "%d", pg->port);
        if (pipe(pipes) != 0)
                broken("pipe");
        pid = start(pg, args, pipes[1], false);
        close(pipes[1]);
        while ((got = read(pipes[0], out && n + 1 < cap ? out + n : drop,
                           out && n + 1 < cap ? cap - 1 - n : sizeof drop)) > 0)
                n += out && n + 1 < cap ? (size_t)got : 0;
        close(pipes[0]);
        if (out != NULL)
                out[n] = '\0';
        return finish(pid) == 0;
}

static bool answers(struct pg *pg)
{
        return pg_sql(pg, "postgres", "SELECT 1", NULL, 0);
}

void pg_again(struct pg *pg)
{
        char data[128], port[16];
        char *args[] = { "postgres", "-D", data, "-p", port, "-k", pg->dir, "-c",
                         "listen_addresses=127.0.0.1", "-c", "max_connections=60", "-c",
                         "shared_buffers=32MB", NULL };
        int fd = log_of(pg);

        snprintf(data, sizeof data, "%s/data", pg->dir);
        snprintf(port, sizeof port, "%d", pg->port);
        pg->pid = 0;
        for (time_t end = time(NULL) + WAIT_S; pg->pid == 0 || !answers(pg); nap()) {
                if (pg->pid != 0 && waitpid(pg->pid, NULL, WNOHANG) == pg->pid)
                        pg->pid = 0;             /* memory of a crashed one was still in use */
                if (pg->pid == 0)
                        pg->pid = start(pg, args, fd, true);
                if (time(NULL) > end) {
                        fprintf(stderr, "see %s/log\n", pg->dir);
                        broken("it does not answer");
                }
        }
        close(fd);
}

void pg_start(struct pg *pg)
{
        *pg = (struct pg){ 0 };
        pg->port = free_port(&pg->keeper);
        if (!find_bin(pg->bin))
                broken("it is not installed");
        make_folder(pg);
        make_cluster(pg);
        pg_again(pg);
}

bool pg_start_small(struct pg *pg, unsigned mib)
{
        char options[64];

        *pg = (struct pg){ 0 };
        pg->port = free_port(&pg->keeper);
        if (!find_bin(pg->bin))
                broken("it is not installed");
        make_folder(pg);
        snprintf(options, sizeof options, "size=%um,mode=0777", mib);
        if (mount("none", pg->dir, "tmpfs", MS_NOSUID | MS_NODEV, options) != 0) {
                rmdir(pg->dir);
                return false;
        }
        pg->small = true;
        make_cluster(pg);
        pg_again(pg);
        return true;
}

/* A process's children, by the fourth word of /proc/PID/stat. */
static void each_child(pid_t parent, int sig)
{
        DIR *d = opendir("/proc");
        struct dirent *e;

        while (d != NULL && (e = readdir(d)) != NULL) {
                char path[300], line[512];
                int pid = atoi(e->d_name), ppid = 0;
                FILE *f;

                snprintf(path, sizeof path, "/proc/%d/stat", pid);
                if (pid <= 0 || (f = fopen(path, "r")) == NULL)
                        continue;
                if (fgets(line, sizeof line, f) != NULL && strrchr(line, ')') != NULL)
                        sscanf(strrchr(line, ')') + 1, " %*c %d", &ppid);
                fclose(f);
                if (ppid == parent)
                        kill(pid, sig);
        }
        if (d != NULL)
                closedir(d);
}

void pg_freeze(struct pg *pg)
{
        kill(pg->pid, SIGSTOP);                  /* first, so that it makes no more children */
        each_child(pg->pid, SIGSTOP);
}

void pg_thaw(struct pg *pg)
{
        each_child(pg->pid, SIGCONT);
        kill(pg->pid, SIGCONT);
}

void pg_stop(struct pg *pg)
{
        if (pg->pid == 0)
                return;
        kill(pg->pid, SIGINT);
        finish(pg->pid);
        pg->pid = 0;
}

/* Its children notice that it is gone and end; its shared memory is free when they have. */
void pg_crash(struct pg *pg)
{
        char path[128];

        if (pg->pid == 0)
                return;
        pg_freeze(pg);
        each_child(pg->pid, SIGKILL);
        kill(pg->pid, SIGKILL);
        finish(pg->pid);
        pg->pid = 0;
        snprintf(path, sizeof path, "%s/data/postmaster.pid", pg->dir);
        unlink(path);
}

static void fill_path(const struct pg *pg, char path[128])
{
        snprintf(path, 128, "%s/fill", pg->dir);
}

void pg_fill(struct pg *pg)
{
        static const char zeros[65536];
        char path[128];
        int fd;

        fill_path(pg, path);
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0 || !pg->small)
                broken("filling its disk");
        for (size_t n = sizeof zeros; n > 0; n /= 2)
                while (write(fd, zeros, n) == (ssize_t)n)
                        ;
        close(fd);
}

void pg_unfill(struct pg *pg)
{
        char path[128];

        fill_path(pg, path);
        unlink(path);
}

void pg_url(const struct pg *pg, const char *database, char *url)
{
        snprintf(url, 256, "postgresql://witan@127.0.0.1:%d/%s", pg->port, database);
}

void pg_database(struct pg *pg, const char *name, char *url)
{
        char sql[160];

        snprintf(sql, sizeof sql, "DROP DATABASE IF EXISTS %s WITH (FORCE)", name);
        if (!pg_sql(pg, "postgres", sql, NULL, 0))
                broken(sql);
        snprintf(sql, sizeof sql, "CREATE DATABASE %s", name);
        if (!pg_sql(pg, "postgres", sql, NULL, 0))
                broken(sql);
        pg_url(pg, name, url);
}

void pg_end(struct pg *pg)
{
        char command[160];

        if (pg->pid != 0) {
                pg_thaw(pg);
                kill(pg->pid, SIGQUIT);
                finish(pg->pid);
        }
        if (pg->port != 0)
                close(pg->keeper);
        if (pg->small)
                umount2(pg->dir, MNT_DETACH);
        snprintf(command, sizeof command, "rm -rf '%s'", pg->dir);
        if (pg->dir[0] != '\0' && system(command) != 0)
                broken(command);
        *pg = (struct pg){ 0 };
}
