/* bits_test.c - law 1 end to end: the tokens and the bits of the logits do not depend on workers,
 * shards, batches, chunks or where a sequence was cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/buf.h"
#include "base/file.h"
#include "base/hot.h"
#include "base/json.h"
#include "world.h"

enum { MAX_PROMPTS = 8, MAX_LEN = 1024, N_TOKENS = 8, BRIEF = 40 };

static struct prompt { int32_t ids[MAX_LEN], greedy[MAX_LEN]; double logprobs[MAX_LEN];
                       uint32_t n, n_greedy; } golden[MAX_PROMPTS];
static uint32_t n_golden;
static uint8_t truth[MAX_PROMPTS][32];           /* digests of one sequence alone */
static struct world w;

static uint32_t numbers(const wt_json *j, wt_jv list, int32_t *to)
{
        uint32_t n = 0;

        for (wt_jv v = wt_json_first(j, list); v != WT_JSON_NONE; v = wt_json_next(j, v)) {
                int64_t x = 0;

                assert_true(n < MAX_LEN && wt_json_i64(j, v, &x));
                to[n++] = (int32_t)x;
        }
        return n;
}

static void read_golden(void)
{
        struct wt_buf text = { 0 };
        wt_json *j;
        wt_jv list;

        assert_int_equal(wt_file_read("models/tiny/golden.json", 1 << 20, &text), WT_OK);
        assert_int_equal(wt_json_parse(&j, text.data, text.len, &wt_json_default), WT_OK);
        list = wt_json_get(j, 0, "prompts");
        for (wt_jv p = wt_json_first(j, list); p != WT_JSON_NONE; p = wt_json_next(j, p)) {
                struct prompt *g = &golden[n_golden++];
                uint32_t i = 0;

                assert_true(n_golden <= MAX_PROMPTS);
                g->n = numbers(j, wt_json_get(j, p, "ids"), g->ids);
                g->n_greedy = numbers(j, wt_json_get(j, p, "greedy"), g->greedy);
                for (wt_jv v = wt_json_first(j, wt_json_get(j, p, "logprobs")); v != WT_JSON_NONE;
                     v = wt_json_next(j, v), i++)
                        wt_json_f64(j, v, &g->logprobs[i]);
        }
        wt_json_free(j);
        wt_buf_free(&text);
}

/* Request n: the beginning of golden prompt g, a few tokens, the logits of every position. */
static void ask_brief(uint32_t n, uint32_t g)
{
        world_ask(&w, &(struct ask){ .n = n, .prompt = golden[g].ids,
                                     .n_prompt = golden[g].n < BRIEF ? golden[g].n : BRIEF,
                                     .max_tokens = N_TOKENS, .prompt_logprobs = true,
                                     .temperature = 1, .seed = g });
}

static void check_brief(uint32_t n, uint32_t g)
{
        struct answer *a = world_answer(&w, n);

        assert_int_equal(a->finish, WT_LENGTH);
        assert_true(a->has_digest);
        assert_memory_equal(a->digest, truth[g], sizeof truth[g]);
}

static int learn_truth(void **state)
{
        (void)state;
        read_golden();
        world_open(&w, &(struct world_conf){ .shard = { "*" } });
        for (uint32_t g = 0; g < n_golden; g++) {
                ask_brief(0, g);
                memcpy(truth[g], world_answer(&w, 0)->digest, sizeof truth[g]);
        }
        world_close(&w);
        assert_memory_not_equal(truth[0], truth[1], sizeof truth[0]);
        return 0;
}

static void greedy_equals_golden(void **state)
{
        (void)state;
        world_open(&w, &(struct world_conf){ .shard = { "*:0-7", "*:8-15" } });
        for (uint32_t g = 0; g < n_golden; g++)
                world_ask(&w,
                          &(struct ask){ .n = g, .prompt = golden[g].ids, .n_prompt = golden[g].n,
                                             .max_tokens = golden[g].n_greedy,
                                             .prompt_logprobs = true,
                                             .logprobs = true, .n_top = 3 });
        for (uint32_t g = 0; g < n_golden; g++) {
                struct answer *a = world_answer(&w, g);

                assert_int_equal(a->finish, WT_LENGTH);
                assert_int_equal(a->n_ids, golden[g].n_greedy);
                assert_memory_equal(a->ids, golden[g].greedy, a->n_ids * sizeof *a->ids);
                assert_memory_equal(a->top, golden[g].greedy, a->n_ids * sizeof *a->ids);
                assert_int_equal(a->n_prompt_logprobs, golden[g].n - 1);
                for (uint32_t i = 0; i < a->n_prompt_logprobs; i++)
                        assert_true(fabs(a->prompt_logprobs[i] - golden[g].logprobs[i + 1]) < 2e-4);
        }
        assert_int_equal(world_numbers(&w)->pages_used, 0);
        world_close(&w);
}

