#include "tls/b64.h"

static int digit(char c)
{
        if (c >= 'A' && c <= 'Z')
                return c - 'A';
        if (c >= 'a' && c <= 'z')
                return c - 'a' + 26;
        if (c >= '0' && c <= '9')
                return c - '0' + 52;
        return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool wt_b64url(const char *s, size_t n, struct wt_buf *out)
{
        unsigned char *to = (unsigned char *)wt_buf_room(out, n / 4 * 3 + 3);
        unsigned bits = 0;
        size_t made = 0;
        int have = 0;

        for (size_t i = 0; i < n; i++) {
                int d = digit(s[i]);

                if (d < 0)
                        return false;
                bits = (bits << 6 | (unsigned)d) & 0xffff;
                have += 6;
                if (have >= 8) {
                        have -= 8;
                        to[made++] = (unsigned char)(bits >> have);
                }
        }
        if (n % 4 == 1 || (bits & ((1u << have) - 1)) != 0)
                return false;
        to[made] = '\0';
        out->len += made;
        return true;
}
