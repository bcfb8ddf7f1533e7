/* completion_fish.c - one line per word or flag; fish sorts out the rest. */
#include <string.h>
#include "completion.h"

static const char quote[] = "\\'";

static void action(FILE *to, enum comp_kind kind, const char *list)
{
        switch (kind) {
        case COMP_FOLDER: fputs(" -x -a '(__fish_complete_directories)'", to); break;
        case COMP_FILE: fputs(" -r -F", to); break;
        case COMP_SETTING: fputs(" -x -a '(__witan_settings)'", to); break;
        case COMP_VERB: fputs(" -x -a '(__witan_verbs)'", to); break;
        case COMP_ROLE: fputs(" -x -a 'gateway router expert'", to); break;
        case COMP_LIST: fprintf(to, " -x -a '%s'", list); break;
        case COMP_ANY: fputs(" -x", to); break;
        }
}

static void about(FILE *to, const char *text)
{
        fputs(" -d ", to);
        comp_quote(to, text, quote);
        fputc('\n', to);
}

static void line(FILE *to, const struct verb *v)
{
        fprintf(to, "complete -c witan -n '__fish_seen_subcommand_from %s'", v->name);
}

static void flags(FILE *to, const struct verb *v)
{
        char list[128], flag[64];

        line(to, v);
        fputs(" -s h -l help", to);
        about(to, "shows the flags and an example");
        if (!v->plain) {
                line(to, v);
                fputs(" -s o -l output -x -a 'json table'", to);
                about(to, "how it prints what it found");
        }
        for (int k = 0; k < MAX_FLAGS && v->flags[k].name != NULL; k++) {
                const struct flag *f = &v->flags[k];
                line(to, v);
                if (f->letter != 0)
                        fprintf(to, " -s %c", f->letter);
                fprintf(to, " -l %s", f->name);
                if (f->value != NULL)
                        action(to, comp_value(f->value, list), list);
                about(to, f->help);
        }
        for (int s = 0; s < N_WT_SETTINGS; s++) {
                if (!verb_takes(v, (enum wt_set)s))
                        continue;
                wt_conf_flag_name(&wt_settings[s], flag);
                line(to, v);
                fprintf(to, " -l %s", flag + 2);
                if (wt_settings[s].type != WT_CONF_BOOL)
                        action(to, comp_setting((enum wt_set)s, list), list);
                about(to, wt_settings[s].help);
        }
}

static void words(FILE *to, const struct verb *v)
{
        char list[128];

        if (v->subs[0].name == NULL && comp_word(v) != COMP_ANY) {
                line(to, v);
                action(to, comp_word(v), "");
                fputc('\n', to);
        }
        for (int i = 0; i < MAX_SUBS && v->subs[i].name != NULL; i++) {
                enum comp_kind kind = comp_value(v->subs[i].words, list);
                fprintf(to, "complete -c witan -n '__witan_alone %s' -a %s", v->name,
                        v->subs[i].name);
                about(to, v->subs[i].about);
                if (kind == COMP_ANY || kind == COMP_LIST)
                        continue;
                fprintf(to, "complete -c witan -n '__witan_in %s %s'", v->name, v->subs[i].name);
                action(to, kind, list);
                fputc('\n', to);
        }
}

void completion_fish(FILE *to)
{
        fputs("# fish completion for witan, made by: witan completion fish\n"
              "function __witan_alone\n"
              "        set -l w (commandline -opc)\n"
              "        test (count $w) -eq 2; and test \"$w[2]\" = $argv[1]\n"
              "end\nfunction __witan_in\n        set -l w (commandline -opc)\n"
              "        test (count $w) -ge 3; and test \"$w[2]\" = $argv[1]; and test \"$w[3]\" = "
              "$argv[2]\nend\nfunction __witan_settings\n        printf '%s\\n'",
              to);
        for (int s = 0; s < N_WT_SETTINGS; s++)
                fprintf(to, " %s", wt_settings[s].name);
        fputs("\nend\nfunction __witan_verbs\n        printf '%s\\n'", to);
        for (int i = 0; witan_verbs[i] != NULL; i++)
                fprintf(to, " %s", witan_verbs[i]->name);
        fputs("\nend\ncomplete -c witan -f\n"
              "complete -c witan -n __fish_use_subcommand -l version -d 'shows the version'\n"
              "complete -c witan -n __fish_use_subcommand -a help -d 'shows the verbs, or the "
              "flags of one'\n"
              "complete -c witan -n '__fish_seen_subcommand_from help' -a '(__witan_verbs)'\n",
              to);
        for (int i = 0; witan_verbs[i] != NULL; i++) {
                fprintf(to, "complete -c witan -n __fish_use_subcommand -a %s",
                        witan_verbs[i]->name);
                about(to, witan_verbs[i]->about);
        }
        for (int i = 0; witan_verbs[i] != NULL; i++) {
                flags(to, witan_verbs[i]);
                words(to, witan_verbs[i]);
        }
}
