/* keys_test.c - keys of bearer tokens: one process, two processes, files that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/file.h"
#include "store/db.h"
#include "store/keys.h"
#include "store/secret.h"

static char folder[64], path[96];

static int make_folder(void **state)
{
        (void)state;
        snprintf(folder, sizeof folder, "/tmp/witan-keys-XXXXXX");
        if (!mkdtemp(folder))
                return -1;
        snprintf(path, sizeof path, "%s/witan.db", folder);
        return 0;
}

static int remove_folder(void **state)
{
        DIR *d = opendir(folder);
        char file[512];

        (void)state;
        for (struct dirent *e; d && (e = readdir(d));) {
                snprintf(file, sizeof file, "%s/%s", folder, e->d_name);
                unlink(file);
        }
        closedir(d);
        return rmdir(folder);
}

static wt_keys *open_keys(void)
{
        wt_keys *k = NULL;

        if (wt_keys_open(&k, path) != WT_OK)
                fail_msg("%s", wt_words());
        return k;
}

static struct wt_key create(wt_keys *k, const char *name, int64_t expires_at, char secret[80])
{
        struct wt_key in = { .tenant = "bank", .role = "user", .expires_at = expires_at }, out;

        snprintf(in.name, sizeof in.name, "%s", name);
        if (wt_keys_create(k, &in, &out, secret) != WT_OK)
                fail_msg("%s", wt_words());
        return out;
}

static wt_err check(wt_keys *k, const char *secret, int64_t now)
{
        struct wt_key out;

        return wt_keys_check(k, secret, strlen(secret), now, &out);
}

static void a_key_opens(void **state)
{
        struct wt_key in = { .tenant = "bank", .name = "till 4", .role = "auditor",
                             .models = "tiny,large", .expires_at = 4000000000 }, made, seen;
        char secret[80];
        wt_keys *k = open_keys();

        (void)state;
        assert_int_equal(wt_keys_create(k, &in, &made, secret), WT_OK);
        assert_int_equal(strlen(made.id), 36);
        assert_true(made.created_at > 1600000000);
        for (int again = 0; again < 2; again++) {        /* in memory, and from the file */
                assert_int_equal(wt_keys_check(k, secret, strlen(secret), 2000000000, &seen),
                                 WT_OK);
                assert_string_equal(seen.id, made.id);
                assert_string_equal(seen.tenant, "bank");
                assert_string_equal(seen.name, "till 4");
                assert_string_equal(seen.role, "auditor");
                assert_string_equal(seen.models, "tiny,large");
                assert_int_equal(seen.created_at, made.created_at);
                assert_int_equal(seen.expires_at, 4000000000);
                assert_int_equal(seen.revoked_at, 0);
                wt_keys_close(k);
                k = open_keys();
        }
        wt_keys_close(k);
}

/* All that is no good key is refused in the same words; out stays as it was. */
static void the_rest_does_not(void **state)
{
        static const char *const names[] = { "empty", "prefix alone", "no secret", "another secret",
                                             "another prefix", "one more byte", "one less",
                                             "upper case", "a NUL inside", "expired", "revoked" };
        char good[80], soon[80], gone[80], words[256] = "";
        wt_keys *k = open_keys();
        struct wt_key old = create(k, "gone", 0, gone), out;

        (void)state;
        create(k, "good", 0, good);
        create(k, "soon", 3000000000, soon);
        assert_int_equal(wt_keys_revoke(k, old.id, 1), WT_OK);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
                char s[80];
                size_t len = strlen(good);

                memcpy(s, i == 9 ? soon : i == 10 ? gone : good, sizeof s);
                s[i == 3 ? len - 1 : i == 4 ? 5 : 79] ^= 1;
                s[79] = '\0';
                if (i == 5)
                        s[len++] = 'x';
                if (i == 7)
                        s[0] = 'W';
                if (i == 8)
                        s[len - 1] = '\0';
                len = i == 0 ? 0 : i == 1 ? 11 : i == 2 ? 12 : i == 6 ? len - 1 : len;
                memset(&out, 0x5a, sizeof out);
                if (wt_keys_check(k, s, len, 3000000000, &out) != WT_EUNAUTH)
                        fail_msg("%s", names[i]);
                assert_int_equal(out.id[0], 0x5a);
                if (words[0])
                        assert_string_equal(wt_words(), words);
                snprintf(words, sizeof words, "%s", wt_words());
        }
        assert_int_equal(check(k, soon, 2999999999), WT_OK);
        assert_int_equal(check(k, good, 3000000000), WT_OK);
        wt_keys_close(k);
}

