/* field.c - processes. */
#include "field.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "net/http.h"

static void nap(void)                            /* between two looks at a condition */
{
        const struct timespec t = { 0, 10 * 1000 * 1000 };

        nanosleep(&t, NULL);
}

void field_open(struct field *f, const char *build, const char *model)
{
        static const struct wt_keyring_name names[] = {
                { "gateway-0", "gateway" }, { "gateway-1", "gateway" }, { "expert-0", "expert" },
                { "expert-1", "expert" }, { "expert-2", "expert" }, { "expert-3", "expert" },
                { "expert-4", "expert" }, { "expert-5", "expert" }, { "expert-6", "expert" },
                { "expert-7", "expert" }, { "control-0", "control" },
                { "planner-0", "planner" } };
        const char *tmp = getenv("TMPDIR");
        char path[256];

        memset(f, 0, sizeof *f);
        f->build = build != NULL ? build : getenv("WITAN_BUILD");
        f->model = model;
        assert_non_null(f->build);
        snprintf(f->dir, sizeof f->dir, "%s/witan-field-XXXXXX", tmp != NULL ? tmp : "/tmp");
        assert_non_null(mkdtemp(f->dir));
        snprintf(path, sizeof path, "%s/keys", f->dir);
        if (wt_keyring_make(path, names, sizeof names / sizeof *names) != WT_OK)
                fail_msg("%s", wt_words());
        snprintf(path, sizeof path, "%s/logs", f->dir);
        assert_int_equal(wt_dir_make(path, 0700), WT_OK);
        snprintf(f->bus, sizeof f->bus, "tcp://127.0.0.1:%d", field_port());
}

/* The socket stays bound, without listening, so that nobody else is given the port before the
 * process that is meant has it: all of them bind with SO_REUSEADDR. The oldest go when many are. */
int field_port(void)
{
        static int kept[256];
        static uint32_t n;
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t len = sizeof a;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
        if (n >= sizeof kept / sizeof *kept)
                close(kept[n % (sizeof kept / sizeof *kept)]);
        kept[n++ % (sizeof kept / sizeof *kept)] = fd;
        return ntohs(a.sin_port);
}

static void run_child(const struct field *f, const char *build, const char *role,
                      const struct field_process *p, char *const *more)
{
        char bin[512], flag[6][600], log[256];
        char *argv[32] = { bin };
        int n = 1, fd;

        snprintf(bin, sizeof bin, "%s/bin/witan-%s", build, role);
        snprintf(flag[0], sizeof *flag, "--state=%s", f->dir);
        snprintf(flag[1], sizeof *flag, "--model=%s", f->model);
        snprintf(flag[2], sizeof *flag, "--name=%s", p->name);
        snprintf(flag[3], sizeof *flag, "--metrics=%s", p->metrics);
        snprintf(flag[4], sizeof *flag,
                 strcmp(role, "router") == 0 ? "--bus=%s" : "--routers-at=%s", f->bus);
        for (int i = 0; i < 5; i++)
                argv[n++] = flag[i];
        for (; *more != NULL && n < 31; more++)
                argv[n++] = *more;
        snprintf(log, sizeof log, "%s/logs/%s.log", f->dir, p->name);
        fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(fd, 1);
        dup2(fd, 2);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execv(bin, argv);
        _exit(127);
}

uint32_t field_start(struct field *f, const char *build, const char *role, const char *name, ...)
{
        struct field_process *p;
        char *more[24];
        uint32_t at = f->n;
        va_list ap;
        int n = 0;

        for (uint32_t i = 0; i < f->n; i++)      /* the same name again takes its old place */
                if (strcmp(f->p[i].name, name) == 0 && f->p[i].pid == 0)
                        at = i;
        assert_true(at < FIELD_MAX);
        p = &f->p[at];
        f->n += at == f->n;
        snprintf(p->name, sizeof p->name, "%s", name);
        snprintf(p->metrics, sizeof p->metrics, "127.0.0.1:%d", field_port());
        va_start(ap, name);
        while (n < 23 && (more[n] = va_arg(ap, char *)) != NULL)
                n++;
        va_end(ap);
        more[n] = NULL;
        p->pid = fork();
        assert_true(p->pid >= 0);
        if (p->pid == 0)
                run_child(f, build != NULL ? build : f->build, role, p, more);
        return at;
}

static bool fetch(const char *address, const char *path, int *status, struct wt_buf *out)
{
        char url[160];

        snprintf(url, sizeof url, "http://%s%s", address, path);
        return wt_http_fetch("GET", url, NULL, NULL, 0, 5000000, status, out, NULL, NULL) == WT_OK;
}

void field_ready(struct field *f, uint32_t i)
{
        uint64_t end = wt_now_us(&wt_clock_real) + 120 * 1000000ull;
        struct wt_buf b = { 0 };
        int status = 0;

        while (!fetch(f->p[i].metrics, "/readyz", &status, &b) || status != 200) {
                int st;
                if (waitpid(f->p[i].pid, &st, WNOHANG) == f->p[i].pid) {
                        f->p[i].pid = 0;
                        fail_msg("%s ended with %d: %s", f->p[i].name,
                                 WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st),
                                 field_log(f, f->p[i].name, ""));
                }
                if (wt_now_us(&wt_clock_real) > end)
                        fail_msg("%s is not ready after 120 s: %s", f->p[i].name,
                                 b.data != NULL ? b.data : field_log(f, f->p[i].name, ""));
                wt_buf_clear(&b);
                nap();
        }
        wt_buf_free(&b);
}

