/* man.c - witan man: manual pages out of the tables of verbs and settings. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/file.h"
#include "help.h"
#include "near.h"

enum { F_DIR };

/* Text as roff takes it: no line begins with a request, no dash becomes a hyphen. */
static void text(struct wt_buf *b, const char *s)
{
        for (; *s != '\0'; s++) {
                bool first = b->len == 0 || b->data[b->len - 1] == '\n';
                if (first && (*s == '.' || *s == '\''))
                        wt_buf_str(b, "\\&");
                if (*s == '\\')
                        wt_buf_str(b, "\\e");
                else if (*s == '-')
                        wt_buf_str(b, "\\-");
                else
                        wt_buf_add(b, s, 1);
        }
}

static void line(struct wt_buf *b, const char *s)
{
        text(b, s);
        wt_buf_str(b, "\n");
}

/* Paragraphs; lines that are indented stay as they are. */
static void paragraphs(struct wt_buf *b, const char *s)
{
        bool raw = false;

        while (*s != '\0') {
                size_t n = strcspn(s, "\n");
                char one[2000];
                bool indented = s[0] == ' ';
                size_t skip = strspn(s, " ");
                snprintf(one, sizeof one, "%.*s", (int)(n - skip), s + skip);
                if (indented != raw)
                        wt_buf_str(b, indented ? ".PP\n.nf\n" : ".fi\n.PP\n");
                raw = indented;
                line(b, one);
                s += n + (s[n] == '\n');
        }
        if (raw)
                wt_buf_str(b, ".fi\n");
}

static void title(struct wt_buf *b, const char *name, int section, const char *about)
{
        char upper[64];

        snprintf(upper, sizeof upper, "%s", name);
        for (char *p = upper; *p != '\0'; p++)
                *p = *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p;
        wt_buf_fmt(b, ".TH \"%s\" \"%d\" \"\" \"witan " WITAN_VERSION "\" \"Witan\"\n.SH NAME\n",
                   upper, section);
        text(b, name);
        wt_buf_str(b, " \\- ");
        line(b, about);
}

static void tagged(struct wt_buf *b, const char *tag, const char *sentence)
{
        wt_buf_str(b, ".TP\n.B \"");
        text(b, tag);
        wt_buf_str(b, "\"\n");
        line(b, sentence);
}

static void setting(struct wt_buf *b, const struct wt_setting *s)
{
        char flag[64], tag[96], sentence[600];

        wt_conf_flag_name(s, flag);
        snprintf(tag, sizeof tag, "%s %s", flag, help_setting_kind(s));
        snprintf(sentence, sizeof sentence, "%s%s%s%s", s->help,
                 *s->def && s->type != WT_CONF_BOOL ? " [" : "",
                 s->type != WT_CONF_BOOL ? s->def : "",
                 *s->def && s->type != WT_CONF_BOOL ? "]" : "");
        tagged(b, tag, sentence);
}

static void exit_codes(struct wt_buf *b)
{
        wt_buf_str(b, ".SH EXIT STATUS\n");
        tagged(b, "0", "done");
        tagged(b, "1", "refused or failed; standard error says why and what to do");
        tagged(b, "2",
               "usage: a verb, flag, value or word that does not exist; the nearest one is named");
}

static void verb_flags(struct wt_buf *b, const struct verb *v)
{
        char left[128];

        wt_buf_str(b, ".SH OPTIONS\n");
        for (int i = 0; i < MAX_FLAGS && v->flags[i].name != NULL; i++) {
                help_flag(&v->flags[i], left, sizeof left);
                tagged(b, left, v->flags[i].help);
        }
        if (!v->plain)
                tagged(b, "-o, --output json|table", "how it prints what it found [table]");
        tagged(b, "-h, --help", "shows usage, flags and an example");
        for (int s = 0; s < N_WT_SETTINGS; s++)
                if (verb_takes(v, (enum wt_set)s))
                        setting(b, &wt_settings[s]);
}

static void page_verb(struct wt_buf *b, const struct verb *v)
{
        char name[64], left[128];

        snprintf(name, sizeof name, "witan-%s", v->name);
        title(b, name, 1, v->about);
        wt_buf_str(b, ".SH SYNOPSIS\n");
        line(b, v->usage);
        wt_buf_str(b, ".SH DESCRIPTION\n");
        paragraphs(b, v->text != NULL ? v->text : v->about);
        for (int i = 0; i < MAX_SUBS && v->subs[i].name != NULL; i++) {
                snprintf(left, sizeof left, "%s %s", v->subs[i].name, v->subs[i].words);
                tagged(b, left, v->subs[i].about);
        }
        verb_flags(b, v);
        exit_codes(b);
        wt_buf_str(b, ".SH EXAMPLES\n.nf\n");
        line(b, v->example);
        wt_buf_str(b, ".fi\n.SH SEE ALSO\n.BR witan (1),\n.BR witan\\-settings (5)\n");
}

