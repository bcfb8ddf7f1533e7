/* erase_rate.c - erase_rate FOLDER ROWS OTHERS: how long it takes to revoke a data subject with ROWS
 * rows of sealed text in a SQLite database in FOLDER, beside OTHERS subjects with one row each, and
 * until the old epoch key is destroyed (for that all other keys are wrapped anew). Then nine of the
 * others are erased, for comparison. Rows are written by the log's own way into its table. Prints a
 * line of JSON; exit 1: what was erased still has a key; 2: it could not begin. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "audit/checkpoint_signer.h"
#include "audit/erase.h"
#include "audit/table.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "plugin/plugin.h"
#include "tls/sign.h"

enum { BATCH = 1000, N_SMALL = 9, TEXT = 400 };

const struct wt_plugin *wt_plugin_store_sqlite(void);

struct batch {                                   /* rows first to first + n of subject id */
        const char *keys;
        uint8_t id[16];
        uint64_t first, n;
        struct wt_buf body[BATCH];
};
struct times { uint64_t revoked_us, erased_us; };

static void subject(uint64_t i, uint8_t id[16])
{
        static const uint8_t hash_key[32] = { 7 };
        char name[32];

        snprintf(name, sizeof name, "person-%llu", (unsigned long long)i);
        wt_subject_id(hash_key, "clinic", name, id);
}

static wt_err make_row(struct batch *b, uint64_t i, const uint8_t key[32])
{
        struct wt_audit_event e = { .kind = WT_AUDIT_OUTCOME, .gateway = WT_STR("gateway-0"),
                .tenant = WT_STR("clinic"), .actor = WT_STR("anna"), .action = WT_STR("chat"),
                .model = WT_STR("tiny"), .outcome = WT_STR("ok"), .status = 200,
                .door = WT_STR("/v1/chat/completions"), .time_us = 1700000000000000 + i * 1000 };
        struct wt_buf sealed = { 0 };
        char text[TEXT];
        uint8_t request[16];
        wt_err err;

        memset(text, 'x', sizeof text);
        wt_uuid7(e.time_us, request);
        if ((err = wt_seal_text(key, request, e.kind, text, sizeof text, &sealed)) == WT_OK) {
                e.request = WT_BYTES(request, 16);
                e.subject = WT_BYTES(b->id, 16);
                e.sealed = WT_BYTES(sealed.data, sealed.len);
                wt_buf_clear(&b->body[i - b->first]);
                err = wt_audit_encode(&e, &b->body[i - b->first]);
        }
        wt_buf_free(&sealed);
        return err;
}

static wt_err append(void *arg, wt_store *s)
{
        static struct wt_bytes body[BATCH];
        struct batch *b = arg;
        uint64_t first;
        uint32_t n_new;

        for (uint64_t i = 0; i < b->n; i++)
                body[i] = WT_BYTES(b->body[i].data, b->body[i].len);
        return wt_audit_append(s, body, (uint32_t)b->n, &first, &n_new, NULL);
}

/* rows of one subject, from the first-th of the log on. */
static wt_err write_rows(struct batch *b, wt_store *s, uint64_t person, uint64_t first,
                         uint64_t rows)
{
        uint64_t end = first + rows;
        uint8_t key[32];
        wt_err err;

        subject(person, b->id);
        err = wt_subject_key(s, b->keys, b->id, "clinic", true, key);
        while (err == WT_OK && first < end) {
                b->first = first;
                b->n = end - first < BATCH ? end - first : BATCH;
                for (uint64_t i = 0; i < b->n && err == WT_OK; i++)
                        err = make_row(b, first + i, key);
                if (err == WT_OK)
                        err = wt_store_do(s, append, b);
                first += b->n;
        }
        wt_wipe(key, sizeof key);
        return err;
}

/* WT_EDATA: it was erased, and yet has a key. */
static wt_err erase(const struct wt_eraser *e, uint64_t person, struct times *t)
{
        uint64_t begin = wt_now_us(&wt_clock_real);
        uint8_t id[16], key[32];
        wt_err err;

        subject(person, id);
        if ((err = wt_erase_subject(e, id, NULL, &t->revoked_us)) != WT_OK)
                return err;
        t->erased_us = wt_now_us(&wt_clock_real) - begin;
        err = wt_subject_key(e->store, e->folder, id, "clinic", false, key);
        if (err == WT_OK)
                return wt_fail(WT_EDATA, "the subject was erased, and still has a key");
        return err == WT_ENOTFOUND ? WT_OK : err;
}

