/* parse.c - HTTP/1.1 requests (RFC 9112), strictly: where two readers of the same bytes could
 * disagree about where a message ends, the message is refused. Takes bytes in pieces of any size;
 * the outcome does not depend on where they were cut. */
#include "net/parse.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum phase { START, FIELDS, BODY, CHUNK_LINE, CHUNK_DATA, CHUNK_END, TRAILERS, DONE, REFUSED };
enum { MAX_CHUNK_LINE = 1024, MAX_EMPTY_LINES = 8 };

const struct wt_http_limits wt_http_default = {
        .max_line = 8 << 10, .max_headers = 32 << 10, .max_body = 8 << 20, .max_connections = 4096,
        .request_timeout_us = 10000000, .idle_timeout_us = 75000000, .max_unsent = 4 << 20,
};

size_t wt_http_parser_bytes(void) { return sizeof(struct wt_http_parser); }

void wt_http_parser_init(struct wt_http_parser *p, const struct wt_http_limits *lim)
{
        memset(p, 0, sizeof *p);
        p->lim = lim ? *lim : wt_http_default;
}

void wt_http_parser_fini(struct wt_http_parser *p)
{
        wt_buf_free(&p->head);
        wt_buf_free(&p->body);
}

static struct wt_buf kept(struct wt_buf b, size_t most)
{
        if (b.cap > most)
                wt_buf_free(&b);
        else
                wt_buf_clear(&b);
        return b;
}

void wt_http_parser_reset(struct wt_http_parser *p, size_t keep_bytes)
{
        struct wt_http_limits lim = p->lim;
        struct wt_buf head = kept(p->head, keep_bytes), body = kept(p->body, keep_bytes);

        wt_http_parser_init(p, &lim);
        p->head = head;
        p->body = body;
}

bool wt_http_parser_started(const struct wt_http_parser *p)
{
        return p->phase != START || p->head.len > 0;
}

bool wt_http_parser_waits(const struct wt_http_parser *p)
{
        return p->expect && (p->phase == BODY || p->phase == CHUNK_LINE) && p->body.len == 0;
}

bool wt_http_parser_keeps(const struct wt_http_parser *p)
{
        return p->phase == DONE && !p->close && (p->minor_1 || p->keep);
}

const char *wt_http_parser_field(const struct wt_http_parser *p, const char *name)
{
        for (uint32_t i = 0; i < p->n_fields; i++)
                if (strcasecmp(p->head.data + p->fields[i].name, name) == 0)
                        return p->head.data + p->fields[i].value;
        return NULL;
}

int wt_http_parser_status(const struct wt_http_parser *p, const char **why)
{
        if (why)
                *why = p->why ? p->why : "";
        return p->status;
}

static void refuse(struct wt_http_parser *p, int status, const char *why)
{
        p->phase = REFUSED;
        p->status = status;
        p->why = why;
}

static void too_large(struct wt_http_parser *p)
{
        snprintf(p->words, sizeof p->words, "the request body is too large; at most %zu bytes are "
                 "taken (max_body)", p->lim.max_body);
        refuse(p, 413, p->words);
}

/* "http://host/path?query" loses scheme and authority: the path of a proxy's request is the path.
 * The head then goes on after the "/" that an empty path stands for. */
static void absolute_form(struct wt_http_parser *p)
{
        char *host = p->head.data + p->path + (p->head.data[p->path + 4] == ':' ? 7 : 8);
        size_t skip = strcspn(host, "/?");

        if (host[skip] == '/') {
                p->path = (uint32_t)(host + skip - p->head.data);
                return;
        }
        if (host[skip] == '?')
                p->query = (uint32_t)(host + skip + 1 - p->head.data);
        p->path = (uint32_t)p->head.len;
        wt_buf_add(&p->head, "/", 2);
        p->line = (uint32_t)p->head.len;
}

static void target(struct wt_http_parser *p, char *at, size_t len)
{
        bool absolute = strncasecmp(at, "http://", 7) == 0 || strncasecmp(at, "https://", 8) == 0;
        const char *method = p->head.data + p->method;
        char *mark;

        if (!wt_http_is_target(at, len))
                return refuse(p, 400, "the request target has a character that is not allowed");
        if (strcmp(method, "CONNECT") == 0)
                return refuse(p, 501, "CONNECT is not supported");
        if (*at != '/' && !absolute && !(strcmp(at, "*") == 0 && strcmp(method, "OPTIONS") == 0))
                return refuse(p, 400, "the request target must begin with a slash");
        p->path = (uint32_t)(at - p->head.data);
        p->query = p->path + (uint32_t)len;      /* the NUL after it: "" */
        if (absolute)
                absolute_form(p);
        mark = strchr(p->head.data + p->path, '?');
        if (mark) {
                *mark = '\0';
                p->query = (uint32_t)(mark + 1 - p->head.data);
        }
}

