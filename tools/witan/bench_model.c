/* bench_model.c - a DeepSeek-V3-shaped folder of any size with random BF16 weights. Every
 * projection keeps a row of size 1 at size 1, what is added to the residual is
 * divided by the root of the number of additions, so the hidden state stays O(1) at any depth;
 * gates spread their picks over all experts, or by Zipf's law through the correction bias. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/rng.h"
#include "bench.h"
#include "bench_tensors.h"
#include "model/parts.h"

const struct bench_shape bench_shape_default = {
        .hidden = 2048, .layers = 4, .dense = 1, .dense_hidden = 5632, .experts = 32, .picks = 4,
        .expert_hidden = 1024, .shared = 1, .latent = 512, .q_latent = 0, .nope = 128, .rope = 64,
        .v = 128, .heads = 16, .vocab = 32000, .context = 8192, .groups = 1, .groups_kept = 1,
};

#define KEY(field, min, max) { #field, offsetof(struct bench_shape, field), min, max }
static const struct { const char *name; size_t at; uint32_t min, max; } keys[] = {
        KEY(hidden, 16, 65536), KEY(layers, 1, 1024), KEY(dense, 0, 1024),
        KEY(dense_hidden, 1, 1 << 20), KEY(experts, 1, 4096), KEY(picks, 1, 256),
        KEY(expert_hidden, 1, 1 << 20), KEY(shared, 0, 64), KEY(latent, 1, 16384),
        KEY(q_latent, 0, 16384), KEY(nope, 1, 1024), KEY(rope, 2, 1024), KEY(v, 1, 1024),
        KEY(heads, 1, 1024), KEY(vocab, 300, 1 << 20), KEY(context, 64, 1 << 20),
        KEY(groups, 1, 4096), KEY(groups_kept, 1, 4096),
};
enum { N_KEYS = sizeof keys / sizeof *keys };

static wt_err unknown_key(const char *name)
{
        struct wt_buf b = { 0 };
        wt_err err;

        for (int i = 0; i < N_KEYS; i++)
                wt_buf_fmt(&b, "%s%s", i > 0 ? ", " : "", keys[i].name);
        err = wt_fail(WT_EINVAL, "a shape has no \"%s\"; it has %s", name, b.data);
        wt_buf_free(&b);
        return err;
}

static wt_err set_key(struct bench_shape *s, const char *name, const char *value)
{
        char *end;
        unsigned long v = strtoul(value, &end, 10);

        for (int i = 0; i < N_KEYS; i++) {
                if (strcmp(keys[i].name, name) != 0)
                        continue;
                if (end == value || *end != '\0' || v < keys[i].min || v > keys[i].max)
                        return wt_fail(WT_EINVAL, "%s=%s: it takes a number from %u to %u", name,
                                       value, keys[i].min, keys[i].max);
                *(uint32_t *)((char *)s + keys[i].at) = (uint32_t)v;
                return WT_OK;
        }
        return unknown_key(name);
}

wt_err bench_shape_parse(struct bench_shape *s, const char *text)
{
        char copy[1024], *rest = copy, *word;
        wt_err err = WT_OK;

        if (strlen(text) >= sizeof copy)
                return wt_fail(WT_EINVAL, "a shape of more than %zu characters", sizeof copy - 1);
        strcpy(copy, text);
        while (err == WT_OK && (word = strsep(&rest, ", ")) != NULL) {
                char *eq = strchr(word, '=');

                if (*word == '\0')
                        continue;
                if (eq == NULL)
                        return wt_fail(WT_EINVAL, "\"%s\" is not of the form key=number", word);
                *eq = '\0';
                err = set_key(s, word, eq + 1);
        }
        return err;
}

/* ---- config.json ---------------------------------------------------------------------------- */

