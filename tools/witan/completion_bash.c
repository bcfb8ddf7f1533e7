/* completion_bash.c - a function that looks at the verb, the word before and the word at the
 * cursor. */
#include <string.h>
#include "completion.h"

static const char head[] =
        "# bash completion for witan, made by: witan completion bash\n"
        "_witan_reply() {  # KIND [WORD...]\n"
        "        local kind=$1; shift\n        case $kind in\n"
        "        list) COMPREPLY=($(compgen -W \"$*\" -- \"$cur\")) ;;\n"
        "        folder) compopt -o filenames; COMPREPLY=($(compgen -d -- \"$cur\")) ;;\n"
        "        file) compopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n"
        "        esac\n}\n_witan() {\n"
        "        local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
        "        local verb=${COMP_WORDS[1]} sub=${COMP_WORDS[2]} settings verbs flags\n"
        "        COMPREPLY=()\n"
        "        if [ \"$prev\" = = ]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
        "        if [ \"$cur\" = = ]; then cur=; fi\n";

static void reply(FILE *to, const char *indent, enum comp_kind kind, const char *list)
{
        static const char *const replies[] = {
                [COMP_ANY] = "return", [COMP_FOLDER] = "_witan_reply folder; return",
                [COMP_FILE] = "_witan_reply file; return",
                [COMP_SETTING] = "_witan_reply list $settings; return",
                [COMP_VERB] = "_witan_reply list $verbs; return",
                [COMP_ROLE] = "_witan_reply list gateway router expert; return" };

        if (kind == COMP_LIST)
                fprintf(to, "%s_witan_reply list %s; return ;;\n", indent, list);
        else
                fprintf(to, "%s%s ;;\n", indent, replies[kind]);
}

/* Values, by the flag in front of the cursor. */
static void values(FILE *to, const struct verb *v)
{
        char list[128], flag[64];
        enum comp_kind kind;

        for (int k = 0; k < MAX_FLAGS && v->flags[k].name != NULL; k++) {
                const struct flag *f = &v->flags[k];
                if (f->value == NULL)
                        continue;
                kind = comp_value(f->value, list);
                fprintf(to, "        \"%s --%s\"", v->name, f->name);
                if (f->letter != 0)
                        fprintf(to, "|\"%s -%c\"", v->name, f->letter);
                reply(to, ") ", kind, list);
        }
        for (int s = 0; s < N_WT_SETTINGS; s++) {
                if (!verb_takes(v, (enum wt_set)s) || wt_settings[s].type == WT_CONF_BOOL)
                        continue;
                kind = comp_setting((enum wt_set)s, list);
                wt_conf_flag_name(&wt_settings[s], flag);
                fprintf(to, "        \"%s %s\"", v->name, flag);
                reply(to, ") ", kind, list);
        }
        if (!v->plain)
                fprintf(to,
                        "        \"%s -o\"|\"%s --output\") _witan_reply list json table; return "
                        ";;\n",
                        v->name, v->name);
}

static void flags(FILE *to, const struct verb *v)
{
        char flag[64];

        fprintf(to, "        %s) flags='--help%s", v->name, v->plain ? "" : " --output");
        for (int k = 0; k < MAX_FLAGS && v->flags[k].name != NULL; k++)
                fprintf(to, " --%s", v->flags[k].name);
        for (int s = 0; s < N_WT_SETTINGS; s++)
                if (verb_takes(v, (enum wt_set)s)) {
                        wt_conf_flag_name(&wt_settings[s], flag);
                        fprintf(to, " %s", flag);
                }
        fputs("' ;;\n", to);
}

/* Words: subcommands, then what they take. */
static void words(FILE *to, const struct verb *v)
{
        char list[128];

        if (v->subs[0].name == NULL) {
                if (comp_word(v) != COMP_ANY) {
                        fprintf(to, "        \"%s \"*", v->name);
                        reply(to, ") ", comp_word(v), "");
                }
                return;
        }
        fprintf(to, "        \"%s 2 \"*) _witan_reply list", v->name);
        for (int i = 0; i < MAX_SUBS && v->subs[i].name != NULL; i++)
                fprintf(to, " %s", v->subs[i].name);
        fputs("; return ;;\n", to);
        for (int i = 0; i < MAX_SUBS && v->subs[i].name != NULL; i++) {
                enum comp_kind kind = comp_value(v->subs[i].words, list);
                if (kind != COMP_ANY && kind != COMP_LIST) {
                        fprintf(to, "        \"%s \"*\" %s\"", v->name, v->subs[i].name);
                        reply(to, ") ", kind, list);
                }
        }
}

void completion_bash(FILE *to)
{
        fputs(head, to);
        fputs("        verbs='help", to);
        for (int i = 0; witan_verbs[i] != NULL; i++)
                fprintf(to, " %s", witan_verbs[i]->name);
        fputs("'\n        settings='", to);
        for (int s = 0; s < N_WT_SETTINGS; s++)
                fprintf(to, "%s%s", s > 0 ? " " : "", wt_settings[s].name);
        fputs("'\n        if [ \"$COMP_CWORD\" -eq 1 ]; then _witan_reply list $verbs --help "
              "--version; return; fi\n"
              "        if [ \"$verb\" = help ]; then _witan_reply list $verbs; return; fi\n"
              "        case \"$verb $prev\" in\n",
              to);
        for (int i = 0; witan_verbs[i] != NULL; i++)
                values(to, witan_verbs[i]);
        fputs("        esac\n        case $verb in\n", to);
        for (int i = 0; witan_verbs[i] != NULL; i++)
                flags(to, witan_verbs[i]);
        fputs("        esac\n        case $cur in -*) _witan_reply list $flags; return ;; esac\n"
              "        case \"$verb $COMP_CWORD $sub\" in\n", to);
        for (int i = 0; witan_verbs[i] != NULL; i++)
                words(to, witan_verbs[i]);
        fputs("        esac\n}\ncomplete -F _witan witan\n", to);
}
