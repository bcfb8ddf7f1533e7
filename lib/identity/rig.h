/* rig.h - a store in a folder of its own, for the tests of this floor that want one. */
#ifndef WITAN_IDENTITY_RIG_H
#define WITAN_IDENTITY_RIG_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "plugin/plugin.h"

const struct wt_plugin *wt_plugin_store_sqlite(void);

static char folder[64], url[128];

static int make_store(void **state)
{
        static const struct wt_plugin *(*const entries[])(void) = { wt_plugin_store_sqlite, NULL };

        (void)state;
        snprintf(folder, sizeof folder, "/tmp/witan-identity-XXXXXX");
        if (mkdtemp(folder) == NULL || wt_plugin_register(entries) != WT_OK)
                return -1;
        snprintf(url, sizeof url, "sqlite:%s/witan.db", folder);
        return 0;
}

static int remove_store(void **state)
{
        char command[128];

        (void)state;
        snprintf(command, sizeof command, "rm -rf %s", folder);
        return system(command);
}
#endif
