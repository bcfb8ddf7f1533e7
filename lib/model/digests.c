/* digests.c - the file of digests, see digests.h. In memory: a table with open addressing. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/sha256.h"
#include "model/digests.h"

enum { KEY = 160, CHECK = 4, MAX_FILE_BYTES = 256 << 20 };

struct entry { const char *key; uint8_t sha[32]; };     /* key NULL: free */
struct wt_digests {
        char *path;
        struct wt_arena keys;
        struct entry *slot;
        size_t n, cap;                           /* cap: a power of two, at least twice n */
};

static size_t hash(const char *key)
{
        uint64_t h = 14695981039346656037ull;    /* FNV-1a */

        for (; *key; key++)
                h = (h ^ (uint8_t)*key) * 1099511628211ull;
        return (size_t)(h ^ h >> 32);
}

static struct entry *slot_of(struct entry *slot, size_t cap, const char *key)
{
        size_t i = hash(key) & (cap - 1);

        while (slot[i].key && strcmp(slot[i].key, key) != 0)
                i = (i + 1) & (cap - 1);
        return &slot[i];
}

static bool grow(struct wt_digests *d)
{
        size_t cap = d->cap ? d->cap * 2 : 256;
        struct entry *slot = calloc(cap, sizeof *slot);

        if (!slot)
                return false;
        for (size_t i = 0; i < d->cap; i++)
                if (d->slot[i].key)
                        *slot_of(slot, cap, d->slot[i].key) = d->slot[i];
        free(d->slot);
        d->slot = slot;
        d->cap = cap;
        return true;
}

static void keep(struct wt_digests *d, const char *key, const uint8_t sha[32])
{
        struct entry *e;

        if (2 * (d->n + 1) > d->cap && !grow(d))
                return;
        e = slot_of(d->slot, d->cap, key);
        if (!e->key) {
                e->key = wt_arena_str(&d->keys, key, strlen(key));
                d->n++;
        }
        memcpy(e->sha, sha, 32);                 /* the later line holds */
}

/* "key sha check": the check covers the line before it, so that a torn line is seen. */
static void line_of(const char *key, const uint8_t sha[32], char out[KEY + 80])
{
        uint8_t sum[32];
        char hex[65], tail[2 * CHECK + 1];
        int n;

        wt_hex(sha, 32, hex);
        n = snprintf(out, KEY + 80, "%s %s", key, hex);
        wt_sha256_of(out, (size_t)n, sum);
        wt_hex(sum, CHECK, tail);
        snprintf(out + n, KEY + 80 - (size_t)n, " %s\n", tail);
}

static void parse_line(struct wt_digests *d, const char *line, size_t len)
{
        char copy[KEY + 80], again[KEY + 80], *sep;
        uint8_t sha[32];

        if (len >= sizeof copy)
                return;
        memcpy(copy, line, len);
        copy[len] = '\0';
        sep = strchr(copy, ' ');
        if (!sep || sep - copy >= KEY || strlen(sep + 1) < 64 || wt_unhex(sep + 1, 32, sha) != 0)
                return;
        *sep = '\0';
        line_of(copy, sha, again);
        if (strlen(again) == len + 1 && memcmp(again + (sep - copy), line + (sep - copy),
                                               len - (size_t)(sep - copy)) == 0)
                keep(d, copy, sha);
}

wt_err wt_digests_open(struct wt_digests **out, const char *path)
{
        struct wt_digests *d = calloc(1, sizeof *d);
        struct wt_buf text = { 0 };
        wt_err err;

        if (!d)
                return wt_fail(WT_ENOMEM, "no memory for the digests of %s", path);
        err = wt_file_read(path, MAX_FILE_BYTES, &text);
        if (err == WT_EEXHAUSTED) {              /* grown beyond use: start again */
                unlink(path);
                err = WT_OK;
        }
        if (err != WT_OK && err != WT_ENOTFOUND) {
                free(d);
                wt_buf_free(&text);
                return err;
        }
        d->path = strdup(path);
        for (size_t at = 0; at < text.len;) {
                const char *nl = memchr(text.data + at, '\n', text.len - at);
                size_t len = nl ? (size_t)(nl - text.data) - at : text.len - at;

                parse_line(d, text.data + at, len);
                at += len + 1;
        }
        wt_buf_free(&text);
        *out = d;
        return WT_OK;
}

void wt_digests_close(struct wt_digests *d)
{
        if (!d)
                return;
        wt_arena_fini(&d->keys);
        free(d->slot);
        free(d->path);
        free(d);
}

bool wt_digests_find(const struct wt_digests *d, const char *key, uint8_t out[32])
{
        const struct entry *e = d->cap ? slot_of(d->slot, d->cap, key) : NULL;

        if (!e || !e->key)
                return false;
        memcpy(out, e->sha, 32);
        return true;
}

void wt_digests_add(struct wt_digests *d, const char *key, const uint8_t sha[32])
{
        char line[KEY + 80];
        size_t len;
        int fd;

        if (strlen(key) >= KEY)
                return;
        keep(d, key, sha);
        line_of(key, sha, line);
        len = strlen(line);
        fd = d->path ? open(d->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
        if (fd < 0)
                return;
        if (write(fd, line, len) != (ssize_t)len) {
                /* a full disk: the torn line fails its check when it is read */
        }
        close(fd);
}
