#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/conf.h"
#include "base/file.h"

static char file[64];

static int make_file_name(void **state)
{
        (void)state;
        snprintf(file, sizeof file, "/tmp/witan-conf-%ld", (long)getpid());
        return 0;
}

static int remove_file(void **state)
{
        (void)state;
        return unlink(file) && access(file, F_OK) == 0;
}

/* argv: words separated by one blank; text: the file or NULL; env: one entry or NULL. */
static wt_err load(wt_conf **c, unsigned role, const char *argv, const char *env, const char *text)
{
        static char words[512];
        char *arg[32], *envp[] = { "HOME=/home/ann", (char *)env, NULL };
        int n = 0;

        snprintf(words, sizeof words, "%s", argv);
        for (char *w = strtok(words, " "); w; w = strtok(NULL, " "))
                arg[n++] = w;
        if (text)
                assert_int_equal(wt_file_write(file, text, strlen(text), 0600), WT_OK);
        return wt_conf_load(c, role, n, arg, envp, text ? file : NULL);
}

static const struct good {
        const char *name; unsigned role; const char *argv, *env, *text;
        enum wt_set set; const char *str; uint64_t number; enum wt_conf_from from;
} goods[] = {
        {"default", WT_FOR_ROUTER, "", NULL, NULL, WT_SET_kv_bytes, "256M", 256u << 20,
         WT_FROM_DEFAULT},
        {"file", WT_FOR_ROUTER, "", NULL, "kv_bytes: 1G\n", WT_SET_kv_bytes, "1G", 1u << 30,
         WT_FROM_FILE},
        {"environment before file", WT_FOR_ROUTER, "", "WITAN_KV_BYTES=2M", "kv_bytes: 1G\n",
         WT_SET_kv_bytes, "2M", 2u << 20, WT_FROM_ENV},
        {"flag before environment", WT_FOR_ROUTER, "--kv-bytes 3M", "WITAN_KV_BYTES=2M",
         "kv_bytes: 1G\n", WT_SET_kv_bytes, "3M", 3u << 20, WT_FROM_FLAG},
        {"flag with =", WT_FOR_ROUTER, "--kv-bytes=65536", NULL, NULL, WT_SET_kv_bytes, "65536",
         65536, WT_FROM_FLAG},
        {"flag with _", WT_FOR_ROUTER, "--kv_bytes=64KiB", NULL, NULL, WT_SET_kv_bytes, "64KiB",
         65536, WT_FROM_FLAG},
        {"the last flag wins", WT_FOR_ROUTER, "--kv-bytes 1M --kv-bytes 2M", NULL, NULL,
         WT_SET_kv_bytes, "2M", 2u << 20, WT_FROM_FLAG},
        {"an empty value", WT_FOR_ROUTER, "--name=", NULL, NULL, WT_SET_name, "", 0, WT_FROM_FLAG},
        {"a value with = in it", WT_FOR_ROUTER, "--name=a=b", NULL, NULL, WT_SET_name, "a=b", 3,
         WT_FROM_FLAG},
        {"a value that is one dash", WT_FOR_ROUTER, "--name -", NULL, NULL, WT_SET_name, "-", 1,
         WT_FROM_FLAG},
        {"a bool alone", WT_FOR_WITAN, "--detach", NULL, NULL, WT_SET_detach, "true", 1,
         WT_FROM_FLAG},
        {"a bool with =", WT_FOR_WITAN, "--detach=no", NULL, NULL, WT_SET_detach, "no", 0,
         WT_FROM_FLAG},
        {"a bool does not eat a word", WT_FOR_WITAN, "--detach up", NULL, NULL, WT_SET_detach,
         "true", 1, WT_FROM_FLAG},
        {"seconds", WT_FOR_ROUTER, "--expert-wait 90s", NULL, NULL, WT_SET_expert_wait, "90s",
         90000, WT_FROM_FLAG},
        {"milliseconds without unit", WT_FOR_ROUTER, "--expert-wait 90", NULL, NULL,
         WT_SET_expert_wait, "90", 90, WT_FROM_FLAG},
        {"minutes", WT_FOR_ROUTER, "--expert-wait 2m", NULL, NULL, WT_SET_expert_wait, "2m", 120000,
         WT_FROM_FLAG},
        {"hours", WT_FOR_ROUTER, "--expert-wait 1h", NULL, NULL, WT_SET_expert_wait, "1h", 3600000,
         WT_FROM_FLAG},
        {"the file's comments and blanks", WT_FOR_ROUTER, "", NULL,
         "# head\n---\n\n   \nname: r-0   # the first\r\n  # indented\n", WT_SET_name, "r-0", 3,
         WT_FROM_FILE},
        {"a hash inside a value", WT_FOR_ROUTER, "", NULL, "name: r#0", WT_SET_name, "r#0", 3,
         WT_FROM_FILE},
        {"double quotes", WT_FOR_ROUTER, "", NULL, "name: \"a # \\\"b\\\\\" # c\n", WT_SET_name,
         "a # \"b\\", 7, WT_FROM_FILE},
        {"single quotes", WT_FOR_ROUTER, "", NULL, "name: 'it''s \\'\n", WT_SET_name, "it's \\", 6,
         WT_FROM_FILE},
        {"a value with a colon", WT_FOR_GATEWAY, "", NULL, "http: 127.0.0.1:80\n", WT_SET_http,
         "127.0.0.1:80", 12, WT_FROM_FILE},
        {"a star", WT_FOR_EXPERT, "", NULL, "shard: *\n", WT_SET_shard, "*", 1, WT_FROM_FILE},
        {"a dash in the file's name", WT_FOR_ROUTER, "", NULL, "kv-bytes: 1G\n", WT_SET_kv_bytes,
         "1G", 1u << 30, WT_FROM_FILE},
        {"another role's line and environment are passed over", WT_FOR_GATEWAY, "",
         "WITAN_KV_BYTES=x", "kv_bytes: 7\nname: g\n", WT_SET_name, "g", 1, WT_FROM_FILE},
};
enum { N_GOODS = sizeof goods / sizeof *goods };

