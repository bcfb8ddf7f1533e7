/* plan.c - names, ports and shards. */
#include "plan.h"
#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "secure.h"
#include "sense.h"

enum { BUS_PORT = 7071, RPC_PORT = 7070, MOST_TRIES = 100 };

static int bound(int port)
{
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

        if (fd < 0)
                return -1;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (bind(fd, (struct sockaddr *)&a, sizeof a) == 0)
                return fd;
        close(fd);
        return -1;
}

static bool keep(struct plan *p, int fd)
{
        if (p->n_ports == sizeof p->port / sizeof *p->port)
                return false;
        p->port[p->n_ports++] = fd;
        return true;
}

/* The word is a name in the kernel (an abstract address), of this network as the ports are; it
 * goes with the process, however that ends. */
bool plan_reserve(struct plan *p, const char *address)
{
        struct sockaddr_un a = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), n;

        n = snprintf(a.sun_path + 1, sizeof a.sun_path - 1, "witan-port-%.90s", address);
        if (fd >= 0 &&
            bind(fd, (struct sockaddr *)&a,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) == 0 &&
            keep(p, fd))
                return true;
        if (fd >= 0)
                close(fd);
        return false;
}

static bool reserve_port(struct plan *p, int port)
{
        char address[32];

        snprintf(address, sizeof address, "127.0.0.1:%d", port);
        return plan_reserve(p, address);
}

/* Keeps 127.0.0.1:port (0: any) for the plan; returns the port, or -1 when it is taken. */
static int keep_port(struct plan *p, int port)
{
        struct sockaddr_in a;
        socklen_t len = sizeof a;
        int fd;

        if (port != 0 && !reserve_port(p, port))
                return -1;
        fd = bound(port);

        if (fd >= 0 && port != 0) {              /* does another one keep it, as we would? */
                bool free_now = listen(fd, 1) == 0;

                close(fd);                       /* one that has listened cannot be a mere keeper */
                fd = free_now ? bound(port) : -1;
        }
        if (fd < 0)
                return -1;
        if (getsockname(fd, (struct sockaddr *)&a, &len) != 0 ||
            (port == 0 && !reserve_port(p, ntohs(a.sin_port))) || !keep(p, fd)) {
                close(fd);
                return -1;
        }
        return ntohs(a.sin_port);
}

int plan_free_port(struct plan *p)
{
        int port = -1;

        for (int i = 0; i < MOST_TRIES && port < 0; i++)         /* another plan may be quicker */
                port = keep_port(p, 0);
        return port;
}

static struct process *add(struct plan *p, const char *role, uint32_t i)
{
        struct process *x = &p->cluster.processes[p->cluster.n++];
        int port = plan_free_port(p);

        memset(x, 0, sizeof *x);
        snprintf(x->role, sizeof x->role, "%s", role);
        snprintf(x->name, sizeof x->name, "%s-%u", role, i);
        snprintf(x->metrics, sizeof x->metrics, "127.0.0.1:%d", port);
        snprintf(x->endpoint, sizeof x->endpoint, "http://127.0.0.1:%d", port);
        return x;
}

/* A port that was named is used or refused: never another one. */
static wt_err reserve_named(struct plan *p, const char *flag, const char *endpoint)
{
        const char *address = strstr(endpoint, "://");

        address = address != NULL ? address + 3 : endpoint;
        if (strncmp(endpoint, "ipc:", 4) == 0 || sense_port(address) <= 0 ||
            plan_reserve(p, address))
                return WT_OK;
        return wt_fail(WT_EEXIST, "--%s: %s is taken by another witan up of this machine; stop "
                       "that one, or name another port", flag, address);
}

static wt_err add_router(struct plan *p, const struct call *c, uint32_t i)
{
        struct process *r = add(p, "router", i);
        const char *named = wt_conf_str(c->conf, WT_SET_bus);
        const char *colon = strrchr(named, ':');
        int port = colon != NULL ? atoi(colon + 1) : 0;

        if (strncmp(named, "tcp://", 6) != 0)            /* ipc://PATH: one path per router */
                snprintf(r->endpoint, sizeof r->endpoint, i == 0 ? "%s" : "%s.%u", named, i);
        else if (wt_conf_from(c->conf, WT_SET_bus) != WT_FROM_DEFAULT && port != 0)
                snprintf(r->endpoint, sizeof r->endpoint, "%.*s:%u", (int)(colon - named), named,
                         (uint32_t)port + i);
        else if (port != 0 && keep_port(p, BUS_PORT + (int)i) > 0)
                snprintf(r->endpoint, sizeof r->endpoint, "tcp://127.0.0.1:%u", BUS_PORT + i);
        else
                snprintf(r->endpoint, sizeof r->endpoint, "tcp://127.0.0.1:%d",
                         plan_free_port(p));
        wt_buf_str(&p->routers_at, i > 0 ? "," : "");
        wt_buf_str(&p->routers_at, r->endpoint);
        return wt_conf_from(c->conf, WT_SET_bus) == WT_FROM_DEFAULT || port == 0
                       ? WT_OK : reserve_named(p, "bus", r->endpoint);
}

/* Its ear for witan control: on loopback, and for the key planner-0 alone. */
static void add_expert(struct plan *p, uint32_t i)
{
        struct process *x = add(p, "expert", i);

        snprintf(x->planner, sizeof x->planner, "tcp://127.0.0.1:%d", plan_free_port(p));
}

