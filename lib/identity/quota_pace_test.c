/* quota_pace_test.c - how often a gateway's requests wait for the store: seldom while their limit
 * is far, and near it as often as it takes to leave something for others. */
#include <poll.h>
#include <string.h>
#include "identity/quota.h"
#include "identity/rig.h"

/* 2026-03-31 23:58:30 UTC */
static const uint64_t EVENING = 1775001510ull * 1000000;

static void decided(void *arg, struct wt_ticket *t)
{
        (void)arg; (void)t;
}

static wt_quota *open_quota(const char *gateway)
{
        struct wt_quota_conf c = { .store_url = url, .timeout_ms = 5000, .gateway = gateway,
                                   .decided = decided };
        wt_quota *q = NULL;

        if (wt_quota_open(&q, &c) != WT_OK)
                fail_msg("%s", wt_words());
        return q;
}

/* n requests after one another, of which each is granted; how many of them waited. */
static uint32_t waits_of(wt_quota *q, const char *scope, int64_t most, uint64_t time_us, uint32_t n)
{
        const struct wt_charge used = { .n[WT_REQUESTS_PER_MINUTE] = 1 };
        uint32_t waits = 0;

        for (uint32_t i = 0; i < n; i++) {
                struct wt_ticket t = { .n_scopes = 1, .time_us = time_us, .charge = used };
                wt_err err;

                snprintf(t.scope[0].name, sizeof t.scope[0].name, "%s", scope);
                t.scope[0].limits = wt_no_limits;
                t.scope[0].limits.most[WT_REQUESTS_PER_MINUTE] = most;
                err = wt_quota_ask(q, &t);
                waits += err == WT_EAGAIN;
                for (int k = 0; k < 200 && t.state == WT_TICKET_WAITS; k++) {
                        struct pollfd p = { wt_quota_fd(q), POLLIN, 0 };

                        poll(&p, 1, 100);
                        wt_quota_turn(q);
                }
                assert_int_equal(t.state, WT_TICKET_HELD);
                wt_quota_settle(q, &t, &used);
        }
        return waits;
}

static int one_int(void *arg, const struct wt_value *v, uint32_t n)
{
        (void)n;
        *(int64_t *)arg = v[0].as.i;
        return 0;
}

/* What g0 holds, used or not: of this scope. */
static int64_t leased(const char *scope)
{
        const struct wt_value v[] = { wt_v_text(scope) };
        wt_store *s = NULL;
        int64_t out = -1;

        assert_int_equal(wt_store_open(&s, url, 5000), WT_OK);
        assert_int_equal(wt_store_query(s, "SELECT SUM(amount) FROM quota_leases WHERE scope = $1",
                                        v, 1, one_int, &out, NULL), WT_OK);
        wt_store_close(s);
        return out;
}

/* Each wait leases twice what was charged lately, so a thousand times as many cost ten more; a
 * handful at a time would be 500. A thread that gets no turn meanwhile costs some. */
static void a_burst_waits_seldom(void **state)
{
        wt_quota *q = open_quota("g0");
        uint32_t n = waits_of(q, "key:burst", 1000000, EVENING, 4000);

        (void)state;
        print_message("# 4,000 requests, %u waited\n", n);
        assert_in_range(n, 1, 60);
        /* The next minute goes on at the pace of the last. */
        n = waits_of(q, "key:burst", 1000000, EVENING + 60000000, 4000);
        print_message("# 4,000 of the next minute, %u waited\n", n);
        assert_in_range(n, 1, 20);
        wt_quota_close(q);
}

/* Of a limit that this pace would soon use up no more is taken than a handful ahead. */
static void near_the_limit_little_is_held(void **state)
{
        wt_quota *q = open_quota("g0");

        (void)state;
        for (uint32_t used = 50; used <= 150; used += 50) {
                waits_of(q, "key:near", 200, EVENING, 50);
                assert_in_range(leased("key:near"), used, used + 16);
        }
        wt_quota_close(q);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                { "a burst far from its limit waits seldom", a_burst_waits_seldom, NULL, NULL,
                  NULL },
                { "near the limit little is held", near_the_limit_little_is_held, NULL, NULL,
                  NULL },
        };

        return cmocka_run_group_tests(tests, make_store, remove_store);
}
