/* chaos.c - see chaos.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "base/rng.h"
#include "chaos.h"

enum { MAX_KEPT = 4096 };

struct chaos chaos;

struct shuffled {
        void *inner;
        wt_bus *bus;
        struct kept { wt_msg *m; uint64_t at; } kept[MAX_KEPT];          /* at: order of arrival */
        uint32_t n;
};

static uint32_t draw(uint32_t below)
{
        return (uint32_t)(wt_philox_unit(chaos.seed, chaos.draws++, 0, 0) * below);
}

static wt_msg *twin(wt_bus *b, const wt_msg *m)
{
        wt_msg *c = wt_msg_new(b);
        struct wt_buf text = { 0 };

        assert_int_equal(wt_wire_encode(&m->env, &text), WT_OK);
        assert_int_equal(wt_wire_decode(&c->env, text.data, text.len, &c->arena), WT_OK);
        wt_buf_free(&text);
        c->env.n_tensors = 0;
        for (uint32_t i = 0; i < m->env.n_tensors; i++)
                memcpy(wt_msg_tensor(c, m->env.tensors[i].dtype, m->env.tensors[i].n_dim,
                                     m->env.tensors[i].shape), m->frame[i].data, m->frame[i].len);
        c->peer = m->peer;
        return c;
}

static wt_err chaos_open(void **impl, wt_bus *b, const struct wt_bus_conf *c)
{
        struct shuffled *s = calloc(1, sizeof *s);

        s->bus = b;
        *impl = s;
        return wt_bus_inproc.open(&s->inner, b, c);
}

static void chaos_close(void *impl)
{
        struct shuffled *s = impl;

        for (uint32_t i = 0; i < s->n; i++)
                wt_msg_free(s->kept[i].m);
        wt_bus_inproc.close(s->inner);
        free(s);
}

static bool overtakes(const struct shuffled *s, uint32_t i)
{
        for (uint32_t k = 0; k < s->n; k++)
                if (s->kept[k].at < s->kept[i].at)
                        return true;
        return false;
}

/* Everything that is there; replies are kept, half of them twice, and come out in a drawn order. */
static wt_err chaos_recv(void *impl, wt_msg **out)
{
        struct shuffled *s = impl;
        wt_msg *m;
        uint32_t i;

        while (wt_bus_inproc.recv(s->inner, &m) == WT_OK) {
                if (m->env.method != WT_M_EXPERT_REPLY) {
                        *out = m;
                        return WT_OK;
                }
                if (draw(100) < chaos.drop_percent) {
                        wt_msg_free(m);
                        continue;
                }
                assert_true(s->n + 2 <= MAX_KEPT);
                s->kept[s->n++] = (struct kept){ m, ++chaos.n_replies };
                if (draw(2) == 0)
                        s->kept[s->n++] = (struct kept){ twin(s->bus, m), chaos.n_replies };
        }
        if (s->n == 0 || draw(3) == 0)           /* some stay for a later turn */
                return WT_EAGAIN;
        i = draw(s->n);
        chaos.n_overtook += overtakes(s, i);
        *out = s->kept[i].m;
        s->kept[i] = s->kept[--s->n];
        return WT_OK;
}

static bool to_gateway(void *impl, const wt_msg *m)
{
        return strncmp(wt_bus_inproc.peer_name(((struct shuffled *)impl)->inner, m->peer),
                       "gateway", 7) == 0;
}

static wt_err chaos_send(void *impl, wt_msg *m)
{
        if (chaos.deaf && to_gateway(impl, m))
                return wt_fail(WT_EAGAIN, "the gateway does not read");
        if (m->env.method == WT_M_EXPERT_CALL && draw(100) < chaos.drop_percent) {
                wt_msg_free(m);
                return WT_OK;
        }
        return wt_bus_inproc.send(((struct shuffled *)impl)->inner, m);
}

static void *inner(void *impl) { return ((struct shuffled *)impl)->inner; }
static int chaos_fd(void *i) { return wt_bus_inproc.fd(inner(i)); }
static bool chaos_ready(void *i) { return wt_bus_inproc.ready(inner(i)); }
static void chaos_wait(void *i, int fd, uint64_t us) { wt_bus_inproc.wait(inner(i), fd, us); }
static const char *chaos_endpoint(void *i) { return wt_bus_inproc.endpoint(inner(i)); }
static uint32_t chaos_peers(void *i) { return wt_bus_inproc.peers(inner(i)); }
static const char *chaos_name(void *i, uint32_t p) { return wt_bus_inproc.peer_name(inner(i), p); }
static const char *chaos_role(void *i, uint32_t p) { return wt_bus_inproc.peer_role(inner(i), p); }
static bool chaos_lost(void *i) { return wt_bus_inproc.lost(inner(i)); }

const struct wt_bus_ops chaos_bus = {
        .scheme = "inproc", .open = chaos_open, .close = chaos_close, .fd = chaos_fd,
        .ready = chaos_ready, .send = chaos_send, .recv = chaos_recv, .wait = chaos_wait,
        .endpoint = chaos_endpoint, .peers = chaos_peers, .peer_name = chaos_name,
        .peer_role = chaos_role, .lost = chaos_lost,
};
