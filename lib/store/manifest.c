/* manifest.c - manifest.json of a backup; see dump.h. */
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/sha256.h"
#include "store/dump.h"

static const struct wt_json_limits limits = { .max_depth = 8, .max_bytes = WT_DUMP_MANIFEST,
                                              .max_nodes = 1 << 20 };

void wt_dump_free(struct wt_dump *d)
{
        for (uint32_t i = 0; i < d->n_steps; i++)
                free(d->steps[i].sql);
        for (uint32_t i = 0; i < d->n_tables; i++)
                free(d->tables[i].columns);
        free(d->steps);
        free(d->tables);
        *d = (struct wt_dump){ 0 };
}

/* Names become names of files and words of SQL. */
static bool take_name(char out[WT_DUMP_NAME], const char *s, size_t n)
{
        if (s == NULL || n == 0 || n >= WT_DUMP_NAME || (s[0] >= '0' && s[0] <= '9'))
                return false;
        for (size_t i = 0; i < n; i++)
                if (!(s[i] >= 'a' && s[i] <= 'z') && !(s[i] >= '0' && s[i] <= '9') && s[i] != '_')
                        return false;
        memcpy(out, s, n);
        out[n] = '\0';
        return true;
}

/* Room for one more in a list that doubles; NULL: no memory. */
static void *grown(void *list, uint32_t n, size_t size)
{
        return n == 0 || (n & (n - 1)) == 0 ? realloc(list, (n ? 2 * (size_t)n : 1) * size) : list;
}

static wt_err no_memory(void)
{
        return wt_fail(WT_ENOMEM, "no memory for the list of a backup");
}

static wt_err add_step(struct wt_dump *d, const char *schema, size_t n, int64_t version,
                       const char *sql, size_t n_sql)
{
        struct wt_dump_step *s;

        if (d->n_steps == WT_DUMP_STEPS)
                return wt_fail(WT_EEXHAUSTED, "more than %d migrations", WT_DUMP_STEPS);
        if ((s = grown(d->steps, d->n_steps, sizeof *s)) == NULL)
                return no_memory();
        d->steps = s;
        s += d->n_steps;
        if (!take_name(s->schema, schema, n) || version < 1 || version > WT_DUMP_STEPS ||
            sql == NULL || memchr(sql, 0, n_sql) != NULL)
                return wt_fail(WT_EDATA, "migration %u of the backup is none", d->n_steps);
        s->version = version;
        if ((s->sql = malloc(n_sql + 1)) == NULL)
                return no_memory();
        memcpy(s->sql, sql, n_sql);
        s->sql[n_sql] = '\0';
        d->n_steps++;
        return WT_OK;
}

wt_err wt_dump_step(struct wt_dump *d, const struct wt_value *schema, int64_t version,
                    const struct wt_value *sql)
{
        if (schema->type != WT_TEXT || sql->type != WT_TEXT)
                return wt_fail(WT_EDATA, "witan_schema holds something else than text");
        return add_step(d, schema->as.data, schema->len, version, sql->as.data, sql->len);
}

static wt_err add_table(struct wt_dump *d, const char *name, size_t n, bool sealed)
{
        struct wt_dump_table *t;

        if (d->n_tables == WT_DUMP_TABLES)
                return wt_fail(WT_EEXHAUSTED, "more than %d tables", WT_DUMP_TABLES);
        if ((t = grown(d->tables, d->n_tables, sizeof *t)) == NULL)
                return no_memory();
        d->tables = t;
        t += d->n_tables;
        *t = (struct wt_dump_table){ .sealed = sealed };
        if (!take_name(t->name, name, n))
                return wt_fail(WT_EDATA, "a table is called \"%.*s\", which is no name of ours; "
                               "move it out of this database", name ? (int)n : 0, name ? name : "");
        d->n_tables++;
        return WT_OK;
}

static wt_err add_column(struct wt_dump_table *t, const char *name, size_t n)
{
        char (*c)[WT_DUMP_NAME];

        if (t->n_columns == WT_DUMP_COLUMNS)
                return wt_fail(WT_EEXHAUSTED, "table %s has more than %d columns", t->name,
                               WT_DUMP_COLUMNS);
        if ((c = grown(t->columns, t->n_columns, sizeof *c)) == NULL)
                return no_memory();
        t->columns = c;
        if (!take_name(c[t->n_columns], name, n))
                return wt_fail(WT_EDATA, "a column of table %s has a name that is none of ours",
                               t->name);
        t->n_columns++;
        return WT_OK;
}

wt_err wt_dump_column(struct wt_dump *d, const struct wt_value *table,
                      const struct wt_value *column, bool sealed)
{
        const struct wt_dump_table *last = d->n_tables ? &d->tables[d->n_tables - 1] : NULL;
        wt_err err = WT_OK;

        if (last == NULL || strlen(last->name) != table->len ||
            memcmp(last->name, table->as.data, table->len) != 0)
                err = add_table(d, table->as.data, table->len, sealed);
        return err != WT_OK ? err : add_column(&d->tables[d->n_tables - 1], column->as.data,
                                               column->len);
}

