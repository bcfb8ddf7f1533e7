/* fair_test.c - deficit round robin: shares by weight and cost, and what leaves in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "base/rng.h"
#include "identity/fair.h"

enum { MANY = 3000 };
static struct wt_place place[3][MANY];
static const char *const name[3] = { "a", "b", "c" };

static int whose(const struct wt_place *p)
{
        for (int t = 0; t < 3; t++)
                if (p >= place[t] && p < place[t] + MANY)
                        return t;
        return -1;
}

static void fill(struct wt_fair *f, int t, uint32_t weight, uint64_t cost)
{
        memset(place[t], 0, sizeof place[t]);
        for (int i = 0; i < MANY; i++)
                wt_fair_put(f, &place[t][i], name[t], weight, cost);
}

static void drain(struct wt_fair *f)
{
        while (wt_fair_take(f) != NULL)
                ;
        assert_int_equal(f->n, 0);
        assert_null(f->turn);
}

/* Tokens, not requests, are what is shared: long requests do not get more. */
static void by_cost(void **state)
{
        struct wt_fair f = { 0 };
        uint64_t got[3] = { 0 };
        struct wt_place *p;

        (void)state;
        fill(&f, 0, 1, 4000);
        fill(&f, 1, 1, 100);
        for (int i = 0; i < 2000 && (p = wt_fair_take(&f)) != NULL; i++)
                got[whose(p)] += p->cost;
        assert_true(got[0] * 100 >= got[1] * 93 && got[1] * 100 >= got[0] * 93);
        drain(&f);
}

static void by_weight(void **state)
{
        struct wt_fair f = { 0 };
        uint64_t got[3] = { 0 };
        struct wt_place *p;

        (void)state;
        fill(&f, 0, 1, 500);
        fill(&f, 1, 2, 500);
        fill(&f, 2, 5, 500);
        for (int i = 0; i < 4000 && (p = wt_fair_take(&f)) != NULL; i++)
                got[whose(p)]++;
        assert_in_range(got[0], 490, 510);
        assert_in_range(got[1], 990, 1010);
        assert_in_range(got[2], 2490, 2510);
        drain(&f);
}

/* One request of a tenant does not stand behind a thousand of another. */
static void small_one(void **state)
{
        struct wt_fair f = { 0 };
        struct wt_place *p, mine = { 0 };
        int before = 0;

        (void)state;
        fill(&f, 0, 1, 200);
        wt_fair_take(&f);
        wt_fair_put(&f, &mine, "b", 1, 200);
        while ((p = wt_fair_take(&f)) != &mine && p != NULL)
                before++;
        assert_ptr_equal(p, &mine);
        assert_true(before <= 2);
        drain(&f);
}

/* Within a tenant: first come, first served. Whoever leaves is not served and costs nothing. */
static void order_and_leaving(void **state)
{
        struct wt_fair f = { 0 };
        const struct wt_place *last[3] = { 0 };
        struct wt_place *p;
        size_t served = 0, left = 0;

        (void)state;
        for (int t = 0; t < 3; t++)
                fill(&f, t, (uint32_t)t + 1, 300);
        for (int i = 0; i < MANY; i++)
                for (int t = 0; t < 3; t++) {
                        uint32_t key[2] = { 7, (uint32_t)t }, at[4] = { (uint32_t)i }, out[4];

                        wt_philox(key, at, out);
                        if (out[0] % 3 == 0) {
                                wt_fair_remove(&f, &place[t][i]);
                                wt_fair_remove(&f, &place[t][i]);
                                left++;
                        }
                }
        assert_int_equal(f.n, 3 * MANY - left);
        assert_int_equal(wt_fair_waiting(&f, "a") + wt_fair_waiting(&f, "b") +
                         wt_fair_waiting(&f, "c"), f.n);
        assert_int_equal(wt_fair_waiting(&f, "d"), 0);
        for (;;) {
                const struct wt_place *next = wt_fair_peek(&f);
                int t;

                assert_ptr_equal(wt_fair_peek(&f), next);        /* looking changes nothing */
                p = wt_fair_take(&f);
                assert_ptr_equal(p, next);
                if (p == NULL)
                        break;
                t = whose(p);

                assert_true(last[t] == NULL || p > last[t]);
                last[t] = p;
                served++;
        }
        assert_int_equal(served, 3 * MANY - left);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(by_cost), cmocka_unit_test(by_weight),
                cmocka_unit_test(small_one), cmocka_unit_test(order_and_leaving),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
