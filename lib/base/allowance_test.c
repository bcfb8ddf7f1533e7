/* allowance_test.c - pools of several processes together never run more threads than the host
 * allows; what the dead and the stopped held is free for others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/pool.h"

enum { JOBS = 400, ITEMS = 9, PIECE_US = 20, DEADLINE_US = 20 * 1000 * 1000 };

static char path[128];

/* Seen by all processes of a test. */
static struct meter { atomic_uint in, most, items, out; } *meter;

static wt_allowance *holder(void)
{
        wt_allowance *a;

        if (wt_allowance_open(&a, path) != WT_OK)
                fail_msg("%s", wt_words());
        return a;
}

static void make(uint32_t cores)
{
        memset(meter, 0, sizeof *meter);
        if (wt_allowance_make(path, cores) != WT_OK)
                fail_msg("%s", wt_words());
}

static void body(void *arg, uint32_t i)
{
        uint64_t end = wt_now_us(&wt_clock_real) + PIECE_US;
        unsigned in = atomic_fetch_add(&meter->in, 1) + 1, most = atomic_load(&meter->most);

        (void)arg, (void)i;
        while (in > most && !atomic_compare_exchange_weak(&meter->most, &most, in))
                ;
        while (wt_now_us(&wt_clock_real) < end)
                ;
        atomic_fetch_add(&meter->items, 1);
        atomic_fetch_sub(&meter->in, 1);
}

static void work(uint32_t threads, uint32_t jobs)
{
        wt_allowance *a = holder();
        wt_pool *p;

        if (wt_pool_new(&p, threads) != WT_OK)
                fail_msg("%s", wt_words());
        wt_pool_within(p, a);
        for (uint32_t i = 0; i < jobs; i++)
                wt_pool_run(p, 1 + i % ITEMS, body, NULL);
        wt_pool_free(p);
        wt_allowance_close(a);
}

static pid_t in_child(void (*run)(void))
{
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid > 0)
                return pid;
        run();
        _exit(0);
}

static void ended_well(pid_t pid)
{
        int st = 0;

        assert_int_equal(waitpid(pid, &st, 0), pid);
        assert_true(WIFEXITED(st));
        assert_int_equal(WEXITSTATUS(st), 0);
}

static void four_threads(void) { work(4, JOBS); }
static void one_thread(void) { work(1, JOBS); }

static void never_more(void **state)
{
        static const struct { uint32_t cores; void (*run[4])(void); } rows[] = {
                { 1, { four_threads, four_threads } },
                { 2, { four_threads, four_threads, four_threads } },
                { 3, { four_threads, one_thread, one_thread, four_threads } },
                { 64, { four_threads, four_threads } },          /* more than there are threads */
        };

        (void)state;
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
                pid_t pid[4];
                uint32_t n = 0, each = 0;
                wt_allowance *a;

                make(rows[r].cores);
                for (; n < 4 && rows[r].run[n] != NULL; n++)
                        pid[n] = in_child(rows[r].run[n]);
                for (uint32_t i = 0; i < n; i++)
                        ended_well(pid[i]);
                for (uint32_t i = 0; i < JOBS; i++)
                        each += 1 + i % ITEMS;
                assert_int_equal(meter->items, each * n);
                assert_in_range(meter->most, 1, rows[r].cores);
                if (rows[r].cores > 1)
                        assert_true(meter->most > 1);    /* and it is not one at a time */
                a = holder();
                assert_int_equal(wt_allowance_held(a), 0);
                assert_int_equal(wt_allowance_cores(a), rows[r].cores);
                wt_allowance_close(a);
        }
}

static void hold_all(void)
{
        wt_allowance *a = holder();

        atomic_store(&meter->in, wt_allowance_take(a, 8));
        while (atomic_load(&meter->out) == 0)
                usleep(1000);
        wt_allowance_give(a, 8);
        atomic_store(&meter->out, 2);
        pause();
}

