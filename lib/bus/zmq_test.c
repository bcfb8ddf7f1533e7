/* zmq_test.c - the door: who gets in, as whom, and what a listed but hostile peer can do. It speaks
 * through raw libzmq sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>
#include "base/file.h"
#include "bus/rig.h"

static struct rig rig;
static wt_bus *s;                                /* the bound bus of a case */
static void *ctx;                                /* of raw sockets */
static void *raws[4];                            /* those open; a failed case leaves some */

static int open_server(void **state)
{
        (void)state;
        rig_allow_all(&rig);
        s = rig_bind(&rig, rig_endpoint(&rig, "tcp"), 0);
        ctx = zmq_ctx_new();
        return 0;
}

static int close_server(void **state)
{
        (void)state;
        for (int i = 0; i < 4; i++)
                if (raws[i])
                        zmq_close(raws[i]);
        memset(raws, 0, sizeof raws);
        zmq_ctx_term(ctx);
        wt_bus_close(s);
        return 0;
}

static struct wt_bus_stats stats(void)
{
        struct wt_bus_stats now;

        wt_bus_stats(s, &now);
        return now;
}

static void *raw_dealer(void)
{
        int one = 1, zero = 0, soon = 300, i = 0;

        while (raws[i])
                i++;
        raws[i] = zmq_socket(ctx, ZMQ_DEALER);
        assert_non_null(raws[i]);
        zmq_setsockopt(raws[i], ZMQ_IMMEDIATE, &one, sizeof one);
        zmq_setsockopt(raws[i], ZMQ_LINGER, &zero, sizeof zero);
        zmq_setsockopt(raws[i], ZMQ_SNDTIMEO, &soon, sizeof soon);
        return raws[i];
}

static void raw_keys(void *d, uint32_t who, uint32_t server)
{
        zmq_setsockopt(d, ZMQ_CURVE_PUBLICKEY, rig.id[who].public_key, 41);
        zmq_setsockopt(d, ZMQ_CURVE_SECRETKEY, rig.id[who].secret_key, 41);
        zmq_setsockopt(d, ZMQ_CURVE_SERVERKEY, rig.id[server].public_key, 41);
}

/* A DEALER with the keys of `who` that calls itself as (NULL: nothing). */
static void *raw(uint32_t who, const char *as)
{
        void *d = raw_dealer();
        int forever = -1;

        if (as)
                zmq_setsockopt(d, ZMQ_ROUTING_ID, as, strlen(as));
        zmq_setsockopt(d, ZMQ_SNDTIMEO, &forever, sizeof forever);
        raw_keys(d, who, 0);
        assert_int_equal(zmq_connect(d, wt_bus_endpoint(s)), 0);
        return d;
}

static void raw_send(void *d, const void *p, size_t n, bool more)
{
        assert_int_equal(zmq_send(d, p, n, more ? ZMQ_SNDMORE : 0), n);
}

static void raw_ping(void *d, uint64_t stamp)
{
        struct wt_ping p = { stamp };
        struct wt_envelope e = { .method = WT_M_PING, .body = &p };
        struct wt_buf b = { 0 };

        assert_int_equal(wt_wire_encode(&e, &b), WT_OK);
        raw_send(d, b.data, b.len, false);
        wt_buf_free(&b);
}

static void expect_ping(uint64_t stamp, const char *from)
{
        wt_msg *m = rig_recv(s);

        assert_int_equal(rig_stamp(m), stamp);
        assert_string_equal(wt_bus_peer_name(s, m->peer), from);
        wt_msg_free(m);
}

/* ---- who gets in ---- */

static void unlisted(void **state)
{
        wt_bus *c;
        wt_msg *m;

        (void)state;
        rig_allow(&rig, (const uint32_t[]){ 2, 0 });
        c = rig_connect(&rig, 1, wt_bus_endpoint(s), 0);
        m = rig_ping(c, 0, 1);
        RIG_UNTIL(s, c, (assert_int_equal(wt_bus_send(c, m), WT_EUNAVAILABLE),
                         stats().refused_keys >= 2));
        assert_int_equal(stats().received, 0);
        assert_int_equal(wt_bus_peers(s), 0);
        rig_allow(&rig, (const uint32_t[]){ 2, 1, 0 });  /* from now on it is: no one opens anew */
        rig_send(c, m);
        expect_ping(1, "expert-0");
        wt_bus_close(c);

        rig_allow(&rig, (const uint32_t[]){ 2, 0 });     /* and no longer */
        c = rig_connect(&rig, 1, wt_bus_endpoint(s), 0);
        m = rig_ping(c, 0, 2);
        RIG_UNTIL(s, c, (assert_int_equal(wt_bus_send(c, m), WT_EUNAVAILABLE),
                         stats().refused_keys >= 4));
        wt_msg_free(m);
        wt_bus_close(c);
}

