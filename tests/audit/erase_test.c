/* erase_test [ROWS] - what is erased is gone from every byte on the disk, and the log still
 * verifies; what is held stays; days go with a statement. ROWS of one subject (2,000 unless told)
 * are revoked at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "audit/deed.h"
#include "audit/erase.h"
#include "audit/proof.h"
#include "audit/verify.h"
#include "base/file.h"
#include "base/rng.h"
#include "rig.h"
#include "tls/sign.h"

#define CANARY "the patient's name is "
enum { SUBJECTS = 30 };

static uint32_t n_rows = 2000;
static struct rig rig;
static struct wt_eraser eraser;
static char folder[128];

#define GOOD(call)                                                                              \
        do {                                                                                    \
                if ((call) != WT_OK)                                                            \
                        fail_msg("%s: %s", #call, wt_words());                                  \
        } while (0)

static int build(void **state)
{
        (void)state;
        rig_open(&rig);
        GOOD(wt_subjects_migrate(rig.store));
        snprintf(folder, sizeof folder, "%s/epochs", rig.folder);
        eraser = (struct wt_eraser){ rig.store, folder, &rig.key, "tester" };
        return 0;
}

static int sweep(void **state)
{
        (void)state;
        rig_close(&rig);
        return 0;
}

static void subject(uint32_t i, uint8_t id[16])
{
        static const uint8_t hash_key[32] = { 7 };
        char name[32];

        snprintf(name, sizeof name, "person-%u", i);
        wt_subject_id(hash_key, "clinic", name, id);
}

/* An outcome whose text is sealed; the canary ends with the subject's number. */
static void write_row(uint32_t i, uint32_t row, uint8_t request[16])
{
        struct wt_audit_event e = { .kind = WT_AUDIT_OUTCOME };
        struct wt_buf sealed = { 0 };
        char text[100];
        uint8_t id[16], key[32];

        subject(i, id);
        wt_uuid7(1700000000000000 + row * 1000, request);
        snprintf(text, sizeof text, CANARY "%u.", i);
        GOOD(wt_subject_key(rig.store, folder, id, "clinic", true, key));
        GOOD(wt_seal_text(key, request, e.kind, text, strlen(text), &sealed));
        wt_wipe(key, sizeof key);
        e.request = WT_BYTES(request, 16);
        e.tenant = WT_STR("clinic");
        e.outcome = WT_STR("ok");
        e.subject = WT_BYTES(id, 16);
        e.sealed = WT_BYTES(sealed.data, sealed.len);
        GOOD(wt_audit_deed(rig.store, &e, NULL, NULL));
        wt_buf_free(&sealed);
}

static int on_body(void *arg, const struct wt_value *column, uint32_t n)
{
        assert_int_equal(n, 1);
        wt_buf_add(arg, column[0].as.data, column[0].len);
        return WT_OK;
}

static wt_err open_row(wt_store *s, const uint8_t request[16], uint32_t i, struct wt_buf *text)
{
        const struct wt_value v = wt_v_blob(request, 16);
        struct wt_buf body = { 0 };
        struct wt_arena a = { 0 };
        struct wt_audit_event e;
        uint8_t id[16], key[32];
        wt_err err;

        subject(i, id);
        GOOD(wt_store_query(s, "SELECT body FROM audit_events WHERE request = $1", &v, 1, on_body,
                            &body, NULL));
        GOOD(wt_audit_decode(&e, body.data, body.len, &a));
        wt_buf_clear(text);
        if ((err = wt_subject_key(s, folder, id, "clinic", false, key)) == WT_OK)
                err = wt_seal_open(key, request, e.kind, e.sealed.data, e.sealed.len, text);
        wt_arena_fini(&a);
        wt_buf_free(&body);
        return err;
}

/* How many files under path hold these bytes. */
static int scan(const char *path, const void *bytes, size_t n)
{
        DIR *d = opendir(path);
        struct dirent *e;
        int found = 0;

        assert_non_null(d);
        while ((e = readdir(d)) != NULL) {
                struct wt_buf b = { 0 };
                char name[512];

                if (e->d_name[0] == '.')
                        continue;
                snprintf(name, sizeof name, "%s/%s", path, e->d_name);
                if (e->d_type == DT_DIR) {
                        found += scan(name, bytes, n);
                } else if (wt_file_read(name, 1 << 30, &b) == WT_OK) {
                        found += b.len >= n && memmem(b.data, b.len, bytes, n) != NULL;
                        wt_buf_free(&b);
                }
        }
        closedir(d);
        return found;
}

static void must_verify(uint64_t dropped)
{
        struct wt_verify v = { .witness = wt_witness_key(rig.witness), .log = &rig.key.v };
        uint64_t size;

        rig_checkpoint(&rig);
        v.last = wt_witness_last(rig.witness, &size);
        v.last_len = strlen(v.last);
        GOOD(wt_verify_store(&v, rig.store));
        if (v.finding.wrong != WT_WRONG_NOTHING)
                fail_msg("row %llu: %s", (unsigned long long)v.finding.leaf, v.finding.words);
        assert_int_equal(v.seen.dropped, dropped);
}

