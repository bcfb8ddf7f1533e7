/* bench_tensors.c - see bench_tensors.h. */
#include "bench_tensors.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/file.h"
#include "base/rng.h"
#include "base/sha256.h"

enum { BLOCK = 1 << 20 };                        /* bytes written at a time; a multiple of 16 */

struct out {
        const char *dir;
        struct bench_tensor *t; uint32_t n, n_shards;
        uint64_t seed, done, of;
        uint16_t *table;                         /* (65536) 16 random bits -> a number */
        uint16_t *block;
        void (*progress)(void *arg, uint64_t done, uint64_t of); void *arg;
};

static uint16_t bf16(float v)                    /* finite */
{
        uint32_t u;

        memcpy(&u, &v, sizeof u);
        return (uint16_t)((u + 0x7fffu + (u >> 16 & 1)) >> 16);
}

/* Which shard, at which offset: a shard is full when the next tensor would pass shard_bytes. */
static void place(struct out *o, uint64_t shard_bytes)
{
        uint64_t at = 0;

        o->n_shards = 1;
        for (uint32_t i = 0; i < o->n; i++) {
                struct bench_tensor *t = &o->t[i];

                t->bytes = t->dim[0] * (t->n_dim > 1 ? t->dim[1] : 1) * (t->values != NULL ? 4 : 2);
                if (shard_bytes > 0 && at > 0 && at + t->bytes > shard_bytes) {
                        o->n_shards++;
                        at = 0;
                }
                t->shard = o->n_shards - 1;
                t->offset = at;
                at += t->bytes;
                o->of += t->bytes;
        }
}

static void shard_name(const struct out *o, uint32_t shard, char out[64])
{
        if (o->n_shards == 1)
                snprintf(out, 64, "model.safetensors");
        else
                snprintf(out, 64, "model-%05u-of-%05u.safetensors", shard + 1, o->n_shards);
}

static void put_header(const struct out *o, uint32_t shard, struct wt_buf *b)
{
        uint64_t len;

        wt_buf_add(b, "\0\0\0\0\0\0\0\0", 8);
        wt_buf_str(b, "{\"__metadata__\":{\"format\":\"pt\"}");
        for (uint32_t i = 0; i < o->n; i++) {
                const struct bench_tensor *t = &o->t[i];

                if (t->shard != shard)
                        continue;
                wt_buf_fmt(b, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[%llu", t->name,
                           t->values != NULL ? "F32" : "BF16", (unsigned long long)t->dim[0]);
                if (t->n_dim > 1)
                        wt_buf_fmt(b, ",%llu", (unsigned long long)t->dim[1]);
                wt_buf_fmt(b, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)t->offset,
                           (unsigned long long)(t->offset + t->bytes));
        }
        wt_buf_str(b, "}");
        while (b->len % 8 != 0)
                wt_buf_str(b, " ");
        len = b->len - 8;
        for (int i = 0; i < 8; i++)
                b->data[i] = (char)(len >> 8 * i);
}

static wt_err put(int fd, const char *path, const void *data, size_t n)
{
        for (size_t at = 0; at < n;) {
                ssize_t k = write(fd, (const char *)data + at, n - at);

                if (k < 0 && errno != EINTR)
                        return wt_fail(WT_EIO, "could not write %s: %s", path, strerror(errno));
                at += k > 0 ? (size_t)k : 0;
        }
        return WT_OK;
}

/* Eight numbers from each draw of 128 bits. */
static wt_err put_random(struct out *o, int fd, const char *path, const struct bench_tensor *t)
{
        uint32_t key[2] = { (uint32_t)o->seed, (uint32_t)(o->seed >> 32) }, r[4], name[8];
        uint64_t draw = 0;
        wt_err err = WT_OK;

        wt_sha256_of(t->name, strlen(t->name), (uint8_t *)name);
        for (uint32_t i = 0; i < 65536; i++)
                o->table[i] = bf16(t->about + t->span * ((2.0f * (float)i - 65535.0f) / 65536.0f));
        for (uint64_t left = t->bytes / 2; left > 0 && err == WT_OK;) {
                uint32_t n = left < BLOCK / 2 ? (uint32_t)left : BLOCK / 2;

                for (uint32_t i = 0; i < n; i += 8, draw++) {
                        wt_philox(key,
                                  (uint32_t[4]){ (uint32_t)draw, (uint32_t)(draw >> 32), name[0],
                                                 name[1] },
                                  r);
                        for (uint32_t j = 0; j < 8 && i + j < n; j++)
                                o->block[i + j] = o->table[r[j / 2] >> 16 * (j % 2) & 0xffff];
                }
                err = put(fd, path, o->block, (size_t)n * 2);
                left -= n;
                o->done += (uint64_t)n * 2;
                if (o->progress != NULL)
                        o->progress(o->arg, o->done, o->of);
        }
        return err;
}

static wt_err write_shard(struct out *o, uint32_t shard)
{
        struct wt_buf head = { 0 };
        char name[64], path[4300];
        wt_err err;
        int fd;

        shard_name(o, shard, name);
        snprintf(path, sizeof path, "%s/%s", o->dir, name);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0)
                return wt_fail(WT_EIO, "could not make %s: %s", path, strerror(errno));
        put_header(o, shard, &head);
        err = put(fd, path, head.data, head.len);
        for (uint32_t i = 0; i < o->n && err == WT_OK; i++) {
                const struct bench_tensor *t = &o->t[i];

                if (t->shard != shard)
                        continue;
                err = t->values != NULL ? put(fd, path, t->values, t->bytes)
                                        : put_random(o, fd, path, t);
        }
        wt_buf_free(&head);
        if (close(fd) != 0 && err == WT_OK)
                err = wt_fail(WT_EIO, "could not write %s: %s", path, strerror(errno));
        return err;
}

static wt_err write_index(const struct out *o)
{
        struct wt_buf b = { 0 };
        char name[64], path[4300];
        wt_err err;

        wt_buf_fmt(&b, "{\"metadata\":{\"total_size\":%llu},\"weight_map\":{",
                   (unsigned long long)o->of);
        for (uint32_t i = 0; i < o->n; i++) {
                shard_name(o, o->t[i].shard, name);
                wt_buf_fmt(&b, "%s\"%s\":\"%s\"", i > 0 ? "," : "", o->t[i].name, name);
        }
        wt_buf_str(&b, "}}\n");
        snprintf(path, sizeof path, "%s/model.safetensors.index.json", o->dir);
        err = wt_file_write(path, b.data, b.len, 0644);
        wt_buf_free(&b);
        return err;
}

wt_err bench_tensors_write(struct bench_tensor *t, uint32_t n, const char *dir,
                           uint64_t shard_bytes, uint64_t seed,
                           void (*progress)(void *arg, uint64_t done, uint64_t of), void *arg)
{
        struct out o = {
                .dir = dir, .t = t, .n = n, .seed = seed, .progress = progress, .arg = arg
        };
        wt_err err = WT_OK;

        o.table = malloc(65536 * sizeof *o.table);
        o.block = malloc(BLOCK);
        if (o.table == NULL || o.block == NULL)
                err = wt_fail(WT_ENOMEM, "no memory for a block of numbers");
        place(&o, shard_bytes);
        for (uint32_t i = 0; i < o.n_shards && err == WT_OK; i++)
                err = write_shard(&o, i);
        if (err == WT_OK && o.n_shards > 1)
                err = write_index(&o);
        free(o.table);
        free(o.block);
        return err;
}
