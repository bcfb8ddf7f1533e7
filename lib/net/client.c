/* client.c - a blocking HTTP/1.1 client, one request a connection, for the command line. */
#include "net/addr.h"
#include "net/http.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { MAX_HEAD = 64 << 10, MAX_COLLECTED = 64 << 20, MAX_LINE = 4 << 10 };

struct fetch {
        int fd, timeout_ms;
        const struct wt_secure *secure;          /* NULL: plain TCP */
        wt_link *link;
        char where[300];                         /* HOST:PORT, for words */
        struct wt_buf in;                        /* bytes read, from in_at on not yet used */
        size_t in_at;
        struct wt_buf *out;
        bool (*each)(void *arg, const char *data, size_t n);
        void *arg;
};

/* Waits until fd is ready for events. */
static wt_err ready(struct fetch *f, short events)
{
        struct pollfd p = { .fd = f->fd, .events = events };
        int n;

        do {
                n = poll(&p, 1, f->timeout_ms);
                if (n < 0 && errno == EINTR && f->each && !f->each(f->arg, "", 0))
                        return wt_fail(WT_ECANCELLED, "stopped");
        } while (n < 0 && errno == EINTR);
        if (n == 0)
                return wt_fail(WT_EDEADLINE, "%s said nothing for %d ms", f->where, f->timeout_ms);
        return n > 0 ? WT_OK : wt_fail(WT_EINTERNAL, "poll: %s", strerror(errno));
}

static wt_err dial(struct fetch *f)
{
        struct sockaddr_storage sa;
        socklen_t len, four = sizeof(int);
        wt_err err = wt_addr_resolve(f->where, false, &sa, &len);
        int failed = 0;

        if (err != WT_OK)
                return err;
        f->fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (f->fd < 0)
                return wt_fail(WT_EEXHAUSTED, "no socket: %s", strerror(errno));
        setsockopt(f->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
        if (connect(f->fd, (struct sockaddr *)&sa, len) != 0) {
                failed = errno;
                if (failed == EINPROGRESS) {
                        if ((err = ready(f, POLLOUT)) != WT_OK)
                                return err;
                        getsockopt(f->fd, SOL_SOCKET, SO_ERROR, &failed, &four);
                }
        }
        if (failed)
                return wt_fail(WT_EUNAVAILABLE, "cannot reach %s: %s", f->where, strerror(failed));
        return WT_OK;
}

/* The handshake; whom we mean is where without its port and brackets. */
static wt_err shake(struct fetch *f)
{
        char host[300];
        wt_err err;

        snprintf(host, sizeof host, "%s", f->where + (f->where[0] == '['));
        host[f->where[0] == '[' ? strcspn(host, "]") : (size_t)(strrchr(host, ':') - host)] = '\0';
        err = f->secure->open(&f->link, f->secure->arg, f->fd, host);
        while (err == WT_OK && (err = f->secure->shake(f->link)) == WT_EAGAIN)
                err = ready(f, f->secure->waits(f->link) == WT_WRITE ? POLLOUT : POLLIN);
        return err == WT_OK || err == WT_EDEADLINE || err == WT_ECANCELLED
                       ? err : wt_fail_in(WT_EUNAVAILABLE, "%s", f->where);
}

static ssize_t put(struct fetch *f, const void *p, size_t n)
{
        return f->link ? f->secure->send(f->link, p, n) : send(f->fd, p, n, MSG_NOSIGNAL);
}

static ssize_t get(struct fetch *f, void *p, size_t n)
{
        return f->link ? f->secure->recv(f->link, p, n) : recv(f->fd, p, n, 0);
}

/* Waits for what the call that said EAGAIN waits for. */
static wt_err again(struct fetch *f, short of_itself)
{
        if (f->link)
                of_itself = f->secure->waits(f->link) == WT_WRITE ? POLLOUT : POLLIN;
        return ready(f, of_itself);
}

/* Sends until done, or until the server closes against us: it may have answered before (413). */
static wt_err send_all(struct fetch *f, const char *data, size_t len)
{
        wt_err err;

        while (len > 0) {
                ssize_t n = put(f, data, len);

                if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
                        if ((err = again(f, POLLOUT)) != WT_OK)
                                return err;
                } else if (n < 0 && errno != EINTR) {
                        return WT_OK;
                } else if (n > 0) {
                        data += n;
                        len -= (size_t)n;
                }
        }
        return WT_OK;
}

