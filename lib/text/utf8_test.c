/* utf8_test.c - bytes of tokens as they come, text as it goes out. Rows of H03 and after it. */
#include "text/text_test.h"

enum { MAX_FEEDS = 6 };
static const struct row {
        const char *name;
        struct { const char *bytes, *text; } feed[MAX_FEEDS];    /* bytes NULL: the end */
} rows[] = {
        { "an owl in three tokens, a cut character", {
                { "\xf0\x9f", "" }, { "\xa6", "" }, { "\x89\xee", "\xf0\x9f\xa6\x89" },
                { NULL, "\xef\xbf\xbd" } } },
        { "two characters across tokens", {
                { "\xe4\xbd", "" }, { "\xa0\xe5\xa5", "\xe4\xbd\xa0" }, { "\xbd", "\xe5\xa5\xbd" },
                { NULL, "" } } },
        { "a byte that begins nothing", { { "a\xff" "b", "a\xef\xbf\xbd" "b" }, { NULL, "" } } },
        { "a tail at the end", { { "\xe2\x82", "" }, { NULL, "\xef\xbf\xbd" } } },
        { "a whole one and a tail", {
                { "\xf0\x9f\x98\x80\xf0\x9f", "\xf0\x9f\x98\x80" }, { NULL, "\xef\xbf\xbd" } } },
        { "a character broken off by ASCII", {
                { "\xe2\x82", "" }, { "x", "\xef\xbf\xbdx" }, { NULL, "" } } },
        { "one broken off by the begin of another", {
                { "\xe2", "" }, { "\xe2", "\xef\xbf\xbd" }, { "\x82\xac", "\xe2\x82\xac" },
                { NULL, "" } } },
        { "a surrogate is three errors", {
                { "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, { NULL, "" } } },
        { "a longer form than needed", {
                { "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" }, { NULL, "" } } },
        { "beyond the last character", {
                { "\xf4\x90", "\xef\xbf\xbd\xef\xbf\xbd" },
                { "\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd" }, { NULL, "" } } },
        { "four bytes, one at a time, the last wrong", {
                { "\xf0", "" }, { "\x90", "" }, { "\x8d", "" }, { "\xc3", "\xef\xbf\xbd" },
                { "\xa9", "\xc3\xa9" }, { NULL, "" } } },
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static void streams(void **state)
{
        const struct row *r = *state;
        struct wt_utf8_stream s = { 0 };
        struct wt_buf out = { 0 };

        for (int i = 0; i < MAX_FEEDS; i++) {
                const char *bytes = r->feed[i].bytes;

                wt_buf_clear(&out);
                if (bytes != NULL)
                        wt_utf8_feed(&s, bytes, strlen(bytes), &out);
                else
                        wt_utf8_end(&s, &out);
                assert_string_equal(out.data != NULL ? out.data : "", r->feed[i].text);
                if (bytes == NULL)
                        break;
        }
        assert_int_equal(s.n, 0);
        wt_buf_free(&out);
}

/* However the bytes are cut into tokens, the joined stream is the text decoded in one piece. */
static void cuts_do_not_show(void **state)
{
        uint32_t seed = 1;

        (void)state;
        for (int turn = 0; turn < 2000; turn++) {
                struct wt_utf8_stream one = { 0 }, many = { 0 };
                struct wt_buf whole = { 0 }, parts = { 0 };
                char bytes[64];

                for (int i = 0; i < 64; i++) {
                        static const char often[] = "a\x80\x9f\xbf\xc3\xe2\xed\xf0\xf4\xff\xa0\x90";

                        seed = seed * 1664525u + 1013904223u;
                        bytes[i] = often[(seed >> 16) % 12];
                }
                wt_utf8_feed(&one, bytes, 64, &whole);
                wt_utf8_end(&one, &whole);
                for (size_t at = 0, n; at < 64; at += n) {
                        seed = seed * 1664525u + 1013904223u;
                        n = (seed >> 16) % 5;
                        n = n < 64 - at ? n : 64 - at;
                        wt_utf8_feed(&many, bytes + at, n, &parts);
                }
                wt_utf8_end(&many, &parts);
                assert_string_equal(whole.data, parts.data);
                assert_int_equal(wt_utf8_valid(whole.data, whole.len), whole.len);
                wt_buf_free(&whole);
                wt_buf_free(&parts);
        }
}

int main(void)
{
        struct CMUnitTest tests[N_ROWS + 1];

        for (size_t i = 0; i < N_ROWS; i++)
                tests[i] = (struct CMUnitTest){ rows[i].name, streams, NULL, NULL,
                                                (void *)&rows[i] };
        tests[N_ROWS] = (struct CMUnitTest)cmocka_unit_test(cuts_do_not_show);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
