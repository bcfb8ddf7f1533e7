/* system_test.c - log, stop and file: what base asks of the system. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/dump.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/stop.h"

static char folder[64];

static int make_folder(void **state)
{
        (void)state;
        strcpy(folder, "/tmp/witan-system-XXXXXX");
        return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
        char command[128];

        (void)state;
        snprintf(command, sizeof command, "rm -r '%s'", folder);
        return system(command);
}

static const char *at(const char *name)
{
        static char path[4][256];
        static int next;
        char *p = path[next++ % 4];

        snprintf(p, sizeof path[0], "%s/%s", folder, name);
        return p;
}

/* ---- log ---- */

static int pipe_fd[2];

static wt_json *logged(char line[16384])
{
        ssize_t n = read(pipe_fd[0], line, 16383);
        wt_json *j = NULL;

        assert_true(n > 0);
        line[n] = '\0';
        assert_ptr_equal(strchr(line, '\n'), line + n - 1);      /* one line, one write */
        if (wt_json_parse(&j, line, (size_t)n, NULL) != WT_OK)
                fail_msg("%s: %s", wt_words(), line);
        return j;
}

static const char *text_of(const wt_json *j, const char *key)
{
        return wt_json_str(j, wt_json_get(j, 0, key), NULL);
}

static void a_line_is_json(void **state)
{
        char line[16384];
        double d;
        int64_t i;
        wt_json *j;

        (void)state;
        wt_log(WT_NOTICE, "ROUTER-SHED",
               "batch=%s rows=%d share=%g words=\"two words\" empty= path=\"a \"b\" c\" "
               "hex=00a7 lead=007 last=-3",
               "a7", 96, 0.5);
        j = logged(line);
        assert_string_equal(text_of(j, "level"), "notice");
        assert_string_equal(text_of(j, "id"), "ROUTER-SHED");
        assert_string_equal(text_of(j, "svc"), "router-0");
        assert_int_equal(strlen(text_of(j, "ts")), strlen("2026-01-01T00:00:00.000000Z"));
        assert_string_equal(text_of(j, "batch"), "a7");
        assert_true(wt_json_i64(j, wt_json_get(j, 0, "rows"), &i) && i == 96);
        assert_true(wt_json_f64(j, wt_json_get(j, 0, "share"), &d) && d == 0.5);
        assert_string_equal(text_of(j, "words"), "two words");
        assert_string_equal(text_of(j, "empty"), "");
        assert_string_equal(text_of(j, "path"), "a \"b\" c");
        assert_string_equal(text_of(j, "hex"), "00a7");
        assert_string_equal(text_of(j, "lead"), "007");
        assert_true(wt_json_i64(j, wt_json_get(j, 0, "last"), &i) && i == -3);
        wt_json_free(j);
}

static void a_failure_has_code_and_words(void **state)
{
        char line[16384];
        wt_json *j;

        (void)state;
        wt_fail(WT_EUNAVAILABLE, "worker \"e-1\"\nis gone");
        wt_log_err(WT_WARN, "ROUTER-TURN", WT_EUNAVAILABLE);
        j = logged(line);
        assert_string_equal(text_of(j, "code"), "unavailable");
        assert_string_equal(text_of(j, "words"), "worker \"e-1\"\nis gone");
        wt_json_free(j);
}

static void the_longest_line_holds(void **state)
{
        char line[16384], worst[2100];
        wt_json *j;

        (void)state;
        memset(worst, 1, sizeof worst - 1);      /* six bytes each when escaped */
        worst[sizeof worst - 1] = '\0';
        wt_log(WT_ERROR, "LONG", "a=\"%s\"", worst);
        wt_json_free(logged(line));
        for (size_t i = 0; i + 3 < sizeof worst; i += 3)
                memcpy(worst + i, "a= ", 3);   /* many small pairs; keys stand twice, so no parse */
        wt_log(WT_ERROR, "LONG", "%s", worst);
        assert_true(read(pipe_fd[0], line, sizeof line) > 2000);
        wt_log(WT_ERROR, "BARE", "%s", "");
        j = logged(line);
        assert_int_equal(wt_json_count(j, 0), 4);
        wt_json_free(j);
}

