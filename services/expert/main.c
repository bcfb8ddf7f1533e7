/* main.c - settings in, worker open, run, close. /metrics, /healthz and /readyz have a thread of their
 * own, so that they answer while a call is multiplied. Exit: 0 stopped, 2 boot fault or refused by a
 * router for good (said on stderr with what to do). */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/conf.h"
#include "base/log.h"
#include "base/pool.h"
#include "base/stop.h"
#include "bus/keyring.h"
#include "metrics.h"
#include "net/health.h"
#include "plugin/plugin.h"

enum { DOOR_TURN_US = 200000, STUCK_US = 60000000, MAX_ENDPOINTS = 16 };

const struct wt_plugin *wt_plugin_compute_cpu(void);

static const struct wt_plugin *(*const built_in[])(void) = { wt_plugin_compute_cpu, NULL };

struct parts {
        wt_conf *conf;
        const char *name;
        const struct wt_plugin *compute;
        wt_pool *pool;
        struct wt_host host;
        wt_model *model;
        struct wt_keyring ring;
        char endpoints[4097]; const char *endpoint[MAX_ENDPOINTS]; uint32_t n_endpoints;
        wt_bus *bus;
        struct expert *expert;
        /* the door's thread */
        wt_loop *loop;
        wt_http *http;
        struct wt_health health;
        pthread_t thread;
        bool has_thread;
        atomic_bool over;
        uint64_t turns, turned_at;               /* last seen change of the loop's turns */
};

static wt_err open_model(struct parts *p)
{
        char dir[4200];
        wt_err err;

        snprintf(dir, sizeof dir, "%s/packs", wt_conf_str(p->conf, WT_SET_state));
        if ((err = wt_plugin_register(built_in)) != WT_OK ||
            (err = wt_plugin_find(WT_COMPUTE, "cpu", &p->compute)) != WT_OK ||
            (err = wt_pool_new(&p->pool, (uint32_t)wt_conf_u64(p->conf, WT_SET_threads))) != WT_OK)
                return err;
        wt_host_init(&p->host, p->pool);
        return wt_model_open(&p->model, wt_conf_str(p->conf, WT_SET_model), dir, p->compute->ops);
}

static wt_err split_endpoints(struct parts *p)
{
        char *rest = p->endpoints, *word;

        snprintf(p->endpoints, sizeof p->endpoints, "%s", wt_conf_str(p->conf, WT_SET_routers_at));
        while ((word = strsep(&rest, ", ")) != NULL) {
                if (*word == '\0')
                        continue;
                if (p->n_endpoints == MAX_ENDPOINTS)
                        return wt_fail(WT_EINVAL, "routers_at names more than %d routers", MAX_ENDPOINTS);
                p->endpoint[p->n_endpoints++] = word;
        }
        return p->n_endpoints > 0 ? WT_OK
                : wt_fail(WT_EINVAL, "routers_at is empty; name at least one endpoint");
}

static wt_err open_bus(struct parts *p)
{
        struct wt_bus_conf c = { .name = p->name, .connect = p->endpoint };
        char dir[4200];
        wt_err err;

        snprintf(dir, sizeof dir, "%s/keys", wt_conf_str(p->conf, WT_SET_state));
        if ((err = split_endpoints(p)) != WT_OK ||
            (err = wt_keyring_load(&p->ring, dir, p->name)) != WT_OK)
                return err;
        c.n_connect = p->n_endpoints;
        c.keys = wt_keyring_bus(&p->ring);
        return wt_bus_open(&p->bus, &c);
}

static bool stop_asked(void *arg)
{
        (void)arg;
        return wt_stop_asked();
}

static wt_err open_expert(struct parts *p)
{
        struct expert_conf c = {
                .name = p->name, .shard = wt_conf_str(p->conf, WT_SET_shard),
                .compute = p->compute->ops, .host = &p->host, .model = p->model, .bus = p->bus,
                .n_routers = p->n_endpoints, .clock = &wt_clock_real,
                .drain_us = wt_conf_u64(p->conf, WT_SET_drain) * 1000,
                .stop_asked = stop_asked, .stop_fd = wt_stop_fd(),
        };

        return expert_open(&p->expert, &c);
}

/* ---- the door: another thread, which sees copies of the numbers only ---- */

static void show_metrics(void *arg, struct wt_buf *out)
{
        struct expert_numbers n;

        expert_numbers(((struct parts *)arg)->expert, &n);
        expert_metrics(&n, out);
}

