/* net_test.c - the n-th malloc fails while a server takes a request with a large body and answers
 * it, whole and as a stream. The connection that it meets ends (broken, or refused with 503); the
 * server stays and serves the next one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "net/http.h"
#include "sweep.h"

enum { BODY = 100 << 10, TURNS = 20000, PARTS = 20, PART = 8 << 10, MOST = 1 << 20 };

static char body[BODY], part[PART], got[MOST];
static int gone;

/* Echoes the body, or sends PARTS parts. */
static void on_request(void *arg, wt_call *c)
{
        size_t len;
        const char *sent = wt_call_body(c, &len);

        (void)arg;
        if (strcmp(wt_call_path(c), "/stream") != 0)
                return wt_call_reply(c, 200, "text/plain", "X-Mine: yes\r\n", sent, len);
        wt_call_begin(c, 200, "text/plain", NULL);
        for (int i = 0; i < PARTS; i++)
                if (!wt_call_write(c, part, PART))
                        return;                  /* on_gone follows */
        wt_call_end(c);
}

static void on_gone(void *arg, wt_call *c)
{
        (void)arg, (void)c;
        gone++;
}

static int dial(const char *address)
{
        struct sockaddr_in sa = { .sin_family = AF_INET };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        sa.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
        CHECK(fd >= 0);
        CHECK(connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0 || errno == EINPROGRESS);
        return fd;
}

/* Sends all of text and reads until `want` bytes are there or the connection ends; the server turns
 * in between. */
static size_t talk(wt_loop *l, int fd, const char *text, size_t len, size_t want)
{
        size_t sent = 0, n = 0;

        for (int i = 0; i < TURNS; i++) {
                ssize_t k;

                if (sent < len && (k = send(fd, text + sent, len - sent, MSG_NOSIGNAL)) > 0)
                        sent += (size_t)k;
                wt_loop_turn(l, 1000);
                k = recv(fd, got + n, MOST - n, 0);
                if (k == 0 || (k < 0 && errno != EAGAIN && errno != EWOULDBLOCK))
                        return n;
                n += k > 0 ? (size_t)k : 0;
                if (want > 0 && n >= want)
                        return n;
        }
        CHECK(!"the server went silent");
        return 0;
}

/* One connection with two requests. True: both answers are whole and right; false: the connection
 * ended early, with nothing that looks whole, or with 503. */
static bool serves(wt_loop *l, wt_http *h)
{
        static char ask[BODY + 256];
        int len = sprintf(ask, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n",
                          BODY);
        int fd = dial(wt_http_address(h));
        char *at;
        size_t n;

        memcpy(ask + len, body, BODY);
        n = talk(l, fd, ask, (size_t)len + BODY, BODY + 20);
        got[n < MOST ? n : MOST - 1] = '\0';
        if (n > 12 && memcmp(got, "HTTP/1.1 200", 12) == 0) {
                while (n < MOST && (at = memmem(got, n, "\r\n\r\n", 4)) != NULL &&
                       (size_t)(at + 4 - got) + BODY > n) {
                        ssize_t k = recv(fd, got + n, MOST - n, 0);

                        if (k == 0 || (k < 0 && errno != EAGAIN))
                                break;
                        n += k > 0 ? (size_t)k : 0;
                        wt_loop_turn(l, 1000);
                }
                CHECK((at = memmem(got, n, "\r\n\r\n", 4)) != NULL);
                CHECK(n == (size_t)(at + 4 - got) + BODY && memcmp(at + 4, body, BODY) == 0);
        } else {
                CHECK(n == 0 || memcmp(got, "HTTP/1.1 503", 12) == 0);
                CHECK(n == 0 || strstr(got, "memory") != NULL);
                close(fd);
                return false;
        }
        len = sprintf(ask, "GET /stream HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        n = talk(l, fd, ask, (size_t)len, 0);
        close(fd);
        if (n < 5 || memcmp(got + n - 5, "0\r\n\r\n", 5) != 0)
                return false;                    /* seen as broken by any client */
        CHECK(memcmp(got, "HTTP/1.1 200", 12) == 0);
        CHECK(n > PARTS * PART && n < PARTS * (PART + 20) + 1000);
        return true;
}

static wt_err serve(void *arg)
{
        const struct wt_http_handler handler = { on_request, on_gone, NULL };
        wt_loop *l = NULL;
        wt_http *h = NULL;
        bool good;
        wt_err err;

        (void)arg;
        memset(body, 'b', sizeof body);
        memset(part, 'p', sizeof part);
        fault_begin();
        if ((err = wt_loop_new(&l, NULL)) != WT_OK ||
            (err = wt_http_listen(&h, l, "127.0.0.1:0", NULL, &handler)) != WT_OK) {
                fault_end();
                wt_loop_free(l);
                return err;
        }
        good = serves(l, h);
        fault_end();
        CHECK(good || fault_fired());
        CHECK(serves(l, h));                     /* the next client is served */
        wt_http_close(h);
        wt_loop_free(l);
        return good ? WT_OK : wt_fail(WT_ENOMEM, "the connection ended early");
}

static const struct sweep rows[] = {
        { "a server, malloc", serve, .fault = { .kind = FAULT_MEMORY },
          .codes = sweep_enomem, .ok = true },
};

int main(void)
{
        return sweep_all(rows, sizeof rows / sizeof *rows);
}
