#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/json.h"

static const struct text { const char *name, *text; size_t len; wt_err want; } texts[] = {
#define T(name, text, want) { name, text, sizeof(text) - 1, want }
        T("an empty text", "", WT_EINVAL),
        T("blanks alone", " \n", WT_EINVAL),
        T("a lone word", "null", WT_OK),
        T("a word cut short", "nul", WT_EINVAL),
        T("a word that goes on", "nullx", WT_EINVAL),
        T("a number", "-0.5e+3", WT_OK),
        T("a number with a leading zero", "01", WT_EINVAL),
        T("a lone minus", "-", WT_EINVAL),
        T("a point without digits", "1.", WT_EINVAL),
        T("an exponent without digits", "1e", WT_EINVAL),
        T("a plus sign", "+1", WT_EINVAL),
        T("NaN", "NaN", WT_EINVAL),
        T("a number beyond the doubles", "1e309", WT_EINVAL),
        T("a number below the doubles is zero", "1e-400", WT_OK),
        T("hexadecimal", "0x1", WT_EINVAL),
        T("an empty array", "[ ]", WT_OK),
        T("a comma too many", "[1,]", WT_EINVAL),
        T("a comma too early", "[,1]", WT_EINVAL),
        T("a comma missing", "[1 2]", WT_EINVAL),
        T("an array without end", "[1", WT_EINVAL),
        T("the wrong bracket", "[1}", WT_EINVAL),
        T("an empty object", "{}", WT_OK),
        T("a key without quotes", "{a:1}", WT_EINVAL),
        T("a key without a value", "{\"a\"}", WT_EINVAL),
        T("a comma too many in an object", "{\"a\":1,}", WT_EINVAL),
        T("a key twice", "{\"a\":1,\"b\":2,\"a\":3}", WT_EINVAL),
        T("a key twice, once escaped", "{\"a\":1,\"\\u0061\":3}", WT_EINVAL),
        T("the same key in two objects", "[{\"a\":1},{\"a\":{\"a\":2}}]", WT_OK),
        T("keys that differ after a NUL", "{\"a\\u0000b\":1,\"a\\u0000c\":2}", WT_OK),
        T("bytes after the value", "1 2", WT_EINVAL),
        T("blanks after the value", "1 \r\n\t", WT_OK),
        T("a NUL after the value", "1\0", WT_EINVAL),
        T("a NUL in a string", "\"a\0b\"", WT_EINVAL),
        T("a newline in a string", "\"a\nb\"", WT_EINVAL),
        T("DEL in a string", "\"\x7f\"", WT_OK),
        T("a string without end", "\"abc", WT_EINVAL),
        T("a string that ends in a backslash", "\"abc\\", WT_EINVAL),
        T("all escapes", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"", WT_OK),
        T("an unknown escape", "\"\\x41\"", WT_EINVAL),
        T("a short \\u", "\"\\u12\"", WT_EINVAL),
        T("a surrogate pair", "\"\\ud83d\\ude00\"", WT_OK),
        T("a lone high surrogate", "\"\\ud83d\"", WT_EINVAL),
        T("a lone low surrogate", "\"\\ude00\"", WT_EINVAL),
        T("two high surrogates", "\"\\ud83d\\ud83d\"", WT_EINVAL),
        T("a byte order mark", "\xef\xbb\xbf{}", WT_EINVAL),
        T("UTF-8 of two, three and four bytes", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"", WT_OK),
        T("an overlong slash", "\"\xc0\xaf\"", WT_EINVAL),
        T("a UTF-8 surrogate", "\"\xed\xa0\x80\"", WT_EINVAL),
        T("UTF-8 beyond U+10FFFF", "\"\xf4\x90\x80\x80\"", WT_EINVAL),
        T("UTF-8 cut short", "\"\xe2\x82\"", WT_EINVAL),
        T("a non-blank space", "\xc2\xa0" "1", WT_EINVAL),
#undef T
};
enum { N_TEXTS = sizeof texts / sizeof *texts };

static void strict(void **state)
{
        const struct text *t = *state;
        char *exact = malloc(t->len + 1);        /* ASan: nothing is read behind the text */
        wt_json *j = NULL;

        memcpy(exact, t->text, t->len);
        assert_int_equal(wt_json_parse(&j, exact, t->len, NULL), t->want);
        assert_true((j != NULL) == (t->want == WT_OK));
        if (t->want != WT_OK)
                assert_non_null(strstr(wt_words(), "at byte"));
        free(exact);
        wt_json_free(j);
}

static wt_json *parse(const char *text)
{
        wt_json *j = NULL;

        if (wt_json_parse(&j, text, strlen(text), NULL) != WT_OK)
                fail_msg("%s", wt_words());
        return j;
}

