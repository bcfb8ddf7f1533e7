/* http_limits_test.c - clients that are slow, large, many or deaf. */
#include "net/world.h"
#include <sys/resource.h>
#include "base/json.h"
#include "net/conn.h"

#define H "Host: a\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" H "\r\n"

/* The answer is the status, in OpenAI's error shape, and the connection ends. */
static void check_refused(struct world *w, int fd, int status)
{
        char line[32];
        const char *body, *type;
        wt_json *j;
        wt_jv e;

        read_to_end(w, fd);
        snprintf(line, sizeof line, "HTTP/1.1 %d ", status);
        assert_int_equal(count(w, "\r\nDate: "), 1);
        assert_true(strncmp(w->got.data, line, strlen(line)) == 0);
        assert_true(has(w, "Content-Type: application/json\r\n"));
        assert_true(has(w, "Connection: close\r\n"));
        body = strstr(w->got.data, "\r\n\r\n") + 4;
        assert_int_equal(wt_json_parse(&j, body, strlen(body), &wt_json_default), WT_OK);
        e = wt_json_get(j, 0, "error");
        assert_true(strlen(wt_json_str(j, wt_json_get(j, e, "message"), NULL)) > 10);
        type = wt_json_str(j, wt_json_get(j, e, "type"), NULL);
        assert_string_equal(type, status == 503 ? "server_error" : "invalid_request_error");
        assert_int_equal(wt_json_type(j, wt_json_get(j, e, "code")), WT_JSON_NULL);
        assert_true(wt_json_get(j, e, "param") != WT_JSON_NONE);
        wt_json_free(j);
        close(fd);
        WAIT_FOR(w, wt_http_open(w->http) == 0);
}

static void too_large(void **state)
{
        static const struct { const char *line; int status; size_t filler; } rows[] = {
                { "POST / HTTP/1.1\r\n" H "Content-Length: 8388609\r\n\r\n", 413, 0 },
                { "POST / HTTP/1.1\r\n" H "Content-Length: 99999999999\r\n\r\n", 413, 4 << 20 },
                { "POST / HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 8388609\r\n\r\n",
                  413, 0 },
                { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n800001\r\n", 413, 0 },
                { "GET /", 414, 8 << 10 },
                { "GET / HTTP/1.1\r\nX: ", 431, 32 << 10 },
                { "GET / HTTP/1.1\r\n\r\n", 400, 0 },
                { "GET / HTTP/3.0\r\n\r\n", 505, 0 },
        };
        struct world w;

        (void)state;
        world_open(&w, NULL);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                char *filler = malloc(rows[i].filler + 1);
                int fd = dial(&w);

                memset(filler, 'x', rows[i].filler + 1);
                put(&w, fd, rows[i].line);
                put_bytes(&w, fd, filler, rows[i].filler);
                check_refused(&w, fd, rows[i].status);
                free(filler);
        }
        assert_int_equal(w.requests, 0);
        world_close(&w);
}

/* A client that sends on while it is refused gets the answer and an end, not a reset; it is given
 * up after two seconds. */
static void a_refused_client_may_send_on(void **state)
{
        struct world w;
        char c;
        int fd;

        (void)state;
        world_open(&w, NULL);
        fd = dial(&w);
        put(&w, fd, "GET /\r\n");
        read_to_end(&w, fd);
        for (int i = 0; i < 20; i++) {
                put(&w, fd, "and on");
                assert_int_equal(recv(fd, &c, 1, 0), 0);
        }
        assert_int_equal(wt_http_open(w.http), 1);
        w.now += 2000000;
        WAIT_FOR(&w, wt_http_open(w.http) == 0);
        close(fd);
        world_close(&w);
}

/* What a client sends behind a refused request is never a request of its own. */
static void nothing_after_a_refusal(void **state)
{
        struct world w;
        int fd;

        (void)state;
        world_open(&w, NULL);
        fd = dial(&w);
        put(&w, fd, GET("/echo") "POST / HTTP/1.1\r\n" H
                    "Content-Length: 5\r\nContent-Length: 6\r\n\r\n" GET("/echo") GET("/echo"));
        read_to_end(&w, fd);
        assert_int_equal(count(&w, "HTTP/1.1 200"), 1);
        assert_int_equal(count(&w, "HTTP/1.1 400"), 1);
        assert_int_equal(w.requests, 1);
        close(fd);
        world_close(&w);
}

