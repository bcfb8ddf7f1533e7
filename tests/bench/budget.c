/* budget.c - what the numeric contract costs: the linear kernels, and products with weights of
 * eight bits (q8.h), as shares of what one thread of this machine can read and multiply
 * (bench_limits.h). All figures come from one process, measured in turn, round after round; a
 * share is the median over the rounds of (kernel / limit of the same round). Products by one row
 * are held against reading, others against multiply-adds of FP32, those of bytes too. Time is the
 * thread's own, so that slices given to neighbours do not count. Prints JSON; not a test, for a
 * time is never pass or fail. Exit 1: a row of a product of many is not the product by that row. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include "base/rng.h"
#include "bench_limits.h"
#include "math/kernels.h"
#include "q8.h"

enum { BYTES = 256 << 20, K = 2048, N_GEMM = 1408, MAX_M = 512, ROUNDS = 15, GEMVS = 2,
       MAX_FIGURES = 24 };
enum { Q8_0 = 1000 };                            /* beside the dtypes of plugin.h */

struct figure {
        const char *name, *unit, *dtype_name;
        uint32_t dtype, m;                       /* m 0: a limit */
        double rate[ROUNDS], share[ROUNDS];
};

struct bench {
        const struct wt_kernels *k;
        const struct q8_kernels *q8;
        struct bench_limits *limits;
        struct q8_rows rows;
        uint32_t *weights;                       /* BYTES; as F32 and as pairs of BF16 of size ~1,
                                                  * as bytes anything under scales of size ~1 */
        float *x, *y;
        struct figure f[MAX_FIGURES];
        uint32_t n;
};

