/* sweep.c - the processes of a sweep and what they may end with, see sweep.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "sweep.h"

enum { FAILED = 0, WENT_ON = 91, NOT_REACHED = 92, WRONG = 93, MOST_RUNS = 100000,
       RUN_SECONDS = 120 };

const wt_err sweep_enomem[] = { WT_ENOMEM, WT_OK }, sweep_disk[] = { WT_EIO, WT_EEXHAUSTED, WT_OK };

int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

static char dir[256];
static void *shared;

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
        (void)st, (void)kind;
        return at->level > 0 ? remove(path) : 0;
}

static void empty_dir(void) { nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

static void remove_dir(void)
{
        empty_dir();
        rmdir(dir);
}

const char *sweep_dir(void)
{
        const char *tmp = getenv("TMPDIR");

        if (!*dir) {
                /* In memory where that can be: a sync then costs nothing. */
                if (!tmp)
                        tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : P_tmpdir;
                snprintf(dir, sizeof dir, "%.200s/witan-fault-XXXXXX", tmp);
                if (!mkdtemp(dir))
                        abort();
                atexit(remove_dir);              /* processes of a sweep leave by _exit */
        }
        return dir;
}

void *sweep_shared(void)
{
        if (!shared) {
                shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                              0);
                if (shared == MAP_FAILED)
                        abort();
        }
        return shared;
}

void sweep_wrong(const char *file, int line, const char *cond)
{
        fprintf(stderr, "%s:%d: (%s) does not hold; the last words: %s\n", file, line, cond,
                wt_words());
        fflush(stderr);
        _exit(WRONG);
}

static bool among(const wt_err *codes, wt_err err)
{
        for (; *codes != WT_OK; codes++)
                if (*codes == err)
                        return true;
        return false;
}

static void wrong(const char *what, wt_err err)
{
        fprintf(stderr, "%s: %s: %s\n", what, wt_code_name(err), wt_words());
        fflush(stderr);
        _exit(WRONG);
}

/* One process: the faulty run, the same without the fault, and the memory. */
static void run(const struct sweep *s, const struct fault *f)
{
        int64_t before;
        wt_err err;

        alarm(RUN_SECONDS);                      /* a hang is a failure too */
        setenv("CMOCKA_TEST_ABORT", "1", 1);     /* an assert of the parent's kind ends it here */
        fault_plan(f);
        wt_fail(WT_EUNKNOWN, "%s", "");
        before = fault_blocks();
        err = s->work(s->arg);
        fault_end();
        if (!fault_fired())
                _exit(err == WT_OK ? NOT_REACHED : (wrong("failed by itself", err), WRONG));
        if (err != WT_OK && !among(s->codes, err))
                wrong("another code than the fault's", err);
        if (err != WT_OK && strlen(wt_words()) < 10)
                wrong("a failure without words", err);
        if (err == WT_OK && !s->ok)
                wrong("went on as if nothing had been", err);
        if (fault_blocks() != before)
                wrong("blocks are not given back after", err);
        if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check())
                wrong("leaks after", err);
        fault_plan(&(struct fault){ 0 });
        if (s->work(s->arg) != WT_OK)
                wrong("does not work again after", WT_EUNKNOWN);
        _exit(err == WT_OK ? WENT_ON : FAILED);
}

static void fresh(void)
{
        empty_dir();
        memset(sweep_shared(), 0, 4096);
}

static int process(const struct sweep *s, const struct fault *f)
{
        pid_t child;
        int status;

        fresh();
        fflush(NULL);
        child = fork();
        assert_true(child >= 0);
        if (child == 0)
                run(s, f);
        assert_int_equal(waitpid(child, &status, 0), child);
        return status;
}

static uint32_t step_of(const struct sweep *s)
{
        return s->step > 0 && !getenv("WITAN_FAULT_ALL") ? s->step : 1;
}

void sweep(void **state)
{
        const struct sweep *s = *state;
        struct fault f = s->fault;
        uint32_t failed = 0, went_on = 0, gave_up = 0, killed = 0, step = step_of(s);
        int status = 0;

        sweep_dir();
        fault_plan(&(struct fault){ 0 });
        /* What libraries take once and keep is taken here. */
        fresh();
        if (s->work(s->arg) != WT_OK)
                fail_msg("without a fault: %s", wt_words());
        for (f.n = s->from ? s->from : 1;; f.n += step) {
                assert_in_range(f.n, 1, MOST_RUNS);
                status = process(s, &f);
                if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_REACHED)
                        break;
                if (f.dies && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
                        killed++;
                else if (!WIFEXITED(status))
                        fail_msg("call %u failed, and signal %d ended the process", f.n,
                                 WTERMSIG(status));
                else if (WEXITSTATUS(status) == FAULT_EXIT_GAVE_UP)
                        gave_up++;
                else if (WEXITSTATUS(status) == WENT_ON)
                        went_on++;
                else if (WEXITSTATUS(status) == FAILED)
                        failed++;
                else
                        fail_msg("call %u failed, and it was not well borne (see above)", f.n);
                if (s->after)
                        s->after(s->arg);
        }
        if (s->after)
                s->after(s->arg);
        print_message("    %s: %u calls failed: %u errors, %u done without, %u out of memory, "
                      "%u killed\n", s->name, failed + went_on + gave_up + killed, failed, went_on,
                      gave_up, killed);
        assert_true(failed + killed > 0 || (s->ok && went_on > 0));
}

int sweep_all(const struct sweep *rows, size_t n)
{
        struct CMUnitTest tests[n];

        for (size_t i = 0; i < n; i++)
                tests[i] = (struct CMUnitTest){ rows[i].name, sweep, NULL, NULL, (void *)&rows[i] };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
