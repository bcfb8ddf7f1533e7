/* shape_test.c - config.json in all its spellings becomes the right layers; contradictions are
 * named. */
#include "model/test_model.h"
#include <math.h>

/* A config that is refused or changed field by field: base without its last brace, then more. */
static const char v3[] =
        "{\"model_type\":\"deepseek_v3\",\"vocab_size\":129280,\"hidden_size\":7168,"
        "\"num_hidden_layers\":61,\"intermediate_size\":18432,\"num_attention_heads\":128,"
        "\"num_key_value_heads\":128,\"q_lora_rank\":1536,\"kv_lora_rank\":512,"
        "\"qk_nope_head_dim\":128,\"qk_rope_head_dim\":64,\"v_head_dim\":128,"
        "\"first_k_dense_replace\":3,\"moe_layer_freq\":1,"
        "\"moe_intermediate_size\":2048,\"n_routed_experts\":256,\"n_shared_experts\":1,"
        "\"num_experts_per_tok\":8,\"n_group\":8,\"topk_group\":4,\"routed_scaling_factor\":2.5,"
        "\"norm_topk_prob\":true,\"scoring_func\":\"sigmoid\",\"topk_method\":\"noaux_tc\","
        "\"hidden_act\":\"silu\",\"rms_norm_eps\":1e-06,\"max_position_embeddings\":163840,"
        "\"num_nextn_predict_layers\":1,\"attention_bias\":false,\"tie_word_embeddings\":false,"
        "\"bos_token_id\":0,\"eos_token_id\":1,\"rope_theta\":10000,\"torch_dtype\":\"bfloat16\","
        "\"rope_scaling\":{\"type\":\"yarn\",\"factor\":40,\"beta_fast\":32,\"beta_slow\":1,"
        "\"mscale\":1.0,\"mscale_all_dim\":1.0,\"original_max_position_embeddings\":4096}";
static const char v2_lite[] =
        "{\"model_type\":\"deepseek_v2\",\"vocab_size\":102400,\"hidden_size\":2048,"
        "\"num_hidden_layers\":27,\"intermediate_size\":10944,\"num_attention_heads\":16,"
        "\"num_key_value_heads\":16,\"q_lora_rank\":null,\"kv_lora_rank\":512,"
        "\"qk_nope_head_dim\":128,\"qk_rope_head_dim\":64,\"v_head_dim\":128,"
        "\"first_k_dense_replace\":1,\"moe_layer_freq\":1,"
        "\"moe_intermediate_size\":1408,\"n_routed_experts\":64,\"n_shared_experts\":2,"
        "\"num_experts_per_tok\":6,\"n_group\":1,\"topk_group\":1,\"routed_scaling_factor\":1.0,"
        "\"norm_topk_prob\":false,\"scoring_func\":\"softmax\",\"topk_method\":\"greedy\","
        "\"hidden_act\":\"silu\",\"rms_norm_eps\":1e-06,\"max_position_embeddings\":163840,"
        "\"bos_token_id\":100000,\"eos_token_id\":100001,\"rope_theta\":10000,"
        "\"rope_scaling\":{\"type\":\"yarn\",\"factor\":40,\"beta_fast\":32,\"beta_slow\":1,"
        "\"mscale\":0.707,\"mscale_all_dim\":0.707,\"original_max_position_embeddings\":4096}";
static const char mixtral[] =
        "{\"model_type\":\"mixtral\",\"vocab_size\":32000,\"hidden_size\":4096,"
        "\"num_hidden_layers\":32,\"intermediate_size\":14336,\"num_attention_heads\":32,"
        "\"num_key_value_heads\":8,"
        "\"num_local_experts\":8,\"num_experts_per_tok\":2,\"hidden_act\":\"silu\","
        "\"rms_norm_eps\":1e-05,\"max_position_embeddings\":32768,\"rope_theta\":1000000.0,"
        "\"bos_token_id\":1,"
        "\"eos_token_id\":2,\"tie_word_embeddings\":false";
