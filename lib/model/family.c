/* family.c - the families that can be served, one row each.
 * Source: the configurations and modelling files of transformers 5.24 and the checkpoints' own
 * config.json; where they differ a comment says which is followed. */
#include <string.h>
#include "base/buf.h"
#include "model/family.h"

/* Bounds of sizes: generous against every released model, small enough that no product of three
 * overflows 64 bits. */
enum { MAX_HEADS = 1024, MAX_DIM = 1024, MAX_RANK = 16384, MAX_HIDDEN = 1 << 20, MAX_EXPERTS = 4096,
       MAX_PICKS = 256, MAX_SHARED = 64 };

static void refuse_biases(struct wt_fields *f)
{
        static const char why[] = "allowed: false (biases of projections are not supported)";

        wt_field_refuse(f, "attention_bias", why);
        wt_field_refuse(f, "mlp_bias", why);
}

/* MLA: both DeepSeek families. */
static void attn_mla(struct wt_fields *f, const struct wt_shape *s, struct wt_layer *l)
{
        uint32_t kv;

        (void)s;
        l->attn = WT_ATTN_MLA;
        l->n_heads = wt_field_u32(f, "num_attention_heads", 1, MAX_HEADS, WT_NEEDED);
        kv = wt_field_u32(f, "num_key_value_heads", 1, MAX_HEADS, l->n_heads);
        if (kv != l->n_heads)
                wt_field_fail(f,
                              "field \"num_key_value_heads\" is %u; allowed: %u, the "
                              "num_attention_heads (MLA has one latent for all heads)",
                              kv, l->n_heads);
        l->q_rank = wt_field_u32(f, "q_lora_rank", 0, MAX_RANK, 0);
        l->kv_rank = wt_field_u32(f, "kv_lora_rank", 1, MAX_RANK, WT_NEEDED);
        l->nope = wt_field_u32(f, "qk_nope_head_dim", 1, MAX_DIM, WT_NEEDED);
        l->rope_dim = wt_field_u32(f, "qk_rope_head_dim", 2, MAX_DIM, WT_NEEDED);
        l->v_dim = wt_field_u32(f, "v_head_dim", 1, MAX_DIM, WT_NEEDED);
        l->latent_eps = 1e-6f;                   /* whatever rms_norm_eps says */
        l->rope = wt_field_bool(f, "rope_interleave", true) ? WT_ROPE_INTERLEAVED : WT_ROPE_HALVES;
        if (l->rope_dim % 2)
                wt_field_fail(f, "field \"qk_rope_head_dim\" is %u; allowed: an even number",
                              l->rope_dim);
        refuse_biases(f);
}

/* Grouped queries: llama and mixtral. */
static void attn_gqa(struct wt_fields *f, const struct wt_shape *s, struct wt_layer *l)
{
        l->attn = WT_ATTN_GQA;
        l->rope = WT_ROPE_HALVES;
        l->n_heads = wt_field_u32(f, "num_attention_heads", 1, MAX_HEADS, WT_NEEDED);
        l->n_kv_heads = wt_field_u32(f, "num_key_value_heads", 1, MAX_HEADS, l->n_heads);
        if (l->n_heads % l->n_kv_heads)
                wt_field_fail(f, "field \"num_key_value_heads\" is %u; allowed: a divisor of "
                              "num_attention_heads, which is %u", l->n_kv_heads, l->n_heads);
        if (!wt_field_there(f, "head_dim") && s->width % l->n_heads)
                wt_field_fail(f, "field \"num_attention_heads\" is %u; allowed: a divisor of "
                              "hidden_size, which is %u, unless head_dim is given", l->n_heads,
                              s->width);
        l->head_dim = wt_field_u32(f, "head_dim", 2, MAX_DIM, s->width / l->n_heads);
        if (l->head_dim % 2 || l->head_dim < 2 || l->head_dim > MAX_DIM)
                wt_field_fail(f, "field \"head_dim\" is %u; allowed: an even number from 2 to %d",
                              l->head_dim, MAX_DIM);
        l->rope_dim = l->head_dim;
        refuse_biases(f);
}

static void check_picks(struct wt_fields *f, const struct wt_layer *l)
{
        uint32_t holds;

        if (f->err != WT_OK)
                return;
        if (l->n_picks > l->n_experts)
                wt_field_fail(f,
                              "field \"num_experts_per_tok\" is %u; allowed: at most the number of "
                              "experts, %u",
                              l->n_picks, l->n_experts);
        if (l->n_experts % l->n_group)
                wt_field_fail(f, "field \"n_group\" is %u; allowed: a divisor of n_routed_experts, "
                              "which is %u", l->n_group, l->n_experts);
        if (l->n_group_kept > l->n_group)
                wt_field_fail(f,
                              "field \"topk_group\" is %u; allowed: at most n_group, which is %u",
                              l->n_group_kept, l->n_group);
        if (l->select == WT_SELECT_GROUP_TOP2 && l->n_group_kept < l->n_group &&
            l->n_experts / l->n_group < 2)
                wt_field_fail(f, "field \"n_group\" is %u; allowed: groups of at least two experts "
                              "(topk_method noaux_tc adds the two best of a group)", l->n_group);
        holds = l->n_experts / l->n_group * l->n_group_kept;
        if (l->n_picks > holds)
                wt_field_fail(f, "field \"num_experts_per_tok\" is %u; allowed: at most %u, what "
                              "topk_group %u of n_group %u groups hold", l->n_picks, holds,
                              l->n_group_kept, l->n_group);
}