static void slow_requests(void **state)
{
        static const char *const begun[] = {
                "G", "\r", "GET / HTTP/1.1\r\nHo",
                "POST / HTTP/1.1\r\n" H "Content-Length: 9\r\n\r\nab",
                "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5\r\nabc",
        };
        struct world w;

        (void)state;
        world_open(&w, NULL);
        for (size_t i = 0; i < sizeof begun / sizeof *begun; i++) {
                int fd = dial(&w);

                put(&w, fd, begun[i]);
                for (int t = 0; t < 5; t++)
                        turn(&w);
                w.now += wt_http_default.request_timeout_us - 1;
                turn(&w);
                turn(&w);
                take(&w, fd);
                assert_int_equal(w.got.len, 0);
                w.now += 1;
                check_refused(&w, fd, 408);
        }
        world_close(&w);
}

/* Bytes that trickle in do not extend the time. */
static void a_trickle_is_cut(void **state)
{
        struct world w;
        int fd, sent = 0;

        (void)state;
        world_open(&w, NULL);
        fd = dial(&w);
        put(&w, fd, "GET / HTTP/1.1\r\nX: ");
        for (int t = 0; t < 5; t++)
                turn(&w);
        for (; sent < 100 && w.got.len == 0; sent++) {
                put(&w, fd, "x");
                w.now += wt_http_default.request_timeout_us / 10;
                turn(&w);
                turn(&w);
                take(&w, fd);
        }
        assert_in_range(sent, 9, 12);
        check_refused(&w, fd, 408);
        world_close(&w);
}

/* Each request has a time of its own, also when its first bytes came with the end of another. */
static void the_time_begins_anew(void **state)
{
        struct world w;
        int fd;

        (void)state;
        world_open(&w, NULL);
        fd = dial(&w);
        put(&w, fd, "GET /on");
        WAIT_FOR(&w, !conn_idle(w.http->conns) && w.http->conns->timed == T_REQUEST);
        for (int i = 0; i < 5; i++) {
                w.now += wt_http_default.request_timeout_us - 1;
                put(&w, fd, "e HTTP/1.1\r\n" H "\r\nGET /on");
                read_until(&w, fd, "GET /one", i + 1);
                for (int t = 0; t < 5; t++)
                        turn(&w);
        }
        assert_false(has(&w, "408"));
        close(fd);
        world_close(&w);
}

static void idle_connections_end(void **state)
{
        struct world w;

        (void)state;
        world_open(&w, NULL);
        for (int used = 0; used < 2; used++) {
                int fd = dial(&w);

                if (used) {
                        put(&w, fd, GET("/echo"));
                        read_until(&w, fd, "GET /echo", 1);
                }
                WAIT_FOR(&w, wt_http_open(w.http) == 1);
                for (int t = 0; t < 5; t++)
                        turn(&w);
                w.now += wt_http_default.idle_timeout_us - 1;
                turn(&w);
                assert_int_equal(wt_http_open(w.http), 1);
                w.now += 1;
                forget(&w);
                read_to_end(&w, fd);             /* without a word */
                assert_int_equal(w.got.len, 0);
                close(fd);
        }
        world_close(&w);
}

/* An answer may take as long as it takes; the time limits are for clients. */
static void answers_are_waited_for(void **state)
{
        struct world w;
        int fd;

        (void)state;
        world_open(&w, NULL);
        fd = dial(&w);
        put(&w, fd, GET("/later"));
        WAIT_FOR(&w, w.held);
        w.now += 3600ull * 1000000;
        for (int t = 0; t < 5; t++)
                turn(&w);
        assert_non_null(w.held);
        wt_call_reply(w.held, 200, NULL, NULL, "at last", 7);
        read_until(&w, fd, "at last", 1);
        close(fd);
        world_close(&w);
}

