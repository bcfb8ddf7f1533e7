/* head.c - status line and headers of an answer. */
#include "net/conn.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { HEAD_ROOM = 256 };                        /* of what is written here beside the arguments */

static const struct { int status; const char *text; } reasons[] = {
        { 200, "OK" }, { 201, "Created" }, { 202, "Accepted" }, { 204, "No Content" },
        { 301, "Moved Permanently" }, { 302, "Found" }, { 304, "Not Modified" },
        { 400, "Bad Request" }, { 401, "Unauthorized" }, { 402, "Payment Required" },
        { 403, "Forbidden" }, { 404, "Not Found" }, { 405, "Method Not Allowed" },
        { 406, "Not Acceptable" }, { 408, "Request Timeout" }, { 409, "Conflict" }, { 410, "Gone" },
        { 411, "Length Required" }, { 412, "Precondition Failed" }, { 413, "Content Too Large" },
        { 414, "URI Too Long" }, { 415, "Unsupported Media Type" }, { 417, "Expectation Failed" },
        { 422, "Unprocessable Content" }, { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" }, { 499, "Client Closed Request" },
        { 500, "Internal Server Error" }, { 501, "Not Implemented" }, { 502, "Bad Gateway" },
        { 503, "Service Unavailable" }, { 504, "Gateway Timeout" },
        { 505, "HTTP Version Not Supported" },
};

static const char *reason(int status)
{
        for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
                if (reasons[i].status == status)
                        return reasons[i].text;
        return "Unknown";
}

/* IMF-fixdate (RFC 9110 5.6.7), made once a second; strftime would ask the locale. */
static const char *date(struct wt_http *h)
{
        static const char days[] = "SunMonTueWedThuFriSat";
        static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
        time_t now = time(NULL);
        struct tm t;

        if (now != h->date_at && gmtime_r(&now, &t)) {
                snprintf(h->date, sizeof h->date, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT",
                         days + 3 * t.tm_wday, (unsigned)t.tm_mday % 100u, months + 3 * t.tm_mon,
                         (unsigned)(t.tm_year + 1900) % 10000u, (unsigned)t.tm_hour % 100u,
                         (unsigned)t.tm_min % 100u, (unsigned)t.tm_sec % 100u);
                h->date_at = now;
        }
        return h->date;
}

/* length -1: a stream, chunked or until the connection ends; -2: neither length nor body (204,
 * 304). */
void conn_head(struct conn *c, int status, const char *type, const char *headers, int64_t length)
{
        size_t more = length > 0 ? (size_t)length : 0;
        struct wt_buf *o = &c->out;

        if (!conn_room(c, HEAD_ROOM + more + (type ? strlen(type) : 0) +
                          (headers ? strlen(headers) : 0)))
                return;
        wt_buf_fmt(o, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status, reason(status), date(c->http));
        if (type && length != -2)
                wt_buf_fmt(o, "Content-Type: %s\r\n", type);
        if (length >= 0)
                wt_buf_fmt(o, "Content-Length: %lld\r\n", (long long)length);
        else if (c->call.chunked)
                wt_buf_str(o, "Transfer-Encoding: chunked\r\n");
        if (headers)
                wt_buf_str(o, headers);
        if (c->close_after)
                wt_buf_str(o, "Connection: close\r\n");
        else if (!c->parser.minor_1)
                wt_buf_str(o, "Connection: keep-alive\r\n");
        wt_buf_str(o, "\r\n");
}