static void good(void **state)
{
        const struct good *g = *state;
        wt_conf *c = NULL;

        if (load(&c, g->role, g->argv, g->env, g->text) != WT_OK)
                fail_msg("%s", wt_words());
        assert_string_equal(wt_conf_str(c, g->set), g->str);
        assert_int_equal(wt_conf_u64(c, g->set), g->number);
        assert_int_equal(wt_conf_bool(c, g->set), g->number != 0);
        assert_int_equal(wt_conf_from(c, g->set), g->from);
        wt_conf_free(c);
}

/* File names in words are cut off: %F stands for the file. */
static const struct bad {
        const char *name; unsigned role; const char *argv, *env, *text, *words;
} bads[] = {
        {"a flag with a slip", WT_FOR_ROUTER, "--modle x", NULL, NULL,
         "unknown flag --modle; did you mean --model?"},
        {"a flag with a slip and a value", WT_FOR_ROUTER, "--kv-byte=1", NULL, NULL,
         "unknown flag --kv-byte; did you mean --kv-bytes?"},
        {"a flag like no other", WT_FOR_ROUTER, "--frobnicate", NULL, NULL,
         "unknown flag --frobnicate; see --help"},
        {"a flag of another program", WT_FOR_EXPERT, "--kv-bytes 1M", NULL, NULL,
         "flag --kv-bytes is not for this program; see --help"},
        {"a flag without its value", WT_FOR_ROUTER, "--model", NULL, NULL,
         "flag --model needs a value; write --model=VALUE"},
        {"a flag where a value should be", WT_FOR_ROUTER, "--model --threads 2", NULL, NULL,
         "flag --model needs a value; write --model=VALUE"},
        {"too many", WT_FOR_WITAN, "--experts 300", NULL, NULL,
         "experts: 300 (flag --experts) is not between 1 and 256 processes; choose one in between"},
        {"too few", WT_FOR_WITAN, "", "WITAN_EXPERTS=0", NULL,
         "experts: 0 (environment WITAN_EXPERTS) is not between 1 and 256 processes; "
         "choose one in between"},
        {"no number", WT_FOR_WITAN, "", NULL, "# a\nexperts: many\n",
         "experts: 'many' (file %F line 2) is not a whole number such as 2"},
        {"a negative number", WT_FOR_WITAN, "--experts=-1", NULL, NULL,
         "experts: '-1' (flag --experts) is not a whole number such as 2"},
        {"beyond 64 bits", WT_FOR_WITAN, "--experts 18446744073709551616", NULL, NULL,
         "experts: '18446744073709551616' (flag --experts) is not a whole number such as 2"},
        {"bytes of an unknown unit", WT_FOR_ROUTER, "--kv-bytes 1X", NULL, NULL,
         "kv_bytes: '1X' (flag --kv-bytes) is not a number of bytes such as 4096, 64K, 256M or 1G "
         "(K is 1024)"},
        {"bytes beyond 64 bits", WT_FOR_ROUTER, "--kv-bytes 99999999999T", NULL, NULL,
         "kv_bytes: '99999999999T' (flag --kv-bytes) is not a number of bytes such as 4096, 64K, "
         "256M or "
         "1G (K is 1024)"},
        {"a time without number", WT_FOR_ROUTER, "--expert-wait s", NULL, NULL,
         "expert_wait: 's' (flag --expert-wait) is not a time such as 250ms, 10s, 5m or 1h"},
        {"a bool that is neither", WT_FOR_WITAN, "--detach=maybe", NULL, NULL,
         "detach: 'maybe' (flag --detach) is not true or false; write one of them"},
        {"a text that is too long", WT_FOR_ROUTER, "--log-level=12345678901234567", NULL, NULL,
         "log_level: '12345678901234567' (flag --log-level) has 17 bytes; 0 to 16 are allowed"},
        {"an unknown name in the file", WT_FOR_ROUTER, "", NULL, "name: a\n\nstep_row: 2\n",
         "%F line 3: unknown setting 'step_row'; did you mean step_rows?"},
        {"a name twice in the file", WT_FOR_ROUTER, "", NULL, "name: a\nname: b\n",
         "%F line 2: name stands twice; remove one"},
        {"an indented line", WT_FOR_ROUTER, "", NULL, "  name: a\n",
         "%F line 1: a line must not be indented; settings do not nest, begin it with the name"},
        {"no colon", WT_FOR_ROUTER, "", NULL, "name a\n",
         "%F line 1: 'name: value' was expected, with a blank behind the colon, such as "
         "experts: 3"},
        {"no blank after the colon", WT_FOR_ROUTER, "", NULL, "name:a\n",
         "%F line 1: 'name: value' was expected, with a blank behind the colon, such as "
         "experts: 3"},
        {"a name that is like no other", WT_FOR_ROUTER, "", NULL, "frobnicate: 1\n",
         "%F line 1: unknown setting 'frobnicate'; witan config show lists them"},
        {"a quote without end", WT_FOR_ROUTER, "", NULL, "name: \"a\n",
         "%F line 1: a quoted value has no end, or an escape other than \\\" and \\\\; close the "
         "quote"},
        {"words after a quote", WT_FOR_ROUTER, "", NULL, "name: 'a' b\n",
         "%F line 1: only a comment may follow a quoted value; put # before it"},
        {"YAML that is not flat", WT_FOR_ROUTER, "", NULL, "name: [a, b]\n",
         "%F line 1: only plain and quoted values are known here; put the value in quotes"},
};
enum { N_BADS = sizeof bads / sizeof *bads };

