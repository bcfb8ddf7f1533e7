/* boot.c - see boot.h. */
#include "boot.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/stop.h"
#include "bus/keyring.h"
#include "metrics.h"
#include "model/engine.h"
#include "net/door.h"
#include "plugin/plugin.h"

const struct wt_plugin *wt_plugin_compute_cpu(void), *wt_plugin_contiguous(void),
                       *wt_plugin_least_loaded(void), *wt_plugin_sample(void);

static const struct wt_plugin *(*const built_in[])(void) = {
        wt_plugin_compute_cpu, wt_plugin_contiguous, wt_plugin_least_loaded, wt_plugin_sample,
        NULL};

struct router_boot {
        const wt_conf *conf;
        const char *name;
        const struct wt_plugin *place, *sample;
        struct wt_engine engine;
        struct wt_keyring ring;
        wt_bus *bus;
        struct router *router;
        wt_door *door;
};

static wt_err open_plugins(struct router_boot *b)
{
        const char *folder = wt_conf_str(b->conf, WT_SET_plugins);
        wt_err err;

        if ((err = wt_plugin_register(built_in)) != WT_OK ||
            (folder[0] != '\0' && (err = wt_plugin_load_dir(folder)) != WT_OK) ||
            (err = wt_plugin_find(WT_PLACE, wt_conf_str(b->conf, WT_SET_place), &b->place)) !=
                    WT_OK)
                return err;
        return wt_plugin_find(WT_SAMPLE, wt_conf_str(b->conf, WT_SET_sample), &b->sample);
}

static wt_err open_engine(struct router_boot *b)
{
        wt_err err = wt_engine_open(&b->engine, b->conf);

        if (err == WT_OK && wt_model_notes(b->engine.model)[0] != '\0')
                wt_log(WT_NOTICE, "MODEL-NOTES", "words=\"%s\"", wt_model_notes(b->engine.model));
        return err;
}

/* Of messages per peer in the transport's own queue, whose bytes nobody sees: an event message has
 * LETTER_BYTES at most or little more (emit.c), a part of a call as many, so this is 256 MiB at
 * worst; what it does not take is counted by outbox_bytes. */
enum { QUEUE = 1024 };

/* Keys are for what leaves the process; a router for this process alone needs no key folder. */
static wt_err open_bus(struct router_boot *b, const char *bind)
{
        struct wt_bus_conf c = { .name = b->name, .bind = bind, .hwm = QUEUE };
        char dir[4200];
        wt_err err;

        if (bind == NULL)
                c.bind = wt_conf_str(b->conf, WT_SET_bus);
        if (strncmp(c.bind, "inproc://", 9) != 0 || strchr(c.bind, ',') != NULL) {
                snprintf(dir, sizeof dir, "%s/keys", wt_conf_str(b->conf, WT_SET_state));
                if ((err = wt_keyring_load(&b->ring, dir, b->name)) != WT_OK)
                        return err;
                c.keys = wt_keyring_bus(&b->ring);
        }
        return wt_bus_open(&b->bus, &c);
}

static bool stop_asked(void *arg)
{
        (void)arg;
        return wt_stop_asked();
}

static uint32_t number(const struct router_boot *b, enum wt_set s)
{
        return (uint32_t)wt_conf_u64(b->conf, s);
}

static wt_err open_router(struct router_boot *b)
{
        struct router_conf c = {
                .name = b->name,
                .compute = b->engine.ops,
                .place = b->place->ops,
                .sample = b->sample->ops,
                .host = &b->engine.host,
                .model = b->engine.model,
                .bus = b->bus,
                .clock = &wt_clock_real,
                .kv_bytes = wt_conf_u64(b->conf, WT_SET_kv_bytes),
                .step_rows = number(b, WT_SET_step_rows),
                .chunk = number(b, WT_SET_chunk),
                .max_seqs = number(b, WT_SET_max_seqs),
                .max_waiting = number(b, WT_SET_max_waiting),
                .max_context = number(b, WT_SET_max_context),
                .expert_wait_us = wt_conf_u64(b->conf, WT_SET_expert_wait) * 1000,
                .hedge_after_us = wt_conf_u64(b->conf, WT_SET_hedge_after) * 1000,
                .drain_us = wt_conf_u64(b->conf, WT_SET_drain) * 1000,
                .outbox_bytes = wt_conf_u64(b->conf, WT_SET_outbox_bytes),
                .stop_asked = stop_asked,
                .stop_fd = wt_stop_fd(),
        };

        return router_open(&b->router, &c);
}

/* ---- what the door shows: copies of the numbers ---- */

static void show_metrics(void *arg, struct wt_buf *out)
{
        struct router_numbers n;

        router_numbers(((struct router_boot *)arg)->router, &n);
        router_metrics(&n, out);
}

static uint64_t turns(void *arg)
{
        struct router_numbers n;

        router_numbers(((struct router_boot *)arg)->router, &n);
        return n.turns;
}

static bool is_ready(void *arg, struct wt_buf *words)
{
        struct router_numbers n;

        router_numbers(((struct router_boot *)arg)->router, &n);
        if (n.draining)
                wt_buf_str(words, "draining");
        else if (n.turns == 0)
                wt_buf_str(words, "starting");
        else if (n.missing > 0)
                wt_buf_fmt(words, "%u experts have no live worker", n.missing);
        return !n.draining && n.turns > 0 && n.missing == 0;
}

static wt_err open_all(struct router_boot *b, const char *bus)
{
        struct wt_door_conf d = {.address = wt_conf_str(b->conf, WT_SET_metrics),
                                 .metrics = show_metrics,
                                 .ready = is_ready,
                                 .turns = turns,
                                 .arg = b};
        wt_err err;

        if ((err = open_plugins(b)) != WT_OK || (err = open_engine(b)) != WT_OK ||
            (err = open_bus(b, bus)) != WT_OK || (err = open_router(b)) != WT_OK)
                return err;
        return wt_door_open(&b->door, &d);
}

wt_err router_boot(struct router_boot **out, const wt_conf *conf, const char *name, const char *bus)
{
        struct router_boot *b = calloc(1, sizeof *b);
        wt_err err;

        if (b == NULL)
                return wt_fail(WT_ENOMEM, "no memory for a router");
        b->conf = conf;
        b->name = name != NULL ? name : wt_conf_str(conf, WT_SET_name);
        if (b->name[0] == '\0')
                b->name = "router-0";
        if ((err = open_all(b, bus)) != WT_OK) {
                router_boot_close(b);
                return err;
        }
        wt_log(WT_NOTICE, "ROUTER-READY", "bus=%s metrics=%s model=%s place=%s threads=%u",
               wt_bus_endpoint(b->bus), wt_door_address(b->door),
               wt_model_name(b->engine.model), b->place->name, wt_pool_threads(b->engine.pool));
        *out = b;
        return WT_OK;
}

void router_boot_run(struct router_boot *b)
{
        router_run(b->router);
        wt_log(WT_NOTICE, "ROUTER-OVER", "reason=stopped");
}

void router_boot_close(struct router_boot *b)
{
        if (b == NULL)
                return;
        wt_door_close(b->door);
        router_close(b->router);
        wt_bus_close(b->bus);
        wt_engine_close(&b->engine);
        free(b);
}

const char *router_boot_metrics(const struct router_boot *b)
{
        return wt_door_address(b->door);
}

const char *router_boot_bus(const struct router_boot *b)
{
        return wt_bus_endpoint(b->bus);
}
