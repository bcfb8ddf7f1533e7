/* spawn.c - fork, exec, wait. */
#include "spawn.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/pool.h"
#include "rotate.h"

enum {
        BACKOFF_FIRST_US = 50 * 1000,
        BACKOFF_MOST_US = 4 * 1000 * 1000,       /* well within router_wait and expert_wait */
        STEADY_US = 30 * 1000 * 1000
};

static void arg(struct child *ch, const char *name, const char *value)
{
        char *s = NULL;

        WT_ASSERT(ch->n_argv + 1 < sizeof ch->argv / sizeof *ch->argv);
        if (asprintf(&s, "--%s=%s", name, value) < 0)
                abort();
        ch->argv[ch->n_argv++] = s;
}

static unsigned role_of(const char *role)
{
        return strcmp(role, "gateway") == 0 ? WT_FOR_GATEWAY
               : strcmp(role, "router") == 0 ? WT_FOR_ROUTER : WT_FOR_EXPERT;
}

/* Settings that are handed on as they came; the plan decides these itself. */
static bool planned(enum wt_set s)
{
        return s == WT_SET_state || s == WT_SET_model || s == WT_SET_name || s == WT_SET_metrics ||
               s == WT_SET_routers_at || s == WT_SET_bus || s == WT_SET_shard || s == WT_SET_http;
}

static void put_threads(struct child *ch, const struct plan *plan, unsigned role)
{
        uint32_t cores = wt_cores_allowed(),
                 share = plan->n_experts > 0 ? cores / plan->n_experts : cores;
        char n[16];

        snprintf(n, sizeof n, "%u", role == WT_FOR_ROUTER ? cores : share > 0 ? share : 1);
        arg(ch, "threads", n);
}

/* In a folder each process names its trace itself; one file would be written by all of them. */
static void put_profile(struct child *ch, const char *value)
{
        struct stat st;
        char path[4300];

        if (*value == '\0' || (stat(value, &st) == 0 && S_ISDIR(st.st_mode)))
                snprintf(path, sizeof path, "%s", value);
        else
                snprintf(path, sizeof path, "%s.%s", value, ch->p->name);
        arg(ch, "profile", path);
}

/* The witness is a verb of witan, with a folder of its own and nothing of the cluster's but the
 * log's public key. */
static wt_err make_witness(struct child *ch, const struct plan *plan, struct process *p,
                           const struct call *c)
{
        char path[4300];

        if (asprintf(&ch->argv[0], "%s/witan", plan->bin) < 0 ||
            asprintf(&ch->argv[1], "audit") < 0 || asprintf(&ch->argv[2], "witness") < 0)
                abort();
        ch->n_argv = 3;
        snprintf(path, sizeof path, "%s/witness", c->state);
        arg(ch, "state", path);
        snprintf(path, sizeof path, "%s/keys/audit-log.pub", c->state);
        arg(ch, "log", path);
        arg(ch, "listen", p->metrics);
        return WT_OK;
}

wt_err child_make(struct child *ch, const struct plan *plan, struct process *p,
                  const struct call *c)
{
        unsigned role = role_of(p->role);
        struct wt_buf shard = { 0 };

        memset(ch, 0, sizeof *ch);
        ch->p = p;
        if (strcmp(p->role, "witness") == 0)
                return make_witness(ch, plan, p, c);
        if (asprintf(&ch->argv[ch->n_argv++], "%s/witan-%s", plan->bin, p->role) < 0)
                abort();
        arg(ch, "state", c->state);
        arg(ch, "model", plan->cluster.model);
        arg(ch, "name", p->name);
        arg(ch, "metrics", p->metrics);
        if (role == WT_FOR_ROUTER)
                arg(ch, "bus", p->endpoint);
        else
                arg(ch, "routers-at", plan->routers_at.data);
        if (role == WT_FOR_GATEWAY)
                arg(ch, "http", wt_conf_str(c->conf, WT_SET_http));
        if (role == WT_FOR_EXPERT) {
                arg(ch, "planner-at", p->planner);
                plan_shard(plan, (uint32_t)atoi(strrchr(p->name, '-') + 1), &shard);
                arg(ch, "shard", shard.data);
                snprintf(p->shard, sizeof p->shard, "%s", shard.data);
                wt_buf_free(&shard);
        }
        if (role != WT_FOR_GATEWAY && wt_conf_from(c->conf, WT_SET_threads) == WT_FROM_DEFAULT)
                put_threads(ch, plan, role);
        for (int s = 0; s < N_WT_SETTINGS; s++) {
                char flag[64];
                if (planned(s) || !(wt_settings[s].roles & role) ||
                    wt_conf_from(c->conf, s) == WT_FROM_DEFAULT)
                        continue;
                snprintf(flag, sizeof flag, "%s", wt_settings[s].name);
                for (char *k = flag; *k != '\0'; k++)
                        *k = *k == '_' ? '-' : *k;
                if (s == WT_SET_profile)
                        put_profile(ch, wt_conf_str(c->conf, s));
                else
                        arg(ch, flag, wt_conf_str(c->conf, s));
        }
        return WT_OK;
}

void child_fini(struct child *ch)
{
        for (uint32_t i = 0; i < ch->n_argv; i++)
                free(ch->argv[i]);
}

