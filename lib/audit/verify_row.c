/* verify_row.c - one row, and what its leaf says beside the tile's. */
#include "audit/table.h"
#include "audit/verify_walk.h"
#include "base/rng.h"

static bool same_value(const struct wt_value *a, const struct wt_value *b)
{
        if (a->type != b->type)
                return false;
        if (a->type == WT_INT)
                return a->as.i == b->as.i;
        return a->type == WT_NULL || (a->len == b->len && memcmp(a->as.data, b->as.data,
                                                                  a->len) == 0);
}

/* The request as the row says it, for rows whose body cannot be read. */
static void request_of(const struct wt_value *v, char out[37])
{
        out[0] = '\0';
        if (v->type == WT_BLOB && v->len == 16)
                wt_uuid_text(v->as.data, out);
}

static bool in_gone(const struct walk *w, uint64_t leaf)
{
        for (uint32_t i = 0; i < w->n_gone; i++)
                if (leaf >= w->gone[i].first && leaf <= w->gone[i].last)
                        return true;
        return false;
}

int walk_gap(struct walk *w, uint64_t to)
{
        while (w->next < to) {
                uint64_t last = w->next;
                int err;

                if (in_gone(w, w->next)) {
                        w->v->seen.dropped++;
                        if ((err = walk_leaf(w, NULL, "")) != WT_OK)
                                return err;
                        continue;
                }
                while (last + 1 < to && !in_gone(w, last + 1))
                        last++;
                /* How far they are gone the next page says: whoever reports looks again. */
                return walk_found(w, WT_WRONG_MISSING, w->next, last, "", "%s", "");
        }
        return WT_OK;
}

static int bad_row(struct walk *w, const char *request, const char *what, const char *why)
{
        return walk_found(w, WT_WRONG_ROW, w->next, w->next, request, "%s%s", what, why);
}

int walk_row(void *arg, const struct wt_value *column, uint32_t n)
{
        struct walk *w = arg;
        struct wt_value want[N_WT_COLS];
        struct wt_audit_event e;
        struct wt_hash hash;
        const struct wt_value *body = &column[WT_COL_BODY];
        char request[37];
        uint64_t leaf;
        int err;

        WT_ASSERT(n == N_WT_COLS);
        leaf = column[WT_COL_LEAF].type == WT_INT ? (uint64_t)column[WT_COL_LEAF].as.i : 0;
        request_of(&column[WT_COL_REQUEST], request);
        if (leaf < w->next)
                return walk_found(w, WT_WRONG_EXTRA, leaf, leaf, request, "two rows say that they "
                                  "are row %llu of the log", (unsigned long long)leaf);
        if ((err = walk_gap(w, leaf)) != WT_OK)
                return err;
        w->v->seen.rows++;
        if (body->type != WT_BLOB || body->len == 0)
                return bad_row(w, request, "its body is gone", "");
        wt_merkle_leaf(body->as.data, body->len, &hash);
        wt_arena_reset(&w->arena);
        if (wt_audit_decode(&e, body->as.data, body->len, &w->arena) != WT_OK)
                return bad_row(w, request, "its body is no event: ", wt_words());
        if (e.request.len != 16)
                return bad_row(w, request, "its body names no request", "");
        wt_uuid_text(e.request.data, request);
        wt_audit_row(&e, WT_BYTES(body->as.data, body->len), leaf, want);
        for (uint32_t i = 0; i < N_WT_COLS; i++)
                if (!same_value(&column[i], &want[i]))
                        return bad_row(w, request, "its body says something else than its column ",
                                       wt_audit_columns[i]);
        if (is_retention(&e))
                gone_stated(w->gone, w->n_gone, (int64_t)e.count, (const char *)e.code.data);
        return walk_leaf(w, &hash, request);
}

static void on_node(void *arg, uint32_t level, uint64_t index, const struct wt_hash *h)
{
        struct walk *w = arg;

        if (level > 0 && level % 8 == 0 && w->n_up < UPPER)
                w->up[w->n_up++] = (struct node){ level, index, *h };
}

static int disagree(struct walk *w, const struct head *h, bool tiles_agree)
{
        unsigned long long size = h->size;
        uint64_t first = w->good, last = h->size - 1;

        if (w->has_odd)
                return walk_found(w, WT_WRONG_ROW, w->odd, w->odd, w->odd_request, "it is not what "
                                  "was logged: its body gives another hash than the one that the "
                                  "checkpoint of %llu rows stands on%s", size,
                                  tiles_agree ? "" : " (and the tree was changed, too)");
        if (w->has_range && w->range > first && w->range <= last)
                first = w->range;
        if (w->has_range && w->range_last < last && w->range_last >= first)
                last = w->range_last;
        return walk_found(w, WT_WRONG_RANGE, first, last, "", "one of these rows is not what was "
                          "logged: together they do not give the root in the checkpoint of %llu "
                          "rows, and their hashes in the tree were changed with them", size);
}

/* All rows of a checkpoint are in: is its root ours? */
static int judge(struct walk *w, const struct head *h)
{
        struct wt_hash ours, theirs;

        wt_merkle_root(&w->rows, &ours);
        if (memcmp(ours.b, h->root.b, 32) != 0) {
                wt_merkle_root(&w->tiles, &theirs);
                return disagree(w, h, memcmp(theirs.b, h->root.b, 32) == 0);
        }
        if (w->has_odd)
                walk_tree(w, WT_WRONG_TREE, w->odd, "tile 0/%llu has another hash for row %llu "
                          "than its body gives; the row is good, the checkpoint proves it",
                          (unsigned long long)(w->odd / PAGE), (unsigned long long)w->odd);
        w->has_odd = false;
        w->tiles = w->rows;
        w->good = h->size;
        return WT_OK;
}

int walk_leaf(struct walk *w, const struct wt_hash *body, const char *request)
{
        uint64_t at = w->next - w->page_first;
        const struct wt_hash *tile = at < w->n_tile ? &w->tile[at] : body;
        int err = WT_OK;

        if (tile == NULL)
                return walk_found(w, WT_WRONG_MISSING, w->next, w->next, "", "it was deleted by "
                                  "retention, and its hash in the tree is gone as well");
        if (at >= w->n_tile)
                walk_tree(w, WT_WRONG_TREE, w->next, "tile 0/%llu has no hash for row %llu",
                          (unsigned long long)(w->next / PAGE), (unsigned long long)w->next);
        if (body == NULL)
                body = tile;
        if (!w->has_odd && memcmp(body->b, tile->b, 32) != 0) {
                w->has_odd = true;
                w->odd = w->next;
                memcpy(w->odd_request, request, strlen(request) + 1);
        }
        wt_merkle_add(&w->rows, body, on_node, w);
        wt_merkle_add(&w->tiles, tile, NULL, NULL);
        w->next++;
        while (err == WT_OK && w->at_head < w->n_heads && w->head[w->at_head].size <= w->next)
                if (w->head[w->at_head++].size == w->next)
                        err = judge(w, &w->head[w->at_head - 1]);
        return err;
}
