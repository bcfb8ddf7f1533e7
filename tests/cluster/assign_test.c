/* assign_test.c - a planner moves experts between workers that serve: what it names by digest is
 * held, what nobody knows is refused in words, who is no planner is refused, and the hash stays. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/file.h"
#include "field.h"
#include "model/pack.h"

enum { SECOND = 1000 * 1000, DEADLINE = 120 * SECOND, MOE_LAYERS = 5, EXPERTS = 16, CALL = 5 };

static struct field f;
static wt_model *model;                          /* only looked at, for the variants */
static uint32_t router, worker[2];
static char endpoint[64];                        /* where worker 0 listens for a planner */

static int open_all(void **state)
{
        char flag[96];

        (void)state;
        if (wt_model_open(&model, "models/tiny", NULL, NULL) != WT_OK)
                return -1;
        field_open(&f, NULL, "models/tiny");
        snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", field_port());
        snprintf(flag, sizeof flag, "--planner-at=%s", endpoint);
        router = field_start(&f, NULL, "router", "router-0", "--threads=1", "--max-seqs=16", NULL);
        worker[0] = field_start(&f, NULL, "expert", "expert-0", "--threads=1", "--shard=1-5:0-7",
                                flag, NULL);
        worker[1] = field_start(&f, NULL, "expert", "expert-1", "--threads=1", "--shard=1-5:6-15",
                                NULL);
        field_ready(&f, worker[0]);
        field_ready(&f, worker[1]);
        field_ready(&f, router);
        return 0;
}

static int close_all(void **state)
{
        (void)state;
        field_close(&f);
        wt_model_close(model);
        return 0;
}

/* A bus to the worker: its key, not the routers', is the one to be met there. */
static void open_as(struct field_client *c, const char *name)
{
        const char *at = endpoint;
        struct wt_bus_conf conf = { .name = name, .connect = &at, .n_connect = 1 };
        struct wt_keyring theirs;
        char dir[256];

        snprintf(dir, sizeof dir, "%s/keys", f.dir);
        assert_int_equal(wt_keyring_load(&c->ring, dir, name), WT_OK);
        assert_int_equal(wt_keyring_load(&theirs, dir, "expert-0"), WT_OK);
        memcpy(c->ring.server_key, theirs.public_key, sizeof theirs.public_key);
        conf.keys = wt_keyring_bus(&c->ring);
        assert_int_equal(wt_bus_open(&c->bus, &conf), WT_OK);
}

/* The worker's answer to one assignment. */
static void say(struct field_client *c, uint32_t method, uint32_t layer, uint32_t expert,
                const uint8_t variant[32], wt_err want, const char *part)
{
        uint64_t end = wt_now_us(&wt_clock_real) + DEADLINE;
        wt_msg *m = wt_msg_new(c->bus);
        struct wt_assign *a = WT_ARENA_NEW(&m->arena, struct wt_assign);
        char words[400];

        *a = (struct wt_assign){ layer, expert, WT_BYTES(variant, 32) };
        m->env.method = method;
        m->env.call_id = CALL;
        m->env.body = a;
        while (wt_bus_send(c->bus, m) != WT_OK) {        /* until it is connected */
                assert_true(wt_now_us(&wt_clock_real) < end);
                wt_bus_wait(c->bus, -1, 20000);
        }
        m = client_next(c, DEADLINE);
        assert_non_null(m);
        assert_int_equal(m->env.method, method);
        assert_int_equal(m->env.call_id, CALL);
        snprintf(words, sizeof words, "%.*s", (int)m->env.message.len,
                 (const char *)m->env.message.data);
        if (m->env.status != (uint32_t)want || strstr(words, part) == NULL)
                fail_msg("status %u, not %u: %s", m->env.status, want, words);
        wt_msg_free(m);
}

static void move(struct field_client *c, uint32_t method, uint32_t layer, uint32_t expert)
{
        uint8_t variant[32];

        assert_int_equal(wt_model_variant(model, layer, expert, variant), WT_OK);
        say(c, method, layer, expert, variant, WT_OK, "");
}

