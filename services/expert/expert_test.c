/* expert_test.c - a worker as its router sees it: hello, calls in parts, refusals in words, the
 * order of its queue, leaving. (That its numbers are right is router_test.c's matter.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "expert.h"
#include "plugin/plugin.h"

const struct wt_plugin *wt_plugin_compute_cpu(void);

enum { WIDTH = 256, MAX_GOT = 32, EPOCH = 5, MAX_NODES = 64 };

static uint64_t now_us = 1000000;
static uint64_t now(void *arg) { (void)arg; return now_us; }
static const struct wt_clock by_hand = { now, now, NULL };
static bool stop;
static bool asked(void *arg) { (void)arg; return stop; }

static wt_model *model;
static struct wt_host host;
static wt_bus *router_bus, *worker_bus;
static struct expert *worker;
static wt_err opened;

/* What the router has received. */
static struct got { uint32_t method, status; uint64_t call_id; char words[300]; uint32_t n_nodes;
                    float data[MAX_NODES][WIDTH]; } got[MAX_GOT];
static uint32_t n_got, n_held, peer;
static bool byes;

static int open_model(void **state)
{
        const char *build = getenv("WITAN_BUILD");
        char dir[4096];

        (void)state;
        wt_host_init(&host, NULL);
        snprintf(dir, sizeof dir, "%s/test-packs", build != NULL ? build : "build");
        return wt_model_open(&model, "models/tiny", dir, wt_plugin_compute_cpu()->ops);
}

static void turns(int n)
{
        wt_msg *m;

        while (n-- > 0) {
                now_us += 100;
                if (worker != NULL && !expert_turn(worker, 0)) {
                        expert_close(worker);
                        worker = NULL;
                }
                while (wt_bus_recv(router_bus, &m) == WT_OK) {
                        struct got *g = &got[n_got++ % MAX_GOT];

                        peer = m->peer;
                        g->method = m->env.method;
                        g->status = m->env.status;
                        g->call_id = m->env.call_id;
                        snprintf(g->words, sizeof g->words, "%.*s", (int)m->env.message.len,
                                 m->env.message.len > 0 ? (const char *)m->env.message.data : "");
                        if (m->env.method == WT_M_HELLO)
                                n_held = m->env.tensors[0].shape[0];
                        if (m->env.method == WT_M_EXPERT_REPLY && m->env.n_tensors == 2) {
                                g->n_nodes = m->env.tensors[0].shape[0];
                                memcpy(g->data, m->frame[1].data, m->frame[1].len);
                        }
                        byes = byes || m->env.method == WT_M_BYE;
                        wt_msg_free(m);
                }
        }
}

static wt_msg *message(uint32_t method)
{
        wt_msg *m = wt_msg_new(router_bus);

        m->peer = peer;
        m->env.method = method;
        m->env.epoch = EPOCH;
        return m;
}

static void say_welcome(uint64_t epoch, uint32_t status)
{
        wt_msg *m = message(WT_M_WELCOME);
        struct wt_welcome *w = WT_ARENA_NEW(&m->arena, struct wt_welcome);

        w->epoch = epoch;
        m->env.status = status;
        if (status != WT_OK)
                m->env.message = WT_STR("the models differ; give both the same --model");
        m->env.body = w;
        assert_int_equal(wt_bus_send(router_bus, m), WT_OK);
}