static const char llama[] =
        "{\"model_type\":\"llama\",\"vocab_size\":128256,\"hidden_size\":4096,"
        "\"num_hidden_layers\":32,\"intermediate_size\":14336,\"num_attention_heads\":32,"
        "\"num_key_value_heads\":8,"
        "\"hidden_act\":\"silu\",\"rms_norm_eps\":1e-05,\"max_position_embeddings\":131072,"
        "\"rope_theta\":500000.0,\"bos_token_id\":128000,\"eos_token_id\":[128001,128008,128009],"
        "\"mlp_bias\":false";

/* base with field set to value (NULL: taken out), and the brace put on. */
static char *with(const char *base, const char *field, const char *value)
{
        struct wt_buf b = { 0 };
        char key[64];
        const char *at, *end;

        snprintf(key, sizeof key, "\"%s\":", field);
        at = strstr(base, key);
        if (at) {
                int depth = 0;

                for (end = at + strlen(key); *end && (depth || (*end != ',' && *end != '}')); end++)
                        depth += (*end == '{' || *end == '[') - (*end == '}' || *end == ']');
                wt_buf_add(&b, base, (size_t)(at - base));
                wt_buf_str(&b, *end == ',' ? end + 1 : end);
                if (b.data[b.len - 1] == ',')
                        b.data[--b.len] = '\0';
        } else {
                wt_buf_str(&b, base);
        }
        if (value)
                wt_buf_fmt(&b, ",%s%s", key, value);
        wt_buf_str(&b, "}");
        return b.data;
}

static wt_err parse(const char *text, struct wt_shape **s)
{
        wt_json *j = NULL;
        wt_err err;

        if (wt_json_parse(&j, text, strlen(text), NULL) != WT_OK)
                fail_msg("%s in %s", wt_words(), text);
        err = wt_shape_parse(s, j);
        wt_json_free(j);
        return err;
}

static struct wt_shape *shape_of(const char *base, const char *field, const char *value)
{
        char *text = with(base, field, value);
        struct wt_shape *s = NULL;

        if (parse(text, &s) != WT_OK)
                fail_msg("%s", wt_words());
        free(text);
        return s;
}

/* ---- what is refused ---- */

