/* fuzz_safetensors.c - the header of a safetensors file from anyone: whatever is taken lies
 * within the data, in one cover, with the bytes that its dtype and shape want. */
#include <stdlib.h>
#include <string.h>
#include "model/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t dtype_bytes(uint32_t dtype)
{
        return dtype == WT_F32 || dtype == WT_I32 || dtype == WT_U32 ? 4
               : dtype == WT_BF16 || dtype == WT_F16 ? 2 : dtype == WT_U8 ? 1 : 0;
}

static void check(const wt_source *s, uint64_t data_at, uint64_t data_bytes)
{
        uint64_t sum = 0;

        for (uint32_t i = 0; i < wt_source_count(s); i++) {
                const struct wt_tensor_at *t = wt_source_at(s, i);
                uint64_t n = dtype_bytes(t->dtype);

                for (uint32_t d = 0; d < t->n_dim; d++)
                        n *= t->shape[d];
                WT_ASSERT(t->name[0] && t->dtype_name[0] && t->n_dim <= 8);
                WT_ASSERT(t->offset >= data_at && t->offset + t->bytes <= data_at + data_bytes);
                WT_ASSERT(dtype_bytes(t->dtype) == 0 || n == t->bytes);
                sum += t->bytes;
        }
        WT_ASSERT(sum == data_bytes);
}

/* Input: a whole file: 8 bytes of length, header, data. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        uint64_t len = 0, data_bytes;
        wt_source *s;

        if (size < 8 || !(s = calloc(1, sizeof *s)))
                return 0;
        for (int i = 7; i >= 0; i--)
                len = len << 8 | data[i];
        len = len < size - 8 ? len : size - 8;
        data_bytes = size - 8 - len;
        if (wt_safetensors_header(s, 0, (const char *)data + 8, (size_t)len, 8 + len, data_bytes,
                                  NULL, NULL) == WT_OK)
                check(s, 8 + len, data_bytes);
        else
                WT_ASSERT(wt_words()[0]);
        wt_source_close(s);
        return 0;
}
