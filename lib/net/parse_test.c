/* parse_test.c - requests whole, and cut at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "net/parse.h"

#define G "GET / HTTP/1.1\r\nHost: a\r\n"
#define P "POST /p HTTP/1.1\r\nHost: a\r\n"
#define CH P "Transfer-Encoding: chunked\r\n\r\n"
#define K1 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define K2 K1 K1 K1 K1

/* Small limits, so that each can be passed by a literal. */
static const struct wt_http_limits small = { .max_line = 128, .max_headers = 256, .max_body = 32,
                                             .max_connections = 1 };

static const struct row {
        const char *name, *in;
        int status;                              /* 0: accepted */
        const char *path, *query, *body;         /* when accepted; NULL: "/", "", "" */
        int rest;                                /* bytes of in behind the request */
        bool closes, waits;
} rows[] = {
        { "the least request", G "\r\n", 0, NULL, NULL, NULL, 0, 0, 0 },
        { "an empty line before it", "\r\n" G "\r\n", 0, NULL, NULL, NULL, 0, 0, 0 },
        { "nine empty lines before it", "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n" G "\r\n", 400,
          NULL, NULL, NULL, 0, 0, 0 },
        { "a query", "GET /a/b?c=d&e HTTP/1.1\r\nHost: a\r\n\r\n", 0, "/a/b", "c=d&e", NULL, 0, 0, 0 },
        { "an empty query", "GET /a? HTTP/1.1\r\nHost: a\r\n\r\n", 0, "/a", "", NULL, 0, 0, 0 },
        { "absolute form", "GET http://h:1/a?b HTTP/1.1\r\nHost: a\r\n\r\n", 0, "/a", "b", NULL, 0, 0, 0 },
        { "absolute form without path", "GET http://h HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n", 0, "/", "",
          NULL, 0, 0, 0 },
        { "absolute form with a query alone", "GET https://h?b HTTP/1.1\r\nHost: a\r\n\r\n", 0, "/", "b",
          NULL, 0, 0, 0 },
        { "OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 0, "*", NULL, NULL, 0, 0, 0 },
        { "GET *", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501, NULL, NULL, NULL, 0, 0, 0 },
        { "a target without a slash", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "a fragment", "GET /#f HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "a byte above ASCII in the target", "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL,
          NULL, 0, 0, 0 },
        { "two blanks in the request line", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL, NULL, 0,
          0, 0 },
        { "a blank behind the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400, NULL, NULL, NULL, 0, 0,
          0 },
        { "a tab in the request line", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL, NULL, 0, 0,
          0 },
        { "HTTP/0.9", "GET /\r\n", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "HTTP/1.0 needs no host and closes", "GET / HTTP/1.0\r\n\r\n", 0, NULL, NULL, NULL, 0, 1, 0 },
        { "HTTP/1.0 kept alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 0, NULL, NULL, NULL, 0,
          0, 0 },
        { "HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505, NULL, NULL, NULL, 0, 0, 0 },
        { "the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, NULL, NULL, NULL, 0, 0, 0 },
        { "http/1.1 in lower case", "GET / http/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "TLS", "\x16\x03\x01\x02", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "bare LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400, NULL, NULL, NULL, 0, 0,
          0 },
        { "bare LF after a header", "GET / HTTP/1.1\r\nHost: a\n\r\n", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "bare LF at the end of the head", G "\n", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "bare CR in a value", G "X: a\rb\r\n\r\n", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "CR CR LF", G "X: a\r\r\n\r\n", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "a folded line", G "X: a\r\n b\r\n\r\n", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "a first line that is folded", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400, NULL, NULL, NULL, 0, 0,
          0 },
        { "a blank before the colon", G "X : a\r\n\r\n", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "no colon", G "X\r\n\r\n", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "an empty name", G ": a\r\n\r\n", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "an empty value", G "X:\r\n\r\n", 0, NULL, NULL, NULL, 0, 0, 0 },
        { "a form feed in a value", G "X: a\fb\r\n\r\n", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "UTF-8 in a value", G "X: \xc3\xa4\r\n\r\n", 0, NULL, NULL, NULL, 0, 0, 0 },
        { "no host", "GET / HTTP/1.1\r\n\r\n", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "two hosts", G "Host: a\r\n\r\n", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "an empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 0, NULL, NULL, NULL, 0, 0, 0 },
        { "a host with a slash", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "two keys", G "Authorization: a\r\nauthorization: b\r\n\r\n", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "close among the options", G "Connection: x, Close ,y\r\n\r\n", 0, NULL, NULL, NULL, 0, 1, 0 },
        { "a word that only begins with close", G "Connection: closed\r\n\r\n", 0, NULL, NULL, NULL, 0, 0,
          0 },
        { "a body by length", P "Content-Length: 3\r\n\r\nabcGET", 0, "/p", "", "abc", 3, 0, 0 },
        { "a length with zeros before it", P "Content-Length: 003\r\n\r\nabc", 0, "/p", "", "abc", 0, 0, 0 },
        { "length 0", P "Content-Length: 0\r\n\r\n", 0, "/p", "", "", 0, 0, 0 },
        { "the longest body", P "Content-Length: 32\r\n\r\n0123456789abcdef0123456789abcdef", 0, "/p", "",
          "0123456789abcdef0123456789abcdef", 0, 0, 0 },
        { "one byte longer", P "Content-Length: 33\r\n\r\n", 413, NULL, NULL, NULL, 0, 0, 0 },
        { "a length beyond 64 bits", P "Content-Length: 99999999999999999999999\r\n\r\n", 413, NULL, NULL,
          NULL, 0, 0, 0 },
        { "a length of 2^64 + 3", P "Content-Length: 18446744073709551619\r\n\r\nabc", 413, NULL, NULL, NULL,
          0, 0, 0 },
        { "a length with a sign", P "Content-Length: +3\r\n\r\nabc", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "a negative length", P "Content-Length: -3\r\n\r\nabc", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "an empty length", P "Content-Length:\r\n\r\n", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "a length in hex", P "Content-Length: 0x3\r\n\r\nabc", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "a list of lengths", P "Content-Length: 3, 3\r\n\r\nabc", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "two equal lengths", P "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400, NULL, NULL, NULL,
          0, 0, 0 },
        { "two unequal lengths", P "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400, NULL, NULL,
          NULL, 0, 0, 0 },
        { "length and chunks", P "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
          NULL, NULL, NULL, 0, 0, 0 },
        { "chunks and length", P "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n", 400,
          NULL, NULL, NULL, 0, 0, 0 },
        { "chunks in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, NULL,
          NULL, NULL, 0, 0, 0 },
        { "gzip and chunked", P "Transfer-Encoding: gzip, chunked\r\n\r\n", 501, NULL, NULL, NULL, 0, 0, 0 },
        { "chunked twice", P "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400, NULL,
          NULL, NULL, 0, 0, 0 },
        { "identity", P "Transfer-Encoding: identity\r\n\r\n", 501, NULL, NULL, NULL, 0, 0, 0 },
        { "chunked with a vertical tab", P "Transfer-Encoding: \vchunked\r\n\r\n", 400, NULL, NULL, NULL, 0,
          0, 0 },
        { "Chunked in capitals", P "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", 0, "/p", "", "", 0, 0, 0 },
        { "chunks", CH "3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\nG", 0, "/p", "", "abc0123456789", 1, 0, 0 },
        { "sizes with zeros before them", CH "0003\r\nabc\r\n000\r\n\r\n", 0, "/p", "", "abc", 0, 0, 0 },
        { "trailers", CH "3\r\nabc\r\n0\r\nX: y\r\nContent-Length: 7\r\n\r\n", 0, "/p", "", "abc", 0, 0, 0 },
        { "a malformed trailer", CH "0\r\nX y\r\n\r\n", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "extensions", CH "3;a;b=c;d=\"e;\\\"f\" ; g = h\r\nabc\r\n0;x\r\n\r\n", 0, "/p", "", "abc", 0, 0,
          0 },
        { "an extension without a name", CH "3;\r\nabc\r\n0\r\n\r\n", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "an extension whose quotes stay open", CH "3;a=\"b\r\nabc\r\n0\r\n\r\n", 400, NULL, NULL, NULL, 0,
          0, 0 },
        { "a blank behind the size", CH "3 \r\nabc\r\n0\r\n\r\n", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "a size with 0x", CH "0x3\r\nabc\r\n0\r\n\r\n", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "no size", CH "\r\nabc\r\n0\r\n\r\n", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "a negative size", CH "-3\r\nabc\r\n", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "a size beyond 64 bits", CH "10000000000000003\r\nabc\r\n", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "a size of 64 bits", CH "ffffffffffffffff\r\nabc\r\n", 413, NULL, NULL, NULL, 0, 0, 0 },
        { "seventeen digits of size", CH "00000000000000003\r\nabc\r\n", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "a chunk longer than it says", CH "3\r\nabcd\r\n0\r\n\r\n", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "a chunk that ends in LF", CH "3\r\nabc\n0\r\n\r\n", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "a size line that ends in LF", CH "3\nabc\r\n0\r\n\r\n", 400, NULL, NULL, NULL, 0, 0, 0 },
        { "chunks too large together", CH "10\r\n0123456789abcdef\r\n11\r\n0123456789abcdef", 413, NULL,
          NULL, NULL, 0, 0, 0 },
        { "extensions too large together",
          CH "1;" K1 K1 "\r\na\r\n1;" K1 K1 "\r\nb\r\n1;" K1 "\r\nc\r\n0\r\n\r\n", 431, NULL, NULL, NULL, 0,
          0, 0 },
        { "trailers too large together", CH "0\r\na: " K1 K1 "\r\nb: " K1 K1 "\r\n\r\n", 431, NULL, NULL,
          NULL, 0, 0, 0 },
        { "a request line too long", "GET /" K1 K1 " HTTP/1.1\r\nHost: a\r\n\r\n", 414, NULL, NULL, NULL, 0,
          0, 0 },
        { "one header too long", G "X: " K2 "\r\n\r\n", 431, NULL, NULL, NULL, 0, 0, 0 },
        { "headers too large together", G "a: " K1 "\r\nb: " K1 "\r\nc: " K1 "\r\nd: " K1 "\r\n\r\n", 431,
          NULL, NULL, NULL, 0, 0, 0 },
        { "a client that waits", P "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n", 0, NULL, NULL, NULL,
          -1, 0, 1 },
        { "one that waits and sends chunks",
          P "Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n\r\n", 0, NULL, NULL, NULL, -1, 0, 1 },
        { "another expectation", P "Expect: tea\r\nContent-Length: 1\r\n\r\n", 417, NULL, NULL, NULL, 0, 0,
          0 },
};
enum { N_ROWS = sizeof rows / sizeof *rows };

struct seen { enum wt_http_state state; int status; size_t used; };

/* Feeds in pieces: up to a, up to b, the rest; each from a copy of its own size, so that ASan sees a
 * read beyond it. */
static struct seen feed(struct wt_http_parser *p, const char *in, size_t len, size_t a, size_t b)
{
        const size_t ends[3] = { a, b, len };
        struct seen s = { WT_HTTP_MORE, 0, 0 };

        wt_http_parser_init(p, &small);
        for (int i = 0; i < 3; i++) {
                size_t n = ends[i] - s.used;
                char *piece = malloc(n ? n : 1);

                memcpy(piece, in + s.used, n);
                s.used += wt_http_parser_feed(p, piece, n, &s.state);
                free(piece);
                if (s.state != WT_HTTP_MORE)
                        break;
                assert_int_equal(s.used, ends[i]);
        }
        s.status = wt_http_parser_status(p, NULL);
        return s;
}

static void check(const struct row *r, struct wt_http_parser *p, struct seen s)
{
        const char *why;

        assert_int_equal(wt_http_parser_status(p, &why), r->status);
        if (r->status) {
                assert_int_equal(s.state, WT_HTTP_REFUSED);
                assert_true(strlen(why) > 10);
                return;
        }
        assert_int_equal(wt_http_parser_waits(p), r->waits);
        if (r->rest < 0) {
                assert_int_equal(s.state, WT_HTTP_MORE);
                return;
        }
        assert_int_equal(s.state, WT_HTTP_DONE);
        assert_int_equal(s.used + (size_t)r->rest, strlen(r->in));
        assert_string_equal(p->head.data + p->path, r->path ? r->path : "/");
        assert_string_equal(p->head.data + p->query, r->query ? r->query : "");
        assert_string_equal(p->body.data ? p->body.data : "", r->body ? r->body : "");
        assert_int_equal(wt_http_parser_keeps(p), !r->closes);
}

static void parses(void **state)
{
        const struct row *r = *state;
        struct wt_http_parser p;
        size_t len = strlen(r->in);

        check(r, &p, feed(&p, r->in, len, len, len));
        wt_http_parser_fini(&p);
        for (size_t a = 0; a <= len; a++) {      /* at every byte, and one byte by itself */
                check(r, &p, feed(&p, r->in, len, a, a));
                wt_http_parser_fini(&p);
                if (a < len) {
                        check(r, &p, feed(&p, r->in, len, a, a + 1));
                        wt_http_parser_fini(&p);
                }
        }
}

static void nul_bytes_are_refused(void **state)
{
        static const struct { const char *in; size_t len; } with_nul[] = {
                { "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 29 },
                { "G\0T / HTTP/1.1\r\nHost: a\r\n\r\n", 27 },
                { G "X: a\0b\r\n\r\n", sizeof G "X: a\0b\r\n\r\n" - 1 },
                { G "X\0: ab\r\n\r\n", sizeof G "X\0: ab\r\n\r\n" - 1 },
                { CH "1\0\r\na\r\n0\r\n\r\n", sizeof CH "1\0\r\na\r\n0\r\n\r\n" - 1 },
        };
        struct wt_http_parser p;

        (void)state;
        for (size_t i = 0; i < sizeof with_nul / sizeof *with_nul; i++) {
                struct seen s = feed(&p, with_nul[i].in, with_nul[i].len, 3, 4);

                assert_int_equal(s.state, WT_HTTP_REFUSED);
                assert_int_equal(s.status, 400);
                wt_http_parser_fini(&p);
        }
}

static void a_body_may_hold_nul(void **state)
{
        static const char in[] = P "Content-Length: 3\r\n\r\na\0b";
        struct wt_http_parser p;

        (void)state;
        assert_int_equal(feed(&p, in, sizeof in - 1, 5, 9).state, WT_HTTP_DONE);
        assert_int_equal(p.body.len, 3);
        assert_memory_equal(p.body.data, "a\0b", 3);
        wt_http_parser_fini(&p);
}

static void headers_are_found(void **state)
{
        static const char in[] = G "X-One:  a b \t\r\nx-two:\r\nX-ONE: second\r\n\r\n";
        struct wt_http_parser p;

        (void)state;
        assert_int_equal(feed(&p, in, sizeof in - 1, 7, 30).state, WT_HTTP_DONE);
        assert_string_equal(wt_http_parser_field(&p, "x-one"), "a b");
        assert_string_equal(wt_http_parser_field(&p, "X-Two"), "");
        assert_null(wt_http_parser_field(&p, "x"));
        wt_http_parser_fini(&p);
}

static void many_headers_are_refused(void **state)
{
        struct wt_http_limits lim = wt_http_default;
        struct wt_buf in = { 0 };
        enum wt_http_state s;
        struct wt_http_parser p;

        (void)state;
        for (int n = WT_HTTP_FIELDS - 1; n <= WT_HTTP_FIELDS; n++) {     /* and Host */
                wt_buf_clear(&in);
                wt_buf_str(&in, G);
                for (int i = 0; i < n; i++)
                        wt_buf_str(&in, "a:\r\n");
                wt_buf_str(&in, "\r\n");
                wt_http_parser_init(&p, &lim);
                wt_http_parser_feed(&p, in.data, in.len, &s);
                assert_int_equal(wt_http_parser_status(&p, NULL), n < WT_HTTP_FIELDS ? 0 : 431);
                wt_http_parser_fini(&p);
        }
        wt_buf_free(&in);
}

/* The same parser again and again: nothing of one request shows in the next. */
static void one_after_another(void **state)
{
        static const char in[] = P "X: y\r\nContent-Length: 3\r\n\r\nabc" G "\r\n" CH "1\r\nz\r\n0\r\n\r\n";
        struct wt_http_parser p;
        enum wt_http_state s;
        size_t at = 0;
        int n = 0;

        (void)state;
        wt_http_parser_init(&p, &small);
        while (at < sizeof in - 1) {
                at += wt_http_parser_feed(&p, in + at, sizeof in - 1 - at, &s);
                assert_int_equal(s, WT_HTTP_DONE);
                assert_int_equal(wt_http_parser_feed(&p, "x", 1, &s), 0);
                assert_int_equal(wt_http_parser_field(&p, "x") != NULL, n == 0);
                assert_int_equal(p.body.len, n == 0 ? 3 : n == 1 ? 0 : 1);
                wt_http_parser_reset(&p, n == 1 ? 0 : 4096);
                assert_false(wt_http_parser_started(&p));
                n++;
        }
        assert_int_equal(n, 3);
        wt_http_parser_fini(&p);
}

int main(void)
{
        static const struct CMUnitTest others[] = {
                cmocka_unit_test(nul_bytes_are_refused),
                cmocka_unit_test(a_body_may_hold_nul),
                cmocka_unit_test(headers_are_found),
                cmocka_unit_test(many_headers_are_refused),
                cmocka_unit_test(one_after_another),
        };
        enum { N_OTHERS = sizeof others / sizeof *others };
        struct CMUnitTest tests[N_ROWS + N_OTHERS];

        for (size_t i = 0; i < N_ROWS; i++)
                tests[i] = (struct CMUnitTest){ rows[i].name, parses, NULL, NULL, (void *)&rows[i] };
        memcpy(tests + N_ROWS, others, sizeof others);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
