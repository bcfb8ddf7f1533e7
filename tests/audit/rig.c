#include "rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include "audit/proof.h"
#include "audit/tree.h"
#include "base/rng.h"
#include "plugin/plugin.h"

const struct wt_plugin *wt_plugin_store_sqlite(void);

#define GOOD(call)                                                                              \
        do {                                                                                    \
                if ((call) != WT_OK)                                                            \
                        fail_msg("%s: %s", #call, wt_words());                                  \
        } while (0)

void rig_open(struct rig *r) { rig_open_on(r, NULL); }

void rig_open_on(struct rig *r, const char *url)
{
        static const struct wt_plugin *(*const entries[])(void) = { wt_plugin_store_sqlite, NULL };
        char folder[128];

        memset(r, 0, sizeof *r);
        strcpy(r->folder, "/tmp/witan-audit-XXXXXX");
        assert_non_null(mkdtemp(r->folder));
        snprintf(r->db, sizeof r->db, "%s/witan.db", r->folder);
        snprintf(r->url, sizeof r->url, "%s%s", url != NULL ? url : "sqlite:",
                 url != NULL ? "" : r->db);
        GOOD(wt_plugin_register(entries));
        GOOD(wt_store_open(&r->store, r->url, 5000));
        GOOD(wt_audit_migrate(r->store));
        GOOD(wt_checkpoints_migrate(r->store));
        GOOD(wt_signer_new(&r->key, WT_NOTE_LOG, "test-log"));
        GOOD(wt_lease_take(r->store, "audit-signer", "rig", 3600000, &r->lease));
        snprintf(folder, sizeof folder, "%s/witness", r->folder);
        GOOD(wt_witness_open(&r->witness, folder, &r->key.v));
}

void rig_close(struct rig *r)
{
        char remove[128];

        wt_store_close(r->store);
        wt_witness_close(r->witness);
        snprintf(remove, sizeof remove, "rm -rf %s", r->folder);
        assert_int_equal(system(remove), 0);
}

static struct wt_bytes word(char room[64], const char *what, uint32_t n)
{
        snprintf(room, 64, "%s-%u", what, n);
        return WT_STR(room);
}

/* The times lie a second apart, from 2024-06-01 on. */
static void request_id(uint64_t i, uint32_t seed, uint8_t out[16])
{
        uint64_t ms = 1717200000000 + i / 2 * 1000;

        for (int k = 0; k < 6; k++)
                out[k] = (uint8_t)(ms >> (40 - 8 * k));
        for (int k = 6; k < 16; k++)
                out[k] = (uint8_t)(wt_philox_unit(seed, (uint32_t)(i / 2), (uint32_t)k, 0) * 256);
        out[6] = (uint8_t)(0x70 | (out[6] & 15));
        out[8] = (uint8_t)(0x80 | (out[8] & 63));
}

void rig_event(uint64_t i, uint32_t seed, struct wt_buf *out)
{
        char room[6][64];
        uint8_t id[16], revision[32];
        struct wt_audit_event e = { .kind = i % 2 == 0 ? WT_AUDIT_INTENT : WT_AUDIT_OUTCOME };
        uint32_t n = (uint32_t)(i / 2);

        request_id(i, seed, id);
        memset(revision, (int)(n % 3) + 1, sizeof revision);
        e.request = WT_BYTES(id, 16);
        e.time_us = 1717200000000000 + i * 500000;
        e.gateway = WT_STR("gateway-0");
        e.tenant = word(room[0], "tenant", n % 5);
        e.actor = word(room[1], "actor", n % 7);
        e.key_id = word(room[2], "key", n % 11);
        e.door = WT_STR("/v1/chat/completions");
        e.action = WT_STR("chat");
        e.model = word(room[3], "model", n % 2);
        e.revision = WT_BYTES(revision, 32);
        e.cause = WT_STR("user");
        if (i % 20 == 18) {
                e.kind = WT_AUDIT_NOTE;
                e.words = word(room[4], "a note about the log, number", n);
        }
        if (e.kind == WT_AUDIT_OUTCOME) {
                e.outcome = n % 13 == 0 ? WT_STR("refused") : WT_STR("ok");
                e.status = n % 13 == 0 ? 429 : 200;
                e.prompt_tokens = 10 + n % 100;
                e.completion_tokens = n % 50;
                e.total_us = 1000 + n;
        }
        wt_buf_clear(out);
        GOOD(wt_audit_encode(&e, out));
}

struct append { struct wt_bytes *body; uint32_t n; };

static wt_err append(void *arg, wt_store *s)
{
        struct append *a = arg;
        uint64_t first;
        uint32_t n_new, bad;
        wt_err err = wt_audit_append(s, a->body, a->n, &first, &n_new, &bad);

        if (err == WT_OK)
                assert_int_equal(n_new, a->n);
        return err;
}

void rig_rows(struct rig *r, uint32_t n, uint32_t seed)
{
        struct append a = { calloc(n, sizeof *a.body), n };
        struct wt_buf *body = calloc(n, sizeof *body);

        assert_true(a.body != NULL && body != NULL);
        for (uint32_t i = 0; i < n; i++) {
                rig_event(r->made + i, seed, &body[i]);
                a.body[i] = WT_BYTES(body[i].data, body[i].len);
        }
        GOOD(wt_store_do(r->store, append, &a));
        r->made += n;
        for (uint32_t i = 0; i < n; i++)
                wt_buf_free(&body[i]);
        free(body);
        free(a.body);
}

void rig_checkpoint(struct rig *r)
{
        struct wt_witness_answer a = { 0 };
        struct wt_buf note = { 0 }, body = { 0 };
        struct wt_hash path[WT_MERKLE_DEEP];
        uint64_t old, size;
        uint32_t n;

        wt_witness_last(r->witness, &old);
        GOOD(wt_checkpoints_sign(r->store, &r->key, &r->lease, 1, &size));
        GOOD(wt_checkpoints_get(r->store, size, &note));
        GOOD(wt_merkle_consistency(old, size, wt_tree_get, r->store, path, &n));
        wt_witness_request(old, path, n, note.data, note.len, &body);
        wt_witness_add(r->witness, body.data, body.len, 1717300000, &a);
        if (a.status != 200)
                fail_msg("%d %s", a.status, a.words);
        GOOD(wt_checkpoints_cosign(r->store, size, wt_witness_key(r->witness), a.body.data,
                                   a.body.len));
        wt_buf_free(&note);
        wt_buf_free(&body);
        wt_buf_free(&a.body);
}

static wt_err collect(void *arg, const char *data, size_t len)
{
        wt_buf_add(arg, data, len);
        return WT_OK;
}

bool rig_export_verifies(struct rig *r, struct wt_verify *v)
{
        struct wt_audit_filter none = { .limit = 0 };
        struct wt_buf out = { 0 };
        wt_verify_export *x;
        uint64_t n;
        bool good;

        *v = (struct wt_verify){ .witness = wt_witness_key(r->witness) };
        GOOD(wt_audit_export(r->store, &none, collect, &out, &n));
        GOOD(wt_verify_export_begin(&x, v));
        for (char *at = out.data, *stop; at < out.data + out.len; at = stop + 1) {
                stop = strchr(at, '\n');
                if (!wt_verify_export_line(x, at, (size_t)(stop - at)))
                        break;
        }
        good = wt_verify_export_end(x);
        wt_buf_free(&out);
        return good;
}

void rig_sql(struct rig *r, const char *fmt, ...)
{
        sqlite3 *db;
        char *sql, *words = NULL;
        va_list ap;

        va_start(ap, fmt);
        assert_true(vasprintf(&sql, fmt, ap) > 0);
        va_end(ap);
        assert_int_equal(sqlite3_open(r->db, &db), SQLITE_OK);
        sqlite3_busy_timeout(db, 5000);
        if (sqlite3_exec(db, sql, NULL, NULL, &words) != SQLITE_OK)
                fail_msg("%s: %s", sql, words);
        sqlite3_close(db);
        free(sql);
}

void rig_blob(struct rig *r, struct wt_buf *out, const char *fmt, ...)
{
        sqlite3_stmt *st;
        sqlite3 *db;
        char *sql;
        va_list ap;

        va_start(ap, fmt);
        assert_true(vasprintf(&sql, fmt, ap) > 0);
        va_end(ap);
        assert_int_equal(sqlite3_open(r->db, &db), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(st), SQLITE_ROW);
        wt_buf_clear(out);
        wt_buf_add(out, sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0));
        sqlite3_finalize(st);
        sqlite3_close(db);
        free(sql);
}
