/* continue_test.c - a sequence goes on somewhere else as if nothing had been: after the ids that
 * were made already, at a router that takes over from one that drains, that was killed, that came
 * back. */
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

enum { SECOND = 1000 * 1000, MINUTE = 60 * SECOND, FEW = 8 };

static struct field f;
static char at[2][64];                           /* bus endpoints of the two routers */
static uint32_t router[2], worker[2];

static uint64_t now(void) { return wt_now_us(&wt_clock_real); }

static void start_router(uint32_t i, const char *more)
{
        char name[16], bus[80];

        snprintf(name, sizeof name, "router-%u", i);
        snprintf(bus, sizeof bus, "--bus=%s", at[i]);
        router[i] = field_start(&f, NULL, "router", name, bus, "--threads=2", more, NULL);
}

/* Two workers that know of two routers; the first router runs. */
static void start(const char *more)
{
        char both[160];

        field_open(&f, NULL, "models/tiny");
        for (uint32_t i = 0; i < 2; i++)
                snprintf(at[i], sizeof at[i], "tcp://127.0.0.1:%d", field_port());
        snprintf(both, sizeof both, "--routers-at=%s,%s", at[0], at[1]);
        start_router(0, more);
        worker[0] = field_start(&f, NULL, "expert", "expert-0", both, "--threads=1", NULL);
        worker[1] = field_start(&f, NULL, "expert", "expert-1", both, "--shard=1-3:2-9",
                                "--threads=1", NULL);
        field_ready(&f, worker[0]);
        field_ready(&f, worker[1]);
        field_ready(&f, router[0]);
}

static void ask_for(struct seq_want *s, uint32_t i, uint32_t max_tokens)
{
        memset(s, 0, sizeof *s);
        s->n_prompt = 9 + 5 * i;
        for (uint32_t k = 0; k < s->n_prompt; k++)
                s->prompt[k] = (int32_t)(300 + 17 * k + i);
        s->max_tokens = max_tokens;
        s->temperature = 1;
        s->top_p = 0.9f;
        s->seed = 4000 + i;
        s->id[0] = (uint8_t)i;
        s->id[15] = 9;
}

/* ---- cut at every token ---- */

/* A digest covers the rows that a continued run replays, so it is the whole run's. */
static void cut_at_every_token(void **state)
{
        enum { TOKENS = 48 };
        static struct seq_want whole, part[TOKENS];
        struct field_client c;

        (void)state;
        start("--chunk=13");
        client_open_at(&c, &f, "gateway-0", at[0]);
        ask_for(&whole, 3, TOKENS);
        seq_submit(&c, &whole);
        assert_int_equal(seq_collect(&c, &whole, 1, MINUTE), 1);
        assert_int_equal(whole.n_made, TOKENS);
        for (uint32_t cut = 0; cut < TOKENS; cut++) {
                ask_for(&part[cut], 3, TOKENS);
                part[cut].id[1] = (uint8_t)(cut + 1);
                part[cut].n_made = cut;
                memcpy(part[cut].made, whole.made, cut * sizeof *whole.made);
                seq_submit(&c, &part[cut]);
        }
        assert_int_equal(seq_collect(&c, part, TOKENS, MINUTE), TOKENS);
        for (uint32_t cut = 0; cut < TOKENS; cut++)
                seq_same(&part[cut], &whole);
        client_close(&c);
        field_close(&f);
}

/* Ids that differ from what would have been drawn count as they are: the rest follows from them. */
static void made_ids_count(void **state)
{
        static struct seq_want whole, other;
        struct field_client c;

        (void)state;
        start("--chunk=128");
        client_open_at(&c, &f, "gateway-0", at[0]);
        ask_for(&whole, 3, 40);
        seq_submit(&c, &whole);
        assert_int_equal(seq_collect(&c, &whole, 1, MINUTE), 1);
        ask_for(&other, 3, 40);
        other.n_made = 20;
        memcpy(other.made, whole.made, 20 * sizeof *whole.made);
        other.made[4] = (other.made[4] + 1) % 4000 + 2;
        seq_submit(&c, &other);
        assert_int_equal(seq_collect(&c, &other, 1, MINUTE), 1);
        assert_memory_not_equal(other.digest, whole.digest, 32);
        assert_memory_not_equal(other.made + 20, whole.made + 20, 20 * sizeof *whole.made);
        client_close(&c);
        field_close(&f);
}

/* ---- SIGTERM ---- */

static void begin(struct field_client *c, struct seq_want *s, uint32_t n, uint32_t max_tokens,
                  uint32_t least)
{
        uint64_t end = now() + MINUTE;
        uint32_t made = 0;

        for (uint32_t i = 0; i < n; i++) {
                ask_for(&s[i], i, max_tokens);
                seq_submit(c, &s[i]);
        }
        while (made < least) {
                assert_true(now() < end);
                assert_true(seq_collect(c, s, n, 1000) < n);
                made = 0;
                for (uint32_t i = 0; i < n; i++)
                        made += s[i].n_made;
        }
}

