/* failure_test.c - workers that die, hang, refuse, lie, leave and come back. A failure test is a
 * bit-equality test (law 1): the digest of the logits is the one of an undisturbed run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/err.h"
#include "world.h"

static struct world w;
static const int32_t prompt[] = { 0, 2802, 417, 780, 274, 569, 309, 3218, 811, 552, 329, 27 };
enum { N_PROMPT = sizeof prompt / sizeof *prompt, N_TOKENS = 6 };
static uint8_t truth[32];
static int32_t truth_ids[N_TOKENS];

static void ask(uint32_t n)
{
        world_ask(&w, &(struct ask){ .n = n, .prompt = prompt, .n_prompt = N_PROMPT,
                                     .max_tokens = N_TOKENS, .prompt_logprobs = true,
                                     .temperature = 1, .seed = 5 });
}

static void check(uint32_t n)
{
        struct answer *a = world_answer(&w, n);

        if (a->finish != WT_LENGTH)
                fail_msg("finish %u, status %u: %s", a->finish, a->status, a->message);
        assert_memory_equal(a->digest, truth, sizeof truth);
        assert_memory_equal(a->ids, truth_ids, sizeof truth_ids);
}

static void turns(int n)
{
        while (n-- > 0)
                world_turn(&w);
}

static int learn_truth(void **state)
{
        (void)state;
        world_open(&w, &(struct world_conf){ .shard = { "*" } });
        ask(0);
        memcpy(truth, world_answer(&w, 0)->digest, sizeof truth);
        memcpy(truth_ids, w.answer[0].ids, sizeof truth_ids);
        world_close(&w);
        return 0;
}

static void until_call(uint32_t i);

/* ---- one expert is missing ---- */

enum { MANY = 32 };

static void ask_many(void)
{
        for (uint32_t n = 0; n < MANY; n++) {
                int32_t id = (int32_t)(17 + n * 97);

                world_ask(&w, &(struct ask){ .n = n, .prompt = &id, .n_prompt = 1, .max_tokens = 2,
                                             .prompt_logprobs = true });
        }
}

static uint32_t n_over(void)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < MANY; i++)
                n += w.answer[i].finish == WT_LENGTH;
        return n;
}

/* Those that need expert 15 leave their step and wait, the others are done; when it comes, all
 * have the bits that they would have had. */
static void who_needs_it_not_goes_on(void **state)
{
        static uint8_t want[MANY][32];
        uint32_t over;

        (void)state;
        world_open(&w, &(struct world_conf){ .shard = { "*" } });
        ask_many();
        for (uint32_t n = 0; n < MANY; n++)
                memcpy(want[n], world_answer(&w, n)->digest, 32);
        world_close(&w);

        for (int again = 0; again < 2; again++) {        /* missing from the start; killed */
                world_open(&w, &(struct world_conf){ .shard = { "*:0-14", "*:15" } });
                if (again == 0)
                        world_worker_kill(&w, 1);
                turns(5);
                ask_many();
                if (again == 1) {
                        until_call(1);
                        world_worker_kill(&w, 1);
                }
                turns(400);
                over = n_over();
                assert_in_range(over, 1, MANY - 1);
                assert_int_equal(world_numbers(&w)->running, MANY - over);
                assert_true(world_numbers(&w)->put_back >= MANY - over);
                world_move(9000000);             /* expert_wait is 10 s */
                world_worker_start(&w, 1, "*:15");
                for (uint32_t n = 0; n < MANY; n++) {
                        assert_int_equal(world_answer(&w, n)->finish, WT_LENGTH);
                        assert_memory_equal(w.answer[n].digest, want[n], 32);
                }
                assert_int_equal(world_numbers(&w)->pages_used, 0);
                world_close(&w);
        }
}

/* It does not come: they end in words, each for itself, and what came meanwhile is served. */
static void who_needs_it_ends(void **state)
{
        uint32_t over, failed = 0;

        (void)state;
        world_open(&w, &(struct world_conf){ .shard = { "*:0-14", "*:15" } });
        world_worker_kill(&w, 1);
        turns(5);
        ask_many();
        turns(400);
        over = n_over();
        world_move(10100000);
        turns(400);
        for (uint32_t n = 0; n < MANY; n++) {
                if (w.answer[n].finish == WT_LENGTH)
                        continue;
                assert_int_equal(w.answer[n].finish, WT_FAILED);
                assert_int_equal(w.answer[n].status, WT_EUNAVAILABLE);
                assert_non_null(strstr(w.answer[n].message, "no live worker holds expert 15"));
                failed++;
        }
        assert_int_equal(over + failed, MANY);
        assert_int_equal(world_numbers(&w)->pages_used, 0);
        world_close(&w);
}

