/* bench_limits.c - see bench_limits.h. */
#include "bench_limits.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

enum { PIECE = 4 << 20, LEAST_PIECE = 16 << 10, LEAST_READ = 256 << 20, AHEAD = 1024,
       TURNS = 1 << 18, PIECES = 8 };

struct bench_limits {
        char *data; size_t bytes;
        size_t piece;                            /* of the reading at hand */
        uint32_t n_pieces;
        unsigned wide;                           /* of the multiply-adds at hand, in floats */
        uint64_t sink[64];
};

typedef uint64_t lanes __attribute__((vector_size(32)));

static double now(clockid_t clock)
{
        struct timespec t;

        clock_gettime(clock, &t);
        return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void bench_watch_start(struct bench_watch *w)
{
        w->cpu = now(CLOCK_PROCESS_CPUTIME_ID);
        w->wall = now(CLOCK_MONOTONIC);
}

struct bench_time bench_watch_read(const struct bench_watch *w, uint32_t threads)
{
        double wall = now(CLOCK_MONOTONIC) - w->wall;

        return (struct bench_time){ wall, (now(CLOCK_PROCESS_CPUTIME_ID) - w->cpu) / threads };
}

wt_err bench_limits_open(struct bench_limits **out, size_t most)
{
        struct bench_limits *l = calloc(1, sizeof *l);

        if (l == NULL)
                return wt_fail(WT_ENOMEM, "no memory for a benchmark");
        l->bytes = (most + PIECE - 1) / PIECE * PIECE;
        if (posix_memalign((void **)&l->data, 2 << 20, l->bytes) != 0) {
                free(l);
                return wt_fail(WT_ENOMEM, "no memory for %zu bytes that are read to measure "
                               "the rate", most);
        }
        madvise(l->data, l->bytes, MADV_HUGEPAGE);
        memset(l->data, 1, l->bytes);
        *out = l;
        return WT_OK;
}

void bench_limits_close(struct bench_limits *l)
{
        if (l != NULL)
                free(l->data);
        free(l);
}

/* n pieces of `units` each; the time of one unit. */
static struct bench_time run(wt_pool *pool, uint32_t n, double units,
                             void (*body)(void *arg, uint32_t i), void *arg)
{
        struct bench_watch w;
        struct bench_time t;

        bench_watch_start(&w);
        if (pool != NULL)
                wt_pool_run(pool, n, body, arg);
        for (uint32_t i = 0; pool == NULL && i < n; i++)
                body(arg, i);
        t = bench_watch_read(&w, pool != NULL ? wt_pool_threads(pool) : 1);
        return (struct bench_time){ t.wall / (n * units), t.cpu / (n * units) };
}

/* Two streams, each half of the piece, eight chains, and prefetches of 1 KiB ahead: the fastest of
 * some fifty variants that were tried (one stream reads at 0.92 of it, four at 0.94, a plain loop
 * at 0.83), with one thread and with two. */
static void read_piece(void *arg, uint32_t i)
{
        struct bench_limits *l = arg;
        const char *p = l->data + (size_t)(i % l->n_pieces) * l->piece, *end = p + l->piece / 2,
                   *q = end;
        lanes a[8] = { { 0 } };

        for (; p < end; p += 128, q += 128) {
                __builtin_prefetch(p + AHEAD);
                __builtin_prefetch(p + AHEAD + 64);
                __builtin_prefetch(q + AHEAD);
                __builtin_prefetch(q + AHEAD + 64);
                for (int k = 0; k < 4; k++) {
                        a[k] ^= ((const lanes *)p)[k];
                        a[k + 4] ^= ((const lanes *)q)[k];
                }
        }
        for (int k = 1; k < 8; k++)
                a[0] ^= a[k];
        __atomic_fetch_add(&l->sink[i % 64], a[0][0], __ATOMIC_RELAXED);
}

/* A first pass that is not counted brings into the caches what stays there. */
struct bench_time bench_read_time(struct bench_limits *l, wt_pool *pool, double bytes)
{
        size_t n = bytes < (double)l->bytes ? (size_t)bytes : l->bytes;
        uint32_t passes;

        l->piece = n / 64 / LEAST_PIECE * LEAST_PIECE;
        l->piece = l->piece < LEAST_PIECE ? LEAST_PIECE : l->piece > PIECE ? PIECE : l->piece;
        l->n_pieces = n / l->piece > 0 ? (uint32_t)(n / l->piece) : 1;
        passes = 1 + (uint32_t)(LEAST_READ / (l->n_pieces * l->piece));
        run(pool, l->n_pieces, 1, read_piece, l);
        return run(pool, l->n_pieces * passes, (double)l->piece, read_piece, l);
}

/* ---- multiply-adds: 20 chains hide a latency of four on two units whatever the width -------- */

#ifdef __x86_64__
__attribute__((target("avx512f"))) static float chains_16(void)
{
        __m512 a[20], x = _mm512_set1_ps(0.999f), y = _mm512_set1_ps(0.001f);

        for (int i = 0; i < 20; i++)
                a[i] = _mm512_set1_ps((float)i);
        for (uint32_t n = 0; n < TURNS; n++)
#pragma GCC unroll 20
                for (int i = 0; i < 20; i++)
                        a[i] = _mm512_fmadd_ps(a[i], x, y);
        for (int i = 1; i < 20; i++)
                a[0] = _mm512_add_ps(a[0], a[i]);
        return _mm512_cvtss_f32(a[0]);
}

__attribute__((target("avx2,fma"))) static float chains_8(void)
{
        __m256 a[12], x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(0.001f);

        for (int i = 0; i < 12; i++)
                a[i] = _mm256_set1_ps((float)i);
        for (uint32_t n = 0; n < TURNS; n++)
#pragma GCC unroll 12
                for (int i = 0; i < 12; i++)
                        a[i] = _mm256_fmadd_ps(a[i], x, y);
        for (int i = 1; i < 12; i++)
                a[0] = _mm256_add_ps(a[0], a[i]);
        return _mm256_cvtss_f32(a[0]);
}

unsigned bench_fma_lanes(void)
{
        return __builtin_cpu_supports("avx512f") ? 16 : 8;
}

static unsigned n_chains(unsigned wide) { return wide == 16 ? 20 : 12; }
static float chains(unsigned wide) { return wide == 16 ? chains_16() : chains_8(); }
#else
typedef float quad __attribute__((vector_size(16)));

static float chains(unsigned wide)
{
        quad a[16], x = { .999f, .999f, .999f, .999f }, y = { .001f, .001f, .001f, .001f };

        (void)wide;
        for (int i = 0; i < 16; i++)
                a[i] = x * (float)i;
        for (uint32_t n = 0; n < TURNS; n++)
                for (int i = 0; i < 16; i++)
                        for (int k = 0; k < 4; k++)
                                a[i][k] = __builtin_fmaf(a[i][k], x[k], y[k]);
        for (int i = 1; i < 16; i++)
                a[0] += a[i];
        return a[0][0];
}

unsigned bench_fma_lanes(void) { return 4; }
static unsigned n_chains(unsigned wide) { (void)wide; return 16; }
#endif

static void multiply_piece(void *arg, uint32_t i)
{
        struct bench_limits *l = arg;

        __atomic_fetch_add(&l->sink[i % 64], (uint64_t)chains(l->wide), __ATOMIC_RELAXED);
}

struct bench_time bench_fma_time(struct bench_limits *l, wt_pool *pool, unsigned wide)
{
        uint32_t pieces = PIECES * (pool != NULL ? wt_pool_threads(pool) : 1);

        l->wide = wide == 0 || wide > bench_fma_lanes() ? bench_fma_lanes() : wide;
        return run(pool, pieces, (double)TURNS * n_chains(l->wide) * l->wide, multiply_piece, l);
}
