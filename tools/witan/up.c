/* up.c - witan up: plans a cluster on this machine, starts it, waits until it answers, says how to
 * ask it, and watches over it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "net/http.h"
#include "sense.h"
#include "up.h"

bool up_answers(const char *address)
{
        struct wt_buf b = { 0 };
        char url[400];
        int status = 0;

        snprintf(url, sizeof url, "%s%s/readyz", strstr(address, "://") != NULL ? "" : "http://",
                 address);
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

void up_say(struct up *u, char kind, const char *words)
{
        if (u->tell >= 0)
                dprintf(u->tell, "%c%s\n", kind, words);
        else if (kind == '+')
                progress_say(&u->progress, words);
        else if (kind == '=')
                progress_wait(&u->progress, words);
        else
                verb_fail(u->c, "%s", words);
}

void up_progress(struct up *u)
{
        char packs[4200];

        snprintf(packs, sizeof packs, "%s/packs", u->c->state);
        progress_open(&u->progress, stderr, packs, u->model_bytes, u->same_model);
}

/* The names of those that are not ready yet. */
static void say_waiting(struct up *u, const bool *ready)
{
        char names[300] = "";
        size_t at = 0;

        for (uint32_t i = 0; i < u->n && at < sizeof names; i++)
                if (!ready[i])
                        at += (size_t)snprintf(names + at, sizeof names - at, "%s%s",
                                               at > 0 ? ", " : "", u->child[i].p->name);
        up_say(u, '=', names);
}

/* One look at all; true when one more is ready. */
static bool look(struct up *u, bool *ready, uint32_t *left)
{
        char line[200];
        bool more = false;

        for (uint32_t i = 0; i < u->n; i++) {
                struct child *ch = &u->child[i];
                if (ready[i] || ch->p->pid == 0 || !up_answers(ch->p->metrics))
                        continue;
                ready[i] = more = true;
                snprintf(line, sizeof line, "  %s is ready (%u of %u)", ch->p->name, u->n - --*left,
                         u->n);
                up_say(u, '+', line);
        }
        return more;
}

/* Exit code 2 is a boot fault: starting it again would not help, so its words are ours. */
static wt_err look_for_faults(struct up *u)
{
        char words[1200];

        for (uint32_t i = 0; i < u->n; i++)
                if (u->child[i].exit_code == 2) {
                        child_last_words(&u->child[i], u->c->state, words, sizeof words);
                        return wt_fail(WT_EPRECONDITION, "%s did not start: %s",
                                       u->child[i].p->name, words);
                }
        return WT_OK;
}

/* Who has died and runs again: to the log, and to a terminal that is ours. */
static void say_deaths(struct up *u)
{
        for (uint32_t i = 0; i < u->n; i++) {
                struct child *ch = &u->child[i];
                bool killed = ch->exit_code > 128;
                int code = killed ? ch->exit_code - 128 : ch->exit_code;

                if (!ch->died || ch->p->pid == 0)
                        continue;
                ch->died = false;
                wt_log(WT_WARN, "CHILD-AGAIN", "process=%s %s=%d restarts=%u", ch->p->name,
                       killed ? "signal" : "code", code, ch->p->restarts);
                if (u->tell < 0)
                        fprintf(stderr, "%s %s %d; started again\n", ch->p->name,
                                killed ? "died of signal" : "ended with code", code);
        }
}

/* Until every process says that it is ready. */
static wt_err wait_ready(struct up *u)
{
        uint64_t end = wt_now_us(&wt_clock_real) + (uint64_t)READY_WAIT_S * 1000000;
        bool ready[MAX_PROCESSES] = { false };
        uint32_t left = u->n;
        wt_err err;

        say_waiting(u, ready);
        while (left > 0) {
                if (stop_asked(u, TURN_MS))
                        return wt_fail(WT_ECANCELLED, "stopped");
                children_turn(u->child, u->n, &u->plan, u->c->state, wt_now_us(&wt_clock_real));
                if ((err = look_for_faults(u)) != WT_OK)
                        return err;
                say_deaths(u);
                if (look(u, ready, &left) && left > 0)
                        say_waiting(u, ready);
                if (u->tell < 0)
                        progress_turn(&u->progress);
                if (wt_now_us(&wt_clock_real) > end)
                        return wt_fail(WT_EDEADLINE,
                                       "not ready after %d s; witan logs --state %s shows why",
                                       READY_WAIT_S, u->c->state);
        }
        up_revision(u);
        return WT_OK;
}

static void announce_json(const struct up *u, FILE *to)
{
        const struct cluster *cl = &u->plan.cluster;
        struct wt_buf b = { 0 };

        wt_buf_str(&b, "{");
        wt_buf_json_kv(&b, "http", cl->http);
        wt_buf_json_kv(&b, "admin_key", cl->admin_key);
        wt_buf_json_kv(&b, "model", cl->model);
        wt_buf_json_kv(&b, "state", u->c->state);
        wt_buf_str(&b, "}\n");
        fputs(b.data, to);
        fflush(to);
        wt_buf_free(&b);
}

