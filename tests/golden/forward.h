/* forward.h - a whole model in one process and one thread of thought: the stages of the compute
 * plugin one after another, experts included, no router and no bus. For tests that look inside. */
#ifndef WITAN_TESTS_FORWARD_H
#define WITAN_TESTS_FORWARD_H
#include "base/pool.h"
#include "model/pack.h"

struct forward {
        const struct wt_compute_ops *ops;
        wt_compute *c;
        wt_pool *pool;
        struct wt_host host;
        wt_model *model;
        const struct wt_shape *shape;
        struct wt_trunk *trunk;
        struct wt_expert_weights **experts;      /* [layer][expert], NULL for dense layers */
        uint32_t max_rows, n_pages;
        wt_buffer **kv;                          /* per layer */
        wt_buffer *h, *shared;
        float *x, *weight, *leaf, *logits;
        int32_t *pick;
        uint8_t *bad;
        float smallest_margin;
};

/* Seen after each layer of each chunk: rows [0, n) are positions [pos, pos+n). picks NULL: dense.
 * */
struct forward_watch {
        void (*layer)(void *arg, uint32_t layer, uint32_t pos, uint32_t n, const float *h,
                      const int32_t *pick);
        void *arg;
};

/* entry: of a compute plugin. max_positions: of the longest sequence; packs go to pack_dir. */
wt_err forward_open(struct forward *f, const struct wt_plugin *(*entry)(void), const char *folder,
                    const char *pack_dir, uint32_t max_positions, uint32_t max_rows);
void forward_close(struct forward *f);
/* Runs ids at positions [pos, pos+n) in chunks of `chunk`, KV as left by earlier calls; logits
 * (n, V) of every row go to out when not NULL. */
wt_err forward_run(struct forward *f, const int32_t *ids, uint32_t pos, uint32_t n, uint32_t chunk,
                   float *out, const struct forward_watch *watch);
#endif
