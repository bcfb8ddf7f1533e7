/* plugin.h (host side) - the built-in plugins, found by kind and name through the same entry and
 * the same checks as a .so. */
#ifndef WITAN_PLUGIN_PLUGIN_H
#define WITAN_PLUGIN_PLUGIN_H
#include <limits.h>
#include "base/err.h"
#include "base/pool.h"

/* Magic, ABI, size, kind, then the table's own size and required callbacks; in words what did not
 * fit. want_kind 0: any known kind. */
wt_err wt_plugin_check(const struct wt_plugin *p, uint32_t want_kind);
/* A checked built-in by kind and name; WT_ENOTFOUND lists the names that exist. */
wt_err wt_plugin_find(uint32_t kind, const char *name, const struct wt_plugin **out);
/* Built-ins are handed in by main (a list ended by NULL), so that lib/ depends on none. */
wt_err wt_plugin_register(const struct wt_plugin *(*const *entries)(void));
/* Opens FILE.so from a folder that only its owner can write. Kept open until exit. */
wt_err wt_plugin_load(const char *file, const struct wt_plugin **out);
/* Adds a loaded plugin to those that wt_plugin_find knows. WT_EEXIST: kind and name are taken. */
wt_err wt_plugin_add(const struct wt_plugin *p);
/* Loads and adds every .so of folder, in the order of their names; the first that does not fit
 * fails it. */
wt_err wt_plugin_load_dir(const char *folder);
/* The folder of the plugins that were built with this program: ../plugins, seen from its own.
 * Not all of them are loaded: whoever needs one asks for it by name. */
wt_err wt_plugin_own(char out[PATH_MAX]);
/* The i-th plugin that is known, or NULL. */
const struct wt_plugin *wt_plugin_at(size_t i);
const char *wt_kind_name(uint32_t kind);
/* The same stages, each of which leaves a span in the trace (base/trace.h). One table in a
 * process can be traced; another one comes back as it is. */
const struct wt_compute_ops *wt_compute_traced(const struct wt_compute_ops *ops);
/* Fills a host table over a pool (NULL: everything on the calling thread). */
void wt_host_init(struct wt_host *h, wt_pool *pool);
#endif
