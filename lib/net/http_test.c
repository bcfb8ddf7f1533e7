/* http_test.c - the server over real sockets: how requests and answers follow one another. */
#include "net/world.h"

#define H "Host: a\r\n"
#define POST_WAITS "POST /echo HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" H "\r\n"

static void keep_alive(void **state)
{
        struct world w;
        int fd;

        (void)state;
        world_open(&w, NULL);
        fd = dial(&w);
        put(&w, fd, GET("/a?b"));
        read_until(&w, fd, "GET /a b ", 1);
        assert_true(strncmp(w.got.data, "HTTP/1.1 200 OK\r\nDate: ", 23) == 0);
        assert_true(has(&w, " GMT\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n"
                            "X-Mine: yes\r\n\r\n"));
        assert_false(has(&w, "Connection:"));
        forget(&w);
        put(&w, fd, "POST /c HTTP/1.1\r\n" H "Connection: close\r\nContent-Length: 4\r\n\r\nbody");
        read_to_end(&w, fd);
        assert_true(has(&w, "POST /c  body"));
        assert_true(has(&w, "Connection: close\r\n"));
        assert_int_equal(w.requests, 2);
        close(fd);
        WAIT_FOR(&w, wt_http_open(w.http) == 0);
        world_close(&w);
}

static void pipelined_in_order(void **state)
{
        struct wt_buf b = { 0 };
        struct world w;
        char want[32];
        const char *at;
        int fd;

        (void)state;
        world_open(&w, NULL);
        fd = dial(&w);
        for (int i = 0; i < 200; i++)            /* more than are handed over in one turn */
                wt_buf_fmt(&b, "GET /echo?%d. HTTP/1.1\r\n" H "\r\n", i);
        put_bytes(&w, fd, b.data, b.len);
        read_until(&w, fd, "GET /echo ", 200);
        at = w.got.data;
        for (int i = 0; i < 200; i++) {
                snprintf(want, sizeof want, "echo %d. ", i);
                at = strstr(at, want);
                assert_non_null(at);
        }
        wt_buf_free(&b);
        close(fd);
        world_close(&w);
}

static void one_at_a_time(void **state)
{
        struct world w;
        int fd;

        (void)state;
        world_open(&w, NULL);
        fd = dial(&w);
        put(&w, fd, GET("/later") GET("/echo") GET("/later"));
        WAIT_FOR(&w, w.held);
        for (int i = 0; i < 20; i++)
                turn(&w);
        assert_int_equal(w.requests, 1);         /* the second waits for the first's answer */
        wt_call_reply(w.held, 200, "text/plain", NULL, "first", 5);
        w.held = NULL;
        assert_int_equal(w.requests, 1);         /* and does not come from inside of it */
        read_until(&w, fd, "GET /echo", 1);
        WAIT_FOR(&w, w.held);
        assert_true(strstr(w.got.data, "first") < strstr(w.got.data, "GET /echo"));
        wt_call_reply(w.held, 200, "text/plain", NULL, "third", 5);
        read_until(&w, fd, "third", 1);
        assert_int_equal(w.gone, 0);
        close(fd);
        world_close(&w);
}

static void byte_by_byte(void **state)
{
        static const char in[] = "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
                                 "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: u\r\n\r\n" GET("/z");
        struct world w;
        int fd;

        (void)state;
        world_open(&w, NULL);
        fd = dial(&w);
        for (size_t i = 0; i < sizeof in - 1; i++)
                put_bytes(&w, fd, in + i, 1);
        read_until(&w, fd, "GET /z", 1);
        assert_true(has(&w, "POST /echo  abcde"));
        close(fd);
        world_close(&w);
}

