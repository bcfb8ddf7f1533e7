#include "base/arena.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/err.h"
#include "base/hot.h"

enum { LINE = 64, DEFAULT_BLOCK = 64 * 1024 };

struct wt_arena_block {
        struct wt_arena_block *next;
        size_t bytes;                            /* of data */
        _Alignas(LINE) unsigned char data[];
};

static struct wt_arena_block *block_new(size_t bytes)   /* NULL: memory is gone */
{
        struct wt_arena_block *b;

        WT_ASSERT(bytes < SIZE_MAX / 2);
        wt_hot_note_alloc("arena block");
        bytes = (bytes + LINE - 1) & ~(size_t)(LINE - 1);
        b = aligned_alloc(LINE, sizeof *b + bytes);
        if (!b)
                return NULL;
        b->next = NULL;
        b->bytes = bytes;
        return b;
}

void wt_arena_init(struct wt_arena *a, size_t block_bytes)
{
        *a = (struct wt_arena){ .block_bytes = block_bytes };
        if (block_bytes && !(a->head = a->at = block_new(block_bytes)))
                wt_out_of_memory("an arena", block_bytes);
}

void wt_arena_fini(struct wt_arena *a)
{
        for (struct wt_arena_block *b = a->head, *next; b; b = next) {
                next = b->next;
                free(b);
        }
        *a = (struct wt_arena){ 0 };
}

void wt_arena_reset(struct wt_arena *a)
{
        a->at = a->head;
        a->used = 0;
}

size_t wt_arena_bytes(const struct wt_arena *a)
{
        size_t sum = 0;

        for (const struct wt_arena_block *b = a->head; b; b = b->next)
                sum += sizeof *b + b->bytes;
        return sum;
}

/* Makes a->at a block with bytes free from its start: the next one if it is large enough, else a
 * new one put before it, so that the same turn finds the same blocks again and takes no more.
 * False: memory is gone, and a is as it was. */
static bool block_next(struct wt_arena *a, size_t bytes)
{
        struct wt_arena_block *next = a->at ? a->at->next : a->head;

        if (!next || next->bytes < bytes) {
                size_t least = a->block_bytes ? a->block_bytes : DEFAULT_BLOCK;
                struct wt_arena_block *b = block_new(bytes > least ? bytes : least);

                if (!b)
                        return false;
                b->next = next;
                if (a->at)
                        a->at->next = b;
                else
                        a->head = b;
                next = b;
        }
        a->at = next;
        a->used = 0;
        return true;
}

void *wt_arena_try(struct wt_arena *a, size_t bytes)
{
        size_t align = bytes >= LINE ? LINE : 16;
        size_t from = (a->used + align - 1) & ~(align - 1);

        if (!a->at || from > a->at->bytes || bytes > a->at->bytes - from) {
                if (!block_next(a, bytes))
                        return NULL;
                from = 0;
        }
        a->used = from + bytes;
        return memset(a->at->data + from, 0, bytes);
}

void *wt_arena_take(struct wt_arena *a, size_t bytes)
{
        void *p = wt_arena_try(a, bytes);

        if (!p)
                wt_out_of_memory("an arena", bytes);
        return p;
}

char *wt_arena_str(struct wt_arena *a, const char *s, size_t len)
{
        char *out = wt_arena_take(a, len + 1);

        if (len)
                memcpy(out, s, len);
        return out;
}

char *wt_arena_fmt(struct wt_arena *a, const char *fmt, ...)
{
        va_list ap, again;
        char *out;
        int n;

        va_start(ap, fmt);
        va_copy(again, ap);
        n = vsnprintf(NULL, 0, fmt, ap);
        WT_ASSERT(n >= 0);
        out = wt_arena_take(a, (size_t)n + 1);
        vsnprintf(out, (size_t)n + 1, fmt, again);
        va_end(again);
        va_end(ap);
        return out;
}
