/* load.c - an open-loop generator: one and the same HTTP request at a fixed rate over connections
 * that are kept. A request has its planned time whatever became of those before it, and its latency
 * counts from there, so that a server that stalls is charged for all who would have come meanwhile.
 * Times go into a histogram (times.h). Prints one line of JSON; exit 1: no request was answered
 * with 200; 2: it could not begin.
 *
 *      load --to 127.0.0.1:8080 --path /v1/chat/completions --body FILE --key KEY --rate 3000
 *           --seconds 5 --connections 64 --spacing poisson */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/file.h"
#include "base/rng.h"
#include "times.h"

enum { EVENTS = 256, HEAD_MOST = 16 << 10, GIVE_UP_MS = 30000, MAX_BODY = 1 << 20 };
#define SECOND 1000000000.0

struct conn {
        int fd;
        uint64_t planned_ns;                     /* of the request under way */
        struct conn *next_free;
        size_t sent, len, head, want;            /* head: bytes up to the body, 0: not whole yet */
        bool busy;
        char in[HEAD_MOST];                      /* the head and what came with it */
};

struct load {
        const char *to, *path, *key, *body_file;
        double rate, seconds, warm;
        uint32_t n_conns;
        bool poisson;
        struct wt_buf request;
        struct sockaddr_storage at; socklen_t at_len;
        struct conn *conns, *free;
        int ep;
        uint64_t begin, count_from, end, next_ns, drawn;
        uint64_t planned, answered, refused, broken, counted, answer_bytes;
        int status;                              /* of the first answer that is not 200 */
        struct times latency, lateness;          /* lateness: from the plan to the send */
};

/* ---- connections ---------------------------------------------------------------------------- */

static wt_err conn_open(struct load *l, struct conn *c)
{
        struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };

        c->fd = socket(l->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&l->at, l->at_len) != 0 ||
            epoll_ctl(l->ep, EPOLL_CTL_ADD, c->fd, &e) != 0)
                return wt_fail(WT_EUNAVAILABLE, "could not connect to %s: %s", l->to,
                               strerror(errno));
        return WT_OK;
}

static void conn_free(struct load *l, struct conn *c)
{
        c->busy = false;
        c->next_free = l->free;
        l->free = c;
}

/* A connection that breaks takes its request with it; another one takes its place. One that was
 * free (the server closes what is idle) is on the list already. */
static void conn_broke(struct load *l, struct conn *c)
{
        l->broken += c->busy;
        close(c->fd);
        if (conn_open(l, c) != WT_OK)
                l->end = l->next_ns = 0;         /* the server is gone: no more is planned */
        if (c->busy)
                conn_free(l, c);
}

/* The request is small and the last answer was read whole: the kernel has room for all of it. */
static void conn_send(struct load *l, struct conn *c, uint64_t now)
{
        c->len = c->head = c->want = 0;
        c->busy = true;
        c->planned_ns = l->next_ns;
        if (c->planned_ns >= l->count_from)
                times_add(&l->lateness, now - c->planned_ns);
        if (send(c->fd, l->request.data, l->request.len, MSG_NOSIGNAL | MSG_DONTWAIT) !=
            (ssize_t)l->request.len)
                conn_broke(l, c);
}

/* ---- answers -------------------------------------------------------------------------------- */

/* True: c->head and c->want are known, or the head is not whole yet. False: no answer of a kind
 * that this program reads. */
static bool read_head(struct conn *c)
{
        char *end = memmem(c->in, c->len, "\r\n\r\n", 4), *p;

        if (end == NULL)
                return c->len < sizeof c->in - 1;
        *end = '\0';
        if (strncmp(c->in, "HTTP/1.1 ", 9) != 0 ||
            (p = strcasestr(c->in, "\r\ncontent-length:")) == NULL)
                return false;
        c->head = (size_t)(end - c->in) + 4;
        c->want = c->head + strtoul(p + 17, NULL, 10);
        return true;
}

static void answered(struct load *l, struct conn *c, uint64_t now)
{
        int status = atoi(c->in + 9);

        conn_free(l, c);
        if (c->planned_ns < l->count_from)
                return;
        l->counted++;
        l->answer_bytes = c->want - c->head;
        if (status == 200) {
                l->answered++;
                times_add(&l->latency, now - c->planned_ns);
                return;
        }
        l->refused++;
        if (l->status == 0)
                l->status = status;
}