static void a_deaf_client_is_cut(void **state)
{
        struct wt_http_limits lim = wt_http_default;
        char word[4096];
        struct world w;
        size_t sent = 0;
        int fd;

        (void)state;
        memset(word, 'w', sizeof word);
        lim.max_unsent = 256 << 10;
        world_open(&w, &lim);
        fd = dial(&w);
        put(&w, fd, GET("/stream"));
        WAIT_FOR(&w, w.held);
        while (wt_call_write(w.held, word, sizeof word))
                assert_true((sent += sizeof word) < 64 << 20);
        assert_true(sent >= lim.max_unsent);
        assert_int_equal(w.gone, 0);             /* not from inside write */
        assert_false(wt_call_write(w.held, word, sizeof word));
        WAIT_FOR(&w, w.gone == 1);
        assert_int_equal(wt_http_open(w.http), 0);
        close(fd);
        world_close(&w);
}

/* One that reads nothing, within the bytes allowed, for a long time. */
static void a_stalled_client_is_cut(void **state)
{
        char *big = calloc(1, 3 << 20);
        struct world w;
        int fd;

        (void)state;
        world_open(&w, NULL);
        fd = dial(&w);
        put(&w, fd, GET("/stream"));
        WAIT_FOR(&w, w.held);
        while (conn_unsent(w.held->conn) == 0)   /* the kernel takes some of it */
                assert_true(wt_call_write(w.held, big, 3 << 20));
        turn(&w);
        w.now += wt_http_default.idle_timeout_us - 1;
        turn(&w);
        assert_int_equal(w.gone, 0);
        w.now += 2;
        WAIT_FOR(&w, w.gone == 1);
        free(big);
        close(fd);
        world_close(&w);
}

/* One that stalled and then read all is not cut while the stream has nothing to say. */
static void a_client_that_caught_up_is_kept(void **state)
{
        char *big = calloc(1, 3 << 20);
        struct world w;
        int fd;

        (void)state;
        world_open(&w, NULL);
        fd = dial(&w);
        put(&w, fd, GET("/stream"));
        WAIT_FOR(&w, w.held);
        while (conn_unsent(w.held->conn) == 0)
                assert_true(wt_call_write(w.held, big, 3 << 20));
        turn(&w);
        w.now += wt_http_default.idle_timeout_us - 1;
        WAIT_FOR(&w, (take(&w, fd), conn_unsent(w.held->conn) == 0));
        w.now += 10 * wt_http_default.idle_timeout_us;
        for (int t = 0; t < 5; t++)
                turn(&w);
        assert_non_null(w.held);
        wt_call_end(w.held);
        WAIT_FOR(&w, (take(&w, fd), w.got.len > 7 &&
                      memcmp(w.got.data + w.got.len - 7, "\r\n0\r\n\r\n", 7) == 0));
        free(big);
        close(fd);
        world_close(&w);
}

/* One that reads slowly but reads is not. */
static void a_slow_reader_is_served(void **state)
{
        enum { BYTES = 32 << 20 };             /* far more than the kernel takes */
        char *big = calloc(1, BYTES);
        struct world w;
        int fd;

        (void)state;
        world_open(&w, NULL);
        fd = dial(&w);
        put(&w, fd, GET("/later"));
        WAIT_FOR(&w, w.held);
        wt_call_reply(w.held, 200, NULL, NULL, big, BYTES);
        while (w.got.len < BYTES) {
                size_t before = w.got.len;

                WAIT_FOR(&w, (take(&w, fd), w.got.len > before || w.ended));
                assert_false(w.ended);
                w.now += wt_http_default.idle_timeout_us / 100;
        }
        free(big);
        close(fd);
        world_close(&w);
}

static void too_many_connections(void **state)
{
        struct wt_http_limits lim = wt_http_default;
        struct world w;
        int a, b;

        (void)state;
        lim.max_connections = 1;
        world_open(&w, &lim);
        a = dial(&w);
        put(&w, a, GET("/echo"));
        read_until(&w, a, "GET /echo", 1);
        b = dial(&w);
        put(&w, b, GET("/echo"));
        read_to_end(&w, b);
        assert_true(has(&w, "HTTP/1.1 503 Service Unavailable\r\n"));
        assert_true(has(&w, "Retry-After: 1\r\n"));
        close(b);
        WAIT_FOR(&w, wt_http_open(w.http) == 1);
        forget(&w);
        w.ended = false;
        put(&w, a, GET("/still"));               /* those that were first go on */
        read_until(&w, a, "GET /still", 1);
        close(a);
        WAIT_FOR(&w, wt_http_open(w.http) == 0);
        b = dial(&w);
        put(&w, b, GET("/room"));
        read_until(&w, b, "GET /room", 1);
        close(b);
        world_close(&w);
}

