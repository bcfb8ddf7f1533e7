/* weigh.h - a model in numbers: parameters and bytes by kind, what a token touches, what it leaves
 * in the cache, and how many machines of a size would hold it. */
#ifndef WITAN_TOOLS_WEIGH_H
#define WITAN_TOOLS_WEIGH_H
#include "model/pack.h"

enum weigh_kind { W_EMBED, W_ATTENTION, W_DENSE, W_SHARED, W_GATES, W_EXPERTS, W_NORMS, W_HEAD,
                  N_WEIGH };
extern const char *const weigh_names[N_WEIGH];

struct weigh {
        struct wt_shape *shape;
        bool from_files;                         /* else config.json alone: bytes as of BF16 */
        uint64_t params[N_WEIGH], bytes[N_WEIGH];
        uint64_t total, total_bytes;             /* sums over kinds */
        uint64_t active;                         /* what a token is multiplied with: of the
                                                  * routed experts its picks alone */
        uint64_t unused_bytes;                   /* tensors that this shape does not read */
        uint64_t kv_token;                       /* bytes of cache per position, all layers */
        uint32_t moe_layers, slots;              /* slots: experts over all layers */
        uint32_t n_experts, n_picks;             /* most of any layer */
        uint64_t expert_bytes;                   /* of the largest */
        char dtypes[160], notes[512];
};
/* path: a model folder, one with a config.json alone, or a config file. Errors as the loader
 * says. */
wt_err weigh_open(struct weigh *w, const char *path);
void weigh_close(struct weigh *w);
uint64_t weigh_trunk(const struct weigh *w);     /* bytes that each router holds */
/* Workers with room bytes each that hold every expert once; 0: not one expert fits. each: experts
 * per worker. A tenth of room is left to the rest of the process. */
uint32_t weigh_workers(const struct weigh *w, uint64_t room, uint32_t *each);
#endif