static void refusals(void **state)
{
        struct field_client planner, gateway;
        uint8_t variant[32];

        (void)state;
        open_as(&planner, "planner-0");
        open_as(&gateway, "gateway-1");
        assert_int_equal(wt_model_variant(model, 1, 9, variant), WT_OK);
        say(&gateway, WT_M_ASSIGN, 1, 9, variant, WT_EPERM, "gateway-1 may not assign");
        say(&gateway, WT_M_UNASSIGN, 1, 0, variant, WT_EPERM, "gateway-1 may not assign");
        say(&planner, WT_M_ASSIGN, 1, 8, variant, WT_ENOTFOUND, "unknown variant");
        say(&planner, WT_M_ASSIGN, 0, 9, variant, WT_ENOTFOUND, "no expert 9 of layer 0");
        say(&planner, WT_M_ASSIGN, 77, 9, variant, WT_ENOTFOUND, "layer 77");
        say(&planner, WT_M_ASSIGN, 1, 16, variant, WT_ENOTFOUND, "no expert 16");
        variant[31] ^= 1;
        say(&planner, WT_M_ASSIGN, 1, 9, variant, WT_ENOTFOUND, "unknown variant");
        assert_int_equal((int)field_metric(&f, worker[0], "witan_expert_held"), MOE_LAYERS * 8);
        for (uint32_t i = 1; i < MOE_LAYERS * 8; i++)    /* all but one, the last stays */
                move(&planner, WT_M_UNASSIGN, 1 + i / 8, i % 8);
        assert_int_equal(wt_model_variant(model, 1, 0, variant), WT_OK);
        say(&planner, WT_M_UNASSIGN, 1, 0, variant, WT_EPRECONDITION, "the last");
        field_until(&f, worker[0], "witan_expert_held", 1, 1);
        field_until(&f, router, "witan_router_experts_missing", 29, 29);         /* 5 * 6 - 1 */
        client_close(&planner);
        client_close(&gateway);
}

/* All experts come to worker 0 while 40 sequences run, worker 1 is killed, and a few go and come
 * back: nobody notices. */
static void moved_under_load(void **state)
{
        static struct seq_want s[MIXED];
        struct field_client planner, gateway;
        struct wt_buf want = { 0 };
        char hash[65];

        (void)state;
        open_as(&planner, "planner-0");
        client_open(&gateway, &f, "gateway-0");
        seq_mixed(s, 4096);
        for (uint32_t i = 0; i < MIXED; i++)
                seq_submit(&gateway, &s[i]);
        for (uint32_t made = 0; made < 100;) {   /* they are under way */
                assert_true(seq_collect(&gateway, s, MIXED, 2000) < MIXED);
                made = 0;
                for (uint32_t i = 0; i < MIXED; i++)
                        made += s[i].n_made;
        }
        for (uint32_t i = 0; i < MOE_LAYERS * 8; i++)
                move(&planner, WT_M_ASSIGN, 1 + i / 8, 8 + i % 8);
        move(&planner, WT_M_ASSIGN, 1, 8);       /* once more */
        for (uint32_t i = 0; i < 4; i++) {
                move(&planner, WT_M_UNASSIGN, 2, 10 + i);        /* worker 1 has them, too */
                move(&planner, WT_M_ASSIGN, 2, 10 + i);
        }
        field_until(&f, worker[0], "witan_expert_held", MOE_LAYERS * EXPERTS, MOE_LAYERS * EXPERTS);
        field_kill(&f, worker[1], SIGKILL);
        assert_int_equal(seq_collect(&gateway, s, MIXED, 120ull * SECOND), MIXED);
        seq_hash(s, MIXED, hash);
        assert_int_equal(wt_file_read("tests/cluster/law_hash.txt", 4096, &want), WT_OK);
        assert_memory_equal(hash, want.data, 64);
        wt_buf_free(&want);
        field_until(&f, router, "witan_router_experts_missing", 0, 0);
        client_close(&planner);
        client_close(&gateway);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(refusals, open_all, close_all),
                cmocka_unit_test_setup_teardown(moved_under_load, open_all, close_all),
        };

        return cmocka_run_group_tests_name("assignments", tests, NULL, NULL);
}
