/* quota_lost_test.c - a gateway that lives longer than its lease: stopped, or away from the store,
 * while another one was given what it held. Limits of 1,000 a month; a charge is 100. */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "identity/quota.h"
#include "identity/rig.h"

enum { LEASE_MS = 1500, LIMIT = 1000, ONE = 100, HELD = 6, SECOND = 1000 * 1000 };
static const struct wt_charge nothing;
static uint64_t came_us;                         /* all requests of a test: in one window */

static uint64_t now(void) { return wt_now_us(&wt_clock_real); }

static void decided(void *arg, struct wt_ticket *t)
{
        (void)arg; (void)t;
}

static wt_quota *open_quota(const char *gateway)
{
        struct wt_quota_conf c = { .store_url = url, .timeout_ms = 300, .gateway = gateway,
                                   .lease_ms = LEASE_MS, .decided = decided };
        wt_quota *q = NULL;

        if (wt_quota_open(&q, &c) != WT_OK)
                fail_msg("%s", wt_words());
        return q;
}

static struct wt_ticket ticket(const char *scope)
{
        struct wt_ticket t = { .n_scopes = 1, .time_us = came_us };

        snprintf(t.scope[0].name, sizeof t.scope[0].name, "%s", scope);
        t.scope[0].limits = wt_no_limits;
        t.scope[0].limits.most[WT_TOKENS_PER_MONTH] = LIMIT;
        t.charge.n[WT_TOKENS_PER_MONTH] = ONE;
        return t;
}

/* Asks and waits until it is decided. */
static wt_err ask(wt_quota *q, struct wt_ticket *t)
{
        wt_err err = wt_quota_ask(q, t);
        uint64_t end = now() + 30 * SECOND;

        if (err != WT_EAGAIN)
                return err;
        while (t->state == WT_TICKET_WAITS && now() < end) {
                struct pollfd p = { wt_quota_fd(q), POLLIN, 0 };

                poll(&p, 1, 100);
                wt_quota_turn(q);
        }
        assert_int_not_equal(t->state, WT_TICKET_WAITS);
        return t->err;
}

static int grant(wt_quota *q, const char *scope, struct wt_ticket *t, int n)
{
        int granted = 0;

        for (int i = 0; i < n; i++) {
                t[i] = ticket(scope);
                granted += ask(q, &t[i]) == WT_OK;
        }
        return granted;
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

        assert_int_equal(wt_store_open(&s, url, 5000), WT_OK);
        assert_int_equal(wt_store_query(s, sql, NULL, 0, one_int, &out, NULL), WT_OK);
        wt_store_close(s);
        return out;
}

/* Until the other one has got the whole limit, which it can once A's lease is over. */
static void take_all(wt_quota *q, const char *scope, struct wt_ticket *t)
{
        uint64_t end = now() + 60 * SECOND;
        int n = 0;

        while (n < LIMIT / ONE) {
                t[n] = ticket(scope);
                if (ask(q, &t[n]) == WT_OK)
                        n++;
                else if (now() > end)
                        fail_msg("%d of %d came back", n, LIMIT / ONE);
                else
                        usleep(20000);
        }
}

/* ---- stopped -------------------------------------------------------------------------------- */

static char told(int fd)
{
        char c = 0;

        return read(fd, &c, 1) == 1 ? c : 0;
}

static void tell(int fd, char c) { assert_int_equal(write(fd, &c, 1), 1); }

/* Gateway A, a process: holds six; when it goes on they have used nothing, and it asks for six
 * more. Says how many it had, and how many it got then. */
static void be_stopped(int in, int out)
{
        static struct wt_ticket t[HELD], u[HELD];
        wt_quota *q = open_quota("g-a");

        tell(out, (char)('0' + grant(q, "key:stopped", t, HELD)));
        if (told(in) == 0)
                _exit(1);
        for (int i = 0; i < HELD; i++)
                wt_quota_settle(q, &t[i], &nothing);
        tell(out, (char)('0' + grant(q, "key:stopped", u, HELD)));
        told(in);
        wt_quota_close(q);
        _exit(0);
}

