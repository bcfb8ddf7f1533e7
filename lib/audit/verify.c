/* verify.c - the walk over a store: pages of 256 rows, the tiles beside them, and what is left to
 * compare at the end. */
#include "audit/verify.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "audit/table.h"
#include "audit/verify_walk.h"

static void word(struct wt_finding *f, enum wt_wrong wrong, uint64_t leaf, uint64_t last,
                 const char *fmt, va_list ap)
{
        if (f->wrong != WT_WRONG_NOTHING)
                return;
        *f = (struct wt_finding){ .wrong = wrong, .leaf = leaf, .last = last };
        vsnprintf(f->words, sizeof f->words, fmt, ap);
}

int walk_found(struct walk *w, enum wt_wrong wrong, uint64_t leaf, uint64_t last,
               const char *request, const char *fmt, ...)
{
        struct wt_finding *f = &w->v->finding;
        bool first = f->wrong == WT_WRONG_NOTHING;
        va_list ap;

        va_start(ap, fmt);
        word(f, wrong, leaf, last, fmt, ap);
        va_end(ap);
        if (first)
                snprintf(f->request, sizeof f->request, "%s", request);
        return WT_ECANCELLED;
}

void walk_tree(struct walk *w, enum wt_wrong wrong, uint64_t leaf, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        word(&w->tree, wrong, leaf, leaf, fmt, ap);
        va_end(ap);
}

/* ---- small readings ---- */

static int on_int(void *arg, const struct wt_value *column, uint32_t n)
{
        if (n == 1 && column[0].type == WT_INT)
                *(int64_t *)arg = column[0].as.i;
        return WT_OK;
}

static wt_err one_int(struct walk *w, const char *sql, int64_t at, int64_t *out)
{
        const struct wt_value v = wt_v_int(at);

        return wt_store_query(w->store, sql, &v, 1, on_int, out, NULL);
}

static int on_state(void *arg, const struct wt_value *column, uint32_t n)
{
        struct walk *w = arg;
        uint64_t size = n == 2 && column[0].type == WT_INT ? (uint64_t)column[0].as.i : 0;

        if (size > (uint64_t)1 << 61 || column[1].type != WT_BLOB ||
            column[1].len != (uint32_t)__builtin_popcountll(size) * 32) {
                walk_tree(w, WT_WRONG_TREE, 0, "the row of audit_tree cannot be read");
                return WT_OK;
        }
        w->stored.size = size;
        if (column[1].len > 0)
                memcpy(w->stored.hash, column[1].as.data, column[1].len);
        return WT_OK;
}

struct tile { struct wt_hash hash[PAGE]; uint32_t n; };

static int on_tile(void *arg, const struct wt_value *column, uint32_t n)
{
        struct tile *t = arg;

        if (n != 1 || column[0].type != WT_BLOB || column[0].len > sizeof t->hash ||
            column[0].len % 32 != 0)
                return WT_OK;                    /* as if it were not there */
        t->n = column[0].len / 32;
        memcpy(t->hash, column[0].as.data, column[0].len);
        return WT_OK;
}

static wt_err read_tile(struct walk *w, uint32_t level, uint64_t index, struct tile *t)
{
        const struct wt_value at[] = { wt_v_int(level), wt_v_int((int64_t)index) };

        t->n = 0;
        return wt_store_query(w->store, "SELECT hashes FROM audit_tiles WHERE level = $1 AND"
                              " tile = $2", at, 2, on_tile, t, NULL);
}

/* ---- a page ---- */

static wt_err check_upper(struct walk *w)
{
        struct tile t;
        wt_err err;

        for (uint32_t i = 0; i < w->n_up; i++) {
                const struct node *k = &w->up[i];
                uint32_t at = (uint32_t)(k->index % PAGE);

                if ((err = read_tile(w, k->level / 8, k->index / PAGE, &t)) != WT_OK)
                        return err;
                if (at < t.n && memcmp(t.hash[at].b, k->hash.b, 32) == 0)
                        continue;
                walk_tree(w, WT_WRONG_TREE, k->index << k->level, "tile %u/%llu does not hold what "
                          "its rows give", k->level / 8, (unsigned long long)(k->index / PAGE));
                if (!w->has_range) {
                        w->range = k->index << k->level;
                        w->range_last = ((k->index + 1) << k->level) - 1;
                        w->has_range = true;
                }
        }
        w->n_up = 0;
        return WT_OK;
}

