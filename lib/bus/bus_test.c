/* bus_test.c - what every transport promises: each case runs over inproc, tcp, ipc, and a
 * bus that is bound on two of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "base/rng.h"
#include "bus/rig.h"
#include "wire/samples.h"

enum { ANY_METHOD = 60 };                        /* unknown, so that any tensors may ride on it */

static struct rig rig;
static const char *scheme;

static bool inside(void)                         /* the peers are of this process */
{
        return strcmp(scheme, "inproc") == 0 || (strcmp(scheme, "both") == 0 && !rig.outside);
}

static wt_bus *bound(uint32_t hwm) { return rig_bind(&rig, rig_endpoint(&rig, scheme), hwm); }

static wt_bus *linked(wt_bus *to, uint32_t who)
{
        return rig_connect(&rig, who, wt_bus_endpoint(to), 0);
}

static void ping_pong(void **state)
{
        wt_bus *s = bound(0), *c = linked(s, 1);
        wt_msg *m;

        (void)state;
        for (uint64_t i = 1; i <= 1000; i++) {
                rig_send(c, rig_ping(c, 0, i));
                m = rig_recv(s);
                assert_int_equal(rig_stamp(m), i);
                assert_int_equal(m->peer, 0);
                assert_int_equal(wt_bus_send(s, m), WT_OK);      /* the message itself goes back */
                m = rig_recv(c);
                assert_int_equal(rig_stamp(m), i);
                assert_int_equal(m->peer, 0);
                wt_msg_free(m);
        }
        assert_string_equal(wt_bus_peer_name(s, 0), "expert-0");
        assert_string_equal(wt_bus_peer_role(s, 0), inside() ? "" : "expert");
        assert_int_equal(wt_bus_peers(s), 1);
        wt_bus_close(c);
        wt_bus_close(s);
}

/* Bytes that depend on where they are and on the message. */
static void fill(uint8_t *p, size_t n, uint32_t seed)
{
        uint32_t key[2] = { seed, 1 }, out[4];

        for (uint32_t i = 0; i < n; i += 16) {
                wt_philox(key, (uint32_t[4]){ i }, out);
                memcpy(p + i, out, n - i < 16 ? n - i : 16);
        }
}

static void tensors(void **state)
{
        static const struct wt_tensor t[] = {
                { WT_F32, 2, { 0, 2048 } }, { WT_U8, 1, { 1 } }, { WT_BF16, 3, { 2, 3, 5 } },
                { WT_F32, 2, { 63, 256 } }, { WT_F32, 2, { 64, 256 } }, { WT_I32, 1, { 16385 } },
                { WT_F32, 2, { 256, 2048 } }, { WT_F16, 0, { 0 } },
        };
        wt_bus *s = bound(0), *c = linked(s, 1);
        uint8_t *want = test_malloc(4 << 20);

        (void)state;
        rig_meet(s, c);
        for (uint32_t round = 0; round < 6; round++) {
                wt_bus *from = round & 1 ? s : c, *to = round & 1 ? c : s;
                wt_msg *m = wt_msg_new(from);

                m->env.method = ANY_METHOD;
                for (uint32_t i = 0; i < 8; i++) {
                        void *p = wt_msg_tensor(m, t[i].dtype, t[i].n_dim, t[i].shape);

                        assert_int_equal((uintptr_t)p % 64, 0);
                        fill(p, m->frame[i].len, round * 8 + i);
                }
                rig_send(from, m);
                m = rig_recv(to);
                assert_int_equal(m->env.n_tensors, 8);
                for (uint32_t i = 0; i < 8; i++) {
                        size_t bytes;

                        assert_memory_equal(&m->env.tensors[i], &t[i], sizeof t[i]);
                        assert_true(wt_tensor_bytes(&t[i], &bytes));
                        assert_int_equal(m->frame[i].len, bytes);
                        assert_int_equal((uintptr_t)m->frame[i].data % 64, 0);
                        fill(want, bytes, round * 8 + i);
                        assert_memory_equal(m->frame[i].data, want, bytes);
                }
                wt_msg_free(m);
        }
        test_free(want);
        wt_bus_close(c);
        wt_bus_close(s);
}

