/* sample.c - logits to the next token (numbers.md N8), a function of its input alone.
 *   order     logit descending, id ascending; -0 equals +0
 *   greedy    temperature 0: the first of the order
 * else w = exp((l - max) / temperature) in FP64 over what may be drawn: ids below n_valid that
 *             are not banned, of these the first top_k. Z: sum of w, ids ascending. top_p keeps the
 *             first of the order until their sum, in order, reaches top_p * Z, the one that crosses
 *             included. One Philox number u in [0, 1), keyed by (seed; prompt, choice, position),
 *             draws the first of the order whose sum passes u * mass, mass being Z, or with top_p
 *             the sum of what it kept.
 *   before    the processors of process.c, in their order, on a copy of the logits
 *   min_p     keeps, of what top_p kept, the ids whose w is at least min_p times the best one's
 *   logprob   of the raw logits, before temperature and bans: (l - max) - log(sum of exp(l - max)),
 *             FP64, ids ascending, over ids below n_valid.
 * n_valid 0 or above the vocabulary means all of it. Logits of padding ids are not read. */
#include <math.h>
#include "base/rng.h"
#include "process.h"
#include "rank.h"
#include "witan/plugin.h"

struct draw {
        const struct wt_sample_in *in;
        uint32_t n;                              /* ids that count */
        float max;                               /* of all */
        double sum;                              /* of exp(l - max), ids ascending */
        double *w;                               /* (n) weights; at first exp(l - max) */
        uint64_t *banned;                        /* bits; NULL where nothing is banned */
        uint64_t *key; uint32_t *start;          /* rank's scratch */
        /* the processors': a copy of the logits, counts by id */
        float *changed; uint32_t *count;
        struct rank rank;
        int ranked;
};

static size_t align64(size_t n) { return (n + 63) & ~(size_t)63; }
static size_t mask_bytes(uint32_t n) { return align64(((size_t)n / 64 + 1) * 8); }

static size_t scratch_bytes(uint32_t vocab)
{
        return 64 + align64((size_t)vocab * sizeof(double)) +
               align64((size_t)vocab * sizeof(uint64_t)) + mask_bytes(vocab) +
               align64((RANK_BUCKETS + 1) * sizeof(uint32_t)) +
               align64((size_t)vocab * sizeof(float)) + align64((size_t)vocab * sizeof(uint32_t));
}

/* w[i] = exp((l[i] - max) / t), and the largest logit's own: a plain loop that vectorises. */
static void weigh(const float *l, uint32_t n, double max, double t, double *w)
{
        for (uint32_t i = 0; i < n; i++)
                w[i] = wn1_exp(((double)l[i] - max) / t);
}

static int is_banned(const struct draw *d, uint32_t id)
{
        return d->banned && d->banned[id / 64] >> id % 64 & 1;
}

/* Reads the logits once: finite, and their maximum. */
static int scan(struct draw *d)
{
        const float *l = d->in->logits;
        uint32_t wrong = 0, n = d->n;
        int32_t max = INT32_MIN;                 /* floats as integers of the same order */

        for (uint32_t i = 0; i < n; i++) {
                int32_t b = (int32_t)wn1_bits(l[i]);

                wrong |= (b & 0x7f800000) == 0x7f800000;
                b ^= b >> 31 & 0x7fffffff;
                max = b > max ? b : max;
        }
        d->max = wn1_float((uint32_t)(max ^ (max >> 31 & 0x7fffffff)));
        if (wrong)
                return WT_EDATA;
        weigh(l, d->n, d->max, 1.0, d->w);
        d->sum = 0.0;
        for (uint32_t i = 0; i < d->n; i++)
                d->sum = d->sum + d->w[i];
        return WT_OK;
}

