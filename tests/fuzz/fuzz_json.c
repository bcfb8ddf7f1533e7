/* fuzz_json.c - the JSON reader, with jansson as oracle where it is found: both accept a text, as
 * the same values, or both refuse it. Where they may differ:
 *   a raw NUL             jansson 2.14 swallows one after a number
 *   integers past int64   jansson has none, we keep them (numeric_overflow there)
 *   NUL in a key          jansson refuses it, RFC 8259 does not
 *   depth                 each has its own limit; ours is an error of its own, WT_EEXHAUSTED
 * Whatever was accepted: each value's raw text must read as that value. */
#include <stdint.h>
#include <string.h>
#include "base/json.h"
#ifdef HAVE_JANSSON
#include <jansson.h>
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_BYTES = 1 << 16, MOST_RAW = 4096, MOST_DEPTH = 40 };

static const struct wt_json_limits limits = { .max_depth = MOST_DEPTH, .max_bytes = MOST_BYTES,
                                              .max_nodes = 1 << 14 };

/* ---- a value against itself ---- */

static void check_number(const wt_json *j, wt_jv v)
{
        int64_t i = 0;
        uint64_t u = 0;
        double d = 0;
        bool is_i = wt_json_i64(j, v, &i), is_u = wt_json_u64(j, v, &u);

        WT_ASSERT(wt_json_f64(j, v, &d) && d - d == 0);
        WT_ASSERT(wt_json_is_int(j, v) == (is_i || is_u));
        WT_ASSERT(!is_i || (double)i == d);
        WT_ASSERT(!is_u || (double)u == d);
        WT_ASSERT(!(is_i && is_u) || (i >= 0 && (uint64_t)i == u));
}

static void check_children(const wt_json *j, wt_jv v)
{
        uint32_t n = 0;

        for (wt_jv c = wt_json_first(j, v); c != WT_JSON_NONE; c = wt_json_next(j, c), n++) {
                size_t len;
                const char *key = wt_json_key(j, c, &len);

                if (wt_json_type(j, v) == WT_JSON_OBJECT && strlen(key) == len)
                        WT_ASSERT(wt_json_get(j, v, key) == c);
        }
        WT_ASSERT(n == wt_json_count(j, v));
}

static void check_raw(const wt_json *j, wt_jv v)
{
        size_t len, again_len, str_len, again_str;
        const char *raw = wt_json_raw(j, v, &len), *s, *again_s;
        wt_json *again;

        if (len > MOST_RAW)
                return;
        WT_ASSERT(wt_json_parse(&again, raw, len, &limits) == WT_OK);
        WT_ASSERT(wt_json_type(again, 0) == wt_json_type(j, v));
        WT_ASSERT(wt_json_count(again, 0) == wt_json_count(j, v));
        WT_ASSERT(!memcmp(wt_json_raw(again, 0, &again_len), raw, len) && again_len == len);
        s = wt_json_str(j, v, &str_len);
        again_s = wt_json_str(again, 0, &again_str);
        WT_ASSERT((s == NULL) == (again_s == NULL));
        WT_ASSERT(s == NULL || (str_len == again_str && !memcmp(s, again_s, str_len + 1)));
        wt_json_free(again);
}

/* Every value, each before its children. next[d]: the sibling to go on with at depth d. */
static void check(const wt_json *j)
{
        wt_jv next[MOST_DEPTH + 2], v = 0;
        int top = 0;

        for (;;) {
                if (wt_json_type(j, v) == WT_JSON_NUMBER)
                        check_number(j, v);
                check_children(j, v);
                check_raw(j, v);
                next[top] = top > 0 ? wt_json_next(j, v) : WT_JSON_NONE;
                v = wt_json_first(j, v);
                if (v != WT_JSON_NONE) {
                        WT_ASSERT(++top <= MOST_DEPTH);
                        continue;
                }
                while (top >= 0 && next[top] == WT_JSON_NONE)
                        top--;
                if (top < 0)
                        return;
                v = next[top];
        }
}

/* ---- a value against jansson's ---- */

#ifdef HAVE_JANSSON
static void same(const wt_json *j, wt_jv v, const json_t *o)
{
        size_t len = 0;
        int64_t i;
        double d;
        bool b;

        switch (wt_json_type(j, v)) {
        case WT_JSON_NULL:
                WT_ASSERT(json_is_null(o));
                break;
        case WT_JSON_BOOL:
                WT_ASSERT(wt_json_bool(j, v, &b) && json_is_boolean(o) && b == json_is_true(o));
                break;
        case WT_JSON_NUMBER:
                if (json_is_integer(o))
                        WT_ASSERT(wt_json_i64(j, v, &i) && i == json_integer_value(o));
                else
                        WT_ASSERT(wt_json_f64(j, v, &d) && d == json_real_value(o));
                break;
        case WT_JSON_STRING:
                wt_json_str(j, v, &len);
                WT_ASSERT(json_is_string(o) && len == json_string_length(o));
                WT_ASSERT(!memcmp(wt_json_str(j, v, NULL), json_string_value(o), len));
                break;
        case WT_JSON_ARRAY:
                WT_ASSERT(wt_json_count(j, v) == json_array_size(o));
                for (v = wt_json_first(j, v); v != WT_JSON_NONE; v = wt_json_next(j, v))
                        same(j, v, json_array_get(o, len++));
                break;
        case WT_JSON_OBJECT:
                WT_ASSERT(wt_json_count(j, v) == json_object_size(o));
                for (v = wt_json_first(j, v); v != WT_JSON_NONE; v = wt_json_next(j, v)) {
                        const char *key = wt_json_key(j, v, &len);

                        same(j, v, json_object_getn(o, key, len));
                }
                break;
        }
}

static void ask_oracle(const char *text, size_t size, const wt_json *j)
{
        json_error_t why;
        json_t *o = json_loadb(text, size,
                               JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
        enum json_error_code code = o ? json_error_unknown : json_error_code(&why);

        if (o && j)
                same(j, 0, o);
        else if (o)
                WT_ASSERT(!"jansson accepts what we refuse");
        else if (j)
                WT_ASSERT(code == json_error_numeric_overflow ||
                          code == json_error_null_byte_in_key);
        json_decref(o);
}
#else
static void ask_oracle(const char *text, size_t size, const wt_json *j)
{
        (void)text; (void)size; (void)j;
}
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const char *text = (const char *)data;
        wt_json *j = NULL;
        wt_err err;

        if (size > MOST_BYTES)
                return 0;
        err = wt_json_parse(&j, text, size, &limits);
        WT_ASSERT(err == WT_OK || err == WT_EINVAL || err == WT_EEXHAUSTED);
        WT_ASSERT(err == WT_OK || wt_words()[0]);
        if (err == WT_OK)
                check(j);
        if (err != WT_EEXHAUSTED && (size == 0 || !memchr(data, '\0', size)))
                ask_oracle(text, size, j);
        wt_json_free(j);
        return 0;
}
