/* config.c - witan config show|check|explain: the settings as they are, what is wrong with them,
 * and what each one is. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/buf.h"
#include "help.h"
#include "near.h"
#include "sense.h"
#include "verb.h"

enum { F_ORIGIN };

static const char *const type_words[] = {
        [WT_CONF_STR] = "text", [WT_CONF_U64] = "whole number",
        [WT_CONF_BYTES] = "bytes, such as 4096, 64K, 256M or 1G (K is 1024)",
        [WT_CONF_MS] = "time, such as 250ms, 10s, 5m or 1h", [WT_CONF_BOOL] = "true or false",
        [WT_CONF_PATH] = "path" };
static const char *const type_names[] = {
        [WT_CONF_STR] = "text", [WT_CONF_U64] = "number", [WT_CONF_BYTES] = "bytes",
        [WT_CONF_MS] = "time",  [WT_CONF_BOOL] = "bool",  [WT_CONF_PATH] = "path"};
static const struct { unsigned bit; const char *name; } roles[] = {
        { WT_FOR_GATEWAY, "gateway" }, { WT_FOR_ROUTER, "router" }, { WT_FOR_EXPERT, "expert" },
        { WT_FOR_WITAN, "witan" } };
enum { N_ROLES = sizeof roles / sizeof *roles };

static bool is_words(const struct wt_setting *s)
{
        return s->type == WT_CONF_STR || s->type == WT_CONF_PATH;
}

static void put_value(struct wt_buf *b, const wt_conf *c, enum wt_set s)
{
        wt_buf_json_kv(b, "name", wt_settings[s].name);
        if (wt_settings[s].type == WT_CONF_BOOL)
                wt_buf_json_kb(b, "value", wt_conf_bool(c, s));
        else if (is_words(&wt_settings[s]))
                wt_buf_json_kv(b, "value", wt_conf_str(c, s));
        else
                wt_buf_json_ku(b, "value", wt_conf_u64(c, s));
        wt_buf_json_kv(b, "text", wt_conf_str(c, s));
        wt_buf_json_kv(b, "origin", wt_conf_from_name(wt_conf_from(c, s)));
        wt_buf_json_kv(b, "where", wt_conf_where(c, s));
}

/* WITAN_KV_BYTES, --kv-bytes, kv-bytes and kv_bytes are one. N_WT_SETTINGS, said, when it is
 * none. */
static enum wt_set find(const struct call *c, const char *typed)
{
        const char *names[N_WT_SETTINGS + 1], *near;
        char name[64];
        enum wt_set s;

        snprintf(name, sizeof name, "%s", typed + (strncmp(typed, "WITAN_", 6) == 0 ? 6 : 0));
        for (char *p = name; *p != '\0'; p++)
                *p = *p == '-' ? '_' : (char)tolower((unsigned char)*p);
        s = wt_conf_row(name, strlen(name));
        if (s != N_WT_SETTINGS)
                return s;
        for (int i = 0; i <= N_WT_SETTINGS; i++)
                names[i] = i < N_WT_SETTINGS ? wt_settings[i].name : NULL;
        near = near_word(name, names);
        if (near != NULL)
                verb_usage(c, "there is no setting \"%s\"; did you mean %s?", typed, near);
        else
                verb_usage(c, "there is no setting \"%s\"; witan config show lists them", typed);
        return N_WT_SETTINGS;
}

static void show_one(const struct call *c, struct wt_buf *b, enum wt_set s)
{
        if (c->json) {
                wt_buf_json_sep(b);
                wt_buf_str(b, "{");
                put_value(b, c->conf, s);
                wt_buf_str(b, "}");
        } else if (c->flag[F_ORIGIN] != NULL) {
                wt_buf_fmt(b, "%-19s %-30s %s\n", wt_settings[s].name, wt_conf_str(c->conf, s),
                           wt_conf_where(c->conf, s));
        } else {
                wt_buf_fmt(b, "%-19s %s\n", wt_settings[s].name, wt_conf_str(c->conf, s));
        }
}

