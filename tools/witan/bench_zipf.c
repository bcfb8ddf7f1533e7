/* bench_zipf.c - a correction bias that makes picks as unequal as rank^-s. The bias steers the pick
 * and not the weights (DeepSeek-V3), so only who is picked changes. Found by the rule that V3 was
 * balanced with, run towards other targets: an expert that is picked too rarely gets more bias. */
#include <stdlib.h>
#include <string.h>
#include "base/rng.h"
#include "bench.h"
#include "math/kernels.h"

enum { ROWS = 1024, TURNS = 400 };

/* rank^-s by whole and half steps would not do for any s: exp(-s ln r) in our own arithmetic, so
 * that a seed gives the same model on every machine. ln r = sum of 1/(k - 1/2) is close enough for
 * a target. */
static void targets(uint32_t n, uint32_t picks, double s, double *want)
{
        double ln = 0, sum = 0, most = 0.98;

        for (uint32_t r = 0; r < n; r++) {
                double x = -s * ln, e = 1, term = 1;

                for (int i = 1; i < 60; i++) {
                        term *= x / 64 / i;
                        e += term;
                }
                for (int i = 0; i < 6; i++)      /* exp(x) = exp(x/64)^64 */
                        e *= e;
                want[r] = e;
                sum += e;
                ln += 1 / (r + 1.5);
        }
        /* A row picks an expert at most once: what is above is shared out among the others. */
        for (int turn = 0; turn < 50; turn++) {
                double scale = picks / sum, over = 0, under = 0;

                for (uint32_t r = 0; r < n; r++) {
                        want[r] *= scale;
                        if (want[r] > most)
                                want[r] = most;
                        *(want[r] < most ? &under : &over) += want[r];
                }
                sum = over + under;
        }
}

/* Logits of a gate over rows that it has not seen: sums of twelve uniforms, which is normal
 * enough. */
static void draw_rows(float *z, uint32_t n, uint64_t seed)
{
        uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) }, r[4];

        for (uint32_t i = 0; i < n; i++) {
                uint32_t sum = 0;

                for (uint32_t d = 0; d < 2; d++) {
                        wt_philox(key, (uint32_t[4]){ i, d, 0x5a495046, 0 }, r);
                        for (int j = 0; j < 3; j++)
                                sum += (r[j] & 0xffff) + (r[j] >> 16);
                }
                z[i] = ((float)sum - 6.0f * 65535.0f) / 65536.0f;
        }
}

wt_err bench_zipf_bias(const struct wt_layer *y, double s, uint64_t seed, const uint32_t *order,
                       float *bias)
{
        uint32_t n = y->n_experts, k = y->n_picks;
        double *want = calloc(n, sizeof *want);
        uint32_t *got = calloc(n, sizeof *got);
        float *z = calloc((size_t)ROWS * n, sizeof *z),
              *scratch = calloc((size_t)3 * n, sizeof *scratch);
        float *weight = calloc(k, sizeof *weight);
        int32_t *pick = calloc(k, sizeof *pick);
        bool ok = want != NULL && got != NULL && z != NULL && scratch != NULL && weight != NULL &&
                  pick != NULL;

        memset(bias, 0, n * sizeof *bias);
        if (ok) {
                targets(n, k, s, want);
                draw_rows(z, ROWS * n, seed);
        }
        for (uint32_t turn = 0; turn < TURNS && ok; turn++) {
                double step = 0.1 * (TURNS - turn) / TURNS;

                memset(got, 0, n * sizeof *got);
                for (uint32_t t = 0; t < ROWS; t++) {
                        wt_gate_choose(y, z + (size_t)t * n, bias, pick, weight, NULL, scratch);
                        for (uint32_t i = 0; i < k; i++)
                                got[pick[i]]++;
                }
                for (uint32_t r = 0; r < n; r++) {
                        uint32_t e = order[r];
                        double f = (double)got[e] / ROWS, w = want[r];

                        bias[e] += (float)(step * (w - f) / (w > f ? w : f));
                }
        }
        free(want);
        free(got);
        free(z);
        free(scratch);
        free(weight);
        free(pick);
        return ok ? WT_OK : wt_fail(WT_ENOMEM, "no memory for a gate of %u experts", n);
}
