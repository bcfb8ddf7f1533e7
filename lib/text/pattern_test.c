/* pattern_test.c - Oniguruma's expressions in PCRE2's words: carried over, or refused by name. */
#include "text/text_test.h"

/* want begins with '!': the words of a refusal. */
static const struct row { const char *onig, *want; } rows[] = {
        { "\\p{N}{1,3}",                "\\p{N}{1,3}" },
        { "\\p{Han}\\P{^Hangul}",       "\\p{sc:Han}\\p{sc:Hangul}" },
        { "[^\\s\\d]",                  "[^\\p{White_Space}\\p{Nd}]" },
        { "[\\w-]",                     "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}-]" },
        { "\\v\\e\\a",                  "\\x0b\\x1b\\x07" },
        { "\\u4e2d\\x41\\x{1F600}",     "\\x{4e2d}\\x{41}\\x{1f600}" },
        { "\\/\\-\\\xe4\xb8\xad",       "\\/\\-\xe4\xb8\xad" },
        { "a{2}b{2,}c{2,3}?d{",         "a{2}b{2,}c{2,3}?d\\{" },
        { "a{,}",                       "a\\{,}" },
        { "(?i:'s)(?=a)(?!b)(?<=c)(?<!d)(?>e)(f)", "(?i:'s)(?=a)(?!b)(?<=c)(?<!d)(?>e)(f)" },
        { "(?i)a",                      "(?i)a" },
        { "a++b?+c*?",                  "a++b?+c*?" },
        { "a(?i)b",                     "!a group of this kind at offset 1" },
        { "(?m:a)",                     "!a group of this kind" },
        { "(*LIMIT_MATCH=1)",           "!a group of this kind" },
        { "(?<name>a)",                 "!a group of this kind" },
        { "[a&&[^b]]",                  "!an intersection of classes (&&)" },
        { "[a[bc]]",                    "!a class within a class" },
        { "[[:alpha:]]",                "!a class within a class" },
        { "[]a]",                       "!an empty class" },
        { "[abc",                       "!a class without ']'" },
        { "a{1,3}+",                    "!what follows the {...}" },
        { "a{3}?",                      "!what follows the {...}" },
        { "a{,3}",                      "!{,n}" },
        { "\\h",                        "!\\h at offset 0" },
        { "a\\b",                       "!\\b at offset 1" },
        { "[\\W]",                      "!\\W" },
        { "\\1",                        "!\\1" },
        { "\\K",                        "!\\K" },
        { "\\p{Letter}",                "!this property" },
        { "\\pL",                       "!\\p without {name}" },
        { "\\p{L",                      "!\\p without {name}" },
        { "\\xe4",                      "!a character number that is no character" },
        { "\\x{110000}",                "!a character number that is no character" },
        { "\\ud800",                    "!a character number that is no character" },
        { "\\x{",                       "!a character number of this form" },
        { "\\u12",                      "!a character number of this form" },
        { "a\\",                        "!a backslash that ends it" },
        { "\\p",                        "!\\p without {name}" },
        { "[",                          "!a class without ']'" },
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static void carries_over(void **state)
{
        const struct row *r = *state;
        struct wt_buf out = { 0 };
        wt_err err = wt_tok_onig(r->onig, strlen(r->onig), &out, "here");

        if (r->want[0] == '!') {
                assert_int_equal(err, WT_EUNSUPPORTED);
                if (strncmp(wt_words(), "here: ", 6) != 0 ||
                    strstr(wt_words(), r->want + 1) == NULL)
                        fail_msg("\"%s\" does not say \"%s\"", wt_words(), r->want + 1);
        } else {
                assert_int_equal(err, WT_OK);
                assert_string_equal(out.data, r->want);
        }
        wt_buf_free(&out);
}

static void says_where_it_does_not_compile(void **state)
{
        wt_tok_regex *re;

        (void)state;
        assert_int_equal(wt_tok_regex_new(&re, "a(b", 3, false, "step 2"), WT_EINVAL);
        assert_non_null(strstr(wt_words(), "step 2: the pattern does not compile, near offset 3"));
        assert_int_equal(wt_tok_regex_new(&re, "", 0, false, "step 2"), WT_EINVAL);
}

/* A pattern that tries all ways ends with an error, not with the machine's patience. */
static void gives_up(void **state)
{
        static const char text[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab";
        wt_tok_regex *re = NULL;
        wt_tok_finder *f = NULL;
        size_t span[2];
        bool found;

        (void)state;
        assert_int_equal(wt_tok_regex_new(&re, "(?:(?:a*)*)*c(?<=d)|(?:a+)+$", 28, false, "p"),
                         WT_OK);
        assert_int_equal(wt_tok_finder_new(&f), WT_OK);
        assert_int_equal(wt_tok_regex_find(re, f, text, sizeof text - 1, 0, &found, span),
                         WT_EEXHAUSTED);
        wt_tok_regex_free(re);
        wt_tok_finder_free(f);
}

int main(void)
{
        struct CMUnitTest tests[N_ROWS + 2];

        for (size_t i = 0; i < N_ROWS; i++)
                tests[i] = (struct CMUnitTest){ rows[i].onig, carries_over, NULL, NULL,
                                                (void *)&rows[i] };
        tests[N_ROWS] = (struct CMUnitTest)cmocka_unit_test(says_where_it_does_not_compile);
        tests[N_ROWS + 1] = (struct CMUnitTest)cmocka_unit_test(gives_up);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
