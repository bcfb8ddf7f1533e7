/* inproc.c - buses within one process, on one thread or several. A port is one bus's queue; linked
 * ports hold each other, so that a sender never meets a port that is gone, only one that is closed.
 * A port's lock guards its queue and its peers; no two locks are ever held at once. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "bus/bus_impl.h"

static const char scheme[] = "inproc://";

struct port;
struct peer {
        char *name;                              /* of the bus there; endpoint if we connect */
        struct port *to;                         /* held; NULL: not linked now */
        uint32_t back;                           /* our number there */
        uint32_t queued;                         /* its messages in our queue: at most hwm */
};
struct port {
        pthread_mutex_t lock;
        atomic_uint refs;
        int fd;                                  /* eventfd: readable while the queue is not empty,
                                                  * and once when a peer has gone */
        bool closed, lost;
        wt_msg *head, **tail;
        struct peer **peers;                     /* those we connect to, then those bound to us */
        uint32_t n_peers, cap_peers, n_connect, hwm;
        char *name, *endpoint;                   /* own name; "inproc://NAME" as bound, or "" */
        struct port *next;                       /* in the registry */
};

static struct { pthread_mutex_t lock; struct port *bound; uint64_t n_any; } registry =
        { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct port *hold(struct port *p)
{
        atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
        return p;
}

static void drop(struct port *p)
{
        if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
                return;
        for (uint32_t i = 0; i < p->n_peers; i++) {
                free(p->peers[i]->name);
                free(p->peers[i]);
        }
        free(p->peers);
        free(p->name);
        free(p->endpoint);
        if (p->fd >= 0)
                close(p->fd);
        pthread_mutex_destroy(&p->lock);
        free(p);
}

static void wake(struct port *p)                 /* p's lock held, as in quiet */
{
        uint64_t one = 1;

        while (write(p->fd, &one, sizeof one) < 0 && errno == EINTR)
                ;
}

static void quiet(struct port *p)
{
        uint64_t n;

        while (read(p->fd, &n, sizeof n) < 0 && errno == EINTR)
                ;
}

static bool room_for_peer(struct port *p)
{
        uint32_t cap = p->cap_peers ? 2 * p->cap_peers : 8;
        struct peer **grown;

        if (p->n_peers < p->cap_peers)
                return true;
        if ((grown = realloc(p->peers, cap * sizeof *grown)) == NULL)
                return false;
        p->peers = grown;
        p->cap_peers = cap;
        return true;
}

/* p's lock held, or p not shared yet. NULL: memory is gone. */
static struct peer *add_peer(struct port *p, const char *name)
{
        struct peer *x = calloc(1, sizeof *x);

        if (!x || !(x->name = strdup(name)) || !room_for_peer(p)) {
                if (x)
                        free(x->name);
                free(x);
                return NULL;
        }
        return p->peers[p->n_peers++] = x;
}

static wt_err no_memory(const char *name)
{
        return wt_fail(WT_ENOMEM, "no memory for bus %s", name);
}

/* Gives *out also when it fails, then to be dropped: NULL or as far as it came. */
static wt_err port_new(struct port **out, const struct wt_bus_conf *c)
{
        struct port *p = *out = calloc(1, sizeof *p);

        if (!p)
                return no_memory(c->name);
        pthread_mutex_init(&p->lock, NULL);
        atomic_init(&p->refs, 1);
        p->tail = &p->head;
        p->hwm = c->hwm ? c->hwm : BUS_DEFAULT_HWM;
        p->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (p->fd < 0)
                return wt_fail(WT_EIO, "eventfd for bus %s: %s", c->name, strerror(errno));
        if (!(p->name = strdup(c->name)))
                return no_memory(c->name);
        for (uint32_t i = 0; i < c->n_connect; i++)
                if (!add_peer(p, c->connect[i]))
                        return no_memory(c->name);
        p->n_connect = p->n_peers;
        return WT_OK;
}

static struct port *lookup(const char *endpoint) /* registry's lock held */
{
        struct port *p = registry.bound;

        while (p && strcmp(p->endpoint, endpoint) != 0)
                p = p->next;
        return p;
}

static wt_err bind_port(struct port *p, const char *endpoint)
{
        char any[64];
        wt_err err = WT_OK;

        pthread_mutex_lock(&registry.lock);
        if (strcmp(endpoint + strlen(scheme), "*") == 0) {
                snprintf(any, sizeof any, "%sany-%llu", scheme,
                         (unsigned long long)++registry.n_any);
                endpoint = any;
        }
        if (lookup(endpoint)) {
                err = wt_fail(WT_EEXIST, "%s is in use; close the bus that is bound to it or take "
                              "another name", endpoint);
        } else if (!(p->endpoint = strdup(endpoint))) {
                err = no_memory(p->name);
        } else {
                p->next = registry.bound;
                registry.bound = p;
        }
        pthread_mutex_unlock(&registry.lock);
        return err;
}

static void unbind(struct port *p)
{
        struct port **at;

        pthread_mutex_lock(&registry.lock);
        for (at = &registry.bound; *at && *at != p; at = &(*at)->next)
                ;
        if (*at)
                *at = p->next;
        pthread_mutex_unlock(&registry.lock);
}

/* Names live as long as the port. */
static const char *inproc_peer_name(void *impl, uint32_t peer)
{
        struct port *p = impl;
        const char *name;

        pthread_mutex_lock(&p->lock);
        WT_ASSERT(peer < p->n_peers);
        name = p->peers[peer]->name;
        pthread_mutex_unlock(&p->lock);
        return name;
}

/* Makes p a peer of t under its name; the same name keeps its number. False: t is closed, or memory
 * is gone (p tries again when it sends). */
static bool announce(struct port *t, struct port *p, uint32_t our_index, uint32_t *number)
{
        struct port *before = NULL;
        struct peer *x = NULL;
        bool open;

        pthread_mutex_lock(&t->lock);
        open = !t->closed;
        if (open) {
                for (*number = t->n_connect; *number < t->n_peers; ++*number)
                        if (strcmp(t->peers[*number]->name, p->name) == 0)
                                break;
                x = *number < t->n_peers ? t->peers[*number] : add_peer(t, p->name);
                open = x != NULL;
        }
        if (open) {
                before = x->to;
                x->to = hold(p);
                x->back = our_index;
        }
        pthread_mutex_unlock(&t->lock);
        drop(before);
        return open;
}

/* Links endpoint i to the port bound there now, if there is one. */
static void link_endpoint(struct port *p, uint32_t i)
{
        struct port *t, *before = NULL;
        const char *endpoint = inproc_peer_name(p, i);
        uint32_t number;

        pthread_mutex_lock(&registry.lock);
        t = lookup(endpoint);
        if (t)
                hold(t);
        pthread_mutex_unlock(&registry.lock);
        if (!t)
                return;
        if (announce(t, p, i, &number)) {
                pthread_mutex_lock(&p->lock);
                before = p->peers[i]->to;
                p->peers[i]->to = hold(t);
                p->peers[i]->back = number;
                pthread_mutex_unlock(&p->lock);
        }
        drop(before);
        drop(t);
}

/* Ends the link of p's peer number i on both sides; the other side learns that it lost a peer. */
static void unlink_peer(struct port *p, uint32_t i)
{
        struct port *t;
        struct peer *y;
        uint32_t back;
        bool both;

        pthread_mutex_lock(&p->lock);
        t = p->peers[i]->to;
        back = p->peers[i]->back;
        p->peers[i]->to = NULL;
        pthread_mutex_unlock(&p->lock);
        if (!t)
                return;
        pthread_mutex_lock(&t->lock);
        y = back < t->n_peers ? t->peers[back] : NULL;
        both = y && y->to == p;
        if (both) {
                y->to = NULL;
                t->lost = true;
                wake(t);
        }
        pthread_mutex_unlock(&t->lock);
        if (both)
                drop(p);
        drop(t);
}

static void inproc_close(void *impl)
{
        struct port *p = impl;
        wt_msg *m, *next;
        uint32_t n;

        if (p->endpoint)
                unbind(p);
        pthread_mutex_lock(&p->lock);
        p->closed = true;                        /* from here on nobody adds a peer or a message */
        n = p->n_peers;
        m = p->head;
        p->head = NULL;
        p->tail = &p->head;
        pthread_mutex_unlock(&p->lock);
        for (uint32_t i = 0; i < n; i++)
                unlink_peer(p, i);
        for (; m; m = next) {
                next = m->next;
                wt_msg_free(m);
        }
        drop(p);
}

static wt_err inproc_open(void **impl, wt_bus *b, const struct wt_bus_conf *c)
{
        struct port *p;
        wt_err err = port_new(&p, c);

        (void)b;
        if (err == WT_OK && c->bind)
                err = bind_port(p, c->bind);
        if (err != WT_OK) {
                if (p)
                        inproc_close(p);
                return err;
        }
        for (uint32_t i = 0; i < p->n_connect; i++)
                link_endpoint(p, i);
        *impl = p;
        return WT_OK;
}

static struct port *linked(struct port *p, uint32_t peer, uint32_t *back)
{
        struct port *t;

        pthread_mutex_lock(&p->lock);
        WT_ASSERT(peer < p->n_peers);
        t = p->peers[peer]->to;
        *back = p->peers[peer]->back;
        if (t)
                hold(t);
        pthread_mutex_unlock(&p->lock);
        return t;
}

/* May p put a message into t's queue as its peer `back`? t's lock held. */
static wt_err may_push(const struct port *t, const struct port *p, uint32_t back)
{
        if (t->closed || t->peers[back]->to != p)        /* another bus took our name there */
                return wt_fail(WT_EUNAVAILABLE, "the peer of bus %s has closed", p->name);
        if (t->peers[back]->queued >= t->hwm)
                return wt_fail(WT_EAGAIN, "the queue to bus %s is full", t->name);
        return WT_OK;
}

/* The message is made its own between two looks at the queue: a full one must not cost arena memory
 * at every try, and only p adds to its share of the queue. */
static wt_err push(struct port *t, struct port *p, uint32_t back, wt_msg *m)
{
        wt_err err;

        pthread_mutex_lock(&t->lock);
        err = may_push(t, p, back);
        pthread_mutex_unlock(&t->lock);
        if (err != WT_OK || (err = wt_wire_own(&m->env, &m->arena)) != WT_OK)
                return err;
        pthread_mutex_lock(&t->lock);
        if ((err = may_push(t, p, back)) == WT_OK) {
                bool was_empty = t->head == NULL;

                t->peers[back]->queued++;
                m->peer = back;
                m->next = NULL;
                *t->tail = m;
                t->tail = &m->next;
                if (was_empty)
                        wake(t);
        }
        pthread_mutex_unlock(&t->lock);
        return err;
}

static wt_err inproc_send(void *impl, wt_msg *m)
{
        struct port *p = impl, *t;
        uint32_t back, peer = m->peer;
        wt_err err;

        t = linked(p, peer, &back);
        if (!t && peer < p->n_connect) {
                link_endpoint(p, peer);
                t = linked(p, peer, &back);
        }
        if (!t)
                return wt_fail(WT_EUNAVAILABLE, "nobody at %s now", inproc_peer_name(p, peer));
        err = push(t, p, back, m);
        drop(t);
        if (err == WT_EUNAVAILABLE)
                unlink_peer(p, peer);
        return err;
}

static wt_err inproc_recv(void *impl, wt_msg **out)
{
        struct port *p = impl;
        wt_msg *m;

        pthread_mutex_lock(&p->lock);
        if ((m = p->head) != NULL) {
                p->head = m->next;
                p->peers[m->peer]->queued--;
        }
        if (!p->head) {
                p->tail = &p->head;
                quiet(p);
        }
        pthread_mutex_unlock(&p->lock);
        if (!m)
                return WT_EAGAIN;
        m->next = NULL;
        *out = m;
        return WT_OK;
}

static bool inproc_ready(void *impl)
{
        struct port *p = impl;
        bool some;

        pthread_mutex_lock(&p->lock);
        some = p->head != NULL;
        pthread_mutex_unlock(&p->lock);
        return some;
}

static bool inproc_lost(void *impl)
{
        struct port *p = impl;
        bool lost;

        pthread_mutex_lock(&p->lock);
        lost = p->lost;
        p->lost = false;
        pthread_mutex_unlock(&p->lock);
        return lost;
}

static void inproc_wait(void *impl, int fd, uint64_t timeout_us)
{
        struct port *p = impl;
        struct pollfd on[2] = { { .fd = p->fd, .events = POLLIN }, { .fd = fd, .events = POLLIN } };
        struct timespec t = { .tv_sec = (time_t)(timeout_us / 1000000),
                              .tv_nsec = (long)(timeout_us % 1000000) * 1000 };

        ppoll(on, fd < 0 ? 1 : 2, &t, NULL);     /* a signal ends the wait too: the caller looks */
}

static int inproc_fd(void *impl) { return ((struct port *)impl)->fd; }

static const char *inproc_endpoint(void *impl)
{
        const struct port *p = impl;

        return p->endpoint ? p->endpoint : "";
}

static uint32_t inproc_peers(void *impl)
{
        struct port *p = impl;
        uint32_t n;

        pthread_mutex_lock(&p->lock);
        n = p->n_peers;
        pthread_mutex_unlock(&p->lock);
        return n;
}

static const char *inproc_peer_role(void *impl, uint32_t peer)
{
        (void)impl, (void)peer;
        return "";
}

static bool inproc_peer_here(void *impl, uint32_t peer)
{
        struct port *p = impl;
        bool here;

        pthread_mutex_lock(&p->lock);
        here = peer < p->n_peers && p->peers[peer]->to != NULL;
        pthread_mutex_unlock(&p->lock);
        return here;
}

const struct wt_bus_ops wt_bus_inproc = {
        .scheme = "inproc", .open = inproc_open, .close = inproc_close, .fd = inproc_fd,
        .ready = inproc_ready, .send = inproc_send, .recv = inproc_recv, .wait = inproc_wait,
        .endpoint = inproc_endpoint, .peers = inproc_peers, .peer_name = inproc_peer_name,
        .peer_role = inproc_peer_role, .lost = inproc_lost, .peer_here = inproc_peer_here,
};
