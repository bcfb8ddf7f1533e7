/* edit_test.c - keys as a terminal sends them, and what becomes of the line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include "edit.h"

static const char *const words[] = { "/help", "/save ", "/system ", NULL };

/* want: the line, with | where the cursor is. Before the keys, "one", "two" and "three" were
 * entered. */
static const struct row { const char *name, *keys, *want; enum edit_state state; } rows[] = {
        { "text", "abc", "abc|", EDIT_MORE },
        { "Enter ends the line", "abc\r", "abc|", EDIT_LINE },
        { "a newline does, too", "abc\n", "abc|", EDIT_LINE },
        { "Ctrl-C", "abc\003", "abc|", EDIT_INTERRUPTED },
        { "Ctrl-D on an empty line", "\004", "|", EDIT_END },
        { "Ctrl-D deletes under the cursor", "abc\001\004", "|bc", EDIT_MORE },
        { "Ctrl-D at the end of a line does nothing", "abc\004", "abc|", EDIT_MORE },
        { "backspace", "abc\177", "ab|", EDIT_MORE },
        { "backspace at the front", "abc\001\177", "|abc", EDIT_MORE },
        { "left and insert", "ac\033[Db", "ab|c", EDIT_MORE },
        { "application arrows", "ac\033ODb", "ab|c", EDIT_MORE },
        { "left stops at the front", "a\033[D\033[D\033[Db", "b|a", EDIT_MORE },
        { "right stops at the end", "a\033[C\033[Cb", "ab|", EDIT_MORE },
        { "Ctrl-B and Ctrl-F", "abc\002\002\006", "ab|c", EDIT_MORE },
        { "Home and End", "abc\033[Hx\033[Fy", "xabcy|", EDIT_MORE },
        { "Home and End of a VT220", "abc\033[1~x\033[4~y", "xabcy|", EDIT_MORE },
        { "Ctrl-A and Ctrl-E", "abc\001x\005y", "xabcy|", EDIT_MORE },
        { "Delete", "abc\001\033[3~", "|bc", EDIT_MORE },
        { "Ctrl-K cuts to the end", "one two\002\002\002\013", "one |", EDIT_MORE },
        { "Ctrl-U cuts to the front", "one two\002\002\002\025", "|two", EDIT_MORE },
        { "Ctrl-W cuts a word", "one  two \027", "one  |", EDIT_MORE },
        { "Ctrl-Y puts it back", "one two\027\001\031", "two|one ", EDIT_MORE },
        { "Alt-B and Alt-F", "one two\033b\033bx\033fy", "xoney| two", EDIT_MORE },
        { "Ctrl with arrows", "one two\033[1;5Dx", "one x|two", EDIT_MORE },
        { "Alt-D cuts the next word", "one two\001\033d", "| two", EDIT_MORE },
        { "a character of two bytes is one", "a\303\266b\033[D\177", "a|b", EDIT_MORE },
        { "one of four bytes, too", "a\360\237\230\200\033[Dx", "ax|\360\237\230\200", EDIT_MORE },
        { "bytes that are no UTF-8 are passed over", "a\377\300b", "ab|", EDIT_MORE },
        { "the last of history", "\033[A", "three|", EDIT_MORE },
        { "further back, and not too far", "\020\020\020\020\020", "one|", EDIT_MORE },
        { "back and forth", "\033[A\033[A\033[B", "three|", EDIT_MORE },
        { "the new line is kept meanwhile", "new\033[A\033[B", "new|", EDIT_MORE },
        { "history can be edited", "\033[A\177", "thre|", EDIT_MORE },
        { "Tab completes", "/h\t", "/help|", EDIT_MORE },
        { "Tab completes what all share", "/s\t", "/s|", EDIT_MORE },
        { "Tab completes with a blank", "/sa\tf", "/save f|", EDIT_MORE },
        { "Tab elsewhere does nothing", "x\t", "x|", EDIT_MORE },
        { "a paste keeps its newlines", "\033[200~a\rb\033[201~c", "a\nbc|", EDIT_MORE },
        { "a paste commands nothing", "\033[200~a\003\001b\033[201~", "ab|", EDIT_MORE },
        { "a sequence that nobody knows", "a\033[99;99Xb", "ab|", EDIT_MORE },
        { "a sequence that does not end", "a\033[111111111111111111b", "", EDIT_MORE },
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static enum edit_state type(struct edit *e, const char *keys)
{
        size_t used;

        edit_begin(e);
        return edit_feed(e, keys, strlen(keys), &used);
}

static void typed(void **state)
{
        const struct row *r = *state;
        struct edit e;
        char got[200];

        edit_init(&e, words);
        edit_remember(&e, "one");
        edit_remember(&e, "two");
        edit_remember(&e, "three");
        assert_int_equal(type(&e, r->keys), r->state);
        snprintf(got, sizeof got, "%.*s|%s", (int)e.at, e.text.data, e.text.data + e.at);
        if (r->want[0] != '\0')                  /* else it is enough that nothing breaks */
                assert_string_equal(got, r->want);
        edit_fini(&e);
}

/* Keys may arrive byte by byte. */
static void in_pieces(void **state)
{
        static const char keys[] = "a\303\266\033[D\033[1;5Cb\033[200~x\r\033[201~";
        struct edit e;
        size_t used;

        (void)state;
        edit_init(&e, NULL);
        edit_begin(&e);
        for (size_t i = 0; i < sizeof keys - 1; i++)
                assert_int_equal(edit_feed(&e, keys + i, 1, &used), EDIT_MORE);
        assert_string_equal(e.text.data, "a\303\266bx\n");
        edit_fini(&e);
}

static void what_follows_the_line_stays(void **state)
{
        struct edit e;
        size_t used;

        (void)state;
        edit_init(&e, NULL);
        edit_begin(&e);
        assert_int_equal(edit_feed(&e, "ab\rcd", 5, &used), EDIT_LINE);
        assert_int_equal(used, 3);
        edit_fini(&e);
}

static void history_has_an_end(void **state)
{
        struct edit e;
        char line[16];

        (void)state;
        edit_init(&e, NULL);
        for (int i = 0; i < EDIT_HISTORY + 10; i++) {
                snprintf(line, sizeof line, "%d", i);
                edit_remember(&e, line);
                edit_remember(&e, line);         /* twice is once */
        }
        assert_int_equal(e.n_history, EDIT_HISTORY);
        assert_string_equal(e.history[0], "10");
        edit_fini(&e);
}

/* On 20 columns, behind "> ": 17 of text, the last one stays free. */
static const struct screen { const char *name, *keys, *want;
} screens[] = {
        {"short", "abc", "\r> abc\033[K\r\033[5C"},
        {"the cursor inside", "abc\001", "\r> abc\033[K\r\033[2C"},
        {"long: the end is seen", "abcdefghijklmnopqrstuvwxyz",
         "\r> jklmnopqrstuvwxyz\033[K\r\033[19C"},
        {"a wide character takes two", "\343\201\202x", "\r> \343\201\202x\033[K\r\033[5C"},
        {"a newline is a sign", "\033[200~a\rb\033[201~", "\r> a\342\217\216b\033[K\r\033[5C"},
};
enum { N_SCREENS = sizeof screens / sizeof *screens };

static void drawn(void **state)
{
        const struct screen *s = *state;
        struct wt_buf out = { 0 };
        struct edit e;

        edit_init(&e, NULL);
        type(&e, s->keys);
        edit_draw(&e, "> ", 20, &out);
        assert_string_equal(out.data, s->want);
        wt_buf_free(&out);
        edit_fini(&e);
}

int main(void)
{
        struct CMUnitTest tests[3 + N_ROWS + N_SCREENS] = {
                cmocka_unit_test(in_pieces), cmocka_unit_test(what_follows_the_line_stays),
                cmocka_unit_test(history_has_an_end) };
        size_t n = 3;

        setlocale(LC_CTYPE, "C.UTF-8");
        for (size_t i = 0; i < N_ROWS; i++)
                tests[n++] = (struct CMUnitTest){rows[i].name, typed, NULL, NULL, (void *)&rows[i]};
        for (size_t i = 0; i < N_SCREENS; i++)
                tests[n++] = (struct CMUnitTest){screens[i].name, drawn, NULL, NULL,
                                                 (void *)&screens[i]};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
