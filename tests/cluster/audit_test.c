/* audit_test.c - the audit log under real processes: gateways killed under load, disks that forget
 * what was not synced, lie and fail, a store that is away. What a client saw finished is compared
 * with the table by a program of its own (audit_check.py). */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../store/postgres.h"
#include "audit_load.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/rng.h"
#include "net/http.h"

enum { SECOND = 1000 * 1000 };

static struct field f;
static struct pg pg;
static uint32_t gateway;
static char store[300], preload[600];
static const char *segment, *bytes, *audit_wait, *refusals;      /* flags */
static struct load load = { .f = &f };

static uint64_t now(void) { return wt_now_us(&wt_clock_real); }

static void path_of(const char *name, char out[200])
{
        snprintf(out, 200, "%s/%s", f.dir, name);
}

/* A gateway; the disk under its spool is that of unsynced.c when it was asked for. */
static void start_gateway(void)
{
        char at[80], url[320], count[200];

        snprintf(at, sizeof at, "--http=%s", load.http);
        snprintf(url, sizeof url, "--store=%s", store);
        path_of("syncs", count);
        if (preload[0] != '\0') {
                setenv("UNSYNCED_COUNT", count, 1);
                setenv("LD_PRELOAD", preload, 1);
        }
        gateway = field_start(&f, NULL, "gateway", "gateway-0", at, url, "--open-door",
                              segment, bytes, audit_wait, refusals, "--store-timeout=1s",
                              NULL);
        unsetenv("LD_PRELOAD");
}

static void start(void)
{
        uint32_t r, e;

        field_open(&f, NULL, "models/tiny");
        snprintf(load.http, sizeof load.http, "127.0.0.1:%d", field_port());
        snprintf(store, sizeof store, "sqlite");
        segment = "--spool-segment-bytes=8192";        /* many turns */
        bytes = "--spool-bytes=1G";
        audit_wait = "--audit-wait=60s";         /* a slow disk refuses nobody */
        refusals = "--audit-refusals=10";
        r = field_start(&f, NULL, "router", "router-0", "--threads=1", NULL);
        e = field_start(&f, NULL, "expert", "expert-0", "--threads=1", NULL);
        field_ready(&f, e);
        field_ready(&f, r);
}

static void begin_load(void)
{
        char path[200];

        path_of("clients.txt", path);
        load_begin(&load, path);
}

/* Exit code of the checker over what clients saw and what the table says. */
static int check(void)
{
        char log[200], rows[200], line[700];

        path_of("clients.txt", log);
        path_of("witan.db", rows);
        if (strncmp(store, "postgresql", 10) == 0) {
                static char out[4 << 20];

                assert_true(pg_sql(&pg, "audit", "SELECT encode(request, 'hex'), kind, "
                                   "coalesce(outcome, '') FROM audit_events", out, sizeof out));
                path_of("rows.txt", rows);
                assert_int_equal(wt_file_write(rows, out, strlen(out), 0600), WT_OK);
        }
        snprintf(line, sizeof line, "python3 tests/cluster/audit_check.py %s %s >&2", log, rows);
        return WEXITSTATUS(system(line));
}

static void drained(void)
{
        uint64_t end = now() + 120 * SECOND;
        double on_disk, in_store;

        do {
                on_disk = field_metric(&f, gateway, "witan_audit_durable_total");
                in_store = field_metric(&f, gateway, "witan_audit_drained_total");
                if (now() > end)
                        fail_msg("%.0f records are on disk, %.0f in the store: %s", on_disk,
                                 in_store, field_log(&f, "gateway-0", "AUDIT"));
        } while (on_disk < 0 || in_store < on_disk);
}

/* The gateway is killed under load, n times; the code of the checker. */
static int killed_under_load(int n)
{
        start_gateway();
        field_ready(&f, gateway);
        begin_load();
        for (int i = 0; i < n; i++) {
                load_until(&load, 3);
                usleep((useconds_t)(wt_philox_unit(11, (uint32_t)i, 0, 0) * 60000));
                field_kill(&f, gateway, SIGKILL);
                start_gateway();
        }
        field_ready(&f, gateway);
        load_until(&load, 5);
        load_end(&load);
        drained();
        field_until(&f, gateway, "witan_audit_held_answers", 0, 0);
        field_kill(&f, gateway, SIGTERM);
        assert_int_equal(field_wait(&f, gateway), 0);
        return check();
}

