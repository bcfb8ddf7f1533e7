/* spawn.h - starts the programs of a plan, starts them again when they die, and stops them. */
#ifndef WITAN_TOOLS_SPAWN_H
#define WITAN_TOOLS_SPAWN_H
#include "plan.h"

struct child {
        struct process *p;
        char *argv[64]; uint32_t n_argv;
        uint64_t started_us, again_us;           /* again_us: when to start it again; 0: it runs */
        uint64_t backoff_us;
        bool died;                               /* and nobody has said so yet */
        uint64_t log_from;                       /* bytes of its log from before its last start */
        int exit_code;                           /* of the last end; 128 + signal when killed */
};

/* The command line of a process: its own flags, then every setting of its role that was given to
 * us by flag, environment or file. */
wt_err child_make(struct child *ch, const struct plan *plan, struct process *p,
                  const struct call *c);
void child_fini(struct child *ch);
/* Output goes to STATE/logs/NAME.log (appended). */
wt_err child_start(struct child *ch, const struct plan *plan, const char *state, uint64_t now_us);
/* Reaps what has died and starts again what is due; true when a pid changed. */
bool children_turn(struct child *ch, uint32_t n, const struct plan *plan, const char *state,
                   uint64_t now_us);
/* Turns over the logs that have grown beyond their bound (rotate.h). False: one could not be; the
 * thread's words say why. */
bool children_rotate(const struct child *ch, uint32_t n, const char *state, uint64_t most,
                     uint32_t keep);
/* SIGTERM in the order gateway, router, experts, each waited for; SIGKILL after patience_us
 * each. */
void children_stop(struct child *ch, uint32_t n, uint64_t patience_us);
/* The last words of a process on stderr that were no JSON, for "NAME did not start: ...". */
void child_last_words(const struct child *ch, const char *state, char *out, size_t n);
#endif