/* Taken off while it is connected: lost at once, its connection is shut, and the others stay. */
static void revoked(void **state)
{
        wt_bus *c = rig_connect(&rig, 1, wt_bus_endpoint(s), 0),
               *d = rig_connect(&rig, 2, wt_bus_endpoint(s), 0);
        wt_msg *m = NULL;

        (void)state;
        assert_int_equal(rig_meet(s, c), 0);
        assert_int_equal(rig_meet(s, d), 1);
        assert_false(wt_bus_lost(s));
        rig_allow(&rig, (const uint32_t[]){ 2, 0 });
        RIG_UNTIL(s, c, wt_bus_lost(s));
        m = rig_ping(s, 0, 1);
        assert_int_equal(wt_bus_send(s, m), WT_EUNAVAILABLE);
        assert_non_null(strstr(wt_words(), "no longer listed"));
        wt_msg_free(m);
        RIG_UNTIL(s, c, wt_bus_lost(c));         /* by the socket, not by silence */
        m = rig_ping(c, 0, 2);
        RIG_UNTIL(s, c, (assert_int_equal(wt_bus_send(c, m), WT_EUNAVAILABLE),
                         stats().refused_keys >= 3));
        rig_meet(s, d);
        rig_allow_all(&rig);                     /* back, under its number */
        rig_send(c, m);
        expect_ping(2, "expert-0");
        assert_int_equal(rig_meet(s, c), 0);
        wt_bus_close(c);
        wt_bus_close(d);
}

/* Its handshake was good, it has said nothing yet, and now it may not any more. */
static void revoked_in_silence(void **state)
{
        void *d = raw(1, NULL);
        zmq_pollitem_t up = { .socket = d, .events = ZMQ_POLLOUT };
        uint64_t end = rig_now_ms() + RIG_DEADLINE_MS;

        (void)state;
        while (zmq_poll(&up, 1, 100) <= 0)       /* it can be sent to: it is through */
                assert_true(rig_now_ms() < end);
        rig_allow(&rig, (const uint32_t[]){ 2, 0 });
        raw_ping(d, 7);
        RIG_UNTIL(s, NULL, stats().dropped_identity == 1);
        assert_int_equal(stats().received, 0);
        assert_int_equal(wt_bus_peers(s), 0);
        RIG_UNTIL(s, NULL, zmq_poll(&up, 1, 0) == 0);    /* and its connection is shut */
}

static void broken_list(void **state)
{
        wt_bus *c = rig_connect(&rig, 1, wt_bus_endpoint(s), 0), *other = NULL;
        struct wt_bus_conf conf = { .name = "router", .bind = "tcp://127.0.0.1:*",
                .keys = { rig.id[0].public_key, rig.id[0].secret_key, NULL, rig.allow } };

        (void)state;
        rig_meet(s, c);
        assert_int_equal(wt_file_write(rig.allow, "expert-0 expert\n", 16, 0600), WT_OK);
        assert_int_equal(wt_bus_open(&other, &conf), WT_EINVAL);
        assert_non_null(strstr(wt_words(), "line 1"));
        assert_null(other);
        rig_meet(s, c);                          /* who is in stays in */
        wt_bus_close(c);
        c = rig_connect(&rig, 1, wt_bus_endpoint(s), 0);
        RIG_UNTIL(s, c, stats().refused_keys >= 1);
        rig_allow_all(&rig);
        rig_meet(s, c);
        wt_bus_close(c);
}

/* No CURVE, or CURVE with a key of another server: never a message, never a name. */
static void wrong_doors(void **state)
{
        void *plain = raw_dealer(), *lost = raw_dealer();
        wt_bus *c = rig_connect(&rig, 2, wt_bus_endpoint(s), 0);

        (void)state;
        assert_int_equal(zmq_connect(plain, wt_bus_endpoint(s)), 0);
        zmq_send(plain, "\x08\x01", 2, 0);
        raw_keys(lost, 1, 3);
        assert_int_equal(zmq_connect(lost, wt_bus_endpoint(s)), 0);
        zmq_send(lost, "\x08\x01", 2, 0);
        for (int i = 0; i < 3; i++)
                rig_meet(s, c);                  /* the door stays open to who may come in */
        assert_int_equal(wt_bus_peers(s), 1);
        assert_int_equal(stats().dropped_malformed + stats().dropped_identity, 0);
        wt_bus_close(c);
}

