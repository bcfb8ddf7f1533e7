/* state.h - what a gateway holds: routers, open requests, and a sequence record per choice. */
#ifndef WITAN_GATEWAY_STATE_H
#define WITAN_GATEWAY_STATE_H
#include "audit.h"
#include "caller.h"
#include "fold.h"
#include "gateway.h"
#include "net/metrics.h"
#include "identity/fair.h"

enum {
        MAX_PROMPTS = 64,
        MAX_CHOICES = 16,
        MAX_STOPS = 16,
        MAX_TOP = 20,
        MAX_BIAS = 300,
        N_BUCKETS = 1024
};

struct router_peer {
        bool welcome, draining;
        uint64_t epoch;                          /* its incarnation: another one has forgotten us */
        uint64_t heard_us, asked_us;             /* last message from it; last hello to it */
        uint64_t unanswered_us;                  /* first hello that has no answer yet; 0: none */
        uint32_t open;                           /* sequences there */
        uint32_t max_context, vocab, max_seqs, max_waiting;
        uint64_t kv_pages, plan;                 /* plan: version of its last push */
        uint32_t missing;                        /* experts that it lacks */
        char profile[65];
        uint8_t revision[32];
};

/* What the client asked for, checked. */
struct options {
        bool stream, include_usage, echo, ignore_eos, logprobs;
        uint32_t n, n_top, max_tokens;           /* max_tokens 0: not named */
        bool max_tokens_named;
        float temperature, top_p;
        uint32_t top_k, min_tokens, best_of;     /* best_of 0: as n */
        float min_p, repetition_penalty, frequency_penalty, presence_penalty;
        struct wt_bias_msg bias[MAX_BIAS]; uint32_t n_bias;
        bool seeded; uint64_t seed;
        struct stop_list stops;
};

struct request;
/* One answer under way: the sequence record of architecture.md section 4 plus the text made of
 * it. */
struct sequence {
        struct request *r;
        uint32_t prompt, choice, attempt;
        uint32_t index;                          /* of its choice in the answer; UINT32_MAX: it is
                                                  * not in it (best_of) */
        struct wt_ids made;                      /* ids generated so far, sent or held back */
        int32_t router;                          /* peer, or -1: waits for one */
        uint64_t submitted_us, first_us, token_us;       /* token_us: the latest token */
        uint64_t heard_us; uint32_t n_unheard;   /* last event of this attempt, or when it was sent;
                                                  * how often it was sent again since */
        struct folds folds;
        struct wt_buf text;                      /* not streamed yet; whole when not streaming */
        struct wt_buf said;                      /* streamed already, where it is recorded */
        /* log-probability entries in JSON, not streamed yet */
        struct wt_buf marks;
        struct wt_buf marks_top;                 /* completions only: see door_completions.c */
        struct wt_buf marks_offset, marks_logprob;
        size_t offset;                           /* characters before text: text_offset */
        double logprob;                          /* sum over what was made: ranks best_of */
        const char *finish;                      /* "stop", "length", or NULL while it runs */
        bool begun, told;                        /* its first chunk has left; its last one */
        bool paused;                             /* its reader is slow: no router makes it now */
        /* echo: prompt tokens whose log-probability is here */
        uint32_t n_scored;
        uint32_t n_gaps, n_moved;                /* times that events were lost on the way, and that
                                                  * a router turned it away */
        uint64_t queue_us, prefill_us, decode_us;
};

/* A kind of request: its path and its shapes of answer, in a file of its own. A door that needs no
 * router has `answer` alone: it answers and ends the request, or refuses. */
struct door {
        const char *path, *object, *object_chunk, *id_prefix;
        const char *action;                      /* in the log, "admin.key.create"; NULL: by path */
        const char *choices;                     /* name of what chunk and choice write; NULL: a
                                                  * list "choices" */
        const char *param;                       /* the field that its texts stand in */
        bool any_model;                          /* "model" may be left out */
        bool (*answer)(struct request *r);
        bool (*parse)(struct request *r);        /* fills text or messages, or prompts; refuses */
        /* What is shown of the ids; may run beside the loop. NULL: nothing. */
        void (*list)(const struct wt_ids *ids, struct wt_buf *out);
        void (*mark)(struct sequence *s, int32_t id, double logprob, const int32_t *top,
                     const double *top_logprob, uint32_t n_top, bool first_of_prompt);
        void (*chunk)(struct sequence *s, struct wt_buf *out);  /* the "choices" array of a chunk */
        void (*choice)(struct sequence *s, struct wt_buf *out); /* an element of the whole answer */
};
extern const struct door door_chat, door_completions, door_generate, door_tokenize, door_detokenize;