/* Reads more; *n is 0 at the end. */
static wt_err more(struct fetch *f, size_t *n)
{
        wt_err err;

        if (f->in_at == f->in.len) {
                wt_buf_clear(&f->in);
                f->in_at = 0;
        }
        for (;;) {
                char *to = wt_buf_try(&f->in, 16 << 10);
                ssize_t got = to ? get(f, to, 16 << 10) : 0;

                if (!to)
                        return wt_fail(WT_ENOMEM, "no memory for the answer of %s", f->where);
                if (got >= 0) {
                        f->in.len += (size_t)got;
                        *n = (size_t)got;
                        return WT_OK;
                }
                if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
                        return wt_fail(WT_EUNAVAILABLE, "%s broke off: %s", f->where,
                                       strerror(errno));
                if ((err = again(f, POLLIN)) != WT_OK)
                        return err;
        }
}

static wt_err broken(const struct fetch *f)
{
        return wt_fail(WT_EUNAVAILABLE, "%s broke off in the middle of its answer", f->where);
}

static wt_err garbled(const struct fetch *f)
{
        return wt_fail(WT_EDATA, "%s does not answer in HTTP/1.1", f->where);
}

/* A line without its CRLF, in in[]; lent until the next read. */
static wt_err line(struct fetch *f, size_t max, char **s)
{
        size_t seen = f->in_at, n;
        char *lf = NULL;
        wt_err err;

        for (;;) {
                size_t have = f->in.len - f->in_at;

                if (f->in.len > seen)
                        lf = memchr(f->in.data + seen, '\n', f->in.len - seen);
                if (lf)
                        break;

                if (have > max)
                        return garbled(f);
                if ((err = more(f, &n)) != WT_OK)
                        return err;
                if (n == 0)
                        return broken(f);
                seen = f->in_at + have;          /* more() may have moved an empty buffer to 0 */
        }
        *s = f->in.data + f->in_at;
        f->in_at = (size_t)(lf - f->in.data) + 1;
        if (lf > *s && lf[-1] == '\r')
                lf--;
        *lf = '\0';
        return WT_OK;
}

static wt_err deliver(struct fetch *f, const char *data, size_t n)
{
        if (f->each)
                return f->each(f->arg, data, n) ? WT_OK : wt_fail(WT_ECANCELLED, "stopped");
        if (!f->out)
                return WT_OK;
        if (f->out->len + n > MAX_COLLECTED)
                return wt_fail(WT_EEXHAUSTED, "%s answers more than 64 MiB", f->where);
        if (!wt_buf_try(f->out, n))
                return wt_fail(WT_ENOMEM, "no memory for the answer of %s", f->where);
        wt_buf_add(f->out, data, n);
        return WT_OK;
}

/* left bytes of body; UINT64_MAX: until the connection ends. */
static wt_err plain(struct fetch *f, uint64_t left)
{
        wt_err err;

        while (left > 0) {
                size_t have = f->in.len - f->in_at, n;

                if (have == 0) {
                        if ((err = more(f, &n)) != WT_OK)
                                return err;
                        if (n == 0)
                                return left == UINT64_MAX ? WT_OK : broken(f);
                        continue;
                }
                n = have < left ? have : (size_t)left;
                if ((err = deliver(f, f->in.data + f->in_at, n)) != WT_OK)
                        return err;
                f->in_at += n;
                if (left != UINT64_MAX)
                        left -= n;
        }
        return WT_OK;
}

static wt_err chunked(struct fetch *f)
{
        wt_err err;
        char *s, *end;

        for (;;) {
                uint64_t n;

                if ((err = line(f, MAX_LINE, &s)) != WT_OK)
                        return err;
                n = strtoull(s, &end, 16);
                if (end == s || n > (1ull << 40) || (*end && *end != ';' && *end != ' '))
                        return garbled(f);
                if (n == 0)
                        break;
                if ((err = plain(f, n)) != WT_OK || (err = line(f, MAX_LINE, &s)) != WT_OK)
                        return err;
                if (*s)
                        return garbled(f);
        }
        do                                       /* trailers, bounded by what one line may be */
                err = line(f, MAX_LINE, &s);
        while (err == WT_OK && *s);
        return err;
}