static void conn_read(struct load *l, struct conn *c)
{
        static char rest[64 << 10];              /* of a body: only counted */
        bool in_head = c->head == 0;
        ssize_t n = in_head ? recv(c->fd, c->in + c->len, sizeof c->in - 1 - c->len, MSG_DONTWAIT)
                            : recv(c->fd, rest, sizeof rest, MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n <= 0 || !c->busy) {
                conn_broke(l, c);
                return;
        }
        c->len += (size_t)n;
        if (in_head && !read_head(c))
                conn_broke(l, c);
        else if (c->head > 0 && c->len > c->want)
                conn_broke(l, c);
        else if (c->head > 0 && c->len == c->want)
                answered(l, c, times_now());
}

/* ---- the plan ------------------------------------------------------------------------------- */

static void plan_next(struct load *l)
{
        double gap = SECOND / l->rate;

        if (l->poisson)                          /* the same draws in each run */
                gap *= -log(1 - wt_philox_unit(11, (uint32_t)l->drawn++, 0, 0));
        l->next_ns += (uint64_t)gap;
        l->planned += l->next_ns >= l->count_from && l->next_ns < l->end;
}

/* All that is due, as far as connections are free; the rest is sent late, and its latency says
 * so. */
static void send_due(struct load *l)
{
        uint64_t now = times_now();

        while (l->next_ns < l->end && l->next_ns <= now && l->free != NULL) {
                struct conn *c = l->free;

                l->free = c->next_free;
                conn_send(l, c, now);
                plan_next(l);
        }
}

static void turn(struct load *l)
{
        struct epoll_event e[EVENTS];
        uint64_t now = times_now(), wait = GIVE_UP_MS * 1000000ull;
        struct timespec t;
        int n;

        if (l->next_ns < l->end && l->free != NULL)
                wait = l->next_ns > now ? l->next_ns - now : 0;
        t.tv_sec = (time_t)(wait / 1000000000u);
        t.tv_nsec = (long)(wait % 1000000000u);
        n = epoll_pwait2(l->ep, e, EVENTS, &t, NULL);
        for (int i = 0; i < n; i++)
                conn_read(l, e[i].data.ptr);
        send_due(l);
}

static bool under_way(const struct load *l)
{
        for (uint32_t i = 0; i < l->n_conns; i++)
                if (l->conns[i].busy)
                        return true;
        return false;
}

static void run(struct load *l)
{
        uint64_t warm = (uint64_t)(l->warm * SECOND);

        l->begin = l->next_ns = times_now() + 1000000;
        l->count_from = l->begin + warm;
        l->end = l->count_from + (uint64_t)(l->seconds * SECOND);
        l->planned = l->next_ns >= l->count_from;
        while (l->next_ns < l->end)
                turn(l);
        while (under_way(l) && times_now() < l->end + GIVE_UP_MS * 1000000ull)
                turn(l);
}

/* ---- in and out ----------------------------------------------------------------------------- */

static wt_err find(struct load *l)
{
        struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
        const char *colon = strrchr(l->to, ':');
        char host[256];
        int rc;

        if (colon == NULL)
                return wt_fail(WT_EINVAL, "--to %s is not HOST:PORT", l->to);
        snprintf(host, sizeof host, "%.*s", (int)(colon - l->to), l->to);
        if ((rc = getaddrinfo(host, colon + 1, &hints, &list)) != 0)
                return wt_fail(WT_EUNAVAILABLE, "--to %s: %s", l->to, gai_strerror(rc));
        memcpy(&l->at, list->ai_addr, list->ai_addrlen);
        l->at_len = list->ai_addrlen;
        freeaddrinfo(list);
        return WT_OK;
}

static wt_err prepare(struct load *l)
{
        struct wt_buf body = { 0 };
        wt_err err = wt_file_read(l->body_file, MAX_BODY, &body);

        if (err == WT_OK)
                err = find(l);
        if (err != WT_OK)
                return err;
        wt_buf_fmt(&l->request, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
                   "Content-Length: %zu\r\n", l->path, l->to, body.len);
        if (l->key != NULL)
                wt_buf_fmt(&l->request, "Authorization: Bearer %s\r\n", l->key);
        wt_buf_str(&l->request, "\r\n");
        wt_buf_add(&l->request, body.data, body.len);
        wt_buf_free(&body);
        l->ep = epoll_create1(EPOLL_CLOEXEC);
        l->conns = calloc(l->n_conns, sizeof *l->conns);
        if (l->ep < 0 || l->conns == NULL)
                return wt_fail(WT_ENOMEM, "no room for %u connections", l->n_conns);
        prctl(PR_SET_TIMERSLACK, 1);             /* else each send is up to 50 us late */
        for (uint32_t i = 0; i < l->n_conns && err == WT_OK; i++) {
                err = conn_open(l, &l->conns[i]);
                conn_free(l, &l->conns[i]);
        }
        return err;
}

