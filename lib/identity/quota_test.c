/* quota_test.c - limits across gateways, on the store that the build has. WITAN_STORE names another
 * (postgresql://...). */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "identity/quota.h"
#include "identity/rig.h"

/* 2026-03-31 23:59:30 UTC */
static const uint64_t EVENING = 1775001570ull * 1000000;

static struct wt_scope scope_of(const char *name, enum wt_limit l, int64_t most)
{
        struct wt_scope s = { .limits = wt_no_limits };

        snprintf(s.name, sizeof s.name, "%s", name);
        s.limits.most[l] = most;
        return s;
}

static void decided(void *arg, struct wt_ticket *t)
{
        (void)t;
        ++*(int *)arg;
}

static wt_quota *open_quota(const char *gateway, uint64_t lease_ms, int *n)
{
        struct wt_quota_conf c = { .store_url = url, .timeout_ms = 2000, .gateway = gateway,
                                   .lease_ms = lease_ms, .decided = decided, .arg = n };
        wt_quota *q = NULL;

        if (wt_quota_open(&q, &c) != WT_OK)
                fail_msg("%s", wt_words());
        return q;
}

/* Asks and waits until it is decided. */
static wt_err ask(wt_quota *q, struct wt_ticket *t)
{
        wt_err err = wt_quota_ask(q, t);

        if (err != WT_EAGAIN)
                return err;
        for (int i = 0; i < 200 && t->state == WT_TICKET_WAITS; i++) {
                struct pollfd p = { wt_quota_fd(q), POLLIN, 0 };

                poll(&p, 1, 100);
                wt_quota_turn(q);
        }
        assert_int_not_equal(t->state, WT_TICKET_WAITS);
        return t->err;
}

static struct wt_ticket ticket(struct wt_scope s, enum wt_limit l, int64_t n)
{
        struct wt_ticket t = { .scope = { s }, .n_scopes = 1, .time_us = EVENING };

        t.charge.n[l] = n;
        return t;
}

static int one_int(void *arg, const struct wt_value *v, uint32_t n)
{
        (void)n;
        *(int64_t *)arg = v[0].as.i;
        return 0;
}

static int64_t number(const char *sql)
{
        wt_store *s = NULL;
        int64_t out = -1;

        assert_int_equal(wt_store_open(&s, url, 2000), WT_OK);
        assert_int_equal(wt_store_query(s, sql, NULL, 0, one_int, &out, NULL), WT_OK);
        wt_store_close(s);
        return out;
}

static void windows(void **state)
{
        uint64_t left;

        (void)state;
        assert_int_equal(wt_quota_window(WT_REQUESTS_PER_MINUTE, EVENING, &left),
                         1775001570 / 60);
        assert_int_equal(left, 30);
        assert_int_equal(wt_quota_window(WT_TOKENS_PER_DAY, EVENING, &left), 1775001570 / 86400);
        assert_int_equal(left, 30);
        assert_int_equal(wt_quota_window(WT_COST_PER_MONTH, EVENING, &left), 2026 * 12 + 2);
        assert_int_equal(left, 30);
        assert_int_equal(wt_quota_window(WT_COST_PER_MONTH, EVENING + 30000000, &left),
                         2026 * 12 + 3);
        assert_int_equal(left, 30 * 86400);
        assert_int_equal(wt_quota_window(WT_CONCURRENCY, EVENING, &left), 0);
        assert_int_equal(left, 0);
}

static void ten_and_no_more(void **state)
{
        struct wt_scope s = scope_of("key:ten", WT_REQUESTS_PER_MINUTE, 10);
        int n = 0;
        wt_quota *q = open_quota("g0", 0, &n);
        struct wt_ticket t[11];
        int64_t limit, left;
        uint64_t reset;

        (void)state;
        for (int i = 0; i < 10; i++) {
                t[i] = ticket(s, WT_REQUESTS_PER_MINUTE, 1);
                assert_int_equal(ask(q, &t[i]), WT_OK);
        }
        assert_true(wt_quota_left(q, &t[0], WT_REQUESTS_PER_MINUTE, &limit, &left, &reset));
        assert_int_equal(limit, 10);
        assert_int_equal(left, 0);
        assert_int_equal(reset, 30);
        t[10] = ticket(s, WT_REQUESTS_PER_MINUTE, 1);
        assert_int_equal(ask(q, &t[10]), WT_EEXHAUSTED);
        assert_int_equal(t[10].why, WT_REQUESTS_PER_MINUTE);
        assert_int_equal(t[10].retry_s, 30);
        t[10] = ticket(s, WT_REQUESTS_PER_MINUTE, 1);
        t[10].time_us += 30000000;               /* the next minute */
        assert_int_equal(ask(q, &t[10]), WT_OK);
        wt_quota_close(q);
}

