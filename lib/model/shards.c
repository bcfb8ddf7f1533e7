/* shards.c - a safetensors model: one file, or an index of shards. The index is the only statement
 * of which file owns a tensor: files that it does not name are not read. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "model/safetensors.h"

enum { MAX_HEADER = 100000000, MAX_INDEX = 64 << 20, MAX_FILE_NAME = 255, PATH = 4096 };
static const char suffix[] = ".safetensors";

static wt_err load_file(wt_source *s, uint32_t file, bool (*keep)(void *, const char *), void *arg)
{
        const struct wt_source_file *f = &s->files[file];
        uint8_t head[8];
        uint64_t len = 0;
        char *text;
        wt_err err;

        if (f->bytes < sizeof head)
                return wt_fail(WT_EDATA,
                               "%s has %" PRIu64 " bytes; a safetensors file has at least 8",
                               f->path, f->bytes);
        if ((err = wt_source_pread(f, head, sizeof head, 0)) != WT_OK)
                return err;
        for (int i = 7; i >= 0; i--)
                len = len << 8 | head[i];
        if (len > MAX_HEADER || len > f->bytes - sizeof head)
                return wt_fail(WT_EDATA,
                               "%s says that its header has %" PRIu64
                               " bytes; the file has %" PRIu64
                               " and %d are allowed (is it cut short?)",
                               f->path, len, f->bytes, MAX_HEADER);
        if (!(text = malloc((size_t)len + 1)))
                return wt_fail(WT_ENOMEM, "no memory for the header of %s", f->path);
        err = wt_source_pread(f, text, (size_t)len, sizeof head);
        if (err == WT_OK) {
                err = wt_safetensors_header(s, file, text, (size_t)len, sizeof head + len,
                                            f->bytes - sizeof head - len, keep, arg);
                if (err != WT_OK)
                        wt_fail_in(err, "%s", s->files[file].path);
        }
        free(text);
        return err;
}

/* One entry of weight_map. */
struct owner { const char *name, *file; bool found; };
struct index { struct owner *at; uint32_t n; const char *file; };

static int by_tensor(const void *a, const void *b)
{
        return strcmp(((const struct owner *)a)->name, ((const struct owner *)b)->name);
}

static int by_file(const void *a, const void *b)
{
        const struct owner *x = a, *y = b;
        int d = strcmp(x->file, y->file);

        return d ? d : strcmp(x->name, y->name);
}

/* Only the shard that the index names gives the tensor. */
static bool owned(void *arg, const char *name)
{
        struct index *x = arg;
        struct owner key = { .name = name }, *o;

        o = bsearch(&key, x->at, x->n, sizeof key, by_tensor);
        if (!o || strcmp(o->file, x->file) != 0)
                return false;
        o->found = true;
        return true;
}

/* A plain name in the model's own folder: an index must not reach out of it. */
static bool plain(const char *name, size_t len)
{
        return len >= sizeof suffix && len <= MAX_FILE_NAME && name[0] != '.' &&
               !memchr(name, '/', len) && !memchr(name, '\0', len) &&
               strcmp(name + len - (sizeof suffix - 1), suffix) == 0;
}

static wt_err read_map(struct index *x, const wt_json *j)
{
        wt_jv map = wt_json_get(j, 0, "weight_map");

        if (map == WT_JSON_NONE || wt_json_type(j, map) != WT_JSON_OBJECT || !wt_json_count(j, map))
                return wt_fail(WT_EDATA,
                               "has no weight_map, an object of tensor name to file name");
        x->at = calloc(wt_json_count(j, map), sizeof *x->at);
        if (!x->at)
                return wt_fail(WT_ENOMEM, "no memory for the index of a model");
        for (wt_jv v = wt_json_first(j, map); v != WT_JSON_NONE; v = wt_json_next(j, v)) {
                size_t len = 0, key_len = 0;
                struct owner *o = &x->at[x->n];

                o->name = wt_json_key(j, v, &key_len);
                o->file = wt_json_str(j, v, &len);
                if (memchr(o->name, '\0', key_len))
                        return wt_fail(WT_EDATA, "weight_map has a name that holds a NUL");
                if (!o->file || !plain(o->file, len))
                        return wt_fail(WT_EDATA,
                                       "maps \"%.200s\" to \"%.100s\"; allowed: the name of a "
                                       ".safetensors file in the same folder",
                                       o->name, o->file ? o->file : "no string");
                x->n++;
        }
        return WT_OK;
}