/* Where the oldest make room: idle ones, halves of requests, refused ones that do not leave. One
 * that is owed an answer stays. */
static void the_oldest_make_room(void **state)
{
        static const char *const says[] = { "", "GET /ec", "GET /\r\n" };
        enum { MOST = 4, MANY = 300 };
        struct wt_http_limits lim = wt_http_default;
        static int fds[MANY];
        struct world w;
        int owed, fd;

        (void)state;
        lim.max_connections = MOST;
        lim.evict = true;
        world_open(&w, &lim);
        owed = dial(&w);
        put(&w, owed, GET("/later"));
        WAIT_FOR(&w, w.held);
        for (int i = 0; i < MANY; i++) {
                fds[i] = dial(&w);
                assert_true(fds[i] >= 0);
                put(&w, fds[i], says[i % 3]);
                turn(&w);
                assert_true(wt_http_open(w.http) <= MOST);
        }
        fd = dial(&w);
        put(&w, fd, GET("/echo"));
        read_until(&w, fd, "GET /echo", 1);
        assert_int_equal(w.gone, 0);
        forget(&w);
        wt_call_reply(w.held, 200, NULL, NULL, "at last", 7);
        read_until(&w, owed, "at last", 1);
        for (int i = 0; i < MANY; i++)
                close(fds[i]);
        close(owed);
        close(fd);
        world_close(&w);
}

/* A client that slowly writes its whole body before it reads gets the answer: no reset eats it. */
static void who_writes_all_first_reads_the_answer(void **state)
{
        enum { MOST = 1 << 20, BODY = 12 * MOST, PIECE = 128 << 10 };
        struct wt_http_limits lim = wt_http_default;
        char *piece = calloc(1, PIECE);
        struct world w;
        int fd;

        (void)state;
        lim.max_body = MOST;
        world_open(&w, &lim);
        fd = dial(&w);
        put(&w, fd, "POST / HTTP/1.1\r\n" H "Content-Length: 12582912\r\n\r\n");
        for (int sent = 0; sent < BODY; sent += PIECE) {
                put_bytes(&w, fd, piece, PIECE);
                w.now += 50000;                  /* nearly five seconds in all */
                turn(&w);
        }
        assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);     /* nobody has closed */
        check_refused(&w, fd, 413);
        assert_true(has(&w, "at most 1048576 bytes are taken (max_body)"));
        fd = dial(&w);                           /* one that never ends is given up */
        put(&w, fd, "POST / HTTP/1.1\r\n" H "Content-Length: 12582912\r\n\r\n");
        for (int i = 0; i < 200 && (i == 0 || wt_http_open(w.http) > 0); i++) {
                send(fd, "x", 1, MSG_NOSIGNAL);
                w.now += 100000;
                turn(&w);
        }
        assert_int_equal(wt_http_open(w.http), 0);
        close(fd);
        free(piece);
        world_close(&w);
}

static void too_many_bytes_of_bodies(void **state)
{
        static const char post[] = "POST /later HTTP/1.1\r\n" H "Content-Length: 1000\r\n\r\n";
        struct wt_http_limits lim = wt_http_default;
        char body[1000] = { 0 };
        struct world w;
        int a, b;

        (void)state;
        lim.max_held = 1500;
        world_open(&w, &lim);
        a = dial(&w);
        put(&w, a, post);
        put_bytes(&w, a, body, sizeof body);
        WAIT_FOR(&w, w.held);
        b = dial(&w);
        put(&w, b, post);
        put_bytes(&w, b, body, sizeof body);
        read_to_end(&w, b);
        assert_true(has(&w, "HTTP/1.1 503 "));
        close(b);
        wt_call_reply(w.held, 200, NULL, NULL, "a", 1);
        w.held = NULL;
        b = dial(&w);                            /* room again */
        put(&w, b, post);
        put_bytes(&w, b, body, sizeof body);
        WAIT_FOR(&w, w.held);
        close(a);
        close(b);
        world_close(&w);
}

