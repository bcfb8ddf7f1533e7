/* where.c - see where.h. */
#include "where.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

wt_err where_bin(char out[4096])
{
        ssize_t n = readlink("/proc/self/exe", out, 4095);

        if (n <= 0)
                return wt_fail(WT_EIO, "could not read /proc/self/exe: %s; mount /proc",
                               strerror(errno));
        out[n] = '\0';
        *strrchr(out, '/') = '\0';
        return WT_OK;
}

wt_err where_model(const wt_conf *c, char out[4096])
{
        const char *model = wt_conf_str(c, WT_SET_model);
        char bin[4096], path[8300], *full = realpath(model, NULL);
        wt_err err;

        if (full == NULL && wt_conf_from(c, WT_SET_model) == WT_FROM_DEFAULT) {
                if ((err = where_bin(bin)) != WT_OK)
                        return err;
                snprintf(path, sizeof path, "%s/../../%s", bin, model);  /* build/bin/../.. */
                full = realpath(path, NULL);
        }
        if (full == NULL && errno == EACCES)
                return wt_fail(WT_EPERM, "the model folder %s may not be looked into: %s; chmod "
                               "a+rX makes it readable, --model DIR names another one", model,
                               strerror(errno));
        if (full == NULL)
                return wt_fail(WT_ENOTFOUND, "there is no model folder %s; --model DIR names one",
                               model);
        snprintf(out, 4096, "%s", full);
        free(full);
        return WT_OK;
}
