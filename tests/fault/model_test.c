/* model_test.c - the n-th malloc or write fails, or the process is killed there, while a model is
 * opened and packed. A pack is whole or not there: what a later process maps gives the same
 * logits, whatever came before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "base/sha256.h"
#include "model/pack.h"
#include "plugin/plugin.h"
#include "sweep.h"

const struct wt_plugin *wt_plugin_compute_cpu(void);

enum { POSITIONS = 128, ROWS = 8, LAYER = 2, EXPERT = 3, MOST_PACKS = 64 };

static const char folder[] = "tests/golden/models/v3";
/* Of the first run: the packs' names and digests, and the revision. */
static struct { char name[80]; uint8_t sha[32]; } packs[MOST_PACKS];
static uint32_t n_packs;
static uint8_t revision[32];

static wt_err pack_all(wt_model *m, wt_compute *c)
{
        struct wt_expert_weights w;
        struct wt_trunk *t = NULL;
        uint8_t rev[32], variant[32];
        wt_err err;

        if ((err = wt_model_revision(m, rev)) != WT_OK ||
            (err = wt_model_variant(m, LAYER, EXPERT, variant)) != WT_OK)
                return err;
        if (n_packs == 0)
                memcpy(revision, rev, 32);
        CHECK(memcmp(revision, rev, 32) == 0);
        if ((err = wt_model_trunk(m, c, POSITIONS, &t)) != WT_OK)
                return err;
        if ((err = wt_model_expert(m, c, LAYER, EXPERT, &w, NULL)) == WT_OK)
                wt_model_drop_expert(m, c, LAYER, EXPERT, &w);
        wt_model_drop_trunk(m, c, t);
        return err;
}

static wt_err open_compute(const struct wt_compute_ops *ops, const struct wt_shape *s,
                           wt_compute **c)
{
        static struct wt_host host;
        struct wt_compute_conf conf = { .size = sizeof conf, .max_rows = ROWS, .max_seqs = 1,
                                        .max_pages = 2, .vocab = s->vocab, .layers = s->layers,
                                        .n_layers = s->n_layers };

        wt_host_init(&host, NULL);
        return ops->open(c, &host, &conf);
}

static void digest_of(const char *path, uint8_t sha[32])
{
        struct wt_buf b = { 0 };

        CHECK(wt_file_read(path, 64 << 20, &b) == WT_OK);
        wt_sha256_of(b.data, b.len, sha);
        wt_buf_free(&b);
}

/* Every pack in the folder is one of the first run, byte for byte; returns how many there are. */
static uint32_t look(bool learn)
{
        DIR *d = opendir(sweep_dir());
        struct dirent *e;
        char path[1024];
        uint32_t n = 0, i;

        CHECK(d != NULL);
        while ((e = readdir(d)) != NULL) {
                size_t len = strlen(e->d_name);
                uint8_t sha[32];

                if (len < 5 || strcmp(e->d_name + len - 5, ".pack") != 0)
                        continue;
                snprintf(path, sizeof path, "%s/%s", sweep_dir(), e->d_name);
                digest_of(path, sha);
                for (i = 0; i < n_packs && strcmp(packs[i].name, e->d_name) != 0; i++)
                        ;
                if (learn && i == n_packs) {
                        CHECK(n_packs < MOST_PACKS);
                        snprintf(packs[i].name, sizeof packs[i].name, "%s", e->d_name);
                        memcpy(packs[n_packs++].sha, sha, 32);
                }
                CHECK(i < n_packs && memcmp(packs[i].sha, sha, 32) == 0);
                n++;
        }
        closedir(d);
        return n;
}

static wt_err work(void *arg)
{
        const struct wt_compute_ops *ops = wt_plugin_compute_cpu()->ops;
        wt_model *m = NULL;
        wt_compute *c = NULL;
        wt_err err;

        (void)arg;
        fault_begin();
        if ((err = wt_model_open(&m, folder, sweep_dir(), ops)) == WT_OK &&
            (err = open_compute(ops, wt_model_shape(m), &c)) == WT_OK)
                err = pack_all(m, c);
        fault_end();
        if (c != NULL)
                ops->close(c);
        wt_model_close(m);
        if (err == WT_OK)
                CHECK(look(n_packs == 0) == n_packs && n_packs > 10);
        else
                look(false);
        return err;
}

/* What a process left that was killed, the next one can use. */
static void after(void *arg)
{
        (void)arg;
        fault_plan(&(struct fault){ 0 });
        look(false);
        if (work(NULL) != WT_OK)
                fail_msg("after it: %s", wt_words());
}

static const wt_err io[] = { WT_EIO, WT_OK }, full[] = { WT_EEXHAUSTED, WT_OK };
/* A digest that cannot be kept is only computed again: that may do without. */
static const struct sweep rows[] = {
        { "a model, malloc", work, .fault = { .kind = FAULT_MEMORY },
          .codes = sweep_enomem, .ok = true,
          .step = 11 },
        { "a model, no malloc from there on", work,
          .fault = { .kind = FAULT_MEMORY, .lasts = true },
          .codes = sweep_enomem, .step = 17 },
        { "a model, write: EIO", work, .fault = { .kind = FAULT_WRITE }, .codes = io, .ok = true,
          .after = after, .step = 7 },
        { "a model, write: ENOSPC from there on", work,
          .fault = { .kind = FAULT_WRITE, .error = ENOSPC, .lasts = true },
          .codes = full, .ok = true,
          .after = after, .step = 7 },
        { "a model, killed in a write", work, .fault = { .kind = FAULT_WRITE, .dies = true },
          .codes = io, .after = after, .step = 5 },
};

int main(void)
{
        return sweep_all(rows, sizeof rows / sizeof *rows);
}