struct request {
        struct gateway *g;
        struct caller caller;
        const struct caller *call;               /* &caller; NULL once the client is gone */
        const struct door *door;
        uint8_t id[16]; char id_text[37];
        /* W3C traceparent: the client's, or one of our own */
        char trace[56];
        int64_t created;                         /* seconds since 1970 */
        uint64_t start_us, first_us;
        struct wt_who who;                       /* all of it empty under open_door */
        struct wt_price price;                   /* 0 where none is set */
        struct wt_ticket ticket;                 /* what is charged */
        struct wt_place place; uint64_t place_us;/* in the queue for a turn, since when */
        uint32_t running;                        /* sequences counted in g->running */
        uint64_t retry_s; bool no_retry;         /* of a refusal; 0: not said */
        wt_json *body;
        struct options opt;
        wt_jv text[MAX_PROMPTS];                 /* in body; NONE: that prompt came as ids */
        struct messages *messages;               /* of a chat, instead of texts */
        struct texts *texts;                     /* wait to be tokens, or are read: tokenize.c */
        bool encoding;                           /* a thread reads it: it must not be freed */
        struct wt_buf listed;                    /* what door->list made */
        struct wt_ids prompt[MAX_PROMPTS];
        struct wt_buf prompt_text[MAX_PROMPTS];  /* echo */
        uint32_t n_prompts;
        struct sequence *seqs; uint32_t n_seqs, n_open;
        uint32_t per_prompt;                     /* sequences of one prompt: n, or best_of */
        uint64_t n_made;                         /* tokens of all of them */
        bool begun;                              /* the answer's head has left, or is held */
        bool behind; uint32_t turn;              /* its reader is slow; whose chunk is next then */
        int status;
        struct hold hold;
        struct tally tally;
        struct seal seal;
        struct request *next, *prev, *next_in_bucket;
};

struct gateway {
        struct gateway_conf conf;
        wt_http *http;
        bool bus_woke;                           /* the routers' bus has news: on_bus */
        const wt_chat *chat;                     /* NULL: the tokenizer has no chat format */
        struct router_peer *routers;
        struct request *open, *over, *bucket[N_BUCKETS];         /* over: ended, not freed yet */
        uint32_t n_open;
        struct wt_fair fair;                     /* admitted, but not their turn yet */
        uint32_t running;                        /* sequences of those whose turn it is */
        struct audit audit;
        struct sealer *sealer;                   /* keys of recorded texts; NULL: none are */
        struct encoder *encoder;                 /* tokenizes long texts */
        struct wt_fair texts; struct texts *text_at;     /* that wait for it; what it reads */
        uint64_t text_bytes;                     /* of both */
        struct desk *desk;                       /* reads the audit log for auditors; or NULL */
        bool draining;
        uint64_t incarnation;
        struct wt_timer tick;
        struct wt_buf line;                      /* a chunk or a record under construction */
        struct wt_metric *metrics;
};
enum { M_REQUESTS, M_REFUSED, M_FAILED, M_GONE, M_OPEN, M_PROMPT_TOKENS, M_COMPLETION_TOKENS,
       M_RESUBMITTED, M_ROUTERS, M_PLAN, M_POLICY, M_KEYS_REVOKED, M_LIMITED, M_WAITING, M_UNSENT,
       M_PAUSED, M_UNHEARD, M_LONG_TEXTS, M_TEXTS_DROPPED,
       M_TEXTS_REFUSED, M_TEXT_BYTES, M_TTFT,
       M_DURATION, N_METRICS };
wt_err gateway_metrics_init(struct gateway *g);

