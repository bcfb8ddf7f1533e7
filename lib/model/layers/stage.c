/* stage.c - scratch, threads and products by N2, the common ground of the layer files. */
#include "model/layers/stage.h"
#include <stdlib.h>
#include <string.h>

/* Multiply-adds that are worth a thread's wake-up (some microseconds of work). */
enum { GRAIN = 32768 };

/* ---- spreading ------------------------------------------------------------------------------- */

struct spread { uint32_t next, n; wt_item_fn *fn; void *arg; };

/* One worker: its index is its slot; it takes items until none is left. */
static void work(void *arg, uint32_t slot)
{
        struct spread *sp = arg;
        uint32_t i;

        while ((i = __atomic_fetch_add(&sp->next, 1, __ATOMIC_RELAXED)) < sp->n)
                sp->fn(sp->arg, i, slot);
}

void wt_spread(struct wt_stage *s, uint32_t n_items, uint64_t cost, wt_item_fn *fn, void *arg)
{
        uint64_t worth = 1 + cost / GRAIN;
        uint32_t n = wt_u32_min(n_items, s->host.n_threads);

        if (worth < n)
                n = (uint32_t)worth;
        if (n > 1) {
                struct spread sp = { 0, n_items, fn, arg };

                s->host.parallel(s->host.pool, n, work, &sp);
                return;
        }
        for (uint32_t i = 0; i < n_items; i++)
                fn(arg, i, 0);
}

/* ---- products -------------------------------------------------------------------------------- */

struct cut {
        const struct wt_kernels *k;
        const struct wt_product *p;
        uint32_t n, panels, rows;                /* panels and rows of a piece */
        wt_then_fn *then;
        void *arg;
};

static void piece(void *arg, uint32_t item, uint32_t slot)
{
        const struct cut *c = arg;
        uint32_t lo = 0, hi = c->n;

        (void)slot;
        while (hi - lo > 1) {                    /* the last product whose first <= item */
                uint32_t mid = lo + (hi - lo) / 2;

                if (c->p[mid].first <= item)
                        lo = mid;
                else
                        hi = mid;
        }

        const struct wt_product *p = c->p + lo;
        uint32_t n = p->w->m.n_out, all = wt_panels(n), across = wt_div_up(all, c->panels);
        uint32_t i = item - p->first;
        uint32_t p0 = i % across * c->panels, p1 = wt_u32_min(p0 + c->panels, all);
        uint32_t m0 = i / across * c->rows, m1 = wt_u32_min(m0 + c->rows, p->m);
        struct wt_packed w = wt_packed_of(&p->w->m, p->w->data, 0);

        c->k->linear(&w, p0, p1, p->x + m0 * p->ldx, p->ldx, m1 - m0, p->y + m0 * p->ldy, p->ldy);
        if (p->w2) {
                w = wt_packed_of(&p->w2->m, p->w2->data, 0);
                c->k->linear(&w, p0, p1, p->x + m0 * p->ldx, p->ldx, m1 - m0,
                             p->y2 + m0 * p->ldy, p->ldy);
        }
        if (c->then)
                c->then(c->arg, p, m0, m1, p0 * WT_PANEL, wt_u32_min(p1 * WT_PANEL, n));
}

/* Pieces: some four a thread, of 4 to 32 panels, for a kernel keeps four or five panels in flight.
 * Rows are cut only where panels are too few. */
void wt_products(struct wt_stage *s, struct wt_product *p, uint32_t n, wt_then_fn *then, void *arg)
{
        struct cut c = { .k = s->k, .p = p, .n = n, .then = then, .arg = arg };
        uint32_t panels = 0, rows = 0, pieces = 0, threads = s->host.n_threads;
        uint64_t cost = 0;

        for (uint32_t i = 0; i < n; i++) {
                panels += wt_panels(p[i].w->m.n_out);
                rows = wt_u32_max(rows, p[i].m);
                cost += (uint64_t)p[i].m * p[i].w->m.n_out * p[i].w->m.n_in * (p[i].w2 ? 2 : 1);
        }
        c.panels = wt_u32_min(32, (panels / (4 * threads) + 4) & ~3u);
        for (uint32_t i = 0; i < n; i++)
                pieces += wt_div_up(wt_panels(p[i].w->m.n_out), c.panels);
        c.rows = wt_u32_max(rows, 1);
        if (threads > 1 && pieces < 2 * threads)
                c.rows = wt_u32_max(32, (rows / wt_div_up(2 * threads, pieces) + 8) & ~7u);
        pieces = 0;
        for (uint32_t i = 0; i < n; i++) {
                p[i].first = pieces;
                pieces +=
                        wt_div_up(wt_panels(p[i].w->m.n_out), c.panels) * wt_div_up(p[i].m, c.rows);
        }
        wt_spread(s, pieces, cost, piece, &c);
}