/* ---- as whom ---- */

/* A listed peer that calls itself by another's name: its words are dropped, and what is meant
 * for the other one never goes to it. */
static void foreign_name(void **state)
{
        wt_bus *c = rig_connect(&rig, 1, wt_bus_endpoint(s), 0);
        uint32_t peer = rig_meet(s, c);
        void *thief = raw(2, "expert-0");
        char got[64];

        (void)state;
        raw_ping(thief, 666);
        RIG_UNTIL(s, c, stats().dropped_identity == 1);
        for (uint64_t i = 0; i < 100; i++) {
                wt_msg *m;

                assert_int_equal(wt_bus_send(s, rig_ping(s, peer, i)), WT_OK);
                m = rig_recv(c);
                assert_int_equal(rig_stamp(m), i);
                wt_msg_free(m);
        }
        wt_bus_close(c);                         /* not even when the other one is gone */
        RIG_UNTIL(s, NULL, wt_bus_lost(s));
        raw_ping(thief, 667);
        RIG_UNTIL(s, NULL, stats().dropped_identity == 2);
        for (int i = 0; i < 10; i++) {
                wt_msg *m = rig_ping(s, peer, 1);

                assert_int_equal(wt_bus_send(s, m), WT_EUNAVAILABLE);
                wt_msg_free(m);
        }
        assert_int_equal(zmq_recv(thief, got, sizeof got, ZMQ_DONTWAIT), -1);
        assert_int_equal(errno, EAGAIN);
}

static void own_name(void **state)
{
        void *d = raw(3, "expert-2");
        char got[64];
        int n;

        (void)state;
        raw_ping(d, 5);
        expect_ping(5, "expert-2");
        assert_string_equal(wt_bus_peer_role(s, 0), "expert");
        assert_int_equal(wt_bus_send(s, rig_ping(s, 0, 6)), WT_OK);
        n = zmq_recv(d, got, sizeof got, 0);
        assert_true(n > 0);
}

/* Two connections with one key: the later one is the peer, the earlier one is heard no more. */
static void later_connection(void **state)
{
        void *first = raw(1, NULL), *second;
        char got[64];

        (void)state;
        raw_ping(first, 1);
        expect_ping(1, "expert-0");
        second = raw(1, NULL);
        raw_ping(second, 2);
        expect_ping(2, "expert-0");
        assert_int_equal(wt_bus_peers(s), 1);
        raw_ping(first, 3);
        RIG_UNTIL(s, NULL, stats().dropped_identity == 1);
        assert_int_equal(wt_bus_send(s, rig_ping(s, 0, 4)), WT_OK);
        assert_true(zmq_recv(second, got, sizeof got, 0) > 0);
        assert_int_equal(zmq_recv(first, got, sizeof got, ZMQ_DONTWAIT), -1);
        raw_ping(second, 5);
        expect_ping(5, "expert-0");
}

/* ---- what it says ---- */

static const struct bad { const char *name; uint32_t n_parts;
                          struct { const char *p; size_t n; } part[10]; } bads[] = {
        { "empty envelope",         1, { { "", 0 } } },
        { "garbage",                1, { { "\xff\xff\xff\xff garbage", 12 } } },
        { "another version",        1, { { "\x08\x02\x18\x12\x92\x01\x00", 7 } } },
        { "a frame too many",       2, { { "\x08\x01\x18\x12\x92\x01\x00", 7 }, { "x", 1 } } },
        { "a frame too few",        1, { { "\x08\x01\x18\x3c\x5a\x04\x08\x11\x10\x03", 10 } } },
        { "a frame too long", 2,
          { { "\x08\x01\x18\x3c\x5a\x04\x08\x11\x10\x03", 10 }, { "abcd", 4 } } },
        { "a frame too short", 2,
          { { "\x08\x01\x18\x3c\x5a\x04\x08\x11\x10\x03", 10 }, { "ab", 2 } } },
        { "ten parts", 10, { { "\x08\x01\x18\x12\x92\x01\x00", 7 }, { "", 0 }, { "", 0 }, { "", 0 },
                             { "", 0 }, { "", 0 }, { "", 0 }, { "", 0 }, { "", 0 }, { "x", 1 } } },
        { "call without its body",  1, { { "\x08\x01\x18\x20", 4 } } },
        { "hello of nobody",        1, { { "\x08\x01\x18\x10\x82\x01\x00", 7 } } },
};