static void kills(void **state)
{
        (void)state;
        start();
        preload[0] = '\0';
        assert_int_equal(killed_under_load(20), 0);
        field_close(&f);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { CAN_PRELOAD = 0 };                        /* the sanitizer wants to be first */
#else
enum { CAN_PRELOAD = 1 };
#endif

static void use_disk(void)
{
        if (!CAN_PRELOAD)
                skip();
        snprintf(preload, sizeof preload, "%s/tests/unsynced.so", getenv("WITAN_BUILD"));
        assert_int_equal(access(preload, R_OK), 0);
}

/* Each kill loses what was not synced: nothing that a client saw is among it. */
static void kills_that_forget(void **state)
{
        char path[200];
        struct wt_buf b = { 0 };

        (void)state;
        use_disk();
        start();
        assert_int_equal(killed_under_load(10), 0);
        path_of("syncs", path);
        assert_int_equal(wt_file_read(path, 64, &b), WT_OK);
        assert_true(atoi(b.data) >= 3);          /* of the last run: its answers were synced */
        wt_buf_free(&b);
        field_close(&f);
}

/* The same with the syncs taken out: the checker must see it. */
static void kills_without_syncs(void **state)
{
        (void)state;
        use_disk();
        start();
        segment = "--spool-segment-bytes=16M"; /* a gap between two would be seen by open */
        setenv("UNSYNCED_LIE", "1", 1);
        start_gateway();
        field_ready(&f, gateway);
        begin_load();
        load_until(&load, 30);
        field_kill(&f, gateway, SIGKILL);
        load_end(&load);
        unsetenv("UNSYNCED_LIE");
        start_gateway();
        field_ready(&f, gateway);
        drained();
        field_kill(&f, gateway, SIGTERM);
        field_wait(&f, gateway);
        assert_int_equal(check(), 1);
        field_close(&f);
}

/* A disk that fails acknowledges nothing, says so, and is taken again when it is well. */
static void a_disk_that_fails(void **state)
{
        char path[200], id[40], words[256];
        struct wt_buf b = { 0 };
        uint64_t end;

        (void)state;
        use_disk();
        start();
        audit_wait = "--audit-wait=5s";
        path_of("fail", path);
        setenv("UNSYNCED_FAIL", path, 1);
        start_gateway();
        unsetenv("UNSYNCED_FAIL");
        field_ready(&f, gateway);
        assert_int_equal(load_ask(&load, false, 3, id, &b), 200);
        assert_int_equal(wt_file_write(path, "x", 1, 0600), WT_OK);
        assert_int_equal(load_ask(&load, false, 3, id, &b), 503);        /* held, then given up */
        assert_non_null(strstr(b.data, "record"));
        assert_int_equal(load_ask(&load, true, 3, id, &b), 503);         /* turned away */
        assert_non_null(strstr(b.data, "disk of the audit log"));
        assert_false(field_is_ready(&f, gateway, words));
        assert_non_null(strstr(words, "audit log"));
        assert_true(field_metric(&f, gateway, "witan_audit_shed_total") >= 1);
        unlink(path);
        end = now() + 120 * SECOND;
        while (load_ask(&load, true, 3, id, &b) != 200)
                assert_true(now() < end);
        drained();
        wt_buf_free(&b);
        field_kill(&f, gateway, SIGTERM);
        assert_int_equal(field_wait(&f, gateway), 0);
        field_close(&f);
}

/* Somebody holds the database for some seconds: nobody who asks notices. */
static void a_store_that_is_held(void **state)
{
        char path[200];
        sqlite3 *db;

        (void)state;
        preload[0] = '\0';
        start();
        start_gateway();
        field_ready(&f, gateway);
        begin_load();
        load_until(&load, 10);
        path_of("witan.db", path);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        sqlite3_busy_timeout(db, 60000);
        assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
        field_until(&f, gateway, "witan_audit_store_failures_total", 1, 1e9);
        load_until(&load, 100);
        assert_true(field_metric(&f, gateway, "witan_audit_lag_seconds") > 0);
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        sqlite3_close(db);
        load_end(&load);
        assert_int_equal(load.refused, 0);
        drained();
        field_kill(&f, gateway, SIGTERM);
        assert_int_equal(field_wait(&f, gateway), 0);
        assert_int_equal(check(), 0);
        field_close(&f);
}

/* Its spool full, because the store does not take anything: what comes is turned away in words, and
 * what has begun ends; when the store is back, all goes on. */
static void a_full_spool(void **state)
{
        char path[200], id[40];
        struct wt_buf b = { 0 };
        uint64_t end;
        sqlite3 *db;
        int n = 0;

        (void)state;
        preload[0] = '\0';
        start();
        bytes = "--spool-bytes=64K";
        start_gateway();
        field_ready(&f, gateway);
        path_of("witan.db", path);
        field_until(&f, gateway, "witan_audit_lag_seconds", 0, 0);       /* its tables are there */
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        sqlite3_busy_timeout(db, 60000);
        assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
        begin_load();
        end = now() + 120 * SECOND;
        while (load_ask(&load, n % 2 == 0, 2, id, &b) == 200 && n++ < 1000)
                assert_true(now() < end);
        assert_non_null(strstr(b.data, "spool of the audit log is full"));
        load_end(&load);
        assert_true(load.finished > 20);
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        sqlite3_close(db);
        while (load_ask(&load, true, 3, id, &b) != 200)
                assert_true(now() < end);
        drained();
        field_kill(&f, gateway, SIGTERM);
        assert_int_equal(field_wait(&f, gateway), 0);
        assert_int_equal(check(), 0);
        wt_buf_free(&b);
        field_close(&f);
}

static int count_rows(const char *sql)
{
        char path[200];
        sqlite3 *db;
        sqlite3_stmt *st;
        int n;

        path_of("witan.db", path);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        sqlite3_busy_timeout(db, 60000);
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(st), SQLITE_ROW);
        n = sqlite3_column_int(st, 0);
        sqlite3_finalize(st);
        sqlite3_close(db);
        return n;
}

