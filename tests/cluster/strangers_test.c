/* strangers_test.c - who may not speak, and what nobody may say: keys that are not listed, no keys,
 * names of others, frames that are wrong or too long. Whatever they try, the cluster goes on: after
 * each, a plain sequence has the bits that it had before. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/rng.h"
#include "field.h"

enum { SECOND = 1000 * 1000, MINUTE = 60 * SECOND };

static struct field f;
static struct field_client c;
static struct seq_want truth;
static uint32_t router, worker;

static uint64_t now(void) { return wt_now_us(&wt_clock_real); }

/* The service still answers, with the same bits. */
static void alive(void)
{
        static struct seq_want s;
        static uint8_t id;

        seq_plain(&s, ++id, 24);
        seq_submit(&c, &s);
        assert_int_equal(seq_collect(&c, &s, 1, MINUTE), 1);
        seq_same(&s, &truth);
}

static int start(void **state)
{
        (void)state;
        field_open(&f, NULL, "models/tiny");
        router = field_start(&f, NULL, "router", "router-0", "--threads=2", NULL);
        worker = field_start(&f, NULL, "expert", "expert-0", "--threads=1", NULL);
        field_ready(&f, worker);
        field_ready(&f, router);
        client_open(&c, &f, "gateway-0");
        seq_plain(&truth, 255, 24);
        seq_submit(&c, &truth);
        return seq_collect(&c, &truth, 1, MINUTE) == 1 && truth.finish == WT_LENGTH ? 0 : -1;
}

static int stop(void **state)
{
        (void)state;
        client_close(&c);
        field_close(&f);
        return 0;
}

/* ---- a socket without our bus around it ---- */

struct raw { void *ctx, *sock; };

/* keys NULL: no encryption at all. id: a routing id of its own choice, or NULL. */
static void raw_open(struct raw *r, const struct wt_keyring *keys, const char *id)
{
        int none = 0;

        r->ctx = zmq_ctx_new();
        r->sock = zmq_socket(r->ctx, ZMQ_DEALER);
        zmq_setsockopt(r->sock, ZMQ_LINGER, &none, sizeof none);
        if (keys != NULL) {
                zmq_setsockopt(r->sock, ZMQ_CURVE_PUBLICKEY, keys->public_key, 41);
                zmq_setsockopt(r->sock, ZMQ_CURVE_SECRETKEY, keys->secret_key, 41);
                zmq_setsockopt(r->sock, ZMQ_CURVE_SERVERKEY, keys->server_key, 41);
        }
        if (id != NULL)
                zmq_setsockopt(r->sock, ZMQ_ROUTING_ID, id, strlen(id));
        assert_int_equal(zmq_connect(r->sock, f.bus), 0);
}

static void raw_close(struct raw *r)
{
        zmq_close(r->sock);
        zmq_ctx_term(r->ctx);
}

static void raw_send(struct raw *r, const void *data, size_t n, bool more)
{
        assert_int_equal(zmq_send(r->sock, data, n, more ? ZMQ_SNDMORE : 0), n);
}

static bool raw_answered(struct raw *r, int timeout_ms)
{
        char any[64];

        zmq_setsockopt(r->sock, ZMQ_RCVTIMEO, &timeout_ms, sizeof timeout_ms);
        return zmq_recv(r->sock, any, sizeof any, 0) >= 0;
}

static void keys_of(struct wt_keyring *k, const char *name)
{
        char dir[256];

        snprintf(dir, sizeof dir, "%s/keys", f.dir);
        if (wt_keyring_load(k, dir, name) != WT_OK)
                fail_msg("%s", wt_words());
}

static void encode_hello(struct wt_buf *out, const char *role, const char *name)
{
        struct wt_hello h = { .role = WT_STR(role), .name = WT_STR(name), .incarnation = 3 };
        struct wt_envelope e = { .version = WT_WIRE_VERSION, .method = WT_M_HELLO, .body = &h };

        assert_int_equal(wt_wire_encode(&e, out), WT_OK);
}

static void hello(struct raw *r, const char *role, const char *name)
{
        struct wt_buf b = { 0 };

        encode_hello(&b, role, name);
        raw_send(r, b.data, b.len, false);
        wt_buf_free(&b);
}

/* ---- keys ---- */