/* Until a call has gone to worker i, which does not see it. */
static void until_call(uint32_t i)
{
        uint64_t before = world_numbers(&w)->worker[i].calls;

        w.stuck[i] = true;
        for (int t = 0; t < 10000 && world_numbers(&w)->worker[i].calls == before; t++)
                world_turn(&w);
        assert_true(world_numbers(&w)->worker[i].calls > before);
}

/* ---- death ---- */

static void killed_at_every_call(void **state)
{
        (void)state;
        for (int call = 0; call < 12; call++) {
                world_open(&w, &(struct world_conf){ .shard = { "*:0-11", "*:4-15",
                                                                "*:0-3,*:12-15" } });
                ask(0);
                for (int i = 0; i < call; i++) {
                        until_call(1);
                        w.stuck[1] = false;
                        world_turn(&w);          /* answered */
                }
                until_call(1);
                world_worker_kill(&w, 1);
                check(0);
                assert_true(world_numbers(&w)->calls_lost >= 1);
                assert_true(world_numbers(&w)->resends >= 1);
                assert_false(world_numbers(&w)->worker[1].live);
                world_close(&w);
        }
}

static void all_die_and_come_back(void **state)
{
        (void)state;
        world_open(&w, &(struct world_conf){ .shard = { "*:0-7", "*:8-15" } });
        ask(0);
        until_call(0);
        world_worker_kill(&w, 0);
        world_worker_kill(&w, 1);
        turns(20);
        assert_int_equal(world_numbers(&w)->missing, 5 * 16);
        world_move(9000000);                     /* expert_wait is 10 s */
        turns(5);
        assert_int_equal(w.answer[0].finish, WT_RUNNING);
        world_worker_start(&w, 0, "*:0-7");
        world_worker_start(&w, 1, "*:8-15");
        check(0);
        world_close(&w);
}

static void dies_again_and_again(void **state)
{
        (void)state;
        world_open(&w, &(struct world_conf){ .shard = { "*:0-7", "*:8-15" } });
        ask(0);
        for (int i = 0; i < 8; i++) {
                until_call((uint32_t)i % 2);
                world_worker_kill(&w, (uint32_t)i % 2);
                turns(3);
                world_worker_start(&w, (uint32_t)i % 2, i % 2 == 0 ? "*:0-7" : "*:8-15");
        }
        check(0);
        world_close(&w);
}

static void nobody_holds_it(void **state)
{
        (void)state;
        world_open(&w, &(struct world_conf){ .shard = { "1-4,5:0-7", "5:8-15" } });
        world_worker_kill(&w, 1);
        ask(0);
        turns(60);
        assert_int_equal(w.answer[0].finish, WT_RUNNING);
        world_move(10100000);
        turns(60);
        assert_int_equal(w.answer[0].finish, WT_FAILED);
        assert_int_equal(w.answer[0].status, WT_EUNAVAILABLE);
        assert_non_null(strstr(w.answer[0].message, "no live worker holds expert"));
        assert_non_null(strstr(w.answer[0].message, "of layer 5"));
        assert_int_equal(world_numbers(&w)->pages_used, 0);
        world_worker_start(&w, 1, "5:8-15");
        ask(1);
        check(1);
        world_close(&w);
}

/* Only those whose rows need the lost expert end; the step goes on for the others, same bits. */
static void others_go_on(void **state)
{
        static const int32_t many[][4] = {
                { 0, 2802, 417, 780 }, { 0, 347, 1002, 330 }, { 0, 3, 1778, 409 },
                { 0, 512, 274, 3552 }, { 0, 900, 901, 902 }, { 5, 6, 7, 8 },
                { 700, 17, 2000, 31 }, { 4000, 12, 1, 1 } };
        uint8_t want[8][32];
        uint32_t n_failed = 0;

        (void)state;
        for (int lost = 0; lost < 2; lost++) {
                world_open(&w, &(struct world_conf){ .shard = { "1-3,4:0-12,4:14-15,5", "4:13" } });
                if (lost)
                        world_worker_kill(&w, 1);
                for (uint32_t n = 0; n < 8; n++)
                        world_ask(&w, &(struct ask){ .n = n, .prompt = many[n], .n_prompt = 4,
                                                     .max_tokens = 1, .prompt_logprobs = true });
                turns(60);
                world_move(lost ? 10100000 : 0);
                for (uint32_t n = 0; n < 8; n++) {
                        struct answer *a = world_answer(&w, n);

                        if (!lost)
                                memcpy(want[n], a->digest, 32);
                        else if (a->finish == WT_LENGTH)
                                assert_memory_equal(a->digest, want[n], 32);
                        else
                                n_failed += a->status == WT_EUNAVAILABLE;
                }
                world_close(&w);
        }
        assert_in_range(n_failed, 1, 7);
}

