/* engine.c - see engine.h. */
#include "model/engine.h"
#include <stdio.h>
#include "base/trace.h"
#include "plugin/plugin.h"

static wt_err open_pool(struct wt_engine *e, const wt_conf *conf)
{
        const char *cores = wt_conf_str(conf, WT_SET_cores_file);
        wt_err err = wt_pool_new(&e->pool, (uint32_t)wt_conf_u64(conf, WT_SET_threads));

        if (err != WT_OK || cores[0] == '\0')
                return err;
        if ((err = wt_allowance_open(&e->cores, cores)) == WT_OK)
                wt_pool_within(e->pool, e->cores);
        return err;
}

wt_err wt_engine_open(struct wt_engine *out, const wt_conf *conf)
{
        const struct wt_plugin *compute;
        char dir[4200];
        wt_err err;

        *out = (struct wt_engine){ 0 };
        snprintf(dir, sizeof dir, "%s/packs", wt_conf_str(conf, WT_SET_state));
        if ((err = wt_plugin_find(WT_COMPUTE, wt_conf_str(conf, WT_SET_compute), &compute)) !=
                    WT_OK ||
            (err = open_pool(out, conf)) != WT_OK)
                goto failed;
        out->ops = wt_trace_on ? wt_compute_traced(compute->ops) : compute->ops;
        wt_host_init(&out->host, out->pool);
        err = wt_model_open(&out->model, wt_conf_str(conf, WT_SET_model), dir, out->ops);
        if (err == WT_OK)
                return WT_OK;
failed:
        wt_engine_close(out);
        return err;
}

void wt_engine_close(struct wt_engine *e)
{
        wt_model_close(e->model);
        wt_pool_free(e->pool);
        wt_allowance_close(e->cores);
        *e = (struct wt_engine){ 0 };
}
