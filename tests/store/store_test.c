/* store_test.c - lib/store on SQLite and, where it is installed, on PostgreSQL: each test runs on
 * both, each in a database of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/file.h"
#include "base/sha256.h"
#include "plugin/plugin.h"
#include "postgres.h"
#include "store/store.h"
#undef fail                                      /* cmocka's macro; struct wt_host has a fail */

const struct wt_plugin *wt_plugin_store_sqlite(void);
static const struct wt_plugin *(*const built_in[])(void) = { wt_plugin_store_sqlite, NULL };

static struct pg pg;
static bool have_pg;
static char folder[64];
static int n_databases;
static struct wt_store_copy sum;

static int start(void **state)
{
        char so[PATH_MAX + 32];

        (void)state;
        strcpy(folder, "/tmp/witan-store-XXXXXX");
        if (wt_plugin_own(so) != WT_OK)
                return -1;
        strcat(so, "/store_postgresql.so");      /* not built where libpq is not */
        have_pg = pg_installed() && access(so, R_OK) == 0;
        if (mkdtemp(folder) == NULL || wt_plugin_register(built_in) != WT_OK)
                return -1;
        if (have_pg)
                pg_start(&pg);
        return 0;
}

static int end(void **state)
{
        char command[128];

        (void)state;
        if (have_pg)
                pg_end(&pg);
        snprintf(command, sizeof command, "rm -rf '%s'", folder);
        return system(command);
}

static void new_url(bool on_pg, char url[256])
{
        char name[32];

        snprintf(name, sizeof name, "d%d", n_databases++);
        if (on_pg)
                pg_database(&pg, name, url);
        else
                snprintf(url, 256, "sqlite:%s/%s.db", folder, name);
}

static wt_store *opened(const char *url)
{
        wt_store *s = NULL;

        if (wt_store_open(&s, url, 5000) != WT_OK)
                fprintf(stderr, "%s\n", wt_words());
        assert_non_null(s);
        return s;
}

static void works(wt_err err)
{
        if (err != WT_OK)
                fprintf(stderr, "code %d: %s\n", err, wt_words());
        assert_int_equal(err, WT_OK);
}

static void run(wt_store *s, const char *sql)
{
        works(wt_store_query(s, sql, NULL, 0, NULL, NULL, NULL));
}

static int take(void *arg, const struct wt_value *v, uint32_t n)
{
        (void)n;
        *(int64_t *)arg = v[0].as.i;
        return 0;
}

static int64_t number(wt_store *s, const char *sql)
{
        int64_t n = -1;

        works(wt_store_query(s, sql, NULL, 0, take, &n, NULL));
        return n;
}

static void nap_ms(long ms)
{
        const struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

        nanosleep(&t, NULL);
}

/* ---- opening ------------------------------------------------------------------------------- */

static void urls(const char *url)
{
        static const struct { const char *url, *words; wt_err code; } bad[] = {
                { "sqlite", "is no URL", WT_EINVAL }, { "", "is no URL", WT_EINVAL },
                { "../evil:x", "is no URL", WT_EINVAL },
                { "mysql://x/y", "no plugin", WT_ENOTFOUND },
        };
        wt_store *s = NULL;
        char out[64], name[64];

        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                assert_int_equal(wt_store_open(&s, bad[i].url, 1000), bad[i].code);
                assert_non_null(strstr(wt_words(), bad[i].words));
        }
        works(wt_store_url("sqlite", "/state", out, sizeof out));
        assert_string_equal(out, "sqlite:/state/witan.db");
        works(wt_store_url("postgresql://h/d", "/state", out, sizeof out));
        assert_string_equal(out, "postgresql://h/d");
        assert_int_equal(wt_store_url("oracle", "/state", out, sizeof out), WT_EINVAL);
        assert_int_equal(wt_store_url("sqlite", "/state", out, 10), WT_EINVAL);
        s = opened(url);
        works(wt_store_describe(s, name, sizeof name));
        assert_true(strstr(name, "SQLite") || strstr(name, "PostgreSQL"));
        wt_store_close(s);
        wt_store_close(NULL);
}

