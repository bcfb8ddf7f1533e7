/* logs_test.c - files as they are while processes write, rotate and die. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "logs_read.h"

static char dir[64];

static void put(const char *name, const char *mode, const char *text)
{
        char path[128];
        FILE *f;

        snprintf(path, sizeof path, "%s/%s.log", dir, name);
        f = fopen(path, mode);
        assert_non_null(f);
        fputs(text, f);
        fclose(f);
}

static int open_dir(void **state)
{
        (void)state;
        snprintf(dir, sizeof dir, "/tmp/witan-logs-XXXXXX");
        return mkdtemp(dir) == NULL;
}

static int close_dir(void **state)
{
        char line[96];

        (void)state;
        snprintf(line, sizeof line, "rm -rf %s", dir);
        return system(line);
}

#define AT(s, id, level)                                                                           \
        "{\"ts\":\"2026-01-01T00:00:0" #s ".000000Z\",\"level\":\"" level "\",\"id\":\"" id "\"}"  \
                                                                                            "\n"

static void next_is(struct logs *l, const char *name, const char *part)
{
        struct log_file *f = logs_next(l);

        if (f == NULL)
                fail_msg("there is no line, %s was awaited", part);
        assert_string_equal(f->name, name);
        if (strstr(f->line, part) == NULL)
                fail_msg("\"%s\" is not in: %s", part, f->line);
        logs_taken(f);
}

static void merged(void **state)
{
        static struct logs l;

        (void)state;
        put("expert-0", "w", AT(1, "A", "info") "words of a library\n" AT(4, "B", "warn"));
        put("router-0", "w",
            AT(2, "C", "notice") AT(3, "D", "error") "{\"ts\":\"2026-01-01T00:00:05.0");
        assert_int_equal(logs_open(&l, dir, NULL), WT_OK);
        assert_int_equal(l.n, 2);
        next_is(&l, "expert-0", "\"A\"");
        next_is(&l, "expert-0", "words of a library");
        next_is(&l, "router-0", "\"C\"");
        assert_int_equal(logs_next(&l)->level, WT_ERROR);
        next_is(&l, "router-0", "\"D\"");
        next_is(&l, "expert-0", "\"B\"");
        assert_null(logs_next(&l));              /* the last line is not whole */
        put("router-0", "a", "00000Z\",\"id\":\"E\"}\n");
        put("gateway-0", "w", AT(6, "F", "info"));
        logs_rescan(&l, NULL);
        next_is(&l, "router-0", "\"E\"");
        next_is(&l, "gateway-0", "\"F\"");
        assert_null(logs_next(&l));
        put("router-0", "w", AT(7, "G", "info"));        /* cut by hand */
        assert_null(logs_next(&l));
        next_is(&l, "router-0", "\"G\"");
        logs_close(&l);
}

static void by_name_and_role(void **state)
{
        static const struct { const char *only; uint32_t n;
        } rows[] = {{"expert-0", 1}, {"expert", 2}, {"exp", 0}, {"router", 1}, {"expert-1", 1}};
        static struct logs l;

        (void)state;
        put("expert-0", "w", "");
        put("expert-1", "w", "");
        put("router-0", "w", "");
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                assert_int_equal(logs_open(&l, dir, rows[i].only),
                                 rows[i].n > 0 ? WT_OK : WT_ENOTFOUND);
                assert_int_equal(l.n, rows[i].n);
                logs_close(&l);
        }
}

static void ages(void **state)
{
        static const struct { const char *text, *want;
        } rows[] = {{"0s", "2001-09-09T01:46:40"},
                    {"90s", "2001-09-09T01:45:10"},
                    {"10m", "2001-09-09T01:36:40"},
                    {"2h", "2001-09-08T23:46:40"},
                    {"1d", "2001-09-08T01:46:40"},
                    {"2025-01-31", "2025-01-31"},
                    {"2025-01-31T12:00:00Z", "2025-01-31T12:00:00Z"},
                    {"10", NULL},
                    {"10x", NULL},
                    {"", NULL},
                    {"-1s", NULL},
                    {"yesterday", NULL},
                    {"2025-01", NULL},
                    {"99999999999999999999d", NULL}};
        char got[LOGS_TS];

        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                if (logs_since(rows[i].text, 1000000000, got) != (rows[i].want != NULL))
                        fail_msg("\"%s\"", rows[i].text);
                if (rows[i].want != NULL)
                        assert_string_equal(got, rows[i].want);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(merged, open_dir, close_dir),
                cmocka_unit_test_setup_teardown(by_name_and_role, open_dir, close_dir),
                cmocka_unit_test(ages)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}
