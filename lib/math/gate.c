/* gate.c - which K experts a row visits, and with what weight (N10). The bias steers the pick and
 * never the weight; a group that is not kept is out, whatever its members' scores.
 * Sources: DeepSeek-V2 (arXiv:2405.04434) and V3 (2412.19437), Mixtral (2401.04088). */
#include "base/err.h"
#include "math/kernels.h"
#include "math/wn1.h"

/* A NaN never wins. Strict, so that scanning upward gives ties to the lower id. */
static bool better(float a, float b) { return a > b || (b != b && a == a); }

/* p = softmax(z) in place or not: exact max, sum by ascending index, one division each. */
static void softmax(const float *z, uint32_t n, float *p)
{
        float max = z[0], sum = 0.0f;

        for (uint32_t i = 1; i < n; i++)
                max = wn1_maxf(max, z[i]);
        for (uint32_t i = 0; i < n; i++) {
                p[i] = wn1_expf(z[i] - max);
                sum = sum + p[i];
        }
        for (uint32_t i = 0; i < n; i++)
                p[i] = WN1_DIVF(p[i], sum);
}

static void scores(const struct wt_layer *l, const float *z, float *s)
{
        switch (l->score) {
        case WT_SCORE_SOFTMAX:
                softmax(z, l->n_experts, s);
                break;
        case WT_SCORE_SIGMOID:
                for (uint32_t e = 0; e < l->n_experts; e++)
                        s[e] = wn1_sigmoid(z[e]);
                break;
        default:                                 /* of the picked only: the logits choose */
                memcpy(s, z, l->n_experts * sizeof *s);
        }
}

/* The best member, or the sum of the two best, of one group. */
static float group_score(const struct wt_layer *l, const float *b, uint32_t n)
{
        float first = b[0], second = 0.0f;
        bool two = false;

        for (uint32_t i = 1; i < n; i++) {
                if (better(b[i], first)) {
                        second = first;
                        first = b[i];
                        two = true;
                } else if (!two || better(b[i], second)) {
                        second = b[i];
                        two = true;
                }
        }
        two = two && second == second && l->select == WT_SELECT_GROUP_TOP2;
        return two ? first + second : first;
}

/* The K best of a scan with ascending ids, best first, and the best that did not get in. */
struct best { int32_t *id; uint32_t n, k; float next; bool has_next; };

static void offer(struct best *t, const float *score, uint32_t id)
{
        uint32_t at = t->n;

        while (at > 0 && better(score[id], score[t->id[at - 1]]))
                at--;
        if (at == t->k) {
                if (!t->has_next || better(score[id], t->next))
                        t->next = score[id];
                t->has_next = true;
                return;
        }
        if (t->n == t->k) {
                t->next = score[t->id[t->k - 1]];
                t->has_next = true;
        } else {
                t->n++;
        }
        for (uint32_t i = t->n - 1; i > at; i--)
                t->id[i] = t->id[i - 1];
        t->id[at] = (int32_t)id;
}

/* group (n_group): scratch. */
static void select_best(const struct wt_layer *l, const float *b, float *group, struct best *t)
{
        uint32_t each = l->n_experts / (l->n_group ? l->n_group : 1);

        if (l->select == WT_SELECT_TOP || l->n_group <= 1 || l->n_group_kept >= l->n_group) {
                for (uint32_t e = 0; e < l->n_experts; e++)
                        offer(t, b, e);
                return;
        }
        for (uint32_t g = 0; g < l->n_group; g++)
                group[g] = group_score(l, b + g * each, each);
        for (uint32_t g = 0; g < l->n_group; g++) {
                uint32_t ahead = 0;              /* groups that come before g */

                for (uint32_t o = 0; o < l->n_group; o++)
                        ahead += o < g ? !better(group[g], group[o]) : better(group[o], group[g]);
                if (ahead < l->n_group_kept)
                        for (uint32_t e = g * each; e < (g + 1) * each; e++)
                                offer(t, b, e);
        }
}

static void ascending(int32_t *id, uint32_t n)
{
        for (uint32_t i = 1; i < n; i++) {
                int32_t v = id[i];
                uint32_t j = i;

                for (; j > 0 && id[j - 1] > v; j--)
                        id[j] = id[j - 1];
                id[j] = v;
        }
}

static void weights(const struct wt_layer *l, const float *s, const int32_t *pick, float *weight)
{
        float sum = 0.0f;

        for (uint32_t i = 0; i < l->n_picks; i++)
                weight[i] = s[pick[i]];
        if (l->score == WT_SCORE_SOFTMAX_PICKED)
                softmax(weight, l->n_picks, weight);
        for (uint32_t i = 0; i < l->n_picks; i++)
                sum = sum + weight[i];
        for (uint32_t i = 0; i < l->n_picks; i++) {
                float w = weight[i];

                if (l->normalise && l->score != WT_SCORE_SOFTMAX_PICKED)
                        w = wn1_share(w, sum);
                weight[i] = w * l->weight_scale;
        }
}

void wt_gate_choose(const struct wt_layer *l, const float *z, const float *bias, int32_t *pick,
                    float *weight, float *margin, float *scratch)
{
        float *s = scratch, *b = s + l->n_experts, *group = b + l->n_experts;
        struct best t = { .id = pick, .k = l->n_picks };

        scores(l, z, s);
        for (uint32_t e = 0; e < l->n_experts; e++)
                b[e] = bias ? s[e] + bias[e] : s[e];
        select_best(l, b, group, &t);
        WT_ASSERT(t.n == l->n_picks && t.n > 0);  /* the shape promises that enough are kept */
        if (margin)
                *margin = t.has_next ? b[t.id[t.n - 1]] - t.next : WN1_INFF;
        ascending(pick, l->n_picks);
        weights(l, s, pick, weight);
}
