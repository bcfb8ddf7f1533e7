/* drain_test.c - from the spool into a real store, SQLite and (where it is installed) PostgreSQL:
 * every record once, in order, whatever is away, refused, or killed in between. */
#include "drain_rig.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/rng.h"
#include "plugin/plugin.h"

static void every_record_once(void **state)
{
        wt_spool *s = spool("g0");
        wt_drain *d = drain(s, "g0");

        (void)state;
        for (uint32_t i = 0; i < 1500; i++) {
                put(s, WT_AUDIT_INTENT, i, "g0", "t", 0);
                if (i >= 700)
                        put(s, WT_AUDIT_OUTCOME, i - 700, "g0", "t", 3);
                if (i == 1000)
                        wait_drained(d, s);
        }
        for (uint32_t i = 800; i < 1500; i++)
                put(s, WT_AUDIT_OUTCOME, i, "g0", "t", 3);
        wait_drained(d, s);
        wt_drain_stop(d, 1000);
        leaves_are_whole(3000);
        assert_int_equal(heard.ends, 1500);
        assert_int_equal(heard.tokens, 4500);
        assert_int_equal(ask("SELECT count(*) FROM audit_open"), 0);
        assert_int_equal(ask("SELECT count(*) FROM audit_quarantine"), 0);
        d = drain(s, "g0");                      /* again from the offset in the store */
        put(s, WT_AUDIT_NOTE, 9000, "g0", "t", 0);
        wait_drained(d, s);
        wt_drain_stop(d, 1000);
        leaves_are_whole(3001);
        assert_int_equal(heard.ends, 1500);
        wt_spool_close(s);
}

static void a_store_that_is_away(void **state)
{
        wt_spool *s = spool("g0");
        char away[80];
        wt_drain *d;
        struct wt_drain_stats st;

        (void)state;
        if (on_pg) {
                pg_stop(&pg);
        } else {
                snprintf(away, sizeof away, "%s/later", folder);
                snprintf(url, sizeof url, "sqlite:%s/witan.db", away);
        }
        d = drain(s, "g0");
        for (uint32_t i = 0; i < 500; i++)
                put(s, WT_AUDIT_INTENT, i, "g0", "t", 0);
        do {
                wt_spool_wait(s, UINT64_MAX - 1, 5000);
                wt_drain_stats(d, &st);
        } while (st.failures < 3 || st.lag_us == 0);
        assert_int_equal(st.drained, 0);
        assert_int_equal(heard.said, 1);         /* once, not at each try */
        if (on_pg)
                pg_again(&pg);
        else
                assert_int_equal(mkdir(away, 0700), 0);
        wait_drained(d, s);
        assert_int_equal(heard.said, 2);
        if (on_pg) {
                pg_freeze(&pg);
                for (uint32_t i = 500; i < 600; i++)
                        put(s, WT_AUDIT_INTENT, i, "g0", "t", 0);
                while (heard.said < 3)
                        wt_spool_wait(s, UINT64_MAX - 1, 5000);
                pg_thaw(&pg);
                wait_drained(d, s);
        }
        wt_drain_stop(d, 1000);
        leaves_are_whole(on_pg ? 600 : 500);
        wt_spool_close(s);
}

static void refuse_bad(void)
{
        wt_store *s;

        GOOD(wt_store_open(&s, url, 5000));
        GOOD(wt_drain_migrate(s));
        if (on_pg)
                GOOD(wt_store_query(s, "ALTER TABLE audit_events ADD CONSTRAINT not_bad CHECK "
                                    "(tenant <> 'bad')", NULL, 0, NULL, NULL, NULL));
        else
                GOOD(wt_store_query(s, "CREATE TRIGGER not_bad BEFORE INSERT ON audit_events WHEN "
                                    "NEW.tenant = 'bad' BEGIN INSERT INTO audit_spools VALUES "
                                    "('x', NULL, 0, 0); END",
                                    NULL, 0, NULL, NULL, NULL));
        wt_store_close(s);
}

