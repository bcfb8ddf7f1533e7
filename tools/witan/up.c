/* up.c - witan up: plans a cluster on this machine, starts it, waits until it answers, says how to ask
 * it, and watches over it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>
#include "base/file.h"
#include "bus/keyring.h"
#include "net/http.h"
#include "store/keys.h"
#include "up.h"

static wt_err lock_state(struct up *u)
{
        char path[4200];

        snprintf(path, sizeof path, "%s/lock", u->c->state);
        u->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (u->lock < 0)
                return wt_fail(WT_EIO, "could not open %s: %s", path, strerror(errno));
        if (flock(u->lock, LOCK_EX | LOCK_NB) != 0)
                return wt_fail(WT_EEXIST, "a cluster already runs in %s; witan ps shows it, witan down "
                               "stops it, --state DIR makes another one", u->c->state);
        return WT_OK;
}

static wt_err make_folders(struct up *u)
{
        static const char *const names[] = { "", "/keys", "/logs", "/spool", "/packs" };
        char path[4200];
        wt_err err = WT_OK;

        for (size_t i = 0; i < sizeof names / sizeof *names && err == WT_OK; i++) {
                snprintf(path, sizeof path, "%s%s", u->c->state, names[i]);
                err = wt_dir_make(path, 0700);
        }
        return err;
}

static wt_err resolve_model(struct up *u)
{
        const char *model = wt_conf_str(u->c->conf, WT_SET_model);
        char path[8300], *full;
        wt_err err;

        full = realpath(model, NULL);
        if (full == NULL && wt_conf_from(u->c->conf, WT_SET_model) == WT_FROM_DEFAULT) {
                snprintf(path, sizeof path, "%s/../../%s", u->plan.bin, model);  /* build/bin/../.. */
                full = realpath(path, NULL);
        }
        if (full == NULL)
                return wt_fail(WT_ENOTFOUND, "there is no model folder %s; --model DIR names one", model);
        snprintf(u->plan.cluster.model, sizeof u->plan.cluster.model, "%s", full);
        free(full);
        if ((err = wt_shape_load(&u->shape, u->plan.cluster.model)) != WT_OK)
                return err;
        return WT_OK;
}

/* The admin's key stays the same from start to start. */
static wt_err make_admin_key(struct up *u)
{
        struct wt_key key = { .tenant = "default", .name = "admin", .role = "admin" }, out;
        struct cluster old;
        char path[4200];
        wt_keys *keys;
        wt_err err;

        snprintf(path, sizeof path, "%s/witan.db", u->c->state);
        if ((err = wt_keys_open(&keys, path)) != WT_OK)
                return err;
        if (cluster_read(&old, u->c->state) == WT_OK &&
            wt_keys_check(keys, old.admin_key, strlen(old.admin_key), time(NULL), &out) == WT_OK)
                snprintf(u->plan.cluster.admin_key, sizeof u->plan.cluster.admin_key, "%s", old.admin_key);
        else
                err = wt_keys_create(keys, &key, &out, u->plan.cluster.admin_key);
        wt_keys_close(keys);
        return err;
}

static wt_err make_bus_keys(struct up *u)
{
        struct wt_keyring_name names[MAX_PROCESSES];
        char dir[4200];
        uint32_t n = 0;

        for (uint32_t i = 0; i < u->plan.cluster.n; i++) {
                const struct process *p = &u->plan.cluster.processes[i];
                if (strcmp(p->role, "router") != 0)
                        names[n++] = (struct wt_keyring_name){ p->name, p->role };
        }
        snprintf(dir, sizeof dir, "%s/keys", u->c->state);
        return wt_keyring_make(dir, names, n);
}

static wt_err prepare(struct up *u)
{
        wt_err err;

        if ((err = make_folders(u)) != WT_OK || (err = lock_state(u)) != WT_OK)
                return err;
        ssize_t n = readlink("/proc/self/exe", u->plan.bin, sizeof u->plan.bin - 1);
        u->plan.bin[n > 0 ? n : 0] = '\0';
        *strrchr(u->plan.bin, '/') = '\0';
        if ((err = resolve_model(u)) != WT_OK || (err = plan_make(&u->plan, u->c, u->shape)) != WT_OK ||
            (err = make_admin_key(u)) != WT_OK || (err = make_bus_keys(u)) != WT_OK)
                return err;
        snprintf(u->plan.cluster.http, sizeof u->plan.cluster.http, "http://%s",
                 wt_conf_str(u->c->conf, WT_SET_http));
        u->n = u->plan.cluster.n;
        for (uint32_t i = 0; i < u->n && err == WT_OK; i++)
                err = child_make(&u->child[i], &u->plan, &u->plan.cluster.processes[i], u->c);
        return err;
}

