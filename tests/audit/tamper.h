/* tamper.h - changes to the log behind its back: fifteen kinds, each drawn at random on a fresh
 * copy of one database, and what a verifier must say. */
#ifndef WITAN_TESTS_AUDIT_TAMPER_H
#define WITAN_TESTS_AUDIT_TAMPER_H
#include "audit/verify.h"
#include "rig.h"

enum { N_TAMPERS = 15 };
struct tamper_want { enum wt_wrong wrong, or; uint64_t leaf; };
struct tamper { const char *name; struct tamper_want (*change)(void); };
extern const struct tamper tampers[N_TAMPERS];
/* The log, and its copy: the same keys, another file. */
extern struct rig tampered, tampered_copy;

void tamper_open(void);
void tamper_close(void);
/* A fresh copy, changed once. */
struct tamper_want tamper_once(uint32_t kind);
bool tamper_found(const struct wt_finding *f, const struct tamper_want *w);
#endif
