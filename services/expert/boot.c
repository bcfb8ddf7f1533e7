/* boot.c - see boot.h. */
#include "boot.h"
#include <stdlib.h>
#include "base/log.h"
#include "base/stop.h"
#include "bus/dial.h"
#include "metrics.h"
#include "model/engine.h"
#include "net/door.h"
#include "plugin/plugin.h"

const struct wt_plugin *wt_plugin_compute_cpu(void);

static const struct wt_plugin *(*const built_in[])(void) = { wt_plugin_compute_cpu, NULL };

struct expert_boot {
        const wt_conf *conf;
        const char *name;
        struct wt_engine engine;
        struct wt_dial dial;
        wt_bus *bus;
        struct expert *expert;
        wt_door *door;
};

static wt_err open_plugins(const wt_conf *conf)
{
        const char *folder = wt_conf_str(conf, WT_SET_plugins);
        wt_err err = wt_plugin_register(built_in);

        return err != WT_OK || folder[0] == '\0' ? err : wt_plugin_load_dir(folder);
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
                .compute = b->engine.ops, .host = &b->engine.host, .model = b->engine.model,
                .bus = b->bus, .n_routers = b->dial.n, .clock = &wt_clock_real,
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

        if ((err = open_plugins(b->conf)) != WT_OK ||
            (err = wt_engine_open(&b->engine, b->conf)) != WT_OK ||
            (err = wt_bus_dial(&b->bus, &b->dial, b->conf, b->name, inproc,
                               wt_conf_str(b->conf, WT_SET_planner_at))) != WT_OK ||
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
               wt_pool_threads(b->engine.pool), wt_bus_endpoint(b->bus));
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
        wt_engine_close(&b->engine);
        free(b);
}

const char *expert_boot_metrics(const struct expert_boot *b)
{
        return wt_door_address(b->door);
}