static void every_method(void **state)
{
        struct wt_arena a = { 0 };
        wt_bus *s = bound(0), *c = linked(s, 1);

        (void)state;
        for (const uint32_t *method = sample_methods; *method; method++) {
                wt_msg *m = wt_msg_new(c);
                struct sample t;

                wt_arena_reset(&a);
                sample_true(&t, *method, &a);
                for (uint32_t i = 0; i < t.e.n_tensors; i++)
                        memcpy(wt_msg_tensor(m, t.e.tensors[i].dtype, t.e.tensors[i].n_dim,
                                             t.e.tensors[i].shape), t.frame[i], t.len[i]);
                m->env = t.e;
                rig_send(c, m);
                m = rig_recv(s);
                assert_true(sample_equal(&m->env, &t.e));
                for (uint32_t i = 0; i < t.e.n_tensors; i++)
                        assert_memory_equal(m->frame[i].data, t.frame[i], t.len[i]);
                wt_msg_free(m);
        }
        wt_arena_fini(&a);
        wt_bus_close(c);
        wt_bus_close(s);
}

/* What a builder lends need not outlive the send, and comes out NUL-ended. */
static void lent_strings(void **state)
{
        wt_bus *s = bound(0), *c = linked(s, 1);
        char reason[] = "drains now";
        struct wt_bye bye = { WT_BYTES(reason, 6) };
        wt_msg *m = wt_msg_new(c);
        const struct wt_bye *got;

        (void)state;
        m->env.method = WT_M_BYE;
        m->env.body = &bye;
        rig_send(c, m);
        memset(reason, 'x', sizeof reason);
        memset(&bye, 0xee, sizeof bye);
        m = rig_recv(s);
        got = m->env.body;
        assert_int_equal(got->reason.len, 6);
        assert_string_equal((const char *)got->reason.data, "drains");
        assert_string_equal((const char *)m->env.message.data, "");
        wt_msg_free(m);
        wt_bus_close(c);
        wt_bus_close(s);
}

static void untrue_messages(void **state)
{
        wt_bus *s = bound(0), *c = linked(s, 1);
        struct wt_hello h = { .role = WT_STR("king"), .name = WT_STR("expert-0") };
        struct wt_bus_stats stats;
        wt_msg *m = wt_msg_new(c);

        (void)state;
        m->env.method = WT_M_HELLO;
        m->env.body = &h;
        rig_send(c, m);
        rig_send(c, rig_ping(c, 0, 5));
        m = rig_recv(s);
        assert_int_equal(rig_stamp(m), 5);       /* the hello was dropped */
        wt_msg_free(m);
        wt_bus_stats(s, &stats);
        assert_int_equal(stats.dropped_malformed, 1);
        assert_int_equal(stats.received, 1);
        wt_bus_stats(c, &stats);
        assert_int_equal(stats.sent, 2);

        m = rig_ping(c, 0, 6);                   /* a broken limit is the sender's own fault */
        m->env.status = 17;
        assert_int_equal(wt_bus_send(c, m), WT_EINVAL);
        wt_msg_free(m);
        wt_bus_close(c);
        wt_bus_close(s);
}

static void full_queue(void **state)
{
        wt_bus *s = bound(8), *c = rig_connect(&rig, 1, wt_bus_endpoint(s), 8);
        uint64_t n = 0, got = 0, end = rig_now_ms() + RIG_DEADLINE_MS;
        wt_msg *m;
        wt_err err;

        (void)state;
        rig_meet(s, c);
        for (;; n++) {                           /* sockets take some megabytes beside the queues */
                m = wt_msg_new(c);
                m->env.method = ANY_METHOD;
                m->env.call_id = n;
                memset(wt_msg_tensor(m, WT_U8, 1, (uint32_t[]){ 256 << 10 }), 1, 256 << 10);
                if ((err = wt_bus_send(c, m)) != WT_OK)
                        break;
                assert_true(n < 10000);
        }
        assert_int_equal(err, WT_EAGAIN);
        assert_int_equal(m->env.n_tensors, 1);   /* still ours, and whole */
        assert_int_equal(((uint8_t *)m->frame[0].data)[(256 << 10) - 1], 1);
        while (got <= n) {
                wt_msg *r;

                assert_true(rig_now_ms() < end);
                if (m && wt_bus_send(c, m) == WT_OK)
                        m = NULL;
                if (wt_bus_recv(s, &r) != WT_OK) {
                        wt_bus_wait(s, -1, 1000);
                        continue;
                }
                assert_int_equal(r->env.call_id, got);
                got++;
                wt_msg_free(r);
        }
        assert_null(m);
        wt_bus_close(c);
        wt_bus_close(s);
}