/* What was decided stands in the settings too: the services of --inproc read them. */
static wt_err settle(struct up *u)
{
        wt_err err = wt_conf_decide(u->c->conf, WT_SET_model, u->plan.cluster.model);

        return err == WT_OK ? wt_conf_decide(u->c->conf, WT_SET_http, u->plan.cluster.http + 7) : err;
}

/* Port 0 of --http: the gateway's own choice would be unknown to us, so we choose. */
static void choose_http(struct up *u)
{
        const char *http = wt_conf_str(u->c->conf, WT_SET_http), *colon = strrchr(http, ':');
        struct child *g = &u->child[u->n - 1];
        char address[256];

        if (colon == NULL || strcmp(colon, ":0") != 0)
                return;
        snprintf(address, sizeof address, "%.*s:%d", (int)(colon - http), http, plan_free_port());
        snprintf(u->plan.cluster.http, sizeof u->plan.cluster.http, "http://%s", address);
        snprintf(g->p->endpoint, sizeof g->p->endpoint, "http://%s", address);
        for (uint32_t i = 0; i < g->n_argv; i++)
                if (strncmp(g->argv[i], "--http=", 7) == 0) {
                        free(g->argv[i]);
                        if (asprintf(&g->argv[i], "--http=%s", address) < 0)
                                abort();
                }
}

bool up_answers(const char *address)
{
        struct wt_buf b = { 0 };
        char url[128];
        int status = 0;

        snprintf(url, sizeof url, "http://%s/readyz", address);
        if (wt_http_fetch("GET", url, NULL, NULL, 0, 2000000, &status, &b, NULL, NULL) != WT_OK)
                status = 0;
        wt_buf_free(&b);
        return status == 200;
}

static bool stop_asked(struct up *u, int wait_ms)
{
        struct pollfd p = { .fd = u->signals, .events = POLLIN };
        struct signalfd_siginfo s;

        if (poll(&p, 1, wait_ms) <= 0)
                return false;
        while (read(u->signals, &s, sizeof s) == sizeof s)
                if (s.ssi_signo != SIGCHLD)
                        return true;
        return false;
}

static void say(const struct up *u, const char *text)
{
        if (isatty(2) || u->tell < 0)
                fprintf(stderr, "%s\n", text);
}

/* Until every process says that it is ready. Exit code 2 is a boot fault: starting it again would not
 * help, so its words are ours. */
static wt_err wait_ready(struct up *u)
{
        uint64_t end = wt_now_us(&wt_clock_real) + (uint64_t)READY_WAIT_S * 1000000;
        bool ready[MAX_PROCESSES] = { false };
        char words[1200], line[1400];
        uint32_t left = u->n;

        while (left > 0) {
                if (stop_asked(u, TURN_MS))
                        return wt_fail(WT_ECANCELLED, "stopped");
                children_turn(u->child, u->n, &u->plan, u->c->state, wt_now_us(&wt_clock_real));
                for (uint32_t i = 0; i < u->n; i++) {
                        struct child *ch = &u->child[i];
                        if (ch->exit_code == 2) {
                                child_last_words(ch, u->c->state, words, sizeof words);
                                return wt_fail(WT_EPRECONDITION, "%s did not start: %s", ch->p->name, words);
                        }
                        if (ready[i] || ch->p->pid == 0 || !up_answers(ch->p->metrics))
                                continue;
                        ready[i] = true;
                        left--;
                        snprintf(line, sizeof line, "  %s is ready (%u of %u)", ch->p->name, u->n - left,
                                 u->n);
                        say(u, line);
                }
                if (wt_now_us(&wt_clock_real) > end)
                        return wt_fail(WT_EDEADLINE, "not ready after %d s; the logs are in %s/logs",
                                       READY_WAIT_S, u->c->state);
        }
        return WT_OK;
}

void up_announce(const struct up *u, FILE *to)
{
        const struct cluster *cl = &u->plan.cluster;
        const char *slash = strrchr(cl->model, '/');

        fprintf(to, "\nwitan answers at %s\nkey %s\n\ntry it:\n  curl -s %s/v1/chat/completions "
                "-H 'Authorization: Bearer %s' -H 'Content-Type: application/json' -d '{\"model\": \"%s\", "
                "\"messages\": [{\"role\": \"user\", \"content\": \"Who are you?\"}], \"temperature\": 0}'\n\n"
                "or: %s/witan chat%s%s\n", cl->http, cl->admin_key, cl->http, cl->admin_key, slash + 1,
                u->plan.bin, wt_conf_from(u->c->conf, WT_SET_state) == WT_FROM_DEFAULT ? "" : " --state ",
                wt_conf_from(u->c->conf, WT_SET_state) == WT_FROM_DEFAULT ? "" : u->c->state);
        fflush(to);
}

