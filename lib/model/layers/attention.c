/* attention.c - attention over KV pages (numbers.md N5): the one core of MLA and GQA.
 * A tile is some rows of one run times some heads of one KV head; it walks the pages of its span in
 * ascending order, and spans in ascending order. How rows, heads and spans are cut into items is
 * free (it depends on threads and load), for every (row, head) does the same operations in the same
 * order. */
#include "model/layers/stage.h"
#include <string.h>

enum { SPLIT_BYTES_MOST = 64 << 20 };            /* of partials: enough for 32 threads at 128k */

/* How one run is cut. */
struct plan {
        uint32_t first;                          /* item number of its first item */
        uint32_t row, n_rows, pos;               /* row: within the call */
        const uint32_t *pages;
        uint32_t tile, n_tiles;                  /* rows of a tile */
        uint32_t heads, n_blocks;                /* query heads of a tile, blocks in a KV head */
        uint32_t spans;                          /* 1: the item does all spans */
        size_t partial; /* floats of the first unit's first span; split only */
        uint32_t left;                           /* counter of the first unit; split only */
};

struct scratch { struct plan *plans; uint32_t *left; float *partial; };

/* The item's accumulators: m, l (Q) and u (Q, vd). */
struct acc { float *m, *l, *u; };

struct tile {
        const struct plan *p;
        uint32_t row, n_rows, pos;               /* of its first row */
        uint32_t kv, head, n_heads;              /* head: absolute */
        const float *q; size_t ldq;              /* first query; (row, head) order */
};

struct run {
        const struct wt_attention *a;
        struct wt_stage *s;
        struct scratch *w;
        uint32_t n_plans;
};

/* at: where the plan's pointers live, inside the scratch itself. */
void wt_attention_plan(struct wt_carve *c, uint32_t n_rows, size_t partial_floats, void **at)
{
        struct scratch w, *to = wt_carve(c, 1, sizeof w);

        w.plans = wt_carve(c, n_rows, sizeof *w.plans);
        w.left = wt_carve(c, partial_floats ? partial_floats / 3 + 1 : 1, sizeof *w.left);
        w.partial = wt_carve_floats(c, partial_floats);
        if (to)
                *to = w;
        *at = to;
}

size_t wt_attention_slot_floats(uint32_t kd, uint32_t vd)
{
        size_t q = WT_TILE_QUERIES;

        return q * WT_PAGE + 6 * q + 3 * q * vd + q * kd + 8 * 16;
}

/* Fewer than 2 threads tiles are split (see cut_run), of at most WT_TILE_QUERIES queries each. */
size_t wt_attention_partials(uint32_t threads, uint32_t max_pages, uint32_t group, uint32_t vd)
{
        size_t spans = wt_div_up(max_pages, WT_SPAN), queries = wt_u32_min(group, WT_TILE_QUERIES);
        size_t n = (size_t)2 * threads * spans * queries * ((size_t)vd + 2);

        if (threads == 1 || spans < 2)
                return 0;
        return n < SPLIT_BYTES_MOST / sizeof(float) ? n : SPLIT_BYTES_MOST / sizeof(float);
}

/* ---- one page, one span ---------------------------------------------------------------------- */

/* Rows before this one of the tile do not see page j. */
static uint32_t first_row(const struct tile *t, uint32_t j)
{
        return j * WT_PAGE > t->pos ? j * WT_PAGE - t->pos : 0;
}

/* Page j of the tile into acc. All its queries share one product of scores; rows that see the page
 * only in part take their own loop bound. */
static void page_part(const struct run *r, const struct tile *t, uint32_t j, float *score,
                      struct acc d)
{
        const struct wt_attention *a = r->a;
        const float *k = a->pages + t->p->pages[j] * a->page_floats + t->kv * a->kv_head;
        uint32_t i0 = first_row(t, j), h = t->n_heads;
        uint32_t seen = t->pos + t->n_rows - j * WT_PAGE;       /* of the last row */
        uint32_t full = (j + 1) * WT_PAGE > t->pos + 1 ? (j + 1) * WT_PAGE - 1 - t->pos : 0;
        const float *qr = a->qr ? a->qr + (t->row + i0) * a->qr_row + t->head * a->qr_head : NULL;
        size_t q = (size_t)i0 * h;

        r->s->k->score(t->q + q * t->ldq, t->ldq, qr, a->qr_head, (t->n_rows - i0) * h,
                       k, a->ldk, a->kd, a->qr ? k + a->kr_at : NULL, a->ldk, a->rd,
                       wt_u32_min(seen, WT_PAGE), a->scale, score + q * WT_PAGE);
        full = wt_u32_max(wt_u32_min(full, t->n_rows), i0);
        for (uint32_t i = i0; i < full; i++, q += h)
                r->s->k->segment(score + q * WT_PAGE, h, t->pos + i + 1 - j * WT_PAGE, k + a->v_at,
                                 a->ldv, a->vd, d.m + q, d.l + q, d.u + q * a->vd, a->vd);
        if (full < t->n_rows)
                r->s->k->segment(score + q * WT_PAGE, (t->n_rows - full) * h, WT_PAGE, k + a->v_at,
                                 a->ldv, a->vd, d.m + q, d.l + q, d.u + q * a->vd, a->vd);
}