static void peer_goes_and_returns(void **state)
{
        wt_bus *s = bound(0), *c = linked(s, 1), *d = linked(s, 2);
        wt_msg *m = NULL;
        wt_err err = WT_OK;

        (void)state;
        assert_int_equal(rig_meet(s, c), 0);
        assert_int_equal(rig_meet(s, d), 1);
        assert_false(wt_bus_lost(s));
        wt_bus_close(c);
        RIG_UNTIL(s, NULL, wt_bus_lost(s));
        RIG_UNTIL(s, NULL, (m = rig_ping(s, 0, 1), err = wt_bus_send(s, m)) != WT_OK);
        assert_int_equal(err, WT_EUNAVAILABLE);
        wt_msg_free(m);
        assert_int_equal(rig_meet(s, d), 1);     /* the other one stays */
        assert_int_equal(wt_bus_send(s, rig_ping(s, 1, 2)), WT_OK);
        wt_msg_free(rig_recv(d));

        c = linked(s, 1);
        assert_int_equal(rig_meet(s, c), 0);
        assert_int_equal(wt_bus_send(s, rig_ping(s, 0, 3)), WT_OK);
        m = rig_recv(c);
        assert_int_equal(rig_stamp(m), 3);
        wt_msg_free(m);
        assert_int_equal(wt_bus_peers(s), 2);
        wt_bus_close(d);
        wt_bus_close(c);
        wt_bus_close(s);
}

/* The bound side goes, and another takes its place: who connected finds it again. */
static void server_returns(void **state)
{
        char endpoint[256];
        wt_bus *s = bound(0), *c = linked(s, 1);
        wt_msg *m = NULL;
        wt_err err = WT_OK;

        (void)state;
        snprintf(endpoint, sizeof endpoint, "%s", wt_bus_endpoint(s));
        rig_meet(s, c);
        wt_bus_close(s);
        RIG_UNTIL(c, NULL, wt_bus_lost(c));
        m = rig_ping(c, 0, 1);
        err = wt_bus_send(c, m);
        assert_int_equal(err, WT_EUNAVAILABLE);
        wt_msg_free(m);
        s = rig_bind(&rig, endpoint, 0);
        rig_meet(s, c);
        wt_bus_close(s);
        wt_bus_close(c);
}

static void connect_first(void **state)
{
        char endpoint[256];
        wt_bus *s = bound(0), *c;

        (void)state;
        snprintf(endpoint, sizeof endpoint, "%s", wt_bus_endpoint(s));
        wt_bus_close(s);
        c = rig_connect(&rig, 1, endpoint, 0);
        s = rig_bind(&rig, endpoint, 0);
        rig_meet(s, c);
        wt_bus_close(c);
        wt_bus_close(s);
}

static void endpoints_in_order(void **state)
{
        wt_bus *s0 = bound(0), *s1 = bound(0), *c = NULL;
        char e0[256], e1[256];
        const char *ends[] = { rig_part(&rig, wt_bus_endpoint(s0), e0),
                               rig_part(&rig, wt_bus_endpoint(s1), e1) };
        struct wt_bus_conf conf = { .name = "expert-2", .connect = ends, .n_connect = 2,
                .keys = { rig.id[3].public_key, rig.id[3].secret_key, rig.id[0].public_key,
                          NULL } };
        wt_msg *m;

        (void)state;
        assert_int_equal(wt_bus_open(&c, &conf), WT_OK);
        rig_send(c, rig_ping(c, 1, 11));
        rig_send(c, rig_ping(c, 0, 10));
        m = rig_recv(s0);
        assert_int_equal(rig_stamp(m), 10);
        rig_send(s0, m);
        m = rig_recv(s1);
        assert_int_equal(rig_stamp(m), 11);
        rig_send(s1, m);
        for (int i = 0; i < 2; i++) {
                m = rig_recv(c);
                assert_int_equal(rig_stamp(m), 10 + m->peer);
                wt_msg_free(m);
        }
        wt_bus_close(s0);
        wt_bus_close(c);
        wt_bus_close(s1);
}