static int begin(struct draw *d, void *scratch, const struct wt_sample_in *in)
{
        char *at = (char *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);

        *d = (struct draw){ .in = in, .n = in->vocab };
        if (in->n_valid && in->n_valid < in->vocab)
                d->n = in->n_valid;
        if (!d->n || !in->logits || !scratch)
                return WT_EINVAL;
        d->w = (double *)at;
        d->key = (uint64_t *)(at += align64((size_t)in->vocab * sizeof *d->w));
        d->start = (uint32_t *)(at += align64((size_t)in->vocab * sizeof *d->key));
        at += align64((RANK_BUCKETS + 1) * sizeof *d->start);
        d->changed = (float *)(at + mask_bytes(in->vocab));
        d->count =
                (uint32_t *)((char *)d->changed + align64((size_t)in->vocab * sizeof *d->changed));
        if (in->n_banned) {
                d->banned = (uint64_t *)at;
                memset(d->banned, 0, mask_bytes(in->vocab));
                for (uint32_t i = 0; i < in->n_banned; i++)
                        if (in->banned[i] >= 0 && (uint32_t)in->banned[i] < d->n)
                                d->banned[in->banned[i] / 64] |= (uint64_t)1 << in->banned[i] % 64;
        }
        return scan(d);
}

static void rank_all(struct draw *d)
{
        if (!d->ranked)
                rank_init(&d->rank, d->in->logits, d->n, d->key, d->start);
        d->ranked = 1;
}

/* ---- the draw ------------------------------------------------------------------------------- */

/* The first of the order that may be drawn, or -1. */
static int64_t best(const struct draw *d)
{
        const float *l = d->in->logits;
        int64_t id = -1;

        for (uint32_t i = 0; i < d->n; i++)
                if (l[i] == d->max && !is_banned(d, i))
                        return i;
        for (uint32_t i = 0; i < d->n; i++)      /* all that reach the maximum are banned */
                if (!is_banned(d, i) && (id < 0 || l[i] > l[id]))
                        id = i;
        return id;
}

/* The rank after that of the k-th that may be drawn; n where there are fewer. */
static uint32_t rank_of(struct draw *d, uint32_t k)
{
        uint32_t at = 0;

        for (; at < d->n && k > 0; at++) {
                rank_sort(&d->rank, at + 1);
                k -= !is_banned(d, rank_id(d->rank.key[at]));
        }
        return at;
}

/* Weights of what may be drawn, and their sum by ascending id. last: the last key that may. */
static double normaliser(struct draw *d, double max, uint64_t last, int all)
{
        const float *l = d->in->logits;
        double t = d->in->temperature, z = 0.0;

        if (all && !(t == 1.0 && max == d->max))         /* else w is what it was */
                weigh(l, d->n, max, t, d->w);
        for (uint32_t i = 0; i < d->n; i++) {
                if (is_banned(d, i) || (!all && rank_key(l[i], i) > last))
                        continue;
                if (!all)
                        d->w[i] = wn1_exp(((double)l[i] - max) / t);
                z = z + d->w[i];
        }
        return z;
}

/* Walks the order up to rank `end` until the sum passes limit (or reaches it: `reach`); returns the
 * rank where it stopped, or the last one that may be drawn. */
static uint32_t walk(struct draw *d, uint32_t end, double limit, int reach, double *sum)
{
        uint32_t last = 0;
        double cum = 0.0;

        for (uint32_t at = 0; at < end; at++) {
                rank_sort(&d->rank, at + 1);

                uint32_t id = rank_id(d->rank.key[at]);

                if (is_banned(d, id))
                        continue;
                cum = cum + d->w[id];
                last = at;
                if (cum > limit || (reach && cum == limit))
                        break;
        }
        *sum = cum;
        return last;
}

/* The last rank below `end` whose weight is at least min_p (the best one's is 1), and the sum of
 * the weights up to it. */
static uint32_t likely(struct draw *d, uint32_t end, double min_p, double *sum)
{
        uint32_t last = 0;
        double cum = 0.0;

        for (uint32_t at = 0; at < end; at++) {
                rank_sort(&d->rank, at + 1);

                uint32_t id = rank_id(d->rank.key[at]);

                if (is_banned(d, id))
                        continue;
                if (d->w[id] < min_p)
                        break;
                cum = cum + d->w[id];
                last = at;
        }
        *sum = cum;
        return last;
}

