#include "base/pool.h"
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "base/hot.h"

enum { SPIN_NS = 20000, MOST_THREADS = 1024 };

/* One job at a time. Whoever takes `claim` from r > 0 to r - k owns items n-r .. n-r+k-1 of the
 * job in the fields below: the job cannot end, and so the fields cannot change, before those are
 * counted off `unfinished`. That makes late threads of an earlier job harmless without a
 * generation number. */
struct wt_pool {
        void (*body)(void *arg, uint32_t i);
        void *arg;
        uint32_t n, n_threads;
        _Alignas(64) _Atomic uint32_t claim;     /* items nobody has taken yet */
        _Alignas(64) _Atomic uint32_t unfinished;/* futex of the caller */
        _Alignas(64) _Atomic uint32_t bell;      /* futex of the threads: +1 for each job */
        _Atomic uint32_t sleepers;             /* threads that wait, or are about to, on the bell */
        _Atomic uint32_t caller_sleeps, quit;
        wt_allowance *_Atomic cores;             /* NULL: every thread may work at any time */
        _Atomic uint32_t tickets;                /* cores taken for threads that are being woken */
        _Atomic uint32_t awake;                  /* threads (the caller apart) that hold a core */
        sem_t started;
        _Atomic int bad_ground;
        pthread_t *thread;                       /* (n_threads - 1) */
};

static void futex_wait(_Atomic uint32_t *word, uint32_t while_it_is)
{
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, while_it_is, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word, uint32_t n)
{
        syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n < INT_MAX ? n : INT_MAX, NULL, NULL, 0);
}

static uint64_t now_ns(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void relax(void)
{
#if defined(__x86_64__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("yield");
#endif
}

/* Waits until *word differs from was, at most SPIN_NS; true when it does. */
static bool spin_change(_Atomic uint32_t *word, uint32_t was)
{
        uint64_t end = now_ns() + SPIN_NS;

        do {
                for (int i = 0; i < 32; i++) {
                        if (atomic_load_explicit(word, memory_order_acquire) != was)
                                return true;
                        relax();
                }
        } while (now_ns() < end);
        return false;
}

static void finish(wt_pool *p, uint32_t done)
{
        if (atomic_fetch_sub(&p->unfinished, done) == done && atomic_load(&p->caller_sleeps))
                futex_wake(&p->unfinished, 1);
}

/* Takes and runs items until none is left, or until somebody wants the core of a thread that
 * yields. Large jobs are taken in pieces that shrink to one. */
static void work(wt_pool *p, const wt_allowance *yields)
{
        uint32_t left = atomic_load_explicit(&p->claim, memory_order_acquire);

        while (left && !(yields && wt_allowance_wanted(yields))) {
                uint32_t k = left / (4 * p->n_threads), first;

                k = k ? k : 1;
                if (!atomic_compare_exchange_weak_explicit(&p->claim, &left, left - k,
                                memory_order_acq_rel, memory_order_acquire))
                        continue;
                first = p->n - left;
                for (uint32_t i = 0; i < k; i++)
                        p->body(p->arg, first + i);
                finish(p, k);
                left = atomic_load_explicit(&p->claim, memory_order_acquire);
        }
}

/* ---- threads that help ---- */

static bool take_ticket(wt_pool *p)
{
        uint32_t n = atomic_load(&p->tickets);

        while (n)
                if (atomic_compare_exchange_weak(&p->tickets, &n, n - 1)) {
                        atomic_fetch_add(&p->awake, 1);
                        return true;
                }
        return false;
}

/* One look for work by a thread that holds a core (seated) or not; true: look again at once. Who
 * has none neither works nor spins. */
static bool help(wt_pool *p, uint32_t seen, bool *seated)
{
        wt_allowance *cores = atomic_load(&p->cores);

        if (!cores) {
                work(p, NULL);
                return spin_change(&p->bell, seen);
        }
        if (!*seated && !(*seated = take_ticket(p)))
                return false;
        work(p, cores);
        if (!wt_allowance_wanted(cores) && spin_change(&p->bell, seen))
                return true;
        *seated = false;
        atomic_fetch_sub(&p->awake, 1);
        wt_allowance_give(cores, 1);
        return false;
}

static void *thread_main(void *arg)
{
        wt_pool *p = arg;
        bool seated = false;

        if (wt_float_ground() != WT_OK)
                atomic_store(&p->bad_ground, 1);
        sem_post(&p->started);
        while (!atomic_load(&p->quit)) {
                uint32_t seen =
                        atomic_load(&p->bell); /* before work(): a job after it rings again */

                if (help(p, seen, &seated))
                        continue;
                atomic_fetch_add(&p->sleepers, 1);       /* first this, then the bell: wt_pool_run
                                                          * rings first and then looks here */
                if (atomic_load(&p->bell) == seen)
                        futex_wait(&p->bell, seen);
                atomic_fetch_sub(&p->sleepers, 1);
        }
        return NULL;
}

static void ring(wt_pool *p, uint32_t wanted)
{
        uint32_t asleep;

        atomic_fetch_add(&p->bell, 1);
        asleep = atomic_load(&p->sleepers);
        if (asleep && wanted)                    /* "wake none" wakes one on some kernels */
                futex_wake(&p->bell, wanted < asleep ? wanted : asleep);
}

static void run_alone(uint32_t n, void (*body)(void *arg, uint32_t i), void *arg)
{
        for (uint32_t i = 0; i < n; i++)
                body(arg, i);
}

static void run(wt_pool *p, uint32_t n, uint32_t helpers, void (*body)(void *arg, uint32_t i),
                void *arg)
{
        uint32_t left;

        p->body = body;
        p->arg = arg;
        p->n = n;
        atomic_store_explicit(&p->unfinished, n, memory_order_relaxed);
        atomic_store_explicit(&p->claim, n, memory_order_release);
        ring(p, helpers);
        work(p, NULL);
        while ((left = atomic_load_explicit(&p->unfinished, memory_order_acquire)) != 0) {
                if (spin_change(&p->unfinished, left))
                        continue;
                atomic_store(&p->caller_sleeps, 1);
                left = atomic_load(&p->unfinished);
                if (left)
                        futex_wait(&p->unfinished, left);
                atomic_store(&p->caller_sleeps, 0);
        }
}

/* Cores are taken for those who are woken before they wake: no thread finds out, awake, that it
 * should sleep. Tickets that nobody took in time are given back. */
static void run_within(wt_pool *p, wt_allowance *cores, uint32_t n,
                       void (*body)(void *arg, uint32_t i), void *arg)
{
        bool own = wt_allowance_wait(cores);
        uint32_t want = n - 1 < p->n_threads - 1 ? n - 1 : p->n_threads - 1, got = 0,
                 awake = atomic_load(&p->awake), spare;

        if (want == 0) {
                run_alone(n, body, arg);
        } else {
                if (want > awake && (got = wt_allowance_take(cores, want - awake)) > 0)
                        atomic_fetch_add(&p->tickets, got);
                run(p, n, got, body, arg);
        }
        spare = got > 0 ? atomic_exchange(&p->tickets, 0) : 0;
        if (spare + own > 0)
                wt_allowance_give(cores, spare + own);
}

void wt_pool_run(wt_pool *p, uint32_t n, void (*body)(void *arg, uint32_t i), void *arg)
{
        wt_allowance *cores = atomic_load_explicit(&p->cores, memory_order_relaxed);

        if (n == 0)
                return;
        if (cores)
                run_within(p, cores, n, body, arg);
        else if (p->n_threads == 1 || n == 1)
                run_alone(n, body, arg);
        else
                run(p, n, n - 1, body, arg);
}

void wt_pool_within(wt_pool *p, wt_allowance *a)
{
        atomic_store(&p->cores, a);
}

/* Starts the threads with every signal blocked, so that SIGTERM stays with the main thread. */
static uint32_t start(wt_pool *p)
{
        sigset_t all, was;
        uint32_t n = 0;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &was);
        while (n + 1 < p->n_threads && pthread_create(&p->thread[n], NULL, thread_main, p) == 0) {
                pthread_setname_np(p->thread[n], "witan-pool");
                n++;
        }
        pthread_sigmask(SIG_SETMASK, &was, NULL);
        for (uint32_t i = 0; i < n; i++)
                while (sem_wait(&p->started) != 0 && errno == EINTR)
                        ;
        return n;
}

