/* door.c - see door.h. */
#include "net/door.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { TURN_US = 200000, STUCK_US = 60000000 };

struct wt_door {
        struct wt_door_conf conf;
        wt_loop *loop;
        wt_http *http;
        struct wt_health health;
        pthread_t thread;
        bool has_thread;
        atomic_bool over;
        uint64_t turns, turned_at;               /* last seen change of the owner's turns */
};

static void metrics(void *arg, struct wt_buf *out)
{
        const struct wt_door *d = arg;

        d->conf.metrics(d->conf.arg, out);
}

static bool ready(void *arg, struct wt_buf *words)
{
        const struct wt_door *d = arg;

        return d->conf.ready(d->conf.arg, words);
}

static bool healthy(void *arg, struct wt_buf *words)
{
        struct wt_door *d = arg;
        uint64_t now = wt_now_us(&wt_clock_real), turns = d->conf.turns(d->conf.arg);

        if (turns != d->turns) {
                d->turns = turns;
                d->turned_at = now;
        }
        if (now - d->turned_at <= STUCK_US)
                return true;
        wt_buf_fmt(words, "the loop has not turned for %llu s",
                   (unsigned long long)(now - d->turned_at) / 1000000);
        return false;
}

static void *serve(void *arg)
{
        struct wt_door *d = arg;

        while (!atomic_load(&d->over))
                wt_loop_turn(d->loop, TURN_US);
        return NULL;
}

wt_err wt_door_open(wt_door **out, const struct wt_door_conf *c)
{
        struct wt_door *d = calloc(1, sizeof *d);
        wt_err err;

        if (d == NULL)
                return wt_fail(WT_ENOMEM, "no memory for /metrics");
        d->conf = *c;
        d->health = (struct wt_health){
                .metrics = metrics, .healthy = healthy, .ready = ready, .arg = d};
        d->turned_at = wt_now_us(&wt_clock_real);
        if ((err = wt_loop_new(&d->loop, &wt_clock_real)) == WT_OK)
                err = wt_health_listen(&d->http, d->loop, c->address, &d->health);
        if (err == WT_OK && pthread_create(&d->thread, NULL, serve, d) != 0)
                err = wt_fail(WT_EEXHAUSTED, "no thread for /metrics; raise the limit of threads");
        else if (err == WT_OK)
                d->has_thread = true;
        if (err != WT_OK) {
                wt_door_close(d);
                return err;
        }
        *out = d;
        return WT_OK;
}

const char *wt_door_address(const wt_door *d)
{
        return wt_http_address(d->http);
}

void wt_door_close(wt_door *d)
{
        if (d == NULL)
                return;
        atomic_store(&d->over, true);
        if (d->has_thread)
                pthread_join(d->thread, NULL);
        wt_http_close(d->http);
        wt_loop_free(d->loop);
        free(d);
}