static void malformed(void **state)
{
        void *d = raw(1, NULL);

        (void)state;
        for (uint32_t i = 0; i < sizeof bads / sizeof *bads; i++) {
                for (uint32_t k = 0; k < bads[i].n_parts; k++)
                        raw_send(d, bads[i].part[k].p, bads[i].part[k].n, k + 1 < bads[i].n_parts);
                raw_ping(d, i);
                expect_ping(i, "expert-0");      /* what follows is read from its first part on */
                assert_int_equal(stats().dropped_malformed, i + 1);
        }
        assert_int_equal(s->n_out, 0);           /* nothing kept of what was dropped */
}

static void too_long(void **state)
{
        enum { MIB = 1 << 20 };
        void *d = raw(1, NULL);
        char *p = calloc(17, MIB);

        (void)state;
        raw_send(d, p, WT_MAX_ENVELOPE + 1, false);
        raw_send(d, p, WT_MAX_ENVELOPE + 1, true);
        raw_send(d, "frame", 5, false);
        raw_ping(d, 1);
        expect_ping(1, "expert-0");
        assert_int_equal(stats().dropped_too_long, 2);
        assert_int_equal(stats().dropped_malformed, 0);
        free(p);
}

/* ---- a peer that is killed ---- */

/* The other process of the test: says hello by a ping, then answers nothing. */
static int peer_process(char *const *arg)
{
        const char *endpoint = arg[0];
        struct wt_bus_conf c = { .name = "expert-1", .connect = &endpoint, .n_connect = 1,
                                 .keys = { arg[1], arg[2], arg[3], NULL } };
        wt_bus *b;

        if (wt_bus_open(&b, &c) != WT_OK)
                return 1;
        for (wt_msg *m = rig_ping(b, 0, 42); m && wt_bus_send(b, m) != WT_OK;)
                wt_bus_wait(b, -1, 10000);
        for (;;)
                pause();
}

static pid_t start_peer(void)
{
        char endpoint[256];
        pid_t pid;

        snprintf(endpoint, sizeof endpoint, "%s", wt_bus_endpoint(s));
        pid = fork();
        if (pid == 0) {
                execl("/proc/self/exe", "zmq_test", "--peer", endpoint, rig.id[2].public_key,
                      rig.id[2].secret_key, rig.id[0].public_key, NULL);
                _exit(127);
        }
        assert_true(pid > 0);
        return pid;
}

static void killed(void **state)
{
        wt_msg *m = NULL;
        wt_err err = WT_OK;

        (void)state;
        for (int round = 0; round < 3; round++) {
                pid_t pid = start_peer();

                expect_ping(42, "expert-1");
                while (wt_bus_lost(s))
                        ;
                m = wt_msg_new(s);               /* something on its way when it dies */
                m->env.method = 60;
                memset(wt_msg_tensor(m, WT_U8, 1, (uint32_t[]){ 8 << 20 }), 1, 8 << 20);
                rig_send(s, m);
                kill(pid, round == 1 ? SIGTERM : SIGKILL);
                waitpid(pid, NULL, 0);
                RIG_UNTIL(s, NULL, wt_bus_lost(s));
                RIG_UNTIL(s, NULL, (m = rig_ping(s, 0, 1), err = wt_bus_send(s, m)) != WT_OK);
                assert_int_equal(err, WT_EUNAVAILABLE);
                wt_msg_free(m);
                assert_int_equal(wt_bus_peers(s), 1);    /* the same number each time */
        }
        RIG_UNTIL(s, NULL, s->n_out == 0);       /* libzmq gave the lent frames back */
}

/* ---- what is refused at once ---- */

