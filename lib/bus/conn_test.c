/* conn_test.c - a bus whose keys may have several connections at once: each is a peer, a bound of
 * them, numbers that never come to mean somebody else, and the list that cuts them all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>
#include "bus/rig.h"

enum { PER_KEY = 3 };
static struct rig rig;
static wt_bus *s;                                /* the bound bus of a case */

static void open_server(const char *endpoint)
{
        struct wt_bus_conf c = { .name = "router", .bind = endpoint, .per_key = PER_KEY,
                .faults = true,
                .keys = { rig.id[0].public_key, rig.id[0].secret_key, NULL, rig.allow } };

        rig_allow_all(&rig);
        if (wt_bus_open(&s, &c) != WT_OK)
                fail_msg("%s", wt_words());
}

static int open_tcp(void **state)
{
        (void)state;
        open_server(rig_endpoint(&rig, "tcp"));
        return 0;
}

static int close_server(void **state)
{
        (void)state;
        wt_bus_close(s);
        return 0;
}

static wt_bus *client(uint32_t who) { return rig_connect(&rig, who, wt_bus_endpoint(s), 0); }

static void to(uint32_t peer, uint64_t stamp)
{
        wt_msg *m = rig_ping(s, peer, stamp);

        if (wt_bus_send(s, m) != WT_OK)
                fail_msg("to %x: %s", peer, wt_words());
}

/* The next ping with this stamp; others (the bus asks new ones whether they are there) are not. */
static void hears(wt_bus *c, uint64_t stamp)
{
        for (;;) {
                wt_msg *m = rig_recv(c);
                uint64_t got = rig_stamp(m);

                wt_msg_free(m);
                if (got == stamp)
                        return;
                assert_int_equal(got, 0);
        }
}

static void each_is_a_peer(void **state)
{
        wt_bus *c[PER_KEY], *other = client(2);
        uint32_t peer[PER_KEY], foreign = rig_meet(s, other);

        (void)state;
        for (int i = 0; i < PER_KEY; i++)
                peer[i] = rig_meet(s, c[i] = client(1));
        for (int i = 0; i < PER_KEY; i++) {
                assert_int_equal(rig_meet(s, c[i]), peer[i]);    /* the later took no place */
                assert_string_equal(wt_bus_peer_name(s, peer[i]), "expert-0");
                assert_string_equal(wt_bus_peer_address(s, peer[i]), "127.0.0.1");
                assert_true(wt_bus_peer_here(s, peer[i]));
                assert_false(wt_bus_peer_over(s, peer[i]));
                assert_true(peer[i] != foreign && peer[i] != peer[(i + 1) % PER_KEY]);
                to(peer[i], 100 + (uint64_t)i);
        }
        for (int i = 0; i < PER_KEY; i++) {
                hears(c[i], 100 + (uint64_t)i);
                wt_bus_close(c[i]);
        }
        assert_string_equal(wt_bus_peer_name(s, foreign), "expert-1");
        wt_bus_close(other);
}

static void one_too_many(void **state)
{
        wt_bus *c[PER_KEY + 2];
        uint32_t peer[PER_KEY + 2];
        wt_msg *m;

        (void)state;
        for (int i = 0; i < PER_KEY + 2; i++)
                peer[i] = rig_meet(s, c[i] = client(1));
        for (int i = 0; i < PER_KEY; i++)
                assert_false(wt_bus_peer_over(s, peer[i]));
        assert_true(wt_bus_peer_over(s, peer[PER_KEY + 1]));
        to(peer[PER_KEY + 1], 7);                /* it can be told so */
        hears(c[PER_KEY + 1], 7);
        m = rig_ping(s, peer[PER_KEY], 8);       /* the one over before is forgotten for now */
        assert_int_equal(wt_bus_send(s, m), WT_EUNAVAILABLE);
        wt_msg_free(m);
        assert_true(wt_bus_peer_over(s, peer[PER_KEY] = rig_meet(s, c[PER_KEY])));
        wt_bus_close(c[1]);                      /* room for one */
        RIG_UNTIL(s, c[PER_KEY], !wt_bus_peer_here(s, peer[1]));
        peer[PER_KEY] = rig_meet(s, c[PER_KEY]);
        assert_false(wt_bus_peer_over(s, peer[PER_KEY]));
        assert_true(wt_bus_peer_over(s, rig_meet(s, c[PER_KEY + 1])));
        for (int i = 0; i < PER_KEY + 2; i++)
                if (i != 1)
                        wt_bus_close(c[i]);
}

/* A number that somebody still holds when its connection is over reaches nobody, whoever has come
 * since. */
