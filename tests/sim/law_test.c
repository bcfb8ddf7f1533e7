/* law_test.c - the hash of tests/cluster (one over the raw bytes of all logits and the tokens of 40
 * mixed sequences) once more, with the parts of replies in a drawn order, half of them twice: what
 * processes give over sockets is what comes out here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/file.h"
#include "chaos.h"
#include "cluster/seqs.h"
#include "world.h"

static struct world w;
static struct seq_want want[MIXED];
static char hash[65];                            /* law_hash.txt */

static const struct row { const char *name; uint64_t seed; struct world_conf conf;
                          uint32_t drop_percent; } rows[] = {
        { "in the order in which they come, one worker", 0, { .shard = { "*" } }, 0 },
        { "shuffled, three holders of everything", 1,
          { .shard = { "*", "*", "*" }, .step_rows = 512, .chunk = 300 }, 0 },
        { "shuffled, odd and even experts apart", 2, { .shard = {
                "*:0,*:2,*:4,*:6,*:8,*:10,*:12,*:14", "*:1,*:3,*:5,*:7,*:9,*:11,*:13,*:15" },
                .step_rows = 512, .chunk = 17 }, 0 },
        { "shuffled, seven unequal shards", 3, { .shard = { "1-5:0", "1-5:1-3", "1-5:4", "1-5:5-9",
                "1-5:10-11", "1-5:12-14", "1-5:15" }, .place = "least-loaded" }, 0 },
        { "shuffled, small credits", 4, { .shard = { "*", "*" }, .credit_rows = 20 }, 0 },
        { "shuffled, one of fifty parts lost", 5, { .shard = { "*", "1-5:0-7", "1-5:8-15" } }, 2 },
};
#ifdef WITAN_DEBUG                               /* sanitizers take twenty times as long */
enum { N_ROWS = 2 };
#else
enum { N_ROWS = sizeof rows / sizeof *rows };
#endif

static void take(const struct answer *a, struct seq_want *s)
{
        if (a->finish != WT_LENGTH)
                fail_msg("finish %u: %s", a->finish, a->message);
        s->n_made = a->n_ids;
        memcpy(s->made, a->ids, a->n_ids * sizeof *a->ids);
        s->has_digest = a->has_digest;
        memcpy(s->digest, a->digest, sizeof a->digest);
}

static void one_hash(void **state)
{
        const struct row *r = *state;
        struct world_conf c = r->conf;
        struct field_client client;
        char got[65];

        chaos = (struct chaos){ .seed = r->seed, .drop_percent = r->drop_percent };
        c.transport = r->seed > 0 ? &chaos_bus : NULL;
        world_open(&w, &c);
        client = (struct field_client){ .bus = w.gateway_bus };
        seq_mixed(want, 4096);
        for (uint32_t i = 0; i < MIXED; i++)
                seq_submit(&client, &want[i]);
        for (uint32_t i = 0; i < MIXED; i++)
                take(world_answer(&w, i), &want[i]);
        seq_hash(want, MIXED, got);
        assert_string_equal(got, hash);
        if (r->seed > 0) {                       /* it was not for nothing */
                print_message("# %llu parts, %llu of them before an earlier one\n",
                              (unsigned long long)chaos.n_replies,
                              (unsigned long long)chaos.n_overtook);
                assert_true(chaos.n_overtook > chaos.n_replies / 4);
                assert_true(world_numbers(&w)->replies_late > 0);
        }
        if (r->drop_percent > 0)
                assert_true(world_numbers(&w)->resends + world_numbers(&w)->hedges > 0);
        world_close(&w);
}

int main(void)
{
        struct CMUnitTest tests[N_ROWS];
        struct wt_buf text = { 0 };

        if (wt_file_read("tests/cluster/law_hash.txt", 4096, &text) != WT_OK || text.len < 64)
                return 1;
        memcpy(hash, text.data, 64);
        wt_buf_free(&text);
        for (size_t i = 0; i < N_ROWS; i++)
                tests[i] = (struct CMUnitTest){ rows[i].name, one_hash, NULL, NULL,
                                                (void *)&rows[i] };
        return cmocka_run_group_tests_name("law 1, shuffled", tests, NULL, NULL);
}
