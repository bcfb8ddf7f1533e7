/* source.c - the list of tensors and their bytes, whatever the file format; see source.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/file.h"
#include "base/list.h"
#include "base/sha256.h"
#include "model/tensors.h"

enum { CHUNK = 1 << 20, MAX_FILES = 4096, MAX_TENSORS = 1 << 24, SETTLED_NS = 1000000000 };

static const struct wt_loader_ops *const loaders[] = { &wt_loader_safetensors };

wt_err wt_source_add_file(wt_source *s, const char *path, uint32_t *file)
{
        struct wt_source_file f = { 0 }, *grown;
        struct stat st;

        if (s->n_files == MAX_FILES)
                return wt_fail(WT_EINVAL, "the model has more than %d files", MAX_FILES);
        f.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);   /* a FIFO must not hang us */
        if (f.fd < 0)
                return wt_fail(wt_file_code(errno), "cannot open %s: %s", path, strerror(errno));
        if (fstat(f.fd, &st) != 0 || !S_ISREG(st.st_mode)) {
                close(f.fd);
                return wt_fail(WT_EINVAL, "%s is no regular file", path);
        }
        grown = realloc(s->files, (s->n_files + 1) * sizeof *grown);
        if (!grown) {
                close(f.fd);
                return wt_fail(WT_ENOMEM, "no memory for the files of a model");
        }
        f.path = wt_arena_str(&s->arena, path, strlen(path));
        f.bytes = (uint64_t)st.st_size;
        f.dev = (uint64_t)st.st_dev;
        f.ino = (uint64_t)st.st_ino;
        f.mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
        s->files = grown;
        s->files[s->n_files] = f;
        *file = s->n_files++;
        return WT_OK;
}

wt_err wt_source_add(wt_source *s, const struct wt_tensor_at *t)
{
        struct wt_tensor_at *at;

        if (s->n_tensors == MAX_TENSORS)
                return wt_fail(WT_EINVAL, "the model has more than %d tensors", MAX_TENSORS);
        if (!(at = wt_list_more(&s->tensors, s->n_tensors, &s->cap_tensors, sizeof *at)))
                return wt_fail(WT_ENOMEM, "no memory for more than %u tensors", s->n_tensors);
        *at = *t;
        s->n_tensors++;
        return WT_OK;
}

static int by_name(const void *a, const void *b)
{
        return strcmp(((const struct wt_tensor_at *)a)->name,
                      ((const struct wt_tensor_at *)b)->name);
}

static wt_err sort(wt_source *s)
{
        if (s->n_tensors)
                qsort(s->tensors, s->n_tensors, sizeof *s->tensors, by_name);
        for (uint32_t i = 1; i < s->n_tensors; i++)
                if (by_name(&s->tensors[i - 1], &s->tensors[i]) == 0)
                        return wt_fail(WT_EDATA, "the tensor \"%.200s\" occurs twice",
                                       s->tensors[i].name);
        return WT_OK;
}

wt_err wt_source_open(wt_source **out, const char *path)
{
        wt_source *s = calloc(1, sizeof *s);
        wt_err err = WT_ENOTFOUND;
        size_t i;

        if (!s)
                return wt_fail(WT_ENOMEM, "no memory for a model's tensors");
        for (i = 0; i < sizeof loaders / sizeof *loaders; i++)
                if (loaders[i]->claims(path))
                        break;
        if (i < sizeof loaders / sizeof *loaders)
                err = loaders[i]->open(s, path);
        else
                wt_fail(err, "%s holds neither model.safetensors.index.json nor model.safetensors; "
                        "give a Hugging Face model folder", path);
        if (err == WT_OK && (err = sort(s)) != WT_OK)
                wt_fail_in(err, "%s", path);
        if (err != WT_OK) {
                wt_source_close(s);
                return err;
        }
        *out = s;
        return WT_OK;
}

void wt_source_close(wt_source *s)
{
        if (!s)
                return;
        for (uint32_t i = 0; i < s->n_files; i++) {
                close(s->files[i].fd);
                wt_digests_close(s->files[i].digests);
        }
        free(s->files);
        free(s->tensors);
        wt_arena_fini(&s->arena);
        free(s);
}

uint32_t wt_source_count(const wt_source *s) { return s->n_tensors; }

const struct wt_tensor_at *wt_source_at(const wt_source *s, uint32_t i)
{
        WT_ASSERT(i < s->n_tensors);
        return &s->tensors[i];
}

const struct wt_tensor_at *wt_source_find(const wt_source *s, const char *name)
{
        struct wt_tensor_at key = { .name = name };

        return s->n_tensors ? bsearch(&key, s->tensors, s->n_tensors, sizeof key, by_name) : NULL;
}

