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
#include "base/file.h"
#include "plugin/plugin.h"

static char folder[64];

/* The .so files are copied to a folder of our own, whatever the umask of the build. */
static int make_folder(void **state)
{
        static const char *const cases[] = { "good", "magic", "null", "noentry", "float" };
        const char *build = getenv("WITAN_BUILD");

        (void)state;
        strcpy(folder, "/tmp/witan-load-XXXXXX");
        if (!build || !mkdtemp(folder))
                return -1;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct wt_buf so = { 0 };
                char path[512];

                snprintf(path, sizeof path, "%s/tests/plugins/test_plugin_%s.so", build, cases[i]);
                if (wt_file_read(path, 64 << 20, &so) != WT_OK)
                        return -1;
                snprintf(path, sizeof path, "%s/%s.so", folder, cases[i]);
                if (wt_file_write(path, so.data, so.len, 0755) != WT_OK)
                        return -1;
                wt_buf_free(&so);
        }
        return 0;
}

static int remove_folder(void **state)
{
        char command[128];

        (void)state;
        snprintf(command, sizeof command, "rm -rf '%s'", folder);
        return system(command);
}

static const char *at(const char *name)
{
        static char path[128];

        snprintf(path, sizeof path, "%s/%s.so", folder, name);
        return path;
}

static void good_loads_and_stays(void **state)
{
        const struct wt_plugin *p = NULL, *again = NULL;

        (void)state;
        assert_int_equal(wt_plugin_load(at("good"), &p), WT_OK);
        assert_string_equal(p->name, "first-holder");
        assert_int_equal(wt_plugin_load(at("good"), &again), WT_OK);
        assert_ptr_equal(p, again);
}

static const struct bad { const char *name, *file; wt_err code; const char *words; } bads[] = {
        { "wrong magic", "magic", WT_EINVAL, "no Witan plugin" },
        { "an entry that gives nothing", "null", WT_EINVAL, "gave nothing" },
        { "no entry", "noentry", WT_EINVAL, "exports no wt_plugin_entry" },
        { "no file", "absent", WT_ENOTFOUND, "cannot find the plugin" },
#if defined(__x86_64__)
        { "a library that flushes subnormals", "float", WT_EPRECONDITION, "floating-point mode" },
#endif
};
enum { N_BADS = sizeof bads / sizeof *bads };

static void refused(void **state)
{
        const struct bad *b = *state;
        const struct wt_plugin *p = NULL;

        assert_int_equal(wt_plugin_load(at(b->file), &p), b->code);
        assert_non_null(strstr(wt_words(), b->words));
        assert_null(p);
        assert_int_equal(wt_float_ground(), WT_OK);
}

/* The loader's own words begin with the path, and so do ours. */
static void a_file_that_is_no_library_is_named_once(void **state)
{
        static const char text[] = "not a library\n";
        const struct wt_plugin *p = NULL;
        const char *first;

        (void)state;
        assert_int_equal(wt_file_write(at("text"), text, sizeof text, 0644), WT_OK);
        assert_int_equal(wt_plugin_load(at("text"), &p), WT_EINVAL);
        first = strstr(wt_words(), "text.so");
        assert_non_null(first);
        assert_null(strstr(first + 1, "text.so"));
        assert_non_null(strstr(wt_words(), "-shared -fPIC"));
        assert_null(p);
}

static void only_from_what_others_cannot_write(void **state)
{
        const struct wt_plugin *p = NULL;

        (void)state;
        assert_int_equal(chmod(folder, 0775), 0);
        assert_int_equal(wt_plugin_load(at("good"), &p), WT_EPERM);
        assert_non_null(strstr(wt_words(), "chmod go-w"));
        assert_int_equal(chmod(folder, 0707), 0);
        assert_int_equal(wt_plugin_load(at("good"), &p), WT_EPERM);
        assert_int_equal(chmod(folder, 0700), 0);
        assert_int_equal(chmod(at("good"), 0666), 0);
        assert_int_equal(wt_plugin_load(at("good"), &p), WT_EPERM);
        assert_int_equal(chmod(at("good"), 0644), 0);
        assert_null(p);
        assert_int_equal(wt_plugin_load(at("good"), &p), WT_OK);
}

int main(void)
{
        struct CMUnitTest tests[N_BADS + 3] = {
                cmocka_unit_test(good_loads_and_stays),
                cmocka_unit_test(only_from_what_others_cannot_write),
                cmocka_unit_test(a_file_that_is_no_library_is_named_once),
        };

        for (size_t i = 0; i < N_BADS; i++)
                tests[3 + i] =
                        (struct CMUnitTest){bads[i].name, refused, NULL, NULL, (void *)&bads[i]};
        return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
