/* router_test.c - law 1 end to end: the tokens and the bits of the logits do not depend on workers,
 * shards, batches, chunks or where a sequence was cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "base/json.h"
#include "base/buf.h"
#include "base/file.h"
#include "world.h"

enum { MAX_PROMPTS = 8, MAX_LEN = 1024 };

static struct prompt { int32_t ids[MAX_LEN], greedy[MAX_LEN]; double logprobs[MAX_LEN];
                       uint32_t n, n_greedy; } golden[MAX_PROMPTS];
static uint32_t n_golden;
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

static int read_golden(void **state)
{
        struct wt_buf text = { 0 };
        wt_json *j;
        wt_jv list;

        (void)state;
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
        return 0;
}

static void ask_golden(uint32_t n, uint32_t g)
{
        world_ask(&w, &(struct ask){ .n = n, .prompt = golden[g].ids, .n_prompt = golden[g].n,
                                     .max_tokens = golden[g].n_greedy });
}

static void greedy_equals_golden(void **state)
{
        (void)state;
        world_open(&w, &(struct world_conf){ .shard = { "*:0-7", "*:8-15" } });
        for (uint32_t g = 0; g < n_golden; g++)
                ask_golden(g, g);
        for (uint32_t g = 0; g < n_golden; g++) {
                struct answer *a = world_answer(&w, g);

                assert_int_equal(a->finish, WT_LENGTH);
                assert_int_equal(a->n_ids, golden[g].n_greedy);
                assert_memory_equal(a->ids, golden[g].greedy, a->n_ids * sizeof *a->ids);
        }
        world_close(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(greedy_equals_golden),
        };

        return cmocka_run_group_tests(tests, read_golden, NULL);
}
