/* thread_test.c - as witan up --inproc runs them: a router and workers, each in its own thread,
 * under the real clock. Run under ThreadSanitizer by the tsan preset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "expert/expert.h"
#include "plugin/plugin.h"
#include "router/router.h"

const struct wt_plugin *wt_plugin_compute_cpu(void), *wt_plugin_contiguous(void),
                       *wt_plugin_sample(void);

enum { WORKERS = 3, ASKS = 12, TOKENS = 12, DEADLINE_US = 60000000 };

static const int32_t prompt[] = { 0, 2802, 417, 780, 274, 569 };
static const int32_t greedy[TOKENS] =
        { 274, 452, 538, 375, 609, 309, 274, 567, 673, 1054, 295, 277 };

static char dir[4096];
static atomic_bool stop_router, stop_workers;

static bool asked(void *flag) { return atomic_load((atomic_bool *)flag); }

static void good(wt_err err)
{
        if (err != WT_OK) {
                fprintf(stderr, "%s\n", wt_words());
                abort();
        }
}

/* Each service has its own model, bus and pool, and owns them in its thread. */
struct service { pthread_t thread; const char *name, *shard; wt_bus *bus; };

static void *run_worker(void *arg)
{
        struct service *s = arg;
        struct wt_host host;
        wt_model *model;
        struct expert *e;
        struct expert_conf c = {
                .name = s->name, .shard = s->shard, .compute = wt_plugin_compute_cpu()->ops,
                .host = &host, .bus = s->bus, .n_routers = 1, .clock = &wt_clock_real,
                .drain_us = 5000000, .stop_asked = asked, .stop_arg = &stop_workers, .stop_fd = -1,
        };

        wt_host_init(&host, NULL);
        good(wt_model_open(&model, "models/tiny", dir, c.compute));
        c.model = model;
        good(expert_open(&e, &c));
        good(expert_run(e));
        expert_close(e);
        wt_bus_close(s->bus);
        wt_model_close(model);
        return NULL;
}

static void *run_router(void *arg)
{
        struct service *s = arg;
        struct wt_host host;
        wt_pool *pool;
        wt_model *model;
        struct router *r;
        struct router_conf c = {
                .name = s->name, .compute = wt_plugin_compute_cpu()->ops,
                .place = wt_plugin_contiguous()->ops, .sample = wt_plugin_sample()->ops,
                .host = &host,
                .bus = s->bus, .clock = &wt_clock_real, .kv_bytes = 16 << 20, .step_rows = 64,
                .chunk = 4, .max_seqs = 8, .max_waiting = 64, .expert_wait_us = 30000000,
                .hedge_after_us = 10000000, .drain_us = 5000000, .outbox_bytes = 64 << 20,
                .stop_asked = asked, .stop_arg = &stop_router, .stop_fd = -1,
        };

        good(wt_pool_new(&pool, 2));
        wt_host_init(&host, pool);
        good(wt_model_open(&model, "models/tiny", dir, c.compute));
        c.model = model;
        good(router_open(&r, &c));
        router_run(r);
        router_close(r);
        wt_bus_close(s->bus);
        wt_model_close(model);
        wt_pool_free(pool);
        return NULL;
}

static wt_bus *bus(const char *name, const char *bind, const char *connect)
{
        struct wt_bus_conf c = { .name = name, .bind = bind, .connect = &connect,
                                 .n_connect = connect != NULL };
        wt_bus *b;

        good(wt_bus_open(&b, &c));
        return b;
}

static void say_hello(wt_bus *b)
{
        wt_msg *m = wt_msg_new(b);
        struct wt_hello *h = WT_ARENA_NEW(&m->arena, struct wt_hello);

        h->role = WT_STR("gateway");
        h->name = WT_STR("gateway-0");
        h->incarnation = 1;
        m->env.method = WT_M_HELLO;
        m->env.body = h;
        good(wt_bus_send(b, m));
}

static void ask(wt_bus *b, uint8_t n)
{
        wt_msg *m = wt_msg_new(b);
        struct wt_submit *q = WT_ARENA_NEW(&m->arena, struct wt_submit);
        uint8_t id[16] = { n };
        uint32_t len = sizeof prompt / sizeof *prompt, none = 0;

        *q = (struct wt_submit){ .request = WT_BYTES(id, 16), .max_tokens = TOKENS, .top_p = 1 };
        memcpy(wt_msg_tensor(m, WT_I32, 1, &len), prompt, sizeof prompt);
        wt_msg_tensor(m, WT_I32, 1, &none);
        m->env.method = WT_M_SUBMIT;
        m->env.body = q;
        good(wt_bus_send(b, m));
}

static void hear(const wt_msg *m, int32_t (*ids)[TOKENS], uint32_t *n_ids, uint32_t *n_over)
{
        const struct wt_events *list = m->env.method == WT_M_EVENTS ? m->env.body : NULL;

        for (uint32_t i = 0; list != NULL && i < list->n_events; i++) {
                const struct wt_event_msg *e = &list->events[i];
                uint8_t n = e->request.data[0];

                if (e->finish == WT_FAILED)
                        fail_msg("%.*s", (int)e->message.len, (const char *)e->message.data);
                assert_int_equal(e->n_ids, 1);
                ids[n][n_ids[n]++] = e->ids[0];
                *n_over += e->finish == WT_LENGTH;
        }
}

static void threads_agree(void **state)
{
        struct service workers[WORKERS] = { { .name = "expert-0", .shard = "*:0-9" },
                                            { .name = "expert-1", .shard = "*:6-15" },
                                            { .name = "expert-2", .shard = "*" } };
        struct service router =
                { .name = "router-0", .bus = bus("router-0", "inproc://threads", NULL) };
        wt_bus *b = bus("gateway-0", NULL, "inproc://threads");
        uint64_t end = wt_now_us(&wt_clock_real) + DEADLINE_US;
        int32_t ids[ASKS][TOKENS];
        uint32_t n_ids[ASKS] = { 0 }, n_over = 0;
        wt_msg *m;

        (void)state;
        for (int i = 0; i < WORKERS; i++)
                workers[i].bus = bus(workers[i].name, NULL, "inproc://threads");
        pthread_create(&router.thread, NULL, run_router, &router);
        for (int i = 0; i < WORKERS; i++)
                pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]);
        say_hello(b);
        for (uint8_t i = 0; i < ASKS; i++)
                ask(b, i);
        while (n_over < ASKS && wt_now_us(&wt_clock_real) < end) {
                while (wt_bus_recv(b, &m) == WT_OK) {
                        hear(m, ids, n_ids, &n_over);
                        wt_msg_free(m);
                }
                wt_bus_wait(b, -1, 100000);
        }
        assert_int_equal(n_over, ASKS);
        for (int i = 0; i < ASKS; i++)
                assert_memory_equal(ids[i], greedy, sizeof greedy);
        atomic_store(&stop_workers, true);
        for (int i = 0; i < WORKERS; i++)
                pthread_join(workers[i].thread, NULL);
        atomic_store(&stop_router, true);
        pthread_join(router.thread, NULL);
        wt_bus_close(b);
}

static int name_dir(void **state)
{
        const char *build = getenv("WITAN_BUILD");

        (void)state;
        snprintf(dir, sizeof dir, "%s/test-packs", build != NULL ? build : "build");
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(threads_agree) };

        return cmocka_run_group_tests(tests, name_dir, NULL);
}
