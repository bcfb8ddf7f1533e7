/* tls_test.c - a server under TLS, and a client of OpenSSL's own that behaves well and badly. */
#include "tls/rig.h"
#include <signal.h>
#include "tls/tls.h"

struct bench { struct rig rig; struct world w; wt_tls *tls; };

static void bench_open(struct bench *b, const struct wt_http_limits *lim, bool only_13)
{
        struct wt_tls_files f;

        rig_open(&b->rig);
        f = (struct wt_tls_files){ b->rig.cert, b->rig.key, only_13 };
        if (wt_tls_server(&b->tls, &f) != WT_OK)
                fail_msg("%s", wt_words());
        world_open(&b->w, lim);
        wt_http_secure(b->w.http, wt_tls_secure(b->tls));
}

static void bench_close(struct bench *b)
{
        world_close(&b->w);
        wt_tls_free(b->tls);
        rig_close(&b->rig);
}

static struct wt_tls_facts facts(struct bench *b)
{
        struct wt_tls_facts f;

        wt_tls_facts(b->tls, &f);
        return f;
}

/* ---- protocols ---- */

static const struct { int version; bool only_13, good; } versions[] = {
        { TLS1_3_VERSION, false, true }, { TLS1_2_VERSION, false, true },
        { TLS1_1_VERSION, false, false }, { TLS1_VERSION, false, false },
        { TLS1_3_VERSION, true, true }, { TLS1_2_VERSION, true, false },
};

static void protocols(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
                struct bench b;
                struct peer p;

                bench_open(&b, NULL, versions[i].only_13);
                peer_open(&p, &b.w, versions[i].version, versions[i].version);
                assert_int_equal(peer_shake(&p), versions[i].good);
                if (versions[i].good) {
                        assert_int_equal(SSL_version(p.ssl), versions[i].version);
                        peer_ask(&p, "/echo?a");
                        peer_until(&p, "GET /echo a");
                        peer_ask(&p, "/empty");          /* kept alive */
                        peer_until(&p, "204");
                }
                peer_close(&p);
                WAIT_FOR(&b.w, wt_http_open(b.w.http) == 0);
                assert_int_equal(facts(&b).shaken, versions[i].good);
                assert_int_equal(facts(&b).failed, !versions[i].good);
                assert_int_equal(b.w.requests, versions[i].good ? 2 : 0);
                bench_close(&b);
        }
}

static void alpn(void **state)
{
        struct bench b;
        struct peer p;
        const unsigned char *got;
        unsigned n;

        (void)state;
        bench_open(&b, NULL, false);
        peer_open(&p, &b.w, 0, 0);
        SSL_set_alpn_protos(p.ssl, (const unsigned char *)"\x02h2\x08http/1.1", 12);
        assert_true(peer_shake(&p));
        SSL_get0_alpn_selected(p.ssl, &got, &n);
        assert_int_equal(n, 8);
        assert_memory_equal(got, "http/1.1", 8);
        peer_close(&p);
        peer_open(&p, &b.w, 0, 0);
        SSL_set_alpn_protos(p.ssl, (const unsigned char *)"\x02h2", 3);
        assert_false(peer_shake(&p));
        peer_close(&p);
        bench_close(&b);
}

/* ---- bad and slow handshakes ---- */

