/* reference.c - a compute plugin as a .so: the profile by plain loops (plugins/compute_cpu with
 * the kernels of lib/math/ref.c). Slow, and the meaning of every faster one: `witan plugin check`
 * compares by memcmp. */
#include <witan/plugin.h>

const struct wt_plugin *wt_plugin_compute_cpu_ref(void);
const struct wt_plugin *wt_plugin_entry(void);

const struct wt_plugin *wt_plugin_entry(void)
{
        return wt_plugin_compute_cpu_ref();
}
