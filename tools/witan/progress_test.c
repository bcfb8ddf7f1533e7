/* progress_test.c - how a cluster that comes up is shown, on a terminal and elsewhere, by a
 * clock that is turned by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "progress.h"

enum { MIB = 1 << 20, SECOND = 1000 * 1000 };
static char dir[64];
static uint64_t now_us;

static uint64_t now(void *arg)
{
        (void)arg;
        return now_us;
}

static const struct wt_clock by_hand = { .now_us = now, .wall_us = now };

static void grow(uint64_t bytes)                 /* all packs together */
{
        char path[128];
        FILE *f;

        snprintf(path, sizeof path, "%s/a.pack", dir);
        f = fopen(path, "w");
        assert_non_null(f);
        assert_int_equal(ftruncate(fileno(f), (off_t)bytes), 0);
        fclose(f);
}

static int open_dir(void **state)
{
        (void)state;
        now_us = 1;
        snprintf(dir, sizeof dir, "/tmp/witan-progress-XXXXXX");
        return mkdtemp(dir) == NULL;
}

static int close_dir(void **state)
{
        char line[96];

        (void)state;
        snprintf(line, sizeof line, "rm -rf %s", dir);
        return system(line);
}

static void begin(struct progress *p, bool terminal, bool counted)
{
        progress_open(p, tmpfile(), dir, 100 * MIB, counted);
        p->clock = &by_hand;
        p->began_us = p->seen_us = p->drawn_us = now_us;
        p->terminal = terminal;
        progress_wait(p, "router-0, expert-0");
}

static void turn(struct progress *p, uint64_t later_us)
{
        now_us += later_us;
        progress_turn(p);
}

/* What was written since the last call. */
static const char *shown(struct progress *p)
{
        static char text[4096];
        size_t n;

        rewind(p->to);
        n = fread(text, 1, sizeof text - 1, p->to);
        text[n] = '\0';
        rewind(p->to);
        assert_int_equal(ftruncate(fileno(p->to), 0), 0);
        return text;
}

static void on_a_terminal(void **state)
{
        struct progress p;

        (void)state;
        begin(&p, true, true);
        turn(&p, 250 * 1000);
        assert_string_equal(shown(&p), "  loading, 0.2 s; waiting for router-0, expert-0");
        grow(10 * MIB);
        turn(&p, 750 * 1000);                    /* 10 MiB in one second */
        assert_string_equal(shown(&p), "\r\033[K  packing [>        ]  10 %, "
                            "10.0 MiB of 100 MiB, 10.0 MiB/s, 9.0 s left");
        turn(&p, 1000);                          /* too early to draw again */
        assert_string_equal(shown(&p), "");
        progress_say(&p, "router-0 is ready");
        assert_string_equal(shown(&p), "\r\033[Krouter-0 is ready\n");
        turn(&p, SECOND);
        assert_non_null(strstr(shown(&p), "packing ["));
        progress_close(&p);
        assert_string_equal(shown(&p), "\r\033[K");
        fclose(p.to);
}

/* Plain lines, one every ten seconds at most. */
static void elsewhere(void **state)
{
        struct progress p;

        (void)state;
        begin(&p, false, true);
        turn(&p, 9 * SECOND);
        assert_string_equal(shown(&p), "");
        turn(&p, SECOND);
        assert_string_equal(shown(&p), "  loading, 10 s; waiting for router-0, expert-0\n");
        grow(50 * MIB);
        turn(&p, 9 * SECOND);
        assert_string_equal(shown(&p), "");
        turn(&p, SECOND);
        assert_non_null(strstr(shown(&p), "50 %, 50.0 MiB of 100 MiB"));
        fclose(p.to);
}

/* Packs of another model do not count, those of this one do. */
static void what_was_there(void **state)
{
        struct progress p;

        (void)state;
        grow(40 * MIB);
        begin(&p, true, false);
        grow(50 * MIB);
        turn(&p, SECOND);
        assert_non_null(strstr(shown(&p), " 10 %, 10.0 MiB of 100 MiB"));
        fclose(p.to);
        grow(40 * MIB);
        begin(&p, true, true);
        grow(50 * MIB);
        turn(&p, SECOND);
        assert_non_null(strstr(shown(&p), " 50 %, 50.0 MiB of 100 MiB"));
        grow(150 * MIB);                         /* more than can be: no bar that says 150 % */
        turn(&p, SECOND);
        assert_non_null(strstr(shown(&p), "packing: 110 MiB so far"));
        fclose(p.to);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(on_a_terminal, open_dir, close_dir),
                cmocka_unit_test_setup_teardown(elsewhere, open_dir, close_dir),
                cmocka_unit_test_setup_teardown(what_was_there, open_dir, close_dir) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
