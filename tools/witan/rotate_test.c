/* rotate_test.c - logs that are turned over while their writer goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "rotate.h"

static char dir[64], path[96];

static int open_dir(void **state)
{
        (void)state;
        snprintf(dir, sizeof dir, "/tmp/witan-rotate-XXXXXX");
        if (mkdtemp(dir) == NULL)
                return -1;
        snprintf(path, sizeof path, "%s/expert-0.log", dir);
        return 0;
}

static int close_dir(void **state)
{
        char line[96];

        (void)state;
        snprintf(line, sizeof line, "rm -rf %s", dir);
        return system(line);
}

/* What is in PATH.which (0: PATH); "-" when there is no such file. */
static const char *content(uint32_t which)
{
        static char text[256];
        struct wt_buf b = { 0 };
        char name[128];

        snprintf(name, sizeof name, which > 0 ? "%s.%u" : "%s", path, which);
        snprintf(text, sizeof text, "-");
        if (wt_file_read(name, 1 << 20, &b) == WT_OK)
                snprintf(text, sizeof text, "%s", b.len > 0 ? b.data : "");
        wt_buf_free(&b);
        return text;
}

static void writes_on(void **state)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
        char line[16];
        bool turned;

        (void)state;
        for (uint32_t i = 1; i <= 6; i++) {
                snprintf(line, sizeof line, "line %u\n", i);
                assert_int_equal(write(fd, line, 7), 7);
                assert_int_equal(rotate(path, 7, 3, &turned), WT_OK);
                assert_false(turned);            /* as long as the limit, not longer */
                assert_int_equal(write(fd, line, 7), 7);
                assert_int_equal(rotate(path, 7, 3, &turned), WT_OK);
                assert_true(turned);
                assert_string_equal(content(0), "");
                snprintf(line, sizeof line, "line %u\nline %u", i, i);
                assert_memory_equal(content(1), line, 13);
        }
        assert_string_equal(content(2), "line 5\nline 5\n");
        assert_string_equal(content(3), "line 4\nline 4\n");
        assert_string_equal(content(4), "-");    /* three are kept */
        assert_int_equal(write(fd, "on\n", 3), 3);
        assert_string_equal(content(0), "on\n");        /* no hole before it */
        close(fd);
}

static void none_kept(void **state)
{
        bool turned = true;

        (void)state;
        assert_int_equal(rotate(path, 0, 0, &turned), WT_OK);    /* not there: nothing to do */
        assert_false(turned);
        assert_int_equal(wt_file_write(path, "text", 4, 0600), WT_OK);
        assert_int_equal(rotate(path, 3, 0, &turned), WT_OK);
        assert_true(turned);
        assert_string_equal(content(0), "");
        assert_string_equal(content(1), "-");
}

/* The copy cannot be written: nothing is lost. */
static void no_room(void **state)
{
        char taken[128];
        bool turned = true;

        (void)state;
        snprintf(taken, sizeof taken, "%s.1", path);
        assert_int_equal(mkdir(taken, 0700), 0);
        assert_int_equal(wt_file_write(path, "text", 4, 0600), WT_OK);
        assert_int_equal(rotate(path, 3, 1, &turned), WT_EIO);
        assert_non_null(strstr(wt_words(), path));
        assert_false(turned);
        assert_string_equal(content(0), "text");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(writes_on, open_dir, close_dir),
                cmocka_unit_test_setup_teardown(none_kept, open_dir, close_dir),
                cmocka_unit_test_setup_teardown(no_room, open_dir, close_dir),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
