/* boot.h - a router out of settings: model, plugins, bus, door. main.c runs one; `witan up
 * --inproc` runs one on a thread beside the other services. */
#ifndef WITAN_ROUTER_BOOT_H
#define WITAN_ROUTER_BOOT_H
#include "base/conf.h"
#include "router.h"

struct router_boot;
/* Borrows conf, name and bus until the close. name: NULL for the setting. bus: where to bind,
 * NULL for the setting: an inproc:// endpoint for workers and gateways of this process, or that
 * and one more with a comma, for those of others as well. What leaves the process has CURVE keys
 * from STATE/keys. Logs ROUTER-READY. On failure the words say what to do and nothing is left
 * open. */
wt_err router_boot(struct router_boot **out, const wt_conf *conf, const char *name,
                   const char *bus);
void router_boot_run(struct router_boot *b);     /* until wt_stop_asked and drained */
const char *router_boot_metrics(const struct router_boot *b);  /* HOST:PORT of its door */
const char *router_boot_bus(const struct router_boot *b);      /* as bound */
void router_boot_close(struct router_boot *b);   /* NULL is fine */
#endif