/* ---- transactions -------------------------------------------------------------------------- */

struct attempts { int left, made; wt_err end; };

static wt_err sometimes(void *arg, wt_store *s)
{
        struct attempts *a = arg;

        a->made++;
        run(s, "INSERT INTO t VALUES (1)");
        return a->left-- > 0 ? wt_fail(WT_EABORTED, "once more") : a->end;
}

static wt_err nested(void *arg, wt_store *s)
{
        struct attempts in = { 0, 0, WT_OK };

        (void)arg;
        works(wt_store_do(s, sometimes, &in));
        return wt_fail(WT_EINVAL, "no");
}

static void transactions(const char *url)
{
        wt_store *s = opened(url);
        struct attempts a = { 3, 0, WT_OK }, b = { 99, 0, WT_OK }, c = { 0, 0, WT_EINVAL };

        run(s, "CREATE TABLE t (n BIGINT)");
        works(wt_store_do(s, sometimes, &a));
        assert_int_equal(a.made, 4);
        assert_int_equal(number(s, "SELECT count(*) FROM t"), 1);
        assert_int_equal(wt_store_do(s, sometimes, &b), WT_EABORTED);
        assert_int_equal(b.made, 10);
        assert_int_equal(wt_store_do(s, sometimes, &c), WT_EINVAL);
        assert_int_equal(c.made, 1);
        assert_int_equal(wt_store_do(s, nested, NULL), WT_EINVAL);       /* the inner one as well */
        assert_int_equal(number(s, "SELECT count(*) FROM t"), 1);
        wt_store_close(s);
}

enum { THREADS = 5, TIMES = 60 };
struct raiser { const char *url; int given_up; };

static wt_err raise_once(void *arg, wt_store *s)
{
        struct wt_value v = wt_v_int(0);
        wt_err err = wt_store_query(s, "SELECT n FROM t", NULL, 0, take, &v.as.i, NULL);

        (void)arg;
        v.as.i++;
        return err != WT_OK ? err : wt_store_query(s, "UPDATE t SET n = $1", &v, 1, NULL, NULL,
                                                   NULL);
}

static void *raise_often(void *arg)
{
        struct raiser *r = arg;
        wt_store *s = NULL;

        if (wt_store_open(&s, r->url, 20000) != WT_OK) {
                r->given_up = TIMES;
                return NULL;
        }
        for (int i = 0; i < TIMES; i++)
                r->given_up += wt_store_do(s, raise_once, NULL) != WT_OK;
        wt_store_close(s);
        return NULL;
}

/* All at one row, without a pause: nobody gives up. */
static void crowds(const char *url)
{
        static const char *const step[] = { "CREATE TABLE t (n BIGINT); INSERT INTO t VALUES (0)" };
        struct raiser r[THREADS];
        pthread_t thread[THREADS];
        wt_store *s = opened(url);

        works(wt_store_migrate(s, "crowd", step, 1));
        for (int i = 0; i < THREADS; i++) {
                r[i] = (struct raiser){ url, 0 };
                assert_int_equal(pthread_create(&thread[i], NULL, raise_often, &r[i]), 0);
        }
        for (int i = 0; i < THREADS; i++) {
                pthread_join(thread[i], NULL);
                assert_int_equal(r[i].given_up, 0);
        }
        assert_int_equal(number(s, "SELECT n FROM t"), THREADS * TIMES);
        wt_store_close(s);
}

/* ---- leases -------------------------------------------------------------------------------- */

static wt_err check(void *arg, wt_store *s)
{
        return wt_lease_check(s, arg);
}

