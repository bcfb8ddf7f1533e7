/* trie.c - sums over the binary trie of expert ids (N7): node = left + right, a lone child passes
 * through. Every partition of a row's picks into subtrees gives the same bits. */
#include <string.h>
#include "base/err.h"
#include "math/kernels.h"

enum { MAX_BITS = 31 };

uint32_t wt_trie_bits(uint32_t n_experts)
{
        return n_experts <= 1 ? 0 : 32 - (uint32_t)__builtin_clz(n_experts - 1);
}

/* Depth of the lowest node above both; neither is inside the other. */
static uint32_t meet(uint32_t bits, const struct wt_node *a, const struct wt_node *b)
{
        uint32_t x = (a->prefix << (bits - a->depth)) ^ (b->prefix << (bits - b->depth));

        WT_ASSERT(x != 0);
        return bits - (32 - (uint32_t)__builtin_clz(x));
}

/* A stack of finished subtrees, left to right. Neighbours i and i+1 meet at depth[i], and these
 * depths ascend: a subtree whose parent has been passed is joined to its left neighbour. Slot 0
 * keeps its sum in out, slot i in row i-1 of scratch. */
void wt_trie_sum(const struct wt_kernels *k, uint32_t bits, const struct wt_node *node,
                 const float *const *in, uint32_t n, uint32_t width, float *out, float *scratch)
{
        const float *sum[MAX_BITS + 1];
        uint32_t depth[MAX_BITS + 1], top = 0;

        WT_ASSERT(bits <= MAX_BITS && n >= 1);
        sum[0] = in[0];
        for (uint32_t i = 1; i <= n; i++) {
                uint32_t d = i < n ? meet(bits, &node[i - 1], &node[i]) : 0;

                while (top > 0 && (i == n || depth[top - 1] > d)) {
                        float *to = top == 1 ? out : scratch + (size_t)(top - 2) * width;

                        k->add2(sum[top - 1], sum[top], width, to);
                        sum[--top] = to;
                }
                if (i < n) {
                        WT_ASSERT(top < bits);
                        depth[top] = d;
                        sum[++top] = in[i];
                }
        }
        if (sum[0] != out)
                memcpy(out, sum[0], width * sizeof *out);
}
