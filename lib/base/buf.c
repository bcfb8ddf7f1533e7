#include "base/buf.h"
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/err.h"
#include "base/hot.h"
#include "base/number.h"
#include "base/utf8.h"

void wt_buf_free(struct wt_buf *b)
{
        free(b->data);
        *b = (struct wt_buf){ 0 };
}

void wt_buf_clear(struct wt_buf *b)
{
        b->len = 0;
        if (b->data)
                b->data[0] = '\0';
}

char *wt_buf_try(struct wt_buf *b, size_t n)
{
        size_t cap = b->cap ? b->cap : 64, need;
        char *grown;

        WT_ASSERT(n < SIZE_MAX / 4 && b->len < SIZE_MAX / 4);
        need = b->len + n + 1;
        if (need > b->cap) {
                while (cap < need)
                        cap *= 2;
                wt_hot_note_alloc("a growing buffer");
                if (!(grown = realloc(b->data, cap)))
                        return NULL;
                b->data = grown;
                b->cap = cap;
                b->data[b->len] = '\0';
        }
        return b->data + b->len;
}

char *wt_buf_room(struct wt_buf *b, size_t n)
{
        char *to = wt_buf_try(b, n);

        if (!to)
                wt_out_of_memory("a growing buffer", b->len + n + 1);
        return to;
}

void wt_buf_add(struct wt_buf *b, const void *p, size_t n)
{
        char *to = wt_buf_room(b, n);

        if (n)
                memcpy(to, p, n);
        b->len += n;
        b->data[b->len] = '\0';
}

void wt_buf_str(struct wt_buf *b, const char *s) { wt_buf_add(b, s, strlen(s)); }

void wt_buf_fmt(struct wt_buf *b, const char *fmt, ...)
{
        va_list ap, again;
        char *to = wt_buf_room(b, 0);
        size_t free_bytes = b->cap - b->len;
        int n;

        va_start(ap, fmt);
        va_copy(again, ap);
        n = vsnprintf(to, free_bytes, fmt, ap);
        WT_ASSERT(n >= 0);
        if ((size_t)n >= free_bytes)
                vsnprintf(wt_buf_room(b, (size_t)n), (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
        va_end(again);
        va_end(ap);
}

void wt_buf_drop_front(struct wt_buf *b, size_t n)
{
        WT_ASSERT(n <= b->len);
        if (n == 0)
                return;
        memmove(b->data, b->data + n, b->len - n + 1);
        b->len -= n;
}

/* ---- JSON ---- */

void wt_buf_json_sep(struct wt_buf *b)
{
        char last = b->len ? b->data[b->len - 1] : '[';

        if (last != '{' && last != '[' && last != ':')
                wt_buf_add(b, ",", 1);
}

/* Writes one character that may not stand in a JSON string as it is. */
static void escape(struct wt_buf *b, unsigned char c)
{
        static const char hex[] = "0123456789abcdef";
        static const char shorts[][2] = {{'"', '"'},  {'\\', '\\'}, {'\n', 'n'}, {'\r', 'r'},
                                         {'\t', 't'}, {'\b', 'b'},  {'\f', 'f'}};

        for (size_t i = 0; i < sizeof shorts / sizeof *shorts; i++)
                if ((char)c == shorts[i][0]) {
                        wt_buf_add(b, (char[]){ '\\', shorts[i][1] }, 2);
                        return;
                }
        wt_buf_add(b, (char[]){ '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] }, 6);
}

void wt_buf_json_str(struct wt_buf *b, const char *s, size_t len)
{
        size_t plain = 0, i = 0;                 /* [plain, i) is still to be copied as it is */

        wt_buf_add(b, "\"", 1);
        while (i < len) {
                unsigned char c = (unsigned char)s[i];
                size_t n = 1;

                if (c >= 0x20 && c != '"' && c != '\\' &&
                    (c < 0x80 || (n = wt_utf8(s + i, len - i)))) {
                        i += n;
                        continue;
                }
                wt_buf_add(b, s + plain, i - plain);
                if (c < 0x80)
                        escape(b, c);
                else
                        wt_buf_add(b, "\xef\xbf\xbd", 3);
                plain = ++i;
        }
        wt_buf_add(b, s + plain, len - plain);
        wt_buf_add(b, "\"", 1);
}

void wt_buf_json_key(struct wt_buf *b, const char *key)
{
        wt_buf_json_sep(b);
        wt_buf_json_str(b, key, strlen(key));
        wt_buf_add(b, ":", 1);
}

void wt_buf_json_kv(struct wt_buf *b, const char *key, const char *s)
{
        wt_buf_json_key(b, key);
        if (s)
                wt_buf_json_str(b, s, strlen(s));
        else
                wt_buf_add(b, "null", 4);
}

void wt_buf_json_ki(struct wt_buf *b, const char *key, int64_t v)
{
        wt_buf_json_key(b, key);
        wt_buf_fmt(b, "%" PRId64, v);
}

void wt_buf_json_ku(struct wt_buf *b, const char *key, uint64_t v)
{
        wt_buf_json_key(b, key);
        wt_buf_fmt(b, "%" PRIu64, v);
}

void wt_buf_json_kf(struct wt_buf *b, const char *key, double v)
{
        char text[32];

        wt_buf_json_key(b, key);
        if (isfinite(v))
                wt_buf_add(b, text, (size_t)wt_dtoa(v, text));
        else
                wt_buf_add(b, "null", 4);
}

void wt_buf_json_kb(struct wt_buf *b, const char *key, int v)
{
        wt_buf_json_key(b, key);
        wt_buf_str(b, v ? "true" : "false");
}
