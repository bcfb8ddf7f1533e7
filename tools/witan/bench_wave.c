/* bench_wave.c - see bench_wave.h. One thread, one epoll; the clock is read at each event. */
#include "bench_wave.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/rng.h"
#include "bench_report.h"

enum { MOST_EVENTS = 256, SILENT_US = 120 * 1000000 };

struct times { double *v; size_t n, cap; };

struct crowd {
        const struct bench_target *target;
        int epoll;
        struct bench_client *client; uint32_t n, open, most_open;
        uint32_t asked;                          /* requests so far, which numbers them */
        struct times ttft, gap;
        uint64_t heard_us, tokens;
        uint32_t answered, failed;
        char why[200];
};

static uint64_t now_us(void) { return wt_now_us(&wt_clock_real); }

static void add(struct times *t, double v)
{
        if (t->n == t->cap) {
                t->cap = t->cap > 0 ? t->cap * 2 : 1024;
                t->v = realloc(t->v, t->cap * sizeof *t->v);
                WT_ASSERT(t->v != NULL);
        }
        t->v[t->n++] = v;
}

static void add_gap(void *arg, uint64_t us)
{
        add(&((struct crowd *)arg)->gap, (double)us / 1e6);
}

static void three(struct times *t, double out[3])
{
        out[0] = bench_quantile(t->v, t->n, 0.50);
        out[1] = bench_quantile(t->v, t->n, 0.95);
        out[2] = bench_quantile(t->v, t->n, 0.99);
}

static void raise_limit(uint32_t n) /* of open files; what is refused shows at connect */
{
        struct rlimit r;

        if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < n + 64u) {
                r.rlim_cur = r.rlim_max < n + 64u ? r.rlim_max : n + 64u;
                setrlimit(RLIMIT_NOFILE, &r);
        }
}

static wt_err crowd_open(struct crowd *c, const struct bench_target *t, uint32_t n)
{
        memset(c, 0, sizeof *c);
        c->target = t;
        c->n = n;
        raise_limit(n);
        c->client = calloc(n, sizeof *c->client);
        c->epoll = epoll_create1(EPOLL_CLOEXEC);
        if (c->client == NULL || c->epoll < 0)
                return wt_fail(WT_EEXHAUSTED, "no memory or no descriptor for %u clients", n);
        for (uint32_t i = 0; i < n; i++)
                c->client[i].fd = -1;
        return WT_OK;
}

static void crowd_close(struct crowd *c)
{
        for (uint32_t i = 0; c->client != NULL && i < c->n; i++) {
                bench_client_close(&c->client[i]);
                wt_buf_free(&c->client[i].out);
                wt_buf_free(&c->client[i].line);
        }
        if (c->epoll >= 0)
                close(c->epoll);
        free(c->client);
        free(c->ttft.v);
        free(c->gap.v);
}

/* What client i has to tell about the request that just ended. */
static void conclude(struct crowd *c, struct bench_client *k)
{
        c->open--;
        if (k->failed) {
                if (c->failed++ == 0)
                        snprintf(c->why, sizeof c->why, "%s", k->why);
                return;
        }
        c->answered++;
        c->tokens += k->tokens;
}

static void ask(struct crowd *c, struct bench_client *k,
                void (*over)(void *, struct bench_client *), void *arg)
{
        c->open++;
        c->most_open = c->open > c->most_open ? c->open : c->most_open;
        bench_client_ask(k, c->target, c->asked++, c->epoll);
        if (k->fd < 0) {                         /* it could not even connect */
                conclude(c, k);
                over(arg, k);
        }
}

/* Waits at most max_us; over is called for each client whose answer is complete or broken. */
static wt_err turn(struct crowd *c, uint64_t max_us, void (*over)(void *, struct bench_client *),
                   void *arg)
{
        struct epoll_event e[MOST_EVENTS];
        int n = epoll_wait(c->epoll, e, MOST_EVENTS, (int)(max_us / 1000));

        for (int i = 0; i < n; i++) {
                struct bench_client *k = e[i].data.ptr;
                bool begun = k->first_us != 0;

                if (k->fd < 0)
                        continue;
                bench_client_ready(k, e[i].events, c->epoll, add_gap, c);
                if (!begun && k->first_us != 0)
                        add(&c->ttft, (double)(k->first_us - k->asked_us) / 1e6);
                if (k->fd >= 0)
                        continue;
                conclude(c, k);
                over(arg, k);
        }
        if (n > 0)
                c->heard_us = now_us();
        else if (c->open > 0 && now_us() - c->heard_us > SILENT_US)
                return wt_fail(WT_EDEADLINE,
                               "nothing came for %d s with %u answers open; witan ps shows "
                               "the processes",
                               SILENT_US / 1000000, c->open);
        return WT_OK;
}

/* ---- a wave --------------------------------------------------------------------------------- */

struct wave {
        struct bench_wave *w;
        struct crowd c;
        uint32_t *left;                          /* (clients) requests it has yet to make */
        double *busy; /* (clients) seconds in which it waited for answers */
        uint64_t next_us;                        /* rate: of the next request */
};

static void wave_over(void *arg, struct bench_client *k)
{
        struct wave *v = arg;
        uint32_t i = (uint32_t)(k - v->c.client);

        v->busy[i] += (double)(now_us() - k->asked_us) / 1e6;
        if (v->left[i] > 0) {
                v->left[i]--;
                ask(&v->c, k, wave_over, v);
        }
}