static void bad_rows_are_put_aside(void **state)
{
        wt_spool *s = spool("g0");
        wt_drain *d;
        uint64_t seq;

        (void)state;
        refuse_bad();
        for (uint32_t i = 0; i < 700; i++)
                put(s, WT_AUDIT_OUTCOME, i, "g0",
                    i == 3 || i == 255 || i == 699 ? "bad" : "t", 0);
        GOOD(wt_spool_append(s, "junk", 4, &seq));
        put(s, WT_AUDIT_NOTE, 0, "g0", "t", 1);
        d = drain(s, "g0");
        wait_drained(d, s);
        wait_drained(d, s);                      /* the notes, too */
        wt_drain_stop(d, 1000);
        assert_int_equal(ask("SELECT count(*) FROM audit_quarantine"), 4);
        assert_int_equal(ask("SELECT count(*) FROM audit_events WHERE kind = 5"), 1 + 4);
        leaves_are_whole(697 + 1 + 4);
        assert_int_equal(ask("SELECT max(length(body)) FROM audit_quarantine") > 20, 1);
        wt_spool_close(s);
}

static void the_last_run_is_interrupted(void **state)
{
        wt_spool *s = spool("g0");
        wt_drain *d;
        struct wt_drain_stats st;

        (void)state;
        clock_ahead_us = 3600000000;             /* the clock is set back before the next run */
        put(s, WT_AUDIT_INTENT, 1, "g0", "t", 0);
        put(s, WT_AUDIT_INTENT, 2, "g0", "t", 0);
        put(s, WT_AUDIT_MARK, 1, "g0", "t", 64);
        put(s, WT_AUDIT_MARK, 1, "g0", "t", 128);
        put(s, WT_AUDIT_OUTCOME, 2, "g0", "t", 5);
        clock_ahead_us = 0;
        wt_spool_close(s);
        s = spool("g0");
        d = drain(s, "g0");
        put(s, WT_AUDIT_INTENT, 3, "g0", "t", 0);        /* of this run: not interrupted */
        do {
                wt_spool_wait(s, UINT64_MAX - 1, 5000);
                wt_drain_stats(d, &st);
        } while (st.interrupted == 0);
        wait_drained(d, s);
        put(s, WT_AUDIT_OUTCOME, 3, "g0", "t", 7);
        put(s, WT_AUDIT_OUTCOME, 1, "g0", "t", 130);     /* too late: kept, and not billed twice */
        wait_drained(d, s);
        wt_drain_stop(d, 1000);
        assert_int_equal(ask("SELECT count(*) FROM audit_events WHERE kind = 3"), 1);
        assert_int_equal(ask("SELECT count(*) FROM audit_events WHERE kind = 2"), 3);
        assert_int_equal(heard.ends, 3);
        assert_int_equal(heard.tokens, 128 + 5 + 7);
        leaves_are_whole(7);
        wt_spool_close(s);
}

static void a_dead_gateway_is_interrupted(void **state)
{
        wt_spool *a = spool("g0"), *b = spool("g1");
        wt_drain *da = drain(a, "g0"), *db = drain(b, "g1");
        struct wt_drain_stats st;
        uint64_t until;

        (void)state;
        put(a, WT_AUDIT_INTENT, 1, "g0", "t", 0);
        put(a, WT_AUDIT_MARK, 1, "g0", "t", 64);
        wait_drained(da, a);
        until = wt_now_us(&wt_clock_real) + 2500000;     /* it lives: several sweeps pass it by */
        while (wt_now_us(&wt_clock_real) < until)
                wt_spool_wait(b, UINT64_MAX - 1, 50000);
        wt_drain_stats(db, &st);
        assert_int_equal(st.interrupted, 0);
        wt_drain_stop(da, 0);
        wt_spool_close(a);
        do {
                wt_spool_wait(b, UINT64_MAX - 1, 5000);
                wt_drain_stats(db, &st);
        } while (st.interrupted == 0);
        wt_drain_stop(db, 1000);
        wt_spool_close(b);
        assert_int_equal(ask("SELECT count(*) FROM audit_events WHERE kind = 3"), 1);
        assert_int_equal(heard.tokens, 64);
        leaves_are_whole(2);
}

