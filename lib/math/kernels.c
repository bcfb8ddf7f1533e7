/* kernels.c - picks the fastest table that this processor runs. */
#include <string.h>
#ifdef __x86_64__
#include <cpuid.h>
#endif
#include "math/kernels.h"

/* The floor is compiled for AVX2, FMA and F16C on x86-64, ref.c included: without them, nothing. */
static bool runs(void)
{
#ifdef __x86_64__
        unsigned a, b, c = 0, d;

        __builtin_cpu_init();                    /* asks the system, too, whether it saves ymm */
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
               __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
#else
        return true;
#endif
}

static const struct wt_kernels *const tables[] = {       /* fastest first */
#ifdef __x86_64__
        &wt_kernels_avx2,
#endif
        &wt_kernels_ref,
};

const struct wt_kernels *wt_kernels_pick(const char *force)
{
        if (!runs())
                return NULL;
        for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
                if (!force || strcmp(force, tables[i]->name) == 0)
                        return tables[i];
        return NULL;
}
