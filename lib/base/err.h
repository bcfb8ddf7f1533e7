/* err.h - run-time faults: a code, and words found once where the fault was seen.
 * The codes are enum wt_code of the plugin ABI (gRPC's numbers). A function that fails words the
 * failure with wt_fail and returns its value; callers pass it up bare; whoever handles it logs or
 * answers once. Out-parameters are written only on success. */
#ifndef WITAN_BASE_ERR_H
#define WITAN_BASE_ERR_H
#include <stdarg.h>
#include <stddef.h>
#include "witan/plugin.h"

typedef int wt_err;                              /* enum wt_code */

/* Words the failure for the calling thread (truncated at 1,023 bytes) and returns e.
 * Say what, where, and what to do: "port 8080 is in use; stop what holds it or pass --http". */
wt_err wt_fail(wt_err e, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));
wt_err wt_failv(wt_err e, const char *fmt, va_list ap);
/* Puts words before the last failure's: wt_fail_in(e, "layer %u", l) -> "layer 3: ...". */
wt_err wt_fail_in(wt_err e, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));
/* The calling thread's last words; lent until its next wt_fail. Never NULL. */
const char *wt_words(void);
/* Lower-case name of a code ("invalid argument"), and gRPC's name ("INVALID_ARGUMENT"). */
const char *wt_code_name(wt_err e);
const char *wt_code_grpc(wt_err e);
/* Code as it may leave the process: ENOMEM -> EEXHAUSTED, EIO and EAGAIN -> EINTERNAL. */
wt_err wt_code_outside(wt_err e);

/* A bug in our own code: prints file, line and condition, then aborts. Stays on in release. */
#define WT_ASSERT(c) ((c) ? (void)0 : wt_assert_failed(#c, __FILE__, __LINE__))
void wt_assert_failed(const char *cond, const char *file, int line) __attribute__((noreturn, cold));
/* Memory is gone for something small that no caller could go on without (what is large, or as
 * large as somebody else says, is asked for by functions that return WT_ENOMEM): says so on
 * standard error and aborts. What was acknowledged is on disk, and a supervisor starts the process
 * again. */
void wt_out_of_memory(const char *what, size_t bytes) __attribute__((noreturn, cold));
#endif
