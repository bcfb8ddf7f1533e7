/* hash.c - see hash.h. */
#include "hash.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "forward.h"

const struct wt_plugin *wt_plugin_compute_cpu(void);

enum { T = 200 };
static const char *const folders[] = { "models/tiny", "tests/golden/models/v2lite",
        "tests/golden/models/v2", "tests/golden/models/v3", "tests/golden/models/mixtral",
        "tests/golden/models/llama" };

/* T ids drawn by Philox, the same everywhere. */
static void draw(int32_t ids[T], uint32_t vocab)
{
        for (uint32_t i = 0; i < T; i++)
                ids[i] = (int32_t)(wt_philox_unit(20261126, i, 0, 0) * vocab);
}

static wt_err add_model(struct wt_sha256 *s, const char *folder, const char *pack_dir,
                        uint32_t chunk)
{
        struct forward f;
        int32_t ids[T];
        float *logits;
        wt_err err = forward_open(&f, wt_plugin_compute_cpu, folder, pack_dir, 256, 256);

        if (err != WT_OK)
                return err;
        logits = malloc((size_t)T * f.shape->vocab * sizeof *logits);
        draw(ids, f.shape->vocab);
        if ((err = forward_run(&f, ids, 0, T, chunk, logits, NULL)) == WT_OK)
                wt_sha256_add(s, logits, (size_t)T * f.shape->vocab * sizeof *logits);
        free(logits);
        forward_close(&f);
        return err;
}

wt_err profile_hash(uint32_t chunk, const char *pack_dir, char hex[65])
{
        struct wt_sha256 s;
        uint8_t digest[32];
        wt_err err = WT_OK;

        wt_sha256_init(&s);
        for (size_t i = 0; i < sizeof folders / sizeof *folders && err == WT_OK; i++)
                err = add_model(&s, folders[i], pack_dir, chunk);
        wt_sha256_end(&s, digest);
        wt_hex(digest, 32, hex);
        return err;
}

wt_err profile_hash_committed(char want[65])
{
        static const char path[] = "tests/golden/profile_hash.txt";
        const struct wt_compute_ops *ops = wt_plugin_compute_cpu()->ops;
        struct wt_buf text = { 0 };
        char name[64], hex[65];
        const char *p;
        wt_err err = wt_file_read(path, 4096, &text);

        want[0] = '\0';
        for (p = text.data; p != NULL && *p != '\0'; p = strchr(p, '\n'), p += p != NULL)
                if (sscanf(p, "%63s %64s", name, hex) == 2 && strcmp(name, ops->profile) == 0)
                        memcpy(want, hex, 65);
        wt_buf_free(&text);
        if (err == WT_OK && want[0] == '\0')
                err = wt_fail(WT_ENOTFOUND, "%s has no line for the profile %s", path,
                              ops->profile);
        return err;
}