static double now(void)
{
        struct timespec t;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* In huge pages where the system has them, as packs and the limits' memory are. */
static void *get(size_t bytes)
{
        void *p;

        if (posix_memalign(&p, 2 << 20, bytes) != 0) {
                fprintf(stderr, "no memory for %zu bytes\n", bytes);
                exit(2);
        }
        madvise(p, bytes, MADV_HUGEPAGE);
        return p;
}

static void prepare(struct bench *b)
{
        uint32_t key[2] = { 1, 2 }, r[4];

        if (bench_limits_open(&b->limits, BYTES) != WT_OK) {
                fprintf(stderr, "%s\n", wt_words());
                exit(2);
        }
        b->weights = get(BYTES);
        b->x = get((size_t)MAX_M * K * sizeof(float));
        b->y = get((size_t)MAX_M * 65536 * sizeof(float) / 32);
        b->rows.q = get((size_t)MAX_M * K);
        b->rows.d = get((size_t)MAX_M * K / Q8_BLOCK * sizeof(float));
        b->rows.offset = get((size_t)MAX_M * K / Q8_BLOCK * sizeof(int32_t));
        for (uint32_t i = 0; i < BYTES / 16; i++) {      /* sign, fraction drawn; about 2^-5 */
                wt_philox(key, (uint32_t[4]){ i, 0, 0, 0 }, r);
                for (int j = 0; j < 4; j++)
                        b->weights[4 * i + j] = (r[j] & 0x807f807fu) | 0x3d003d00u;
        }
        for (uint32_t i = 0; i < MAX_M * K; i++)
                b->x[i] = (float)(wt_philox_unit(3, i, 0, 0) - 0.5);
}

static void release(struct bench *b)
{
        bench_limits_close(b->limits);
        free(b->weights);
        free(b->x);
        free(b->y);
        free(b->rows.q);
        free(b->rows.d);
        free(b->rows.offset);
}

/* y (M, N) = W x, with the rows' quantising where the weights are of eight bits. */
static void multiply(struct bench *b, uint32_t dtype, uint32_t n, uint32_t m, const float *x,
                     float *y)
{
        struct wt_packed w = { .data = b->weights, .dtype = dtype, .n = n, .k = K };

        if (dtype == Q8_0) {
                q8_quantise(x, m, K, &b->rows);
                b->q8->linear(b->weights, n, &b->rows, y);
        } else {
                b->k->linear(&w, 0, (n + WT_PANEL - 1) / WT_PANEL, x, K, m, y, n);
        }
}

static double gemv_rate(struct bench *b, uint32_t dtype)
{
        uint32_t n = dtype == Q8_0 ? BYTES / (uint32_t)q8_panel_bytes(K) * Q8_PANEL
                                   : BYTES / K / (dtype == WT_F32 ? 4 : 2);
        double bytes = dtype == Q8_0 ? (double)q8_bytes(n, K) : BYTES, t;

        multiply(b, dtype, n, 1, b->x, b->y);    /* not counted, as reading's first pass is not: */
        t = now();                               /* a model is read token after token */
        for (int i = 0; i < GEMVS; i++)
                multiply(b, dtype, n, 1, b->x, b->y);
        return GEMVS * bytes / (now() - t);
}

static double gemm_rate(struct bench *b, uint32_t dtype, uint32_t m)
{
        uint32_t turns = 1024 / m;
        double t = now();

        for (uint32_t i = 0; i < turns; i++)
                multiply(b, dtype, N_GEMM, m, b->x, b->y);
        return 2.0 * turns * m * N_GEMM * K / (now() - t);
}

static int rows_equal(struct bench *b, uint32_t dtype, uint32_t m)
{
        float *one = b->y + (size_t)MAX_M * N_GEMM;
        int equal = 1;

        multiply(b, dtype, N_GEMM, m, b->x, b->y);
        for (uint32_t r = 0; r < m; r++) {
                multiply(b, dtype, N_GEMM, 1, b->x + (size_t)r * K, one);
                equal &= memcmp(one, b->y + (size_t)r * N_GEMM, N_GEMM * sizeof *one) == 0;
        }
        return equal;
}

static int ascending(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

static double median(double *v)
{
        qsort(v, ROUNDS, sizeof *v, ascending);
        return v[ROUNDS / 2];
}

static void figure(struct bench *b, const char *name, const char *unit, uint32_t dtype, uint32_t m)
{
        b->f[b->n++] = (struct figure){ .name = name, .unit = unit, .dtype = dtype, .m = m,
                                        .dtype_name = dtype == WT_F32    ? "f32"
                                                      : dtype == WT_BF16 ? "bf16"
                                                                         : "q8_0" };
}

static void list_figures(struct bench *b)
{
        static const uint32_t dtypes[] = { WT_F32, WT_BF16, Q8_0 };

        figure(b, "read", "GB/s", WT_F32, 0);
        figure(b, "fma", "GFLOP/s", WT_F32, 0);
        for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
                if (dtypes[i] == Q8_0 && !b->q8)
                        continue;
                figure(b, "gemv", "GB/s", dtypes[i], 1);
                for (uint32_t m = 64; m <= MAX_M; m *= 2)
                        figure(b, "gemm", dtypes[i] == Q8_0 ? "GOP/s" : "GFLOP/s", dtypes[i], m);
        }
}

static void measure(struct bench *b, uint32_t round)
{
        unsigned wide = strcmp(b->k->name, "avx512") == 0 ? 16 : 8;      /* as the kernels */
        double read = b->f[0].rate[round] = 1 / bench_read_time(b->limits, NULL, BYTES).cpu;
        double fma = b->f[1].rate[round] = 2 / bench_fma_time(b->limits, NULL, wide).cpu;

        for (uint32_t i = 2; i < b->n; i++) {
                struct figure *f = &b->f[i];

                f->rate[round] = f->m == 1 ? gemv_rate(b, f->dtype) : gemm_rate(b, f->dtype, f->m);
                f->share[round] = f->rate[round] / (f->m == 1 ? read : fma);
        }
}

static void machine(char *out, size_t size)
{
        FILE *f = fopen("/proc/cpuinfo", "r");
        char line[256];

        snprintf(out, size, "unknown");
        while (f && fgets(line, sizeof line, f)) {
                char *v = strchr(line, ':');

                if (strncmp(line, "model name", 10) == 0 && v) {
                        snprintf(out, size, "%.*s", (int)strcspn(v + 2, "\n\""), v + 2);
                        break;
                }
        }
        if (f)
                fclose(f);
}

static void print(struct bench *b, int equal)
{
        char cpu[200];
        double load = 0.0;

        machine(cpu, sizeof cpu);
        getloadavg(&load, 1);
        printf("{\"machine\": \"%s\", \"load_average\": %.1f, \"threads\": 1,\n"
               " \"kernels\": \"%s\", \"rounds\": %d,\n"
               " \"gemv\": \"%d MiB of weights, K %d\", \"gemm\": \"K %d, N %d\",\n"
               " \"compiler\": \"%s\", \"row_of_gemm_equals_gemv\": %s,\n \"figures\": [\n",
               cpu, load, b->k->name, ROUNDS, BYTES >> 20, K, K, N_GEMM, __VERSION__,
               equal ? "true" : "false");
        for (uint32_t i = 0; i < b->n; i++) {
                struct figure *f = &b->f[i];

                printf("  {\"name\": \"%s\", \"median\": %.1f, \"unit\": \"%s\"", f->name,
                       median(f->rate) / 1e9, f->unit);
                if (f->m)
                        printf(", \"weights\": \"%s\", \"m\": %u, \"share\": %.3f", f->dtype_name,
                               f->m, median(f->share));
                printf("}%s\n", i + 1 < b->n ? "," : "");
        }
        printf(" ]}\n");
}

int main(int argc, char **argv)
{
        struct bench b = { .k = wt_kernels_pick(argc > 1 ? argv[1] : NULL) };
        int equal;

        if (!b.k) {
                fprintf(stderr, "usage: budget [ref|avx2|avx512]; no such kernels here\n");
                return 2;
        }
        b.q8 = q8_pick(b.k->name);
        prepare(&b);
        list_figures(&b);
        equal = rows_equal(&b, WT_F32, 67) && rows_equal(&b, WT_BF16, 67) &&
                rows_equal(&b, WT_F32, MAX_M) && (!b.q8 || rows_equal(&b, Q8_0, 67));
        for (uint32_t round = 0; round < ROUNDS; round++)
                measure(&b, round);
        print(&b, equal);
        release(&b);
        return equal ? 0 : 1;
}
