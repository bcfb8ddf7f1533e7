/* trie.c - which node of the trie of expert ids (numbers.md N7) a worker can sum alone. */
#include "inside.h"

/* The node of depth d around a pick holds everybody who shares its first d bits. A pick that goes
 * elsewhere and shares s of them must stay outside, so d is at least s + 1. */
uint32_t router_depth(uint32_t bits, const int32_t *pick, uint32_t k, uint64_t ours, uint32_t i)
{
        uint32_t depth = 0;

        for (uint32_t j = 0; j < k; j++) {
                uint32_t differ = (uint32_t)pick[i] ^ (uint32_t)pick[j];
                uint32_t d = differ == 0 ? 0 : bits - (31 - (uint32_t)__builtin_clz(differ));

                if (!(ours >> j & 1) && d > depth)
                        depth = d;
        }
        return depth;
}
