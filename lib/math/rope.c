/* rope.c - the tables of RoPE: the angle in FP32, its cos and sin in FP64, rounded once (N10). */
#include "math/kernels.h"
#include "math/wn1.h"

void wt_rope_table(const float *inv_freq, uint32_t half, uint32_t n_pos, float magnitude,
                   float *cos, float *sin)
{
        for (uint32_t pos = 0; pos < n_pos; pos++) {
                for (uint32_t i = 0; i < half; i++) {
                        double angle = (float)pos * inv_freq[i];
                        size_t at = (size_t)pos * half + i;

                        cos[at] = (float)(wn1_cos(angle) * magnitude);
                        sin[at] = (float)(wn1_sin(angle) * magnitude);
                }
        }
}
