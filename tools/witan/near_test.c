/* near_test.c - what was meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "near.h"

static const char *const words[] = {"up",     "down",   "ps",   "chat",       "models", "key",
                                    "config", "doctor", "logs", "completion", NULL};
static const struct row { const char *name, *typed, *want;
} rows[] = {
        {"a letter too few", "dwn", "down"},
        {"a letter too many", "modells", "models"},
        {"another letter", "doktor", "doctor"},
        {"two neighbours swapped", "chta", "chat"},
        {"the front of a word", "comp", "completion"},
        {"the front of a short word", "co", "config"},
        {"a plural", "keys", "key"},
        {"nothing like it", "frobnicate", NULL},
        {"one letter is nothing", "x", NULL},
        {"empty", "", NULL},
        {"two letters, both wrong", "zz", NULL},
        {"very long", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL},
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static void meant(void **state)
{
        const struct row *r = *state;
        const char *got = near_word(r->typed, words);

        if (r->want == NULL)
                assert_null(got);
        else if (got == NULL)
                fail_msg("nothing is near \"%s\"", r->typed);
        else
                assert_string_equal(got, r->want);
}

static void lists(void **state)
{
        static const char *const one[] = { "a", NULL }, *const two[] = { "a", "b", NULL },
                                 *const three[] = { "a", "b", "c", NULL };
        char out[16];

        (void)state;
        assert_string_equal(near_list(one, out, sizeof out), "a");
        assert_string_equal(near_list(two, out, sizeof out), "a or b");
        assert_string_equal(near_list(three, out, sizeof out), "a, b or c");
        assert_string_equal(near_list(three, out, 5), "a, b");
}

int main(void)
{
        struct CMUnitTest tests[1 + N_ROWS] = { cmocka_unit_test(lists) };

        for (size_t i = 0; i < N_ROWS; i++)
                tests[1 + i] =
                        (struct CMUnitTest){rows[i].name, meant, NULL, NULL, (void *)&rows[i]};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
