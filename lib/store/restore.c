/* restore.c - a backup into a database that holds nothing yet, in one transaction. */
#include <stdio.h>
#include <stdlib.h>
#include "base/file.h"
#include "base/sha256.h"
#include "store/dump.h"

enum { BATCH_VALUES = 8192, BATCH_BYTES = 4 << 20, PATH = 4200 };

struct target { struct wt_dump now; bool by_day[WT_DUMP_TABLES]; };
struct restore { const char *folder; struct wt_dump dump; };
struct batch {
        const struct wt_dump_table *t;
        const char **columns;
        struct wt_value *values; uint32_t n_rows, most_rows;
        size_t bytes;
        int day_column;                          /* -1: days mean nothing */
        int64_t day;                             /* there is room for */
        uint64_t rows;
};

static int take_column(void *arg, const struct wt_value *v, uint32_t n)
{
        struct target *t = arg;
        wt_err err = wt_dump_column(&t->now, &v[0], &v[1], v[4].as.i != 0);

        (void)n;
        if (err == WT_OK)
                t->by_day[t->now.n_tables - 1] = v[3].as.i != 0;
        return err;
}

static wt_err check_nothing_there(wt_store *s)
{
        struct target *t = calloc(1, sizeof *t);
        wt_err err = t != NULL ? wt_store_columns(s, take_column, t)
                               : wt_fail(WT_ENOMEM, "no memory to look at the database");

        for (uint32_t i = 0; err == WT_OK && i < t->now.n_tables; i++)
                if (strcmp(t->now.tables[i].name, "witan_notify") != 0)
                        err = wt_fail(WT_EEXIST, "this database holds tables already (%s); restore "
                                      "into an empty one", t->now.tables[i].name);
        if (t != NULL)
                wt_dump_free(&t->now);
        free(t);
        return err;
}

/* Steps in the order in which they once ran: those of one schema so far, then the next. */
static wt_err climb(wt_store *s, const struct wt_dump *d)
{
        const char **steps = calloc(d->n_steps + 1, sizeof *steps);
        wt_err err = steps != NULL ? WT_OK : wt_fail(WT_ENOMEM, "no memory for the migrations");

        for (uint32_t i = 0; i < d->n_steps && err == WT_OK; i++) {
                uint32_t n = 0;

                for (uint32_t k = 0; k <= i; k++)
                        if (strcmp(d->steps[k].schema, d->steps[i].schema) == 0)
                                steps[n++] = d->steps[k].sql;
                if (n != (uint64_t)d->steps[i].version)
                        err = wt_fail(WT_EDATA, "the backup lacks a migration of %s before %lld",
                                      d->steps[i].schema, (long long)d->steps[i].version);
                else
                        err = wt_store_migrate(s, d->steps[i].schema, steps, n);
        }
        free(steps);
        return err;
}

static wt_err flush(wt_store *s, struct batch *b)
{
        wt_err err = wt_store_load(s, b->t->name, b->columns, b->t->n_columns, b->values,
                                   b->n_rows);

        b->rows += b->n_rows;
        b->n_rows = 0;
        b->bytes = 0;
        return err;
}

static wt_err load_rows(wt_store *s, struct batch *b, struct wt_rows *r)
{
        wt_err err, end;

        for (;;) {
                struct wt_value *v = b->values + (size_t)b->n_rows * b->t->n_columns;

                if ((end = wt_rows_next(r, v)) != WT_OK)
                        break;
                for (uint32_t i = 0; i < b->t->n_columns; i++)
                        b->bytes += v[i].len;
                b->n_rows++;
                if (b->day_column >= 0 && v[b->day_column].as.i != b->day) {
                        b->day = v[b->day_column].as.i;
                        if ((err = wt_store_day_add(s, b->t->name, b->day)) != WT_OK)
                                return err;
                }
                if ((b->n_rows == b->most_rows || b->bytes >= BATCH_BYTES) &&
                    (err = flush(s, b)) != WT_OK)
                        return err;
        }
        if (end != WT_ENOTFOUND)
                return wt_fail_in(end, "%s.rows", b->t->name);
        if ((err = flush(s, b)) == WT_OK && b->rows != b->t->rows)
                err = wt_fail(WT_EDATA, "%s.rows holds %llu rows, the manifest says %llu; take "
                              "another copy", b->t->name, (unsigned long long)b->rows,
                              (unsigned long long)b->t->rows);
        return err;
}

