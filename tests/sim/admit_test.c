/* admit_test.c - what the router takes in, what it refuses with which numbers, and what comes
 * back to the pool. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/err.h"
#include "world.h"

static struct world w;
static int32_t ids[2048];

/* Of models/tiny: layers, positions, latent and rope. */
enum { PAGE_BYTES = 6 * 64 * (64 + 16) * 4 };

static int fill_ids(void **state)
{
        (void)state;
        for (uint32_t i = 0; i < 2048; i++)
                ids[i] = (int32_t)(100 + i % 3000);
        return 0;
}

/* ---- refusals ---- */

static int32_t too_high[3] = { 5, 4096, 7 };
static const struct row { const char *name; struct ask q; uint32_t status;
                          const char *needle, *other; } rows[] = {
        { "beyond the context, both numbers", { .n_prompt = 1000, .max_tokens = 25 }, WT_ERANGE,
          "1025", "1024" },
        { "beyond the pages, both numbers", { .n_prompt = 500, .max_tokens = 100 }, WT_EEXHAUSTED,
          "10 KV pages", "has 4" },
        { "id outside the vocabulary", { .prompt = too_high, .n_prompt = 3, .max_tokens = 1 },
          WT_ERANGE, "place 1", "4096" },
        { "made id outside the vocabulary", { .n_prompt = 1, .made = too_high, .n_made = 3,
          .max_tokens = 5 }, WT_ERANGE, "place 1 of the ids made", "4096" },
        { "more made than asked for", { .n_prompt = 1, .made = ids, .n_made = 3, .max_tokens = 2 },
          WT_EINVAL, "3 tokens", "max_tokens 2" },
        { "nothing to do", { .n_prompt = 1 }, WT_EINVAL, "max_tokens is 0", "" },
        { "end token outside the vocabulary", { .n_prompt = 1, .max_tokens = 1, .eos = 5000 },
          WT_ERANGE, "5000", "4096" },
        { "valid_vocab above the vocabulary",
          { .n_prompt = 1, .max_tokens = 1, .valid_vocab = 4097 }, WT_ERANGE, "4097", "4096" },
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static void refused(void **state)
{
        const struct row *r = *state;
        struct ask q = r->q;
        struct answer *a;

        if (q.prompt == NULL)
                q.prompt = ids;
        world_open(&w, &(struct world_conf){ .kv_bytes = 4 * PAGE_BYTES });
        assert_int_equal(w.welcome.kv_pages, 4);
        world_ask(&w, &q);
        a = world_answer(&w, 0);
        assert_int_equal(a->finish, WT_FAILED);
        assert_int_equal(a->status, r->status);
        if (strstr(a->message, r->needle) == NULL || strstr(a->message, r->other) == NULL)
                fail_msg("'%s' lacks '%s' or '%s'", a->message, r->needle, r->other);
        q = (struct ask){ .n = 1, .prompt = ids, .n_prompt = 3, .max_tokens = 2 };
        world_ask(&w, &q);                       /* it still serves */
        assert_int_equal(world_answer(&w, 1)->finish, WT_LENGTH);
        world_close(&w);
}

static void whole_context_fits(void **state)
{
        (void)state;
        world_open(&w, &(struct world_conf){ .max_context = 100 });
        assert_int_equal(w.welcome.max_context, 100);
        world_ask(&w, &(struct ask){ .n = 0, .prompt = ids, .n_prompt = 90, .max_tokens = 10 });
        world_ask(&w, &(struct ask){ .n = 1, .prompt = ids, .n_prompt = 90, .max_tokens = 11 });
        assert_int_equal(world_answer(&w, 0)->finish, WT_LENGTH);
        assert_int_equal(w.answer[0].n_ids, 10);
        assert_int_equal(world_answer(&w, 1)->status, WT_ERANGE);
        world_close(&w);
}

/* ---- pages and queue ---- */

static void ask(uint32_t n, uint32_t tokens)
{
        world_ask(&w, &(struct ask){ .n = n, .prompt = ids, .n_prompt = 10, .max_tokens = tokens });
}

static void turns(int n)
{
        while (n-- > 0)
                world_turn(&w);
}

static void waits_for_pages_in_order(void **state)
{
        struct router_numbers *n;

        (void)state;
        world_open(&w, &(struct world_conf){ .kv_bytes = 4 * PAGE_BYTES, .max_waiting = 2 });
        ask(0, 180);                             /* 3 of 4 pages */
        ask(1, 100);                             /* 2: waits */
        ask(2, 20);                              /* 1 would fit, but comes later */
        ask(3, 20);                              /* the queue is full */
        turns(3);
        n = world_numbers(&w);
        assert_int_equal(n->pages_used, 3);
        assert_int_equal(n->running, 1);
        assert_int_equal(n->waiting, 2);
        assert_int_equal(w.answer[3].status, WT_EEXHAUSTED);
        assert_non_null(strstr(w.answer[3].message, "2 sequences wait"));
        for (uint32_t i = 0; i < 3; i++)
                assert_int_equal(world_answer(&w, i)->finish, WT_LENGTH);
        assert_int_equal(world_numbers(&w)->pages_used, 0);
        world_close(&w);
}

static void max_seqs_holds(void **state)
{
        (void)state;
        world_open(&w, &(struct world_conf){ .max_seqs = 3, .max_waiting = 60 });
        for (uint32_t i = 0; i < 20; i++)
                ask(i, 5);
        turns(2);
        assert_int_equal(world_numbers(&w)->running, 3);
        assert_int_equal(world_numbers(&w)->waiting, 17);
        for (uint32_t i = 0; i < 20; i++)
                assert_int_equal(world_answer(&w, i)->finish, WT_LENGTH);
        world_close(&w);
}

static void cancel_frees_within_a_step(void **state)
{
        (void)state;
        world_open(&w, &(struct world_conf){ .kv_bytes = 4 * PAGE_BYTES });
        ask(0, 200);
        ask(1, 200);
        for (int i = 0; w.answer[0].n_ids < 3 && i < 10000; i++)
                world_turn(&w);
        world_cancel(&w, 1);                     /* one that waits */
        world_cancel(&w, 0);                     /* one in the middle of a step */
        turns(30);                               /* a step takes about two turns a layer */
        assert_int_equal(w.answer[0].finish, WT_CANCELLED);
        assert_int_equal(w.answer[1].finish, WT_CANCELLED);
        assert_int_equal(world_numbers(&w)->pages_used, 0);
        assert_int_equal(world_numbers(&w)->running, 0);
        ask(2, 200);
        assert_int_equal(world_answer(&w, 2)->finish, WT_LENGTH);
        world_close(&w);
}

static void attempts(void **state)
{
        struct ask q = { .n = 0, .prompt = ids, .n_prompt = 10, .max_tokens = 300, .attempt = 1 };

        (void)state;
        world_open(&w, &(struct world_conf){ .kv_bytes = 16 * PAGE_BYTES });
        world_ask(&w, &q);
        turns(10);
        world_ask(&w, &q);                       /* again: refused, the first goes on */
        turns(2);
        assert_int_equal(w.answer[0].refused, WT_EEXIST);
        assert_int_equal(world_numbers(&w)->running, 1);
        q.attempt = 0;
        world_ask(&w, &q);                       /* older */
        turns(2);
        assert_int_equal(w.answer[0].refused, WT_EABORTED);
        memset(&w.answer[0], 0, sizeof w.answer[0]);
        q.attempt = 2;
        q.max_tokens = 4;
        world_ask(&w, &q);                       /* takes the place of the first */
        assert_int_equal(world_answer(&w, 0)->finish, WT_LENGTH);
        turns(30);
        assert_int_equal(world_numbers(&w)->running, 0);
        assert_int_equal(world_numbers(&w)->pages_used, 0);
        world_close(&w);
}

/* Sent again because its gateway heard nothing, while the router drains: what runs goes on. */
static void an_attempt_again_in_a_drain(void **state)
{
        struct ask q = { .n = 0, .prompt = ids, .n_prompt = 10, .max_tokens = 20, .attempt = 1 };

        (void)state;
        world_open(&w, &(struct world_conf){ 0 });
        memset(&w.answer[0], 0, sizeof w.answer[0]);
        world_ask(&w, &q);
        turns(10);
        w.stop_router = true;
        turns(2);
        assert_true(w.draining_pushed);
        world_ask(&w, &q);
        turns(2);
        assert_int_equal(w.answer[0].refused, WT_EEXIST);
        w.answer[0].finish = WT_RUNNING;         /* the refusal's event ended it here */
        assert_int_equal(world_answer(&w, 0)->finish, WT_LENGTH);
        assert_int_equal(w.answer[0].n_ids, 20);
        world_close(&w);
}

/* A full queue does not keep out a newer attempt of one that stands in it: it takes its place. */
static void attempt_in_a_full_queue(void **state)
{
        struct ask q = { .n = 1, .prompt = ids, .n_prompt = 10, .max_tokens = 4 };

        (void)state;
        world_open(&w, &(struct world_conf){ .max_seqs = 1, .max_waiting = 1 });
        ask(0, 300);
        turns(2);
        world_ask(&w, &q);                       /* waits, and fills the queue */
        turns(2);
        assert_int_equal(world_numbers(&w)->waiting, 1);
        q.attempt = 1;
        world_ask(&w, &q);
        ask(2, 4);                               /* another one is still turned away */
        turns(2);
        assert_int_equal(w.answer[1].events, 0);
        assert_int_equal(w.answer[2].status, WT_EEXHAUSTED);
        assert_int_equal(world_numbers(&w)->waiting, 1);
        assert_int_equal(world_answer(&w, 1)->finish, WT_LENGTH);
        assert_int_equal(w.answer[1].n_ids, 4);
        world_close(&w);
}

static void complete_record_ends_at_once(void **state)
{
        (void)state;
        world_open(&w, &(struct world_conf){ .shard = { "*" } });
        world_ask(&w, &(struct ask){ .n = 0, .prompt = ids, .n_prompt = 4, .made = ids, .n_made = 3,
                                     .max_tokens = 9, .eos = (uint32_t)ids[2] });
        assert_int_equal(world_answer(&w, 0)->finish, WT_STOP);
        assert_int_equal(w.answer[0].n_ids, 0);
        assert_int_equal(world_numbers(&w)->steps, 0);
        world_close(&w);
}

static void deadlines_end_what_runs_and_waits(void **state)
{
        (void)state;
        world_open(&w, &(struct world_conf){ .max_seqs = 1 });
        for (uint32_t n = 0; n < 2; n++)
                world_ask(&w,
                          &(struct ask){ .n = n, .prompt = ids, .n_prompt = 10, .max_tokens = 500,
                                             .deadline_us = 50000 });
        turns(20);
        assert_int_equal(w.answer[0].finish + w.answer[1].finish, WT_RUNNING);
        world_move(60000);
        turns(3);
        for (uint32_t n = 0; n < 2; n++)
                assert_int_equal(w.answer[n].status, WT_EDEADLINE);
        assert_int_equal(world_numbers(&w)->pages_used, 0);
        world_close(&w);
}

static void decode_before_prefill(void **state)
{
        uint32_t before;

        (void)state;
        world_open(&w, &(struct world_conf){ .step_rows = 8, .chunk = 8 });
        ask(0, 100);
        for (int i = 0; w.answer[0].n_ids < 2 && i < 10000; i++)
                world_turn(&w);
        before = w.answer[0].n_ids;
        world_ask(&w, &(struct ask){ .n = 1, .prompt = ids, .n_prompt = 70, .max_tokens = 1 });
        world_answer(&w, 1);                     /* 10 steps of 7 rows beside each token of 0 */
        assert_in_range(w.answer[0].n_ids - before, 9, 12);
        world_close(&w);
}

int main(void)
{
        struct CMUnitTest tests[N_ROWS + 10] = {
                cmocka_unit_test(whole_context_fits), cmocka_unit_test(waits_for_pages_in_order),
                cmocka_unit_test(max_seqs_holds), cmocka_unit_test(cancel_frees_within_a_step),
                cmocka_unit_test(attempts), cmocka_unit_test(complete_record_ends_at_once),
                cmocka_unit_test(decode_before_prefill), cmocka_unit_test(attempt_in_a_full_queue),
                cmocka_unit_test(deadlines_end_what_runs_and_waits),
                cmocka_unit_test(an_attempt_again_in_a_drain),
        };

        for (size_t i = 0; i < N_ROWS; i++)
                tests[10 + i] = (struct CMUnitTest){ rows[i].name, refused, NULL, NULL,
                                                    (void *)&rows[i] };
        return cmocka_run_group_tests(tests, fill_ids, NULL);
}