static void start(const char *shard, uint32_t max_rows)
{
        struct wt_bus_conf r = { .name = "router-0", .bind = "inproc://*" };
        struct wt_bus_conf e = { .name = "expert-0", .n_connect = 1 };
        struct expert_conf c = {
                .name = "expert-0", .shard = shard, .compute = wt_plugin_compute_cpu()->ops,
                .host = &host, .model = model, .n_routers = 1, .clock = &by_hand,
                .drain_us = 1000000, .max_rows = max_rows, .stop_asked = asked, .stop_fd = -1,
        };
        const char *at;

        stop = byes = false;
        n_got = n_held = 0;
        assert_int_equal(wt_bus_open(&router_bus, &r), WT_OK);
        at = wt_bus_endpoint(router_bus);
        e.connect = &at;
        assert_int_equal(wt_bus_open(&worker_bus, &e), WT_OK);
        c.bus = worker_bus;
        worker = NULL;
        if ((opened = expert_open(&worker, &c)) != WT_OK)
                return;
        turns(2);
        assert_int_equal(got[0].method, WT_M_HELLO);
        say_welcome(EPOCH, WT_OK);
        turns(1);
        n_got = 0;
}

static void end(void)
{
        expert_close(worker);
        wt_bus_close(worker_bus);
        wt_bus_close(router_bus);
}

/* A part of a call to layer 1: rows [slot, slot + n), each with the picks of experts 2 and 3,
 * asked for as one node. */
struct part { uint64_t id; uint32_t slot, n, part, parts, layer; uint64_t epoch;
              const char *profile; bool adapter, bad_variant, deep, no_picks; };

static void send_part(const struct part *p)
{
        wt_msg *m = message(WT_M_EXPERT_CALL);
        struct wt_expert_call *c = WT_ARENA_NEW(&m->arena, struct wt_expert_call);
        uint32_t layer = p->layer > 0 ? p->layer : 1;
        float *x = wt_msg_tensor(m, WT_F32, 2, (uint32_t[]){ p->n, WIDTH });
        uint32_t n_picks = p->no_picks ? 0 : 2 * p->n;
        struct wt_pick *k = wt_msg_tensor(m, WT_U32, 2, (uint32_t[]){ n_picks, 4 });

        m->env.call_id = p->id;
        m->env.part = p->part;
        m->env.parts = p->parts > 0 ? p->parts : 1;
        m->env.epoch = p->epoch > 0 ? p->epoch : EPOCH;
        c->profile = WT_STR(p->profile != NULL ? p->profile : "wn1/f32");
        c->layer = layer;
        c->slot_base = p->slot;
        c->experts = WT_ARENA_ARRAY(&m->arena, struct wt_expert_ref, 2);
        c->n_experts = 2;
        for (uint32_t i = 0; i < 2; i++) {
                uint8_t *v = wt_arena_take(&m->arena, 32);

                if (wt_model_variant(model, layer, 2 + i, v) != WT_OK)
                        memset(v, 1, 32);
                v[0] ^= p->bad_variant && i == 1;
                c->experts[i] = (struct wt_expert_ref){ 2 + i, WT_BYTES(v, 32) };
        }
        if (p->adapter) {
                c->adapters = WT_ARENA_NEW(&m->arena, struct wt_bytes);
                c->adapters[c->n_adapters++] = c->experts[0].variant;
                memset(wt_msg_tensor(m, WT_I32, 1, &p->n), 0xff, p->n * 4);
        }
        for (uint32_t t = 0; t < p->n; t++) {
                for (uint32_t i = 0; i < WIDTH; i++)
                        x[t * WIDTH + i] = (float)((p->slot + t + 3 * i) % 17) / 17 - 0.5f;
                if (p->no_picks)
                        continue;
                k[2 * t] = (struct wt_pick){ t, 2, p->deep ? 5 : 3, 0.25f };
                k[2 * t + 1] = (struct wt_pick){ t, 3, p->deep ? 5 : 3, 0.5f };
        }
        m->env.body = c;
        assert_int_equal(wt_bus_send(router_bus, m), WT_OK);
}

/* ---- shards ---- */

static const struct shard { const char *text; uint32_t held; const char *needle; } shards[] = {
        { "*", 80, NULL }, { "1-5:0-15", 80, NULL }, { "*:3", 5, NULL }, { "0-2", 32, NULL },
        { "2:9,2:9,3:0-1", 3, NULL }, { "1:*,5:15", 17, NULL },
        { "6:0", 0, "layer 6" }, { "1:16", 0, "expert 16" }, { "1:7-3", 0, "1:7-3" },
        { "x", 0, "'x'" },
        { "", 0, "no expert" }, { "0", 0, "no expert" }, { "1:0;2", 0, "1:0;2" },
};
enum { N_SHARDS = sizeof shards / sizeof *shards };

