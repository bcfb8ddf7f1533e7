/* zmq_io.c - messages to and from ZeroMQ's parts: envelope, then one part per tensor. Out: a
 * frame of ZERO_COPY bytes or more is lent to libzmq, which gives it back from its I/O thread.
 * In: frames are copied. CURVE has copied them several times by then, and a frame of ours is
 * aligned, pooled and free of libzmq's bookkeeping. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>
#include "bus/zmq_impl.h"

enum { ZERO_COPY = 64 << 10, LARGE_ENVELOPE = 64 << 10, MAX_PARTS = 1 + WT_MAX_TENSORS };

/* ---- sending ---- */

static void give_back(void *data, void *hint)
{
        (void)hint;
        bus_frame_drop(data);
}

/* The part as a zmq_msg_t; lends a large frame (held once more until libzmq is done with it). */
static int make_part(zmq_msg_t *part, const struct wt_frame *f, bool lend)
{
        if (lend && f->len >= ZERO_COPY) {
                bus_frame_hold(f->data);
                if (zmq_msg_init_data(part, f->data, f->len, give_back, NULL) == 0)
                        return 0;
                bus_frame_drop(f->data);
                return -1;
        }
        if (zmq_msg_init_size(part, f->len) < 0)
                return -1;
        if (f->len)
                memcpy(zmq_msg_data(part), f->data, f->len);
        return 0;
}

static void close_all(zmq_msg_t *part, uint32_t n)
{
        int why = errno;

        for (uint32_t i = 0; i < n; i++)
                zmq_msg_close(&part[i]);         /* nothing is left of one that was sent */
        errno = why;
}

static int send_part(void *sock, zmq_msg_t *part, bool more)
{
        int rc;

        do
                rc = zmq_msg_send(part, sock, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0));
        while (rc < 0 && errno == EINTR);
        return rc;
}

static wt_err send_failed(const char *to)
{
        switch (errno) {
        case EAGAIN:       return wt_fail(WT_EAGAIN, "the queue to %s is full", to);
        case EHOSTUNREACH: return wt_fail(WT_EUNAVAILABLE, "%s is not connected now", to);
        case ENOMEM:       return wt_fail(WT_ENOMEM, "no memory to send to %s", to);
        default:           return wt_fail(WT_EIO, "send to %s: %s", to, zmq_strerror(errno));
        }
}

/* Socket, first part (route; len 0 for none) and name of a peer. */
static wt_err route(struct zbus *z, uint32_t peer, void **sock, struct wt_frame *first,
                    const char **name)
{
        struct zbus_peer *p = zbus_peer(z, peer);

        *first = (struct wt_frame){ 0 };
        if (p && p->route.len == 0)
                return wt_fail(WT_EUNAVAILABLE, "the key of %s is no longer listed", p->name);
        if (!p && z->per_key > 0)
                return wt_fail(WT_EUNAVAILABLE, "that connection is over");
        if (p) {
                *sock = z->router;
                *first = (struct wt_frame){ p->route.bytes, p->route.len };
                *name = p->name;
                return WT_OK;
        }
        WT_ASSERT(peer < z->n_links);
        *name = z->links[peer].endpoint;
        if (!z->links[peer].up)
                zbus_pump(z);
        *sock = z->links[peer].sock;
        return z->links[peer].up ? WT_OK
                                 : wt_fail(WT_EUNAVAILABLE, "%s is not connected now", *name);
}

/* All parts of m, made before the first is sent, so that none is missing for lack of memory. Once
 * the first is in, the others cannot be refused for lack of room; if the peer goes in between,
 * libzmq drops what is in, and the rest has to be offered so that it can drop that too. */
static wt_err send_parts(void *sock, const struct wt_frame *first, const wt_msg *m,
                         const struct wt_buf *envelope, const char *to)
{
        struct wt_frame at[2 + WT_MAX_TENSORS];
        zmq_msg_t part[2 + WT_MAX_TENSORS];
        uint32_t n = 0, lent;
        wt_err err = WT_OK;

        if (first->len)
                at[n++] = *first;
        at[n++] = (struct wt_frame){ envelope->data, envelope->len };
        lent = n;
        for (uint32_t i = 0; i < m->env.n_tensors; i++)
                at[n++] = m->frame[i];
        for (uint32_t i = 0; i < n; i++)
                if (make_part(&part[i], &at[i], i >= lent) < 0) {
                        close_all(part, i);
                        return send_failed(to);
                }
        for (uint32_t i = 0; i < n; i++) {
                if (send_part(sock, &part[i], i + 1 < n) >= 0)
                        continue;
                err = i == 0 ? send_failed(to)
                             : wt_fail(WT_EUNAVAILABLE, "%s went away during a message", to);
                if (i == 0)
                        break;
        }
        close_all(part, n);
        return err;
}