/* What was charged beyond what it came to is there for others; more than a limit is refused at
 * once. */
static void settled(void **state)
{
        struct wt_scope s = scope_of("key:settled", WT_TOKENS_PER_DAY, 1000);
        struct wt_charge used = { .n[WT_TOKENS_PER_DAY] = 100 };
        int n = 0;
        wt_quota *q = open_quota("g0", 0, &n);
        struct wt_ticket a = ticket(s, WT_TOKENS_PER_DAY, 900), b, c;

        (void)state;
        assert_int_equal(ask(q, &a), WT_OK);
        b = ticket(s, WT_TOKENS_PER_DAY, 900);
        assert_int_equal(ask(q, &b), WT_EEXHAUSTED);
        assert_int_equal(b.why_left, 100);
        wt_quota_settle(q, &a, &used);
        b = ticket(s, WT_TOKENS_PER_DAY, 900);
        assert_int_equal(ask(q, &b), WT_OK);
        c = ticket(s, WT_TOKENS_PER_DAY, 1001);
        assert_int_equal(wt_quota_ask(q, &c), WT_EEXHAUSTED);
        wt_quota_close(q);
}

static void slots_come_back(void **state)
{
        struct wt_scope s = scope_of("tenant:slots", WT_CONCURRENCY, 2);
        struct wt_charge used = { .n[WT_CONCURRENCY] = 1 };
        int n = 0;
        wt_quota *q = open_quota("g0", 0, &n), *r = open_quota("g1", 0, &n);
        struct wt_ticket a = ticket(s, WT_CONCURRENCY, 1), b = a, c = a;

        (void)state;
        assert_int_equal(ask(q, &a), WT_OK);
        assert_int_equal(ask(r, &b), WT_OK);
        assert_int_equal(ask(r, &c), WT_EEXHAUSTED);
        wt_quota_settle(q, &a, &used);
        for (int i = 0; i < 100; i++) {          /* it goes back to the store by itself */
                c = ticket(s, WT_CONCURRENCY, 1);
                if (ask(r, &c) == WT_OK)
                        break;
                usleep(50000);
        }
        assert_int_equal(c.state, WT_TICKET_HELD);
        wt_quota_close(q);
        wt_quota_close(r);
}

enum { CROWD = 500, LIMIT = 600, SIZE = 7 };
struct crowd { const char *name; int granted, refused; struct wt_ticket t[CROWD]; };

/* All at once, at one gateway. */
static void *rush(void *arg)
{
        struct crowd *c = arg;
        struct wt_scope s = scope_of("key:crowd", WT_TOKENS_PER_MINUTE, LIMIT * SIZE);
        int n = 0;
        wt_quota *q = open_quota(c->name, 0, &n);

        for (int i = 0; i < CROWD; i++) {
                c->t[i] = ticket(s, WT_TOKENS_PER_MINUTE, SIZE);
                wt_quota_ask(q, &c->t[i]);
        }
        for (int i = 0; i < CROWD; i++) {
                for (int k = 0; k < 300 && c->t[i].state == WT_TICKET_WAITS; k++) {
                        struct pollfd p = { wt_quota_fd(q), POLLIN, 0 };

                        poll(&p, 1, 100);
                        wt_quota_turn(q);
                }
                if (c->t[i].state == WT_TICKET_HELD)
                        c->granted++;
                else if (c->t[i].err == WT_EEXHAUSTED)
                        c->refused++;
        }
        return q;
}

/* Two gateways, 1,000 requests, room for 600: never more, and at most one a gateway less. */
static void one_count(void **state)
{
        static struct crowd c[2] = { { .name = "g0" }, { .name = "g1" } };
        pthread_t thread[2];
        void *q[2];

        (void)state;
        for (int i = 0; i < 2; i++)
                pthread_create(&thread[i], NULL, rush, &c[i]);
        for (int i = 0; i < 2; i++)
                pthread_join(thread[i], &q[i]);
        print_message("granted %d + %d of %d\n", c[0].granted, c[1].granted, LIMIT);
        assert_int_equal(c[0].granted + c[0].refused, CROWD);
        assert_int_equal(c[1].granted + c[1].refused, CROWD);
        assert_in_range(c[0].granted + c[1].granted, LIMIT - 2, LIMIT);
        wt_quota_close(q[0]);
        wt_quota_close(q[1]);
}

