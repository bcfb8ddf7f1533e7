/* bus.c - one face for every transport: chooses it, counts, and lets only true messages through. */
#include <string.h>
#include "bus/bus_impl.h"

static bool has_scheme(const char *endpoint, const char *scheme)
{
        size_t n = strlen(scheme);

        return strncmp(endpoint, scheme, n) == 0 && strncmp(endpoint + n, "://", 3) == 0;
}

/* The transport of an endpoint, NULL when no transport of this build knows the scheme. */
static const struct wt_bus_ops *transport_of(const char *endpoint)
{
        if (has_scheme(endpoint, "inproc"))
                return &wt_bus_inproc;
        if (has_scheme(endpoint, "tcp") || has_scheme(endpoint, "ipc"))
                return bus_remote();
        return NULL;
}

static wt_err choose(const struct wt_bus_conf *c, const struct wt_bus_ops **out)
{
        const struct wt_bus_ops *ops = NULL;

        if (c->bind && strchr(c->bind, ',')) {
                *out = &wt_bus_both;
                return WT_OK;
        }
        for (uint32_t i = 0; i <= c->n_connect; i++) {
                const char *endpoint = i < c->n_connect ? c->connect[i] : c->bind;
                const struct wt_bus_ops *its;

                if (!endpoint)
                        continue;
                if ((its = transport_of(endpoint)) == NULL)
                        return wt_fail(WT_EINVAL, "endpoint \"%s\": this build speaks %s", endpoint,
                                       bus_remote() ? "tcp://, ipc:// and inproc://"
                                                              : "inproc:// only");
                if (ops && its != ops)
                        return wt_fail(WT_EINVAL, "endpoint \"%s\" beside one of %s://: one bus "
                                       "has one transport", endpoint, ops->scheme);
                ops = its;
        }
        if (!ops)
                return wt_fail(WT_EINVAL, "a bus without endpoints: name one to bind or connect");
        *out = ops;
        return WT_OK;
}

wt_err wt_bus_open(wt_bus **out, const struct wt_bus_conf *conf)
{
        const struct wt_bus_ops *ops = conf->transport;
        wt_bus *b;
        wt_err err;

        if (!conf->name || !*conf->name || strlen(conf->name) > BUS_NAME_BYTES)
                return wt_fail(WT_EINVAL, "a bus wants a name of 1 to %d bytes", BUS_NAME_BYTES);
        if (!ops && (err = choose(conf, &ops)) != WT_OK)
                return err;
        if ((b = bus_new()) == NULL)
                return wt_fail(WT_ENOMEM, "no memory for bus %s", conf->name);
        b->ops = ops;
        b->faults = conf->faults;
        if ((err = ops->open(&b->impl, b, conf)) != WT_OK) {
                bus_leave(b);
                return err;
        }
        *out = b;
        return WT_OK;
}

void wt_bus_close(wt_bus *b)
{
        if (!b)
                return;
        b->ops->close(b->impl);
        bus_leave(b);
}

wt_err wt_bus_send(wt_bus *b, wt_msg *m)
{
        uint64_t bytes = 0;
        wt_err err;

        for (uint32_t i = 0; i < m->env.n_tensors; i++)
                bytes += m->frame[i].len;
        if ((err = b->ops->send(b->impl, m)) != WT_OK)
                return err;
        bus_count(&b->sent, 1);
        bus_count(&b->bytes_sent, bytes);
        return WT_OK;
}

/* A message that is not true: dropped, or handed over as the fault that it is. */
static bool hand_over(wt_bus *b, wt_msg *m)
{
        uint64_t call_id = m->env.call_id;

        bus_count(&b->dropped_malformed, 1);
        for (uint32_t i = 0; i < m->env.n_tensors; i++)
                if (m->frame[i].data)
                        bus_frame_drop(m->frame[i].data);
        memset(m->frame, 0, sizeof m->frame);
        bus_msg_fault(m, WT_EINVAL, call_id, wt_words());
        if (!b->faults)
                wt_msg_free(m);
        return b->faults;
}

wt_err wt_bus_recv(wt_bus *b, wt_msg **out)
{
        const void *at[WT_MAX_TENSORS];
        size_t len[WT_MAX_TENSORS];
        wt_msg *m;
        wt_err err;

        while ((err = b->ops->recv(b->impl, &m)) == WT_OK) {
                uint64_t bytes = 0;

                for (uint32_t i = 0; i < m->env.n_tensors; i++) {
                        at[i] = m->frame[i].data;
                        bytes += len[i] = m->frame[i].len;
                }
                *out = m;
                if (m->fault != WT_OK)
                        return WT_OK;
                if (wt_wire_check(&m->env, at, len, m->env.n_tensors) == WT_OK) {
                        bus_count(&b->received, 1);
                        bus_count(&b->bytes_received, bytes);
                        return WT_OK;
                }
                if (hand_over(b, m))
                        return WT_OK;
        }
        return err;
}

const char *wt_bus_endpoint(const wt_bus *b) { return b->ops->endpoint(b->impl); }
int wt_bus_fd(const wt_bus *b) { return b->ops->fd(b->impl); }
bool wt_bus_ready(wt_bus *b) { return b->ops->ready(b->impl); }
bool wt_bus_settled(wt_bus *b)
{
        return b->ops->settled != NULL ? b->ops->settled(b->impl) : !wt_bus_ready(b);
}

uint32_t wt_bus_peers(const wt_bus *b) { return b->ops->peers(b->impl); }
bool wt_bus_lost(wt_bus *b) { return b->ops->lost(b->impl); }

void wt_bus_wait(wt_bus *b, int fd, uint64_t timeout_us)
{
        b->ops->wait(b->impl, fd, timeout_us);
}

const char *wt_bus_peer_name(const wt_bus *b, uint32_t peer)
{
        return b->ops->peer_name(b->impl, peer);
}

const char *wt_bus_peer_role(const wt_bus *b, uint32_t peer)
{
        return b->ops->peer_role(b->impl, peer);
}

const char *wt_bus_peer_address(const wt_bus *b, uint32_t peer)
{
        return b->ops->peer_address != NULL ? b->ops->peer_address(b->impl, peer) : "";
}

bool wt_bus_peer_here(const wt_bus *b, uint32_t peer)
{
        return b->ops->peer_here == NULL || b->ops->peer_here(b->impl, peer);
}

bool wt_bus_peer_over(const wt_bus *b, uint32_t peer)
{
        return b->ops->peer_over != NULL && b->ops->peer_over(b->impl, peer);
}

bool wt_bus_peer_refuses(const wt_bus *b, uint32_t peer)
{
        return b->ops->peer_refuses != NULL && b->ops->peer_refuses(b->impl, peer);
}

void wt_bus_stats(const wt_bus *b, struct wt_bus_stats *out)
{
        *out = (struct wt_bus_stats){
                .sent = atomic_load(&b->sent), .received = atomic_load(&b->received),
                .bytes_sent = atomic_load(&b->bytes_sent),
                .bytes_received = atomic_load(&b->bytes_received),
                .refused_keys = atomic_load(&b->refused_keys),
                .dropped_malformed = atomic_load(&b->dropped_malformed),
                .dropped_too_long = atomic_load(&b->dropped_too_long),
                .dropped_identity = atomic_load(&b->dropped_identity),
        };
}
