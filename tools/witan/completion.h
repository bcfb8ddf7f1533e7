/* completion.h - what may come next on a command line, from the table of verbs; one file per
 * shell. */
#ifndef WITAN_TOOLS_COMPLETION_H
#define WITAN_TOOLS_COMPLETION_H
#include <stdio.h>
#include "verb.h"

/* What a value or a word is: nothing known, a folder, a file, the name of a setting, a verb, a
 * role, or one of a list. */
enum comp_kind { COMP_ANY, COMP_FOLDER, COMP_FILE, COMP_SETTING, COMP_VERB, COMP_ROLE, COMP_LIST };

/* Of "a|b|c" (COMP_LIST, list gets "a b c"), "DIR", "FILE", "KEY", "[VERB]". */
enum comp_kind comp_value(const char *value, char list[128]);
/* Of a setting's value; list as above. */
enum comp_kind comp_setting(enum wt_set s, char list[128]);
/* Of the word behind a verb that has no subcommands. */
enum comp_kind comp_word(const struct verb *v);
/* Text in single quotes, as this shell escapes one inside. */
void comp_quote(FILE *to, const char *text, const char *instead);

void completion_bash(FILE *to);
void completion_zsh(FILE *to);
void completion_fish(FILE *to);
#endif
