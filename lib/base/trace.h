/* trace.h - where time goes: spans of the host's clock, kept per thread while the process runs and
 * written at its end as Chrome's trace JSON, which Perfetto opens. Off unless opened: then a begin
 * and an end are one test of a flag each. Times are CLOCK_MONOTONIC, so traces of processes on one
 * host share their time axis. */
#ifndef WITAN_BASE_TRACE_H
#define WITAN_BASE_TRACE_H
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

extern bool wt_trace_on;                         /* written by open and close alone */

/* Records from here on. path: the file to write, or a folder that exists: then PROCESS.trace.json
 * in it. Before threads whose spans are wanted do any work. WT_EEXIST: it is open already. */
wt_err wt_trace_open(const char *path, const char *process);
/* Writes the file and forgets all spans. Nothing to do when it is not open. No thread may be
 * between a begin and an end. */
wt_err wt_trace_close(void);

uint64_t wt_trace_now(void);                     /* ns */
void wt_trace_put(const char *kind, const char *name, uint64_t since_ns, uint64_t rows);

/* uint64_t t = wt_trace_begin(); ...; wt_trace_end(t, "stage", "attend", n_rows);
 * kind and name are constants that live as long as the program. */
static inline uint64_t wt_trace_begin(void)
{
        return __builtin_expect(wt_trace_on, 0) ? wt_trace_now() : 0;
}
static inline void wt_trace_end(uint64_t t, const char *kind, const char *name, uint64_t rows)
{
        if (__builtin_expect(t != 0, 0))
                wt_trace_put(kind, name, t, rows);
}

/* Totals so far by (kind, name), the largest first. */
struct wt_trace_total { const char *kind, *name; uint64_t count, ns; };
uint32_t wt_trace_totals(struct wt_trace_total *out, uint32_t most);
#endif
