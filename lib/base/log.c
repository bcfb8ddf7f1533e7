#include "base/log.h"
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/buf.h"

/* A line lives on the stack. Escaping makes six bytes of one at most, so LINE holds any line and
 * the buffer never grows: TEXT, a service name and the fixed fields, times six. */
enum { TEXT = 2048, SERVICE = 64, LINE = 6 * (TEXT + SERVICE) + 512 };

static char service[SERVICE] = "witan";
static enum wt_level least_level = WT_INFO;
static int log_fd = 2;
static const char *const names[] = { "error", "warn", "notice", "info", "debug" };
enum { N_LEVELS = sizeof names / sizeof *names };

const char *wt_level_name(enum wt_level l) { return (unsigned)l < N_LEVELS ? names[l] : "?"; }

int wt_level_of(const char *name)
{
        for (int i = 0; i < N_LEVELS; i++)
                if (strcmp(name, names[i]) == 0)
                        return i;
        return -1;
}

void wt_log_init(const char *svc, enum wt_level least, int fd)
{
        snprintf(service, sizeof service, "%s", svc);
        least_level = least;
        log_fd = fd;
}

static void begin(struct wt_buf *b, enum wt_level level, const char *id)
{
        struct timespec t;
        struct tm utc;
        char ts[64];
        size_t n;

        clock_gettime(CLOCK_REALTIME, &t);
        gmtime_r(&t.tv_sec, &utc);
        n = strftime(ts, sizeof ts, "%Y-%m-%dT%H:%M:%S", &utc);
        snprintf(ts + n, sizeof ts - n, ".%06ldZ", t.tv_nsec / 1000);
        wt_buf_add(b, "{", 1);
        wt_buf_json_kv(b, "ts", ts);
        wt_buf_json_kv(b, "level", wt_level_name(level));
        wt_buf_json_kv(b, "id", id);
        wt_buf_json_kv(b, "svc", service);
}

static void end(struct wt_buf *b)
{
        ssize_t n;

        wt_buf_add(b, "}\n", 2);
        do {
                n = write(log_fd, b->data, b->len);
        } while (n < 0 && errno == EINTR);       /* any other failure has nowhere to be told */
}

/* A number as JSON writes it: -?(0|[1-9][0-9]*)(.[0-9]+)?([eE][+-]?[0-9]+)? */
static bool reads_as_number(const char *s, size_t len)
{
        const char *p = s, *e = s + len, *from;

        if (p < e && *p == '-') p++;
        from = p;
        while (p < e && *p >= '0' && *p <= '9') p++;
        if (p == from || (*from == '0' && p - from > 1)) return false;
        if (p < e && *p == '.') {
                from = ++p;
                while (p < e && *p >= '0' && *p <= '9') p++;
                if (p == from) return false;
        }
        if (p < e && (*p == 'e' || *p == 'E')) {
                if (++p < e && (*p == '+' || *p == '-')) p++;
                from = p;
                while (p < e && *p >= '0' && *p <= '9') p++;
                if (p == from) return false;
        }
        return p == e;
}

/* Does a "key=" (or the end) stand at s, after blanks? */
static bool at_pair(const char *s)
{
        size_t n;

        if (*s == '\0')
                return true;
        if (*s != ' ')
                return false;
        s += strspn(s, " ");
        n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.");
        return *s == '\0' || (n > 0 && s[n] == '=');
}

/* One key=value at s; returns what comes after it. A quoted value ends at the quote before the next
 * pair, so that a quote inside does no harm. */
static const char *pair(struct wt_buf *b, const char *s)
{
        size_t n = strcspn(s, "= ");
        const char *value = s[n] == '=' ? s + n + 1 : s + n, *stop;

        wt_buf_json_sep(b);
        wt_buf_json_str(b, s, n);
        wt_buf_add(b, ":", 1);
        if (*value == '"') {
                stop = ++value;
                while (*stop && !(*stop == '"' && at_pair(stop + 1)))
                        stop++;
                wt_buf_json_str(b, value, (size_t)(stop - value));
                return *stop ? stop + 1 : stop;
        }
        stop = value + strcspn(value, " ");
        if (reads_as_number(value, (size_t)(stop - value)))
                wt_buf_add(b, value, (size_t)(stop - value));
        else
                wt_buf_json_str(b, value, (size_t)(stop - value));
        return stop;
}

void wt_log(enum wt_level level, const char *id, const char *fmt, ...)
{
        char text[TEXT], line[LINE];
        struct wt_buf b = { .data = line, .cap = sizeof line };
        va_list ap;

        if (level > least_level)
                return;
        va_start(ap, fmt);
        vsnprintf(text, sizeof text, fmt, ap);
        va_end(ap);
        begin(&b, level, id);
        for (const char *s = text + strspn(text, " "); *s; s += strspn(s, " "))
                s = pair(&b, s);
        end(&b);
}

void wt_log_err(enum wt_level level, const char *id, wt_err e)
{
        char line[LINE];
        struct wt_buf b = { .data = line, .cap = sizeof line };

        if (level > least_level)
                return;
        begin(&b, level, id);
        wt_buf_json_kv(&b, "code", wt_code_name(e));
        wt_buf_json_kv(&b, "words", wt_words());
        end(&b);
}
