/* client_test.c - the blocking client against our server and against servers that misbehave, and
 * the three health paths through it. The servers run on a thread of their own, with the real
 * clock. */
#include "net/world.h"
#include <pthread.h>
#include <stdatomic.h>
#include "net/health.h"

struct server {
        wt_loop *loop;
        wt_http *http;
        wt_call *held;
        pthread_t thread;
        atomic_bool stop;
        bool ready, healthy;
};

static void answer(void *arg, wt_call *c)
{
        struct server *s = arg;
        const char *path = wt_call_path(c), *body;
        size_t len;

        if (strcmp(path, "/silence") == 0) {
                s->held = c;
        } else if (strcmp(path, "/echo") == 0) {
                body = wt_call_body(c, &len);
                wt_call_reply(c, 201, "text/plain", NULL, body, len);
        } else if (strcmp(path, "/key") == 0) {
                body = wt_call_header(c, "authorization");
                wt_call_reply(c, 200, NULL, NULL, body, body ? strlen(body) : 0);
        } else {
                wt_call_begin(c, 200, "text/event-stream", NULL);
                for (int i = 0; i < 100; i++)
                        wt_call_write(c, "data: word\n\n", 12);
                if (strcmp(path, "/broken") == 0)
                        wt_call_abort(c);
                else
                        wt_call_end(c);
        }
}

static void *serve(void *arg)
{
        struct server *s = arg;

        while (!s->stop)
                wt_loop_turn(s->loop, 2000);
        wt_http_close(s->http);
        wt_loop_free(s->loop);
        return NULL;
}

static struct server server;
static char url[128];

static const char *at(const char *path)
{
        snprintf(url, sizeof url, "http://%s%s", wt_http_address(server.http), path);
        return url;
}

static void start(void)
{
        server.held = NULL;
        server.stop = false;
        assert_int_equal(pthread_create(&server.thread, NULL, serve, &server), 0);
}

static int open_server(void **state)
{
        const struct wt_http_handler h = { answer, NULL, &server };

        (void)state;
        assert_int_equal(wt_loop_new(&server.loop, NULL), WT_OK);
        assert_int_equal(wt_http_listen(&server.http, server.loop, "127.0.0.1:0", NULL, &h), WT_OK);
        start();
        return 0;
}

static int close_server(void **state)
{
        (void)state;
        server.stop = true;
        pthread_join(server.thread, NULL);
        return 0;
}

enum { SECOND = 1000000, LONG = 20 * SECOND };

static void whole_answers(void **state)
{
        enum { BYTES = 5 << 20 };
        char *big = malloc(BYTES);
        struct wt_buf out = { 0 };
        int status = 0;

        (void)state;
        memset(big, 'b', BYTES);
        assert_int_equal(wt_http_fetch("POST", at("/echo"), "Content-Type: text/plain\r\n", big,
                                       BYTES, LONG, &status, &out, NULL, NULL), WT_OK);
        assert_int_equal(status, 201);
        assert_int_equal(out.len, BYTES);
        assert_memory_equal(out.data, big, BYTES);
        wt_buf_clear(&out);
        assert_int_equal(wt_http_fetch("GET", at("/key"), "Authorization: Bearer k\r\n", NULL, 0,
                                       LONG, &status, &out, NULL, NULL), WT_OK);
        assert_string_equal(out.data, "Bearer k");
        wt_buf_clear(&out);
        assert_int_equal(wt_http_fetch("HEAD", at("/key"), NULL, NULL, 0, LONG, &status, &out,
                                       NULL, NULL), WT_OK);
        assert_int_equal(out.len, 0);
        wt_buf_free(&out);
        free(big);
}

static void refusals_of_the_server_are_answers(void **state)
{
        char *big = calloc(1, 9 << 20);
        struct wt_buf out = { 0 };
        int status = 0;

        (void)state;
        assert_int_equal(wt_http_fetch("POST", at("/echo"), NULL, big, 9 << 20, LONG, &status,
                                       &out, NULL, NULL), WT_OK);
        assert_int_equal(status, 413);
        assert_non_null(strstr(out.data, "too large"));
        wt_buf_free(&out);
        free(big);
}

static struct wt_buf gathered;
static size_t most;

