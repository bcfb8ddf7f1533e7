/* weigh.c - see weigh.h. */
#include "weigh.h"
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include "base/file.h"
#include "model/parts.h"

enum { BF16_BYTES = 2, MAX_CONFIG_BYTES = 1 << 20 };
const char *const weigh_names[N_WEIGH] = {
        [W_EMBED] = "embedding", [W_ATTENTION] = "attention", [W_DENSE] = "dense ffn",
        [W_SHARED] = "shared experts", [W_GATES] = "gates", [W_EXPERTS] = "routed experts",
        [W_NORMS] = "norms", [W_HEAD] = "head" };

const struct wt_plugin *wt_plugin_compute_cpu(void);

/* count equal tensors at once: experts of a layer. */
static void add(struct weigh *w, const wt_source *s, enum weigh_kind kind, const struct wt_part *p,
                uint64_t count)
{
        uint64_t n = p->dim[0] * (p->n_dim > 1 ? p->dim[1] : 1);
        const struct wt_tensor_at *t = s != NULL ? wt_source_find(s, p->name) : NULL;

        w->params[kind] += n * count;
        w->bytes[kind] += (t != NULL ? t->bytes : n * BF16_BYTES) * count;
}

#define SLOT(field) offsetof(struct wt_layer_weights, field)

static enum weigh_kind kind_of(const struct wt_layer *y, size_t slot)
{
        if (slot == SLOT(attn_norm) || slot == SLOT(ffn_norm) || slot == SLOT(q_a_norm) ||
            slot == SLOT(kv_a_norm))
                return W_NORMS;
        if (slot == SLOT(gate) || slot == SLOT(gate_bias))
                return W_GATES;
        if (slot == SLOT(ffn_gate) || slot == SLOT(ffn_up) || slot == SLOT(ffn_down))
                return y->ffn == WT_FFN_MOE ? W_SHARED : W_DENSE;
        return W_ATTENTION;
}

static void experts(struct weigh *w, const wt_source *s, uint32_t layer)
{
        const struct wt_layer *y = &w->shape->layers[layer];
        struct wt_part parts[WT_EXPERT_PARTS];
        uint64_t before = w->params[W_EXPERTS], bytes = w->bytes[W_EXPERTS];
        uint32_t n = s != NULL ? y->n_experts : 1;

        for (uint32_t e = 0; e < n; e++) {
                uint32_t n_parts = wt_expert_parts(w->shape, layer, e, parts);
                for (uint32_t i = 0; i < n_parts; i++)
                        add(w, s, W_EXPERTS, &parts[i], y->n_experts / n);
        }
        bytes = (w->bytes[W_EXPERTS] - bytes) / y->n_experts;
        w->expert_bytes = bytes > w->expert_bytes ? bytes : w->expert_bytes;
        w->active += (w->params[W_EXPERTS] - before) / y->n_experts * y->n_picks;
        w->slots += y->n_experts;
        w->moe_layers++;
        w->n_experts = y->n_experts > w->n_experts ? y->n_experts : w->n_experts;
        w->n_picks = y->n_picks > w->n_picks ? y->n_picks : w->n_picks;
}

static void count(struct weigh *w, const wt_source *s)
{
        const struct wt_compute_ops *ops = wt_plugin_compute_cpu()->ops;
        bool head = s != NULL ? wt_source_find(s, "lm_head.weight") != NULL : !w->shape->tied;
        struct wt_part parts[WT_LAYER_PARTS];

        wt_trunk_parts(w->shape, head, parts);   /* embedding, norm, head: in this order */
        add(w, s, W_EMBED, &parts[0], 1);
        add(w, s, W_NORMS, &parts[1], 1);
        if (head)
                add(w, s, W_HEAD, &parts[2], 1);
        else
                w->active += w->params[W_EMBED];         /* it is the head, too */
        for (uint32_t l = 0; l < w->shape->n_layers; l++) {
                const struct wt_layer *y = &w->shape->layers[l];
                uint32_t n = wt_layer_parts(w->shape, l, parts);
                for (uint32_t i = 0; i < n; i++)
                        if (i == 0 ||
                            strcmp(parts[i].name, parts[i - 1].name) != 0) /* two views of one */
                                add(w, s, kind_of(y, parts[i].slot), &parts[i], 1);
                if (y->ffn == WT_FFN_MOE)
                        experts(w, s, l);
                w->kv_token += ops->kv_page_bytes(y) / WT_PAGE;
        }
        for (int k = 0; k < N_WEIGH; k++) {
                w->total += w->params[k];
                w->total_bytes += w->bytes[k];
                w->active += k != W_EXPERTS && k != W_EMBED ? w->params[k] : 0;
        }
}

