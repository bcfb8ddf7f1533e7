/* sense.h - what a row of settings.def cannot say: words, addresses, and settings against each
 * other. */
#ifndef WITAN_TOOLS_SENSE_H
#define WITAN_TOOLS_SENSE_H
#include "base/conf.h"

/* Hands the words of each fault to each; returns how many there are. */
uint32_t sense_each(const wt_conf *c, void (*each)(void *arg, const char *words), void *arg);
/* The first fault as WT_EINVAL with its words, or WT_OK. */
wt_err sense_check(const wt_conf *c);
/* Variables that begin with WITAN_ and are no setting (but for those of the tests), or have a
 * value that their setting does not take. */
uint32_t sense_environment(char *const *envp, void (*each)(void *arg, const char *words),
                           void *arg);
/* Port of "HOST:PORT"; -1 when it is none. */
int sense_port(const char *address);
#endif
