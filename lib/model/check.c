/* check.c - the tensors of a model against its shape, before anything is packed. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/sha256.h"
#include "model/model.h"

static bool readable(uint32_t dtype)
{
        return dtype == WT_F32 || dtype == WT_BF16 || dtype == WT_F16;
}

static void dims(const uint64_t *dim, uint32_t n, char out[128])
{
        size_t at = 0;

        snprintf(out, 128, "a single number");
        for (uint32_t i = 0; i < n && at < 100; i++)
                at += (size_t)snprintf(out + at, 128 - at, "%s%" PRIu64, i ? "x" : "", dim[i]);
}

static wt_err check_part(const wt_model *m, const struct wt_part *p, uint8_t *used)
{
        const struct wt_tensor_at *t = wt_source_find(m->source, p->name);
        char has[128], wants[128];

        if (!t)
                return wt_fail(WT_EDATA,
                               "%s: the tensor %s is missing; its config.json asks for it",
                               m->folder, p->name);
        if (t->n_dim != p->n_dim || memcmp(t->shape, p->dim, p->n_dim * sizeof *p->dim) != 0) {
                dims(t->shape, t->n_dim, has);
                dims(p->dim, p->n_dim, wants);
                return wt_fail(WT_EDATA, "%s: the tensor %s is %s; its config.json says %s",
                               wt_source_file(m->source, t->file), p->name, has, wants);
        }
        if (!readable(t->dtype))
                return wt_fail(WT_EUNSUPPORTED,
                               "%s: the tensor %s is %s; readable are F32, F16 and BF16",
                               wt_source_file(m->source, t->file), p->name, t->dtype_name);
        used[t - wt_source_at(m->source, 0)] = 1;
        return WT_OK;
}

static wt_err check_parts(const wt_model *m, const struct wt_part *parts, uint32_t n, uint8_t *used)
{
        wt_err err = WT_OK;

        for (uint32_t i = 0; i < n && err == WT_OK; i++)
                err = check_part(m, &parts[i], used);
        return err;
}

static wt_err check_layers(const wt_model *m, uint8_t *used)
{
        const struct wt_shape *s = m->shape;
        struct wt_part parts[WT_LAYER_PARTS];
        wt_err err = WT_OK;

        for (uint32_t l = 0; l < s->n_layers && err == WT_OK; l++) {
                err = check_parts(m, parts, wt_layer_parts(s, l, parts), used);
                for (uint32_t e = 0; e < s->layers[l].n_experts && err == WT_OK; e++)
                        err = check_parts(m, parts, wt_expert_parts(s, l, e, parts), used);
        }
        return err;
}

static bool ends(const char *s, const char *end)
{
        size_t n = strlen(s), k = strlen(end);

        return n >= k && strcmp(s + n - k, end) == 0;
}

/* A tensor of a served layer that the family does not know, such as a bias, means that the model is
 * another than its config.json says: to go on would answer fluently and wrongly. Tensors elsewhere
 * (further layers for multi-token prediction) are remarked only. */
static wt_err check_left_over(wt_model *m, const uint8_t *used)
{
        const char *first = NULL;
        uint32_t n = 0, layer;

        for (uint32_t i = 0; i < wt_source_count(m->source); i++) {
                const struct wt_tensor_at *t = wt_source_at(m->source, i);

                if (used[i])
                        continue;
                if (sscanf(t->name, "model.layers.%9u.", &layer) == 1 &&
                    layer < m->shape->n_layers && !ends(t->name, ".rotary_emb.inv_freq"))
                        return wt_fail(WT_EDATA,
                                       "%s: the tensor %.200s is unknown to the family %s; "
                                       "config.json and the weights do not belong together",
                                       wt_source_file(m->source, t->file), t->name,
                                       m->shape->family);
                first = first ? first : t->name;
                n++;
        }
        if (n)
                wt_buf_fmt(&m->notes, "%s%u tensors are not used, the first is %.200s",
                           m->notes.len ? "; " : "", n, first);
        return WT_OK;
}

/* The head: a file that has one is believed. When the config ties and the bytes differ, that is
 * said: a trained head must not be thrown away in silence. */
static wt_err check_head(wt_model *m)
{
        const struct wt_tensor_at *head = wt_source_find(m->source, "lm_head.weight");
        const struct wt_tensor_at *embed = wt_source_find(m->source, "model.embed_tokens.weight");
        uint8_t a[32], b[32];
        wt_err err;

        m->head_in_file = head != NULL;
        if (!head && !m->shape->tied)
                return wt_fail(WT_EDATA,
                               "%s: the tensor lm_head.weight is missing, and config.json does "
                               "not tie it to the embedding (tie_word_embeddings is false)",
                               m->folder);
        if (!head || !embed || !m->shape->tied)
                return WT_OK;
        if ((err = wt_source_digest(m->source, head, m->pack_dir, a)) != WT_OK ||
            (err = wt_source_digest(m->source, embed, m->pack_dir, b)) != WT_OK)
                return err;
        if (head->dtype != embed->dtype || memcmp(a, b, sizeof a) != 0)
                wt_buf_fmt(&m->notes,
                           "%slm_head.weight of the file is used although config.json ties it "
                           "to the embedding: they differ",
                           m->notes.len ? "; " : "");
        return WT_OK;
}

wt_err wt_model_check(wt_model *m)
{
        uint8_t *used = calloc((size_t)wt_source_count(m->source) + 1, 1);
        struct wt_part parts[WT_TRUNK_PARTS];
        wt_err err;

        if (!used)
                return wt_fail(WT_ENOMEM, "no memory to check a model's tensors");
        err = check_head(m);
        if (err == WT_OK)
                err = check_parts(m, parts, wt_trunk_parts(m->shape, m->head_in_file, parts), used);
        if (err == WT_OK)
                err = check_layers(m, used);
        if (err == WT_OK)
                err = check_left_over(m, used);
        free(used);
        return err;
}
