/* postgres_test.c - plugins/store_postgresql.so on a real server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "plugin/plugin.h"
#include "postgres.h"
#include "store_sqlite/conform.h"
#undef fail                                      /* cmocka's macro; struct wt_host has a fail */

static struct pg pg;
static struct wt_host host;
static const struct wt_plugin *plugin;
static const struct wt_store_ops *ops;
static char url[256];

static int start(void **state)
{
        char path[PATH_MAX + 32];

        (void)state;
        wt_host_init(&host, NULL);
        if (wt_plugin_own(path) != WT_OK)
                return -1;
        strcat(path, "/store_postgresql.so");
        if (wt_plugin_load(path, &plugin) != WT_OK) {
                fprintf(stderr, "%s\n", wt_words());
                return -1;
        }
        ops = plugin->ops;
        pg_start(&pg);
        return 0;
}

static int end(void **state)
{
        (void)state;
        pg_end(&pg);
        return 0;
}

static void note(void *arg, const char *what, bool ok, const char *words)
{
        uint32_t *n = arg;

        (*n)++;
        if (!ok)
                printf("FAIL %s: %s\n", what, words);
}

static void conforms(void **state)
{
        uint32_t n = 0;
        const struct wt_conform_stores c = { .note = note, .arg = &n, .host = &host,
                                             .words = wt_words, .url = url };

        (void)state;
        pg_database(&pg, "conform", url);
        assert_int_equal(wt_conform_store(plugin, &c), 0);
        assert_int_equal(n, 18);
}

static wt_db *opened(uint64_t timeout_ms)
{
        wt_db *db = NULL;

        if (ops->open(&db, &host, url, timeout_ms) != WT_OK)
                fprintf(stderr, "%s\n", wt_words());
        assert_non_null(db);
        return db;
}

static int run(wt_db *db, const char *sql)
{
        return ops->query(db, sql, NULL, 0, NULL, NULL, NULL);
}

static int take_text(void *arg, const struct wt_value *v, uint32_t n)
{
        (void)n;
        snprintf(arg, 64, "%.*s", (int)v[0].len, (const char *)v[0].as.data);
        return 0;
}

/* One who waits much longer, asked first: the others end before he does. */
static void *patient(void *arg)
{
        static int err;

        err = run(arg, "SELECT 1");
        return &err;
}

/* Within a limit of two seconds, which is for a slow machine's sake. */
static void ended_in_time(int err, uint64_t from)
{
        assert_int_equal(err, WT_EUNAVAILABLE);
        assert_non_null(strstr(wt_words(), "within 2000 ms"));
        assert_true(host.now_us() - from >= 1990000);
}

/* Against a server that stands still each call ends in time; the first after it goes on works. */
static void a_server_that_stands_still(void **state)
{
        wt_db *db, *busy, *long_one;
        pthread_t thread;
        uint64_t from;
        void *err;

        (void)state;
        pg_database(&pg, "still", url);
        db = opened(2000);
        busy = opened(2000);
        long_one = opened(120000);
        assert_int_equal(run(db, "CREATE TABLE t (n BIGINT)"), WT_OK);
        assert_int_equal(ops->begin(busy), WT_OK);
        assert_int_equal(run(busy, "INSERT INTO t VALUES (1)"), WT_OK);
        pg_freeze(&pg);
        assert_int_equal(pthread_create(&thread, NULL, patient, long_one), 0);
        from = host.now_us();
        ended_in_time(run(db, "SELECT 1"), from);
        from = host.now_us();
        ended_in_time(ops->begin(db), from);        /* connecting */
        from = host.now_us();
        ended_in_time(ops->commit(busy), from);
        assert_int_equal(pthread_tryjoin_np(thread, &err), EBUSY);       /* he still waits */
        pg_thaw(&pg);
        assert_int_equal(pthread_join(thread, &err), 0);
        assert_int_equal(*(int *)err, WT_OK);
        assert_int_equal(ops->begin(db), WT_OK);
        assert_int_equal(run(db, "INSERT INTO t VALUES (2)"), WT_OK);
        assert_int_equal(ops->commit(db), WT_OK);
        assert_int_equal(run(busy, "SELECT n FROM t"), WT_OK);
        ops->close(db);
        ops->close(busy);
        ops->close(long_one);
}