/* method SP target SP HTTP-version, single blanks. */
static void request_line(struct wt_http_parser *p, char *s, size_t len)
{
        char *sp = memchr(s, ' ', len), *second, *end = s + len;
        size_t n;

        if (!sp || !wt_http_is_token(s, (size_t)(sp - s)))
                return refuse(p, 400, "the request line does not begin with a method");
        second = memchr(sp + 1, ' ', (size_t)(end - sp - 1));
        if (!second)
                return refuse(p, 400, "the request line has no HTTP version");
        n = (size_t)(end - second - 1);
        if (n != 8 || memcmp(second + 1, "HTTP/", 5) != 0 || second[7] != '.' ||
            second[6] < '0' || second[6] > '9' || second[8] < '0' || second[8] > '9')
                return refuse(p, 400, "the request line does not end in an HTTP version");
        if (second[6] != '1' || second[8] > '1')
                return refuse(p, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
        p->minor_1 = second[8] == '1';
        p->method = (uint32_t)(s - p->head.data);
        *sp = *second = *end = '\0';
        p->line = (uint32_t)p->head.len;
        p->phase = FIELDS;
        target(p, sp + 1, (size_t)(second - sp - 1));
        p->fields_at = p->line;
}

static void content_length(struct wt_http_parser *p, const char *v)
{
        uint64_t n = 0;

        for (const char *c = v; *c; c++) {
                if (*c < '0' || *c > '9')
                        return refuse(p, 400, "Content-Length is not a number");
                if (n > UINT64_MAX / 10 - 1)
                        return too_large(p);
                n = n * 10 + (uint64_t)(*c - '0');
        }
        if (!*v)
                return refuse(p, 400, "Content-Length is not a number");
        p->has_length = true;
        p->left = n;
}

/* Fields that mean something to the framing, or whose meaning is lost when they come twice. */
static void special(struct wt_http_parser *p, const char *name, const char *v)
{
        static const char *const once[] = { "content-length", "transfer-encoding", "host",
                                            "authorization", "content-type" };

        for (size_t i = 0; i < sizeof once / sizeof *once; i++)
                if (strcasecmp(name, once[i]) == 0 && wt_http_parser_field(p, name))
                        return refuse(p, 400, "a header that may come once came twice");
        if (strcasecmp(name, "content-length") == 0)
                return content_length(p, v);
        if (strcasecmp(name, "transfer-encoding") == 0) {
                if (strcasecmp(v, "chunked") != 0)
                        return refuse(p, 501, "the only transfer coding understood is chunked");
                p->chunked = true;
        } else if (strcasecmp(name, "host") == 0) {
                if (!wt_http_is_host(v))
                        return refuse(p, 400, "Host is malformed");
                p->n_host = 1;
        } else if (strcasecmp(name, "connection") == 0) {
                p->close |= wt_http_list_has(v, "close");
                p->keep |= wt_http_list_has(v, "keep-alive");
        } else if (strcasecmp(name, "expect") == 0) {
                if (strcasecmp(v, "100-continue") != 0)
                        return refuse(p, 417, "the only expectation understood is 100-continue");
                p->expect = p->minor_1;
        }
}

static void head_complete(struct wt_http_parser *p)
{
        p->head_done = true;
        if (p->minor_1 && !p->n_host)
                return refuse(p, 400, "an HTTP/1.1 request needs a Host header");
        if (p->chunked && p->has_length)
                return refuse(p, 400, "Content-Length and Transfer-Encoding exclude each other");
        if (p->chunked && !p->minor_1)
                return refuse(p, 400, "HTTP/1.0 has no transfer codings");
        if (p->left > p->lim.max_body)
                return too_large(p);
        p->phase = p->chunked ? CHUNK_LINE : p->left > 0 ? BODY : DONE;
}

static void field_line(struct wt_http_parser *p, char *s, size_t len)
{
        char *name, *value;
        const char *why = wt_http_field_split(s, len, &name, &value);

        if (why)
                return refuse(p, 400, why);
        if (p->phase == TRAILERS)
                return;                          /* checked, and of no use to anyone */
        if (p->n_fields == WT_HTTP_FIELDS)
                return refuse(p, 431, "the request has too many header lines");
        special(p, name, value);                 /* before it is listed: looks for an earlier one */
        p->fields[p->n_fields++] =
                (struct wt_http_field){ (uint32_t)(name - p->head.data),
                                        (uint32_t)(value - p->head.data) };
        p->line = (uint32_t)p->head.len;
}

static void chunk_line(struct wt_http_parser *p, const char *s, size_t len)
{
        uint64_t size;
        const char *why = wt_http_chunk_line(s, len, &size);

        if (why)
                return refuse(p, 400, why);
        if (size > p->lim.max_body - p->body.len)
                return too_large(p);
        for (size_t i = 0; i < len; i++)
                if (s[i] == ';')
                        p->extra += len - i, i = len;
        if (p->extra > p->lim.max_headers)
                return refuse(p, 431, "the request has too many bytes of chunk extensions");
        p->left = size;
        p->phase = size > 0 ? CHUNK_DATA : TRAILERS;
}

/* A line is whole: from p->line to the end of head, with its LF. */
static void whole_line(struct wt_http_parser *p)
{
        char *s = p->head.data + p->line;
        size_t len = p->head.len - p->line;

        if (len < 2 || s[len - 2] != '\r')
                return refuse(p, 400, "a line ends in LF without CR");
        len -= 2;
        if (memchr(s, '\r', len))
                return refuse(p, 400, "a line has a CR inside");
        if (p->phase == START && len == 0) {
                if (++p->extra > MAX_EMPTY_LINES)
                        return refuse(p, 400, "too many empty lines before the request");
        } else if (p->phase == START) {
                p->extra = 0;
                return request_line(p, s, len);
        } else if (p->phase == FIELDS && len > 0) {
                return field_line(p, s, len);
        } else if (p->phase == FIELDS) {
                head_complete(p);
        } else if (p->phase == CHUNK_LINE) {
                chunk_line(p, s, len);
        } else if (p->phase == CHUNK_END) {
                if (len > 0)
                        return refuse(p, 400, "a chunk is longer than its size says");
                p->phase = CHUNK_LINE;
        } else if (len > 0) {
                p->extra += len + 2;             /* its limit: line_too_long */
                field_line(p, s, len);
        } else {
                p->phase = DONE;
        }
        p->head.len = p->line;                   /* these lines are not kept */
}

/* Would n more bytes make the line longer than its kind may be? */
static bool line_too_long(struct wt_http_parser *p, size_t n)
{
        size_t len = p->head.len - p->line + n;

        switch (p->phase) {
        case START:
                if (len > p->lim.max_line)
                        refuse(p, 414, "the request line is too long");
                break;
        case FIELDS:
                if (p->head.len - p->fields_at + n > p->lim.max_headers)
                        refuse(p, 431, "the request headers are too large");
                break;
        case TRAILERS:
                if (p->extra + len > p->lim.max_headers)
                        refuse(p, 431, "the request trailers are too large");
                break;
        default:
                if (len > MAX_CHUNK_LINE)
                        refuse(p, 400, "a chunk line is too long");
        }
        return p->phase == REFUSED;
}

static size_t no_memory(struct wt_http_parser *p)
{
        wt_buf_free(&p->body);
        refuse(p, 503, "no memory for this request; try again later");
        return 0;
}

/* Takes bytes up to the end of the line; returns how many. */
static size_t take_line(struct wt_http_parser *p, const char *data, size_t len)
{
        const char *lf = memchr(data, '\n', len);
        size_t n = lf ? (size_t)(lf - data) + 1 : len;

        /* Said at once, not when a line that never ends has timed out: TLS on this port, or
         * noise. */
        if (p->phase == START && p->head.len == 0 && *data != '\r' && *data != '\n' &&
            !wt_http_is_token(data, 1)) {
                refuse(p, 400, "this is not HTTP/1.1 in clear text");
                return 0;
        }
        if (line_too_long(p, n))
                return 0;
        if (!wt_buf_try(&p->head, n))
                return no_memory(p);
        wt_buf_add(&p->head, data, n);
        if (lf)
                whole_line(p);
        return n;
}

static size_t take_body(struct wt_http_parser *p, const char *data, size_t len)
{
        size_t n = len < p->left ? len : (size_t)p->left;

        if (!wt_buf_try(&p->body, n))
                return no_memory(p);
        wt_buf_add(&p->body, data, n);
        p->left -= n;
        if (p->left == 0)
                p->phase = p->phase == BODY ? DONE : CHUNK_END;
        return n;
}

size_t wt_http_parser_feed(struct wt_http_parser *p, const char *data, size_t len,
                           enum wt_http_state *state)
{
        size_t at = 0;

        while (at < len && p->phase < DONE) {
                if (p->phase == BODY || p->phase == CHUNK_DATA)
                        at += take_body(p, data + at, len - at);
                else
                        at += take_line(p, data + at, len - at);
        }
        *state = p->phase == DONE ? WT_HTTP_DONE
               : p->phase == REFUSED ? WT_HTTP_REFUSED : WT_HTTP_MORE;
        return at;
}