static void seals(void **state)
{
        uint8_t key[32] = { 1 }, other[32] = { 2 }, request[16] = { 3 };
        struct wt_buf sealed = { 0 }, text = { 0 };

        (void)state;
        GOOD(wt_seal_text(key, request, 2, "abc", 3, &sealed));
        assert_int_equal(sealed.len, 3 + WT_SEAL_ADDED);
        GOOD(wt_seal_open(key, request, 2, sealed.data, sealed.len, &text));
        assert_string_equal(text.data, "abc");
        assert_int_equal(wt_seal_open(other, request, 2, sealed.data, sealed.len, &text), WT_EDATA);
        assert_int_equal(wt_seal_open(key, request, 1, sealed.data, sealed.len, &text), WT_EDATA);
        request[0] = 4;
        assert_int_equal(wt_seal_open(key, request, 2, sealed.data, sealed.len, &text), WT_EDATA);
        request[0] = 3;
        for (size_t i = 0; i < sealed.len; i++) {
                sealed.data[i] ^= 1;
                assert_int_equal(wt_seal_open(key, request, 2, sealed.data, sealed.len, &text),
                                 WT_EDATA);
                sealed.data[i] ^= 1;
        }
        assert_int_equal(wt_seal_open(key, request, 2, sealed.data, 10, &text), WT_EDATA);
        assert_string_equal(text.data, "abc");
        wt_buf_free(&sealed);
        wt_buf_free(&text);
}

static void check_receipt(const struct wt_buf *receipt)
{
        struct wt_note n;

        GOOD(wt_note_parse(&n, receipt->data, receipt->len));
        assert_true(wt_note_signed(&n, &rig.key.v, NULL));
        assert_memory_equal(n.body, "witan-audit-erasure/1\n", 22);
}

static void erases(void **state)
{
        uint8_t request[SUBJECTS][16], id[16], data_key[32], epoch[32];
        struct wt_buf text = { 0 }, receipt = { 0 }, old = { 0 };
        char path[200];
        wt_store *backup;

        (void)state;
        for (uint32_t i = 0; i < SUBJECTS; i++)
                write_row(i, i, request[i]);
        subject(4, id);
        GOOD(wt_subject_key(rig.store, folder, id, "clinic", false, data_key));
        GOOD(open_row(rig.store, request[4], 4, &text));
        assert_string_equal(text.data, CANARY "4.");
        snprintf(path, sizeof path, "%s/1.key", folder);
        GOOD(wt_file_read(path, 64, &old));
        memcpy(epoch, old.data, 32);
        assert_int_equal(scan(rig.folder, epoch, 32), 1);        /* the scan sees what is there */
        rig_sql(&rig, "VACUUM INTO '%s/backup.db'", rig.folder);
        GOOD(wt_erase_subject(&eraser, id, &receipt, NULL));
        check_receipt(&receipt);
        assert_int_equal(open_row(rig.store, request[4], 4, &text), WT_ENOTFOUND);
        assert_int_equal(wt_erase_subject(&eraser, id, NULL, NULL), WT_ENOTFOUND);
        for (uint32_t i = 0; i < SUBJECTS; i++)
                if (i != 4)
                        GOOD(open_row(rig.store, request[i], i, &text));
        /* Neither the text, nor its key, nor the key of that key. */
        assert_int_equal(scan(rig.folder, CANARY, strlen(CANARY)), 0);
        assert_int_equal(scan(rig.folder, data_key, 32), 0);
        assert_int_equal(scan(rig.folder, epoch, 32), 0);
        assert_int_not_equal(access(path, F_OK), 0);
        /* A copy from before has the wrapped key, and nothing to unwrap it by. */
        snprintf(path, sizeof path, "sqlite:%s/backup.db", rig.folder);
        GOOD(wt_store_open(&backup, path, 5000));
        assert_int_not_equal(open_row(backup, request[4], 4, &text), WT_OK);
        wt_store_close(backup);
        must_verify(0);
        wt_buf_free(&text);
        wt_buf_free(&receipt);
        wt_buf_free(&old);
}

