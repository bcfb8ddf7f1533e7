/* boot.c - see boot.h. */
#include "boot.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/pool.h"
#include "base/stop.h"
#include "base/trace.h"
#include "bus/keyring.h"
#include "metrics.h"
#include "net/door.h"
#include "plugin/plugin.h"

enum { MAX_ENDPOINTS = 16 };

const struct wt_plugin *wt_plugin_compute_cpu(void);

static const struct wt_plugin *(*const built_in[])(void) = { wt_plugin_compute_cpu, NULL };

struct expert_boot {
        const wt_conf *conf;
        const char *name;
        const struct wt_compute_ops *ops;        /* compute's; traced when there is a trace */
        const struct wt_plugin *compute;
        wt_allowance *cores;                     /* NULL: this process counts alone */
        wt_pool *pool;
        struct wt_host host;
        wt_model *model;
        struct wt_keyring ring;
        char room[4097]; const char *endpoint[MAX_ENDPOINTS]; uint32_t n_endpoints;
        wt_bus *bus;
        struct expert *expert;
        wt_door *door;
};

static wt_err open_pool(struct expert_boot *b)
{
        const char *cores = wt_conf_str(b->conf, WT_SET_cores_file);
        wt_err err = wt_pool_new(&b->pool, (uint32_t)wt_conf_u64(b->conf, WT_SET_threads));

        if (err != WT_OK || cores[0] == '\0')
                return err;
        if ((err = wt_allowance_open(&b->cores, cores)) == WT_OK)
                wt_pool_within(b->pool, b->cores);
        return err;
}

static wt_err open_model(struct expert_boot *b)
{
        const char *folder = wt_conf_str(b->conf, WT_SET_plugins);
        char dir[4200];
        wt_err err;

        snprintf(dir, sizeof dir, "%s/packs", wt_conf_str(b->conf, WT_SET_state));
        if ((err = wt_plugin_register(built_in)) != WT_OK ||
            (folder[0] != '\0' && (err = wt_plugin_load_dir(folder)) != WT_OK) ||
            (err = wt_plugin_find(WT_COMPUTE, wt_conf_str(b->conf, WT_SET_compute), &b->compute)) !=
                    WT_OK ||
            (err = open_pool(b)) != WT_OK)
                return err;
        b->ops = wt_trace_on ? wt_compute_traced(b->compute->ops) : b->compute->ops;
        wt_host_init(&b->host, b->pool);
        return wt_model_open(&b->model, wt_conf_str(b->conf, WT_SET_model), dir, b->ops);
}

static wt_err open_bus(struct expert_boot *b, const char *inproc)
{
        struct wt_bus_conf c = { .name = b->name, .connect = b->endpoint };
        char dir[4200];
        wt_err err;

        if ((err = wt_bus_endpoints(
                     inproc != NULL ? inproc : wt_conf_str(b->conf, WT_SET_routers_at), b->room,
                     sizeof b->room, b->endpoint, MAX_ENDPOINTS, &b->n_endpoints)) != WT_OK)
                return err;
        if (inproc == NULL) {
                snprintf(dir, sizeof dir, "%s/keys", wt_conf_str(b->conf, WT_SET_state));
                if ((err = wt_keyring_load(&b->ring, dir, b->name)) != WT_OK)
                        return err;
                c.keys = wt_keyring_bus(&b->ring);
                if (wt_conf_str(b->conf, WT_SET_planner_at)[0] != '\0')
                        c.bind = wt_conf_str(b->conf, WT_SET_planner_at);
        }
        c.n_connect = b->n_endpoints;
        return wt_bus_open(&b->bus, &c);
}

static bool stop_asked(void *arg)
{
        (void)arg;
        return wt_stop_asked();
}

static wt_err open_expert(struct expert_boot *b)
{
        struct expert_conf c = {
                .name = b->name, .shard = wt_conf_str(b->conf, WT_SET_shard),
                .compute = b->ops, .host = &b->host, .model = b->model, .bus = b->bus,
                .n_routers = b->n_endpoints, .clock = &wt_clock_real,
                .drain_us = wt_conf_u64(b->conf, WT_SET_drain) * 1000,
                .stop_asked = stop_asked, .stop_fd = wt_stop_fd(),
        };

        return expert_open(&b->expert, &c);
}

/* ---- what the door shows: copies of the numbers ---- */

static void show_metrics(void *arg, struct wt_buf *out)
{
        struct expert_numbers n;

        expert_numbers(((struct expert_boot *)arg)->expert, &n);
        expert_metrics(&n, out);
}

static uint64_t turns(void *arg)
{
        struct expert_numbers n;

        expert_numbers(((struct expert_boot *)arg)->expert, &n);
        return n.turns;
}

static bool is_ready(void *arg, struct wt_buf *words)
{
        struct expert_numbers n;

        expert_numbers(((struct expert_boot *)arg)->expert, &n);
        if (n.draining)
                wt_buf_str(words, "draining");
        else if (n.routers_known == 0)
                wt_buf_fmt(words, "none of %u routers has given it an epoch yet", n.routers);
        return !n.draining && n.routers_known > 0;
}

static wt_err open_all(struct expert_boot *b, const char *inproc)
{
        struct wt_door_conf d = {.address = wt_conf_str(b->conf, WT_SET_metrics),
                                 .metrics = show_metrics,
                                 .ready = is_ready,
                                 .turns = turns,
                                 .arg = b};
        wt_err err;

        if ((err = open_model(b)) != WT_OK || (err = open_bus(b, inproc)) != WT_OK ||
            (err = open_expert(b)) != WT_OK)
                return err;
        return wt_door_open(&b->door, &d);
}

wt_err expert_boot(struct expert_boot **out, const wt_conf *conf, const char *name,
                   const char *router)
{
        struct expert_boot *b = calloc(1, sizeof *b);
        struct expert_numbers n;
        wt_err err;

        if (b == NULL)
                return wt_fail(WT_ENOMEM, "no memory for a worker");
        b->conf = conf;
        b->name = name != NULL ? name : wt_conf_str(conf, WT_SET_name);
        if (b->name[0] == '\0')
                b->name = "expert-0";
        if ((err = open_all(b, router)) != WT_OK) {
                expert_boot_close(b);
                return err;
        }
        expert_numbers(b->expert, &n);
        wt_log(WT_NOTICE, "EXPERT-READY",
               "held=%u mapped_bytes=%llu metrics=%s threads=%u planner_at=%s", n.held,
               (unsigned long long)n.bytes_mapped, wt_door_address(b->door),
               wt_pool_threads(b->pool), wt_bus_endpoint(b->bus));
        *out = b;
        return WT_OK;
}

wt_err expert_boot_run(struct expert_boot *b)
{
        wt_err err = expert_run(b->expert);

        if (err == WT_OK)
                wt_log(WT_NOTICE, "EXPERT-OVER", "reason=stopped");
        return err;
}

void expert_boot_close(struct expert_boot *b)
{
        if (b == NULL)
                return;
        wt_door_close(b->door);
        expert_close(b->expert);
        wt_bus_close(b->bus);
        wt_model_close(b->model);
        wt_pool_free(b->pool);
        wt_allowance_close(b->cores);
        free(b);
}

const char *expert_boot_metrics(const struct expert_boot *b)
{
        return wt_door_address(b->door);
}
