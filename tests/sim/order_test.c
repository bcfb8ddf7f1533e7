/* order_test.c - replies in any order, twice, or never (chaos.h): the bits stay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "chaos.h"
#include "world.h"

enum { N_PROMPT = 300, N_TOKENS = 3 };

static struct world w;
static int32_t prompt[N_PROMPT];
static uint8_t truth[32];

static void ask(uint32_t n)
{
        world_ask(&w, &(struct ask){ .n = n, .prompt = prompt, .n_prompt = N_PROMPT,
                                     .max_tokens = N_TOKENS, .prompt_logprobs = true });
}

static int learn_truth(void **state)
{
        (void)state;
        for (uint32_t i = 0; i < N_PROMPT; i++)
                prompt[i] = (int32_t)(i * 37 % 4000);
        world_open(&w, &(struct world_conf){ .shard = { "*" } });
        ask(0);
        memcpy(truth, world_answer(&w, 0)->digest, sizeof truth);
        world_close(&w);
        return 0;
}

static const struct row { const char *name; struct world_conf conf; uint32_t drop_percent;
                          } rows[] = {
        { "shuffled and repeated, calls of several parts", { .shard = {
                "*:0,*:2,*:4,*:6,*:8,*:10,*:12,*:14", "*:1,*:3,*:5,*:7,*:9,*:11,*:13,*:15" } }, 0 },
        { "shuffled, three holders of everything", { .shard = { "*", "*", "*" } }, 0 },
        { "small credits", { .shard = { "*", "*" }, .credit_rows = 20 }, 0 },
        { "one of fifty parts lost", { .shard = { "*", "*" } }, 2 },
        { "one of twenty lost, disjoint shards", { .shard = { "*:0-7", "*:8-15" }, .chunk = 60 },
          5 },
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static void same_bits(void **state)
{
        const struct row *r = *state;
        struct world_conf c = r->conf;

        c.step_rows = 512;
        c.chunk = c.chunk > 0 ? c.chunk : 512;
        c.transport = &chaos_bus;
        for (uint64_t seed = 1; seed <= 2; seed++) {
                struct answer *a;

                chaos = (struct chaos){ .seed = seed, .drop_percent = r->drop_percent };
                world_open(&w, &c);
                ask(0);
                ask(1);
                for (uint32_t n = 0; n < 2; n++) {
                        a = world_answer(&w, n);
                        if (a->finish != 2)
                                fail_msg("finish %u: %s", a->finish, a->message);
                        assert_memory_equal(a->digest, truth, sizeof truth);
                }
                assert_true(world_numbers(&w)->replies_late > 0);
                if (r->drop_percent > 0)
                        assert_true(world_numbers(&w)->resends + world_numbers(&w)->hedges > 0);
                world_close(&w);
        }
}

int main(void)
{
        struct CMUnitTest tests[N_ROWS];

        for (size_t i = 0; i < N_ROWS; i++)
                tests[i] =
                        (struct CMUnitTest){ rows[i].name, same_bits, NULL, NULL,
                                             (void *)&rows[i] };
        return cmocka_run_group_tests(tests, learn_truth, NULL);
}
