/* test_model.h - what the tests of this folder share: temporary folders, safetensors files and
 * small models written by the test itself, and the cases of the shared data. */
#ifndef WITAN_MODEL_TEST_MODEL_H
#define WITAN_MODEL_TEST_MODEL_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "model/parts.h"

#define UNUSED __attribute__((unused))
enum { TEST_PATH = 512 };

static UNUSED int rm_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
        (void)st, (void)kind, (void)ftw;
        return remove(path);
}

static UNUSED void rm_tree(const char *dir) { nftw(dir, rm_one, 16, FTW_DEPTH | FTW_PHYS); }

static UNUSED void tmp_dir(char out[TEST_PATH])
{
        snprintf(out, TEST_PATH, "%s/witan-test-XXXXXX", P_tmpdir);
        assert_non_null(mkdtemp(out));
}

static UNUSED void put_file(const char *dir, const char *name, const void *data, size_t len)
{
        char path[2 * TEST_PATH];
        FILE *f;

        snprintf(path, sizeof path, "%s%s%s", dir, name[0] ? "/" : "", name);
        f = fopen(path, "wb");
        assert_non_null(f);
        assert_int_equal(fwrite(data, 1, len, f), len);
        assert_int_equal(fclose(f), 0);
}

static UNUSED void put_text(const char *dir, const char *name, const char *text)
{
        put_file(dir, name, text, strlen(text));
}

/* A file of header and data; the length before the header is the header's own. */
static UNUSED void put_safetensors(const char *dir, const char *name, const char *header,
                                   const void *data, size_t len)
{
        struct wt_buf b = { 0 };
        uint64_t n = strlen(header);

        for (int i = 0; i < 8; i++)
                wt_buf_add(&b, &(uint8_t){ (uint8_t)(n >> 8 * i) }, 1);
        wt_buf_str(&b, header);
        wt_buf_add(&b, data, len);
        put_file(dir, name, b.data, b.len);
        wt_buf_free(&b);
}

/* The time stamp of a file long ago, so that its digests may be kept. */
static UNUSED void make_old(const char *dir, const char *name)
{
        struct timespec then[2] = { { .tv_sec = 1000000000 }, { .tv_sec = 1000000000 } };
        char path[4 * TEST_PATH];

        snprintf(path, sizeof path, "%s/%s", dir, name);
        assert_int_equal(utimensat(AT_FDCWD, path, then, 0), 0);
}

/* ---- a model of F32 tensors under construction ---- */

struct maker {
        const char *skip;
        bool wider;
        const char *twin;
        float bias;
        struct wt_buf header, data;
};

static UNUSED void add_tensor(struct maker *k, const char *name, uint32_t n_dim,
                              const uint64_t *dim)
{
        uint64_t n = 1, from = k->data.len;
        uint32_t seed = 5381;

        /* twin: this tensor's numbers are those of another name. */
        for (const char *c = k->twin && strcmp(name, "lm_head.weight") == 0 ? k->twin : name; *c;
             c++)
                seed = seed * 33 + (uint8_t)*c;
        wt_buf_json_key(&k->header, name);
        wt_buf_str(&k->header, "{\"dtype\":\"F32\",\"shape\":[");
        for (uint32_t i = 0; i < n_dim; i++) {
                wt_buf_fmt(&k->header, "%s%lu", i ? "," : "", (unsigned long)dim[i]);
                n *= dim[i];
        }
        for (uint64_t i = 0; i < n; i++) {
                float x;

                seed = seed * 1664525u + 1013904223u;
                x = (float)(int32_t)seed / 4294967296.0f;
                if (i == 2 && strstr(name, "correction_bias") && k->bias != 0)
                        x = k->bias;
                wt_buf_add(&k->data, &x, sizeof x);
        }
        wt_buf_fmt(&k->header, "],\"data_offsets\":[%lu,%lu]}", (unsigned long)from,
                   (unsigned long)k->data.len);
}

static UNUSED void add_parts(struct maker *k, struct wt_part *p, uint32_t n)
{
        for (uint32_t i = 0; i < n; i++) {
                if (i && strcmp(p[i].name, p[i - 1].name) == 0)
                        continue;                /* two views of one tensor */
                if (k->skip && strcmp(p[i].name, k->skip) == 0) {
                        if (!k->wider)
                                continue;
                        p[i].dim[0]++;
                }
                add_tensor(k, p[i].name, p[i].n_dim, p[i].dim);
        }
}

/* Writes config.json and model.safetensors of a model of that config into dir. extra (or NULL): one
 * more tensor, of 4 numbers; an extra "lm_head.weight" has the dimensions of the embedding. */
static UNUSED void make_model(const char *dir, const char *config, struct maker *k,
                              const char *extra)
{
        struct wt_part parts[WT_LAYER_PARTS];
        struct wt_shape *s;
        wt_json *j;

        assert_int_equal(wt_json_parse(&j, config, strlen(config), NULL), WT_OK);
        if (wt_shape_parse(&s, j) != WT_OK)
                fail_msg("%s", wt_words());
        wt_json_free(j);
        wt_buf_str(&k->header, "{");
        add_parts(k, parts, wt_trunk_parts(s, false, parts) - 1);
        if (!s->tied)
                add_parts(k, parts + 2, wt_trunk_parts(s, true, parts) - 2);
        for (uint32_t l = 0; l < s->n_layers; l++) {
                add_parts(k, parts, wt_layer_parts(s, l, parts));
                for (uint32_t e = 0; e < s->layers[l].n_experts; e++)
                        add_parts(k, parts, wt_expert_parts(s, l, e, parts));
        }
        if (extra) {
                bool head = strcmp(extra, "lm_head.weight") == 0;

                add_tensor(k, extra, head ? 2 : 1,
                           head ? (uint64_t[]){ s->vocab, s->width } : (uint64_t[]){ 4 });
        }
        wt_buf_str(&k->header, "}");
        put_text(dir, "config.json", config);
        put_safetensors(dir, "model.safetensors", k->header.data, k->data.data, k->data.len);
        wt_buf_free(&k->header);
        wt_buf_free(&k->data);
        wt_shape_free(s);
}

/* ---- the shared data ---- */

static UNUSED const char *shared_dir(void)
{
        const char *dir = getenv("WITAN_SHARED");

        return dir && dir[0] ? dir : "../shared";
}

static UNUSED bool shared_file(const char *name, struct wt_buf *out)
{
        char path[2 * TEST_PATH];

        snprintf(path, sizeof path, "%s/data/%s", shared_dir(), name);
        if (wt_file_read(path, 64 << 20, out) == WT_OK)
                return true;
        print_message("skipped: %s is not here\n", path);
        return false;
}

/* The case with that id, parsed; NULL (and a word about it) where the shared data is not. */
static UNUSED wt_json *shared_case(const char *id)
{
        struct wt_buf b = { 0 };
        wt_json *j = NULL;

        if (shared_file("cases/cases.jsonl", &b))
                for (char *at = b.data, *nl; at && *at; at = nl ? nl + 1 : NULL) {
                        const char *got;

                        nl = strchr(at, '\n');
                        assert_int_equal(
                                wt_json_parse(&j, at, nl ? (size_t)(nl - at) : strlen(at), NULL),
                                WT_OK);
                        got = wt_json_str(j, wt_json_get(j, 0, "id"), NULL);
                        if (got && strcmp(got, id) == 0)
                                break;
                        wt_json_free(j);
                        j = NULL;
                }
        wt_buf_free(&b);
        return j;
}
#endif
