#include <dlfcn.h>
#include <errno.h>
#include <fenv.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "plugin/plugin.h"

/* Whoever can write a file that we load is us: only we and root may. */
static wt_err only_ours(const char *path)
{
        struct stat st;

        if (stat(path, &st))
                return wt_fail(errno == ENOENT ? WT_ENOTFOUND : WT_EIO, "cannot look at %s: %s",
                               path, strerror(errno));
        if (st.st_uid != geteuid() && st.st_uid != 0)
                return wt_fail(WT_EPERM,
                               "%s belongs to user %u; plugins load only from what this user or "
                               "root owns",
                               path, (unsigned)st.st_uid);
        if (st.st_mode & S_ISVTX && st.st_mode & S_IWOTH)        /* /tmp and its like stay so */
                return wt_fail(WT_EPERM, "everybody can write into %s; put the plugin into a "
                               "folder that only you can write", path);
        if (st.st_mode & (S_IWGRP | S_IWOTH))
                return wt_fail(WT_EPERM,
                               "%s can be written by others (mode %04o); run: chmod go-w '%s'",
                               path, (unsigned)st.st_mode & 07777, path);
        return WT_OK;
}

/* The true path behind links, so that what is checked is what is opened. */
static wt_err check_path(const char *file, char path[PATH_MAX])
{
        char folder[PATH_MAX];
        char *slash;
        wt_err err;

        if (!realpath(file, path))
                return wt_fail(errno == ENOENT ? WT_ENOTFOUND : WT_EIO,
                               "cannot find the plugin %s: %s; name a .so that is there", file,
                               strerror(errno));
        strcpy(folder, path);
        slash = strrchr(folder, '/');
        slash[slash == folder] = '\0';           /* the root keeps its slash */
        if ((err = only_ours(folder)) != WT_OK)
                return err;
        return only_ours(path);
}

static wt_err take_entry(void *so, const char *path, const struct wt_plugin **out)
{
        const struct wt_plugin *(*entry)(void);
        const struct wt_plugin *p;
        void *symbol = dlsym(so, "wt_plugin_entry");
        wt_err err;

        if (!symbol)
                return wt_fail(WT_EINVAL,
                               "%s exports no wt_plugin_entry; end it with WT_PLUGIN(...)", path);
        memcpy(&entry, &symbol, sizeof entry);   /* POSIX's way from object to function pointer */
        p = entry();
        if ((err = wt_plugin_check(p, 0)) != WT_OK || (err = wt_float_ground()) != WT_OK)
                return wt_fail_in(err, "%s", path);
        *out = p;
        return WT_OK;
}

/* The loader puts the path before its words where the fault is in this file; ours name it already.
 * It names another library that this one asks for, or nothing. */
static wt_err refused(const char *path, const char *words)
{
        size_t n = strlen(path);

        words = words != NULL ? words : "the loader gives no reason";
        if (strncmp(words, path, n) == 0 && strncmp(words + n, ": ", 2) == 0)
                words += n + 2;
        return wt_fail(WT_EINVAL, "cannot load %s: %s; a plugin is a shared object that finds all "
                       "it asks for: cc -shared -fPIC, and the libraries it needs behind -l",
                       path, words);
}

wt_err wt_plugin_load(const char *file, const struct wt_plugin **out)
{
        char path[PATH_MAX];
        fenv_t ground;
        void *so;
        wt_err err;

        if ((err = check_path(file, path)) != WT_OK)
                return err;
        fegetenv(&ground);
        so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!so)
                return refused(path, dlerror());
        err = wt_float_ground();
        if (err != WT_OK)
                err = wt_fail_in(err, "loading %s changed the floating-point mode", path);
        else
                err = take_entry(so, path, out);
        if (err != WT_OK) {
                dlclose(so);
                fesetenv(&ground);               /* a refused plugin leaves nothing behind */
        }
        return err;
}
