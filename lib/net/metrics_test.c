/* metrics_test.c - the text, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <string.h>
#include "net/metrics.h"

static const double bounds[] = { 0.005, 0.1, 2.5 };

static void the_text(void **state)
{
        uint64_t a[3] = { 0 }, b[3] = { 0 };
        struct wt_metric m[] = {
                { .name = "witan_requests_total", .help = "Requests, by path\\status\nand so on",
                  .kind = WT_COUNTER, .labels = "path=\"/v1\"" },
                { .name = "witan_requests_total", .help = "", .kind = WT_COUNTER,
                  .labels = "path=\"/\"" },
                { .name = "witan_open", .help = "Open now", .kind = WT_GAUGE },
                { .name = "witan_wait_seconds", .help = "Wait", .kind = WT_HISTOGRAM,
                  .bounds = bounds, .n_bounds = 3, .buckets = a, .labels = "role=\"x\"" },
                { .name = "witan_other_seconds", .kind = WT_HISTOGRAM, .bounds = bounds,
                  .n_bounds = 3, .buckets = b },
        };
        struct wt_buf out = { 0 };

        (void)state;
        wt_metric_add(&m[0], 1);
        wt_metric_add(&m[0], 2);
        wt_metric_add(&m[1], 12345678901234);
        wt_metric_set(&m[2], 7);
        wt_metric_set(&m[2], -0.5);
        wt_metric_see(&m[3], 0.1);               /* a bound belongs to its bucket */
        wt_metric_see(&m[3], 0.001);
        wt_metric_see(&m[3], 100);
        wt_metrics_text(&out, m, 5);
        assert_string_equal(out.data,
                "# HELP witan_requests_total Requests, by path\\\\status\\nand so on\n"
                "# TYPE witan_requests_total counter\n"
                "witan_requests_total{path=\"/v1\"} 3\n"
                "witan_requests_total{path=\"/\"} 12345678901234\n"
                "# HELP witan_open Open now\n"
                "# TYPE witan_open gauge\n"
                "witan_open -0.5\n"
                "# HELP witan_wait_seconds Wait\n"
                "# TYPE witan_wait_seconds histogram\n"
                "witan_wait_seconds_bucket{role=\"x\",le=\"0.005\"} 1\n"
                "witan_wait_seconds_bucket{role=\"x\",le=\"0.1\"} 2\n"
                "witan_wait_seconds_bucket{role=\"x\",le=\"2.5\"} 2\n"
                "witan_wait_seconds_bucket{role=\"x\",le=\"+Inf\"} 3\n"
                "witan_wait_seconds_sum{role=\"x\"} 100.101\n"
                "witan_wait_seconds_count{role=\"x\"} 3\n"
                "# HELP witan_other_seconds \n"
                "# TYPE witan_other_seconds histogram\n"
                "witan_other_seconds_bucket{le=\"0.005\"} 0\n"
                "witan_other_seconds_bucket{le=\"0.1\"} 0\n"
                "witan_other_seconds_bucket{le=\"2.5\"} 0\n"
                "witan_other_seconds_bucket{le=\"+Inf\"} 0\n"
                "witan_other_seconds_sum 0\n"
                "witan_other_seconds_count 0\n");
        wt_buf_free(&out);
}

static const struct row { const char *name; double value; const char *want; } rows[] = {
        { "an integer", 42, "42" },
        { "a large integer", 1e15, "1000000000000000" },
        { "beyond integers", 1e22, "1e+22" },
        { "a fraction", 0.1, "0.1" },
        { "one that needs all digits", 0.1 + 0.2, "0.30000000000000004" },
        { "a small one", 1e-9, "1e-09" },
        { "infinity", INFINITY, "+Inf" },
        { "less than nothing", -INFINITY, "-Inf" },
        { "no number", NAN, "NaN" },
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static void numbers(void **state)
{
        const struct row *r = *state;
        struct wt_metric m = { .name = "x", .kind = WT_GAUGE };
        struct wt_buf out = { 0 };

        wt_metric_set(&m, r->value);
        wt_metrics_text(&out, &m, 1);
        out.data[out.len - 1] = '\0';
        assert_string_equal(strrchr(out.data, ' ') + 1, r->want);
        wt_buf_free(&out);
}

static void labels_are_escaped(void **state)
{
        struct wt_buf out = { 0 };

        (void)state;
        wt_metric_label(&out, "a", "plain");
        wt_metric_label(&out, "b", "\"\\\n");
        wt_metric_label(&out, "c", "");
        assert_string_equal(out.data, "a=\"plain\",b=\"\\\"\\\\\\n\",c=\"\"");
        wt_buf_free(&out);
}

static struct wt_metric shared = { .name = "x", .kind = WT_COUNTER };
static struct wt_metric seen = { .name = "y", .kind = WT_HISTOGRAM, .bounds = bounds, .n_bounds = 3,
                                 .buckets = (uint64_t[3]){ 0 } };
enum { ADDS = 5000000 };
static pthread_barrier_t both;

static void *adds(void *arg)
{
        (void)arg;
        pthread_barrier_wait(&both);
        for (int i = 0; i < ADDS; i++) {
                wt_metric_add(&shared, 1);
                wt_metric_see(&seen, 1);
        }
        return NULL;
}

static void nothing_is_lost_between_threads(void **state)
{
        pthread_t t[2];

        (void)state;
        pthread_barrier_init(&both, NULL, 2);
        for (int i = 0; i < 2; i++)
                assert_int_equal(pthread_create(&t[i], NULL, adds, NULL), 0);
        for (int i = 0; i < 2; i++)
                pthread_join(t[i], NULL);
        pthread_barrier_destroy(&both);
        assert_true(shared.value == 2 * ADDS);
        assert_true(seen.sum == 2 * ADDS);
        assert_int_equal(seen.count, 2 * ADDS);
        assert_int_equal(seen.buckets[2], 2 * ADDS);
}

int main(void)
{
        static const struct CMUnitTest others[] = {
                cmocka_unit_test(the_text),
                cmocka_unit_test(labels_are_escaped),
                cmocka_unit_test(nothing_is_lost_between_threads),
        };
        struct CMUnitTest tests[N_ROWS + 3];

        for (size_t i = 0; i < N_ROWS; i++)
                tests[i] = (struct CMUnitTest){ rows[i].name, numbers, NULL, NULL,
                                                (void *)&rows[i] };
        memcpy(tests + N_ROWS, others, sizeof others);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
