/* push_test.c - what a router tells its gateways unasked: that its workers have changed, and what a
 * control says about keys and policies; who may not say that; and keys that are taken off the
 * allow-list while their owners are connected. */
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

enum { SECOND = 1000 * 1000, DEADLINE = 120 * SECOND, CALL = 77 };

static struct field f;
static uint32_t router;
static struct field_client gateway[2], control;

/* A peer that says no hello. */
static void open_silent(struct field_client *c, const char *name)
{
        const char *endpoint = f.bus;
        struct wt_bus_conf conf = { .name = name, .connect = &endpoint, .n_connect = 1 };
        char dir[256];

        snprintf(dir, sizeof dir, "%s/keys", f.dir);
        assert_int_equal(wt_keyring_load(&c->ring, dir, name), WT_OK);
        conf.keys = wt_keyring_bus(&c->ring);
        assert_int_equal(wt_bus_open(&c->bus, &conf), WT_OK);
}

static void start_router(const char *expert_wait)
{
        field_open(&f, NULL, "models/tiny");
        router = field_start(&f, NULL, "router", "router-0", "--threads=1", expert_wait, NULL);
        field_log_until(&f, "router-0", "ROUTER-READY");
}

static int open_all(void **state)
{
        (void)state;
        start_router("--expert-wait=10s");
        client_open(&gateway[0], &f, "gateway-0");
        client_open(&gateway[1], &f, "gateway-1");
        open_silent(&control, "control-0");
        return 0;
}

static int close_all(void **state)
{
        (void)state;
        client_close(&control);
        client_close(&gateway[0]);
        client_close(&gateway[1]);
        field_close(&f);
        return 0;
}

static void push(struct field_client *c, struct wt_push what)
{
        uint64_t end = wt_now_us(&wt_clock_real) + DEADLINE;
        wt_msg *m = wt_msg_new(c->bus);
        struct wt_push *p = WT_ARENA_NEW(&m->arena, struct wt_push);

        *p = what;
        m->env.method = WT_M_PUSH;
        m->env.call_id = CALL;
        m->env.body = p;
        while (wt_bus_send(c->bus, m) != WT_OK) {        /* until it is connected */
                assert_true(wt_now_us(&wt_clock_real) < end);
                wt_bus_wait(c->bus, -1, 20000);
        }
}

struct heard { struct wt_push p; uint32_t status; bool answer; char words[300], key[65]; };

/* The next push that c gets. */
static struct heard next(struct field_client *c)
{
        struct heard h = { .status = 0 };
        wt_msg *m;

        while ((m = client_next(c, DEADLINE)) != NULL && m->env.method != WT_M_PUSH)
                wt_msg_free(m);
        assert_non_null(m);
        h.p = *(const struct wt_push *)m->env.body;
        h.status = m->env.status;
        h.answer = m->env.call_id == CALL;
        snprintf(h.words, sizeof h.words, "%.*s", (int)m->env.message.len,
                 (const char *)m->env.message.data);
        snprintf(h.key, sizeof h.key, "%.*s", (int)h.p.key_revoked.len,
                 (const char *)h.p.key_revoked.data);
        wt_msg_free(m);
        return h;
}

/* Until both gateways have this; what comes before it is older and names no key. */
static void both_hear(uint64_t policy, const char *key)
{
        for (int i = 0; i < 2; i++) {
                struct heard h = next(&gateway[i]);

                while (h.p.policy_version != policy || strcmp(h.key, key) != 0) {
                        assert_true(h.p.policy_version <= policy && h.key[0] == '\0');
                        h = next(&gateway[i]);
                }
                assert_int_equal(h.status, WT_OK);
                assert_false(h.p.draining);
        }
}

static void answered(struct field_client *c, wt_err want, const char *part)
{
        struct heard h = next(c);

        while (!h.answer)
                h = next(c);
        assert_int_equal(h.status, want);
        if (strstr(h.words, part) == NULL)
                fail_msg("\"%s\" is not in: %s", part, h.words);
}

