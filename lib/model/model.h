/* model.h - the inside of an open model, for the files that share it. */
#ifndef WITAN_MODEL_MODEL_H
#define WITAN_MODEL_MODEL_H
#include "base/buf.h"
#include "model/pack.h"
#include "model/packfile.h"
#include "model/parts.h"

struct wt_expert_map { struct wt_map map; uint32_t holders; };
struct wt_model {
        char *folder, *pack_dir;                 /* pack_dir NULL: digests only, no packs */
        const char *name;                        /* within folder */
        const struct wt_compute_ops *compute;    /* NULL likewise */
        struct wt_shape *shape;
        wt_source *source;
        struct wt_packs *packs;
        bool head_in_file;                       /* there is an lm_head.weight */
        struct wt_buf notes;
        uint32_t *first_expert;                  /* (n_layers + 1) into experts */
        struct wt_expert_map *experts;
};

/* check.c: every tensor that the shape asks for is there with its dimensions and a dtype that
 * can be read; nothing in a layer is left over. */
wt_err wt_model_check(wt_model *m);
/* The range of (layer, expert). */
wt_err wt_model_check_expert(const wt_model *m, uint32_t layer, uint32_t expert);
/* packed.c: maps the pack of n parts; *at (n) are the offsets of their blobs in the mapping.
 * Sets the dtypes of the views. */
wt_err wt_model_pack(wt_model *m, struct wt_part *parts, uint32_t n, struct wt_map *map,
                     size_t *at);
#endif
