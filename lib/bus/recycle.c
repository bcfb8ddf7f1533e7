/* recycle.c - messages and frames of a bus: made when the free lists are empty, kept when they come
 * back. Frames are in size classes, powers of two from 64 bytes to WT_MAX_FRAME. */
#include <stdlib.h>
#include <string.h>
#include "base/hot.h"
#include "bus/bus_impl.h"

enum { LEAST_SHIFT = 6, ARENA_BYTES = 8 << 10 };
static const size_t keep_bytes = (size_t)256 << 20;      /* free frames beyond this are unmapped */

struct bus_block {
        wt_bus *home;
        struct bus_block *next;
        uint32_t class;
        atomic_uint refs;                        /* the message's, and libzmq's while it sends */
        _Alignas(64) unsigned char data[];
};

struct box { wt_msg m; bool large; };            /* every wt_msg lies in one */

static struct bus_block *block_of(void *data)
{
        return (struct bus_block *)((unsigned char *)data - offsetof(struct bus_block, data));
}

static uint32_t class_of(size_t bytes)
{
        uint32_t c = 0;

        while (((size_t)1 << LEAST_SHIFT) << c < bytes)
                c++;
        WT_ASSERT(c < BUS_N_CLASSES);            /* callers compare with WT_MAX_FRAME before */
        return c;
}

static size_t bytes_of(uint32_t class) { return ((size_t)1 << LEAST_SHIFT) << class; }

wt_bus *bus_new(void)
{
        wt_bus *b = calloc(1, sizeof *b);

        if (!b)
                return NULL;
        pthread_mutex_init(&b->lock, NULL);
        return b;
}

static void bus_destroy(wt_bus *b)
{
        struct bus_block *k;
        wt_msg *m;

        while ((m = b->free_msgs) != NULL) {
                b->free_msgs = m->next;
                wt_arena_fini(&m->arena);
                free(m);
        }
        for (int c = 0; c < BUS_N_CLASSES; c++)
                while ((k = b->free_blocks[c]) != NULL) {
                        b->free_blocks[c] = k->next;
                        free(k);
                }
        pthread_mutex_destroy(&b->lock);
        free(b);
}

/* n things came home; unlocks. */
static void came_home(wt_bus *b, uint64_t n)
{
        bool last = (b->n_out -= n) == 0 && b->closed;

        pthread_mutex_unlock(&b->lock);
        if (last)
                bus_destroy(b);
}

void bus_leave(wt_bus *b)
{
        pthread_mutex_lock(&b->lock);
        b->closed = true;
        came_home(b, 0);
}

void *bus_frame_try(wt_bus *b, size_t bytes)
{
        uint32_t class = class_of(bytes);
        struct bus_block *k;

        pthread_mutex_lock(&b->lock);
        b->n_out++;
        if ((k = b->free_blocks[class]) != NULL) {
                b->free_blocks[class] = k->next;
                b->kept_bytes -= bytes_of(class);
        } else {
                b->n_blocks++;
        }
        pthread_mutex_unlock(&b->lock);
        if (!k) {
                wt_hot_note_alloc("a frame of the bus");
                k = aligned_alloc(64, sizeof *k + bytes_of(class));
                if (!k) {
                        pthread_mutex_lock(&b->lock);
                        b->n_blocks--;
                        came_home(b, 1);
                        return NULL;
                }
                k->home = b;
                k->class = class;
        }
        atomic_init(&k->refs, 1);
        return k->data;
}

void *bus_frame_take(wt_bus *b, size_t bytes)
{
        void *data = bus_frame_try(b, bytes);

        if (!data)
                wt_out_of_memory("a frame of the bus", bytes + 1);
        return data;
}

void bus_frame_hold(void *data)
{
        atomic_fetch_add_explicit(&block_of(data)->refs, 1, memory_order_relaxed);
}

void bus_frame_drop(void *data)
{
        struct bus_block *k = block_of(data);
        wt_bus *b = k->home;
        uint32_t held = atomic_fetch_sub_explicit(&k->refs, 1, memory_order_acq_rel);
        bool keep;

        WT_ASSERT(held != 0);                    /* given back twice */
        if (held != 1)
                return;
        pthread_mutex_lock(&b->lock);
        keep = !b->closed && b->kept_bytes + bytes_of(k->class) <= keep_bytes;
        if (keep) {
                k->next = b->free_blocks[k->class];
                b->free_blocks[k->class] = k;
                b->kept_bytes += bytes_of(k->class);
        } else {
                b->n_blocks--;
                free(k);
        }
        came_home(b, 1);
}

wt_msg *wt_msg_new(wt_bus *b)
{
        wt_msg *m;

        pthread_mutex_lock(&b->lock);
        b->n_out++;
        if ((m = b->free_msgs) != NULL)
                b->free_msgs = m->next;
        else
                b->n_msgs++;
        pthread_mutex_unlock(&b->lock);
        if (!m) {
                wt_hot_note_alloc("a message of the bus");
                m = calloc(1, sizeof(struct box));
                if (!m)
                        wt_out_of_memory("a message of the bus", sizeof(struct box));
                m->home = b;
                wt_arena_init(&m->arena, ARENA_BYTES);
        }
        memset(&m->env, 0, sizeof m->env);
        m->env.version = WT_WIRE_VERSION;
        m->peer = 0;
        m->fault = WT_OK;
        m->next = NULL;
        return m;
}

void bus_msg_fault(wt_msg *m, wt_err fault, uint64_t call_id, const char *words)
{
        memset(&m->env, 0, sizeof m->env);
        m->fault = fault;
        m->env.call_id = call_id;
        m->env.message = WT_STR(wt_arena_str(&m->arena, words, strlen(words)));
}

void bus_msg_is_large(wt_msg *m) { ((struct box *)m)->large = true; }

void wt_msg_free(wt_msg *m)
{
        wt_bus *b;

        if (!m)
                return;
        b = m->home;
        for (uint32_t i = 0; i < m->env.n_tensors; i++)
                if (m->frame[i].data)
                        bus_frame_drop(m->frame[i].data);
        memset(m->frame, 0, sizeof m->frame);
        m->env.n_tensors = 0;
        if (((struct box *)m)->large) {
                wt_arena_fini(&m->arena);
                wt_arena_init(&m->arena, ARENA_BYTES);
                ((struct box *)m)->large = false;
        }
        wt_arena_reset(&m->arena);
        pthread_mutex_lock(&b->lock);
        m->next = b->free_msgs;
        b->free_msgs = m;
        came_home(b, 1);
}

void *wt_msg_tensor(wt_msg *m, uint32_t dtype, uint32_t n_dim, const uint32_t *shape)
{
        uint32_t i = m->env.n_tensors;
        struct wt_tensor *t = &m->env.tensors[i];
        size_t bytes;

        WT_ASSERT(i < WT_MAX_TENSORS && n_dim <= 3);
        *t = (struct wt_tensor){ .dtype = dtype, .n_dim = n_dim };
        memcpy(t->shape, shape, n_dim * sizeof *shape);
        WT_ASSERT(wt_tensor_bytes(t, &bytes) && bytes <= WT_MAX_FRAME);
        m->frame[i].data = bus_frame_take(m->home, bytes);
        m->frame[i].len = bytes;
        m->env.n_tensors++;
        return m->frame[i].data;
}