/* A gateway that dies with balance: another one gets it when the lease ends. */
static void dead_gateway(void **state)
{
        struct wt_scope s = scope_of("key:dead", WT_TOKENS_PER_MONTH, 1000);
        int n = 0;
        wt_store *db = NULL;
        wt_quota *q;
        struct wt_ticket t;

        (void)state;
        assert_int_equal(wt_store_open(&db, url, 2000), WT_OK);
        assert_int_equal(wt_store_query(db, "INSERT INTO quota_counters VALUES('key:dead',"
                         " 'tokens_per_month', 24314, 950)", NULL, 0, NULL, NULL, NULL), WT_OK);
        assert_int_equal(wt_store_query(db, "INSERT INTO quota_leases VALUES('g-dead', 'key:dead',"
                         " 'tokens_per_month', 24314, 900, 1)", NULL, 0, NULL, NULL, NULL), WT_OK);
        wt_store_close(db);
        q = open_quota("g0", 0, &n);             /* 50 are booked, 900 held by the dead one */
        t = ticket(s, WT_TOKENS_PER_MONTH, 951);
        assert_int_equal(ask(q, &t), WT_EEXHAUSTED);
        t = ticket(s, WT_TOKENS_PER_MONTH, 950);
        assert_int_equal(ask(q, &t), WT_OK);
        wt_quota_close(q);
}

/* Counters end as what was booked, whatever was leased, and also after a crash in between. */
static void booked(void **state)
{
        static const char *const scopes[] = { "key:booked" };
        struct wt_scope s = scope_of("key:booked", WT_TOKENS_PER_DAY, 100000);
        struct wt_charge used = { .n[WT_TOKENS_PER_DAY] = 40, .n[WT_CONCURRENCY] = 1 };
        int n = 0;
        wt_quota *q = open_quota("g0", 0, &n);
        wt_store *db = NULL;

        (void)state;
        assert_int_equal(wt_store_open(&db, url, 2000), WT_OK);
        for (int i = 0; i < 50; i++) {
                struct wt_ticket t = ticket(s, WT_TOKENS_PER_DAY, 100);

                assert_int_equal(ask(q, &t), WT_OK);
                wt_quota_settle(q, &t, &used);
                if (i < 30)
                        assert_int_equal(wt_quota_bill(db, "g0", scopes, 1, EVENING, &used),
                                         WT_OK);
        }
        wt_quota_close(q);
        for (int i = 0; i < 20; i++)             /* the log is read after the leases are gone */
                assert_int_equal(wt_quota_bill(db, "g0", scopes, 1, EVENING, &used), WT_OK);
        wt_store_close(db);
        assert_int_equal(number("SELECT granted FROM quota_counters WHERE scope = 'key:booked'"),
                         50 * 40);
        assert_int_equal(number("SELECT COUNT(*) FROM quota_leases WHERE scope = 'key:booked'"),
                         0);
}

/* A store that does not answer: tickets end with words, and what is leased still serves. */
static void store_away(void **state)
{
        struct wt_scope s = scope_of("key:away", WT_TOKENS_PER_DAY, 1000000);
        int n = 0;
        wt_quota *q = open_quota("g0", 0, &n);
        struct wt_ticket a = ticket(s, WT_TOKENS_PER_DAY, 10), b = ticket(s, WT_TOKENS_PER_DAY, 10),
                         c = ticket(s, WT_TOKENS_PER_DAY, 900000);
        wt_store *db = NULL;

        (void)state;
        assert_int_equal(ask(q, &a), WT_OK);     /* a block of eight comes with it */
        assert_int_equal(wt_store_open(&db, url, 2000), WT_OK);
        assert_int_equal(wt_store_query(db, "BEGIN EXCLUSIVE", NULL, 0, NULL, NULL, NULL), WT_OK);
        assert_int_equal(ask(q, &b), WT_OK);
        assert_int_equal(ask(q, &c), WT_EUNAVAILABLE);
        wt_store_query(db, "ROLLBACK", NULL, 0, NULL, NULL, NULL);
        wt_store_close(db);
        c = ticket(s, WT_TOKENS_PER_DAY, 900000);
        assert_int_equal(ask(q, &c), WT_OK);
        wt_quota_close(q);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(windows), cmocka_unit_test(ten_and_no_more),
                cmocka_unit_test(settled), cmocka_unit_test(slots_come_back),
                cmocka_unit_test(one_count), cmocka_unit_test(dead_gateway),
                cmocka_unit_test(booked), cmocka_unit_test(store_away),
        };

        return cmocka_run_group_tests(tests, make_store, remove_store);
}
