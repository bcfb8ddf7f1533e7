/* conform.h - does a compute plugin give the bits of its profile? Written against the ABI alone, so
 * that any plugin can be asked: every stage of every kind of layer is compared by memcmp with the
 * plain loops of conform_ref.c, under many batches, chunk lengths, page tables, partitions of
 * experts and numbers of threads; and a reference with one rule broken must differ. */
#ifndef WITAN_CONFORM_H
#define WITAN_CONFORM_H
#include <stdbool.h>
#include "base/err.h"
#include "conform_ref.h"

struct wt_conform {
        /* One finding: what was asked (lent), whether it held, and if not, where it broke. */
        void (*note)(void *arg, const char *what, bool ok, const char *words);
        void *arg;
        uint32_t most_threads;                   /* 1 to this many; 0: 4 */
        bool quick;                              /* fewer threads and chunks, all layer kinds */
};

/* Number of findings that did not hold. p is checked only as far as needed here. */
uint32_t wt_conform_compute(const struct wt_plugin *p, const struct wt_conform *c);

/* The profile's golden hash: SHA-256 over what the reference says of the conformance layers, with
 * one rule broken or none. The same for every compiler and processor. */
void wt_conform_golden(enum cf_mutation mutation, uint8_t out[32]);
#endif
