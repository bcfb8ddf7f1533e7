/* client.h - a client of Witan's RPC door (docs/wire.md): link with -lwitan-client. It needs libzmq
 * and libc, and reads the file that `witan key create --rpc FILE` writes.
 *
 * Threads: a client and all that belongs to it is one thread's at a time; threads or processes that
 * ask at once open one each, and may do so from one file (up to the gateway's rpc_connections, 16;
 * the calls of one more end RESOURCE_EXHAUSTED). Nothing is shared between clients, no signal
 * handler is set, and nothing is printed.
 *
 * Connections come and go without a word: a call waits for one (connect_ms at most), and is made
 * again after UNAVAILABLE as long as nothing of its answer has come. A gateway that refuses the file's
 * keys (revoked, not its own) ends it UNAUTHENTICATED after three seconds. Strings are UTF-8. */
#ifndef WITAN_CLIENT_H
#define WITAN_CLIENT_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

enum witan_status {                              /* gRPC's */
        WITAN_OK = 0, WITAN_CANCELLED = 1, WITAN_UNKNOWN = 2, WITAN_INVALID_ARGUMENT = 3,
        WITAN_DEADLINE_EXCEEDED = 4, WITAN_NOT_FOUND = 5, WITAN_ALREADY_EXISTS = 6,
        WITAN_PERMISSION_DENIED = 7, WITAN_RESOURCE_EXHAUSTED = 8, WITAN_FAILED_PRECONDITION = 9,
        WITAN_ABORTED = 10, WITAN_OUT_OF_RANGE = 11, WITAN_UNIMPLEMENTED = 12,
        WITAN_INTERNAL = 13, WITAN_UNAVAILABLE = 14, WITAN_DATA_LOSS = 15,
        WITAN_UNAUTHENTICATED = 16
};
const char *witan_status_name(int status);       /* "UNAVAILABLE" */

typedef struct witan_client witan_client;

/* Reads the file and begins to connect; does not wait for it. On failure *out is left alone and
 * words (512 bytes, or NULL) say why: NOT_FOUND, INVALID_ARGUMENT (no client file), ... */
int witan_open(witan_client **out, const char *file, char *words);
void witan_close(witan_client *c);               /* NULL is fine; open calls end CANCELLED */
/* What went wrong with the last call that ended; "" after WITAN_OK. Lent until the next ends. */
const char *witan_words(const witan_client *c);
/* Metadata of the last call that ended ("x-request-id", "x-witan-revision"); NULL: absent. */
const char *witan_metadata(const witan_client *c, const char *key);

/* Zeros are the defaults. Borrowed until the function that takes them returns. */
struct witan_options {
        uint64_t timeout_ms;                     /* of all tries together; 0: 60,000 */
        uint64_t connect_ms;                     /* without a connection; 0: 10,000 */
        uint32_t retries;                        /* after UNAVAILABLE; 0: 3; WITAN_NO_RETRY */
        uint32_t credit;                         /* messages of an answer under way; 0: 16 */
        int hold;                                /* 1: witan_grant alone grants more of them */
        const char *const *metadata;             /* key, value, ..., NULL; at most 15 pairs; or
                                                  * NULL */
};
#define WITAN_NO_RETRY UINT32_MAX

/* ---- blocking: a question, text as it comes ------------------------------------------------- */

struct witan_message { const char *role, *content; };    /* "system", "user", "assistant" */
struct witan_ask {
        const char *model;                       /* NULL: the first that is served */
        const char *text;                        /* what the user says, or the prompt */
        const struct witan_message *messages; size_t n_messages;  /* chat: instead of text */
        const char *more;                        /* further fields of the request (api.proto), as
                                                  * in JSON: "\"top_k\":20,\"max_tokens\":64" */
        struct witan_options options;
};
struct witan_answer {
        char id[64], model[128], finish[16];     /* finish: "stop", "length"; of choice 0 */
        uint64_t prompt_tokens, completion_tokens;
};
/* A piece of the answer's text, of choice 0, 1, ...; anything but 0 cancels: CANCELLED. */
typedef int witan_on_text(void *arg, uint32_t choice, const char *text, size_t len);
/* Return a status. out may be NULL; it is filled when WITAN_OK. Other calls of this client that
 * were started go on meanwhile. */
int witan_chat(witan_client *c, const struct witan_ask *ask, witan_on_text *on_text, void *arg,
               struct witan_answer *out);
int witan_generate(witan_client *c, const struct witan_ask *ask, witan_on_text *on_text, void *arg,
                   struct witan_answer *out);
typedef void witan_on_model(void *arg, const char *id, uint64_t max_tokens);
int witan_models(witan_client *c, witan_on_model *on_model, void *arg);
/* *ids is the caller's to free(). */
int witan_tokens(witan_client *c, const char *model, const char *text, uint32_t **ids, size_t *n);

/* Any method with one answer, in protobuf: path "/witan.v1.Tokens/Encode"; or, for an admin's file,
 * "/witan.v1.Admin/Call" with AdminRequest{method: "GET", path: "keys"} of api.proto. *answer is the
 * caller's to free(). options may be NULL. */
int witan_unary(witan_client *c, const char *path, const void *request, size_t len,
                const struct witan_options *options, void **answer, size_t *answer_len);

/* ---- callbacks: many calls on one thread ---------------------------------------------------- */

struct witan_handler {
        /* A message of the answer, lent; anything but 0 cancels the call. NULL: not wanted. */
        int (*message)(void *arg, const void *data, size_t len);
        /* The last word on a call that was started, once. witan_words and witan_metadata are its
         * during this. NULL: not wanted. */
        void (*end)(void *arg, int status);
        void *arg;
};
/* *id names the call. A handler is called by witan_turn, a blocking call or witan_close, never from
 * here. INVALID_ARGUMENT: a path, request or metadata beyond the limits of rpc.proto. */
int witan_start(witan_client *c, const char *path, const void *request, size_t len,
                const struct witan_options *options, const struct witan_handler *h, uint64_t *id);
void witan_cancel(witan_client *c, uint64_t id); /* ends CANCELLED in the next turn */
void witan_grant(witan_client *c, uint64_t id, uint32_t messages);
/* For poll: wait until it is readable or witan_wait_ms is over, then turn; turn once after
 * witan_start, too. */
int witan_fd(const witan_client *c);
int witan_wait_ms(const witan_client *c);        /* -1: until fd says so */
/* Does all that can be done now and never blocks; how many calls are open. Handlers may start and
 * cancel calls, but neither turn nor block: FAILED_PRECONDITION, here 0. */
size_t witan_turn(witan_client *c);

#ifdef __cplusplus
}
#endif
#endif