static wt_err load_shard(wt_source *s, const char *folder, struct index *x,
                         const struct owner *first)
{
        char path[PATH + MAX_FILE_NAME + 2];
        uint32_t file = 0;
        wt_err err;

        snprintf(path, sizeof path, "%s/%s", folder, first->file);
        err = wt_source_add_file(s, path, &file);
        if (err == WT_ENOTFOUND)
                return wt_fail(WT_ENOTFOUND,
                               "%s is missing; the index says that it holds \"%.200s\"", path,
                               first->name);
        if (err != WT_OK)
                return err;
        x->file = first->file;
        return load_file(s, file, owned, x);
}

static wt_err load_shards(wt_source *s, const char *folder, struct index *x)
{
        struct owner *files = malloc(x->n * sizeof *files);     /* the map again, by file */
        wt_err err = WT_OK;

        if (!files)
                return wt_fail(WT_ENOMEM, "no memory for the index of a model");
        memcpy(files, x->at, x->n * sizeof *files);
        qsort(files, x->n, sizeof *files, by_file);
        qsort(x->at, x->n, sizeof *x->at, by_tensor);
        for (uint32_t i = 0; i < x->n && err == WT_OK; i++)
                if (i == 0 || strcmp(files[i].file, files[i - 1].file) != 0)
                        err = load_shard(s, folder, x, &files[i]);
        for (uint32_t i = 0; i < x->n && err == WT_OK; i++)
                if (!x->at[i].found)
                        err = wt_fail(WT_EDATA,
                                      "%s: the index maps \"%.200s\" to %s, which does not hold "
                                      "it",
                                      folder, x->at[i].name, x->at[i].file);
        free(files);
        return err;
}

static wt_err load_index(wt_source *s, const char *folder, const char *path)
{
        struct wt_buf text = { 0 };
        struct index x = { 0 };
        wt_json *j = NULL;
        wt_err err = wt_file_read(path, MAX_INDEX, &text);

        if (err == WT_OK) {
                err = wt_json_parse(&j, text.data ? text.data : "", text.len, NULL);
                if (err == WT_OK)
                        err = read_map(&x, j);
                if (err != WT_OK)
                        wt_fail_in(err, "%s", path);
        }
        if (err == WT_OK)
                err = load_shards(s, folder, &x);
        free(x.at);
        wt_json_free(j);
        wt_buf_free(&text);
        return err;
}

static bool is_file(const char *path)
{
        struct stat st;

        return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool is_folder(const char *path)
{
        struct stat st;

        return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Files that look like weights and are none of the model's. */
static void note_strays(wt_source *s, const char *folder)
{
        DIR *d = opendir(folder);
        struct dirent *e;

        while (d && (e = readdir(d))) {
                size_t len = strlen(e->d_name), at = strlen(s->notes);
                uint32_t i = 0;

                if (!plain(e->d_name, len))
                        continue;
                while (i < s->n_files && strcmp(strrchr(s->files[i].path, '/') + 1, e->d_name) != 0)
                        i++;
                if (i == s->n_files && at + len + 3 < sizeof s->notes - 64)
                        snprintf(s->notes + at, sizeof s->notes - at, "%s%s", at ? ", " : "",
                                 e->d_name);
        }
        if (d)
                closedir(d);
        if (s->notes[0])
                strcat(s->notes, " not read: no file of the model");
}

static bool claims(const char *path)
{
        char file[PATH];
        size_t len = strlen(path);

        if (len >= sizeof file - 64)
                return false;
        if (!is_folder(path))
                return is_file(path) && len > sizeof suffix &&
                       strcmp(path + len - (sizeof suffix - 1), suffix) == 0;
        snprintf(file, sizeof file, "%s/model.safetensors.index.json", path);
        if (is_file(file))
                return true;
        snprintf(file, sizeof file, "%s/model.safetensors", path);
        return is_file(file);
}

static wt_err load(wt_source *s, const char *path)
{
        char file[PATH];
        uint32_t i = 0;
        wt_err err;

        if (!is_folder(path)) {
                err = wt_source_add_file(s, path, &i);
                return err == WT_OK ? load_file(s, i, NULL, NULL) : err;
        }
        snprintf(file, sizeof file, "%s/model.safetensors.index.json", path);
        if (is_file(file)) {
                err = load_index(s, path, file);
        } else {
                snprintf(file, sizeof file, "%s/model.safetensors", path);
                err = wt_source_add_file(s, file, &i);
                if (err == WT_OK)
                        err = load_file(s, i, NULL, NULL);
        }
        if (err == WT_OK)
                note_strays(s, path);
        return err;
}

const struct wt_loader_ops wt_loader_safetensors = { .name = "safetensors", .claims = claims,
                                                     .open = load };
