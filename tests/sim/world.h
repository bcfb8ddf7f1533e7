/* world.h - a cluster in one thread, for tests: a router, workers and a gateway on the
 * in-process bus, turned by hand under a clock that stands still unless it is moved. */
#ifndef WITAN_SIM_WORLD_H
#define WITAN_SIM_WORLD_H
#include "expert/expert.h"
#include "router/router.h"

enum { WORLD_WORKERS = 8, WORLD_IDS = 1024, WORLD_ANSWERS = 64 };

/* What a test wants of a cluster; zeros are defaults. */
struct world_conf {
        const char *shard[WORLD_WORKERS];        /* up to the first NULL; none: two of "*" */
        uint32_t step_rows, chunk, max_seqs, max_waiting, max_context, credit_rows;
        uint64_t kv_bytes, outbox_bytes;
        const char *place;
        const struct wt_bus_ops *transport;      /* of the router; NULL: inproc as it is */
        const char *model;                       /* folder; NULL: models/tiny */
};
struct ask {                                     /* a submit */
        uint32_t n;                              /* number of the request */
        const int32_t *prompt; uint32_t n_prompt;
        const int32_t *made; uint32_t n_made;
        uint32_t max_tokens, attempt, choice, top_k, n_top, valid_vocab;
        float temperature, top_p;                /* top_p 0: 1 */
        uint64_t seed, deadline_us;
        bool ignore_eos, logprobs, prompt_logprobs;
        uint32_t eos;                            /* 0: none */
};
struct answer {
        int32_t ids[WORLD_IDS]; uint32_t n_ids;
        double logprobs[WORLD_IDS]; int32_t top[WORLD_IDS];
        double prompt_logprobs[WORLD_IDS]; uint32_t n_prompt_logprobs;
        uint32_t finish, status, events;
        uint32_t refused;                        /* status of the last event that was not OK */
        char message[512];
        uint8_t digest[32]; bool has_digest;
};
struct world {
        struct world_conf conf;
        wt_model *model;
        struct router *router;
        wt_bus *router_bus, *gateway_bus, *worker_bus[WORLD_WORKERS];
        struct expert *worker[WORLD_WORKERS];
        bool stuck[WORLD_WORKERS];               /* not turned: it hangs */
        uint32_t n_workers;
        bool router_over, draining_pushed; uint32_t missing_pushed;
        bool stop_router, stop_worker[WORLD_WORKERS];
        uint32_t lives;                          /* workers started: names their bus again */
        struct wt_welcome welcome; bool welcomed; char refused[512];
        struct answer answer[WORLD_ANSWERS];
        void (*on_token)(struct world *w, uint32_t n);   /* after each event with ids */
};

void world_move(uint64_t us);                    /* the clock, for all worlds */
void world_open(struct world *w, const struct world_conf *c);
void world_close(struct world *w);
void world_worker_start(struct world *w, uint32_t i, const char *shard);
void world_worker_kill(struct world *w, uint32_t i);     /* no bye; its connection closes */
void world_hello(struct world *w);               /* the gateway's */
void world_ask(struct world *w, const struct ask *a);
void world_cancel(struct world *w, uint32_t n);
void world_turn(struct world *w);                /* everybody once */
/* Turns until answer n is over; fails the test after very many turns. */
struct answer *world_answer(struct world *w, uint32_t n);
struct router_numbers *world_numbers(struct world *w);   /* one static copy */
#endif