static void put_config(const struct bench_shape *s, struct wt_buf *b)
{
        wt_buf_str(b, "{\n\"architectures\":[\"DeepseekV3ForCausalLM\"],\n"
                   "\"model_type\":\"deepseek_v3\"");
#define NUMBER(key, v) wt_buf_fmt(b, ",\n\"" key "\":%u", v)
        NUMBER("vocab_size", s->vocab);
        NUMBER("hidden_size", s->hidden);
        NUMBER("num_hidden_layers", s->layers);
        NUMBER("first_k_dense_replace", s->dense);
        NUMBER("moe_layer_freq", 1);
        NUMBER("intermediate_size", s->dense_hidden);
        NUMBER("moe_intermediate_size", s->expert_hidden);
        NUMBER("num_attention_heads", s->heads);
        NUMBER("num_key_value_heads", s->heads);
        if (s->q_latent > 0)
                NUMBER("q_lora_rank", s->q_latent);
        else
                wt_buf_str(b, ",\n\"q_lora_rank\":null");
        NUMBER("kv_lora_rank", s->latent);
        NUMBER("qk_nope_head_dim", s->nope);
        NUMBER("qk_rope_head_dim", s->rope);
        NUMBER("v_head_dim", s->v);
        NUMBER("n_routed_experts", s->experts);
        NUMBER("num_experts_per_tok", s->picks);
        NUMBER("n_group", s->groups);
        NUMBER("topk_group", s->groups_kept);
        NUMBER("n_shared_experts", s->shared);
        NUMBER("max_position_embeddings", s->context);
        NUMBER("num_nextn_predict_layers", 0);
        NUMBER("bos_token_id", 0);
        NUMBER("eos_token_id", 1);
#undef NUMBER
        wt_buf_str(b, ",\n\"norm_topk_prob\":true,\n\"routed_scaling_factor\":2.5,\n"
                   "\"scoring_func\":\"sigmoid\",\n\"topk_method\":\"noaux_tc\",\n"
                   "\"hidden_act\":\"silu\",\n\"attention_bias\":false,\n"
                   "\"attention_dropout\":0.0,\n\"rms_norm_eps\":1e-06,\n\"rope_theta\":10000.0,\n"
                   "\"rope_scaling\":null,\n\"rope_interleave\":true,\n"
                   "\"tie_word_embeddings\":false,\n\"initializer_range\":0.02,\n"
                   "\"use_cache\":true,\n\"torch_dtype\":\"bfloat16\"\n}\n");
}

/* ---- tensors -------------------------------------------------------------------------------- */

struct make {
        const struct bench_model *m;
        const struct wt_shape *shape;
        struct bench_tensor *t; uint32_t n;
        float **bias;                            /* (layers) or NULL */
};

static bool ends(const char *name, const char *with)
{
        size_t n = strlen(name), k = strlen(with);

        return n >= k && strcmp(name + n - k, with) == 0;
}

static float root(double v)                      /* IEEE, so the same everywhere */
{
        return (float)__builtin_sqrt(v);
}

/* A uniform number of (-a, a) has variance a^2/3. */
static void add(struct make *k, const struct wt_part *p, float *bias)
{
        struct bench_tensor *t = &k->t[k->n];
        double gain = 1;

        if (k->n > 0 && strcmp(k->t[k->n - 1].name, p->name) == 0)
                return;                          /* kv_b_proj is two views of one tensor */
        memcpy(t->name, p->name, sizeof t->name);
        t->n_dim = p->n_dim;
        t->dim[0] = p->dim[0];
        t->dim[1] = p->dim[1];
        t->values = bias;
        k->n++;
        if (p->n_dim == 1) {
                t->about = 1;
                t->span = 0.1f;
                return;
        }
        if (ends(p->name, "o_proj.weight") || ends(p->name, "down_proj.weight"))
                gain = 1.0 / (2.0 * k->shape->n_layers);
        t->span = ends(p->name, "embed_tokens.weight") ? root(3)
                                                       : root(3 * gain / (double)p->dim[1]);
}

static wt_err add_bias(struct make *k, uint32_t layer)
{
        const struct wt_layer *y = &k->shape->layers[layer];
        uint32_t *order = calloc(y->n_experts, sizeof *order);
        float *bias = k->bias[layer] = calloc(y->n_experts, sizeof *bias);
        uint64_t seed = k->m->seed ^ (0x5a49ull << 48 | layer);
        wt_err err = WT_OK;

        if (order == NULL || bias == NULL) {
                free(order);
                return wt_fail(WT_ENOMEM, "no memory for a gate");
        }
        for (uint32_t e = 0; e < y->n_experts; e++)
                order[e] = e;
        for (uint32_t e = y->n_experts; e > 1; e--) {    /* Fisher and Yates */
                uint32_t j = (uint32_t)(wt_philox_unit(seed, e, 1, 0) * e), was = order[e - 1];

                order[e - 1] = order[j];
                order[j] = was;
        }
        if (k->m->zipf > 0)
                err = bench_zipf_bias(y, k->m->zipf, seed, order, bias);
        free(order);
        return err;
}

