/* faults_test.c - workers that are killed, lost for good, stopped; clients that leave. A test of a
 * failure is a test of equal bits: what an undisturbed run made is what must come out. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "field.h"

enum { SECOND = 1000 * 1000, MINUTE = 60 * SECOND, LOAD = 16, KILLS = 16 };

static struct seq_want quiet[MIXED];             /* undisturbed: what is true */
static struct field f;
static struct field_client c;
static uint32_t router, worker[2];

static uint64_t now(void) { return wt_now_us(&wt_clock_real); }

/* A router and two workers of these shards. */
static void start(const char *shard0, const char *shard1, const char *expert_wait)
{
        char flag[2][64];

        field_open(&f, NULL, "models/tiny");
        snprintf(flag[0], sizeof *flag, "--shard=%s", shard0);
        snprintf(flag[1], sizeof *flag, "--shard=%s", shard1);
        router = field_start(&f, NULL, "router", "router-0", "--threads=2", expert_wait, NULL);
        worker[0] = field_start(&f, NULL, "expert", "expert-0", flag[0], "--threads=1", NULL);
        worker[1] = field_start(&f, NULL, "expert", "expert-1", flag[1], "--threads=1", NULL);
        field_ready(&f, worker[0]);
        field_ready(&f, worker[1]);
        field_ready(&f, router);
        client_open(&c, &f, "gateway-0");
}

static void stop(void)
{
        client_close(&c);
        field_close(&f);
}

/* Sequence i of the mixed ones, not begun. */
static void fresh(struct seq_want *s, uint32_t i)
{
        uint32_t attempt = s->attempt;

        *s = quiet[i];
        s->n_made = s->finish = 0;
        s->has_digest = false;
        s->attempt = attempt;
}

static int learn(void **state)                   /* the undisturbed run, and a mean step */
{
        double steps, rows;

        (void)state;
        start("*", "*", "--expert-wait=10s");
        seq_mixed(quiet, 4096);
        for (uint32_t i = 0; i < MIXED; i++) {
                quiet[i].max_tokens += 12;
                seq_submit(&c, &quiet[i]);
        }
        assert_int_equal(seq_collect(&c, quiet, MIXED, MINUTE), MIXED);
        for (uint32_t i = 0; i < MIXED; i++)
                assert_int_equal(quiet[i].finish, WT_LENGTH);
        steps = field_metric(&f, router, "witan_router_steps_total");
        rows = field_metric(&f, router, "witan_router_step_rows_total");
        print_message("# undisturbed: %.0f steps of %.1f rows\n", steps, rows / steps);
        assert_true(field_metric(&f, router, "witan_router_call_resends_total") == 0);
        stop();
        return 0;
}

/* ---- kill -9 under load ---- */

struct load { struct seq_want s[LOAD]; uint32_t which[LOAD], next, over, made; };
static struct load load;

/* Takes what came; one that ended is compared with the quiet one, and another takes its place. */
static void turn_load(bool go_on)
{
        seq_collect(&c, load.s, LOAD, 1000);
        load.made = 0;
        for (uint32_t i = 0; i < LOAD; i++) {
                struct seq_want *s = &load.s[i];

                load.made += s->n_made;
                if (s->finish == WT_RUNNING)
                        continue;
                seq_same(s, &quiet[load.which[i]]);
                load.over++;
                if (!go_on)
                        continue;
                load.which[i] = load.next++ % MIXED;
                fresh(s, load.which[i]);
                s->id[1] = (uint8_t)(i + 1);     /* the same one may run in two places */
                seq_submit(&c, s);
        }
}

static void turn_until_ready(uint32_t w)
{
        uint64_t end = now() + MINUTE;

        while (!field_is_ready(&f, w, NULL)) {
                turn_load(true);
                assert_true(now() < end);
        }
}

/* What the router says once it has looked at its workers again. */
static double lost_calls(void)
{
        double turns = field_metric(&f, router, "witan_router_turns_total");

        field_until(&f, router, "witan_router_turns_total", turns + 2, 1e18);
        return field_metric(&f, router, "witan_router_calls_lost_total");
}

