/* help.h - what --help prints. */
#ifndef WITAN_TOOLS_HELP_H
#define WITAN_TOOLS_HELP_H
#include <stdio.h>
#include "verb.h"

void help_all(FILE *to);
void help_verb(FILE *to, const struct verb *v);
/* "-f, --follow", "--since TIME" into out. */
void help_flag(const struct flag *f, char *out, size_t n);
/* What stands for a setting's value: "BYTES"; "" for a switch. */
const char *help_setting_kind(const struct wt_setting *s);
#endif