static void shard(void **state)
{
        const struct shard *s = *state;

        start(s->text, 0);
        assert_int_equal(opened == WT_OK, s->needle == NULL);
        if (s->needle == NULL)
                assert_int_equal(n_held, s->held);
        else if (strstr(wt_words(), s->needle) == NULL)
                fail_msg("'%s' lacks '%s'", wt_words(), s->needle);
        end();
}

/* ---- calls ---- */

static void parts_in_any_order(void **state)
{
        struct got whole;

        (void)state;
        start("*", 0);
        send_part(&(struct part){ .id = 1, .n = 9 });
        turns(1);
        assert_int_equal(n_got, 1);
        assert_int_equal(got[0].status, WT_OK);
        assert_int_equal(got[0].n_nodes, 9);     /* two picks, one node a row */
        whole = got[0];
        n_got = 0;
        send_part(&(struct part){ .id = 2, .slot = 6, .n = 3, .part = 2, .parts = 3 });
        send_part(&(struct part){ .id = 2, .slot = 0, .n = 2, .part = 0, .parts = 3 });
        send_part(&(struct part){ .id = 2, .slot = 6, .n = 3, .part = 2, .parts = 3 });  /* twice */
        turns(2);
        assert_int_equal(n_got, 0);
        send_part(&(struct part){ .id = 2, .slot = 2, .n = 4, .part = 1, .parts = 3 });
        turns(2);
        assert_int_equal(n_got, 1);
        assert_int_equal(got[0].call_id, 2);
        assert_memory_equal(got[0].data, whole.data, 9 * WIDTH * sizeof(float));
        end();
}

static const struct refusal { const char *name; struct part p; uint32_t status;
                              const char *needle; } refusals[] = {
        { "stale epoch", { .epoch = 4 }, WT_EABORTED, "epoch 4" },
        { "another profile", { .profile = "wn1/q8" }, WT_EPRECONDITION, "wn1/q8" },
        { "unknown variant", { .bad_variant = true }, WT_ENOTFOUND, "of layer 1 expert 3" },
        { "expert that is not held", { .layer = 2 }, WT_ENOTFOUND, "expert 2 of layer 2" },
        { "dense layer", { .layer = 9 }, WT_ENOTFOUND, "layer 9" },
        { "no picks", { .no_picks = true }, WT_EDATA, "no picks" },
        { "unknown adapter", { .adapter = true }, WT_ENOTFOUND, "adapter" },
        { "depth beyond the trie", { .deep = true }, WT_EDATA, "depth" },
        { "hole between parts", { .slot = 3 }, WT_EDATA, "slot 3" },
        { "above the credit", { .n = 21 }, WT_EEXHAUSTED, "credit of 20" },
};
enum { N_REFUSALS = sizeof refusals / sizeof *refusals };

static void refusal(void **state)
{
        const struct refusal *r = *state;
        struct part p = r->p;

        start("1", 20);
        p.id = 7;
        p.n = p.n > 0 ? p.n : 2;
        send_part(&p);
        turns(1);
        assert_int_equal(n_got, 1);
        assert_int_equal(got[0].method, WT_M_EXPERT_REPLY);
        assert_int_equal(got[0].call_id, 7);
        assert_int_equal(got[0].status, r->status);
        if (strstr(got[0].words, r->needle) == NULL)
                fail_msg("'%s' lacks '%s'", got[0].words, r->needle);
        n_got = 0;
        send_part(&(struct part){ .id = 8, .n = 20 });   /* all credit is home again */
        turns(1);
        assert_int_equal(got[0].status, WT_OK);
        end();
}