static void put_query(char *sql, size_t cap)
{
        size_t n = (size_t)snprintf(sql, cap, "SELECT ");

        for (uint32_t i = 0; i < N_WT_COLS; i++)
                n += (size_t)snprintf(sql + n, cap - n, "%s%s", i ? ", " : "",
                                      wt_audit_columns[i]);
        snprintf(sql + n, cap - n, " FROM audit_events WHERE leaf >= $1 AND leaf < $2"
                 " ORDER BY leaf, kind");
}

static wt_err page(struct walk *w, const char *sql)
{
        uint64_t first = w->next, to = first + PAGE < w->end ? first + PAGE : w->end;
        const struct wt_value span[] = { wt_v_int((int64_t)first), wt_v_int((int64_t)to) };
        struct tile t;
        uint32_t want = w->stored.size > first + PAGE ? PAGE :
                        w->stored.size > first ? (uint32_t)(w->stored.size - first) : 0;
        wt_err err = read_tile(w, 0, first / PAGE, &t);

        if (err != WT_OK)
                return err;
        memcpy(w->tile, t.hash, sizeof w->tile);
        w->n_tile = t.n;
        w->page_first = first;
        if (t.n != want && w->stored.size > 0)
                walk_tree(w, WT_WRONG_TREE, first, "tile 0/%llu holds %u hashes, not %u",
                          (unsigned long long)(first / PAGE), t.n, want);
        if ((err = wt_store_query(w->store, sql, span, 2, walk_row, w, NULL)) != WT_OK ||
            (err = walk_gap(w, to)) != WT_OK)
                return err;
        return check_upper(w);
}

/* ---- the end ---- */

/* How far the rows are gone, and whether anything follows. */
static wt_err word_missing(struct walk *w)
{
        struct wt_finding *f = &w->v->finding;
        int64_t next = -1;
        wt_err err = one_int(w, "SELECT min(leaf) FROM audit_events WHERE leaf > $1",
                             (int64_t)f->leaf, &next);

        if (err != WT_OK)
                return err;
        f->last = (next >= 0 ? (uint64_t)next : w->end) - 1;
        if (next >= 0)
                snprintf(f->words, sizeof f->words, "deleted: nothing in the log says that "
                         "retention took it, and rows follow");
        else
                snprintf(f->words, sizeof f->words, "the log was cut or rolled back: it ends here, "
                         "and the witness has cosigned %llu rows",
                         (unsigned long long)w->v->seen.witnessed);
        return WT_OK;
}

static wt_err check_extra(struct walk *w)
{
        int64_t leaf = -1;
        wt_err err = one_int(w, "SELECT min(leaf) FROM audit_events WHERE leaf >= $1",
                             (int64_t)w->end, &leaf);

        if (err == WT_OK && leaf >= 0)
                walk_found(w, WT_WRONG_EXTRA, (uint64_t)leaf, (uint64_t)leaf, "", "a row behind "
                           "the end of the log, which has %llu rows", (unsigned long long)w->end);
        leaf = 0;
        if (err == WT_OK && (err = one_int(w, "SELECT min(leaf) FROM audit_events WHERE leaf < $1",
                                           0, &leaf)) == WT_OK && leaf < 0)
                walk_found(w, WT_WRONG_EXTRA, 0, 0, "", "a row says that it stands before the "
                           "log's first one");
        return err;
}