/* A flood of refusals has some rows and a note; a client that leaves, a row; no text anywhere. */
static void what_rows_say(void **state)
{
        enum { FLOOD = 60 };
        char url[120], id[40];
        struct wt_buf b = { 0 };
        int status, hidden;

        (void)state;
        preload[0] = '\0';
        start();
        refusals = "--audit-refusals=1";         /* in a second: also a slow machine floods */
        start_gateway();
        field_ready(&f, gateway);
        assert_int_equal(load_ask(&load, false, 5, id, &b), 200);
        assert_int_equal(load_ask(&load, true, 70, id, &b), 200);
        snprintf(url, sizeof url, "http://%s/v1/completions", load.http);
        for (int i = 0; i < FLOOD; i++) {
                wt_buf_clear(&b);
                wt_http_fetch("POST", url, NULL, "{\"model\":\"none\"}", 16, 120 * SECOND, &status,
                              &b, NULL, NULL);
                assert_int_equal(status, 404);
        }
        hidden = (int)field_until(&f, gateway, "witan_audit_summarised_total", 1, FLOOD - 1);
        field_kill(&f, gateway, SIGTERM);        /* its last notes, then all into the store */
        assert_int_equal(field_wait(&f, gateway), 0);
        assert_int_equal(count_rows("SELECT count(*) FROM audit_events WHERE kind = 2 AND outcome ="
                                    " 'ok' AND status = 200 AND length(revision) = 32"), 2);
        status = count_rows("SELECT count(*) FROM audit_events WHERE outcome = 'refused' AND "
                            "status = 404");
        assert_int_equal(status, FLOOD - hidden);
        assert_true(count_rows("SELECT count(*) FROM audit_events WHERE kind = 5") >= 1);
        assert_int_equal(count_rows("SELECT count(*) FROM audit_events WHERE instr(body, "
                                    "CAST('Once upon' AS BLOB)) > 0"), 0);
        assert_int_equal(count_rows("SELECT count(*) FROM audit_open"), 0);
        wt_buf_free(&b);
        field_close(&f);
}

/* The same on PostgreSQL, which is frozen for a while, and the gateway killed meanwhile. */
static void on_postgresql(void **state)
{
        (void)state;
        if (!pg_installed())
                skip();
        preload[0] = '\0';
        pg_start(&pg);
        start();
        pg_database(&pg, "audit", store);
        start_gateway();
        field_ready(&f, gateway);
        begin_load();
        load_until(&load, 10);
        pg_freeze(&pg);
        load_until(&load, 50);
        field_kill(&f, gateway, SIGKILL);
        start_gateway();
        load_until(&load, 20);
        pg_thaw(&pg);
        for (int i = 0; i < 3; i++) {
                load_until(&load, 5);
                field_kill(&f, gateway, SIGKILL);
                start_gateway();
        }
        load_until(&load, 5);
        load_end(&load);
        drained();
        field_kill(&f, gateway, SIGTERM);
        assert_int_equal(field_wait(&f, gateway), 0);
        assert_int_equal(check(), 0);
        field_close(&f);
        pg_end(&pg);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                { "what rows say", what_rows_say, NULL, NULL, NULL },
                { "20 kills under load", kills, NULL, NULL, NULL },
                { "kills that forget what was not synced", kills_that_forget, NULL, NULL, NULL },
                { "kills without syncs are seen", kills_without_syncs, NULL, NULL, NULL },
                { "a disk that fails", a_disk_that_fails, NULL, NULL, NULL },
                { "a store that is held", a_store_that_is_held, NULL, NULL, NULL },
                { "a full spool", a_full_spool, NULL, NULL, NULL },
                { "on PostgreSQL, frozen and killed", on_postgresql, NULL, NULL, NULL },
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
