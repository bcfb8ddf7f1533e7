/* verb.h - the command line: one verb, one file, one row of the table in main.c.
 * Exit codes: 0 done, 1 refused or failed, 2 usage. */
#ifndef WITAN_TOOLS_VERB_H
#define WITAN_TOOLS_VERB_H
#include <stdbool.h>
#include "base/conf.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* A flag that belongs to one verb and is no setting. value NULL: a switch. */
struct flag {
        const char *name, *value, *help;
};
enum { MAX_FLAGS = 8 };

struct verb;
struct call {                                    /* one invocation of a verb */
        const struct verb *verb;
        wt_conf *conf;                           /* settings; precedence as everywhere */
        const char *state;                       /* state folder */
        bool json;                               /* -o json */
        const char *flag[MAX_FLAGS];             /* values of verb->flags, NULL when not given */
        char *const *words; int n_words;         /* what is neither */
        char *const *envp;
};
struct verb {
        const char *name, *about, *usage, *example;
        struct flag flags[MAX_FLAGS];
        int (*run)(struct call *c);
};
extern const struct verb verb_up, verb_down, verb_ps, verb_chat, verb_models, verb_key;

/* Says what went wrong on stderr, "witan VERB: ...", and returns EXIT_FAILED or EXIT_USAGE. */
int verb_fail(const struct call *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int verb_usage(const struct call *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#endif
