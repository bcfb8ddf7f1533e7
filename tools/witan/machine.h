/* machine.h - what this machine has and what this process may use of it. */
#ifndef WITAN_TOOLS_MACHINE_H
#define WITAN_TOOLS_MACHINE_H
#include <stdbool.h>
#include <stdint.h>

struct machine {
        uint64_t memory, available;              /* MemTotal, MemAvailable; bytes */
        uint64_t limit, used;                    /* tightest of our control groups, and what
                                                  * is charged to it; UINT64_MAX: none */
        char limit_at[4200];                     /* the file that says so */
        double cpu_quota;                        /* cores that cpu.max grants; 0: no limit */
        char quota_at[4200];
        uint32_t cores;                          /* that we may use: affinity and quota */
        uint32_t online;
        char cpu[128];                           /* model name */
        char arch[32];
        bool avx2, fma, f16c;                    /* x86-64 only */
};

/* root: "" for this machine; tests give a folder with proc/ and sys/ in it. */
void machine_look(struct machine *m, const char *root);
uint64_t machine_room(const struct machine *m);  /* memory that processes here may ever have */
uint64_t machine_free(const struct machine *m);  /* of that, what is free now */
#endif
