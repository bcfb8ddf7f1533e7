/* boot.h - a worker out of settings: model, bus, door. main.c runs one; `witan up --inproc` runs
 * several on threads beside the other services. */
#ifndef WITAN_EXPERT_BOOT_H
#define WITAN_EXPERT_BOOT_H
#include "base/conf.h"
#include "expert.h"

struct expert_boot;
/* Borrows conf, name and router until the close. name: NULL for the setting. router: an inproc://
 * endpoint, or NULL for the setting routers_at with CURVE keys from STATE/keys. Logs
 * EXPERT-READY. On failure the words say what to do and nothing is left open. */
wt_err expert_boot(struct expert_boot **out, const wt_conf *conf, const char *name,
                   const char *router);
/* Until wt_stop_asked and drained. WT_EPRECONDITION: a router refused it for good. */
wt_err expert_boot_run(struct expert_boot *b);
const char *expert_boot_metrics(const struct expert_boot *b);  /* HOST:PORT of its door */
void expert_boot_close(struct expert_boot *b);   /* NULL is fine */
#endif