static void a_control_is_relayed(void **state)
{
        (void)state;
        push(&control, (struct wt_push){ .policy_version = 7, .key_revoked = WT_STR("key-12") });
        answered(&control, WT_OK, "");
        both_hear(7, "key-12");
        push(&control, (struct wt_push){ .policy_version = 3 });         /* late: 7 stays */
        answered(&control, WT_OK, "");
        both_hear(7, "");
        push(&control, (struct wt_push){ .policy_version = 8, .draining = true,
                                         .plan_version = 1000 });        /* not its business */
        answered(&control, WT_OK, "");
        both_hear(8, "");
        push(&control, (struct wt_push){ .draining = true });
        answered(&control, WT_EINVAL, "says nothing");
        assert_int_equal((int)field_metric(&f, router, "witan_router_policy_version"), 8);
        client_close(&gateway[1]);               /* who comes later learns what holds */
        client_open(&gateway[1], &f, "gateway-1");
        push(&control, (struct wt_push){ .key_revoked = WT_STR("key-13") });
        answered(&control, WT_OK, "");
        both_hear(8, "key-13");
}

static void others_are_refused(void **state)
{
        struct field_client expert;

        (void)state;
        open_silent(&expert, "expert-3");
        push(&gateway[0], (struct wt_push){ .key_revoked = WT_STR("key-1") });
        answered(&gateway[0], WT_EPERM, "gateway-0 may not push");
        push(&expert, (struct wt_push){ .policy_version = 50 });
        answered(&expert, WT_EPERM, "expert-3 may not push");
        push(&control, (struct wt_push){ .policy_version = 9 });
        both_hear(9, "");                        /* nothing came before it */
        client_close(&expert);
}

static void workers_move_the_plan(void **state)
{
        uint64_t plan = 0, then;
        uint32_t worker;

        (void)state;
        worker = field_start(&f, NULL, "expert", "expert-0", "--threads=1", NULL);
        field_ready(&f, worker);
        while (plan == 0)
                plan = next(&gateway[0]).p.plan_version;
        field_kill(&f, worker, SIGKILL);
        then = (uint64_t)field_until(&f, router, "witan_router_plan_version", (double)plan + 1,
                                     1e9);
        while (plan < then)
                plan = next(&gateway[0]).p.plan_version;
        assert_int_equal(plan, then);
}

/* The gateway itself, beside a control. */
static void a_gateway_shows_it(void **state)
{
        uint32_t g, worker;
        double plan;

        (void)state;
        client_close(&gateway[1]);
        g = field_start(&f, NULL, "gateway", "gateway-1", "--http=127.0.0.1:0", "--open-door",
                        NULL);
        worker = field_start(&f, NULL, "expert", "expert-0", "--threads=1", NULL);
        field_ready(&f, g);
        field_ready(&f, worker);
        plan = field_until(&f, g, "witan_gateway_plan_changes_total", 1, 1e9);
        field_kill(&f, worker, SIGKILL);
        field_until(&f, g, "witan_gateway_plan_changes_total", plan + 1, 1e9);
        push(&control, (struct wt_push){ .policy_version = 41, .key_revoked = WT_STR("key-5") });
        answered(&control, WT_OK, "");
        field_until(&f, g, "witan_gateway_policy_version", 41, 41);
        field_until(&f, g, "witan_gateway_key_pushes_total", 1, 1);
        client_open(&gateway[1], &f, "gateway-0");       /* for close_all */
}

static void until_ready(uint32_t process, bool ready, const char *part)
{
        uint64_t end = wt_now_us(&wt_clock_real) + DEADLINE;
        char words[256] = "";

        while (field_is_ready(&f, process, words) != ready || strstr(words, part) == NULL)
                if (wt_now_us(&wt_clock_real) > end)
                        fail_msg("%s never says \"%s\": %s", f.p[process].name, part, words);
}

/* Its /readyz is the router's: whether a request would succeed. Workers that are stopped where they
 * stand have no connection cut and owe nothing: they are asked. */
