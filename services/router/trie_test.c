/* trie_test.c - the depths that calls ask for, against the definition tried out in full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "inside.h"

/* The least depth whose node around pick i holds picks of ours only. */
static uint32_t by_definition(uint32_t bits, const int32_t *pick, uint32_t k, uint64_t ours,
                              uint32_t i)
{
        for (uint32_t d = 0; d <= bits; d++) {
                bool alone = true;

                for (uint32_t j = 0; j < k; j++)
                        if (pick[j] >> (bits - d) == pick[i] >> (bits - d) && !(ours >> j & 1))
                                alone = false;
                if (alone)
                        return d;
        }
        return bits;
}

static void equals_definition(void **state)
{
        (void)state;
        srand(1);
        for (uint32_t bits = 0; bits <= 8; bits++) {
                for (int round = 0; round < 2000; round++) {
                        uint32_t k = 0, most = 1u << bits;
                        int32_t pick[16];
                        uint64_t ours;

                        for (uint32_t x = 0; x < most && k < 16; x++)
                                if (rand() % (int)most < 9)
                                        pick[k++] = (int32_t)x;
                        ours = (uint64_t)rand();
                        for (uint32_t i = 0; i < k; i++)
                                if (ours >> i & 1)
                                        assert_int_equal(router_depth(bits, pick, k, ours, i),
                                                         by_definition(bits, pick, k, ours, i));
                }
        }
}

static const struct row { const char *name; uint32_t bits, k; int32_t pick[4]; uint64_t ours;
                          uint32_t want[4]; } rows[] = {
        { "all picks in one call: the root", 4, 3, { 1, 7, 15 }, 7, { 0, 0, 0 } },
        { "one pick goes elsewhere in the other half", 4, 3, { 1, 7, 15 }, 3, { 1, 1, 0 } },
        { "neighbours on two workers are leaves", 4, 2, { 6, 7 }, 2, { 0, 4 } },
        { "nearest stranger counts", 4, 4, { 0, 3, 4, 12 }, 5, { 3, 0, 2, 0 } },
        { "a single expert has depth 0", 0, 1, { 0 }, 1, { 0 } },
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static void depth(void **state)
{
        const struct row *r = *state;

        for (uint32_t i = 0; i < r->k; i++)
                if (r->ours >> i & 1)
                        assert_int_equal(router_depth(r->bits, r->pick, r->k, r->ours, i),
                                         r->want[i]);
}

static void pages_are_counted(void **state)
{
        uint32_t free_pages[10], a[10], b[10];
        struct kv kv = { .n_pages = 10, .n_free = 10, .free = free_pages };

        (void)state;
        for (uint32_t i = 0; i < 10; i++)
                free_pages[i] = 9 - i;
        assert_true(router_kv_take(&kv, 4, a));
        assert_false(router_kv_take(&kv, 7, b));
        assert_int_equal(kv.n_free, 6);          /* all or none */
        assert_true(router_kv_take(&kv, 6, b));
        for (uint32_t i = 0; i < 4; i++)
                for (uint32_t j = 0; j < 6; j++)
                        assert_int_not_equal(a[i], b[j]);
        router_kv_give(&kv, a, 4);
        router_kv_give(&kv, b, 6);
        assert_int_equal(kv.n_free, 10);
        assert_int_equal(router_pages_for(1), 1);
        assert_int_equal(router_pages_for(64), 1);
        assert_int_equal(router_pages_for(65), 2);
}

int main(void)
{
        struct CMUnitTest tests[N_ROWS + 2] = { cmocka_unit_test(equals_definition),
                                                cmocka_unit_test(pages_are_counted) };

        for (size_t i = 0; i < N_ROWS; i++)
                tests[2 + i] = (struct CMUnitTest){ rows[i].name, depth, NULL, NULL,
                                                    (void *)&rows[i] };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