static int pick(struct draw *d, int32_t *id)
{
        const struct wt_sample_in *in = d->in;
        int64_t top = best(d);
        uint32_t end = d->n;
        double z, mass, cum;

        if (top < 0)
                return WT_EINVAL;                        /* everything is banned */
        *id = (int32_t)top;
        if (in->temperature == 0.0f)
                return WT_OK;
        rank_all(d);
        if (in->top_k && in->top_k < d->n)
                end = rank_of(d, in->top_k);
        z = normaliser(d, in->logits[top], end ? d->rank.key[end - 1] : 0, end == d->n);
        mass = z;
        if (in->top_p < 1.0f)
                end = walk(d, end, (double)in->top_p * z, 1, &mass) + 1;
        if (in->min_p > 0.0f)
                end = likely(d, end, (double)in->min_p, &mass) + 1;
        mass = wt_philox_unit(in->seed, in->prompt_index, in->choice, in->position) * mass;
        *id = (int32_t)rank_id(d->rank.key[walk(d, end, mass, 0, &cum)]);
        return WT_OK;
}

/* ---- the ABI -------------------------------------------------------------------------------- */

static double logprob(const struct draw *d, uint32_t id, double log_sum)
{
        return ((double)d->in->logits[id] - (double)d->max) - log_sum;
}

static void report(struct draw *d, int32_t id, struct wt_sample_out *out)
{
        double log_sum = wn1_log(d->sum);

        out->id = id;
        out->logprob = logprob(d, (uint32_t)id, log_sum);
        if (d->in->n_top)
                rank_all(d);
        for (uint32_t i = 0; i < d->in->n_top; i++) {
                int there = i < d->n;

                if (there)
                        rank_sort(&d->rank, i + 1);
                out->top_id[i] = there ? (int32_t)rank_id(d->rank.key[i]) : -1;
                out->top_logprob[i] =
                        there ? logprob(d, rank_id(d->rank.key[i]), log_sum) : -INFINITY;
        }
}

static int sample(void *scratch, const struct wt_sample_in *in, struct wt_sample_out *out)
{
        struct draw d;
        int32_t id = -1;
        int err;

        if (!(in->temperature >= 0.0f) || in->temperature > 3.4e38f || !(in->top_p > 0.0f) ||
            in->top_p > 1.0f || !(in->min_p >= 0.0f) || in->min_p > 1.0f ||
            !(in->repetition_penalty >= 0.0f))
                return WT_EINVAL;
        if ((err = begin(&d, scratch, in)))
                return err;
        if (!process_wanted(in)) {
                if ((err = pick(&d, &id)))
                        return err;
        } else {
                struct wt_sample_in changed = *in;
                struct draw e;

                process(in, d.n, d.changed, d.count);
                changed.logits = d.changed;
                if ((err = begin(&e, scratch, &changed)) || (err = pick(&e, &id)))
                        return err;
        }
        report(&d, id, out);                     /* of the raw logits */
        return WT_OK;
}

static int score(void *scratch, const struct wt_sample_in *in, int32_t id,
                 struct wt_sample_out *out)
{
        struct draw d;
        int err;

        if ((err = begin(&d, scratch, in)))
                return err;
        if (id < 0 || (uint32_t)id >= d.n)
                return WT_EINVAL;
        report(&d, id, out);
        return WT_OK;
}

static const struct wt_sample_ops ops = { .size = sizeof ops, .scratch_bytes = scratch_bytes,
                                          .sample = sample, .score = score };
#ifndef SAMPLE_NAME
#define SAMPLE_NAME "wn1"                        /* the example .so has a name of its own */
#endif
WT_PLUGIN(.kind = WT_SAMPLE, .name = SAMPLE_NAME, .version = "1.0", .ops = &ops,
          .about = "temperature, top-k, top-p by one Philox number; greedy ties to the lowest id");
