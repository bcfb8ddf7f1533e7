#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "audit/deed.h"
#include "audit/query.h"
#include "base/json.h"
#include "base/rng.h"
#include "rig.h"

enum { ROWS = 400 };
#define NOW 1764064800000000                     /* 2025-11-25T10:00:00Z */

static struct rig rig;

#define GOOD(call)                                                                              \
        do {                                                                                    \
                if ((call) != WT_OK)                                                            \
                        fail_msg("%s: %s", #call, wt_words());                                  \
        } while (0)

static int build(void **state)
{
        (void)state;
        rig_open(&rig);
        rig_rows(&rig, ROWS, 1);
        return 0;
}

static int sweep(void **state)
{
        (void)state;
        rig_close(&rig);
        return 0;
}

/* ---- words ---- */

static const struct time_case { const char *name, *word; int64_t want; } times[] = {
        { "a day", "2025-11-25", 1764028800000000 },
        { "a moment", "2025-11-25T10:00:00Z", NOW },
        { "seconds", "1764064800", NOW },
        { "a day ago", "24h", NOW - 86400000000 },
        { "a week ago", "7d", NOW - 7 * 86400000000 },
        { "half a minute ago", "30s", NOW - 30000000 },
        { "this midnight", "today", 1764028800000000 },
        { "the one before", "yesterday", 1764028800000000 - 86400000000 },
        { "the beginning means a moment after it, for 0 is any", "0", 1 },
};

static void reads_time(void **state)
{
        const struct time_case *t = *state;
        struct wt_audit_filter f = { .limit = 0 };

        assert_int_equal(wt_audit_filter_set(&f, "since", t->word, NOW), WT_OK);
        assert_int_equal(f.since_us, t->want);
        assert_int_equal(wt_audit_filter_set(&f, "until", t->word, NOW), WT_OK);
        assert_int_equal(f.until_us, t->want);
}

static const char *const bad[] = {
        "since=tomorrow", "since=24", "until=7", "since=2025-11-25&until=2025-11-24",
        "until=2d&since=1d", "revision=0123456", "revision=0123456g",
        "since=2025-02-30", "since=2025-13-01", "since=2025-11-25T25:00:00Z",
        "since=2025-11-25T10:00:00", "since=-5", "since=h", "since=", "limit=0", "limit=1001",
        "limit=ten", "after=5", "after=-5", "after=a-b", "request=12", "revision=ab",
        "request=zz0102030405060708090a0b0c0d0e0f", "colour=red", "tenant=%zz", "tenant=%00",
        "tenant=%ff", "tenant=%", "=", "verdicts",
};

static void refuses(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                struct wt_audit_filter f = { .limit = 0 };

                if (wt_audit_filter_parse(&f, bad[i], NOW, NULL) != WT_EINVAL)
                        fail_msg("%s is taken", bad[i]);
                assert_true(wt_words()[0] != '\0');
        }
}

static void parses(void **state)
{
        static const char *const other[] = { "format", NULL };
        struct wt_audit_filter f = { .limit = 0 };

        (void)state;
        assert_int_equal(wt_audit_filter_parse(&f, "tenant=a%20b+c&model=m%26m&limit=5&format=csv"
                                               "&after=17-4&outcome=ok", NOW, other), WT_OK);
        assert_string_equal(f.tenant, "a b c");
        assert_string_equal(f.model, "m&m");
        assert_string_equal(f.outcome, "ok");
        assert_int_equal(f.limit, 5);
        assert_true(f.has_after);
        assert_int_equal(f.after_us, 17);
        assert_int_equal(f.after_leaf, 4);
        assert_int_equal(wt_audit_filter_parse(&f, "", NOW, NULL), WT_OK);
}

/* ---- rows ---- */

struct seen { uint64_t leaf[ROWS]; uint32_t n; const char *tenant, *outcome; };

static wt_err see(void *arg, const struct wt_audit_view *v)
{
        struct seen *s = arg;

        if (s->tenant != NULL)
                assert_string_equal((const char *)v->first.tenant.data, s->tenant);
        if (s->outcome != NULL)
                assert_string_equal(wt_audit_view_outcome(v), s->outcome);
        s->leaf[s->n++] = v->leaf;
        return WT_OK;
}

static void pages_are_whole(void **state)
{
        struct seen all = { .n = 0 };

        (void)state;
        for (uint32_t limit = 1; limit <= 130; limit += 43) {
                struct wt_audit_filter f = { .limit = limit };
                struct wt_audit_page page = { .has_more = true };

                all.n = 0;
                while (page.has_more) {
                        assert_int_equal(wt_audit_query(rig.store, &f, see, &all, &page), WT_OK);
                        assert_true(page.n == limit || !page.has_more);
                        assert_int_equal(wt_audit_filter_set(&f, "after", page.after, NOW), WT_OK);
                }
                assert_int_equal(all.n, ROWS / 2);
                for (uint32_t i = 0; i < all.n; i++)     /* each tenth has no intent */
                        assert_int_equal(all.leaf[i], 2 * i + (i % 10 == 9));
        }
}

