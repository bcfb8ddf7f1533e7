/* base_test.c - the n-th malloc, write or fsync fails in lib/base: JSON, settings, buffers, arenas,
 * whole files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/arena.h"
#include "base/conf.h"
#include "base/file.h"
#include "base/json.h"
#include "sweep.h"

/* Many members, so that the table of keys and the nodes grow. */
static wt_err json(void *arg)
{
        static char text[64 << 10];
        size_t len = 0;
        wt_json *j = NULL;
        int64_t last = 0;
        wt_err err;

        (void)arg;
        len += (size_t)sprintf(text + len, "{\"list\":[");
        for (int i = 0; i < 600; i++)
                len += (size_t)sprintf(text + len, "%s%d", i ? "," : "", i);
        len += (size_t)sprintf(text + len, "],\"deep\":{\"a\":[{\"b\":\"\\u00e4\"}]}");
        for (int i = 0; i < 600; i++)
                len += (size_t)sprintf(text + len, ",\"k%d\":%d", i, i);
        len += (size_t)sprintf(text + len, "}");
        fault_begin();
        err = wt_json_parse(&j, text, len, &wt_json_default);
        fault_end();
        CHECK((err == WT_OK) == (j != NULL));
        if (err == WT_OK)
                CHECK(wt_json_i64(j, wt_json_get(j, 0, "k599"), &last) && last == 599);
        wt_json_free(j);
        return err;
}

static const char *conf_file(void)
{
        static char path[512];
        static const char text[] = "http: 127.0.0.1:9090\nexperts: 3\nmodel: '~/m'\n";
        FILE *f;

        snprintf(path, sizeof path, "%s/witan.conf", sweep_dir());
        f = fopen(path, "w");
        CHECK(f && fwrite(text, 1, sizeof text - 1, f) == sizeof text - 1);
        CHECK(fclose(f) == 0);
        return path;
}

static wt_err conf(void *arg)
{
        char *argv[] = { (char *)"--experts=4", (char *)"word" },
             *env[] = { (char *)"HOME=/home/x", (char *)"WITAN_REPLICAS=2", NULL };
        const char *file = conf_file();
        wt_conf *c = NULL;
        wt_err err;

        (void)arg;
        fault_begin();
        err = wt_conf_load(&c, WT_FOR_WITAN, 2, argv, env, file);
        fault_end();
        CHECK((err == WT_OK) == (c != NULL));
        if (err == WT_OK) {
                CHECK(wt_conf_u64(c, WT_SET_experts) == 4);
                CHECK(wt_conf_u64(c, WT_SET_replicas) == 2);
                CHECK(strcmp(wt_conf_str(c, WT_SET_http), "127.0.0.1:9090") == 0);
                CHECK(strcmp(wt_conf_str(c, WT_SET_model), "/home/x/m") == 0);
        }
        wt_conf_free(c);
        return err;
}

/* What could not grow is as it was. */
static wt_err try_to_grow(void *arg)
{
        struct wt_buf b = { 0 };
        struct wt_arena a = { .block_bytes = 256 };
        wt_err err = WT_OK;

        (void)arg;
        fault_begin();
        for (unsigned i = 0; i < 200 && err == WT_OK; i++) {
                size_t len = b.len;
                char *to = wt_buf_try(&b, 37), *p = wt_arena_try(&a, 100 + i);

                CHECK(b.len == len && (b.data == NULL || b.data[len] == '\0'));
                if (to && p) {
                        memset(to, 'x', 37);
                        memset(p, 'y', 100 + i);
                        b.len += 37;
                        b.data[b.len] = '\0';
                } else {
                        err = wt_fail(WT_ENOMEM, "could not grow beyond %zu", len);
                }
        }
        fault_end();
        CHECK(b.data == NULL || strspn(b.data, "x") == b.len);
        wt_buf_free(&b);
        wt_arena_fini(&a);
        return err;
}

/* The doors that cannot say so: they end the process in words. */
static wt_err must_grow(void *arg)
{
        struct wt_buf b = { 0 };
        struct wt_arena a = { 0 };

        (void)arg;
        fault_begin();
        wt_buf_fmt(&b, "%0200d", 1);
        wt_arena_fmt(&a, "%0200d", 1);
        fault_end();
        CHECK(b.len == 200);
        wt_buf_free(&b);
        wt_arena_fini(&a);
        /* One way to a clean error, so that the sweep is not empty-handed. */
        return try_to_grow(NULL);
}

