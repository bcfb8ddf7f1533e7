/* term.h - colours where they are wanted: on a terminal that is not dumb, unless NO_COLOR is
 * set. */
#ifndef WITAN_TOOLS_TERM_H
#define WITAN_TOOLS_TERM_H
#include <stdbool.h>
#include <stdio.h>

enum term_colour { TERM_PLAIN, TERM_RED, TERM_YELLOW, TERM_GREEN, TERM_BLUE, TERM_DIM, TERM_BOLD };

bool term_colours(FILE *to, char *const *envp);
/* The sequence that begins a colour, "" when on is false. term_end ends it. */
const char *term_begin(bool on, enum term_colour c);
const char *term_end(bool on);
#endif