/* A call and its hedge both lack a holder: neither is anything to wait for, so its sequences leave
 * the step, the others go on, and when a holder comes all have their bits. */
static void call_and_hedge_lack_a_holder(void **state)
{
        uint32_t over;

        (void)state;
        world_open(&w, &(struct world_conf){ .shard = { "*:0-14", "*:15", "*:15" } });
        ask(MANY);
        until_call(1);
        w.stuck[2] = true;
        world_move(300000);
        turns(3);
        assert_int_equal(world_numbers(&w)->hedges, 1);
        world_worker_kill(&w, 1);
        world_worker_kill(&w, 2);
        turns(20);
        assert_true(world_numbers(&w)->put_back >= 1);
        ask_many();                              /* the step is over: those it keeps out are not */
        turns(400);
        over = n_over();
        assert_in_range(over, 1, MANY - 1);
        assert_int_equal(w.answer[MANY].finish, WT_RUNNING);
        world_worker_start(&w, 1, "*:15");
        check(MANY);
        for (uint32_t n = 0; n < MANY; n++)
                assert_int_equal(world_answer(&w, n)->finish, WT_LENGTH);
        world_close(&w);
}

/* ---- silence ---- */

static void hung_worker_is_hedged(void **state)
{
        struct router_numbers *n;

        (void)state;
        world_open(&w, &(struct world_conf){ .shard = { "*", "*" } });
        ask(0);
        until_call(0);
        turns(50);
        assert_int_equal(world_numbers(&w)->hedges, 0);
        world_move(300000);
        check(0);                                /* and from here on worker 1 is asked first */
        n = world_numbers(&w);
        assert_int_equal(n->hedges, 1);
        assert_int_equal(n->hedges_won, 1);
        assert_true(n->worker[0].late);
        assert_true(n->worker[0].live);
        w.stuck[0] = false;                      /* it wakes, and its answers are late */
        turns(5);
        assert_false(world_numbers(&w)->worker[0].late);
        ask(1);
        check(1);
        assert_int_equal(world_numbers(&w)->hedges, 1);
        world_close(&w);
}

static void lone_worker_is_waited_for(void **state)
{
        (void)state;
        world_open(&w, &(struct world_conf){ .shard = { "*" } });
        ask(0);
        until_call(0);
        world_move(4000000);
        turns(10);
        w.stuck[0] = false;
        check(0);
        assert_int_equal(world_numbers(&w)->resends, 0);
        world_close(&w);
}

/* A part may have been lost, so it is asked a second time; the first answer counts. */
static void lone_worker_is_asked_twice(void **state)
{
        (void)state;
        world_open(&w, &(struct world_conf){ .shard = { "*" } });
        ask(0);
        until_call(0);
        world_move(7000000);
        turns(3);
        w.stuck[0] = false;
        check(0);
        turns(3);
        assert_int_equal(world_numbers(&w)->hedges, 1);
        assert_int_equal(world_numbers(&w)->resends, 0);
        world_close(&w);
}

/* Workers that hang with nothing to do are not known by a call: they are pinged, gateways are told
 * that their experts are missing, and what comes goes to them all the same. */
static void idle_workers_that_hang(void **state)
{
        (void)state;
        world_open(&w, &(struct world_conf){ .shard = { "*:0-7", "*:8-15" } });
        for (int i = 0; i < 8; i++) {            /* they answer: nothing is said */
                world_move(2600000);
                turns(3);
        }
        assert_int_equal(world_numbers(&w)->missing, 0);
        w.stuck[0] = true;
        for (int i = 0; i < 5; i++) {            /* expert_wait is 10 s */
                world_move(2600000);
                turns(3);
        }
        assert_int_equal(w.missing_pushed, world_numbers(&w)->missing);
        assert_true(w.missing_pushed > 0);
        ask(0);
        turns(200);
        assert_int_equal(w.answer[0].finish, WT_RUNNING);
        w.stuck[0] = false;
        check(0);
        assert_int_equal(world_numbers(&w)->missing, 0);
        assert_int_equal(w.missing_pushed, 0);
        world_close(&w);
}