bool field_is_ready(struct field *f, uint32_t i, char words[256])
{
        struct wt_buf b = { 0 };
        int status = 0;
        bool ready = fetch(f->p[i].metrics, "/readyz", &status, &b) && status == 200;

        if (words != NULL)
                snprintf(words, 256, "%s", b.data != NULL ? b.data : "");
        wt_buf_free(&b);
        return ready;
}

void field_kill(struct field *f, uint32_t i, int sig)
{
        if (f->p[i].pid == 0)
                return;
        kill(f->p[i].pid, sig);
        if (sig == SIGKILL) {
                waitpid(f->p[i].pid, NULL, 0);
                f->p[i].pid = 0;
        }
}

int field_wait(struct field *f, uint32_t i)
{
        uint64_t end = wt_now_us(&wt_clock_real) + 120 * 1000000ull;
        int st = 0;

        if (f->p[i].pid == 0)
                return 0;
        while (waitpid(f->p[i].pid, &st, WNOHANG) == 0) {
                if (wt_now_us(&wt_clock_real) > end)
                        fail_msg("%s has not ended after 120 s", f->p[i].name);
                nap();
        }
        f->p[i].pid = 0;
        return WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
        (void)st; (void)flag; (void)ftw;
        return remove(path);
}

/* 0, a gateway's 1 (it cut what was open), or SIGTERM before it was ready for one. Anything else is
 * a crash, a leak that a sanitizer found, or a process that had to be killed. */
static bool in_peace(int st)
{
        return WIFSIGNALED(st) ? WTERMSIG(st) == SIGTERM : WEXITSTATUS(st) <= 1;
}

void field_close(struct field *f)
{
        char bad[1024] = "";
        uint64_t end = wt_now_us(&wt_clock_real) + 120 * 1000000ull;

        for (uint32_t i = 0; i < f->n; i++)
                if (f->p[i].pid != 0) {
                        kill(f->p[i].pid, SIGCONT);
                        kill(f->p[i].pid, SIGTERM);
                }
        for (uint32_t i = 0; i < f->n; i++) {
                int st = 0;

                while (f->p[i].pid != 0 && waitpid(f->p[i].pid, &st, WNOHANG) == 0) {
                        if (wt_now_us(&wt_clock_real) > end)
                                kill(f->p[i].pid, SIGKILL);
                        nap();
                }
                if (!in_peace(st))
                        snprintf(bad, sizeof bad, "%s ended with status %#x: %.800s", f->p[i].name,
                                 (unsigned)st, field_log(f, f->p[i].name, ""));
        }
        if (getenv("WITAN_KEEP") == NULL)
                nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        f->n = 0;
        if (bad[0] != '\0')
                fail_msg("%s", bad);
}

double field_metric(struct field *f, uint32_t i, const char *name)
{
        struct wt_buf b = { 0 };
        size_t n = strlen(name);
        double sum = -1;
        int status = 0;

        if (fetch(f->p[i].metrics, "/metrics", &status, &b) && status == 200)
                for (const char *p = b.data; p != NULL && *p != '\0';
                     p = strchr(p, '\n'), p += p != NULL)
                        if (strncmp(p, name, n) == 0 && (p[n] == ' ' || p[n] == '{')) {
                                const char *v = memchr(p + n, ' ', strcspn(p + n, "\n"));
                                sum = (sum < 0 ? 0 : sum) + (v != NULL ? strtod(v, NULL) : 0);
                        }
        wt_buf_free(&b);
        return sum;
}

double field_until(struct field *f, uint32_t i, const char *name, double low, double high)
{
        uint64_t end = wt_now_us(&wt_clock_real) + 120 * 1000000ull;
        double v;

        while ((v = field_metric(f, i, name)) < low || v > high) {
                if (wt_now_us(&wt_clock_real) > end)
                        fail_msg("%s of %s is %g after 120 s, not %g to %g", name, f->p[i].name, v,
                                 low, high);
                nap();
        }
        return v;
}

const char *field_log(struct field *f, const char *name, const char *word)
{
        static char line[1024];
        struct wt_buf b = { 0 };
        char path[256];

        line[0] = '\0';
        snprintf(path, sizeof path, "%s/logs/%s.log", f->dir, name);
        if (wt_file_read(path, 64 << 20, &b) == WT_OK)
                for (char *p = b.data; p != NULL && *p != '\0';
                     p = strchr(p, '\n'), p += p != NULL) {
                        char one[1024];
                        snprintf(one, sizeof one, "%.*s", (int)strcspn(p, "\n"), p);
                        if (strstr(one, word) != NULL)
                                memcpy(line, one, sizeof line);
                }
        wt_buf_free(&b);
        return line;
}

const char *field_log_until(struct field *f, const char *name, const char *word)
{
        uint64_t end = wt_now_us(&wt_clock_real) + 120 * 1000000ull;
        const char *line;

        while ((line = field_log(f, name, word))[0] == '\0') {
                if (wt_now_us(&wt_clock_real) > end)
                        fail_msg("%s has not logged \"%s\" after 120 s", name, word);
                nap();
        }
        return line;
}
