/* bench_machine.c - the machine that a result was measured on: without it no figure means
 * anything. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "base/file.h"
#include "base/pool.h"
#include "bench_limits.h"
#include "bench_report.h"
#include "math/kernels.h"

#ifndef WITAN_COMMIT
#define WITAN_COMMIT "unknown"                   /* the build gives it where there is git */
#endif

/* The first line of the file, or of the one that begins with key (/proc/cpuinfo's "key :
 * value"). */
static void line_of(const char *path, const char *key, char *out, size_t n)
{
        FILE *f = fopen(path, "r");
        char line[4096];

        snprintf(out, n, "unknown");
        while (f != NULL && fgets(line, sizeof line, f) != NULL) {
                char *v = line;

                if (key != NULL && (strncmp(line, key, strlen(key)) != 0 ||
                                    (v = strchr(line, ':')) == NULL))
                        continue;
                v += key != NULL ? 1 : 0;
                v += strspn(v, " \t");
                snprintf(out, n, "%.*s", (int)strcspn(v, "\n"), v);
                break;
        }
        if (f != NULL)
                fclose(f);
}

static void put_caches(struct wt_buf *b)
{
        char path[128], level[32], type[32], size[32];

        wt_buf_json_key(b, "caches");
        wt_buf_str(b, "[");
        for (int i = 0; i < 8; i++) {
                snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/level", i);
                line_of(path, NULL, level, sizeof level);
                if (strcmp(level, "unknown") == 0)
                        break;
                snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/type", i);
                line_of(path, NULL, type, sizeof type);
                snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size", i);
                line_of(path, NULL, size, sizeof size);
                wt_buf_json_sep(b);
                wt_buf_fmt(b, "\"L%s %s %s\"", level, type, size);
        }
        wt_buf_str(b, "]");
}

static const char *const sets[] = { "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512_bf16",
                                    "avx512_fp16", "amx_tile", "asimd" };

static void put_sets(struct wt_buf *b)
{
        char flags[4096], word[64];

        line_of("/proc/cpuinfo", "flags", flags, sizeof flags);
        strncat(flags, " ", sizeof flags - strlen(flags) - 1);
        wt_buf_json_key(b, "instructions");
        wt_buf_str(b, "[");
        for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
                snprintf(word, sizeof word, " %s ", sets[i]);
                if (strstr(flags, word) == NULL)
                        continue;
                wt_buf_json_sep(b);
                wt_buf_fmt(b, "\"%s\"", sets[i]);
        }
        wt_buf_str(b, "]");
}

void bench_machine(struct wt_buf *b)
{
        const struct wt_kernels *k = wt_kernels_pick(NULL);
        char line[512], load[64];
        struct utsname u;

        wt_buf_json_key(b, "machine");
        wt_buf_str(b, "{");
        line_of("/proc/cpuinfo", "model name", line, sizeof line);
        wt_buf_json_kv(b, "cpu", line);
        wt_buf_json_ku(b, "cores_allowed", wt_cores_allowed());
        wt_buf_json_ku(b, "cores_online", (uint64_t)sysconf(_SC_NPROCESSORS_ONLN));
        put_caches(b);
        put_sets(b);
        wt_buf_json_ku(b, "memory_bytes",
                       (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE));
        if (uname(&u) == 0)
                wt_buf_json_kv(b, "kernel", u.release);
        wt_buf_json_kv(b, "compiler",
#ifdef __clang__
                       "clang " __clang_version__
#else
                       "gcc " __VERSION__
#endif
        );
        wt_buf_json_kv(b, "commit", WITAN_COMMIT);
        wt_buf_json_kv(b, "kernels", k != NULL ? k->name : "none");
        wt_buf_json_ku(b, "fma_lanes", bench_fma_lanes());
        line_of("/proc/loadavg", NULL, load, sizeof load);
        load[strcspn(load, " ")] = '\0';
        wt_buf_json_kv(b, "load_average", load);
        wt_buf_str(b, "}");
}