static bool gather(void *arg, const char *data, size_t n)
{
        assert_ptr_equal(arg, &server);
        wt_buf_add(&gathered, data, n);
        return gathered.len < most;
}

static void streams(void **state)
{
        int status = 0;

        (void)state;
        most = SIZE_MAX;
        assert_int_equal(wt_http_fetch("GET", at("/words"), NULL, NULL, 0, LONG, &status, NULL,
                                       gather, &server), WT_OK);
        assert_int_equal(gathered.len, 1200);
        wt_buf_clear(&gathered);
        most = 1;
        assert_int_equal(wt_http_fetch("GET", at("/words"), NULL, NULL, 0, LONG, &status, NULL,
                                       gather, &server), WT_ECANCELLED);
        wt_buf_clear(&gathered);
        most = SIZE_MAX;
        assert_int_equal(wt_http_fetch("GET", at("/broken"), NULL, NULL, 0, LONG, &status, NULL,
                                       gather, &server), WT_EUNAVAILABLE);
        assert_int_equal(gathered.len, 1200);
        assert_int_equal(status, 200);
        wt_buf_free(&gathered);
}

static void silence(void **state)
{
        int status = -1;

        (void)state;
        assert_int_equal(wt_http_fetch("GET", at("/silence"), NULL, NULL, 0, 50000, &status, NULL,
                                       NULL, NULL), WT_EDEADLINE);
        assert_int_equal(status, -1);
        assert_non_null(strstr(wt_words(), wt_http_address(server.http)));
}

static const struct bad_url { const char *name, *url; wt_err want; } bad_urls[] = {
        { "https", "https://127.0.0.1/", WT_EPRECONDITION },
        { "no host", "http:///x", WT_EINVAL },
        { "no scheme", "ftp://127.0.0.1/", WT_EINVAL },
        { "a blank", "http://127.0.0.1/a b", WT_EINVAL },
        { "a line break", "http://127.0.0.1/a\r\nX: y", WT_EINVAL },
        { "a port that is none", "http://127.0.0.1:99999/", WT_EINVAL },
        { "nobody listens", "http://127.0.0.1:1/", WT_EUNAVAILABLE },
};
enum { N_BAD_URLS = sizeof bad_urls / sizeof *bad_urls };

static void refuses_url(void **state)
{
        const struct bad_url *r = *state;

        assert_int_equal(wt_http_fetch("GET", r->url, NULL, NULL, 0, SECOND, NULL, NULL, NULL,
                                       NULL), r->want);
}

/* Answers that are not HTTP, or stop too early: one connection, raw bytes. */
static const struct raw { const char *name, *bytes; wt_err want; const char *body; } raws[] = {
        { "until the end", "HTTP/1.0 200 OK\r\n\r\nabc", WT_OK, "abc" },
        { "an interim answer first", "HTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n"
          "Content-Length: 2\r\n\r\nhi", WT_OK, "hi" },
        { "chunks, extensions, trailers", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
          "2;x=y\r\nab\r\n1\r\nc\r\n0\r\nT: u\r\n\r\n", WT_OK, "abc" },
        { "line ends of LF alone", "HTTP/1.1 200 OK\nContent-Length: 1\n\nx", WT_OK, "x" },
        { "no body", "HTTP/1.1 204 No Content\r\n\r\n", WT_OK, "" },
        { "nothing", "", WT_EUNAVAILABLE, NULL },
        { "half a head", "HTTP/1.1 200 OK\r\nContent-", WT_EUNAVAILABLE, NULL },
        { "half a body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", WT_EUNAVAILABLE, NULL },
        { "no last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
          WT_EUNAVAILABLE, NULL },
        { "no chunk size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n", WT_EDATA,
          NULL },
        { "SSH", "SSH-2.0-OpenSSH_9.2\r\n", WT_EDATA, NULL },
        { "HTTP/2", "HTTP/2 200\r\n\r\n", WT_EDATA, NULL },
};
enum { N_RAWS = sizeof raws / sizeof *raws };

static int raw_fd;

static void *serve_raw(void *arg)
{
        const struct raw *r = arg;
        int fd = accept(raw_fd, NULL, NULL);
        char sink[4096];

        if (recv(fd, sink, sizeof sink, 0) > 0)
                send(fd, r->bytes, strlen(r->bytes), MSG_NOSIGNAL);
        close(fd);
        return NULL;
}

