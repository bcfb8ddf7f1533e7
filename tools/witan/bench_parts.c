/* bench_parts.c - see bench_parts.h. */
#include "bench_parts.h"
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/file.h"
#include "base/pool.h"
#include "bus/keyring.h"
#include "expert/expert.h"
#include "plan.h"
#include "plugin/plugin.h"
#include "router/router.h"
#include "spawn.h"

const struct wt_plugin *wt_plugin_compute_cpu(void), *wt_plugin_contiguous(void),
                       *wt_plugin_sample(void);

enum { MAX_WORKERS = 16, STOP_US = 20 * 1000000 };

/* A service on a thread: its own model, pool and bus, as in a process of its own. */
struct service {
        const struct rig_conf *conf;
        pthread_t thread;
        wt_bus *bus;
        char name[16];
        bool is_router, runs;
        atomic_bool stop, failed;
        char words[512];
};
struct parts {
        struct rig_conf conf;
        struct service service[1 + MAX_WORKERS]; uint32_t n;     /* the router first */
        struct plan plan;                        /* processes */
        struct child child[1 + MAX_WORKERS]; uint32_t n_children;
        struct wt_keyring ring;
        char packs[4200];
};

/* ---- threads -------------------------------------------------------------------------------- */

static bool stop_asked(void *arg) { return atomic_load((atomic_bool *)arg); }

static wt_err serve_router(struct service *s, const struct wt_host *host, wt_model *model)
{
        const struct rig_conf *f = s->conf;
        struct router_conf c = {
                .name = s->name,
                .compute = wt_plugin_compute_cpu()->ops,
                .place = wt_plugin_contiguous()->ops,
                .sample = wt_plugin_sample()->ops,
                .host = host,
                .model = model,
                .bus = s->bus,
                .clock = &wt_clock_real,
                .kv_bytes = f->kv_bytes,
                .step_rows = f->step_rows,
                .chunk = f->chunk,
                .max_seqs = f->max_seqs,
                .max_waiting = 1024,
                .max_context = f->max_context,
                .expert_wait_us = 600000000,
                .hedge_after_us = 600000000,
                .outbox_bytes = 64 << 20,
                .drain_us = 1000000,
                .stop_asked = stop_asked,
                .stop_arg = &s->stop,
                .stop_fd = -1,
        };
        struct router *r;
        wt_err err = router_open(&r, &c);

        if (err == WT_OK) {
                router_run(r);
                router_close(r);
        }
        return err;
}

static wt_err serve_expert(struct service *s, const struct wt_host *host, wt_model *model)
{
        struct expert_conf c = {
                .name = s->name,
                .shard = "*",
                .compute = wt_plugin_compute_cpu()->ops,
                .host = host,
                .model = model,
                .bus = s->bus,
                .n_routers = 1,
                .clock = &wt_clock_real,
                .drain_us = 1000000,
                .stop_asked = stop_asked,
                .stop_arg = &s->stop,
                .stop_fd = -1,
        };
        struct expert *e;
        wt_err err = expert_open(&e, &c);

        if (err == WT_OK) {
                err = expert_run(e);
                expert_close(e);
        }
        return err;
}

static void *serve(void *arg)
{
        struct service *s = arg;
        const struct rig_conf *f = s->conf;
        char packs[4200];
        struct wt_host host;
        wt_pool *pool = NULL;
        wt_model *model = NULL;
        wt_err err;

        snprintf(packs, sizeof packs, "%s/packs", f->state);
        if ((err = wt_pool_new(&pool, s->is_router ? f->threads : f->worker_threads)) == WT_OK) {
                wt_host_init(&host, pool);
                err = wt_model_open(&model, f->folder, packs, wt_plugin_compute_cpu()->ops);
        }
        if (err == WT_OK)
                err = s->is_router ? serve_router(s, &host, model) : serve_expert(s, &host, model);
        if (err != WT_OK) {
                snprintf(s->words, sizeof s->words, "%s", wt_words());
                atomic_store(&s->failed, true);
        }
        if (model != NULL)
                wt_model_close(model);
        if (pool != NULL)
                wt_pool_free(pool);
        return NULL;
}

