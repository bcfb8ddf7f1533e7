/* base64_test.c - what is encoded comes back, and each value has one text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/base64.h"

static void base64_is_strict(void **state)
{
        struct wt_buf text = { 0 }, back = { 0 };
        uint8_t bytes[70], room[3];

        (void)state;
        for (size_t i = 0; i < sizeof bytes; i++)
                bytes[i] = (uint8_t)(i * 37 + 11);
        for (size_t n = 0; n <= sizeof bytes; n++) {
                wt_buf_clear(&text);
                wt_buf_clear(&back);
                wt_base64_add(&text, bytes, n);
                assert_int_equal(text.len, (n + 2) / 3 * 4);
                assert_true(wt_base64_read(&back, text.data, text.len));
                assert_int_equal(back.len, n);
                assert_memory_equal(back.data, bytes, n);
        }
        assert_true(wt_base64_exact("Zm9v", 4, room, 3));
        assert_memory_equal(room, "foo", 3);
        for (const char *const *t = (const char *const[]){ "Zg=", "Zh==", "Zm9=", "Z===", "====",
                                                           "Zm-v", "Zm9v\n", NULL }; *t; t++)
                assert_false(wt_base64_read(&back, *t, strlen(*t)));
        wt_buf_free(&text);
        wt_buf_free(&back);
}

static void base64url_is_strict(void **state)
{
        static const struct { const char *text; int n; const char *bytes; } rows[] = {
                { "", 0, "" }, { "Zg", 1, "f" }, { "Zm8", 2, "fo" }, { "Zm9v", 3, "foo" },
                { "-_8", 2, "\xfb\xff" }, { "Zm9vYg", 4, "foob" },
                { "Zg==", -1, "" }, { "Zh", -1, "" }, { "Zm9", -1, "" }, { "Z", -1, "" },
                { "Zm9vY", -1, "" }, { "Zm 9v", -1, "" }, { "+/8", -1, "" }, { "Zm9v\n", -1, "" },
        };

        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                struct wt_buf b = { 0 };
                bool good = wt_base64url_read(&b, rows[i].text, strlen(rows[i].text));

                assert_int_equal(good, rows[i].n >= 0);
                assert_int_equal(b.len, good ? rows[i].n : 0);
                assert_memory_equal(good ? b.data : "", rows[i].bytes, b.len);
                wt_buf_free(&b);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(base64_is_strict),
                cmocka_unit_test(base64url_is_strict),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