static void bad(void **state)
{
        const struct bad *b = *state;
        const char *cut = strstr(b->words, "%F");
        char want[512];
        wt_conf *c = NULL;

        snprintf(want, sizeof want, "%.*s%s%s", cut ? (int)(cut - b->words) : 0, b->words,
                 cut ? file : "", cut ? cut + 2 : b->words);
        assert_int_equal(load(&c, b->role, b->argv, b->env, b->text), WT_EINVAL);
        assert_string_equal(wt_words(), want);
        assert_null(c);
}

static void the_rest_is_handed_back(void **state)
{
        char *const *words;
        wt_conf *c;

        (void)state;
        assert_int_equal(load(&c, WT_FOR_WITAN, "ps -o json --detach x -- --model -h", NULL, NULL),
                         WT_OK);
        assert_int_equal(wt_conf_rest(c, &words), 6);
        assert_string_equal(words[0], "ps");
        assert_string_equal(words[1], "-o");
        assert_string_equal(words[3], "x");
        assert_string_equal(words[4], "--model");
        assert_false(wt_conf_wants_help(c));
        wt_conf_free(c);
        assert_int_equal(load(&c, WT_FOR_WITAN, "up --help", NULL, NULL), WT_OK);
        assert_true(wt_conf_wants_help(c));
        wt_conf_free(c);
}

