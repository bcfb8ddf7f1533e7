/* quota_window.c - windows of time, and the scopes of a request. */
#include <stdio.h>
#include <time.h>
#include "identity/quota.h"

/* The last month is kept: a request asks a dozen times, and libc goes through its time zone's lock
 * and rules each time. */
static int64_t month_of(time_t t, uint64_t *left_s)
{
        static _Thread_local struct { time_t begin, end; int64_t month; } known;

        if (t < known.begin || t >= known.end) {
                struct tm tm, day = { .tm_mday = 1 };

                gmtime_r(&t, &tm);
                day.tm_year = tm.tm_year;
                day.tm_mon = tm.tm_mon;
                known.month = (int64_t)(tm.tm_year + 1900) * 12 + tm.tm_mon;
                known.begin = timegm(&day);
                day.tm_mon = tm.tm_mon + 1;      /* timegm carries December over */
                known.end = timegm(&day);
        }
        *left_s = (uint64_t)(known.end - t);
        return known.month;
}

int64_t wt_quota_window(enum wt_limit l, uint64_t time_us, uint64_t *left_s)
{
        uint64_t s = time_us / 1000000;

        switch (l) {
        case WT_REQUESTS_PER_MINUTE:
        case WT_TOKENS_PER_MINUTE:
                *left_s = 60 - s % 60;
                return (int64_t)(s / 60);
        case WT_TOKENS_PER_DAY:
        case WT_COST_PER_DAY:
                *left_s = 86400 - s % 86400;
                return (int64_t)(s / 86400);
        case WT_TOKENS_PER_MONTH:
        case WT_COST_PER_MONTH:
                return month_of((time_t)s, left_s);
        default:
                *left_s = 0;
                return 0;
        }
}

static void add(struct wt_scope *scope, uint32_t *n, const struct wt_limits *l, const char *name)
{
        bool any = false;

        for (int i = 0; i < WT_N_LIMITS; i++)
                any |= l->most[i] >= 0;
        if (!any)
                return;
        snprintf(scope[*n].name, sizeof scope[*n].name, "%s", name);
        scope[(*n)++].limits = *l;
}

uint32_t wt_scopes_of(const struct wt_who *who, struct wt_scope scope[WT_SCOPES])
{
        char name[WT_SCOPE_NAME];
        uint32_t n = 0;

        snprintf(name, sizeof name, "key:%s", who->key.id);
        add(scope, &n, &who->key.limits, name);
        if (who->team.id[0] != '\0') {
                snprintf(name, sizeof name, "team:%s/%s", who->team.tenant, who->team.id);
                add(scope, &n, &who->team.limits, name);
        }
        snprintf(name, sizeof name, "tenant:%s", who->tenant.id);
        add(scope, &n, &who->tenant.limits, name);
        return n;
}
