/* fuzz_query.c - the query string of a reading of the audit log and of the admin API's lists: it
 * ends, stays within its bounds, and what is accepted can be bound to a statement. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "audit/query.h"
#include "base/utf8.h"

#define NOW_US 1764064800000000

static void each_word(const char *text)
{
        const char *at = text;
        char name[32], value[40];

        while (*at != '\0') {
                const char *was = at;

                if (wt_query_next(&at, name, value, sizeof value) != WT_OK)
                        return;
                WT_ASSERT(at > was || *was == '\0');
                WT_ASSERT(at <= text + strlen(text));
                WT_ASSERT(strlen(name) < sizeof name && strlen(value) < sizeof value);
        }
}

static void is_text(const char *word)
{
        size_t len = strnlen(word, WT_QUERY_WORD + 1);

        WT_ASSERT(len <= WT_QUERY_WORD);
        for (size_t i = 0, n; i < len; i += n) {
                n = wt_utf8(word + i, len - i);
                WT_ASSERT(n > 0);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const char *const other[] = { "format", "by", NULL };
        struct wt_audit_filter f = { .limit = 0 };
        struct wt_value args[WT_QUERY_ARGS];
        struct wt_buf sql = { 0 };
        uint32_t n = 0;
        char *text = malloc(size + 1);           /* of exactly its size: a step too far is seen */

        if (text == NULL)
                return 0;
        memcpy(text, data, size);
        text[size] = '\0';
        each_word(text);
        if (wt_audit_filter_parse(&f, text, NOW_US, other) == WT_OK) {
                is_text(f.tenant);
                is_text(f.actor);
                is_text(f.key);
                is_text(f.model);
                is_text(f.arm);
                is_text(f.outcome);
                is_text(f.verdict);
                WT_ASSERT(f.limit <= WT_QUERY_MOST);
                wt_audit_where(&f, &sql, args, &n);
                WT_ASSERT(n + 4 <= WT_QUERY_ARGS);       /* outcome and after come on top */
                wt_buf_free(&sql);
        }
        free(text);
        return 0;
}
