/* loop.c - the reactor: epoll, a table of descriptors by number, a binary heap of timers. */
#include "net/loop.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS = 256, HOOKS = 8 };

/* An event names its descriptor by (fd, born): one that was removed, and even one that was closed
 * and came back with the same number within the batch, is then told from the one that the event is
 * for. */
struct slot { wt_on_fd cb; void *arg; uint32_t born; unsigned want; };
struct hook { bool (*after)(void *arg); void *arg; };

struct wt_loop {
        int ep;
        bool no_pwait2;                          /* the kernel lacks it: milliseconds then */
        const struct wt_clock *clock;
        uint64_t now;
        struct slot *slots;                      /* (n_slots), by descriptor */
        uint32_t n_slots, births;
        struct wt_timer **heap;                  /* [1..n_timers] */
        uint32_t n_timers, cap_timers;
        struct hook hooks[HOOKS];
        uint32_t n_hooks;
        struct epoll_event events[EVENTS];
};

wt_err wt_loop_new(wt_loop **out, const struct wt_clock *clock)
{
        wt_loop *l = calloc(1, sizeof *l);

        if (!l)
                return wt_fail(WT_ENOMEM, "no memory for an event loop");
        l->ep = epoll_create1(EPOLL_CLOEXEC);
        if (l->ep < 0) {
                free(l);
                return wt_fail(WT_EEXHAUSTED, "epoll_create1: %s", strerror(errno));
        }
        l->clock = clock ? clock : &wt_clock_real;
        l->now = wt_now_us(l->clock);
        *out = l;
        return WT_OK;
}

void wt_loop_free(wt_loop *l)
{
        if (!l)
                return;
        close(l->ep);
        free(l->slots);
        free(l->heap);
        free(l);
}

uint64_t wt_loop_now(const wt_loop *l) { return l->now; }

static uint32_t epoll_bits(unsigned want)
{
        return (want & WT_READ ? EPOLLIN : 0u) | (want & WT_WRITE ? EPOLLOUT : 0u);
}

static struct slot *slot_of(const wt_loop *l, int fd)
{
        if (fd < 0 || (uint32_t)fd >= l->n_slots || !l->slots[fd].cb)
                return NULL;
        return &l->slots[fd];
}

static wt_err grow_slots(wt_loop *l, int fd)
{
        uint32_t n = l->n_slots ? l->n_slots : 64;
        struct slot *s;

        while (n <= (uint32_t)fd)
                n *= 2;
        if (n == l->n_slots)
                return WT_OK;
        s = realloc(l->slots, n * sizeof *s);
        if (!s)
                return wt_fail(WT_ENOMEM, "no memory for %u descriptors", n);
        memset(s + l->n_slots, 0, (n - l->n_slots) * sizeof *s);
        l->slots = s;
        l->n_slots = n;
        return WT_OK;
}

static struct epoll_event event_of(int fd, const struct slot *s)
{
        return (struct epoll_event){ .events = epoll_bits(s->want),
                                     .data.u64 = (uint64_t)s->born << 32 | (uint32_t)fd };
}

wt_err wt_loop_add(wt_loop *l, int fd, unsigned want, wt_on_fd cb, void *arg)
{
        struct epoll_event e;
        wt_err err;

        WT_ASSERT(fd >= 0 && cb);
        if (slot_of(l, fd))
                return wt_fail(WT_EEXIST, "descriptor %d is in the loop already", fd);
        if ((err = grow_slots(l, fd)) != WT_OK)
                return err;
        l->slots[fd] = (struct slot){ .cb = cb, .arg = arg, .born = ++l->births, .want = want };
        e = event_of(fd, &l->slots[fd]);
        if (epoll_ctl(l->ep, EPOLL_CTL_ADD, fd, &e) != 0) {
                l->slots[fd] = (struct slot){ 0 };
                return wt_fail(WT_EINTERNAL, "epoll cannot watch descriptor %d: %s", fd,
                               strerror(errno));
        }
        return WT_OK;
}

void wt_loop_want(wt_loop *l, int fd, unsigned want)
{
        struct slot *s = slot_of(l, fd);
        struct epoll_event e;

        WT_ASSERT(s);
        if (s->want == want)
                return;
        s->want = want;
        e = event_of(fd, s);
        WT_ASSERT(epoll_ctl(l->ep, EPOLL_CTL_MOD, fd, &e) == 0);
}

void wt_loop_remove(wt_loop *l, int fd)
{
        if (!slot_of(l, fd))
                return;
        l->slots[fd] = (struct slot){ 0 };
        epoll_ctl(l->ep, EPOLL_CTL_DEL, fd, &(struct epoll_event){ 0 });
}

/* The heap: the parent of i is i/2; the earliest is at 1, and of equal ones any. */
static void put(wt_loop *l, uint32_t i, struct wt_timer *t)
{
        l->heap[i] = t;
        t->heap_pos = i;
}

