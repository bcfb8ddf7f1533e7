/* field.h - real processes for tests: a state folder with keys, routers and workers started from a
 * build folder, readiness by /readyz with a deadline, and a bus client that speaks as a gateway.
 * Nothing here sleeps to wait: everything polls a condition. Failures of the field itself stop the
 * test. */
#ifndef WITAN_TESTS_FIELD_H
#define WITAN_TESTS_FIELD_H
#include <sys/types.h>
#include "base/buf.h"
#include "seqs.h"

enum { FIELD_MAX = 24 };
struct field_process { pid_t pid; char name[32], metrics[64]; };
struct field {
        char dir[128];                           /* state folder, under TMPDIR */
        const char *build;                       /* folder with bin/ */
        const char *model;
        char bus[64];                            /* endpoint of the router */
        struct field_process p[FIELD_MAX]; uint32_t n;
};

/* build: NULL for $WITAN_BUILD. Makes keys for gateway-0..1, expert-0..7,
 * control-0 and planner-0. */
void field_open(struct field *f, const char *build, const char *model);
/* Stops what still runs (SIGTERM, then SIGKILL after 120 s) and removes the folder. A process that
 * does not end in peace fails the test. */
void field_close(struct field *f);
int field_port(void);                            /* a free one on 127.0.0.1, kept for its user */
/* Starts bin/witan-ROLE with the field's own flags and further ones ("--a=b", NULL at the end; the
 * last of a kind counts). Output: DIR/logs/NAME.log. Returns its number. */
uint32_t field_start(struct field *f, const char *build, const char *role, const char *name, ...);
void field_ready(struct field *f, uint32_t i);   /* waits for its /readyz, at most 120 s */
bool field_is_ready(struct field *f, uint32_t i, char words[256]);    /* one look, its words */
void field_kill(struct field *f, uint32_t i, int sig);   /* SIGKILL waits until it is gone */
int field_wait(struct field *f, uint32_t i);     /* waits for its end, at most 120 s; exit code */
/* The sum over all rows of a metric of process i (labels ignored); -1 when it has none. */
double field_metric(struct field *f, uint32_t i, const char *name);
/* Waits until it lies within [low, high], at most 120 s; its value. */
double field_until(struct field *f, uint32_t i, const char *name, double low, double high);
/* The last line of a process's log that holds word; "" if none. Static memory. */
const char *field_log(struct field *f, const char *name, const char *word);
const char *field_log_until(struct field *f, const char *name, const char *word);   /* 120 s */

void client_open(struct field_client *c, struct field *f, const char *name);    /* until welcome */
void client_open_at(struct field_client *c, struct field *f, const char *name,
                    const char *endpoint);

/* A streamed completion as an HTTP client sees it. */
enum { ANSWER_MAX = 8 };
struct answer {
        struct wt_buf text[ANSWER_MAX];          /* by choice */
        char finish[ANSWER_MAX][16], error[256];
        uint32_t chunks; bool done;              /* done: [DONE] came */
        bool (*each)(void *arg, struct answer *a);               /* after a chunk; false: hang up */
        void *arg;
        struct wt_buf rest;                      /* of a line that is not whole yet */
};
/* POST /v1/completions at HOST:PORT; the body asks for a stream. HTTP status, 0: broken off. */
int answer_stream(const char *address, const char *body, struct answer *a);
void answer_free(struct answer *a);
#endif
