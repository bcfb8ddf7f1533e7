/* combine.c - sums over the trie of expert ids (numbers.md N7): fold sums nodes upward on a worker,
 * combine finishes the trie on the router and adds h = h + (trie + shared). Threads split columns,
 * so that sums may be written where they were read. */
#include "model/layers/stage.h"

struct sums {
        struct wt_stage *s;
        const struct wt_node *in, *out;          /* out: fold only */
        const float *const *in_rows;
        uint32_t n_in, n_out, width, bits;
        float *to; size_t ldto;                  /* fold: out_rows; combine: h */
        const float *shared;                     /* combine, or NULL */
        uint32_t n_rows;                         /* combine */
        uint8_t *bad;
        uint32_t columns;                        /* of an item */
};

/* Rows of columns for the trie, and pointers to as many nodes as lie side by side in it. */
static size_t slot_bytes(uint32_t bits)
{
        return (size_t)(bits + 2) * WT_FOLD_COLUMNS * sizeof(float) +
               ((size_t)1 << bits) * sizeof(float *);
}

size_t wt_combine_slot(const struct wt_layer *l)
{
        return slot_bytes(wt_trie_bits(l->n_experts));
}

/* An item's scratch: pointers to one row's parts, a sum, and rows for the trie. */
struct bench { const float **part; float *sum, *scratch; };

static struct bench bench_of(const struct sums *s, uint32_t slot)
{
        float *f = (float *)wt_slot(s->s, slot);
        struct bench b = { .sum = f, .scratch = f + WT_FOLD_COLUMNS };

        b.part = (const float **)(f + (size_t)(s->bits + 2) * WT_FOLD_COLUMNS);
        return b;
}

static uint64_t first_id(uint32_t bits, const struct wt_node *n)
{
        return (uint64_t)n->prefix << (bits - n->depth);
}

static bool inside(uint32_t bits, const struct wt_node *in, const struct wt_node *out)
{
        return in->slot == out->slot && in->depth >= out->depth && in->depth <= bits &&
               in->prefix >> (in->depth - out->depth) == out->prefix;
}

static void trie(const struct sums *s, struct bench *b, uint32_t i, uint32_t n, uint32_t c0,
                 uint32_t c1, float *to)
{
        for (uint32_t j = 0; j < n; j++)
                b->part[j] = s->in_rows[i + j] + c0;
        wt_trie_sum(s->s->k, s->bits, s->in + i, b->part, n, c1 - c0, to, b->scratch);
}

static void fold_item(void *arg, uint32_t item, uint32_t slot)
{
        const struct sums *s = arg;
        struct bench b = bench_of(s, slot);
        uint32_t c0 = item * s->columns, c1 = wt_u32_min(c0 + s->columns, s->width), i = 0;

        for (uint32_t o = 0; o < s->n_out; o++) {
                uint32_t n = 0;

                while (i + n < s->n_in && inside(s->bits, s->in + i + n, s->out + o))
                        n++;
                trie(s, &b, i, n, c0, c1, s->to + o * s->ldto + c0);
                i += n;
        }
}

static void combine_item(void *arg, uint32_t item, uint32_t slot)
{
        const struct sums *s = arg;
        struct bench b = bench_of(s, slot);
        uint32_t c0 = item * s->columns, c1 = wt_u32_min(c0 + s->columns, s->width), i = 0;
        const struct wt_kernels *k = s->s->k;

        for (uint32_t t = 0; t < s->n_rows; t++) {
                const float *shared = s->shared ? s->shared + (size_t)t * s->width + c0 : NULL;
                float *h = s->to + t * s->ldto + c0;
                uint32_t n = 0;

                while (i + n < s->n_in && s->in[i + n].slot == t)
                        n++;
                if (n)
                        trie(s, &b, i, n, c0, c1, b.sum);
                if (n && shared)
                        k->add2(b.sum, shared, c1 - c0, b.sum);
                if (n || shared)
                        k->add(h, n ? b.sum : shared, c1 - c0);
                if (!k->finite(h, c1 - c0))
                        wt_mark_bad(s->bad, t);
                i += n;
        }
}