static wt_err list_tensors(struct make *k)
{
        struct wt_part part[WT_LAYER_PARTS];
        const struct wt_shape *s = k->shape;
        size_t most = WT_TRUNK_PARTS;
        wt_err err;

        for (uint32_t l = 0; l < s->n_layers; l++)
                most += WT_LAYER_PARTS + (size_t)WT_EXPERT_PARTS * s->layers[l].n_experts;
        k->t = calloc(most, sizeof *k->t);
        k->bias = calloc(s->n_layers, sizeof *k->bias);
        if (k->t == NULL || k->bias == NULL)
                return wt_fail(WT_ENOMEM, "no memory for a list of %zu tensors", most);
        for (uint32_t i = 0, n = wt_trunk_parts(s, true, part); i < n; i++)
                add(k, &part[i], NULL);
        for (uint32_t l = 0; l < s->n_layers; l++) {
                bool moe = s->layers[l].ffn == WT_FFN_MOE;

                if (moe && (err = add_bias(k, l)) != WT_OK)
                        return err;
                for (uint32_t i = 0, n = wt_layer_parts(s, l, part); i < n; i++)
                        add(k, &part[i], ends(part[i].name, "correction_bias") ? k->bias[l] : NULL);
                for (uint32_t e = 0; moe && e < s->layers[l].n_experts; e++)
                        for (uint32_t i = 0, n = wt_expert_parts(s, l, e, part); i < n; i++)
                                add(k, &part[i], NULL);
        }
        return WT_OK;
}

/* ---- the folder ----------------------------------------------------------------------------- */

static wt_err copy_file(const char *from, const char *to, const char *name, bool needed)
{
        struct wt_buf b = { 0 };
        char path[4300];
        wt_err err;

        snprintf(path, sizeof path, "%s/%s", from, name);
        err = wt_file_read(path, 256 << 20, &b);
        if (err == WT_OK) {
                snprintf(path, sizeof path, "%s/%s", to, name);
                err = wt_file_write(path, b.data != NULL ? b.data : "", b.len, 0644);
        }
        wt_buf_free(&b);
        return err == WT_ENOTFOUND && !needed ? WT_OK : err;
}

static wt_err put_tokenizer(const struct bench_model *m, const char *dir)
{
        wt_err err;

        if (m->tokenizer == NULL)
                return bench_tokenizer_make(dir, m->shape.vocab);
        if ((err = copy_file(m->tokenizer, dir, "tokenizer.json", true)) != WT_OK)
                return err;
        return copy_file(m->tokenizer, dir, "tokenizer_config.json", false);
}

/* config.json comes last: a folder that was not finished is no model. */
static wt_err write_all(struct make *k, const char *dir, const struct wt_buf *config,
                        void (*progress)(void *arg, uint64_t done, uint64_t of), void *arg)
{
        char path[4300];
        wt_err err;

        snprintf(path, sizeof path, "%s/config.json", dir);
        if (access(path, F_OK) == 0)
                return wt_fail(WT_EEXIST, "%s is there already; name another folder or remove it",
                               path);
        if ((err = wt_dir_make(dir, 0755)) != WT_OK || (err = put_tokenizer(k->m, dir)) != WT_OK ||
            (err = bench_tensors_write(k->t, k->n, dir, k->m->shard_bytes, k->m->seed, progress,
                                       arg)) != WT_OK)
                return err;
        return wt_file_write(path, config->data, config->len, 0644);
}

wt_err bench_model_make(const struct bench_model *m, const char *dir,
                        void (*progress)(void *arg, uint64_t done, uint64_t of), void *arg)
{
        struct make k = { .m = m };
        struct wt_buf config = { 0 };
        struct wt_shape *shape = NULL;
        wt_json *j = NULL;
        wt_err err;

        put_config(&m->shape, &config);
        if ((err = wt_json_parse(&j, config.data, config.len, &wt_json_default)) == WT_OK &&
            (err = wt_shape_parse(&shape, j)) == WT_OK) {
                k.shape = shape;
                if ((err = list_tensors(&k)) == WT_OK)
                        err = write_all(&k, dir, &config, progress, arg);
        }
        for (uint32_t l = 0; k.bias != NULL && l < shape->n_layers; l++)
                free(k.bias[l]);
        free(k.bias);
        free(k.t);
        wt_shape_free(shape);
        wt_json_free(j);
        wt_buf_free(&config);
        return err;
}