static void a_server_that_goes_and_comes(void **state)
{
        static const char *const channels[] = { "news" };
        wt_db *db, *ear;
        uint32_t heard = 0;

        (void)state;
        pg_database(&pg, "comes", url);
        db = opened(20000);
        ear = opened(20000);
        assert_int_equal(run(db, "CREATE TABLE t (n BIGINT)"), WT_OK);
        assert_int_equal(ops->listen(ear, channels, 1), WT_OK);
        assert_int_equal(ops->begin(db), WT_OK);
        assert_int_equal(run(db, "INSERT INTO t VALUES (1)"), WT_OK);
        pg_crash(&pg);
        assert_int_equal(run(db, "INSERT INTO t VALUES (2)"), WT_EUNAVAILABLE);
        assert_int_equal(run(db, "INSERT INTO t VALUES (3)"), WT_EPRECONDITION);
        assert_int_equal(ops->rollback(db), WT_OK);
        assert_int_equal(ops->begin(db), WT_EUNAVAILABLE);
        assert_int_equal(ops->wait(ear, 50, &heard), WT_EUNAVAILABLE);
        pg_again(&pg);
        assert_int_equal(run(db, "INSERT INTO t VALUES (4)"), WT_OK);
        assert_int_equal(ops->wait(ear, 60000, &heard), WT_OK);
        assert_int_equal(heard, 1);              /* it cannot know what it missed */
        assert_int_equal(ops->wait(ear, 30, &heard), WT_OK);
        assert_int_equal(heard, 0);
        assert_int_equal(ops->notify(db, "news"), WT_OK);
        assert_int_equal(ops->wait(ear, 60000, &heard), WT_OK);
        assert_int_equal(heard, 1);              /* and listens again */
        {
                char n[64] = "";
                assert_int_equal(ops->query(db, "SELECT CAST(sum(n) AS TEXT) FROM t", NULL, 0,
                                            take_text, n, NULL), WT_OK);
                assert_string_equal(n, "4");
        }
        ops->close(db);
        ops->close(ear);
}

static void urls(void **state)
{
        static const struct { const char *url, *words; int code; } rows[] = {
                { "postgresql://u:secret@127.0.0.1/x", "holds a password", WT_EINVAL },
                { "postgresql://u@127.0.0.1/x?password=secret", "holds a password", WT_EINVAL },
                { "postgresql://127.0.0.1:1/x", "connecting", WT_EUNAVAILABLE },
                { "postgresql://h/x?nosuch=1", "cannot be read", WT_EINVAL },
        };
        wt_db *db = NULL;

        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                assert_int_equal(ops->open(&db, &host, rows[i].url, 20000), rows[i].code);
                assert_non_null(strstr(wt_words(), rows[i].words));
                assert_null(strstr(wt_words(), "secret"));
        }
        pg_url(&pg, "nosuch", url);
        assert_int_equal(ops->open(&db, &host, url, 20000), WT_EUNAVAILABLE);
        assert_non_null(strstr(wt_words(), "\"nosuch\""));
        assert_non_null(strstr(wt_words(), "createdb"));
        assert_null(db);
}

static void set_fsync(const char *is)
{
        char sql[64];

        snprintf(sql, sizeof sql, "ALTER SYSTEM SET fsync = %s", is);
        assert_true(pg_sql(&pg, "postgres", sql, NULL, 0));
        assert_true(pg_sql(&pg, "postgres", "SELECT pg_reload_conf()", NULL, 0));
}

/* The server reads its settings again when it likes. */
static int until(int want)
{
        const struct timespec nap = { .tv_nsec = 20000000 };
        int err = -1;

        for (int i = 0; i < 6000 && err != want; i++, nanosleep(&nap, NULL)) {
                wt_db *db = NULL;

                err = ops->open(&db, &host, url, 20000);
                ops->close(db);
        }
        return err;
}

/* What a crash takes away must not have been acknowledged. */
static void only_a_durable_server_will_do(void **state)
{
        wt_db *db;
        char is[64] = "";

        (void)state;
        pg_database(&pg, "durable", url);
        assert_true(pg_sql(&pg, "durable", "ALTER DATABASE durable SET synchronous_commit = off",
                           NULL, 0));
        db = opened(20000);
        assert_int_equal(ops->query(db, "SHOW synchronous_commit", NULL, 0, take_text, is, NULL),
                         WT_OK);
        assert_string_equal(is, "on");
        ops->close(db);
        set_fsync("off");
        assert_int_equal(until(WT_EPRECONDITION), WT_EPRECONDITION);
        assert_non_null(strstr(wt_words(), "fsync off"));
        set_fsync("on");
        assert_int_equal(until(WT_OK), WT_OK);
}

static const char *const tables[] = {
        "CREATE TABLE audit_t (day BIGINT NOT NULL, id TEXT NOT NULL, body {bytes},"
        " PRIMARY KEY (day, id)) {by_day}; CREATE TABLE state_t (n BIGINT)",
};

static bool may(const char *role, const char *sql)
{
        char all[400];

        snprintf(all, sizeof all, "SET ROLE %s; %s", role, sql);
        return pg_sql(&pg, "roles", all, NULL, 0);
}

