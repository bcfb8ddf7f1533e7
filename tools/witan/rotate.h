/* rotate.h - log files that do not grow without end. */
#ifndef WITAN_TOOLS_ROTATE_H
#define WITAN_TOOLS_ROTATE_H
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

enum { ROTATE_MOST_KEPT = 64 };
/* When PATH has grown beyond most bytes: PATH.1 becomes PATH.2 and so on, PATH.keep goes, what is
 * in PATH is copied into PATH.1, and PATH is emptied: its writer has it open for appending and goes
 * on at its front. (A line written between the copy's end and the emptying is lost.) keep 0:
 * emptied only. *turned says whether. A file that is not there is no error. WT_EIO: the log stays
 * as it was. */
wt_err rotate(const char *path, uint64_t most, uint32_t keep, bool *turned);
#endif
