/* conform.h - does a place plugin keep the ABI's promises? Against the ABI alone. */
#ifndef WITAN_PLACE_CONFORM_H
#define WITAN_PLACE_CONFORM_H
#include <stdbool.h>
#include "witan/plugin.h"

struct wt_conform_places {
        void (*note)(void *arg, const char *what, bool ok, const char *words);
        void *arg;
};
/* Number of findings that did not hold. */
uint32_t wt_conform_place(const struct wt_plugin *p, const struct wt_conform_places *c);
#endif
