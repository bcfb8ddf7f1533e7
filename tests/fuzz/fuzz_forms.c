/* fuzz_forms.c - bodies of the admin API, and amounts. Whatever is taken is text that ends within
 * its room and reads back as JSON; an amount that is taken says the same when it is written. */
#include <stdio.h>
#include <string.h>
#include "identity/form.h"
#include "identity/money.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ENDS(s) WT_ASSERT(memchr((s), '\0', sizeof (s)) != NULL)

static void whole(struct wt_buf *b)
{
        wt_json *j;

        if (wt_json_parse(&j, b->data, b->len, &wt_json_default) != WT_OK)
                WT_ASSERT(!"what is written is no JSON");
        wt_json_free(j);
        wt_buf_clear(b);
}

static void forms(const wt_json *j)
{
        struct wt_tenant_form t = { .tenant = { .weight = 1, .limits = wt_no_limits } };
        struct wt_team team = { .limits = wt_no_limits };
        struct wt_key k = { .limits = wt_no_limits };
        struct wt_price p = { .prompt_nano = 0 };
        struct wt_scope_form s = { .scope = { .limits = wt_no_limits } };
        struct wt_buf b = { 0 };
        const char *field;

        if (wt_tenant_read(j, &t, &field) == WT_OK) {
                WT_ASSERT(t.tenant.weight >= 1 && t.tenant.weight <= 1000);
                WT_ASSERT(t.limits < 1u << WT_N_LIMITS);
                wt_tenant_json(&t.tenant, &b);
                whole(&b);
        }
        if (wt_team_read(j, &team, &field) == WT_OK) {
                wt_team_json(&team, &b);
                whole(&b);
        }
        if (wt_key_read(j, &k, &field) == WT_OK) {
                ENDS(k.models);
                ENDS(k.sources);
                for (int i = 0; i < WT_N_LIMITS; i++)
                        WT_ASSERT(k.limits.most[i] >= -1);
                (void)wt_sources_check(k.sources);
                wt_key_json(&k, false, &b);
                whole(&b);
        }
        if (wt_price_form_read(j, &p, &field) == WT_OK) {
                WT_ASSERT(p.prompt_nano >= 0 && p.completion_nano >= 0);
                wt_price_json(&p, &b);
                whole(&b);
        }
        if (wt_scope_read(j, &s, &field) == WT_OK)
                ENDS(s.scope.name);
        wt_buf_free(&b);
}

static void amounts(const char *text, size_t len)
{
        char back[WT_MONEY_TEXT];
        int64_t n, again;

        if (wt_money_read(text, len, &n) == WT_OK) {
                wt_money_text(n, back);
                WT_ASSERT(wt_money_read(back, strlen(back), &again) == WT_OK && again == n);
        }
        if (wt_price_read(text, len, &n) == WT_OK) {
                wt_price_text(n, back);
                WT_ASSERT(wt_price_read(back, strlen(back), &again) == WT_OK && again == n);
        }
        if (wt_limit_read(WT_TOKENS_PER_DAY, text, len, &n) == WT_OK)
                WT_ASSERT(n >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const char *text = (const char *)data;
        wt_json *j;

        amounts(text, size);
        if (wt_json_parse(&j, text, size, &wt_form_limits) == WT_OK) {
                forms(j);
                wt_json_free(j);
        }
        return 0;
}
