#include "conform.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/rng.h"
#include "math/wn1.h"

enum { MOST_V = 5000, N_TOP = 7 };

struct check {
        const struct wt_conform_draws *to;
        const struct wt_sample_ops *o;
        void *scratch;
        uint32_t faults;
};

/* ---- the reference: everything sorted, nothing clever ---------------------------------------- */

static const float *sort_logits;                 /* qsort has no argument */

static int by_rank(const void *a, const void *b)
{
        int32_t i = *(const int32_t *)a, j = *(const int32_t *)b;

        if (sort_logits[i] != sort_logits[j])    /* -0 equals +0 */
                return sort_logits[i] > sort_logits[j] ? -1 : 1;
        return i < j ? -1 : 1;
}

static uint32_t valid(const struct wt_sample_in *in)
{
        return in->n_valid && in->n_valid < in->vocab ? in->n_valid : in->vocab;
}

static double ref_logprob(const struct wt_sample_in *in, int32_t id)
{
        double max = in->logits[0], sum = 0.0;

        for (uint32_t i = 1; i < valid(in); i++)
                max = in->logits[i] > max ? in->logits[i] : max;
        for (uint32_t i = 0; i < valid(in); i++)
                sum = sum + wn1_exp((double)in->logits[i] - max);
        return ((double)in->logits[id] - max) - wn1_log(sum);
}

static bool banned(const struct wt_sample_in *in, int32_t id)
{
        for (uint32_t i = 0; i < in->n_banned; i++)
                if (in->banned[i] == id)
                        return true;
        return false;
}

/* order (V): ids by rank, of those that may be drawn; their number. */
static uint32_t candidates(const struct wt_sample_in *in, int32_t *order)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < valid(in); i++)
                if (!banned(in, (int32_t)i))
                        order[n++] = (int32_t)i;
        sort_logits = in->logits;
        qsort(order, n, sizeof *order, by_rank);
        return in->top_k && in->top_k < n ? in->top_k : n;
}

static int32_t ref_draw(const struct wt_sample_in *in, double *w, int32_t *order)
{
        uint32_t n = candidates(in, order), kept = n;
        double max = in->logits[order[0]], z = 0.0, cum = 0.0, mass;
        uint8_t in_set[MOST_V] = { 0 };

        if (in->temperature == 0.0f)
                return order[0];
        for (uint32_t i = 0; i < n; i++)
                in_set[order[i]] = 1;
        for (uint32_t i = 0; i < valid(in); i++)
                if (in_set[i]) {
                        w[i] = wn1_exp(((double)in->logits[i] - max) / (double)in->temperature);
                        z = z + w[i];
                }
        mass = z;
        if (in->top_p < 1.0f) {
                for (kept = 0; kept < n && !(kept && cum >= (double)in->top_p * z); kept++)
                        cum = cum + w[order[kept]];
                mass = cum;
        }
        mass = wt_philox_unit(in->seed, in->prompt_index, in->choice, in->position) * mass;
        cum = 0.0;
        for (uint32_t i = 0; i < kept; i++) {
                cum = cum + w[order[i]];
                if (cum > mass)
                        return order[i];
        }
        return order[kept - 1];
}

/* ---- comparing ------------------------------------------------------------------------------- */

static bool same_report(const struct wt_sample_in *in, const struct wt_sample_out *got, char *words,
                        size_t n)
{
        static int32_t order[MOST_V];
        struct wt_sample_in all = *in;
        double want = ref_logprob(in, got->id);

        if (memcmp(&want, &got->logprob, sizeof want)) {
                snprintf(words, n, "log-probability of %d is %.17g, not %.17g", got->id,
                         got->logprob, want);
                return false;
        }
        all.n_banned = all.top_k = 0;
        candidates(&all, order);
        for (uint32_t i = 0; i < in->n_top; i++) {
                bool there = i < valid(in);
                int32_t id = there ? order[i] : -1;

                want = there ? ref_logprob(in, id) : -INFINITY;
                if (got->top_id[i] != id || memcmp(&want, got->top_logprob + i, sizeof want)) {
                        snprintf(words, n,
                                 "number %u of the best is %d, not %d, or its log-probability "
                                 "differs",
                                 i, got->top_id[i], id);
                        return false;
                }
        }
        return true;
}

