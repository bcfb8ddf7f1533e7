/* up_check.h - faults that can be found before witan up makes or starts anything. All in words
 * that name the flag, where its value comes from, and what to write instead. */
#ifndef WITAN_TOOLS_UP_CHECK_H
#define WITAN_TOOLS_UP_CHECK_H
#include "base/conf.h"
#include "model/pack.h"

/* Settings alone: what this build can do, folders, names of plugins. Registers the built-in
 * plugins, and loads those of the folder that the setting plugins names. */
wt_err up_check(const wt_conf *conf);
/* --http and --bus: who holds them. */
wt_err up_check_ports(const wt_conf *conf);
/* Against the model, after up_check: kv_bytes, max_context. */
wt_err up_check_model(const wt_conf *conf, const struct wt_shape *shape);
#endif
