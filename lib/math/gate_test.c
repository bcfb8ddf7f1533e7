/* gate_test.c - who is picked, and with what weight: cases with known answers, and random ones with
 * many ties against a definition by sorting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include "math/test_fill.h"

enum { MAX_E = 256, MAX_K = 8 };

#define LAYER(E, K, SCORE, SELECT, GROUPS, KEPT, NORM, SCALE)                                      \
        { .size = sizeof(struct wt_layer), .n_experts = (E), .n_picks = (K), .score = (SCORE),    \
          .select = (SELECT), .n_group = (GROUPS), .n_group_kept = (KEPT), .normalise = (NORM),   \
          .weight_scale = (SCALE) }
#define SOFTMAX WT_SCORE_SOFTMAX
#define SIGMOID WT_SCORE_SIGMOID
#define PICKED  WT_SCORE_SOFTMAX_PICKED
#define TOP     WT_SELECT_TOP
#define MAX     WT_SELECT_GROUP_MAX
#define TOP2    WT_SELECT_GROUP_TOP2
/* log(p / (1-p)): the sigmoid's argument for a score near p. */
#define L1 (-2.1972246f)
#define L2 (-1.3862944f)
#define L5 0.0f
#define L6 0.4054651f
#define L8 1.3862944f
#define L9 2.1972246f

static const struct gate {
        const char *name;
        struct wt_layer l;
        float z[8], bias[8];
        int32_t pick[4];
        float weight[4], margin;
} gates[] = {
        { "L12 A: softmax, scaled, not normalised", LAYER(4, 2, SOFTMAX, TOP, 1, 1, 0, 16.0f),
          { 1, 0, -1, 2 }, { 0 }, { 0, 3 }, { 3.79012509f, 10.3026282f }, 0.2368828f - 0.0871443f },
        { "L12 B: sigmoid, normalised, scaled once", LAYER(4, 2, SIGMOID, TOP, 1, 1, 1, 2.5f),
          { 1, 0, -1, 2 }, { 0 }, { 0, 3 }, { 1.13387724f, 1.36612276f }, 0.7310586f - 0.5f },
        { "mixtral: softmax over the picked", LAYER(4, 2, PICKED, TOP, 0, 0, 1, 1.0f),
          { 1, 0, -1, 2 }, { 0 }, { 0, 3 }, { 0.26894142f, 0.73105858f }, 1.0f },
        { "the bias steers the pick, not the weight", LAYER(4, 2, SIGMOID, TOP, 1, 1, 0, 1.0f),
          { L9, L8, L1, L2 }, { 0, 0, 1.0f, 0 }, { 0, 2 }, { 0.9f, 0.1f }, 0.1f },
        { "ties go to the lower id", LAYER(4, 2, SIGMOID, TOP, 1, 1, 1, 1.0f),
          { 0, 0, 0, 0 }, { 0 }, { 0, 1 }, { 0.5f, 0.5f }, 0.0f },
        { "a tie behind the best", LAYER(4, 2, SOFTMAX, TOP, 1, 1, 1, 1.0f),
          { -1, 1, -1, -1 }, { 0 }, { 0, 1 }, { 0.1192029f, 0.8807971f }, 0.0f },
        { "-0 and +0 are a tie", LAYER(4, 1, PICKED, TOP, 1, 1, 0, 1.0f),
          { -0.0f, 0.0f, -1, 0.0f }, { 0 }, { 0 }, { 1.0f }, 0.0f },
        { "a NaN never wins", LAYER(4, 2, PICKED, TOP, 1, 1, 0, 1.0f),
          { NAN, -5, NAN, -5 }, { 0 }, { 1, 3 }, { 0.5f, 0.5f }, NAN },
        { "all are picked: nothing is left over", LAYER(2, 2, SIGMOID, TOP, 1, 1, 0, 1.0f),
          { L2, L8 }, { 0 }, { 0, 1 }, { 0.2f, 0.8f }, INFINITY },
        { "group by its best member", LAYER(8, 2, SIGMOID, MAX, 4, 1, 0, 1.0f),
          { L8, L8, L9, L1, L5, L5, L1, L1 }, { 0 }, { 2, 3 }, { 0.9f, 0.1f }, INFINITY },
        { "group by its two best", LAYER(8, 2, SIGMOID, TOP2, 4, 1, 0, 1.0f),
          { L8, L8, L9, L1, L5, L5, L1, L1 }, { 0 }, { 0, 1 }, { 0.8f, 0.8f }, INFINITY },
        { "equal groups: the lower is kept", LAYER(8, 2, SIGMOID, TOP2, 4, 2, 0, 1.0f),
          { L1, L1, L6, L5, L5, L6, L6, L5 }, { 0 }, { 2, 5 }, { 0.6f, 0.6f }, 0.1f },
        { "negative biases: a dropped group stays out", LAYER(8, 3, SIGMOID, TOP2, 4, 2, 0, 1.0f),
          { L9, L9, L8, L8, L5, L5, L5, L5 }, { -3, -3, -3, -3, -4, -4, -4, -4 }, { 0, 1, 2 },
          { 0.9f, 0.9f, 0.8f }, 0.0f },
        { "groups of the biased score", LAYER(8, 1, SIGMOID, TOP2, 4, 1, 0, 1.0f),
          { L9, L9, L1, L1, L1, L1, L1, L1 }, { 0, 0, 0, 0, 0, 0, 2, 2 }, { 6 }, { 0.1f }, 0.0f },
        { "groups of one", LAYER(4, 2, SIGMOID, TOP2, 4, 2, 0, 1.0f),
          { L1, L9, L8, L2 }, { 0 }, { 1, 2 }, { 0.9f, 0.8f }, INFINITY },
        { "a NaN does not carry its group", LAYER(8, 1, SIGMOID, TOP2, 4, 1, 0, 1.0f),
          { NAN, NAN, L2, L2, NAN, L1, L1, L1 }, { 0 }, { 2 }, { 0.2f }, 0.0f },
};
enum { N_GATES = sizeof gates / sizeof *gates };