static const struct refused {
        const char *name, *base, *field, *value, *want[3];
} refusals[] = {
        { "an unknown family", v3, "model_type", "\"gpt2\"",
          { "\"gpt2\"", "deepseek_v2, deepseek_v3, mixtral, llama" } },
        { "no family", v3, "model_type", NULL, { "model_type", "missing" } },
        { "no layers field", v3, "num_hidden_layers", NULL,
          { "num_hidden_layers", "missing", "1 to 1024" } },
        { "no layers", v3, "num_hidden_layers", "0", { "num_hidden_layers", "is 0", "1 to 1024" } },
        { "absurdly many layers", v3, "num_hidden_layers", "1000000",
          { "is 1000000", "1 to 1024" } },
        { "a negative width", v3, "hidden_size", "-1", { "hidden_size", "is -1" } },
        { "a width with a point", v3, "hidden_size", "7168.5", { "7168.5", "whole number" } },
        { "a width in words", v3, "hidden_size", "\"wide\"", { "hidden_size", "\"wide\"" } },
        { "a width beyond 32 bits", v3, "hidden_size", "4294967297", { "4294967297" } },
        { "no vocabulary", v3, "vocab_size", "0", { "vocab_size" } },
        { "no positions", v3, "max_position_embeddings", NULL, { "max_position_embeddings" } },
        { "no heads", v3, "num_attention_heads", "0", { "num_attention_heads", "is 0" } },
        { "MLA with fewer key heads", v3, "num_key_value_heads", "8",
          { "num_key_value_heads", "is 8", "128" } },
        { "an odd rope dimension", v3, "qk_rope_head_dim", "63",
          { "qk_rope_head_dim", "63", "even" } },
        { "another activation", v3, "hidden_act", "\"gelu\"",
          { "hidden_act", "\"gelu\"", "silu" } },
        { "attention biases", v3, "attention_bias", "true", { "attention_bias", "true", "false" } },
        { "MLP biases", llama, "mlp_bias", "true", { "mlp_bias", "true" } },
        { "quantised weights", v3, "quantization_config", "{\"quant_method\":\"fp8\"}",
          { "quantization_config", "fp8", "BF16" } },
        { "groups that do not divide", v3, "n_group", "7", { "n_group", "is 7", "256" } },
        { "more groups kept than there are", v3, "topk_group", "9",
          { "topk_group", "is 9", "which is 8" } },
        { "more picks than experts", v3, "num_experts_per_tok", "257",
          { "num_experts_per_tok", "257" } },
        { "more picks than kept groups hold", v3, "num_experts_per_tok", "129",
          { "num_experts_per_tok", "is 129", "at most 128" } },
        { "groups of one", v3, "n_group", "256", { "n_group", "at least two experts" } },
        { "no picks", v3, "num_experts_per_tok", "0", { "num_experts_per_tok" } },
        { "V3 with softmax", v3, "scoring_func", "\"softmax\"",
          { "scoring_func", "\"softmax\"", "sigmoid" } },
        { "V3 without the bias", v3, "topk_method", "\"greedy\"", { "topk_method", "noaux_tc" } },
        { "V2 with sigmoid", v2_lite, "scoring_func", "\"sigmoid\"",
          { "scoring_func", "softmax" } },
        { "V2 with an unknown method", v2_lite, "topk_method", "\"best\"",
          { "topk_method", "\"best\"", "greedy, group_limited_greedy" } },
        { "a scale of nothing", v3, "routed_scaling_factor", "0", { "routed_scaling_factor" } },
        { "an epsilon of nothing", v3, "rms_norm_eps", "0", { "rms_norm_eps" } },
        { "an unknown rope", v3, "rope_scaling", "{\"type\":\"dynamic\",\"factor\":2}",
          { "rope_scaling.type", "\"dynamic\"", "default, yarn, llama3, linear" } },
        { "a rope in words", v3, "rope_scaling", "\"yarn\"", { "rope_scaling", "object" } },
        { "a yarn that shrinks", v3, "rope_scaling", "{\"type\":\"yarn\",\"factor\":0.5}",
          { "rope_scaling.factor", "0.5" } },
        { "betas the wrong way round", v3, "rope_scaling",
          "{\"type\":\"yarn\",\"factor\":4,\"beta_fast\":1,\"beta_slow\":32}",
          { "beta_fast", "is 1", "32" } },
        { "llama3 without its factors", llama, "rope_scaling",
          "{\"rope_type\":\"llama3\",\"factor\":8}",
          { "rope_scaling.low_freq_factor", "missing" } },
        { "llama3 the wrong way round", llama, "rope_scaling",
          "{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":4,\"high_freq_factor\":1}",
          { "high_freq_factor", "is 1", "which is 4" } },
        { "half a head rotated", llama, "partial_rotary_factor", "0.5",
          { "partial_rotary_factor" } },
        { "a window", mixtral, "sliding_window", "4096", { "sliding_window", "is 4096", "32768" } },
        { "key heads that do not divide", mixtral, "num_key_value_heads", "5",
          { "num_key_value_heads", "is 5", "32" } },
        { "heads that do not divide the width", llama, "num_attention_heads", "24",
          { "num_attention_heads", "is 24", "4096" } },
        { "an odd head", llama, "head_dim", "127", { "head_dim", "127", "even" } },
        { "mixtral without experts", mixtral, "num_local_experts", NULL,
          { "num_local_experts", "missing" } },
        { "mixtral with too many picks", mixtral, "num_experts_per_tok", "9",
          { "num_experts_per_tok", "is 9", "8" } },
        { "a bos beyond the vocabulary", mixtral, "bos_token_id", "32000",
          { "bos_token_id", "32000" } },
        { "an eos beyond the vocabulary", mixtral, "eos_token_id", "[2,32000]",
          { "eos_token_id", "31999" } },
        { "too many ends", mixtral, "eos_token_id", "[1,2,3,4,5,6,7,8,9]",
          { "eos_token_id", "at most 8" } },
        { "a tie in words", mixtral, "tie_word_embeddings", "\"no\"",
          { "tie_word_embeddings", "true or false" } },
};

