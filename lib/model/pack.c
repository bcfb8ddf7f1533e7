/* pack.c - a model folder opened: shape, source and packs; its experts. See pack.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "model/model.h"

/* Absolute, so that the model's name is its folder's even for ".". */
static wt_err set_folder(wt_model *m, const char *folder)
{
        m->folder = realpath(folder, NULL);
        if (!m->folder)
                return wt_fail(wt_file_code(errno),
                               "cannot open the model folder %s: %s", folder, strerror(errno));
        m->name = strrchr(m->folder, '/') + 1;
        return WT_OK;
}

static wt_err count_experts(wt_model *m)
{
        const struct wt_shape *s = m->shape;
        uint32_t n = 0;

        m->first_expert = calloc((size_t)s->n_layers + 1, sizeof *m->first_expert);
        if (!m->first_expert)
                return wt_fail(WT_ENOMEM, "no memory for the layers of a model");
        for (uint32_t l = 0; l < s->n_layers; l++) {
                m->first_expert[l] = n;
                n += s->layers[l].n_experts;
        }
        m->first_expert[s->n_layers] = n;
        m->experts = calloc((size_t)n + 1, sizeof *m->experts);
        return m->experts ? WT_OK : wt_fail(WT_ENOMEM, "no memory for %u experts", n);
}

static wt_err open_in(wt_model *m, const char *folder, const char *pack_dir)
{
        wt_err err;

        if ((err = set_folder(m, folder)) != WT_OK ||
            (err = wt_shape_load(&m->shape, m->folder)) != WT_OK ||
            (err = wt_source_open(&m->source, m->folder)) != WT_OK ||
            (err = count_experts(m)) != WT_OK)
                return err;
        if (pack_dir) {
                if ((err = wt_packs_open(&m->packs, pack_dir)) != WT_OK)
                        return err;
                if (!(m->pack_dir = strdup(pack_dir)))
                        return wt_fail(WT_ENOMEM, "no memory for a path");
        }
        wt_buf_str(&m->notes, wt_source_notes(m->source));
        return wt_model_check(m);
}

wt_err wt_model_open(wt_model **out, const char *folder, const char *pack_dir,
                     const struct wt_compute_ops *compute)
{
        wt_model *m = calloc(1, sizeof *m);
        wt_err err;

        if (!m)
                return wt_fail(WT_ENOMEM, "no memory for a model");
        m->compute = compute;
        if (compute && strlen(compute->layout) > WT_PACK_LAYOUT) {
                free(m);
                return wt_fail(WT_EINVAL, "the layout's name \"%s\" is longer than %d bytes",
                               compute->layout, WT_PACK_LAYOUT);
        }
        if ((err = open_in(m, folder, pack_dir)) != WT_OK) {
                wt_model_close(m);
                return err;
        }
        *out = m;
        return WT_OK;
}

void wt_model_close(wt_model *m)
{
        if (!m)
                return;
        for (uint32_t i = 0; m->experts && i < m->first_expert[m->shape->n_layers]; i++)
                wt_map_close(&m->experts[i].map);
        free(m->experts);
        free(m->first_expert);
        wt_packs_close(m->packs);
        wt_source_close(m->source);
        wt_shape_free(m->shape);
        wt_buf_free(&m->notes);
        free(m->pack_dir);
        free(m->folder);
        free(m);
}

const struct wt_shape *wt_model_shape(const wt_model *m) { return m->shape; }
const char *wt_model_name(const wt_model *m) { return m->name; }
const char *wt_model_notes(const wt_model *m) { return m->notes.data ? m->notes.data : ""; }

wt_err wt_model_check_expert(const wt_model *m, uint32_t layer, uint32_t expert)
{
        if (layer >= m->shape->n_layers || expert >= m->shape->layers[layer].n_experts)
                return wt_fail(WT_ERANGE, "the model %s has no expert %u in layer %u", m->name,
                               expert, layer);
        return WT_OK;
}

static void drop_weights(const wt_model *m, wt_compute *c, const struct wt_expert_weights *w)
{
        const wt_weight *all[] = { w->gate, w->up, w->down };

        for (int i = 0; i < 3; i++)
                if (all[i])
                        m->compute->drop(c, (wt_weight *)all[i]);
}

static wt_err upload(wt_model *m, wt_compute *c, const struct wt_part *parts, const size_t *at,
                     const struct wt_map *map, struct wt_expert_weights *out)
{
        for (uint32_t i = 0; i < WT_EXPERT_PARTS; i++) {
                wt_weight *w = NULL;
                wt_err err = m->compute->upload(c, &parts[i].view, map->data + at[i], &w);

                if (err != WT_OK)
                        return wt_fail_in(err, "%s", parts[i].name);
                memcpy((char *)out + parts[i].slot, &w, sizeof w);
        }
        return WT_OK;
}

wt_err wt_model_expert(wt_model *m, wt_compute *c, uint32_t layer, uint32_t expert,
                       struct wt_expert_weights *out, size_t *bytes)
{
        struct wt_part parts[WT_EXPERT_PARTS];
        size_t at[WT_EXPERT_PARTS];
        struct wt_expert_weights w = { 0 };
        struct wt_expert_map *x;
        struct wt_map map = { 0 };
        wt_err err = wt_model_check_expert(m, layer, expert);

        if (err != WT_OK)
                return err;
        wt_expert_parts(m->shape, layer, expert, parts);
        if ((err = wt_model_pack(m, parts, WT_EXPERT_PARTS, &map, at)) != WT_OK)
                return err;
        x = &m->experts[m->first_expert[layer] + expert];
        if (x->holders)                          /* mapped already: one mapping is enough */
                wt_map_close(&map);
        else
                x->map = map;
        if ((err = upload(m, c, parts, at, &x->map, &w)) != WT_OK) {
                drop_weights(m, c, &w);
                if (x->holders == 0)
                        wt_map_close(&x->map);
                return err;
        }
        x->holders++;
        *out = w;
        if (bytes)
                *bytes = x->map.bytes - WT_PACK_HEADER;
        return WT_OK;
}

void wt_model_drop_expert(wt_model *m, wt_compute *c, uint32_t layer, uint32_t expert,
                          const struct wt_expert_weights *w)
{
        struct wt_expert_map *x = &m->experts[m->first_expert[layer] + expert];

        WT_ASSERT(x->holders > 0);
        drop_weights(m, c, w);
        if (--x->holders == 0)
                wt_map_close(&x->map);
}
