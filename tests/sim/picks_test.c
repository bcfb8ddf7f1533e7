/* picks_test.c - law 1, and the truth, where a row visits three or four experts: models/tiny has
 * two picks a row, and a sum of two is the same in either order. The golden models, whole
 * clusters of them: the log-probabilities are transformers', the bits those of one worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model/source.h"
#include "world.h"

enum { N_PROMPT = 150, N_TOKENS = 12, BATCH = 3 };

static const char *const models[] = { "tests/golden/models/v2", "tests/golden/models/v3",
                                      "tests/golden/models/v3neg" };
static struct world w;
static int32_t prompt[N_PROMPT];
static float *logprobs;                          /* (N_PROMPT, V), transformers' */

static float *vector(wt_source *s, const char *name, size_t *n)
{
        const struct wt_tensor_at *t = wt_source_find(s, name);
        float *v;

        assert_non_null(t);
        v = malloc(t->bytes);
        assert_int_equal(wt_source_read(s, t, v), WT_OK);
        *n = t->bytes / sizeof *v;
        return v;
}

static void read_vectors(const char *model)
{
        char path[512];
        wt_source *s;
        size_t n;
        float *ids;

        snprintf(path, sizeof path, "%s/vectors.safetensors", model);
        assert_int_equal(wt_source_open(&s, path), WT_OK);
        ids = vector(s, "ids", &n);
        assert_true(n >= N_PROMPT);
        for (uint32_t i = 0; i < N_PROMPT; i++)
                prompt[i] = (int32_t)ids[i];
        free(logprobs);
        logprobs = vector(s, "logprobs", &n);
        free(ids);
        wt_source_close(s);
}

static void ask(uint32_t n)
{
        world_ask(&w, &(struct ask){ .n = n, .prompt = prompt, .n_prompt = N_PROMPT - 7 * n,
                                     .max_tokens = N_TOKENS, .ignore_eos = true,
                                     .prompt_logprobs = true });
}

static void check_truth(const struct answer *a, uint32_t vocab)
{
        double worst = 0;

        assert_int_equal(a->finish, WT_LENGTH);
        for (uint32_t i = 0; i < a->n_prompt_logprobs; i++)
                worst = fmax(worst, fabs(a->prompt_logprobs[i] -
                                         logprobs[(size_t)i * vocab + (uint32_t)prompt[i + 1]]));
        if (worst > 1e-4)
                fail_msg("a log-probability differs by %g", worst);
}

/* All of these models have 12 experts. */
static const struct way { const char *name; struct world_conf conf;
} ways[] = {
        {"halves", {.shard = {"*:0-5", "*:6-11"}}},
        {"odd and even", {.shard = {"*:0,*:2,*:4,*:6,*:8,*:10", "*:1,*:3,*:5,*:7,*:9,*:11"}}},
        {"four workers, by the remainder",
         {.shard = {"*:0,*:4,*:8", "*:1,*:5,*:9", "*:2,*:6,*:10", "*:3,*:7,*:11"}, .chunk = 17}},
        {"unequal, overlapping",
         {.shard = {"*:0-8", "*:3-4,*:9", "*:1-2,*:7-11"}, .place = "least-loaded", .chunk = 40}},
        {"credit of 5 rows", {.shard = {"*:0-2,*:9", "*:3-8,*:10-11"}, .credit_rows = 5}},
};

static void same_bits(void **state)
{
        static uint8_t truth[BATCH][32];
        struct world_conf one = { .shard = { "*" }, .model = *state };
        uint32_t vocab;

        read_vectors(*state);
        world_open(&w, &one);
        vocab = wt_model_shape(w.model)->vocab;
        for (uint32_t n = 0; n < BATCH; n++) {
                ask(n);
                check_truth(world_answer(&w, n), vocab);
                memcpy(truth[n], w.answer[n].digest, sizeof truth[n]);
        }
        world_close(&w);
        for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
                struct world_conf c = ways[i].conf;

                c.model = *state;
                world_open(&w, &c);
                for (uint32_t n = 0; n < BATCH; n++)
                        ask(n);
                for (uint32_t n = 0; n < BATCH; n++) {
                        check_truth(world_answer(&w, n), vocab);
                        if (memcmp(w.answer[n].digest, truth[n], sizeof truth[n]) != 0)
                                fail_msg("%s: other bits", ways[i].name);
                }
                world_close(&w);
        }
}

int main(void)
{
        struct CMUnitTest tests[sizeof models / sizeof *models];
        int failed;

        for (size_t i = 0; i < sizeof models / sizeof *models; i++)
                tests[i] = (struct CMUnitTest){models[i], same_bits, NULL, NULL, (void *)models[i]};
        failed = cmocka_run_group_tests(tests, NULL, NULL);
        free(logprobs);
        return failed;
}