wt_err zbus_send(void *impl, wt_msg *m)
{
        struct zbus *z = impl;
        struct wt_frame first;
        const char *to = "";
        void *sock = NULL;
        wt_err err;

        if ((err = route(z, m->peer, &sock, &first, &to)) != WT_OK)
                return err;
        wt_buf_clear(&z->scratch);
        z->settled = false;                      /* to send is to take news of what has come */
        if ((err = wt_wire_encode(&m->env, &z->scratch)) != WT_OK ||
            (err = send_parts(sock, &first, m, &z->scratch, to)) != WT_OK)
                return err;
        bus_count(&z->b->bytes_sent, z->scratch.len);
        wt_msg_free(m);
        return WT_OK;
}

/* ---- receiving ---- */

/* One message in parts, as it came; n counts parts beyond MAX_PARTS too. */
struct parts { struct zbus_id from; zmq_msg_t part[MAX_PARTS]; uint32_t n; };

static void close_parts(struct parts *p)
{
        for (uint32_t i = 0; i < p->n && i < MAX_PARTS; i++)
                zmq_msg_close(&p->part[i]);
}

static bool recv_part(void *sock, zmq_msg_t *part)
{
        zmq_msg_init(part);
        while (zmq_msg_recv(part, sock, ZMQ_DONTWAIT) < 0)
                if (errno != EINTR) {
                        zmq_msg_close(part);
                        return false;
                }
        return true;
}

/* The next whole message of a socket; false: none. A message's parts come all or none. */
static bool gather(void *sock, bool is_router, struct parts *p)
{
        zmq_msg_t extra;
        bool more = true;

        p->n = 0;
        p->from.len = 0;
        if (is_router) {
                if (!recv_part(sock, &extra))
                        return false;
                p->from.len = (uint8_t)zmq_msg_size(&extra);     /* at most 255, by ZMTP */
                memcpy(p->from.bytes, zmq_msg_data(&extra), p->from.len);
                more = zmq_msg_more(&extra);
                zmq_msg_close(&extra);
        }
        for (; more; p->n++) {
                zmq_msg_t *to = p->n < MAX_PARTS ? &p->part[p->n] : &extra;

                if (!recv_part(sock, to))
                        return p->n > 0;
                more = zmq_msg_more(to);
                if (to == &extra)
                        zmq_msg_close(&extra);
        }
        return true;
}

/* Frames as the envelope's tensors say, copied. WT_EINVAL, WT_ENOMEM. What is dropped for want of
 * memory between services: a call is made again once it is late, an event is missed by the position
 * of the next one; a lost submit is seen by nobody but its deadline. */
static wt_err take_frames(wt_msg *m, struct parts *p)
{
        uint32_t n = m->env.n_tensors;

        m->env.n_tensors = 0;                    /* so that a failure frees what is there */
        if (n != p->n - 1)
                return wt_fail(WT_EINVAL, "a message of %u tensors and %u parts behind the "
                               "envelope", n, p->n - 1);
        for (uint32_t i = 0; i < n; i++) {
                struct wt_frame *f = &m->frame[i];
                size_t bytes = 0;

                if (!wt_tensor_bytes(&m->env.tensors[i], &bytes) ||
                    bytes != zmq_msg_size(&p->part[1 + i]))
                        return wt_fail(WT_EINVAL, "tensor %u has %zu bytes by its shape and %zu "
                                       "in its part", i, bytes, zmq_msg_size(&p->part[1 + i]));
                *f = (struct wt_frame){ bus_frame_try(m->home, bytes), bytes };
                if (!f->data)
                        return wt_fail(WT_ENOMEM, "no memory for a tensor of %zu bytes", bytes);
                memcpy(f->data, zmq_msg_data(&p->part[1 + i]), bytes);
                m->env.n_tensors++;
        }
        return WT_OK;
}

