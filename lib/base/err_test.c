#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/err.h"

static void words_are_kept(void **state)
{
        (void)state;
        assert_int_equal(wt_fail(WT_EINVAL, "layer %d has %s", 3, "no gate"), WT_EINVAL);
        assert_string_equal(wt_words(), "layer 3 has no gate");
        assert_int_equal(wt_fail_in(WT_EDATA, "file %s", "a.bin"), WT_EDATA);
        assert_string_equal(wt_words(), "file a.bin: layer 3 has no gate");
        wt_fail(WT_EIO, "again: %s", wt_words());        /* its own words as an argument */
        assert_string_equal(wt_words(), "again: file a.bin: layer 3 has no gate");
}

static void long_words_are_cut(void **state)
{
        char text[3000];

        (void)state;
        memset(text, 'x', sizeof text - 1);
        text[sizeof text - 1] = '\0';
        wt_fail(WT_EINVAL, "%s", text);
        assert_int_equal(strlen(wt_words()), 1023);
        wt_fail_in(WT_EINVAL, "%s", text);
        assert_int_equal(strlen(wt_words()), 1023);
        wt_fail(WT_EINVAL, "short");
        wt_fail_in(WT_EINVAL, "%.1020s", text);
        assert_int_equal(strlen(wt_words()), 1023);
        assert_string_equal(wt_words() + 1020, ": s");
}

static void *fail_elsewhere(void *arg)
{
        (void)arg;
        assert_string_equal(wt_words(), "");
        wt_fail(WT_EIO, "elsewhere");
        return NULL;
}

static void words_belong_to_the_thread(void **state)
{
        pthread_t t;

        (void)state;
        wt_fail(WT_EINVAL, "here");
        assert_int_equal(pthread_create(&t, NULL, fail_elsewhere, NULL), 0);
        pthread_join(t, NULL);
        assert_string_equal(wt_words(), "here");
}

static void codes_have_names(void **state)
{
        (void)state;
        assert_string_equal(wt_code_name(WT_EINVAL), "invalid argument");
        assert_string_equal(wt_code_grpc(WT_EINVAL), "INVALID_ARGUMENT");
        assert_string_equal(wt_code_grpc(WT_EUNSUPPORTED), "UNIMPLEMENTED");
        assert_string_equal(wt_code_name(999), "unknown");
        for (int e = 0; e <= 16; e++) {
                assert_true(e == WT_EUNKNOWN || strcmp(wt_code_name(e), "unknown") != 0);
                assert_int_equal(wt_code_outside(e), e);
        }
        assert_int_equal(wt_code_outside(WT_ENOMEM), WT_EEXHAUSTED);
        assert_int_equal(wt_code_outside(WT_EIO), WT_EINTERNAL);
        assert_int_equal(wt_code_outside(WT_EAGAIN), WT_EINTERNAL);
}

static void a_bug_says_where_and_aborts(void **state)
{
        char said[512] = "";
        int pipe_fd[2], status;
        pid_t child;

        (void)state;
        assert_int_equal(pipe(pipe_fd), 0);
        child = fork();
        if (child == 0) {
                signal(SIGABRT, SIG_DFL);
                dup2(pipe_fd[1], 2);
                WT_ASSERT(1 + 1 == 3);
                _exit(0);
        }
        close(pipe_fd[1]);
        assert_true(read(pipe_fd[0], said, sizeof said - 1) > 0);
        close(pipe_fd[0]);
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        assert_non_null(strstr(said, "err_test.c:"));
        assert_non_null(strstr(said, "(1 + 1 == 3) does not hold"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(words_are_kept),
                cmocka_unit_test(long_words_are_cut),
                cmocka_unit_test(words_belong_to_the_thread),
                cmocka_unit_test(codes_have_names),
                cmocka_unit_test(a_bug_says_where_and_aborts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