static int show(struct call *c)
{
        struct wt_buf b = { 0 };
        enum wt_set s;

        wt_buf_str(&b, c->json ? "[" : "");
        for (int i = 0; i < N_WT_SETTINGS && c->n_words == 1; i++)
                show_one(c, &b, (enum wt_set)i);
        for (int i = 1; i < c->n_words; i++) {
                if ((s = find(c, c->words[i])) == N_WT_SETTINGS) {
                        wt_buf_free(&b);
                        return EXIT_USAGE;
                }
                show_one(c, &b, s);
        }
        wt_buf_str(&b, c->json ? "]\n" : "");
        fputs(b.data, stdout);
        wt_buf_free(&b);
        return EXIT_DONE;
}

/* ---- check ---- */

struct report { const struct call *c; struct wt_buf json; uint32_t n; };

static void problem(void *arg, const char *words)
{
        struct report *r = arg;

        r->n++;
        if (!r->c->json) {
                puts(words);
                return;
        }
        wt_buf_json_sep(&r->json);
        wt_buf_json_str(&r->json, words, strlen(words));
}

/* The file behind "check", else the one that --config or WITAN_CONFIG names, else NULL. */
static const char *file_of(const struct call *c)
{
        const char *s;

        for (int i = 1; c->conf == NULL && i < c->n_words; i++)
                if (strncmp(c->words[i], "--config=", 9) == 0)
                        return c->words[i] + 9;
                else if (strcmp(c->words[i], "--config") == 0 && i + 1 < c->n_words)
                        return c->words[i + 1];
        if (c->n_words > 1 && c->words[1][0] != '-')
                return c->words[1];
        if (c->conf != NULL)
                return *(s = wt_conf_str(c->conf, WT_SET_config)) != '\0' ? s : NULL;
        for (char *const *e = c->envp; *e != NULL; e++)
                if (strncmp(*e, "WITAN_CONFIG=", 13) == 0 && (*e)[13] != '\0')
                        return *e + 13;
        return NULL;
}

static int check_done(struct report *r, const char *file)
{
        if (r->c->json) {
                struct wt_buf b = { 0 };
                wt_buf_str(&b, "{");
                wt_buf_json_kv(&b, "file", file);
                wt_buf_json_kb(&b, "ok", r->n == 0);
                wt_buf_json_key(&b, "problems");
                wt_buf_fmt(&b, "[%s]}", r->json.data != NULL ? r->json.data : "");
                puts(b.data);
                wt_buf_free(&b);
        } else if (r->n == 0) {
                printf("%s%sthe environment and the flags are fine\n", file != NULL ? file : "",
                       file != NULL ? ", " : "");
        } else {
                fprintf(stderr,
                        "%u problem%s; witan config explain KEY says what a setting takes\n", r->n,
                        r->n == 1 ? "" : "s");
        }
        wt_buf_free(&r->json);
        return r->n == 0 ? EXIT_DONE : EXIT_FAILED;
}

static int check(struct call *c, const char *load_words)
{
        struct report r = { .c = c };
        const char *file = file_of(c);
        wt_conf *whole = NULL;

        if (file != NULL)
                wt_conf_check_file(file, problem, &r);
        sense_environment(c->envp, problem, &r);
        if (r.n == 0 && c->conf == NULL)
                problem(&r, load_words);         /* so it was a flag */
        else if (r.n == 0 && wt_conf_load(&whole, WT_FOR_ALL, 0, NULL, c->envp, file) == WT_OK)
                sense_each(file != NULL && c->n_words > 1 ? whole : c->conf, problem, &r);
        else if (r.n == 0)
                problem(&r, wt_words());
        wt_conf_free(whole);
        return check_done(&r, file);
}

/* ---- explain ---- */

static void explain_json(const struct call *c, enum wt_set s)
{
        const struct wt_setting *row = &wt_settings[s];
        char flag[64], env[64];
        struct wt_buf b = { 0 };

        wt_conf_flag_name(row, flag);
        wt_conf_env_name(row, env);
        wt_buf_str(&b, "{");
        put_value(&b, c->conf, s);
        wt_buf_json_kv(&b, "type", type_names[row->type]);
        wt_buf_json_kv(&b, "default", row->def);
        wt_buf_json_ku(&b, "min", row->min);
        wt_buf_json_ku(&b, "max", row->max);
        wt_buf_json_kv(&b, "unit", row->unit);
        wt_buf_json_kv(&b, "help", row->help);
        wt_buf_json_kv(&b, "flag", flag);
        wt_buf_json_kv(&b, "environment", env);
        wt_buf_json_key(&b, "roles");
        wt_buf_str(&b, "[");
        for (int i = 0; i < N_ROLES; i++)
                if (row->roles & roles[i].bit) {
                        wt_buf_json_sep(&b);
                        wt_buf_json_str(&b, roles[i].name, strlen(roles[i].name));
                }
        wt_buf_str(&b, "]}");
        puts(b.data);
        wt_buf_free(&b);
}

