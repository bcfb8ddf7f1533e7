/* cores_test.c - processes that share a file of cores compute within it: with one core, no pool
 * ever has a second thread at work, however many threads it was given, and the hash is the one of
 * law_hash.txt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/allowance.h"
#include "base/file.h"
#include "field.h"

enum { N_WORKERS = 2, POOL_THREADS = 3 * (N_WORKERS + 1), MINUTE = 60 * 1000 * 1000 };

/* How often the threads of a process that a pool has made were put on a processor. */
static unsigned long turns(pid_t pid)
{
        char path[300], line[160];
        unsigned long sum = 0, n;
        struct dirent *e;
        DIR *d;

        snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
        assert_non_null(d = opendir(path));
        while ((e = readdir(d)) != NULL) {
                bool of_pool = false;
                FILE *f;

                snprintf(path, sizeof path, "/proc/%d/task/%.20s/status", (int)pid, e->d_name);
                if (e->d_name[0] == '.' || (f = fopen(path, "re")) == NULL)
                        continue;
                while (fgets(line, sizeof line, f) != NULL) {
                        of_pool |= strcmp(line, "Name:\twitan-pool\n") == 0;
                        if (of_pool && (sscanf(line, "voluntary_ctxt_switches: %lu", &n) == 1 ||
                                        sscanf(line, "nonvoluntary_ctxt_switches: %lu", &n) == 1))
                                sum += n;
                }
                fclose(f);
        }
        closedir(d);
        return sum;
}

/* The 40 sequences; the turns of all pools' threads until all are answered. */
static unsigned long run(uint32_t cores)
{
        static struct seq_want s[MIXED];
        struct wt_buf want = { 0 };
        struct field_client c;
        struct field f;
        char path[200], flag[240], name[16], hash[65];
        unsigned long sum = 0;

        field_open(&f, NULL, "models/tiny");
        snprintf(path, sizeof path, "%s/cores", f.dir);
        snprintf(flag, sizeof flag, "--cores-file=%s", cores > 0 ? path : "");
        if (cores > 0)
                assert_int_equal(wt_allowance_make(path, cores), WT_OK);
        field_start(&f, NULL, "router", "router-0", "--threads=4", "--max-seqs=16", flag, NULL);
        for (uint32_t i = 0; i < N_WORKERS; i++) {
                snprintf(name, sizeof name, "expert-%u", i);
                field_start(&f, NULL, "expert", name, "--threads=4", flag, NULL);
        }
        for (uint32_t i = 0; i <= N_WORKERS; i++)
                field_ready(&f, i);
        client_open(&c, &f, "gateway-0");
        seq_mixed(s, 4096);
        for (uint32_t i = 0; i < MIXED; i++)
                seq_submit(&c, &s[i]);
        assert_int_equal(seq_collect(&c, s, MIXED, 2 * MINUTE), MIXED);
        seq_hash(s, MIXED, hash);
        assert_int_equal(wt_file_read("tests/cluster/law_hash.txt", 4096, &want), WT_OK);
        assert_memory_equal(hash, want.data, 64);
        wt_buf_free(&want);
        for (uint32_t i = 0; i <= N_WORKERS; i++)
                sum += turns(f.p[i].pid);
        print_message("# %u cores: threads of pools had %lu turns\n", cores, sum);
        client_close(&c);
        field_close(&f);
        return sum;
}

static void one_core(void **state)
{
        (void)state;
        assert_true(run(0) > 10 * POOL_THREADS);         /* without the file the threads do work */
        assert_true(run(1) <= 10 * POOL_THREADS);        /* begun, then asleep: nobody woke them */
}

static void four_cores(void **state)
{
        (void)state;
        assert_true(run(4) > 10 * POOL_THREADS);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(one_core),
                                            cmocka_unit_test(four_cores) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
