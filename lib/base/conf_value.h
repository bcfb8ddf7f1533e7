/* conf_value.h - between the parts of conf: a value as text becomes a checked value. */
#ifndef WITAN_BASE_CONF_VALUE_H
#define WITAN_BASE_CONF_VALUE_H
#include "base/conf.h"

struct wt_conf_value {
        char *text, *where;                      /* where: "file witan.conf line 3" */
        uint64_t number;
        enum wt_conf_from from;
};
struct wt_conf {
        struct wt_conf_value value[N_WT_SETTINGS];
        char **rest;                             /* words that are no flags; lent by main */
        int n_rest;
        bool help;
};

/* Checks len bytes of text against the type and bounds of row s and takes a copy. where: "flag
 * --http", "file witan.conf line 3", for the words of a failure. */
wt_err wt_conf_set(wt_conf *c, enum wt_set s, const char *text, size_t len, enum wt_conf_from from,
                   const char *where);
/* Sets what the file says for rows of role. */
wt_err wt_conf_file(wt_conf *c, unsigned role, const char *path);
/* ", did you mean --model?" and the like into out, or "". */
void wt_conf_hint(const char *name, unsigned role, const char *prefix, char out[128]);
#endif
