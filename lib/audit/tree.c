#include "audit/tree.h"
#include <stdlib.h>

/* A tile holds 256 neighbours of a tree level that is a multiple of 8; the levels between are
 * computed from it (as C2SP's tlog-tiles do). */
enum { TILE = 256, TILE_BITS = 8, N_LEVELS = (WT_MERKLE_DEEP + TILE_BITS - 1) / TILE_BITS };

static const char *const steps[] = {
        "CREATE TABLE audit_tree (id BIGINT PRIMARY KEY, size BIGINT NOT NULL,"
        " frontier {bytes} NOT NULL);"
        "CREATE TABLE audit_tiles (level BIGINT NOT NULL, tile BIGINT NOT NULL,"
        " hashes {bytes} NOT NULL, PRIMARY KEY (level, tile))",
};

wt_err wt_tree_migrate(wt_store *s)
{
        return wt_store_migrate(s, "audit_tree", steps, sizeof steps / sizeof *steps);
}

static uint32_t edges(uint64_t size) { return (uint32_t)__builtin_popcountll(size); }

/* A row (size, frontier); grown: by how much size is already ahead of the frontier. */
struct state { struct wt_frontier f; uint64_t grown; bool found; };

static int on_state(void *arg, const struct wt_value *column, uint32_t n)
{
        struct state *st = arg;
        uint64_t size = (uint64_t)column[0].as.i - st->grown;

        if (n != 2 || column[0].type != WT_INT || column[1].type != WT_BLOB ||
            size > (uint64_t)1 << (WT_MERKLE_DEEP - 1) || column[1].len != edges(size) * 32)
                return wt_fail(WT_EDATA, "the row of audit_tree is damaged; witan audit verify "
                               "says what is left");
        st->f.size = size;
        if (column[1].len > 0)
                memcpy(st->f.hash, column[1].as.data, column[1].len);
        st->found = true;
        return WT_OK;
}

/* A tile under construction, one of each stored level. */
struct tile { uint64_t index; uint32_t n; bool open; struct wt_hash hash[TILE]; };
struct growth {
        wt_store *store;
        struct tile tile[N_LEVELS];
        wt_err err;                              /* of a callback, which cannot return it */
};

struct fetch { struct wt_hash *hash; uint32_t n; bool found; };

static int on_tile(void *arg, const struct wt_value *column, uint32_t n)
{
        struct fetch *f = arg;

        if (n != 1 || column[0].type != WT_BLOB || column[0].len % 32 != 0 ||
            column[0].len > TILE * 32)
                return wt_fail(WT_EDATA, "a tile of the audit log is %u bytes long",
                               column[0].len);
        f->n = column[0].len / 32;
        memcpy(f->hash, column[0].as.data, column[0].len);
        f->found = true;
        return WT_OK;
}

static wt_err read_tile(wt_store *s, uint32_t level, uint64_t index, struct fetch *f)
{
        const struct wt_value at[] = { wt_v_int(level), wt_v_int((int64_t)index) };
        wt_err err = wt_store_query(s, "SELECT hashes FROM audit_tiles WHERE level = $1 AND"
                                    " tile = $2", at, 2, on_tile, f, NULL);

        return err != WT_OK ? wt_fail_in(err, "tile %u/%llu", level, (unsigned long long)index)
                            : WT_OK;
}

static wt_err write_tile(struct growth *g, uint32_t level)
{
        struct tile *t = &g->tile[level];
        const struct wt_value v[] = { wt_v_int(level), wt_v_int((int64_t)t->index),
                                      wt_v_blob(t->hash, t->n * 32) };

        t->open = false;
        return wt_store_query(g->store, "INSERT INTO audit_tiles (level, tile, hashes)"
                              " VALUES ($1, $2, $3) ON CONFLICT (level, tile)"
                              " DO UPDATE SET hashes = excluded.hashes", v, 3, NULL, NULL, NULL);
}