/* --config names the file; what stands in it still gives way to environment and flags. */
static void a_named_file_keeps_the_order(void **state)
{
        static const char text[] = "kv_bytes: 1M\nname: f\nchunk: 7\n";
        char argv[128];
        char *const *words;
        wt_conf *c;

        (void)state;
        assert_int_equal(wt_file_write(file, text, sizeof text - 1, 0600), WT_OK);
        snprintf(argv, sizeof argv, "word --config %s --name g", file);
        if (load(&c, WT_FOR_ROUTER, argv, "WITAN_KV_BYTES=2M", NULL) != WT_OK)
                fail_msg("%s", wt_words());
        assert_string_equal(wt_conf_str(c, WT_SET_name), "g");
        assert_string_equal(wt_conf_str(c, WT_SET_kv_bytes), "2M");
        assert_int_equal(wt_conf_u64(c, WT_SET_chunk), 7);
        assert_int_equal(wt_conf_from(c, WT_SET_chunk), WT_FROM_FILE);
        assert_int_equal(wt_conf_from(c, WT_SET_name), WT_FROM_FLAG);
        assert_int_equal(wt_conf_rest(c, &words), 1);
        wt_conf_free(c);
}

static void home_is_needed_where_it_stands(void **state)
{
        char *const argv[] = { "--state", "/var/lib/witan" };
        wt_conf *c = NULL;

        (void)state;
        assert_int_equal(load(&c, WT_FOR_ROUTER, "--model ~/m", NULL, NULL), WT_OK);
        assert_string_equal(wt_conf_str(c, WT_SET_model), "/home/ann/m");
        assert_string_equal(wt_conf_str(c, WT_SET_state), "/home/ann/.local/state/witan");
        wt_conf_free(c);
        assert_int_equal(wt_conf_load(&c, WT_FOR_ROUTER, 0, NULL, NULL, NULL), WT_EINVAL);
        assert_non_null(strstr(wt_words(), "needs HOME"));
        assert_int_equal(wt_conf_load(&c, WT_FOR_ROUTER, 2, argv, NULL, NULL), WT_OK);
        wt_conf_free(c);
}

static void note(void *arg, const char *words)
{
        char *all = arg;
        size_t n = strlen(all);

        snprintf(all + n, 1000 - n, "%s\n", words);
}

/* A check goes on after the first failure, and knows the rows of every role. */
static void a_check_says_all_that_is_wrong(void **state)
{
        static const char text[] =
                "kv_bites: 1\nexperts: 3\nshard: 0:1\nname: a\nname: b\nchunk: x\n";
        char all[1000] = "", want[1000];

        (void)state;
        assert_int_equal(wt_file_write(file, text, sizeof text - 1, 0600), WT_OK);
        assert_int_equal(wt_conf_check_file(file, note, all), 3);
        snprintf(want, sizeof want,
                 "%s line 1: unknown setting 'kv_bites'; did you mean kv_bytes?\n"
                 "%s line 5: name stands twice; remove one\n"
                 "chunk: 'x' (file %s line 6) is not a whole number such as 128\n", file, file,
                 file);
        assert_string_equal(all, want);
        all[0] = '\0';
        assert_int_equal(wt_conf_check_file("/nonexistent/witan.conf", note, all), 1);
        assert_non_null(strstr(all, "/nonexistent/witan.conf"));
}

