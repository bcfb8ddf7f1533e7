/* main.c - settings in, router open, run, close. /metrics, /healthz and /readyz have a thread of their
 * own, so that they answer while a step is computed. Exit: 0 stopped, 2 boot fault (said on stderr
 * with what to do). */
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

enum { DOOR_TURN_US = 200000, STUCK_US = 60000000 };

const struct wt_plugin *wt_plugin_compute_cpu(void), *wt_plugin_contiguous(void),
                       *wt_plugin_least_loaded(void), *wt_plugin_sample(void);

static const struct wt_plugin *(*const built_in[])(void) = {
        wt_plugin_compute_cpu, wt_plugin_contiguous, wt_plugin_least_loaded, wt_plugin_sample, NULL };

struct parts {
        wt_conf *conf;
        const char *name;
        const struct wt_plugin *compute, *place, *sample;
        wt_pool *pool;
        struct wt_host host;
        wt_model *model;
        struct wt_keyring ring;
        wt_bus *bus;
        struct router *router;
        /* the door's thread */
        wt_loop *loop;
        wt_http *http;
        struct wt_health health;
        pthread_t thread;
        bool has_thread;
        atomic_bool over;
        uint64_t turns, turned_at;               /* last seen change of the loop's turns */
};

static wt_err open_plugins(struct parts *p)
{
        wt_err err;

        if ((err = wt_plugin_register(built_in)) != WT_OK ||
            (err = wt_plugin_find(WT_COMPUTE, "cpu", &p->compute)) != WT_OK ||
            (err = wt_plugin_find(WT_PLACE, wt_conf_str(p->conf, WT_SET_place), &p->place)) != WT_OK)
                return err;
        return wt_plugin_find(WT_SAMPLE, "wn1", &p->sample);
}

static wt_err open_model(struct parts *p)
{
        char dir[4200];
        wt_err err;

        snprintf(dir, sizeof dir, "%s/packs", wt_conf_str(p->conf, WT_SET_state));
        if ((err = wt_pool_new(&p->pool, (uint32_t)wt_conf_u64(p->conf, WT_SET_threads))) != WT_OK)
                return err;
        wt_host_init(&p->host, p->pool);
        err = wt_model_open(&p->model, wt_conf_str(p->conf, WT_SET_model), dir, p->compute->ops);
        if (err == WT_OK && wt_model_notes(p->model)[0] != '\0')
                wt_log(WT_NOTICE, "MODEL-NOTES", "words=\"%s\"", wt_model_notes(p->model));
        return err;
}

static wt_err open_bus(struct parts *p)
{
        struct wt_bus_conf c = { .name = p->name, .bind = wt_conf_str(p->conf, WT_SET_bus) };
        char dir[4200];
        wt_err err;

        snprintf(dir, sizeof dir, "%s/keys", wt_conf_str(p->conf, WT_SET_state));
        if ((err = wt_keyring_load(&p->ring, dir, p->name)) != WT_OK)
                return err;
        c.keys = wt_keyring_bus(&p->ring);
        return wt_bus_open(&p->bus, &c);
}

static bool stop_asked(void *arg)
{
        (void)arg;
        return wt_stop_asked();
}

static uint32_t number(const struct parts *p, enum wt_set s)
{
        return (uint32_t)wt_conf_u64(p->conf, s);
}

static wt_err open_router(struct parts *p)
{
        struct router_conf c = {
                .name = p->name, .compute = p->compute->ops, .place = p->place->ops,
                .sample = p->sample->ops, .host = &p->host, .model = p->model, .bus = p->bus,
                .clock = &wt_clock_real, .kv_bytes = wt_conf_u64(p->conf, WT_SET_kv_bytes),
                .step_rows = number(p, WT_SET_step_rows), .chunk = number(p, WT_SET_chunk),
                .max_seqs = number(p, WT_SET_max_seqs), .max_waiting = number(p, WT_SET_max_waiting),
                .max_context = number(p, WT_SET_max_context),
                .expert_wait_us = wt_conf_u64(p->conf, WT_SET_expert_wait) * 1000,
                .hedge_after_us = wt_conf_u64(p->conf, WT_SET_hedge_after) * 1000,
                .drain_us = wt_conf_u64(p->conf, WT_SET_drain) * 1000,
                .stop_asked = stop_asked, .stop_fd = wt_stop_fd(),
        };

        return router_open(&p->router, &c);
}

/* ---- the door: another thread, which sees copies of the numbers only ---- */

static void show_metrics(void *arg, struct wt_buf *out)
{
        struct router_numbers n;

        router_numbers(((struct parts *)arg)->router, &n);
        router_metrics(&n, out);
}

static bool is_healthy(void *arg, struct wt_buf *words)
{
        struct parts *p = arg;
        struct router_numbers n;
        uint64_t now = wt_now_us(&wt_clock_real);

        router_numbers(p->router, &n);
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
        struct router_numbers n;

        router_numbers(((struct parts *)arg)->router, &n);
        if (n.draining)
                wt_buf_str(words, "draining");
        else if (n.missing > 0)
                wt_buf_fmt(words, "%u experts have no live worker", n.missing);
        return !n.draining && n.missing == 0;
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
                p->name = "router-0";
        wt_log_init(p->name, (enum wt_level)wt_level_of(wt_conf_str(p->conf, WT_SET_log_level)), 2);
        if ((err = wt_stop_init()) != WT_OK || (err = open_plugins(p)) != WT_OK ||
            (err = open_model(p)) != WT_OK || (err = open_bus(p)) != WT_OK ||
            (err = open_router(p)) != WT_OK)
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
        router_close(p->router);
        wt_bus_close(p->bus);
        wt_model_close(p->model);
        wt_pool_free(p->pool);
        wt_conf_free(p->conf);
}

int main(int argc, char **argv, char **envp)
{
        static struct parts p;
        wt_err err;

        if (wt_conf_load(&p.conf, WT_FOR_ROUTER, argc - 1, argv + 1, envp, NULL) != WT_OK) {
                fprintf(stderr, "witan-router: %s\n", wt_words());
                return 2;
        }
        if (wt_conf_wants_help(p.conf)) {
                puts("witan-router: token ids in, rows to the experts and back, token ids out. witan up "
                     "starts it.\n");
                wt_conf_help(stdout, WT_FOR_ROUTER);
                wt_conf_free(p.conf);
                return 0;
        }
        if ((err = open_all(&p)) != WT_OK) {
                fprintf(stderr, "witan-router: %s\n", wt_words());
                wt_log_err(WT_ERROR, "ROUTER-BOOT", err);
                close_all(&p);
                return 2;
        }
        wt_log(WT_NOTICE, "ROUTER-READY", "bus=%s metrics=%s model=%s place=%s threads=%u",
               wt_bus_endpoint(p.bus), wt_http_address(p.http), wt_model_name(p.model), p.place->name,
               wt_pool_threads(p.pool));
        router_run(p.router);
        wt_log(WT_NOTICE, "ROUTER-OVER", "reason=stopped");
        close_all(&p);
        return 0;
}
