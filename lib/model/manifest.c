/* manifest.c - digests that name things: an expert's variant, a model's revision (architecture.md,
 * section 7). Both are SHA-256 of a canonical text that holds the digests of the source bytes. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/sha256.h"
#include "model/model.h"

enum { MAX_SIDE_FILE = 256 << 20 };

static wt_err add_tensor(wt_model *m, struct wt_buf *b, const struct wt_tensor_at *t)
{
        uint8_t sha[32];
        char hex[65];
        wt_err err = wt_source_digest(m->source, t, m->pack_dir, sha);

        if (err != WT_OK)
                return err;
        wt_hex(sha, 32, hex);
        wt_buf_fmt(b, " %s ", t->dtype_name);
        for (uint32_t i = 0; i < t->n_dim; i++)
                wt_buf_fmt(b, "%s%" PRIu64, i ? "x" : "", t->shape[i]);
        wt_buf_fmt(b, " %s\n", hex);
        return WT_OK;
}

wt_err wt_model_variant(wt_model *m, uint32_t layer, uint32_t expert, uint8_t out[32])
{
        static const char *const role[] = { "gate", "up", "down" };
        struct wt_part parts[WT_EXPERT_PARTS];
        struct wt_buf b = { 0 };
        wt_err err = wt_model_check_expert(m, layer, expert);
        uint32_t n;

        if (err != WT_OK)
                return err;
        n = wt_expert_parts(m->shape, layer, expert, parts);
        wt_buf_fmt(&b, "witan expert 1\nsilu %u %u\n", m->shape->width,
                   m->shape->layers[layer].expert_hidden);
        for (uint32_t i = 0; i < n && err == WT_OK; i++) {
                wt_buf_str(&b, role[i]);
                err = add_tensor(m, &b, wt_source_find(m->source, parts[i].name));
        }
        if (err == WT_OK)
                wt_sha256_of(b.data, b.len, out);
        wt_buf_free(&b);
        return err;
}

/* A file beside the weights, or "-" when the folder has none of that name. */
static wt_err add_file(const wt_model *m, struct wt_buf *b, const char *name)
{
        struct wt_buf text = { 0 };
        char path[4200], hex[65] = "-";
        uint8_t sha[32];
        wt_err err;

        snprintf(path, sizeof path, "%s/%s", m->folder, name);
        err = wt_file_read(path, MAX_SIDE_FILE, &text);
        if (err == WT_OK) {
                wt_sha256_of(text.data ? text.data : "", text.len, sha);
                wt_hex(sha, 32, hex);
        }
        wt_buf_free(&text);
        if (err != WT_OK && err != WT_ENOTFOUND)
                return err;
        wt_buf_fmt(b, "file %s %s\n", name, hex);
        return WT_OK;
}

wt_err wt_model_revision(wt_model *m, uint8_t out[32])
{
        static const char *const files[] = {
                "chat_template.jinja", "chat_template.json", "config.json",
                "generation_config.json", "special_tokens_map.json", "tokenizer.json",
                "tokenizer_config.json",
        };
        struct wt_buf b = { 0 };
        wt_err err = WT_OK;

        wt_buf_str(&b, "witan revision 1\nparent -\nadapter -\n");
        for (size_t i = 0; i < sizeof files / sizeof *files && err == WT_OK; i++)
                err = add_file(m, &b, files[i]);
        for (uint32_t i = 0; i < wt_source_count(m->source) && err == WT_OK; i++) {
                const struct wt_tensor_at *t = wt_source_at(m->source, i);

                wt_buf_str(&b, "tensor ");
                wt_buf_json_str(&b, t->name, strlen(t->name));
                err = add_tensor(m, &b, t);
        }
        if (err == WT_OK)
                wt_sha256_of(b.data, b.len, out);
        wt_buf_free(&b);
        return err;
}