static double cpu_us(void)
{
        struct rusage u;

        getrusage(RUSAGE_SELF, &u);
        return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
               (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static int report(const struct load *l)
{
        double all = l->rate * (l->seconds + l->warm);
        struct wt_buf b = { 0 };

        wt_buf_str(&b, "{");
        wt_buf_json_kf(&b, "rate", l->rate);
        wt_buf_json_kf(&b, "seconds", l->seconds);
        wt_buf_json_ku(&b, "connections", l->n_conns);
        wt_buf_json_kv(&b, "spacing", l->poisson ? "poisson" : "fixed");
        wt_buf_json_ku(&b, "request_bytes", l->request.len);
        wt_buf_json_ku(&b, "answer_bytes", l->answer_bytes);
        wt_buf_json_ku(&b, "planned", l->planned);
        wt_buf_json_ku(&b, "answered", l->answered);
        wt_buf_json_ku(&b, "refused", l->refused);
        wt_buf_json_ku(&b, "first_refusal", (uint64_t)l->status);
        wt_buf_json_ku(&b, "broken", l->broken);
        wt_buf_json_ku(&b, "lost", l->planned > l->counted ? l->planned - l->counted : 0);
        wt_buf_json_kf(&b, "achieved", (double)l->answered / l->seconds);
        times_json(&l->latency, "latency_us", &b);
        times_json(&l->lateness, "lateness_us", &b);
        wt_buf_json_kf(&b, "cpu_us_per_request", cpu_us() / all);
        wt_buf_str(&b, "}");
        puts(b.data);
        wt_buf_free(&b);
        return l->answered > 0 ? 0 : 1;
}

static wt_err number(const char *text, double most, double *out)
{
        char *end;
        double v = strtod(text, &end);

        if (end == text || *end != '\0' || !(v >= 0 && v <= most))
                return wt_fail(WT_EINVAL, "%s is no number from 0 to %g", text, most);
        *out = v;
        return WT_OK;
}

static wt_err read_options(struct load *l, int argc, char **argv)
{
        static const struct option options[] = {
                { "to", 1, NULL, 't' }, { "path", 1, NULL, 'p' }, { "body", 1, NULL, 'b' },
                { "key", 1, NULL, 'k' }, { "rate", 1, NULL, 'r' }, { "seconds", 1, NULL, 's' },
                { "warm", 1, NULL, 'w' }, { "connections", 1, NULL, 'c' },
                { "spacing", 1, NULL, 'S' }, { NULL, 0, NULL, 0 },
        };
        double conns = 64;
        wt_err err = WT_OK;

        for (int c; err == WT_OK && (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
                switch (c) {
                case 't': l->to = optarg;        break;
                case 'p': l->path = optarg;      break;
                case 'b': l->body_file = optarg; break;
                case 'k': l->key = optarg;       break;
                case 'r': err = number(optarg, 1e6, &l->rate);     break;
                case 's': err = number(optarg, 3600, &l->seconds); break;
                case 'w': err = number(optarg, 3600, &l->warm);    break;
                case 'c': err = number(optarg, 1e4, &conns);       break;
                case 'S': l->poisson = strcmp(optarg, "fixed") != 0; break;
                default:  err = wt_fail(WT_EINVAL, "an option that is not known");
                }
        }
        l->n_conns = (uint32_t)conns;
        if (err == WT_OK && (l->to == NULL || l->body_file == NULL || l->n_conns == 0 ||
                             l->rate < 1 || l->seconds <= 0))
                err = wt_fail(WT_EINVAL, "--to HOST:PORT and --body FILE are missing, or a number "
                              "is 0; also --path, --key, --rate, --seconds, --warm, "
                              "--connections, --spacing poisson|fixed");
        return err;
}

int main(int argc, char **argv)
{
        static struct load l = { .path = "/v1/chat/completions", .rate = 3000, .seconds = 5,
                                 .warm = 1, .poisson = true };

        if (read_options(&l, argc, argv) != WT_OK || prepare(&l) != WT_OK) {
                fprintf(stderr, "load: %s\n", wt_words());
                return 2;
        }
        run(&l);
        return report(&l);
}