static void unlisted_key(void **state)
{
        struct wt_keyring k;
        struct raw r;
        struct wt_buf list = { 0 };
        char path[256];

        (void)state;
        keys_of(&k, "gateway-0");
        assert_int_equal(wt_bus_keypair(k.public_key, k.secret_key), WT_OK);
        raw_open(&r, &k, NULL);
        hello(&r, "gateway", "gateway-0");
        field_until(&f, router, "witan_router_keys_refused_total", 1, 1e9);
        assert_false(raw_answered(&r, 500));
        raw_close(&r);
        alive();
        /* The same key is welcome once it is listed. */
        snprintf(path, sizeof path, "%s/keys/allowed", f.dir);
        assert_int_equal(wt_file_read(path, 1 << 20, &list), WT_OK);
        wt_buf_fmt(&list, "gateway-9 gateway %s\n", k.public_key);
        assert_int_equal(wt_file_write(path, list.data, list.len, 0600), WT_OK);
        raw_open(&r, &k, NULL);
        hello(&r, "gateway", "gateway-9");
        assert_true(raw_answered(&r, 20000));
        raw_close(&r);
        wt_buf_free(&list);
}

static void no_key(void **state)
{
        struct raw r;

        (void)state;
        raw_open(&r, NULL, NULL);
        hello(&r, "gateway", "gateway-0");
        assert_false(raw_answered(&r, 1000));
        raw_close(&r);
        raw_open(&r, NULL, "gateway-0");
        hello(&r, "gateway", "gateway-0");
        assert_false(raw_answered(&r, 500));
        raw_close(&r);
        alive();
}

static void plain_password(void **state)
{
        struct raw r;
        int none = 0;

        (void)state;
        r.ctx = zmq_ctx_new();
        r.sock = zmq_socket(r.ctx, ZMQ_DEALER);
        zmq_setsockopt(r.sock, ZMQ_LINGER, &none, sizeof none);
        zmq_setsockopt(r.sock, ZMQ_PLAIN_USERNAME, "gateway-0", 9);
        zmq_setsockopt(r.sock, ZMQ_PLAIN_PASSWORD, "gateway", 7);
        assert_int_equal(zmq_connect(r.sock, f.bus), 0);
        hello(&r, "gateway", "gateway-0");
        assert_false(raw_answered(&r, 1000));
        raw_close(&r);
        alive();
}

static void wrong_server_key(void **state)       /* somebody else's cluster */
{
        struct wt_keyring k;
        char secret[41];
        struct raw r;

        (void)state;
        keys_of(&k, "gateway-1");
        assert_int_equal(wt_bus_keypair(k.server_key, secret), WT_OK);
        raw_open(&r, &k, NULL);
        hello(&r, "gateway", "gateway-1");
        assert_false(raw_answered(&r, 1000));
        raw_close(&r);
        alive();
}

/* Not even ZeroMQ: bytes of any kind, and connections that say nothing. */
static void noise(void **state)
{
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        uint8_t bytes[4096];
        int fd[24];

        (void)state;
        a.sin_port = htons((uint16_t)atoi(strrchr(f.bus, ':') + 1));
        for (uint32_t i = 0; i < 24; i++) {
                fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
                assert_int_equal(connect(fd[i], (struct sockaddr *)&a, sizeof a), 0);
                for (uint32_t k = 0; k < sizeof bytes; k++)
                        bytes[k] = (uint8_t)(wt_philox_unit(9, i, k, 0) * 256);
                if (i % 3 == 0)                  /* as far as the greeting, then nonsense */
                        memcpy(bytes, "\xff\0\0\0\0\0\0\0\1\x7f\3\1CURVE", 17);
                if (i % 3 != 2)
                        send(fd[i], bytes, sizeof bytes, MSG_NOSIGNAL);
        }
        alive();
        for (uint32_t i = 0; i < 24; i++)
                close(fd[i]);
        alive();
}

/* ---- names ---- */

/* Says hello through the bus and returns the answer's status; words get its message. */
static uint32_t try_hello(const char *key, const char *role, const char *name, char words[512])
{
        const char *endpoint = f.bus;
        struct wt_bus_conf conf = { .name = key, .connect = &endpoint, .n_connect = 1 };
        uint64_t end = now() + MINUTE;
        struct wt_keyring k;
        uint32_t status;
        wt_msg *m = NULL;
        wt_bus *bus;

        keys_of(&k, key);
        conf.keys = wt_keyring_bus(&k);
        assert_int_equal(wt_bus_open(&bus, &conf), WT_OK);
        while (m == NULL || m->env.method != WT_M_WELCOME) {
                struct field_client client = { .bus = bus };
                struct wt_hello *h;

                wt_msg_free(m);
                assert_true(now() < end);
                m = wt_msg_new(bus);
                h = WT_ARENA_NEW(&m->arena, struct wt_hello);
                *h = (struct wt_hello){ .role = WT_STR(role), .name = WT_STR(name),
                                        .incarnation = 4 };
                m->env.method = WT_M_HELLO;
                m->env.body = h;
                if (strcmp(role, "expert") == 0)
                        wt_msg_tensor(m, WT_U8, 2, (uint32_t[]){ 0, sizeof(struct wt_held) });
                if (wt_bus_send(bus, m) != WT_OK)
                        wt_msg_free(m);
                m = client_next(&client, 200000);
        }
        status = m->env.status;
        snprintf(words, 512, "%.*s", (int)m->env.message.len, (const char *)m->env.message.data);
        wt_msg_free(m);
        wt_bus_close(bus);
        return status;
}

