/* q8.h - a product with weights of eight bits by the contract (numbers.md N3, N10), for the budget
 * benchmark: what Q8_0 would cost. No service uses it. Shapes: M rows, N outputs, K inputs; a block
 * is 32 inputs, the last one filled with zeros.
 *
 * Packed weights: panels of 16 outputs, each a multiple of 64 bytes: the scales of all blocks (16
 * F16 a block), then its bytes: block ascending, eight groups of four inputs, 16 outputs, the four
 * inputs of one output side by side. A byte is the weight + 128, so that it has no sign; the rows
 * carry what that adds. */
#ifndef WITAN_TESTS_Q8_H
#define WITAN_TESTS_Q8_H
#include <stddef.h>
#include <stdint.h>

enum { Q8_BLOCK = 32, Q8_PANEL = 16 };

/* Quantised rows; ld: blocks of a row. */
struct q8_rows {
        int8_t *q;                               /* (M, ld * 32), within +-127 */
        float *d;                                /* (M, ld) */
        int32_t *offset;                         /* (M, ld): -128 times the sum of a block's q */
        uint32_t m, ld;
};

static inline uint32_t q8_blocks(uint32_t k) { return (k + Q8_BLOCK - 1) / Q8_BLOCK; }
size_t q8_panel_bytes(uint32_t k);
/* Bytes that n outputs take, whole panels. */
size_t q8_bytes(uint32_t n, uint32_t k);
/* w (N, blocks * 32), -128 to 127; d (N, blocks) F16 -> dst, 64-byte aligned, q8_bytes. */
void q8_pack(void *dst, const int8_t *w, const uint16_t *d, uint32_t n, uint32_t k);
/* x (M, K), finite -> out, whose arrays are the caller's. */
void q8_quantise(const float *x, uint32_t m, uint32_t k, struct q8_rows *out);

struct q8_kernels {
        const char *name;                        /* as the table of kernels.h that it goes with */
        /* y (M, N): of each output one chain over blocks ascending, fmaf((float)isum, dw*dx, acc);
         * isum is exact. Equal bits whatever M and whichever table. */
        void (*linear)(const void *w, uint32_t n, const struct q8_rows *x, float *y);
};
extern const struct q8_kernels q8_ref, q8_avx2, q8_avx512;       /* the last two: x86-64 only */
/* By name; NULL when this processor does not run it ("avx512" wants VNNI, too). */
const struct q8_kernels *q8_pick(const char *name);
#endif
