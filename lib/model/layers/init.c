/* init.c - the scratch of all stages, sized once from the layers that a process will run. */
#include <stdlib.h>
#include <string.h>
#include "model/layers/stage.h"

/* Bounds that keep every size in 64 bits and refuse nonsense; far above any released model. */
enum { MOST_WIDTH = 1 << 20, MOST_HEADS = 1 << 14, MOST_ROWS = 1 << 20, MOST_EXPERTS = 1 << 16 };

static const char *attention_fault(const struct wt_layer *l)
{
        if (!l->n_heads || l->n_heads > MOST_HEADS)
                return "n_heads must be 1 to 16384";
        if (!l->rope_dim || l->rope_dim % 2 || l->rope_dim > MOST_WIDTH)
                return "rope_dim must be even and not 0";
        if (l->rope != WT_ROPE_INTERLEAVED && l->rope != WT_ROPE_HALVES)
                return "rope must be interleaved or halves";
        if (l->attn == WT_ATTN_MLA) {
                if (!l->kv_rank || !l->nope || !l->v_dim)
                        return "MLA needs kv_rank, nope and v_dim";
                if (l->kv_rank > MOST_WIDTH || l->nope > MOST_WIDTH || l->v_dim > MOST_WIDTH ||
                    l->q_rank > MOST_WIDTH)
                        return "a width of MLA is above 1048576";
                return NULL;
        }
        if (l->attn != WT_ATTN_GQA)
                return "attn must be MLA or GQA";
        if (!l->n_kv_heads || l->n_heads % l->n_kv_heads)
                return "n_kv_heads must divide n_heads";
        if (!l->head_dim || l->head_dim > MOST_WIDTH || l->rope_dim != l->head_dim)
                return "GQA rotates the whole head: rope_dim must equal head_dim";
        return NULL;
}

static const char *gate_fault(const struct wt_layer *l)
{
        uint32_t g = l->n_group ? l->n_group : 1;

        if (!l->n_experts || l->n_experts > MOST_EXPERTS)
                return "n_experts must be 1 to 65536";
        if (!l->n_picks || l->n_picks > l->n_experts)
                return "n_picks must be 1 to n_experts";
        if (!l->expert_hidden || l->expert_hidden > MOST_WIDTH || l->shared_hidden > MOST_WIDTH)
                return "expert_hidden must be 1 to 1048576";
        if (l->score < WT_SCORE_SOFTMAX || l->score > WT_SCORE_SOFTMAX_PICKED)
                return "score is not known";
        if (l->select < WT_SELECT_TOP || l->select > WT_SELECT_GROUP_TOP2)
                return "select is not known";
        if (l->select == WT_SELECT_TOP)
                return NULL;
        if (l->n_experts % g || !l->n_group_kept || l->n_group_kept > g)
                return "n_group must divide n_experts, n_group_kept be 1 to n_group";
        if (l->n_experts / g * l->n_group_kept < l->n_picks)
                return "the groups kept hold fewer experts than n_picks";
        return NULL;
}

const char *wt_layer_fault(const struct wt_layer *l)
{
        const char *words;

        if (!l->width || l->width > MOST_WIDTH)
                return "width must be 1 to 1048576";
        if ((words = attention_fault(l)))
                return words;
        if (l->ffn == WT_FFN_DENSE)
                return l->hidden && l->hidden <= MOST_WIDTH ? NULL : "hidden must be 1 to 1048576";
        if (l->ffn != WT_FFN_MOE)
                return "ffn must be dense or MoE";
        return gate_fault(l);
}

size_t wt_layer_page_bytes(const struct wt_layer *l)
{
        size_t row = l->attn == WT_ATTN_MLA ? (size_t)l->kv_rank + l->rope_dim
                                            : (size_t)2 * l->n_kv_heads * l->head_dim;

        return row * WT_PAGE * sizeof(float);
}

static void most(size_t *a, size_t b)
{
        if (*a < b)
                *a = b;
}

/* The partials of attention first: the scratch plans read them. */
static void size_up(struct wt_stage *s, const struct wt_compute_conf *c)
{
        uint32_t width = 0;

        for (uint32_t i = 0; i < c->n_layers; i++) {
                const struct wt_layer *l = c->layers + i;
                uint32_t group = l->attn == WT_ATTN_MLA ? l->n_heads : l->n_heads / l->n_kv_heads;
                uint32_t vd = l->attn == WT_ATTN_MLA ? l->kv_rank : l->head_dim;

                most(&s->partial_floats,
                     wt_attention_partials(s->host.n_threads, c->max_pages, group, vd));
        }
        for (uint32_t i = 0; i < c->n_layers; i++) {
                const struct wt_layer *l = c->layers + i;

                width = wt_u32_max(width, l->width);
                most(&s->scratch_bytes, wt_attend_scratch(s, l));
                most(&s->slot_bytes, wt_attend_slot(l));
                most(&s->scratch_bytes, wt_ffn_scratch(s, l));
                if (l->ffn != WT_FFN_MOE)
                        continue;
                most(&s->scratch_bytes, wt_gate_scratch(s, l));
                most(&s->slot_bytes, wt_gate_slot(l));
                most(&s->scratch_bytes, wt_experts_scratch(s, l));
                most(&s->slot_bytes, wt_combine_slot(l));
        }
        if (c->vocab)
                most(&s->scratch_bytes, wt_head_scratch(s, width));
}

int wt_stage_init(struct wt_stage *s, const struct wt_kernels *k, const struct wt_host *host,
                  const struct wt_compute_conf *c)
{
        struct wt_stage t = { .k = k, .host = *host, .max_rows = c->max_rows,
                              .max_pages = c->max_pages };

        if (!t.host.n_threads || !t.host.parallel)
                t.host.n_threads = 1;
        if (!c->max_rows || c->max_rows > MOST_ROWS || c->max_pages > MOST_ROWS ||
            (c->n_layers && !c->layers))
                return host->fail(WT_EINVAL,
                                  "compute: max_rows %u and max_pages %u must be at most %u, "
                                  "max_rows not 0, and the layers given",
                                  c->max_rows, c->max_pages, MOST_ROWS);
        for (uint32_t i = 0; i < c->n_layers; i++) {
                const char *words = wt_layer_fault(c->layers + i);

                if (words)
                        return host->fail(WT_EINVAL, "compute: layer %u: %s", i, words);
        }
        size_up(&t, c);
        t.slot_bytes = (t.slot_bytes + 4095) & ~(size_t)4095;   /* no line shared between threads */
        if (posix_memalign((void **)&t.scratch, 64, t.scratch_bytes + 64))
                return host->fail(WT_ENOMEM, "compute: no memory for %zu bytes of scratch; lower "
                                  "max_rows (%u)", t.scratch_bytes, c->max_rows);
        if (posix_memalign((void **)&t.slots, 4096, t.slot_bytes * t.host.n_threads + 64)) {
                free(t.scratch);
                return host->fail(WT_ENOMEM, "compute: no memory for %zu bytes of scratch a thread",
                                  t.slot_bytes);
        }
        *s = t;
        return WT_OK;
}

void wt_stage_fini(struct wt_stage *s)
{
        free(s->scratch);
        free(s->slots);
        memset(s, 0, sizeof *s);
}