static void put_table(const struct wt_dump_table *t, struct wt_buf *out)
{
        char hex[65];

        wt_hex(t->sha256, 32, hex);
        wt_buf_json_sep(out);
        wt_buf_str(out, "\n {");
        wt_buf_json_kv(out, "name", t->name);
        wt_buf_json_kb(out, "sealed", t->sealed);
        wt_buf_json_key(out, "columns");
        wt_buf_str(out, "[");
        for (uint32_t i = 0; i < t->n_columns; i++) {
                wt_buf_json_sep(out);
                wt_buf_json_str(out, t->columns[i], strlen(t->columns[i]));
        }
        wt_buf_str(out, "]");
        wt_buf_json_ku(out, "rows", t->rows);
        wt_buf_json_kv(out, "sha256", hex);
        wt_buf_str(out, "}");
}

void wt_dump_write(const struct wt_dump *d, struct wt_buf *out)
{
        wt_buf_str(out, "{");
        wt_buf_json_ki(out, "witan_backup", 1);
        wt_buf_json_kv(out, "from", d->from);
        wt_buf_json_ki(out, "taken_us", d->taken_us);
        wt_buf_json_key(out, "steps");
        wt_buf_str(out, "[");
        for (uint32_t i = 0; i < d->n_steps; i++) {
                wt_buf_json_sep(out);
                wt_buf_str(out, "\n {");
                wt_buf_json_kv(out, "schema", d->steps[i].schema);
                wt_buf_json_ki(out, "version", d->steps[i].version);
                wt_buf_json_kv(out, "sql", d->steps[i].sql);
                wt_buf_str(out, "}");
        }
        wt_buf_str(out, "]");
        wt_buf_json_key(out, "tables");
        wt_buf_str(out, "[");
        for (uint32_t i = 0; i < d->n_tables; i++)
                put_table(&d->tables[i], out);
        wt_buf_str(out, "]}\n");
}

void wt_dump_sum(const struct wt_dump *d, struct wt_store_copy *out)
{
        *out = (struct wt_store_copy){ .taken_us = d->taken_us, .n_tables = d->n_tables };
        memcpy(out->from, d->from, sizeof out->from);
        for (uint32_t i = 0; i < d->n_tables; i++)
                out->n_rows += d->tables[i].rows;
}

static wt_err read_step(struct wt_dump *d, const wt_json *j, wt_jv v)
{
        size_t n = 0, n_sql = 0;
        const char *schema = wt_json_str(j, wt_json_get(j, v, "schema"), &n);
        const char *sql = wt_json_str(j, wt_json_get(j, v, "sql"), &n_sql);
        int64_t version = 0;

        wt_json_i64(j, wt_json_get(j, v, "version"), &version);
        return add_step(d, schema, n, version, sql, n_sql);
}

static wt_err read_table(struct wt_dump *d, const wt_json *j, wt_jv v)
{
        size_t n = 0, n_hex = 0;
        const char *name = wt_json_str(j, wt_json_get(j, v, "name"), &n);
        const char *hex = wt_json_str(j, wt_json_get(j, v, "sha256"), &n_hex);
        bool sealed = false;
        struct wt_dump_table *t;
        wt_err err;

        if (!wt_json_bool(j, wt_json_get(j, v, "sealed"), &sealed) ||
            (err = add_table(d, name, n, sealed)) != WT_OK)
                return wt_fail(WT_EDATA, "table %u of the backup's manifest is none", d->n_tables);
        t = &d->tables[d->n_tables - 1];
        for (wt_jv c = wt_json_first(j, wt_json_get(j, v, "columns")); c != WT_JSON_NONE;
             c = wt_json_next(j, c)) {
                name = wt_json_str(j, c, &n);
                if ((err = add_column(t, name, n)) != WT_OK)
                        return err;
        }
        if (t->n_columns == 0 || !wt_json_u64(j, wt_json_get(j, v, "rows"), &t->rows) ||
            n_hex != 64 || wt_unhex(hex, 32, t->sha256) != 0)
                return wt_fail(WT_EDATA, "table %s of the backup's manifest lacks its columns, "
                               "rows or sha256", t->name);
        return WT_OK;
}

static wt_err read_all(struct wt_dump *d, const wt_json *j)
{
        size_t n = 0;
        const char *from = wt_json_str(j, wt_json_get(j, 0, "from"), &n);
        int64_t kind = 0;
        wt_err err = WT_OK;

        if (!wt_json_i64(j, wt_json_get(j, 0, "witan_backup"), &kind) || kind != 1)
                return wt_fail(WT_EDATA, "the manifest is that of no backup, or of one by a newer "
                               "program");
        if (from == NULL || n >= sizeof d->from ||
            !wt_json_i64(j, wt_json_get(j, 0, "taken_us"), &d->taken_us))
                return wt_fail(WT_EDATA, "the backup's manifest does not say where it is from");
        memcpy(d->from, from, n);
        for (wt_jv v = wt_json_first(j, wt_json_get(j, 0, "steps"));
             v != WT_JSON_NONE && err == WT_OK; v = wt_json_next(j, v))
                err = read_step(d, j, v);
        for (wt_jv v = wt_json_first(j, wt_json_get(j, 0, "tables"));
             v != WT_JSON_NONE && err == WT_OK; v = wt_json_next(j, v))
                err = read_table(d, j, v);
        return err;
}

wt_err wt_dump_read(struct wt_dump *d, const char *text, size_t len)
{
        wt_json *j;
        wt_err err;

        *d = (struct wt_dump){ 0 };
        if (wt_json_parse(&j, text, len, &limits) != WT_OK)
                return wt_fail_in(WT_EDATA, "the backup's manifest");
        if ((err = read_all(d, j)) != WT_OK)
                wt_dump_free(d);
        wt_json_free(j);
        return err;
}
