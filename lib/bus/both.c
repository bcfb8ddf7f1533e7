/* both.c - one bus that is bound twice: to inproc:// for peers in its own process and to tcp:// or
 * ipc:// for all others. A peer gets its number here when it first speaks; what it is called
 * inside its transport stays between that transport and this file. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "bus/bus_impl.h"

enum { INSIDE, OUTSIDE, N_SIDES, MAX_ENDPOINTS_TEXT = 1024 };

struct side {
        const struct wt_bus_ops *ops;
        void *impl;
        uint32_t *number, cap;                   /* its peer -> ours + 1; 0: has not spoken yet */
};
struct peer { uint32_t side, inner; };
struct both {
        struct side side[N_SIDES];
        struct peer *peers;
        uint32_t n_peers, cap_peers;
        uint32_t turn;                           /* whose queue is looked at first */
        int all;                                 /* epoll of both descriptors */
        int beside, watched;                     /* epoll of what the outer side's wait does not
                                                  * know: the inner side and the caller's fd */
        char *endpoint;                          /* as bound: "inproc://A,tcp://B" */
};

static void *grown(void *p, uint32_t *cap, uint32_t least, size_t each)
{
        uint32_t was = *cap, now = was > 0 ? was : 16;

        while (now < least)
                now *= 2;
        if (now == was)
                return p;
        p = realloc(p, now * each);
        if (p == NULL)
                wt_out_of_memory("the peers of a bus", now * each);
        memset((char *)p + was * each, 0, (now - was) * each);
        *cap = now;
        return p;
}

static uint32_t number_of(struct both *x, uint32_t side, uint32_t inner)
{
        struct side *s = &x->side[side];

        s->number = grown(s->number, &s->cap, inner + 1, sizeof *s->number);
        if (s->number[inner] == 0) {
                x->peers = grown(x->peers, &x->cap_peers, x->n_peers + 1, sizeof *x->peers);
                x->peers[x->n_peers] = (struct peer){ side, inner };
                s->number[inner] = ++x->n_peers;
        }
        return s->number[inner] - 1;
}

static struct side *side_of(struct both *x, uint32_t peer, uint32_t *inner)
{
        WT_ASSERT(peer < x->n_peers);
        *inner = x->peers[peer].inner;
        return &x->side[x->peers[peer].side];
}

/* "A,B" into one endpoint for each side; text holds both. */
static wt_err split(char *text, const char *bind, const char *to[N_SIDES])
{
        char *comma;

        if (strlen(bind) >= MAX_ENDPOINTS_TEXT)
                return wt_fail(WT_EINVAL, "the endpoints to bind are longer than %d bytes",
                               MAX_ENDPOINTS_TEXT - 1);
        strcpy(text, bind);
        to[INSIDE] = to[OUTSIDE] = NULL;
        for (char *at = text; at != NULL; at = comma != NULL ? comma + 1 : NULL) {
                uint32_t side = strncmp(at, "inproc://", 9) != 0;

                if ((comma = strchr(at, ',')) != NULL)
                        *comma = '\0';
                if (to[side] != NULL || *at == '\0')
                        return wt_fail(WT_EINVAL, "bind to %s: name one endpoint, or one of "
                                       "inproc:// and one of tcp:// or ipc://", bind);
                to[side] = at;
        }
        return to[INSIDE] != NULL && to[OUTSIDE] != NULL ? WT_OK
                : wt_fail(WT_EINVAL, "bind to %s: two endpoints are one of inproc:// and one of "
                          "tcp:// or ipc://", bind);
}

static wt_err watch(int epoll, int fd)
{
        struct epoll_event e = { .events = EPOLLIN };

        return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) == 0 || errno == EEXIST
                ? WT_OK : wt_fail(WT_EIO, "epoll of bus: %s", strerror(errno));
}

static void both_close(void *impl)
{
        struct both *x = impl;

        for (uint32_t i = 0; i < N_SIDES; i++) {
                if (x->side[i].impl != NULL)
                        x->side[i].ops->close(x->side[i].impl);
                free(x->side[i].number);
        }
        if (x->all >= 0)
                close(x->all);
        if (x->beside >= 0)
                close(x->beside);
        free(x->peers);
        free(x->endpoint);
        free(x);
}

static wt_err open_sides(struct both *x, wt_bus *b, const struct wt_bus_conf *c)
{
        char text[MAX_ENDPOINTS_TEXT];
        const char *bind[N_SIDES];
        struct wt_bus_conf one = *c;
        wt_err err = split(text, c->bind, bind);

        for (uint32_t i = 0; i < N_SIDES && err == WT_OK; i++) {
                struct side *s = &x->side[i];

                one.bind = bind[i];
                if ((err = s->ops->open(&s->impl, b, &one)) == WT_OK)
                        err = watch(x->all, s->ops->fd(s->impl));
        }
        if (err != WT_OK)
                return err;
        if (asprintf(&x->endpoint, "%s,%s", x->side[INSIDE].ops->endpoint(x->side[INSIDE].impl),
                     x->side[OUTSIDE].ops->endpoint(x->side[OUTSIDE].impl)) < 0) {
                x->endpoint = NULL;
                return wt_fail(WT_ENOMEM, "no memory for the endpoints of bus %s", c->name);
        }
        return watch(x->beside, x->side[INSIDE].ops->fd(x->side[INSIDE].impl));
}

