/* field.h - real processes for tests: a state folder with keys, routers and workers started from a
 * build folder, readiness by /readyz with a deadline, and a bus client that speaks as a gateway.
 * Nothing here sleeps to wait: everything polls a condition. Failures of the field itself stop the
 * test. */
#ifndef WITAN_TESTS_FIELD_H
#define WITAN_TESTS_FIELD_H
#include <sys/types.h>
#include "base/buf.h"
#include "bus/keyring.h"

enum { FIELD_MAX = 24 };
struct field_process { pid_t pid; char name[32], metrics[64]; };
struct field {
        char dir[128];                           /* state folder, under TMPDIR */
        const char *build;                       /* folder with bin/ */
        const char *model;
        char bus[64];                            /* endpoint of the router */
        struct field_process p[FIELD_MAX]; uint32_t n;
};

/* build: NULL for $WITAN_BUILD. Makes keys for gateway-0..1 and expert-0..7. */
void field_open(struct field *f, const char *build, const char *model);
/* Stops what still runs (SIGTERM, then SIGKILL after 20 s) and removes the folder. A process that
 * does not end in peace fails the test. */
void field_close(struct field *f);
int field_port(void);                            /* free a moment ago on 127.0.0.1 */
/* Starts bin/witan-ROLE with the field's own flags and further ones ("--a=b", NULL at the end; the
 * last of a kind counts). Output: DIR/logs/NAME.log. Returns its number. */
uint32_t field_start(struct field *f, const char *build, const char *role, const char *name, ...);
void field_ready(struct field *f, uint32_t i);   /* waits for its /readyz, at most 60 s */
bool field_is_ready(struct field *f, uint32_t i, char words[256]);    /* one look, its words */
void field_kill(struct field *f, uint32_t i, int sig);   /* SIGKILL waits until it is gone */
int field_wait(struct field *f, uint32_t i);     /* waits for its end, at most 30 s; exit code */
/* The sum over all rows of a metric of process i (labels ignored); -1 when it has none. */
double field_metric(struct field *f, uint32_t i, const char *name);
/* Waits until it lies within [low, high], at most 30 s; its value. */
double field_until(struct field *f, uint32_t i, const char *name, double low, double high);
/* The last line of a process's log that holds word; "" if none. Static memory. */
const char *field_log(struct field *f, const char *name, const char *word);
const char *field_log_until(struct field *f, const char *name, const char *word);   /* 30 s */

/* A bus client. */
struct field_client { wt_bus *bus; struct wt_keyring ring; struct wt_welcome welcome; };
void client_open(struct field_client *c, struct field *f, const char *name);    /* until welcome */
void client_open_at(struct field_client *c, struct field *f, const char *name,
                    const char *endpoint);
void client_close(struct field_client *c);
/* The next message, or NULL after the deadline. */
wt_msg *client_next(struct field_client *c, uint64_t timeout_us);

/* A sequence as a client sees it. */
struct seq_want {
        int32_t prompt[1024]; uint32_t n_prompt;
        int32_t made[1024]; uint32_t n_made;     /* what is known already; grows */
        uint32_t max_tokens; float temperature, top_p; uint32_t top_k; uint64_t seed;
        uint8_t id[16]; uint32_t attempt;
        uint32_t finish, status; char message[256];
        uint8_t digest[32]; bool has_digest;
};
void seq_submit(struct field_client *c, struct seq_want *s);
void seq_cancel(struct field_client *c, const struct seq_want *s);
/* Takes events until all n sequences are over, or the deadline: returns how many are over. */
uint32_t seq_collect(struct field_client *c, struct seq_want *s, uint32_t n, uint64_t timeout_us);
/* 40 mixed sequences, the same everywhere: prompts of 1 to 300 ids, answers of 1 to 48, greedy and
 * not. */
enum { MIXED = 40 };
void seq_mixed(struct seq_want s[MIXED], uint32_t vocab);
/* SHA-256 over the digests in order, as hex. */
void seq_hash(const struct seq_want *s, uint32_t n, char hex[65]);
/* Same tokens and same bits of every row of logits, or the test fails. */
void seq_same(const struct seq_want *a, const struct seq_want *b);

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