void up_announce(const struct up *u, FILE *to)
{
        const struct cluster *cl = &u->plan.cluster;
        bool there = wt_conf_from(u->c->conf, WT_SET_state) == WT_FROM_DEFAULT;

        if (u->c->json) {
                announce_json(u, to);
                return;
        }
        fprintf(to,
                "\nready\nwitan answers at %s\nkey %s\n\ntry it:\n  curl -s %s%s%s"
                "%s/v1/chat/completions "
                "-H 'Authorization: Bearer %s' -H 'Content-Type: application/json' -d '{\"model\": "
                "\"%s\", \"messages\": [{\"role\": \"user\", \"content\": \"Who are you?\"}], "
                "\"temperature\": 0}'\n\nor: %s/witan chat%s%s\n\n%s\n",
                cl->http, cl->admin_key, cl->tls_cert[0] != '\0' ? "--cacert '" : "", cl->tls_cert,
                cl->tls_cert[0] != '\0' ? "' " : "", cl->http, cl->admin_key,
                strrchr(cl->model, '/') + 1,
                u->plan.bin, there ? "" : " --state ", there ? "" : u->c->state,
                wt_conf_bool(u->c->conf, WT_SET_detach) ? "witan down stops it"
                                                        : "Ctrl-C stops everything");
        fflush(to);
}

/* Every second; a log that cannot be turned over goes on growing, and is tried again. */
static void look_at_logs(struct up *u, uint64_t now, uint64_t *next)
{
        if (now < *next)
                return;
        *next = now + 1000000;
        children_rotate(u->child, u->n, u->c->state, wt_conf_u64(u->c->conf, WT_SET_log_bytes),
                        (uint32_t)wt_conf_u64(u->c->conf, WT_SET_log_keep));
}

void up_ready(struct up *u)
{
        if (u->tell >= 0)
                dprintf(u->tell, "*\n");
        else
                up_announce(u, stdout);
}

static void watch(struct up *u)
{
        uint64_t now, logs = 0;

        while (!stop_asked(u, TURN_MS)) {
                now = wt_now_us(&wt_clock_real);
                if (children_turn(u->child, u->n, &u->plan, u->c->state, now))
                        cluster_write(&u->plan.cluster, u->c->state);
                say_deaths(u);
                look_at_logs(u, now, &logs);
        }
}

/* What we do about our processes stands beside their logs, whoever has the terminal. */
static void open_log(const struct up *u)
{
        char path[4400];
        int fd;

        snprintf(path, sizeof path, "%s/logs/supervisor.log", u->c->state);
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        wt_log_init("supervisor", WT_NOTICE, fd >= 0 ? fd : 2);
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
        open_log(u);
        u->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
        u->plan.cluster.supervisor = getpid();
        for (uint32_t i = 0; i < u->n && err == WT_OK; i++)
                err = child_start(&u->child[i], &u->plan, u->c->state, wt_now_us(&wt_clock_real));
        if (err == WT_OK)
                err = cluster_write(&u->plan.cluster, u->c->state);
        if (err == WT_OK)
                err = wait_ready(u);
        if (u->tell < 0)
                progress_close(&u->progress);
        if (err == WT_OK)
                err = cluster_write(&u->plan.cluster, u->c->state);
        if (err != WT_OK && err != WT_ECANCELLED)
                up_say(u, '!', wt_words());
        if (err == WT_OK)
                up_ready(u);
        if (err == WT_OK) {
                if (u->tell >= 0)
                        close(u->tell);          /* the parent prints and leaves */
                watch(u);
        }
        if (u->tell < 0)
                fputs("stopping ...\n", stderr);
        children_stop(u->child, u->n, wt_conf_u64(u->c->conf, WT_SET_drain) * 1000 + 5000000);
        u->plan.cluster.supervisor = 0;
        cluster_write(&u->plan.cluster, u->c->state);
        if (err != WT_OK && u->tell >= 0)
                close(u->tell);                  /* only now: the folder is free for the next */
        return err == WT_OK || err == WT_ECANCELLED ? EXIT_DONE : EXIT_FAILED;
}

static int go(struct up *u)
{
        bool inproc = wt_conf_bool(u->c->conf, WT_SET_inproc);

        fprintf(stderr, "starting %u process%s; model %s, state %s\n", inproc ? 1 : u->n,
                inproc || u->n == 1 ? "" : "es", u->plan.cluster.model, u->c->state);
        if (wt_conf_bool(u->c->conf, WT_SET_detach))
                return up_detach(u, inproc ? inproc_run : supervise);
        up_progress(u);
        return inproc ? inproc_run(u) : supervise(u);
}

static int run(struct call *c)
{
        struct up *u;
        int rc = verb_words(c, 0);

        if (rc != 0)
                return rc;
        if (sense_check(c->conf) != WT_OK)
                return verb_usage(c, "%s", wt_words());
        u = calloc(1, sizeof *u);
        WT_ASSERT(u != NULL);
        u->c = c;
        u->lock = u->tell = -1;
        rc = up_prepare(u) == WT_OK ? go(u) : verb_fail(c, "%s", wt_words());
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
        .name = "up",
        .about = "starts a cluster on this machine and watches over it",
        .usage = "witan up [--model DIR] [--experts N] [--replicas R] [--routers N] [--http "
                 "HOST:PORT] "
                 "[--state DIR] [--gpu auto|none|N] [--store URL [--store-change]] "
                 "[--inproc] [--detach] [-o "
                 "json|table]",
        .example = "witan up --experts 3 --http 127.0.0.1:9000 --detach",
        .text = "Makes keys, packs the model's weights once per machine, starts one gateway, the "
                "routers and the "
                "expert workers, waits until they answer, and prints the URL, a key and a curl "
                "line that works. A "
                "process that dies is started again. In the foreground Ctrl-C stops everything; "
                "with --detach it "
                "returns once the cluster answers, and witan down stops it.\n\n"
                "The store is named once: the state folder remembers it, for the next start and "
                "for the other verbs.",
        .flags = {[UP_STORE_CHANGE] = {"store-change", NULL, "take the store that --store names "
                                       "although this folder's cluster had another", 0}},
        .run = run,
};