static wt_err both_open(void **impl, wt_bus *b, const struct wt_bus_conf *c)
{
        struct both *x;
        wt_err err;

        if (bus_remote() == NULL)
                return wt_fail(WT_EINVAL, "bind to %s: this build speaks inproc:// only", c->bind);
        if (c->per_key > 0)
                return wt_fail(WT_EINVAL, "bus %s: connections that are peers of their own want an "
                               "endpoint of tcp:// or ipc:// alone", c->name);
        if (c->n_connect > 0)
                return wt_fail(WT_EINVAL, "bus %s: it is bound on two transports and connects to "
                               "none", c->name);
        if ((x = calloc(1, sizeof *x)) == NULL)
                return wt_fail(WT_ENOMEM, "no memory for bus %s", c->name);
        x->side[INSIDE].ops = &wt_bus_inproc;
        x->side[OUTSIDE].ops = bus_remote();
        x->watched = -1;
        x->all = epoll_create1(EPOLL_CLOEXEC);
        x->beside = epoll_create1(EPOLL_CLOEXEC);
        if (x->all < 0 || x->beside < 0)
                err = wt_fail(WT_EIO, "bus %s: %s", c->name, strerror(errno));
        else
                err = open_sides(x, b, c);
        if (err != WT_OK) {
                both_close(x);
                return err;
        }
        *impl = x;
        return WT_OK;
}

static wt_err both_send(void *impl, wt_msg *m)
{
        uint32_t peer = m->peer;
        struct side *s = side_of(impl, peer, &m->peer);
        wt_err err = s->ops->send(s->impl, m);

        if (err != WT_OK)
                m->peer = peer;                  /* still the caller's, as it was */
        return err;
}

static wt_err both_recv(void *impl, wt_msg **out)
{
        struct both *x = impl;

        for (uint32_t i = 0; i < N_SIDES; i++) {
                uint32_t at = (x->turn + i) % N_SIDES;
                struct side *s = &x->side[at];

                if (s->ops->recv(s->impl, out) != WT_OK)
                        continue;
                (*out)->peer = number_of(x, at, (*out)->peer);
                x->turn = at + 1;                /* the other one comes first next time */
                return WT_OK;
        }
        return WT_EAGAIN;
}

static bool both_ready(void *impl)
{
        struct both *x = impl;
        bool in = x->side[INSIDE].ops->ready(x->side[INSIDE].impl);

        return x->side[OUTSIDE].ops->ready(x->side[OUTSIDE].impl) || in;
}

/* The outer side knows best how it sleeps, and takes one descriptor more: the epoll of the
 * rest. */
static void both_wait(void *impl, int fd, uint64_t timeout_us)
{
        struct both *x = impl;

        if (x->watched >= 0 && x->watched != fd)
                epoll_ctl(x->beside, EPOLL_CTL_DEL, x->watched, NULL);
        x->watched = fd;
        if (fd >= 0)                             /* again each time: a number may be a new file's */
                watch(x->beside, fd);
        x->side[OUTSIDE].ops->wait(x->side[OUTSIDE].impl, x->beside, timeout_us);
}

static int both_fd(void *impl) { return ((struct both *)impl)->all; }
static const char *both_endpoint(void *impl) { return ((struct both *)impl)->endpoint; }
static uint32_t both_peers(void *impl) { return ((struct both *)impl)->n_peers; }

static const char *both_peer_name(void *impl, uint32_t peer)
{
        struct side *s = side_of(impl, peer, &peer);

        return s->ops->peer_name(s->impl, peer);
}

static const char *both_peer_role(void *impl, uint32_t peer)
{
        struct side *s = side_of(impl, peer, &peer);

        return s->ops->peer_role(s->impl, peer);
}

static const char *both_peer_address(void *impl, uint32_t peer)
{
        struct side *s = side_of(impl, peer, &peer);

        return s->ops->peer_address != NULL ? s->ops->peer_address(s->impl, peer) : "";
}

static bool both_peer_here(void *impl, uint32_t peer)
{
        struct side *s = side_of(impl, peer, &peer);

        return s->ops->peer_here == NULL || s->ops->peer_here(s->impl, peer);
}

static bool both_lost(void *impl)
{
        struct both *x = impl;
        bool in = x->side[INSIDE].ops->lost(x->side[INSIDE].impl);

        return x->side[OUTSIDE].ops->lost(x->side[OUTSIDE].impl) || in;
}

const struct wt_bus_ops wt_bus_both = {
        .scheme = "both", .open = both_open, .close = both_close, .fd = both_fd,
        .ready = both_ready, .send = both_send, .recv = both_recv, .wait = both_wait,
        .endpoint = both_endpoint, .peers = both_peers, .peer_name = both_peer_name,
        .peer_role = both_peer_role, .lost = both_lost, .peer_address = both_peer_address,
        .peer_here = both_peer_here,
};
