/* fuzz_spool.c - a segment of the spool as open finds it: whatever is believed ends within the
 * bytes, and is believed again when the rest is cut off. Input: a byte (1: it is the newest), then
 * the segment, whose id and number are taken from its head. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "audit/spool_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        uint64_t first, last = 0, again = 0;
        size_t end = 0, end_again = 0;

        if (size < 1 + SEG_HEAD)
                return 0;
        first = 0;
        for (int i = 0; i < 8; i++)
                first |= (uint64_t)data[1 + 24 + i] << 8 * i;
        if (spool_scan(data + 1, size - 1, data + 1 + 8, first, data[0] & 1, &last, &end) != WT_OK)
                return 0;
        WT_ASSERT(end >= SEG_HEAD && end <= size - 1 && last + 1 >= first);
        WT_ASSERT((last + 1 - first) * REC_HEAD <= end - SEG_HEAD);
        WT_ASSERT(spool_scan(data + 1, end, data + 1 + 8, first, true, &again, &end_again) ==
                  WT_OK);
        WT_ASSERT(again == last && end_again == end);
        return 0;
}