static void refuse(void **state)
{
        const struct refused *r = *state;
        char *text = with(r->base, r->field, r->value);
        struct wt_shape *s = NULL;
        wt_err err = parse(text, &s);

        if (err == WT_OK)
                fail_msg("%s was taken", text);
        assert_null(s);
        for (int i = 0; i < 3 && r->want[i]; i++)
                if (!strstr(wt_words(), r->want[i]))
                        fail_msg("\"%s\" lacks \"%s\"", wt_words(), r->want[i]);
        free(text);
}

/* ---- what is read ---- */

static void deepseek_v3(void **state)
{
        struct wt_shape *s = shape_of(v3, "none", NULL);
        const struct wt_layer *d = &s->layers[2], *m = &s->layers[3];

        (void)state;
        assert_int_equal(s->n_layers, 61);
        assert_int_equal(wt_shape_moe_layers(s), 58);
        assert_true(d->ffn == WT_FFN_DENSE && d->hidden == 18432 && d->n_experts == 0);
        assert_true(m->ffn == WT_FFN_MOE && m->hidden == 0 && m->index == 3);
        assert_true(m->attn == WT_ATTN_MLA && m->n_heads == 128 && m->q_rank == 1536 &&
                    m->kv_rank == 512 && m->nope == 128 && m->rope_dim == 64 && m->v_dim == 128 &&
                    m->head_dim == 0);
        assert_true(m->n_experts == 256 && m->n_picks == 8 && m->expert_hidden == 2048 &&
                    m->shared_hidden == 2048);
        assert_true(m->score == WT_SCORE_SIGMOID && m->select == WT_SELECT_GROUP_TOP2 &&
                    m->n_group == 8 && m->n_group_kept == 4 && m->normalise &&
                    m->weight_scale == 2.5f && m->has_bias);
        assert_true(m->rope == WT_ROPE_INTERLEAVED && m->latent_eps == 1e-6f && m->eps == 1e-6f);
        assert_true(s->bos == 0 && s->n_eos == 1 && s->eos[0] == 1 && !s->tied);
        assert_true(fabs(m->attn_scale - 0.13523378) < 1e-8);
        wt_shape_free(s);
}

static void deepseek_v2(void **state)
{
        struct wt_shape *s = shape_of(v2_lite, "none", NULL);
        const struct wt_layer *m = &s->layers[1];

        (void)state;
        assert_true(m->q_rank == 0 && m->shared_hidden == 2816 && m->n_experts == 64 &&
                    m->n_picks == 6);
        assert_true(m->score == WT_SCORE_SOFTMAX && m->select == WT_SELECT_TOP && m->n_group == 1 &&
                    !m->normalise && m->weight_scale == 1.0f && !m->has_bias);
        assert_true(s->layers[0].ffn == WT_FFN_DENSE && wt_shape_moe_layers(s) == 26);
        assert_true(fabs(m->attn_scale - 0.11472139) < 1e-8);
        wt_shape_free(s);
        s = shape_of(v2_lite, "topk_method", "\"group_limited_greedy\"");
        assert_true(s->layers[1].select == WT_SELECT_TOP); /* one group, kept: nothing to limit */
        wt_shape_free(s);
}

/* V2: 160 experts in 8 groups of which 3 are kept, scale 16, no normalising. The flag is
 * honoured. */
static void v2_groups(void **state)
{
        char *a = with(v2_lite, "n_routed_experts", "160"), *b, *c, *d, *e;
        struct wt_shape *s = NULL;

        (void)state;
        a[strlen(a) - 1] = '\0';
        b = with(a, "n_group", "8");
        b[strlen(b) - 1] = '\0';
        c = with(b, "topk_group", "3");
        c[strlen(c) - 1] = '\0';
        d = with(c, "topk_method", "\"group_limited_greedy\"");
        d[strlen(d) - 1] = '\0';
        e = with(d, "norm_topk_prob", "true");
        assert_int_equal(parse(e, &s), WT_OK);
        assert_true(s->layers[1].select == WT_SELECT_GROUP_MAX && s->layers[1].n_group == 8 &&
                    s->layers[1].n_group_kept == 3 && s->layers[1].normalise);
        wt_shape_free(s);
        free(a), free(b), free(c), free(d), free(e);
}

