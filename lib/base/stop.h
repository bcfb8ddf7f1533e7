/* stop.h - asks a service to stop: SIGTERM and SIGINT set a flag and wake a descriptor. And to look
 * at its files again: SIGHUP. */
#ifndef WITAN_BASE_STOP_H
#define WITAN_BASE_STOP_H
#include <stdbool.h>
#include "base/err.h"

wt_err wt_stop_init(void);                       /* installs the handlers; SIGPIPE is ignored */
bool wt_stop_asked(void);
void wt_stop_ask(void);                          /* the same, from inside */
int wt_stop_fd(void);                            /* an eventfd that stays readable once asked */

/* SIGHUP no longer ends the process: it makes wt_reload_fd readable. For services; who has a
 * terminal is ended by SIGHUP when that goes. */
wt_err wt_reload_init(void);
int wt_reload_fd(void);                          /* an eventfd: read it, and look; -1: no init */
#endif
