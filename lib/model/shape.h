/* shape.h - a model's shape, read from config.json: families are rows of a table (family.c), layers
 * are data (struct wt_layer of the plugin ABI). */
#ifndef WITAN_MODEL_SHAPE_H
#define WITAN_MODEL_SHAPE_H
#include <stdbool.h>
#include "base/err.h"
#include "base/json.h"

enum wt_rope_kind { WT_ROPE_PLAIN, WT_ROPE_YARN, WT_ROPE_LLAMA3, WT_ROPE_LINEAR };
struct wt_rope_conf {
        enum wt_rope_kind kind;
        uint32_t dim;                            /* rotated numbers a head */
        double theta, factor;
        double beta_fast, beta_slow, mscale, mscale_all_dim;     /* YaRN */
        double low_freq, high_freq;                              /* llama3 */
        uint32_t original;                       /* original_max_position_embeddings */
        double attention_factor;                 /* YaRN: magnitude as given; 0: by its formula */
        bool truncate;                           /* YaRN: whole numbers as the ends of the ramp */
};

struct wt_shape {
        char family[32];                         /* model_type: deepseek_v3, mixtral, ... */
        uint32_t n_layers, width, vocab, max_positions;
        float eps;                               /* of the final norm */
        bool tied;                               /* tie_word_embeddings */
        int32_t bos, eos[8]; uint32_t n_eos;     /* bos -1: none; eos of both files */
        struct wt_rope_conf rope;
        struct wt_layer *layers;                 /* (n_layers) */
        uint8_t digest[32];                      /* of all that shapes numbers */
};

/* Reads FOLDER/config.json (and generation_config.json if there). Errors name file, field, value
 * and what is allowed: unknown family, field missing, contradictions (heads, groups, picks >
 * experts). */
wt_err wt_shape_load(struct wt_shape **out, const char *folder);
wt_err wt_shape_parse(struct wt_shape **out, const wt_json *config);
void wt_shape_free(struct wt_shape *s);
/* m(s, g) of YaRN: 1 if s <= 1, else 0.1 g ln s + 1. */
double wt_yarn_mscale(double s, double g);
/* inv_freq (dim/2) FP32 by the kind's formula, and the magnitude that multiplies cos and sin. */
void wt_rope_freqs(const struct wt_rope_conf *r, float *inv_freq, float *magnitude);
uint32_t wt_shape_moe_layers(const struct wt_shape *s);
#endif
