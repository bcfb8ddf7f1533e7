/* allowance.h - how many compute threads may run on this host at one time, counted by all processes
 * that map one file: a thread of a pool holds a core of the allowance while it works, and while it
 * spins for more. A core is a word in the file that names its holder, so what a process held when
 * it was killed, or stopped, is found and taken from it. */
#ifndef WITAN_BASE_ALLOWANCE_H
#define WITAN_BASE_ALLOWANCE_H
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

enum { WT_ALLOWANCE_MOST = 1024 };               /* cores, and holders */
typedef struct wt_allowance wt_allowance;        /* one holder: a pool */

/* Writes a new file of n cores (1 .. WT_ALLOWANCE_MOST), nobody's, in the place of an old one.
 * WT_EINVAL, WT_EIO. */
wt_err wt_allowance_make(const char *path, uint32_t n);
/* Becomes a holder. WT_ENOTFOUND and WT_EDATA name the file; WT_EEXHAUSTED: as many holders live
 * as there can be. */
wt_err wt_allowance_open(wt_allowance **out, const char *path);
void wt_allowance_close(wt_allowance *a);        /* gives back what it holds; NULL is fine */

/* All of these from any thread of the holder. */
/* 0 to most cores, at once; none while somebody waits for one. */
uint32_t wt_allowance_take(wt_allowance *a, uint32_t most);
/* One core; sleeps until one is free. False after 10 s in which nobody gave one: work goes on
 * without rather than not at all. */
bool wt_allowance_wait(wt_allowance *a);
void wt_allowance_give(wt_allowance *a, uint32_t n);
bool wt_allowance_wanted(const wt_allowance *a); /* somebody waits: give what can be spared */
uint32_t wt_allowance_cores(const wt_allowance *a);
uint32_t wt_allowance_held(const wt_allowance *a);       /* by all holders now */
#endif