static void mixtral_shape(void **state)
{
        struct wt_shape *s = shape_of(mixtral, "sliding_window", "32768");
        const struct wt_layer *m = &s->layers[0];

        (void)state;
        assert_int_equal(wt_shape_moe_layers(s), 32);
        assert_true(m->attn == WT_ATTN_GQA && m->n_heads == 32 && m->n_kv_heads == 8 &&
                    m->head_dim == 128 && m->rope_dim == 128 && m->rope == WT_ROPE_HALVES &&
                    m->kv_rank == 0 && m->nope == 0);
        assert_true(m->n_experts == 8 && m->n_picks == 2 && m->expert_hidden == 14336 &&
                    m->shared_hidden == 0 && m->score == WT_SCORE_SOFTMAX_PICKED && !m->normalise &&
                    m->weight_scale == 1.0f && m->select == WT_SELECT_TOP);
        assert_true(fabs(m->attn_scale - 1 / sqrt(128)) < 1e-8 && m->eps == 1e-5f);
        wt_shape_free(s);
}

static void llama_shape(void **state)
{
        struct wt_shape *s = shape_of(llama, "head_dim", "96");

        (void)state;
        assert_int_equal(wt_shape_moe_layers(s), 0);
        assert_true(s->layers[31].hidden == 14336 && s->layers[31].head_dim == 96 &&
                    s->rope.dim == 96);
        assert_true(s->n_eos == 3 && s->eos[2] == 128009 && s->bos == 128000);
        wt_shape_free(s);
        s = shape_of(llama, "num_key_value_heads", "null");
        assert_true(s->layers[0].n_kv_heads == 32 && s->layers[0].head_dim == 128);
        wt_shape_free(s);
}

/* The same model in the newer spelling is the same model: one digest. */
static void new_spelling(void **state)
{
        char *a = with(v3, "rope_theta", NULL), *b, *c;
        struct wt_shape *old = shape_of(v3, "none", NULL), *new = NULL;

        (void)state;
        a[strlen(a) - 1] = '\0';
        b = with(a, "rope_scaling", NULL);
        b[strlen(b) - 1] = '\0';
        c = with(b, "torch_dtype",
                 "null,\"dtype\":\"bfloat16\",\"rope_parameters\":{\"rope_theta\":10000.0,"
                 "\"rope_type\":\"yarn\",\"factor\":40.0,\"mscale\":1.0,\"mscale_all_dim\":1.0,"
                 "\"beta_fast\":32,\"beta_slow\":1,\"original_max_position_embeddings\":4096}");
        assert_int_equal(parse(c, &new), WT_OK);
        assert_memory_equal(old->digest, new->digest, 32);
        wt_shape_free(new);
        new = shape_of(v3, "rope_theta", "10001");
        assert_memory_not_equal(old->digest, new->digest, 32);
        wt_shape_free(new);
        new = shape_of(v3, "norm_topk_prob", "false");
        assert_memory_not_equal(old->digest, new->digest, 32);
        wt_shape_free(new);
        wt_shape_free(old);
        free(a), free(b), free(c);
}

static void layer_pattern(void **state)
{
        struct wt_shape *s = shape_of(v3, "moe_layer_freq", "4");

        (void)state;
        assert_true(s->layers[0].ffn == WT_FFN_DENSE && s->layers[4].ffn == WT_FFN_MOE &&
                    s->layers[5].ffn == WT_FFN_DENSE && s->layers[8].ffn == WT_FFN_MOE);
        wt_shape_free(s);
        s = shape_of(v3, "n_routed_experts", "null");
        assert_int_equal(wt_shape_moe_layers(s), 0);
        wt_shape_free(s);
        s = shape_of(v3, "n_shared_experts", "null");
        assert_int_equal(s->layers[3].shared_hidden, 0);
        wt_shape_free(s);
        s = shape_of(v3, "rope_interleave", "false");
        assert_int_equal(s->layers[0].rope, WT_ROPE_HALVES);
        wt_shape_free(s);
}

/* ---- rope ---- */

