/* json_suite_test.c - the JSON parsing suite of N. Seriot (shared data; skipped when absent), with
 * jansson as a second opinion, and random trees told to both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"

/* The i_ files are open to the parser; of them we accept these: an exponent that underflows, and
 * integers beyond 64 bits, whose nearest double is in range. */
static const char *const accepted[] = {
        "i_number_double_huge_neg_exp.json", "i_number_real_underflow.json",
        "i_number_too_big_neg_int.json", "i_number_too_big_pos_int.json",
        "i_number_very_big_negative_int.json",
};
/* RFC 8259 leaves a key that stands twice open, the suite accepts it, we refuse it. */
static const char *const refused[] = {
        "y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json",
};

static bool listed(const char *name, const char *const *list, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (strcmp(name, list[i]) == 0)
                        return true;
        return false;
}

static bool should_pass(const char *name)
{
        if (name[0] == 'y')
                return !listed(name, refused, sizeof refused / sizeof *refused);
        return name[0] == 'i' && listed(name, accepted, sizeof accepted / sizeof *accepted);
}

/* The same value on both sides? */
static void same(const wt_json *j, wt_jv v, const json_t *o)
{
        size_t len = 0;
        int64_t i;
        double d;
        bool b;

        switch (wt_json_type(j, v)) {
        case WT_JSON_NULL: assert_true(json_is_null(o)); break;
        case WT_JSON_BOOL:
                assert_true(wt_json_bool(j, v, &b) && json_is_boolean(o) && b == json_is_true(o));
                break;
        case WT_JSON_NUMBER:
                assert_true(wt_json_f64(j, v, &d));
                if (json_is_integer(o))
                        assert_true(wt_json_i64(j, v, &i) && i == json_integer_value(o));
                else
                        assert_true(json_is_real(o) && d == json_real_value(o));
                break;
        case WT_JSON_STRING:
                wt_json_str(j, v, &len);
                assert_true(json_is_string(o) && len == json_string_length(o));
                assert_memory_equal(wt_json_str(j, v, NULL), json_string_value(o), len + 1);
                break;
        case WT_JSON_ARRAY:
                assert_int_equal(wt_json_count(j, v), json_array_size(o));
                for (v = wt_json_first(j, v); v != WT_JSON_NONE; v = wt_json_next(j, v))
                        same(j, v, json_array_get(o, len++));
                break;
        case WT_JSON_OBJECT:
                assert_int_equal(wt_json_count(j, v), json_object_size(o));
                for (v = wt_json_first(j, v); v != WT_JSON_NONE; v = wt_json_next(j, v)) {
                        const char *key = wt_json_key(j, v, &len);

                        same(j, v, json_object_getn(o, key, len));
                }
                break;
        }
}

