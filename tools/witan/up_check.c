/* up_check.c - what the processes of a cluster would refuse after they have been started: said
 * before anything is made. */
#include "up_check.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "near.h"
#include "plugin/plugin.h"
#include "ports.h"
#include "units.h"

const struct wt_plugin *wt_plugin_compute_cpu(void), *wt_plugin_contiguous(void),
                       *wt_plugin_least_loaded(void), *wt_plugin_sample(void);

static const struct wt_plugin *(*const built_in[])(void) = {
        wt_plugin_compute_cpu, wt_plugin_contiguous, wt_plugin_least_loaded, wt_plugin_sample,
        NULL };

/* What this build cannot do is said, not passed over. */
static wt_err build(const wt_conf *conf)
{
        const char *gpu = wt_conf_str(conf, WT_SET_gpu);

        if (gpu[strspn(gpu, "0")] != '\0' && strcmp(gpu, "auto") != 0 && strcmp(gpu, "none") != 0)
                return wt_fail(WT_EUNSUPPORTED,
                               "--gpu %s: this build has no GPU plugin, its workers compute on the "
                               "processor; say --gpu none, or leave it out",
                               gpu);
        if (wt_conf_bool(conf, WT_SET_inproc) &&
            (wt_conf_u64(conf, WT_SET_replicas) > 0 || wt_conf_u64(conf, WT_SET_routers) > 1))
                return wt_fail(WT_EINVAL,
                               "--inproc has one router, and its workers hold all experts; leave "
                               "out --routers and --replicas");
        return WT_OK;
}

static wt_err paths(const wt_conf *conf)
{
        const char *plugins = wt_conf_str(conf, WT_SET_plugins),
                   *profile = wt_conf_str(conf, WT_SET_profile), *slash = strrchr(profile, '/');
        char folder[4200];
        struct stat st;

        if (*plugins != '\0' && (stat(plugins, &st) != 0 || !S_ISDIR(st.st_mode)))
                return wt_fail(WT_ENOTFOUND, "--plugins %s: there is no such folder; name one, or "
                               "leave it out for the built-in plugins", plugins);
        if (*profile == '\0')
                return WT_OK;
        if (stat(profile, &st) == 0 && S_ISDIR(st.st_mode))
                snprintf(folder, sizeof folder, "%s", profile);
        else
                snprintf(folder, sizeof folder, "%.*s",
                         slash == NULL ? 1 : slash == profile ? 1 : (int)(slash - profile),
                         slash == NULL ? "." : profile);
        if (access(folder, W_OK | X_OK) != 0)
                return wt_fail(WT_EPERM, "--profile %s: nothing can be written in %s: %s; name "
                               "another file or folder", profile, folder, strerror(errno));
        return WT_OK;
}

/* The name of a setting against what is known; the words list the names, and the nearest. */
static wt_err plugin(const wt_conf *conf, enum wt_set set, uint32_t kind)
{
        const char *name = wt_conf_str(conf, set), *near, *names[65] = { NULL };
        const struct wt_plugin *p;
        wt_err err = wt_plugin_find(kind, name, &p);
        int n = 0;

        if (err == WT_OK)
                return WT_OK;
        for (size_t i = 0; (p = wt_plugin_at(i)) != NULL && n < 64; i++)
                if (p->kind == kind)
                        names[n++] = p->name;
        near = near_word(name, names);
        return wt_fail(err, "%s (%s): %s; %s%s%s", wt_settings[set].name,
                       wt_conf_where(conf, set), wt_words(),
                       near != NULL ? "did you mean " : "--plugins DIR names a folder with more",
                       near != NULL ? near : "", near != NULL ? "?" : "");
}

static wt_err plugins(const wt_conf *conf)
{
        const char *folder = wt_conf_str(conf, WT_SET_plugins);
        wt_err err = wt_plugin_register(built_in);

        if (err == WT_OK && *folder != '\0' && (err = wt_plugin_load_dir(folder)) != WT_OK)
                return wt_fail(err, "--plugins %s: %s", folder, wt_words());
        if (err != WT_OK || (err = plugin(conf, WT_SET_compute, WT_COMPUTE)) != WT_OK ||
            (err = plugin(conf, WT_SET_place, WT_PLACE)) != WT_OK)
                return err;
        return plugin(conf, WT_SET_sample, WT_SAMPLE);
}

wt_err up_check(const wt_conf *conf)
{
        wt_err err;

        if ((err = build(conf)) != WT_OK || (err = paths(conf)) != WT_OK)
                return err;
        return plugins(conf);
}

static wt_err http(const wt_conf *conf)
{
        wt_err err = port_check(wt_conf_str(conf, WT_SET_http), NULL);

        return err == WT_OK ? WT_OK
                : wt_fail(err, "%s; %s--http 127.0.0.1:0 takes any free port", wt_words(),
                          err == WT_EEXIST ? "stop it, or " : "");
}

/* A named bus endpoint is taken as it is: what holds it is said now. */
static wt_err bus(const wt_conf *conf)
{
        const char *at = wt_conf_str(conf, WT_SET_bus);

        if (wt_conf_from(conf, WT_SET_bus) == WT_FROM_DEFAULT || strncmp(at, "tcp://", 6) != 0 ||
            wt_conf_bool(conf, WT_SET_inproc) || strchr(at, '*') != NULL)
                return WT_OK;
        return port_check(at + 6, NULL) == WT_OK ? WT_OK
                : wt_fail(WT_EEXIST, "--bus: %s; stop it, or name another endpoint", wt_words());
}

wt_err up_check_ports(const wt_conf *conf)
{
        wt_err err = http(conf);

        return err == WT_OK ? bus(conf) : err;
}

wt_err up_check_model(const wt_conf *conf, const struct wt_shape *shape)
{
        uint64_t kv = wt_conf_u64(conf, WT_SET_kv_bytes), page = 0,
                 context = wt_conf_u64(conf, WT_SET_max_context);
        const struct wt_compute_ops *ops;
        const struct wt_plugin *p;
        char have[32], want[32];
        wt_err err = wt_plugin_find(WT_COMPUTE, wt_conf_str(conf, WT_SET_compute), &p);

        if (err != WT_OK)
                return err;
        ops = p->ops;
        for (uint32_t l = 0; l < shape->n_layers; l++)
                page += ops->kv_page_bytes(&shape->layers[l]);
        units_bytes(kv, have);
        units_bytes(page, want);
        if (kv < page)
                return wt_fail(WT_EINVAL, "kv_bytes (%s) is %s, less than one page of %d "
                               "positions of this model, %s (%llu bytes); raise kv_bytes, its "
                               "default is %s", wt_conf_where(conf, WT_SET_kv_bytes), have, WT_PAGE,
                               want, (unsigned long long)page, wt_settings[WT_SET_kv_bytes].def);
        if (context > shape->max_positions)
                return wt_fail(WT_EINVAL, "max_context (%s) is %llu, above what the model was "
                               "made for, %u; lower it, or leave it out",
                               wt_conf_where(conf, WT_SET_max_context),
                               (unsigned long long)context, shape->max_positions);
        return WT_OK;
}