static const struct row { const char *name; struct wt_key in; wt_err want; } rows[] = {
        { "no role is user", { .tenant = "t" }, WT_OK },
        { "operator", { .role = "operator" }, WT_OK },
        { "admin", { .role = "admin" }, WT_OK },
        { "an unknown role", { .role = "root" }, WT_EINVAL },
        { "a role in capitals", { .role = "Admin" }, WT_EINVAL },
        { "a name with a line break", { .name = "a\nb" }, WT_EINVAL },
        { "a tenant with DEL", { .tenant = "a\x7f" }, WT_EINVAL },
        { "a name in UTF-8", { .name = "Z\xc3\xbcrich" }, WT_OK },
        { "quotes are data", { .name = "'); DROP TABLE keys; --" }, WT_OK },
        { "expired before it began", { .expires_at = 1000 }, WT_EINVAL },
        { "expires before 1970", { .expires_at = -1 }, WT_EINVAL },
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static void creates(void **state)
{
        const struct row *r = *state;
        struct wt_key out = { 0 };
        char secret[80] = "";
        wt_keys *k;

        make_folder(state);
        k = open_keys();
        assert_int_equal(wt_keys_create(k, &r->in, &out, secret), r->want);
        assert_int_equal(secret[0] != '\0', r->want == WT_OK);
        if (r->want == WT_OK) {
                assert_int_equal(check(k, secret, 1), WT_OK);
                assert_string_equal(out.role, r->in.role[0] ? r->in.role : "user");
                assert_string_equal(out.name, r->in.name);
        } else {
                assert_non_null(strchr(wt_words(), ' '));        /* a sentence */
        }
        wt_keys_close(k);
        remove_folder(state);
}

static void secrets_differ(void **state)
{
        enum { N = 200 };
        static char s[N][80];
        wt_keys *k = open_keys();

        (void)state;
        for (int i = 0; i < N; i++) {
                create(k, "many", 0, s[i]);
                assert_int_equal(strlen(s[i]), WT_SECRET);
                assert_true(WT_RANDOM >= 32 && strlen(s[i]) < 80);
                assert_true(wt_secret_well_formed(s[i], strlen(s[i])));
                for (int j = 0; j < i; j++)
                        assert_true(memcmp(s[i] + 3, s[j] + 3, 8) &&
                                    memcmp(s[i] + 12, s[j] + 12, 40));
        }
        for (int i = 0; i < N; i++)              /* each finds its row */
                assert_int_equal(check(k, s[i], 1), WT_OK);
        wt_keys_close(k);
}

/* Neither the secret nor its random part stands in any file; the mode is 0600, whatever umask
 * says. */
static void the_secret_is_nowhere(void **state)
{
        char secret[80], file[512];
        struct wt_buf all = { 0 };
        struct stat st;
        mode_t old = umask(0);
        wt_keys *k = open_keys();
        DIR *d;
        int n = 0;

        (void)state;
        create(k, "quiet", 0, secret);
        umask(old);
        d = opendir(folder);
        for (struct dirent *e; (e = readdir(d));) {
                if (e->d_name[0] == '.')
                        continue;
                snprintf(file, sizeof file, "%s/%s", folder, e->d_name);
                assert_int_equal(stat(file, &st), 0);
                assert_int_equal(st.st_mode & 0777, 0600);
                assert_int_equal(wt_file_read(file, 1 << 24, &all), WT_OK);
                n++;
        }
        closedir(d);
        assert_true(n >= 2);                     /* the file and its log */
        assert_non_null(memmem(all.data, all.len, "quiet", 5));
        assert_null(memmem(all.data, all.len, secret + 12, 16));
        assert_null(memmem(all.data, all.len, secret + 24, 16));
        wt_buf_free(&all);
        wt_keys_close(k);
        assert_int_equal(chmod(path, 0644), 0);  /* narrowed when opened */
        wt_keys_close(open_keys());
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
}

static void count_key(void *arg, const struct wt_key *key)
{
        static char last[40];
        int *n = arg;

        assert_true(*n == 0 || strcmp(last, key->id) < 0);       /* oldest first */
        memcpy(last, key->id, sizeof last);
        ++*n;
}

static void listing_and_revoking(void **state)
{
        struct wt_key a, b;
        char sa[80], sb[80];
        wt_keys *k = open_keys();
        int n = 0;

        (void)state;
        assert_int_equal(wt_keys_list(k, count_key, &n), WT_OK);
        assert_int_equal(n, 0);
        a = create(k, "a", 0, sa);
        b = create(k, "b", 0, sb);
        assert_int_equal(wt_keys_list(k, count_key, &n), WT_OK);
        assert_int_equal(n, 2);
        assert_int_equal(check(k, sa, 5), WT_OK);
        assert_int_equal(wt_keys_revoke(k, a.id, 5), WT_OK);
        assert_int_equal(check(k, sa, 5), WT_EUNAUTH);
        assert_int_equal(check(k, sa, 4), WT_EUNAUTH);  /* also where the clock is behind */
        assert_int_equal(check(k, sb, 5), WT_OK);
        assert_int_equal(wt_keys_revoke(k, a.id, 9), WT_OK);    /* again: nothing changes */
        assert_int_equal(wt_keys_revoke(k, "no-such-id", 9), WT_ENOTFOUND);
        n = 0;
        assert_int_equal(wt_keys_list(k, count_key, &n), WT_OK);
        assert_int_equal(n, 2);
        wt_keys_close(k);
        (void)b;
}

/* Another connection to the file, as in another process: what it did is seen by the next check. */
static void others_changes_are_seen_at_once(void **state)
{
        wt_keys *gateway = open_keys(), *cli = open_keys();
        struct wt_key key;
        char secret[80];

        (void)state;
        for (int i = 0; i < 20; i++) {
                key = create(cli, "x", 0, secret);
                assert_int_equal(check(gateway, secret, 1), WT_OK);
                assert_int_equal(wt_keys_revoke(cli, key.id, 1), WT_OK);
                assert_int_equal(check(gateway, secret, 1), WT_EUNAUTH);
        }
        wt_keys_close(cli);
        wt_keys_close(gateway);
}

enum { CHILDREN = 4, EACH = 25 };

/* Makes keys, revokes every other one, and says the live secrets to the pipe. */
static void child(int out)
{
        wt_keys *k;
        char secret[80];
        struct wt_key in = { .tenant = "t" }, key;

        if (wt_keys_open(&k, path) != WT_OK)
                _exit(2);
        for (int i = 0; i < EACH; i++) {
                if (wt_keys_create(k, &in, &key, secret) != WT_OK)
                        _exit(3);
                if (i % 2 && wt_keys_revoke(k, key.id, 1) != WT_OK)
                        _exit(4);
                secret[WT_SECRET] = i % 2 ? '-' : '+';
                if (write(out, secret, WT_SECRET + 1) != WT_SECRET + 1)
                        _exit(5);
        }
        wt_keys_close(k);
        _exit(0);
}

/* Four processes make the file and write to it at once, while this one checks. */
static void several_processes(void **state)
{
        pid_t pids[CHILDREN];
        int fd[2], status, n = 0, live = 0;
        char s[WT_SECRET + 1];
        wt_keys *k;

        (void)state;
        assert_int_equal(pipe(fd), 0);
        for (int i = 0; i < CHILDREN; i++)
                if ((pids[i] = fork()) == 0)
                        child(fd[1]);
        close(fd[1]);
        k = open_keys();
        for (; read(fd[0], s, sizeof s) == (ssize_t)sizeof s; n++) {     /* below PIPE_BUF: whole */
                struct wt_key out;
                wt_err want = s[WT_SECRET] == '+' ? WT_OK : WT_EUNAUTH;

                assert_int_equal(wt_keys_check(k, s, WT_SECRET, 1, &out), want);
                live += want == WT_OK;
        }
        for (int i = 0; i < CHILDREN; i++) {
                assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
                assert_int_equal(status, 0);
        }
        assert_int_equal(n, CHILDREN * EACH);
        assert_int_equal(live, CHILDREN * ((EACH + 1) / 2));
        close(fd[0]);
        wt_keys_close(k);
}

/* A process that is killed right after create had told of the key: it is there. */
static void what_was_told_is_kept(void **state)
{
        int fd[2], status;
        char s[80] = { 0 };
        pid_t pid;
        wt_keys *k;

        (void)state;
        assert_int_equal(pipe(fd), 0);
        if ((pid = fork()) == 0) {
                struct wt_key in = { 0 }, key;

                if (wt_keys_open(&k, path) != WT_OK || wt_keys_create(k, &in, &key, s) != WT_OK ||
                    write(fd[1], s, sizeof s) != sizeof s)
                        _exit(1);
                raise(SIGKILL);
        }
        assert_int_equal(read(fd[0], s, sizeof s), sizeof s);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        k = open_keys();
        assert_int_equal(check(k, s, 1), WT_OK);
        wt_keys_close(k);
        close(fd[0]);
        close(fd[1]);
}

static void run_sql(const char *sql)
{
        sqlite3 *db;

        assert_int_equal(wt_db_open(&db, path), WT_OK);
        if (wt_db_run(db, sql) != WT_OK)
                fail_msg("%s", wt_words());
        sqlite3_close(db);
}

static void expect_refused(wt_err want, const char *words)
{
        wt_keys *k = NULL;

        assert_int_equal(wt_keys_open(&k, path), want);
        assert_null(k);
        assert_non_null(strstr(wt_words(), words));
        assert_non_null(strstr(wt_words(), path));
}

static void a_newer_schema_is_refused(void **state)
{
        (void)state;
        wt_keys_close(open_keys());
        run_sql("UPDATE meta SET value = 99 WHERE key = 'schema'");
        expect_refused(WT_EPRECONDITION, "schema 99");
        run_sql("UPDATE meta SET value = 1 WHERE key = 'schema'");
        wt_keys_close(open_keys());
}

static void an_older_schema_is_migrated(void **state)
{
        static const char *const one[] = { "CREATE TABLE t(a); INSERT INTO t VALUES(1)" };
        static const char *const three[] = { "CREATE TABLE t(a)",
                                             "ALTER TABLE t ADD COLUMN b DEFAULT 7",
                                             "UPDATE t SET a = a + b" };
        static const char *const broken[] = { "", "", "", "INSERT INTO t VALUES(0, 0)",
                                              "nonsense" };
        sqlite3 *db;

        (void)state;
        assert_int_equal(wt_db_open(&db, path), WT_OK);
        assert_int_equal(wt_db_migrate(db, one, 1), WT_OK);
        assert_int_equal(wt_db_migrate(db, three, 3), WT_OK);
        assert_int_equal(wt_db_migrate(db, three, 3), WT_OK);    /* once and no more */
        assert_int_equal(wt_db_migrate(db, broken, 5), WT_EIO);
        assert_non_null(strstr(wt_words(), "schema 5"));
        assert_int_equal(wt_db_migrate(db, three, 3), WT_OK); /* still at 3, as before */
        assert_int_equal(wt_db_run(db, "CREATE TABLE proof(x CHECK(x = 1)); INSERT INTO proof"
                                       " SELECT sum(a = 8) = 1 AND count(*) = 1 FROM t"), WT_OK);
        assert_int_equal(wt_db_migrate(db, one, 1), WT_EPRECONDITION);
        sqlite3_close(db);
}

static void overwrite(off_t at, const char *with, size_t n)
{
        int fd = open(path, O_RDWR | O_CREAT, 0600);

        assert_int_equal(pwrite(fd, with, n, at), (ssize_t)n);
        close(fd);
}

static void files_that_are_no_database(void **state)
{
        char noise[8192];
        struct stat st;

        (void)state;
        memset(noise, 'n', sizeof noise);
        overwrite(0, noise, sizeof noise);
        expect_refused(WT_EDATA, "no SQLite database");
        unlink(path);
        wt_keys_close(open_keys());              /* a whole one, then pages are lost */
        assert_int_equal(stat(path, &st), 0);
        for (off_t at = 4096; at < st.st_size; at += 4096)
                overwrite(at, noise, 4096);
        expect_refused(WT_EDATA, "damaged");
}

static void rows_that_are_malformed(void **state)
{
        static const char *const damage[] = {
                "UPDATE keys SET hash = x'00'", "UPDATE keys SET salt = x''",
                "UPDATE keys SET prefix = 'short'", "UPDATE keys SET role = 'root'",
        };
        char secret[80];
        wt_keys *k;

        (void)state;
        for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
                k = open_keys();
                create(k, "x", 0, secret);
                run_sql(damage[i]);
                assert_int_equal(check(k, secret, 1), WT_EDATA);
                assert_int_equal(check(k, secret, 1), WT_EDATA);         /* and does not recover */
                run_sql("DELETE FROM keys");
                assert_int_equal(check(k, secret, 1), WT_EUNAUTH);
                wt_keys_close(k);
        }
}