static void roles_may_what_they_may(void **state)
{
        wt_db *db;
        char parts[256];

        (void)state;
        pg_database(&pg, "roles", url);
        db = opened(20000);
        assert_int_equal(ops->migrate(db, "tables", tables, 1), WT_OK);
        assert_int_equal(ops->day_add(db, "audit_t", 20000), WT_OK);
        assert_int_equal(ops->seal(db, "audit_t"), WT_OK);
        assert_true(may("witan_writer", "INSERT INTO audit_t VALUES (20000, 'a', '\\x01')"));
        assert_true(may("witan_writer", "SELECT witan_day_add('audit_t', 20001)"));
        assert_true(may("witan_writer", "INSERT INTO audit_t VALUES (20001, 'b', '\\x01')"));
        assert_true(may("witan_writer", "INSERT INTO state_t VALUES (1); DELETE FROM state_t"));
        assert_false(may("witan_writer", "UPDATE audit_t SET id = 'c'"));
        assert_false(may("witan_writer", "DELETE FROM audit_t"));
        assert_false(may("witan_writer", "DROP TABLE audit_t_d20001"));
        assert_false(may("witan_writer", "TRUNCATE audit_t"));
        assert_true(may("witan_reader", "SELECT day, id FROM audit_t"));
        assert_false(may("witan_reader", "SELECT body FROM audit_t"));
        assert_false(may("witan_reader", "INSERT INTO state_t VALUES (1)"));
        assert_true(may("witan_auditor", "SELECT day, id, body FROM audit_t"));
        assert_false(may("witan_auditor", "SELECT n FROM state_t"));
        assert_false(may("witan_auditor", "SELECT witan_day_add('audit_t', 20002)"));
        /* The owner, past the ABI: triggers still refuse. */
        assert_false(may("witan", "UPDATE audit_t SET id = 'c'"));
        assert_false(may("witan", "TRUNCATE audit_t"));
        assert_false(may("witan", "TRUNCATE audit_t_d20001"));
        assert_false(may("witan", "SET session_replication_role = replica; DELETE FROM audit_t"));
        assert_true(pg_sql(&pg, "roles", "SELECT string_agg(inhrelid::regclass::text, ' ' ORDER BY "
                           "1) FROM pg_inherits WHERE inhparent = 'audit_t'::regclass", parts,
                           sizeof parts));
        assert_string_equal(parts, "audit_t_d20000 audit_t_d20001\n");
        ops->close(db);
}

/* The second connection changes a table that a prepared statement of the first reads. */
static void a_table_that_changes(void **state)
{
        wt_db *db, *other;

        (void)state;
        pg_database(&pg, "changes", url);
        db = opened(20000);
        other = opened(20000);
        assert_int_equal(run(db, "CREATE TABLE t (n BIGINT)"), WT_OK);
        assert_int_equal(run(db, "SELECT * FROM t"), WT_OK);
        assert_int_equal(run(other, "ALTER TABLE t ADD COLUMN m BIGINT"), WT_OK);
        assert_int_equal(run(db, "SELECT * FROM t"), WT_EABORTED);
        assert_int_equal(run(db, "SELECT * FROM t"), WT_OK);
        for (int i = 0; i < 300; i++) {          /* more statements than are kept */
                char sql[64];

                snprintf(sql, sizeof sql, "SELECT n + %d FROM t", i);
                assert_int_equal(run(db, sql), WT_OK);
        }
        ops->close(db);
        ops->close(other);
}

static void a_full_disk(void **state)
{
        static const char grow[] = "INSERT INTO t SELECT repeat('x', 1000) FROM "
                                   "(WITH RECURSIVE q(x) AS (SELECT 1 UNION ALL SELECT x + 1 "
                                   "FROM q WHERE x < 20000) SELECT x FROM q) AS r";
        struct pg small;
        wt_db *db;
        int err = WT_OK;

        (void)state;
        if (!pg_start_small(&small, 200)) {
                print_message("skipped: this user may not mount a tmpfs\n");
                skip();
        }
        pg_database(&small, "narrow", url);
        db = opened(20000);
        assert_int_equal(run(db, "CREATE TABLE t (x TEXT)"), WT_OK);
        pg_fill(&small);
        for (int i = 0; i < 20 && err == WT_OK; i++)
                err = run(db, grow);
        /* Rows that do not fit: the statement is refused. A WAL that does not fit: the server goes
         * down. Neither is acknowledged. */
        assert_true(err == WT_EEXHAUSTED || err == WT_EUNAVAILABLE);
        pg_unfill(&small);
        for (int i = 0; i < 1200 && (err = run(db, "INSERT INTO t VALUES ('y')")) != WT_OK; i++) {
                const struct timespec nap = { .tv_nsec = 100000000 };

                nanosleep(&nap, NULL);
        }
        assert_int_equal(err, WT_OK);
        ops->close(db);
        pg_end(&small);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(conforms),
                cmocka_unit_test(a_server_that_stands_still),
                cmocka_unit_test(a_server_that_goes_and_comes),
                cmocka_unit_test(urls),
                cmocka_unit_test(only_a_durable_server_will_do),
                cmocka_unit_test(roles_may_what_they_may),
                cmocka_unit_test(a_table_that_changes),
                cmocka_unit_test(a_full_disk),
        };

        if (!pg_installed()) {
                puts("1..0 # skipped: PostgreSQL is not installed");
                return 77;
        }
        return cmocka_run_group_tests(tests, start, end);
}
