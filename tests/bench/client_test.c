/* client_test.c - the clients of witan bench online against a server of our own: what they count,
 * what they call a failure, and the figures they make of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include "bench_report.h"
#include "bench_wave.h"
#include "net/http.h"

enum { TOKENS = 5 };
enum mood { SERVE, REFUSE, BREAK, IN_BAND };

static struct server {
        wt_loop *loop;
        wt_http *http;
        pthread_t thread;
        atomic_bool over;
        _Atomic enum mood mood;
        atomic_uint seen;
        char body[4096];
} server;

/* Five events, of which two share a write and one is cut in the middle; usage; the end. */
static void serve(wt_call *c)
{
        static const char *const parts[] = {
                ("data: {\"choices\":[{\"text\":\"a\"}]}\n\n"
                 "data: {\"choices\":[{\"text\":\"b\"}]}\n\n"),
                "data: {\"choices\":[{\"te", "xt\":\"c\"}]}\n\n",
                ": a comment\n\ndata: {\"choices\":[{\"text\":\"d\"}]}\n\n",
                "data: {\"choices\":[{\"text\":\"e\"}]}\n\n",
                "data: {\"choices\":[],\"usage\":{\"completion_tokens\":5}}\n\ndata: [DONE]\n\n" };

        wt_call_begin(c, 200, "text/event-stream", NULL);
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
                wt_call_write(c, parts[i], strlen(parts[i]));
        wt_call_end(c);
}

static void on_request(void *arg, wt_call *c)
{
        size_t len;
        const char *body = wt_call_body(c, &len);

        (void)arg;
        snprintf(server.body, sizeof server.body, "%.*s", (int)len, body);
        atomic_fetch_add(&server.seen, 1);
        switch (atomic_load(&server.mood)) {
        case SERVE:
                serve(c);
                break;
        case REFUSE:
                wt_call_reply(c, 503, "application/json", NULL, "{}", 2);
                break;
        case BREAK:
                wt_call_begin(c, 200, "text/event-stream", NULL);
                wt_call_write(c, "data: {\"choices\":[]}\n\n", 22);
                wt_call_abort(c);
                break;
        case IN_BAND:
                wt_call_begin(c, 200, "text/event-stream", NULL);
                wt_call_write(c, "data: {\"error\":{\"message\":\"no\"}}\n\n", 35);
                wt_call_end(c);
                break;
        }
}

static void on_gone(void *arg, wt_call *c) { (void)arg; (void)c; }

static void *turn(void *arg)
{
        (void)arg;
        while (!atomic_load(&server.over))
                wt_loop_turn(server.loop, 20000);
        return NULL;
}

static int start(void **state)
{
        static const struct wt_http_handler h = { on_request, on_gone, NULL };

        (void)state;
        if (wt_loop_new(&server.loop, &wt_clock_real) != WT_OK ||
            wt_http_listen(&server.http, server.loop, "127.0.0.1:0", &wt_http_default, &h) != WT_OK)
                return -1;
        return pthread_create(&server.thread, NULL, turn, NULL);
}

static int stop(void **state)
{
        (void)state;
        atomic_store(&server.over, true);
        pthread_join(server.thread, NULL);
        wt_http_close(server.http);
        wt_loop_free(server.loop);
        return 0;
}

static struct bench_target *target(void)
{
        static struct bench_target t = { .key = "k", .model = "m", .prompt_tokens = 3,
                                         .tokens = TOKENS, .first_id = 16, .n_ids = 100 };

        snprintf(t.address, sizeof t.address, "%s", wt_http_address(server.http));
        assert_int_equal(bench_target_find(&t), WT_OK);
        return &t;
}

