/* verb.h - the command line: one verb, one file, one row of the table in main.c. --help,
 * completions and man pages are made from these rows. Exit codes: 0 done, 1 refused or failed, 2
 * usage. */
#ifndef WITAN_TOOLS_VERB_H
#define WITAN_TOOLS_VERB_H
#include <stdbool.h>
#include "base/conf.h"

#define WITAN_VERSION "0.1.0"
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* A flag that belongs to one verb and is no setting. value NULL: a switch; "a|b|c": only these
 * words; "DIR" and "FILE" are completed as such. */
struct flag {
        const char *name, *value, *help;
        char letter;                             /* its short form, 0: none */
};
struct sub {                                     /* a verb's own verb: witan key create */
        const char *name, *words, *about;        /* words: what may follow, for the usage */
};
enum { MAX_FLAGS = 24, MAX_SUBS = 10 };

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
        const char *text;                        /* more about it: paragraphs, or NULL */
        struct sub subs[MAX_SUBS];
        const enum wt_set *sets;                 /* settings that it takes, ended by
                                                  * N_WT_SETTINGS; NULL: all */
        bool plain;                              /* prints no data: there is no -o */
        unsigned role;                           /* whose settings: 0 means WT_FOR_WITAN */
        int (*broken)(struct call *c);           /* instead of run when the settings cannot be read:
                                                  * conf is NULL, words hold flags too */
};
extern const struct verb *const witan_verbs[];   /* NULL at the end */
extern const struct verb verb_logs, verb_doctor, verb_completion, verb_man, verb_control;
extern const struct verb verb_bench, verb_store, verb_audit;
extern const struct verb verb_tenant, verb_team, verb_quota, verb_usage_of, verb_price;
extern const struct verb verb_up, verb_down, verb_ps, verb_chat, verb_models, verb_key, verb_config,
        verb_plugin;
extern const enum wt_set verb_state_only[];      /* for .sets: --state and --config */
extern const enum wt_set verb_asks[];            /* and --cacert and --tls-name: asks the gateway */

/* Says what went wrong on stderr, "witan VERB: ...", and returns EXIT_FAILED or EXIT_USAGE. */
int verb_fail(const struct call *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int verb_usage(const struct call *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The subcommand that words[0] names; NULL: said what there is. */
const struct sub *verb_sub(const struct call *c);
/* EXIT_USAGE, said, when there are more than most words; else 0. */
int verb_words(const struct call *c, int most);
/* The value of flag i as a number, *out untouched when it was not given. False: said. */
bool verb_number(const struct call *c, int i, double min, double max, double *out);
/* Does the verb take this setting, as a flag? */
bool verb_takes(const struct verb *v, enum wt_set s);
#endif
