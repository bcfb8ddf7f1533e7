/* trace_test.c - spans of several threads come out as JSON that a trace viewer reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/json.h"
#include "base/trace.h"

enum { THREADS = 3, SPANS = 100 };

static char dir[] = "/tmp/witan-trace-test-XXXXXX";

static void *work(void *arg)
{
        (void)arg;
        for (int i = 0; i < SPANS; i++) {
                uint64_t t = wt_trace_begin();
                uint64_t inner = wt_trace_begin();

                wt_trace_end(inner, "kernel", "linear", 7);
                wt_trace_end(t, "stage", "attend", 3);
        }
        return NULL;
}

static wt_json *read_back(const char *path)
{
        struct wt_buf b = { 0 };
        wt_json *j = NULL;

        assert_int_equal(wt_file_read(path, 64 << 20, &b), WT_OK);
        if (wt_json_parse(&j, b.data, b.len, &wt_json_default) != WT_OK)
                fail_msg("%s", wt_words());
        wt_buf_free(&b);
        return j;
}

static double number(const wt_json *j, wt_jv v, const char *key)
{
        double d = -1;

        assert_true(wt_json_f64(j, wt_json_get(j, v, key), &d));
        return d;
}

static void check_events(const wt_json *j, uint32_t *n_spans, uint32_t *n_threads)
{
        double begin = 0, end = 0;               /* of the kernel that was seen last */

        *n_spans = *n_threads = 0;
        for (wt_jv v = wt_json_first(j, wt_json_get(j, 0, "traceEvents")); v != WT_JSON_NONE;
             v = wt_json_next(j, v)) {
                const char *ph = wt_json_str(j, wt_json_get(j, v, "ph"), &(size_t){ 0 });
                const char *name = wt_json_str(j, wt_json_get(j, v, "name"), &(size_t){ 0 });
                double ts, dur;

                *n_threads += strcmp(name, "thread_name") == 0;
                if (strcmp(ph, "X") != 0)
                        continue;
                ++*n_spans;
                ts = number(j, v, "ts");
                dur = number(j, v, "dur");
                assert_true(number(j, v, "tid") > 0);
                if (strcmp(name, "linear") == 0) {
                        begin = ts;
                        end = ts + dur;
                        assert_float_equal(number(j, wt_json_get(j, v, "args"), "rows"), 7, 0);
                        continue;
                }
                assert_string_equal(name, "attend");
                assert_true(ts <= begin && ts + dur >= end - 1e-3);      /* it lies inside */
        }
}

static void spans_of_threads(void **state)
{
        struct wt_trace_total total[4];
        pthread_t thread[THREADS];
        uint32_t n_spans, n_threads;
        char path[200];
        wt_json *j;

        (void)state;
        for (int session = 0; session < 2; session++) { /* the second has nothing of the first */
                assert_int_equal(wt_trace_open(dir, "expert-0"), WT_OK);
                assert_int_equal(wt_trace_open(dir, "expert-1"), WT_EEXIST);
                for (int i = 0; i < THREADS; i++)
                        assert_int_equal(pthread_create(&thread[i], NULL, work, NULL), 0);
                work(NULL);
                for (int i = 0; i < THREADS; i++)
                        pthread_join(thread[i], NULL);
                assert_int_equal(wt_trace_totals(total, 4), 2);
                assert_string_equal(total[0].name, "attend");    /* contains the other */
                assert_int_equal(total[0].count, SPANS * (THREADS + 1));
                assert_int_equal(total[1].count, SPANS * (THREADS + 1));
                assert_true(total[0].ns >= total[1].ns);
                assert_int_equal(wt_trace_close(), WT_OK);
                snprintf(path, sizeof path, "%s/expert-0.trace.json", dir);
                j = read_back(path);
                check_events(j, &n_spans, &n_threads);
                assert_int_equal(n_threads, THREADS + 1);
                assert_int_equal(n_spans, 2 * SPANS * (THREADS + 1));
                wt_json_free(j);
        }
}

static void off_is_off(void **state)
{
        (void)state;
        assert_int_equal(wt_trace_begin(), 0);
        wt_trace_end(0, "stage", "attend", 1);
        assert_int_equal(wt_trace_totals(&(struct wt_trace_total){ 0 }, 1), 0);
        assert_int_equal(wt_trace_close(), WT_OK);
}

static void a_file_that_cannot_be(void **state)
{
        (void)state;
        assert_int_equal(wt_trace_open("/nowhere/at/all.json", "x"), WT_EIO);
        assert_non_null(strstr(wt_words(), "/nowhere/at/all.json"));
        assert_false(wt_trace_on);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(off_is_off), cmocka_unit_test(spans_of_threads),
                cmocka_unit_test(a_file_that_cannot_be), cmocka_unit_test(off_is_off),
        };
        int failed;

        if (mkdtemp(dir) == NULL)
                return 2;
        failed = cmocka_run_group_tests(tests, NULL, NULL);
        unlink(strcat(strcpy((char[200]){ 0 }, dir), "/expert-0.trace.json"));
        rmdir(dir);
        return failed;
}