static void wave(void **state)
{
        struct bench_wave w = { .target = target(), .clients = 3, .requests = 12 };

        (void)state;
        atomic_store(&server.mood, SERVE);
        atomic_store(&server.seen, 0);
        assert_int_equal(bench_wave_run(&w), WT_OK);
        assert_int_equal(w.answered, 12);
        assert_int_equal(w.failed, 0);
        assert_int_equal(atomic_load(&server.seen), 12);
        assert_int_equal(w.tokens, 12 * TOKENS);
        assert_int_equal(w.most_open, 3);
        assert_true(w.ttft[0] > 0 && w.ttft[0] <= w.ttft[1] && w.ttft[1] <= w.ttft[2]);
        assert_true(w.ttft[2] <= w.seconds && w.unfair >= 0);
        assert_non_null(strstr(server.body, "\"model\":\"m\""));
        assert_non_null(strstr(server.body, "\"max_tokens\":5"));
        assert_non_null(strstr(server.body, "\"stream\":true"));
}

static void poisson(void **state)
{
        struct bench_wave w = { .target = target(), .clients = 8, .requests = 20, .rate = 400 };

        (void)state;
        atomic_store(&server.mood, SERVE);
        assert_int_equal(bench_wave_run(&w), WT_OK);
        assert_int_equal(w.answered, 20);
        assert_true(w.seconds > 0.005);          /* gaps of 2.5 ms by and large */
}

static void failures(void **state)
{
        static const struct { enum mood mood; const char *why; } rows[] = {
                { REFUSE, "503" }, { BREAK, "the answer broke off" },
                { IN_BAND, "\"message\":\"no\"" } };

        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                struct bench_wave w = { .target = target(), .clients = 2, .requests = 4 };

                atomic_store(&server.mood, rows[i].mood);
                assert_int_equal(bench_wave_run(&w), WT_OK);
                assert_int_equal(w.failed, 4);
                assert_int_equal(w.answered, 0);
                assert_non_null(strstr(w.why, rows[i].why));
        }
}

static void nobody_there(void **state)
{
        struct bench_target t = { .address = "127.0.0.1:1", .key = "k", .model = "m",
                                  .prompt_tokens = 1, .tokens = 1, .n_ids = 1 };
        struct bench_wave w = { .target = &t, .clients = 1, .requests = 2 };

        (void)state;
        assert_int_equal(bench_target_find(&t), WT_OK);
        assert_int_equal(bench_wave_run(&w), WT_OK);
        assert_int_equal(w.failed, 2);
        assert_true(strlen(w.why) > 0);
}

static void note(void *arg, bool all_open) { ((uint32_t *)arg)[all_open]++; }

static void streams(void **state)
{
        uint32_t looks[2] = { 0, 0 };
        struct bench_streams s = { .target = target(), .n = 40, .look = note, .arg = looks };

        (void)state;
        atomic_store(&server.mood, SERVE);
        assert_int_equal(bench_streams_run(&s), WT_OK);
        assert_int_equal(s.answered, 40);
        assert_int_equal(s.failed, 0);
        assert_int_equal(s.tokens, 40 * TOKENS);
        assert_int_equal(looks[false], 1);
}

static void figures(void **state)
{
        double v[] = { 9, 1, 8, 2, 7, 3, 6, 4, 5, 10 }, x[] = { 1, 4, 16 }, y[] = { 10, 30, 42 };
        struct bench_curve c = { "a < b", x, y, 3 };
        struct wt_buf b = { 0 };
        uint32_t circles = 0;

        (void)state;
        assert_float_equal(bench_quantile(v, 10, 0.5), 6, 0);
        assert_float_equal(bench_quantile(v, 10, 0.99), 10, 0);
        assert_float_equal(bench_quantile(v, 10, 0), 1, 0);
        assert_float_equal(bench_quantile(v, 0, 0.5), 0, 0);
        assert_float_equal(bench_median((double[]){ 3, 1, 2 }, 3), 2, 0);
        bench_svg(&b, "t", "x", "y", &c, 1);
        for (const char *p = b.data; (p = strstr(p, "<circle")) != NULL; p++)
                circles++;
        assert_int_equal(circles, 3);
        assert_non_null(strstr(b.data, "a &#60; b"));
        assert_memory_equal(b.data + b.len - 7, "</svg>\n", 7);
        wt_buf_free(&b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(wave), cmocka_unit_test(poisson), cmocka_unit_test(failures),
                cmocka_unit_test(nobody_there), cmocka_unit_test(streams),
                cmocka_unit_test(figures),
        };

        return cmocka_run_group_tests(tests, start, stop);
}