static void killed_under_load(void **state)
{
        uint32_t hits = 0;
        double lost = 0, after;

        (void)state;
        start("*", "*", "--expert-wait=10s");
        for (uint32_t i = 0; i < LOAD; i++) {
                load.which[i] = load.next++;
                fresh(&load.s[i], load.which[i]);
                load.s[i].id[1] = (uint8_t)(i + 1);
                seq_submit(&c, &load.s[i]);
        }
        for (uint32_t k = 0; k < KILLS; k++) {
                uint32_t w = k % 2, over = load.over;
                char name[16], shard[] = "--shard=*";

                while (load.over < over + 2)     /* under way, with both workers at work */
                        turn_load(true);
                field_kill(&f, worker[w], SIGKILL);
                snprintf(name, sizeof name, "expert-%u", w);
                worker[w] = field_start(&f, NULL, "expert", name, shard, "--threads=1", NULL);
                turn_until_ready(worker[w]);
                after = lost_calls();
                hits += after > lost;
                lost = after;
        }
        while (load.over < load.next)
                turn_load(false);
        print_message("# %u kills, %u of them hit a call in flight (%.0f calls); %u sequences, "
                      "0 failed, 0 changed; %.0f calls sent again\n", KILLS, hits, lost, load.over,
                      field_metric(&f, router, "witan_router_call_resends_total"));
        assert_true(field_metric(&f, router, "witan_router_failed_total") == 0);
        assert_true(2 * hits >= KILLS);
        stop();
}

/* ---- nobody else holds it ---- */

static void run_all(struct seq_want *s, uint32_t n)
{
        for (uint32_t i = 0; i < n; i++) {
                fresh(&s[i], i);
                seq_submit(&c, &s[i]);
        }
}

static uint32_t made(const struct seq_want *s, uint32_t n)
{
        uint32_t sum = 0;

        for (uint32_t i = 0; i < n; i++)
                sum += s[i].n_made;
        return sum;
}

/* Collects until at least `least` tokens are made, before all is over. */
static void collect_until(struct seq_want *s, uint32_t n, uint32_t least)
{
        uint64_t end = now() + MINUTE;

        while (made(s, n) < least) {
                assert_true(now() < end);
                assert_true(seq_collect(&c, s, n, 1000) < n);
        }
}

static void shard_comes_back(void **state)
{
        static struct seq_want s[LOAD];

        (void)state;
        start("1-5:0-6", "1-5:7-15", "--expert-wait=30s");
        run_all(s, LOAD);
        collect_until(s, LOAD, 60);
        field_kill(&f, worker[1], SIGKILL);
        field_until(&f, router, "witan_router_experts_missing", 45, 45);
        assert_false(field_is_ready(&f, router, NULL));
        assert_true(seq_collect(&c, s, LOAD, SECOND / 10) < LOAD);
        worker[1] = field_start(&f, NULL, "expert", "expert-1", "--shard=1-5:7-15", "--threads=1",
                                NULL);
        assert_int_equal(seq_collect(&c, s, LOAD, MINUTE), LOAD);
        for (uint32_t i = 0; i < LOAD; i++)
                seq_same(&s[i], &quiet[i]);
        field_ready(&f, router);
        stop();
}

