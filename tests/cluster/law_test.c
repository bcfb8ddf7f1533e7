/* law_test.c - law 1 over real processes: one hash over the raw bytes of all logits (and the
 * tokens) of 40 mixed sequences, whatever the number of workers, their shards, the batch, the
 * chunk, the placement, a worker killed on the way, and the compiler (other builds:
 * $WITAN_OTHER_BUILDS, separated by ':'). */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "field.h"

enum { MINUTE = 60 * 1000 * 1000, MAX_W = 7 };

static const struct row {
        const char *name;
        const char *shard[MAX_W];                /* one per worker */
        const char *max_seqs, *chunk, *step_rows, *place;
        bool kill;                               /* one of several holders dies while it works */
} rows[] = {
        {"one worker, batch 1, chunk 256", {"*"}, "1", "256", "256", "contiguous", false},
        {"one worker, batch 16, chunk 17", {"*"}, "16", "17", "64", "contiguous", false},
        {"two workers, unequal", {"1-5:0-4", "1-5:5-15"}, "16", "256", "256", "contiguous", false},
        {"two workers that hold all, least loaded",
         {"*", "*"},
         "5",
         "256",
         "256",
         "least-loaded",
         false},
        {"three workers, overlapping, chunk 1",
         {"*", "1-5:0-7", "1-3:8-15,4-5:3-12"},
         "16",
         "1",
         "32",
         "least-loaded",
         false},
        {"seven workers, disjoint and unequal",
         {"1-5:0", "1-5:1-3", "1-5:4", "1-5:5-9", "1-5:10-11", "1-5:12-14", "1-5:15"},
         "16",
         "17",
         "256",
         "contiguous",
         false},
        {"two workers that hold all, one is killed",
         {"*", "*"},
         "16",
         "128",
         "256",
         "contiguous",
         true},
        {"plugins from outside: first-holder",
         {"1-5:0-8", "*"},
         "16",
         "17",
         "256",
         "first-holder",
         false},
        {"three workers, one is killed",
         {"1-5:0-10", "1-5:5-15", "*"},
         "16",
         "64",
         "256",
         "least-loaded",
         true},
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static char want[65];                            /* law_hash.txt: what every row must give */

static void flag(char out[64], const char *name, const char *value)
{
        snprintf(out, 64, "--%s=%s", name, value);
}

/* Starts router and workers of a row from build; returns the router's number. */
static uint32_t start(struct field *f, const struct row *r, const char *build,
                      uint32_t worker[MAX_W])
{
        char f1[64], f2[64], f3[64], f4[64], f5[600], shard[64], name[16];
        uint32_t router;

        snprintf(f5, sizeof f5, "--plugins=%s/plugins", build != NULL ? build : f->build);
        flag(f1, "max-seqs", r->max_seqs);
        flag(f2, "chunk", r->chunk);
        flag(f3, "step-rows", r->step_rows);
        flag(f4, "place", r->place);
        router = field_start(f, build, "router", "router-0", f1, f2, f3, f4, f5, "--threads=2",
                             NULL);
        for (uint32_t i = 0; i < MAX_W && r->shard[i] != NULL; i++) {
                snprintf(name, sizeof name, "expert-%u", i);
                flag(shard, "shard", r->shard[i]);
                worker[i] = field_start(f, build, "expert", name, shard, "--threads=1", NULL);
        }
        for (uint32_t i = 0; i < MAX_W && r->shard[i] != NULL; i++)
                field_ready(f, worker[i]);
        field_ready(f, router);
        return router;
}

/* Kills worker 0 once the 40 sequences have made 200 tokens. */
static uint32_t collect_and_kill(struct field *f, struct field_client *c, struct seq_want *s,
                                 uint32_t victim)
{
        uint32_t made = 0, over = 0;

        while (made < 200 && over < MIXED) {
                over = seq_collect(c, s, MIXED, 2000);
                made = 0;
                for (uint32_t i = 0; i < MIXED; i++)
                        made += s[i].n_made;
        }
        assert_true(over < MIXED);               /* there was still work to lose */
        field_kill(f, victim, SIGKILL);
        return seq_collect(c, s, MIXED, MINUTE);
}

static void run(const struct row *r, const char *build)
{
        static struct seq_want s[MIXED];
        struct field f;
        struct field_client c;
        uint32_t worker[MAX_W] = { 0 }, router, over;
        char hash[65];
        double steps, rows_done;

        field_open(&f, build, "models/tiny");
        router = start(&f, r, build, worker);
        client_open(&c, &f, "gateway-0");
        seq_mixed(s, 4096);
        for (uint32_t i = 0; i < MIXED; i++)
                seq_submit(&c, &s[i]);
        over = r->kill ? collect_and_kill(&f, &c, s, worker[0]) : seq_collect(&c, s, MIXED, MINUTE);
        for (uint32_t i = 0; i < MIXED; i++)
                if (s[i].finish != WT_LENGTH)
                        fail_msg("sequence %u ended with %u: %s", i, s[i].finish, s[i].message);
        assert_int_equal(over, MIXED);
        seq_hash(s, MIXED, hash);
        steps = field_metric(&f, router, "witan_router_steps_total");
        rows_done = field_metric(&f, router, "witan_router_step_rows_total");
        print_message("# %s: %s, %.0f steps of %.1f rows\n", r->name, hash, steps,
                      rows_done / steps);
        assert_string_equal(hash, want);
        client_close(&c);
        field_close(&f);
}

static void here(void **state)
{
        run(*state, NULL);
}

/* The same binaries by other compilers: the unequal two and the killed one are enough to cross. */
static void elsewhere(void **state)
{
        char list[1024], *rest = list, *build;
        const char *others = getenv("WITAN_OTHER_BUILDS");

        (void)state;
        if (others == NULL || others[0] == '\0') {
                print_message("# skipped: WITAN_OTHER_BUILDS names no other build\n");
                skip();
        }
        snprintf(list, sizeof list, "%s", others);
        while ((build = strsep(&rest, ":")) != NULL)
                if (*build != '\0') {
                        run(&rows[2], build);
                        run(&rows[6], build);
                }
}

int main(void)
{
        struct CMUnitTest tests[N_ROWS + 1];
        struct wt_buf text = { 0 };

        if (wt_file_read("tests/cluster/law_hash.txt", 4096, &text) != WT_OK || text.len < 64)
                return 1;
        memcpy(want, text.data, 64);
        wt_buf_free(&text);

        for (size_t i = 0; i < N_ROWS; i++)
                tests[i] = (struct CMUnitTest){ rows[i].name, here, NULL, NULL, (void *)&rows[i] };
        tests[N_ROWS] = (struct CMUnitTest){ "other compilers", elsewhere, NULL, NULL, NULL };
        return cmocka_run_group_tests_name("law 1", tests, NULL, NULL);
}
