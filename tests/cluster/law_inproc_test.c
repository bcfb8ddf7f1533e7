/* law_inproc_test.c - law 1 within one process, and partly outside of it: router and workers as
 * threads over the in-process bus, alone or beside workers that are processes over ZeroMQ, give
 * the hash that processes alone give (law_hash.txt), also when one of them dies on the way. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/stop.h"
#include "expert/boot.h"
#include "field.h"
#include "model/engine.h"
#include "router/boot.h"

enum { MAX_W = 7, MINUTE = 60 * 1000 * 1000 };

static const struct row {
        const char *name, *shard[MAX_W], *chunk, *max_seqs;
        const char *outside[MAX_W];              /* shards of processes */
        bool kill;                               /* the first of those, while it works */
        const char *mortal;                      /* shard of a worker inside that ends without a
                                                  * word while it works, and comes again */
} rows[] = {
        { "one worker, chunk 256", { "*" }, "--chunk=256", "--max-seqs=16", { NULL }, false, NULL },
        { "three workers, unequal, chunk 17", { "1-5:0-2", "1-5:3-9", "1-5:10-15" }, "--chunk=17",
          "--max-seqs=16", { NULL }, false, NULL },
        { "two workers that hold all, batch 3", { "*", "*" }, "--chunk=64", "--max-seqs=3",
          { NULL }, false, NULL },
        { "seven workers, disjoint, batch 1, chunk 1", { "1-5:0-2", "1-5:3-4", "1-5:5-7", "1-5:8",
          "1-5:9-11", "1-5:12-14", "1-5:15" }, "--chunk=1", "--max-seqs=1", { NULL }, false, NULL },
        { "mixed: one inside, one a process", { "1-5:0-6" }, "--chunk=256", "--max-seqs=16",
          { "1-5:7-15" }, false, NULL },
        { "mixed: two inside, two processes", { "1-5:0-2,1-5:12", "1-5:3-5" }, "--chunk=17",
          "--max-seqs=16", { "1-5:6-11", "1-5:13-15" }, false, NULL },
        { "mixed: a process is killed, its experts are inside too", { "1-5:0-7", "1-5:8-15" },
          "--chunk=64", "--max-seqs=16", { "*" }, true, NULL },
        { "one inside dies and comes again, all its experts are elsewhere, too", { "*" },
          "--chunk=64", "--max-seqs=16", { NULL }, false, "*" },
        { "one inside dies and comes again, its experts are nowhere else", { "1-5:0-7" },
          "--chunk=17", "--max-seqs=16", { NULL }, false, "1-5:8-15" },
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static struct field field;                       /* its folder is everybody's state */

static wt_conf *settings(unsigned role, const char *a, const char *b)
{
        char s[300], m[] = "--model=models/tiny", *argv[8], *env[] = { NULL };
        wt_conf *c;
        int n = 0;

        snprintf(s, sizeof s, "--state=%s", field.dir);
        argv[n++] = s;
        argv[n++] = m;
        argv[n++] = (char *)"--threads=1";
        if (a != NULL)
                argv[n++] = (char *)a;
        if (b != NULL)
                argv[n++] = (char *)b;
        if (wt_conf_load(&c, role, n, argv, env, NULL) != WT_OK)
                fail_msg("%s", wt_words());
        return c;
}

static void *run_router(void *arg)
{
        router_boot_run(arg);
        return NULL;
}

static void *run_expert(void *arg)
{
        expert_boot_run(arg);
        return NULL;
}

static void say_hello(wt_bus *bus)
{
        wt_msg *m = wt_msg_new(bus);
        struct wt_hello *h = WT_ARENA_NEW(&m->arena, struct wt_hello);

        h->role = WT_STR("gateway");
        h->name = WT_STR("gateway-0");
        h->incarnation = 1;
        m->env.method = WT_M_HELLO;
        m->env.body = h;
        assert_int_equal(wt_bus_send(bus, m), WT_OK);
}

/* ---- a worker that is killed, as far as a thread can be ------------------------------------- */

/* What a kill does to a process: it answers nothing more, says no bye, and all it had is gone:
 * calls that lie in its queue or under its hands, its epochs, its weights. lives: begun. */
static struct mortal {
        const char *shard;
        char name[16];
        pthread_t thread;
        atomic_bool killed;
        atomic_uint lives;
        uint64_t calls[2];                       /* of the first life and of the next */
} mortal;

static bool stop_asked(void *arg)
{
        (void)arg;
        return wt_stop_asked();
}

/* From nothing to nothing; the first ends when it is killed, the second when all stops. */
static void live(uint32_t life, const wt_conf *conf)
{
        struct wt_bus_conf bc = { .name = mortal.name, .n_connect = 1,
                                  .connect = &(const char *){ "inproc://router-0" } };
        struct expert_conf c = { .name = mortal.name, .shard = mortal.shard, .n_routers = 1,
                                 .clock = &wt_clock_real, .drain_us = MINUTE,
                                 .stop_asked = stop_asked, .stop_fd = wt_stop_fd() };
        struct expert_numbers n;
        struct wt_engine engine;
        struct expert *e;
        wt_bus *bus;

        if (wt_engine_open(&engine, conf) != WT_OK || wt_bus_open(&bus, &bc) != WT_OK)
                abort();                         /* an assertion is for the main thread */
        c.compute = engine.ops;
        c.host = &engine.host;
        c.model = engine.model;
        c.bus = bus;
        if (expert_open(&e, &c) != WT_OK)
                abort();
        atomic_store(&mortal.lives, life + 1);
        while (!(life == 0 && atomic_load(&mortal.killed)) && expert_turn(e, 1000))
                ;
        expert_numbers(e, &n);
        mortal.calls[life] = n.calls;
        expert_close(e);
        wt_bus_close(bus);
        wt_engine_close(&engine);
}

static void *run_mortal(void *conf)
{
        live(0, conf);
        if (!wt_stop_asked())
                live(1, conf);
        return NULL;
}

static void kill_mortal(void)
{
        uint64_t end = wt_now_us(&wt_clock_real) + MINUTE;

        atomic_store(&mortal.killed, true);
        while (atomic_load(&mortal.lives) < 2)
                if (wt_now_us(&wt_clock_real) > end)
                        fail_msg("the worker did not come again");
}

/* Everything that is asked for; kills: a process of the field, or the mortal worker, ends once 200
 * tokens are made. */
static void ask(const char *endpoint, bool kills, char hash[65])
{
        static struct seq_want s[MIXED];
        struct wt_bus_conf conf = { .name = "gateway-0", .connect = &endpoint, .n_connect = 1 };
        struct field_client c = { 0 };
        uint32_t over = 0;
        wt_msg *m;

        assert_int_equal(wt_bus_open(&c.bus, &conf), WT_OK);
        say_hello(c.bus);
        assert_non_null(m = client_next(&c, MINUTE));
        assert_int_equal(m->env.method, WT_M_WELCOME);
        wt_msg_free(m);
        seq_mixed(s, 4096);
        for (uint32_t i = 0; i < MIXED; i++)
                seq_submit(&c, &s[i]);
        if (kills) {
                for (uint32_t made = 0; made < 200;) {
                        over = seq_collect(&c, s, MIXED, 2000);
                        made = 0;
                        for (uint32_t i = 0; i < MIXED; i++)
                                made += s[i].n_made;
                }
                assert_true(over < MIXED);       /* there was still work to lose */
                if (mortal.shard != NULL)
                        kill_mortal();
                else
                        field_kill(&field, 0, SIGKILL);
        }
        assert_int_equal(seq_collect(&c, s, MIXED, 2 * MINUTE), MIXED);
        for (uint32_t i = 0; i < MIXED; i++)
                if (s[i].finish != WT_LENGTH)
                        fail_msg("sequence %u ended with %u: %s", i, s[i].finish, s[i].message);
        seq_hash(s, MIXED, hash);
        wt_bus_close(c.bus);
}

struct inside { struct expert_boot *boot; wt_conf *conf; pthread_t thread; char name[16]; };

static void start_inside(struct inside *w, uint32_t i, const char *shard, const char *endpoint)
{
        char flag[64];

        snprintf(flag, sizeof flag, "--shard=%s", shard);
        snprintf(w->name, sizeof w->name, "expert-%u", i);
        w->conf = settings(WT_FOR_EXPERT, flag, NULL);
        if (expert_boot(&w->boot, w->conf, w->name, endpoint) != WT_OK)
                fail_msg("%s", wt_words());
        pthread_create(&w->thread, NULL, run_expert, w->boot);
}

/* Workers that are processes have the names, and the keys, behind those inside. */
static uint32_t start_outside(const struct row *r, uint32_t n_inside, const char *bound)
{
        char shard[64], name[16];
        uint32_t n = 0;

        snprintf(field.bus, sizeof field.bus, "%s", strchr(bound, ',') + 1);
        for (; n < MAX_W && r->outside[n] != NULL; n++) {
                snprintf(shard, sizeof shard, "--shard=%s", r->outside[n]);
                snprintf(name, sizeof name, "expert-%u", n_inside + n);
                field_start(&field, NULL, "expert", name, shard, "--threads=1", NULL);
        }
        for (uint32_t i = 0; i < n; i++)
                field_ready(&field, i);
        return n;
}

static void one_hash(void **st)
{
        const struct row *r = *st;
        struct router_boot *router;
        struct inside w[MAX_W];
        pthread_t rt;
        wt_conf *mc = NULL, *rc = settings(WT_FOR_ROUTER, r->chunk, r->max_seqs);
        struct wt_buf want = { 0 };
        char hash[65];
        uint32_t n = 0, n_out = 0;

        if (router_boot(&router, rc, "router-0", r->outside[0] == NULL ? "inproc://router-0"
                        : "inproc://router-0,tcp://127.0.0.1:*") != WT_OK)
                fail_msg("%s", wt_words());
        pthread_create(&rt, NULL, run_router, router);
        for (; n < MAX_W && r->shard[n] != NULL; n++)
                start_inside(&w[n], n, r->shard[n], "inproc://router-0");
        if (r->outside[0] != NULL)
                n_out = start_outside(r, n, router_boot_bus(router));
        if ((mortal.shard = r->mortal) != NULL) {
                mc = settings(WT_FOR_EXPERT, NULL, NULL);
                snprintf(mortal.name, sizeof mortal.name, "expert-%u", n);
                pthread_create(&mortal.thread, NULL, run_mortal, mc);
        }
        ask("inproc://router-0", r->kill || mortal.shard != NULL, hash);
        assert_int_equal(wt_file_read("tests/cluster/law_hash.txt", 4096, &want), WT_OK);
        assert_memory_equal(hash, want.data, 64);
        wt_buf_free(&want);
        for (uint32_t i = r->kill; i < n_out; i++)
                assert_true(field_metric(&field, i, "witan_expert_calls_total") > 0);
        wt_stop_ask();
        pthread_join(rt, NULL);
        if (mortal.shard != NULL) {
                pthread_join(mortal.thread, NULL);
                assert_true(mortal.calls[0] > 0);        /* it worked before */
                assert_true(mortal.calls[1] > 0);        /* and afterwards */
                wt_conf_free(mc);
        }
        for (uint32_t i = 0; i < n; i++) {
                pthread_join(w[i].thread, NULL);
                expert_boot_close(w[i].boot);
                wt_conf_free(w[i].conf);
        }
        router_boot_close(router);
        wt_conf_free(rc);
        field_close(&field);
}

int main(int argc, char **argv)
{
        struct CMUnitTest test[1];

        /* A stop is for the whole process, so each row runs in a process of its own. */
        if (argc < 2) {
                int failed = 0;
                for (size_t i = 0; i < N_ROWS; i++) {
                        char line[600];
                        snprintf(line, sizeof line, "%s %zu", argv[0], i);
                        failed |= system(line) != 0;
                }
                return failed;
        }
        field_open(&field, NULL, "models/tiny");
        if (wt_stop_init() != WT_OK)
                return 1;
        test[0] = (struct CMUnitTest){ rows[atoi(argv[1])].name, one_hash, NULL, NULL,
                                    (void *)&rows[atoi(argv[1])] };
        return cmocka_run_group_tests_name("law 1 in one process", test, NULL, NULL);
}
