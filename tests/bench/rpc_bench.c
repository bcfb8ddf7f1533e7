/* rpc_bench.c - one unary chat call through both doors of a gateway: over HTTP/1.1 on kept
 * connections, and over RPC; in turn, round after round, the same question. A line of JSON for
 * each round: latency, and processor time of both sides, all threads. rpc.py starts what it needs.
 *
 *      rpc_bench make STORE ENDPOINT SERVER_PUB FILE     makes a key and its client file
 *      rpc_bench run FILE HTTP KEY BODY PID FLIGHT CALLS ROUNDS
 *
 * BODY: a file with the question in JSON; PID: the gateway; FLIGHT: calls under way at a time.
 * Exit: 0; 1: a call was not answered well; 2: it could not begin, in words. */
#include <errno.h>
#include <glob.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/file.h"
#include "base/json.h"
#include "bus/bus.h"
#include "identity/identity.h"
#include "plugin/plugin.h"
#include "times.h"
#include "wire/api.h"
#include "witan/client.h"

enum { MAX_FLIGHT = 64, ANSWER_MOST = 64 << 10, MAX_BODY = 1 << 20, GIVE_UP_MS = 10000 };
static const char method[] = "/witan.v1.Chat/Complete";

const struct wt_plugin *wt_plugin_store_sqlite(void);

struct bench;
struct slot {                                    /* a call under way */
        struct bench *b;
        uint64_t sent_ns;
        int fd;                                  /* HTTP */
        size_t len, want;                        /* want 0: the head is not whole yet */
        char in[ANSWER_MOST];
};
struct bench {
        struct slot slot[MAX_FLIGHT];
        uint32_t flight;
        long calls, started, ended, wrong;
        size_t answer_bytes;
        struct times latency;
        struct wt_buf http, rpc;                 /* the question, ready to send */
        witan_client *client;
        const char *pid;
};

/* ---- a key and its file --------------------------------------------------------------------- */

static wt_err make_key(const char *store, const char *rpc_public, char secret[80])
{
        static const struct wt_plugin *(*const built_in[])(void) = { wt_plugin_store_sqlite, NULL };
        struct wt_tenant tenant = { .id = "bench", .name = "bench", .weight = 1 }, out;
        struct wt_key key = { .tenant = "bench", .name = "bench" }, made;
        wt_store *s;
        wt_err err = wt_plugin_register(built_in);

        tenant.limits = key.limits = wt_no_limits;
        snprintf(key.rpc_public, sizeof key.rpc_public, "%s", rpc_public);
        if (err != WT_OK || (err = wt_store_open(&s, store, 10000)) != WT_OK)
                return err;
        if ((err = wt_identity_migrate(s)) == WT_OK &&
            ((err = wt_tenant_create(s, &tenant, &out)) == WT_OK || err == WT_EEXIST))
                err = wt_key_create(s, &key, &made, secret);
        wt_store_close(s);
        return err;
}

static wt_err make(const char *store, const char *endpoint, const char *server_pub,
                   const char *file)
{
        char pub[41], curve[41], secret[80];
        struct wt_buf server = { 0 }, text = { 0 };
        wt_err err;

        if ((err = wt_bus_keypair(pub, curve)) != WT_OK ||
            (err = wt_file_read(server_pub, 4096, &server)) != WT_OK ||
            (err = make_key(store, pub, secret)) != WT_OK)
                return err;
        wt_buf_fmt(&text, "endpoint: %s\nserver_key: %.40s\npublic_key: %s\nsecret_key: %s\n"
                   "api_key: %s\n", endpoint, server.data + strlen("public "), pub, curve, secret);
        err = wt_file_write(file, text.data, text.len, 0600);
        if (err == WT_OK)
                puts(secret);
        wt_buf_free(&server);
        wt_buf_free(&text);
        return err;
}

/* ---- both ----------------------------------------------------------------------------------- */

