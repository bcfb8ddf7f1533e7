#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "conform.h"
#include "plugin/plugin.h"
#undef fail                                      /* cmocka's macro; struct wt_host has a fail */

const struct wt_plugin *wt_plugin_store_sqlite(void);

static char folder[64], path[80], url[96];
static struct wt_host host;
static const struct wt_store_ops *ops;

static int make_folder(void **state)
{
        (void)state;
        strcpy(folder, "/tmp/witan-sqlite-XXXXXX");
        if (!mkdtemp(folder))
                return -1;
        snprintf(path, sizeof path, "%s/w.db", folder);
        snprintf(url, sizeof url, "sqlite:%s", path);
        wt_host_init(&host, NULL);
        ops = wt_plugin_store_sqlite()->ops;
        return 0;
}

static int remove_folder(void **state)
{
        char command[128];

        (void)state;
        snprintf(command, sizeof command, "rm -rf '%s'", folder);
        return system(command);
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
        assert_int_equal(wt_plugin_check(wt_plugin_store_sqlite(), WT_STORE), WT_OK);
        assert_int_equal(wt_conform_store(wt_plugin_store_sqlite(), &c), 0);
        assert_int_equal(n, 18);
}

static wt_db *opened(uint64_t timeout_ms)
{
        wt_db *db = NULL;

        assert_int_equal(ops->open(&db, &host, url, timeout_ms), WT_OK);
        return db;
}

static int run(wt_db *db, const char *sql)
{
        return ops->query(db, sql, NULL, 0, NULL, NULL, NULL);
}

static void the_file_is_the_owners(void **state)
{
        struct stat st;
        wt_db *db = opened(1000);

        (void)state;
        assert_int_equal(run(db, "CREATE TABLE mode (n BIGINT)"), WT_OK);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        ops->close(db);
        assert_int_equal(chmod(path, 0644), 0);
        ops->close(opened(1000));
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
}

static int take_text(void *arg, const struct wt_value *v, uint32_t n)
{
        (void)n;
        if (v[0].type == WT_INT)
                snprintf(arg, 32, "%d", (int)v[0].as.i);
        else
                snprintf(arg, 32, "%.*s", (int)v[0].len, (const char *)v[0].as.data);
        return 0;
}

static void it_is_durable(void **state)
{
        static const char *const asks[][2] = { { "PRAGMA journal_mode", "wal" },
                { "PRAGMA synchronous", "2" }, { "PRAGMA secure_delete", "1" } };
        wt_db *db = opened(1000);
        char got[32];

        (void)state;
        for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) {
                assert_int_equal(ops->query(db, asks[i][0], NULL, 0, take_text, got, NULL), WT_OK);
                assert_string_equal(got, asks[i][1]);
        }
        ops->close(db);
}

static void replacing_is_deleting(void **state)
{
        wt_db *db = opened(1000);

        (void)state;
        assert_int_equal(run(db, "CREATE TABLE once (n BIGINT PRIMARY KEY, t TEXT)"), WT_OK);
        assert_int_equal(run(db, "INSERT INTO once VALUES (1, 'x')"), WT_OK);
        assert_int_equal(ops->seal(db, "once"), WT_OK);
        assert_int_equal(run(db, "INSERT OR REPLACE INTO once VALUES (1, 'y')"), WT_EPERM);
        assert_non_null(strstr(wt_words(), "table once is sealed"));
        ops->close(db);
}

static void a_writer_waits_no_longer_than_told(void **state)
{
        wt_db *a = opened(1000), *b = opened(150);
        uint64_t start;

        (void)state;
        assert_int_equal(ops->begin(a), WT_OK);
        start = host.now_us();
        assert_int_equal(ops->begin(b), WT_EUNAVAILABLE);
        assert_non_null(strstr(wt_words(), "longer than store_timeout"));
        /* It waited; slowness only adds to it. That it came back while a holds on is the rest: no
         * time says so. */
        assert_true(host.now_us() - start >= 140000);
        assert_int_equal(ops->rollback(a), WT_OK);
        assert_int_equal(ops->begin(b), WT_OK);
        assert_int_equal(ops->rollback(b), WT_OK);
        ops->close(a);
        ops->close(b);
}

static void a_full_disk_is_said(void **state)
{
        wt_db *db = opened(1000);
        int err;

        (void)state;
        assert_int_equal(run(db, "CREATE TABLE wide (b BLOB)"), WT_OK);
        assert_int_equal(run(db, "PRAGMA max_page_count = 1"), WT_OK);   /* no page beyond these */
        err = run(db, "INSERT INTO wide VALUES (zeroblob(100000000))");
        assert_int_equal(err, WT_EEXHAUSTED);
        assert_int_equal(run(db, "PRAGMA max_page_count = 1000000"), WT_OK);
        assert_int_equal(run(db, "INSERT INTO wide VALUES (zeroblob(100000))"), WT_OK);
        ops->close(db);
}

/* Damage must not look like a bad row: a caller would throw good ones away. */
static void no_database_is_said(void **state)
{
        static const char text[] = "this is no database, it is a text of some length, and so on";
        wt_db *db = NULL;
        char other[96], bad[128];
        FILE *f;

        (void)state;
        snprintf(other, sizeof other, "%s/text.db", folder);
        f = fopen(other, "w");
        assert_non_null(f);
        for (int i = 0; i < 100; i++)
                fputs(text, f);
        fclose(f);
        snprintf(bad, sizeof bad, "sqlite:%s", other);
        assert_int_equal(ops->open(&db, &host, bad, 1000), WT_EUNAVAILABLE);
        assert_non_null(strstr(wt_words(), "no SQLite database"));
        assert_int_equal(ops->open(&db, &host, "sqlite:", 1000), WT_EINVAL);
        assert_int_equal(ops->open(&db, &host, "sqlite:/no/such/folder/w.db", 1000), WT_ENOTFOUND);
        snprintf(bad, sizeof bad, "sqlite:%s", folder);
        assert_int_equal(ops->open(&db, &host, bad, 1000), WT_EINVAL);
        assert_null(db);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(conforms),
                cmocka_unit_test(the_file_is_the_owners),
                cmocka_unit_test(it_is_durable),
                cmocka_unit_test(replacing_is_deleting),
                cmocka_unit_test(a_writer_waits_no_longer_than_told),
                cmocka_unit_test(a_full_disk_is_said),
                cmocka_unit_test(no_database_is_said),
        };

        return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