static void short_calls_first(void **state)
{
        static const uint32_t rows[] = { 40, 50, 1, 60, 2 };
        static const uint64_t want[] = { 3, 5, 1, 2, 4 };

        (void)state;
        start("*", 1000);
        for (uint32_t i = 0; i < 5; i++)
                send_part(&(struct part){ .id = i + 1, .n = rows[i] });
        turns(6);
        assert_int_equal(n_got, 5);
        for (uint32_t i = 0; i < 5; i++)
                assert_int_equal(got[i].call_id, want[i]);
        end();
}

static void long_calls_do_not_starve(void **state)
{
        uint32_t at = 0;

        (void)state;
        start("*", 1000);
        send_part(&(struct part){ .id = 100, .n = 50 });
        for (uint32_t i = 0; i < 15; i++)
                send_part(&(struct part){ .id = i + 1, .n = 1 });
        turns(16);
        while (at < n_got && got[at].call_id != 100)
                at++;
        assert_int_equal(n_got, 16);
        assert_int_equal(at, 8);
        end();
}

static void cancel_drops_what_waits(void **state)
{
        wt_msg *m;
        struct wt_expert_cancel *c;

        (void)state;
        start("*", 1000);
        send_part(&(struct part){ .id = 1, .n = 3 });
        send_part(&(struct part){ .id = 2, .n = 3 });
        m = message(WT_M_EXPERT_CANCEL);
        c = WT_ARENA_NEW(&m->arena, struct wt_expert_cancel);
        c->call_id = 2;
        m->env.body = c;
        assert_int_equal(wt_bus_send(router_bus, m), WT_OK);
        turns(3);
        assert_int_equal(n_got, 2);
        assert_int_equal(got[0].call_id, 2);     /* ended at once, so that its credit comes home */
        assert_int_equal(got[0].status, WT_ECANCELLED);
        assert_int_equal(got[1].call_id, 1);
        end();
}

/* ---- hello, and goodbye ---- */

static void hello_until_welcome(void **state)
{
        uint32_t before;

        (void)state;
        start("*", 0);
        turns(5000);                             /* half a second: welcome, so silent */
        assert_int_equal(n_got, 0);
        say_welcome(0, WT_EABORTED);             /* the router lost sight of it */
        turns(2);
        assert_int_equal(n_got, 1);
        assert_int_equal(got[0].method, WT_M_HELLO);
        turns(5000);                             /* nobody answers: again and again */
        assert_in_range(n_got, 3, 4);
        before = n_got;
        say_welcome(9, WT_OK);
        send_part(&(struct part){ .id = 1, .n = 1, .epoch = 9 });
        turns(3);
        assert_int_equal(n_got, before + 1);
        assert_int_equal(got[before].status, WT_OK);
        end();
}

static void refused_for_good(void **state)
{
        (void)state;
        start("*", 0);
        say_welcome(0, WT_EPRECONDITION);
        now_us += 100;
        assert_false(expert_turn(worker, 0));
        assert_int_equal(expert_run(worker), WT_EPRECONDITION);
        assert_non_null(strstr(wt_words(), "--model"));
        end();
}

static void drains(void **state)
{
        wt_msg *m;

        (void)state;
        start("*", 1000);
        for (uint32_t i = 0; i < 3; i++)
                send_part(&(struct part){ .id = i + 1, .n = 1 });
        stop = true;
        turns(1);
        assert_true(byes);
        turns(10);
        assert_non_null(worker);                 /* the router may still send: wait for its bye */
        assert_int_equal(n_got, 4);
        m = message(WT_M_BYE);
        m->env.body = WT_ARENA_NEW(&m->arena, struct wt_bye);
        assert_int_equal(wt_bus_send(router_bus, m), WT_OK);
        turns(2);
        assert_null(worker);
        end();
}

/* ---- two routers ---- */

enum { SMALL_QUEUE = 4, MANY_PINGS = 8000 };