/* Status line and headers. length: UINT64_MAX unless named. */
static wt_err head(struct fetch *f, int *status, uint64_t *length, bool *in_chunks)
{
        size_t total = 0;
        wt_err err;
        char *s;

        if ((err = line(f, MAX_HEAD, &s)) != WT_OK)
                return err;
        if (strncmp(s, "HTTP/1.", 7) != 0 || strlen(s) < 12 || s[8] != ' ')
                return garbled(f);
        *status = atoi(s + 9);
        *length = UINT64_MAX;
        *in_chunks = false;
        if (*status < 100 || *status > 999)
                return garbled(f);
        for (;;) {
                if ((err = line(f, MAX_HEAD, &s)) != WT_OK)
                        return err;
                if (!*s)
                        return WT_OK;
                if ((total += strlen(s)) > MAX_HEAD)
                        return garbled(f);
                if (strncasecmp(s, "content-length:", 15) == 0)
                        *length = strtoull(s + 15, NULL, 10);
                else if (strncasecmp(s, "transfer-encoding:", 18) == 0)
                        *in_chunks = strcasestr(s + 18, "chunked") != NULL;
        }
}

static wt_err answer(struct fetch *f, bool is_head, int *status)
{
        uint64_t length;
        bool in_chunks;
        wt_err err;
        int code;

        do
                err = head(f, &code, &length, &in_chunks);
        while (err == WT_OK && code < 200);      /* 100 Continue and its like */
        if (err != WT_OK)
                return err;
        if (status)
                *status = code;
        if (is_head || code == 204 || code == 304)
                return WT_OK;
        return in_chunks ? chunked(f) : plain(f, length);
}

/* Splits http[s]://HOST[:PORT][/path]. */
static wt_err split(const char *url, struct fetch *f, const char **path)
{
        bool https = strncasecmp(url, "https://", 8) == 0;
        size_t n;

        if (!https && strncasecmp(url, "http://", 7) != 0)
                return wt_fail(WT_EINVAL, "\"%s\" does not begin with http:// or https://", url);
        if (https && !f->secure)
                return wt_fail(WT_EPRECONDITION, "\"%s\" asks for https, which this program does "
                               "not speak", url);
        if (!https)
                f->secure = NULL;
        url += 7 + https;
        n = strcspn(url, "/?#");
        if (n == 0 || n > 256)
                return wt_fail(WT_EINVAL, "the address names no host");
        for (const char *c = url; *c; c++)
                if (*c <= ' ' || *c == 0x7f)
                        return wt_fail(WT_EINVAL, "the address has a blank or control character");
        snprintf(f->where, sizeof f->where, "%.*s", (int)n, url);
        if (f->where[n - 1] == ']' || !strchr(f->where, ':'))
                snprintf(f->where + n, sizeof f->where - n, https ? ":443" : ":80");
        *path = url + n;
        return WT_OK;
}

wt_err wt_http_fetch_by(const struct wt_secure *secure, const char *method, const char *url,
                        const char *headers, const void *body, size_t len, uint64_t timeout_us,
                        int *status, struct wt_buf *out,
                        bool (*each)(void *arg, const char *data, size_t n), void *arg)
{
        struct fetch f = { .fd = -1, .out = out, .each = each, .arg = arg, .secure = secure };
        struct wt_buf ask = { 0 };
        const char *path = "";
        wt_err err = split(url, &f, &path);

        if (err != WT_OK)
                return err;
        f.timeout_ms = timeout_us / 1000 > INT32_MAX ? INT32_MAX : (int)((timeout_us + 999) / 1000);
        if ((err = dial(&f)) != WT_OK || (f.secure && (err = shake(&f)) != WT_OK))
                goto done;
        wt_buf_fmt(&ask, "%s %s%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s", method,
                   *path == '/' ? "" : "/", path, f.where, headers ? headers : "");
        if (len > 0 || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0)
                wt_buf_fmt(&ask, "Content-Length: %zu\r\n", len);
        wt_buf_str(&ask, "\r\n");
        if ((err = send_all(&f, ask.data, ask.len)) == WT_OK &&
            (err = send_all(&f, body, len)) == WT_OK)
                err = answer(&f, strcmp(method, "HEAD") == 0, status);
done:
        if (f.link)
                f.secure->close(f.link);
        if (f.fd >= 0)
                close(f.fd);
        wt_buf_free(&ask);
        wt_buf_free(&f.in);
        return err;
}

static const struct wt_secure *process_secure;   /* set before threads, read after */

void wt_http_secure_client(const struct wt_secure *s) { process_secure = s; }

wt_err wt_http_fetch(const char *method, const char *url, const char *headers, const void *body,
                     size_t len, uint64_t timeout_us, int *status, struct wt_buf *out,
                     bool (*each)(void *arg, const char *data, size_t n), void *arg)
{
        return wt_http_fetch_by(process_secure, method, url, headers, body, len, timeout_us, status,
                                out, each, arg);
}