static void a_large_chunked_upload(void **state)
{
        struct wt_buf b = { 0 };
        struct world w;
        const char *body;
        int fd;

        (void)state;
        world_open(&w, NULL);
        fd = dial(&w);
        put(&w, fd, "POST /later HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n");
        for (int i = 0; i < 1000; i++)
                wt_buf_fmt(&b, "1004\r\n%04d%*s\r\n", i, 4096, "x");
        wt_buf_str(&b, "0\r\n\r\n");
        put_bytes(&w, fd, b.data, b.len);
        WAIT_FOR(&w, w.held);
        body = wt_call_body(w.held, &b.len);
        assert_int_equal(b.len, 4100 * 1000);
        for (int i = 0; i < 1000; i++)
                assert_int_equal(atoi(body + 4100 * i), i);
        wt_call_reply(w.held, 200, NULL, NULL, "ok", 2);
        read_until(&w, fd, "ok", 1);
        wt_buf_free(&b);
        close(fd);
        world_close(&w);
}

static void a_large_answer(void **state)
{
        enum { BYTES = 20 << 20 };
        char *big = malloc(BYTES);
        struct world w;
        size_t head;
        int fd;

        (void)state;
        for (size_t i = 0; i < BYTES; i++)
                big[i] = (char)('a' + i % 23);
        world_open(&w, NULL);
        fd = dial(&w);
        put(&w, fd, GET("/later"));
        WAIT_FOR(&w, w.held);
        wt_call_reply(w.held, 200, NULL, NULL, big, BYTES);
        read_until(&w, fd, "\r\n\r\n", 1);
        head = (size_t)(strstr(w.got.data, "\r\n\r\n") + 4 - w.got.data);
        WAIT_FOR(&w, (take(&w, fd), w.got.len >= head + BYTES));
        assert_int_equal(w.got.len, head + BYTES);
        assert_memory_equal(w.got.data + head, big, BYTES);
        forget(&w);
        put(&w, fd, GET("/again"));
        read_until(&w, fd, "GET /again", 1);
        free(big);
        close(fd);
        world_close(&w);
}

static void expect_continue(void **state)
{
        struct world w;
        int fd;

        (void)state;
        world_open(&w, NULL);
        fd = dial(&w);
        put(&w, fd, POST_WAITS);
        read_until(&w, fd, "HTTP/1.1 100 Continue\r\n\r\n", 1);
        put(&w, fd, "h");
        put(&w, fd, "i");
        read_until(&w, fd, "POST /echo  hi", 1);
        assert_int_equal(count(&w, "100 Continue"), 1);
        forget(&w);
        put(&w, fd, "POST /echo HTTP/1.1\r\n" H "Expect: 100-continue\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n");
        read_until(&w, fd, "HTTP/1.1 100 Continue\r\n\r\n", 1);
        put(&w, fd, "2");                        /* half a size is no body yet */
        for (int i = 0; i < 5; i++)
                turn(&w);
        put(&w, fd, "\r\nha\r\n0\r\n\r\n");
        read_until(&w, fd, "POST /echo  ha", 1);
        assert_int_equal(count(&w, "100 Continue"), 1);
        forget(&w);                              /* one that does not wait for it */
        put(&w, fd, POST_WAITS "ho");
        read_until(&w, fd, "POST /echo  ho", 1);
        close(fd);
        world_close(&w);
}

static void streaming(void **state)
{
        struct world w;
        int fd;

        (void)state;
        world_open(&w, NULL);
        fd = dial(&w);
        put(&w, fd, GET("/stream") GET("/echo"));
        read_until(&w, fd, "\r\n\r\n", 1);       /* the head is sent before there is a body */
        assert_true(has(&w, "Transfer-Encoding: chunked\r\nCache-Control: no-store\r\n"));
        assert_false(has(&w, "Content-Length"));
        forget(&w);
        assert_true(wt_call_write(w.held, "one", 3));
        read_until(&w, fd, "3\r\none\r\n", 1);
        assert_true(wt_call_write(w.held, "", 0));
        assert_true(wt_call_write(w.held, "twenty-six letters are two", 26));
        wt_call_end(w.held);
        read_until(&w, fd, "GET /echo", 1);      /* the connection goes on */
        assert_true(strncmp(w.got.data, "3\r\none\r\n1a\r\ntwenty-six letters are two\r\n"
                                        "0\r\n\r\nHTTP/1.1 200", 54) == 0);
        close(fd);
        world_close(&w);
}