static void in_use(void **state)
{
        wt_bus *s = bound(0), *other = NULL;
        char endpoint[256];
        struct wt_bus_conf c = { .name = "router",
                .bind = rig_part(&rig, wt_bus_endpoint(s), endpoint),
                .keys = { rig.id[0].public_key, rig.id[0].secret_key, NULL, rig.allow } };

        (void)state;
        assert_int_equal(wt_bus_open(&other, &c), WT_EEXIST);
        assert_non_null(strstr(wt_words(), endpoint));
        assert_non_null(strstr(wt_words(), "in use"));
        assert_null(other);
        wt_bus_close(s);
}

static void waiting(void **state)
{
        wt_bus *s = bound(0), *c = linked(s, 1);
        int fd = eventfd(0, EFD_CLOEXEC);
        uint64_t one = 1, start = rig_now_ms();

        (void)state;
        rig_meet(s, c);
        wt_bus_wait(s, fd, 20000);               /* time */
        assert_true(rig_now_ms() - start >= 19); /* at least so long: slowness only adds to it */
        assert_int_equal(write(fd, &one, 8), 8);
        wt_bus_wait(s, fd, 3600ull * 1000000);   /* the descriptor */
        assert_int_equal(read(fd, &one, 8), 8);
        assert_false(wt_bus_ready(s));
        rig_send(c, rig_ping(c, 0, 1));
        RIG_UNTIL(NULL, c, (wt_bus_wait(s, fd, 3600ull * 1000000), wt_bus_ready(s)));
        wt_bus_wait(s, fd, 3600ull * 1000000);   /* a message that is there already */
        wt_msg_free(rig_recv(s));
        close(fd);
        wt_bus_close(c);
        wt_bus_close(s);
}

/* ---- a burst to a worker that is woken once ---- */

enum { BURST = 10000, ROUNDS = 20 };

struct worker { wt_bus *bus; uint64_t answered; };

/* As a service turns: receive until nothing waits, look once more, then sleep on the descriptor. */
static void *work(void *arg)
{
        struct worker *w = arg;
        int ep = epoll_create1(EPOLL_CLOEXEC);
        struct epoll_event e = { .events = EPOLLIN };
        wt_msg *m;

        epoll_ctl(ep, EPOLL_CTL_ADD, wt_bus_fd(w->bus), &e);
        while (w->answered < (uint64_t)BURST * ROUNDS) {
                while (wt_bus_recv(w->bus, &m) == WT_OK) {
                        while (wt_bus_send(w->bus, m) == WT_EAGAIN)
                                wt_bus_wait(w->bus, -1, 1000);
                        w->answered++;
                }
                if (w->answered < (uint64_t)BURST * ROUNDS && !wt_bus_ready(w->bus))
                        epoll_wait(ep, &e, 1, RIG_DEADLINE_MS);
        }
        close(ep);
        return NULL;
}

static void one_burst(wt_bus *s, uint64_t round)
{
        static uint8_t seen[BURST];
        uint32_t got = 0, sent = 0;
        wt_msg *m = NULL;

        memset(seen, 0, sizeof seen);
        while (sent < BURST) {                   /* one flush: receives only if it must */
                m = m ? m : rig_ping(s, 0, round * BURST + sent);
                if (wt_bus_send(s, m) == WT_OK) {
                        m = NULL;
                        sent++;
                        continue;
                }
                wt_bus_wait(s, -1, 1000);
                for (wt_msg *r; wt_bus_recv(s, &r) == WT_OK; got++, wt_msg_free(r))
                        seen[rig_stamp(r) - round * BURST]++;
        }
        for (; got < BURST; got++) {
                m = rig_recv(s);
                seen[rig_stamp(m) - round * BURST]++;
                wt_msg_free(m);
        }
        for (uint32_t i = 0; i < BURST; i++)
                assert_int_equal(seen[i], 1);
}

static void burst(void **state)
{
        struct worker w = { 0 };
        wt_bus *s = bound(0);
        uint64_t made = 0;
        pthread_t thread;

        (void)state;
        w.bus = linked(s, 1);
        rig_meet(s, w.bus);
        assert_int_equal(pthread_create(&thread, NULL, work, &w), 0);
        for (uint64_t round = 0; round < ROUNDS; round++) {
                one_burst(s, round);
                if (round == 0)
                        made = s->n_msgs;
                assert_true(s->n_msgs <= BURST + 2);     /* recycled, not made anew */
        }
        assert_true(made <= BURST + 2);
        pthread_join(thread, NULL);
        wt_bus_close(w.bus);
        wt_bus_close(s);
}