static void learn(struct field_client *c, struct seq_want *quiet, uint32_t n, uint32_t max_tokens)
{
        for (uint32_t i = 0; i < n; i++) {
                ask_for(&quiet[i], i, max_tokens);
                quiet[i].id[15] = 10;
                seq_submit(c, &quiet[i]);
        }
        assert_int_equal(seq_collect(c, quiet, n, MINUTE), n);
}

static void handed_back(void **state)
{
        static struct seq_want quiet[FEW], s[FEW];
        struct field_client c, d;
        uint32_t moved = 0;

        (void)state;
        start("--drain=0");
        client_open_at(&c, &f, "gateway-0", at[0]);
        learn(&c, quiet, FEW, 120);
        begin(&c, s, FEW, 120, 100);
        field_kill(&f, router[0], SIGTERM);
        assert_int_equal(seq_collect(&c, s, FEW, MINUTE), FEW);
        assert_int_equal(field_wait(&f, router[0]), 0);
        client_close(&c);
        start_router(1, "--chunk=16");
        field_ready(&f, router[1]);
        client_open_at(&d, &f, "gateway-0", at[1]);
        for (uint32_t i = 0; i < FEW; i++) {
                if (s[i].finish == WT_LENGTH)
                        continue;
                assert_int_equal(s[i].finish, WT_HANDED_BACK);
                moved++;
                assert_memory_equal(s[i].made, quiet[i].made, s[i].n_made * sizeof *s[i].made);
                seq_submit(&d, &s[i]);
        }
        assert_true(moved > 0);
        assert_int_equal(seq_collect(&d, s, FEW, MINUTE), FEW);
        for (uint32_t i = 0; i < FEW; i++)
                seq_same(&s[i], &quiet[i]);
        print_message("# %u of %u were handed back and went on elsewhere\n", moved, FEW);
        client_close(&d);
        field_close(&f);
}

static void drains(void **state)
{
        static struct seq_want quiet[FEW], s[FEW];
        uint64_t end = now() + MINUTE;
        struct field_client c;
        char words[256];

        (void)state;
        start("--drain=60s");
        client_open_at(&c, &f, "gateway-0", at[0]);
        learn(&c, quiet, FEW, 800);
        begin(&c, s, FEW, 800, 20);
        field_kill(&f, router[0], SIGTERM);
        while (field_is_ready(&f, router[0], words))
                assert_true(now() < end);
        assert_non_null(strstr(words, "draining"));
        assert_true(field_metric(&f, router[0], "witan_router_draining") == 1);
        assert_int_equal(seq_collect(&c, s, FEW, MINUTE), FEW);
        for (uint32_t i = 0; i < FEW; i++)
                seq_same(&s[i], &quiet[i]);
        assert_int_equal(field_wait(&f, router[0]), 0);
        client_close(&c);
        field_close(&f);
}

static void draining_refuses(void **state)
{
        static struct seq_want s[FEW], late;
        struct field_client c;

        (void)state;
        start("--drain=60s");
        client_open_at(&c, &f, "gateway-0", at[0]);
        begin(&c, s, FEW, 900, 20);
        field_kill(&f, router[0], SIGTERM);
        field_log_until(&f, "router-0", "ROUTER-DRAINS");
        ask_for(&late, 20, 5);
        seq_submit(&c, &late);
        assert_int_equal(seq_collect(&c, &late, 1, MINUTE), 1);
        assert_int_equal(late.finish, WT_FAILED);
        assert_int_equal(late.status, WT_EUNAVAILABLE);
        if (strstr(late.message, "drain") == NULL)
                fail_msg("it does not say that it drains: %s", late.message);
        for (uint32_t i = 0; i < FEW; i++)
                seq_cancel(&c, &s[i]);
        assert_int_equal(field_wait(&f, router[0]), 0);
        client_close(&c);
        field_close(&f);
}

/* ---- a stream goes on ---- */

#define BODY "{\"model\":\"tiny\",\"prompt\":\"Once upon a time\",\"max_tokens\":160," \
             "\"temperature\":1,\"top_p\":0.9,\"seed\":11,\"n\":8,\"ignore_eos\":true," \
             "\"stream\":true}"

struct blow { uint32_t at_chunk; void (*strike)(void); };

static bool strike(void *arg, struct answer *a)
{
        struct blow *b = arg;

        if (b->strike != NULL && a->chunks == b->at_chunk)
                b->strike();
        return true;
}

static void start_gateway(char http[64], const char *more)
{
        char flag[80], both[160];
        uint32_t g;

        snprintf(http, 64, "127.0.0.1:%d", field_port());
        snprintf(flag, sizeof flag, "--http=%s", http);
        snprintf(both, sizeof both, "--routers-at=%s,%s", at[0], at[1]);
        g = field_start(&f, NULL, "gateway", "gateway-0", flag, both, "--open-door",
                        "--router-wait=30s", more, NULL);
        field_ready(&f, g);
}

