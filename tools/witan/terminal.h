/* terminal.h - a terminal in raw mode for as long as a line is read. */
#ifndef WITAN_TOOLS_TERMINAL_H
#define WITAN_TOOLS_TERMINAL_H
#include "edit.h"

/* Reads one line of standard input with e; e->text holds it. The terminal is as before afterwards,
 * also when the process is told to end. */
enum edit_state terminal_read(struct edit *e, const char *prompt);
#endif
