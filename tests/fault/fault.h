/* fault.h - makes the n-th call of the machine fail: memory, writing, syncing, sending.
 *
 * What fails is named here, what counts is between fault_begin and fault_end. Calls are caught by
 * names of our own in the program: the linker lets a program's own malloc, write, fsync and
 * zmq_msg_send take the place of a library's. Under a sanitizer malloc is the sanitizer's, and the
 * linker's --wrap catches the calls of our own objects alone. */
#ifndef WITAN_FAULT_H
#define WITAN_FAULT_H
#include <stdbool.h>
#include <stdint.h>

enum fault_kind {
        FAULT_NONE,
        FAULT_MEMORY,                            /* malloc and its kin */
        FAULT_WRITE,                             /* write, pwrite on a regular file */
        FAULT_SYNC,                              /* fsync, fdatasync */
        FAULT_SEND,                              /* zmq_msg_send, and making its message */
};
struct fault {
        enum fault_kind kind;
        uint32_t n;                              /* which call, from 1 on */
        int error;                               /* errno of it; 0: ENOMEM, EIO, EIO, EAGAIN */
        bool lasts;                              /* those after it fail as well */
        bool dies;                               /* FAULT_WRITE, FAULT_SYNC: the process is killed
                                                  * there; of a write one half is done */
        bool everywhere;                         /* calls of all threads count */
        bool ours;                               /* FAULT_MEMORY: calls of our own objects alone;
                                                  * libzmq aborts when memory is gone */
};

void fault_plan(const struct fault *f);          /* copied; not yet at work */
void fault_begin(void);                          /* on this thread, or all */
void fault_end(void);
uint32_t fault_seen(void);                       /* calls of the kind so far */
bool fault_fired(void);
/* Blocks taken and not given back by now; 0 under a sanitizer, which keeps its own books. */
int64_t fault_blocks(void);
/* Of one kind of call at a time: what ended the process in wt_out_of_memory. */
enum { FAULT_EXIT_GAVE_UP = 90 };
#endif