wt_err child_start(struct child *ch, const struct plan *plan, const char *state, uint64_t now_us)
{
        char path[4300];
        pid_t pid, parent = getpid();
        struct stat st;
        int log;

        (void)plan;
        snprintf(path, sizeof path, "%s/logs/%s.log", state, ch->p->name);
        log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (log < 0)
                return wt_fail(WT_EIO, "could not open %s: %s", path, strerror(errno));
        ch->log_from = fstat(log, &st) == 0 ? (uint64_t)st.st_size : 0;
        pid = fork();
        if (pid < 0) {
                close(log);
                return wt_fail(WT_EIO, "could not start %s: %s", ch->p->name, strerror(errno));
        }
        if (pid == 0) {
                sigset_t none;
                sigemptyset(&none);
                sigprocmask(SIG_SETMASK, &none, NULL);
                setpgid(0, 0); /* Ctrl-C is for the supervisor: it stops them in order */
                prctl(PR_SET_PDEATHSIG, SIGTERM);
                if (getppid() != parent)
                        _exit(1);
                dup2(log, 1);
                dup2(log, 2);
                execv(ch->argv[0], ch->argv);
                dprintf(2, "witan: could not run %s: %s; build it with scripts/up\n", ch->argv[0],
                        strerror(errno));
                _exit(2);
        }
        close(log);
        ch->p->pid = pid;
        ch->started_us = now_us;
        ch->again_us = 0;
        return WT_OK;
}

static bool reap(struct child *ch, uint64_t now_us)
{
        int status;

        if (ch->p->pid == 0 || waitpid(ch->p->pid, &status, WNOHANG) != ch->p->pid)
                return false;
        ch->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        ch->p->pid = 0;
        ch->died = true;
        if (now_us - ch->started_us > STEADY_US || ch->backoff_us == 0)
                ch->backoff_us = BACKOFF_FIRST_US;
        else
                ch->backoff_us =
                        ch->backoff_us * 2 < BACKOFF_MOST_US ? ch->backoff_us * 2 : BACKOFF_MOST_US;
        ch->again_us = now_us + ch->backoff_us;
        return true;
}

bool children_turn(struct child *ch, uint32_t n, const struct plan *plan, const char *state,
                   uint64_t now_us)
{
        bool changed = false;

        for (uint32_t i = 0; i < n; i++) {
                changed |= reap(&ch[i], now_us);
                if (ch[i].p->pid != 0 || ch[i].again_us == 0 || now_us < ch[i].again_us)
                        continue;
                if (child_start(&ch[i], plan, state, now_us) == WT_OK)
                        ch[i].p->restarts++;
                else
                        ch[i].again_us = now_us + BACKOFF_MOST_US;
                changed = true;
        }
        return changed;
}

bool children_rotate(const struct child *ch, uint32_t n, const char *state, uint64_t most,
                     uint32_t keep)
{
        char path[4300];
        bool well = true, turned;

        for (uint32_t i = 0; i < n; i++) {
                snprintf(path, sizeof path, "%s/logs/%s.log", state, ch[i].p->name);
                well &= rotate(path, most, keep, &turned) == WT_OK;
        }
        return well;
}

static void stop_role(struct child *ch, uint32_t n, const char *role, uint64_t patience_us)
{
        uint64_t end = wt_now_us(&wt_clock_real) + patience_us;
        const struct timespec nap = { 0, 5 * 1000 * 1000 };
        uint32_t left = 1;

        for (uint32_t i = 0; i < n; i++)
                if (ch[i].p->pid != 0 && strcmp(ch[i].p->role, role) == 0)
                        kill(ch[i].p->pid, SIGTERM);
        while (left > 0) {
                left = 0;
                for (uint32_t i = 0; i < n; i++) {
                        if (ch[i].p->pid == 0 || strcmp(ch[i].p->role, role) != 0)
                                continue;
                        if (reap(&ch[i], 0))
                                continue;
                        if (wt_now_us(&wt_clock_real) > end)
                                kill(ch[i].p->pid, SIGKILL);
                        left++;
                }
                if (left > 0)
                        nanosleep(&nap, NULL);
        }
}

void children_stop(struct child *ch, uint32_t n, uint64_t patience_us)
{
        stop_role(ch, n, "gateway", patience_us);
        stop_role(ch, n, "router", patience_us);
        stop_role(ch, n, "expert", patience_us);
        stop_role(ch, n, "witness", patience_us);
}

void child_last_words(const struct child *ch, const char *state, char *out, size_t n)
{
        struct wt_buf b = { 0 };
        char path[4300], *at, *line = NULL;

        snprintf(path, sizeof path, "%s/logs/%s.log", state, ch->p->name);
        snprintf(out, n, "see %s", path);
        if (wt_file_read(path, 64 << 20, &b) != WT_OK)
                return;
        /* Nothing of an earlier run, unless the log has been turned over since. */
        at = b.data != NULL && ch->log_from <= b.len ? b.data + ch->log_from : b.data;
        for (; at != NULL && *at != '\0'; at = strchr(at, '\n'), at += at != NULL)
                if (*at != '{' && *at != '\n')
                        line = at;
        if (line != NULL)
                snprintf(out, n, "%.*s", (int)strcspn(line, "\n"), line);
        wt_buf_free(&b);
}
