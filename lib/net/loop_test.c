/* loop_test.c - timers by a clock turned by hand, descriptors by pipes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "net/loop.h"

static uint64_t now;
static uint64_t by_hand(void *arg) { (void)arg; return now; }
static const struct wt_clock hand = { by_hand, by_hand, NULL };

static int open_loop(void **state)
{
        now = 5000;
        return wt_loop_new((wt_loop **)state, &hand);
}

static int close_loop(void **state)
{
        wt_loop_free(*state);
        return 0;
}

enum { MANY = 1000 };
static struct tick { struct wt_timer t; uint64_t due; int fired; } ticks[MANY];
static uint64_t last;
static int n_fired;

static void tick(void *arg, struct wt_timer *t)
{
        struct tick *k = arg;

        assert_ptr_equal(&k->t, t);
        assert_int_equal(t->heap_pos, 0);
        assert_true(k->due <= now && k->due >= last);   /* due, and in order */
        last = k->due;
        k->fired++;
        n_fired++;
}

static void timers_fire_in_order(void **state)
{
        wt_loop *l = *state;
        uint32_t r = 1;
        int off = 0;

        n_fired = 0;
        for (int round = 0; round < 2; round++)  /* set, then moved */
                for (int i = 0; i < MANY; i++) {
                        r = r * 1664525u + 1013904223u;
                        ticks[i].t.fire = tick;
                        ticks[i].t.arg = &ticks[i];
                        ticks[i].due = now + 1 + (r >> 12) % 5000;
                        ticks[i].fired = 0;
                        wt_loop_timer_set(l, &ticks[i].t, ticks[i].due);
                }
        for (int i = 0; i < MANY; i += 3) {
                wt_loop_timer_off(l, &ticks[i].t);
                wt_loop_timer_off(l, &ticks[i].t);      /* twice is fine */
                off++;
        }
        for (last = 0; n_fired < MANY - off && now < 20000; now += 7) {
                wt_loop_turn(l, 0);
                last = 0;                        /* the order holds within a turn */
        }
        for (int i = 0; i < MANY; i++)
                assert_int_equal(ticks[i].fired, i % 3 != 0);
}

static int again;

static void set_again(void *arg, struct wt_timer *t)
{
        again++;
        wt_loop_timer_set(arg, t, 0);            /* due at once: in the next turn */
}

static void a_timer_that_is_always_due(void **state)
{
        struct wt_timer t = { .fire = set_again, .arg = *state };

        again = 0;
        wt_loop_timer_set(*state, &t, 0);
        for (int i = 1; i <= 3; i++) {
                wt_loop_turn(*state, 1000000);   /* and the loop does not sleep */
                assert_int_equal(again, i);
        }
        wt_loop_timer_off(*state, &t);
}

struct pair { wt_loop *l; int fd[2][2]; int called[2]; unsigned ready; int kill; };

static void on_pair(void *arg, int fd, unsigned ready)
{
        struct pair *p = arg;
        int i = fd == p->fd[1][0];

        p->called[i]++;
        p->ready = ready;
        if (p->kill == 1) {                      /* the other, and a stranger takes its number */
                int other = p->fd[!i][0];

                wt_loop_remove(p->l, other);
                close(other);
                assert_int_equal(dup(p->fd[i][0]), other);
                assert_int_equal(wt_loop_add(p->l, other, WT_READ, on_pair, p), WT_OK);
        } else if (p->kill == 2) {
                wt_loop_remove(p->l, fd);
        } else if (p->kill == 3) {
                wt_loop_want(p->l, p->fd[!i][0], 0);
        }
}

static void open_pairs(struct pair *p, wt_loop *l)
{
        memset(p, 0, sizeof *p);
        p->l = l;
        for (int i = 0; i < 2; i++) {
                assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p->fd[i]), 0);
                assert_int_equal(wt_loop_add(l, p->fd[i][0], WT_READ, on_pair, p), WT_OK);
        }
}

