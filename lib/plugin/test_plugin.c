/* test_plugin.c - the .so files of plugin_load_test.c; CASE_x says which. */
#include <witan/plugin.h>
#if defined(CASE_FLOAT) && defined(__x86_64__)
#include <xmmintrin.h>

/* What an object linked with -ffast-math does to a process that loads it. */
__attribute__((constructor)) static void spoil(void) { _mm_setcsr(_mm_getcsr() | 0x8040); }
#endif

static void place(void *state, const struct wt_place_in *in, uint32_t *worker)
{
        (void)state;
        for (uint32_t i = 0; i < in->n_items; i++)
                worker[i] = in->holder[in->holder_first[i]];
}

static const struct wt_place_ops ops = { .size = sizeof ops, .place = place };
static const struct wt_plugin self = {
#ifdef CASE_MAGIC
        .magic = 0x12345678,
#else
        .magic = WT_PLUGIN_MAGIC,
#endif
        .abi = WT_ABI,
        .size = sizeof self,
        .kind = WT_PLACE,
        .name = "first-holder",
        .version = "1.0",
        .about = "sends every expert to its lowest holder",
        .ops = &ops};

#ifdef CASE_NOENTRY
const struct wt_plugin *wt_plugin_other(void);
const struct wt_plugin *wt_plugin_other(void) { return &self; }
#else
const struct wt_plugin *wt_plugin_entry(void);
const struct wt_plugin *wt_plugin_entry(void)
{
#ifdef CASE_NULL
        (void)self;
        return 0;
#else
        return &self;
#endif
}
#endif