static void plain_http_is_refused(void **state)
{
        struct bench b;
        int fd;

        (void)state;
        bench_open(&b, NULL, false);
        fd = dial(&b.w);
        put(&b.w, fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        read_to_end(&b.w, fd);
        assert_false(has(&b.w, "HTTP/1.1"));
        assert_int_equal(b.w.requests, 0);
        assert_int_equal(facts(&b).failed, 1);
        close(fd);
        fd = dial(&b.w);                         /* a look whether the port is open is no failure */
        turn(&b.w);
        close(fd);
        WAIT_FOR(&b.w, wt_http_open(b.w.http) == 0);
        assert_int_equal(facts(&b).failed, 1);
        bench_close(&b);
}

/* The first flight of a client, as bytes. */
static size_t hello(char *out, size_t cap)
{
        SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
        SSL *ssl = SSL_new(ctx);
        BIO *from = BIO_new(BIO_s_mem());
        int n;

        SSL_set_bio(ssl, BIO_new(BIO_s_mem()), from);
        SSL_set_connect_state(ssl);
        SSL_do_handshake(ssl);
        n = BIO_read(from, out, (int)cap);
        assert_true(n > 100);
        SSL_free(ssl);
        SSL_CTX_free(ctx);
        ERR_clear_error();
        return (size_t)n;
}

static void slow_handshakes_end(void **state)
{
        const struct wt_http_limits *d = &wt_http_default;
        char first[4096];
        size_t n = hello(first, sizeof first);
        struct bench b;
        int fd, silent;

        (void)state;
        bench_open(&b, NULL, false);
        fd = dial(&b.w);
        silent = dial(&b.w);
        put_bytes(&b.w, fd, first, n / 2);
        WAIT_FOR(&b.w, wt_http_open(b.w.http) == 2);
        b.w.now += d->request_timeout_us / 2;
        turn(&b.w);
        put_bytes(&b.w, fd, first + n / 2, 1);   /* progress is no excuse */
        turn(&b.w);
        assert_int_equal(wt_http_open(b.w.http), 2);
        b.w.now += d->request_timeout_us / 2 + 1;
        WAIT_FOR(&b.w, wt_http_open(b.w.http) == 0);
        assert_int_equal(facts(&b).failed, 1);   /* the silent one is none */
        close(fd);
        close(silent);
        bench_close(&b);
}

/* Each byte of the handshake and of a request alone in its packet. */
static void byte_by_byte(void **state)
{
        struct bench b;
        struct peer p;
        BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
        const char *ask = "GET /echo?slow HTTP/1.1\r\nHost: x\r\n\r\n";
        char one, room[4096];
        bool asked = false;

        (void)state;
        bench_open(&b, NULL, false);
        peer_open(&p, &b.w, 0, 0);
        SSL_set_bio(p.ssl, in, out);
        for (int turns = 0; turns < PATIENCE && !has(&b.w, "GET /echo slow"); turns++) {
                ssize_t got;

                ERR_clear_error();
                if (!SSL_is_init_finished(p.ssl))
                        SSL_do_handshake(p.ssl);
                else if (!asked)
                        asked = SSL_write(p.ssl, ask, (int)strlen(ask)) > 0;
                if (BIO_read(out, &one, 1) == 1)
                        assert_int_equal(send(p.fd, &one, 1, MSG_NOSIGNAL), 1);
                turn(&b.w);
                if ((got = recv(p.fd, room, sizeof room, 0)) > 0)
                        BIO_write(in, room, (int)got);
                peer_take(&p);
        }
        assert_true(has(&b.w, "GET /echo slow"));
        peer_close(&p);
        bench_close(&b);
}

/* ---- how connections end ---- */

static void a_farewell_is_half_a_close(void **state)
{
        struct bench b;
        struct peer p;

        (void)state;
        bench_open(&b, NULL, false);
        peer_open(&p, &b.w, 0, 0);
        assert_true(peer_shake(&p));
        peer_ask(&p, "/later");
        WAIT_FOR(&b.w, b.w.held != NULL);
        assert_int_equal(SSL_shutdown(p.ssl), 0);
        WAIT_FOR(&b.w, wt_call_half_closed(b.w.held));
        wt_call_reply(b.w.held, 200, "text/plain", NULL, "still here", 10);
        peer_until(&p, "still here");
        peer_to_end(&p);
        assert_true(peer_heard_bye(&p));
        assert_int_equal(b.w.gone, 0);
        peer_close(&p);
        bench_close(&b);
}

/* Under TLS nobody closes one half of the socket: who does has gone. */
static void without_a_farewell_it_is_gone(void **state)
{
        struct bench b;
        struct peer p;

        (void)state;
        bench_open(&b, NULL, false);
        peer_open(&p, &b.w, 0, 0);
        assert_true(peer_shake(&p));
        peer_ask(&p, "/later");
        WAIT_FOR(&b.w, b.w.held != NULL);
        shutdown(p.fd, SHUT_WR);
        WAIT_FOR(&b.w, b.w.gone == 1);
        peer_close(&p);
        bench_close(&b);
}

static void says_farewell(void **state)
{
        static const char last[] = "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        struct bench b;
        struct peer p;

        (void)state;
        bench_open(&b, NULL, false);
        peer_open(&p, &b.w, 0, 0);               /* after Connection: close */
        assert_true(peer_shake(&p));
        peer_put(&p, last, strlen(last));
        peer_to_end(&p);
        assert_true(has(&b.w, "GET /echo") && peer_heard_bye(&p));
        peer_close(&p);
        peer_open(&p, &b.w, 0, 0);               /* when it was idle for too long */
        assert_true(peer_shake(&p));
        peer_ask(&p, "/echo");
        peer_until(&p, "GET /echo");
        b.w.now += wt_http_default.idle_timeout_us + 1;
        peer_to_end(&p);
        assert_true(peer_heard_bye(&p));
        peer_close(&p);
        peer_open(&p, &b.w, 0, 0);               /* when the server drains */
        assert_true(peer_shake(&p));
        WAIT_FOR(&b.w, facts(&b).shaken == 3);
        wt_http_drain(b.w.http);
        peer_to_end(&p);
        assert_true(peer_heard_bye(&p));
        peer_close(&p);
        bench_close(&b);
}

/* An aborted stream is broken for the client, farewell or not. */
static void an_aborted_stream_is_broken(void **state)
{
        struct bench b;
        struct peer p;

        (void)state;
        bench_open(&b, NULL, false);
        peer_open(&p, &b.w, 0, 0);
        assert_true(peer_shake(&p));
        peer_ask(&p, "/stream");
        WAIT_FOR(&b.w, b.w.held != NULL);
        assert_true(wt_call_write(b.w.held, "part", 4));
        wt_call_abort(b.w.held);
        peer_to_end(&p);
        assert_true(has(&b.w, "part") && !has(&b.w, "0\r\n\r\n"));
        peer_close(&p);
        bench_close(&b);
}

static void over_the_limit_is_told_so(void **state)
{
        struct wt_http_limits lim = wt_http_default;
        struct bench b;
        struct peer p[2];

        (void)state;
        lim.max_connections = 1;
        bench_open(&b, &lim, false);
        peer_open(&p[0], &b.w, 0, 0);
        assert_true(peer_shake(&p[0]));
        peer_open(&p[1], &b.w, 0, 0);
        assert_true(peer_shake(&p[1]));
        peer_until(&p[1], "503");
        peer_to_end(&p[1]);
        peer_close(&p[0]);
        peer_close(&p[1]);
        bench_close(&b);
}

/* ---- much of everything ---- */

/* Byte i of the stream. */
static char pattern(size_t i) { return (char)(i * 2654435761u >> 24); }

static void large_bodies(void **state)
{
        enum { N = 6 << 20 };
        char head[100], *body = malloc(N);
        struct bench b;
        struct peer p;

        (void)state;
        assert_non_null(body);
        bench_open(&b, NULL, false);
        peer_open(&p, &b.w, 0, 0);
        assert_true(peer_shake(&p));
        for (size_t i = 0; i < N; i++)
                body[i] = pattern(i);
        snprintf(head, sizeof head, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n",
                 N);
        peer_put(&p, head, strlen(head));
        peer_put(&p, body, N);
        WAIT_FOR(&b.w, (peer_take(&p), b.w.got.len > N + 60 || b.w.ended));
        WAIT_FOR(&b.w, (peer_take(&p), memcmp(b.w.got.data + b.w.got.len - N, body, N) == 0));
        free(body);
        peer_close(&p);
        bench_close(&b);
}

/* 32 MiB of chunks to a client that reads in fits: the writer sees what is unsent and waits. */
static void a_long_stream(void **state)
{
        enum { CHUNK = 40000, N = 32 << 20 };
        static char chunk[CHUNK];
        size_t sent = 0, seen = 0;
        struct bench b;
        struct peer p;

        (void)state;
        bench_open(&b, NULL, false);
        peer_open(&p, &b.w, 0, 0);
        assert_true(peer_shake(&p));
        peer_put(&p, "GET /stream HTTP/1.0\r\n\r\n", 24);        /* no chunk lines */
        WAIT_FOR(&b.w, b.w.held != NULL);
        peer_until(&p, "\r\n\r\n");
        forget(&b.w);
        for (int turns = 0; seen < N && turns < PATIENCE; turns++) {
                if (sent < N && sent - seen < (1 << 20)) {
                        size_t n = N - sent < CHUNK ? N - sent : CHUNK;

                        for (size_t i = 0; i < n; i++)
                                chunk[i] = pattern(sent + i);
                        assert_true(wt_call_write(b.w.held, chunk, n));
                        sent += n;
                        if (sent == N)
                                wt_call_end(b.w.held);
                }
                turn(&b.w);
                if (turns % 3 == 0)
                        for (int reads = 0; reads < 16; reads++)
                                peer_take(&p);
                for (size_t i = 0; i < b.w.got.len; i++)
                        if (b.w.got.data[i] != pattern(seen + i))
                                fail_msg("byte %zu differs", seen + i);
                seen += b.w.got.len;
                forget(&b.w);
        }
        assert_int_equal(seen, N);
        peer_to_end(&p);
        assert_true(peer_heard_bye(&p));
        peer_close(&p);
        bench_close(&b);
}

static void many_connections(void **state)
{
        enum { N = 200 };
        static struct peer p[N];
        struct bench b;

        (void)state;
        bench_open(&b, NULL, false);
        for (int i = 0; i < N; i++) {
                peer_open(&p[i], &b.w, i % 2 ? TLS1_2_VERSION : 0, i % 2 ? TLS1_2_VERSION : 0);
                assert_true(peer_shake(&p[i]));
        }
        WAIT_FOR(&b.w, facts(&b).shaken == N);
        assert_int_equal(wt_http_open(b.w.http), N);
        for (int i = N - 1; i >= 0; i--) {
                char path[40], answer[40];

                snprintf(path, sizeof path, "/echo?n%d", i);
                snprintf(answer, sizeof answer, "GET /echo n%d ", i);
                forget(&b.w);
                peer_ask(&p[i], path);
                peer_until(&p[i], answer);
        }
        for (int i = 0; i < N; i++)
                peer_close(&p[i]);
        WAIT_FOR(&b.w, wt_http_open(b.w.http) == 0);
        assert_int_equal(b.w.requests, N);
        bench_close(&b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(protocols), cmocka_unit_test(alpn),
                cmocka_unit_test(plain_http_is_refused), cmocka_unit_test(slow_handshakes_end),
                cmocka_unit_test(byte_by_byte), cmocka_unit_test(a_farewell_is_half_a_close),
                cmocka_unit_test(without_a_farewell_it_is_gone), cmocka_unit_test(says_farewell),
                cmocka_unit_test(an_aborted_stream_is_broken),
                cmocka_unit_test(over_the_limit_is_told_so), cmocka_unit_test(large_bodies),
                cmocka_unit_test(a_long_stream), cmocka_unit_test(many_connections),
        };

        signal(SIGPIPE, SIG_IGN);                /* of the client's own OpenSSL */
        return cmocka_run_group_tests(tests, NULL, NULL);
}