const char *wt_source_file(const wt_source *s, uint32_t file)
{
        WT_ASSERT(file < s->n_files);
        return s->files[file].path;
}

const char *wt_source_notes(const wt_source *s) { return s->notes; }

wt_err wt_source_pread(const struct wt_source_file *f, void *dst, size_t n, uint64_t at)
{
        char *p = dst;

        while (n) {
                ssize_t got = pread(f->fd, p, n < 1u << 30 ? n : 1u << 30, (off_t)at);

                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        return wt_fail(WT_EIO, "cannot read %s: %s", f->path, strerror(errno));
                if (got == 0)
                        return wt_fail(WT_EDATA,
                                       "%s became shorter while it was open; leave the files "
                                       "of a model alone while it is served",
                                       f->path);
                p += got;
                at += (uint64_t)got;
                n -= (size_t)got;
        }
        return WT_OK;
}

static wt_err hash(const struct wt_source_file *f, const struct wt_tensor_at *t, uint8_t out[32])
{
        struct wt_sha256 sha;
        uint64_t done = 0;
        char *chunk = malloc(CHUNK);
        wt_err err = WT_OK;

        if (!chunk)
                return wt_fail(WT_ENOMEM, "no memory to hash %s", f->path);
        wt_sha256_init(&sha);
        while (done < t->bytes && err == WT_OK) {
                size_t n = t->bytes - done < CHUNK ? (size_t)(t->bytes - done) : CHUNK;

                err = wt_source_pread(f, chunk, n, t->offset + done);
                if (err == WT_OK)
                        wt_sha256_add(&sha, chunk, n);
                done += n;
        }
        free(chunk);
        if (err == WT_OK)
                wt_sha256_end(&sha, out);
        return err;
}

/* The file as it was opened. One that was written within the last second may still change under the
 * same time stamp, so its digests are used but not kept. */
static wt_err unchanged(const struct wt_source_file *f, bool *settled)
{
        struct stat st;
        struct timespec now;
        int64_t mtime_ns;

        if (fstat(f->fd, &st) != 0)
                return wt_fail(WT_EIO, "cannot stat %s: %s", f->path, strerror(errno));
        mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
        if (mtime_ns != f->mtime_ns || (uint64_t)st.st_size != f->bytes)
                return wt_fail(WT_EABORTED, "%s was changed while it was open; start again",
                               f->path);
        clock_gettime(CLOCK_REALTIME, &now);
        *settled = now.tv_sec * 1000000000ll + now.tv_nsec - mtime_ns > SETTLED_NS;
        return WT_OK;
}

wt_err wt_source_read(const wt_source *s, const struct wt_tensor_at *t, void *dst)
{
        const struct wt_source_file *f = &s->files[t->file];
        bool settled;
        wt_err err;

        if (t->dtype == WT_DTYPE_FOREIGN)
                return wt_fail(WT_EUNSUPPORTED,
                               "%s: the tensor %.200s is %s; readable are F32, F16 and "
                               "BF16",
                               f->path, t->name, t->dtype_name);
        err = wt_source_pread(f, dst, t->bytes, t->offset);
        return err == WT_OK ? unchanged(f, &settled) : err;
}

/* One file of digests per model file, named by its device and inode. */
static void open_digests(struct wt_source_file *f, const char *cache_dir)
{
        char path[4200];

        if (f->digests || !cache_dir)
                return;
        if (snprintf(path, sizeof path, "%s/%" PRIx64 "-%" PRIx64 ".digests", cache_dir, f->dev,
                     f->ino) < (int)sizeof path)
                wt_digests_open(&f->digests, path);      /* fails: hashed anew, nothing is lost */
}

wt_err wt_source_digest(wt_source *s, const struct wt_tensor_at *t, const char *cache_dir,
                        uint8_t out[32])
{
        struct wt_source_file *f = &s->files[t->file];
        uint8_t sha[32];
        char key[128];
        bool settled = false;
        wt_err err;

        open_digests(f, cache_dir);
        snprintf(key, sizeof key,
                 "%" PRIx64 ":%" PRIx64 ":%" PRIu64 ":%" PRId64 ":%" PRIu64 "+%" PRIu64, f->dev,
                 f->ino, f->bytes, f->mtime_ns, t->offset, t->bytes);
        if (f->digests && wt_digests_find(f->digests, key, out))
                return WT_OK;
        if ((err = hash(f, t, sha)) != WT_OK || (err = unchanged(f, &settled)) != WT_OK)
                return err;
        if (f->digests && settled)
                wt_digests_add(f->digests, key, sha);
        memcpy(out, sha, 32);
        return WT_OK;
}