/* admit.c: what comes back later, and what is left behind */
void admit_turns(struct gateway *g);             /* once a turn of the loop: who is next */
void admit_expire(struct request *r);            /* one that waits too long is refused */
void admit_end(struct request *r);               /* settles the charge, leaves the queue */
void admit_headers(const struct request *r, struct wt_buf *out);         /* x-ratelimit-* */
int64_t request_cost(const struct request *r, uint64_t prompt, uint64_t made);   /* 1e-9 */

/* submit.c: are its options within the limits of the wire? Refuses. */
bool submit_fits(struct request *r);
void submit_unheard(struct sequence *s);         /* nothing heard for router_wait: sent again */

/* request.c */
struct request *request_new(struct gateway *g, struct caller c, const struct door *d);
struct request *request_find(struct gateway *g, const uint8_t id[16]);
/* records, cancels; freed by reap */
void request_end(struct request *r, const char *outcome);
void requests_reap(struct gateway *g);           /* once a turn: frees those that ended */
/* listen.c: a request at a door, or (door NULL) for the list of models or one (name) of them. */
void request_serve(struct gateway *g, struct caller c, const struct door *d);
void request_models(struct gateway *g, struct caller c, const char *name);
/* listen.c: at a path under /v1/admin/; where nothing is there, it is refused. */
void request_under_admin(struct gateway *g, struct caller c, const char *method, const char *path,
                         const char *query);
/* door_audit.c: /v1/admin/audit, or /export. */
void request_audit(struct gateway *g, struct caller c, const char *query, bool whole);
/* door_admin.c: the rest of /v1/admin; false: there is nothing at this path. */
bool request_admin(struct gateway *g, struct caller c, const char *method, const char *path,
                   const char *query);
void request_left(struct request *r);            /* gateway.c: its client is gone */
void request_charged(struct request *r);         /* listen.c: a door without a router goes on */
void request_encoded(struct request *r);         /* listen.c: its texts are ids */
void request_go(struct request *r);              /* listen.c: its turn: sequences to routers */
bool request_seqs(struct request *r);            /* prompts x n (or best_of) sequences */
void request_rank(struct request *r);            /* of best_of: which sequences are the answer */

/* error.c: OpenAI's error object, four keys. */
struct refusal { int status; const char *type, *code, *param; };
void call_refuse(const struct caller *c, const char *request_id, struct refusal why,
                 const char *fmt, ...)
        __attribute__((format(printf, 4, 5)));
/* Answers and ends the request; in a begun stream the error goes in band. Always returns false. */
bool request_refuse(struct request *r, struct refusal why, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));
struct refusal refusal_of(wt_err e);             /* a router's status as HTTP */
#define BAD(p) ((struct refusal){ 400, "invalid_request_error", NULL, (p) })

/* tokenize.c: for encoder_open, with the gateway as arg; r is over: its texts are dropped. */
struct encoder_job;
void tokenize_done(void *arg, struct encoder_job *j);
void tokenize_leave(struct request *r);
/* encode.c: tokens of prompt and answer together. */
uint32_t gateway_context(const struct gateway *g);

/* prompt.c: a prompt as text or as ids. */
bool prompt_of_text(struct request *r, wt_jv v);
bool prompt_of_ids(struct request *r, wt_jv list);
/* Ids below this one have a meaning: rows of the embedding beyond the tokenizer are padding. */
uint32_t gateway_vocab(const struct gateway *g);

/* options.c: the options that all doors share. */
bool options_parse(struct request *r);

/* stream.c */
void stream_head(struct request *r);
void stream_finish(struct request *r);           /* all sequences are done */
void stream_resume(struct request *r);           /* its reader has caught up */

/* routers.c: hello, welcome, push, loss. */
void routers_tick(void *arg, struct wt_timer *t);
void routers_welcome(struct gateway *g, const wt_msg *m);
void routers_push(struct gateway *g, const wt_msg *m);
void routers_move(struct gateway *g, int32_t router);    /* its sequences go elsewhere, or wait */
void routers_cancel(struct sequence *s);
void routers_hello(struct gateway *g, uint32_t router);
/* A router's refusal that another one, or the same one after a hello, would not give: the
 * sequence waits or goes there, and true is returned. */
bool routers_elsewhere(struct sequence *s, wt_err status);
int32_t routers_pick(struct gateway *g);         /* least open sequences; -1: none is welcome */
#endif