static void out_of_memory_says_so(void **state)
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
                wt_out_of_memory("a test", 4711);
        }
        close(pipe_fd[1]);
        assert_true(read(pipe_fd[0], said, sizeof said - 1) > 0);
        close(pipe_fd[0]);
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        assert_non_null(strstr(said, "out of memory: no 4711 bytes for a test; "));
        assert_null(strstr(said, "bug"));
}

/* ---- whole files ---- */

static const char *target(void)
{
        static char path[512];

        snprintf(path, sizeof path, "%s/whole", sweep_dir());
        return path;
}

static wt_err read_back(void *arg)
{
        static char data[200000];
        struct wt_buf b = { 0 };
        wt_err err;

        (void)arg;
        memset(data, 'z', sizeof data);
        CHECK(wt_file_write(target(), data, sizeof data, 0600) == WT_OK);
        wt_buf_str(&b, "before");
        fault_begin();
        err = wt_file_read(target(), 1 << 20, &b);
        fault_end();
        CHECK(b.len == (err == WT_OK ? sizeof data + 6 : 6) && memcmp(b.data, "before", 6) == 0);
        wt_buf_free(&b);
        return err;
}

static const char old_text[] = "the old text", new_text[] = "the new text, which is longer";

/* A file that was there is replaced, or left as it was; never half. */
static wt_err replace(void *arg)
{
        struct wt_buf b = { 0 };
        wt_err err;

        (void)arg;
        CHECK(wt_file_write(target(), old_text, sizeof old_text, 0600) == WT_OK);
        fault_begin();
        err = wt_file_write(target(), new_text, sizeof new_text, 0600);
        fault_end();
        CHECK(wt_file_read(target(), 100, &b) == WT_OK);
        if (err == WT_OK)
                CHECK(b.len == sizeof new_text && memcmp(b.data, new_text, b.len) == 0);
        wt_buf_free(&b);
        return err;
}

static void old_or_new(void *arg)
{
        struct wt_buf b = { 0 };

        (void)arg;
        assert_int_equal(wt_file_read(target(), 100, &b), WT_OK);
        if (b.len == sizeof old_text)
                assert_memory_equal(b.data, old_text, b.len);
        else
                assert_memory_equal(b.data, new_text, sizeof new_text);
        wt_buf_free(&b);
}

static const wt_err io[] = { WT_EIO, WT_OK }, full[] = { WT_EEXHAUSTED, WT_OK };
static const struct sweep rows[] = {
        { "JSON, malloc", json, .fault = { .kind = FAULT_MEMORY }, .codes = sweep_enomem },
        { "JSON, no malloc from there on", json, .fault = { .kind = FAULT_MEMORY, .lasts = true },
          .codes = sweep_enomem },
        /* asprintf does without the last of its two calls. */
        { "settings, malloc", conf, .fault = { .kind = FAULT_MEMORY },
          .codes = sweep_enomem, .ok = true },
        { "settings, no malloc from there on", conf,
          .fault = { .kind = FAULT_MEMORY, .lasts = true },
          .codes = sweep_enomem, .ok = true },
        { "buffers and arenas that may refuse, malloc", try_to_grow,
          .fault = { .kind = FAULT_MEMORY, .lasts = true }, .codes = sweep_enomem },
        { "buffers and arenas that may not, malloc", must_grow, .fault = { .kind = FAULT_MEMORY },
          .codes = sweep_enomem },
        { "a file is read, malloc", read_back, .fault = { .kind = FAULT_MEMORY },
          .codes = sweep_enomem },
        { "a file is replaced, write: EIO", replace, .after = old_or_new,
          .fault = { .kind = FAULT_WRITE }, .codes = io },
        { "a file is replaced, write: ENOSPC", replace, .after = old_or_new,
          .fault = { .kind = FAULT_WRITE, .error = ENOSPC, .lasts = true }, .codes = full },
        { "a file is replaced, fsync: EIO", replace, .after = old_or_new,
          .fault = { .kind = FAULT_SYNC }, .codes = io },
        { "a file is replaced, killed while it writes", replace, .after = old_or_new,
          .fault = { .kind = FAULT_WRITE, .dies = true }, .codes = io },
        { "a file is replaced, killed before it is synced", replace, .after = old_or_new,
          .fault = { .kind = FAULT_SYNC, .dies = true }, .codes = io },
};
enum { N_ROWS = sizeof rows / sizeof *rows };

int main(void)
{
        struct CMUnitTest tests[N_ROWS + 1];

        for (size_t i = 0; i < N_ROWS; i++)
                tests[i] = (struct CMUnitTest){ rows[i].name, sweep, NULL, NULL, (void *)&rows[i] };
        tests[N_ROWS] = (struct CMUnitTest)cmocka_unit_test(out_of_memory_says_so);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
