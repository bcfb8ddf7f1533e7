/* stories_cluster_test.c - a trained model over a router and workers that hold different experts:
 * the golden greedy tokens, and logits within 1e-4 of the golden ones. The digest of all logits
 * that the router tells is that of the same rows computed in this process, and those are compared
 * number by number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "base/sha256.h"
#include "field.h"
#include "stories.h"

enum { MINUTE = 60 * 1000 * 1000, MAX_W = 4 };

static const struct row {
        const char *name, *model;
        const char *shard[MAX_W];                /* one per worker */
} rows[] = {
        { "dense: a router alone", "stories260K", { NULL } },
        { "two workers of two experts", "stories260K-moe4", { "0-4:0-1", "0-4:2-3" } },
        { "four workers of one expert", "stories260K-moe4",
          { "0-4:0", "0-4:1", "0-4:2", "0-4:3" } },
        { "three workers, cut by layer and expert", "stories260K-moe4",
          { "0-1:0-3,2:1", "2:0,2:2-3,3-4:2", "3-4:0-1,3-4:3" } },
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static struct story stories[STORIES];
static struct seq_want got[STORIES];

static void start(struct field *f, const struct row *r, const char *folder)
{
        char name[MAX_W][16], shard[MAX_W][80];
        uint32_t router, worker[MAX_W], n = 0;

        field_open(f, NULL, folder);
        router = field_start(f, NULL, "router", "router-0", "--threads=1", "--chunk=5", NULL);
        for (; n < MAX_W && r->shard[n] != NULL; n++) {
                snprintf(name[n], sizeof name[n], "expert-%u", n);
                snprintf(shard[n], sizeof shard[n], "--shard=%s", r->shard[n]);
                worker[n] = field_start(f, NULL, "expert", name[n], shard[n], "--threads=1", NULL);
        }
        for (uint32_t i = 0; i < n; i++)
                field_ready(f, worker[i]);
        field_ready(f, router);
}

static void submit(struct field_client *c)
{
        memset(got, 0, sizeof got);
        for (uint32_t i = 0; i < STORIES; i++) {
                const struct story *s = &stories[i];

                got[i].n_prompt = s->n_prompt;
                memcpy(got[i].prompt, s->ids, s->n_prompt * sizeof *s->ids);
                got[i].max_tokens = s->n_ids - s->n_prompt;
                got[i].top_p = 1;
                got[i].id[0] = (uint8_t)i;
                got[i].id[15] = 4;
                seq_submit(c, &got[i]);
        }
}

/* Rows that draw: from the prompt's last id on. */
static void compare(const struct story *s, const struct seq_want *g)
{
        uint8_t here[32];

        if (g->finish != WT_LENGTH)
                fail_msg("ended with %u: %s", g->finish, g->message);
        assert_int_equal(g->n_made, s->n_ids - s->n_prompt);
        assert_memory_equal(g->made, s->ids + s->n_prompt, g->n_made * sizeof *g->made);
        assert_true(g->has_digest);
        wt_sha256_of(s->logits[s->n_prompt - 1], g->n_made * sizeof s->logits[0], here);
        assert_memory_equal(g->digest, here, 32);
}

static void cluster(void **state)
{
        const struct row *r = *state;
        struct field_client c;
        struct field f;
        char folder[256];
        double worst;

        stories_load(stories);
        if (!stories_folder(r->model, folder))
                skip();
        stories_run(stories, folder, 64);
        worst = stories_check(stories);
        start(&f, r, folder);
        client_open(&c, &f, "gateway-0");
        submit(&c);
        assert_int_equal(seq_collect(&c, got, STORIES, 2 * MINUTE), STORIES);
        for (uint32_t i = 0; i < STORIES; i++)
                compare(&stories[i], &got[i]);
        for (uint32_t i = 1; i < f.n; i++)       /* every worker had a share */
                assert_true(field_metric(&f, i, "witan_expert_picks_total") > 0);
        print_message("# largest difference of a logit %.2e\n", worst);
        assert_true(worst <= 1e-4);
        client_close(&c);
        field_close(&f);
        stories_folder_done(folder);
}

int main(void)
{
        struct CMUnitTest tests[N_ROWS];

        for (uint32_t i = 0; i < N_ROWS; i++)
                tests[i] = (struct CMUnitTest){ rows[i].name, cluster, NULL, NULL,
                                                (void *)&rows[i] };
        return cmocka_run_group_tests_name("stories over workers", tests, NULL, NULL);
}