static void leases(const char *url)
{
        wt_store *one = opened(url), *two = opened(url);
        struct wt_lease l, other, held = { 0 };

        works(wt_lease_take(one, "sweeper", "gateway-0", 60000, &l));
        assert_int_equal(l.token, 1);
        assert_int_equal(wt_lease_take(two, "sweeper", "gateway-1", 60000, &held), WT_EEXIST);
        assert_string_equal(held.holder, "gateway-0");
        assert_true(held.expires_us == l.expires_us);
        works(wt_lease_take(one, "sweeper", "gateway-0", 300, &l));      /* renewed, shortened */
        assert_int_equal(l.token, 1);
        works(wt_store_do(one, check, &l));
        works(wt_lease_take(two, "another", "gateway-1", 60000, &other));
        for (int i = 0; i < 100 && wt_lease_take(two, "sweeper", "gateway-1", 60000, &other) !=
                                           WT_OK; i++)
                nap_ms(20);
        assert_int_equal(other.token, 2);
        assert_string_equal(other.holder, "gateway-1");
        assert_int_equal(wt_store_do(one, check, &l), WT_EPRECONDITION); /* fenced off */
        works(wt_store_do(two, check, &other));
        works(wt_lease_give(one, &l));           /* what is not held is not given */
        works(wt_store_do(two, check, &other));
        works(wt_lease_give(two, &other));
        assert_int_equal(wt_store_do(two, check, &other), WT_EPRECONDITION);
        works(wt_lease_take(one, "sweeper", "gateway-0", 60000, &l));
        assert_int_equal(l.token, 3);
        assert_int_equal(wt_lease_take(one, "", "x", 1, &l), WT_EINVAL);
        wt_store_close(one);
        wt_store_close(two);
}

/* ---- blobs --------------------------------------------------------------------------------- */

static int files_in(const char *path)
{
        DIR *d = opendir(path);
        const struct dirent *e;
        int n = 0;

        while (d != NULL && (e = readdir(d)) != NULL)
                n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
        if (d != NULL)
                closedir(d);
        return n;
}

static void blobs(const char *url)
{
        wt_store *s = opened(url);
        char path[128], file[256], hex[65];
        uint8_t one[32], two[32], none[32] = { 7 };
        struct wt_buf b = { 0 };

        snprintf(path, sizeof path, "%s/files%d", folder, n_databases);
        works(wt_blob_put(s, path, "hello", 5, "test", one));
        works(wt_blob_put(s, path, "hello", 5, "test", one));
        works(wt_blob_put(s, path, "", 0, "test", two));
        assert_int_equal(files_in(path), 2);
        assert_int_equal(number(s, "SELECT count(*) FROM witan_blobs"), 2);
        works(wt_blob_get(s, path, one, &b));
        assert_int_equal(b.len, 5);
        assert_memory_equal(b.data, "hello", 5);
        works(wt_blob_get(s, path, two, &b));
        assert_int_equal(b.len, 5);
        assert_int_equal(wt_blob_get(s, path, none, &b), WT_ENOTFOUND);
        assert_int_equal(wt_blob_drop(s, path, none), WT_ENOTFOUND);
        works(wt_blob_drop(s, path, two));
        assert_int_equal(files_in(path), 1);
        wt_hex(one, 32, hex);
        snprintf(file, sizeof file, "%s/%s", path, hex);
        works(wt_file_write(file, "hellO", 5, 0600));
        assert_int_equal(wt_blob_get(s, path, one, &b), WT_EDATA);
        assert_int_equal(b.len, 5);
        works(wt_file_write(file, "hello, and more", 15, 0600));
        assert_int_equal(wt_blob_get(s, path, one, &b), WT_EDATA);
        unlink(file);
        assert_int_equal(wt_blob_get(s, path, one, &b), WT_EDATA);
        works(wt_blob_put(s, path, "hello", 5, "test", one));    /* puts it right */
        works(wt_blob_get(s, path, one, &b));
        wt_buf_free(&b);
        wt_store_close(s);
}

/* ---- backup and restore -------------------------------------------------------------------- */

static const char *const first[] = {
        "CREATE TABLE a_events (day BIGINT NOT NULL, id BIGINT NOT NULL, t TEXT, b {bytes},"
        " d DOUBLE PRECISION, PRIMARY KEY (day, id)) {by_day};"
        "CREATE INDEX a_events_id ON a_events (id)",
        "CREATE VIEW a_view AS SELECT id FROM a_events WHERE t IS NOT NULL",
};
static const char *const second[] = {
        "CREATE TABLE b_state (n BIGINT PRIMARY KEY); INSERT INTO b_state VALUES (1), (2)",
        "ALTER TABLE b_state ADD COLUMN note TEXT;"
        "CREATE TABLE b_a_refers (n BIGINT NOT NULL REFERENCES b_state(n))",
};

