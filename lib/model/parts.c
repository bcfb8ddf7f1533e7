/* parts.c - the tensors of a model by name, see parts.h. */
#include <stddef.h>
#include <stdio.h>
#include "model/family.h"
#include "model/pack.h"
#include "model/parts.h"

struct list { struct wt_part *at; uint32_t n; const char *prefix; };

static struct wt_part *put(struct list *l, size_t slot, uint32_t form, const char *name,
                           uint32_t n_out, uint32_t n_in)
{
        struct wt_part *p = &l->at[l->n++];

        *p = (struct wt_part){ .slot = slot, .n_dim = form == WT_FORM_VECTOR ? 1 : 2,
                               .dim = { n_out, n_in } };
        snprintf(p->name, sizeof p->name, "%s%s", l->prefix, name);
        p->view = (struct wt_matrix){.size = sizeof p->view,
                                     .form = form,
                                     .n_mat = 1,
                                     .n_out = n_out,
                                     .n_in = n_in,
                                     .mat_stride = (uint64_t)n_out * n_in,
                                     .out_stride = n_in,
                                     .in_stride = 1};
        return p;
}

#define SLOT(field) offsetof(struct wt_layer_weights, field)

static void linear(struct list *l, size_t slot, const char *name, uint32_t n_out, uint32_t n_in)
{
        put(l, slot, WT_FORM_LINEAR, name, n_out, n_in);
}

static void vector(struct list *l, size_t slot, const char *name, uint32_t n)
{
        put(l, slot, WT_FORM_VECTOR, name, n, 1);
}

/* kv_b_proj is head-major: of head h, nope rows of W_UK, then v rows of W_UV. Attention is absorbed
 * (N6), so W_UK is read transposed: q_lat = W_UK,h^T q_n. */
static void mla_kv_b(struct list *l, const struct wt_layer *y)
{
        static const char name[] = "self_attn.kv_b_proj.weight";
        uint32_t rows = y->n_heads * (y->nope + y->v_dim);
        uint64_t head = (uint64_t)(y->nope + y->v_dim) * y->kv_rank;
        struct wt_part *p = put(l, SLOT(uk_t), WT_FORM_LINEAR, name, rows, y->kv_rank);

        p->view.n_mat = y->n_heads;
        p->view.n_out = y->kv_rank;
        p->view.n_in = y->nope;
        p->view.mat_stride = head;
        p->view.out_stride = 1;
        p->view.in_stride = y->kv_rank;

        p = put(l, SLOT(uv), WT_FORM_LINEAR, name, rows, y->kv_rank);
        p->view.n_mat = y->n_heads;
        p->view.n_out = y->v_dim;
        p->view.mat_stride = head;
        p->at = (uint64_t)y->nope * y->kv_rank;
}

static void mla(struct list *l, const struct wt_layer *y)
{
        uint32_t q = y->n_heads * (y->nope + y->rope_dim);

        if (y->q_rank) {
                linear(l, SLOT(q_a), "self_attn.q_a_proj.weight", y->q_rank, y->width);
                vector(l, SLOT(q_a_norm), "self_attn.q_a_layernorm.weight", y->q_rank);
                linear(l, SLOT(q), "self_attn.q_b_proj.weight", q, y->q_rank);
        } else {
                linear(l, SLOT(q), "self_attn.q_proj.weight", q, y->width);
        }
        linear(l, SLOT(kv_a), "self_attn.kv_a_proj_with_mqa.weight", y->kv_rank + y->rope_dim,
               y->width);
        vector(l, SLOT(kv_a_norm), "self_attn.kv_a_layernorm.weight", y->kv_rank);
        mla_kv_b(l, y);
        linear(l, SLOT(o), "self_attn.o_proj.weight", y->width, y->n_heads * y->v_dim);
}

