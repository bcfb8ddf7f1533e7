/* source.h - the tensors of a model as they lie in its files: a table of loaders (safetensors
 * folder now, GGUF later). Every bound is checked when the source is opened. */
#ifndef WITAN_MODEL_SOURCE_H
#define WITAN_MODEL_SOURCE_H
#include <stdbool.h>
#include "base/err.h"

struct wt_tensor_at {
        const char *name;                        /* Hugging Face name; lent by the source */
        uint32_t dtype, n_dim; uint64_t shape[8];
        uint32_t file; uint64_t offset, bytes;   /* bytes of the tensor in that file */
        const char *dtype_name;                  /* as the file spells it, e.g. "BF16" */
};
enum { WT_DTYPE_FOREIGN = 255 };                 /* a dtype that nothing here reads */
typedef struct wt_source wt_source;

/* path: a folder (model.safetensors, or model.safetensors.index.json with its shards). Refused
 * in words: truncated, overlapping or over-long tensors, holes, duplicate names, a shard that is
 * missing or lacks a tensor of the index, dtypes that are not F32, F16, BF16 (others only when
 * asked for). */
wt_err wt_source_open(wt_source **out, const char *path);
void wt_source_close(wt_source *s);
uint32_t wt_source_count(const wt_source *s);
const struct wt_tensor_at *wt_source_at(const wt_source *s, uint32_t i);        /* sorted by name */
/* NULL: not there. */
const struct wt_tensor_at *wt_source_find(const wt_source *s, const char *name);
const char *wt_source_file(const wt_source *s, uint32_t file);                  /* its path */
const char *wt_source_notes(const wt_source *s);  /* files beside that were not read, or "" */
/* Copies the tensor's bytes by pread (nothing is mapped: a router must never map an expert). */
wt_err wt_source_read(const wt_source *s, const struct wt_tensor_at *t, void *dst);
/* SHA-256 of the tensor's bytes as in the file; kept in cache_dir by (device, inode, size,
 * mtime_ns, offset) so that it is computed once per host (cache_dir NULL: no cache). */
wt_err wt_source_digest(wt_source *s, const struct wt_tensor_at *t, const char *cache_dir,
                        uint8_t out[32]);

struct wt_loader_ops {
        const char *name;                        /* "safetensors" */
        bool (*claims)(const char *path);
        wt_err (*open)(wt_source *s, const char *path);
};
#endif