static void page_witan(struct wt_buf *b)
{
        title(b, "witan", 1,
              "serves Mixture-of-Experts language models whose experts are services of their own");
        wt_buf_str(b, ".SH SYNOPSIS\n");
        line(b, "witan VERB [flags]");
        wt_buf_str(b, ".SH DESCRIPTION\n");
        line(b, "A gateway faces the users with OpenAI's API, routers run attention and gates, and "
                "expert workers hold "
                "the routed experts. witan up starts all of them on this machine and watches over "
                "them.");
        for (int i = 0; witan_verbs[i] != NULL; i++)
                tagged(b, witan_verbs[i]->name, witan_verbs[i]->about);
        exit_codes(b);
        wt_buf_str(b, ".SH FILES\n");
        tagged(b, "~/.local/state/witan",
               "the state folder, unless --state names another one: witan.json (URL, key and "
               "processes; 0600), keys/, witan.db, spool/, packs/, logs/");
        wt_buf_str(b, ".SH ENVIRONMENT\n");
        tagged(b, "WITAN_NAME", "the value of the setting NAME, where no flag gives it");
        tagged(b, "NO_COLOR", "no colours, whatever the terminal can do");
        wt_buf_str(b, ".SH EXAMPLES\n.nf\nwitan up \\-\\-detach\nwitan chat\nwitan down\n.fi\n.SH "
                      "SEE ALSO\n");
        for (int i = 0; witan_verbs[i] != NULL; i++)
                wt_buf_fmt(b, ".BR witan\\-%s (1),\n", witan_verbs[i]->name);
        wt_buf_str(b, ".BR witan\\-settings (5)\n");
}

static void page_settings(struct wt_buf *b)
{
        title(b, "witan-settings", 5, "the settings of witan and its services");
        wt_buf_str(b, ".SH DESCRIPTION\n");
        line(b, "A setting is a flag (--kv-bytes 1G), a variable of the environment "
                "(WITAN_KV_BYTES=1G), or a line of the file that --config names "
                "(kv_bytes: 1G). The first of these that is there counts, else the default. witan "
                "config show --origin "
                "says where each value comes from, witan config check what is wrong in a file.");
        wt_buf_str(b, ".SH SETTINGS\n");
        for (int s = 0; s < N_WT_SETTINGS; s++)
                setting(b, &wt_settings[s]);
        wt_buf_str(b, ".SH SEE ALSO\n.BR witan (1),\n.BR witan\\-config (1)\n");
}

/* Page i: witan, the settings, then a verb each; false: there is no such page. */
static bool page(int i, struct wt_buf *b, char file[64])
{
        if (i >= 2 && witan_verbs[i - 2] == NULL)
                return false;
        if (i == 0)
                page_witan(b);
        else if (i == 1)
                page_settings(b);
        else
                page_verb(b, witan_verbs[i - 2]);
        snprintf(file, 64,
                 i == 0   ? "man1/witan.1%s"
                 : i == 1 ? "man5/witan-settings.5%s"
                          : "man1/witan-%s.1",
                 i < 2 ? "" : witan_verbs[i - 2]->name);
        return true;
}

static int write_all(struct call *c, const char *dir)
{
        char file[64], path[4300];
        struct wt_buf b = { 0 };
        wt_err err;

        snprintf(path, sizeof path, "%s/man1", dir);
        err = wt_dir_make(path, 0755);
        snprintf(path, sizeof path, "%s/man5", dir);
        if (err == WT_OK)
                err = wt_dir_make(path, 0755);
        for (int i = 0; err == WT_OK && page(i, &b, file); i++) {
                snprintf(path, sizeof path, "%s/%s", dir, file);
                err = wt_file_write(path, b.data, b.len, 0644);
                wt_buf_clear(&b);
        }
        wt_buf_free(&b);
        return err == WT_OK ? EXIT_DONE
                            : verb_fail(c, "%s; --dir names another folder", wt_words());
}

/* On a terminal through man(1), elsewhere the page as it is. */
static void show(const struct wt_buf *b)
{
        FILE *man = isatty(1) ? popen("man -l - 2>/dev/null", "w") : NULL;

        fwrite(b->data, 1, b->len, man != NULL ? man : stdout);
        if (man != NULL)
                pclose(man);
}

static int run(struct call *c)
{
        const char *names[66], *near;
        struct wt_buf b = { 0 };
        char file[64], all[600];
        int n = 0, want = c->n_words == 0 ? 0 : -1, rc = verb_words(c, 1);

        if (rc != 0)
                return rc;
        if (c->flag[F_DIR] != NULL)
                return write_all(c, c->flag[F_DIR]);
        names[n++] = "witan";
        names[n++] = "settings";
        for (int i = 0; witan_verbs[i] != NULL && n < 65; i++)
                names[n++] = witan_verbs[i]->name;
        names[n] = NULL;
        for (int i = 0; i < n && c->n_words > 0; i++)
                if (strcmp(names[i], c->words[0]) == 0)
                        want = i;
        if (want < 0) {
                near = near_word(c->words[0], names);
                near_list(names, all, sizeof all);
                return verb_usage(c,
                                  near != NULL ? "there is no page \"%s\"; did you mean %s?"
                                               : "there is no page \"%s\"; say %s",
                                  c->words[0], near != NULL ? near : all);
        }
        page(want, &b, file);
        show(&b);
        wt_buf_free(&b);
        return EXIT_DONE;
}

const struct verb verb_man = {
        .name = "man",
        .about = "shows the manual page of witan, of a verb, or of the settings",
        .usage = "witan man [VERB] [--dir DIR]",
        .example = "witan man settings",
        .text = "On a terminal the page is shown by man(1); into a file or a pipe it is written as "
                "roff. With --dir all "
                "pages are written to DIR/man1 and DIR/man5, so that man -M DIR witan finds them.",
        .flags = {[F_DIR] = {"dir", "DIR", "write all pages into this folder", 0}},
        .sets = verb_state_only,
        .plain = true,
        .run = run,
};