static void put_ms(struct wt_buf *b, const char *name, const struct times *t, uint32_t n,
                   bool erased)
{
        wt_buf_json_key(b, name);
        wt_buf_str(b, "[");
        for (uint32_t i = 0; i < n; i++)
                wt_buf_fmt(b, "%s%.3f", i > 0 ? "," : "",
                           (double)(erased ? t[i].erased_us : t[i].revoked_us) / 1000);
        wt_buf_str(b, "]");
}

static wt_err measure(const char *folder, uint64_t rows, uint64_t others, struct wt_buf *out)
{
        static struct batch b;
        static struct wt_signer key;
        char db[4200], keys[4200], url[4300];
        struct wt_eraser e = { .key = &key, .folder = keys, .actor = "bench" };
        struct times big, small[N_SMALL];
        uint64_t begin = wt_now_us(&wt_clock_real);
        struct stat st;
        wt_err err;

        snprintf(db, sizeof db, "%s/witan.db", folder);
        snprintf(url, sizeof url, "sqlite:%s", db);
        snprintf(keys, sizeof keys, "%s/keys", folder);
        b.keys = keys;
        if ((err = wt_dir_make(keys, 0700)) != WT_OK || (err = wt_log_key(keys, &key)) != WT_OK ||
            (err = wt_store_open(&e.store, url, 60000)) != WT_OK)
                return err;
        if ((err = wt_audit_migrate(e.store)) == WT_OK &&
            (err = wt_subjects_migrate(e.store)) == WT_OK)
                err = write_rows(&b, e.store, 0, 0, rows);
        for (uint64_t i = 1; i <= others && err == WT_OK; i++)
                err = write_rows(&b, e.store, i, rows + i, 1);
        wt_buf_json_kf(out, "write_seconds", (double)(wt_now_us(&wt_clock_real) - begin) / 1e6);
        wt_buf_json_ku(out, "database_bytes", stat(db, &st) == 0 ? (uint64_t)st.st_size : 0);
        if (err == WT_OK)
                err = erase(&e, 0, &big);
        for (uint32_t i = 0; i < N_SMALL && err == WT_OK; i++)
                err = erase(&e, i + 1, &small[i]);
        wt_store_close(e.store);
        for (uint32_t i = 0; i < BATCH; i++)
                wt_buf_free(&b.body[i]);
        if (err != WT_OK)
                return err;
        put_ms(out, "revoked_ms", &big, 1, false);
        put_ms(out, "epoch_destroyed_ms", &big, 1, true);
        put_ms(out, "of_one_row_revoked_ms", small, N_SMALL, false);
        put_ms(out, "of_one_row_epoch_destroyed_ms", small, N_SMALL, true);
        return WT_OK;
}

int main(int argc, char **argv)
{
        static const struct wt_plugin *(*const entries[])(void) = { wt_plugin_store_sqlite, NULL };
        struct wt_buf out = { 0 };
        uint64_t rows = argc == 4 ? strtoull(argv[2], NULL, 10) : 0,
                 others = argc == 4 ? strtoull(argv[3], NULL, 10) : 0;
        wt_err err;

        if (rows < 1 || others < N_SMALL) {
                fprintf(stderr, "erase_rate: say FOLDER ROWS OTHERS: at least one row, and %d "
                        "other subjects\n", N_SMALL);
                return 2;
        }
        wt_buf_str(&out, "{");
        wt_buf_json_ku(&out, "rows", rows);
        wt_buf_json_ku(&out, "other_subjects", others);
        if ((err = wt_plugin_register(entries)) != WT_OK ||
            (err = measure(argv[1], rows, others, &out)) != WT_OK) {
                fprintf(stderr, "erase_rate: %s\n", wt_words());
                wt_buf_free(&out);
                return err == WT_EDATA ? 1 : 2;
        }
        wt_buf_str(&out, "}");
        puts(out.data);
        wt_buf_free(&out);
        return 0;
}