static void close_pairs(struct pair *p)
{
        for (int i = 0; i < 2; i++) {
                wt_loop_remove(p->l, p->fd[i][0]);
                close(p->fd[i][0]);
                close(p->fd[i][1]);
        }
}

static void what_is_ready_is_called(void **state)
{
        struct pair p;

        open_pairs(&p, *state);
        assert_int_equal(wt_loop_add(*state, p.fd[0][0], WT_READ, on_pair, &p), WT_EEXIST);
        wt_loop_turn(*state, 0);
        assert_int_equal(p.called[0] + p.called[1], 0);
        assert_int_equal(write(p.fd[0][1], "x", 1), 1);
        wt_loop_turn(*state, 1000000);
        assert_int_equal(p.called[0], 1);
        assert_int_equal(p.ready, WT_READ);
        wt_loop_want(*state, p.fd[0][0], WT_READ | WT_WRITE);
        wt_loop_turn(*state, 1000000);
        assert_int_equal(p.ready, WT_READ | WT_WRITE);
        wt_loop_want(*state, p.fd[0][0], 0);
        wt_loop_turn(*state, 0);
        assert_int_equal(p.called[0], 2);
        close(p.fd[0][1]);                       /* a hang-up comes unasked, as both */
        p.fd[0][1] = dup(0);
        p.ready = 0;
        wt_loop_turn(*state, 1000000);
        assert_int_equal(p.called[0], 3);
        assert_int_equal(p.ready, WT_READ | WT_WRITE);
        assert_int_equal(p.called[1], 0);
        close_pairs(&p);
}

/* Both are ready; the first callback takes the other out: it is not called, nor is the stranger
 * that came with its number, until the stranger itself is ready. */
static void removed_within_a_batch(void **state)
{
        struct pair p;

        for (int kill = 1; kill <= 3; kill++) {
                open_pairs(&p, *state);
                p.kill = kill;
                for (int i = 0; i < 2; i++)
                        assert_int_equal(write(p.fd[i][1], "x", 1), 1);
                wt_loop_turn(*state, 1000000);
                assert_int_equal(p.called[0] + p.called[1], kill == 2 ? 2 : 1);
                if (kill == 2) {
                        wt_loop_turn(*state, 0);
                        assert_int_equal(p.called[0] + p.called[1], 2);
                }
                close_pairs(&p);
        }
}

static void bad_descriptors(void **state)
{
        char name[] = "/tmp/witan-loop-XXXXXX";
        int fd = mkstemp(name);

        unlink(name);
        assert_int_equal(wt_loop_add(*state, fd, WT_READ, on_pair, NULL), WT_EINTERNAL);
        close(fd);
        wt_loop_remove(*state, fd);              /* never there: fine */
        wt_loop_remove(*state, 100000);
}

static int hooked, more_left;
static bool hook(void *arg) { (void)arg; hooked++; return more_left-- > 0; }

static void hooks_keep_it_awake(void **state)
{
        struct wt_timer t = { .fire = set_again, .arg = *state };

        hooked = again = 0;
        more_left = 3;
        wt_loop_after(*state, hook, NULL);
        for (int i = 0; i < 3; i++)              /* would sleep for an hour each */
                wt_loop_turn(*state, 3600000000u);
        assert_int_equal(hooked, 3);
        wt_loop_timer_set(*state, &t, now);
        wt_loop_turn(*state, 3600000000u);
        assert_int_equal(hooked, 4);
        assert_int_equal(again, 1);
        wt_loop_timer_off(*state, &t);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(timers_fire_in_order, open_loop, close_loop),
                cmocka_unit_test_setup_teardown(a_timer_that_is_always_due, open_loop, close_loop),
                cmocka_unit_test_setup_teardown(what_is_ready_is_called, open_loop, close_loop),
                cmocka_unit_test_setup_teardown(removed_within_a_batch, open_loop, close_loop),
                cmocka_unit_test_setup_teardown(bad_descriptors, open_loop, close_loop),
                cmocka_unit_test_setup_teardown(hooks_keep_it_awake, open_loop, close_loop),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