static void shard_stays_away(void **state)
{
        static struct seq_want s[LOAD];
        uint32_t failed = 0;

        (void)state;
        start("1-5:0-6", "1-5:7-15", "--expert-wait=1s");
        run_all(s, LOAD);
        collect_until(s, LOAD, 60);
        field_kill(&f, worker[1], SIGKILL);
        assert_int_equal(seq_collect(&c, s, LOAD, MINUTE), LOAD);
        for (uint32_t i = 0; i < LOAD; i++) {
                if (s[i].finish == WT_LENGTH) {  /* it never needed them, or was over */
                        seq_same(&s[i], &quiet[i]);
                        continue;
                }
                failed++;
                assert_int_equal(s[i].finish, WT_FAILED);
                assert_int_equal(s[i].status, WT_EUNAVAILABLE);
                if (strstr(s[i].message, "expert") == NULL || strstr(s[i].message, "layer") == NULL)
                        fail_msg("it names no expert and layer: %s", s[i].message);
                assert_memory_equal(s[i].made, quiet[i].made, s[i].n_made * sizeof *s[i].made);
        }
        print_message("# %u of %u failed: %s\n", failed, LOAD, s[LOAD - 1].message);
        assert_true(failed > 0);
        field_until(&f, router, "witan_router_kv_pages_used", 0, 0);
        worker[1] = field_start(&f, NULL, "expert", "expert-1", "--shard=1-5:7-15", "--threads=1",
                                NULL);
        field_ready(&f, router);
        run_all(s, LOAD);
        assert_int_equal(seq_collect(&c, s, LOAD, MINUTE), LOAD);
        for (uint32_t i = 0; i < LOAD; i++)
                seq_same(&s[i], &quiet[i]);
        stop();
}

/* ---- stopped, not dead ---- */

/* Takes what is on its way until nothing has come for a while. */
static void drain(struct seq_want *s, uint32_t n)
{
        uint64_t end = now() + MINUTE;
        uint32_t before;

        do {
                before = made(s, n);
                seq_collect(&c, s, n, SECOND / 5);
                assert_true(now() < end);
        } while (made(s, n) != before);
}

static void all_are_stopped(void **state)
{
        static struct seq_want s[LOAD];
        uint32_t before;

        (void)state;
        start("*", "*", "--expert-wait=30s");
        run_all(s, LOAD);
        collect_until(s, LOAD, 60);
        field_kill(&f, worker[0], SIGSTOP);
        field_kill(&f, worker[1], SIGSTOP);
        drain(s, LOAD);
        before = made(s, LOAD);
        assert_true(seq_collect(&c, s, LOAD, SECOND) < LOAD);
        assert_int_equal(made(s, LOAD), before);
        field_kill(&f, worker[0], SIGCONT);
        field_kill(&f, worker[1], SIGCONT);
        assert_int_equal(seq_collect(&c, s, LOAD, MINUTE), LOAD);
        for (uint32_t i = 0; i < LOAD; i++)
                seq_same(&s[i], &quiet[i]);
        stop();
}

static void one_is_stopped(void **state)
{
        static struct seq_want s[LOAD];
        double hedges, won;

        (void)state;
        start("*", "*", "--hedge-after=100ms");
        run_all(s, LOAD);
        collect_until(s, LOAD, 60);
        field_kill(&f, worker[0], SIGSTOP);
        assert_int_equal(seq_collect(&c, s, LOAD, MINUTE), LOAD);
        for (uint32_t i = 0; i < LOAD; i++)
                seq_same(&s[i], &quiet[i]);
        hedges = field_metric(&f, router, "witan_router_call_hedges_total");
        won = field_metric(&f, router, "witan_router_call_hedges_won_total");
        print_message("# %.0f calls hedged, %.0f hedges answered first\n", hedges, won);
        assert_true(hedges >= 1 && won >= 1);
        field_kill(&f, worker[0], SIGCONT);
        field_until(&f, router, "witan_router_worker_live", 2, 2);
        stop();
}

/* ---- clients ---- */

static void long_one(struct seq_want *s)
{
        memset(s, 0, sizeof *s);
        s->n_prompt = 100;
        for (uint32_t i = 0; i < s->n_prompt; i++)
                s->prompt[i] = (int32_t)(100 + i);
        s->max_tokens = 900;
        s->temperature = s->top_p = 1;
        s->id[0] = 77;
}

/* One prompt, so one step of it, then a step per token: whatever more the router computed for a
 * sequence after its end would show in the count. */