static wt_err bus_open(wt_bus **out, const char *name, const char *bind, const char *connect,
                       const struct wt_keyring *ring)
{
        struct wt_bus_conf c = { .name = name, .bind = bind, .connect = &connect,
                                 .n_connect = connect != NULL };

        if (ring != NULL)
                c.keys = wt_keyring_bus(ring);
        return wt_bus_open(out, &c);
}

static wt_err threads_open(struct parts *p, wt_bus **bus)
{
        const char *at = NULL;
        wt_err err;

        for (uint32_t i = 0; i <= p->conf.n_workers; i++) {
                struct service *s = &p->service[i];

                s->conf = &p->conf;
                s->is_router = i == 0;
                snprintf(s->name, sizeof s->name, i == 0 ? "router-0" : "expert-%u", i - 1);
                err = bus_open(&s->bus, s->name, i == 0 ? "inproc://*" : NULL, at, NULL);
                if (err != WT_OK)
                        return err;
                p->n++;
                if (i == 0)
                        at = wt_bus_endpoint(s->bus);
                if (pthread_create(&s->thread, NULL, serve, s) != 0)
                        return wt_fail(WT_EEXHAUSTED,
                                       "no more threads; raise the limit of threads");
                s->runs = true;
        }
        return bus_open(bus, "gateway-0", NULL, at, NULL);
}

/* ---- processes ------------------------------------------------------------------------------ */

