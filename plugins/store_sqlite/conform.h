/* conform.h - does a store plugin keep the ABI's promises? Against the ABI alone. */
#ifndef WITAN_STORE_CONFORM_H
#define WITAN_STORE_CONFORM_H
#include <stdbool.h>
#include "witan/plugin.h"

struct wt_conform_stores {
        void (*note)(void *arg, const char *what, bool ok, const char *words);
        void *arg;
        const struct wt_host *host;
        const char *(*words)(void);              /* the calling thread's last words of host->fail */
        const char *url;                         /* a database that holds nothing; left with tables
                                                  * called conform_... */
        bool quick;                              /* fewer rounds */
};
/* Number of findings that did not hold. Forks: call it while there is one thread. */
uint32_t wt_conform_store(const struct wt_plugin *p, const struct wt_conform_stores *c);
#endif