static void another_name(void **state)
{
        char words[512];

        (void)state;
        assert_int_equal(try_hello("gateway-1", "gateway", "gateway-1", words), WT_OK);
        assert_int_equal(try_hello("gateway-1", "gateway", "gateway-0", words), WT_EPERM);
        print_message("# %s\n", words);
        assert_non_null(strstr(words, "gateway-0"));
        assert_non_null(strstr(words, "gateway-1"));
        assert_int_equal(try_hello("expert-3", "gateway", "expert-3", words), WT_EPERM);
        print_message("# %s\n", words);
        assert_non_null(strstr(words, "expert"));
        assert_int_equal(try_hello("gateway-1", "expert", "gateway-1", words), WT_EPERM);
        alive();
}

/* The routing id of another: that peer's messages would go to us. */
static void another_routing_id(void **state)
{
        double before = field_metric(&f, router, "witan_router_messages_misnamed_total");
        struct wt_keyring k;
        struct raw r;

        (void)state;
        keys_of(&k, "gateway-1");
        raw_open(&r, &k, "gateway-0");
        hello(&r, "gateway", "gateway-1");
        field_until(&f, router, "witan_router_messages_misnamed_total", before + 1, before + 1);
        assert_false(raw_answered(&r, 300));
        raw_close(&r);
        alive();
}

static void submit_before_hello(void **state)
{
        struct wt_bus_conf conf = { .name = "gateway-1", .connect = (const char *[]){ f.bus },
                                    .n_connect = 1 };
        static struct seq_want s;
        struct field_client d = { 0 };
        uint64_t end = now() + MINUTE;

        (void)state;
        keys_of(&d.ring, "expert-3");            /* no gateway at all */
        conf.name = "expert-3";
        conf.keys = wt_keyring_bus(&d.ring);
        assert_int_equal(wt_bus_open(&d.bus, &conf), WT_OK);
        seq_plain(&s, 200, 24);
        while (s.finish == WT_RUNNING) {
                wt_msg *m = wt_msg_new(d.bus);   /* libzmq is connected when a ping comes back */
                struct wt_ping *p = WT_ARENA_NEW(&m->arena, struct wt_ping);

                assert_true(now() < end);
                p->stamp = 5;
                m->env.method = WT_M_PING;
                m->env.body = p;
                if (wt_bus_send(d.bus, m) != WT_OK)
                        wt_msg_free(m);
                if ((m = client_next(&d, 100000)) == NULL)
                        continue;
                wt_msg_free(m);
                seq_submit(&d, &s);
                seq_collect(&d, &s, 1, 5 * SECOND);
        }
        assert_int_equal(s.finish, WT_FAILED);
        assert_int_equal(s.status, WT_EPRECONDITION);
        assert_non_null(strstr(s.message, "hello"));
        wt_bus_close(d.bus);
        alive();
}

/* ---- frames ---- */

static struct wt_buf good_submit, ids;           /* an envelope, and the 4 ids that it names */

static void make_submit(void)
{
        static const int32_t four[4] = { 5, 6, 7, 8 };
        struct wt_submit b = { .request = WT_BYTES("0123456789abcdef", 16), .max_tokens = 1,
                               .top_p = 1 };
        struct wt_envelope e = { .version = WT_WIRE_VERSION, .method = WT_M_SUBMIT, .body = &b,
                                 .n_tensors = 2,
                                 .tensors = { { WT_I32, 1, { 4 } }, { WT_I32, 1, { 0 } } } };

        assert_int_equal(wt_wire_encode(&e, &good_submit), WT_OK);
        wt_buf_add(&ids, four, sizeof four);
}

static void send_nothing(struct raw *r) { raw_send(r, "", 0, false); }
static void send_garbage(struct raw *r)
{
        raw_send(r, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11, false);
}
static void send_cut(struct raw *r) { raw_send(r, good_submit.data, good_submit.len - 3, false); }
static void send_no_frames(struct raw *r) { raw_send(r, good_submit.data, good_submit.len, false); }

static void send_short_frame(struct raw *r)
{
        raw_send(r, good_submit.data, good_submit.len, true);
        raw_send(r, ids.data, ids.len - 1, true);
        raw_send(r, "", 0, false);
}

static void send_frames_too_many(struct raw *r)
{
        raw_send(r, good_submit.data, good_submit.len, true);
        for (int i = 0; i < 12; i++)
                raw_send(r, ids.data, ids.len, i < 11);
}

static void send_negative_id(struct raw *r)
{
        static const int32_t bad[4] = { 5, -6, 7, 8 };

        raw_send(r, good_submit.data, good_submit.len, true);
        raw_send(r, bad, sizeof bad, true);
        raw_send(r, "", 0, false);
}

