/* completion_zsh.c - as for bash, with the sentence beside each word. */
#include <string.h>
#include "completion.h"

static const char quote[] = "'\\''";

static void action(FILE *to, enum comp_kind kind, const char *list)
{
        static const char *const actions[] = {
                [COMP_ANY] = "_message value", [COMP_FOLDER] = "_files -/", [COMP_FILE] = "_files",
                [COMP_SETTING] = "_describe setting settings", [COMP_VERB] = "_describe verb verbs",
                [COMP_ROLE] = "compadd -- gateway router expert" };

        if (kind == COMP_LIST)
                fprintf(to, "compadd -- %s; return ;;\n", list);
        else
                fprintf(to, "%s; return ;;\n", actions[kind]);
}

/* 'name:sentence', the form of _describe. */
static void described(FILE *to, const char *dashes, const char *name, const char *about)
{
        char text[600];

        snprintf(text, sizeof text, "%s%s:%s", dashes, name, about);
        fputs("                ", to);
        comp_quote(to, text, quote);
        fputc('\n', to);
}

static void values(FILE *to, const struct verb *v)
{
        char list[128], flag[64];

        for (int k = 0; k < MAX_FLAGS && v->flags[k].name != NULL; k++) {
                const struct flag *f = &v->flags[k];
                if (f->value == NULL)
                        continue;
                fprintf(to, "        \"%s --%s\"", v->name, f->name);
                if (f->letter != 0)
                        fprintf(to, "|\"%s -%c\"", v->name, f->letter);
                fputs(") ", to);
                action(to, comp_value(f->value, list), list);
        }
        for (int s = 0; s < N_WT_SETTINGS; s++) {
                if (!verb_takes(v, (enum wt_set)s) || wt_settings[s].type == WT_CONF_BOOL)
                        continue;
                wt_conf_flag_name(&wt_settings[s], flag);
                fprintf(to, "        \"%s %s\") ", v->name, flag);
                action(to, comp_setting((enum wt_set)s, list), list);
        }
        if (!v->plain)
                fprintf(to, "        \"%s -o\"|\"%s --output\") compadd -- json table; return ;;\n",
                        v->name, v->name);
}

static void flags(FILE *to, const struct verb *v)
{
        char flag[64];

        fprintf(to, "        %s) flags=(\n", v->name);
        described(to, "--", "help", "shows the flags and an example");
        if (!v->plain)
                described(to, "--", "output", "how it prints what it found: json or table");
        for (int k = 0; k < MAX_FLAGS && v->flags[k].name != NULL; k++)
                described(to, "--", v->flags[k].name, v->flags[k].help);
        for (int s = 0; s < N_WT_SETTINGS; s++)
                if (verb_takes(v, (enum wt_set)s)) {
                        wt_conf_flag_name(&wt_settings[s], flag);
                        described(to, "", flag, wt_settings[s].help);
                }
        fputs("                ) ;;\n", to);
}

static void words(FILE *to, const struct verb *v)
{
        char list[128];

        if (v->subs[0].name == NULL) {
                if (comp_word(v) != COMP_ANY) {
                        fprintf(to, "        (\"%s \"*) ", v->name);
                        action(to, comp_word(v), "");
                }
                return;
        }
        fprintf(to, "        (\"%s 3 \"*) subs=(\n", v->name);
        for (int i = 0; i < MAX_SUBS && v->subs[i].name != NULL; i++)
                described(to, "", v->subs[i].name, v->subs[i].about);
        fputs("                ); _describe word subs; return ;;\n", to);
        for (int i = 0; i < MAX_SUBS && v->subs[i].name != NULL; i++) {
                enum comp_kind kind = comp_value(v->subs[i].words, list);
                if (kind != COMP_ANY && kind != COMP_LIST) {
                        fprintf(to, "        (\"%s \"*\" %s\") ", v->name, v->subs[i].name);
                        action(to, kind, list);
                }
        }
}

void completion_zsh(FILE *to)
{
        fputs("#compdef witan\n# zsh completion for witan, made by: witan completion zsh\n_witan() "
              "{\n"
              "        local verb=$words[2] sub=$words[3] prev=$words[CURRENT-1]\n"
              "        local -a verbs settings flags subs\n        verbs=(\n",
              to);
        for (int i = 0; witan_verbs[i] != NULL; i++)
                described(to, "", witan_verbs[i]->name, witan_verbs[i]->about);
        described(to, "", "help", "shows the verbs, or a verb's flags");
        fputs("        )\n        settings=(\n", to);
        for (int s = 0; s < N_WT_SETTINGS; s++)
                described(to, "", wt_settings[s].name, wt_settings[s].help);
        fputs("        )\n        if (( CURRENT == 2 )); then _describe verb verbs; return; fi\n"
              "        if [[ $verb == help ]]; then _describe verb verbs; return; fi\n"
              "        if [[ $PREFIX == --*=* ]]; then prev=${PREFIX%%=*}; compset -P 1 '*='; fi\n"
              "        case \"$verb $prev\" in\n", to);
        for (int i = 0; witan_verbs[i] != NULL; i++)
                values(to, witan_verbs[i]);
        fputs("        esac\n        case $verb in\n", to);
        for (int i = 0; witan_verbs[i] != NULL; i++)
                flags(to, witan_verbs[i]);
        fputs("        esac\n"
              "        if [[ $PREFIX == -* ]]; then _describe -o flag flags; return; fi\n"
              "        case \"$verb $CURRENT $sub\" in\n", to);
        for (int i = 0; witan_verbs[i] != NULL; i++)
                words(to, witan_verbs[i]);
        fputs("        esac\n}\n"
              "if [[ $funcstack[1] == _witan ]]; then _witan \"$@\"; else compdef _witan witan; "
              "fi\n",
              to);
}
