/* cores.c - what this process may use, and the floating-point ground it stands on. */
#include <fcntl.h>
#include <fenv.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/pool.h"
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

static uint32_t by_affinity(void)
{
        for (int cpus = 1024; cpus <= 1 << 20; cpus *= 4) {      /* EINVAL: the kernel has more */
                cpu_set_t *set = CPU_ALLOC(cpus);
                size_t bytes = CPU_ALLOC_SIZE(cpus);
                int n = 0;

                if (!set)
                        break;
                if (sched_getaffinity(0, bytes, set) == 0)
                        n = CPU_COUNT_S(bytes, set);
                CPU_FREE(set);
                if (n > 0)
                        return (uint32_t)n;
        }
        return 1;
}

/* The start of a small file as a string; false when it cannot be read. */
static bool read_text(const char *path, char *out, size_t room)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n;

        if (fd < 0)
                return false;
        n = read(fd, out, room - 1);
        close(fd);
        out[n > 0 ? n : 0] = '\0';
        return n > 0;
}

/* cpu.max is "QUOTA PERIOD" in us, or "max PERIOD". A part of a core does not carry a thread. */
static uint32_t least_of(const char *folder, uint32_t n)
{
        char path[4352], text[128];
        unsigned long long quota, period;

        snprintf(path, sizeof path, "%s/cpu.max", folder);
        if (read_text(path, text, sizeof text) && sscanf(text, "%llu %llu", &quota, &period) == 2 &&
            period > 0 && quota / period < n)
                n = (uint32_t)(quota / period);
        return n ? n : 1;
}

uint32_t wt_cores_in_cgroup(const char *self, const char *mount, uint32_t n)
{
        char text[4096], folder[4224];
        char *line = text, *own = NULL, *cut;

        if (read_text(self, text, sizeof text))
                own = strncmp(text, "0::/", 4) == 0 ? text : strstr(text, "\n0::/");
        if (own) {
                line = strstr(own, "0::/") + 3;
                line[strcspn(line, "\n")] = '\0';
        } else {
                text[0] = '\0';
        }
        snprintf(folder, sizeof folder, "%s%s", mount, line);
        /* Every ancestor's limit holds as well, up to the root of what is mounted here. */
        for (;;) {
                n = least_of(folder, n);
                cut = strrchr(folder, '/');
                if (!cut || (size_t)(cut - folder) < strlen(mount))
                        return n;
                *cut = '\0';
        }
}

uint32_t wt_cores_allowed(void)
{
        return wt_cores_in_cgroup("/proc/self/cgroup", "/sys/fs/cgroup", by_affinity());
}

#if defined(__x86_64__)
wt_err wt_float_ground(void)
{
        unsigned csr = _mm_getcsr();
        enum { DAZ = 0x0040, ROUNDING = 0x6000, FTZ = 0x8000 };

        if ((csr & (DAZ | ROUNDING | FTZ)) == 0)
                return WT_OK;
        return wt_fail(WT_EPRECONDITION,
                       "MXCSR is %#x: this thread%s%s%s; remove the library or flag that "
                       "sets it (often -ffast-math)",
                       csr, csr & DAZ ? " reads subnormals as zero" : "",
                       csr & FTZ ? " flushes subnormals to zero" : "",
                       csr & ROUNDING ? " does not round to nearest-even" : "");
}
#elif defined(__aarch64__)
wt_err wt_float_ground(void)
{
        /* FPCR: FIZ 0, AH 1, FZ16 19, RMode 22-23, FZ 24, DN 25 (Arm ARM, C5.2) */
        const uint64_t wrong = 3u | 1u << 19 | 3u << 22 | 1u << 24 | 1u << 25;
        uint64_t fpcr;

        __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
        if ((fpcr & wrong) == 0)
                return WT_OK;
        return wt_fail(WT_EPRECONDITION,
                       "FPCR is %#llx: this thread flushes subnormals or does not round "
                       "to nearest-even; remove the library or flag that sets it",
                       (unsigned long long)fpcr);
}
#else
wt_err wt_float_ground(void)
{
        volatile float tiny = 0x1p-126f, half = 0.5f;

        if (fegetround() == FE_TONEAREST && tiny * half != 0.0f && (tiny * half) * 2.0f == tiny)
                return WT_OK;
        return wt_fail(WT_EPRECONDITION, "this thread flushes subnormals or does not round to "
                       "nearest-even; remove the library or flag that sets it");
}
#endif