static bool same_draw(struct check *c, const struct wt_sample_in *in, char *words, size_t n)
{
        static double w[MOST_V];
        static int32_t order[MOST_V];
        int32_t top_id[N_TOP], want = ref_draw(in, w, order);
        double top_logprob[N_TOP];
        struct wt_sample_out out = {
                .size = sizeof out, .top_id = top_id, .top_logprob = top_logprob};
        int err = c->o->sample(c->scratch, in, &out);

        if (err || out.id != want) {
                snprintf(words, n,
                         "code %d, drew %d, not %d (vocabulary %u, temperature %g, top_k %u, "
                         "top_p %g)",
                         err, out.id, want, in->vocab, (double)in->temperature, in->top_k,
                         (double)in->top_p);
                return false;
        }
        return same_report(in, &out, words, n);
}

static void note(struct check *c, const char *what, bool ok, const char *words)
{
        c->faults += !ok;
        c->to->note(c->to->arg, what, ok, words);
}

/* ---- cases ----------------------------------------------------------------------------------- */

static float draw_logit(uint32_t kind, uint32_t trial, uint32_t i)
{
        float u = (float)wt_philox_unit(99, kind, trial, i);

        switch (kind) {
        case 0: return 20.0f * u - 10.0f;                        /* smooth */
        case 1: return (float)((int)(8.0f * u)) - 4.0f;          /* many ties, zeros */
        case 2: return u < 0.5f ? -0.0f : 0.0f; /* nothing but zeros of both signs */
        case 3: return u < 0.99f ? -80.0f * u : 30.0f * u;       /* a few stand out */
        default: return 3e38f * (2.0f * u - 1.0f);               /* as far apart as floats go */
        }
}

static const char *const kinds[] = {"smooth logits", "logits with many ties", "zeros of both signs",
                                    "a few logits above the rest",
                                    "logits at the ends of the range"};

static void check_draws(struct check *c)
{
        static const uint32_t vocabs[] = { 1, 2, 25, 301, 2049, MOST_V };
        static const float temps[] = {0.0f, 1.0f, 0.7f, 1e-3f, 50.0f},
                           top_ps[] = {1.0f, 0.9f, 0.5f, 1e-6f};
        static const uint32_t top_ks[] = { 0, 1, 5, 300 };
        static float logits[MOST_V];
        static int32_t bans[64];

        for (uint32_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
                char words[256] = "";
                bool ok = true;

                for (uint32_t trial = 0; trial < 480 && ok; trial++) {
                        uint32_t v = vocabs[trial % 6], x = trial / 6;
                        struct wt_sample_in in = {
                                .size = sizeof in, .logits = logits, .vocab = v,
                                .n_valid = trial % 7 == 3 && v > 9 ? v - 9 : trial % 2 ? v : 0,
                                .temperature = temps[x % 5], .top_p = top_ps[x % 4],
                                .top_k = top_ks[x / 5 % 4], .seed = 0x123456789abcull + trial,
                                .prompt_index = x % 3, .choice = trial % 4, .position = trial,
                                .n_top = trial % 3 ? N_TOP : 0, .banned = bans };

                        for (uint32_t i = 0; i < v; i++)
                                logits[i] = draw_logit(kind, trial, i);
                        if (in.n_valid && in.n_valid < v)
                                logits[v - 1] = NAN;     /* padding is not read */
                        for (uint32_t i = 0; trial % 5 == 2 && v > 200 && i < 64; i++)
                                bans[in.n_banned++] = (int32_t)(wt_philox_unit(5, trial, i, 0) * v);
                        ok = same_draw(c, &in, words, sizeof words);
                }
                note(c, kinds[kind], ok, words);
        }
}

