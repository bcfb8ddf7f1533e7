/* spool_open.c - a folder becomes a spool again: its segments in order, each of them whole up to
 * where the next one goes on, the newest cut where its end is torn. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "audit/spool_impl.h"
#include "base/file.h"
#include "base/list.h"

/* "00000000000000000001.seg" -> 1; 0: no segment. */
static uint64_t number_of(const char *name)
{
        uint64_t v = 0;

        if (strlen(name) != 24 || strcmp(name + 20, ".seg") != 0)
                return 0;
        for (int i = 0; i < 20; i++)
                if (name[i] < '0' || name[i] > '9' || __builtin_mul_overflow(v, 10, &v) ||
                    __builtin_add_overflow(v, (uint64_t)(name[i] - '0'), &v))
                        return 0;
        return v;
}

static int by_first(const void *a, const void *b)
{
        const struct seg *x = a, *y = b;

        return x->first < y->first ? -1 : x->first > y->first;
}

static wt_err list(struct wt_spool *s)
{
        DIR *d = opendir(s->folder);
        struct dirent *e;

        if (d == NULL)
                return wt_fail(WT_EIO, "could not read %s: %s", s->folder, strerror(errno));
        while ((e = readdir(d)) != NULL) {
                uint64_t first = number_of(e->d_name);
                struct seg *g;

                if (first == 0)
                        continue;
                if ((g = wt_list_more(&s->segs, s->n_segs, &s->cap_segs, sizeof *g)) == NULL) {
                        closedir(d);
                        return wt_fail(WT_ENOMEM, "no memory for a list of segments");
                }
                *g = (struct seg){ .first = first };
                s->n_segs++;
        }
        closedir(d);
        if (s->n_segs > 0)
                qsort(s->segs, s->n_segs, sizeof *s->segs, by_first);
        return WT_OK;
}

/* The newest segment's good part goes into a new file under the same name: a torn end is left
 * behind, and pages that the last process wrote and never synced, or whose sync failed, are
 * written anew and synced through a descriptor that never failed. */
static wt_err renew(struct wt_spool *s, const char *path, const uint8_t *data, size_t end)
{
        char fresh[4400];
        int fd;
        bool ok;
        wt_err err = WT_OK;

        spool_path(s, "new", fresh, sizeof fresh);
        fd = s->io->open(s->io->arg, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        ok = fd >= 0 && spool_write(s, fd, data, end) && s->io->datasync(s->io->arg, fd) == 0 &&
             s->io->rename(s->io->arg, fresh, path) == 0 &&
             s->io->syncdir(s->io->arg, s->folder) == 0;
        if (!ok)
                err = wt_fail(WT_EIO, "could not write %s again: %s; make room on that disk, or "
                              "look at its health", path, strerror(errno));
        if (fd >= 0)
                close(fd);
        return err;
}

static wt_err load_one(struct wt_spool *s, uint32_t i)
{
        struct seg *g = &s->segs[i];
        bool newest = i + 1 == s->n_segs;
        char path[4400], name[SEG_NAME];
        struct wt_map m;
        size_t end = 0;
        wt_err err;

        spool_name(g->first, name);
        spool_path(s, name, path, sizeof path);
        if ((err = wt_map_open(&m, path)) != WT_OK)
                return err;
        err = spool_scan(m.data, m.bytes, s->raw_id, g->first, newest, &g->last, &end);
        g->bytes = m.bytes;
        if (err == WT_OK && newest && (err = renew(s, path, m.data, end)) == WT_OK)
                g->bytes = end;
        wt_map_close(&m);
        if (err == WT_OK && !newest && g->last + 1 < g[1].first)
                err = wt_fail(WT_EDATA, "records %" PRIu64 " to %" PRIu64 " are damaged or gone "
                              "(from byte %zu on), and they were durable", g->last + 1,
                              g[1].first - 1, end);
        if (err == WT_EDATA)
                return wt_fail_in(err, "%s; keep a copy, then move the folder away or restore "
                                  "the file", path);
        if (!newest && err == WT_OK)
                g->last = g[1].first - 1;        /* the next one wrote what came after anew */
        return err;
}

wt_err spool_load(struct wt_spool *s)
{
        char path[4400];
        wt_err err;

        spool_path(s, "new", path, sizeof path);
        unlink(path);                            /* never named: never durable */
        if ((err = list(s)) != WT_OK)
                return err;
        for (uint32_t i = 0; i < s->n_segs && err == WT_OK; i++) {
                err = load_one(s, i);
                s->disk_bytes += s->segs[i].bytes;
        }
        if (err == WT_OK && s->n_segs > 0)
                s->appended = s->durable = s->segs[s->n_segs - 1].last;
        return err;
}
