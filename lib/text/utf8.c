/* utf8.c - UTF-8 one character at a time, and the stream that turns bytes of tokens into text.
 * What is wrong is counted in maximal subparts (Unicode 15, section 3.9), as browsers do. */
#include "text/tok.h"
#include <string.h>

static const char replacement[] = "\xef\xbf\xbd";

int wt_utf8_step(const uint8_t *p, size_t n)
{
        uint8_t lo = 0x80, hi = 0xbf;            /* bounds of the second byte */
        int want;

        if (p[0] < 0x80)
                return 1;
        if (p[0] < 0xc2 || p[0] > 0xf4)
                return -1;
        want = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
        switch (p[0]) {
        case 0xe0: lo = 0xa0; break;             /* shorter forms exist */
        case 0xed: hi = 0x9f; break;             /* surrogates */
        case 0xf0: lo = 0x90; break;
        case 0xf4: hi = 0x8f; break;             /* beyond U+10FFFF */
        }
        for (int i = 1; i < want; i++) {
                if ((size_t)i == n)
                        return 0;
                if (p[i] < lo || p[i] > hi)
                        return -i;
                lo = 0x80, hi = 0xbf;
        }
        return want;
}

size_t wt_utf8_valid(const char *s, size_t n)
{
        const uint8_t *p = (const uint8_t *)s;
        size_t i = 0;
        uint64_t w;
        int step;

        while (i < n) {
                for (; i + 8 <= n; i += 8) {
                        memcpy(&w, p + i, 8);
                        if (w & UINT64_C(0x8080808080808080))
                                break;
                }
                for (; i < n && p[i] < 0x80; i++)
                        ;
                if (i == n)
                        break;
                if ((step = wt_utf8_step(p + i, n - i)) <= 0)
                        break;
                i += (size_t)step;
        }
        return i;
}

uint32_t wt_utf8_char(const uint8_t *p)
{
        if (p[0] < 0x80)
                return p[0];
        if (p[0] < 0xe0)
                return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
        if (p[0] < 0xf0)
                return (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
        return (p[0] & 7u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
}

/* Gives out what the tail has become; what is left of it is the begin of a character. */
static void settle(struct wt_utf8_stream *s, struct wt_buf *out)
{
        while (s->n > 0) {
                int step = wt_utf8_step(s->tail, s->n);

                if (step == 0)
                        return;
                if (step > 0)
                        wt_buf_add(out, s->tail, (size_t)step);
                else
                        wt_buf_str(out, replacement);
                step = step < 0 ? -step : step;
                s->n -= (uint32_t)step;
                memmove(s->tail, s->tail + step, s->n);
        }
}

void wt_utf8_feed(struct wt_utf8_stream *s, const char *bytes, size_t len, struct wt_buf *out)
{
        size_t i = 0;

        while (i < len) {
                if (s->n == 0) {
                        size_t good = wt_utf8_valid(bytes + i, len - i);

                        wt_buf_add(out, bytes + i, good);
                        i += good;
                        if (i == len)
                                return;
                }
                s->tail[s->n++] = (uint8_t)bytes[i++];
                settle(s, out);
        }
}

void wt_utf8_end(struct wt_utf8_stream *s, struct wt_buf *out)
{
        if (s->n > 0)
                wt_buf_str(out, replacement);
        s->n = 0;
}
