#include "audit/checkpoint_store.h"
#include <stdlib.h>
#include "audit/tree.h"

static const char *const steps[] = {
        "CREATE TABLE audit_checkpoints (size BIGINT PRIMARY KEY, time_us BIGINT NOT NULL,"
        " note TEXT NOT NULL);"
        "CREATE TABLE audit_cosignatures (size BIGINT NOT NULL, witness TEXT NOT NULL,"
        " time_s BIGINT NOT NULL, line TEXT NOT NULL, PRIMARY KEY (size, witness))",
};

wt_err wt_checkpoints_migrate(wt_store *s)
{
        wt_err err = wt_store_migrate(s, "audit_checkpoints", steps, sizeof steps / sizeof *steps);

        if (err != WT_OK || (err = wt_store_seal(s, "audit_checkpoints")) != WT_OK)
                return err;
        return wt_store_seal(s, "audit_cosignatures");
}

struct found { uint64_t size; struct wt_buf *text; bool any; };

static int on_note(void *arg, const struct wt_value *column, uint32_t n)
{
        struct found *f = arg;

        if (n != 2 || column[0].type != WT_INT || column[1].type != WT_TEXT)
                return wt_fail(WT_EDATA, "a row of audit_checkpoints is damaged");
        f->any = true;
        f->size = (uint64_t)column[0].as.i;
        if (f->text != NULL)
                wt_buf_add(f->text, column[1].as.data, column[1].len);
        return WT_OK;
}

static int on_line(void *arg, const struct wt_value *column, uint32_t n)
{
        if (n == 1 && column[0].type == WT_TEXT)
                wt_buf_add(arg, column[0].as.data, column[0].len);
        return WT_OK;
}

static wt_err add_lines(wt_store *s, const struct found *f)
{
        const struct wt_value size = wt_v_int((int64_t)f->size);

        if (!f->any || f->text == NULL)
                return WT_OK;
        return wt_store_query(s, "SELECT line FROM audit_cosignatures WHERE size = $1"
                              " ORDER BY witness", &size, 1, on_line, f->text, NULL);
}

wt_err wt_checkpoints_newest(wt_store *s, bool cosigned, uint64_t *size, struct wt_buf *text)
{
        struct found f = { .text = text };
        wt_err err = wt_store_query(
                s, cosigned ? "SELECT size, note FROM audit_checkpoints WHERE size ="
                              " (SELECT max(size) FROM audit_cosignatures)"
                            : "SELECT size, note FROM audit_checkpoints WHERE size ="
                              " (SELECT max(size) FROM audit_checkpoints)",
                NULL, 0, on_note, &f, NULL);

        if (err == WT_OK && (err = add_lines(s, &f)) == WT_OK)
                *size = f.size;
        return err;
}

wt_err wt_checkpoints_get(wt_store *s, uint64_t size, struct wt_buf *text)
{
        const struct wt_value at = wt_v_int((int64_t)size);
        struct found f = { .text = text };
        wt_err err = wt_store_query(s, "SELECT size, note FROM audit_checkpoints WHERE size = $1",
                                    &at, 1, on_note, &f, NULL);

        if (err == WT_OK && !f.any)
                return wt_fail(WT_ENOTFOUND, "there is no checkpoint of %llu rows",
                               (unsigned long long)size);
        return err != WT_OK ? err : add_lines(s, &f);
}

struct sign {
        const struct wt_signer *key;
        const struct wt_lease *lease;
        uint64_t time_us, size;
};

static wt_err sign(void *arg, wt_store *s)
{
        struct sign *g = arg;
        struct wt_checkpoint c = { .size = 0 };
        struct wt_buf note = { 0 };
        uint64_t newest = 0;
        wt_err err;

        if ((err = wt_lease_check(s, g->lease)) != WT_OK ||
            (err = wt_checkpoints_newest(s, false, &newest, NULL)) != WT_OK ||
            (err = wt_tree_head(s, &c.size, &c.root)) != WT_OK)
                return err;
        if (c.size < newest)
                return wt_fail(WT_EDATA, "the audit log has %llu rows, and a checkpoint of %llu "
                               "was signed: rows are gone; witan audit verify says which",
                               (unsigned long long)c.size, (unsigned long long)newest);
        g->size = c.size;
        if (c.size == newest)
                return WT_OK;
        strcpy(c.origin, g->key->v.name);
        if ((err = wt_checkpoint_sign(g->key, &c, &note)) == WT_OK) {
                const struct wt_value v[] = {
                        wt_v_int((int64_t)c.size), wt_v_int((int64_t)g->time_us),
                        { .type = WT_TEXT, .len = (uint32_t)note.len, .as.data = note.data } };

                err = wt_store_query(s, "INSERT INTO audit_checkpoints (size, time_us, note)"
                                     " VALUES ($1, $2, $3)", v, 3, NULL, NULL, NULL);
        }
        wt_buf_free(&note);
        return err;
}

wt_err wt_checkpoints_sign(wt_store *s, const struct wt_signer *key, const struct wt_lease *l,
                           uint64_t time_us, uint64_t *size)
{
        struct sign g = { .key = key, .lease = l, .time_us = time_us };
        wt_err err = wt_store_do(s, sign, &g);

        if (err == WT_OK)
                *size = g.size;
        return err;
}

static wt_err keep(wt_store *s, uint64_t size, const struct wt_verifier *witness, uint64_t time_s,
                   const char *line, size_t len)
{
        const struct wt_value v[] = {
                wt_v_int((int64_t)size), wt_v_text(witness->name), wt_v_int((int64_t)time_s),
                { .type = WT_TEXT, .len = (uint32_t)len, .as.data = line } };

        return wt_store_query(s, "INSERT INTO audit_cosignatures (size, witness, time_s, line)"
                              " VALUES ($1, $2, $3, $4) ON CONFLICT (size, witness) DO NOTHING",
                              v, 4, NULL, NULL, NULL);
}

wt_err wt_checkpoints_cosign(wt_store *s, uint64_t size, const struct wt_verifier *witness,
                             const char *line, size_t len)
{
        struct wt_checkpoint c;
        struct wt_buf text = { 0 };
        struct wt_note note;
        uint64_t time_s = 0;
        wt_err err = wt_checkpoints_get(s, size, &text);

        wt_buf_add(&text, line, len);
        if (err == WT_OK && (err = wt_checkpoint_read(&c, &note, text.data, text.len, NULL,
                                                      witness)) == WT_OK) {
                wt_note_signed(&note, witness, &time_s);
                err = keep(s, size, witness, time_s, line, len);
        }
        wt_buf_free(&text);
        return err;
}