static void walks_in_document_order(void **state)
{
        wt_json *j = parse("{\"a\":[1,[2,{\"x\":3}],4],\"b\":{},\"c\":\"s\\u0000t\"}");
        wt_jv a = wt_json_get(j, 0, "a"), b = wt_json_get(j, 0, "b"), c = wt_json_get(j, 0, "c");
        size_t len;

        (void)state;
        assert_int_equal(wt_json_count(j, 0), 3);
        assert_int_equal(wt_json_first(j, 0), a);
        assert_int_equal(wt_json_next(j, a), b);
        assert_int_equal(wt_json_next(j, b), c);
        assert_int_equal(wt_json_next(j, c), WT_JSON_NONE);
        assert_int_equal(wt_json_next(j, 0), WT_JSON_NONE);
        assert_int_equal(wt_json_count(j, a), 3);
        assert_int_equal(wt_json_first(j, b), WT_JSON_NONE);
        assert_string_equal(wt_json_key(j, b, &len), "b");
        assert_null(wt_json_key(j, wt_json_first(j, a), &len));
        assert_memory_equal(wt_json_str(j, c, &len), "s\0t", 4);
        assert_int_equal(len, 3);
        assert_memory_equal(wt_json_raw(j, a, &len), "[1,[2,{\"x\":3}],4]", 17);
        assert_int_equal(len, 17);
        assert_int_equal(wt_json_type(j, wt_json_next(j, wt_json_first(j, a))), WT_JSON_ARRAY);
        wt_json_free(j);
}

static void none_is_harmless(void **state)
{
        wt_json *j = parse("[1]");
        int64_t i = 5;
        uint64_t u = 5;
        double d = 5;
        bool b = true;
        size_t len = 5;

        (void)state;
        assert_int_equal(wt_json_get(j, 0, "a"), WT_JSON_NONE);
        for (wt_jv v = WT_JSON_NONE; v != 0; v = 0) {
                assert_int_equal(wt_json_type(j, v), WT_JSON_NULL);
                assert_int_equal(wt_json_get(j, v, "a"), WT_JSON_NONE);
                assert_int_equal(wt_json_count(j, v), 0);
                assert_int_equal(wt_json_first(j, v), WT_JSON_NONE);
                assert_int_equal(wt_json_next(j, v), WT_JSON_NONE);
                assert_null(wt_json_key(j, v, &len));
                assert_null(wt_json_str(j, v, NULL));
                assert_null(wt_json_raw(j, v, &len));
                assert_false(wt_json_is_int(j, v) || wt_json_i64(j, v, &i) ||
                             wt_json_u64(j, v, &u) || wt_json_f64(j, v, &d) ||
                             wt_json_bool(j, v, &b));
        }
        assert_true(i == 5 && u == 5 && d == 5 && b && len == 0);
        wt_json_free(j);
}

static const struct number {
        const char *text; bool is_int, i64, u64; int64_t i; uint64_t u; double d;
} numbers[] = {
        { "0", true, true, true, 0, 0, 0 },
        { "-0", true, true, true, 0, 0, -0.0 },
        { "9007199254740993", true, true, true, 9007199254740993, 9007199254740993, 0x1p53 },
        { "9223372036854775807", true, true, true, INT64_MAX, INT64_MAX, 0x1p63 },
        { "9223372036854775808", true, false, true, 0, 0x8000000000000000u, 0x1p63 },
        { "-9223372036854775808", true, true, false, INT64_MIN, 0, -0x1p63 },
        { "-9223372036854775809", false, false, false, 0, 0, -0x1p63 },
        { "18446744073709551615", true, false, true, 0, UINT64_MAX, 0x1p64 },
        { "18446744073709551616", false, false, false, 0, 0, 0x1p64 },
        { "1.0", false, false, false, 0, 0, 1 },
        { "1e2", false, false, false, 0, 0, 100 },
        { "0.1", false, false, false, 0, 0, 0.1 },
        { "4.9e-324", false, false, false, 0, 0, 0x1p-1074 },
        { "1.7976931348623157e308", false, false, false, 0, 0, 0x1.fffffffffffffp1023 },
};
enum { N_NUMBERS = sizeof numbers / sizeof *numbers };

static void exact(void **state)
{
        const struct number *n = *state;
        wt_json *j = parse(n->text);
        int64_t i = 0;
        uint64_t u = 0;
        double d = 7;

        assert_int_equal(wt_json_is_int(j, 0), n->is_int);
        assert_int_equal(wt_json_i64(j, 0, &i), n->i64);
        assert_int_equal(wt_json_u64(j, 0, &u), n->u64);
        assert_true(i == n->i && u == n->u);
        assert_true(wt_json_f64(j, 0, &d));
        assert_memory_equal(&d, &n->d, sizeof d);        /* the sign of zero as well */
        wt_json_free(j);
}

