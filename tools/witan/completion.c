/* completion.c - witan completion bash|zsh|fish. */
#include "completion.h"
#include <string.h>

enum comp_kind comp_value(const char *value, char list[128])
{
        list[0] = '\0';
        if (strchr(value, '|') != NULL) {
                snprintf(list, 128, "%s", value);
                for (char *p = list; *p != '\0'; p++)
                        *p = *p == '|' ? ' ' : *p;
                return COMP_LIST;
        }
        if (strstr(value, "DIR") != NULL || strstr(value, "FOLDER") != NULL)
                return COMP_FOLDER;
        if (strstr(value, "FILE") != NULL || strstr(value, "PATH") != NULL)
                return COMP_FILE;
        if (strstr(value, "KEY") != NULL)
                return COMP_SETTING;
        return strstr(value, "VERB") != NULL ? COMP_VERB : COMP_ANY;
}

enum comp_kind comp_setting(enum wt_set s, char list[128])
{
        static const struct { enum wt_set set; const char *words; } words[] = {
                { WT_SET_log_level, "error warn notice info debug" }, { WT_SET_gpu, "auto none" },
                { WT_SET_store, "sqlite" }, { WT_SET_place, "contiguous least-loaded" } };

        list[0] = '\0';
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
                if (words[i].set == s) {
                        snprintf(list, 128, "%s", words[i].words);
                        return COMP_LIST;
                }
        if (s == WT_SET_state || s == WT_SET_model)
                return COMP_FOLDER;
        return wt_settings[s].type == WT_CONF_PATH ? COMP_FILE : COMP_ANY;
}

enum comp_kind comp_word(const struct verb *v)
{
        char list[128];

        if (strstr(v->usage, "[NAME]") != NULL)
                return COMP_ROLE;
        return strstr(v->usage, "[VERB]") != NULL ? comp_value("[VERB]", list) : COMP_ANY;
}

void comp_quote(FILE *to, const char *text, const char *instead)
{
        fputc('\'', to);
        for (; *text != '\0'; text++)
                if (*text == '\'')
                        fputs(instead, to);
                else
                        fputc(*text, to);
        fputc('\'', to);
}

static int run(struct call *c)
{
        const struct sub *sub = verb_sub(c);
        int rc;

        if (sub == NULL)
                return EXIT_USAGE;
        if ((rc = verb_words(c, 1)) != 0)
                return rc;
        if (strcmp(sub->name, "bash") == 0)
                completion_bash(stdout);
        else if (strcmp(sub->name, "zsh") == 0)
                completion_zsh(stdout);
        else
                completion_fish(stdout);
        return EXIT_DONE;
}

const struct verb verb_completion = {
        .name = "completion",
        .about = "prints what a shell needs to complete witan's command lines",
        .usage = "witan completion bash | zsh | fish",
        .example = "source <(witan completion bash)",
        .text = "Load it in the file that your shell reads at its start:\n"
                "  bash: source <(witan completion bash)           in ~/.bashrc\n"
                "  zsh:  source <(witan completion zsh)            in ~/.zshrc, behind compinit\n"
                "  fish: witan completion fish | source            in ~/.config/fish/config.fish",
        .subs = {{"bash", "", "for bash 4 and later"},
                 {"zsh", "", "for zsh 5 and later"},
                 {"fish", "", "for fish 3 and later"}},
        .sets = verb_state_only,
        .plain = true,
        .run = run,
};