static void stopped(void **state)
{
        static struct wt_ticket t[LIMIT / ONE];
        int to[2], from[2], status;
        wt_quota *q;
        pid_t pid;

        (void)state;
        came_us = wt_wall_us(&wt_clock_real);
        wt_quota_close(open_quota("g-b"));       /* the tables are there */
        assert_int_equal(pipe(to), 0);
        assert_int_equal(pipe(from), 0);
        if ((pid = fork()) == 0) {
                close(to[1]);
                be_stopped(to[0], from[1]);
        }
        assert_true(pid > 0);
        close(from[1]);
        assert_int_equal(told(from[0]), '0' + HELD);
        assert_int_equal(kill(pid, SIGSTOP), 0);
        assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
        q = open_quota("g-b");
        take_all(q, "key:stopped", t);
        tell(to[1], 'g');
        assert_int_equal(kill(pid, SIGCONT), 0);
        assert_int_equal(told(from[0]), '0');    /* the limit is all with B */
        for (int i = 0; i < LIMIT / ONE; i++)
                wt_quota_settle(q, &t[i], &t[i].charge);
        close(to[1]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        wt_quota_close(q);
        assert_int_equal(number("SELECT granted FROM quota_counters WHERE scope = 'key:stopped'"),
                         0);                     /* nothing is held, and nothing was booked */
        close(to[0]);
        close(from[0]);
}

/* ---- away from the store -------------------------------------------------------------------- */

/* Six are held when the store goes, and end unused one after the other when the lease is over:
 * what comes back of each lets nobody in. */
static void away(void **state)
{
        static struct wt_ticket t[HELD], u, all[LIMIT / ONE];
        wt_quota *a, *b;
        wt_store *s = NULL;
        uint64_t end;

        (void)state;
        came_us = wt_wall_us(&wt_clock_real);
        a = open_quota("g-a");
        b = open_quota("g-b");
        assert_int_equal(grant(a, "key:away", t, HELD), HELD);
        assert_int_equal(wt_store_open(&s, url, 5000), WT_OK);
        assert_int_equal(wt_store_query(s, "BEGIN EXCLUSIVE", NULL, 0, NULL, NULL, NULL), WT_OK);
        end = now() + LEASE_MS * 1000;           /* no renewal that was before is younger */
        while (now() < end)
                usleep(10000);
        for (int i = 0; i < HELD; i++) {
                wt_quota_settle(a, &t[i], &nothing);
                u = ticket("key:away");
                assert_int_equal(ask(a, &u), WT_EUNAVAILABLE);
        }
        assert_int_equal(wt_store_query(s, "ROLLBACK", NULL, 0, NULL, NULL, NULL), WT_OK);
        wt_store_close(s);
        take_all(b, "key:away", all);
        assert_int_equal(grant(a, "key:away", t, HELD), 0);
        wt_quota_close(a);
        wt_quota_close(b);
}

/* ---- another lease -------------------------------------------------------------------------- */

/* What was used under the lease that ended is booked when the next one runs: beside it and not out
 * of it, or the store would know of less than this gateway may let in. */
static void booked_later(void **state)
{
        static const char *const scopes[] = { "key:later" };
        static struct wt_ticket t[HELD], u[LIMIT / ONE];
        struct wt_charge used = { .n[WT_TOKENS_PER_MONTH] = HELD * ONE };
        wt_store *s = NULL;
        wt_quota *a, *b;

        (void)state;
        came_us = wt_wall_us(&wt_clock_real);
        a = open_quota("g-a");
        assert_int_equal(grant(a, "key:later", t, HELD), HELD);
        assert_int_equal(wt_store_open(&s, url, 5000), WT_OK);
        /* Swept, as another gateway does, be A late or the database's clock put forward. */
        assert_int_equal(wt_store_query(s, "DELETE FROM quota_leases WHERE gateway = 'g-a'", NULL,
                                        0, NULL, NULL, NULL), WT_OK);
        assert_int_equal(wt_store_query(s, "UPDATE quota_counters SET granted = 0 WHERE scope ="
                                        " 'key:later'", NULL, 0, NULL, NULL, NULL), WT_OK);
        for (uint64_t end = now() + 30 * SECOND;
             number("SELECT COUNT(*) FROM quota_leases WHERE gateway = 'g-a'") == 0;) {
                if (now() > end)
                        fail_msg("a renewal that finds no lease began no new one");
                usleep(10000);
        }
        for (int i = 0; i < HELD; i++)
                wt_quota_settle(a, &t[i], &t[i].charge);
        assert_int_equal(wt_quota_bill(s, "g-a", scopes, 1, came_us, &used), WT_OK);
        wt_store_close(s);
        b = open_quota("g-b");
        assert_int_equal(grant(a, "key:later", u, 2), 2);
        assert_int_equal(grant(b, "key:later", u + 2, LIMIT / ONE - 2), (LIMIT / ONE - HELD) - 2);
        wt_quota_close(a);
        wt_quota_close(b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                { "stopped for longer than its lease", stopped, NULL, NULL, NULL },
                { "away from the store for longer than its lease", away, NULL, NULL, NULL },
                { "used under a lease that ended, booked under the next", booked_later, NULL, NULL,
                  NULL },
        };

        return cmocka_run_group_tests(tests, make_store, remove_store);
}
