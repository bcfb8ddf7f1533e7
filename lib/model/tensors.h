/* tensors.h - the inside of a source, for its loaders: files that stay open and the list of
 * tensors. */
#ifndef WITAN_MODEL_TENSORS_H
#define WITAN_MODEL_TENSORS_H
#include "base/arena.h"
#include "model/digests.h"
#include "model/source.h"

struct wt_source_file {
        char *path;                              /* in the arena */
        int fd;                                  /* read-only; nothing is mapped */
        uint64_t bytes, dev, ino;
        int64_t mtime_ns;
        struct wt_digests *digests;              /* opened at the first digest */
};
struct wt_source {
        struct wt_arena arena;                   /* names and paths */
        struct wt_source_file *files; uint32_t n_files;
        struct wt_tensor_at *tensors; uint32_t n_tensors, cap_tensors;
        char notes[512];
};

/* Opens a regular file for reading and appends it. WT_ENOTFOUND when it is not there. */
wt_err wt_source_add_file(wt_source *s, const char *path, uint32_t *file);
/* Appends a tensor; its name is already in the arena. */
wt_err wt_source_add(wt_source *s, const struct wt_tensor_at *t);
/* All bytes [at, at+n) of a file. */
wt_err wt_source_pread(const struct wt_source_file *f, void *dst, size_t n, uint64_t at);

extern const struct wt_loader_ops wt_loader_safetensors;
#endif