static void client_cancels(void **state)
{
        static struct seq_want s;

        (void)state;
        start("*", "*", "--expert-wait=10s");
        long_one(&s);
        seq_submit(&c, &s);
        collect_until(&s, 1, 20);
        assert_true(field_metric(&f, router, "witan_router_kv_pages_used") == 16);
        seq_cancel(&c, &s);
        assert_int_equal(seq_collect(&c, &s, 1, MINUTE), 1);
        assert_int_equal(s.finish, WT_CANCELLED);
        field_until(&f, router, "witan_router_kv_pages_used", 0, 0);
        assert_true(field_metric(&f, router, "witan_router_tokens_total") == s.n_made);
        assert_true(field_metric(&f, router, "witan_router_steps_total") <= s.n_made + 1);
        assert_true(field_metric(&f, router, "witan_router_cancelled_total") == 1);
        stop();
}

static void client_is_gone(void **state)         /* without a word */
{
        static struct seq_want s;
        struct field_client other;

        (void)state;
        start("*", "*", "--expert-wait=10s");
        client_open(&other, &f, "gateway-1");
        long_one(&s);
        seq_submit(&other, &s);
        assert_int_equal(seq_collect(&other, &s, 1, SECOND / 20), 0);
        client_close(&other);
        field_until(&f, router, "witan_router_kv_pages_used", 0, 0);
        field_until(&f, router, "witan_router_gateways", 1, 1);
        assert_true(field_metric(&f, router, "witan_router_tokens_total") < 900);
        stop();
}

static bool hang_up(void *arg, struct answer *a)
{
        (void)arg;
        return a->chunks < 5;
}

static void http_client_hangs_up(void **state)
{
        struct answer a = { .each = hang_up };
        char http[64], flag[80];
        uint32_t gateway;

        (void)state;
        start("*", "*", "--expert-wait=10s");
        snprintf(http, sizeof http, "127.0.0.1:%d", field_port());
        snprintf(flag, sizeof flag, "--http=%s", http);
        gateway = field_start(&f, NULL, "gateway", "gateway-1", flag, "--open-door", NULL);
        field_ready(&f, gateway);
        answer_stream(http, "{\"model\":\"tiny\",\"prompt\":[5,6,7],\"max_tokens\":1000,\"n\":4,"
                      "\"ignore_eos\":true,\"stream\":true}", &a);
        assert_int_equal(a.chunks, 5);
        field_until(&f, router, "witan_router_kv_pages_used", 0, 0);
        field_until(&f, router, "witan_router_cancelled_total", 4, 4);
        assert_true(field_metric(&f, router, "witan_router_tokens_total") < 4000);
        field_until(&f, gateway, "witan_gateway_client_closed_total", 1, 1);
        answer_free(&a);
        stop();
}

/* 16 clients that all decode share their steps. */
static void steps_are_shared(void **state)
{
        static struct seq_want s[LOAD];
        double steps, rows;

        (void)state;
        start("*", "*", "--expert-wait=10s");
        for (uint32_t i = 0; i < LOAD; i++) {
                long_one(&s[i]);
                s[i].n_prompt = 2 + i;
                s[i].max_tokens = 100;
                s[i].id[0] = (uint8_t)i;
                seq_submit(&c, &s[i]);
        }
        collect_until(s, LOAD, 4 * LOAD);        /* the prompts are in */
        steps = field_metric(&f, router, "witan_router_steps_total");
        rows = field_metric(&f, router, "witan_router_step_rows_total");
        assert_int_equal(seq_collect(&c, s, LOAD, MINUTE), LOAD);
        steps = field_metric(&f, router, "witan_router_steps_total") - steps;
        rows = field_metric(&f, router, "witan_router_step_rows_total") - rows;
        print_message("# decode of %u: %.0f steps of %.1f rows\n", LOAD, steps, rows / steps);
        assert_true(rows / steps > 8);
        stop();
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(killed_under_load), cmocka_unit_test(shard_comes_back),
                cmocka_unit_test(shard_stays_away), cmocka_unit_test(all_are_stopped),
                cmocka_unit_test(one_is_stopped), cmocka_unit_test(client_cancels),
                cmocka_unit_test(client_is_gone), cmocka_unit_test(http_client_hangs_up),
                cmocka_unit_test(steps_are_shared) };

        return cmocka_run_group_tests_name("faults", tests, learn, NULL);
}
