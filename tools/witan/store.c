/* store.c - witan store info|backup|restore: what the store holds, and a copy of it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/buf.h"
#include "books.h"

enum { PATIENCE_MS = 600000, LOOK_MS = 60000, MOST_TABLES = 1024 };

struct table { char name[64]; int64_t rows; bool sealed; };
struct look {                                    /* what info shows */
        char kind[128];
        struct table *tables; uint32_t n_tables;
        struct wt_buf schemas;                   /* "name version, ..." */
        struct wt_buf json;
};

static int take_column(void *arg, const struct wt_value *v, uint32_t n)
{
        struct look *l = arg;
        struct table t = { .rows = 0 };

        (void)n;
        if (!wt_v_copy(&v[0], t.name, sizeof t.name) ||
            (l->n_tables > 0 && strcmp(l->tables[l->n_tables - 1].name, t.name) == 0))
                return WT_OK;
        if (l->n_tables == MOST_TABLES)
                return wt_fail(WT_EEXHAUSTED, "more than %d tables; is this Witan's database?",
                               MOST_TABLES);
        t.sealed = v[4].as.i != 0;
        l->tables[l->n_tables++] = t;
        return WT_OK;
}

static int take_count(void *arg, const struct wt_value *v, uint32_t n)
{
        (void)n;
        *(int64_t *)arg = v[0].as.i;
        return WT_OK;
}

static int take_schema(void *arg, const struct wt_value *v, uint32_t n)
{
        struct look *l = arg;
        char name[64];

        (void)n;
        if (!wt_v_copy(&v[0], name, sizeof name))
                return WT_OK;
        wt_buf_fmt(&l->schemas, "%s%s %" PRId64, l->schemas.len ? ", " : "", name, v[1].as.i);
        wt_buf_json_ki(&l->json, name, v[1].as.i);
        return WT_OK;
}

/* All of it as one moment saw it. */
static wt_err look(void *arg, wt_store *s)
{
        struct look *l = arg;
        char sql[128];
        bool schemas = false;
        wt_err err;

        l->n_tables = 0;
        wt_buf_clear(&l->schemas);
        wt_buf_clear(&l->json);
        wt_buf_str(&l->json, "{");
        if ((err = wt_store_describe(s, l->kind, sizeof l->kind)) != WT_OK ||
            (err = wt_store_columns(s, take_column, l)) != WT_OK)
                return err;
        for (uint32_t i = 0; i < l->n_tables && err == WT_OK; i++) {
                struct table *t = &l->tables[i];

                schemas = schemas || strcmp(t->name, "witan_schema") == 0;
                snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", t->name);
                err = wt_store_query(s, sql, NULL, 0, take_count, &t->rows, NULL);
        }
        if (err == WT_OK && schemas)
                err = wt_store_query(s, "SELECT name, max(version) FROM witan_schema GROUP BY name "
                                     "ORDER BY name", NULL, 0, take_schema, l, NULL);
        wt_buf_str(&l->json, "}");
        return err;
}

static void show_json(const struct look *l)
{
        struct wt_buf b = { 0 };

        wt_buf_str(&b, "{");
        wt_buf_json_kv(&b, "kind", l->kind);
        wt_buf_json_key(&b, "schemas");
        wt_buf_add(&b, l->json.data, l->json.len);
        wt_buf_json_key(&b, "tables");
        wt_buf_str(&b, "[");
        for (uint32_t i = 0; i < l->n_tables; i++) {
                wt_buf_json_sep(&b);
                wt_buf_str(&b, "{");
                wt_buf_json_kv(&b, "name", l->tables[i].name);
                wt_buf_json_ki(&b, "rows", l->tables[i].rows);
                wt_buf_json_kb(&b, "sealed", l->tables[i].sealed);
                wt_buf_str(&b, "}");
        }
        wt_buf_str(&b, "]}");
        puts(b.data);
        wt_buf_free(&b);
}

static void show(const struct look *l)
{
        printf("%s; migrations: %s\n", l->kind, l->schemas.len ? l->schemas.data : "none yet");
        if (l->n_tables > 0)
                printf("%-32s %14s %s\n", "TABLE", "ROWS", "SEALED");
        for (uint32_t i = 0; i < l->n_tables; i++)
                printf("%-32s %14" PRId64 " %s\n", l->tables[i].name, l->tables[i].rows,
                       l->tables[i].sealed ? "yes" : "-");
}

