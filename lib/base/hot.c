#include "base/hot.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/err.h"

static _Thread_local uint32_t depth;
static _Atomic uint64_t allocs;

void wt_hot_begin(void) { depth++; }

void wt_hot_end(void)
{
        WT_ASSERT(depth > 0);
        depth--;
}

bool wt_hot(void) { return depth > 0; }

#ifdef WITAN_DEBUG
static void hot_refused(const char *what)
{
        char text[256];

        depth = 0;                               /* the message must not come back here */
        snprintf(text, sizeof text, "bug: %s allocates on the hot path (law 5)\n", what);
        if (write(2, text, strlen(text)) < 0)
                abort();
        abort();
}
#endif

void wt_hot_note_alloc(const char *what)
{
        if (depth == 0)
                return;
        atomic_fetch_add_explicit(&allocs, 1, memory_order_relaxed);
#ifdef WITAN_DEBUG
        hot_refused(what);
#else
        (void)what;
#endif
}

uint64_t wt_hot_allocs(void) { return atomic_load_explicit(&allocs, memory_order_relaxed); }