/* The audit log's witness runs beside the cluster unless it runs elsewhere or is not wanted. One
 * process of threads has none: what it would guard against is that very process. */
static bool witnessed(const struct call *c)
{
        return wt_conf_str(c->conf, WT_SET_audit_witness)[0] == '\0' &&
               !wt_conf_bool(c->conf, WT_SET_inproc);
}

static wt_err add_witness(struct plan *p, const struct call *c)
{
        return wt_conf_decide(c->conf, WT_SET_audit_witness, add(p, "witness", 0)->metrics);
}

/* The gateway's RPC door: as named, or the default port, or a free one where that is taken. */
static wt_err choose_rpc(struct plan *p, const struct call *c)
{
        const char *named = wt_conf_str(c->conf, WT_SET_rpc);
        wt_err err = WT_OK;
        char endpoint[64];

        if (wt_conf_from(c->conf, WT_SET_rpc) == WT_FROM_DEFAULT) {
                int port = keep_port(p, RPC_PORT);

                snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%d",
                         port > 0 ? port : plan_free_port(p));
                err = wt_conf_decide(c->conf, WT_SET_rpc, endpoint);
                named = endpoint;
        } else {
                err = reserve_named(p, "rpc", named);
        }
        snprintf(p->cluster.rpc, sizeof p->cluster.rpc, "%s", named);
        return err;
}

wt_err plan_make(struct plan *p, const struct call *c, const struct wt_shape *shape)
{
        struct process *g;
        uint32_t routers = (uint32_t)wt_conf_u64(c->conf, WT_SET_routers);
        wt_err err;

        p->shape = shape;
        p->n_experts = (uint32_t)wt_conf_u64(c->conf, WT_SET_experts);
        p->replicas = p->cluster.replicas = (uint32_t)wt_conf_u64(c->conf, WT_SET_replicas);
        if (wt_shape_moe_layers(shape) == 0)
                p->n_experts = 0;                /* a dense model has nothing for workers to do */
        else if (p->replicas > p->n_experts)
                return wt_fail(WT_EINVAL,
                               "--replicas %u needs at least as many workers; --experts is %u",
                               p->replicas, p->n_experts);
        if ((err = reserve_named(p, "http", wt_conf_str(c->conf, WT_SET_http))) != WT_OK)
                return err;
        for (uint32_t i = 0; i < routers; i++)
                if ((err = add_router(p, c, i)) != WT_OK)
                        return err;
        for (uint32_t i = 0; i < p->n_experts; i++)
                add_expert(p, i);
        if (witnessed(c) && (err = add_witness(p, c)) != WT_OK)
                return err;
        if ((err = choose_rpc(p, c)) != WT_OK)
                return err;
        g = add(p, "gateway", 0);                /* the last one: choose_http relies on it */
        snprintf(g->endpoint, sizeof g->endpoint, "%s://%s", secure_scheme(c->conf),
                 wt_conf_str(c->conf, WT_SET_http));
        return WT_OK;
}

void plan_fini(struct plan *p)
{
        for (uint32_t i = 0; i < p->n_ports; i++)
                close(p->port[i]);
        wt_buf_free(&p->routers_at);
}

/* Worker w holds expert e when one of the R workers from floor(e * n / E) on is w: neighbours stay
 * together, every expert has exactly R holders. */
static bool holds(uint32_t e, uint32_t n_e, uint32_t w, uint32_t n_w, uint32_t replicas)
{
        uint32_t first = (uint32_t)((uint64_t)e * n_w / n_e);

        return (w + n_w - first) % n_w < replicas;
}

static void put_range(struct wt_buf *out, uint32_t l0, uint32_t l1, uint32_t e0, uint32_t e1)
{
        wt_buf_str(out, out->len > 0 ? "," : "");
        wt_buf_fmt(out, l0 == l1 ? "%u" : "%u-%u", l0, l1);
        wt_buf_fmt(out, e0 == e1 ? ":%u" : ":%u-%u", e0, e1);
}

static bool same_layer(const struct wt_layer *a, const struct wt_layer *b)
{
        return a->ffn == b->ffn && a->n_experts == b->n_experts;
}

void plan_shard(const struct plan *p, uint32_t worker, struct wt_buf *out)
{
        const struct wt_layer *y = p->shape->layers;

        if (p->replicas == 0 || p->replicas == p->n_experts) {
                wt_buf_str(out, "*");
                return;
        }
        for (uint32_t l = 0, l1; l < p->shape->n_layers; l = l1 + 1) {
                for (l1 = l; l1 + 1 < p->shape->n_layers && same_layer(&y[l], &y[l1 + 1]); l1++)
                        ;
                if (y[l].ffn != WT_FFN_MOE)
                        continue;
                for (uint32_t e = 0, e1; e < y[l].n_experts; e = e1 + 1) {
                        bool mine = holds(e, y[l].n_experts, worker, p->n_experts, p->replicas);
                        for (e1 = e;
                             e1 + 1 < y[l].n_experts && holds(e1 + 1, y[l].n_experts, worker,
                                                              p->n_experts, p->replicas) == mine;
                             e1++)
                                ;
                        if (mine)
                                put_range(out, l, l1, e, e1);
                }
        }
}
