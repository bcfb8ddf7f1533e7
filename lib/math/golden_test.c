/* golden_test.c - the arithmetic version wn1 as hashes: every kernel over drawn numbers, for each
 * table that this processor runs. Equal for compilers, optimisation levels and machines. A change
 * that moves a hash is another arithmetic and needs another version in the profile (N0). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/sha256.h"
#include "math/test_fill.h"

enum { N = 200, D = 1100, M = 9, KEYS = 50, VD = 72 };

struct golden { const char *name; void (*run)(const struct wt_kernels *k, struct wt_sha256 *h);
                const char *want; };

static void linear(const struct wt_kernels *k, uint32_t dtype, struct wt_sha256 *h)
{
        struct wt_matrix m = { .form = WT_FORM_LINEAR, .dtype = dtype, .n_mat = 1,
                               .n_out = N, .n_in = D, .out_stride = D, .in_stride = 1 };
        void *src = need(N * D * 4), *blob = need(wt_pack_bytes(&m));
        float *x = need(M * D * 4), *y = need(M * N * 4);

        if (dtype == WT_F32)
                fill(src, N * D, 71);
        else
                fill_half(src, N * D, dtype, 72);
        fill(x, M * D, 73);
        wt_pack(&m, src, blob);
        struct wt_packed w = wt_packed_of(&m, blob, 0);

        k->linear(&w, 0, (N + 15) / 16, x, D, M, y, N);
        wt_sha256_add(h, y, M * N * 4);
        free(src);
        free(blob);
        free(x);
        free(y);
}

static void linear_f32(const struct wt_kernels *k, struct wt_sha256 *h)  { linear(k, WT_F32, h); }
static void linear_bf16(const struct wt_kernels *k, struct wt_sha256 *h) { linear(k, WT_BF16, h); }
static void linear_f16(const struct wt_kernels *k, struct wt_sha256 *h)  { linear(k, WT_F16, h); }

static void row(const struct wt_kernels *k, struct wt_sha256 *h)
{
        float x[D], w[D], y[D];

        fill(x, D, 74);
        fill_plain(w, D, 75);
        k->rms_norm(x, w, D, 1e-6f, y);
        wt_sha256_add(h, y, sizeof y);
        for (int i = 0; i < D; i++)
                x[i] = w[i] * 100.0f;            /* to the ends of exp */
        k->silu_mul(x, w, D, y);
        wt_sha256_add(h, y, sizeof y);
        k->rope(y, D, true, x, w);
        k->rope(y, D, false, w, w);
        wt_sha256_add(h, y, sizeof y);
}

static void attention(const struct wt_kernels *k, struct wt_sha256 *h)
{
        static float q[M][D], key[KEYS][D], v[KEYS][VD], s[M][64], u[M][VD];
        float m[M], l[M];

        fill_plain(q[0], M * D, 76);
        fill_plain(key[0], KEYS * D, 77);
        fill_plain(v[0], KEYS * VD, 78);
        k->score(q[0], D, q[0] + 1000, D, M, key[0], D, 1000, key[0] + 1000, D, 100, KEYS,
                 0.1f, s[0]);
        k->segment(s[0], M, KEYS, v[0], VD, VD, m, l, u[0], VD);
        for (int i = 1; i < M; i++)
                k->merge(&m[0], &l[0], u[0], m[i], l[i], u[i], VD);
        wt_sha256_add(h, m, sizeof m);
        wt_sha256_add(h, l, sizeof l);
        k->divide(u[0], l[0], VD, u[0]);
        wt_sha256_add(h, u, sizeof u);
}

static void gate(const struct wt_kernels *k, struct wt_sha256 *h)
{
        struct wt_layer layer = { .n_experts = 64, .n_picks = 6, .select = WT_SELECT_GROUP_TOP2,
                                  .n_group = 8, .n_group_kept = 4, .weight_scale = 2.5f };
        float z[64], bias[64], weight[6], scratch[192];
        int32_t pick[6];

        (void)k;
        for (uint32_t i = 0; i < 300; i++) {
                fill_plain(z, 64, 1000 + i);
                fill_plain(bias, 64, 2000 + i);
                layer.score = 1 + i % 3;
                layer.normalise = i % 2;
                wt_gate_choose(&layer, z, bias, pick, weight, NULL, scratch);
                wt_sha256_add(h, pick, sizeof pick);
                wt_sha256_add(h, weight, sizeof weight);
        }
}

static void functions(const struct wt_kernels *k, struct wt_sha256 *h)
{
        float inv_freq[4] = { 1.0f, 0.1f, 0.003f, 1e-4f };
        static float c[5000 * 4], s[5000 * 4];

        (void)k;
        wt_rope_table(inv_freq, 4, 5000, 1.1f, c, s);
        wt_sha256_add(h, c, sizeof c);
        wt_sha256_add(h, s, sizeof s);
        for (uint32_t i = 0; i < 20000; i++) {
                double x = wt_philox_unit(5, i, 0, 0) * 1500.0 - 750.0, y[4];

                y[0] = wn1_exp(x);
                y[1] = wn1_log(x < 0.0 ? -x : wn1_exp(x));
                y[2] = wn1_sin(x * 1000.0);
                y[3] = wn1_cos(x * 1000.0);
                wt_sha256_add(h, y, sizeof y);
        }
}

static const struct golden goldens[] = {
        { "linear, f32", linear_f32, "011695cccda91b68" },
        { "linear, bf16", linear_bf16, "a5cc4f8c39dc93cd" },
        { "linear, f16", linear_f16, "6e503e4a202eae60" },
        { "norm, silu, rope", row, "b6fe7005ebae9efa" },
        { "attention", attention, "5aa791ab38e97618" },
        { "gate", gate, "ca6e2006325bd3c4" },
        { "exp, log, sin, cos", functions, "8d31358405bc52b7" },
};
enum { N_GOLDENS = sizeof goldens / sizeof *goldens };

static void as_committed(void **state)
{
        const struct golden *g = *state;
        const char *name[] = { "ref", "avx2", "avx512" };

        for (int i = 0; i < 3; i++) {
                const struct wt_kernels *k = wt_kernels_pick(name[i]);
                struct wt_sha256 h;
                uint8_t hash[32];
                char text[65];

                if (!k)
                        continue;
                wt_sha256_init(&h);
                g->run(k, &h);
                wt_sha256_end(&h, hash);
                wt_hex(hash, 32, text);
                text[16] = '\0';                 /* 64 bits say enough */
                assert_string_equal(text, g->want);
        }
}

int main(void)
{
        struct CMUnitTest tests[N_GOLDENS];

        for (size_t i = 0; i < N_GOLDENS; i++)
                tests[i] = (struct CMUnitTest){ goldens[i].name, as_committed, NULL, NULL,
                                                (void *)&goldens[i] };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
