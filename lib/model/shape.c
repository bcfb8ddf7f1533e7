/* shape.c - config.json becomes a list of layers, see shape.h. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/file.h"
#include "base/sha256.h"
#include "model/family.h"
#include "model/rope.h"

enum { MAX_LAYERS = 1024, MAX_WIDTH = 1 << 16, MAX_VOCAB = 1 << 22, MAX_POSITIONS = 1 << 26,
       MAX_CONFIG_BYTES = 1 << 20 };

static const struct wt_json_limits limits = { .max_depth = 16, .max_bytes = MAX_CONFIG_BYTES,
                                              .max_nodes = 1 << 16 };

/* Adds the ids of an eos_token_id (a number or a list) that are not there yet. */
static void read_eos(struct wt_fields *f, struct wt_shape *s)
{
        enum { MAX_EOS = sizeof s->eos / sizeof *s->eos };
        wt_jv v = wt_json_get(f->json, f->at, "eos_token_id");
        wt_jv at = wt_json_type(f->json, v) == WT_JSON_ARRAY ? wt_json_first(f->json, v) : v;

        if (!wt_field_there(f, "eos_token_id"))
                return;
        for (; at != WT_JSON_NONE; at = at == v ? WT_JSON_NONE : wt_json_next(f->json, at)) {
                uint64_t id;
                uint32_t i = 0;

                if (!wt_json_u64(f->json, at, &id) || id >= s->vocab) {
                        wt_field_fail(f, "field \"eos_token_id\" has a value that is no token; "
                                      "allowed: ids from 0 to %u", s->vocab - 1);
                        return;
                }
                while (i < s->n_eos && s->eos[i] != (int32_t)id)
                        i++;
                if (i < s->n_eos)
                        continue;
                if (i == MAX_EOS) {
                        wt_field_fail(f,
                                      "field \"eos_token_id\" has more than %d ids; allowed: at "
                                      "most %d, generation_config.json's included",
                                      MAX_EOS, MAX_EOS);
                        return;
                }
                s->eos[s->n_eos++] = (int32_t)id;
        }
}

static void read_bos(struct wt_fields *f, struct wt_shape *s)
{
        s->bos = -1;
        if (wt_field_there(f, "bos_token_id"))
                s->bos = (int32_t)wt_field_u32(f, "bos_token_id", 0, s->vocab - 1, 0);
}

static void read_common(struct wt_fields *f, const struct wt_family *m, struct wt_shape *s)
{
        static const char *const acts[] = { "silu", NULL };
        uint32_t window;

        snprintf(s->family, sizeof s->family, "%s", m->name);
        s->n_layers = wt_field_u32(f, "num_hidden_layers", 1, MAX_LAYERS, WT_NEEDED);
        s->width = wt_field_u32(f, "hidden_size", 1, MAX_WIDTH, WT_NEEDED);
        s->vocab = wt_field_u32(f, "vocab_size", 1, MAX_VOCAB, WT_NEEDED);
        s->max_positions = wt_field_u32(f, "max_position_embeddings", 1, MAX_POSITIONS, WT_NEEDED);
        s->eps = (float)wt_field_f64(f, "rms_norm_eps", 1e-12, 0.1, m->eps);
        s->tied = wt_field_bool(f, "tie_word_embeddings", false);
        wt_field_word(f, "hidden_act", "silu", acts);
        wt_field_refuse(f, "quantization_config",
                        "allowed: null; use a checkpoint in BF16, F16 or F32");
        window = wt_field_u32(f, "sliding_window", 0, UINT32_MAX, UINT32_MAX);
        if (window < s->max_positions)
                wt_field_fail(f, "field \"sliding_window\" is %u; allowed: null, or at least "
                              "max_position_embeddings, which is %u", window, s->max_positions);
        if (f->err != WT_OK)
                return;                          /* what follows leans on vocab and width */
        read_bos(f, s);
        read_eos(f, s);
}

/* The scale of the scores: HF computes it in FP64 and rounds once. mscale^2 belongs to MLA
 * alone. */
static float attn_scale(const struct wt_layer *l, const struct wt_rope_conf *r)
{
        double scale, m;

        if (l->attn == WT_ATTN_GQA)
                return (float)(1.0 / sqrt((double)l->head_dim));
        scale = 1.0 / sqrt((double)(l->nope + l->rope_dim));
        if (r->kind != WT_ROPE_PLAIN && r->mscale_all_dim > 0) {
                m = wt_yarn_mscale(r->factor, r->mscale_all_dim);
                scale = scale * m * m;
        }
        return (float)scale;
}

static void read_layers(struct wt_fields *f, const struct wt_family *m, struct wt_shape *s)
{
        struct wt_plan p;
        struct wt_layer base = { .size = sizeof base, .width = s->width, .eps = s->eps };

        m->attn(f, s, &base);
        s->rope.dim = base.rope_dim;
        wt_rope_read(f, m->theta, s->max_positions, &s->rope);
        if (f->err != WT_OK)
                return;
        base.attn_scale = attn_scale(&base, &s->rope);
        p = (struct wt_plan){ .dense = base, .moe = base, .moe_every = 1 };
        p.dense.ffn = WT_FFN_DENSE;
        p.moe.ffn = WT_FFN_MOE;
        m->ffn(f, s, &p);
        if (f->err != WT_OK)
                return;
        s->layers = calloc(s->n_layers, sizeof *s->layers);
        if (!s->layers) {
                f->err = wt_fail(WT_ENOMEM, "no memory for %u layers", s->n_layers);
                return;
        }
        for (uint32_t i = 0; i < s->n_layers; i++) {
                s->layers[i] = i >= p.moe_first && i % p.moe_every == 0 ? p.moe : p.dense;
                s->layers[i].index = i;
        }
}

