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

/* PLAIN: path "/", no query, no body. */
#define BAD(n, s, i) { .name = n, .in = i, .status = s }
#define PLAIN(n, i) { .name = n, .in = i }
#define GOOD(n, i, p, q, b) { .name = n, .in = i, .path = p, .query = q, .body = b }
#define WAITS(n, i) { .name = n, .in = i, .rest = -1, .waits = 1 }
static const struct row {
        const char *name, *in;
        int status;                              /* 0: accepted */
        const char *path, *query, *body;         /* when accepted; NULL: "/", "", "" */
        int rest;                                /* bytes of in behind the request */
        bool closes, waits;
} rows[] = {
        PLAIN("the least request", G "\r\n"),
        PLAIN("an empty line before it", "\r\n" G "\r\n"),
        BAD("nine empty lines before it", 400, "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n" G "\r\n"),
        GOOD("a query", "GET /a/b?c=d&e HTTP/1.1\r\nHost: a\r\n\r\n", "/a/b", "c=d&e", NULL),
        GOOD("an empty query", "GET /a? HTTP/1.1\r\nHost: a\r\n\r\n", "/a", "", NULL),
        GOOD("absolute form", "GET http://h:1/a?b HTTP/1.1\r\nHost: a\r\n\r\n", "/a", "b", NULL),
        GOOD("absolute form without path", "GET http://h HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n", "/",
              "", NULL),
        GOOD("absolute form with a query alone", "GET https://h?b HTTP/1.1\r\nHost: a\r\n\r\n", "/",
              "b", NULL),
        GOOD("OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "*", NULL, NULL),
        BAD("GET *", 400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
        BAD("CONNECT", 501, "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"),
        BAD("a target without a slash", 400, "GET a HTTP/1.1\r\nHost: a\r\n\r\n"),
        BAD("a fragment", 400, "GET /#f HTTP/1.1\r\nHost: a\r\n\r\n"),
        BAD("a byte above ASCII in the target", 400, "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n"),
        BAD("two blanks in the request line", 400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
        BAD("a blank behind the version", 400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
        BAD("a tab in the request line", 400, "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        BAD("HTTP/0.9", 400, "GET /\r\n"),
        { .name = "HTTP/1.0 needs no host and closes", .in = "GET / HTTP/1.0\r\n\r\n", .closes = 1
              },
        PLAIN("HTTP/1.0 kept alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
        BAD("HTTP/1.2", 505, "GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
        BAD("the preface of HTTP/2", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        BAD("http/1.1 in lower case", 400, "GET / http/1.1\r\nHost: a\r\n\r\n"),
        BAD("TLS", 400, "\x16\x03\x01\x02"),
        BAD("bare LF after the request line", 400, "GET / HTTP/1.1\nHost: a\r\n\r\n"),
        BAD("bare LF after a header", 400, "GET / HTTP/1.1\r\nHost: a\n\r\n"),
        BAD("bare LF at the end of the head", 400, G "\n"),
        BAD("bare CR in a value", 400, G "X: a\rb\r\n\r\n"),
        BAD("CR CR LF", 400, G "X: a\r\r\n\r\n"),
        BAD("a folded line", 400, G "X: a\r\n b\r\n\r\n"),
        BAD("a first line that is folded", 400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
        BAD("a blank before the colon", 400, G "X : a\r\n\r\n"),
        BAD("no colon", 400, G "X\r\n\r\n"),
        BAD("an empty name", 400, G ": a\r\n\r\n"),
        PLAIN("an empty value", G "X:\r\n\r\n"),
        BAD("a form feed in a value", 400, G "X: a\fb\r\n\r\n"),
        PLAIN("UTF-8 in a value", G "X: \xc3\xa4\r\n\r\n"),
        BAD("no host", 400, "GET / HTTP/1.1\r\n\r\n"),
        BAD("two hosts", 400, G "Host: a\r\n\r\n"),
        PLAIN("an empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
        BAD("a host with a slash", 400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
        BAD("two keys", 400, G "Authorization: a\r\nauthorization: b\r\n\r\n"),
        { .name = "close among the options", .in = G "Connection: x, Close ,y\r\n\r\n", .closes = 1
              },
        PLAIN("a word that only begins with close", G "Connection: closed\r\n\r\n"),
        { .name = "a body by length", .in = P "Content-Length: 3\r\n\r\nabcGET", .path = "/p",
              .query = "", .body = "abc", .rest = 3 },
        GOOD("a length with zeros before it", P "Content-Length: 003\r\n\r\nabc", "/p", "", "abc"),
        GOOD("length 0", P "Content-Length: 0\r\n\r\n", "/p", "", ""),
        GOOD("the longest body", P "Content-Length: 32\r\n\r\n0123456789abcdef0123456789abcdef",
              "/p", "", "0123456789abcdef0123456789abcdef"),
        BAD("one byte longer", 413, P "Content-Length: 33\r\n\r\n"),
        BAD("a length beyond 64 bits", 413, P "Content-Length: 99999999999999999999999\r\n\r\n"),
        BAD("a length of 2^64 + 3", 413, P "Content-Length: 18446744073709551619\r\n\r\nabc"),
        BAD("a length with a sign", 400, P "Content-Length: +3\r\n\r\nabc"),
        BAD("a negative length", 400, P "Content-Length: -3\r\n\r\nabc"),
        BAD("an empty length", 400, P "Content-Length:\r\n\r\n"),
        BAD("a length in hex", 400, P "Content-Length: 0x3\r\n\r\nabc"),
        BAD("a list of lengths", 400, P "Content-Length: 3, 3\r\n\r\nabc"),
        BAD("two equal lengths", 400, P "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
        BAD("two unequal lengths", 400, P "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc"),
        BAD("length and chunks", 400, P
              "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        BAD("chunks and length", 400, P
              "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n"),
        BAD("chunks in HTTP/1.0", 400,
              "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        BAD("gzip and chunked", 501, P "Transfer-Encoding: gzip, chunked\r\n\r\n"),
        BAD("chunked twice", 400, P
              "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
        BAD("identity", 501, P "Transfer-Encoding: identity\r\n\r\n"),
        BAD("chunked with a vertical tab", 400, P "Transfer-Encoding: \vchunked\r\n\r\n"),
        GOOD("Chunked in capitals", P "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", "/p", "", ""),
        { .name = "chunks", .in = CH "3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\nG", .path = "/p",
              .query = "", .body = "abc0123456789", .rest = 1 },
        GOOD("sizes with zeros before them", CH "0003\r\nabc\r\n000\r\n\r\n", "/p", "", "abc"),
        GOOD("trailers", CH "3\r\nabc\r\n0\r\nX: y\r\nContent-Length: 7\r\n\r\n", "/p", "", "abc"),
        BAD("a malformed trailer", 400, CH "0\r\nX y\r\n\r\n"),
        GOOD("extensions", CH "3;a;b=c;d=\"e;\\\"f\" ; g = h\r\nabc\r\n0;x\r\n\r\n", "/p", "", "abc"
              ),
        BAD("an extension without a name", 400, CH "3;\r\nabc\r\n0\r\n\r\n"),
        BAD("an extension whose quotes stay open", 400, CH "3;a=\"b\r\nabc\r\n0\r\n\r\n"),
        BAD("a blank behind the size", 400, CH "3 \r\nabc\r\n0\r\n\r\n"),
        BAD("a size with 0x", 400, CH "0x3\r\nabc\r\n0\r\n\r\n"),
        BAD("no size", 400, CH "\r\nabc\r\n0\r\n\r\n"),
        BAD("a negative size", 400, CH "-3\r\nabc\r\n"),
        BAD("a size beyond 64 bits", 400, CH "10000000000000003\r\nabc\r\n"),
        BAD("a size of 64 bits", 413, CH "ffffffffffffffff\r\nabc\r\n"),
        BAD("seventeen digits of size", 400, CH "00000000000000003\r\nabc\r\n"),
        BAD("a chunk longer than it says", 400, CH "3\r\nabcd\r\n0\r\n\r\n"),
        BAD("a chunk that ends in LF", 400, CH "3\r\nabc\n0\r\n\r\n"),
        BAD("a size line that ends in LF", 400, CH "3\nabc\r\n0\r\n\r\n"),
        BAD("chunks too large together", 413, CH "10\r\n0123456789abcdef\r\n11\r\n0123456789abcdef"
              ),
        BAD("extensions too large together", 431, CH "1;" K1 K1 "\r\na\r\n1;" K1 K1 "\r\nb\r\n1;" K1
              "\r\nc\r\n0\r\n\r\n"),
        BAD("trailers too large together", 431, CH "0\r\na: " K1 K1 "\r\nb: " K1 K1 "\r\n\r\n"),
        BAD("a request line too long", 414, "GET /" K1 K1 " HTTP/1.1\r\nHost: a\r\n\r\n"),
        BAD("one header too long", 431, G "X: " K2 "\r\n\r\n"),
        BAD("headers too large together", 431, G "a: " K1 "\r\nb: " K1 "\r\nc: " K1 "\r\nd: " K1
              "\r\n\r\n"),
        WAITS("a client that waits", P "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n"),
        WAITS("one that waits and sends chunks", P
              "Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n\r\n"),
        BAD("another expectation", 417, P "Expect: tea\r\nContent-Length: 1\r\n\r\n"),
};
enum { N_ROWS = sizeof rows / sizeof *rows };

struct seen { enum wt_http_state state; int status; size_t used; };

/* Feeds in pieces: up to a, up to b, the rest; each from a copy of its own size, so that ASan sees
 * a read beyond it. */
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
        static const char in[] = P "X: y\r\nContent-Length: 3\r\n\r\nabc" G "\r\n"
                                 CH "1\r\nz\r\n0\r\n\r\n";
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
                tests[i] = (struct CMUnitTest){ rows[i].name, parses, NULL, NULL,
                                                (void *)&rows[i] };
        memcpy(tests + N_ROWS, others, sizeof others);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
