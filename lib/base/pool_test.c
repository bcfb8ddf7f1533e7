#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/file.h"
#include "base/pool.h"
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

enum { MOST = 5000 };
static uint32_t hits[MOST];

/* Plain increments: ThreadSanitizer sees it when one item runs twice or when wt_pool_run returns
 * before all is done. */
static void hit(void *arg, uint32_t i) { hits[i] += *(uint32_t *)arg; }

static void each_item_once(void **state)
{
        static const uint32_t threads[] = { 1, 2, 3, 8 };

        (void)state;
        for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
                wt_pool *p;
                uint32_t sum = 0;

                assert_int_equal(wt_pool_new(&p, threads[t]), WT_OK);
                assert_int_equal(wt_pool_threads(p), threads[t]);
                memset(hits, 0, sizeof hits);
                for (uint32_t run = 1; run <= 400; run++) {
                        uint32_t n = run * 7 % 50;

                        if (run % 100 == 0)
                                n = MOST;
                        wt_pool_run(p, n, hit, &run);
                        sum = 0;
                        for (uint32_t i = 0; i < n; i++)
                                sum += hits[i] == run;
                        assert_int_equal(sum, n);
                        memset(hits, 0, sizeof hits);
                }
                wt_pool_free(p);
        }
}

static _Atomic uint32_t inside, most_inside;

/* Waits, with a deadline, until somebody else is in a body as well. */
static void meet(void *arg, uint32_t i)
{
        uint32_t now = atomic_fetch_add(&inside, 1) + 1, most = atomic_load(&most_inside);
        time_t deadline = time(NULL) + 20;

        (void)arg;
        (void)i;
        while (now > most && !atomic_compare_exchange_weak(&most_inside, &most, now))
                ;
        while (atomic_load(&most_inside) < 2 && time(NULL) < deadline)
                sched_yield();
        atomic_fetch_sub(&inside, 1);
}

/* How many threads that a pool made sleep in the kernel; *naps: how often they went to sleep. */
static uint32_t asleep(unsigned long *naps)
{
        DIR *d = opendir("/proc/self/task");
        struct dirent *e;
        uint32_t n = 0;

        assert_non_null(d);
        *naps = 0;
        while ((e = readdir(d)) != NULL) {
                char path[64], line[160], state = 0;
                bool of_pool = false;
                unsigned long more;
                FILE *f;

                snprintf(path, sizeof path, "/proc/self/task/%.20s/status", e->d_name);
                if (e->d_name[0] == '.' || (f = fopen(path, "re")) == NULL)
                        continue;
                while (fgets(line, sizeof line, f) != NULL) {
                        of_pool |= strcmp(line, "Name:\twitan-pool\n") == 0;
                        sscanf(line, "State: %c", &state);
                        if (of_pool && sscanf(line, "voluntary_ctxt_switches: %lu", &more) == 1)
                                *naps += more;
                }
                fclose(f);
                n += of_pool && state == 'S';
        }
        closedir(d);
        return n;
}

/* Until n threads of pools sleep; one that spins for good never does. */
static unsigned long until_asleep(uint32_t n)
{
        time_t deadline = time(NULL) + 20;
        unsigned long naps;

        while (asleep(&naps) < n) {
                assert_true(time(NULL) < deadline);
                sched_yield();
        }
        return naps;
}

static void sleeping_threads_wake_for_work(void **state)
{
        wt_pool *p;

        (void)state;
        assert_int_equal(wt_pool_new(&p, 3), WT_OK);
        for (int run = 0; run < 20; run++) {
                until_asleep(2);
                atomic_store(&most_inside, 0);
                wt_pool_run(p, 3, meet, NULL);
                assert_true(atomic_load(&most_inside) >= 2);
        }
        wt_pool_free(p);
}

static void an_idle_pool_costs_nothing(void **state)
{
        const struct timespec nap = { .tv_nsec = 1000000 };
        unsigned long before, now;
        wt_pool *p;

        (void)state;
        assert_int_equal(wt_pool_new(&p, 4), WT_OK);
        before = until_asleep(3);
        for (int look = 0; look < 200; look++) { /* nor do they wake to see whether there is work */
                nanosleep(&nap, NULL);
                assert_int_equal(asleep(&now), 3);
                assert_int_equal(now, before);
        }
        wt_pool_free(p);
}

static _Atomic uint32_t signals;
static void count_signal(int sig) { (void)sig; atomic_fetch_add(&signals, 1); }

static void check_blocked(void *arg, uint32_t i)
{
        sigset_t set;

        (void)i;
        pthread_sigmask(SIG_SETMASK, NULL, &set);
        if (gettid() != getpid() && !sigismember(&set, SIGTERM))
                atomic_fetch_add((_Atomic uint32_t *)arg, 1);
}