static void merge_from(const struct run *r, const struct tile *t, uint32_t i0, struct acc d,
                       struct acc e)
{
        uint32_t vd = r->a->vd;

        for (size_t q = (size_t)i0 * t->n_heads; q < (size_t)t->n_rows * t->n_heads; q++)
                r->s->k->merge(d.m + q, d.l + q, d.u + q * vd, e.m[q], e.l[q], e.u + q * vd, vd);
}

/* Pages of span sp fold ascending into d; the first is computed there, not merged into zero. */
static void span_part(const struct run *r, const struct tile *t, uint32_t sp, float *score,
                      struct acc d, struct acc tmp)
{
        uint32_t j0 = sp * WT_SPAN, last = (t->pos + t->n_rows - 1) / WT_PAGE;
        uint32_t j1 = wt_u32_min(j0 + WT_SPAN, last + 1);

        for (uint32_t j = j0; j < j1; j++) {
                page_part(r, t, j, score, j == j0 ? d : tmp);
                if (j > j0)
                        merge_from(r, t, first_row(t, j), d, tmp);
        }
}

/* ---- one tile -------------------------------------------------------------------------------- */

static void put_out(const struct run *r, const struct tile *t, struct acc d)
{
        const struct wt_attention *a = r->a;

        for (uint32_t i = 0; i < t->n_rows; i++)
                for (uint32_t h = 0; h < t->n_heads; h++) {
                        size_t q = (size_t)i * t->n_heads + h;

                        r->s->k->divide(d.u + q * a->vd, d.l[q], a->vd,
                                        a->out + (t->row + i) * a->out_row +
                                                (size_t)(t->head + h) * a->vd);
                }
}

static struct acc acc_take(struct wt_carve *c, uint32_t vd)
{
        struct acc d;

        d.m = wt_carve_floats(c, WT_TILE_QUERIES);
        d.l = wt_carve_floats(c, WT_TILE_QUERIES);
        d.u = wt_carve_floats(c, (size_t)WT_TILE_QUERIES * vd);
        return d;
}

static struct acc partial_of(const struct run *r, const struct tile *t, uint32_t unit, uint32_t sp)
{
        size_t queries = (size_t)t->p->tile * t->p->heads, one = queries * ((size_t)r->a->vd + 2);
        float *at = r->w->partial + t->p->partial + ((size_t)unit * t->p->spans + sp) * one;

        return (struct acc){ at, at + queries, at + 2 * queries };
}

/* One span of a split tile. Whoever ends the tile's last span folds them all, ascending. */
static void split_part(const struct run *r, const struct tile *t, uint32_t unit, uint32_t sp,
                       float *score, struct acc tmp)
{
        uint32_t n = (t->pos + t->n_rows - 1) / (WT_SPAN * WT_PAGE) + 1;
        struct acc d = partial_of(r, t, unit, 0);

        if (sp < n)
                span_part(r, t, sp, score, partial_of(r, t, unit, sp), tmp);
        if (__atomic_sub_fetch(r->w->left + t->p->left + unit, 1, __ATOMIC_ACQ_REL))
                return;
        for (uint32_t i = 1; i < n; i++)
                merge_from(r, t, first_row(t, i * WT_SPAN), d, partial_of(r, t, unit, i));
        put_out(r, t, d);
}

/* Rows of one KV head lie apart when there are several KV heads: they are gathered once. */
static void take_queries(const struct run *r, struct tile *t, float *gather)
{
        const struct wt_attention *a = r->a;
        const float *q = a->qa + t->row * a->qa_row + (size_t)t->head * a->kd;
        size_t bytes = (size_t)t->n_heads * a->kd * sizeof *q;

        t->q = q;
        t->ldq = a->kd;
        if (t->n_rows == 1 || t->n_heads == a->n_kv * a->group)
                return;
        for (uint32_t i = 0; i < t->n_rows; i++)
                memcpy((char *)gather + i * bytes, q + i * a->qa_row, bytes);
        t->q = gather;
}

static const struct plan *plan_of(const struct run *r, uint32_t item)
{
        uint32_t lo = 0, hi = r->n_plans;

        while (hi - lo > 1) {
                uint32_t mid = lo + (hi - lo) / 2;

                if (r->w->plans[mid].first <= item)
                        lo = mid;
                else
                        hi = mid;
        }
        return r->w->plans + lo;
}