static void same_text(const struct answer *a, const struct answer *b)
{
        for (uint32_t i = 0; i < 8; i++) {
                if (a->error[0] != '\0' || a->text[i].len != b->text[i].len)
                        fail_msg("choice %u: %zu bytes, not %zu; %s", i, a->text[i].len,
                                 b->text[i].len, a->error);
                assert_memory_equal(a->text[i].data, b->text[i].data, a->text[i].len);
                assert_string_equal(a->finish[i], b->finish[i]);
        }
        assert_true(a->done && b->done);
}

/* The same answer without and with a blow in its middle. */
static void stream_twice(uint32_t n_routers, void (*how)(void))
{
        struct blow none = { 0 }, one = { .at_chunk = 200, .strike = how };
        struct answer quiet = { .each = strike, .arg = &none }, a = { .each = strike, .arg = &one };
        char http[64];
        uint32_t g;

        start("--drain=0");
        if (n_routers > 1) {
                start_router(1, "--drain=0");
                field_ready(&f, router[1]);
        }
        start_gateway(http, NULL);
        g = f.n - 1;
        field_until(&f, g, "witan_gateway_routers", n_routers, n_routers);
        assert_int_equal(answer_stream(http, BODY, &quiet), 200);
        assert_int_equal(answer_stream(http, BODY, &a), 200);
        same_text(&a, &quiet);
        print_message("# %.0f sequences were submitted again\n",
                      field_metric(&f, g, "witan_gateway_resubmitted_total"));
        assert_true(field_metric(&f, g, "witan_gateway_resubmitted_total") >= 1);
        assert_true(field_metric(&f, g, "witan_gateway_failed_total") == 0);
        answer_free(&quiet);
        answer_free(&a);
        field_close(&f);
}

static void kill_and_start(void)
{
        field_kill(&f, router[0], SIGKILL);
        start_router(0, "--chunk=16");
}

static void router_comes_back(void **state)
{
        (void)state;
        stream_twice(1, kill_and_start);
}

/* It stays away until the gateway has given it up: the sequences wait, they do not end. */
static void kill_and_start_late(void)
{
        field_kill(&f, router[0], SIGKILL);
        field_until(&f, f.n - 1, "witan_gateway_resubmitted_total", 8, 8);
        start_router(0, "--chunk=16");
}

static void router_comes_back_late(void **state)
{
        (void)state;
        stream_twice(1, kill_and_start_late);
}

static void kill_one(void) { field_kill(&f, router[1], SIGKILL); }

static void one_of_two_is_killed(void **state)
{
        (void)state;
        stream_twice(2, kill_one);
}

static void term_one(void) { field_kill(&f, router[1], SIGTERM); }

static void one_of_two_drains(void **state)
{
        (void)state;
        stream_twice(2, term_one);
}

static void kill_worker(void)
{
        field_kill(&f, worker[1], SIGKILL);
        kill_one();
}

static void router_and_worker_are_killed(void **state)
{
        (void)state;
        stream_twice(2, kill_worker);
}

/* ---- a client that reads slowly ---- */

/* Some ten MB, far more than the kernel takes. */
#define MUCH "{\"model\":\"tiny\",\"prompt\":\"Once upon a time\",\"max_tokens\":900," \
             "\"temperature\":1,\"seed\":11,\"n\":8,\"ignore_eos\":true,\"logprobs\":20," \
             "\"stream\":true}"

/* Reads nothing until all eight have been taken back from the router. */
static void read_nothing(void)
{
        field_until(&f, f.n - 1, "witan_gateway_paused_total", 8, 1e9);
        field_until(&f, router[0], "witan_router_sequences_running", 0, 0);
        assert_true(field_metric(&f, f.n - 1, "witan_gateway_unsent_bytes") > 64 << 10);
}

static void slow_reader_is_waited_for(void **state)
{
        struct blow none = { 0 }, one = { .at_chunk = 100, .strike = read_nothing };
        struct answer quiet = { .each = strike, .arg = &none }, a = { .each = strike, .arg = &one };
        char http[64];

        (void)state;
        start("--drain=0");
        start_gateway(http, "--max-unsent=64K");
        assert_int_equal(answer_stream(http, MUCH, &quiet), 200);
        assert_int_equal(answer_stream(http, MUCH, &a), 200);
        same_text(&a, &quiet);
        print_message("# %.0f pauses\n", field_metric(&f, f.n - 1, "witan_gateway_paused_total"));
        assert_true(field_metric(&f, f.n - 1, "witan_gateway_unsent_bytes") == 0);
        assert_true(field_metric(&f, f.n - 1, "witan_gateway_client_closed_total") == 0);
        answer_free(&quiet);
        answer_free(&a);
        field_close(&f);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(cut_at_every_token), cmocka_unit_test(made_ids_count),
                cmocka_unit_test(handed_back), cmocka_unit_test(drains),
                cmocka_unit_test(draining_refuses), cmocka_unit_test(router_comes_back),
                cmocka_unit_test(router_comes_back_late),
                cmocka_unit_test(one_of_two_is_killed), cmocka_unit_test(one_of_two_drains),
                cmocka_unit_test(router_and_worker_are_killed),
                cmocka_unit_test(slow_reader_is_waited_for) };

        return cmocka_run_group_tests_name("continue", tests, NULL, NULL);
}