wt_err wt_pool_new(wt_pool **out, uint32_t n_threads)
{
        uint32_t want = n_threads ? n_threads : wt_cores_allowed(), made;
        wt_err err = wt_float_ground();
        wt_pool *p;

        if (err != WT_OK)
                return err;
        if (want > MOST_THREADS)
                return wt_fail(WT_EINVAL, "%u threads are more than %d; ask for fewer", want,
                               MOST_THREADS);
        wt_hot_note_alloc("a thread pool");
        p = aligned_alloc(64, (sizeof *p + 63) & ~(size_t)63);
        if (!p)
                return wt_fail(WT_ENOMEM, "no memory for a pool of %u threads", want);
        memset(p, 0, sizeof *p);
        p->n_threads = want;
        sem_init(&p->started, 0, 0);
        p->thread = calloc(want, sizeof *p->thread);
        made = p->thread ? start(p) : 0;
        if (made + 1 < want || atomic_load(&p->bad_ground)) {
                err = made + 1 < want
                              ? wt_fail(WT_EEXHAUSTED,
                                        "only %u of %u threads could be started; lower --threads "
                                        "or raise the process limit",
                                        made + 1, want)
                              : wt_fail(WT_EPRECONDITION,
                                        "a new thread does not round to nearest-even or "
                                        "flushes subnormals; remove the library that changes this");
                p->n_threads = made + 1;
                wt_pool_free(p);
                return err;
        }
        *out = p;
        return WT_OK;
}

void wt_pool_free(wt_pool *p)
{
        if (!p)
                return;
        atomic_store(&p->quit, 1);
        ring(p, UINT32_MAX);
        for (uint32_t i = 0; i + 1 < p->n_threads; i++)
                pthread_join(p->thread[i], NULL);
        sem_destroy(&p->started);
        free(p->thread);
        free(p);
}

uint32_t wt_pool_threads(const wt_pool *p) { return p->n_threads; }