static int info(struct call *c, wt_store *s)
{
        struct look l = { .tables = calloc(MOST_TABLES, sizeof *l.tables) };
        wt_err err = l.tables != NULL ? wt_store_see(s, look, &l)
                                      : wt_fail(WT_ENOMEM, "no memory for a list of tables");

        if (err == WT_OK && c->json)
                show_json(&l);
        else if (err == WT_OK)
                show(&l);
        free(l.tables);
        wt_buf_free(&l.schemas);
        wt_buf_free(&l.json);
        return err == WT_OK ? EXIT_DONE : verb_fail(c, "%s", wt_words());
}

static void say(const struct call *c, const char *what, const char *folder,
                const struct wt_store_copy *sum)
{
        struct wt_buf b = { 0 };

        if (!c->json) {
                printf("%s %s: %u tables, %" PRIu64 " rows, as they were in %s\n", what, folder,
                       sum->n_tables, sum->n_rows, sum->from);
                return;
        }
        wt_buf_str(&b, "{");
        wt_buf_json_kv(&b, "folder", folder);
        wt_buf_json_kv(&b, "from", sum->from);
        wt_buf_json_ki(&b, "taken_us", sum->taken_us);
        wt_buf_json_ku(&b, "tables", sum->n_tables);
        wt_buf_json_ku(&b, "rows", sum->n_rows);
        wt_buf_str(&b, "}");
        puts(b.data);
        wt_buf_free(&b);
}

static int copy(struct call *c, wt_store *s, bool back)
{
        struct wt_store_copy sum;
        wt_err err = back ? wt_store_restore(s, c->words[1], &sum)
                          : wt_store_backup(s, c->words[1], &sum);

        if (err != WT_OK)
                return verb_fail(c, "%s", wt_words());
        say(c, back ? "restored from" : "copied to", c->words[1], &sum);
        return EXIT_DONE;
}

static int run(struct call *c)
{
        const struct sub *sub = verb_sub(c);
        enum { INFO, BACKUP, RESTORE };
        wt_store *s;
        long what;
        int rc;

        if (sub == NULL)
                return EXIT_USAGE;
        what = sub - c->verb->subs;
        if ((rc = verb_words(c, what == INFO ? 1 : 2)) != 0)
                return rc;
        if (what != INFO && c->n_words != 2)
                return verb_usage(c, "%s takes one folder", sub->name);
        if ((what == RESTORE ? books_fresh(c, PATIENCE_MS, &s)
                             : books_bare(c, what == INFO ? LOOK_MS : PATIENCE_MS, &s)) != WT_OK)
                return verb_fail(c, "%s", wt_words());
        rc = what == INFO ? info(c, s) : copy(c, s, what == RESTORE);
        wt_store_close(s);
        return rc;
}

const struct verb verb_store = {
        .name = "store",
        .about = "shows, copies and restores what must survive",
        .usage = "witan store info | backup FOLDER | restore FOLDER [--store URL] [--state DIR]",
        .example = "witan store backup /backup/witan-monday",
        .text = "The store holds tenants, keys, limits, usage and the audit log: witan.db in the "
                "state folder, or the PostgreSQL database that --store names.\n\n"
                "backup writes all tables, as one moment saw them, into FOLDER, which must be "
                "absent or empty, while the cluster goes on. restore reads them into a database "
                "that holds nothing yet, in one transaction; the cluster must not run on it. The "
                "folder is the same for SQLite and PostgreSQL, so that backup and restore also "
                "move a deployment from one to the other. The folders keys/ and files/ of the "
                "state folder are no part of it. Keep keys/ apart from backups: with both "
                "together, what is encrypted or erased in the store can be read.",
        .subs = {{"info", "", "which database, its migrations and tables"},
                 {"backup", "FOLDER", "copies everything into a new folder"},
                 {"restore", "FOLDER", "reads such a copy into an empty database"}},
        .sets = books_sets,
        .run = run,
};