static bool is_healthy(void *arg, struct wt_buf *words)
{
        struct parts *p = arg;
        struct expert_numbers n;
        uint64_t now = wt_now_us(&wt_clock_real);

        expert_numbers(p->expert, &n);
        if (n.turns != p->turns) {
                p->turns = n.turns;
                p->turned_at = now;
        }
        if (now - p->turned_at <= STUCK_US)
                return true;
        wt_buf_fmt(words, "the loop has not turned for %llu s",
                   (unsigned long long)(now - p->turned_at) / 1000000);
        return false;
}

static bool is_ready(void *arg, struct wt_buf *words)
{
        struct expert_numbers n;

        expert_numbers(((struct parts *)arg)->expert, &n);
        if (n.draining)
                wt_buf_str(words, "draining");
        else if (n.routers_known == 0)
                wt_buf_fmt(words, "none of %u routers has given it an epoch yet", n.routers);
        return !n.draining && n.routers_known > 0;
}

static void *door(void *arg)
{
        struct parts *p = arg;

        while (!atomic_load(&p->over))
                wt_loop_turn(p->loop, DOOR_TURN_US);
        return NULL;
}

static wt_err open_door(struct parts *p)
{
        wt_err err;

        p->health = (struct wt_health){ .metrics = show_metrics, .healthy = is_healthy,
                                        .ready = is_ready, .arg = p };
        p->turned_at = wt_now_us(&wt_clock_real);
        if ((err = wt_loop_new(&p->loop, &wt_clock_real)) != WT_OK ||
            (err = wt_health_listen(&p->http, p->loop, wt_conf_str(p->conf, WT_SET_metrics),
                                    &p->health)) != WT_OK)
                return err;
        if (pthread_create(&p->thread, NULL, door, p) != 0)
                return wt_fail(WT_EEXHAUSTED, "no thread for /metrics; raise the limit of threads");
        p->has_thread = true;
        return WT_OK;
}

static wt_err open_all(struct parts *p)
{
        wt_err err;

        p->name = wt_conf_str(p->conf, WT_SET_name);
        if (p->name[0] == '\0')
                p->name = "expert-0";
        wt_log_init(p->name, (enum wt_level)wt_level_of(wt_conf_str(p->conf, WT_SET_log_level)), 2);
        if ((err = wt_stop_init()) != WT_OK || (err = open_model(p)) != WT_OK ||
            (err = open_bus(p)) != WT_OK || (err = open_expert(p)) != WT_OK)
                return err;
        return open_door(p);
}

static void close_all(struct parts *p)
{
        if (p->has_thread) {
                atomic_store(&p->over, true);
                pthread_join(p->thread, NULL);
        }
        wt_http_close(p->http);
        wt_loop_free(p->loop);
        expert_close(p->expert);
        wt_bus_close(p->bus);
        wt_model_close(p->model);
        wt_pool_free(p->pool);
        wt_conf_free(p->conf);
}

static int failed(struct parts *p, const char *id, wt_err err)
{
        fprintf(stderr, "witan-expert: %s\n", wt_words());
        wt_log_err(WT_ERROR, id, err);
        close_all(p);
        return 2;
}

int main(int argc, char **argv, char **envp)
{
        static struct parts p;
        struct expert_numbers n;
        wt_err err;

        if (wt_conf_load(&p.conf, WT_FOR_EXPERT, argc - 1, argv + 1, envp, NULL) != WT_OK) {
                fprintf(stderr, "witan-expert: %s\n", wt_words());
                return 2;
        }
        if (wt_conf_wants_help(p.conf)) {
                puts("witan-expert: holds routed experts and multiplies rows for the routers. witan up "
                     "starts it.\n");
                wt_conf_help(stdout, WT_FOR_EXPERT);
                wt_conf_free(p.conf);
                return 0;
        }
        if ((err = open_all(&p)) != WT_OK)
                return failed(&p, "EXPERT-BOOT", err);
        expert_numbers(p.expert, &n);
        wt_log(WT_NOTICE, "EXPERT-READY", "held=%u mapped_bytes=%llu metrics=%s threads=%u", n.held,
               (unsigned long long)n.bytes_mapped, wt_http_address(p.http), wt_pool_threads(p.pool));
        if ((err = expert_run(p.expert)) != WT_OK)
                return failed(&p, "EXPERT-GIVES-UP", err);
        wt_log(WT_NOTICE, "EXPERT-OVER", "reason=stopped");
        close_all(&p);
        return 0;
}