static void filters(void **state)
{
        struct seen s = { .tenant = "tenant-3", .outcome = "refused" };
        struct wt_audit_filter f = { .limit = 1000, .tenant = "tenant-3", .outcome = "refused" };
        struct wt_audit_page page;
        uint32_t want = 0;

        (void)state;
        for (uint32_t i = 0; i < ROWS / 2; i++)
                want += i % 5 == 3 && i % 13 == 0;
        assert_int_equal(wt_audit_query(rig.store, &f, see, &s, &page), WT_OK);
        assert_int_equal(s.n, want);
        assert_true(want > 0);
        f = (struct wt_audit_filter){ .limit = 1000 };
        s = (struct seen){ .n = 0 };
        assert_int_equal(wt_audit_filter_set(&f, "since", "2024-06-01T00:00:20Z", NOW), WT_OK);
        assert_int_equal(wt_audit_filter_set(&f, "until", "2024-06-01T00:00:30Z", NOW), WT_OK);
        assert_int_equal(wt_audit_query(rig.store, &f, see, &s, &page), WT_OK);
        assert_int_equal(s.n, 10);               /* one a second */
        assert_int_equal(s.leaf[0], 40);
}

/* A name with a quote is a value, never a part of the question. */
static void quotes_are_values(void **state)
{
        struct wt_audit_filter f = { .tenant = "x' OR '1' = '1", .limit = 1000 };
        struct wt_audit_page page;
        struct seen s = { .n = 0 };

        (void)state;
        assert_int_equal(wt_audit_query(rig.store, &f, see, &s, &page), WT_OK);
        assert_int_equal(s.n, 0);
        assert_string_equal(page.after, "");
}

static void tails(void **state)
{
        struct wt_audit_filter f = { .tenant = "tenant-1" };
        struct seen s = { .tenant = "tenant-1" };
        uint64_t leaf = 0, again;
        uint32_t n = 0;

        (void)state;
        assert_int_equal(wt_audit_tail(rig.store, &f, &leaf, see, &s, &n), WT_OK);
        assert_int_equal(n, ROWS / 10);
        again = leaf;
        assert_int_equal(wt_audit_tail(rig.store, &f, &again, see, &s, &n), WT_OK);
        assert_int_equal(n, 0);
        assert_int_equal(again, leaf);
}

/* ---- verdicts ---- */

struct found { uint32_t n; uint64_t leaf[8]; };
static wt_err find(void *arg, const struct wt_audit_view *v)
{
        struct found *f = arg;

        if (f->n < 8)
                f->leaf[f->n] = v->leaf;
        f->n++;
        return WT_OK;
}

static void put_verdict(uint32_t i, const char *action, const char *rule)
{
        struct wt_verdict d = { .rule = WT_STR(rule), .type = WT_STR("iban"),
                                .action = WT_STR(action), .direction = WT_STR("in") };
        uint8_t id[16];

        for (uint32_t kind = WT_AUDIT_INTENT; kind <= WT_AUDIT_OUTCOME; kind++) {
                struct wt_audit_event e = { .kind = kind, .tenant = WT_STR("verdicts") };

                wt_uuid7(1800000000000000ull + i * 1000000, id);
                memset(id + 8, (int)i + 1, 8);
                e.request = WT_BYTES(id, 16);
                e.time_us = 1800000000000000ull + i * 1000000;
                if (kind == WT_AUDIT_OUTCOME) {
                        e.outcome = WT_STR("ok");
                        e.verdicts = &d;
                        e.n_verdicts = action[0] != '\0';
                }
                GOOD(wt_audit_deed(rig.store, &e, NULL, NULL));
        }
}

static uint32_t ask_verdict(const char *word, uint32_t limit, struct wt_audit_page *page)
{
        struct wt_audit_filter f = { .limit = limit };
        struct found got = { .n = 0 };

        GOOD(wt_audit_filter_parse(&f, "tenant=verdicts", 0, NULL));
        GOOD(wt_audit_filter_set(&f, "verdict", word, 0));
        GOOD(wt_audit_query(rig.store, &f, find, &got, page));
        return got.n;
}