static void check_refusals(struct check *c)
{
        float logits[4] = { 1.0f, 2.0f, 3.0f, 4.0f };
        int32_t all[4] = { 0, 1, 2, 3 };
        struct wt_sample_in in = { .size = sizeof in, .logits = logits, .vocab = 4, .top_p = 1.0f };
        struct wt_sample_out out = { .size = sizeof out };

        logits[2] = NAN;
        note(c, "a logit that is NaN is refused", c->o->sample(c->scratch, &in, &out) == WT_EDATA,
             "");
        logits[2] = -INFINITY;
        note(c, "an infinite logit is refused", c->o->sample(c->scratch, &in, &out) == WT_EDATA &&
             c->o->score(c->scratch, &in, 0, &out) == WT_EDATA, "");
        logits[2] = 3.0f;
        in.banned = all;
        in.n_banned = 4;
        note(c, "nothing left to draw is refused", c->o->sample(c->scratch, &in, &out) == WT_EINVAL,
             "");
        in.n_banned = 1;
        all[0] = 3;
        note(c, "the best that is not banned, but all of them in its log-probability",
             c->o->sample(c->scratch, &in, &out) == WT_OK && out.id == 2 &&
             out.logprob == ref_logprob(&in, 2), "");
        note(c, "score needs an id of the vocabulary",
             c->o->score(c->scratch, &in, 4, &out) == WT_EINVAL &&
                     c->o->score(c->scratch, &in, -1, &out) == WT_EINVAL,
             "");
        note(c, "score gives a banned id's log-probability",
             c->o->score(c->scratch, &in, 3, &out) == WT_OK && out.id == 3 &&
             out.logprob == ref_logprob(&in, 3), "");
        in.top_p = 0.0f;
        note(c, "top_p 0 is refused", c->o->sample(c->scratch, &in, &out) == WT_EINVAL, "");
        in.top_p = 1.0f;
        in.temperature = NAN;
        note(c, "a temperature that is NaN is refused",
             c->o->sample(c->scratch, &in, &out) == WT_EINVAL, "");
}

/* Each id as often as its probability says: 4 standard deviations of a fair draw. */
static void check_frequencies(struct check *c)
{
        enum { N = 40000 };
        static const float logits[5] = { 0.0f, 1.0f, -1.0f, 2.0f, 1.0f };
        uint32_t count[5] = { 0 };
        bool ok = true;
        struct wt_sample_in in = {.size = sizeof in,
                                  .logits = logits,
                                  .vocab = 5,
                                  .temperature = 1.0f,
                                  .top_p = 1.0f,
                                  .seed = 42};

        for (uint32_t i = 0; i < N; i++) {
                struct wt_sample_out out = { .size = sizeof out };

                in.position = i;
                if (c->o->sample(c->scratch, &in, &out) == WT_OK)
                        count[out.id]++;
        }
        for (uint32_t i = 0; i < 5; i++) {
                double p = exp(ref_logprob(&in, (int32_t)i)), off = count[i] - N * p;

                ok = ok && off * off < 16 * N * p * (1 - p);
        }
        note(c, "ids come as often as their probabilities say", ok, "a count is far off");
}

uint32_t wt_conform_sample(const struct wt_plugin *p, const struct wt_conform_draws *to)
{
        struct check c = { .to = to, .o = p->ops };
        bool ok = p->kind == WT_SAMPLE && c.o && c.o->size >= sizeof *c.o && c.o->scratch_bytes &&
                  c.o->sample && c.o->score;

        note(&c, "a sample plugin with all its calls", ok, "kind, table size or a call is missing");
        if (!ok)
                return c.faults;
        c.scratch = malloc(c.o->scratch_bytes(MOST_V));
        check_draws(&c);
        check_refusals(&c);
        check_frequencies(&c);
        free(c.scratch);
        return c.faults;
}