static void ready_is_what_the_router_has(void **state)
{
        uint32_t g, worker[2];

        (void)state;
        start_router("--expert-wait=1s");
        g = field_start(&f, NULL, "gateway", "gateway-0", "--http=127.0.0.1:0", "--open-door",
                        NULL);
        until_ready(g, false, "experts have no worker");
        worker[0] = field_start(&f, NULL, "expert", "expert-0", "--threads=1", "--shard=*:0-7",
                                NULL);
        field_ready(&f, worker[0]);
        until_ready(g, false, "experts have no worker");         /* half of them are there */
        worker[1] = field_start(&f, NULL, "expert", "expert-1", "--threads=1", "--shard=*:8-15",
                                NULL);
        until_ready(g, true, "ok");
        field_kill(&f, worker[0], SIGSTOP);
        field_kill(&f, worker[1], SIGSTOP);
        until_ready(router, false, "experts have no live worker");
        until_ready(g, false, "experts have no worker");
        field_kill(&f, worker[0], SIGCONT);
        field_kill(&f, worker[1], SIGCONT);
        until_ready(g, true, "ok");
        field_kill(&f, worker[1], SIGKILL);
        until_ready(g, false, "experts have no worker");
        field_kill(&f, worker[0], SIGKILL);
        until_ready(g, false, "experts have no worker");
        field_close(&f);
}

/* The allow-list without the names of two peers, written as it should be: in one go. */
static void take_off(const char *one, const char *two)
{
        struct wt_buf was = { 0 }, now = { 0 };
        char path[200], *rest, *line;

        snprintf(path, sizeof path, "%s/keys/allowed", f.dir);
        assert_int_equal(wt_file_read(path, 1 << 16, &was), WT_OK);
        rest = was.data;
        while ((line = strsep(&rest, "\n")) != NULL)
                if (strncmp(line, one, strlen(one)) != 0 && strncmp(line, two, strlen(two)) != 0)
                        wt_buf_fmt(&now, "%s\n", line);
        assert_int_equal(wt_file_write(path, now.data, now.len, 0600), WT_OK);
        wt_buf_free(&was);
        wt_buf_free(&now);
}

static void hash_is_the_law(void)
{
        static struct seq_want s[MIXED];
        struct wt_buf want = { 0 };
        char hash[65];

        seq_mixed(s, 4096);
        for (uint32_t i = 0; i < MIXED; i++)
                seq_submit(&gateway[0], &s[i]);
        assert_int_equal(seq_collect(&gateway[0], s, MIXED, 240ull * SECOND), MIXED);
        seq_hash(s, MIXED, hash);
        assert_int_equal(wt_file_read("tests/cluster/law_hash.txt", 4096, &want), WT_OK);
        assert_memory_equal(hash, want.data, 64);
        wt_buf_free(&want);
}

static void keys_that_are_taken_off(void **state)
{
        uint64_t end = wt_now_us(&wt_clock_real) + DEADLINE;
        uint32_t worker[2];
        wt_msg *m;

        (void)state;
        worker[0] = field_start(&f, NULL, "expert", "expert-0", "--threads=1", NULL);
        worker[1] = field_start(&f, NULL, "expert", "expert-1", "--threads=1", NULL);
        field_ready(&f, worker[0]);
        field_ready(&f, worker[1]);
        field_until(&f, router, "witan_router_worker_live", 2, 2);
        field_until(&f, router, "witan_router_gateways", 2, 2);
        take_off("gateway-1 ", "expert-1 ");
        field_until(&f, router, "witan_router_worker_live", 1, 1);
        field_until(&f, router, "witan_router_gateways", 1, 1);
        while (!wt_bus_lost(gateway[1].bus)) {   /* its connection is shut, not only unheard */
                assert_true(wt_now_us(&wt_clock_real) < end);
                wt_msg_free(client_next(&gateway[1], 20000));
        }
        m = wt_msg_new(gateway[1].bus);
        m->env.method = WT_M_PING;
        m->env.body = WT_ARENA_NEW(&m->arena, struct wt_ping);
        assert_int_equal(wt_bus_send(gateway[1].bus, m), WT_EUNAVAILABLE);
        wt_msg_free(m);
        assert_false(field_is_ready(&f, worker[1], NULL));
        hash_is_the_law();                       /* nobody else has noticed */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_control_is_relayed, open_all, close_all),
                cmocka_unit_test_setup_teardown(others_are_refused, open_all, close_all),
                cmocka_unit_test_setup_teardown(workers_move_the_plan, open_all, close_all),
                cmocka_unit_test_setup_teardown(a_gateway_shows_it, open_all, close_all),
                cmocka_unit_test_setup_teardown(keys_that_are_taken_off, open_all, close_all),
                cmocka_unit_test(ready_is_what_the_router_has),
        };

        return cmocka_run_group_tests_name("pushes and keys", tests, NULL, NULL);
}
