/* inproc.c - witan up --inproc: gateway, router and workers as threads of one process, over the
 * in-process bus: the same code and the same bits as the cluster of processes. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/log.h"
#include "base/stop.h"
#include "base/trace.h"
#include "gateway/boot.h"
#include "router/boot.h"
#include "expert/boot.h"
#include "rotate.h"
#include "up.h"

enum { MAX_EXPERTS = 256 };
static const char bus[] = "inproc://router-0";

struct inproc_expert {                           /* refusal: why it ended by itself, or "" */
        struct expert_boot *boot;
        pthread_t thread;
        char name[24], refusal[600];
};

struct inproc {
        struct up *u;
        struct router_boot *router;
        struct inproc_expert expert[MAX_EXPERTS];
        uint32_t n_experts;
        struct gateway_boot *gateway;
        pthread_t router_thread, teller;
        uint32_t n_threads;                      /* of experts that run */
        bool router_runs, teller_runs;
        atomic_bool open;                        /* the gateway is open: it may be asked */
};

static void *run_router(void *arg)
{
        router_boot_run(arg);
        return NULL;
}

static void *run_expert(void *arg)
{
        struct inproc_expert *x = arg;

        if (expert_boot_run(x->boot) != WT_OK) {         /* words are a thread's own: kept */
                snprintf(x->refusal, sizeof x->refusal, "%s", wt_words());
                wt_stop_ask();
        }
        return NULL;
}

/* Turns the one log over when it is large, until the end. */
static void look_at_log(const struct up *u)
{
        struct pollfd stop = { .fd = wt_stop_fd(), .events = POLLIN };
        char path[4300];
        bool turned;

        snprintf(path, sizeof path, "%s/logs/inproc.log", u->c->state);
        while (!wt_stop_asked() && poll(&stop, 1, 1000) <= 0)
                rotate(path, wt_conf_u64(u->c->conf, WT_SET_log_bytes),
                       (uint32_t)wt_conf_u64(u->c->conf, WT_SET_log_keep), &turned);
}

/* Says that the cluster answers, once it does, and looks after the log. */
static void *tell(void *arg)
{
        const struct timespec nap = { 0, TURN_MS * 1000 * 1000 };
        struct inproc *p = arg;
        struct up *u = p->u;

        up_say(u, '=', "this process");
        while (!wt_stop_asked() &&
               !(atomic_load(&p->open) && up_answers(u->plan.cluster.http))) {
                if (u->tell < 0)
                        progress_turn(&u->progress);
                nanosleep(&nap, NULL);
        }
        if (u->tell < 0)
                progress_close(&u->progress);
        if (wt_stop_asked())
                return NULL;
        up_revision(u);
        cluster_write(&u->plan.cluster, u->c->state);
        up_ready(u);
        if (u->tell >= 0)
                close(u->tell);
        look_at_log(u);
        return NULL;
}

static wt_err thread(pthread_t *t, void *(*body)(void *), void *arg)
{
        return pthread_create(t, NULL, body, arg) == 0 ? WT_OK
                : wt_fail(WT_EEXHAUSTED, "no more threads; raise the limit of threads");
}

static wt_err open_all(struct inproc *p)
{
        const wt_conf *conf = p->u->c->conf;
        wt_err err;

        if ((err = thread(&p->teller, tell, p)) != WT_OK)
                return err;
        p->teller_runs = true;
        if ((err = router_boot(&p->router, conf, "router-0", bus)) != WT_OK ||
            (err = thread(&p->router_thread, run_router, p->router)) != WT_OK)
                return err;
        p->router_runs = true;
        for (uint32_t i = 0; i < p->n_experts; i++) {
                struct inproc_expert *x = &p->expert[i];

                snprintf(x->name, sizeof x->name, "expert-%u", i);
                if ((err = expert_boot(&x->boot, conf, x->name, bus)) != WT_OK ||
                    (err = thread(&x->thread, run_expert, x)) != WT_OK)
                        return err;
                p->n_threads++;
        }
        if ((err = gateway_boot(&p->gateway, conf, bus)) == WT_OK)
                atomic_store(&p->open, true);
        return err;
}