static void limits_hold(void **state)
{
        const struct wt_json_limits lim = { .max_depth = 3, .max_bytes = 20, .max_nodes = 4 };
        static const struct { const char *text; wt_err want; } cases[] = {
                { "[[[0]]]", WT_OK }, { "[[[[]]]]", WT_EEXHAUSTED },
                { "[1,2,3]", WT_OK }, { "[1,2,3,4]", WT_EEXHAUSTED },
                { "\"345678901234567890\"", WT_OK }, { "\"3456789012345678901\"", WT_EEXHAUSTED },
                { "[[],[],[]]", WT_OK },
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                wt_json *j = NULL;

                assert_int_equal(wt_json_parse(&j, cases[i].text, strlen(cases[i].text), &lim),
                                 cases[i].want);
                wt_json_free(j);
        }
}

/* 100,000 deep brackets meet the limit, not the stack; 64 levels are fine by default, 65 are
 * not. */
static void depth_is_a_number_not_the_stack(void **state)
{
        const struct wt_json_limits lim = { .max_depth = 1000000, .max_bytes = 1 << 20,
                                            .max_nodes = 1 << 20 };
        enum { N = 100000 };
        char *text = malloc(2 * N);
        wt_json *j = NULL;

        (void)state;
        memset(text, '[', N);
        memset(text + N, ']', N);
        assert_int_equal(wt_json_parse(&j, text, 2 * N, NULL), WT_EEXHAUSTED);
        assert_int_equal(wt_json_parse(&j, text + N - 65, 130, NULL), WT_EEXHAUSTED);
        assert_int_equal(wt_json_parse(&j, text + N - 64, 128, NULL), WT_OK);
        wt_json_free(j);
        assert_int_equal(wt_json_parse(&j, text, 2 * N, &lim), WT_OK);
        wt_json_free(j);
        free(text);
}

/* Objects on both sides of the table's threshold, every key found, none that is not there. */
static void every_key_is_found(void **state)
{
        (void)state;
        for (int n = 0; n < 200; n += 1 + n / 7) {
                struct wt_buf b = { 0 };
                wt_json *j;

                wt_buf_str(&b, "{\"outer\":{");
                for (int i = 0; i < n; i++) {
                        char key[32];

                        snprintf(key, sizeof key, "k%d", i);
                        wt_buf_json_ki(&b, key, i);
                }
                wt_buf_str(&b, "}}");
                j = parse(b.data);
                for (int i = -3; i < n + 3; i++) {
                        char key[32];
                        int64_t got = -1;

                        snprintf(key, sizeof key, "k%d", i);
                        wt_json_i64(j, wt_json_get(j, wt_json_get(j, 0, "outer"), key), &got);
                        assert_int_equal(got, i >= 0 && i < n ? i : -1);
                }
                wt_json_free(j);
                wt_buf_free(&b);
        }
}

static void a_large_object_refuses_a_key_twice(void **state)
{
        struct wt_buf b = { 0 };
        wt_json *j = NULL;

        (void)state;
        wt_buf_str(&b, "{");
        for (int i = 0; i < 5000; i++) {
                char key[32];

                snprintf(key, sizeof key, "%d", i < 4999 ? i : 2500);
                wt_buf_json_ki(&b, key, i);
        }
        wt_buf_str(&b, "}");
        assert_int_equal(wt_json_parse(&j, b.data, b.len, NULL), WT_EINVAL);
        assert_non_null(strstr(wt_words(), "stood already"));
        wt_buf_free(&b);
}

static void a_locale_with_commas_changes_nothing(void **state)
{
        struct wt_buf b = { 0 };
        double d = 0;
        wt_json *j;

        (void)state;
        if (!setlocale(LC_ALL, "de_DE.UTF-8") && !setlocale(LC_ALL, "fr_FR.UTF-8"))
                print_message("skipped: no locale with a comma is installed\n");
        j = parse("[1.5]");
        assert_true(wt_json_f64(j, wt_json_first(j, 0), &d) && d == 1.5);
        wt_buf_json_kf(&b, "x", 1.5);
        assert_string_equal(b.data, "\"x\":1.5");
        setlocale(LC_ALL, "C");
        wt_buf_free(&b);
        wt_json_free(j);
}

int main(void)
{
        struct CMUnitTest tests[N_TEXTS + N_NUMBERS + 7] = {
                cmocka_unit_test(walks_in_document_order),
                cmocka_unit_test(none_is_harmless),
                cmocka_unit_test(limits_hold),
                cmocka_unit_test(depth_is_a_number_not_the_stack),
                cmocka_unit_test(every_key_is_found),
                cmocka_unit_test(a_large_object_refuses_a_key_twice),
                cmocka_unit_test(a_locale_with_commas_changes_nothing),
        };
        size_t n = 7;

        for (size_t i = 0; i < N_TEXTS; i++)
                tests[n++] =
                        (struct CMUnitTest){texts[i].name, strict, NULL, NULL, (void *)&texts[i]};
        for (size_t i = 0; i < N_NUMBERS; i++)
                tests[n++] = (struct CMUnitTest){ numbers[i].text, exact, NULL, NULL,
                                                  (void *)&numbers[i] };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