static uint32_t bits32(float x)
{
        uint32_t u;

        memcpy(&u, &x, sizeof u);
        return u;
}

static uint64_t bits64(double x)
{
        uint64_t u;

        memcpy(&u, &x, sizeof u);
        return u;
}

/* The canonical text: every number that the logits depend on, floats by their bits. */
static void digest(struct wt_shape *s)
{
        const struct wt_rope_conf *r = &s->rope;
        struct wt_buf b = { 0 };

        wt_buf_fmt(&b, "witan shape 1\n%s %u %u %u %u %08x %d\n", s->family, s->n_layers, s->width,
                   s->vocab, s->max_positions, bits32(s->eps), s->tied);
        wt_buf_fmt(&b, "rope %d %u %u %d", (int)r->kind, r->dim, r->original, r->truncate);
        for (uint32_t i = 0; i < 9; i++)
                wt_buf_fmt(&b, " %016" PRIx64,
                           bits64((const double[]){ r->theta, r->factor, r->beta_fast, r->beta_slow,
                                                    r->mscale, r->mscale_all_dim, r->low_freq,
                                                    r->high_freq, r->attention_factor }[i]));
        for (uint32_t i = 0; i < s->n_layers; i++) {
                const struct wt_layer *l = &s->layers[i];

                wt_buf_fmt(&b, "\nattn %u %u %u %u %u %u %u %u %u %08x %08x %u", l->attn,
                           l->n_heads, l->n_kv_heads, l->head_dim, l->q_rank, l->kv_rank, l->nope,
                           l->rope_dim, l->v_dim, bits32(l->latent_eps), bits32(l->attn_scale),
                           l->rope);
                wt_buf_fmt(&b, " ffn %u %u %u %u %u %u %u %u %u %u %u %08x %u", l->ffn, l->hidden,
                           l->n_experts, l->n_picks, l->expert_hidden, l->shared_hidden, l->score,
                           l->select, l->n_group, l->n_group_kept, l->normalise,
                           bits32(l->weight_scale), l->has_bias);
        }
        wt_sha256_of(b.data, b.len, s->digest);
        wt_buf_free(&b);
}

static wt_err find_family(const wt_json *config, const struct wt_family **out)
{
        size_t len = 0;
        const char *name = wt_json_str(config, wt_json_get(config, 0, "model_type"), &len);

        if (wt_json_type(config, 0) != WT_JSON_OBJECT)
                return wt_fail(WT_EINVAL, "is no JSON object; it must be a Hugging Face config");
        if (!name)
                return wt_fail(WT_EINVAL,
                               "field \"model_type\" is missing or no string; allowed: %s",
                               wt_family_list());
        *out = wt_family_find(name);
        if (!*out)
                return wt_fail(WT_EUNSUPPORTED, "field \"model_type\" is \"%.60s\"; allowed: %s",
                               name, wt_family_list());
        return WT_OK;
}

wt_err wt_shape_parse(struct wt_shape **out, const wt_json *config)
{
        const struct wt_family *m;
        struct wt_fields f = { .json = config, .at = 0, .prefix = "" };
        struct wt_shape *s;

        if ((f.err = find_family(config, &m)) != WT_OK)
                return f.err;
        if (!(s = calloc(1, sizeof *s)))
                return wt_fail(WT_ENOMEM, "no memory for a model's shape");
        read_common(&f, m, s);
        if (f.err == WT_OK)
                read_layers(&f, m, s);
        if (f.err != WT_OK) {
                wt_shape_free(s);
                return f.err;
        }
        digest(s);
        *out = s;
        return WT_OK;
}

static wt_err read_json(const char *path, wt_json **out)
{
        struct wt_buf text = { 0 };
        wt_err err = wt_file_read(path, MAX_CONFIG_BYTES, &text);

        if (err == WT_OK) {
                err = wt_json_parse(out, text.data ? text.data : "", text.len, &limits);
                if (err != WT_OK)
                        err = wt_fail_in(err, "%s", path);
        }
        wt_buf_free(&text);
        return err;
}

/* The ends of generation_config.json are ends too: chat models often have more there. */
static wt_err add_generation(const char *path, struct wt_shape *s)
{
        struct wt_fields f = { .at = 0, .prefix = "" };
        wt_json *j = NULL;
        wt_err err = read_json(path, &j);

        if (err == WT_ENOTFOUND)
                return WT_OK;
        if (err != WT_OK)
                return err;
        f.json = j;
        read_eos(&f, s);
        wt_json_free(j);
        return f.err == WT_OK ? WT_OK : wt_fail_in(f.err, "%s", path);
}

wt_err wt_shape_load(struct wt_shape **out, const char *folder)
{
        char path[4096];
        struct wt_shape *s;
        wt_json *j = NULL;
        wt_err err;

        if (snprintf(path, sizeof path, "%s/config.json", folder) >= (int)sizeof path - 32)
                return wt_fail(WT_EINVAL,
                               "the path of the model folder is longer than 4,000 bytes");
        if ((err = read_json(path, &j)) != WT_OK)
                return err;
        err = wt_shape_parse(&s, j);
        wt_json_free(j);
        if (err != WT_OK)
                return wt_fail_in(err, "%s", path);
        snprintf(path, sizeof path, "%s/generation_config.json", folder);
        if ((err = add_generation(path, s)) != WT_OK) {
                wt_shape_free(s);
                return err;
        }
        *out = s;
        return WT_OK;
}

void wt_shape_free(struct wt_shape *s)
{
        if (!s)
                return;
        free(s->layers);
        free(s);
}

uint32_t wt_shape_moe_layers(const struct wt_shape *s)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < s->n_layers; i++)
                n += s->layers[i].ffn == WT_FFN_MOE;
        return n;
}
