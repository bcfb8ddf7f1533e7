/* parts.h - which tensors a shape asks for, and how each is read: names, dimensions, views. */
#ifndef WITAN_MODEL_PARTS_H
#define WITAN_MODEL_PARTS_H
#include "model/shape.h"

struct wt_part {
        char name[192];                          /* Hugging Face name */
        size_t slot;                             /* its field: offset in wt_layer_weights,
                                                  * wt_expert_weights or wt_trunk */
        uint32_t n_dim; uint64_t dim[2];         /* of the tensor in the file */
        struct wt_matrix view;                   /* dtype is filled in from the tensor */
        uint64_t at;                             /* element of the tensor where the view begins */
};
enum { WT_LAYER_PARTS = 16, WT_EXPERT_PARTS = 3, WT_TRUNK_PARTS = 3 };

/* Each returns how many it wrote. */
uint32_t wt_trunk_parts(const struct wt_shape *s, bool head_in_file, struct wt_part *out);
uint32_t wt_layer_parts(const struct wt_shape *s, uint32_t layer, struct wt_part *out);
uint32_t wt_expert_parts(const struct wt_shape *s, uint32_t layer, uint32_t expert,
                         struct wt_part *out);
#endif