/* ---- nothing changes the bits ---- */

static const struct way { const char *name; struct world_conf conf; uint32_t batch; } ways[] = {
        { "chunks of 1", { .chunk = 1 }, 6 },
        { "chunks of 17", { .chunk = 17 }, 6 },
        { "chunks of 256", { .chunk = 256, .step_rows = 512 }, 6 },
        { "steps of 5 rows", { .step_rows = 5 }, 6 },
        { "two sequences at a time", { .max_seqs = 2 }, 6 },
        { "three workers, each some layers", { .shard = { "1-2", "3", "4-5" } }, 6 },
        { "odd and even experts apart", { .shard = { "*:0,*:2,*:4,*:6,*:8,*:10,*:12,*:14",
                                                     "*:1,*:3,*:5,*:7,*:9,*:11,*:13,*:15" } }, 6 },
        { "three unequal shards", { .shard = { "*:0", "*:1-10", "*:11-15" } }, 6 },
        { "seven shards that overlap", { .shard = { "*:0-3", "*:2-5", "*:4-9", "*:8-12", "*:11-15",
                                                    "*:0-15", "1-3:0-7" } }, 6 },
        { "least-loaded placement", { .shard = { "*", "*", "*" }, .place = "least-loaded" }, 6 },
        { "credit of 3 rows", { .credit_rows = 3 }, 6 },
        { "credit of 1 row, one worker", { .shard = { "*" }, .credit_rows = 1 }, 3 },
};
enum { N_WAYS = sizeof ways / sizeof *ways };

static void same_bits(void **state)
{
        const struct way *y = *state;

        world_open(&w, &y->conf);
        assert_int_equal(world_numbers(&w)->missing, 0);
        for (uint32_t n = 0; n < y->batch; n++)
                ask_brief(n, n % n_golden);
        for (uint32_t n = 0; n < y->batch; n++)
                check_brief(n, n % n_golden);
        assert_int_equal(world_numbers(&w)->pages_used, 0);
        world_close(&w);
}

static void batches_of_1_to_16(void **state)
{
        (void)state;
        world_open(&w, &(struct world_conf){ .shard = { "*:0-7", "*:8-15" } });
        for (uint32_t batch = 1; batch <= 16; batch++) {
                for (uint32_t n = 0; n < batch; n++)
                        ask_brief(n, (n + batch) % n_golden);
                for (uint32_t n = 0; n < batch; n++)
                        check_brief(n, (n + batch) % n_golden);
        }
        world_close(&w);
}

/* ---- a record continues anywhere ---- */

static void cut_and_continue(void **state)
{
        struct ask whole = { .n = 0, .prompt = golden[0].ids, .n_prompt = golden[0].n,
                             .max_tokens = 20, .temperature = 1, .top_p = 0.95f, .seed = 99 };
        struct answer a;

        (void)state;
        world_open(&w, &(struct world_conf){ .chunk = 7 });
        world_ask(&w, &whole);
        a = *world_answer(&w, 0);
        assert_int_equal(a.n_ids, 20);
        for (uint32_t cut = 1; cut <= 20; cut++) {
                struct ask rest = whole;
                struct answer *b;

                rest.n = cut;
                rest.made = a.ids;
                rest.n_made = cut;
                rest.attempt = 1;
                world_ask(&w, &rest);
                b = world_answer(&w, cut);
                assert_int_equal(b->finish, WT_LENGTH);
                assert_int_equal(b->n_ids, 20 - cut);
                assert_memory_equal(b->ids, a.ids + cut, b->n_ids * sizeof *b->ids);
                if (cut < 20)                    /* the replayed logits too; at 20 none are */
                        assert_memory_equal(b->digest, a.digest, sizeof a.digest);
        }
        world_close(&w);
}