static void holds(void **state)
{
        char hex[33], upper[33];
        uint8_t id[16];
        uint64_t n;

        (void)state;
        subject(5, id);
        for (int i = 0; i < 16; i++) {
                snprintf(hex + 2 * i, 3, "%02x", id[i]);
                snprintf(upper + 2 * i, 3, "%02X", id[i]);
        }
        GOOD(wt_hold_set(&eraser, upper, true));
        assert_int_equal(wt_hold_set(&eraser, hex, true), WT_EEXIST);
        assert_int_equal(wt_erase_subject(&eraser, id, NULL, NULL), WT_EPRECONDITION);
        assert_int_equal(wt_retain_drop(&eraser, 1700000000 / 86400, &n), WT_EPRECONDITION);
        GOOD(wt_hold_set(&eraser, "clinic", true));
        GOOD(wt_hold_set(&eraser, hex, false));
        assert_int_equal(wt_hold_set(&eraser, hex, false), WT_ENOTFOUND);
        assert_int_equal(wt_erase_subject(&eraser, id, NULL, NULL), WT_EPRECONDITION);
        assert_int_equal(wt_retain_drop(&eraser, 1700000000 / 86400, &n), WT_EPRECONDITION);
        GOOD(wt_hold_set(&eraser, "clinic", false));
        GOOD(wt_erase_subject(&eraser, id, NULL, NULL));
        must_verify(0);
}

/* The process died between the deletion and the rest: a new epoch stands beside the old one. */
static void finishes(void **state)
{
        uint8_t request[16], id[16], key[32], again[32];
        uint64_t left = 9;
        char path[200];

        (void)state;
        write_row(77, 77, request);
        subject(77, id);
        GOOD(wt_subject_key(rig.store, folder, id, "clinic", false, key));
        snprintf(path, sizeof path, "%s/9.key", folder);
        wt_random_bytes(again, sizeof again);
        GOOD(wt_file_write(path, again, 32, 0600));
        rig_sql(&rig, "INSERT INTO audit_epochs (epoch, since_us) VALUES (9, 1)");
        GOOD(wt_erase_finish(rig.store, folder, &left));
        assert_int_equal(left, 0);
        GOOD(wt_subject_key(rig.store, folder, id, "clinic", false, again));
        assert_memory_equal(key, again, 32);
        for (int i = 1; i < 9; i++) {
                snprintf(path, sizeof path, "%s/%d.key", folder, i);
                assert_int_not_equal(access(path, F_OK), 0);
        }
}

static void at_once(void **state)
{
        uint8_t request[16], id[16], key[32];
        uint64_t us = 0;

        (void)state;
        subject(1000, id);
        for (uint32_t i = 0; i < n_rows; i++)
                write_row(1000, 100000 + i, request);
        GOOD(wt_erase_subject(&eraser, id, NULL, &us));
        printf("%u rows of one subject: revoked in %.1f ms\n", n_rows, (double)us / 1e3);
        assert_int_equal(wt_subject_key(rig.store, folder, id, "clinic", false, key),
                         WT_ENOTFOUND);
}

static bool export_verifies(uint64_t dropped)
{
        struct wt_verify v;
        bool good = rig_export_verifies(&rig, &v);

        if (good)
                assert_int_equal(v.seen.dropped, dropped);
        else
                assert_int_equal(v.finding.wrong, WT_WRONG_MISSING);
        return good;
}

/* A day goes; the next one takes the statement about it along; a row more than stated is seen. */
static void retains(void **state)
{
        struct wt_verify v = { .witness = wt_witness_key(rig.witness), .log = &rig.key.v };
        uint64_t n = 0, more = 0;
        uint8_t request[16];
        int64_t day;

        (void)state;
        GOOD(wt_retain_oldest(rig.store, &day));
        assert_int_equal(day, 1700000000 / 86400);
        GOOD(wt_retain_drop(&eraser, day, &n));
        assert_true(n > SUBJECTS);
        assert_int_equal(wt_retain_drop(&eraser, day, &more), WT_ENOTFOUND);
        must_verify(n);
        assert_true(export_verifies(n));
        write_row(6, 200, request);              /* it comes late, of the same day */
        must_verify(n);
        GOOD(wt_retain_drop(&eraser, day, &more));
        assert_int_equal(more, 1);
        must_verify(n + 1);
        assert_true(export_verifies(n + 1));
        assert_int_equal(wt_retain_drop(&eraser, 1 << 20, &more), WT_EINVAL);
        /* Somebody claims that retention took a row more. */
        rig_sql(&rig, "DROP TRIGGER witan_seal_delete_audit_events;"
                " DELETE FROM audit_events WHERE leaf = (SELECT max(leaf) - 3 FROM audit_events);"
                " INSERT INTO audit_dropped SELECT %lld, max(leaf) - 3, max(leaf) - 3"
                " FROM audit_events", (long long)day);
        GOOD(wt_verify_store(&v, rig.store));
        assert_int_equal(v.finding.wrong, WT_WRONG_MISSING);
        assert_false(export_verifies(0));
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(seals),    cmocka_unit_test(erases),  cmocka_unit_test(holds),
                cmocka_unit_test(finishes), cmocka_unit_test(at_once), cmocka_unit_test(retains),
        };

        if (argc > 1)
                n_rows = (uint32_t)atoi(argv[1]);
        return cmocka_run_group_tests(tests, build, sweep);
}
