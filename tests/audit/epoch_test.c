/* epoch_test.c - epochs: an erasure that dies, or fails, at each of its steps in turn loses nobody
 * else's key and is ended by wt_erase_finish; two erasures at one time; a folder of epoch keys that
 * is not the store's, which a gateway refuses to start with. SQLite, and PostgreSQL where it is
 * installed. The steps are the calls that the linker wraps (CMakeLists.txt). */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../store/postgres.h"
#include "audit/erase.h"
#include "base/file.h"
#include "rig.h"

enum { N_OTHERS = 3 };
static const uint8_t NEW[16] = { 9, 9 };
static struct pg pg;
static struct rig rig;
static struct wt_eraser eraser;
static char folder[128];
static uint8_t keys[N_OTHERS][32];               /* of the subjects that are never erased */

#define GOOD(call)                                                                              \
        do {                                                                                    \
                if ((call) != WT_OK)                                                            \
                        fail_msg("%s: %s", #call, wt_words());                                  \
        } while (0)

/* ---- steps ----------------------------------------------------------------------------------- */

enum how { NOTHING, DIES, FAILS };
static struct { enum how how; uint32_t at, n; } step;

/* True: this one is to fail. */
static bool come(void)
{
        if (step.how == NOTHING || ++step.n != step.at)
                return false;
        if (step.how == DIES)
                raise(SIGKILL);
        return true;
}

wt_err __real_wt_store_query(wt_store *s, const char *sql, const struct wt_value *args,
                             uint32_t n_args, wt_on_row row, void *arg, uint64_t *n_changed);
wt_err __wrap_wt_store_query(wt_store *s, const char *sql, const struct wt_value *args,
                             uint32_t n_args, wt_on_row row, void *arg, uint64_t *n_changed);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_link(const char *from, const char *to);
int __wrap_link(const char *from, const char *to);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __real_unlink(const char *path);
int __wrap_unlink(const char *path);
ssize_t __real_write(int fd, const void *data, size_t n);
ssize_t __wrap_write(int fd, const void *data, size_t n);

wt_err __wrap_wt_store_query(wt_store *s, const char *sql, const struct wt_value *args,
                             uint32_t n_args, wt_on_row row, void *arg, uint64_t *n_changed)
{
        if (come())
                return wt_fail(WT_EIO, "planted");
        return __real_wt_store_query(s, sql, args, n_args, row, arg, n_changed);
}

static int planted(void)
{
        errno = EIO;
        return -1;
}

int __wrap_fsync(int fd) { return come() ? planted() : __real_fsync(fd); }
int __wrap_link(const char *a, const char *b) { return come() ? planted() : __real_link(a, b); }
int __wrap_rename(const char *a, const char *b) { return come() ? planted() : __real_rename(a, b); }
int __wrap_unlink(const char *path) { return come() ? planted() : __real_unlink(path); }
ssize_t __wrap_write(int fd, const void *data, size_t n)
{
        return come() ? planted() : __real_write(fd, data, n);
}

/* ---- a log with subjects --------------------------------------------------------------------- */

static void subject(uint32_t i, uint8_t id[16])
{
        memset(id, 0, 16);
        memcpy(id, &i, sizeof i);
        id[15] = 1;
}

static void open_rig(const char *url)
{
        uint8_t id[16];

        memset(&step, 0, sizeof step);
        rig_open_on(&rig, url);
        GOOD(wt_subjects_migrate(rig.store));
        snprintf(folder, sizeof folder, "%s/epochs", rig.folder);
        eraser = (struct wt_eraser){ rig.store, folder, &rig.key, "tester" };
        for (uint32_t i = 0; i < N_OTHERS; i++) {
                subject(i, id);
                GOOD(wt_subject_key(rig.store, folder, id, "clinic", true, keys[i]));
        }
}

static int on_sqlite(void **state)
{
        (void)state;
        open_rig(NULL);
        return 0;
}

static int on_postgres(void **state)
{
        char url[256];

        (void)state;
        pg_database(&pg, "epochs", url);
        open_rig(url);
        return 0;
}

static int sweep(void **state)
{
        (void)state;
        rig_close(&rig);
        return 0;
}

static int on_int(void *arg, const struct wt_value *v, uint32_t n)
{
        (void)n;
        *(int64_t *)arg = v[0].type == WT_INT ? v[0].as.i : -1;
        return WT_OK;
}

static int64_t number(const char *sql)
{
        int64_t n = -1;

        GOOD(wt_store_query(rig.store, sql, NULL, 0, on_int, &n, NULL));
        return n;
}

static bool has_file(int64_t epoch)
{
        char path[200];

        snprintf(path, sizeof path, "%s/%lld.key", folder, (long long)epoch);
        return access(path, F_OK) == 0;
}

/* Nobody else's key is another one, and whoever is new gets one. */
static void others_are_well(void)
{
        const struct wt_value v = wt_v_blob(NEW, 16);
        uint8_t id[16], key[32];

        for (uint32_t i = 0; i < N_OTHERS; i++) {
                subject(i, id);
                GOOD(wt_subject_key(rig.store, folder, id, "clinic", false, key));
                assert_memory_equal(key, keys[i], 32);
        }
        GOOD(wt_subject_key(rig.store, folder, NEW, "clinic", true, key));
        GOOD(wt_store_query(rig.store, "DELETE FROM audit_subjects WHERE subject = $1", &v, 1, NULL,
                            NULL, NULL));        /* each of them would be a step more */
        GOOD(wt_epochs_check(rig.store, folder));
}

/* What an erasure left is done, and then no older key is anywhere. */
static void is_ended(void)
{
        uint64_t left = 1;

        while (left > 0)
                GOOD(wt_erase_finish(rig.store, folder, &left));
        assert_int_equal(number("SELECT count(*) FROM audit_epochs"), 1);
        for (int64_t e = 1, newest = number("SELECT max(epoch) FROM audit_epochs"); e < newest; e++)
                assert_false(has_file(e));
        others_are_well();
}

/* ---- an erasure that does not come to its end ------------------------------------------------ */

/* In a process of its own, which dies at that step. False: it came to the end. */
static bool dies(const uint8_t id[16])
{
        pid_t child = fork();
        int status;

        if (child == 0) {
                struct wt_eraser mine = eraser;

                if (wt_store_open(&mine.store, rig.url, 5000) != WT_OK)
                        _exit(3);
                step.how = DIES;
                if (wt_erase_subject(&mine, id, NULL, NULL) != WT_OK)
                        _exit(4);
                _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFEXITED(status))
                assert_int_equal(WEXITSTATUS(status), 0);
        else
                assert_int_equal(WTERMSIG(status), SIGKILL);
        return WIFSIGNALED(status);
}

static bool fails(const uint8_t id[16])
{
        bool failed;

        step.how = FAILS;
        failed = wt_erase_subject(&eraser, id, NULL, NULL) != WT_OK;
        step.how = NOTHING;
        return failed || step.n >= step.at;
}

static void each_step(bool (*broken)(const uint8_t id[16]))
{
        uint32_t kept = 0, gone = 0;
        uint8_t id[16], key[32], again[32];
        bool more = true;

        subject(77, id);
        for (uint32_t at = 1; more; at++) {
                wt_err err;

                GOOD(wt_subject_key(rig.store, folder, id, "clinic", true, key));
                step.at = at;
                step.n = 0;
                more = broken(id);
                step.how = NOTHING;
                others_are_well();
                err = wt_subject_key(rig.store, folder, id, "clinic", false, again);
                if (err == WT_OK) {              /* it did not happen: then it did not at all */
                        assert_memory_equal(key, again, 32);
                        kept++;
                        GOOD(wt_erase_subject(&eraser, id, NULL, NULL));
                        assert_int_equal(wt_subject_key(rig.store, folder, id, "clinic", false,
                                                        again), WT_ENOTFOUND);
                } else {
                        assert_int_equal(err, WT_ENOTFOUND);
                        gone++;
                }
                is_ended();
                assert_true(at < 1000);
        }
        print_message("# %u steps before the key was gone, %u after\n", kept, gone);
        assert_true(kept >= 8 && gone >= 8);     /* both sides of the commit were met */
}

static void dies_at_each_step(void **state) { (void)state; each_step(dies); }
static void fails_at_each_step(void **state) { (void)state; each_step(fails); }

/* ---- two at one time ------------------------------------------------------------------------- */

static void *erase_some(void *arg)
{
        uint32_t from = *(const uint32_t *)arg;
        struct wt_eraser mine = eraser;
        uint8_t id[16], key[32];
        wt_err err = wt_store_open(&mine.store, rig.url, 20000);

        for (uint32_t i = from; i < from + 12 && err == WT_OK; i++) {
                subject(i, id);
                if ((err = wt_subject_key(mine.store, folder, id, "clinic", true, key)) != WT_OK)
                        break;
                do
                        err = wt_erase_subject(&mine, id, NULL, NULL);
                while (err == WT_EABORTED);      /* the database says: try again */
                if (err == WT_ENOTFOUND)         /* its key was gone by a try that said so */
                        err = WT_OK;
        }
        if (err != WT_OK)
                fprintf(stderr, "# %s\n", wt_words());
        wt_store_close(mine.store);
        return err == WT_OK ? NULL : "bad";
}

static void two_at_one_time(void **state)
{
        uint32_t from[2] = { 100, 200 };
        pthread_t t[2];
        void *words;

        (void)state;
        for (int i = 0; i < 2; i++)
                assert_int_equal(pthread_create(&t[i], NULL, erase_some, &from[i]), 0);
        for (int i = 0; i < 2; i++) {
                pthread_join(t[i], &words);
                assert_null(words);
        }
        others_are_well();
        is_ended();
}

/* ---- the folder ------------------------------------------------------------------------------ */

static void run(const char *fmt, const char *a, const char *b)
{
        char line[400];

        snprintf(line, sizeof line, fmt, a, b);
        assert_int_equal(system(line), 0);
}

static void the_folder_is_the_stores(void **state)
{
        char other[140], path[200];
        uint8_t id[16], key[32];
        uint64_t n;

        (void)state;
        GOOD(wt_epochs_check(rig.store, folder));
        snprintf(other, sizeof other, "%s/elsewhere", rig.folder);
        assert_int_equal(wt_epochs_check(rig.store, other), WT_EPRECONDITION);
        assert_non_null(strstr(wt_words(), other));
        assert_non_null(strstr(wt_words(), "keys/audit-epochs"));
        run("mkdir %s && head -c 32 /dev/urandom > %s/1.key", other, other);
        assert_int_equal(wt_epochs_check(rig.store, other), WT_EPRECONDITION);
        assert_non_null(strstr(wt_words(), "another cluster"));
        subject(300, id);                        /* nor is anything sealed by it */
        assert_int_equal(wt_subject_key(rig.store, other, id, "clinic", true, key),
                         WT_EPRECONDITION);
        GOOD(wt_store_query(rig.store, "UPDATE audit_epochs SET proof = NULL", NULL, 0, NULL, NULL,
                            NULL));              /* a row of an older version */
        assert_int_equal(wt_epochs_check(rig.store, other), WT_EPRECONDITION);
        GOOD(wt_epochs_check(rig.store, folder));
        assert_int_equal(wt_erase_lost(&eraser, &n), WT_ENOTFOUND);
        snprintf(path, sizeof path, "%s/1.key", folder);
        assert_int_equal(unlink(path), 0);       /* now it is lost */
        assert_int_equal(wt_epochs_check(rig.store, folder), WT_EPRECONDITION);
        GOOD(wt_hold_set(&eraser, "clinic", true));
        assert_int_equal(wt_erase_lost(&eraser, &n), WT_EPRECONDITION);
        GOOD(wt_hold_set(&eraser, "clinic", false));
        GOOD(wt_erase_lost(&eraser, &n));
        assert_int_equal(n, N_OTHERS);
        GOOD(wt_epochs_check(rig.store, folder));
        GOOD(wt_subject_key(rig.store, folder, id, "clinic", true, key));
        subject(0, id);
        assert_int_equal(wt_subject_key(rig.store, folder, id, "clinic", false, key), WT_ENOTFOUND);
}

/* A second host: its own state folder, the same store. */
static void a_gateway_refuses(void **state)
{
        char line[900], words[4096];
        size_t n;
        FILE *p;

        (void)state;
        snprintf(line, sizeof line, "%s/bin/witan-gateway --state=%s/host2 --store='%s' "
                 "--model=models/tiny --open-door --name=gateway-1 2>&1", getenv("WITAN_BUILD"),
                 rig.folder, rig.url);
        p = popen(line, "r");
        assert_non_null(p);
        n = fread(words, 1, sizeof words - 1, p);
        words[n] = '\0';
        assert_int_equal(WEXITSTATUS(pclose(p)), 2);
        snprintf(line, sizeof line, "%s/host2/keys/audit-epochs/1.key is not there", rig.folder);
        if (strstr(words, line) == NULL || strstr(words, "share one keys/audit-epochs") == NULL)
                fail_msg("it said: %s", words);
}

#define CASES(kind, setup)                                                                      \
        { kind ": dies at each step", dies_at_each_step, setup, sweep, NULL },                  \
        { kind ": fails at each step", fails_at_each_step, setup, sweep, NULL },                \
        { kind ": two at one time", two_at_one_time, setup, sweep, NULL },                      \
        { kind ": the folder is the store's", the_folder_is_the_stores, setup, sweep, NULL },   \
        { kind ": a gateway refuses", a_gateway_refuses, setup, sweep, NULL }

int main(void)
{
        const struct CMUnitTest tests[] = { CASES("SQLite", on_sqlite) };
        const struct CMUnitTest more[] = { CASES("PostgreSQL", on_postgres) };
        int rc = cmocka_run_group_tests_name("SQLite", tests, NULL, NULL);

        if (!pg_installed()) {
                puts("# PostgreSQL is not there: skipped");
                return rc;
        }
        pg_start(&pg);
        rc |= cmocka_run_group_tests_name("PostgreSQL", more, NULL, NULL);
        pg_end(&pg);
        return rc;
}
