/* memory_test.c - arena, buf and the guard of the hot path (hot.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/hot.h"
#include "base/list.h"
#include "base/number.h"
#include "base/rng.h"

static void arena_is_zeroed_and_aligned(void **state)
{
        struct wt_arena a = { 0 };

        (void)state;
        for (int turn = 0; turn < 3; turn++) {
                for (size_t n = 0; n < 300; n++) {
                        unsigned char *p = wt_arena_take(&a, n);

                        assert_int_equal((uintptr_t)p % (n >= 64 ? 64 : 16), 0);
                        for (size_t i = 0; i < n; i++)
                                assert_int_equal(p[i], 0);
                        memset(p, 0xff, n);
                }
                wt_arena_reset(&a);
        }
        wt_arena_fini(&a);
        assert_null(a.head);
}

/* What is taken does not overlap, also when a large piece needs a block of its own in between. */
static void arena_pieces_are_apart(void **state)
{
        struct wt_arena a;
        uint32_t *piece[400];

        (void)state;
        wt_arena_init(&a, 1024);
        for (int turn = 0; turn < 4; turn++) {
                for (uint32_t i = 0; i < 400; i++) {
                        size_t n = 1 + (size_t)(wt_philox_unit(7, i, (uint32_t)turn, 0) * 900);

                        piece[i] = wt_arena_take(&a, n * sizeof **piece);
                        for (size_t k = 0; k < n; k++)
                                piece[i][k] = i;
                }
                for (uint32_t i = 0; i < 400; i++) {
                        size_t n = 1 + (size_t)(wt_philox_unit(7, i, (uint32_t)turn, 0) * 900);

                        for (size_t k = 0; k < n; k++)
                                assert_int_equal(piece[i][k], i);
                }
                wt_arena_reset(&a);
        }
        wt_arena_fini(&a);
}

static size_t blocks_of(const struct wt_arena *a)
{
        size_t n = 0;

        for (const char *const *b = (const char *const *)a->head; b; b = (const char *const *)*b)
                n++;                             /* next is a block's first field */
        return n;
}

static void warm_arena_takes_no_more(void **state)
{
        struct wt_arena a;
        size_t after_first = 0;

        (void)state;
        wt_arena_init(&a, 512);
        for (int turn = 0; turn < 5; turn++) {
                for (size_t n = 1; n < 2000; n += 37)
                        wt_arena_take(&a, n);
                if (turn == 0)
                        after_first = blocks_of(&a);
                assert_int_equal(blocks_of(&a), after_first);
                wt_arena_reset(&a);
        }
        wt_arena_fini(&a);
}

static void arena_strings(void **state)
{
        struct wt_arena a = { 0 };

        (void)state;
        assert_string_equal(wt_arena_str(&a, "abcdef", 3), "abc");
        assert_string_equal(wt_arena_str(&a, NULL, 0), "");
        assert_string_equal(wt_arena_fmt(&a, "%s-%d", "x", 42), "x-42");
        assert_int_equal(strlen(wt_arena_fmt(&a, "%0100000d", 1)), 100000);
        wt_arena_fini(&a);
}

static void buf_grows_and_ends_in_nul(void **state)
{
        struct wt_buf b = { 0 };

        (void)state;
        for (int i = 0; i < 1000; i++) {
                wt_buf_fmt(&b, "%d,", i);
                assert_int_equal(b.data[b.len], 0);
        }
        assert_int_equal(b.len, 3890);
        wt_buf_drop_front(&b, 3886);
        assert_string_equal(b.data, "999,");
        wt_buf_clear(&b);
        assert_string_equal(b.data, "");
        wt_buf_add(&b, "a\0b", 3);
        assert_memory_equal(b.data, "a\0b", 4);
        wt_buf_free(&b);
        assert_null(b.data);
}

static void a_list_keeps_what_is_in_it(void **state)
{
        struct item { uint64_t a; uint8_t b[5]; } *list = NULL, *at;
        uint32_t n = 0, cap = 0, moved = 0;

        (void)state;
        for (; n < 1000; n++) {
                uint32_t before = cap;

                assert_non_null(at = wt_list_more(&list, n, &cap, sizeof *at));
                assert_ptr_equal(at, &list[n]);
                assert_true(cap > n && cap >= before);
                moved += cap != before;
                *at = (struct item){ .a = n, .b = { (uint8_t)n } };
        }
        for (uint32_t i = 0; i < n; i++)
                assert_true(list[i].a == i && list[i].b[0] == (uint8_t)i);
        assert_int_equal(moved, 5);              /* 64 to 1,024 */
        at = list;
        cap = n = UINT32_MAX;
        assert_null(wt_list_more(&list, n, &cap, 1));    /* no such number */
        assert_true(list == at && cap == UINT32_MAX);
        free(list);
}

static void json_places_its_commas(void **state)
{
        struct wt_buf b = { 0 };

        (void)state;
        wt_buf_str(&b, "{");
        wt_buf_json_kv(&b, "a", "x");
        wt_buf_json_kv(&b, "n", NULL);
        wt_buf_json_ki(&b, "i", INT64_MIN);
        wt_buf_json_ku(&b, "u", UINT64_MAX);
        wt_buf_json_kb(&b, "t", 2);
        wt_buf_json_kf(&b, "nan", (double)NAN);
        wt_buf_json_kf(&b, "inf", -(double)INFINITY);
        wt_buf_json_key(&b, "l");
        wt_buf_str(&b, "[");
        for (int i = 0; i < 3; i++) {
                wt_buf_json_sep(&b);
                wt_buf_json_str(&b, "[", 1);     /* a bracket inside of quotes is none */
        }
        wt_buf_str(&b, "]}");
        assert_string_equal(b.data, "{\"a\":\"x\",\"n\":null,\"i\":-9223372036854775808,"
                "\"u\":18446744073709551615,\"t\":true,\"nan\":null,\"inf\":null,"
                "\"l\":[\"[\",\"[\",\"[\"]}");
        wt_buf_free(&b);
}

