/* own.c - where the plugins lie that were built together with this program. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>
#include "plugin/plugin.h"

wt_err wt_plugin_own(char out[PATH_MAX])
{
        static const char under[] = "/plugins";
        ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - sizeof under);

        if (n <= 0)
                return wt_fail(WT_EIO, "could not read /proc/self/exe: %s; mount /proc",
                               strerror(errno));
        out[n] = '\0';
        for (int up = 0; up < 2; up++) {         /* BUILD/bin/witan -> BUILD */
                char *slash = strrchr(out, '/');

                if (slash == NULL)
                        return wt_fail(WT_EIO, "the program's own path is \"%s\"", out);
                *slash = '\0';
        }
        strcat(out, under);
        return WT_OK;
}