static void sift_up(wt_loop *l, uint32_t i)
{
        struct wt_timer *t = l->heap[i];

        for (; i > 1 && l->heap[i / 2]->at_us > t->at_us; i /= 2)
                put(l, i, l->heap[i / 2]);
        put(l, i, t);
}

static void sift_down(wt_loop *l, uint32_t i)
{
        struct wt_timer *t = l->heap[i];

        for (uint32_t c; (c = 2 * i) <= l->n_timers; i = c) {
                if (c < l->n_timers && l->heap[c + 1]->at_us < l->heap[c]->at_us)
                        c++;
                if (l->heap[c]->at_us >= t->at_us)
                        break;
                put(l, i, l->heap[c]);
        }
        put(l, i, t);
}

void wt_loop_timer_set(wt_loop *l, struct wt_timer *t, uint64_t at_us)
{
        t->at_us = at_us;
        if (t->heap_pos) {
                WT_ASSERT(t->heap_pos <= l->n_timers && l->heap[t->heap_pos] == t);
                sift_up(l, t->heap_pos);
                sift_down(l, t->heap_pos);
                return;
        }
        if (l->n_timers + 1 >= l->cap_timers) {
                uint32_t cap = l->cap_timers ? 2 * l->cap_timers : 64;
                struct wt_timer **h = realloc(l->heap, cap * sizeof *h);

                if (!h)                          /* 8 bytes a timer: memory is gone anyway */
                        wt_out_of_memory("timers", cap * sizeof *h);
                l->heap = h;
                l->cap_timers = cap;
        }
        put(l, ++l->n_timers, t);
        sift_up(l, l->n_timers);
}

void wt_loop_timer_off(wt_loop *l, struct wt_timer *t)
{
        uint32_t i = t->heap_pos;

        if (!i)
                return;
        WT_ASSERT(i <= l->n_timers && l->heap[i] == t);
        t->heap_pos = 0;
        if (i == l->n_timers--)
                return;
        put(l, i, l->heap[l->n_timers + 1]);
        sift_up(l, i);
        sift_down(l, l->heap[i]->heap_pos);
}

/* A timer that is set again by what it fires waits for the next turn, even when it is due at once:
 * the number is taken first. */
static void fire_due(wt_loop *l)
{
        for (uint32_t n = l->n_timers; n > 0 && l->n_timers > 0; n--) {
                struct wt_timer *t = l->heap[1];

                if (t->at_us > l->now)
                        break;
                wt_loop_timer_off(l, t);
                t->fire(t->arg, t);
        }
}

void wt_loop_after(wt_loop *l, bool (*after)(void *arg), void *arg)
{
        WT_ASSERT(l->n_hooks < HOOKS);
        l->hooks[l->n_hooks++] = (struct hook){ after, arg };
}

static int wait_events(wt_loop *l, uint64_t us)
{
        if (!l->no_pwait2) {
                struct timespec ts = { .tv_sec = (time_t)(us / 1000000),
                                       .tv_nsec = (long)(us % 1000000) * 1000 };
                int n = epoll_pwait2(l->ep, l->events, EVENTS, &ts, NULL);

                if (n >= 0 || (errno != ENOSYS && errno != EPERM))
                        return n;
                l->no_pwait2 = true;
        }
        /* Rounded up: a timer never fires early, and a wait below 1 ms does not spin. */
        return epoll_wait(l->ep, l->events, EVENTS, (int)((us + 999) / 1000));
}

void wt_loop_turn(wt_loop *l, uint64_t max_us)
{
        const uint64_t longest = 3600ull * 1000000;      /* keeps the sums far from overflow */
        bool more = false;
        int n;

        /* Last before the sleep, so that nothing which a timer, a callback or the caller between
         * two turns did to an edge-triggered source can be slept over. */
        for (uint32_t i = 0; i < l->n_hooks; i++)
                more |= l->hooks[i].after(l->hooks[i].arg);
        l->now = wt_now_us(l->clock);
        if (max_us > longest)
                max_us = longest;
        if (l->n_timers > 0 && l->heap[1]->at_us < l->now + max_us)
                max_us = l->heap[1]->at_us > l->now ? l->heap[1]->at_us - l->now : 0;
        n = wait_events(l, more ? 0 : max_us);
        l->now = wt_now_us(l->clock);
        for (int i = 0; i < n; i++) {
                int fd = (int)(uint32_t)l->events[i].data.u64;
                const struct slot *s = slot_of(l, fd);
                uint32_t bits = l->events[i].events;
                unsigned ready = 0;

                if (!s || s->born != (uint32_t)(l->events[i].data.u64 >> 32))
                        continue;                /* removed by an earlier callback of this batch */
                if (bits & EPOLLIN)
                        ready |= WT_READ;
                if (bits & EPOLLOUT)
                        ready |= WT_WRITE;
                ready &= s->want;                /* an earlier callback may have changed its mind */
                if (bits & (EPOLLERR | EPOLLHUP))
                        ready = WT_READ | WT_WRITE;
                if (ready)
                        s->cb(s->arg, fd, ready);
        }
        fire_due(l);
}