/* "BF16, F32" with the larger share first would need a sort; the files have one or two. */
static void list_dtypes(struct weigh *w, const wt_source *s)
{
        size_t n;

        for (uint32_t i = 0; i < wt_source_count(s); i++) {
                const char *name = wt_source_at(s, i)->dtype_name;
                n = strlen(w->dtypes);
                if (strstr(w->dtypes, name) == NULL && n + strlen(name) + 3 < sizeof w->dtypes)
                        snprintf(w->dtypes + n, sizeof w->dtypes - n, "%s%s", n > 0 ? ", " : "",
                                 name);
                w->unused_bytes += wt_source_at(s, i)->bytes;
        }
        w->unused_bytes -= w->total_bytes;
}

static wt_err from_files(struct weigh *w, const char *folder)
{
        char path[4200];
        wt_source *s;
        wt_model *m;
        wt_err err;

        if ((err = wt_model_open(&m, folder, NULL, NULL)) != WT_OK) /* every tensor is checked */
                return err;
        snprintf(path, sizeof path, "%s/tokenizer.json", folder);
        snprintf(w->notes, sizeof w->notes, "%.400s%s", wt_model_notes(m),
                 access(path, F_OK) == 0 ? ""
                 : wt_model_notes(m)[0] != '\0' ? "; no tokenizer.json, it cannot be served so"
                                               : "no tokenizer.json, it cannot be served so");
        wt_model_close(m);
        if ((err = wt_source_open(&s, folder)) != WT_OK)
                return err;
        if ((err = wt_shape_load(&w->shape, folder)) == WT_OK) {
                w->from_files = true;
                count(w, s);
                list_dtypes(w, s);
        }
        wt_source_close(s);
        return err;
}

static wt_err from_config(struct weigh *w, const char *file)
{
        struct wt_buf b = { 0 };
        wt_json *j;
        wt_err err = wt_file_read(file, MAX_CONFIG_BYTES, &b);

        if (err == WT_OK && (err = wt_json_parse(&j, b.data, b.len, &wt_json_default)) == WT_OK) {
                err = wt_shape_parse(&w->shape, j);
                wt_json_free(j);
        }
        wt_buf_free(&b);
        if (err != WT_OK)
                return wt_fail_in(err, "%s", file);
        count(w, NULL);
        return WT_OK;
}

static bool is_there(const char *folder, const char *name)
{
        char path[4300];
        struct stat st;

        snprintf(path, sizeof path, "%s/%s", folder, name);
        return stat(path, &st) == 0;
}

wt_err weigh_open(struct weigh *w, const char *path)
{
        char file[4300];
        struct stat st;

        memset(w, 0, sizeof *w);
        if (stat(path, &st) != 0)
                return wt_fail(WT_ENOTFOUND,
                               "there is no %s; name a model folder, or a config.json", path);
        if (!S_ISDIR(st.st_mode))
                return from_config(w, path);
        if (is_there(path, "model.safetensors") || is_there(path, "model.safetensors.index.json") ||
            !is_there(path, "config.json"))
                return from_files(w, path);
        snprintf(file, sizeof file, "%s/config.json", path);
        return from_config(w, file);
}

void weigh_close(struct weigh *w)
{
        wt_shape_free(w->shape);
        w->shape = NULL;
}

uint64_t weigh_trunk(const struct weigh *w)
{
        return w->total_bytes - w->bytes[W_EXPERTS];
}

uint32_t weigh_workers(const struct weigh *w, uint64_t room, uint32_t *each)
{
        uint64_t fit = w->expert_bytes > 0 ? (room - room / 10) / w->expert_bytes : 0;

        *each = fit > w->slots ? w->slots : (uint32_t)fit;
        return *each == 0 ? 0 : (w->slots + *each - 1) / *each;
}
