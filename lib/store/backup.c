/* backup.c - all that migrations made, as one moment saw it, into a folder. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/file.h"
#include "base/sha256.h"
#include "store/dump.h"

enum { CHUNK = 1 << 20, PATH = 4200 };

struct backup { const char *folder; struct wt_dump dump; };
struct out {                                     /* a file that grows */
        const char *path;
        int fd;
        struct wt_buf buf;
        struct wt_sha256 sum;
        uint64_t rows;
};

static wt_err failed(const char *what, const char *path)
{
        int e = errno;

        return wt_fail(e == ENOSPC || e == EDQUOT ? WT_EEXHAUSTED : WT_EIO, "cannot %s %s: %s; "
                       "make room on the disk, or choose another folder", what, path, strerror(e));
}

static wt_err send(struct out *o)
{
        const char *p = o->buf.data;
        size_t left = o->buf.len;

        wt_sha256_add(&o->sum, p, left);
        while (left > 0) {
                ssize_t n = write(o->fd, p, left);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return failed("write", o->path);
                p += n;
                left -= (size_t)n;
        }
        wt_buf_clear(&o->buf);
        return WT_OK;
}

static int take_row(void *arg, const struct wt_value *v, uint32_t n)
{
        struct out *o = arg;

        wt_rows_put(&o->buf, v, n);
        o->rows++;
        return o->buf.len >= CHUNK ? send(o) : WT_OK;
}

static wt_err copy_rows(wt_store *s, struct wt_dump_table *t, struct out *o)
{
        struct wt_buf sql = { 0 };
        wt_err err;

        wt_buf_str(&sql, "SELECT ");
        for (uint32_t i = 0; i < t->n_columns; i++)
                wt_buf_fmt(&sql, "%s%s", i ? ", " : "", t->columns[i]);
        wt_buf_fmt(&sql, " FROM %s", t->name);
        wt_sha256_init(&o->sum);
        wt_rows_head(&o->buf, t->n_columns);
        err = wt_store_query(s, sql.data, NULL, 0, take_row, o, NULL);
        wt_buf_free(&sql);
        if (err != WT_OK)
                return err;
        wt_rows_end(&o->buf, o->rows);
        if ((err = send(o)) != WT_OK)
                return err;
        t->rows = o->rows;
        wt_sha256_end(&o->sum, t->sha256);
        return fsync(o->fd) != 0 ? failed("sync", o->path) : WT_OK;
}

static wt_err copy_table(wt_store *s, const char *folder, struct wt_dump_table *t)
{
        char path[PATH];
        struct out o = { .path = path };
        wt_err err;

        snprintf(path, sizeof path, "%s/%s.rows", folder, t->name);
        o.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (o.fd < 0)
                return failed("make", path);
        err = copy_rows(s, t, &o);
        close(o.fd);
        wt_buf_free(&o.buf);
        return err;
}

static int take_step(void *arg, const struct wt_value *v, uint32_t n)
{
        struct backup *b = arg;

        (void)n;
        return wt_dump_step(&b->dump, &v[0], v[1].as.i, &v[2]);
}

/* witan_schema is in the steps; who listens is told to look again anyway. */
static int take_column(void *arg, const struct wt_value *v, uint32_t n)
{
        static const char *const own[] = { "witan_schema", "witan_notify" };
        struct backup *b = arg;

        (void)n;
        for (size_t i = 0; i < sizeof own / sizeof *own; i++)
                if (v[0].len == strlen(own[i]) && memcmp(v[0].as.data, own[i], v[0].len) == 0)
                        return WT_OK;
        return wt_dump_column(&b->dump, &v[0], &v[1], v[4].as.i != 0);
}

/* Where a migration first names the table; SIZE_MAX: none does. */
static size_t made_at(const struct wt_dump *d, const char *name)
{
        size_t n = strlen(name), before = 0;

        for (uint32_t i = 0; i < d->n_steps; before += strlen(d->steps[i++].sql))
                for (const char *at = d->steps[i].sql; (at = strstr(at, name)) != NULL; at += n)
                        if (strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789_") == n &&
                            (at == d->steps[i].sql || strchr(" \t\n", at[-1]) != NULL))
                                return before + (size_t)(at - d->steps[i].sql);
        return SIZE_MAX;
}

static int by_making(const void *a, const void *b, void *dump)
{
        size_t x = made_at(dump, ((const struct wt_dump_table *)a)->name);
        size_t y = made_at(dump, ((const struct wt_dump_table *)b)->name);

        return x < y ? -1 : x > y;
}

/* A table that no migration made would not come back: better no backup than one that lacks it.
 * In the order of their making, so that what a row refers to is loaded before it. */
static wt_err order_tables(struct wt_dump *d)
{
        for (uint32_t t = 0; t < d->n_tables; t++)
                if (made_at(d, d->tables[t].name) == SIZE_MAX)
                        return wt_fail(WT_EPRECONDITION, "table %s was not made by Witan, and a "
                                       "restore could not make it; move it out of this database",
                                       d->tables[t].name);
        if (d->n_tables > 0)
                qsort_r(d->tables, d->n_tables, sizeof *d->tables, by_making, d);
        return WT_OK;
}

static wt_err work(void *arg, wt_store *s)
{
        struct backup *b = arg;
        bool none = false;
        wt_err err;

        wt_dump_free(&b->dump);                  /* should it run again */
        if ((err = wt_store_describe(s, b->dump.from, sizeof b->dump.from)) != WT_OK ||
            (err = wt_store_now(s, &b->dump.taken_us)) != WT_OK ||
            (err = wt_store_columns(s, take_column, b)) != WT_OK)
                return err;
        none = b->dump.n_tables == 0;
        if (!none)
                err = wt_store_query(s, "SELECT name, version, step FROM witan_schema "
                                     "ORDER BY place", NULL, 0, take_step, b, NULL);
        if (err == WT_OK)
                err = order_tables(&b->dump);
        for (uint32_t i = 0; i < b->dump.n_tables && err == WT_OK; i++)
                err = copy_table(s, b->folder, &b->dump.tables[i]);
        return err;
}

static wt_err check_empty(const char *folder)
{
        DIR *d = opendir(folder);
        const struct dirent *e;
        int n = 0;

        if (d == NULL)
                return failed("open", folder);
        while ((e = readdir(d)) != NULL)
                n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
        closedir(d);
        return n == 0 ? WT_OK : wt_fail(WT_EEXIST, "the folder %s is not empty; choose another one",
                                        folder);
}

wt_err wt_store_backup(wt_store *s, const char *folder, struct wt_store_copy *out)
{
        struct backup b = { .folder = folder };
        struct wt_buf manifest = { 0 };
        char path[PATH];
        wt_err err;

        if (strlen(folder) > PATH - 64)
                return wt_fail(WT_EINVAL, "the path of the backup's folder is too long");
        if ((err = wt_dir_make(folder, 0700)) != WT_OK || (err = check_empty(folder)) != WT_OK ||
            (err = wt_store_see(s, work, &b)) != WT_OK) {
                wt_dump_free(&b.dump);
                return err;
        }
        wt_dump_write(&b.dump, &manifest);
        snprintf(path, sizeof path, "%s/manifest.json", folder);
        err = wt_file_write(path, manifest.data, manifest.len, 0600);
        wt_buf_free(&manifest);
        if (err == WT_OK)
                wt_dump_sum(&b.dump, out);
        wt_dump_free(&b.dump);
        return err;
}
