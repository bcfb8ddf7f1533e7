/* dial.c - see dial.h. */
#include "bus/dial.h"
#include <stdio.h>

wt_err wt_bus_dial(wt_bus **out, struct wt_dial *d, const wt_conf *conf, const char *name,
                   const char *inproc, const char *bind)
{
        struct wt_bus_conf c = { .name = name, .connect = d->endpoint };
        char dir[4200];
        wt_err err;

        if ((err = wt_bus_endpoints(inproc != NULL ? inproc : wt_conf_str(conf, WT_SET_routers_at),
                                    d->room, sizeof d->room, d->endpoint, WT_MOST_ROUTERS,
                                    &d->n)) != WT_OK)
                return err;
        c.n_connect = d->n;
        if (inproc == NULL) {
                snprintf(dir, sizeof dir, "%s/keys", wt_conf_str(conf, WT_SET_state));
                if ((err = wt_keyring_load(&d->ring, dir, name)) != WT_OK)
                        return err;
                c.keys = wt_keyring_bus(&d->ring);
                c.bind = bind != NULL && bind[0] != '\0' ? bind : NULL;
        }
        return wt_bus_open(out, &c);
}