static bool one_file(const char *folder, const char *name)
{
        struct wt_buf text = { 0 };
        char path[1024];
        wt_json *j = NULL;
        json_t *o;
        bool passed;

        snprintf(path, sizeof path, "%s/%s", folder, name);
        assert_int_equal(wt_file_read(path, 1 << 20, &text), WT_OK);
        passed = wt_json_parse(&j, text.data ? text.data : "", text.len, NULL) == WT_OK;
        o = json_loadb(text.data ? text.data : "", text.len,
                       JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        if (passed && o)
                same(j, 0, o);
        json_decref(o);
        wt_json_free(j);
        wt_buf_free(&text);
        return passed;
}

static void suite(void **state)
{
        const char *shared = getenv("WITAN_SHARED");
        char folder[512];
        struct dirent *e;
        int files = 0, wrong = 0;
        DIR *dir;

        (void)state;
        snprintf(folder, sizeof folder, "%s/data/api/json/nst/test_parsing",
                 shared ? shared : "../shared");
        dir = opendir(folder);
        if (!dir) {
                print_message("skipped: no %s\n", folder);
                skip();
        }
        while ((e = readdir(dir)) != NULL) {
                if (e->d_name[0] == '.')
                        continue;
                files++;
                if (one_file(folder, e->d_name) != should_pass(e->d_name)) {
                        print_error("%s: %s\n", e->d_name,
                                    should_pass(e->d_name) ? wt_words() : "passed");
                        wrong++;
                }
        }
        closedir(dir);
        print_message("%d files\n", files);
        assert_true(files > 300);
        assert_int_equal(wrong, 0);
}

/* Random documents from jansson's own writer. */
static json_t *tree(uint32_t seed, uint32_t *at, int depth)
{
        uint32_t what = (uint32_t)(wt_philox_unit(seed, (*at)++, 0, 0) * (depth > 5 ? 6 : 8));
        double x = wt_philox_unit(seed, (*at)++, 0, 0);
        static const char *const words[] = {"",
                                            "a",
                                            "\"q\\\n",
                                            "\xc3\xa9\xe2\x82\xac",
                                            "\xf0\x9f\x98\x80",
                                            "a long one, of more than sixteen bytes"};
        uint32_t n = (uint32_t)(x * 14);
        char key[32];
        json_t *o;

        switch (what) {
        case 0: return json_null();
        case 1: return json_boolean(x < 0.5);
        case 2: return json_integer((json_int_t)((x - 0.5) * 0x1p63));
        case 3: return json_real(ldexp(x - 0.5, (int)(n * 150) - 1000));
        case 4: case 5: return json_string(words[n % 6]);
        case 6:
                o = json_array();
                while (n--)
                        json_array_append_new(o, tree(seed, at, depth + 1));
                return o;
        default:
                o = json_object();
                while (n--) {
                        snprintf(key, sizeof key, "%s%u", words[n % 5], n);
                        json_object_set_new(o, key, tree(seed, at, depth + 1));
                }
                return o;
        }
}

static void random_trees_read_the_same(void **state)
{
        (void)state;
        for (uint32_t seed = 0; seed < 300; seed++) {
                uint32_t at = 0;
                json_t *o = tree(seed, &at, 0);
                char *text = json_dumps(o, JSON_ENCODE_ANY |
                                                   (seed & 1 ? JSON_INDENT(2) : JSON_ENSURE_ASCII));
                wt_json *j = NULL;

                assert_non_null(text);
                if (wt_json_parse(&j, text, strlen(text), NULL) != WT_OK)
                        fail_msg("%s", wt_words());
                same(j, 0, o);
                wt_json_free(j);
                free(text);
                json_decref(o);
        }
}

/* One byte replaced: whatever jansson accepts with the same strictness, we accept as the same
 * value, and the other way round. */
static void broken_texts_fare_the_same(void **state)
{
        int both = 0, neither = 0;

        (void)state;
        for (uint32_t seed = 0; seed < 4000; seed++) {
                uint32_t at = 0;
                json_t *o = tree(seed % 40, &at, 3);
                char *text = json_dumps(o, JSON_ENCODE_ANY);
                size_t len = strlen(text),
                       spot = (size_t)(wt_philox_unit(seed, 0, 1, 0) * (double)len);
                wt_json *j = NULL;
                json_error_t why;
                json_t *p;
                wt_err err;
                bool too_large;                  /* jansson has no integers beyond 64 bits */

                /* no NUL: jansson 2.14 swallows one after a number */
                text[spot] = (char)(1 + (int)(wt_philox_unit(seed, 0, 2, 0) * 255));
                err = wt_json_parse(&j, text, len, NULL);
                p = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL,
                               &why);
                too_large = !p && json_error_code(&why) == json_error_numeric_overflow;
                assert_true((err == WT_OK) == (p != NULL) || too_large);
                if (p)
                        same(j, 0, p);
                both += p != NULL;
                neither += p == NULL;
                json_decref(p);
                json_decref(o);
                wt_json_free(j);
                free(text);
        }
        assert_true(both > 100 && neither > 100);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(suite),
                cmocka_unit_test(random_trees_read_the_same),
                cmocka_unit_test(broken_texts_fare_the_same),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