static void reads_raw(void **state)
{
        const struct raw *r = *state;
        struct sockaddr_in sa = { .sin_family = AF_INET };
        socklen_t len = sizeof sa;
        struct wt_buf out = { 0 };
        pthread_t t;

        sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        raw_fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(bind(raw_fd, (struct sockaddr *)&sa, sizeof sa), 0);
        assert_int_equal(listen(raw_fd, 1), 0);
        getsockname(raw_fd, (struct sockaddr *)&sa, &len);
        assert_int_equal(pthread_create(&t, NULL, serve_raw, (void *)r), 0);
        snprintf(url, sizeof url, "http://127.0.0.1:%u?q", ntohs(sa.sin_port));
        assert_int_equal(wt_http_fetch("GET", url, NULL, NULL, 0, LONG, NULL, &out, NULL, NULL),
                         r->want);
        if (r->body)
                assert_string_equal(out.data ? out.data : "", r->body);
        pthread_join(t, NULL);
        close(raw_fd);
        wt_buf_free(&out);
}

static void metrics(void *arg, struct wt_buf *out)
{
        (void)arg;
        wt_buf_str(out, "witan_up 1\n");
}

static bool healthy(void *arg, struct wt_buf *words)
{
        (void)words;
        return ((struct server *)arg)->healthy;
}

static bool ready(void *arg, struct wt_buf *words)
{
        struct server *s = arg;

        if (!s->ready)
                wt_buf_str(words, "no expert is here yet");
        return s->ready;
}

static void health(void **state)
{
        static const struct wt_health h = { metrics, healthy, ready, &server };
        static const struct {
                const char *method, *path;
                bool up;
                int status;
                const char *body;
        } rows[] = {
                { "GET", "/metrics", true, 200, "witan_up 1\n" },
                { "GET", "/healthz", true, 200, "ok\n" },
                { "GET", "/readyz", true, 200, "ok\n" },
                { "HEAD", "/readyz", true, 200, "" },
                { "POST", "/metrics", true, 405, "use GET\n" },
                { "GET", "/", true, 404, NULL },
                { "GET", "/metrics", false, 200, "witan_up 1\n" },
                { "GET", "/healthz", false, 503, "not ready\n" },
                { "GET", "/readyz", false, 503, "no expert is here yet\n" },
        };
        struct wt_buf out = { 0 };
        int status;

        (void)state;
        assert_int_equal(wt_loop_new(&server.loop, NULL), WT_OK);
        assert_int_equal(wt_health_listen(&server.http, server.loop, "127.0.0.1:0", &h), WT_OK);
        start();
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                server.ready = server.healthy = rows[i].up;
                wt_buf_clear(&out);
                assert_int_equal(wt_http_fetch(rows[i].method, at(rows[i].path), NULL, NULL, 0,
                                               LONG, &status, &out, NULL, NULL), WT_OK);
                assert_int_equal(status, rows[i].status);
                if (rows[i].body)
                        assert_string_equal(out.data ? out.data : "", rows[i].body);
        }
        wt_buf_free(&out);
        close_server(state);
}

int main(void)
{
        static const struct CMUnitTest others[] = {
                cmocka_unit_test_setup_teardown(whole_answers, open_server, close_server),
                cmocka_unit_test_setup_teardown(refusals_of_the_server_are_answers, open_server,
                                                close_server),
                cmocka_unit_test_setup_teardown(streams, open_server, close_server),
                cmocka_unit_test_setup_teardown(silence, open_server, close_server),
                cmocka_unit_test(health),
        };
        enum { N_OTHERS = sizeof others / sizeof *others };
        struct CMUnitTest tests[N_OTHERS + N_BAD_URLS + N_RAWS], *t = tests + N_OTHERS;

        memcpy(tests, others, sizeof others);
        for (size_t i = 0; i < N_BAD_URLS; i++)
                *t++ = (struct CMUnitTest){ bad_urls[i].name, refuses_url, NULL, NULL,
                                            (void *)&bad_urls[i] };
        for (size_t i = 0; i < N_RAWS; i++)
                *t++ = (struct CMUnitTest){ raws[i].name, reads_raw, NULL, NULL, (void *)&raws[i] };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