static void lesser_levels_are_silent(void **state)
{
        struct pollfd p = { .fd = pipe_fd[0], .events = POLLIN };

        (void)state;
        wt_log(WT_DEBUG, "X", "a=1");
        wt_log_err(WT_DEBUG, "X", WT_EIO);
        assert_int_equal(poll(&p, 1, 0), 0);
        assert_int_equal(wt_level_of("warn"), WT_WARN);
        assert_int_equal(wt_level_of("loud"), -1);
        assert_string_equal(wt_level_name(WT_DEBUG), "debug");
}

/* ---- stop ---- */

static void sigterm_wakes_the_descriptor(void **state)
{
        struct pollfd p = { .events = POLLIN };

        (void)state;
        assert_int_equal(wt_stop_init(), WT_OK);
        assert_int_equal(wt_stop_init(), WT_OK);         /* twice does no harm */
        p.fd = wt_stop_fd();
        assert_int_equal(poll(&p, 1, 0), 0);
        assert_false(wt_stop_asked());
        raise(SIGPIPE);                                  /* ignored */
        raise(SIGTERM);
        assert_true(wt_stop_asked());
        assert_int_equal(poll(&p, 1, 0), 1);
        wt_stop_ask();
        assert_int_equal(poll(&p, 1, 0), 1);             /* stays readable */
}

/* ---- files ---- */

