/* inproc.c - witan up --inproc: gateway, router and workers as threads of one process, over the in-process
 * bus: the same code and the same bits as the cluster of processes. */
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
#include "up.h"

enum { MAX_EXPERTS = 256 };
static const char bus[] = "inproc://router-0";

struct inproc {
        struct up *u;
        struct router_boot *router;
        struct expert_boot *expert[MAX_EXPERTS];
        char name[MAX_EXPERTS][24];
        uint32_t n_experts;
        struct gateway_boot *gateway;
        pthread_t router_thread, expert_thread[MAX_EXPERTS], teller;
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
        if (expert_boot_run(arg) != WT_OK)
                wt_stop_ask();
        return NULL;
}

/* Says that the cluster answers, once it does. */
static void *tell(void *arg)
{
        const struct timespec nap = { 0, TURN_MS * 1000 * 1000 };
        struct inproc *p = arg;
        struct up *u = p->u;

        up_say(u, '=', "this process");
        while (!wt_stop_asked() && !(atomic_load(&p->open) && up_answers(u->plan.cluster.http + 7))) {
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
        if (u->tell >= 0)
                close(u->tell);
        else
                up_announce(u, stdout);
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
                snprintf(p->name[i], sizeof p->name[i], "expert-%u", i);
                if ((err = expert_boot(&p->expert[i], conf, p->name[i], bus)) != WT_OK ||
                    (err = thread(&p->expert_thread[i], run_expert, p->expert[i])) != WT_OK)
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
                pthread_join(p->expert_thread[i], NULL);
        for (uint32_t i = 0; i < p->n_experts; i++)
                expert_boot_close(p->expert[i]);
        router_boot_close(p->router);
}

/* One row of witan.json: all roles live here. */
static void describe(struct up *u)
{
        struct cluster *cl = &u->plan.cluster;
        struct process *g = &cl->processes[0];

        *g = cl->processes[cl->n - 1];           /* the gateway's */
        snprintf(g->role, sizeof g->role, "all");
        snprintf(g->name, sizeof g->name, "inproc");
        snprintf(g->endpoint, sizeof g->endpoint, "%.290s", cl->http);
        snprintf(g->metrics, sizeof g->metrics, "%.60s", cl->http + 7);
        snprintf(g->shard, sizeof g->shard, "*");
        g->pid = getpid();
        cl->n = 1;
        cl->supervisor = getpid();
}

int inproc_run(struct up *u)
{
        const char *profile = wt_conf_str(u->c->conf, WT_SET_profile);
        struct inproc *p = calloc(1, sizeof *p);
        char log[4300], words[1024] = "";

        WT_ASSERT(p != NULL);
        p->u = u;
        p->n_experts = u->plan.n_experts == 0 ? 0
                : wt_conf_from(u->c->conf, WT_SET_experts) == WT_FROM_DEFAULT ? 1 : u->plan.n_experts;
        snprintf(log, sizeof log, "%s/logs/inproc.log", u->c->state);
        FILE *to = fopen(log, "a");
        wt_log_init("witan", (enum wt_level)wt_level_of(wt_conf_str(u->c->conf, WT_SET_log_level)),
                    to != NULL ? fileno(to) : 2);
        describe(u);
        if ((profile[0] != '\0' && wt_trace_open(profile, "witan") != WT_OK) ||
            wt_stop_init() != WT_OK || cluster_write(&u->plan.cluster, u->c->state) != WT_OK ||
            open_all(p) != WT_OK)
                snprintf(words, sizeof words, "%s", wt_words());
        else
                gateway_boot_run(p->gateway);
        close_all(p);
        if (wt_trace_close() != WT_OK)
                wt_log_err(WT_WARN, "PROFILE", WT_EIO);
        u->plan.cluster.supervisor = u->plan.cluster.processes[0].pid = 0;
        cluster_write(&u->plan.cluster, u->c->state);
        if (words[0] != '\0')
                up_say(u, '!', words);
        if (to != NULL)
                fclose(to);
        free(p);
        return words[0] == '\0' ? EXIT_DONE : EXIT_FAILED;
}