/* Two that live have one name: the second must not end what the first has open. When the first is
 * gone the name is the second's. */
static void two_of_one_name(void **state)
{
        wt_spool *a = spool("g0"), *b = spool("g1");
        wt_drain *da = drain(a, "g0"), *db;
        struct wt_drain_stats st;

        (void)state;
        put(a, WT_AUDIT_INTENT, 1, "g0", "t", 0);
        wait_drained(da, a);
        db = drain(b, "g0");
        put(b, WT_AUDIT_INTENT, 2, "g0", "t", 0);
        put(b, WT_AUDIT_OUTCOME, 2, "g0", "t", 5);
        do {
                wt_spool_wait(b, UINT64_MAX - 1, 5000);
                wt_drain_stats(db, &st);
        } while (st.failures < 3);
        assert_int_equal(st.interrupted, 0);
        assert_int_equal(ask("SELECT count(*) FROM audit_open"), 1);
        assert_non_null(strstr(heard.last, "is called g0, too"));
        wt_drain_stop(da, 0);
        wt_spool_close(a);
        wait_drained(db, b);
        wt_drain_stop(db, 1000);
        assert_int_equal(ask("SELECT count(*) FROM audit_events WHERE kind = 3"), 1);
        assert_int_equal(ask("SELECT count(*) FROM audit_events WHERE kind = 2"), 1);
        wt_spool_close(b);
        leaves_are_whole(4);
}

/* A process that drains is killed at any moment, again and again. A machine on which none gets
 * anything done lets the next one live longer. */
static void killed_drains(void **state)
{
        enum { N = 4000 };
        wt_spool *s = spool("g0");
        uint64_t done = 0, before = 0;
        useconds_t longer = 0;
        int kills = 0;

        (void)state;
        for (uint32_t i = 0; i < N / 2; i++) {
                put(s, WT_AUDIT_INTENT, i, "g0", "t", 0);
                put(s, WT_AUDIT_OUTCOME, i, "g0", "t", 1);
        }
        wt_spool_close(s);
        while (done < N) {
                pid_t child = fork();

                if (child == 0) {
                        wt_spool *mine = spool("g0");
                        wt_drain *d = drain(mine, "g0");
                        struct wt_drain_stats st;

                        do {
                                wt_spool_wait(mine, UINT64_MAX - 1, 1000);
                                wt_drain_stats(d, &st);
                        } while (st.drained < N);
                        _exit(0);
                }
                usleep(20000 + longer +
                       (useconds_t)(wt_philox_unit(3, (uint32_t)kills, 0, 0) * 150000));
                kill(child, SIGKILL);
                waitpid(child, NULL, 0);
                if (++kills > 200)
                        fail_msg("no end in sight");
                if (ask(on_pg ? "SELECT count(*) FROM information_schema.tables WHERE table_name = "
                                "'audit_spools'"
                              : "SELECT count(*) FROM sqlite_master WHERE name = 'audit_spools'"))
                        done = (uint64_t)ask("SELECT max(seq) FROM audit_spools");
                longer = done > before ? 0 : longer + 10000;
                before = done;
        }
        print_message("# %d kills\n", kills);
        leaves_are_whole(N);
}

/* ---- what a PostgreSQL may do on top of that ------------------------------------------------- */

static void tell_the_store(void)
{
        assert_true(pg_sql(&pg, strrchr(url, '/') + 1, "CREATE TABLE told (n BIGINT);"
                           " INSERT INTO told VALUES (0)", NULL, 0));
        heard.in_store = true;
}

static void put_many(wt_spool *s, uint32_t from, uint32_t to)
{
        for (uint32_t i = from; i < to; i++) {
                put(s, WT_AUDIT_INTENT, i, "g0", "t", 0);
                put(s, WT_AUDIT_OUTCOME, i, "g0", "t", 1);
        }
}

