/* up.h - a cluster that is being started, by processes (up.c) or threads (inproc.c). */
#ifndef WITAN_TOOLS_UP_H
#define WITAN_TOOLS_UP_H
#include <stdio.h>
#include "progress.h"
#include "spawn.h"

enum { READY_WAIT_S = 600, TURN_MS = 50 };
enum { UP_STORE_CHANGE };                        /* flags of the verb */

struct up {
        struct call *c;
        struct plan plan;
        struct wt_shape *shape;
        struct child child[MAX_PROCESSES];
        uint32_t n;
        int lock, signals;
        int tell;                                /* pipe to the waiting parent, or -1: see up_say */
        struct progress progress;                /* of who has the terminal: the parent, or we */
        uint64_t model_bytes;
        bool same_model;                         /* as the last time in this state folder */
};

/* up_prepare.c: folders, lock, model, keys, plan, command lines. Nothing has been started. */
wt_err up_prepare(struct up *u);
/* The revision of the model into the shards of witan.json. Digests are kept with the packs, so
 * this is quick once the workers are ready. */
void up_revision(struct up *u);

bool up_answers(const char *address);            /* HOST:PORT says that it is ready */
void up_announce(const struct up *u, FILE *to);
void up_ready(struct up *u);                     /* announces it, or has the parent do so */
/* up_detach.c: run in a process of its own; waits until that says that the cluster is ready. When
 * it fails, or dies, the last lines of the logs say more. Exit code. */
int up_detach(struct up *u, int (*run)(struct up *u));
/* To the user, or over the pipe as lines: '+' an event, '=' what is waited for, '!' why it
 * failed; '*' is said once, by up_ready. */
void up_say(struct up *u, char kind, const char *words);
void up_progress(struct up *u);                  /* the moving line; ends by progress_close */
/* Everything in this process, until it is told to stop. Exit code. */
int inproc_run(struct up *u);
#endif
