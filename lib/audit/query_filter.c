/* query_filter.c - what is asked for, as words. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "audit/query.h"
#include "base/sha256.h"
#include "base/utf8.h"

/* Digits alone, at most 18. */
static bool number(const char *s, size_t len, int64_t *out)
{
        int64_t v = 0;

        if (len == 0 || len > 18)
                return false;
        for (size_t i = 0; i < len; i++) {
                if (!isdigit((unsigned char)s[i]))
                        return false;
                v = v * 10 + (s[i] - '0');
        }
        *out = v;
        return true;
}

static bool calendar(const char *s, int64_t *us)
{
        struct tm tm = { 0 };
        int y, mo, d, h = 0, mi = 0, sec = 0, used = 0;
        size_t len = strlen(s);

        if (len == 10 ? sscanf(s, "%4d-%2d-%2d%n", &y, &mo, &d, &used) != 3
                      : sscanf(s, "%4d-%2d-%2dT%2d:%2d:%2dZ%n", &y, &mo, &d, &h, &mi, &sec,
                               &used) != 6)
                return false;
        if ((size_t)used != len || y < 1970 || y > 9999 || mo < 1 || mo > 12 || d < 1 || d > 31 ||
            h < 0 || h > 23 || mi < 0 || mi > 59 || sec < 0 || sec > 59)
                return false;
        tm = (struct tm){ .tm_year = y - 1900, .tm_mon = mo - 1, .tm_mday = d, .tm_hour = h,
                          .tm_min = mi, .tm_sec = sec };
        *us = (int64_t)timegm(&tm) * 1000000;
        return tm.tm_mday == d;                  /* no 31st of February */
}

/* A bare number below it is a forgotten unit, and no time before the spring of 1973. */
enum { LEAST_SECONDS = 100000000 };

static wt_err set_time(const char *name, const char *s, int64_t now_us, int64_t *out)
{
        static const char units[] = "smhd";
        static const int64_t seconds[] = { 1, 60, 3600, 86400 };
        size_t len = strlen(s);
        const char *unit = len > 1 ? strchr(units, s[len - 1]) : NULL;
        const int64_t day = 86400000000;
        int64_t n;

        if (strcmp(s, "today") == 0 || strcmp(s, "yesterday") == 0)
                *out = (now_us / day - (s[0] == 'y')) * day;
        else if (number(s, len, &n) && n > 0 && n < LEAST_SECONDS)
                return wt_fail(WT_EINVAL, "%s=%s would be a second of 1970 to 1973; write %sh or "
                               "%sd for so many hours or days ago", name, s, s, s);
        else if (number(s, len, &n) && n <= 253402300799)
                *out = n * 1000000;
        else if (unit != NULL && number(s, len - 1, &n) && n <= 3153600000)
                *out = now_us - n * seconds[unit - units] * 1000000;
        else if (!calendar(s, out))
                return wt_fail(WT_EINVAL, "%s=%.60s is no time; write 2026-11-25, "
                               "2026-11-25T10:00:00Z, today, yesterday, 24h for a day ago, or "
                               "seconds since 1970",
                               name, s);
        if (*out <= 0)
                *out = 1;                        /* 0 means any */
        return WT_OK;
}

/* What lets nothing through is a slip, and an empty answer would look like a finding. */
static wt_err set_bound(struct wt_audit_filter *f, const char *name, const char *s, int64_t now_us)
{
        wt_err err = set_time(name, s, now_us, name[0] == 's' ? &f->since_us : &f->until_us);

        return err != WT_OK || f->since_us == 0 || f->until_us == 0 || f->since_us <= f->until_us
                       ? err : wt_fail(WT_EINVAL, "since is after until, so that nothing can be "
                                       "between them; exchange them, or leave one out");
}

/* 8 to 64 digits: all revisions that begin so. */
static wt_err set_revision(struct wt_audit_filter *f, const char *s)
{
        char low[65], high[65];
        size_t len = strlen(s);

        memset(low, '0', 64);
        memset(high, 'f', 64);
        low[64] = high[64] = '\0';
        if (len >= 8 && len <= 64) {
                memcpy(low, s, len);
                memcpy(high, s, len);
        }
        if (len < 8 || len > 64 || wt_unhex(low, 32, f->revision) != 0 ||
            wt_unhex(high, 32, f->revision_end) != 0)
                return wt_fail(WT_EINVAL, "revision is 64 hex digits, as in the answer's header "
                               "x-witan-revision, or its first 8 or more");
        f->has_revision = true;
        return WT_OK;
}

