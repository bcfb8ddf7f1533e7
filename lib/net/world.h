/* world.h - a server, its clients and a clock turned by hand, all on the test's own thread; for the
 * tests of this folder only. The paths that the handler knows:
 *   /echo  answers method, path, query, body     /later  keeps the call; the test answers it
 *   /stream  begins a stream and keeps the call  /empty  204 */
#ifndef WITAN_NET_WORLD_H
#define WITAN_NET_WORLD_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "net/http.h"

#define UNUSED __attribute__((unused))
enum { PATIENCE = 20000 };                       /* turns of 1 ms at most until a test gives up */

struct world {
        uint64_t now;
        struct wt_clock clock;
        wt_loop *loop;
        wt_http *http;
        wt_call *held;                           /* the latest of /later and /stream */
        int requests, gone, room;
        struct wt_buf got;                       /* what the client under test has read */
        bool ended;                              /* ... up to the end of its connection */
};

static uint64_t world_now(void *arg) { return ((struct world *)arg)->now; }

static void world_request(void *arg, wt_call *c)
{
        struct world *w = arg;
        const char *path = wt_call_path(c), *body;
        struct wt_buf b = { 0 };
        size_t len;

        w->requests++;
        if (strcmp(path, "/later") == 0 || strcmp(path, "/stream") == 0) {
                w->held = c;
                *wt_call_user(c) = w;
                if (path[1] == 's')
                        wt_call_begin(c, 200, "text/event-stream", "Cache-Control: no-store\r\n");
        } else if (strcmp(path, "/empty") == 0) {
                wt_call_reply(c, 204, NULL, NULL, NULL, 0);
        } else {
                body = wt_call_body(c, &len);
                wt_buf_fmt(&b, "%s %s %s ", wt_call_method(c), path, wt_call_query(c));
                wt_buf_add(&b, body, len);
                wt_call_reply(c, 200, "text/plain", "X-Mine: yes\r\n", b.data, b.len);
                wt_buf_free(&b);
        }
}

static void world_gone(void *arg, wt_call *c)
{
        struct world *w = arg;

        assert_ptr_equal(*wt_call_user(c), w);
        w->gone++;
        if (w->held == c)
                w->held = NULL;
}

static void world_room(void *arg, wt_call *c)
{
        struct world *w = arg;

        assert_ptr_equal(*wt_call_user(c), w);
        assert_false(wt_call_full(c));
        w->room++;
}

static UNUSED void world_listen(struct world *w, const struct wt_http_limits *lim,
                                const char *address)
{
        const struct wt_http_handler h = { world_request, world_gone, w };

        memset(w, 0, sizeof *w);
        w->now = 1000000;
        w->clock = (struct wt_clock){ world_now, world_now, w };
        assert_int_equal(wt_loop_new(&w->loop, &w->clock), WT_OK);
        if (wt_http_listen(&w->http, w->loop, address, lim, &h) != WT_OK)
                fail_msg("%s", wt_words());
        wt_http_on_room(w->http, world_room);
}

static UNUSED void world_open(struct world *w, const struct wt_http_limits *lim)
{
        world_listen(w, lim, "127.0.0.1:0");
}

static UNUSED void world_close(struct world *w)
{
        wt_http_close(w->http);
        wt_loop_free(w->loop);
        wt_buf_free(&w->got);
}

static UNUSED void turn(struct world *w) { wt_loop_turn(w->loop, 1000); }

#define WAIT_FOR(w, condition)                                                                 \
        do {                                                                                   \
                int turns_ = 0;                                                                \
                while (!(condition)) {                                                         \
                        turn(w);                                                               \
                        if (++turns_ > PATIENCE)                                               \
                                fail_msg("never: %s", #condition);                             \
                }                                                                              \
        } while (0)

static UNUSED int dial(struct world *w)
{
        struct sockaddr_in sa = { .sin_family = AF_INET };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        sa.sin_port = htons((uint16_t)atoi(strrchr(wt_http_address(w->http), ':') + 1));
        assert_true(fd >= 0);
        if (connect(fd, (struct sockaddr *)&sa, sizeof sa) != 0) {
                close(fd);
                return -1;
        }
        fcntl(fd, F_SETFL, O_NONBLOCK);
        wt_buf_clear(&w->got);
        w->ended = false;
        return fd;
}

/* Reads what is there into got. */
static UNUSED void take(struct world *w, int fd)
{
        ssize_t n = recv(fd, wt_buf_room(&w->got, 64 << 10), 64 << 10, 0);

        if (n > 0) {
                w->got.len += (size_t)n;
                w->got.data[w->got.len] = '\0';
        } else if (n == 0 || errno != EAGAIN) {
                w->ended = true;
        }
}

static UNUSED void put_bytes(struct world *w, int fd, const char *s, size_t len)
{
        for (int turns = 0; len > 0 && turns < PATIENCE; turns++) {
                ssize_t n = send(fd, s, len, MSG_NOSIGNAL);

                if (n > 0) {
                        s += n;
                        len -= (size_t)n;
                } else if (errno != EAGAIN) {
                        return;
                }
                turn(w);
        }
        assert_int_equal(len, 0);
}

static UNUSED void put(struct world *w, int fd, const char *s) { put_bytes(w, fd, s, strlen(s)); }

/* How often word stands in what was read. */
static UNUSED int count(const struct world *w, const char *word)
{
        int n = 0;

        for (const char *at = w->got.data; at && (at = strstr(at, word)); at += strlen(word))
                n++;
        return n;
}

static UNUSED void read_until(struct world *w, int fd, const char *word, int times)
{
        WAIT_FOR(w, (take(w, fd), count(w, word) >= times || w->ended));
        if (count(w, word) < times)
                fail_msg("ended before \"%s\": %s", word, w->got.data ? w->got.data : "");
}

static UNUSED void read_to_end(struct world *w, int fd) { WAIT_FOR(w, (take(w, fd), w->ended)); }

static UNUSED bool has(const struct world *w, const char *word) { return count(w, word) > 0; }

static UNUSED void forget(struct world *w) { wt_buf_clear(&w->got); }

/* Closes so that the peer sees a reset. */
static UNUSED void reset_close(int fd)
{
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof(struct linger));
        close(fd);
}
#endif