static wt_err fill(void *arg, wt_store *s)
{
        enum { N = 5000 };
        static const char *const cols[] = { "day", "id", "t", "b", "d" };
        struct wt_value *v = calloc(5 * N, sizeof *v);
        static char text[64];
        wt_err err;

        (void)arg;
        memset(text, 'x', sizeof text);
        for (int i = 0; i < N; i++) {
                v[5 * i] = wt_v_int(20000 + i % 3);
                v[5 * i + 1] = wt_v_int(i);
                if (i % 7 != 0)
                        v[5 * i + 2] = (struct wt_value){ .type = WT_TEXT, .len = (uint32_t)i % 64,
                                                          .as.data = text };
                v[5 * i + 3] = wt_v_blob(&v[5 * i], (uint32_t)i % 40);
                v[5 * i + 4] = wt_v_real(i / 3.0);
        }
        err = wt_store_load(s, "a_events", cols, 5, v, N);
        free(v);
        return err;
}

static int digest_row(void *arg, const struct wt_value *v, uint32_t n)
{
        for (uint32_t i = 0; i < n; i++) {
                wt_sha256_add(arg, &v[i].type, sizeof v[i].type);
                if (v[i].type == WT_INT || v[i].type == WT_REAL)
                        wt_sha256_add(arg, &v[i].as, sizeof v[i].as);
                else if (v[i].type != WT_NULL)
                        wt_sha256_add(arg, v[i].as.data, v[i].len);
        }
        return 0;
}

/* Of all that is in the tables, and which of them are sealed. */
static void digest(wt_store *s, char hex[65])
{
        static const char *const all[] = {
                "SELECT day, id, t, b, d FROM a_events ORDER BY id",
                "SELECT count(*) FROM a_view", "SELECT n, note FROM b_state ORDER BY n",
                "SELECT n FROM b_a_refers ORDER BY n",
                "SELECT name, holder, token, expires_us FROM witan_leases ORDER BY name",
                "SELECT name, version, step FROM witan_schema ORDER BY place",
        };
        struct wt_sha256 sum;
        uint8_t out[32];

        wt_sha256_init(&sum);
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
                works(wt_store_query(s, all[i], NULL, 0, digest_row, &sum, NULL));
        wt_sha256_end(&sum, out);
        wt_hex(out, 32, hex);
}

static void make_contents(wt_store *s)
{
        struct wt_lease l;

        works(wt_store_migrate(s, "zfirst", first, 1));  /* steps of both mixed, and not by name */
        works(wt_store_migrate(s, "second", second, 2));
        works(wt_store_migrate(s, "zfirst", first, 2));
        for (int64_t day = 20000; day < 20003; day++)
                works(wt_store_day_add(s, "a_events", day));
        works(wt_store_do(s, fill, NULL));
        works(wt_store_seal(s, "a_events"));
        run(s, "DELETE FROM b_state WHERE n = 1");
        run(s, "INSERT INTO b_state VALUES (3, 'three')");
        run(s, "INSERT INTO b_a_refers VALUES (3), (2)");
        works(wt_lease_take(s, "l", "h", 1000, &l));
        works(wt_store_notify(s, "x"));
}

static void restored(const char *copy, bool on_pg, const char *want)
{
        char url[256], hex[65];
        wt_store *s;

        new_url(on_pg, url);
        s = opened(url);
        works(wt_store_restore(s, copy, &sum));
        assert_int_equal(sum.n_rows, 5000 + 2 + 2 + 1);
        digest(s, hex);
        assert_string_equal(hex, want);
        assert_int_equal(wt_store_query(s, "DELETE FROM a_events WHERE id = 1", NULL, 0, NULL, NULL,
                                        NULL), WT_EPERM);
        works(wt_store_migrate(s, "zfirst", first, 2));
        works(wt_store_day_drop(s, "a_events", 20001));
        assert_int_equal(number(s, "SELECT count(*) FROM a_events WHERE day = 20001"), 0);
        assert_int_equal(wt_store_restore(s, copy, &sum), WT_EEXIST);
        wt_store_close(s);
}

