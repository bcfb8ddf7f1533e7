/* admin_usage.c - the query strings of the admin API: of GET /v1/admin/usage by, since, until,
 * tenant, key, model, format (times and words are those of the audit log's filters), of lists limit
 * and after. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "admin.h"
#include "audit/query.h"

/* The value of a word that needs no decoding; false: it is not given. */
static bool word_of(const char *query, const char *name, char out[16])
{
        size_t len = strlen(name), n;

        for (const char *at = query; *at != '\0'; at += *at == '&') {
                n = strcspn(at, "&");
                if (n > len && memcmp(at, name, len) == 0 && at[len] == '=') {
                        snprintf(out, 16, "%.*s", (int)(n - len - 1), at + len + 1);
                        return true;
                }
                at += n;
        }
        return false;
}

static wt_err read_by(const char *query, enum wt_usage_by *by)
{
        char word[16];

        if (!word_of(query, "by", word))
                return WT_OK;
        if (wt_usage_by_named(word, by))
                return WT_OK;
        return wt_fail(WT_EINVAL, "by is tenant, team, key, model or day, not \"%s\"", word);
}

wt_err admin_usage_parse(struct admin_job *j, const char *query, int64_t now_us)
{
        static const char *const other[] = { "by", "format", NULL };
        struct wt_audit_filter f = { .limit = 0 };
        char word[16];
        wt_err err;

        j->ask.by = WT_BY_DAY;
        if ((err = wt_audit_filter_parse(&f, query, now_us, other)) != WT_OK ||
            (err = read_by(query, &j->ask.by)) != WT_OK)
                return err;
        if (f.actor[0] != '\0' || f.arm[0] != '\0' || f.outcome[0] != '\0' ||
            f.verdict[0] != '\0' || f.has_revision ||
            f.has_request || f.has_after || f.limit != 0)
                return wt_fail(WT_EINVAL, "usage takes by, since, until, tenant, key, model and "
                               "format, nothing else");
        if (word_of(query, "format", word)) {
                if (strcmp(word, "csv") != 0 && strcmp(word, "json") != 0)
                        return wt_fail(WT_EINVAL, "format is json or csv, not \"%s\"", word);
                j->csv = strcmp(word, "csv") == 0;
        }
        wt_usage_days(&j->ask, f.since_us, f.until_us);
        snprintf(j->ask.tenant, sizeof j->ask.tenant, "%s", f.tenant);
        snprintf(j->ask.key, sizeof j->ask.key, "%s", f.key);
        snprintf(j->ask.model, sizeof j->ask.model, "%s", f.model);
        snprintf(j->words, sizeof j->words, "by=%s", wt_usage_by_name[j->ask.by]);
        return WT_OK;
}

static wt_err read_limit(const char *value, uint32_t *limit)
{
        size_t digits = strspn(value, "0123456789");
        long n = digits > 0 && digits <= 5 && value[digits] == '\0' ? atol(value) : 0;

        if (n < 1 || n > WT_PAGE_MOST)
                return wt_fail(WT_EINVAL, "limit is 1 to %d, not \"%.20s\"", WT_PAGE_MOST, value);
        *limit = (uint32_t)n;
        return WT_OK;
}

wt_err admin_page_parse(struct admin_job *j, const char *query)
{
        char name[32], value[WT_PAGE_AT];
        wt_err err = WT_OK;

        while (*query != '\0' && err == WT_OK) {
                if ((err = wt_query_next(&query, name, value, sizeof value)) != WT_OK)
                        break;
                if (strcmp(name, "limit") == 0)
                        err = read_limit(value, &j->page.limit);
                else if (strcmp(name, "after") == 0)
                        snprintf(j->page.after, sizeof j->page.after, "%s", value);
                else
                        err = wt_fail(WT_EINVAL, "%s takes limit and after, not \"%s\"",
                                      j->call->door.path, name);
        }
        return err;
}