static void until(atomic_uint *at, unsigned value)
{
        uint64_t end = wt_now_us(&wt_clock_real) + DEADLINE_US;

        while (atomic_load(at) != value) {
                assert_true(wt_now_us(&wt_clock_real) < end);
                usleep(1000);
        }
}

static void killed_and_stopped(void **state)
{
        wt_allowance *a;
        pid_t pid;

        (void)state;
        make(2);
        a = holder();
        pid = in_child(hold_all);
        until(&meter->in, 2);
        assert_int_equal(wt_allowance_take(a, 1), 0);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        assert_true(wt_allowance_wait(a));       /* it is taken from the dead */
        assert_int_equal(wt_allowance_take(a, 8), 1);
        wt_allowance_give(a, 2);

        atomic_store(&meter->in, 0);
        pid = in_child(hold_all);
        until(&meter->in, 2);
        kill(pid, SIGSTOP);
        assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
        assert_true(wt_allowance_wait(a));
        assert_int_equal(wt_allowance_take(a, 8), 1);
        atomic_store(&meter->out, 1);            /* it goes on, and gives what it has not */
        kill(pid, SIGCONT);
        until(&meter->out, 2);
        assert_int_equal(wt_allowance_held(a), 2);
        wt_allowance_give(a, 8);
        assert_int_equal(wt_allowance_held(a), 0);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        wt_allowance_close(a);
}

static void *wait_for_one(void *arg)
{
        if (wt_allowance_wait(arg))
                atomic_store(&meter->out, 1);
        return NULL;
}

static void who_waits_comes_first(void **state)
{
        uint64_t end = wt_now_us(&wt_clock_real) + DEADLINE_US;
        wt_allowance *a, *b;
        pthread_t t;

        (void)state;
        make(2);
        a = holder();
        b = holder();
        assert_int_equal(wt_allowance_take(a, 8), 2);
        assert_false(wt_allowance_wanted(a));
        pthread_create(&t, NULL, wait_for_one, b);
        while (!wt_allowance_wanted(a))
                assert_true(wt_now_us(&wt_clock_real) < end);
        assert_int_equal(meter->out, 0);
        wt_allowance_give(a, 1);
        pthread_join(t, NULL);
        assert_int_equal(meter->out, 1);
        assert_false(wt_allowance_wanted(a));
        assert_int_equal(wt_allowance_take(a, 8), 0);
        wt_allowance_close(b);                   /* gives back what it holds */
        assert_int_equal(wt_allowance_take(a, 8), 1);
        wt_allowance_close(a);
}

static void files_that_are_none(void **state)
{
        wt_allowance *a = NULL;

        (void)state;
        assert_int_equal(wt_allowance_make(path, 0), WT_EINVAL);
        assert_int_equal(wt_allowance_make(path, WT_ALLOWANCE_MOST + 1), WT_EINVAL);
        unlink(path);
        assert_int_equal(wt_allowance_open(&a, path), WT_ENOTFOUND);
        assert_non_null(strstr(wt_words(), path));
        assert_int_equal(wt_file_write(path, "short", 5, 0600), WT_OK);
        assert_int_equal(wt_allowance_open(&a, path), WT_EDATA);
        make(2);
        a = holder();
        wt_allowance_close(a);
        a = NULL;
        {
                FILE *f = fopen(path, "r+");

                assert_int_equal(fwrite("xxxx", 1, 4, f), 4);    /* the mark is gone */
                fclose(f);
        }
        assert_int_equal(wt_allowance_open(&a, path), WT_EDATA);
        assert_non_null(strstr(wt_words(), path));
        assert_null(a);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(never_more), cmocka_unit_test(killed_and_stopped),
                cmocka_unit_test(who_waits_comes_first), cmocka_unit_test(files_that_are_none),
        };
        const char *tmp = getenv("TMPDIR");
        int rc;

        snprintf(path, sizeof path, "%.80s/witan-cores-XXXXXX", tmp != NULL ? tmp : "/tmp");
        close(mkstemp(path));
        meter = mmap(NULL, sizeof *meter, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                     0);
        rc = cmocka_run_group_tests(tests, NULL, NULL);
        unlink(path);
        return rc;
}
