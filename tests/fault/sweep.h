/* sweep.h - a piece of work is done again and again, and in the n-th time its n-th call of a kind
 * fails, until a run comes to its end before the fault. Each run is a process of its own: the work
 * with the fault, the same work once more without it, then a look at what is left of memory. */
#ifndef WITAN_SWEEP_H
#define WITAN_SWEEP_H
#include "base/err.h"
#include "fault.h"

struct sweep {
        const char *name;
        /* The work: opens everything, fault_begin, what may fail, fault_end, checks what came out
         * with CHECK, closes everything. Returns what the failing call returned. */
        wt_err (*work)(void *arg);
        void *arg;
        /* In the parent, after each process that the fault killed or failed: is what it left
         * behind sound? NULL: it left nothing. */
        void (*after)(void *arg);
        struct fault fault;                      /* n is the sweep's */
        const wt_err *codes;                     /* that the fault may lead to, up to WT_OK */
        bool ok;                                 /* the work may also do without: WT_OK is fine */
        uint32_t step;                           /* 0, 1: every n; more: every step-th, unless
                                                  * WITAN_FAULT_ALL is set */
        uint32_t from;                           /* the first n; 0: 1 */
};

/* An empty folder, emptied before each process; of the whole program. */
const char *sweep_dir(void);
/* 4 KiB that all processes of a sweep share, zeroed before each. */
void *sweep_shared(void);
/* A cmocka test; state points to a struct sweep. The work is done once here, too, without
 * a fault. */
void sweep(void **state);
/* A group of such tests; what cmocka returns: how many failed. */
int sweep_all(const struct sweep *rows, size_t n);

/* Fails a process of a sweep; not cmocka's asserts, which belong to the parent. */
#define CHECK(cond)                                                                               \
        do {                                                                                      \
                if (!(cond))                                                                      \
                        sweep_wrong(__FILE__, __LINE__, #cond);                                   \
        } while (0)
void sweep_wrong(const char *file, int line, const char *cond) __attribute__((noreturn));

extern const wt_err sweep_enomem[], sweep_disk[];        /* ENOMEM; EIO, EEXHAUSTED */
#endif