static void send_hello_without_table(struct raw *r) { hello(r, "expert", "gateway-1"); }

static void send_huge_envelope(struct raw *r)
{
        size_t n = WT_MAX_ENVELOPE + 1;
        char *data = calloc(n, 1);

        raw_send(r, data, n, false);
        free(data);
}

static const struct frame { const char *name, *metric; void (*send)(struct raw *r); } frames[] = {
        { "nothing", "malformed", send_nothing }, { "garbage", "malformed", send_garbage },
        { "a submit cut short", "malformed", send_cut },
        { "a submit without its frames", "malformed", send_no_frames },
        { "a frame one byte short", "malformed", send_short_frame },
        { "twelve frames", "malformed", send_frames_too_many },
        { "a negative id", "malformed", send_negative_id },
        { "an expert's hello without its table", "malformed", send_hello_without_table },
        { "an envelope above 16 MiB", "too_long", send_huge_envelope },
};
enum { N_FRAMES = sizeof frames / sizeof *frames };

static void bad_frame(void **state)
{
        const struct frame *row = *state;
        struct wt_keyring k;
        struct raw r;
        char metric[64];
        double before;

        snprintf(metric, sizeof metric, "witan_router_messages_%s_total", row->metric);
        before = field_metric(&f, router, metric);
        assert_true(before >= 0);
        keys_of(&k, "gateway-1");
        raw_open(&r, &k, NULL);
        row->send(&r);
        field_until(&f, router, metric, before + 1, before + 1);
        hello(&r, "gateway", "gateway-1");       /* the same connection still counts */
        assert_true(raw_answered(&r, 20000));
        raw_close(&r);
        alive();
}

/* Above what a frame may be, libzmq itself ends the connection before it takes memory. */
static void frame_too_long(void **state)
{
        size_t n = (size_t)WT_MAX_FRAME + 65;
        char *data = calloc(n, 1);
        int timeout_ms = 20000, none = 0;
        struct wt_keyring k;
        uint16_t event = 0;
        struct raw r;
        void *monitor;

        (void)state;
        keys_of(&k, "gateway-1");
        raw_open(&r, &k, NULL);
        hello(&r, "gateway", "gateway-1");
        assert_true(raw_answered(&r, 20000));
        assert_int_equal(zmq_socket_monitor(r.sock, "inproc://events", ZMQ_EVENT_DISCONNECTED), 0);
        monitor = zmq_socket(r.ctx, ZMQ_PAIR);
        zmq_setsockopt(monitor, ZMQ_RCVTIMEO, &timeout_ms, sizeof timeout_ms);
        zmq_setsockopt(monitor, ZMQ_LINGER, &none, sizeof none);
        assert_int_equal(zmq_connect(monitor, "inproc://events"), 0);
        raw_send(&r, data, n, false);
        assert_int_equal(zmq_recv(monitor, &event, sizeof event, 0), 6);
        assert_int_equal(event, ZMQ_EVENT_DISCONNECTED);
        zmq_close(monitor);
        raw_close(&r);
        free(data);
        alive();
}

/* A version that is not ours yet, and a method that no service knows. */
static void newer_peer(void **state)
{
        struct wt_envelope e = { .version = WT_WIRE_VERSION, .method = 4000 };
        struct wt_buf b = { 0 };
        struct wt_keyring k;
        struct raw r;

        (void)state;
        keys_of(&k, "gateway-1");
        raw_open(&r, &k, NULL);
        assert_int_equal(wt_wire_encode(&e, &b), WT_OK);
        raw_send(&r, b.data, b.len, false);
        hello(&r, "gateway", "gateway-1");
        assert_true(raw_answered(&r, 20000));
        raw_close(&r);
        wt_buf_free(&b);
        alive();
}

int main(void)
{
        static const struct CMUnitTest others[] = {
                cmocka_unit_test(unlisted_key), cmocka_unit_test(no_key),
                cmocka_unit_test(plain_password), cmocka_unit_test(wrong_server_key),
                cmocka_unit_test(noise), cmocka_unit_test(another_name),
                cmocka_unit_test(another_routing_id), cmocka_unit_test(submit_before_hello),
                cmocka_unit_test(frame_too_long), cmocka_unit_test(newer_peer) };
        enum { N_OTHERS = sizeof others / sizeof *others };
        struct CMUnitTest tests[N_OTHERS + N_FRAMES];

        make_submit();
        memcpy(tests, others, sizeof others);
        for (size_t i = 0; i < N_FRAMES; i++)
                tests[N_OTHERS + i] = (struct CMUnitTest){ frames[i].name, bad_frame, NULL, NULL,
                                                           (void *)&frames[i] };
        return cmocka_run_group_tests_name("strangers", tests, start, stop);
}
