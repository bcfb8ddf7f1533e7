#include "audit/proof.h"
#include <stdlib.h>
#include <string.h>
#include "audit/checkpoint_store.h"
#include "audit/tree.h"
#include "audit/view.h"
#include "base/base64.h"

enum { PAGE = 256, N_CACHED = 1024 };

/* Neighbours share nearly all of their paths. */
struct cached { bool is; uint32_t level; uint64_t index; struct wt_hash hash; };

struct export {
        wt_store *s;
        const struct wt_audit_filter *f;
        wt_err (*emit)(void *arg, const char *data, size_t len);
        void *arg;
        struct wt_buf note, line;
        struct wt_checkpoint c;
        struct { uint64_t leaf; struct wt_bytes body; } row[PAGE];
        uint32_t n_rows;
        struct wt_arena bodies, event;
        struct cached cache[N_CACHED];
        bool whole, csv;
        uint64_t n, next;                        /* written; first leaf of the next page */
};

static wt_err get(void *arg, uint32_t level, uint64_t index, struct wt_hash *out)
{
        struct export *x = arg;
        struct cached *k = &x->cache[(index * 8 + level) % N_CACHED];
        wt_err err;

        if (!k->is || k->level != level || k->index != index) {
                k->is = false;
                if ((err = wt_tree_get(x->s, level, index, &k->hash)) != WT_OK)
                        return err;
                k->level = level;
                k->index = index;
                k->is = true;
        }
        *out = k->hash;
        return WT_OK;
}

static void put_hash(struct wt_buf *out, const struct wt_hash *h)
{
        wt_buf_json_sep(out);
        wt_buf_str(out, "\"");
        wt_base64_add(out, h->b, 32);
        wt_buf_str(out, "\"");
}

static wt_err send_row(struct export *x)
{
        wt_err err = x->emit(x->arg, x->line.data, x->line.len);

        wt_buf_clear(&x->line);
        return err;
}

/* The first or last line: in CSV a row of this kind around it. */
static wt_err send_edge(struct export *x, const char *kind)
{
        struct wt_buf line = x->line;

        if (!x->csv) {
                wt_buf_str(&x->line, "\n");
                return send_row(x);
        }
        x->line = (struct wt_buf){ 0 };
        wt_proof_csv_edge(&x->line, kind, x->c.size, line.data, line.len);
        wt_buf_free(&line);
        return send_row(x);
}

static wt_err put_row(struct export *x, uint64_t leaf, struct wt_bytes body)
{
        struct wt_hash path[WT_MERKLE_DEEP];
        struct wt_buf *b = &x->line;
        struct wt_audit_event e;
        uint32_t n = 0;
        wt_err err;

        wt_arena_reset(&x->event);
        if ((err = wt_merkle_inclusion(leaf, x->c.size, get, x, path, &n)) != WT_OK ||
            (err = wt_audit_decode(&e, body.data, body.len, &x->event)) != WT_OK)
                return wt_fail_in(err, "row %llu of the audit log", (unsigned long long)leaf);
        if (!wt_audit_has_verdict(&e, x->f->verdict))
                return WT_OK;
        x->n++;
        if (x->csv) {
                wt_proof_csv_row(b, x->c.size, leaf, body, path, n, &e);
                return send_row(x);
        }
        wt_buf_str(b, "{");
        wt_buf_json_ku(b, "leaf", leaf);
        wt_buf_str(b, ",\"body\":\"");
        wt_base64_add(b, body.data, body.len);
        wt_buf_str(b, "\",\"proof\":[");
        for (uint32_t i = 0; i < n; i++)
                put_hash(b, &path[i]);
        wt_buf_str(b, "],\"event\":");
        wt_audit_event_json(&e, b);
        wt_buf_str(b, "}\n");
        return send_row(x);
}

static int on_row(void *arg, const struct wt_value *column, uint32_t n)
{
        struct export *x = arg;
        const char *copy;

        if (n != 2 || column[0].type != WT_INT || column[1].type != WT_BLOB)
                return wt_fail(WT_EDATA, "a row of audit_events has no body; witan audit verify "
                               "says which");
        copy = wt_arena_str(&x->bodies, column[1].as.data, column[1].len);
        x->row[x->n_rows].leaf = (uint64_t)column[0].as.i;
        x->row[x->n_rows++].body = WT_BYTES(copy, column[1].len);
        x->next = (uint64_t)column[0].as.i + 1;
        return WT_OK;
}

