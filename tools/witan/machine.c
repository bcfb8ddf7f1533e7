/* machine.c - see machine.h. Control groups of version 2 and 1: each ancestor's limit holds as
 * well. */
#include "machine.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "base/pool.h"

enum { PATH = 4200 };

static bool read_text(const char *path, char *out, size_t n)
{
        FILE *f = fopen(path, "re");
        size_t got = f != NULL ? fread(out, 1, n - 1, f) : 0;

        out[got] = '\0';
        if (f != NULL)
                fclose(f);
        return got > 0;
}

static uint64_t meminfo(const char *text, const char *key)
{
        const char *at = strstr(text, key);

        return at != NULL ? strtoull(at + strlen(key), NULL, 10) * 1024 : 0;
}

static void memory(struct machine *m, const char *root)
{
        char path[PATH], text[4096];

        snprintf(path, sizeof path, "%s/proc/meminfo", root);
        if (read_text(path, text, sizeof text)) {
                m->memory = meminfo(text, "MemTotal:");
                m->available = meminfo(text, "MemAvailable:");
        }
}

/* "max" or, in version 1, a number beyond all memory: no limit. */
static uint64_t limit_in(const char *path)
{
        char text[64];
        uint64_t v;

        if (!read_text(path, text, sizeof text) || text[0] < '0' || text[0] > '9')
                return UINT64_MAX;
        v = strtoull(text, NULL, 10);
        return v >= (uint64_t)1 << 60 ? UINT64_MAX : v;
}

static void memory_limit(struct machine *m, const char *folder, const char *limit,
                         const char *usage)
{
        char path[PATH + 64], text[64];
        uint64_t v;

        snprintf(path, sizeof path, "%s/%s", folder, limit);
        v = limit_in(path);
        if (v >= m->limit)
                return;
        m->limit = v;
        snprintf(m->limit_at, sizeof m->limit_at, "%.4190s", path);
        snprintf(path, sizeof path, "%s/%s", folder, usage);
        m->used = read_text(path, text, sizeof text) ? strtoull(text, NULL, 10) : 0;
}

static void quota(struct machine *m, const char *folder)
{
        char path[PATH + 64], text[128];
        double have, period;

        snprintf(path, sizeof path, "%s/cpu.max", folder);
        if (read_text(path, text, sizeof text) && sscanf(text, "%lf %lf", &have, &period) == 2 &&
            period > 0 && (m->cpu_quota == 0 || have / period < m->cpu_quota)) {
                m->cpu_quota = have / period;
                snprintf(m->quota_at, sizeof m->quota_at, "%.4190s", path);
        }
}

/* Every folder from mount + group up to mount. */
static void climb(struct machine *m, const char *mount, const char *group, const char *limit,
                  const char *usage)
{
        char folder[PATH];
        char *cut;

        snprintf(folder, sizeof folder, "%s%s", mount, strcmp(group, "/") == 0 ? "" : group);
        for (;;) {
                memory_limit(m, folder, limit, usage);
                quota(m, folder);
                cut = strrchr(folder, '/');
                if (cut == NULL || (size_t)(cut - folder) < strlen(mount))
                        return;
                *cut = '\0';
        }
}

static void groups(struct machine *m, const char *root)
{
        char path[PATH], text[4096], mount[PATH];

        snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
        if (!read_text(path, text, sizeof text))
                return;
        for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
                char *list = strchr(line, ':'),
                     *group = list != NULL ? strchr(list + 1, ':') : NULL;
                if (group == NULL)
                        continue;
                *group++ = '\0';
                snprintf(mount, sizeof mount, "%s/sys/fs/cgroup", root);
                if (list[1] == '\0')
                        climb(m, mount, group, "memory.max", "memory.current");
                snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/memory", root);
                if (strstr(list + 1, "memory") != NULL)
                        climb(m, mount, group, "memory.limit_in_bytes", "memory.usage_in_bytes");
        }
}

/* A word of a line such as "flags : fpu vme avx2". */
static bool has_word(const char *line, const char *word)
{
        size_t n = strlen(word);

        for (const char *at = line; (at = strstr(at, word)) != NULL; at += n)
                if ((at == line || at[-1] == ' ' || at[-1] == '\t') &&
                    (at[n] == ' ' || at[n] == '\n' || at[n] == '\0'))
                        return true;
        return false;
}

static void processor(struct machine *m, const char *root)
{
        char path[PATH], line[8192];
        struct utsname u;
        FILE *f;

        snprintf(m->arch, sizeof m->arch, "%.31s", uname(&u) == 0 ? u.machine : "unknown");
        snprintf(path, sizeof path, "%s/proc/cpuinfo", root);
        if ((f = fopen(path, "re")) == NULL)
                return;
        while (fgets(line, sizeof line, f) != NULL) {
                const char *value = strchr(line, ':');
                if (value == NULL)
                        continue;
                if (strncmp(line, "model name", 10) == 0)
                        snprintf(m->cpu, sizeof m->cpu, "%.*s", (int)strcspn(value + 2, "\n"),
                                 value + 2);
                if (strncmp(line, "flags", 5) != 0)
                        continue;
                m->avx2 = has_word(value + 1, "avx2");
                m->fma = has_word(value + 1, "fma");
                m->f16c = has_word(value + 1, "f16c");
                break;                           /* the others are the same */
        }
        fclose(f);
}

void machine_look(struct machine *m, const char *root)
{
        *m = (struct machine){ .limit = UINT64_MAX };
        memory(m, root);
        groups(m, root);
        processor(m, root);
        m->cores = wt_cores_allowed();
        m->online = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
}

uint64_t machine_room(const struct machine *m)
{
        return m->limit < m->memory ? m->limit : m->memory;
}

uint64_t machine_free(const struct machine *m)
{
        uint64_t left = m->limit == UINT64_MAX ? UINT64_MAX
                        : m->limit > m->used   ? m->limit - m->used
                                               : 0;

        return left < m->available ? left : m->available;
}
