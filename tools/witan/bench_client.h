/* bench_client.h - many HTTP clients on one thread, each of which reads one streamed answer at a
 * time (POST /v1/completions, server-sent events) and notes when its tokens came. */
#ifndef WITAN_TOOLS_BENCH_CLIENT_H
#define WITAN_TOOLS_BENCH_CLIENT_H
#include <stdbool.h>
#include <sys/socket.h>
#include "base/buf.h"
#include "base/err.h"
#include "net/secure.h"

struct bench_target {                            /* whom to ask; borrowed while clients live */
        char address[300];                       /* HOST:PORT */
        char host[300];                          /* whom a certificate must name */
        const struct wt_secure *secure;          /* https; NULL: plain */
        struct sockaddr_storage at; socklen_t at_len;    /* the same, by bench_target_find */
        const char *key, *model;
        uint32_t prompt_tokens, tokens;          /* of each request */
        uint32_t first_id, n_ids;                /* prompts are drawn from these ids */
};

wt_err bench_target_find(struct bench_target *t);

struct bench_client {
        int fd;                                  /* -1: not connected */
        const struct bench_target *target;       /* while connected */
        wt_link *link;                           /* of https, once the socket is connected */
        struct wt_buf out; size_t sent;
        struct wt_buf line;                      /* of the events, without its end */
        /* the answer */
        int status; uint32_t header_end;         /* characters of \r\n\r\n seen */
        bool headers_over, in_size, size_seen;
        uint64_t chunk_left;
        char status_line[64]; uint32_t n_status;
        /* what it saw; times in us, 0: not yet */
        uint64_t asked_us, first_us, last_us;
        uint32_t events, tokens; /* chunks with text; completion_tokens at the end */
        bool done, failed;
        char why[200];
};

/* Connects and sends; n numbers the request (its prompt and seed). */
void bench_client_ask(struct bench_client *c, const struct bench_target *t, uint32_t n, int epoll);
/* The socket is ready. gap (or NULL) is called for each event with the time since the one
 * before. */
void bench_client_ready(struct bench_client *c, uint32_t events, int epoll,
                        void (*gap)(void *arg, uint64_t us), void *arg);
void bench_client_close(struct bench_client *c);
#endif