/* The rows come first, their proofs then: a query may not ask another one. */
static wt_err page(struct export *x)
{
        struct wt_value args[WT_QUERY_ARGS] = { wt_v_int((int64_t)x->next),
                                                wt_v_int((int64_t)x->c.size) };
        struct wt_buf sql = { 0 };
        uint32_t n = 2;
        wt_err err;

        x->n_rows = 0;
        wt_arena_reset(&x->bodies);
        wt_buf_str(&sql, "SELECT e.leaf, e.body FROM audit_events e WHERE e.leaf >= $1"
                   " AND e.leaf < $2");
        wt_audit_where(x->f, &sql, args, &n);
        if (x->f->outcome[0] != '\0') {
                args[n++] = wt_v_text(x->f->outcome);
                wt_buf_fmt(&sql, " AND e.outcome = $%u", n);
        }
        wt_buf_fmt(&sql, " ORDER BY e.leaf LIMIT %d", PAGE);
        err = wt_store_query(x->s, sql.data, args, n, on_row, x, NULL);
        wt_buf_free(&sql);
        for (uint32_t i = 0; i < x->n_rows && err == WT_OK; i++)
                err = put_row(x, x->row[i].leaf, x->row[i].body);
        return err;
}

static wt_err head(struct export *x)
{
        struct wt_note note;
        uint64_t size = 0;
        wt_err err = wt_checkpoints_newest(x->s, true, &size, &x->note);

        if (err == WT_OK && size == 0)
                err = wt_checkpoints_newest(x->s, false, &size, &x->note);
        if (err != WT_OK)
                return err;
        if (size == 0)
                return wt_fail(WT_EPRECONDITION, "the audit log has no checkpoint yet: a gateway "
                               "signs one a second after the first row");
        if ((err = wt_checkpoint_read(&x->c, &note, x->note.data, x->note.len, NULL,
                                      NULL)) != WT_OK)
                return err;
        wt_buf_str(&x->line, "{");
        wt_buf_json_kv(&x->line, "export", "witan-audit/1");
        wt_buf_json_key(&x->line, "checkpoint");
        wt_buf_json_str(&x->line, x->note.data, x->note.len);
        wt_buf_json_ku(&x->line, "size", x->c.size);
        wt_buf_json_kb(&x->line, "complete", x->whole);
        wt_buf_str(&x->line, "}");
        if (x->csv && (err = x->emit(x->arg, wt_proof_csv_head,
                                     strlen(wt_proof_csv_head))) != WT_OK)
                return err;
        return send_edge(x, "checkpoint");
}

static int on_gone(void *arg, const struct wt_value *column, uint32_t n)
{
        struct export *x = arg;

        WT_ASSERT(n == 3);
        wt_buf_json_sep(&x->line);
        wt_buf_fmt(&x->line, "[%lld,%lld,%lld]", (long long)column[0].as.i,
                   (long long)column[1].as.i, (long long)column[2].as.i);
        return WT_OK;
}

static wt_err tail(struct export *x)
{
        wt_err err = WT_OK;

        wt_buf_str(&x->line, "{\"end\":true");
        wt_buf_json_ku(&x->line, "events", x->n);
        wt_buf_str(&x->line, ",\"dropped\":[");  /* [day, first leaf, last leaf] */
        if (x->whole)
                err = wt_store_query(x->s, "SELECT day, first_leaf, last_leaf FROM audit_dropped"
                                     " ORDER BY day, first_leaf", NULL, 0, on_gone, x, NULL);
        wt_buf_str(&x->line, "]}");
        return err != WT_OK ? err : send_edge(x, "end");
}

static bool is_whole(const struct wt_audit_filter *f)
{
        struct wt_value args[WT_QUERY_ARGS];
        struct wt_buf sql = { 0 };
        uint32_t n = 0;

        wt_audit_where(f, &sql, args, &n);
        wt_buf_free(&sql);
        return n == 0 && f->outcome[0] == '\0' && f->verdict[0] == '\0';
}

static wt_err write_all(void *arg, wt_store *s)
{
        struct export *x = arg;
        wt_err err = head(x);

        (void)s;
        while (err == WT_OK && (err = page(x)) == WT_OK && x->n_rows == PAGE)
                ;
        return err != WT_OK ? err : tail(x);
}

static wt_err export_as(bool csv, wt_store *s, const struct wt_audit_filter *f,
                        wt_err (*emit)(void *arg, const char *data, size_t len), void *arg,
                        uint64_t *n)
{
        struct export *x = calloc(1, sizeof *x);
        wt_err err;

        if (x == NULL)
                return wt_fail(WT_ENOMEM, "no memory to export the audit log");
        x->s = s;
        x->f = f;
        x->emit = emit;
        x->arg = arg;
        x->csv = csv;
        x->whole = is_whole(f);
        err = wt_store_see(s, write_all, x);
        if (err == WT_OK)
                *n = x->n;
        wt_buf_free(&x->note);
        wt_buf_free(&x->line);
        wt_arena_fini(&x->bodies);
        wt_arena_fini(&x->event);
        free(x);
        return err;
}

wt_err wt_audit_export(wt_store *s, const struct wt_audit_filter *f,
                       wt_err (*emit)(void *arg, const char *data, size_t len), void *arg,
                       uint64_t *n)
{
        return export_as(false, s, f, emit, arg, n);
}

wt_err wt_audit_export_csv(wt_store *s, const struct wt_audit_filter *f,
                           wt_err (*emit)(void *arg, const char *data, size_t len), void *arg,
                           uint64_t *n)
{
        return export_as(true, s, f, emit, arg, n);
}
