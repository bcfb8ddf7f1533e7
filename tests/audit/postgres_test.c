/* postgres_test - the audit log on a real PostgreSQL: rows, tree and checkpoints, a change behind
 * its back, questions, an export, an erasure, and a day that is dropped as a partition. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "../store/postgres.h"
#include "audit/erase.h"
#include "audit/proof.h"
#include "audit/verify.h"
#include "rig.h"
#include "tls/sign.h"

enum { ROWS = 700 };
static struct pg pg;
static struct rig rig;
static char folder[128];

#define GOOD(call)                                                                              \
        do {                                                                                    \
                if ((call) != WT_OK)                                                            \
                        fail_msg("%s: %s", #call, wt_words());                                  \
        } while (0)

static int build(void **state)
{
        char url[256];

        (void)state;
        pg_start(&pg);
        pg_database(&pg, "audit", url);
        rig_open_on(&rig, url);
        GOOD(wt_subjects_migrate(rig.store));
        snprintf(folder, sizeof folder, "%s/epochs", rig.folder);
        for (uint32_t i = 0; i < 7; i++) {
                rig_rows(&rig, ROWS / 7, 1);
                rig_checkpoint(&rig);
        }
        return 0;
}

static int sweep(void **state)
{
        (void)state;
        rig_close(&rig);
        pg_end(&pg);
        return 0;
}

static void verify(struct wt_verify *v)
{
        uint64_t size;

        *v = (struct wt_verify){ .witness = wt_witness_key(rig.witness), .log = &rig.key.v };
        v->last = wt_witness_last(rig.witness, &size);
        v->last_len = strlen(v->last);
        GOOD(wt_verify_store(v, rig.store));
}

static void good(void **state)
{
        struct wt_verify v;

        (void)state;
        verify(&v);
        assert_string_equal(v.finding.words, "");
        assert_int_equal(v.seen.rows, ROWS);
        assert_int_equal(v.seen.checkpoints, 7);
}

static void is_sealed(void **state)
{
        (void)state;
        assert_false(pg_sql(&pg, "audit", "UPDATE audit_events SET tenant = 'x' WHERE leaf = 9",
                            NULL, 0));
        assert_false(pg_sql(&pg, "audit", "DELETE FROM audit_checkpoints", NULL, 0));
}

/* The owner of the server takes the triggers away first. */
static void change(const char *sql)
{
        char all[500];

        snprintf(all, sizeof all, "ALTER TABLE audit_events DISABLE TRIGGER USER; %s;"
                 " ALTER TABLE audit_events ENABLE ALWAYS TRIGGER witan_seal", sql);
        assert_true(pg_sql(&pg, "audit", all, NULL, 0));
}

static void changes_are_named(void **state)
{
        struct wt_verify v;

        (void)state;
        change("UPDATE audit_events SET actor = actor || '!' WHERE leaf = 321");
        verify(&v);
        assert_int_equal(v.finding.wrong, WT_WRONG_ROW);
        assert_int_equal(v.finding.leaf, 321);
        change("UPDATE audit_events SET actor = rtrim(actor, '!') WHERE leaf = 321");
        change("CREATE TABLE kept AS SELECT * FROM audit_events WHERE leaf = 500;"
               " DELETE FROM audit_events WHERE leaf = 500");
        verify(&v);
        assert_int_equal(v.finding.wrong, WT_WRONG_MISSING);
        assert_int_equal(v.finding.leaf, 500);
        assert_int_equal(v.finding.last, 500);
        change("INSERT INTO audit_events SELECT * FROM kept; DROP TABLE kept");
        verify(&v);
        assert_string_equal(v.finding.words, "");
}

static wt_err count(void *arg, const struct wt_audit_view *v)
{
        assert_true(v->first.request.len == 16);
        ++*(uint32_t *)arg;
        return WT_OK;
}

/* All rows by pages, each once: intents with outcomes are one row, a note is one. */
static void pages(void **state)
{
        struct wt_audit_filter f = { .limit = 64 };
        struct wt_audit_page page = { .has_more = true };
        uint32_t n = 0, some = 0;

        (void)state;
        while (page.has_more) {
                GOOD(wt_audit_query(rig.store, &f, count, &n, &page));
                if (page.n > 0)
                        GOOD(wt_audit_filter_set(&f, "after", page.after, 0));
        }
        assert_int_equal(n, ROWS / 2);
        f = (struct wt_audit_filter){ .limit = 1000, .tenant = "tenant-2", .outcome = "refused" };
        GOOD(wt_audit_filter_set(&f, "since", "2024-06-01T00:00:10Z", 0));
        GOOD(wt_audit_query(rig.store, &f, count, &some, &page));
        assert_true(some > 0 && some < n / 5);
}

static void export_verifies(uint64_t dropped)
{
        struct wt_verify v;

        if (!rig_export_verifies(&rig, &v))
                fail_msg("%s", v.finding.words);
        assert_int_equal(v.seen.dropped, dropped);
}

static void exports(void **state)
{
        (void)state;
        export_verifies(0);
}

static void erases_and_drops(void **state)
{
        struct wt_eraser e = { rig.store, folder, &rig.key, "tester" };
        uint8_t a[16] = { 1 }, b[16] = { 2 }, key[32], again[32];
        struct wt_verify v;
        uint64_t n = 0;
        int64_t day;

        (void)state;
        GOOD(wt_subject_key(rig.store, folder, a, "tenant-0", true, key));
        GOOD(wt_subject_key(rig.store, folder, b, "tenant-1", true, key));
        GOOD(wt_erase_subject(&e, a, NULL, NULL));
        assert_int_equal(wt_subject_key(rig.store, folder, a, "tenant-0", false, again),
                         WT_ENOTFOUND);
        GOOD(wt_subject_key(rig.store, folder, b, "tenant-1", false, again));
        assert_memory_equal(key, again, 32);
        GOOD(wt_hold_set(&e, "tenant-3", true));
        GOOD(wt_retain_oldest(rig.store, &day));
        assert_int_equal(wt_retain_drop(&e, day, &n), WT_EPRECONDITION);
        GOOD(wt_hold_set(&e, "tenant-3", false));
        GOOD(wt_retain_drop(&e, day, &n));
        assert_int_equal(n, ROWS);
        rig_checkpoint(&rig);
        verify(&v);
        assert_string_equal(v.finding.words, "");
        assert_int_equal(v.seen.dropped, ROWS);
        export_verifies(ROWS);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(good),    cmocka_unit_test(is_sealed),
                cmocka_unit_test(changes_are_named), cmocka_unit_test(pages),
                cmocka_unit_test(exports), cmocka_unit_test(erases_and_drops),
        };

        if (!pg_installed()) {
                puts("skipped: no PostgreSQL server is installed");
                return 77;
        }
        return cmocka_run_group_tests(tests, build, sweep);
}