static void watch(struct up *u)
{
        while (!stop_asked(u, TURN_MS))
                if (children_turn(u->child, u->n, &u->plan, u->c->state, wt_now_us(&wt_clock_real)))
                        cluster_write(&u->plan.cluster, u->c->state);
}

/* Everything after the fork of --detach, or in the foreground. */
static int supervise(struct up *u)
{
        sigset_t set;
        wt_err err = WT_OK;

        sigemptyset(&set);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGHUP);
        sigaddset(&set, SIGCHLD);
        sigprocmask(SIG_BLOCK, &set, NULL);
        u->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
        u->plan.cluster.supervisor = getpid();
        for (uint32_t i = 0; i < u->n && err == WT_OK; i++)
                err = child_start(&u->child[i], &u->plan, u->c->state, wt_now_us(&wt_clock_real));
        if (err == WT_OK)
                err = cluster_write(&u->plan.cluster, u->c->state);
        if (err == WT_OK)
                err = wait_ready(u);
        if (err == WT_OK)
                err = cluster_write(&u->plan.cluster, u->c->state);
        if (u->tell >= 0) {                      /* the parent prints and leaves */
                dprintf(u->tell, "%s", err == WT_OK ? "" : wt_words());
                close(u->tell);
        } else if (err != WT_OK && err != WT_ECANCELLED) {
                verb_fail(u->c, "%s", wt_words());
        }
        if (err == WT_OK) {
                if (u->tell < 0) {
                        up_announce(u, stdout);
                        puts("\nCtrl-C stops everything");
                        fflush(stdout);
                }
                watch(u);
        }
        say(u, "stopping ...");
        children_stop(u->child, u->n, wt_conf_u64(u->c->conf, WT_SET_drain) * 1000 + 5000000);
        u->plan.cluster.supervisor = 0;
        cluster_write(&u->plan.cluster, u->c->state);
        return err == WT_OK || err == WT_ECANCELLED ? EXIT_DONE : EXIT_FAILED;
}

static int detach(struct up *u)
{
        char words[1500];
        int fd[2], null;
        ssize_t n, len = 0;

        if (pipe2(fd, O_CLOEXEC) != 0)
                return verb_fail(u->c, "no pipe: %s", strerror(errno));
        switch (fork()) {
        case -1:
                return verb_fail(u->c, "could not fork: %s", strerror(errno));
        case 0:
                close(fd[0]);
                setsid();
                u->tell = fd[1];
                null = open("/dev/null", O_RDWR | O_CLOEXEC);
                dup2(null, 0);
                dup2(null, 1);
                dup2(null, 2);
                _exit(wt_conf_bool(u->c->conf, WT_SET_inproc) ? inproc_run(u) : supervise(u));
        }
        close(fd[1]);
        while ((n = read(fd[0], words + len, sizeof words - 1 - (size_t)len)) > 0)
                len += n;
        words[len] = '\0';
        if (len > 0)
                return verb_fail(u->c, "%s", words);
        up_announce(u, stdout);
        puts("\nwitan down stops it");
        return EXIT_DONE;
}

static int run(struct call *c)
{
        struct up *u = calloc(1, sizeof *u);
        int rc;

        u->c = c;
        u->lock = u->tell = -1;
        if (c->n_words > 0) {
                free(u);
                return verb_usage(c, "\"%s\" is one word too many", c->words[0]);
        }
        if (prepare(u) != WT_OK) {
                rc = verb_fail(c, "%s", wt_words());
        } else if (choose_http(u), settle(u) != WT_OK) {
                rc = verb_fail(c, "%s", wt_words());
        } else {
                fprintf(stderr, "starting %u processes; model %s, state %s\n",
                        wt_conf_bool(c->conf, WT_SET_inproc) ? 1 : u->n, u->plan.cluster.model, c->state);
                rc = wt_conf_bool(c->conf, WT_SET_detach) ? detach(u)
                     : wt_conf_bool(c->conf, WT_SET_inproc) ? inproc_run(u) : supervise(u);
        }
        for (uint32_t i = 0; i < u->n; i++)
                child_fini(&u->child[i]);
        plan_fini(&u->plan);
        wt_shape_free(u->shape);
        if (u->lock >= 0)
                close(u->lock);
        free(u);
        return rc;
}

const struct verb verb_up = {
        .name = "up", .about = "starts a cluster on this machine and watches over it",
        .usage = "witan up [--model DIR] [--experts N] [--replicas R] [--routers N] [--http HOST:PORT] "
                 "[--state DIR] [--detach]",
        .example = "witan up --experts 3 --http 127.0.0.1:9000 --detach", .run = run,
};
