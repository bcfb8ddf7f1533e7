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

enum { N_WORKERS = 2, MINUTE = 60 * 1000 * 1000 };

/* Ticks on a processor of the threads of a process that a pool has made, or of all others. */
static unsigned long ticks(pid_t pid, bool of_pool)
{
        char path[300], name[32], line[1024];
        unsigned long sum = 0, user, kernel;
        struct dirent *e;
        DIR *d;

        snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
        assert_non_null(d = opendir(path));
        while ((e = readdir(d)) != NULL) {
                FILE *f;

                snprintf(path, sizeof path, "/proc/%d/task/%.20s/stat", (int)pid, e->d_name);
                if (e->d_name[0] == '.' || (f = fopen(path, "re")) == NULL)
                        continue;
                if (fgets(line, sizeof line, f) != NULL &&
                    sscanf(line, "%*d (%31[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu "
                           "%lu", name, &user, &kernel) == 3 &&
                    (strcmp(name, "witan-pool") == 0) == of_pool)
                        sum += user + kernel;
                fclose(f);
        }
        closedir(d);
        return sum;
}

/* The 40 sequences; *pool: ticks of the pools' threads, *others: of all others. */
static void run(uint32_t cores, unsigned long *pool, unsigned long *others)
{
        static struct seq_want s[MIXED];
        struct wt_buf want = { 0 };
        struct field_client c;
        struct field f;
        char path[200], flag[240], name[16], hash[65];

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
        *pool = *others = 0;
        for (uint32_t i = 0; i <= N_WORKERS; i++) {
                *pool += ticks(f.p[i].pid, true);
                *others += ticks(f.p[i].pid, false);
        }
        print_message("# %u cores: %lu ticks of pools, %lu of others\n", cores, *pool, *others);
        client_close(&c);
        field_close(&f);
}

static void one_core(void **state)
{
        unsigned long alone, with_one, others;

        (void)state;
        run(0, &alone, &others);
        assert_true(alone > 0);                  /* without the file the threads do work */
        run(1, &with_one, &others);
        assert_true(with_one <= alone / 4 && with_one <= others / 8);
}

static void four_cores(void **state)
{
        unsigned long pool, others;

        (void)state;
        run(4, &pool, &others);
        assert_true(pool > 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(one_core),
                                            cmocka_unit_test(four_cores) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