/* deepseek-math.md, section 5: d 64, base 1e4, L0 4096, factor 40, beta 32 and 1. */
static void yarn_vector(void **state)
{
        static const struct { int i; double want; } at[] = {
                { 0, 1 }, { 9, 7.498942e-2 }, { 10, 5.623413e-2 }, { 11, 3.900693e-2 },
                { 16, 5.5e-3 }, { 22, 1.778279e-4 }, { 23, 3.333804e-5 }, { 31, 3.333804e-6 } };
        struct wt_shape *s = shape_of(v3, "none", NULL);
        float f[32], magnitude = 0;

        (void)state;
        wt_rope_freqs(&s->rope, f, &magnitude);
        for (size_t k = 0; k < sizeof at / sizeof *at; k++)
                if (fabs(f[at[k].i] / at[k].want - 1) > 4e-7)
                        fail_msg("theta'_%d is %.9g, not %.9g", at[k].i, f[at[k].i], at[k].want);
        assert_true(magnitude == 1.0f);
        assert_true(fabs(wt_yarn_mscale(40, 1) - 1.3688879) < 1e-7);
        assert_true(fabs(wt_yarn_mscale(40, 0.707) - 1.2608038) < 1e-7);
        assert_true(wt_yarn_mscale(1, 1) == 1.0);
        wt_shape_free(s);
}

/* Bits of transformers 5.24 (FP32 inv_freq), at three places of each kind. */
static const struct freqs {
        const char *name, *base, *rope; uint32_t at[3], bits[3]; float magnitude;
} freq_rows[] = {
        { "plain rope in MLA", v3,
          "null",
          { 1, 16, 31 }, { 0x3f3ff911, 0x3c23d70a, 0x390bd472 }, 1.0f },
        { "yarn of V3", v3,
          "{\"type\":\"yarn\",\"factor\":40,\"beta_fast\":32,\"beta_slow\":1,\"mscale\":1.0,"
          "\"mscale_all_dim\":1.0,\"original_max_position_embeddings\":4096}",
          { 5, 15, 31 }, { 0x3e72d423, 0x3c088d77, 0x365fba4f }, 1.0f },
        { "yarn with unequal mscales", v3,
          "{\"type\":\"yarn\",\"factor\":8,\"mscale\":1.0,\"mscale_all_dim\":0.5,"
          "\"original_max_position_embeddings\":256}",
          { 3, 12, 30 }, { 0x3eac4fcb, 0x3bc745ac, 0x37ba7753 }, 1.09417999f },
        { "yarn that leaves mscale out", v3,
          "{\"rope_type\":\"yarn\",\"factor\":8,\"original_max_position_embeddings\":256}",
          { 3, 12, 30 }, { 0x3eac4fcb, 0x3bc745ac, 0x37ba7753 }, 1.20794415f },
        { "yarn that does not truncate", v3,
          "{\"rope_type\":\"yarn\",\"factor\":8,\"truncate\":false,"
          "\"original_max_position_embeddings\":256}",
          { 3, 12, 30 }, { 0x3eb60212, 0x3bc3d378, 0x37ba7753 }, 1.20794415f },
        { "yarn with its own magnitude", v3,
          "{\"rope_type\":\"yarn\",\"factor\":8,\"attention_factor\":1.25,"
          "\"original_max_position_embeddings\":256}",
          { 3, 12, 30 }, { 0x3eac4fcb, 0x3bc745ac, 0x37ba7753 }, 1.25f },
        { "yarn over all positions", v3,
          "{\"rope_type\":\"yarn\",\"factor\":4}",
          { 3, 20, 30 }, { 0x3ed7e89b, 0x3b4f3e38, 0x38de5332 }, 1.13862944f },
        { "linear", v3,
          "{\"type\":\"linear\",\"factor\":3.0}",
          { 1, 16, 31 }, { 0x3e7ff6c1, 0x3b5a740d, 0x383a7098 }, 1.0f },
        { "plain rope of llama", llama,
          "null",
          { 1, 32, 63 }, { 0x3f508ac1, 0x3ab95d21, 0x3624c2ff }, 1.0f },
        { "llama3", llama,
          "{\"rope_type\":\"llama3\",\"factor\":8.0,\"low_freq_factor\":1.0,"
          "\"high_freq_factor\":4.0,\"original_max_position_embeddings\":8192}",
          { 10, 32, 60 }, { 0x3e03c6a0, 0x3a0995d2, 0x351864a7 }, 1.0f },
        { "llama3 of the small ones", llama,
          "{\"rope_type\":\"llama3\",\"factor\":32.0,\"low_freq_factor\":1.0,"
          "\"high_freq_factor\":4.0,\"original_max_position_embeddings\":8192}",
          { 10, 31, 60 }, { 0x3e03c6a0, 0x3a47e547, 0x341864a7 }, 1.0f },
        { "yarn in llama", llama,
          "{\"rope_type\":\"yarn\",\"factor\":4.0,\"original_max_position_embeddings\":32768}",
          { 10, 44, 63 }, { 0x3e03c6a0, 0x37fd45c3, 0x3524c2ff }, 1.13862944f },
};