/* Behind the last checkpoint only the tree can tell. */
static void check_tail(struct walk *w)
{
        uint32_t n = (uint32_t)__builtin_popcountll(w->end);
        bool rows = w->stored.size == w->end &&
                    memcmp(w->rows.hash, w->stored.hash, n * 32) == 0;
        bool tiles = w->stored.size == w->end &&
                     memcmp(w->tiles.hash, w->stored.hash, n * 32) == 0;

        w->v->seen.unwitnessed = w->end > w->v->seen.witnessed ? w->end - w->v->seen.witnessed : 0;
        if (rows && w->has_odd)
                walk_tree(w, WT_WRONG_TREE, w->odd, "tile 0/%llu has another hash for row %llu "
                          "than its body gives; the row is good, audit_tree agrees with it",
                          (unsigned long long)(w->odd / PAGE), (unsigned long long)w->odd);
        else if (w->has_odd)
                walk_found(w, WT_WRONG_ROW, w->odd, w->odd, w->odd_request, "it is not what was "
                           "logged: its body gives another hash than the log's tree holds%s",
                           tiles ? "" : " (and audit_tree was changed, too)");
        else if (!rows && w->has_range && w->range >= w->good)
                walk_found(w, WT_WRONG_RANGE, w->range,
                           w->range_last < w->end ? w->range_last : w->end - 1, "", "one of these "
                           "rows is not what was logged: they do not give the tree above them");
        else if (!rows)
                walk_tree(w, WT_WRONG_TREE, w->end > 0 ? w->end - 1 : 0, "audit_tree says %llu "
                          "rows with another root than the %llu rows that there are",
                          (unsigned long long)w->stored.size, (unsigned long long)w->end);
}

/* What retention took must be stated by a note that is itself a leaf. */
static void check_stated(struct walk *w)
{
        for (uint32_t i = 0; i < w->n_gone; i++)
                if (!w->gone[i].stated)
                        walk_found(w, WT_WRONG_MISSING, w->gone[i].first, w->gone[i].last, "",
                                   "rows of day %lld are gone, and no note in the log says that "
                                   "retention took exactly these", (long long)w->gone[i].day);
}

static wt_err check_tiles(struct walk *w)
{
        int64_t want = 0, got = 0;
        wt_err err = one_int(w, "SELECT count(*) FROM audit_tiles WHERE level >= $1", 0, &got);

        for (uint64_t n = w->end; n > 0; n >>= 8)
                want += (int64_t)((n + PAGE - 1) / PAGE);
        if (err == WT_OK && want != got)
                walk_tree(w, WT_WRONG_TREE, 0, "audit_tiles has %lld rows, not %lld",
                          (long long)got, (long long)want);
        return err;
}

static wt_err begin(struct walk *w)
{
        wt_err err;

        if ((err = walk_heads(w)) != WT_OK || (err = walk_gone(w)) != WT_OK ||
            (err = wt_store_query(w->store, "SELECT size, frontier FROM audit_tree WHERE id = 1",
                                  NULL, 0, on_state, w, NULL)) != WT_OK)
                return err;
        w->end = w->stored.size;
        if (w->n_heads > 0 && w->head[w->n_heads - 1].size > w->end)
                w->end = w->head[w->n_heads - 1].size;
        return WT_OK;
}

static wt_err look(void *arg, wt_store *s)
{
        struct walk *w = arg;
        char sql[400];
        wt_err err;

        (void)s;
        put_query(sql, sizeof sql);
        err = begin(w);
        while (err == WT_OK && w->next < w->end) {
                if (w->v->progress != NULL)
                        w->v->progress(w->v->arg, w->next, w->end);
                err = page(w, sql);
        }
        if (err == WT_ECANCELLED)
                return w->v->finding.wrong == WT_WRONG_MISSING && w->v->finding.words[0] == '\0'
                               ? word_missing(w) : WT_OK;
        if (err != WT_OK || (err = check_extra(w)) != WT_OK || (err = check_tiles(w)) != WT_OK)
                return err;
        check_stated(w);
        check_tail(w);
        return WT_OK;
}

wt_err wt_verify_store(struct wt_verify *v, wt_store *s)
{
        struct walk *w = calloc(1, sizeof *w);
        wt_err err;

        if (w == NULL)
                return wt_fail(WT_ENOMEM, "no memory to verify a log");
        v->finding = (struct wt_finding){ .wrong = WT_WRONG_NOTHING };
        v->seen = (struct wt_seen){ .rows = 0 };
        v->seen.complete = true;
        w->v = v;
        w->store = s;
        err = wt_store_see(s, look, w);
        if (err == WT_OK && v->finding.wrong == WT_WRONG_NOTHING)
                v->finding = w->tree;
        wt_arena_fini(&w->arena);
        wt_buf_free(&w->scratch);
        free(w->head);
        free(w->gone);
        free(w);
        return err;
}
