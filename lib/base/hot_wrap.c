/* hot_wrap.c - debug builds: the malloc family as our objects call it (ld --wrap), see hot.h. */
#include <stddef.h>
#include "base/hot.h"

#ifdef WITAN_DEBUG
/* Weak: a program linked without --wrap has no __real_ names, and nothing that calls __wrap_
 * ones. */
#define REAL __attribute__((weak))
REAL void *__real_malloc(size_t n);
REAL void *__real_calloc(size_t n, size_t each);
REAL void *__real_realloc(void *p, size_t n);
REAL void *__real_aligned_alloc(size_t align, size_t n);
REAL int __real_posix_memalign(void **out, size_t align, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t each);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);
int __wrap_posix_memalign(void **out, size_t align, size_t n);

void *__wrap_malloc(size_t n)
{
        wt_hot_note_alloc("malloc");
        return __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t each)
{
        wt_hot_note_alloc("calloc");
        return __real_calloc(n, each);
}

void *__wrap_realloc(void *p, size_t n)
{
        wt_hot_note_alloc("realloc");
        return __real_realloc(p, n);
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
        wt_hot_note_alloc("aligned_alloc");
        return __real_aligned_alloc(align, n);
}

int __wrap_posix_memalign(void **out, size_t align, size_t n)
{
        wt_hot_note_alloc("posix_memalign");
        return __real_posix_memalign(out, align, n);
}
#endif
