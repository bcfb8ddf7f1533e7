/* limits_test.c - lists of networks and of models. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "identity/identity.h"

static void sources(void **state)
{
        static const struct { const char *list, *addr; bool yes; } t[] = {
                { "", "anything at all", true },
                { "127.0.0.1", "127.0.0.1:53214", true },
                { "127.0.0.1", "127.0.0.2:53214", false },
                { "127.0.0.1", "127.0.0.1", true },
                { "10.0.0.0/8", "10.255.3.4:1", true },
                { "10.0.0.0/8", "11.0.0.0:1", false },
                { "10.128.0.0/9", "10.127.255.255:1", false },
                { "10.128.0.0/9", "10.128.0.0:1", true },
                { "0.0.0.0/0", "203.0.113.9:1", true },
                { "0.0.0.0/0", "[2001:db8::1]:1", false },
                { "192.168.7.1,2001:db8::/32", "[2001:db8:9::1]:80", true },
                { "192.168.7.1,2001:db8::/32", "[2001:db9::1]:80", false },
                { "::1", "[::1]:9", true },
                { "::1", "::1", true },
                { "10.0.0.0/8", "[::ffff:10.1.1.1]:80", true },  /* of a dual-stack socket */
                { "10.0.0.0/8", "", false },
                { "10.0.0.0/8", "[10.0.0.1", false },
                { "10.0.0.0/8", "ten", false },
        };

        (void)state;
        for (size_t i = 0; i < sizeof t / sizeof *t; i++)
                if (wt_sources_allow(t[i].list, t[i].addr) != t[i].yes)
                        fail_msg("\"%s\" in \"%s\" should be %d", t[i].addr, t[i].list, t[i].yes);
}

static void bad_lists(void **state)
{
        static const char *const bad[] = {
                "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/1234", "10.0.0/8", "10.0.0.0/-1", ",",
                "10.0.0.1,,10.0.0.2", "2001:db8::/129", "localhost", "10.0.0.1/8x", " 10.0.0.1",
                "1111111111111111111111111111111111111111111111111111111111111111111111111111",
        };
        static const char *const good[] = { "", "10.0.0.1", "10.0.0.0/0", "::/0", "::1,127.0.0.1" };

        (void)state;
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
                if (wt_sources_check(bad[i]) != WT_EINVAL)
                        fail_msg("\"%s\" was taken", bad[i]);
        for (size_t i = 0; i < sizeof good / sizeof *good; i++)
                if (wt_sources_check(good[i]) != WT_OK)
                        fail_msg("\"%s\": %s", good[i], wt_words());
}

static void models(void **state)
{
        (void)state;
        assert_true(wt_models_allow("", "tiny"));
        assert_true(wt_models_allow("tiny", "tiny"));
        assert_true(wt_models_allow("big,tiny", "tiny"));
        assert_false(wt_models_allow("big,tinyest", "tiny"));
        assert_false(wt_models_allow("tin", "tiny"));
        assert_false(wt_models_allow(",", "tiny"));
}

static void names(void **state)
{
        (void)state;
        assert_string_equal(wt_limit_name(WT_REQUESTS_PER_MINUTE), "requests_per_minute");
        assert_string_equal(wt_limit_name(WT_COST_PER_MONTH), "cost_per_month");
        for (int i = 0; i < WT_N_LIMITS; i++)
                assert_int_equal(wt_no_limits.most[i], -1);
        assert_true(wt_role_known("auditor"));
        assert_false(wt_role_known("root"));
        assert_false(wt_role_known(""));
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(sources), cmocka_unit_test(bad_lists),
                                            cmocka_unit_test(models), cmocka_unit_test(names) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
