#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/clock.h"
#include "base/rng.h"

/* Random123, tests/kat_vectors: philox4x32 with 10 rounds. */
static const struct kat { const char *name; uint32_t counter[4], key[2], out[4];
} kats[] = {
        {"all zeros", {0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {"all ones",
         {~0u, ~0u, ~0u, ~0u},
         {~0u, ~0u},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {"digits of pi",
         {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};
enum { N_KATS = sizeof kats / sizeof *kats };

static void known_answer(void **state)
{
        const struct kat *k = *state;
        uint32_t out[4];

        wt_philox(k->key, k->counter, out);
        assert_memory_equal(out, k->out, sizeof out);
}

static void unit_is_53_bits_of_the_counter(void **state)
{
        double mean = 0;

        (void)state;
        assert_true(wt_philox_unit(0, 0, 0, 0) == (double)(0xe169c58d6627e8d5u >> 11) * 0x1p-53);
        assert_true(wt_philox_unit(1ull << 32, 0, 0, 0) != wt_philox_unit(1, 0, 0, 0));
        assert_true(wt_philox_unit(5, 1, 2, 3) != wt_philox_unit(5, 3, 2, 1));
        for (uint32_t i = 0; i < 100000; i++) {
                double x = wt_philox_unit(42, i, 0, 0);

                assert_true(x >= 0 && x < 1);
                mean += x / 100000;
        }
        assert_true(mean > 0.49 && mean < 0.51);
}

static void random_bytes_differ(void **state)
{
        uint8_t a[300] = { 0 }, b[300] = { 0 };

        (void)state;
        wt_random_bytes(a, sizeof a);
        wt_random_bytes(b, sizeof b);
        assert_memory_not_equal(a, b, sizeof a);
        assert_memory_not_equal(a + 284, b + 284, 16);
}

static void uuid7_sorts_by_time(void **state)
{
        uint8_t a[16], b[16];
        char text[37];

        (void)state;
        wt_uuid7(0x017f22e279b0ull * 1000, a);   /* the time of RFC 9562's example */
        wt_uuid7(0x017f22e279b0ull * 1000 + 1, b);
        wt_uuid_text(a, text);
        assert_int_equal(strlen(text), 36);
        assert_memory_equal(text, "017f22e2-79b0-7000-", 19);
        assert_non_null(strchr("89ab", text[19]));
        assert_true(memcmp(a, b, 8) < 0);        /* a microsecond later is greater */
        wt_uuid7(0x017f22e279b0ull * 1000, b);
        assert_memory_not_equal(a, b, 16);
}

static void clocks_run(void **state)
{
        uint64_t a = wt_now_us(&wt_clock_real), b = wt_now_us(&wt_clock_real);

        (void)state;
        assert_true(b >= a);
        assert_true(wt_wall_us(&wt_clock_real) > 1700000000ull * 1000000);
}

int main(void)
{
        struct CMUnitTest tests[4 + N_KATS] = {
                cmocka_unit_test(unit_is_53_bits_of_the_counter),
                cmocka_unit_test(random_bytes_differ),
                cmocka_unit_test(uuid7_sorts_by_time),
                cmocka_unit_test(clocks_run),
        };

        for (size_t i = 0; i < N_KATS; i++)
                tests[4 + i] = (struct CMUnitTest){ kats[i].name, known_answer, NULL, NULL,
                                                    (void *)&kats[i] };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
