/* outbox_test.c - a gateway that does not read: what is kept for it is bounded by bytes; beyond, it
 * is taken to be gone, with everything it had asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "chaos.h"
#include "world.h"

enum { N_PROMPT = 40, N_TOKENS = 60, SEQS = 4, SMALL = 128 << 10, TURNS = 4000 };

static struct world w;
static int32_t prompt[N_PROMPT];

static void start(uint64_t outbox_bytes)
{
        for (uint32_t i = 0; i < N_PROMPT; i++)
                prompt[i] = (int32_t)(i * 41 % 4000);
        chaos = (struct chaos){ .seed = 9 };
        world_open(&w, &(struct world_conf){ .shard = { "*" }, .outbox_bytes = outbox_bytes,
                                             .transport = &chaos_bus });
        for (uint32_t n = 0; n < SEQS; n++)
                world_ask(&w, &(struct ask){ .n = n, .prompt = prompt, .n_prompt = N_PROMPT,
                                             .max_tokens = N_TOKENS, .logprobs = true,
                                             .n_top = 20, .prompt_logprobs = true });
        while (w.answer[0].n_ids < 3)
                world_turn(&w);
        chaos.deaf = true;
}

static void too_much(void **state)
{
        uint32_t turns = 0;

        (void)state;
        start(SMALL);
        for (; turns < TURNS && world_numbers(&w)->gateways > 0; turns++)
                world_turn(&w);
        assert_int_equal(world_numbers(&w)->gateways, 0);
        assert_in_range(w.answer[0].n_ids, 3, N_TOKENS - 1);     /* there was more to come */
        world_turn(&w);
        assert_int_equal(world_numbers(&w)->running, 0);
        assert_int_equal(world_numbers(&w)->pages_used, 0);

        chaos.deaf = false;                      /* it reads again, says hello, asks anew */
        w.welcomed = false;
        world_hello(&w);
        for (uint32_t i = 0; i < 10; i++)
                world_turn(&w);
        assert_true(w.welcomed);
        world_ask(&w, &(struct ask){ .n = 9, .prompt = prompt, .n_prompt = N_PROMPT,
                                     .max_tokens = N_TOKENS });
        assert_int_equal(world_answer(&w, 9)->finish, WT_LENGTH);
        world_close(&w);
}

/* The same silence under the default bound: everything is there when it reads again. */
static void within_bounds(void **state)
{
        int32_t ids[N_TOKENS];

        (void)state;
        start(0);
        for (uint32_t i = 0; i < TURNS && world_numbers(&w)->running > 0; i++)
                world_turn(&w);
        assert_int_equal(world_numbers(&w)->running, 0);
        assert_int_equal(world_numbers(&w)->gateways, 1);
        assert_int_equal(w.answer[0].finish, WT_RUNNING);
        chaos.deaf = false;
        for (uint32_t n = 0; n < SEQS; n++)
                assert_int_equal(world_answer(&w, n)->finish, WT_LENGTH);
        memcpy(ids, w.answer[0].ids, sizeof ids);
        world_ask(&w, &(struct ask){ .n = 9, .prompt = prompt, .n_prompt = N_PROMPT,
                                     .max_tokens = N_TOKENS });
        assert_memory_equal(world_answer(&w, 9)->ids, ids, sizeof ids);
        world_close(&w);
}

/* A stop while the gateway does not read: the router stays until it has read the last words, and
 * for as long as it drains, but no longer. */
static void reads_late_in_a_drain(void **state)
{
        int32_t ids[N_TOKENS];

        (void)state;
        for (int reads = 1; reads >= 0; reads--) {
                start(0);
                w.stop_router = true;
                for (uint32_t i = 0; i < TURNS && world_numbers(&w)->running > 0; i++)
                        world_turn(&w);
                for (uint32_t i = 0; i < 100; i++)
                        world_turn(&w);
                assert_int_equal(world_numbers(&w)->running, 0);
                assert_int_equal(w.answer[0].finish, WT_RUNNING);
                assert_false(w.router_over);
                chaos.deaf = reads == 0;
                world_move(reads == 0 ? 1000000 : 0);
                for (uint32_t i = 0; i < TURNS && !w.router_over; i++)
                        world_turn(&w);
                assert_true(w.router_over);
                for (uint32_t n = 0; n < SEQS; n++) {
                        assert_int_equal(w.answer[n].finish, reads ? WT_LENGTH : WT_RUNNING);
                        if (reads && n == 0)
                                memcpy(ids, w.answer[0].ids, sizeof ids);
                }
                world_close(&w);
        }
        start(0);
        chaos.deaf = false;
        assert_int_equal(world_answer(&w, 0)->n_ids, N_TOKENS);
        assert_memory_equal(w.answer[0].ids, ids, sizeof ids);
        world_close(&w);
}

/* Sequences that are handed back at the end of a drain are told to one who reads a little later. */
static void handed_back_and_read_late(void **state)
{
        (void)state;
        start(0);
        w.stop_router = true;
        world_turn(&w);
        world_move(1000000);
        for (uint32_t i = 0; i < 100; i++)
                world_turn(&w);
        assert_int_equal(world_numbers(&w)->running, 0);
        assert_false(w.router_over);
        chaos.deaf = false;
        for (uint32_t i = 0; i < TURNS && !w.router_over; i++)
                world_turn(&w);
        for (uint32_t n = 0; n < SEQS; n++)
                assert_int_equal(w.answer[n].finish, WT_HANDED_BACK);
        world_close(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(too_much),
                                            cmocka_unit_test(within_bounds),
                                            cmocka_unit_test(reads_late_in_a_drain),
                                            cmocka_unit_test(handed_back_and_read_late) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