/* A request whose time has come, by a client that is free. */
static void arrive(struct wave *v, uint32_t *asked)
{
        for (uint32_t i = 0; i < v->w->clients && *asked < v->w->requests; i++) {
                if (v->c.client[i].fd >= 0)
                        continue;
                if (now_us() < v->next_us)
                        return;
                ++*asked;
                v->next_us += (uint64_t)(-log(1 - wt_philox_unit(5, *asked, 0, 0)) / v->w->rate *
                                         1e6);
                ask(&v->c, &v->c.client[i], wave_over, v);
        }
}

static wt_err wave_run(struct wave *v)
{
        uint32_t asked = 0, n = v->w->clients;
        wt_err err = WT_OK;

        if (v->w->rate > 0) {
                while (err == WT_OK && (asked < v->w->requests || v->c.open > 0)) {
                        uint64_t now = now_us(), wait = v->next_us > now ? v->next_us - now : 0;

                        arrive(v, &asked);
                        err = turn(&v->c, wait < 50000 ? wait : 50000, wave_over, v);
                }
                return err;
        }
        for (uint32_t i = 0; i < n; i++)
                v->left[i] = v->w->requests / n + (i < v->w->requests % n) - 1;
        for (uint32_t i = 0; i < n; i++)
                ask(&v->c, &v->c.client[i], wave_over, v);
        while (err == WT_OK && v->c.open > 0)
                err = turn(&v->c, 50000, wave_over, v);
        return err;
}

static double unfairness(const double *busy, uint32_t n)
{
        double sum = 0, worst = 0;

        for (uint32_t i = 0; i < n; i++)
                sum += busy[i];
        for (uint32_t i = 0; i < n && sum > 0; i++)
                worst = fmax(worst, fabs(busy[i] * n / sum - 1));
        return worst;
}

wt_err bench_wave_run(struct bench_wave *w)
{
        struct wave v = { .w = w };
        uint64_t start;
        wt_err err;

        if (w->requests < w->clients && w->rate <= 0)
                w->requests = w->clients;
        v.left = calloc(w->clients, sizeof *v.left);
        v.busy = calloc(w->clients, sizeof *v.busy);
        err = crowd_open(&v.c, w->target, w->clients);
        if (v.left == NULL || v.busy == NULL)
                err = wt_fail(WT_ENOMEM, "no memory for %u clients", w->clients);
        start = v.next_us = v.c.heard_us = now_us();
        if (err == WT_OK)
                err = wave_run(&v);
        w->seconds = (double)(now_us() - start) / 1e6;
        w->tokens = v.c.tokens;
        w->answered = v.c.answered;
        w->failed = v.c.failed;
        w->most_open = v.c.most_open;
        w->unfair = w->rate > 0 || w->requests % w->clients != 0 ? 0
                                                                 : unfairness(v.busy, w->clients);
        memcpy(w->why, v.c.why, sizeof w->why);
        three(&v.c.ttft, w->ttft);
        three(&v.c.gap, w->gap);
        crowd_close(&v.c);
        free(v.left);
        free(v.busy);
        return err;
}

/* ---- many open streams ---------------------------------------------------------------------- */

struct hold { struct bench_streams *s; struct crowd c; uint32_t *at_start; bool all_open, ended; };

static void stream_over(void *arg, struct bench_client *k)
{
        struct hold *h = arg;
        struct bench_streams *s = h->s;

        (void)k;
        if (!h->all_open || h->ended)
                return;
        h->ended = true;                         /* the first end: the window closes */
        s->look(s->arg, true);
        s->least = UINT32_MAX;
        for (uint32_t i = 0; i < s->n; i++) {
                uint32_t got = h->c.client[i].events - h->at_start[i];

                s->least = got < s->least ? got : s->least;
                s->most = got > s->most ? got : s->most;
                s->mean += (double)got / s->n;
        }
}

static void note_all_open(struct hold *h)
{
        struct bench_streams *s = h->s;
        uint32_t begun = 0;

        for (uint32_t i = 0; i < s->n; i++)
                begun += h->c.client[i].events > 0;
        s->begun = begun > s->begun ? begun : s->begun;
        if (begun < s->n || h->c.open < s->n)
                return;
        h->all_open = true;
        for (uint32_t i = 0; i < s->n; i++)
                h->at_start[i] = h->c.client[i].events;
        s->look(s->arg, true);
}

wt_err bench_streams_run(struct bench_streams *s)
{
        struct hold h = { .s = s };
        uint64_t start;
        wt_err err = crowd_open(&h.c, s->target, s->n);

        if ((h.at_start = calloc(s->n, sizeof *h.at_start)) == NULL)
                err = wt_fail(WT_ENOMEM, "no memory for %u clients", s->n);
        if (err == WT_OK)
                s->look(s->arg, false);
        start = h.c.heard_us = now_us();
        for (uint32_t i = 0; i < s->n && err == WT_OK; i++) {
                ask(&h.c, &h.c.client[i], stream_over, &h);
                if (i % 64 == 63)                /* the backlog of a listener is short */
                        err = turn(&h.c, 1000, stream_over, &h);
        }
        while (err == WT_OK && h.c.open > 0) {
                err = turn(&h.c, 50000, stream_over, &h);
                if (err == WT_OK && !h.all_open)
                        note_all_open(&h);
        }
        s->seconds = (double)(now_us() - start) / 1e6;
        s->tokens = h.c.tokens;
        s->answered = h.c.answered;
        s->failed = h.c.failed;
        memcpy(s->why, h.c.why, sizeof s->why);
        three(&h.c.ttft, s->ttft);
        three(&h.c.gap, s->gap);
        crowd_close(&h.c);
        free(h.at_start);
        return err;
}