static wt_err set_request(struct wt_audit_filter *f, const char *s)
{
        char hex[33];
        size_t n = 0;

        for (; *s != '\0'; s++)
                if (*s != '-' && n < 33)
                        hex[n++] = *s;
        if (n != 32 || wt_unhex(hex, 16, f->request) != 0)
                return wt_fail(WT_EINVAL, "request is the UUID in the answer's header "
                               "x-request-id");
        f->has_request = true;
        return WT_OK;
}

static wt_err set_after(struct wt_audit_filter *f, const char *s)
{
        const char *dash = strchr(s, '-');

        if (dash == NULL || !number(s, (size_t)(dash - s), &f->after_us) ||
            !number(dash + 1, strlen(dash + 1), &f->after_leaf))
                return wt_fail(WT_EINVAL, "after takes what the last page said in \"after\"");
        f->has_after = true;
        return WT_OK;
}

static wt_err set_limit(struct wt_audit_filter *f, const char *s)
{
        int64_t n;

        if (!number(s, strlen(s), &n) || n < 1 || n > WT_QUERY_MOST)
                return wt_fail(WT_EINVAL, "limit is 1 to %d, not %.20s", WT_QUERY_MOST, s);
        f->limit = (uint32_t)n;
        return WT_OK;
}

/* Text is compared in the database, which takes UTF-8 without NUL. */
static wt_err set_word(char room[WT_QUERY_WORD + 1], const char *name, const char *s)
{
        size_t len = strlen(s);

        if (len > WT_QUERY_WORD)
                return wt_fail(WT_EINVAL, "%s has at most %d bytes", name, WT_QUERY_WORD);
        for (size_t i = 0, n; i < len; i += n)
                if ((n = wt_utf8(s + i, len - i)) == 0)
                        return wt_fail(WT_EINVAL, "%s is no UTF-8", name);
        memcpy(room, s, len + 1);
        return WT_OK;
}

wt_err wt_audit_filter_set(struct wt_audit_filter *f, const char *name, const char *value,
                           int64_t now_us)
{
        const struct { const char *name; char *room; } words[] = {
                { "tenant", f->tenant }, { "actor", f->actor }, { "key", f->key },
                { "model", f->model },   { "arm", f->arm },     { "outcome", f->outcome },
                { "verdict", f->verdict } };

        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
                if (strcmp(name, words[i].name) == 0)
                        return set_word(words[i].room, name, value);
        if (strcmp(name, "since") == 0 || strcmp(name, "until") == 0)
                return set_bound(f, name, value, now_us);
        if (strcmp(name, "limit") == 0)
                return set_limit(f, value);
        if (strcmp(name, "after") == 0)
                return set_after(f, value);
        if (strcmp(name, "request") == 0)
                return set_request(f, value);
        if (strcmp(name, "revision") == 0)
                return set_revision(f, value);
        return wt_fail(WT_EINVAL, "there is no filter \"%.40s\"; there are tenant, actor, key, "
                       "model, revision, arm, outcome, verdict, request, since, until, limit and "
                       "after", name);
}

/* The next name or value up to stop, decoded; NULL: a broken escape, or too long. */
static const char *unescape(const char *s, char stop, char *out, size_t cap)
{
        size_t n = 0;

        for (; *s != '\0' && *s != stop && *s != '&'; s++) {
                uint8_t byte = (uint8_t)*s;

                if (*s == '%') {
                        if (s[1] == '\0' || s[2] == '\0' || wt_unhex(s + 1, 1, &byte) != 0 ||
                            byte == 0)
                                return NULL;
                        s += 2;
                } else if (*s == '+') {
                        byte = ' ';
                }
                if (n + 1 == cap)
                        return NULL;
                out[n++] = (char)byte;
        }
        out[n] = '\0';
        return s;
}

wt_err wt_query_next(const char **query, char name[32], char *value, size_t cap)
{
        const char *at = unescape(*query, '=', name, 32);

        if (at != NULL)
                at = unescape(at + (*at == '='), '\0', value, cap);
        if (at == NULL)
                return wt_fail(WT_EINVAL, "the query string has a broken escape or a value beyond "
                               "%zu bytes", cap - 2);
        *query = at + (*at == '&');
        return WT_OK;
}

wt_err wt_audit_filter_parse(struct wt_audit_filter *f, const char *query, int64_t now_us,
                             const char *const *other)
{
        char name[32], value[WT_QUERY_WORD + 2];
        wt_err err;

        while (*query != '\0') {
                bool known = false;

                if ((err = wt_query_next(&query, name, value, sizeof value)) != WT_OK)
                        return err;
                for (size_t i = 0; other != NULL && other[i] != NULL; i++)
                        known |= strcmp(name, other[i]) == 0;
                if (!known && (err = wt_audit_filter_set(f, name, value, now_us)) != WT_OK)
                        return err;
        }
        return WT_OK;
}
