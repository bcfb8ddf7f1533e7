/* played.h - a router that is played by hand for a gateway, and clients of that gateway: one thread
 * does both, and waits for conditions with a deadline. Failures stop the test. */
#ifndef WITAN_TESTS_PLAYED_H
#define WITAN_TESTS_PLAYED_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "field.h"

enum { SECOND = 1000 * 1000, DEADLINE = 120 * SECOND, N_PROMPT = 3, MOST = 64 };

/* ---- the router's part ---- */

struct submitted { uint8_t request[16]; uint32_t attempt, n_made; int32_t made[MOST]; };
struct played { struct submitted sub[MOST]; uint32_t n_subs, n_cancels, peer; bool met; };

extern struct field f;
extern wt_bus *bus;                              /* the router's; opened by the test */
extern struct played router;                     /* what it was sent */
extern char address[64], key[80];                /* the gateway's; a user's, or "none" */

void play(void);                                 /* takes what has come, and says welcome */
/* An event about a submit; ids of positions from `at` of the answer on. */
void say(const struct submitted *s, uint32_t at, const int32_t *ids, uint32_t n,
         enum wt_finish finish, wt_err status);

/* ---- the clients' ---- */

struct client { int fd; struct wt_buf got; bool ended; };

void dial(struct client *c);
void look(struct client *c);                     /* takes what has come, without waiting */
void put(struct client *c, const char *data, size_t len);
void post(struct client *c, const char *path, const char *body);         /* dials, too */
void hang_up(struct client *c);

/* Everybody has his turn until the condition holds. */
#define UNTIL(c, condition)                                                                    \
        do {                                                                                   \
                uint64_t end_ = wt_now_us(&wt_clock_real) + DEADLINE;                          \
                while (play(), look(c), !(condition)) {                                        \
                        if (wt_now_us(&wt_clock_real) > end_)                                  \
                                fail_msg("never: %s; %s", #condition,                          \
                                         (c)->got.len > 0 ? (c)->got.data : "");               \
                        wt_bus_wait(bus, (c)->ended ? -1 : (c)->fd, 20000);                    \
                }                                                                              \
        } while (0)
#endif