static const struct text { const char *name, *in; size_t len; const char *out;
} texts[] = {
#define T(name, in, out) { name, in, sizeof(in) - 1, out }
        T("plain", "abc", "\"abc\""),
        T("quotes and controls", "\"\\\n\r\t\b\f\x01\x1f\x7f",
          "\"\\\"\\\\\\n\\r\\t\\b\\f\\u0001\\u001f\x7f\""),
        T("a NUL", "a\0b", "\"a\\u0000b\""),
        T("UTF-8", "\xc3\xa9\xf0\x9f\x98\x80", "\"\xc3\xa9\xf0\x9f\x98\x80\""),
        T("a stray continuation",
          "a\x80"
          "b",
          "\"a\xef\xbf\xbd"
          "b\""),
        T("cut short at the end", "\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\""),
        T("overlong", "\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""),
        T("surrogate", "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""),
#undef T
};
enum { N_TEXTS = sizeof texts / sizeof *texts };

static void escaped(void **state)
{
        const struct text *t = *state;
        struct wt_buf b = { 0 };

        wt_buf_json_str(&b, t->in, t->len);
        assert_string_equal(b.data, t->out);
        wt_buf_free(&b);
}

static const struct { double v; const char *text;
} doubles[] = {
        {0, "0"},
        {-0.0, "-0"},
        {1, "1"},
        {0.1, "0.1"},
        {-1.5, "-1.5"},
        {1e100, "1e+100"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {5e-324, "5e-324"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {DBL_MAX, "1.7976931348623157e+308"},
        {123456789012, "123456789012"},
        {9007199254740993.0, "9007199254740992"},
};

static void doubles_are_short_and_exact(void **state)
{
        char text[32];

        (void)state;
        for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++) {
                assert_int_equal(wt_dtoa(doubles[i].v, text), strlen(doubles[i].text));
                assert_string_equal(text, doubles[i].text);
        }
        for (uint32_t i = 0; i < 100000; i++) {
                uint32_t key[2] = { 1, 2 }, counter[4] = { i, 0, 0, 0 }, r[4];
                uint64_t bits;
                double v;

                wt_philox(key, counter, r);
                bits = (uint64_t)r[0] << 32 | r[1];
                memcpy(&v, &bits, sizeof v);
                if (!isfinite(v))
                        continue;
                assert_true(wt_dtoa(v, text) < 32);
                assert_true(wt_strtod(text, NULL) == v);
        }
}

/* In a child: what a debug build does, what a release build counts. 0, 1: exit status; -1:
 * aborted. */
static int in_child(void (*f)(void))
{
        int status;
        pid_t child = fork();

        if (child == 0) {
                signal(SIGABRT, SIG_DFL);
                close(2);
                f();
                _exit(wt_hot_allocs() == 1);
        }
        waitpid(child, &status, 0);
        return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT ? -1 : WEXITSTATUS(status);
}

static void hot_growth(void)
{
        struct wt_buf b = { 0 };

        wt_hot_begin();
        wt_hot_begin();
        wt_hot_end();
        wt_buf_room(&b, 100);
        wt_hot_end();
}

static void hot_arena(void)
{
        struct wt_arena a = { 0 };

        wt_hot_begin();
        wt_arena_take(&a, 1);
}

static void cool_growth(void)
{
        struct wt_buf b = { 0 };

        wt_buf_room(&b, 100);
        wt_hot_begin();
        wt_buf_room(&b, 100);                    /* warm: no growth */
        wt_hot_end();
        wt_buf_room(&b, 10000);
}

static void unbalanced(void) { wt_hot_end(); }

#ifdef WITAN_DEBUG
static void hot_malloc(void)
{
        void *volatile p;

        wt_hot_begin();
        p = malloc(10);
        free(p);
}
#endif

static void the_hot_path_is_guarded(void **state)
{
        (void)state;
#ifdef WITAN_DEBUG
        assert_int_equal(in_child(hot_growth), -1);
        assert_int_equal(in_child(hot_arena), -1);
        assert_int_equal(in_child(hot_malloc), -1);
#else
        assert_int_equal(in_child(hot_growth), 1);
        assert_int_equal(in_child(hot_arena), 1);
#endif
        assert_int_equal(in_child(cool_growth), 0);
        assert_int_equal(in_child(unbalanced), -1);
        assert_false(wt_hot());
}

int main(void)
{
        struct CMUnitTest tests[9 + N_TEXTS] = {
                cmocka_unit_test(arena_is_zeroed_and_aligned),
                cmocka_unit_test(arena_pieces_are_apart),
                cmocka_unit_test(warm_arena_takes_no_more),
                cmocka_unit_test(arena_strings),
                cmocka_unit_test(buf_grows_and_ends_in_nul),
                cmocka_unit_test(a_list_keeps_what_is_in_it),
                cmocka_unit_test(json_places_its_commas),
                cmocka_unit_test(doubles_are_short_and_exact),
                cmocka_unit_test(the_hot_path_is_guarded),
        };

        for (size_t i = 0; i < N_TEXTS; i++)
                tests[9 + i] =
                        (struct CMUnitTest){texts[i].name, escaped, NULL, NULL, (void *)&texts[i]};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
