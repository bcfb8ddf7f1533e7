/* dir.c - all .so files of a folder, by name. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "plugin/plugin.h"

static int is_so(const struct dirent *d)
{
        size_t n = strlen(d->d_name);

        return n > 3 && strcmp(d->d_name + n - 3, ".so") == 0;
}

wt_err wt_plugin_load_dir(const char *folder)
{
        struct dirent **names;
        const struct wt_plugin *p;
        char path[PATH_MAX];
        wt_err err = WT_OK;
        int n = scandir(folder, &names, is_so, alphasort);

        if (n < 0)
                return wt_fail(errno == ENOENT ? WT_ENOTFOUND : WT_EIO,
                               "cannot read the plugins' folder "
                               "%s: %s",
                               folder, strerror(errno));
        for (int i = 0; i < n; i++) {
                if (err == WT_OK &&
                    snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name) <
                            (int)sizeof path &&
                    (err = wt_plugin_load(path, &p)) == WT_OK)
                        err = wt_plugin_add(p);
                free(names[i]);
        }
        free(names);
        return err;
}
