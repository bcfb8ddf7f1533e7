#include "tamper.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "audit/tree.h"
#include "base/file.h"
#include "base/rng.h"
#include "base/sha256.h"

enum { ROWS = 600, WITNESSED = 540, STEP = 60 };

struct rig tampered, tampered_copy;
#define rig tampered
#define copy tampered_copy
static struct wt_buf whole, early;               /* files: all rows; as it was at STEP * 4 */
static uint32_t draws;

static uint32_t draw(uint32_t n)                 /* below n */
{
        return (uint32_t)(wt_philox_unit(7, draws++, 0, 0) * n);
}

static void read_db(struct wt_buf *out)
{
        rig_sql(&rig, "PRAGMA wal_checkpoint(TRUNCATE)");
        assert_int_equal(wt_file_read(rig.db, 64 << 20, out), WT_OK);
}

void tamper_open(void)
{
        rig_open(&rig);
        for (uint32_t i = 0; i < ROWS / STEP; i++) {
                rig_rows(&rig, STEP, 1);
                if (i < WITNESSED / STEP)
                        rig_checkpoint(&rig);
                if (i == 3)
                        read_db(&early);
        }
        read_db(&whole);
        copy = rig;
        snprintf(copy.db, sizeof copy.db, "%s/copy.db", rig.folder);
        snprintf(copy.url, sizeof copy.url, "sqlite:%s", copy.db);
}

void tamper_close(void)
{
        rig_close(&rig);
        wt_buf_free(&whole);
        wt_buf_free(&early);
}

static void put_copy(const struct wt_buf *file)
{
        FILE *f;
        char side[96];

        for (const char *const *s = (const char *const[]){ "-wal", "-shm", NULL }; *s; s++) {
                snprintf(side, sizeof side, "%s%s", copy.db, *s);
                remove(side);
        }
        f = fopen(copy.db, "wb");
        assert_non_null(f);
        assert_int_equal(fwrite(file->data, 1, file->len, f), file->len);
        assert_int_equal(fclose(f), 0);
}

/* Somebody who has the file has its triggers, too. */
#define DROP "DROP TRIGGER IF EXISTS witan_seal_"
#define FREE "PRAGMA synchronous = OFF;" DROP "update_audit_events;" DROP "delete_audit_events;" \
        DROP "update_audit_checkpoints;" DROP "update_audit_cosignatures;"

static void write_blob(const char *table, const char *column, const char *where,
                       const struct wt_buf *blob)
{
        char *hex = malloc(2 * blob->len + 1);

        assert_non_null(hex);
        wt_hex((const uint8_t *)blob->data, blob->len, hex);
        rig_sql(&copy, FREE "UPDATE %s SET %s = x'%s' WHERE %s", table, column, hex, where);
        free(hex);
}

static void flip_in(const char *table, const char *column, const char *where, uint32_t byte)
{
        struct wt_buf blob = { 0 };

        rig_blob(&copy, &blob, "SELECT %s FROM %s WHERE %s", column, table, where);
        assert_true(byte < blob.len);
        blob.data[byte] ^= (char)(1 << draw(5));
        write_blob(table, column, where, &blob);
        wt_buf_free(&blob);
}

static void write_body(uint64_t leaf, const struct wt_buf *body)
{
        char where[64];

        snprintf(where, sizeof where, "leaf = %llu", (unsigned long long)leaf);
        write_blob("audit_events", "body", where, body);
}

/* Another number of tokens: an event like any other, whose columns still fit. */
static void other_event(uint64_t leaf, struct wt_buf *out)
{
        struct wt_arena a = { 0 };
        struct wt_audit_event e;

        rig_event(leaf, 1, out);
        assert_int_equal(wt_audit_decode(&e, out->data, out->len, &a), WT_OK);
        e.completion_tokens += 1000 + draw(1000);
        wt_buf_clear(out);
        assert_int_equal(wt_audit_encode(&e, out), WT_OK);
        wt_arena_fini(&a);
}

static struct tamper_want body_bit(void)
{
        struct wt_buf body = { 0 };
        uint64_t leaf = draw(ROWS);

        rig_event(leaf, 1, &body);
        body.data[draw((uint32_t)body.len)] ^= (char)(1 << draw(8));
        write_body(leaf, &body);
        wt_buf_free(&body);
        return (struct tamper_want){ WT_WRONG_ROW, WT_WRONG_ROW, leaf };
}

static struct tamper_want body_other(void)
{
        struct wt_buf body = { 0 };
        uint64_t leaf = draw(ROWS);