static void backups(const char *url)
{
        wt_store *s = opened(url);
        char copy[128], want[65];
        struct stat st;

        snprintf(copy, sizeof copy, "%s/copy%d", folder, n_databases++);
        make_contents(s);
        digest(s, want);
        works(wt_store_backup(s, copy, &sum));
        assert_int_equal(wt_store_backup(s, copy, &sum), WT_EEXIST);   /* not over another one */
        assert_int_equal(stat(copy, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0700);
        restored(copy, false, want);             /* into either kind */
        if (have_pg)
                restored(copy, true, want);
        wt_store_close(s);
}

static void spoil(const char *copy, const char *name, size_t at)
{
        struct wt_buf b = { 0 };
        char path[256];

        snprintf(path, sizeof path, "%s/%s", copy, name);
        works(wt_file_read(path, 64 << 20, &b));
        assert_true(at < b.len);
        b.data[at] ^= 1;
        works(wt_file_write(path, b.data, b.len, 0600));
        wt_buf_free(&b);
}

/* A restore that fails leaves nothing, and says what to do. */
static void bad_backups(const char *url)
{
        wt_store *s = opened(url), *t;
        char copy[128], path[256], other[256];

        snprintf(copy, sizeof copy, "%s/copy%d", folder, n_databases++);
        make_contents(s);
        works(wt_store_backup(s, copy, &sum));
        spoil(copy, "b_state.rows", 20);
        new_url(strstr(url, "postgres") != NULL, other);
        t = opened(other);
        assert_int_equal(wt_store_restore(t, copy, &sum), WT_EDATA);
        assert_non_null(strstr(wt_words(), "b_state.rows is damaged"));
        spoil(copy, "b_state.rows", 20);
        snprintf(path, sizeof path, "%s/witan_leases.rows", copy);
        unlink(path);
        assert_int_equal(wt_store_restore(t, copy, &sum), WT_ENOTFOUND);
        snprintf(path, sizeof path, "%s/manifest.json", copy);
        unlink(path);
        assert_int_equal(wt_store_restore(t, copy, &sum), WT_ENOTFOUND);
        works(wt_store_migrate(t, "second", second, 2)); /* nothing of it is there */
        run(s, "CREATE TABLE of_somebody_else (n BIGINT)");
        snprintf(copy, sizeof copy, "%s/copy%d", folder, n_databases++);
        assert_int_equal(wt_store_backup(s, copy, &sum), WT_EPRECONDITION);
        assert_non_null(strstr(wt_words(), "of_somebody_else"));
        wt_store_close(t);
        wt_store_close(s);
}

/* ---- the list ------------------------------------------------------------------------------ */

static const struct row { const char *name; void (*test)(const char *url); } rows[] = {
        { "URLs and their plugins", urls },
        { "a transaction is run again, and not for ever", transactions },
        { "a crowd at one row", crowds },
        { "one holder of a lease, fenced by its token", leases },
        { "blobs are what they were, or damaged", blobs },
        { "a backup comes back, into either kind", backups },
        { "a bad backup leaves nothing", bad_backups },
};
enum { N = sizeof rows / sizeof *rows };

static void on_both(void **state)
{
        const struct row *r = *state;
        char url[256];

        new_url(false, url);
        r->test(url);
        if (!have_pg) {
                print_message("no PostgreSQL, or built without libpq: SQLite alone\n");
                return;
        }
        new_url(true, url);
        r->test(url);
}

int main(void)
{
        struct CMUnitTest tests[N];

        for (size_t i = 0; i < N; i++)
                tests[i] = (struct CMUnitTest){ rows[i].name, on_both, NULL, NULL,
                                                (void *)&rows[i] };
        return cmocka_run_group_tests(tests, start, end);
}