static void seeds_and_choices_differ(void **state)
{
        struct ask q = { .prompt = golden[0].ids, .n_prompt = golden[0].n, .max_tokens = 20,
                         .temperature = 1 };

        (void)state;
        world_open(&w, &(struct world_conf){ .shard = { "*" } });
        for (q.n = 0; q.n < 3; q.n++) {
                q.seed = q.n == 1;
                q.choice = q.n == 2;
                world_ask(&w, &q);
        }
        for (uint32_t n = 0; n < 3; n++)
                world_answer(&w, n);
        assert_memory_not_equal(w.answer[0].ids, w.answer[1].ids, 20 * 4);
        assert_memory_not_equal(w.answer[0].ids, w.answer[2].ids, 20 * 4);
        world_close(&w);
}

static void end_token_stops(void **state)
{
        struct ask q = { .prompt = golden[0].ids, .n_prompt = golden[0].n, .max_tokens = 48 };
        struct answer *a;
        uint32_t end = 5, first = 0;

        (void)state;
        while (golden[0].greedy[first] != golden[0].greedy[end])
                first++;
        world_open(&w, &(struct world_conf){ .shard = { "*" } });
        q.eos = (uint32_t)golden[0].greedy[end];
        world_ask(&w, &q);
        a = world_answer(&w, 0);
        assert_int_equal(a->finish, WT_STOP);
        assert_int_equal(a->n_ids, first + 1);   /* the end token is the last id */
        q.n = 1;
        q.ignore_eos = true;                     /* now it is never drawn */
        world_ask(&w, &q);
        a = world_answer(&w, 1);
        assert_int_equal(a->finish, WT_LENGTH);
        for (uint32_t i = 0; i < a->n_ids; i++)
                assert_int_not_equal(a->ids[i], q.eos);
        world_close(&w);
}

static void scores_alone(void **state)
{
        struct answer *a;

        (void)state;
        world_open(&w, &(struct world_conf){ .chunk = 4 });
        world_ask(&w, &(struct ask){ .n = 0, .prompt = golden[1].ids, .n_prompt = golden[1].n,
                                     .max_tokens = 0, .prompt_logprobs = true });
        a = world_answer(&w, 0);
        assert_int_equal(a->finish, WT_LENGTH);
        assert_int_equal(a->n_ids, 0);
        assert_int_equal(a->n_prompt_logprobs, golden[1].n - 1);
        world_close(&w);
}

/* Law 5: once warm, router, workers and the in-process bus take no memory. */
static void warm_steps_allocate_nothing(void **state)
{
        uint64_t before;

        (void)state;
        world_open(&w, &(struct world_conf){ .shard = { "*:0-7", "*:8-15" } });
        for (uint32_t n = 0; n < 4; n++)
                world_ask(&w,
                          &(struct ask){ .n = n, .prompt = golden[n].ids, .n_prompt = golden[n].n,
                                             .max_tokens = 600, .temperature = 1, .seed = n });
        while (w.answer[0].n_ids < 300)
                world_turn(&w);
        before = wt_hot_allocs();
        wt_hot_begin();
        while (w.answer[0].n_ids < 500)
                world_turn(&w);
        wt_hot_end();
        assert_int_equal(wt_hot_allocs(), before);
        world_close(&w);
}

int main(void)
{
        struct CMUnitTest tests[N_WAYS + 7] = {
                cmocka_unit_test(greedy_equals_golden), cmocka_unit_test(batches_of_1_to_16),
                cmocka_unit_test(cut_and_continue), cmocka_unit_test(seeds_and_choices_differ),
                cmocka_unit_test(end_token_stops), cmocka_unit_test(scores_alone),
                cmocka_unit_test(warm_steps_allocate_nothing),
        };

        for (size_t i = 0; i < N_WAYS; i++)
                tests[7 + i] = (struct CMUnitTest){ ways[i].name, same_bits, NULL, NULL,
                                                    (void *)&ways[i] };
        return cmocka_run_group_tests(tests, learn_truth, NULL);
}
