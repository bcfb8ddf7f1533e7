/* dial.h - the bus of a process that connects to the routers: where they are and its keys, out of
 * its settings. */
#ifndef WITAN_BUS_DIAL_H
#define WITAN_BUS_DIAL_H
#include "base/conf.h"
#include "bus/keyring.h"

enum { WT_MOST_ROUTERS = 16 };

struct wt_dial {
        struct wt_keyring ring;
        char room[4097]; const char *endpoint[WT_MOST_ROUTERS]; uint32_t n;
};

/* inproc: an inproc:// endpoint in this process, which needs no keys. NULL: the setting routers_at,
 * with the CURVE keys of `name` in STATE/keys; there it is bound to `bind` as well (NULL or "": to
 * nothing). *out borrows d and name until its close. The codes of wt_bus_endpoints, wt_keyring_load
 * and wt_bus_open, in their words. */
wt_err wt_bus_dial(wt_bus **out, struct wt_dial *d, const wt_conf *conf, const char *name,
                   const char *inproc, const char *bind);
#endif