static void until_failures(wt_drain *d, wt_spool *s, uint64_t n)
{
        uint64_t until = wt_now_us(&wt_clock_real) + 60 * 1000000ull;
        struct wt_drain_stats st;

        do {
                wt_spool_wait(s, UINT64_MAX - 1, 5000);
                wt_drain_stats(d, &st);
        } while (st.failures < n && wt_now_us(&wt_clock_real) < until);
        assert_true(st.failures >= n);
}

/* All its processes die in the middle of batches, five times. */
static void a_server_that_crashes(void **state)
{
        enum { EACH = 800 };
        wt_spool *s = spool("g0");
        struct wt_drain_stats st;
        wt_drain *d;

        (void)state;
        tell_the_store();
        d = drain(s, "g0");
        put_many(s, 0, EACH);
        wait_drained(d, s);                      /* the tables are there */
        for (uint32_t i = 1; i <= 5; i++) {
                wt_drain_stats(d, &st);
                put_many(s, EACH * i, EACH * (i + 1));
                usleep((useconds_t)(wt_philox_unit(5, i, 0, 0) * 30000));
                pg_crash(&pg);
                put(s, WT_AUDIT_NOTE, 1000000 + i, "g0", "t", 0);
                until_failures(d, s, st.failures + 1);
                pg_again(&pg);
        }
        wait_drained(d, s);
        wt_drain_stop(d, 1000);
        leaves_are_whole(2 * EACH * 6 + 5);
        assert_int_equal(ask("SELECT n FROM told"), EACH * 6);
        wt_spool_close(s);
}

/* A WAL that does not fit takes the server down; it may come again by itself or not. */
static void until_up(struct pg *p)
{
        uint64_t until = wt_now_us(&wt_clock_real) + 60 * 1000000ull;

        while (!pg_sql(p, "postgres", "SELECT 1", NULL, 0)) {
                assert_true(wt_now_us(&wt_clock_real) < until);
                if (waitpid(p->pid, NULL, WNOHANG) == p->pid) {
                        p->pid = 0;
                        pg_again(p);
                }
        }
}

/* The disk under its tables and its WAL is full: the spool keeps what comes until there is room. */
static void a_full_disk(void **state)
{
        enum { BEFORE = 300, MOST = 60000, STEP = 3000 };
        struct pg small;
        struct wt_drain_stats st = { .failures = 0 };
        uint32_t n = BEFORE;
        wt_spool *s;
        wt_drain *d;

        (void)state;
        if (!pg_start_small(&small, 200)) {
                print_message("skipped: this user may not mount a tmpfs\n");
                skip();
        }
        pg_database(&small, "narrow", url);
        s = spool("g0");
        d = drain(s, "g0");
        put_many(s, 0, BEFORE);
        wait_drained(d, s);
        pg_fill(&small);
        for (; st.failures == 0 && n < MOST; n += STEP) {
                uint64_t until = wt_now_us(&wt_clock_real) + 2 * 1000000ull;

                put_many(s, n, n + STEP);
                do {
                        wt_spool_wait(s, UINT64_MAX - 1, 5000);
                        wt_drain_stats(d, &st);
                } while (st.failures == 0 && st.drained < wt_spool_appended(s) &&
                         wt_now_us(&wt_clock_real) < until);
        }
        assert_true(st.failures > 0);
        assert_int_equal(st.quarantined, 0);     /* no record is to blame for it */
        pg_unfill(&small);
        until_up(&small);
        wait_drained(d, s);
        wt_drain_stop(d, 1000);
        leaves_are_whole(2 * n);
        wt_spool_close(s);
        pg_end(&small);
}

/* Takes what a batch writes last, waits until one waits for that, then wants what that holds. Its
 * own patience with deadlocks is long, so the batch is the one that is sent away. */
