/* units_test.c - numbers for people, and the bar of witan up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "progress.h"
#include "units.h"

static void bytes(void **state)
{
        static const struct { uint64_t n; const char *want;
        } rows[] = {{0, "0 B"},
                    {999, "999 B"},
                    {1023, "1023 B"},
                    {1024, "1.00 KiB"},
                    {1536, "1.50 KiB"},
                    {10240, "10.0 KiB"},
                    {102400, "100 KiB"},
                    {1047552, "1023 KiB"},
                    {1048575, "1.00 MiB"},
                    {20000000, "19.1 MiB"},
                    {25276502016, "23.5 GiB"},
                    {UINT64_MAX, "16384 PiB"}};
        char got[32];

        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                units_bytes(rows[i].n, got);
                assert_string_equal(got, rows[i].want);
        }
}

static void counts(void **state)
{
        static const struct { double n; const char *want;
        } rows[] = {{0, "0"},
                    {999, "999"},
                    {1000, "1.00 K"},
                    {9999990, "10.0 M"},
                    {671.026e9, "671 B"},
                    {37.4e9, "37.4 B"},
                    {1.05e12, "1.05 T"}};
        char got[32];

        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                units_count(rows[i].n, got);
                assert_string_equal(got, rows[i].want);
        }
}

static void seconds(void **state)
{
        static const struct { double s; const char *want;
        } rows[] = {{0, "0.0 s"},
                    {4.25, "4.2 s"},
                    {59, "59 s"},
                    {60, "1 min 0 s"},
                    {3599, "59 min 59 s"},
                    {7500, "2 h 5 min"},
                    {1e300, "277777 h 46 min"}};
        char got[32];

        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                units_seconds(rows[i].s, got);
                assert_string_equal(got, rows[i].want);
        }
}

static void bars(void **state)
{
        static const struct { uint64_t done, total; double rate; const char *want; } rows[] = {
                { 0, 100, 0, "[>         ]   0 %, 0 B of 100 B" },
                { 50, 100, 10, "[=====>    ]  50 %, 50 B of 100 B, 10 B/s, 5.0 s left" },
                { 100, 100, 10, "[==========] 100 %, 100 B of 100 B, 10 B/s, 0.0 s left" },
                { 120, 100, 10, "[==========] 120 %, 120 B of 100 B, 10 B/s, 0.0 s left" },
                { 0, 0, 0, "[==========] 100 %, 0 B of 0 B" } };
        char got[200];

        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                progress_bar(got, sizeof got, rows[i].done, rows[i].total, rows[i].rate, 10);
                assert_string_equal(got, rows[i].want);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(bytes), cmocka_unit_test(counts),
                                            cmocka_unit_test(seconds), cmocka_unit_test(bars) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