static void written_whole_and_read_back(void **state)
{
        struct wt_buf b = { 0 };
        struct stat st;

        (void)state;
        wt_buf_str(&b, "before ");
        assert_int_equal(wt_file_write(at("f"), "old", 3, 0644), WT_OK);
        assert_int_equal(wt_file_write(at("f"), "new\0x", 5, 0600), WT_OK);
        assert_int_equal(stat(at("f"), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(wt_file_read(at("f"), 5, &b), WT_OK);
        assert_int_equal(b.len, 12);
        assert_memory_equal(b.data, "before new\0x", 13);
        assert_int_equal(wt_file_read(at("f"), 4, &b), WT_EEXHAUSTED);
        assert_non_null(strstr(wt_words(), "larger than 4 bytes"));
        assert_int_equal(b.len, 12);                     /* as it was */
        assert_int_equal(wt_file_read(at("absent"), 4, &b), WT_ENOTFOUND);
        assert_int_equal(wt_file_read(folder, 4, &b), WT_EIO);
        assert_int_equal(wt_file_read("/proc/self/status", 1 << 20, &b), WT_OK);   /* has no size */
        assert_true(b.len > 100);
        wt_buf_free(&b);
}

static void what_is_no_file_takes_the_bytes(void **state)
{
        struct stat st;
        char got[8] = "";
        int fd;

        (void)state;
        assert_int_equal(mkfifo(at("pipe"), 0600), 0);
        fd = open(at("pipe"), O_RDONLY | O_NONBLOCK);
        assert_true(fd >= 0);
        assert_int_equal(wt_file_write(at("pipe"), "here", 4, 0644), WT_OK);
        assert_int_equal(read(fd, got, sizeof got), 4);
        assert_string_equal(got, "here");
        close(fd);
        assert_int_equal(stat(at("pipe"), &st), 0);
        assert_true(S_ISFIFO(st.st_mode));
}

static void a_failed_write_leaves_nothing(void **state)
{
        struct dirent *e;
        DIR *d;

        (void)state;
        assert_int_equal(mkdir(at("d"), 0755), 0);
        assert_int_equal(wt_file_write(at("d"), "x", 1, 0644), WT_EIO);
        assert_int_equal(wt_file_write(at("no/f"), "x", 1, 0644), WT_ENOTFOUND);
        d = opendir(folder);
        while ((e = readdir(d)) != NULL)
                assert_null(strstr(e->d_name, ".tmp."));
        closedir(d);
}

static void folders_with_parents(void **state)
{
        (void)state;
        assert_int_equal(wt_dir_make(at("p/q/r"), 0755), WT_OK);
        assert_int_equal(wt_dir_make(at("p/q/r/"), 0755), WT_OK);
        assert_int_equal(access(at("p/q/r"), X_OK), 0);
        assert_int_equal(wt_file_write(at("p/file"), "", 0, 0644), WT_OK);
        assert_int_equal(wt_dir_make(at("p/file"), 0755), WT_EEXIST);
        assert_int_equal(wt_dir_make(at("p/file/x"), 0755), WT_ENOTFOUND);
        assert_int_equal(wt_dir_make("", 0755), WT_EINVAL);
}

static void mapped(void **state)
{
        struct wt_map m = { 0 };

        (void)state;
        assert_int_equal(wt_file_write(at("m"), "0123456789", 10, 0400), WT_OK);
        assert_int_equal(wt_map_open(&m, at("m")), WT_OK);
        assert_int_equal(m.bytes, 10);
        assert_memory_equal(m.data, "0123456789", 10);
        wt_map_close(&m);
        assert_null(m.data);
        assert_int_equal(wt_file_write(at("m"), "", 0, 0400), WT_OK);
        assert_int_equal(wt_map_open(&m, at("m")), WT_OK);
        assert_true(m.data == NULL && m.bytes == 0);
        wt_map_close(&m);
        assert_int_equal(wt_map_open(&m, at("absent")), WT_ENOTFOUND);
        assert_int_equal(wt_map_open(&m, folder), WT_EINVAL);
}

/* ---- cores ---- */

/* How a child ends that aborts where cores are written into the folder. */
static int abort_in(const char *where, bool forbid)
{
        int status;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                struct rlimit r;

                signal(SIGABRT, SIG_DFL);
                getrlimit(RLIMIT_CORE, &r);
                r.rlim_cur = r.rlim_max;
                setrlimit(RLIMIT_CORE, &r);
                if (chdir(where) != 0 || (forbid && wt_dump_none() != WT_OK))
                        _exit(1);
                abort();
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        return status;
}

static uint32_t entries(const char *path)
{
        DIR *d = opendir(path);
        uint32_t n = 0;

        assert_non_null(d);
        for (struct dirent *e; (e = readdir(d)) != NULL;)
                n += e->d_name[0] != '.';
        closedir(d);
        return n;
}

static void no_core_is_left(void **state)
{
        const char *where = at("cores");

        (void)state;
        assert_int_equal(wt_dir_make(where, 0700), WT_OK);
        assert_false(WCOREDUMP(abort_in(where, true)));
        assert_int_equal(entries(where), 0);
        if (!WCOREDUMP(abort_in(where, false)))
                print_message("[  NOTE  ] this machine leaves no cores: nothing was forbidden\n");
}

static void no_memory_is_in_one(void **state)
{
        char text[16] = "";
        int fd, status;
        pid_t pid = fork();

        (void)state;
        assert_true(pid >= 0);
        if (pid == 0) {
                if (wt_dump_none() != WT_OK ||
                    (fd = open("/proc/self/coredump_filter", O_RDONLY)) < 0 ||
                    read(fd, text, sizeof text - 1) <= 0)
                        _exit(1);
                _exit(strtoul(text, NULL, 16) == 0 ? 0 : 2);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int open_log(void **state)
{
        (void)state;
        if (pipe(pipe_fd))
                return -1;
        wt_log_init("router-0", WT_INFO, pipe_fd[1]);
        return make_folder(state);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_line_is_json),
                cmocka_unit_test(a_failure_has_code_and_words),
                cmocka_unit_test(the_longest_line_holds),
                cmocka_unit_test(lesser_levels_are_silent),
                cmocka_unit_test(sigterm_wakes_the_descriptor),
                cmocka_unit_test(written_whole_and_read_back),
                cmocka_unit_test(what_is_no_file_takes_the_bytes),
                cmocka_unit_test(a_failed_write_leaves_nothing),
                cmocka_unit_test(folders_with_parents),
                cmocka_unit_test(mapped),
                cmocka_unit_test(no_core_is_left),
                cmocka_unit_test(no_memory_is_in_one),
        };

        return cmocka_run_group_tests(tests, open_log, remove_folder);
}