/* What the two DeepSeek families share. n_routed_experts null: every layer is dense. */
static void ffn_deepseek(struct wt_fields *f, const struct wt_shape *s, struct wt_plan *p)
{
        struct wt_layer *m = &p->moe;

        p->dense.hidden = wt_field_u32(f, "intermediate_size", 1, MAX_HIDDEN, WT_NEEDED);
        p->moe_first = wt_field_u32(f, "first_k_dense_replace", 0, UINT16_MAX, WT_NEEDED);
        p->moe_every = wt_field_u32(f, "moe_layer_freq", 1, UINT16_MAX, 1);
        if (!wt_field_there(f, "n_routed_experts") || p->moe_first >= s->n_layers) {
                p->moe_first = s->n_layers;
                return;
        }
        m->n_experts = wt_field_u32(f, "n_routed_experts", 1, MAX_EXPERTS, WT_NEEDED);
        m->n_picks = wt_field_u32(f, "num_experts_per_tok", 1, MAX_PICKS, WT_NEEDED);
        m->expert_hidden = wt_field_u32(f, "moe_intermediate_size", 1, MAX_HIDDEN, WT_NEEDED);
        m->shared_hidden = wt_field_u32(f, "n_shared_experts", 0, MAX_SHARED, 0) * m->expert_hidden;
        m->n_group = m->n_group_kept = 1;
        if (m->select != WT_SELECT_TOP) {
                m->n_group = wt_field_u32(f, "n_group", 1, MAX_EXPERTS, WT_NEEDED);
                m->n_group_kept = wt_field_u32(f, "topk_group", 1, MAX_EXPERTS, WT_NEEDED);
        }
        check_picks(f, m);
        if (m->n_group_kept == m->n_group)       /* no group is dropped: the same picks without */
                m->select = WT_SELECT_TOP, m->n_group = m->n_group_kept = 1;
}

/* norm_topk_prob is false in every released V2 and read by none of transformers' releases; where it
 * is true it is honoured, and independent of the scale. */
static void ffn_v2(struct wt_fields *f, const struct wt_shape *s, struct wt_plan *p)
{
        static const char *const scores[] = { "softmax", NULL };
        static const char *const methods[] = { "greedy", "group_limited_greedy", NULL };

        p->moe.score = WT_SCORE_SOFTMAX;
        wt_field_word(f, "scoring_func", "softmax", scores);
        p->moe.select = wt_field_word(f, "topk_method", "greedy", methods) == methods[1]
                                ? WT_SELECT_GROUP_MAX : WT_SELECT_TOP;
        p->moe.normalise = wt_field_bool(f, "norm_topk_prob", false);
        p->moe.weight_scale = (float)wt_field_f64(f, "routed_scaling_factor", 1e-6, 1e6, 1.0);
        ffn_deepseek(f, s, p);
}

static void ffn_v3(struct wt_fields *f, const struct wt_shape *s, struct wt_plan *p)
{
        static const char *const scores[] = { "sigmoid", NULL };
        static const char *const methods[] = { "noaux_tc", NULL };

        p->moe.score = WT_SCORE_SIGMOID;
        wt_field_word(f, "scoring_func", "sigmoid", scores);
        wt_field_word(f, "topk_method", "noaux_tc", methods);
        p->moe.select = WT_SELECT_GROUP_TOP2;
        p->moe.has_bias = 1;
        p->moe.normalise = wt_field_bool(f, "norm_topk_prob", true);
        p->moe.weight_scale = (float)wt_field_f64(f, "routed_scaling_factor", 1e-6, 1e6, 2.5);
        ffn_deepseek(f, s, p);
}

static void ffn_mixtral(struct wt_fields *f, const struct wt_shape *s, struct wt_plan *p)
{
        struct wt_layer *m = &p->moe;

        (void)s;
        p->moe_first = 0;
        p->moe_every = 1;
        m->n_experts = wt_field_u32(f, "num_local_experts", 1, MAX_EXPERTS, WT_NEEDED);
        m->n_picks = wt_field_u32(f, "num_experts_per_tok", 1, MAX_PICKS, WT_NEEDED);
        m->expert_hidden = wt_field_u32(f, "intermediate_size", 1, MAX_HIDDEN, WT_NEEDED);
        m->score = WT_SCORE_SOFTMAX_PICKED;
        m->select = WT_SELECT_TOP;
        m->n_group = m->n_group_kept = 1;
        m->weight_scale = 1.0f;
        check_picks(f, m);
}

static void ffn_llama(struct wt_fields *f, const struct wt_shape *s, struct wt_plan *p)
{
        p->dense.hidden = wt_field_u32(f, "intermediate_size", 1, MAX_HIDDEN, WT_NEEDED);
        p->moe_first = s->n_layers;
        p->moe_every = 1;
}

static const struct wt_family families[] = {
        { "deepseek_v2", 1e-6, 1e4, attn_mla, ffn_v2, "mlp.gate", "mlp.experts",
          { "gate_proj", "up_proj", "down_proj" } },
        { "deepseek_v3", 1e-6, 1e4, attn_mla, ffn_v3, "mlp.gate", "mlp.experts",
          { "gate_proj", "up_proj", "down_proj" } },
        { "mixtral", 1e-5, 1e6, attn_gqa, ffn_mixtral, "block_sparse_moe.gate",
          "block_sparse_moe.experts", { "w1", "w3", "w2" } },
        { "llama", 1e-6, 1e4, attn_gqa, ffn_llama, NULL, NULL,
          { "gate_proj", "up_proj", "down_proj" } },
};

const struct wt_family *wt_family_find(const char *name)
{
        for (size_t i = 0; i < sizeof families / sizeof *families; i++)
                if (strcmp(families[i].name, name) == 0)
                        return &families[i];
        return NULL;
}

const char *wt_family_list(void)
{
        return "deepseek_v2, deepseek_v3, mixtral, llama";
}
