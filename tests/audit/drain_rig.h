/* drain_rig.h - a spool, a drain and a real store for the drain's tests: a folder and a database for
 * each test, SQLite's or one of a PostgreSQL that the test started. */
#ifndef WITAN_TESTS_DRAIN_RIG_H
#define WITAN_TESTS_DRAIN_RIG_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "../store/postgres.h"
#include "audit/drain.h"

#define GOOD(call)                                                                              \
        do {                                                                                    \
                if ((call) != WT_OK)                                                            \
                        fail_msg("%s: %s", #call, wt_words());                                  \
        } while (0)

/* What the drain told: ends and their tokens (in_store: kept in the table "told", as far as they
 * committed), and the last trouble in words. */
struct heard { bool in_store; uint32_t ends, said; uint64_t tokens; char last[300]; };

extern struct pg pg;                             /* started by the test's main */
extern bool on_pg;                               /* this test's store is PostgreSQL */
extern char folder[64], url[300];                /* of this test; url: its store */
extern struct heard heard;
extern uint64_t clock_ahead_us;                  /* of whoever writes records */

int begin(void **state);                         /* *state: const bool, whether on PostgreSQL */
int end(void **state);                           /* removes the folder */
/* Opened; the test closes and stops them. name: a folder below the test's. */
wt_spool *spool(const char *name);
wt_drain *drain(wt_spool *s, const char *gateway);
/* One record of request n (kind: enum of audit/event.h). */
void put(wt_spool *s, uint32_t kind, uint32_t n, const char *gateway, const char *tenant,
         uint64_t tokens);
int64_t ask(const char *sql);                    /* one number out of the store; no row: 0 */
void wait_drained(wt_drain *d, wt_spool *s);     /* all that was appended; fails after two minutes */
/* Leaves are 0 to rows - 1, each once, in the order of the spool. */
void leaves_are_whole(int64_t rows);
#endif