static void refused_settings(void **state)
{
        static const char long_path[] = "ipc:///01234567890123456789012345678901234567890123456789"
                "890123456789012345678901234567890123456789012345678901234567890123456789";
        const char *pub = rig.id[0].public_key, *sec = rig.id[0].secret_key;
        const char *tcp[] = { "tcp://127.0.0.1:1" }, *mixed[] = { "inproc://x" };
        const char *far[] = { "udp://a:1" };
        const char *deep[] = { long_path };
        const struct { const char *name; struct wt_bus_conf c; const char *words; } t[] = {
                { "no endpoint", { .name = "a" }, "without endpoints" },
                { "no name", { .bind = "inproc://a" }, "name" },
                { "no keys", { .name = "a", .bind = "tcp://127.0.0.1:*" }, "public key" },
                { "a short key", { .name = "a", .connect = tcp, .n_connect = 1,
                  .keys = { "x", sec, pub, NULL } },
                  "public key" },
                { "no server key", { .name = "a", .connect = tcp, .n_connect = 1,
                  .keys = { pub, sec, NULL, NULL } },
                  "server key" },
                { "no list", { .name = "a", .bind = "tcp://127.0.0.1:*",
                  .keys = { pub, sec, NULL, NULL } },
                  "allow-list" },
                { "two transports", { .name = "a", .bind = "tcp://127.0.0.1:*", .connect = mixed,
                  .n_connect = 1, .keys = { pub, sec, pub, rig.allow } }, "one transport" },
                { "udp", { .name = "a", .connect = far, .n_connect = 1 }, "udp://a:1" },
                { "long path", { .name = "a", .bind = long_path,
                  .keys = { pub, sec, NULL, rig.allow } }, "shorter" },
                { "long path there", { .name = "a", .connect = deep, .n_connect = 1,
                  .keys = { pub, sec, pub, NULL } }, "shorter" },
                { "an address of another", { .name = "a", .bind = "tcp://192.0.2.1:7071",
                  .keys = { pub, sec, NULL, rig.allow } }, "192.0.2.1" },
                { "no port", { .name = "a", .bind = "tcp://127.0.0.1",
                  .keys = { pub, sec, NULL, rig.allow } },
                  "127.0.0.1" },
        };

        (void)state;
        for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
                wt_bus *b = NULL;

                if (wt_bus_open(&b, &t[i].c) != WT_EINVAL || !strstr(wt_words(), t[i].words))
                        fail_msg("%s: \"%s\" does not say \"%s\"", t[i].name, wt_words(),
                                 t[i].words);
                assert_null(b);
        }
}

/* A peer that reads nothing, and much on the way to it: closing ends all the same. */
static void close_in_traffic(void **state)
{
        void *d = raw(1, NULL);
        wt_err err = WT_OK;

        (void)state;
        raw_ping(d, 1);
        expect_ping(1, "expert-0");
        for (int i = 0; err == WT_OK && i < 100; i++) {
                wt_msg *m = wt_msg_new(s);

                m->env.method = 60;
                memset(wt_msg_tensor(m, WT_U8, 1, (uint32_t[]){ 1 << 20 }), 1, 1 << 20);
                if ((err = wt_bus_send(s, m)) != WT_OK)
                        wt_msg_free(m);
        }
        wt_bus_close(s);
        s = rig_bind(&rig, rig_endpoint(&rig, "tcp"), 0);
}

int main(int argc, char **argv)
{
        const struct { const char *name; void (*run)(void **); } cases[] = {
                { "an unlisted key is refused and counted, until it is listed", unlisted },
                { "a key that is taken off the list is cut off", revoked },
                { "also one that was silent until then", revoked_in_silence },
                { "a broken list refuses who is not in yet", broken_list },
                { "without CURVE, or with another server's key", wrong_doors },
                { "a listed key under a foreign name", foreign_name },
                { "a routing id that is the key's own name", own_name },
                { "the later connection of a key is the peer", later_connection },
                { "malformed messages are dropped whole", malformed },
                { "envelopes too long", too_long },
                { "a peer that is killed", killed },
                { "settings that are refused", refused_settings },
                { "closing while a peer reads nothing", close_in_traffic },
        };
        enum { N = sizeof cases / sizeof *cases };
        struct CMUnitTest tests[N];
        int rc;

        if (argc == 6 && strcmp(argv[1], "--peer") == 0)
                return peer_process(argv + 2);
        for (size_t i = 0; i < N; i++)
                tests[i] = (struct CMUnitTest){ cases[i].name, cases[i].run, open_server,
                                                close_server, NULL };
        rig_init(&rig);
        rc = cmocka_run_group_tests(tests, NULL, NULL);
        rig_fini(&rig);
        return rc;
}
