/* allow_test.c - what an allow-list may say, and that a changed one counts at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/file.h"
#include "bus/allow.h"

#define K0 "0000000000000000000000000000000000000000"
#define K1 "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
#define N64 "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"

static char dir[128], path[160];

/* In place, and within one tick of a coarse clock: neither file, size nor time tell. */
static void overwrite(const char *text, size_t len, const struct timespec *tick)
{
        const struct timespec times[2] = { *tick, *tick };
        FILE *f = fopen(path, "r+");

        assert_non_null(f);
        assert_int_equal(fwrite(text, 1, len, f), len);
        fclose(f);
        assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void put(const char *text, size_t len)
{
        assert_int_equal(wt_file_write(path, text, len, 0600), WT_OK);
}

#define T(s) s, sizeof s - 1
static const struct row { const char *name, *text; size_t len; uint32_t n; const char *words; }
rows[] = {
        { "nothing",               T(""), 0, NULL },
        { "one",                   T("expert-0 expert " K1 "\n"), 1, NULL },
        { "no last newline",       T("expert-0 expert " K1), 1, NULL },
        { "comments and blanks",
          T("# a\n\n  \t\n a\texpert   " K0 " \r\n#b\nb gateway " K1 "\r\n"), 2, NULL },
        { "a name with two keys",  T("a expert " K0 "\na expert " K1 "\n"), 2, NULL },
        { "a name of 64",          T(N64 " expert " K0 "\n"), 1, NULL },
        { "a name of 65",          T(N64 "n expert " K0 "\n"), 0, "line 1" },
        { "a role of 17",          T("a aaaaaaaaaaaaaaaaa " K0 "\n"), 0, "line 1" },
        { "a key of 39", T("a expert 000000000000000000000000000000000000000\n"), 0, "line 1" },
        { "a key of 41",           T("a expert " K0 "0\n"), 0, "line 1" },
        { "a key that is not Z85", T("a expert 00000000000000000000000000000000000000~0\n"), 0,
          "line 1" },
        { "no key",                T("a expert " K0 "\nb expert\n"), 0, "line 2" },
        { "a fourth word",         T("a expert " K0 " x\n"), 0, "line 1" },
        { "a slash in a name",     T("../a expert " K0 "\n"), 0, "line 1" },
        { "a key twice",           T("a expert " K0 "\n\nb expert " K0 "\n"), 0, "line 3" },
        { "a NUL",                 T("a expert " K0 "\n\0b expert " K1 "\n"), 0, "NUL" },
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static void reads(void **state)
{
        const struct row *r = *state;
        struct bus_allow a = { 0 };

        put(r->text, r->len);
        if (r->words) {
                assert_int_equal(bus_allow_open(&a, path), WT_EINVAL);
                if (!strstr(wt_words(), r->words))
                        fail_msg("\"%s\" does not say \"%s\"", wt_words(), r->words);
                return;
        }
        assert_int_equal(bus_allow_open(&a, path), WT_OK);
        assert_int_equal(a.n, r->n);
        bus_allow_close(&a);
}

static void changes(void **state)
{
        struct bus_allow a = { 0 };
        const struct bus_allowed *e;
        struct timespec tick;

        (void)state;
        put(T("a expert " K0 "\n"));
        assert_int_equal(bus_allow_open(&a, path), WT_OK);
        clock_gettime(CLOCK_REALTIME, &tick);
        for (int i = 0; i < 50; i++) {
                overwrite(T("a expert " K1 "\n"), &tick);
                assert_null(bus_allow_find(&a, K0));
                e = bus_allow_find(&a, K1);
                assert_non_null(e);
                assert_string_equal(e->name, "a");
                assert_string_equal(e->role, "expert");
                overwrite(T("b gatewy " K0 "\n"), &tick);
                assert_null(bus_allow_find(&a, K1));
                assert_string_equal(bus_allow_find(&a, K0)->name, "b");
        }
        put(T("half a li"));
        assert_null(bus_allow_find(&a, K0));     /* wrong: nobody */
        unlink(path);
        assert_null(bus_allow_find(&a, K0));     /* gone: nobody */
        put(T("a expert " K0 "\n"));
        assert_non_null(bus_allow_find(&a, K0));
        bus_allow_close(&a);
        unlink(path);
        assert_int_equal(bus_allow_open(&a, path), WT_ENOTFOUND);
}

int main(void)
{
        struct CMUnitTest tests[N_ROWS + 1];
        const char *tmp = getenv("TMPDIR");
        int rc;

        snprintf(dir, sizeof dir, "%s/witan-allow-XXXXXX",
                 tmp && strlen(tmp) < 64 ? tmp : P_tmpdir);
        if (!mkdtemp(dir))
                return 1;
        snprintf(path, sizeof path, "%s/allowed", dir);
        for (size_t i = 0; i < N_ROWS; i++)
                tests[i] = (struct CMUnitTest){ rows[i].name, reads, NULL, NULL, (void *)&rows[i] };
        tests[N_ROWS] = (struct CMUnitTest){ "a changed list counts at once", changes, NULL, NULL,
                                             NULL };
        rc = cmocka_run_group_tests(tests, NULL, NULL);
        unlink(path);
        rmdir(dir);
        return rc;
}
