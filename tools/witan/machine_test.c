/* machine_test.c - limits as control groups of both versions write them, in a folder made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "machine.h"

static char root[64];

static void put(const char *path, const char *text)
{
        char full[512], *cut;

        snprintf(full, sizeof full, "%s/%s", root, path);
        cut = strrchr(full, '/');
        *cut = '\0';
        assert_int_equal(wt_dir_make(full, 0700), WT_OK);
        *cut = '/';
        assert_int_equal(wt_file_write(full, text, strlen(text), 0600), WT_OK);
}

static int open_root(void **state)
{
        (void)state;
        snprintf(root, sizeof root, "/tmp/witan-machine-XXXXXX");
        if (mkdtemp(root) == NULL)
                return 1;
        put("proc/meminfo", "MemTotal:        8000 kB\nMemFree: 1 kB\nMemAvailable:    6000 kB\n");
        put("proc/cpuinfo",
            "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nflags\t\t: fpu avx fma avx2\n");
        return 0;
}

static int close_root(void **state)
{
        char line[96];

        (void)state;
        snprintf(line, sizeof line, "rm -rf %s", root);
        return system(line);
}

static void no_groups(void **state)
{
        struct machine m;

        (void)state;
        machine_look(&m, root);
        assert_int_equal(m.memory, 8000 * 1024);
        assert_int_equal(m.available, 6000 * 1024);
        assert_true(m.limit == UINT64_MAX);
        assert_int_equal(machine_room(&m), 8000 * 1024);
        assert_int_equal(machine_free(&m), 6000 * 1024);
        assert_string_equal(m.cpu, "Some CPU @ 2 GHz");
        assert_true(m.avx2 && m.fma && !m.f16c && m.cpu_quota == 0);
}

/* The tightest of all above counts. */
static void version_2(void **state)
{
        struct machine m;
        char want[200];

        (void)state;
        put("proc/self/cgroup", "0::/a/b\n");
        put("sys/fs/cgroup/a/b/memory.max", "max\n");
        put("sys/fs/cgroup/a/memory.max", "4096000\n");
        put("sys/fs/cgroup/a/memory.current", "96000\n");
        put("sys/fs/cgroup/a/b/cpu.max", "150000 100000\n");
        put("sys/fs/cgroup/a/cpu.max", "max 100000\n");
        machine_look(&m, root);
        assert_int_equal(m.limit, 4096000);
        assert_int_equal(m.used, 96000);
        snprintf(want, sizeof want, "%s/sys/fs/cgroup/a/memory.max", root);
        assert_string_equal(m.limit_at, want);
        assert_int_equal(machine_room(&m), 4096000);
        assert_int_equal(machine_free(&m), 4000000);
        assert_true(m.cpu_quota == 1.5);
}

static void version_1(void **state)
{
        struct machine m;

        (void)state;
        put("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/c\n");
        put("sys/fs/cgroup/memory/docker/c/memory.limit_in_bytes", "2048000\n");
        put("sys/fs/cgroup/memory/docker/c/memory.usage_in_bytes", "3000000\n");
        put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        machine_look(&m, root);
        assert_int_equal(m.limit, 2048000);
        assert_int_equal(machine_free(&m), 0);   /* more is charged than allowed: nothing is left */
}

static void this_machine(void **state)
{
        struct machine m;

        (void)state;
        machine_look(&m, "");
        assert_true(m.memory > 0 && m.available > 0 && m.available <= m.memory);
        assert_true(m.cores >= 1 && m.cores <= m.online);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(no_groups), cmocka_unit_test(version_2),
                                           cmocka_unit_test(version_1),
                                           cmocka_unit_test(this_machine)};

        return cmocka_run_group_tests(tests, open_root, close_root);
}