        other_event(leaf, &body);
        write_body(leaf, &body);
        wt_buf_free(&body);
        return (struct tamper_want){ WT_WRONG_ROW, WT_WRONG_ROW, leaf };
}

static struct tamper_want column(void)
{
        static const char *const to[] = {
                "day = day + 1", "kind = kind + 7", "time_us = time_us - 1", "gateway = 'x'",
                "tenant = NULL", "actor = actor || ' '", "key_id = 'x'", "model = 'x'",
                "revision = x'00'", "arm = 'x'", "outcome = 'none'", "status = 201",
                "subject = x'01'", "request = x'0123456789abcdef0123456789abcdef'" };
        uint64_t leaf = draw(ROWS);

        rig_sql(&copy, FREE "UPDATE audit_events SET %s WHERE leaf = %llu",
                to[draw(sizeof to / sizeof *to)], (unsigned long long)leaf);
        return (struct tamper_want){ WT_WRONG_ROW, WT_WRONG_ROW, leaf };
}

static struct tamper_want deleted(void)
{
        uint64_t leaf = draw(ROWS);

        rig_sql(&copy, FREE "DELETE FROM audit_events WHERE leaf = %llu",
                (unsigned long long)leaf);
        return (struct tamper_want){ WT_WRONG_MISSING, WT_WRONG_MISSING, leaf };
}

static struct tamper_want swapped(void)
{
        unsigned a = draw(ROWS), b = draw(ROWS - 1);

        b += b >= a;
        rig_sql(&copy, FREE "UPDATE audit_events SET leaf = CASE leaf WHEN %u THEN %u ELSE %u END"
                " WHERE leaf IN (%u, %u)", a, b, a, a, b);
        return (struct tamper_want){ WT_WRONG_ROW, WT_WRONG_ROW, a < b ? a : b };
}

static struct tamper_want inserted(void)
{
        uint64_t leaf = draw(2) ? ROWS + draw(3) : draw(ROWS);
        struct wt_buf body = { 0 };
        char *hex;

        rig_event(leaf % ROWS, 2, &body);        /* another log's: another request */
        hex = malloc(2 * body.len + 1);
        wt_hex((const uint8_t *)body.data, body.len, hex);
        rig_sql(&copy, FREE "INSERT INTO audit_events (leaf, day, request, kind, time_us, body)"
                " SELECT %llu, day, x'0123456789abcdef0123456789abcdef', kind, time_us, x'%s'"
                " FROM audit_events WHERE leaf = %llu", (unsigned long long)leaf, hex,
                (unsigned long long)(leaf % ROWS));
        free(hex);
        wt_buf_free(&body);
        return (struct tamper_want){ WT_WRONG_EXTRA, leaf < ROWS ? WT_WRONG_ROW : WT_WRONG_EXTRA,
                                     leaf };
}

static struct tamper_want truncated(void)
{
        uint64_t leaf = draw(ROWS);

        rig_sql(&copy, FREE "DELETE FROM audit_events WHERE leaf >= %llu",
                (unsigned long long)leaf);
        return (struct tamper_want){ WT_WRONG_MISSING, WT_WRONG_MISSING, leaf };
}

static struct tamper_want rolled_back(void)
{
        put_copy(&early);
        return (struct tamper_want){ WT_WRONG_MISSING, WT_WRONG_MISSING, 4 * STEP };
}

static struct tamper_want tile_bit(void)
{
        uint32_t leaf = draw(ROWS);
        char where[64];

        snprintf(where, sizeof where, "level = 0 AND tile = %u", leaf / 256);
        flip_in("audit_tiles", "hashes", where, leaf % 256 * 32 + draw(32));
        return (struct tamper_want){ WT_WRONG_TREE, WT_WRONG_TREE, leaf };
}

static struct tamper_want upper_bit(void)
{
        uint32_t node = draw(ROWS / 256);

        flip_in("audit_tiles", "hashes", "level = 1", node * 32 + draw(32));
        return (struct tamper_want){ WT_WRONG_TREE, WT_WRONG_TREE, node * 256 };
}

static struct tamper_want frontier_bit(void)
{
        flip_in("audit_tree", "frontier", "id = 1", draw(3 * 32));
        return (struct tamper_want){ WT_WRONG_TREE, WT_WRONG_TREE, ROWS - 1 };
}

static struct tamper_want note_letter(void)
{
        unsigned size = (1 + draw(WITNESSED / STEP)) * STEP;
        char where[64];

