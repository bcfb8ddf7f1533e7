/* dump.h - no core file of a process that holds keys and texts. */
#ifndef WITAN_BASE_DUMP_H
#define WITAN_BASE_DUMP_H
#include "base/err.h"

/* From now on neither this process nor what it starts leaves a core, in a file or through a pipe to
 * a collector; what is taken of it by force (gcore) is without its memory. To be called before a
 * secret is read. Memory stays readable to the same user in /proc and to debuggers. */
wt_err wt_dump_none(void);
#endif