static void arg(struct child *ch, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void arg(struct child *ch, const char *fmt, ...)
{
        va_list ap;

        WT_ASSERT(ch->n_argv + 1 < sizeof ch->argv / sizeof *ch->argv);
        va_start(ap, fmt);
        if (vasprintf(&ch->argv[ch->n_argv++], fmt, ap) < 0)
                abort();
        va_end(ap);
}

static void command(struct parts *p, struct child *ch, const char *role, uint32_t i, int port)
{
        const struct rig_conf *f = &p->conf;

        ch->p = &p->plan.cluster.processes[p->n_children];
        snprintf(ch->p->role, sizeof ch->p->role, "%s", role);
        snprintf(ch->p->name, sizeof ch->p->name, "%s-%u", role, i);
        arg(ch, "%s/witan-%s", p->plan.bin, role);
        arg(ch, "--state=%s", f->state);
        arg(ch, "--model=%s", f->folder);
        arg(ch, "--name=%s", ch->p->name);
        arg(ch, "--metrics=127.0.0.1:0");
        arg(ch, "--cores-file=%s/cores", f->state);
        if (strcmp(role, "expert") == 0) {
                arg(ch, "--routers-at=tcp://127.0.0.1:%d", port);
                arg(ch, "--threads=%u", f->worker_threads);
                return;
        }
        arg(ch, "--bus=tcp://127.0.0.1:%d", port);
        arg(ch, "--threads=%u", f->threads);
        arg(ch, "--kv-bytes=%llu", (unsigned long long)f->kv_bytes);
        arg(ch, "--step-rows=%u", f->step_rows);
        arg(ch, "--chunk=%u", f->chunk);
        arg(ch, "--max-seqs=%u", f->max_seqs);
        arg(ch, "--max-context=%u", f->max_context);
        arg(ch, "--expert-wait=600s");
        arg(ch, "--hedge-after=600s");
        arg(ch, "--drain=1s");
}

static wt_err make_keys(struct parts *p)
{
        struct wt_keyring_name names[1 + MAX_WORKERS] = { { "gateway-0", "gateway" } };
        char dir[4200], log[4200];
        wt_err err;

        for (uint32_t i = 0; i < p->conf.n_workers; i++)
                names[1 + i] = (struct wt_keyring_name){ p->plan.cluster.processes[1 + i].name,
                                                         "expert" };
        snprintf(dir, sizeof dir, "%s/keys", p->conf.state);
        snprintf(log, sizeof log, "%s/logs", p->conf.state);
        if ((err = wt_dir_make(log, 0700)) != WT_OK ||
            (err = wt_keyring_make(dir, names, 1 + p->conf.n_workers)) != WT_OK)
                return err;
        return wt_keyring_load(&p->ring, dir, "gateway-0");
}

static wt_err processes_open(struct parts *p, wt_bus **bus)
{
        int port = plan_free_port(&p->plan);
        char at[64], cores[4300];
        ssize_t n = readlink("/proc/self/exe", p->plan.bin, sizeof p->plan.bin - 1);
        wt_err err;

        p->plan.bin[n > 0 ? n : 0] = '\0';
        if (strrchr(p->plan.bin, '/') != NULL)
                *strrchr(p->plan.bin, '/') = '\0';
        for (uint32_t i = 0; i <= p->conf.n_workers; i++, p->n_children++)
                command(p, &p->child[i], i == 0 ? "router" : "expert", i == 0 ? 0 : i - 1, port);
        snprintf(cores, sizeof cores, "%s/cores", p->conf.state);
        if ((err = make_keys(p)) != WT_OK ||
            (err = wt_allowance_make(cores, wt_cores_allowed())) != WT_OK)
                return err;
        for (uint32_t i = 0; i < p->n_children; i++)
                if ((err = child_start(&p->child[i], &p->plan, p->conf.state, 0)) != WT_OK)
                        return err;
        snprintf(at, sizeof at, "tcp://127.0.0.1:%d", port);
        return bus_open(bus, "gateway-0", NULL, at, &p->ring);
}

/* ---- both ----------------------------------------------------------------------------------- */

wt_err parts_open(struct parts **out, const struct rig_conf *c, wt_bus **bus)
{
        struct parts *p = calloc(1, sizeof *p);

        if (p == NULL)
                return wt_fail(WT_ENOMEM, "no memory for a benchmark");
        if (c->n_workers > MAX_WORKERS) {
                free(p);
                return wt_fail(WT_EINVAL, "%u workers are more than %d", c->n_workers, MAX_WORKERS);
        }
        p->conf = *c;
        *out = p;
        return c->processes ? processes_open(p, bus) : threads_open(p, bus);
}

void parts_close(struct parts *p)
{
        if (p == NULL)
                return;
        for (uint32_t i = 0; i < p->n; i++)
                atomic_store(&p->service[i].stop, true);
        for (uint32_t i = 0; i < p->n; i++)
                if (p->service[i].runs)
                        pthread_join(p->service[i].thread, NULL);
        for (uint32_t i = p->n; i-- > 0;)
                wt_bus_close(p->service[i].bus);
        if (p->n_children > 0)
                children_stop(p->child, p->n_children, STOP_US);
        for (uint32_t i = 0; i < p->n_children; i++)
                child_fini(&p->child[i]);
        plan_fini(&p->plan);
        free(p);
}

bool parts_alive(struct parts *p)
{
        char words[700];

        for (uint32_t i = 0; i < p->n; i++)
                if (atomic_load(&p->service[i].failed)) {
                        wt_fail(WT_EUNAVAILABLE, "%s: %s", p->service[i].name, p->service[i].words);
                        return false;
                }
        for (uint32_t i = 0; i < p->n_children; i++) {
                struct child *ch = &p->child[i];
                int status;

                if (ch->p->pid == 0 || waitpid(ch->p->pid, &status, WNOHANG) != ch->p->pid)
                        continue;
                ch->p->pid = 0;
                child_last_words(ch, p->conf.state, words, sizeof words);
                wt_fail(WT_EUNAVAILABLE, "%s has ended: %s", ch->p->name, words);
                return false;
        }
        return true;
}

/* Seconds on a processor, of all threads. */
static double cpu_of(pid_t pid)
{
        clockid_t clock;
        struct timespec t;

        if (pid <= 0 || clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
                return 0;
        return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double parts_cpu(const struct parts *p)
{
        double sum = cpu_of(getpid());

        for (uint32_t i = 0; i < p->n_children; i++)
                sum += cpu_of(p->child[i].p->pid);
        return sum;
}
