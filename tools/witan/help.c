/* help.c - see help.h. */
#include "help.h"
#include <string.h>

enum { LEFT = 28, WIDTH = 100 };

const char *help_setting_kind(const struct wt_setting *s)
{
        static const char *const kinds[] = { [WT_CONF_STR] = "TEXT", [WT_CONF_U64] = "N",
                [WT_CONF_BYTES] = "BYTES", [WT_CONF_MS] = "TIME", [WT_CONF_BOOL] = "",
                [WT_CONF_PATH] = "PATH" };

        return kinds[s->type];
}

void help_flag(const struct flag *f, char *out, size_t n)
{
        char letter[8] = "";

        if (f->letter != 0)
                snprintf(letter, sizeof letter, "-%c, ", f->letter);
        snprintf(out, n, "%s--%s%s%s", letter, f->name, f->value != NULL ? " " : "",
                 f->value != NULL ? f->value : "");
}

/* Text broken at blanks, the first line at column at, the others at indent. */
static void wrap(FILE *to, const char *text, int at, int indent)
{
        while (*text != '\0') {
                int n = (int)strcspn(text, " \n");
                bool blank = text[n] == ' ';
                fprintf(to, "%.*s", n, text);
                at += n;
                text += n + (text[n] != '\0');
                if (blank && at + 1 + (int)strcspn(text, " \n") <= WIDTH) {
                        fputc(' ', to);
                        at++;
                } else if (*text != '\0') {
                        fprintf(to, "\n%*s", *text == '\n' ? 0 : indent, "");
                        at = indent;
                }
        }
        fputc('\n', to);
}

static void row(FILE *to, const char *left, const char *text)
{
        int n = fprintf(to, "  %-*s ", LEFT, left);

        if (n > LEFT + 3) {
                fprintf(to, "\n%*s", LEFT + 3, "");
                n = LEFT + 3;
        }
        wrap(to, text, n, LEFT + 3);
}

void help_all(FILE *to)
{
        fputs("witan: serves Mixture-of-Experts language models whose experts are services of "
              "their own\n\n"
              "usage: witan VERB [flags]\n\n",
              to);
        for (int i = 0; witan_verbs[i] != NULL; i++)
                fprintf(to, "  %-11s %s\n", witan_verbs[i]->name, witan_verbs[i]->about);
        fputs("\nwitan VERB --help shows a verb's flags and an example.\n"
              "Exit codes: 0 done, 1 refused or failed, 2 usage.\n", to);
}

static void settings(FILE *to, const struct verb *v)
{
        bool any = false;

        for (int i = 0; i < N_WT_SETTINGS; i++) {
                const struct wt_setting *s = &wt_settings[i];
                char flag[64], left[96], text[400];

                if (!verb_takes(v, (enum wt_set)i))
                        continue;
                if (!any)
                        fputs("\nsettings (also WITAN_NAME in the environment, or \"name: value\" "
                              "in the file that "
                              "--config names)\n",
                              to);
                any = true;
                wt_conf_flag_name(s, flag);
                snprintf(left, sizeof left, "%s %s", flag, help_setting_kind(s));
                snprintf(text, sizeof text, "%s%s%s%s", s->help,
                         *s->def && s->type != WT_CONF_BOOL ? " [" : "",
                         s->type != WT_CONF_BOOL ? s->def : "",
                         *s->def && s->type != WT_CONF_BOOL ? "]" : "");
                row(to, left, text);
        }
}

void help_verb(FILE *to, const struct verb *v)
{
        char left[128];

        fprintf(to, "witan %s: %s\n\nusage: ", v->name, v->about);
        wrap(to, v->usage, 7, 9);
        if (v->text != NULL) {
                fputc('\n', to);
                wrap(to, v->text, 0, 0);
        }
        for (int i = 0; i < MAX_SUBS && v->subs[i].name != NULL; i++) {
                if (i == 0)
                        fputc('\n', to);
                snprintf(left, sizeof left, "%s%s%s", v->subs[i].name, *v->subs[i].words ? " " : "",
                         v->subs[i].words);
                row(to, left, v->subs[i].about);
        }
        fputs("\nflags\n", to);
        for (int i = 0; i < MAX_FLAGS && v->flags[i].name != NULL; i++) {
                help_flag(&v->flags[i], left, sizeof left);
                row(to, left, v->flags[i].help);
        }
        if (!v->plain)
                row(to, "-o, --output json|table", "how it prints what it found [table]");
        row(to, "-h, --help", "shows this");
        settings(to, v);
        fprintf(to, "\nexit codes: 0 done, 1 refused or failed, 2 usage\n\nexample\n  %s\n",
                v->example);
}
