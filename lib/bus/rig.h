/* rig.h - for tests: a folder with keys and an allow-list, buses on any transport, and waiting
 * for a condition with a deadline. */
#ifndef WITAN_BUS_RIG_H
#define WITAN_BUS_RIG_H
#include "bus/bus_impl.h"

enum { RIG_NAMES = 8, RIG_DEADLINE_MS = 120000 };

struct rig_id { const char *name, *role; char public_key[41], secret_key[41]; };
struct rig {
        char dir[128], allow[160];
        struct rig_id id[RIG_NAMES];             /* 0: "router"; 1: "expert-0"; ... */
        uint32_t serial;                         /* so that each endpoint is used once */
        bool outside;                            /* of two bound endpoints, which to connect to */
};

void rig_init(struct rig *r);
void rig_fini(struct rig *r);
/* Writes the allow-list with the names of these numbers, 0 at the end. */
void rig_allow(struct rig *r, const uint32_t *which);
void rig_allow_all(struct rig *r);
/* A fresh endpoint of a scheme ("inproc", "tcp", "ipc", or "both" of the first two); the text is
 * the rig's until the next call. */
const char *rig_endpoint(struct rig *r, const char *scheme);

/* The one of two bound endpoints that peers use now, or the only one. */
const char *rig_part(const struct rig *r, const char *endpoint, char out[256]);

/* Fails the test when it cannot. hwm 0: the default. */
wt_bus *rig_bind(struct rig *r, const char *endpoint, uint32_t hwm);
wt_bus *rig_connect(struct rig *r, uint32_t who, const char *endpoint, uint32_t hwm);

/* Until the deadline; fails the test beyond it. */
wt_msg *rig_recv(wt_bus *b);
void rig_send(wt_bus *b, wt_msg *m);             /* tries again while unavailable or full */
wt_msg *rig_ping(wt_bus *b, uint32_t peer, uint64_t stamp);
uint64_t rig_stamp(const wt_msg *m);
/* Pings from a connected bus until the bound one has it: returns the number of the peer there. */
uint32_t rig_meet(wt_bus *bound, wt_bus *connected);

uint64_t rig_now_ms(void);
/* Evaluates cond, letting both buses turn, until it is true; fails the test at the deadline. */
#define RIG_UNTIL(b1, b2, cond)                                                                 \
        do {                                                                                    \
                uint64_t end_ = rig_now_ms() + RIG_DEADLINE_MS;                                 \
                while (!(cond)) {                                                               \
                        if (rig_now_ms() > end_)                                                \
                                fail_msg("%s: not within %d ms", #cond, RIG_DEADLINE_MS);       \
                        rig_turn(b1);                                                           \
                        rig_turn(b2);                                                           \
                }                                                                               \
        } while (0)
void rig_turn(wt_bus *b);                        /* drops what waits, sleeps up to 2 ms */
#endif
