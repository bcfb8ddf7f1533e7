/* ports.h - is an address free, and if not, who holds it. */
#ifndef WITAN_TOOLS_PORTS_H
#define WITAN_TOOLS_PORTS_H
#include <sys/types.h>
#include "base/err.h"

struct port_holder { pid_t pid; char name[64]; };        /* pid 0: cannot be seen by this user */

/* Binds HOST:PORT for a moment. WT_EEXIST: taken, *by tells by whom; WT_EPERM: this user may not;
 * WT_EINVAL: no such address here. by may be NULL. */
wt_err port_check(const char *address, struct port_holder *by);
#endif
