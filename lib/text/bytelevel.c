/* bytelevel.c - GPT-2's table of bytes as printable characters: '!'..'~', U+00A1..U+00AC and
 * U+00AE..U+00FF stand for themselves, the 68 others are U+0100 + their turn. */
#include "text/tok.h"

static bool printable(uint32_t b)
{
        return (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || (b >= 0xae && b <= 0xff);
}

/* The byte that character c stands for, or -1. */
static int byte_of(uint32_t c)
{
        if (c < 256)
                return printable(c) ? (int)c : -1;
        if (c < 256 + 33)                        /* 0x00..0x20 */
                return (int)(c - 256);
        if (c < 256 + 33 + 34)                   /* 0x7f..0xa0 */
                return (int)(c - 256 - 33 + 0x7f);
        return c == 256 + 33 + 34 ? 0xad : -1;
}

bool wt_bytelevel_bytes(const char *s, size_t len, struct wt_buf *out)
{
        const uint8_t *p = (const uint8_t *)s;
        size_t before = out->len;

        for (size_t i = 0; i < len;) {
                int b = byte_of(wt_utf8_char(p + i));
                char byte = (char)b;

                if (b < 0) {
                        out->len = before;
                        return false;
                }
                wt_buf_add(out, &byte, 1);
                i += (size_t)wt_utf8_step(p + i, len - i);
        }
        return true;
}