static void old_numbers(void **state)
{
        uint32_t before[40];

        (void)state;
        for (uint32_t i = 0; i < 40; i++) {
                wt_bus *c = client(1 + i % 2);

                before[i] = rig_meet(s, c);
                for (uint32_t k = 0; k < i; k++) {
                        wt_msg *m = rig_ping(s, before[k], 666);

                        assert_int_not_equal(before[k], before[i]);
                        assert_int_equal(wt_bus_send(s, m), WT_EUNAVAILABLE);
                        assert_non_null(strstr(wt_words(), "is over"));
                        wt_msg_free(m);
                        assert_string_equal(wt_bus_peer_name(s, before[k]), "");
                        assert_string_equal(wt_bus_peer_address(s, before[k]), "");
                }
                wt_bus_close(c);
                RIG_UNTIL(s, NULL, !wt_bus_peer_here(s, before[i]));
                assert_true(wt_bus_lost(s));
        }
        assert_true(wt_bus_peers(s) <= 2);       /* places are taken again */
}

/* Clients that say a word and are gone before it is read do not fill the places of their key. */
static void last_words(void **state)
{
        uint32_t gone[2 * PER_KEY];
        wt_bus *c;
        wt_msg *m;

        (void)state;
        for (uint32_t i = 0; i < 2 * PER_KEY; i++) {
                c = client(1);
                rig_send(c, rig_ping(c, 0, 5));
                wt_bus_close(c);                 /* lingers until it is sent */
        }
        for (uint32_t i = 0; i < 2 * PER_KEY; i++) {
                m = rig_recv(s);
                gone[i] = m->peer;
                wt_msg_free(m);
        }
        for (uint32_t i = 0; i < 2 * PER_KEY; i++)
                RIG_UNTIL(s, NULL, !wt_bus_peer_here(s, gone[i]));
        c = client(1);
        assert_false(wt_bus_peer_over(s, rig_meet(s, c)));
        wt_bus_close(c);
}

static void revoked(void **state)
{
        wt_bus *c[PER_KEY + 1], *other = client(2);
        uint32_t peer[PER_KEY + 1], foreign = rig_meet(s, other);
        struct wt_bus_stats now;

        (void)state;
        for (int i = 0; i <= PER_KEY; i++)
                peer[i] = rig_meet(s, c[i] = client(1));
        rig_allow(&rig, (const uint32_t[]){ 2, 0 });
        for (int i = 0; i <= PER_KEY; i++) {
                RIG_UNTIL(s, c[i], !wt_bus_peer_here(s, peer[i]));
                RIG_UNTIL(s, c[i], wt_bus_lost(c[i]));   /* by the socket, not by silence */
        }
        RIG_UNTIL(s, c[0], (wt_bus_stats(s, &now), now.refused_keys > PER_KEY + 1));
        assert_int_equal(rig_meet(s, other), foreign);
        for (int i = 0; i <= PER_KEY; i++)
                wt_bus_close(c[i]);
        wt_bus_close(other);
}

/* A DEALER of libzmq's own with the keys of expert-0; id NULL: it chooses none. */
static void *raw(void *ctx, const char *id)
{
        void *d = zmq_socket(ctx, ZMQ_DEALER);
        int zero = 0;

        if (id)
                zmq_setsockopt(d, ZMQ_ROUTING_ID, id, strlen(id));
        zmq_setsockopt(d, ZMQ_LINGER, &zero, sizeof zero);
        zmq_setsockopt(d, ZMQ_CURVE_PUBLICKEY, rig.id[1].public_key, 41);
        zmq_setsockopt(d, ZMQ_CURVE_SECRETKEY, rig.id[1].secret_key, 41);
        zmq_setsockopt(d, ZMQ_CURVE_SERVERKEY, rig.id[0].public_key, 41);
        assert_int_equal(zmq_connect(d, wt_bus_endpoint(s)), 0);
        return d;
}

/* An id that a client chose could be that of a connection before it. */
static void chosen_id(void **state)
{
        void *ctx = zmq_ctx_new(), *d = raw(ctx, "expert-0");
        struct wt_ping p = { 5 };
        struct wt_envelope e = { .method = WT_M_PING, .body = &p };
        struct wt_bus_stats now;
        struct wt_buf b = { 0 };

        (void)state;
        assert_int_equal(wt_wire_encode(&e, &b), WT_OK);
        assert_int_equal(zmq_send(d, b.data, b.len, 0), b.len);
        RIG_UNTIL(s, NULL, (wt_bus_stats(s, &now), now.dropped_identity == 1));
        assert_int_equal(wt_bus_peers(s), 0);
        zmq_close(d);
        zmq_ctx_term(ctx);
        wt_buf_free(&b);
}