static void tile_item(void *arg, uint32_t item, uint32_t slot)
{
        const struct run *r = arg;
        const struct wt_attention *a = r->a;
        const struct plan *p = plan_of(r, item);
        uint32_t sp = (item - p->first) % p->spans, unit = (item - p->first) / p->spans;
        uint32_t block = unit % p->n_blocks, kv = unit / p->n_blocks % a->n_kv;
        uint32_t row = unit / p->n_blocks / a->n_kv * p->tile, head = block * p->heads;
        struct tile t = {.p = p,
                         .row = p->row + row,
                         .n_rows = wt_u32_min(p->tile, p->n_rows - row),
                         .pos = p->pos + row,
                         .kv = kv,
                         .head = kv * a->group + head,
                         .n_heads = wt_u32_min(p->heads, a->group - head)};
        struct wt_carve c = { wt_slot(r->s, slot), 0 };
        float *score = wt_carve_floats(&c, (size_t)WT_TILE_QUERIES * WT_PAGE);
        struct acc tmp = acc_take(&c, a->vd), span = acc_take(&c, a->vd), all = acc_take(&c, a->vd);
        uint32_t n = (t.pos + t.n_rows - 1) / (WT_SPAN * WT_PAGE) + 1;

        take_queries(r, &t, wt_carve_floats(&c, (size_t)WT_TILE_QUERIES * a->kd));
        if (p->spans > 1) {
                split_part(r, &t, unit, sp, score, tmp);
                return;
        }
        for (uint32_t i = 0; i < n; i++) {
                span_part(r, &t, i, score, i ? span : all, tmp);
                if (i)
                        merge_from(r, &t, first_row(&t, i * WT_SPAN), all, span);
        }
        put_out(r, &t, all);
}

/* ---- cutting runs into items ----------------------------------------------------------------- */

static uint32_t spans_of(const struct plan *p)
{
        return (p->pos + p->n_rows - 1) / (WT_SPAN * WT_PAGE) + 1;
}

/* Smaller tiles while one costs more than a 2T-th of the whole: fewer rows first, then spans apart
 * (each page is still read once), then fewer heads. limit: (queries x pages) of a piece. */
static void cut_run(const struct run *r, struct plan *p, uint64_t limit, size_t *partial,
                    uint32_t *left)
{
        const struct wt_attention *a = r->a;
        uint64_t pages = (p->pos + p->n_rows - 1) / WT_PAGE + 1;
        uint32_t units;
        size_t need;

        p->heads = wt_u32_min(a->group, WT_TILE_QUERIES);
        p->tile = wt_u32_max(1, wt_u32_min(p->n_rows, WT_TILE_QUERIES / p->heads));
        p->spans = 1;
        while (p->tile > 1 && p->tile * p->heads * pages > limit)
                p->tile = (p->tile + 1) / 2;
        p->n_tiles = wt_div_up(p->n_rows, p->tile);
        p->n_blocks = wt_div_up(a->group, p->heads);
        units = p->n_tiles * a->n_kv * p->n_blocks;
        need = (size_t)units * spans_of(p) * p->tile * p->heads * ((size_t)a->vd + 2);
        if (p->heads * p->tile * pages > limit && spans_of(p) > 1 &&
            *partial + need <= r->s->partial_floats) {
                p->spans = spans_of(p);
                p->partial = *partial;
                p->left = *left;
                for (uint32_t i = 0; i < units; i++)
                        r->w->left[*left + i] = p->spans;
                *partial += need;
                *left += units;
                return;
        }
        while (p->heads > 4 && p->heads * p->tile * pages > limit)
                p->heads = (p->heads + 1) / 2;
        p->n_blocks = wt_div_up(a->group, p->heads);
}

void wt_attention_run(struct wt_stage *s, const struct wt_attention *a, void *at)
{
        struct run r = { a, s, at, 0 };
        uint64_t total = 0, limit = UINT64_MAX, heads = (uint64_t)a->n_kv * a->group;
        uint32_t items = 0, left = 0;
        size_t partial = 0;

        for (uint32_t i = 0; i < a->n_runs; i++) {
                const struct wt_run *u = a->runs + i;
                uint32_t r0 = wt_u32_max(u->row, a->row0);
                uint32_t r1 = wt_u32_min(u->row + u->n_rows, a->row0 + a->n_rows);

                if (r0 >= r1)
                        continue;
                r.w->plans[r.n_plans] = (struct plan){.row = r0 - a->row0,
                                                      .n_rows = r1 - r0,
                                                      .pos = u->pos + (r0 - u->row),
                                                      .pages = u->pages};
                total += heads * (r1 - r0) *
                         ((r.w->plans[r.n_plans++].pos + r1 - r0 - 1) / WT_PAGE + 1);
        }
        if (s->host.n_threads > 1)
                limit = total / (2 * s->host.n_threads) + 1;
        for (uint32_t i = 0; i < r.n_plans; i++) {
                struct plan *p = r.w->plans + i;

                cut_run(&r, p, limit, &partial, &left);
                p->first = items;
                items += p->n_tiles * a->n_kv * p->n_blocks * p->spans;
        }
        wt_spread(s, items, total * WT_PAGE * (a->kd + a->rd + a->vd), tile_item, &r);
}
