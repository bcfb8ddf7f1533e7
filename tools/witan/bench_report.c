/* bench_report.c - see bench_report.h. */
#include "bench_report.h"
#include <stdio.h>
#include <stdlib.h>
#include "base/file.h"

static int ascending(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

double bench_quantile(double *v, size_t n, double p)
{
        size_t i;

        if (n == 0)
                return 0;
        qsort(v, n, sizeof *v, ascending);
        i = (size_t)(p * (double)n);
        return v[i < n ? i : n - 1];
}

double bench_median(double *v, size_t n)
{
        return bench_quantile(v, n, 0.5);
}

wt_err bench_write(const char *dir, const char *name, const struct wt_buf *b)
{
        char path[4400];
        wt_err err;

        if ((err = wt_dir_make(dir, 0755)) != WT_OK)
                return err;
        snprintf(path, sizeof path, "%s/%s", dir, name);
        if ((err = wt_file_write(path, b->data, b->len, 0644)) == WT_OK)
                fprintf(stderr, "wrote %s\n", path);
        return err;
}
