/* bus_impl.h - what the files of this folder share: the bus behind its opaque type, and its memory.
 * Messages and frames come from free lists of the bus that made them and go back there from any
 * thread: libzmq's I/O thread gives frames back, an in-process peer gives whole messages back. */
#ifndef WITAN_BUS_BUS_IMPL_H
#define WITAN_BUS_BUS_IMPL_H
#include <pthread.h>
#include <stdatomic.h>
#include "bus/bus.h"

enum { BUS_N_CLASSES = 23, BUS_DEFAULT_HWM = 10000, BUS_NAME_BYTES = 64, BUS_ROLE_BYTES = 16 };

struct bus_block;                                /* a frame's memory with its header */

struct wt_bus {
        const struct wt_bus_ops *ops;
        void *impl;
        bool faults;                             /* as wt_bus_conf says */
        atomic_ullong sent, received, bytes_sent, bytes_received;
        atomic_ullong refused_keys, dropped_malformed, dropped_too_long, dropped_identity;

        pthread_mutex_t lock;                    /* guards what follows */
        wt_msg *free_msgs;
        struct bus_block *free_blocks[BUS_N_CLASSES];
        size_t kept_bytes;                       /* in free_blocks */
        uint64_t n_msgs, n_blocks;               /* made and not freed: no growth when warm */
        uint64_t n_out;                          /* of them, not in a free list */
        bool closed;                             /* the last to come home frees the bus */
};

static inline void bus_count(atomic_ullong *counter, uint64_t n)
{
        atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* m, empty but for its memory, becomes the fault of a call, in these words (the arena has
 * its own copy). */
void bus_msg_fault(wt_msg *m, wt_err fault, uint64_t call_id, const char *words);

wt_bus *bus_new(void);                           /* NULL: memory is gone */
void bus_leave(wt_bus *b);                       /* by wt_bus_close, once the transport is gone */

/* The transport of tcp:// and ipc://: &wt_bus_zmq, or NULL in a build with libc alone. */
const struct wt_bus_ops *bus_remote(void);

/* Memory for a frame, 64-aligned, not zeroed, held once. */
void *bus_frame_take(wt_bus *b, size_t bytes);
void *bus_frame_try(wt_bus *b, size_t bytes);    /* as large as a peer says; NULL: memory is gone */
void bus_frame_hold(void *data);
void bus_frame_drop(void *data);                 /* any thread */
/* After decoding a large envelope: its arena is given up when the message is freed. */
void bus_msg_is_large(wt_msg *m);
#endif