static void paths_that_cannot_be(void **state)
{
        wt_keys *k = NULL;
        char none[128];

        (void)state;
        snprintf(none, sizeof none, "%s/no/witan.db", folder);
        assert_int_equal(wt_keys_open(&k, none), WT_ENOTFOUND);
        assert_non_null(strstr(wt_words(), none));
        assert_int_equal(wt_keys_open(&k, folder), WT_EINVAL);
        assert_null(k);
        wt_keys_close(NULL);
}

int main(void)
{
#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)
        static const struct CMUnitTest others[] = {
                IN_FOLDER(a_key_opens), IN_FOLDER(the_rest_does_not), IN_FOLDER(secrets_differ),
                IN_FOLDER(the_secret_is_nowhere), IN_FOLDER(listing_and_revoking),
                IN_FOLDER(others_changes_are_seen_at_once), IN_FOLDER(several_processes),
                IN_FOLDER(what_was_told_is_kept), IN_FOLDER(a_newer_schema_is_refused),
                IN_FOLDER(an_older_schema_is_migrated), IN_FOLDER(files_that_are_no_database),
                IN_FOLDER(rows_that_are_malformed), IN_FOLDER(paths_that_cannot_be),
        };
        enum { N_OTHERS = sizeof others / sizeof *others };
        struct CMUnitTest tests[N_ROWS + N_OTHERS];

        for (size_t i = 0; i < N_ROWS; i++)
                tests[i] = (struct CMUnitTest){ rows[i].name, creates, NULL, NULL,
                                                (void *)&rows[i] };
        memcpy(tests + N_ROWS, others, sizeof others);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
