/* budget.c - what the numeric contract costs: the linear kernels as shares of what one thread of
 * this machine can read and multiply. All figures come from one process, measured in turn, round
 * after round; a share is the median over the rounds of (kernel / limit of the same round). Time is
 * the thread's own, so that slices given to neighbours do not count.
 * Prints JSON; not a test, for a time is never pass or fail.
 * Exit 1: a row of the GEMM is not the GEMV. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif
#include "base/rng.h"
#include "math/kernels.h"

enum { BYTES = 256 << 20, K = 2048, N_GEMM = 1408, MAX_M = 512, ROUNDS = 15, MAX_FIGURES = 16 };

struct figure {
        const char *name, *unit, *dtype_name;
        uint32_t dtype, m;                       /* m 0: a limit */
        double rate[ROUNDS], share[ROUNDS];
};

struct bench {
        const struct wt_kernels *k;
        uint32_t *weights;                       /* BYTES; as F32 and as pairs of BF16 of size ~1 */
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

static void *get(size_t bytes)
{
        void *p = aligned_alloc(4096, bytes);

        if (!p) {
                fprintf(stderr, "no memory for %zu bytes\n", bytes);
                exit(2);
        }
        return p;
}

static void prepare(struct bench *b)
{
        uint32_t key[2] = { 1, 2 }, r[4];

        b->weights = get(BYTES);
        b->x = get((size_t)MAX_M * K * sizeof(float));
        b->y = get((size_t)MAX_M * 65536 * sizeof(float) / 32);
        for (uint32_t i = 0; i < BYTES / 16; i++) {      /* sign, fraction drawn; about 2^-5 */
                wt_philox(key, (uint32_t[4]){ i, 0, 0, 0 }, r);
                for (int j = 0; j < 4; j++)
                        b->weights[4 * i + j] = (r[j] & 0x807f807fu) | 0x3d003d00u;
        }
        for (uint32_t i = 0; i < MAX_M * K; i++)
                b->x[i] = (float)(wt_philox_unit(3, i, 0, 0) - 0.5);
}

static volatile uint64_t sink;

/* Bytes a second of a plain loop. */
static double read_rate(const struct bench *b)
{
        const uint64_t *p = (const uint64_t *)b->weights;
        uint64_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
        double t = now();

        for (size_t i = 0; i < BYTES / 8; i += 4) {
                s0 += p[i];
                s1 += p[i + 1];
                s2 += p[i + 2];
                s3 += p[i + 3];
        }
        sink = s0 + s1 + s2 + s3;
        return BYTES / (now() - t);
}

/* FLOP a second of multiply-adds that touch no memory, as wide as the kernels' own. */
enum { TURNS = 20000000, CHAINS = 12 };
#ifdef __x86_64__
#define FMA_RATE(NAME, TARGET, V, WIDTH, P)                                                       \
        __attribute__((target(TARGET))) static double NAME(void)                                  \
        {                                                                                         \
                V a[CHAINS], x = P##set1_ps(0.999f), y = P##set1_ps(0.001f);                      \
                double t = now();                                                                 \
                                                                                                  \
                for (int i = 0; i < CHAINS; i++)                                                  \
                        a[i] = P##set1_ps((float)i);                                              \
                for (int n = 0; n < TURNS; n++) {                                                 \
                        a[0] = P##fmadd_ps(a[0], x, y);   a[1] = P##fmadd_ps(a[1], x, y);         \
                        a[2] = P##fmadd_ps(a[2], x, y);   a[3] = P##fmadd_ps(a[3], x, y);         \
                        a[4] = P##fmadd_ps(a[4], x, y);   a[5] = P##fmadd_ps(a[5], x, y);         \
                        a[6] = P##fmadd_ps(a[6], x, y);   a[7] = P##fmadd_ps(a[7], x, y);         \
                        a[8] = P##fmadd_ps(a[8], x, y);   a[9] = P##fmadd_ps(a[9], x, y);         \
                        a[10] = P##fmadd_ps(a[10], x, y); a[11] = P##fmadd_ps(a[11], x, y);       \
                }                                                                                 \
                for (int i = 1; i < CHAINS; i++)                                                  \
                        a[0] = P##add_ps(a[0], a[i]);                                             \
                sink += (uint64_t)P##cvtss_f32(a[0]);                                             \
                return 2.0 * TURNS * CHAINS * (WIDTH) / (now() - t);                              \
        }
FMA_RATE(fma_rate_8, "avx2,fma", __m256, 8, _mm256_)
FMA_RATE(fma_rate_16, "avx512f", __m512, 16, _mm512_)
#endif

static double fma_rate(const struct bench *b)
{
#ifdef __x86_64__
        return strcmp(b->k->name, "avx512") == 0 ? fma_rate_16() : fma_rate_8();
#else
        float a[64] = { 0 };
        double t = now();

        (void)b;
        for (int n = 0; n < TURNS; n++)
                for (int i = 0; i < 64; i++)
                        a[i] = __builtin_fmaf(a[i], 0.999f, 0.001f);
        for (int i = 0; i < 64; i++)
                sink += (uint64_t)a[i];
        return 2.0 * TURNS * 64 / (now() - t);
#endif
}

static struct wt_packed matrix(const struct bench *b, uint32_t dtype, uint32_t n)
{
        return (struct wt_packed){ .data = b->weights, .dtype = dtype, .n = n, .k = K };
}

static void multiply(struct bench *b, uint32_t dtype, uint32_t n, uint32_t m, float *y)
{
        struct wt_packed w = matrix(b, dtype, n);

        b->k->linear(&w, 0, (n + WT_PANEL - 1) / WT_PANEL, b->x, K, m, y, n);
}

static double gemv_rate(struct bench *b, uint32_t dtype)
{
        double t = now();

        multiply(b, dtype, BYTES / K / (dtype == WT_F32 ? 4 : 2), 1, b->y);
        return BYTES / (now() - t);
}

static double gemm_rate(struct bench *b, uint32_t dtype, uint32_t m)
{
        uint32_t turns = 1024 / m;
        double t = now();

        for (uint32_t i = 0; i < turns; i++)
                multiply(b, dtype, N_GEMM, m, b->y);
        return 2.0 * turns * m * N_GEMM * K / (now() - t);
}

static int rows_equal(struct bench *b, uint32_t dtype, uint32_t m)
{
        float *one = b->y + (size_t)MAX_M * N_GEMM;
        const float *x = b->x;
        int equal = 1;

        multiply(b, dtype, N_GEMM, m, b->y);
        for (uint32_t r = 0; r < m; r++, b->x += K) {
                multiply(b, dtype, N_GEMM, 1, one);
                equal &= memcmp(one, b->y + (size_t)r * N_GEMM, N_GEMM * sizeof *one) == 0;
        }
        b->x = (float *)x;
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
                                        .dtype_name = dtype == WT_F32 ? "f32" : "bf16" };
}

static void list_figures(struct bench *b)
{
        figure(b, "read", "GB/s", WT_F32, 0);
        figure(b, "fma", "GFLOP/s", WT_F32, 0);
        for (int i = 0; i < 2; i++) {
                uint32_t dtype = i ? WT_BF16 : WT_F32;

                figure(b, "gemv", "GB/s", dtype, 1);
                for (uint32_t m = 64; m <= MAX_M; m *= 2)
                        figure(b, "gemm", "GFLOP/s", dtype, m);
        }
}

static void measure(struct bench *b, uint32_t round)
{
        double read = b->f[0].rate[round] = read_rate(b);
        double fma = b->f[1].rate[round] = fma_rate(b);

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
        prepare(&b);
        list_figures(&b);
        equal = rows_equal(&b, WT_F32, 67) && rows_equal(&b, WT_BF16, 67) &&
                rows_equal(&b, WT_F32, MAX_M);
        for (uint32_t round = 0; round < ROUNDS; round++)
                measure(&b, round);
        print(&b, equal);
        free(b.weights);
        free(b.x);
        free(b.y);
        return equal ? 0 : 1;
}