/* The same traffic again and again takes no new memory once it is warm. */
static void no_growth(void **state)
{
        wt_bus *s = bound(0), *c = linked(s, 1);
        uint64_t made[4] = { 0 };

        (void)state;
        rig_meet(s, c);
        for (int round = 0; round < 30; round++) {
                for (uint32_t k = 0; k < 20; k++) {
                        wt_msg *m = wt_msg_new(c);

                        m->env.method = ANY_METHOD;
                        memset(wt_msg_tensor(m, WT_U8, 1, (uint32_t[]){ 200000 }), (int)k, 200000);
                        memset(wt_msg_tensor(m, WT_U8, 1, (uint32_t[]){ 100 }), 2, 100);
                        rig_send(c, m);
                }
                for (uint32_t k = 0; k < 20; k++) {      /* nobody wrote over a frame on its way */
                        wt_msg *m = rig_recv(s);
                        const uint8_t *p = m->frame[0].data;

                        for (uint32_t i = 0; i < 200000; i++)
                                if (p[i] != k)
                                        fail_msg("message %u, byte %u is %u", k, i, p[i]);
                        wt_msg_free(m);
                }
                if (round == 14) {
                        /* libzmq may hold frames a moment longer than we: 20 more are its due */
                        made[0] = c->n_msgs, made[1] = c->n_blocks + 20;
                        made[2] = s->n_msgs, made[3] = s->n_blocks;
                }
        }
        assert_int_equal(c->n_msgs, made[0]);
        assert_true(c->n_blocks <= made[1]);
        assert_int_equal(s->n_msgs, made[2]);
        assert_int_equal(s->n_blocks, made[3]);
        wt_bus_close(c);
        wt_bus_close(s);
}

/* Messages outlive the bus that made them, wherever they are. */
static void late_messages(void **state)
{
        wt_bus *s = bound(0), *c = linked(s, 1);
        wt_msg *kept, *mine = rig_ping(s, 0, 9);

        (void)state;
        rig_send(c, rig_ping(c, 0, 7));
        kept = rig_recv(s);
        rig_send(c, rig_ping(c, 0, 8));          /* stays in the queue */
        wt_bus_close(c);
        wt_bus_close(s);
        assert_int_equal(rig_stamp(kept), 7);
        assert_int_equal(rig_stamp(mine), 9);
        wt_msg_free(kept);
        wt_msg_free(mine);
        wt_msg_free(NULL);
}

static const struct { const char *name; void (*run)(void **); } cases[] = {
        { "ping and pong", ping_pong },
        { "tensors of every size arrive as they left", tensors },
        { "every method", every_method },
        { "what is lent is copied", lent_strings },
        { "what is untrue is dropped and counted", untrue_messages },
        { "a full queue leaves the message with its sender", full_queue },
        { "a peer goes, and returns under its number", peer_goes_and_returns },
        { "the bound side goes, and returns", server_returns },
        { "connect before bind", connect_first },
        { "peers by the order of endpoints", endpoints_in_order },
        { "an endpoint in use", in_use },
        { "waiting ends by time, descriptor and message", waiting },
        { "bursts of 10,000 to a worker woken once", burst },
        { "no growth once warm", no_growth },
        { "messages outlive their bus", late_messages },
};
enum { N_CASES = sizeof cases / sizeof *cases };
static const struct ground { const char *name, *scheme; bool outside; } grounds[] = {
        { "inproc", "inproc", false }, { "tcp", "tcp", false }, { "ipc", "ipc", false },
        { "both, from inside", "both", false }, { "both, from outside", "both", true },
};
enum { N_GROUNDS = sizeof grounds / sizeof *grounds };

static int use_ground(void **state)
{
        const struct ground *g = *state;

        scheme = g->scheme;
        rig.outside = g->outside;
        return 0;
}

int main(void)
{
        static char names[N_GROUNDS * N_CASES][96];
        struct CMUnitTest tests[N_GROUNDS * N_CASES];
        int rc;

        for (size_t i = 0; i < N_GROUNDS * N_CASES; i++) {
                const struct ground *g = &grounds[i / N_CASES];

                snprintf(names[i], sizeof names[i], "%s: %s", g->name, cases[i % N_CASES].name);
                tests[i] = (struct CMUnitTest){ names[i], cases[i % N_CASES].run, use_ground, NULL,
                                                (void *)(uintptr_t)g };
        }
        rig_init(&rig);
        rc = cmocka_run_group_tests(tests, NULL, NULL);
        rig_fini(&rig);
        return rc;
}