void wt_residual_add(void *arg, const struct wt_product *p, uint32_t m0, uint32_t m1, uint32_t c0,
                     uint32_t c1)
{
        const struct wt_residual *r = arg;

        for (uint32_t t = m0; t < m1; t++) {
                float *h = r->h + t * r->ldh + c0;

                r->k->add(h, p->y + t * p->ldy + c0, c1 - c0);
                if (!r->k->finite(h, c1 - c0))
                        wt_mark_bad(r->bad, r->row0 + t);
        }
}

/* ---- norms ----------------------------------------------------------------------------------- */

struct norm {
        const struct wt_kernels *k;
        const float *x, *w;
        float *y;
        uint32_t width, n_rows, per;
        float eps;
        uint8_t *bad;
};

static void norm_item(void *arg, uint32_t item, uint32_t slot)
{
        const struct norm *n = arg;
        uint32_t end = wt_u32_min(n->n_rows, (item + 1) * n->per);

        (void)slot;
        for (uint32_t t = item * n->per; t < end; t++) {
                float *y = n->y + (size_t)t * n->width;

                n->k->rms_norm(n->x + (size_t)t * n->width, n->w, n->width, n->eps, y);
                if (n->bad && !n->k->finite(y, n->width))
                        wt_mark_bad(n->bad, t);
        }
}

void wt_norm_rows(struct wt_stage *s, const float *x, const struct wt_weight *w, uint32_t n_rows,
                  uint32_t width, float eps, float *y, uint8_t *bad)
{
        struct norm n = { s->k, x, w->data, y, width, n_rows, 0, eps, bad };

        n.per = wt_u32_max(1, n_rows / (4 * s->host.n_threads));
        wt_spread(s, wt_div_up(n_rows, n.per), (uint64_t)n_rows * width, norm_item, &n);
}

/* ---- checks ---------------------------------------------------------------------------------- */

int wt_scratch_check(struct wt_stage *s, const struct wt_carve *c, const char *stage)
{
        if (c->used <= s->scratch_bytes)
                return WT_OK;
        return s->host.fail(WT_EINVAL, "%s: this layer needs %zu bytes of scratch, open took %zu; "
                            "name the layer in wt_compute_conf", stage, c->used, s->scratch_bytes);
}

int wt_weight_check(struct wt_stage *s, const struct wt_weight *w, const char *name, uint32_t form,
                    uint32_t n_mat, uint32_t n_out, uint32_t n_in)
{
        if (!w)
                return s->host.fail(WT_EINVAL, "weight %s is missing; upload it before the stage",
                                    name);
        if (w->m.form != form || w->m.n_mat != n_mat || w->m.n_out != n_out || w->m.n_in != n_in)
                return s->host.fail(WT_EINVAL, "weight %s is form %u, %u x (%u, %u), not form %u, "
                                    "%u x (%u, %u) as the layer says", name, w->m.form, w->m.n_mat,
                                    w->m.n_out, w->m.n_in, form, n_mat, n_out, n_in);
        return WT_OK;
}

int wt_stage_check(struct wt_stage *s, const char *stage, uint32_t n_rows,
                   const struct wt_adapters *adapters, const struct wt_saved *saved)
{
        if (adapters)
                return s->host.fail(WT_EUNSUPPORTED,
                                    "%s: adapters are not supported by the processor's "
                                    "plugin; serve a merged revision",
                                    stage);
        if (saved)
                return s->host.fail(WT_EUNSUPPORTED,
                                    "%s: activations are not kept by the processor's "
                                    "plugin; pass NULL",
                                    stage);
        if (n_rows > s->max_rows)
                return s->host.fail(WT_EINVAL, "%s: %u rows, open was told of at most %u", stage,
                                    n_rows, s->max_rows);
        return WT_OK;
}

int wt_buffer_check(struct wt_stage *s, const struct wt_buffer *b, const char *name, size_t floats)
{
        if (!b || b->bytes / sizeof(float) < floats)
                return s->host.fail(WT_EINVAL, "buffer %s has %zu bytes, the stage needs %zu", name,
                                    b ? b->bytes : 0, floats * sizeof(float));
        return WT_OK;
}