static void freqs(void **state)
{
        const struct freqs *r = *state;
        char *a = with(r->base, "rope_scaling", r->rope);
        struct wt_shape *s = NULL;
        float f[512], magnitude = 0;

        if (parse(a, &s) != WT_OK)
                fail_msg("%s", wt_words());
        wt_rope_freqs(&s->rope, f, &magnitude);
        assert_true(magnitude == r->magnitude);
        for (int i = 0; i < 3; i++) {
                int32_t got;

                memcpy(&got, &f[r->at[i]], sizeof got);
                if (abs(got - (int32_t)r->bits[i]) > 2)
                        fail_msg("inv_freq[%u] is %08x, not %08x", r->at[i], (unsigned)got,
                                 r->bits[i]);
        }
        wt_shape_free(s);
        free(a);
}

/* ---- folders ---- */

static void generation_ends(void **state)
{
        char dir[TEST_PATH], *text = with(llama, "none", NULL);
        struct wt_shape *s = NULL;

        (void)state;
        tmp_dir(dir);
        assert_int_equal(wt_shape_load(&s, dir), WT_ENOTFOUND);
        assert_non_null(strstr(wt_words(), "config.json"));
        put_text(dir, "config.json", text);
        put_text(dir, "generation_config.json", "{\"eos_token_id\":[128001,7]}");
        assert_int_equal(wt_shape_load(&s, dir), WT_OK);
        assert_true(s->n_eos == 4 && s->eos[3] == 7);
        wt_shape_free(s);
        put_text(dir, "generation_config.json", "{\"eos_token_id\":\"end\"}");
        assert_int_not_equal(wt_shape_load(&s, dir), WT_OK);
        assert_non_null(strstr(wt_words(), "generation_config.json: field \"eos_token_id\""));
        put_text(dir, "config.json",
                 "{\"model_type\":\"llama\",\"vocab_size\":1,\"vocab_size\":2}");
        assert_int_not_equal(wt_shape_load(&s, dir), WT_OK);
        assert_non_null(strstr(wt_words(), "/config.json"));
        put_text(dir, "config.json", "[]");
        assert_int_not_equal(wt_shape_load(&s, dir), WT_OK);
        assert_non_null(strstr(wt_words(), "no JSON object"));
        rm_tree(dir);
        free(text);
}

static void tiny(void **state)
{
        struct wt_shape *s = NULL;

        (void)state;
        if (wt_shape_load(&s, "models/tiny") != WT_OK)
                fail_msg("%s", wt_words());
        assert_true(s->n_layers == 6 && s->width == 256 && s->vocab == 4096 &&
                    wt_shape_moe_layers(s) == 5 && s->layers[1].n_experts == 16);
        assert_true(s->n_eos == 1 && s->eos[0] == 1 && s->bos == 0);
        wt_shape_free(s);
}

