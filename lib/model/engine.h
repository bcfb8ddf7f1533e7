/* engine.h - what computes a model in a process that serves it, out of the process's settings: a
 * compute plugin, threads that keep within the host's allowance, and the folder with its packs. */
#ifndef WITAN_MODEL_ENGINE_H
#define WITAN_MODEL_ENGINE_H
#include "base/conf.h"
#include "base/pool.h"
#include "model/pack.h"
#include "witan/plugin.h"

struct wt_engine {
        const struct wt_compute_ops *ops;        /* traced when there is a trace */
        wt_allowance *cores;                     /* NULL: this process counts alone */
        wt_pool *pool;
        struct wt_host host;                     /* over the pool */
        wt_model *model;
};

/* Out of the settings compute, threads, cores_file, model and state (packs are in STATE/packs).
 * Plugins are registered before; a trace is open before. The codes of wt_plugin_find, wt_pool_new,
 * wt_allowance_open and wt_model_open, in their words; then nothing is left open and *out is all
 * zero. The plugin is opened by who computes: it borrows &out->host, so *out stays where it is. */
wt_err wt_engine_open(struct wt_engine *out, const wt_conf *conf);
void wt_engine_close(struct wt_engine *e);       /* all zero is fine */
#endif
