/* fuzz_audit_event.c - an audit event: whatever is accepted must be its own one encoding. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "audit/event.h"

static struct wt_arena arena;
static struct wt_buf again;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct wt_audit_event e;

        wt_arena_reset(&arena);
        if (wt_audit_decode(&e, data, size, &arena) != WT_OK)
                return 0;
        wt_buf_clear(&again);
        WT_ASSERT(wt_audit_encode(&e, &again) == WT_OK);
        WT_ASSERT(again.len == size && memcmp(again.data, data, size) == 0);
        return 0;
}