static void each_value_says_where_it_is_from(void **state)
{
        wt_conf *c;
        char want[128];

        (void)state;
        assert_int_equal(
                load(&c, WT_FOR_ROUTER, "--chunk=3", "WITAN_KV_BYTES=2M", "# a\nname: r\n"), WT_OK);
        snprintf(want, sizeof want, "file %s line 2", file);
        assert_string_equal(wt_conf_where(c, WT_SET_name), want);
        assert_string_equal(wt_conf_where(c, WT_SET_chunk), "flag --chunk");
        assert_string_equal(wt_conf_where(c, WT_SET_kv_bytes), "environment WITAN_KV_BYTES");
        assert_string_equal(wt_conf_where(c, WT_SET_http), "default");
        wt_conf_free(c);
}

static void missing_file_is_an_error(void **state)
{
        wt_conf *c = NULL;

        (void)state;
        assert_int_equal(wt_conf_load(&c, WT_FOR_WITAN, 0, NULL, NULL, "/nonexistent/witan.conf"),
                         WT_ENOTFOUND);
        assert_null(c);
}

/* Each row stands on its own: defaults within bounds, a sentence without a full stop, a role. */
static void rows_are_sound(void **state)
{
        wt_conf *c = NULL;

        (void)state;
        if (wt_conf_load(&c, 0, 0, NULL, NULL, NULL) != WT_OK)   /* role 0: no "~/" is expanded */
                fail_msg("%s", wt_words());
        for (int i = 0; i < N_WT_SETTINGS; i++) {
                const struct wt_setting *s = &wt_settings[i];

                assert_string_equal(wt_conf_str(c, (enum wt_set)i), s->def);
                assert_true(s->min <= s->max && s->roles != 0 &&
                            (s->roles & ~(unsigned)WT_FOR_ALL) == 0);
                assert_true(*s->help && s->help[strlen(s->help) - 1] != '.');
                assert_int_equal(strspn(s->name, "abcdefghijklmnopqrstuvwxyz_"), strlen(s->name));
                assert_true(strlen(s->name) < 32);
                for (int k = 0; k < i; k++)
                        assert_string_not_equal(s->name, wt_settings[k].name);
        }
        wt_conf_free(c);
}

static void help_shows_the_rows_of_a_role(void **state)
{
        char *text = NULL;
        size_t len;
        FILE *to = open_memstream(&text, &len);

        (void)state;
        wt_conf_help(to, WT_FOR_EXPERT);
        fclose(to);
        assert_non_null(strstr(text, "  --shard TEXT                 experts to hold"));
        assert_non_null(strstr(text, " [*]\n"));
        assert_null(strstr(text, "--kv-bytes"));
        free(text);
}

static void nearest_is_near(void **state)
{
        (void)state;
        assert_string_equal(wt_conf_nearest("--modle", WT_FOR_ALL)->name, "model");
        assert_string_equal(wt_conf_nearest("max-seq", WT_FOR_ROUTER)->name, "max_seqs");
        assert_null(wt_conf_nearest("frobnicate", WT_FOR_ALL));
        assert_null(wt_conf_nearest("foo", WT_FOR_ALL));
        assert_null(wt_conf_nearest("", WT_FOR_ALL));
        assert_null(wt_conf_nearest("open_doo", WT_FOR_ROUTER));
        assert_string_equal(wt_conf_from_name(WT_FROM_ENV), "environment");
}

int main(void)
{
        struct CMUnitTest tests[9 + N_GOODS + N_BADS] = {
                cmocka_unit_test(a_check_says_all_that_is_wrong),
                cmocka_unit_test(each_value_says_where_it_is_from),
                cmocka_unit_test(the_rest_is_handed_back),
                cmocka_unit_test(a_named_file_keeps_the_order),
                cmocka_unit_test(home_is_needed_where_it_stands),
                cmocka_unit_test(missing_file_is_an_error),
                cmocka_unit_test(rows_are_sound),
                cmocka_unit_test(help_shows_the_rows_of_a_role),
                cmocka_unit_test(nearest_is_near),
        };
        size_t n = 9;

        for (size_t i = 0; i < N_GOODS; i++)
                tests[n++] =
                        (struct CMUnitTest){goods[i].name, good, NULL, NULL, (void *)&goods[i]};
        for (size_t i = 0; i < N_BADS; i++)
                tests[n++] = (struct CMUnitTest){ bads[i].name, bad, NULL, NULL, (void *)&bads[i] };
        return cmocka_run_group_tests(tests, make_file_name, remove_file);
}