/* By action, rule or type; a page of them goes on behind the last one that was looked at. */
static void verdicts_are_filters(void **state)
{
        struct wt_audit_filter f = { .limit = 2 };
        struct found got = { .n = 0 };
        struct wt_audit_page page;
        uint64_t leaf = 0;
        uint32_t n;

        (void)state;
        for (uint32_t i = 0; i < 9; i++)
                put_verdict(i, i % 3 == 0 ? "mask" : i % 3 == 1 ? "block" : "", "bank-rule");
        assert_int_equal(ask_verdict("mask", 100, &page), 3);
        assert_false(page.has_more);
        assert_int_equal(ask_verdict("block", 100, &page), 3);
        assert_int_equal(ask_verdict("bank-rule", 100, &page), 6);
        assert_int_equal(ask_verdict("iban", 100, &page), 6);
        assert_int_equal(ask_verdict("allow", 100, &page), 0);
        assert_int_equal(ask_verdict("", 100, &page), 9);
        GOOD(wt_audit_filter_parse(&f, "tenant=verdicts&verdict=mask", 0, NULL));
        GOOD(wt_audit_query(rig.store, &f, find, &got, &page));
        assert_int_equal(got.n, 2);
        assert_true(page.has_more);
        GOOD(wt_audit_filter_set(&f, "after", page.after, 0));
        GOOD(wt_audit_query(rig.store, &f, find, &got, &page));
        assert_int_equal(got.n, 3);
        assert_false(page.has_more);
        got.n = 0;
        GOOD(wt_audit_tail(rig.store, &f, &leaf, find, &got, &n));
        assert_int_equal(got.n, 3);
}

/* ---- forms ---- */

static wt_err to_json(void *arg, const struct wt_audit_view *v)
{
        wt_audit_view_json(v, arg);
        return WT_ECANCELLED;                    /* one is enough */
}

static void json_has_all(void **state)
{
        static const char *const names[] = {
                "request_id", "time", "tenant", "actor", "key_id", "door", "action", "model",
                "revision", "arm", "policy", "attempt", "outcome", "status", "finish_reason",
                "prompt_tokens", "completion_tokens", "latency_ms", "ttft_ms", "itl_ms", "session",
                "kind", "verdicts" };
        struct wt_audit_filter f = { .limit = 1 };
        struct wt_audit_page page;
        struct wt_buf out = { 0 };
        wt_json *j;

        (void)state;
        assert_int_equal(wt_audit_query(rig.store, &f, to_json, &out, &page), WT_ECANCELLED);
        assert_int_equal(wt_json_parse(&j, out.data, out.len, &wt_json_default), WT_OK);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
                if (wt_json_get(j, 0, names[i]) == WT_JSON_NONE)
                        fail_msg("%s is missing", names[i]);
        wt_json_free(j);
        wt_buf_free(&out);
}

static uint32_t count(const char *s, char c)
{
        uint32_t n = 0;

        for (; *s != '\0'; s++)
                n += *s == c;
        return n;
}

static void csv_is_inert(void **state)
{
        struct wt_audit_view v = { .leaf = 7 };
        struct wt_buf out = { 0 };
        const uint8_t id[16] = { 1 };

        (void)state;
        v.first.kind = WT_AUDIT_INTENT;
        v.first.request = WT_BYTES(id, 16);
        v.first.tenant = WT_STR("=cmd|' /C calc'!A0");
        v.first.actor = WT_STR("a \"b\"; c");
        wt_audit_view_csv(&v, &out);
        assert_non_null(strstr(out.data, ",\"'=cmd|' /C calc'!A0\","));
        assert_non_null(strstr(out.data, ",\"a \"\"b\"\"; c\","));
        assert_int_equal(count(out.data, ','), count(wt_audit_csv_head, ','));
        assert_string_equal(wt_audit_view_outcome(&v), "");      /* it runs */
        v.has_end = true;
        v.end.kind = WT_AUDIT_INTERRUPTED;
        assert_string_equal(wt_audit_view_outcome(&v), "interrupted");
        wt_buf_clear(&out);
        wt_audit_view_csv(&v, &out);
        assert_int_equal(count(out.data, ','), count(wt_audit_csv_head, ','));
        wt_buf_free(&out);
}

int main(void)
{
        enum { N_TIMES = sizeof times / sizeof *times };
        const struct CMUnitTest plain[] = {
                cmocka_unit_test(refuses),           cmocka_unit_test(parses),
                cmocka_unit_test(pages_are_whole),   cmocka_unit_test(filters),
                cmocka_unit_test(quotes_are_values), cmocka_unit_test(tails),
                cmocka_unit_test(json_has_all),      cmocka_unit_test(csv_is_inert),
                cmocka_unit_test(verdicts_are_filters),
        };
        enum { N_PLAIN = sizeof plain / sizeof *plain };
        struct CMUnitTest tests[N_TIMES + N_PLAIN];

        for (int i = 0; i < N_TIMES; i++)
                tests[i] = (struct CMUnitTest){ times[i].name, reads_time, NULL, NULL,
                                                (void *)(uintptr_t)&times[i] };
        memcpy(tests + N_TIMES, plain, sizeof plain);
        return cmocka_run_group_tests(tests, build, sweep);
}