static void known(void **state)
{
        const struct gate *g = *state;
        bool biased = false;
        int32_t pick[4];
        float weight[4], margin, scratch[24];

        for (int i = 0; i < 8; i++)
                biased |= g->bias[i] != 0.0f;
        wt_gate_choose(&g->l, g->z, biased ? g->bias : NULL, pick, weight, &margin, scratch);
        assert_memory_equal(pick, g->pick, g->l.n_picks * sizeof *pick);
        for (uint32_t i = 0; i < g->l.n_picks; i++)
                assert_true(fabsf(weight[i] - g->weight[i]) <= 2e-7f * fmaxf(1.0f, g->weight[i]));
        if (isnan(g->margin))
                assert_true(isnan(margin));
        else
                assert_true(margin == g->margin || fabsf(margin - g->margin) < 3e-7f);
}

/* A row of NaN still gives K distinct ids: its sequence fails later, and nothing else does. */
static void all_nan(void **state)
{
        struct wt_layer l = LAYER(8, 4, SIGMOID, TOP2, 4, 2, 1, 1.0f);
        const float z[8] = { NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN };
        int32_t pick[4];
        float weight[4], scratch[24];

        (void)state;
        wt_gate_choose(&l, z, NULL, pick, weight, NULL, scratch);
        for (int i = 0; i < 4; i++)
                assert_int_equal(pick[i], i);
}

struct item { float score; int32_t id; };

static int by_score(const void *a, const void *b)
{
        const struct item *x = a, *y = b;

        return x->score != y->score ? (x->score < y->score ? 1 : -1) : x->id - y->id;
}

static int by_id(const void *a, const void *b)
{
        return *(const int32_t *)a - *(const int32_t *)b;
}

/* Picks by sorting: first groups, then the members of those that are kept. */
static void sorted(const struct wt_layer *l, const float *b, int32_t *pick)
{
        uint32_t each = l->n_experts / l->n_group, n = 0;
        struct item group[MAX_E], all[MAX_E];

        for (uint32_t g = 0; g < l->n_group; g++) {
                struct item in[MAX_E];

                for (uint32_t i = 0; i < each; i++)
                        in[i] = (struct item){ b[g * each + i], (int32_t)i };
                qsort(in, each, sizeof *in, by_score);
                group[g] = (struct item){ in[0].score, (int32_t)g };
                if (l->select == WT_SELECT_GROUP_TOP2 && each > 1)
                        group[g].score = in[0].score + in[1].score;
        }
        qsort(group, l->n_group, sizeof *group, by_score);
        for (uint32_t g = 0; g < (l->select == TOP ? l->n_group : l->n_group_kept); g++)
                for (uint32_t i = 0; i < each; i++, n++)
                        all[n] = (struct item){ b[group[g].id * (int32_t)each + (int32_t)i],
                                                group[g].id * (int32_t)each + (int32_t)i };
        qsort(all, n, sizeof *all, by_score);
        for (uint32_t i = 0; i < l->n_picks; i++)
                pick[i] = all[i].id;
        qsort(pick, l->n_picks, sizeof *pick, by_id);
}

static void random_rows(void **state)
{
        static const struct wt_layer layers[] = {
                LAYER(256, 8, SIGMOID, TOP2, 8, 4, 1, 2.5f),
                LAYER(160, 6, SOFTMAX, MAX, 8, 3, 0, 16.0f),
                LAYER(64, 6, SOFTMAX, TOP, 1, 1, 0, 1.0f),
                LAYER(12, 3, SIGMOID, TOP2, 4, 2, 1, 1.0f),
        };
        float z[MAX_E], bias[MAX_E], s[MAX_E], scratch[3 * MAX_E], weight[MAX_K], sum;
        int32_t pick[MAX_K], want[MAX_K];

        (void)state;
        for (uint32_t i = 0; i < 4000; i++) {
                const struct wt_layer *l = &layers[i % 4];

                fill_plain(z, l->n_experts, i);
                fill_plain(bias, l->n_experts, i + 100000);
                for (uint32_t e = 0; e < l->n_experts; e++) {    /* coarse: ties in many rows */
                        z[e] = i % 8 < 4 ? floorf(z[e] * 8) : z[e];
                        bias[e] = i % 8 < 4 ? floorf(bias[e] * 4) / 4 : bias[e] - 1.0f;
                        s[e] = l->score == SIGMOID ? wn1_sigmoid(z[e]) + bias[e] : z[e];
                }
                wt_gate_choose(l, z, l->score == SIGMOID ? bias : NULL, pick, weight, NULL,
                               scratch);
                sorted(l, s, want);
                assert_memory_equal(pick, want, l->n_picks * sizeof *pick);
                sum = 0.0f;
                for (uint32_t k = 0; k < l->n_picks; k++)
                        sum += weight[k];
                if (l->normalise)
                        assert_true(fabsf(sum - l->weight_scale) < 1e-5f);
        }
}

int main(void)
{
        struct CMUnitTest tests[N_GATES + 2];

        for (size_t i = 0; i < N_GATES; i++)
                tests[i] = (struct CMUnitTest){ gates[i].name, known, NULL, NULL,
                                                (void *)&gates[i] };
        tests[N_GATES] = (struct CMUnitTest)cmocka_unit_test(all_nan);
        tests[N_GATES + 1] = (struct CMUnitTest)cmocka_unit_test(random_rows);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
