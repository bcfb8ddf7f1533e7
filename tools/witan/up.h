/* up.h - a cluster that is being started, by processes (up.c) or threads (inproc.c). */
#ifndef WITAN_TOOLS_UP_H
#define WITAN_TOOLS_UP_H
#include <stdio.h>
#include "spawn.h"

enum { READY_WAIT_S = 600, TURN_MS = 50 };

struct up {
        struct call *c;
        struct plan plan;
        struct wt_shape *shape;
        struct child child[MAX_PROCESSES];
        uint32_t n;
        int lock, signals, tell;                 /* tell: pipe to the waiting parent, or -1 */
};

bool up_answers(const char *address);            /* HOST:PORT says that it is ready */
void up_announce(const struct up *u, FILE *to);
/* Everything in this process, until it is told to stop. Exit code. */
int inproc_run(struct up *u);
#endif