static void gqa(struct list *l, const struct wt_layer *y)
{
        uint32_t kv = y->n_kv_heads * y->head_dim;

        linear(l, SLOT(q), "self_attn.q_proj.weight", y->n_heads * y->head_dim, y->width);
        linear(l, SLOT(k), "self_attn.k_proj.weight", kv, y->width);
        linear(l, SLOT(v), "self_attn.v_proj.weight", kv, y->width);
        linear(l, SLOT(o), "self_attn.o_proj.weight", y->width, y->n_heads * y->head_dim);
}

static void moe(struct list *l, const struct wt_layer *y, const struct wt_family *m)
{
        char name[96];

        snprintf(name, sizeof name, "%s.weight", m->gate);
        linear(l, SLOT(gate), name, y->n_experts, y->width);
        if (y->has_bias) {
                snprintf(name, sizeof name, "%s.e_score_correction_bias", m->gate);
                vector(l, SLOT(gate_bias), name, y->n_experts);
        }
        if (!y->shared_hidden)
                return;
        linear(l, SLOT(ffn_gate), "mlp.shared_experts.gate_proj.weight", y->shared_hidden,
               y->width);
        linear(l, SLOT(ffn_up), "mlp.shared_experts.up_proj.weight", y->shared_hidden, y->width);
        linear(l, SLOT(ffn_down), "mlp.shared_experts.down_proj.weight", y->width,
               y->shared_hidden);
}

uint32_t wt_layer_parts(const struct wt_shape *s, uint32_t layer, struct wt_part *out)
{
        const struct wt_layer *y = &s->layers[layer];
        char prefix[48];
        struct list l = { .at = out, .prefix = prefix };

        snprintf(prefix, sizeof prefix, "model.layers.%u.", layer);
        vector(&l, SLOT(attn_norm), "input_layernorm.weight", y->width);
        if (y->attn == WT_ATTN_MLA)
                mla(&l, y);
        else
                gqa(&l, y);
        vector(&l, SLOT(ffn_norm), "post_attention_layernorm.weight", y->width);
        if (y->ffn == WT_FFN_MOE) {
                moe(&l, y, wt_family_find(s->family));
        } else {
                linear(&l, SLOT(ffn_gate), "mlp.gate_proj.weight", y->hidden, y->width);
                linear(&l, SLOT(ffn_up), "mlp.up_proj.weight", y->hidden, y->width);
                linear(&l, SLOT(ffn_down), "mlp.down_proj.weight", y->width, y->hidden);
        }
        return l.n;
}

uint32_t wt_expert_parts(const struct wt_shape *s, uint32_t layer, uint32_t expert,
                         struct wt_part *out)
{
        const struct wt_layer *y = &s->layers[layer];
        const struct wt_family *m = wt_family_find(s->family);
        static const size_t slot[] = { offsetof(struct wt_expert_weights, gate),
                                       offsetof(struct wt_expert_weights, up),
                                       offsetof(struct wt_expert_weights, down) };
        char prefix[96], name[32];
        struct list l = { .at = out, .prefix = prefix };

        snprintf(prefix, sizeof prefix, "model.layers.%u.%s.%u.", layer, m->experts, expert);
        for (int i = 0; i < 3; i++) {
                bool down = i == 2;

                snprintf(name, sizeof name, "%s.weight", m->leaf[i]);
                linear(&l, slot[i], name, down ? y->width : y->expert_hidden,
                       down ? y->expert_hidden : y->width);
        }
        return l.n;
}

uint32_t wt_trunk_parts(const struct wt_shape *s, bool head_in_file, struct wt_part *out)
{
        struct list l = { .at = out, .prefix = "" };

        put(&l, offsetof(struct wt_trunk, embed), WT_FORM_ROWS, "model.embed_tokens.weight",
            s->vocab, s->width);
        vector(&l, offsetof(struct wt_trunk, norm), "model.norm.weight", s->width);
        linear(&l, offsetof(struct wt_trunk, head),
               head_in_file ? "lm_head.weight" : "model.embed_tokens.weight", s->vocab, s->width);
        return l.n;
}