/* The gateway has drained; router and workers saw the same request to stop. */
static void close_all(struct inproc *p)
{
        wt_stop_ask();
        if (p->teller_runs)
                pthread_join(p->teller, NULL);
        gateway_boot_close(p->gateway);
        if (p->router_runs)
                pthread_join(p->router_thread, NULL);
        for (uint32_t i = 0; i < p->n_threads; i++)
                pthread_join(p->expert[i].thread, NULL);
        for (uint32_t i = 0; i < p->n_experts; i++)
                expert_boot_close(p->expert[i].boot);
        router_boot_close(p->router);
}

static void describe_one(struct cluster *cl, const char *role, const char *name,
                         const char *metrics, const char *endpoint)
{
        struct process *p = &cl->processes[cl->n++];

        memset(p, 0, sizeof *p);
        snprintf(p->role, sizeof p->role, "%s", role);
        snprintf(p->name, sizeof p->name, "%s", name);
        snprintf(p->metrics, sizeof p->metrics, "%.60s", metrics);
        snprintf(p->endpoint, sizeof p->endpoint, "%.290s", endpoint);
        snprintf(p->shard, sizeof p->shard, "%s", strcmp(role, "expert") == 0 ? "*" : "");
        p->pid = getpid();
}

/* witan.json: the same rows as a cluster of processes, with one pid. */
static wt_err describe(struct inproc *p)
{
        struct cluster *cl = &p->u->plan.cluster;

        cl->n = 0;
        cl->supervisor = getpid();
        if (p->gateway != NULL) {
                describe_one(cl, "router", "router-0", router_boot_metrics(p->router), bus);
                for (uint32_t i = 0; i < p->n_experts; i++)
                        describe_one(cl, "expert", p->expert[i].name,
                                     expert_boot_metrics(p->expert[i].boot), bus);
                describe_one(cl, "gateway", "gateway-0", gateway_boot_metrics(p->gateway),
                             cl->http);
        }
        return cluster_write(cl, p->u->c->state);
}

static void describe_end(struct inproc *p)
{
        struct cluster *cl = &p->u->plan.cluster;

        for (uint32_t i = 0; i < cl->n; i++)
                cl->processes[i].pid = 0;
        cl->supervisor = 0;
        cluster_write(cl, p->u->c->state);
}

static wt_err one_of_each(const struct up *u)
{
        if (u->plan.replicas > 0 || wt_conf_u64(u->c->conf, WT_SET_routers) > 1)
                return wt_fail(WT_EINVAL,
                               "--inproc has one router, and its workers hold all experts; leave "
                               "out --routers and --replicas");
        return WT_OK;
}

int inproc_run(struct up *u)
{
        const char *profile = wt_conf_str(u->c->conf, WT_SET_profile);
        struct inproc *p = calloc(1, sizeof *p);
        char log[4300], words[1024] = "";

        WT_ASSERT(p != NULL);
        p->u = u;
        p->n_experts = u->plan.n_experts == 0 ? 0
                       : wt_conf_from(u->c->conf, WT_SET_experts) == WT_FROM_DEFAULT
                               ? 1
                               : u->plan.n_experts;
        snprintf(log, sizeof log, "%s/logs/inproc.log", u->c->state);
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        wt_log_init("witan", (enum wt_level)wt_level_of(wt_conf_str(u->c->conf, WT_SET_log_level)),
                    fd >= 0 ? fd : 2);
        if ((profile[0] != '\0' && wt_trace_open(profile, "witan") != WT_OK) ||
            one_of_each(u) != WT_OK || wt_stop_init() != WT_OK || describe(p) != WT_OK ||
            open_all(p) != WT_OK || describe(p) != WT_OK)
                snprintf(words, sizeof words, "%s", wt_words());
        else
                gateway_boot_run(p->gateway);
        close_all(p);
        for (uint32_t i = 0; i < p->n_experts && words[0] == '\0'; i++)
                snprintf(words, sizeof words, "%s", p->expert[i].refusal);
        if (wt_trace_close() != WT_OK)
                wt_log_err(WT_WARN, "INPROC-PROFILE", WT_EIO);
        describe_end(p);
        if (words[0] != '\0')
                up_say(u, '!', words);
        if (fd >= 0)
                close(fd);
        free(p);
        return words[0] == '\0' ? EXIT_DONE : EXIT_FAILED;
}