/* The demo's configs in the shared data agree with what is read from the HF spelling above. */
static void demo_config(const char *file, const char *base)
{
        static const struct { const char *demo, *hf; } names[] = {
                { "vocab_size", "vocab_size" }, { "dim", "hidden_size" },
                { "inter_dim", "intermediate_size" },
                { "moe_inter_dim", "moe_intermediate_size" }, { "n_layers", "num_hidden_layers" },
                { "n_dense_layers", "first_k_dense_replace" }, { "n_heads", "num_attention_heads" },
                { "n_routed_experts", "n_routed_experts" },
                { "n_shared_experts", "n_shared_experts" },
                { "n_activated_experts", "num_experts_per_tok" }, { "n_expert_groups", "n_group" },
                { "n_limited_groups", "topk_group" }, { "q_lora_rank", "q_lora_rank" },
                { "kv_lora_rank", "kv_lora_rank" }, { "qk_nope_head_dim", "qk_nope_head_dim" },
                { "qk_rope_head_dim", "qk_rope_head_dim" }, { "v_head_dim", "v_head_dim" } };
        struct wt_buf b = { 0 };
        struct wt_shape *want = shape_of(base, "none", NULL), *got;
        wt_json *j = NULL;
        char *text = strdup(base), *next;

        if (!shared_file(file, &b))
                skip();
        assert_int_equal(wt_json_parse(&j, b.data, b.len, NULL), WT_OK);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
                size_t len;
                char value[32];
                const char *raw = wt_json_raw(j, wt_json_get(j, 0, names[i].demo), &len);

                if (!raw)
                        continue;
                snprintf(value, sizeof value, "%.*s", (int)len, raw);
                next = with(text, names[i].hf, value);
                next[strlen(next) - 1] = '\0';
                free(text);
                text = next;
        }
        got = shape_of(text, "none", NULL);
        assert_memory_equal(got->digest, want->digest, 32);
        wt_shape_free(got);
        wt_shape_free(want);
        wt_json_free(j);
        wt_buf_free(&b);
        free(text);
}

static void demo_configs(void **state)
{
        (void)state;
        demo_config("refs/deepseek_config_16B.json", v2_lite);
        demo_config("refs/deepseek_config_671B.json", v3);
        demo_config("refs/deepseek_config_v3.1.json", v3);
}

/* transformers' own tiny test shape picks 8 of 8 experts out of one group of 4: a contradiction. */
static void tiny_of_transformers(void **state)
{
        struct wt_buf b = { 0 };
        struct wt_shape *s = NULL;
        wt_json *j = NULL;
        size_t len;
        const char *raw;
        char text[2048];

        (void)state;
        if (!shared_file("refs/tiny_configs.json", &b))
                skip();
        assert_int_equal(wt_json_parse(&j, b.data, b.len, NULL), WT_OK);
        raw = wt_json_raw(j, wt_json_get(j, 0, "deepseek_v3_tiny"), &len);
        snprintf(text, sizeof text, "{\"model_type\":\"deepseek_v3\",%.*s", (int)len - 1, raw + 1);
        assert_int_not_equal(parse(text, &s), WT_OK);
        assert_non_null(strstr(wt_words(), "num_experts_per_tok\" is 8; allowed: at most 4"));
        wt_json_free(j);
        wt_buf_free(&b);
}

int main(void)
{
        enum { REFUSALS = sizeof refusals / sizeof *refusals,
               FREQS = sizeof freq_rows / sizeof *freq_rows };
        static const struct CMUnitTest rest[] = {
                cmocka_unit_test(deepseek_v3), cmocka_unit_test(deepseek_v2),
                cmocka_unit_test(v2_groups),
                cmocka_unit_test(mixtral_shape), cmocka_unit_test(llama_shape),
                cmocka_unit_test(new_spelling), cmocka_unit_test(layer_pattern),
                cmocka_unit_test(yarn_vector), cmocka_unit_test(generation_ends),
                cmocka_unit_test(tiny),
                cmocka_unit_test(demo_configs), cmocka_unit_test(tiny_of_transformers),
        };
        struct CMUnitTest tests[REFUSALS + FREQS + sizeof rest / sizeof *rest];
        size_t n = 0;

        for (size_t i = 0; i < REFUSALS; i++)
                tests[n++] = (struct CMUnitTest){ refusals[i].name, refuse, NULL, NULL,
                                                  (void *)&refusals[i] };
        for (size_t i = 0; i < FREQS; i++)
                tests[n++] = (struct CMUnitTest){ freq_rows[i].name, freqs, NULL, NULL,
                                                  (void *)&freq_rows[i] };
        memcpy(tests + n, rest, sizeof rest);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