static wt_bus *bus_of(const char *name, const char *bind, const char *const *at, uint32_t n)
{
        struct wt_bus_conf c = { .name = name, .bind = bind, .connect = at, .n_connect = n,
                                 .hwm = bind != NULL ? SMALL_QUEUE : 0 };
        wt_bus *b;

        assert_int_equal(wt_bus_open(&b, &c), WT_OK);
        return b;
}

static void ping(wt_bus *from)
{
        wt_msg *m = wt_msg_new(from);

        m->env.method = WT_M_PING;
        m->env.body = WT_ARENA_NEW(&m->arena, struct wt_ping);
        assert_int_equal(wt_bus_send(from, m), WT_OK);
}

static uint32_t pings_in(wt_bus *b)
{
        uint32_t n = 0;
        wt_msg *m;

        while (wt_bus_recv(b, &m) == WT_OK) {
                n += m->env.method == WT_M_PING;
                wt_msg_free(m);
        }
        return n;
}

/* One asks and does not read: the other has its answers at once, what is kept for the first is
 * bounded, and when it reads again it is greeted anew. */
static void deaf_router_holds_up_nobody(void **state)
{
        wt_bus *deaf = bus_of("router-0", "inproc://*", NULL, 0);
        wt_bus *good = bus_of("router-1", "inproc://*", NULL, 0);
        const char *at[] = { wt_bus_endpoint(deaf), wt_bus_endpoint(good) };
        wt_bus *own = bus_of("expert-0", NULL, at, 2);
        struct expert_conf c = {
                .name = "expert-0", .shard = "*", .compute = wt_plugin_compute_cpu()->ops,
                .host = &host, .model = model, .bus = own, .n_routers = 2, .clock = &by_hand,
                .drain_us = 1000000, .stop_asked = asked, .stop_fd = -1,
        };
        uint32_t kept;

        (void)state;
        stop = false;
        assert_int_equal(expert_open(&worker, &c), WT_OK);
        expert_turn(worker, 0);
        pings_in(deaf);
        pings_in(good);
        for (uint32_t i = 0; i < MANY_PINGS; i++) {
                ping(deaf);
                if (i % 100 == 0)
                        ping(good);
                now_us += 100;
                expert_turn(worker, 0);
                if (i % 100 == 0)
                        assert_int_equal(pings_in(good), 1);
        }
        for (kept = 0; ; kept++) {               /* a message a turn, and no more than are kept */
                uint32_t n = pings_in(deaf);

                if (n == 0)
                        break;
                kept += n - 1;
                expert_turn(worker, 0);
        }
        assert_in_range(kept, SMALL_QUEUE, 4096 + SMALL_QUEUE);
        ping(deaf);
        expert_turn(worker, 0);
        assert_int_equal(pings_in(deaf), 1);
        expert_close(worker);
        wt_bus_close(own);
        wt_bus_close(good);
        wt_bus_close(deaf);
}

int main(void)
{
        struct CMUnitTest tests[8 + N_SHARDS + N_REFUSALS] = {
                cmocka_unit_test(parts_in_any_order), cmocka_unit_test(short_calls_first),
                cmocka_unit_test(long_calls_do_not_starve),
                cmocka_unit_test(cancel_drops_what_waits),
                cmocka_unit_test(hello_until_welcome), cmocka_unit_test(refused_for_good),
                cmocka_unit_test(drains), cmocka_unit_test(deaf_router_holds_up_nobody),
        };
        struct CMUnitTest *t = tests + 8;

        for (size_t i = 0; i < N_SHARDS; i++)
                *t++ = (struct CMUnitTest){ shards[i].text, shard, NULL, NULL, (void *)&shards[i] };
        for (size_t i = 0; i < N_REFUSALS; i++)
                *t++ = (struct CMUnitTest){ refusals[i].name, refusal, NULL, NULL,
                                            (void *)&refusals[i] };
        return cmocka_run_group_tests(tests, open_model, NULL);
}