/* Version 1, call 9, method 64, then a path, or the beginning of one. */
#define CALL "\x08\x01\x10\x09\x18\x40"
static const struct wrong {
        const char *name, *bytes; size_t len, zeros;     /* zeros: behind the bytes */
        wt_err fault;                            /* WT_OK: dropped */
        const char *words;
} wrongs[] = {
        { "a field that is cut off", CALL "\x82\x04\x7f", 9, 0, WT_EINVAL, "cut off" },
        { "a call without its body", CALL, 6, 0, WT_EINVAL, "body" },
        { "another version", "\x08\x02\x10\x09\x18\x40\x82\x04\x00", 9, 0, WT_EINVAL, "version 2" },
        { "a path of 129 bytes", CALL "\x82\x04\x84\x01\x0a\x81\x01", 13, 129, WT_EINVAL,
          "path has 129 bytes, the most is 128" },
        { "too long", CALL, 6, WT_MAX_ENVELOPE, WT_EEXHAUSTED, "at most 16777216" },
        { "no call", "\x08\x02\x18\x40", 4, 0, WT_OK, "" },
        { "no envelope", "hello", 5, 0, WT_OK, "" },
        { "nothing", "", 0, 0, WT_OK, "" },
        { "too long, and no call", "", 0, WT_MAX_ENVELOPE + 1, WT_OK, "" },
};

static void faults(void **state)
{
        void *ctx = zmq_ctx_new(), *d = raw(ctx, NULL);
        struct wt_ping p = { 5 };
        struct wt_envelope e = { .method = WT_M_PING, .body = &p };
        struct wt_bus_stats now;
        struct wt_buf b = { 0 }, ping = { 0 };

        (void)state;
        assert_int_equal(wt_wire_encode(&e, &ping), WT_OK);
        for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
                const struct wrong *w = &wrongs[i];
                wt_msg *m;

                wt_buf_clear(&b);
                wt_buf_add(&b, w->bytes, w->len);
                for (size_t k = 0; k < w->zeros; k++)
                        wt_buf_add(&b, w->zeros == 129 ? "a" : "\0", 1);
                assert_int_equal(zmq_send(d, b.data, b.len, 0), b.len);
                assert_int_equal(zmq_send(d, ping.data, ping.len, 0), ping.len);
                m = rig_recv(s);
                if (w->fault != WT_OK) {
                        if (m->fault != w->fault || m->env.call_id != 9 ||
                            !strstr((const char *)m->env.message.data, w->words))
                                fail_msg("%s: %d, call %d, %s", w->name, m->fault,
                                         (int)m->env.call_id, (const char *)m->env.message.data);
                        assert_null(m->env.body);
                        assert_string_equal(wt_bus_peer_name(s, m->peer), "expert-0");
                        wt_msg_free(m);
                        m = rig_recv(s);
                }
                assert_int_equal(m->fault, WT_OK);
                assert_int_equal(rig_stamp(m), 5);
                wt_msg_free(m);
                wt_bus_stats(s, &now);
                assert_int_equal(now.dropped_malformed + now.dropped_too_long, i + 1);
        }
        assert_int_equal(s->n_out, 0);
        zmq_close(d);
        zmq_ctx_term(ctx);
        wt_buf_free(&b);
        wt_buf_free(&ping);
}

static void what_goes_together(void **state)
{
        const char *at[] = { "tcp://127.0.0.1:1" };
        struct wt_bus_conf c = { .name = "router", .per_key = 2, .connect = at, .n_connect = 1,
                .keys = { rig.id[0].public_key, rig.id[0].secret_key, rig.id[0].public_key,
                          rig.allow } };
        wt_bus *b = NULL, *x, *y;

        (void)state;
        assert_int_equal(wt_bus_open(&b, &c), WT_EINVAL);
        assert_non_null(strstr(wt_words(), "connects to none"));
        c.n_connect = 0;
        c.bind = "inproc://a,tcp://127.0.0.1:*";
        assert_int_equal(wt_bus_open(&b, &c), WT_EINVAL);
        assert_non_null(strstr(wt_words(), "peers of their own"));
        assert_null(b);
        wt_bus_close(s);
        open_server(rig_endpoint(&rig, "ipc"));  /* and over ipc there is no address */
        x = client(1);
        y = client(1);
        assert_string_equal(wt_bus_peer_address(s, rig_meet(s, x)), "");
        assert_int_not_equal(rig_meet(s, x), rig_meet(s, y));
        wt_bus_close(x);
        wt_bus_close(y);
}

int main(void)
{
        const struct { const char *name; void (*run)(void **); } cases[] = {
                { "connections of one key are peers of their own", each_is_a_peer },
                { "one more than the bound is over until another one goes", one_too_many },
                { "the number of a connection that is over reaches nobody", old_numbers },
                { "who says a word and goes leaves its place", last_words },
                { "a key that is taken off the list: all its connections", revoked },
                { "a routing id of the client's choice", chosen_id },
                { "what breaks a limit is answered where a call is named", faults },
                { "what it goes together with", what_goes_together },
        };
        enum { N = sizeof cases / sizeof *cases };
        struct CMUnitTest tests[N];
        int rc;

        for (size_t i = 0; i < N; i++)
                tests[i] = (struct CMUnitTest){ cases[i].name, cases[i].run, open_tcp,
                                                close_server, NULL };
        rig_init(&rig);
        rc = cmocka_run_group_tests(tests, NULL, NULL);
        rig_fini(&rig);
        return rc;
}