static wt_err put(struct growth *g, uint32_t level, uint64_t index, const struct wt_hash *h)
{
        struct tile *t = &g->tile[level];
        uint32_t at = (uint32_t)(index % TILE);
        struct fetch old = { .hash = t->hash };
        wt_err err;

        if (!t->open) {
                t->index = index / TILE;
                if (at > 0 && (err = read_tile(g->store, level, t->index, &old)) != WT_OK)
                        return err;
                if (old.n != at)
                        return wt_fail(WT_EDATA, "tile %u/%llu of the audit log holds %u hashes, "
                                       "not %u; witan audit verify says what is damaged", level,
                                       (unsigned long long)t->index, old.n, at);
                t->open = true;
        }
        t->hash[at] = *h;
        t->n = at + 1;
        return t->n == TILE ? write_tile(g, level) : WT_OK;
}

static void on_node(void *arg, uint32_t level, uint64_t index, const struct wt_hash *h)
{
        struct growth *g = arg;

        if (g->err == WT_OK && level % TILE_BITS == 0)
                g->err = put(g, level / TILE_BITS, index, h);
}

static wt_err grow(struct growth *g, struct wt_frontier *f, const struct wt_hash *leaf, uint32_t n)
{
        struct wt_value v[2];

        for (uint32_t i = 0; i < n && g->err == WT_OK; i++)
                wt_merkle_add(f, &leaf[i], on_node, g);
        for (uint32_t l = 0; l < N_LEVELS && g->err == WT_OK; l++)
                if (g->tile[l].open)
                        g->err = write_tile(g, l);
        if (g->err != WT_OK)
                return g->err;
        v[0] = wt_v_int((int64_t)f->size);
        v[1] = wt_v_blob(f->hash, edges(f->size) * 32);
        return wt_store_query(g->store, "UPDATE audit_tree SET size = $1, frontier = $2"
                              " WHERE id = 1", v, 2, NULL, NULL, NULL);
}

wt_err wt_tree_add(wt_store *s, const struct wt_hash *leaf, uint32_t n, uint64_t *first)
{
        const struct wt_value by[] = { wt_v_int(n), wt_v_blob("", 0) };
        struct state st = { .grown = n };
        struct growth *g;
        wt_err err;

        /* The update is the lock: nobody else's passes until this transaction ends. */
        if ((err = wt_store_query(s, "INSERT INTO audit_tree (id, size, frontier)"
                                  " VALUES (1, 0, $1) ON CONFLICT (id) DO NOTHING", by + 1, 1,
                                  NULL, NULL, NULL)) != WT_OK ||
            (err = wt_store_query(s, "UPDATE audit_tree SET size = size + $1 WHERE id = 1"
                                  " RETURNING size, frontier", by, 1, on_state, &st,
                                  NULL)) != WT_OK)
                return err;
        if (!st.found)
                return wt_fail(WT_EDATA, "audit_tree has lost its row");
        if ((g = calloc(1, sizeof *g)) == NULL)
                return wt_fail(WT_ENOMEM, "no memory for the audit log's tiles");
        g->store = s;
        *first = st.f.size;
        err = grow(g, &st.f, leaf, n);
        free(g);
        return err;
}

wt_err wt_tree_head(wt_store *s, uint64_t *size, struct wt_hash *root)
{
        struct state st = { .found = false };
        wt_err err = wt_store_query(s, "SELECT size, frontier FROM audit_tree WHERE id = 1", NULL,
                                    0, on_state, &st, NULL);

        if (err != WT_OK)
                return err;
        wt_merkle_root(&st.f, root);
        *size = st.f.size;
        return WT_OK;
}

wt_err wt_tree_get(void *s, uint32_t level, uint64_t index, struct wt_hash *out)
{
        uint32_t up = level % TILE_BITS, n = 1u << up;
        struct wt_hash hash[TILE];
        struct fetch f = { .hash = hash };
        uint64_t first = index << up;            /* in the stored level below */
        uint32_t at = (uint32_t)(first % TILE);
        wt_err err = read_tile(s, level / TILE_BITS, first / TILE, &f);

        if (err != WT_OK)
                return err;
        if (f.n < at + n)
                return wt_fail(WT_EDATA, "tile %u/%llu of the audit log holds %u hashes, not %u",
                               level / TILE_BITS, (unsigned long long)(first / TILE), f.n, at + n);
        for (; n > 1; n /= 2)
                for (uint32_t i = 0; i < n / 2; i++)
                        wt_merkle_node(&hash[at + 2 * i], &hash[at + 2 * i + 1], &hash[at + i]);
        *out = hash[at];
        return WT_OK;
}
