#include "base/base64.h"
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void wt_base64_add(struct wt_buf *out, const void *data, size_t len)
{
        const uint8_t *p = data;
        char *at = wt_buf_room(out, (len + 2) / 3 * 4);

        for (size_t i = 0; i < len; i += 3) {
                uint32_t v = (uint32_t)p[i] << 16, n = len - i < 3 ? (uint32_t)(len - i) : 3;

                v |= n > 1 ? (uint32_t)p[i + 1] << 8 : 0;
                v |= n > 2 ? p[i + 2] : 0;
                *at++ = digits[v >> 18];
                *at++ = digits[v >> 12 & 63];
                *at++ = n > 1 ? digits[v >> 6 & 63] : '=';
                *at++ = n > 2 ? digits[v & 63] : '=';
        }
        out->len += (len + 2) / 3 * 4;
        out->data[out->len] = '\0';
}

static int digit(char c, const char last[2])
{
        if (c >= 'A' && c <= 'Z')
                return c - 'A';
        if (c >= 'a' && c <= 'z')
                return c - 'a' + 26;
        if (c >= '0' && c <= '9')
                return c - '0' + 52;
        return c == last[0] ? 62 : c == last[1] ? 63 : -1;
}

/* Four characters; n of the three bytes come from them. False: no base64. */
static bool four(const char *t, uint32_t n, uint8_t *out)
{
        uint32_t v = 0;

        for (uint32_t i = 0; i < 4; i++) {
                int d = i <= n ? digit(t[i], "+/") : 0;

                if (d < 0 || (i > n && t[i] != '='))
                        return false;
                v = v << 6 | (uint32_t)d;
        }
        if (v & (0xffffffu >> 8 * n))
                return false;                    /* two texts would mean the same */
        for (uint32_t i = 0; i < n; i++)
                out[i] = (uint8_t)(v >> (16 - 8 * i));
        return true;
}

static size_t bytes_of(const char *text, size_t len)
{
        if (len == 0)
                return 0;
        return len / 4 * 3 - (text[len - 1] == '=') - (text[len - 2] == '=');
}

static bool decode(const char *text, size_t len, uint8_t *out, size_t n)
{
        for (size_t i = 0; i < len / 4; i++)
                if (!four(text + 4 * i, n - 3 * i < 3 ? (uint32_t)(n - 3 * i) : 3, out + 3 * i))
                        return false;
        return true;
}

bool wt_base64_read(struct wt_buf *out, const char *text, size_t len)
{
        size_t n;

        if (len % 4 != 0)
                return false;
        n = bytes_of(text, len);
        if (!decode(text, len, (uint8_t *)wt_buf_room(out, n), n))
                return false;
        out->len += n;
        out->data[out->len] = '\0';
        return true;
}

bool wt_base64_exact(const char *text, size_t len, void *out, size_t n)
{
        return len % 4 == 0 && bytes_of(text, len) == n && decode(text, len, out, n);
}

bool wt_base64url_read(struct wt_buf *out, const char *text, size_t len)
{
        uint8_t *to = (uint8_t *)wt_buf_room(out, len / 4 * 3 + 3);
        uint32_t bits = 0, have = 0;
        size_t n = 0;

        for (size_t i = 0; i < len; i++) {
                int d = digit(text[i], "-_");

                if (d < 0)
                        return false;
                bits = (bits << 6 | (uint32_t)d) & 0xffff;
                have += 6;
                if (have >= 8) {
                        have -= 8;
                        to[n++] = (uint8_t)(bits >> have);
                }
        }
        if (len % 4 == 1 || (bits & ((1u << have) - 1)) != 0)
                return false;
        to[n] = '\0';
        out->len += n;
        return true;
}