static wt_err make_batch(struct batch *b, const struct wt_rows *r)
{
        b->most_rows = BATCH_VALUES / b->t->n_columns;
        b->values = malloc(BATCH_VALUES * sizeof *b->values);
        b->columns = malloc(b->t->n_columns * sizeof *b->columns);
        if (b->values == NULL || b->columns == NULL)
                return wt_fail(WT_ENOMEM, "no memory for rows");
        b->day_column = -1;
        b->day = -1;
        for (uint32_t i = 0; i < b->t->n_columns; i++)
                b->columns[i] = b->t->columns[i];
        if (r->n_columns != b->t->n_columns)
                return wt_fail(WT_EDATA, "%s.rows has %u columns, the manifest says %u; take "
                               "another copy", b->t->name, r->n_columns, b->t->n_columns);
        return WT_OK;
}

static wt_err load_table(wt_store *s, const char *folder, const struct wt_dump_table *t,
                         bool by_day)
{
        struct batch b = { .t = t };
        struct wt_map map = { 0 };
        struct wt_rows rows;
        char path[PATH];
        uint8_t sum[32];
        wt_err err;

        snprintf(path, sizeof path, "%s/%s.rows", folder, t->name);
        if ((err = wt_map_open(&map, path)) != WT_OK)
                return err;
        wt_sha256_of(map.data, map.bytes, sum);
        if (memcmp(sum, t->sha256, sizeof sum) != 0)
                err = wt_fail(WT_EDATA, "%s is damaged: its bytes have another digest; take "
                              "another copy", path);
        if (err == WT_OK && (err = wt_rows_open(&rows, map.data, map.bytes)) == WT_OK &&
            (err = make_batch(&b, &rows)) == WT_OK) {
                for (uint32_t i = 0; i < t->n_columns && by_day; i++)
                        if (strcmp(t->columns[i], "day") == 0)
                                b.day_column = (int)i;
                err = load_rows(s, &b, &rows);
        }
        free(b.values);
        free(b.columns);
        wt_map_close(&map);
        return err;
}

/* What the migrations put in themselves is in the backup, as it became. */
static wt_err empty_tables(wt_store *s, const struct wt_dump *d)
{
        char sql[64 + WT_DUMP_NAME];
        wt_err err = WT_OK;

        for (uint32_t i = d->n_tables; i-- > 0 && err == WT_OK;) {
                snprintf(sql, sizeof sql, "DELETE FROM %s", d->tables[i].name);
                err = wt_store_query(s, sql, NULL, 0, NULL, NULL, NULL);
        }
        return err;
}

static wt_err load_tables(wt_store *s, const struct restore *r, const struct target *made)
{
        wt_err err = empty_tables(s, &r->dump);

        for (uint32_t i = 0; i < r->dump.n_tables && err == WT_OK; i++) {
                const struct wt_dump_table *t = &r->dump.tables[i];
                uint32_t k = 0;

                while (k < made->now.n_tables && strcmp(made->now.tables[k].name, t->name) != 0)
                        k++;
                if (k == made->now.n_tables)
                        return wt_fail(WT_EDATA, "no migration of the backup makes table %s",
                                       t->name);
                err = load_table(s, r->folder, t, made->by_day[k]);
                if (err == WT_OK && t->sealed)
                        err = wt_store_seal(s, t->name);
        }
        return err;
}

static wt_err work(void *arg, wt_store *s)
{
        const struct restore *r = arg;
        struct target *made;
        wt_err err;

        if ((err = check_nothing_there(s)) != WT_OK || (err = climb(s, &r->dump)) != WT_OK)
                return err;
        if ((made = calloc(1, sizeof *made)) == NULL)
                return wt_fail(WT_ENOMEM, "no memory to look at the database");
        if ((err = wt_store_columns(s, take_column, made)) == WT_OK)
                err = load_tables(s, r, made);
        wt_dump_free(&made->now);
        free(made);
        return err;
}

wt_err wt_store_restore(wt_store *s, const char *folder, struct wt_store_copy *out)
{
        struct restore r = { .folder = folder };
        struct wt_buf text = { 0 };
        char path[PATH];
        wt_err err;

        if (snprintf(path, sizeof path, "%s/manifest.json", folder) > PATH - 64)
                return wt_fail(WT_EINVAL, "the path of the backup's folder is too long");
        if ((err = wt_file_read(path, WT_DUMP_MANIFEST, &text)) == WT_OK)
                err = wt_dump_read(&r.dump, text.data, text.len);
        wt_buf_free(&text);
        if (err == WT_ENOTFOUND)
                err = wt_fail(err, "there is no backup in %s: it has no manifest.json; name the "
                              "folder that witan store backup wrote", folder);
        if (err == WT_OK)
                err = wt_store_do(s, work, &r);
        if (err == WT_OK)
                wt_dump_sum(&r.dump, out);
        wt_dump_free(&r.dump);
        return err;
}