static void a_thousand_idle_connections(void **state)
{
        enum { IDLE = 1000 };
        struct rlimit r = { 0 };
        static int fds[IDLE];
        struct world w;
        int fd;

        (void)state;
        getrlimit(RLIMIT_NOFILE, &r);
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
        if (r.rlim_cur < 2 * IDLE + 64) {
                print_message("skipped: only %llu descriptors\n", (unsigned long long)r.rlim_cur);
                skip();
        }
        world_open(&w, NULL);
        for (int i = 0; i < IDLE; i++) {
                fds[i] = dial(&w);
                assert_true(fds[i] >= 0);
                WAIT_FOR(&w, wt_http_open(w.http) == (uint32_t)i + 1);
        }
        fd = dial(&w);
        put(&w, fd, GET("/echo"));
        read_until(&w, fd, "GET /echo", 1);
        assert_int_equal(wt_http_open(w.http), IDLE + 1);
        for (int i = 0; i < IDLE; i++)
                close(fds[i]);
        WAIT_FOR(&w, wt_http_open(w.http) == 1);
        close(fd);
        world_close(&w);
}

/* While one client pours in megabytes the others have their turn after 64 KiB of it. */
static void nobody_starves(void **state)
{
        size_t bytes = 6 << 20, sent = 0, before = 0;
        const struct conn *pours;
        char *big = calloc(1, bytes);
        struct world w;
        int a, b, turns = 0;

        (void)state;
        world_open(&w, NULL);
        a = dial(&w);
        put(&w, a, "POST /later HTTP/1.1\r\n" H "Content-Length: 6291456\r\n\r\n");
        WAIT_FOR(&w, (pours = w.http->conns) && pours->parser.head_done);
        for (ssize_t n; (n = send(a, big + sent, bytes - sent, MSG_NOSIGNAL)) > 0;)
                sent += (size_t)n;               /* all that the kernel takes */
        b = dial(&w);
        assert_int_equal(send(b, GET("/echo"), sizeof GET("/echo") - 1, MSG_NOSIGNAL),
                         sizeof GET("/echo") - 1);
        for (; w.requests == 0; turns++, before = pours->parser.body.len) {
                turn(&w);
                assert_true(pours->parser.body.len <= before + (64 << 10));
        }
        assert_true(before > 0);
        assert_true(turns <= 4);                 /* accepted, read */
        read_until(&w, b, "GET /echo", 1);
        assert_null(w.held);
        put_bytes(&w, a, big + sent, bytes - sent);
        WAIT_FOR(&w, w.held);
        free(big);
        close(a);
        close(b);
        world_close(&w);
}

/* Clients that leave before their request is whole were never calls. */
static void leaving_early(void **state)
{
        static const char *const begun[] = {
                "", "GET", "POST / HTTP/1.1\r\n" H "Content-Length: 9\r\n\r\nab" };
        struct world w;

        (void)state;
        world_open(&w, NULL);
        for (int how = 0; how < 6; how++) {
                int fd = dial(&w);

                put(&w, fd, begun[how / 2]);
                WAIT_FOR(&w, wt_http_open(w.http) == 1);
                if (how % 2)
                        reset_close(fd);
                else
                        close(fd);
                WAIT_FOR(&w, wt_http_open(w.http) == 0);
        }
        assert_int_equal(w.requests, 0);
        assert_int_equal(w.gone, 0);
        world_close(&w);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(too_large),
                cmocka_unit_test(a_refused_client_may_send_on),
                cmocka_unit_test(nothing_after_a_refusal),
                cmocka_unit_test(slow_requests),
                cmocka_unit_test(a_trickle_is_cut),
                cmocka_unit_test(the_time_begins_anew),
                cmocka_unit_test(idle_connections_end),
                cmocka_unit_test(answers_are_waited_for),
                cmocka_unit_test(a_deaf_client_is_cut),
                cmocka_unit_test(a_stalled_client_is_cut),
                cmocka_unit_test(a_client_that_caught_up_is_kept),
                cmocka_unit_test(a_slow_reader_is_served),
                cmocka_unit_test(too_many_connections),
                cmocka_unit_test(the_oldest_make_room),
                cmocka_unit_test(who_writes_all_first_reads_the_answer),
                cmocka_unit_test(too_many_bytes_of_bodies),
                cmocka_unit_test(a_thousand_idle_connections),
                cmocka_unit_test(nobody_starves),
                cmocka_unit_test(leaving_early),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