/* Nodes come over the wire: sorted by (slot, lowest id), apart, each inside the trie. */
static int nodes_check(const struct sums *s, const char *stage, const struct wt_node *n,
                       uint32_t count)
{
        for (uint32_t i = 0; i < count; i++) {
                if (n[i].depth > s->bits || (uint64_t)n[i].prefix >> n[i].depth)
                        return s->s->host.fail(WT_EINVAL,
                                               "%s: node %u (depth %u, prefix %u) is not in a "
                                               "trie of %u bits",
                                               stage, i, n[i].depth, n[i].prefix, s->bits);
                if (i && (n[i].slot < n[i - 1].slot ||
                          (n[i].slot == n[i - 1].slot &&
                           first_id(s->bits, n + i) < first_id(s->bits, n + i - 1) +
                                                      ((uint64_t)1 << (s->bits - n[i - 1].depth)))))
                        return s->s->host.fail(WT_EINVAL,
                                               "%s: node %u is out of order or inside another",
                                               stage, i);
        }
        return WT_OK;
}

static void spread(struct sums *s, wt_item_fn *fn)
{
        uint32_t threads = s->s->host.n_threads;

        s->columns = wt_u32_max(64, wt_div_up(s->width, threads));
        s->columns = wt_u32_min(WT_FOLD_COLUMNS, (s->columns + 15) & ~15u);
        wt_spread(s->s, wt_div_up(s->width, s->columns), (uint64_t)(s->n_in + s->n_rows) * s->width,
                  fn, s);
}

static int most_check(const struct sums *s, const char *stage)
{
        if (s->bits > 16 || slot_bytes(s->bits) > s->s->slot_bytes)
                return s->s->host.fail(WT_EINVAL,
                                       "%s: a trie of %u bits is larger than the layers that "
                                       "open was told of",
                                       stage, s->bits);
        return WT_OK;
}

int wt_layer_fold(struct wt_stage *st, const struct wt_fold_args *a)
{
        struct sums s = {.s = st,
                         .in = a->in,
                         .out = a->out,
                         .in_rows = a->in_rows,
                         .n_in = a->n_in,
                         .n_out = a->n_out,
                         .width = a->width,
                         .bits = a->bits,
                         .to = a->out_rows,
                         .ldto = a->width};
        uint32_t i = 0;
        int err;

        if ((err = most_check(&s, "fold")) || (err = nodes_check(&s, "fold", a->in, a->n_in)) ||
            (err = nodes_check(&s, "fold", a->out, a->n_out)))
                return err;
        for (uint32_t o = 0; o < a->n_out; o++) {
                uint32_t n = 0;

                while (i + n < a->n_in && inside(a->bits, a->in + i + n, a->out + o))
                        n++;
                if (!n)
                        return st->host.fail(WT_EINVAL, "fold: node %u of the sums has no part", o);
                i += n;
        }
        if (i < a->n_in)
                return st->host.fail(WT_EINVAL, "fold: part %u is in none of the sums", i);
        spread(&s, fold_item);
        return WT_OK;
}

int wt_layer_combine(struct wt_stage *st, const struct wt_combine_args *a)
{
        const struct wt_layer *l = a->layer;
        size_t floats = (size_t)a->n_rows * l->width;
        struct sums s = { .s = st, .in = a->in, .in_rows = a->in_rows, .n_in = a->n_in,
                          .width = l->width, .bits = wt_trie_bits(l->n_experts), .ldto = l->width,
                          .n_rows = a->n_rows, .bad = a->bad };
        int err;

        if (l->ffn != WT_FFN_MOE)
                return st->host.fail(WT_EINVAL, "combine: layer %u has no experts", l->index);
        if ((err = wt_stage_check(st, "combine", a->n_rows, NULL, NULL)) ||
            (err = wt_buffer_check(st, a->h, "h", floats)) ||
            (a->shared && (err = wt_buffer_check(st, a->shared, "shared", floats))) ||
            (err = most_check(&s, "combine")) || (err = nodes_check(&s, "combine", a->in, a->n_in)))
                return err;
        if (a->n_in && a->in[a->n_in - 1].slot >= a->n_rows)
                return st->host.fail(WT_EINVAL,
                                     "combine: a node is of row %u, the step has %u rows",
                                     a->in[a->n_in - 1].slot, a->n_rows);
        s.to = a->h->data;
        s.shared = a->shared ? a->shared->data : NULL;
        spread(&s, combine_item);
        return WT_OK;
}