static void signals_stay_with_main(void **state)
{
        _Atomic uint32_t open_threads = 0;
        wt_pool *p;

        (void)state;
        signal(SIGUSR1, count_signal);
        assert_int_equal(wt_pool_new(&p, 3), WT_OK);
        for (int i = 0; i < 50; i++)
                wt_pool_run(p, 64, check_blocked, &open_threads);
        raise(SIGUSR1);
        wt_pool_free(p);
        assert_int_equal(atomic_load(&open_threads), 0);
        assert_int_equal(atomic_load(&signals), 1);
}

static void the_ground_is_checked(void **state)
{
        wt_pool *p = NULL;

        (void)state;
        assert_int_equal(wt_float_ground(), WT_OK);
#if defined(__x86_64__)
        static const struct { unsigned bits; const char *words; } bad[] = {
                { 0x8000, "flushes subnormals" }, { 0x0040, "reads subnormals as zero" },
                { 0x2000, "nearest-even" },
        };
        unsigned was = _mm_getcsr();

        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                wt_err err;

                _mm_setcsr(was | bad[i].bits);
                err = wt_pool_new(&p, 2);
                _mm_setcsr(was);
                assert_int_equal(err, WT_EPRECONDITION);
                assert_non_null(strstr(wt_words(), bad[i].words));
                assert_null(p);
        }
#endif
        assert_int_equal(wt_pool_new(&p, 5000), WT_EINVAL);
}

static const struct quota {
        const char *name, *self, *root, *mid, *leaf;
        uint32_t want;
} quotas[] = {
        {"no limit", "0::/a/b\n", NULL, "max 100000\n", "max 100000\n", 16},
        {"its own limit", "0::/a/b\n", NULL, "max 100000\n", "300000 100000\n", 3},
        {"a parent's limit is lower", "0::/a/b\n", NULL, "200000 100000\n", "300000 100000\n", 2},
        {"a part of a core rounds down", "0::/a/b\n", NULL, NULL, "250000 100000\n", 2},
        {"but not to nothing", "0::/a/b\n", NULL, NULL, "50000 100000\n", 1},
        {"the root of a container", "0::/\n", "400000 100000\n", NULL, NULL, 4},
        {"beside version 1 lines", "4:cpu:/x\n1:name=systemd:/\n0::/a/b\n", NULL, NULL,
         "500000 100000\n", 5},
        {"more than there are", "0::/a/b\n", NULL, NULL, "9900000 100000\n", 16},
        {"nonsense", "0::/a/b\n", NULL, NULL, "lots\n", 16},
        {"no cgroup v2", "4:cpu:/x\n", NULL, NULL, NULL, 16},
};
enum { N_QUOTAS = sizeof quotas / sizeof *quotas };

static void put(const char *folder, const char *name, const char *text)
{
        char path[256];

        snprintf(path, sizeof path, "%s/%s", folder, name);
        if (text)
                assert_int_equal(wt_file_write(path, text, strlen(text), 0644), WT_OK);
}

static void quota(void **state)
{
        const struct quota *q = *state;
        char folder[] = "/tmp/witan-cores-XXXXXX", path[256], command[256];

        assert_non_null(mkdtemp(folder));
        snprintf(path, sizeof path, "%s/mount/a/b", folder);
        assert_int_equal(wt_dir_make(path, 0755), WT_OK);
        put(folder, "self", q->self);
        put(folder, "mount/cpu.max", q->root);
        put(folder, "mount/a/cpu.max", q->mid);
        put(folder, "mount/a/b/cpu.max", q->leaf);
        snprintf(path, sizeof path, "%s/self", folder);
        snprintf(command, sizeof command, "%s/mount", folder);
        assert_int_equal(wt_cores_in_cgroup(path, command, 16), q->want);
        snprintf(command, sizeof command, "rm -r '%s'", folder);
        assert_int_equal(system(command), 0);
}

static void allowed_by_affinity(void **state)
{
        cpu_set_t was, one;

        (void)state;
        assert_int_equal(sched_getaffinity(0, sizeof was, &was), 0);
        assert_in_range(wt_cores_allowed(), 1, (unsigned)CPU_COUNT(&was));
        CPU_ZERO(&one);
        for (int c = 0; c < CPU_SETSIZE && CPU_COUNT(&one) == 0; c++)
                if (CPU_ISSET(c, &was))
                        CPU_SET(c, &one);
        assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
        assert_int_equal(wt_cores_allowed(), 1);
        assert_int_equal(sched_setaffinity(0, sizeof was, &was), 0);
}

int main(void)
{
        struct CMUnitTest tests[6 + N_QUOTAS] = {
                cmocka_unit_test(each_item_once),
                cmocka_unit_test(sleeping_threads_wake_for_work),
                cmocka_unit_test(an_idle_pool_costs_nothing),
                cmocka_unit_test(signals_stay_with_main),
                cmocka_unit_test(the_ground_is_checked),
                cmocka_unit_test(allowed_by_affinity),
        };

        for (size_t i = 0; i < N_QUOTAS; i++)
                tests[6 + i] =
                        (struct CMUnitTest){quotas[i].name, quota, NULL, NULL, (void *)&quotas[i]};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