static double cpu_us(void)
{
        struct rusage u;

        getrusage(RUSAGE_SELF, &u);
        return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
               (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* Of all threads of the gateway that live; its threads live as long as it does. */
static double server_us(const char *pid)
{
        char pattern[64];
        double ns = 0;
        glob_t g;

        snprintf(pattern, sizeof pattern, "/proc/%s/task/*/schedstat", pid);
        if (glob(pattern, 0, NULL, &g) != 0)
                return 0;
        for (size_t i = 0; i < g.gl_pathc; i++) {
                struct wt_buf b = { 0 };

                if (wt_file_read(g.gl_pathv[i], 4096, &b) == WT_OK && b.len > 0)
                        ns += strtod(b.data, NULL);
                wt_buf_free(&b);
        }
        globfree(&g);
        return ns / 1000;
}

static void answered(struct slot *s, bool well, size_t bytes)
{
        struct bench *b = s->b;

        times_add(&b->latency, times_now() - s->sent_ns);
        b->ended++;
        b->wrong += !well;
        b->answer_bytes = bytes;
}

/* ---- HTTP ----------------------------------------------------------------------------------- */

static wt_err http_connect(struct bench *b, const char *to)
{
        struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
        const char *colon = strrchr(to, ':');
        wt_err err = WT_OK;
        char host[128];

        snprintf(host, sizeof host, "%.*s", colon != NULL ? (int)(colon - to) : 0, to);
        if (colon == NULL || getaddrinfo(host, colon + 1, &hints, &list) != 0)
                return wt_fail(WT_EINVAL, "%s is no HOST:PORT", to);
        for (uint32_t i = 0; i < b->flight && err == WT_OK; i++) {
                b->slot[i].fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
                if (connect(b->slot[i].fd, list->ai_addr, list->ai_addrlen) != 0)
                        err = wt_fail(WT_EUNAVAILABLE, "connect to %s: %s", to, strerror(errno));
        }
        freeaddrinfo(list);
        return err;
}

static void http_send(struct slot *s)
{
        struct bench *b = s->b;

        if (b->started == b->calls)
                return;
        b->started++;
        s->len = s->want = 0;
        s->sent_ns = times_now();
        if (send(s->fd, b->http.data, b->http.len, MSG_NOSIGNAL) != (ssize_t)b->http.len)
                answered(s, false, 0);
}

static void http_read(struct slot *s)
{
        ssize_t n = recv(s->fd, s->in + s->len, sizeof s->in - 1 - s->len, MSG_DONTWAIT);
        const char *p, *end;

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n <= 0) {
                s->b->calls = s->b->started;     /* no connection, no more of it */
                answered(s, false, 0);
                return;
        }
        s->len += (size_t)n;
        s->in[s->len] = '\0';
        if (s->want == 0 && (end = strstr(s->in, "\r\n\r\n")) != NULL &&
            (p = strcasestr(s->in, "\r\ncontent-length:")) != NULL)
                s->want = (size_t)(end - s->in) + 4 + strtoul(p + 17, NULL, 10);
        if (s->want == 0 || s->len < s->want)
                return;
        answered(s, strncmp(s->in, "HTTP/1.1 200 ", 13) == 0, s->want);
        http_send(s);
}

static void http_run(struct bench *b)
{
        struct pollfd p[MAX_FLIGHT];

        for (uint32_t i = 0; i < b->flight; i++) {
                p[i] = (struct pollfd){ .fd = b->slot[i].fd, .events = POLLIN };
                http_send(&b->slot[i]);
        }
        while (b->ended < b->started && poll(p, b->flight, GIVE_UP_MS) > 0)
                for (uint32_t i = 0; i < b->flight; i++)
                        if (p[i].revents != 0)
                                http_read(&b->slot[i]);
}

/* ---- RPC ------------------------------------------------------------------------------------ */

static int rpc_message(void *arg, const void *data, size_t len)
{
        struct slot *s = arg;

        (void)data;
        s->len += len;
        return 0;
}

static void rpc_send(struct slot *s);

static void rpc_end(void *arg, int status)
{
        struct slot *s = arg;

        answered(s, status == WITAN_OK && s->len > 0, s->len);
        rpc_send(s);
}

static void rpc_send(struct slot *s)
{
        struct witan_handler h = { rpc_message, rpc_end, s };
        struct bench *b = s->b;
        uint64_t id;

        if (b->started == b->calls)
                return;
        b->started++;
        s->len = 0;
        s->sent_ns = times_now();
        if (witan_start(b->client, method, b->rpc.data, b->rpc.len, NULL, &h, &id) != WITAN_OK)
                answered(s, false, 0);
}

static void rpc_run(struct bench *b)
{
        for (uint32_t i = 0; i < b->flight; i++)
                rpc_send(&b->slot[i]);
        while (witan_turn(b->client) > 0) {
                struct pollfd p = { .fd = witan_fd(b->client), .events = POLLIN };
                int ms = witan_wait_ms(b->client);

                if (ms != 0)
                        poll(&p, 1, ms < 0 ? GIVE_UP_MS : ms);
        }
}

/* ---- rounds --------------------------------------------------------------------------------- */

static void measure(struct bench *b, const char *name, void (*run)(struct bench *b),
                    struct wt_buf *out)
{
        double mine, theirs;

        b->started = b->ended = 0;
        memset(&b->latency, 0, sizeof b->latency);
        theirs = server_us(b->pid);
        mine = cpu_us();
        run(b);
        mine = cpu_us() - mine;
        theirs = server_us(b->pid) - theirs;
        wt_buf_json_key(out, name);
        wt_buf_str(out, "{");
        times_json(&b->latency, "latency_us", out);
        wt_buf_json_kf(out, "client_cpu_us", mine / (double)b->ended);
        wt_buf_json_kf(out, "server_cpu_us", theirs / (double)b->ended);
        wt_buf_json_ku(out, "calls", (uint64_t)b->ended);
        wt_buf_json_ku(out, "answer_bytes", b->answer_bytes);
        wt_buf_str(out, "}");
}

static wt_err prepare(struct bench *b, char **arg)
{
        struct wt_buf body = { 0 };
        char words[512];
        wt_json *j;
        wt_err err = wt_file_read(arg[3], MAX_BODY, &body);

        if (err != WT_OK || (err = wt_json_parse(&j, body.data, body.len, &wt_json_default)) != 0)
                return err;
        err = api_of_json(api_method(method)->request, j, 0, &b->rpc);
        wt_json_free(j);
        wt_buf_fmt(&b->http, "POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\nContent-Type: "
                   "application/json\r\nContent-Length: %zu\r\nAuthorization: Bearer %s\r\n\r\n",
                   arg[1], body.len, arg[2]);
        wt_buf_add(&b->http, body.data, body.len);
        wt_buf_free(&body);
        for (uint32_t i = 0; i < b->flight; i++)
                b->slot[i].b = b;
        if (err == WT_OK && witan_open(&b->client, arg[0], words) != WITAN_OK)
                err = wt_fail(WT_EINVAL, "%s", words);
        return err == WT_OK ? http_connect(b, arg[1]) : err;
}

static int run(char **arg)
{
        static struct bench b;
        long rounds = atol(arg[7]), calls = atol(arg[6]);

        b.pid = arg[4];
        b.flight = (uint32_t)atoi(arg[5]);
        if (b.flight < 1 || b.flight > MAX_FLIGHT || calls < 1 || rounds < 1 ||
            prepare(&b, arg) != WT_OK) {
                fprintf(stderr, "rpc_bench: %s\n", b.http.len > 0 ? wt_words()
                        : "FLIGHT (1 to 64), CALLS or ROUNDS is no such number, or no body");
                return 2;
        }
        for (long i = -1; i < rounds; i++) {     /* the first one warms both up */
                struct wt_buf out = { 0 };

                wt_buf_str(&out, "{");
                for (int k = 0; k < 2; k++) {    /* each is first as often as the other */
                        bool http = (i + k) % 2 == 0;

                        b.calls = calls;
                        measure(&b, http ? "http" : "rpc", http ? http_run : rpc_run, &out);
                }
                wt_buf_str(&out, "}");
                if (i >= 0)
                        puts(out.data);
                wt_buf_free(&out);
        }
        witan_close(b.client);
        fprintf(stderr, b.wrong > 0 ? "rpc_bench: %ld calls were not answered well\n" : "%.0ld",
                b.wrong);
        return b.wrong > 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
        if (argc == 10 && strcmp(argv[1], "run") == 0)
                return run(argv + 2);
        if (argc == 6 && strcmp(argv[1], "make") == 0) {
                if (make(argv[2], argv[3], argv[4], argv[5]) == WT_OK)
                        return 0;
                fprintf(stderr, "rpc_bench: %s\n", wt_words());
                return 2;
        }
        fputs("rpc_bench: say make STORE ENDPOINT SERVER_PUB FILE, or run FILE HTTP KEY BODY PID "
              "FLIGHT CALLS ROUNDS\n", stderr);
        return 2;
}
