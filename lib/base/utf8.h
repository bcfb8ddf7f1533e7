/* utf8.h - one character of UTF-8 (RFC 3629): no overlong forms, no surrogates, up to U+10FFFF. */
#ifndef WITAN_BASE_UTF8_H
#define WITAN_BASE_UTF8_H
#include <stddef.h>
#include <stdint.h>

/* Bytes of the valid character at s (n bytes are there), or 0. Unicode 15, table 3-7. */
static inline size_t wt_utf8(const char *s, size_t n)
{
        const unsigned char *p = (const unsigned char *)s;
        unsigned char lo = 0x80, hi = 0xbf;
        size_t len;

        if (n == 0)
                return 0;
        if (p[0] < 0x80)
                return 1;
        if (p[0] < 0xc2 || p[0] > 0xf4)
                return 0;
        len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
        if (p[0] == 0xe0) lo = 0xa0;             /* overlong below */
        if (p[0] == 0xed) hi = 0x9f;             /* surrogates above */
        if (p[0] == 0xf0) lo = 0x90;
        if (p[0] == 0xf4) hi = 0x8f;
        if (n < len || p[1] < lo || p[1] > hi)
                return 0;
        for (size_t i = 2; i < len; i++)
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
        return len;
}

/* Writes a scalar value (no surrogate, <= 0x10FFFF) and returns its bytes. */
static inline size_t wt_utf8_put(uint32_t c, char *out)
{
        if (c < 0x80) {
                out[0] = (char)c;
                return 1;
        }
        if (c < 0x800) {
                out[0] = (char)(0xc0 | c >> 6);
                out[1] = (char)(0x80 | (c & 63));
                return 2;
        }
        if (c < 0x10000) {
                out[0] = (char)(0xe0 | c >> 12);
                out[1] = (char)(0x80 | (c >> 6 & 63));
                out[2] = (char)(0x80 | (c & 63));
                return 3;
        }
        out[0] = (char)(0xf0 | c >> 18);
        out[1] = (char)(0x80 | (c >> 12 & 63));
        out[2] = (char)(0x80 | (c >> 6 & 63));
        out[3] = (char)(0x80 | (c & 63));
        return 4;
}
#endif
