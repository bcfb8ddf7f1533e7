/* limits.c - the names of limits, and lists of networks and models. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "identity/identity.h"
#include "identity/money.h"

const struct wt_limits wt_no_limits = { { -1, -1, -1, -1, -1, -1, -1 } };

const char *wt_limit_name(enum wt_limit l)
{
        static const char *const names[WT_N_LIMITS] = {
                [WT_REQUESTS_PER_MINUTE] = "requests_per_minute",
                [WT_TOKENS_PER_MINUTE] = "tokens_per_minute",
                [WT_CONCURRENCY] = "concurrency",
                [WT_TOKENS_PER_DAY] = "tokens_per_day",
                [WT_TOKENS_PER_MONTH] = "tokens_per_month",
                [WT_COST_PER_DAY] = "cost_per_day",
                [WT_COST_PER_MONTH] = "cost_per_month",
        };

        return names[l];
}

bool wt_limit_named(const char *name, enum wt_limit *out)
{
        for (int i = 0; i < WT_N_LIMITS; i++)
                if (strcmp(name, wt_limit_name((enum wt_limit)i)) == 0) {
                        *out = (enum wt_limit)i;
                        return true;
                }
        return false;
}

static bool is_cost(enum wt_limit l) { return l == WT_COST_PER_DAY || l == WT_COST_PER_MONTH; }

wt_err wt_limit_read(enum wt_limit l, const char *text, size_t len, int64_t *out)
{
        int64_t n = 0;
        size_t i = 0;

        if (is_cost(l))
                return wt_money_read(text, len, out);
        for (; i < len && i < 16 && text[i] >= '0' && text[i] <= '9'; i++)
                n = 10 * n + (text[i] - '0');
        if (i == 0 || i < len)
                return wt_fail(WT_EINVAL, "%s must be a whole number from 0 to 10^16 - 1, not "
                               "\"%.*s\"", wt_limit_name(l), len < 40 ? (int)len : 40, text);
        *out = n;
        return WT_OK;
}

const char *wt_limit_text(enum wt_limit l, int64_t n, char out[32])
{
        if (is_cost(l))
                return wt_money_text(n, out);
        snprintf(out, 32, "%lld", (long long)n);
        return out;
}

bool wt_role_known(const char *role)
{
        static const char *const roles[] = { "user", "operator", "auditor", "admin" };

        for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
                if (strcmp(role, roles[i]) == 0)
                        return true;
        return false;
}

bool wt_models_allow(const char *list, const char *model)
{
        size_t n = strlen(model);

        for (const char *p = list; *p != '\0'; p += *p == ',') {
                size_t len = strcspn(p, ",");

                if (len == n && memcmp(p, model, n) == 0)
                        return true;
                p += len;
        }
        return list[0] == '\0';
}

/* An address as 16 bytes, IPv4 as ::ffff:a.b.c.d, so that both are compared alike. */
struct network { uint8_t b[16]; unsigned bits; };

static bool read_address(const char *text, size_t len, struct network *out)
{
        char room[64];
        bool four;

        if (len == 0 || len >= sizeof room)
                return false;
        memcpy(room, text, len);
        room[len] = '\0';
        four = strchr(room, ':') == NULL;
        memset(out->b, 0, 10);
        memset(out->b + 10, 0xff, 2);
        out->bits = 128;
        return inet_pton(four ? AF_INET : AF_INET6, room, four ? out->b + 12 : out->b) == 1;
}

/* "10.0.0.0/8", "2001:db8::/32", or one address. */
static bool read_network(const char *text, size_t len, struct network *out)
{
        const char *slash = memchr(text, '/', len);
        size_t head = slash != NULL ? (size_t)(slash - text) : len;
        bool four = memchr(text, ':', head) == NULL;
        unsigned bits = 0;

        if (!read_address(text, head, out))
                return false;
        if (slash == NULL)
                return true;
        if (head + 1 == len || len - head > 4)
                return false;
        for (size_t i = head + 1; i < len; i++) {
                if (text[i] < '0' || text[i] > '9')
                        return false;
                bits = 10 * bits + (unsigned)(text[i] - '0');
        }
        if (bits > (four ? 32u : 128u))
                return false;
        out->bits = bits + (four ? 96 : 0);
        return true;
}

static bool inside(const struct network *n, const struct network *a)
{
        unsigned whole = n->bits / 8, rest = n->bits % 8;

        if (memcmp(n->b, a->b, whole) != 0)
                return false;
        return rest == 0 || (n->b[whole] ^ a->b[whole]) >> (8 - rest) == 0;
}

wt_err wt_sources_check(const char *list)
{
        struct network n;

        for (const char *p = list; *p != '\0'; p += *p == ',') {
                size_t len = strcspn(p, ",");

                if (!read_network(p, len, &n))
                        return wt_fail(WT_EINVAL, "\"%.*s\" is no address and no network; write "
                                       "10.1.2.3, 10.0.0.0/8 or 2001:db8::/32, separated by "
                                       "commas", (int)len, p);
                p += len;
        }
        return WT_OK;
}

/* The address in "1.2.3.4:80", "[::1]:80", "::1" or "1.2.3.4". */
static bool read_peer(const char *addr, struct network *out)
{
        const char *end = addr + strlen(addr), *colon;

        if (*addr == '[') {
                end = strchr(addr++, ']');
                if (end == NULL)
                        return false;
        } else if ((colon = strchr(addr, ':')) != NULL && strchr(colon + 1, ':') == NULL) {
                end = colon;
        }
        return read_address(addr, (size_t)(end - addr), out);
}

bool wt_sources_allow(const char *list, const char *addr)
{
        struct network n, a;

        if (list[0] == '\0')
                return true;
        if (!read_peer(addr, &a))
                return false;
        for (const char *p = list; *p != '\0'; p += *p == ',') {
                size_t len = strcspn(p, ",");

                if (read_network(p, len, &n) && inside(&n, &a))
                        return true;
                p += len;
        }
        return false;
}
