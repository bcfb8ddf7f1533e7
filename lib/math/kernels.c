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

static bool runs_avx512(void)
{
#ifdef __x86_64__
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl");
#else
        return false;
#endif
}

static const struct wt_kernels *const tables[] = {       /* fastest first */
#ifdef __x86_64__
        &wt_kernels_avx512, &wt_kernels_avx2,
#endif
        &wt_kernels_ref,
};

const struct wt_kernels *wt_kernels_pick(const char *force)
{
        if (!runs())
                return NULL;
        for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
                if (strcmp(tables[i]->name, "avx512") == 0 && !runs_avx512())
                        continue;
                if (!force || strcmp(force, tables[i]->name) == 0)
                        return tables[i];
        }
        return NULL;
}
