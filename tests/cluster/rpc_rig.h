/* rpc_rig.h - a whole cluster with an RPC door on a socket of its own, its client file, calls that
 * are counted, and what its processes say. Whatever fails here stops the test. */
#ifndef WITAN_TESTS_RPC_RIG_H
#define WITAN_TESTS_RPC_RIG_H
#include <poll.h>
#include <stdbool.h>
#include "base/buf.h"
#include "witan/client.h"

enum { SECOND = 1000000, DEADLINE = 120 * SECOND };
extern char file[200];                           /* the client file of most tests */

int rpc_start(void **st);                        /* cmocka's group set-up and tear-down */
int rpc_stop(void **st);
uint64_t now(void);                              /* us */
witan_client *open_file(const char *path);
void fine(witan_client *c, int status);          /* is WITAN_OK */

/* A text of witan.json about the last process of a role, and its pid. */
void process_of(const char *role, const char *name, char *out, size_t bytes, uint64_t *pid);
double metric(const char *role, const char *name);       /* -1: it has none */
void until(const char *role, const char *name, double low, double high);

/* A call that is counted. */
struct one {
        witan_client *c;
        int messages, status;
        bool over;
        struct wt_buf bytes;                     /* of all messages */
        char words[512];                         /* of its end */
};

/* The protobuf of a request that is given as JSON, appended to out. */
void request_of(const char *path, const char *json, struct wt_buf *out);
uint64_t begin(struct one *o, witan_client *c, const char *path, const void *body, size_t len,
               const struct witan_options *options);

/* Turns until cond. */
#define TURN_UNTIL(c, cond)                                                                     \
        do {                                                                                    \
                uint64_t end_ = now() + DEADLINE;                                               \
                while (witan_turn(c), !(cond)) {                                                \
                        struct pollfd p_ = { .fd = witan_fd(c), .events = POLLIN };             \
                        int ms_ = witan_wait_ms(c);                                             \
                        if (now() > end_)                                                       \
                                fail_msg("%s: not in time", #cond);                             \
                        poll(&p_, 1, ms_ < 0 || ms_ > 100 ? 100 : ms_);                         \
                }                                                                               \
        } while (0)
#endif