        snprintf(where, sizeof where, "size = %u", size);
        flip_in("audit_checkpoints", "note", where, 20 + draw(60));
        rig_sql(&copy, "UPDATE audit_checkpoints SET note = CAST(note AS TEXT)");
        return (struct tamper_want){ WT_WRONG_CHECKPOINT, WT_WRONG_CHECKPOINT, size };
}

static struct tamper_want line_letter(void)
{
        unsigned size = (1 + draw(WITNESSED / STEP)) * STEP;
        char where[64];

        snprintf(where, sizeof where, "size = %u", size);
        flip_in("audit_cosignatures", "line", where, 40 + draw(80));
        rig_sql(&copy, "UPDATE audit_cosignatures SET line = CAST(line AS TEXT)");
        return (struct tamper_want){ WT_WRONG_CHECKPOINT, WT_WRONG_CHECKPOINT, size };
}

/* The row and its leaf in the tile: what stands above still tells. */
static struct tamper_want row_and_tile(void)
{
        struct wt_buf body = { 0 };
        struct wt_hash leaf_hash;
        uint64_t leaf = draw(ROWS);
        struct wt_buf tile = { 0 };
        char where[64];

        other_event(leaf, &body);
        write_body(leaf, &body);
        wt_merkle_leaf(body.data, body.len, &leaf_hash);
        snprintf(where, sizeof where, "level = 0 AND tile = %u", (unsigned)(leaf / 256));
        rig_blob(&copy, &tile, "SELECT hashes FROM audit_tiles WHERE %s", where);
        memcpy(tile.data + leaf % 256 * 32, leaf_hash.b, 32);
        write_blob("audit_tiles", "hashes", where, &tile);
        wt_buf_free(&tile);
        wt_buf_free(&body);
        return (struct tamper_want){ WT_WRONG_RANGE,
                                     leaf < WITNESSED ? WT_WRONG_RANGE : WT_WRONG_TREE, leaf };
}

struct rebuild { struct wt_hash leaf[ROWS]; };

static wt_err grow_again(void *arg, wt_store *s)
{
        struct rebuild *b = arg;
        uint64_t first;
        wt_err err;

        if ((err = wt_store_query(s, "DELETE FROM audit_tiles", NULL, 0, NULL, NULL, NULL)) ||
            (err = wt_store_query(s, "DELETE FROM audit_tree", NULL, 0, NULL, NULL, NULL)))
                return err;
        return wt_tree_add(s, b->leaf, ROWS, &first);
}

/* The row and everything above it, as the log itself would have built it: only a checkpoint that
 * somebody else signed knows better, and it tells between which two the row lies. */
static struct tamper_want row_and_tree(void)
{
        static struct rebuild b;
        struct wt_buf body = { 0 };
        uint64_t leaf = draw(WITNESSED);
        wt_store *s;

        for (uint64_t i = 0; i < ROWS; i++) {
                if (i == leaf)
                        other_event(i, &body);
                else
                        rig_event(i, 1, &body);
                wt_merkle_leaf(body.data, body.len, &b.leaf[i]);
                if (i == leaf)
                        write_body(i, &body);
        }
        assert_int_equal(wt_store_open(&s, copy.url, 5000), WT_OK);
        if (wt_store_do(s, grow_again, &b) != WT_OK)
                fail_msg("%s", wt_words());
        wt_store_close(s);
        wt_buf_free(&body);
        return (struct tamper_want){ WT_WRONG_RANGE, WT_WRONG_RANGE, leaf };
}

const struct tamper tampers[N_TAMPERS] = {
        { "a bit of a body", body_bit },        { "another body", body_other },
        { "a column", column },                 { "a row deleted", deleted },
        { "two rows swapped", swapped },        { "a row inserted", inserted },
        { "the end cut off", truncated },       { "the database rolled back", rolled_back },
        { "a bit of a tile of leaves", tile_bit }, { "a bit of an upper tile", upper_bit },
        { "a bit of the frontier", frontier_bit }, { "a letter of a checkpoint", note_letter },
        { "a letter of a cosignature", line_letter }, { "a row with its leaf", row_and_tile },
        { "a row with the whole tree", row_and_tree },
};
bool tamper_found(const struct wt_finding *f, const struct tamper_want *w)
{
        if (f->wrong != w->wrong && f->wrong != w->or)
                return false;
        if (f->wrong == WT_WRONG_RANGE)
                return w->leaf >= f->leaf && w->leaf <= f->last && f->last - f->leaf < 256;
        return f->wrong == WT_WRONG_TREE && w->wrong == WT_WRONG_RANGE ? true : f->leaf == w->leaf;
}

struct tamper_want tamper_once(uint32_t kind)
{
        put_copy(&whole);
        return tampers[kind].change();
}
