/* sql.c - names, words and values; see sql.h. */
#include "store_sql/sql.h"
#include <stdlib.h>
#include <string.h>

int sql_check_name(const struct wt_host *host, const char *what, const char *name)
{
        size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");

        if (n > 0 && n < NAME && name[n] == '\0' && (name[0] < '0' || name[0] > '9'))
                return WT_OK;
        return host->fail(WT_EINVAL, "\"%.60s\" is no name of a %s; write up to %d of a-z, 0-9 "
                          "and _", name, what, NAME - 1);
}

int sql_check_channels(const struct wt_host *host, const char *const *channels, uint32_t n)
{
        if (n > MOST_CHANNELS)
                return host->fail(WT_EINVAL, "at most %d channels, not %u", MOST_CHANNELS, n);
        for (uint32_t i = 0; i < n; i++) {
                size_t len = strspn(channels[i], "abcdefghijklmnopqrstuvwxyz_");

                if (len == 0 || len > 32 || channels[i][len] != '\0')
                        return host->fail(WT_EINVAL, "\"%.60s\" is no name of a channel; write up "
                                          "to 32 of a-z and _", channels[i]);
        }
        return WT_OK;
}

struct wt_value sql_text(const char *s)
{
        return (struct wt_value){ .type = WT_TEXT, .len = (uint32_t)strlen(s), .as.data = s };
}

int sql_take_int(void *arg, const struct wt_value *v, uint32_t n)
{
        (void)n;
        *(int64_t *)arg = v[0].type == WT_INT ? v[0].as.i : 0;
        return 0;
}

char *sql_expand(const char *sql, const char *bytes, const char *by_day)
{
        const char *const word[2] = { "{bytes}", "{by_day}" }, *const is[2] = { bytes, by_day };
        size_t most = strlen(bytes) > strlen(by_day) ? strlen(bytes) : strlen(by_day);
        /* A word is 7 characters or more: each of sql's becomes most / 7 at worst, rounded up. */
        char *out = malloc((most / 7 + 1) * strlen(sql) + 1), *to = out;

        while (out != NULL && *sql != '\0') {
                size_t w = 0;

                while (w < 2 && strncmp(sql, word[w], strlen(word[w])) != 0)
                        w++;
                if (w == 2) {
                        *to++ = *sql++;
                        continue;
                }
                to = stpcpy(to, is[w]);
                sql += strlen(word[w]);
        }
        if (out != NULL)
                *to = '\0';
        return out;
}

uint64_t sql_hash(uint64_t h, const char *s)
{
        for (; *s != '\0'; s++)
                h = (h ^ (unsigned char)*s) * 0x100000001b3u;
        return h;
}