/* Counts what was wrong. Where it may be answered, the fault as a message, in a code of the wire;
 * else NULL. */
static wt_msg *fault(struct zbus *z, struct parts *p, uint32_t peer, wt_err code)
{
        char words[512];
        uint64_t call_id;
        wt_msg *m;

        bus_count(code == WT_EEXHAUSTED ? &z->b->dropped_too_long : &z->b->dropped_malformed, 1);
        snprintf(words, sizeof words, "%s", wt_words());         /* looking changes them */
        if (!z->b->faults || p->n == 0 ||
            !wt_wire_call_id(zmq_msg_data(&p->part[0]), zmq_msg_size(&p->part[0]), &call_id))
                return NULL;
        m = wt_msg_new(z->b);
        bus_msg_fault(m, wt_code_outside(code), call_id, words);
        m->peer = peer;
        return m;
}

/* NULL: dropped. */
static wt_msg *read_message(struct zbus *z, struct parts *p, uint32_t peer)
{
        size_t len = p->n ? zmq_msg_size(&p->part[0]) : 0;
        wt_msg *m;
        wt_err err;

        if (p->n == 0 || p->n > MAX_PARTS)
                return fault(z, p, peer, wt_fail(WT_EINVAL, "a message of %u parts; it has one, "
                                                 "and one for each tensor, at most %d", p->n,
                                                 MAX_PARTS));
        if (len > WT_MAX_ENVELOPE)
                return fault(z, p, peer, wt_fail(WT_EEXHAUSTED, "an envelope of %zu bytes; it has "
                                                 "at most %d", len, WT_MAX_ENVELOPE));
        m = wt_msg_new(z->b);
        m->peer = peer;
        if (len > LARGE_ENVELOPE)
                bus_msg_is_large(m);
        if ((err = wt_wire_decode(&m->env, zmq_msg_data(&p->part[0]), len, &m->arena)) == WT_OK &&
            (err = take_frames(m, p)) == WT_OK) {
                bus_count(&z->b->bytes_received, len);
                return m;
        }
        wt_msg_free(m);
        return fault(z, p, peer, err == WT_ENOMEM ? WT_ENOMEM : WT_EINVAL);
}

/* Who sent this to the bound socket; false: somebody who may not, and is cut off when its key is
 * no longer listed. */
static bool sender(struct zbus *z, struct parts *p, uint32_t *peer)
{
        const char *user = zmq_msg_gets(&p->part[0], "User-Id");
        const char *address = zmq_msg_gets(&p->part[0], "Peer-Address");
        struct zbus_peer *who;

        if (!zbus_identify(z, &p->from, user, peer)) {
                bus_count(&z->b->dropped_identity, 1);
                if (user && !zbus_listed(z, user))
                        zbus_cut(z, zmq_msg_get(&p->part[0], ZMQ_SRCFD));
                return false;
        }
        who = zbus_peer(z, *peer);
        if (who->fd < 0) {                       /* a connection that is new to us */
                who->fd = zmq_msg_get(&p->part[0], ZMQ_SRCFD);
                snprintf(who->address, sizeof who->address, "%s",
                         address && strncmp(z->endpoint, "tcp://", 6) == 0 ? address : "");
        }
        return true;
}

/* Messages of one socket until a good one; NULL: none left. */
static wt_msg *next_of(struct zbus *z, void *sock, uint32_t link)
{
        bool is_router = sock == z->router;
        struct parts p;

        while (gather(sock, is_router, &p)) {
                uint32_t peer = link;
                wt_msg *m = NULL;

                if (!is_router || p.n == 0 || sender(z, &p, &peer))
                        m = read_message(z, &p, peer);
                close_parts(&p);
                if (m)
                        return m;
        }
        return NULL;
}

wt_err zbus_recv(void *impl, wt_msg **out)
{
        struct zbus *z = impl;
        uint32_t n = z->n_links + (z->router != NULL);

        for (uint32_t i = 0; i < n; i++) {
                uint32_t at = (z->turn + i) % n;
                wt_msg *m = next_of(z, at < z->n_links ? z->links[at].sock : z->router, at);

                if (m) {
                        z->settled = false;
                        z->turn = at + 1;        /* the others come first next time */
                        *out = m;
                        return WT_OK;
                }
        }
        z->settled = true;
        zbus_pump(z);                            /* may open one anew */
        return WT_EAGAIN;
}
