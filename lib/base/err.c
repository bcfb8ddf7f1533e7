#include "base/err.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORDS = 1024 };
static _Thread_local char words[WORDS];

wt_err wt_failv(wt_err e, const char *fmt, va_list ap)
{
        char next[WORDS];                        /* an argument may be wt_words() itself */

        vsnprintf(next, sizeof next, fmt, ap);
        memcpy(words, next, sizeof words);
        return e;
}

wt_err wt_fail(wt_err e, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        wt_failv(e, fmt, ap);
        va_end(ap);
        return e;
}

wt_err wt_fail_in(wt_err e, const char *fmt, ...)
{
        char next[WORDS];
        va_list ap;
        size_t n;

        va_start(ap, fmt);
        vsnprintf(next, sizeof next, fmt, ap);
        va_end(ap);
        n = strlen(next);
        snprintf(next + n, sizeof next - n, ": %.*s", (int)(sizeof next - n), words);
        memcpy(words, next, sizeof words);
        return e;
}

const char *wt_words(void) { return words; }

static const struct { wt_err code; const char *name, *grpc; } codes[] = {
        { WT_OK, "ok", "OK" },
        { WT_ECANCELLED, "cancelled", "CANCELLED" },
        { WT_EUNKNOWN, "unknown", "UNKNOWN" },
        { WT_EINVAL, "invalid argument", "INVALID_ARGUMENT" },
        { WT_EDEADLINE, "deadline exceeded", "DEADLINE_EXCEEDED" },
        { WT_ENOTFOUND, "not found", "NOT_FOUND" },
        { WT_EEXIST, "already exists", "ALREADY_EXISTS" },
        { WT_EPERM, "permission denied", "PERMISSION_DENIED" },
        { WT_EEXHAUSTED, "resource exhausted", "RESOURCE_EXHAUSTED" },
        { WT_EPRECONDITION, "failed precondition", "FAILED_PRECONDITION" },
        { WT_EABORTED, "aborted", "ABORTED" },
        { WT_ERANGE, "out of range", "OUT_OF_RANGE" },
        { WT_EUNSUPPORTED, "unsupported", "UNIMPLEMENTED" },
        { WT_EINTERNAL, "internal", "INTERNAL" },
        { WT_EUNAVAILABLE, "unavailable", "UNAVAILABLE" },
        { WT_EDATA, "data loss", "DATA_LOSS" },
        { WT_EUNAUTH, "unauthenticated", "UNAUTHENTICATED" },
        { WT_EAGAIN, "try again", "INTERNAL" },
        { WT_EIO, "input/output error", "INTERNAL" },
        { WT_ENOMEM, "out of memory", "RESOURCE_EXHAUSTED" },
};
enum { N_CODES = sizeof codes / sizeof *codes };

const char *wt_code_name(wt_err e)
{
        for (size_t i = 0; i < N_CODES; i++)
                if (codes[i].code == e)
                        return codes[i].name;
        return "unknown";
}

const char *wt_code_grpc(wt_err e)
{
        for (size_t i = 0; i < N_CODES; i++)
                if (codes[i].code == e)
                        return codes[i].grpc;
        return "UNKNOWN";
}

wt_err wt_code_outside(wt_err e)
{
        switch (e) {
        case WT_ENOMEM: return WT_EEXHAUSTED;
        case WT_EIO: case WT_EAGAIN: return WT_EINTERNAL;
        default: return e;
        }
}

void wt_assert_failed(const char *cond, const char *file, int line)
{
        char text[512];
        int n = snprintf(text, sizeof text, "%s:%d: bug: (%s) does not hold\n", file, line, cond);

        if (n > 0 && write(2, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1) < 0)
                abort();                         /* nowhere to say it; the abort says enough */
        abort();
}

void wt_out_of_memory(const char *what, size_t bytes)
{
        char text[256];
        int n = snprintf(text, sizeof text,
                         "out of memory: no %zu bytes for %.100s; give the process more memory, or "
                         "less to do (--max-seqs, --kv-bytes)\n", bytes, what);

        if (n > 0 && write(2, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1) < 0)
                abort();
        abort();
}