static void explain_words(const struct call *c, enum wt_set s)
{
        const struct wt_setting *row = &wt_settings[s];
        char flag[64], env[64];
        const char *kind = help_setting_kind(row);

        wt_conf_flag_name(row, flag);
        wt_conf_env_name(row, env);
        printf("%s: %s\n\n  type         %s\n  default      %s\n", row->name, row->help,
               type_words[row->type], *row->def != '\0' ? row->def : "(empty)");
        if (row->type != WT_CONF_BOOL)
                printf("  bounds       %" PRIu64 " to %" PRIu64 " %s\n", row->min, row->max,
                       is_words(row) ? "characters" : row->unit);
        if (is_words(row) && *row->unit != '\0')
                printf("  unit         %s\n", row->unit);
        fputs("  read by     ", stdout);
        for (int i = 0; i < N_ROLES; i++)
                if (row->roles & roles[i].bit)
                        printf(" %s", roles[i].name);
        printf("\n  flag         %s%s%s\n  environment  %s\n  in a file    %s: %s\n  now          "
               "%s (%s)\n",
               flag, *kind ? " " : "", kind, env, row->name, *row->def != '\0' ? row->def : "VALUE",
               wt_conf_str(c->conf, s), wt_conf_where(c->conf, s));
}

static int explain(struct call *c)
{
        enum wt_set s;

        if (c->n_words < 2)
                return verb_usage(
                        c, "explain takes the name of a setting; witan config show lists them");
        if ((s = find(c, c->words[1])) == N_WT_SETTINGS)
                return EXIT_USAGE;
        if (c->json)
                explain_json(c, s);
        else
                explain_words(c, s);
        return EXIT_DONE;
}

static int run(struct call *c)
{
        const struct sub *sub = verb_sub(c);
        int rc;

        if (sub == NULL)
                return EXIT_USAGE;
        if (strcmp(sub->name, "show") == 0)
                return show(c);
        if (c->flag[F_ORIGIN] != NULL)
                return verb_usage(c, "--origin is for config show");
        if ((rc = verb_words(c, 2)) != 0)
                return rc;
        return strcmp(sub->name, "check") == 0 ? check(c, "") : explain(c);
}

static int broken(struct call *c)
{
        char words[1024];

        if (c->n_words == 0 || strcmp(c->words[0], "check") != 0)
                return verb_usage(c, "%s", wt_words());
        snprintf(words, sizeof words, "%s", wt_words());
        return check(c, words);
}

const struct verb verb_config = {
        .name = "config",
        .about = "shows, checks and explains the settings",
        .usage = "witan config show [--origin] [KEY...] | check [FILE] | explain KEY  [-o "
                 "json|table]",
        .example = "witan config show --origin --config /etc/witan/witan.yaml",
        .text = "A setting is a flag (--kv-bytes 1G), a variable (WITAN_KV_BYTES=1G), or a line of "
                "the file that "
                "--config names (\"kv_bytes: 1G\"); the first of these that is there counts, else "
                "its default. The store that witan up was given stands in the state folder, and "
                "goes before the default.",
        .subs = {{"show", "[--origin] [KEY...]", "the values, and where each one comes from"},
                 {"check", "[FILE]",
                  "all that is wrong in FILE (or the file that --config names) and in the "
                  "environment; exit code 1 when there is something"},
                 {"explain", "KEY",
                  "what a setting is: type, default, bounds, unit, who reads it"}},
        .flags = {[F_ORIGIN] = {"origin", NULL,
                                "show where each value comes from: flag, environment, file "
                                "with its line, state folder, or default",
                                0}},
        .role = WT_FOR_ALL,
        .run = run,
        .broken = broken,
};
