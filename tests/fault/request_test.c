/* request_test.c - the n-th malloc fails while a router and a worker open, and while a request goes
 * through them. The request is refused by name or gives its tokens with the bits that it always
 * gives; the next one gives them in any case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "plugin/plugin.h"
#include "sim/world.h"
#include "sweep.h"

const struct wt_plugin *wt_plugin_compute_cpu(void), *wt_plugin_contiguous(void),
                       *wt_plugin_sample(void);

enum { TOKENS = 6 };

static const int32_t prompt[] = { 12, 700, 33, 1041, 9, 256, 77, 5, 410, 88, 1300, 21 };
static uint8_t truth[32];
static bool known;
static struct world w;
static wt_model *model;

static const struct ask ask = { .prompt = prompt, .n_prompt = sizeof prompt / sizeof *prompt,
                                .max_tokens = TOKENS, .temperature = 1, .seed = 7,
                                .prompt_logprobs = true };

static wt_err answered(uint32_t n)
{
        struct ask a = ask;
        struct answer *got;

        a.n = n;
        world_ask(&w, &a);
        got = world_answer(&w, n);
        if (got->finish == WT_FAILED) {
                CHECK(got->status == WT_EEXHAUSTED && strlen(got->message) > 10);
                return wt_fail(WT_ENOMEM, "%s", got->message);
        }
        CHECK(got->finish == WT_LENGTH && got->n_ids == TOKENS && got->has_digest);
        if (!known)
                memcpy(truth, got->digest, sizeof truth);
        known = true;
        CHECK(memcmp(got->digest, truth, sizeof truth) == 0);
        return WT_OK;
}

static wt_err request(void *arg)
{
        wt_err err;

        (void)arg;
        world_open(&w, &(struct world_conf){ .shard = { "*:0-7", "*:8-15" } });
        fault_begin();
        err = answered(0);
        fault_end();
        CHECK(answered(1) == WT_OK);             /* whatever that was, the next one is served */
        CHECK(world_numbers(&w)->pages_used == 0);
        world_close(&w);
        return err;
}

/* ---- opening ---- */

static uint64_t now(void *arg) { (void)arg; return 1; }
static bool never(void *arg) { (void)arg; return false; }

static wt_bus *bus(const char *name, const char *bind, const char *connect)
{
        struct wt_bus_conf c = { .name = name, .bind = bind, .connect = &connect,
                                 .n_connect = connect != NULL };
        wt_bus *b = NULL;

        CHECK(wt_bus_open(&b, &c) == WT_OK);
        return b;
}

static wt_err open_both(void *arg)
{
        static struct wt_host host;
        static const struct wt_clock clock = { now, now, NULL };
        wt_bus *rb = bus("router-0", "inproc://*", NULL),
               *eb = bus("expert-0", NULL, wt_bus_endpoint(rb));
        struct router_conf rc = {
                .name = "router-0", .compute = wt_plugin_compute_cpu()->ops,
                .place = wt_plugin_contiguous()->ops, .sample = wt_plugin_sample()->ops,
                .host = &host, .model = model, .bus = rb, .clock = &clock, .kv_bytes = 16 << 20,
                .step_rows = 64, .chunk = 32, .max_seqs = 4, .max_waiting = 4,
                .expert_wait_us = 10000000, .hedge_after_us = 250000, .drain_us = 1000000,
                .stop_asked = never, .stop_fd = -1,
        };
        struct expert_conf ec = {
                .name = "expert-0", .shard = "1-2:0-3", .compute = wt_plugin_compute_cpu()->ops,
                .host = &host, .model = model, .bus = eb, .n_routers = 1, .clock = &clock,
                .drain_us = 1000000, .stop_fd = -1, .stop_asked = never,
        };
        struct router *r = NULL;
        struct expert *e = NULL;
        wt_err err;

        (void)arg;
        wt_host_init(&host, NULL);
        fault_begin();
        if ((err = router_open(&r, &rc)) == WT_OK)
                err = expert_open(&e, &ec);
        fault_end();
        if (e != NULL)
                expert_close(e);
        if (r != NULL)
                router_close(r);
        wt_bus_close(eb);
        wt_bus_close(rb);
        return err;
}

static const struct sweep rows[] = {
        { "a router and a worker open, malloc", open_both, .fault = { .kind = FAULT_MEMORY },
          .codes = sweep_enomem, .ok = true, .step = 11 },
        { "a request, malloc", request, .fault = { .kind = FAULT_MEMORY }, .codes = sweep_enomem,
          .ok = true },
};

int main(void)
{
        const char *build = getenv("WITAN_BUILD");
        char packs[4096];
        int failed;

        wt_log_init("fault-test", WT_ERROR, 2);
        snprintf(packs, sizeof packs, "%s/test-packs", build != NULL ? build : "build");
        if (wt_model_open(&model, "models/tiny", packs, wt_plugin_compute_cpu()->ops) != WT_OK) {
                fprintf(stderr, "%s\n", wt_words());
                return 1;
        }
        failed = sweep_all(rows, sizeof rows / sizeof *rows);
        wt_model_close(model);
        return failed;
}
