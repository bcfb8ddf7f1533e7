/* verify_head.c - what the walk over the rows is held against: checkpoints with good signatures,
 * and what retention says that it took. */
#include <stdio.h>
#include "audit/verify_walk.h"
#include "base/list.h"
#include "base/sha256.h"

static wt_err add_head(struct walk *w, const struct wt_checkpoint *c, bool cosigned)
{
        uint32_t at = w->n_heads;

        if (wt_list_more(&w->head, at, &w->head_cap, sizeof *w->head) == NULL)
                return wt_fail(WT_ENOMEM, "no memory for more than %u checkpoints", at);
        for (; at > 0 && w->head[at - 1].size > c->size; at--)
                w->head[at] = w->head[at - 1];
        w->head[at] = (struct head){ c->size, c->root, cosigned };
        w->n_heads++;
        return WT_OK;
}

static void note_time(struct walk *w, const struct wt_checkpoint *c, const struct wt_note *note)
{
        struct wt_seen *seen = &w->v->seen;

        if (c->size < seen->witnessed)
                return;
        seen->witnessed = c->size;
        wt_note_signed(note, w->v->witness, &seen->witnessed_s);
}

/* size, note, line of our witness or NULL. */
static int on_head(void *arg, const struct wt_value *column, uint32_t n)
{
        struct walk *w = arg;
        struct wt_verify *v = w->v;
        bool cosigned = n == 3 && column[2].type == WT_TEXT;
        struct wt_checkpoint c;
        struct wt_note note;
        wt_err err;

        if (n != 3 || column[0].type != WT_INT || column[1].type != WT_TEXT) {
                walk_tree(w, WT_WRONG_CHECKPOINT, 0, "a row of audit_checkpoints is no checkpoint");
                return WT_OK;
        }
        v->seen.checkpoints++;
        wt_buf_clear(&w->scratch);
        wt_buf_add(&w->scratch, column[1].as.data, column[1].len);
        if (cosigned)
                wt_buf_add(&w->scratch, column[2].as.data, column[2].len);
        err = wt_checkpoint_read(&c, &note, w->scratch.data, w->scratch.len, v->log,
                                 cosigned ? v->witness : NULL);
        if (err == WT_OK && c.size != (uint64_t)column[0].as.i)
                err = wt_fail(WT_EDATA, "it is filed under another size");
        if (err != WT_OK) {
                walk_tree(w, WT_WRONG_CHECKPOINT, (uint64_t)column[0].as.i, "the checkpoint of "
                          "%lld rows in the store: %s", (long long)column[0].as.i, wt_words());
                return WT_OK;
        }
        if (cosigned)
                note_time(w, &c, &note);
        else if (v->log == NULL)
                return WT_OK;                    /* nobody whom we trust has signed it */
        return add_head(w, &c, cosigned);
}

static wt_err last_head(struct walk *w)
{
        struct wt_verify *v = w->v;
        struct wt_checkpoint c;
        struct wt_note note;
        wt_err err;

        if (v->last == NULL || v->last_len == 0)
                return WT_OK;
        err = wt_checkpoint_read(&c, &note, v->last, v->last_len, v->log, v->witness);
        if (err != WT_OK)
                return wt_fail_in(err, "the witness's own last checkpoint");
        note_time(w, &c, &note);
        return add_head(w, &c, true);
}

wt_err walk_heads(struct walk *w)
{
        const struct wt_value name = wt_v_text(w->v->witness->name);
        wt_err err = wt_store_query(
                w->store, "SELECT c.size, c.note, k.line FROM audit_checkpoints c"
                " LEFT JOIN audit_cosignatures k ON k.size = c.size AND k.witness = $1"
                " ORDER BY c.size", &name, 1, on_head, w, NULL);

        if (err != WT_OK || (err = last_head(w)) != WT_OK)
                return err;
        if (w->v->seen.witnessed == 0)
                return wt_fail(WT_EUNAUTH, "no checkpoint in this log is cosigned by the witness "
                               "%s: it is not the right key, or the log has just begun and "
                               "is cosigned within seconds", w->v->witness->name);
        for (uint32_t i = 1; i < w->n_heads; i++)
                if (w->head[i].size == w->head[i - 1].size &&
                    memcmp(w->head[i].root.b, w->head[i - 1].root.b, 32) != 0)
                        walk_tree(w, WT_WRONG_CHECKPOINT, w->head[i].size, "two checkpoints of "
                                  "%llu rows are signed and differ: the log was forked",
                                  (unsigned long long)w->head[i].size);
        return WT_OK;
}

static int on_gone(void *arg, const struct wt_value *column, uint32_t n)
{
        struct walk *w = arg;
        struct gone *g;

        if (n != 3 || column[0].type != WT_INT || column[1].type != WT_INT ||
            column[2].type != WT_INT || column[1].as.i < 0 || column[2].as.i < column[1].as.i)
                return WT_OK;                    /* it excuses nothing */
        if ((g = wt_list_more(&w->gone, w->n_gone, &w->gone_cap, sizeof *g)) == NULL)
                return wt_fail(WT_ENOMEM, "no memory for more than %u ranges", w->n_gone);
        *g = (struct gone){ column[0].as.i, (uint64_t)column[1].as.i, (uint64_t)column[2].as.i,
                            false };
        w->n_gone++;
        return WT_OK;
}

wt_err walk_gone(struct walk *w)
{
        return wt_store_query(w->store, "SELECT day, first_leaf, last_leaf FROM audit_dropped"
                              " ORDER BY day, first_leaf", NULL, 0, on_gone, w, NULL);
}

/* The note's code is the SHA-256 of "FIRST-LAST\n" of each range of its day, and `count` is the
 * day: see retain.h. */
void gone_stated(struct gone *gone, uint32_t n, int64_t day, const char code[64])
{
        struct wt_sha256 s;
        char line[64], hex[65];
        uint8_t out[32];

        wt_sha256_init(&s);
        for (uint32_t i = 0; i < n; i++)
                if (gone[i].day == day)
                        wt_sha256_add(&s, line, (size_t)snprintf(
                                line, sizeof line, "%llu-%llu\n",
                                (unsigned long long)gone[i].first,
                                (unsigned long long)gone[i].last));
        wt_sha256_end(&s, out);
        wt_hex(out, 32, hex);
        for (uint32_t i = 0; i < n; i++)
                if (gone[i].day == day && memcmp(code, hex, 64) == 0)
                        gone[i].stated = true;
}

bool is_retention(const struct wt_audit_event *e)
{
        return e->kind == WT_AUDIT_NOTE && e->action.len == 15 && e->code.len == 64 &&
               memcmp(e->action.data, "audit.retention", 15) == 0;
}