static void silent_worker_is_gone_and_returns(void **state)
{
        (void)state;
        world_open(&w, &(struct world_conf){ .shard = { "*" } });
        ask(0);
        until_call(0);
        for (int i = 0; i < 12; i++) {
                world_move(1000000);
                turns(3);
        }
        assert_int_equal(world_numbers(&w)->missing, 5 * 16);
        w.stuck[0] = false;                      /* told that it was given up: a hello */
        check(0);
        assert_int_equal(world_numbers(&w)->missing, 0);
        world_close(&w);
}

/* ---- leaving in peace ---- */

static void worker_drains(void **state)
{
        (void)state;
        world_open(&w, &(struct world_conf){ .shard = { "*", "*" } });
        ask(0);
        until_call(0);
        w.stuck[0] = false;
        w.stop_worker[0] = true;
        check(0);
        assert_null(w.worker[0]);                /* it has left */
        assert_int_equal(world_numbers(&w)->resends, 0);
        assert_int_equal(world_numbers(&w)->calls_lost, 0);
        world_close(&w);
}

static void router_drains(void **state)
{
        struct answer cut;

        (void)state;
        world_open(&w, &(struct world_conf){ .max_seqs = 2 });
        ask(0);
        world_ask(&w,
                  &(struct ask){ .n = 1, .prompt = prompt, .n_prompt = N_PROMPT,
                                 .max_tokens = 500 });
        ask(2);                                  /* waits: handed back at once */
        while (w.answer[1].n_ids < 3)
                world_turn(&w);
        w.stop_router = true;
        turns(2);
        assert_true(w.draining_pushed);
        assert_int_equal(w.answer[2].finish, WT_HANDED_BACK);
        ask(3);
        assert_int_equal(world_answer(&w, 3)->status, WT_EUNAVAILABLE);
        check(0);                                /* ends here */
        assert_false(w.router_over);
        world_move(1100000);
        turns(3);
        assert_true(w.router_over);
        assert_int_equal(w.answer[1].finish, WT_HANDED_BACK);
        cut = w.answer[1];
        world_close(&w);

        world_open(&w, &(struct world_conf){ .max_seqs = 2 });  /* another router goes on */
        for (uint32_t n = 1; n < 3; n++)
                world_ask(&w, &(struct ask){ .n = n, .prompt = prompt, .n_prompt = N_PROMPT,
                                             .max_tokens = 500, .made = cut.ids, .attempt = n,
                                             .n_made = n == 1 ? cut.n_ids : 0 });
        world_answer(&w, 1);
        world_answer(&w, 2);
        assert_int_equal(cut.n_ids + w.answer[1].n_ids, 500);
        assert_memory_equal(w.answer[1].ids, w.answer[2].ids + cut.n_ids, w.answer[1].n_ids * 4);
        assert_memory_equal(w.answer[1].digest, w.answer[2].digest, 32);
        world_close(&w);
}

static void gateway_is_lost(void **state)
{
        (void)state;
        world_open(&w, &(struct world_conf){ .max_seqs = 1 });
        world_ask(&w,
                  &(struct ask){ .n = 0, .prompt = prompt, .n_prompt = N_PROMPT,
                                 .max_tokens = 500 });
        ask(1);
        turns(20);
        assert_true(world_numbers(&w)->pages_used > 0);
        wt_bus_close(w.gateway_bus);
        w.gateway_bus = NULL;
        turns(40);
        assert_int_equal(world_numbers(&w)->pages_used, 0);
        assert_int_equal(world_numbers(&w)->running + world_numbers(&w)->waiting, 0);
        world_close(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(killed_at_every_call), cmocka_unit_test(all_die_and_come_back),
                cmocka_unit_test(dies_again_and_again), cmocka_unit_test(nobody_holds_it),
                cmocka_unit_test(who_needs_it_not_goes_on), cmocka_unit_test(who_needs_it_ends),
                cmocka_unit_test(others_go_on), cmocka_unit_test(hung_worker_is_hedged),
                cmocka_unit_test(lone_worker_is_waited_for),
                cmocka_unit_test(call_and_hedge_lack_a_holder),
                cmocka_unit_test(lone_worker_is_asked_twice),
                cmocka_unit_test(silent_worker_is_gone_and_returns),
                cmocka_unit_test(idle_workers_that_hang),
                cmocka_unit_test(worker_drains),
                cmocka_unit_test(router_drains), cmocka_unit_test(gateway_is_lost),
        };

        return cmocka_run_group_tests(tests, learn_truth, NULL);
}