static void head_has_no_body(void **state)
{
        struct world w;
        int fd;

        (void)state;
        world_open(&w, NULL);
        fd = dial(&w);
        put(&w, fd, "HEAD /echo HTTP/1.1\r\n" H "\r\nHEAD /stream HTTP/1.1\r\n" H "\r\n");
        WAIT_FOR(&w, w.held);
        assert_true(wt_call_write(w.held, "no", 2));
        wt_call_end(w.held);
        put(&w, fd, GET("/empty") GET("/echo"));
        read_until(&w, fd, "GET /echo", 1);
        assert_int_equal(count(&w, "HTTP/1.1 "), 4);
        assert_int_equal(count(&w, "\r\n\r\nHTTP/1.1 "), 3);     /* nothing between head and head */
        assert_true(has(&w, "Content-Length: 12\r\n"));  /* what GET would have answered */
        assert_true(has(&w, "204 No Content\r\n"));
        assert_int_equal(count(&w, "Content-Length"), 2);
        close(fd);
        world_close(&w);
}

static void http_1_0(void **state)
{
        struct world w;
        int fd;

        (void)state;
        world_open(&w, NULL);
        fd = dial(&w);
        put(&w, fd, "GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        read_until(&w, fd, "GET /echo", 1);
        assert_true(has(&w, "Connection: keep-alive\r\n"));
        forget(&w);
        put(&w, fd, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        WAIT_FOR(&w, w.held);
        wt_call_write(w.held, "plain", 5);
        wt_call_end(w.held);
        read_to_end(&w, fd);
        assert_true(has(&w, "Connection: close\r\n\r\nplain"));
        assert_false(has(&w, "chunked"));
        assert_string_equal(w.got.data + w.got.len - 5, "plain");
        close(fd);
        world_close(&w);
}

static void half_closed_clients_are_answered(void **state)
{
        struct world w;
        int fd;

        (void)state;
        world_open(&w, NULL);
        fd = dial(&w);
        put(&w, fd, GET("/later") GET("/stream"));
        shutdown(fd, SHUT_WR);
        WAIT_FOR(&w, w.held && wt_call_half_closed(w.held));
        wt_call_reply(w.held, 200, NULL, NULL, "still", 5);
        w.held = NULL;
        read_until(&w, fd, "still", 1);
        WAIT_FOR(&w, w.held);
        assert_true(wt_call_write(w.held, "here", 4));
        wt_call_end(w.held);
        read_to_end(&w, fd);
        assert_true(has(&w, "here\r\n0\r\n\r\n"));
        WAIT_FOR(&w, wt_http_open(w.http) == 0);
        assert_int_equal(w.gone, 0);
        close(fd);
        world_close(&w);
}

/* A reset is seen while nothing is written and nothing is read. */
static void a_reset_is_noticed(void **state)
{
        struct world w;
        int fd;

        (void)state;
        world_open(&w, NULL);
        for (int stream = 0; stream < 2; stream++) {
                fd = dial(&w);
                put(&w, fd, stream ? GET("/stream") : GET("/later"));
                WAIT_FOR(&w, w.held);
                reset_close(fd);
                WAIT_FOR(&w, w.gone == stream + 1);
                assert_null(w.held);
                assert_int_equal(wt_http_open(w.http), 0);
        }
        world_close(&w);
}

/* A close comes as an end of input; the next words find out, and the words after those fail. */
static void a_close_is_noticed_by_writing(void **state)
{
        struct world w;
        int fd, writes = 0;

        (void)state;
        world_open(&w, NULL);
        fd = dial(&w);
        put(&w, fd, GET("/stream"));
        WAIT_FOR(&w, w.held);
        close(fd);
        while (w.held && writes < 100) {
                wt_call_write(w.held, "word", 4);
                writes++;
                for (int i = 0; i < 5; i++)
                        turn(&w);
        }
        assert_int_equal(w.gone, 1);
        assert_true(writes <= 3);
        world_close(&w);
}

/* Between the end of a connection and on_gone the call may still be used, or finished: then there
 * is no on_gone. */
static void after_the_end(void **state)
{
        struct world w;
        int fd;

        (void)state;
        world_open(&w, NULL);
        for (int how = 0; how < 3; how++) {
                fd = dial(&w);
                put(&w, fd, how == 2 ? GET("/later") : GET("/stream"));
                WAIT_FOR(&w, w.held);
                reset_close(fd);
                if (how < 2)
                        while (wt_call_write(w.held, "word", 4))
                                ;
                if (how == 0)
                        wt_call_end(w.held);
                else if (how == 1)
                        wt_call_abort(w.held);
                else
                        wt_call_reply(w.held, 200, NULL, NULL, "late", 4);
                w.held = NULL;
                WAIT_FOR(&w, wt_http_open(w.http) == 0);
                turn(&w);
                turn(&w);
                assert_int_equal(w.gone, 0);
        }
        world_close(&w);
}

static void an_aborted_stream_is_broken(void **state)
{
        struct world w;
        int fd;

        (void)state;
        world_open(&w, NULL);
        fd = dial(&w);
        put(&w, fd, GET("/stream"));
        WAIT_FOR(&w, w.held);
        wt_call_write(w.held, "half", 4);
        wt_call_abort(w.held);
        read_to_end(&w, fd);
        assert_true(has(&w, "4\r\nhalf\r\n"));
        assert_false(has(&w, "0\r\n\r\n"));
        WAIT_FOR(&w, wt_http_open(w.http) == 0);
        assert_int_equal(w.gone, 0);
        close(fd);
        world_close(&w);
}

static void closing_cuts_what_is_open(void **state)
{
        struct world w;
        int fd;

        (void)state;
        world_open(&w, NULL);
        fd = dial(&w);
        put(&w, fd, GET("/later"));
        WAIT_FOR(&w, w.held);
        wt_http_close(w.http);
        w.http = NULL;
        assert_int_equal(w.gone, 1);
        turn(&w);
        close(fd);
        world_close(&w);
}

static void draining(void **state)
{
        struct world w;
        int idle, busy, asking;

        (void)state;
        world_open(&w, NULL);
        idle = dial(&w);
        put(&w, idle, GET("/echo"));
        read_until(&w, idle, "GET /echo", 1);
        asking = dial(&w);
        put(&w, asking, "GET /echo HTTP/1.1\r\n");
        busy = dial(&w);
        put(&w, busy, GET("/stream"));
        WAIT_FOR(&w, w.held);
        wt_http_drain(w.http);
        read_to_end(&w, idle);
        assert_int_equal(wt_http_open(w.http), 2);
        assert_int_equal(dial(&w), -1);          /* nobody listens */
        put(&w, asking, H "\r\n");
        w.ended = false;
        read_to_end(&w, asking);                 /* what was begun is answered */
        assert_true(has(&w, "Connection: close\r\n"));
        assert_true(has(&w, "GET /echo"));
        forget(&w);
        w.ended = false;
        assert_true(wt_call_write(w.held, "end", 3));
        wt_call_end(w.held);
        read_to_end(&w, busy);
        assert_true(has(&w, "end\r\n0\r\n\r\n"));
        close(idle);
        close(asking);
        close(busy);
        WAIT_FOR(&w, wt_http_open(w.http) == 0);
        assert_int_equal(w.gone, 0);
        world_close(&w);
}

static void addresses(void **state)
{
        static const struct { const char *address; wt_err want; const char *words; } rows[] = {
                { "127.0.0.1", WT_EINVAL, "HOST:PORT" },     { "127.0.0.1:", WT_EINVAL, "no port" },
                { "127.0.0.1:65536", WT_EINVAL, "no port" },
                { "127.0.0.1:8a", WT_EINVAL, "no port" },
                { "::1:80", WT_EINVAL, "HOST:PORT" },        { "[::1]80", WT_EINVAL, "HOST:PORT" },
                { "192.0.2.1:0", WT_EINVAL, "192.0.2.1" },   { "127.0.0.1:0", WT_OK, "" },
        };
        const struct wt_http_handler h = { world_request, world_gone, NULL };
        struct world w;

        (void)state;
        world_open(&w, NULL);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                wt_http *other = NULL;

                assert_int_equal(wt_http_listen(&other, w.loop, rows[i].address, NULL, &h),
                                 rows[i].want);
                if (rows[i].want != WT_OK && !strstr(wt_words(), rows[i].words))
                        fail_msg("%s: %s", rows[i].address, wt_words());
                wt_http_close(other);
        }
        world_close(&w);
}

static void a_port_in_use(void **state)
{
        const struct wt_http_handler h = { world_request, world_gone, NULL };
        struct world w;
        wt_http *other;

        (void)state;
        world_open(&w, NULL);
        assert_int_equal(wt_http_listen(&other, w.loop, wt_http_address(w.http), NULL, &h),
                         WT_EEXIST);
        assert_non_null(strstr(wt_words(), wt_http_address(w.http)));
        assert_non_null(strstr(wt_words(), "in use"));
        world_close(&w);
}

static void ipv6(void **state)
{
        struct sockaddr_in6 sa = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
        int fd = socket(AF_INET6, SOCK_STREAM, 0), can = fd >= 0;
        struct world w;

        (void)state;
        can = can && bind(fd, (struct sockaddr *)&sa, sizeof sa) == 0;
        if (fd >= 0)
                close(fd);
        if (!can) {
                print_message("skipped: no IPv6 here\n");
                skip();
        }
        world_listen(&w, NULL, "[::1]:0");
        assert_true(strncmp(wt_http_address(w.http), "[::1]:", 6) == 0);
        fd = socket(AF_INET6, SOCK_STREAM, 0);
        sa.sin6_port = htons((uint16_t)atoi(wt_http_address(w.http) + 6));
        assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
        fcntl(fd, F_SETFL, O_NONBLOCK);
        put(&w, fd, GET("/later"));
        WAIT_FOR(&w, w.held);
        assert_true(strncmp(wt_call_peer(w.held), "[::1]:", 6) == 0);
        wt_call_reply(w.held, 200, NULL, NULL, "six", 3);
        read_until(&w, fd, "six", 1);
        close(fd);
        world_close(&w);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(keep_alive),
                cmocka_unit_test(pipelined_in_order),
                cmocka_unit_test(one_at_a_time),
                cmocka_unit_test(byte_by_byte),
                cmocka_unit_test(a_large_chunked_upload),
                cmocka_unit_test(a_large_answer),
                cmocka_unit_test(expect_continue),
                cmocka_unit_test(streaming),
                cmocka_unit_test(head_has_no_body),
                cmocka_unit_test(http_1_0),
                cmocka_unit_test(half_closed_clients_are_answered),
                cmocka_unit_test(a_reset_is_noticed),
                cmocka_unit_test(a_close_is_noticed_by_writing),
                cmocka_unit_test(after_the_end),
                cmocka_unit_test(an_aborted_stream_is_broken),
                cmocka_unit_test(closing_cuts_what_is_open),
                cmocka_unit_test(draining),
                cmocka_unit_test(addresses),
                cmocka_unit_test(a_port_in_use),
                cmocka_unit_test(ipv6),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
