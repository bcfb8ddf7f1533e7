/* head.c - the two ends of the model: embedding rows in, logits out. */
#include <string.h>
#include "model/layers/stage.h"

int wt_layer_embed(struct wt_stage *s, const struct wt_embed_args *a)
{
        const struct wt_weight *w = a->table;
        int err;

        if (!w || w->m.form != WT_FORM_ROWS || w->m.n_in != a->width)
                return s->host.fail(WT_EINVAL, "embed: the table is missing or not of width %u",
                                    a->width);
        if ((err = wt_stage_check(s, "embed", a->n_rows, NULL, NULL)) ||
            (err = wt_buffer_check(s, a->h, "h", (size_t)a->n_rows * a->width)))
                return err;
        for (uint32_t t = 0; t < a->n_rows; t++)
                if (a->ids[t] < 0 || (uint32_t)a->ids[t] >= w->m.n_out)
                        return s->host.fail(WT_EINVAL, "embed: token %d of row %u is outside the "
                                            "vocabulary of %u", a->ids[t], t, w->m.n_out);
        for (uint32_t t = 0; t < a->n_rows; t++)
                wt_row_widen(w->data, w->m.dtype, (size_t)a->ids[t], a->width,
                             (float *)a->h->data + (size_t)t * a->width);
        return WT_OK;
}

struct head { const struct wt_kernels *k; const uint32_t *rows; uint8_t *bad; };

size_t wt_head_scratch(const struct wt_stage *s, uint32_t width)
{
        struct wt_carve c = { NULL, 0 };

        wt_carve_floats(&c, (size_t)s->max_rows * width);
        return c.used;
}

static void check_logits(void *arg, const struct wt_product *p, uint32_t m0, uint32_t m1,
                         uint32_t c0, uint32_t c1)
{
        const struct head *h = arg;

        for (uint32_t t = m0; t < m1; t++)
                if (!h->k->finite(p->y + t * p->ldy + c0, c1 - c0))
                        wt_mark_bad(h->bad, h->rows[t]);
}

int wt_layer_head(struct wt_stage *s, const struct wt_head_args *a)
{
        struct wt_carve c = { s->scratch, 0 };
        float *x = wt_carve_floats(&c, (size_t)a->n * a->width);
        struct head h = { s->k, a->rows, a->bad };
        struct wt_product p = { .w = a->head, .x = x, .ldx = a->width, .m = a->n, .y = a->logits,
                                .ldy = a->vocab };
        size_t rows = a->h ? a->h->bytes / sizeof(float) / (a->width ? a->width : 1) : 0;
        int err;

        if ((err = wt_stage_check(s, "head", a->n, NULL, NULL)) ||
            (err = wt_weight_check(s, a->norm, "norm", WT_FORM_VECTOR, 1, a->width, 1)) ||
            (err = wt_weight_check(s, a->head, "head", WT_FORM_LINEAR, 1, a->vocab, a->width)) ||
            (err = wt_scratch_check(s, &c, "head")))
                return err;
        for (uint32_t i = 0; i < a->n; i++) {
                if (a->rows[i] >= rows)
                        return s->host.fail(WT_EINVAL, "head: row %u is outside h", a->rows[i]);
                memcpy(x + (size_t)i * a->width,
                       (const float *)a->h->data + (size_t)a->rows[i] * a->width,
                       a->width * sizeof *x);
        }
        wt_norm_rows(s, x, a->norm, a->n, a->width, a->eps, x, NULL);
        if (a->n)
                wt_products(s, &p, 1, check_logits, &h);
        return WT_OK;
}
