/* law_inproc_test.c - law 1 within one process: router and workers as threads over the in-process
 * bus give the hash that the processes give (law_hash.txt). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/stop.h"
#include "expert/boot.h"
#include "field.h"
#include "router/boot.h"

enum { MAX_W = 3, MINUTE = 60 * 1000 * 1000 };

static const struct row { const char *name, *shard[MAX_W], *chunk, *max_seqs; } rows[] = {
        { "one worker, chunk 256", { "*" }, "--chunk=256", "--max-seqs=16" },
        { "three workers, unequal, chunk 17", { "1-5:0-2", "1-5:3-9", "1-5:10-15" }, "--chunk=17",
          "--max-seqs=16" },
        { "two workers that hold all, batch 3", { "*", "*" }, "--chunk=64", "--max-seqs=3" },
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static char state[256];
/* of endpoint names: buses of one test are its own */
static int turn;

static wt_conf *settings(unsigned role, const char *a, const char *b)
{
        char s[300], m[] = "--model=models/tiny", *argv[8], *env[] = { NULL };
        wt_conf *c;
        int n = 0;

        snprintf(s, sizeof s, "--state=%s", state);
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

static void ask(const char *endpoint, char hash[65])
{
        static struct seq_want s[MIXED];
        struct wt_bus_conf conf = { .name = "gateway-0", .connect = &endpoint, .n_connect = 1 };
        struct field_client c = { 0 };
        wt_msg *m;

        assert_int_equal(wt_bus_open(&c.bus, &conf), WT_OK);
        say_hello(c.bus);
        assert_non_null(m = client_next(&c, MINUTE));
        assert_int_equal(m->env.method, WT_M_WELCOME);
        wt_msg_free(m);
        seq_mixed(s, 4096);
        for (uint32_t i = 0; i < MIXED; i++)
                seq_submit(&c, &s[i]);
        assert_int_equal(seq_collect(&c, s, MIXED, 2 * MINUTE), MIXED);
        for (uint32_t i = 0; i < MIXED; i++)
                if (s[i].finish != WT_LENGTH)
                        fail_msg("sequence %u ended with %u: %s", i, s[i].finish, s[i].message);
        seq_hash(s, MIXED, hash);
        wt_bus_close(c.bus);
}

static void one_hash(void **st)
{
        const struct row *r = *st;
        struct router_boot *router;
        struct expert_boot *expert[MAX_W] = { 0 };
        pthread_t rt, et[MAX_W];
        wt_conf *rc = settings(WT_FOR_ROUTER, r->chunk, r->max_seqs), *ec[MAX_W];
        struct wt_buf want = { 0 };
        char endpoint[64], name[MAX_W][16], shard[64], hash[65];
        uint32_t n = 0;

        snprintf(endpoint, sizeof endpoint, "inproc://router-%d", turn++);
        if (router_boot(&router, rc, "router-0", endpoint) != WT_OK)
                fail_msg("%s", wt_words());
        pthread_create(&rt, NULL, run_router, router);
        for (; n < MAX_W && r->shard[n] != NULL; n++) {
                snprintf(shard, sizeof shard, "--shard=%s", r->shard[n]);
                snprintf(name[n], sizeof name[n], "expert-%u", n);
                ec[n] = settings(WT_FOR_EXPERT, shard, NULL);
                if (expert_boot(&expert[n], ec[n], name[n], endpoint) != WT_OK)
                        fail_msg("%s", wt_words());
                pthread_create(&et[n], NULL, run_expert, expert[n]);
        }
        ask(endpoint, hash);
        assert_int_equal(wt_file_read("tests/cluster/law_hash.txt", 4096, &want), WT_OK);
        assert_memory_equal(hash, want.data, 64);
        wt_buf_free(&want);
        wt_stop_ask();
        pthread_join(rt, NULL);
        for (uint32_t i = 0; i < n; i++)
                pthread_join(et[i], NULL);
        for (uint32_t i = 0; i < n; i++) {
                expert_boot_close(expert[i]);
                wt_conf_free(ec[i]);
        }
        router_boot_close(router);
        wt_conf_free(rc);
}

int main(int argc, char **argv)
{
        const char *tmp = getenv("TMPDIR");
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
        snprintf(state, sizeof state, "%s/witan-inproc-XXXXXX", tmp != NULL ? tmp : "/tmp");
        if (mkdtemp(state) == NULL || wt_stop_init() != WT_OK)
                return 1;
        test[0] = (struct CMUnitTest){ rows[atoi(argv[1])].name, one_hash, NULL, NULL,
                                    (void *)&rows[atoi(argv[1])] };
        return cmocka_run_group_tests_name("law 1 in one process", test, NULL, NULL);
}
