/* attend.c - the attention stage: what MLA and GQA check alike before either runs. */
#include <string.h>
#include "model/layers/stage.h"

size_t wt_attend_scratch(const struct wt_stage *s, const struct wt_layer *l)
{
        return l->attn == WT_ATTN_MLA ? wt_attend_mla_scratch(s, l) : wt_attend_gqa_scratch(s, l);
}

size_t wt_attend_slot(const struct wt_layer *l)
{
        bool mla = l->attn == WT_ATTN_MLA;

        return wt_attention_slot_floats(mla ? l->kv_rank : l->head_dim,
                                        mla ? l->kv_rank : l->head_dim) * sizeof(float);
}

/* A run lies inside the step, the tables and the pages. */
static int run_check(struct wt_stage *s, const struct wt_attend_args *a, const struct wt_run *r)
{
        size_t page = wt_layer_page_bytes(a->layer), n_pages = a->kv ? a->kv->bytes / page : 0;
        uint64_t end = (uint64_t)r->pos + r->n_rows;

        if (!r->n_rows || r->row >= a->n_rows || r->n_rows > a->n_rows - r->row)
                return s->host.fail(WT_EINVAL,
                                    "attend: a run of rows [%u, +%u) is outside the step's %u",
                                    r->row, r->n_rows, a->n_rows);
        if (end > a->cos->m.n_out || end > (uint64_t)s->max_pages * WT_PAGE)
                return s->host.fail(WT_ERANGE,
                                    "attend: position %llu is past the rope table (%u) or the "
                                    "%u pages that open was told of",
                                    (unsigned long long)end - 1, a->cos->m.n_out, s->max_pages);
        if (!r->pages)
                return s->host.fail(WT_EINVAL, "attend: a run has no page table");
        for (uint32_t j = 0; j <= (end - 1) / WT_PAGE; j++)
                if (r->pages[j] >= n_pages)
                        return s->host.fail(WT_EINVAL,
                                            "attend: page %u is outside the buffer of %zu "
                                            "pages",
                                            r->pages[j], n_pages);
        return WT_OK;
}

/* Every row of the step belongs to exactly one run. The scratch, free here, holds the marks. */
static int runs_check(struct wt_stage *s, const struct wt_attend_args *a)
{
        uint32_t rows = 0;

        memset(s->scratch, 0, a->n_rows);
        for (uint32_t i = 0; i < a->n_runs; i++) {
                const struct wt_run *r = a->runs + i;
                int err = run_check(s, a, r);

                if (err)
                        return err;
                for (uint32_t t = r->row; t < r->row + r->n_rows; t++) {
                        if (s->scratch[t])
                                return s->host.fail(WT_EINVAL, "attend: row %u is in two runs", t);
                        s->scratch[t] = 1;
                }
                rows += r->n_rows;
        }
        if (rows != a->n_rows)
                return s->host.fail(WT_EINVAL, "attend: the runs hold %u of the step's %u rows",
                                    rows, a->n_rows);
        return WT_OK;
}

int wt_layer_attend(struct wt_stage *s, const struct wt_attend_args *a)
{
        const struct wt_layer *l = a->layer;
        int err;

        if ((err = wt_stage_check(s, "attend", a->n_rows, a->adapters, a->saved)) || !a->n_rows)
                return err;
        if ((err = wt_buffer_check(s, a->h, "h", (size_t)a->n_rows * l->width)) ||
            (err = wt_weight_check(s, a->w->attn_norm, "attn_norm", WT_FORM_VECTOR, 1, l->width,
                                   1)))
                return err;
        if (!a->cos || !a->sin || a->cos->m.dtype != WT_F32 || a->sin->m.dtype != WT_F32)
                return s->host.fail(WT_EINVAL, "attend: the rope tables must be given, as F32");
        if ((err = wt_weight_check(s, a->sin, "sin", WT_FORM_ROWS, 1, a->cos->m.n_out,
                                   l->rope_dim / 2)) ||
            (err = wt_weight_check(s, a->cos, "cos", WT_FORM_ROWS, 1, a->cos->m.n_out,
                                   l->rope_dim / 2)))
                return err;
        if ((err = runs_check(s, a)))
                return err;
        return l->attn == WT_ATTN_MLA ? wt_attend_mla(s, a) : wt_attend_gqa(s, a);
}