static void *other_session(void *arg)
{
        *(bool *)arg = pg_sql(&pg, strrchr(url, '/') + 1,
                "SET deadlock_timeout = '60s'; BEGIN; SELECT seq FROM audit_spools FOR UPDATE;"
                " DO $$ BEGIN FOR i IN 1..3000 LOOP PERFORM pg_stat_clear_snapshot(); EXIT WHEN"
                " EXISTS (SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND"
                " datname = current_database()); PERFORM pg_sleep(0.01); END LOOP; END $$;"
                " SELECT size FROM audit_tree FOR UPDATE; COMMIT", NULL, 0);
        return NULL;
}

static void a_deadlock(void **state)
{
        wt_spool *s = spool("g0");
        wt_drain *d;
        struct wt_drain_stats st;
        uint64_t until = wt_now_us(&wt_clock_real) + 60 * 1000000ull;
        pthread_t other;
        bool good = false;
        char count[32] = "0";

        (void)state;
        tell_the_store();
        d = drain(s, "g0");
        put_many(s, 0, 50);
        wait_drained(d, s);
        assert_int_equal(pthread_create(&other, NULL, other_session, &good), 0);
        for (uint32_t i = 50; atoi(count) == 0 && wt_now_us(&wt_clock_real) < until; i++) {
                put_many(s, i, i + 1);
                usleep(10000);
                if (i % 20 == 0)
                        pg_sql(&pg, "postgres", "SELECT sum(deadlocks) FROM pg_stat_database",
                               count, sizeof count);
        }
        pthread_join(other, NULL);
        assert_true(good);
        assert_true(atoi(count) >= 1);
        wait_drained(d, s);
        wt_drain_stats(d, &st);
        wt_drain_stop(d, 1000);
        assert_int_equal(st.quarantined, 0);
        leaves_are_whole(wt_spool_appended(s));
        assert_int_equal(ask("SELECT n FROM told"), wt_spool_appended(s) / 2);
        wt_spool_close(s);
}

static const bool sqlite_store = false, postgres_store = true;
#define CASES(kind, store)                                                                      \
        { kind ": every record once", every_record_once, begin, end, (void *)&store },          \
        { kind ": a store that is away", a_store_that_is_away, begin, end, (void *)&store },    \
        { kind ": bad rows are put aside", bad_rows_are_put_aside, begin, end, (void *)&store }, \
        { kind ": the last run is interrupted", the_last_run_is_interrupted, begin, end,        \
          (void *)&store },                                                                     \
        { kind ": a dead gateway is interrupted", a_dead_gateway_is_interrupted, begin, end,    \
          (void *)&store },                                                                     \
        { kind ": two of one name", two_of_one_name, begin, end, (void *)&store },              \
        { kind ": killed drains", killed_drains, begin, end, (void *)&store }

static bool module_built(void)
{
        wt_store *s;
        wt_err err = wt_store_open(&s, "postgresql://nobody@127.0.0.1:1/none", 100);

        if (err == WT_OK)
                wt_store_close(s);
        return err != WT_ENOTFOUND;
}

int main(void)
{
        const struct CMUnitTest tests[] = { CASES("SQLite", sqlite_store) };
        const struct CMUnitTest more[] = { CASES("PostgreSQL", postgres_store),
                { "PostgreSQL: a server that crashes", a_server_that_crashes, begin, end,
                  (void *)&postgres_store },
                { "PostgreSQL: a full disk", a_full_disk, begin, end, (void *)&postgres_store },
                { "PostgreSQL: a deadlock", a_deadlock, begin, end, (void *)&postgres_store } };
        int rc = cmocka_run_group_tests_name("SQLite", tests, NULL, NULL);

        if (!pg_installed() || !module_built()) {
                puts("# PostgreSQL, or the module for it, is not there: skipped");
                return rc;
        }
        pg_start(&pg);
        rc |= cmocka_run_group_tests_name("PostgreSQL", more, NULL, NULL);
        pg_end(&pg);
        return rc;
}
