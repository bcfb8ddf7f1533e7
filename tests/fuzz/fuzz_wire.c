/* fuzz_wire.c - the codec and the checks. Input: u32 LE length of the envelope, the envelope,
 * then the tensors' frames one after another. Whatever is accepted must encode, and read back as
 * the same. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "wire/wire.h"

static struct wt_arena one, two;
static struct wt_buf first, second;

/* Frames by the sizes that the tensors say, as far as the input reaches. */
static void check_frames(const struct wt_envelope *e, const uint8_t *data, size_t size)
{
        const void *frame[WT_MAX_TENSORS];
        size_t len[WT_MAX_TENSORS];

        for (uint32_t i = 0; i < e->n_tensors; i++) {
                size_t bytes = 0;

                if (!wt_tensor_bytes(&e->tensors[i], &bytes) || bytes > size)
                        bytes = size;            /* a frame that is short, for check to refuse */
                frame[i] = data;
                len[i] = bytes;
                data += bytes;
                size -= bytes;
        }
        if (wt_wire_check(e, frame, len, e->n_tensors) == WT_OK && e->method == WT_M_EXPERT_CALL &&
            (uintptr_t)frame[1] % sizeof(uint32_t) == 0)
                wt_wire_check_depths(frame[1], e->tensors[1].shape[0], 8);
}

static void same_again(const struct wt_envelope *e)
{
        struct wt_envelope got, own = *e;
        uint64_t id = 0;

        wt_buf_clear(&first);
        wt_buf_clear(&second);
        WT_ASSERT(wt_wire_encode(e, &first) == WT_OK);
        WT_ASSERT(wt_wire_call_id(first.data, first.len, &id) == (e->call_id != 0));
        WT_ASSERT(id == e->call_id);
        WT_ASSERT(wt_wire_decode(&got, first.data, first.len, &two) == WT_OK);
        WT_ASSERT(wt_wire_encode(&got, &second) == WT_OK);
        WT_ASSERT(first.len == second.len && !memcmp(first.data, second.data, first.len));
        WT_ASSERT(wt_wire_own(&own, &two) == WT_OK);
        wt_buf_clear(&second);
        WT_ASSERT(wt_wire_encode(&own, &second) == WT_OK);
        WT_ASSERT(first.len == second.len && !memcmp(first.data, second.data, first.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct wt_envelope e;
        uint64_t id;
        size_t len;

        if (size < 4)
                return 0;
        len = data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16 | (size_t)data[3] << 24;
        data += 4;
        size -= 4;
        if (len > size)
                len = size;
        wt_arena_reset(&one);
        wt_arena_reset(&two);
        wt_wire_call_id(data, len, &id);         /* also of what does not decode */
        if (wt_wire_decode(&e, data, len, &one) != WT_OK)
                return 0;
        check_frames(&e, data + len, size - len);
        same_again(&e);
        return 0;
}
