/* erase_impl.h - what erase.c and erase_retain.c share. */
#ifndef WITAN_AUDIT_ERASE_IMPL_H
#define WITAN_AUDIT_ERASE_IMPL_H
#include "audit/erase.h"
#include "audit/query.h"

/* The note about what was done, in the caller's transaction. */
wt_err erase_note(const struct wt_eraser *e, struct wt_audit_event *note, uint64_t *leaf);
int erase_on_int(void *arg, const struct wt_value *column, uint32_t n);
#endif
