/* rpc_many_test.c - several processes with one client file: each connection has its own calls and
 * credit, a bound of them, one key that ends them all; one that takes nothing is waited for; and
 * where they come from, over tcp. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>
#include "base/file.h"
#include "base/json.h"
#include "rpc_rig.h"
#include "whole.h"
#include "wire/api.h"
#include "wire/wire.h"

enum { PER_KEY = 3 };
#define STREAM_PATH "/witan.v1.Generate/Stream"
#define STREAM_ASK "{" ONCE ",\"temperature\":0,\"max_tokens\":24,\"ignore_eos\":true}"

/* A port that was free a moment ago: the client file names it, so it cannot be 0. */
static int free_port(void)
{
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t len = sizeof a;
        int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_int_equal(bind(s, (struct sockaddr *)&a, sizeof a), 0);
        assert_int_equal(getsockname(s, (struct sockaddr *)&a, &len), 0);
        close(s);
        return ntohs(a.sin_port);
}

static int start(void **st)
{
        char text[64];

        snprintf(text, sizeof text, "tcp://127.0.0.1:%d", free_port());
        setenv("WITAN_RPC", text, 1);
        snprintf(text, sizeof text, "%d", PER_KEY);
        setenv("WITAN_RPC_CONNECTIONS", text, 1);
        setenv("WITAN_MAX_UNSENT", "64K", 1);
        if (whole_start(st) != 0)
                return -1;
        snprintf(file, sizeof file, "%s/client", state);
        return command("key create --state %s --name rpc --rpc %s >/dev/null 2>&1", state, file);
}

/* The client file and, when wanted, the id of a new key. */
static void new_key(const char *name, const char *flags, char path[200], char id[64])
{
        struct wt_buf b = { 0 };
        char json[256];
        wt_json *j;

        snprintf(path, 200, "%s/%s", state, name);
        snprintf(json, sizeof json, "%s/%s.json", state, name);
        assert_int_equal(command("key create --state %s --name %s %s --rpc %s -o json >%s", state,
                                 name, flags, path, json), 0);
        assert_int_equal(wt_file_read(json, 8192, &b), WT_OK);
        assert_int_equal(wt_json_parse(&j, b.data, b.len, &wt_json_default), WT_OK);
        if (id != NULL)
                snprintf(id, 64, "%s", wt_json_str(j, wt_json_get(j, 0, "id"), NULL));
        wt_json_free(j);
        wt_buf_free(&b);
}

static void stream(struct one *o, witan_client *c, uint64_t *id)
{
        struct witan_options held = { .credit = 1, .hold = 1, .retries = WITAN_NO_RETRY };
        struct wt_buf ask_bytes = { 0 };

        request_of(STREAM_PATH, STREAM_ASK, &ask_bytes);
        *id = begin(o, c, STREAM_PATH, ask_bytes.data, ask_bytes.len, &held);
        TURN_UNTIL(c, o->messages == 1 || o->over);
        wt_buf_free(&ask_bytes);
}

/* ---- the other process: says "1" when its stream has begun; what came, once it may go on ---- */

static int other_process(const char *path)
{
        witan_client *c = open_file(path);
        struct one o;
        uint64_t id;
        char go;

        stream(&o, c, &id);
        printf("%d %s\n", o.messages, o.words);
        fflush(stdout);
        if (read(0, &go, 1) != 1)
                return 1;
        witan_grant(c, id, 1000);
        TURN_UNTIL(c, o.over);
        printf("%d %d %zu\n", o.status, o.messages, o.bytes.len);
        fflush(stdout);
        witan_close(c);
        wt_buf_free(&o.bytes);
        return 0;
}

struct other { pid_t pid; int to; FILE *from; };

static void start_other(struct other *x)
{
        int in[2], out[2];

        assert_int_equal(pipe(in), 0);
        assert_int_equal(pipe(out), 0);
        x->pid = fork();
        if (x->pid == 0) {
                dup2(in[0], 0);
                dup2(out[1], 1);
                close(in[1]);
                close(out[0]);
                execl("/proc/self/exe", "rpc_many_test", "--other", file, NULL);
                _exit(127);
        }
        assert_true(x->pid > 0);
        close(in[0]);
        close(out[1]);
        x->to = in[1];
        x->from = fdopen(out[0], "r");
}

static void two_processes(void **st)
{
        witan_client *c = open_file(file);
        struct other x;
        char line[256];
        struct one o;
        size_t bytes;
        int status, messages;
        uint64_t id;

        (void)st;
        stream(&o, c, &id);
        start_other(&x);                         /* its ids begin at 1 as ours do */
        assert_non_null(fgets(line, sizeof line, x.from));
        assert_string_equal(line, "1 \n");
        assert_false(o.over);
        until("gateway", "witan_rpc_open_calls", 2, 2);
        witan_grant(c, id, 1000);                /* ours alone */
        TURN_UNTIL(c, o.over);
        if (o.status != WITAN_OK)
                fail_msg("%s", o.words);
        until("gateway", "witan_rpc_open_calls", 1, 1);
        assert_int_equal(write(x.to, "g", 1), 1);
        assert_non_null(fgets(line, sizeof line, x.from));
        assert_int_equal(sscanf(line, "%d %d %zu", &status, &messages, &bytes), 3);
        assert_int_equal(status, WITAN_OK);
        assert_true(messages > 10);
        assert_int_equal(messages, o.messages);
        assert_int_equal(bytes, o.bytes.len);
        fclose(x.from);
        close(x.to);
        assert_int_equal(waitpid(x.pid, &status, 0), x.pid);
        assert_int_equal(status, 0);
        until("gateway", "witan_rpc_open_calls", 0, 0);
        witan_close(c);
        wt_buf_free(&o.bytes);
}

static void too_many(void **st)
{
        witan_client *c[PER_KEY + 1];
        struct one o[PER_KEY + 1];
        uint64_t id, end = now() + DEADLINE;
        double refused = metric("gateway", "witan_rpc_refused_total");

        (void)st;
        for (int i = 0; i <= PER_KEY; i++)
                stream(&o[i], c[i] = open_file(file), &id);
        assert_true(o[PER_KEY].over);
        assert_int_equal(o[PER_KEY].status, WITAN_RESOURCE_EXHAUSTED);
        assert_non_null(strstr(o[PER_KEY].words, "3 processes"));
        assert_non_null(strstr(o[PER_KEY].words, "rpc_connections"));
        until("gateway", "witan_rpc_refused_total", refused + 1, refused + 1);
        for (int i = 0; i < PER_KEY; i++) {
                witan_turn(c[i]);
                assert_false(o[i].over);
        }
        witan_close(c[0]);
        wt_buf_free(&o[PER_KEY].bytes);
        for (stream(&o[PER_KEY], c[PER_KEY], &id); o[PER_KEY].over;
             stream(&o[PER_KEY], c[PER_KEY], &id))
                if (now() > end)                 /* there is room in a moment */
                        fail_msg("%s", o[PER_KEY].words);
        for (int i = 1; i <= PER_KEY; i++)
                witan_close(c[i]);
        for (int i = 0; i <= PER_KEY; i++)
                wt_buf_free(&o[i].bytes);
        until("gateway", "witan_rpc_open_calls", 0, 0);
}

static void revoked(void **st)
{
        struct witan_ask a = { .text = "Hi", .model = "tiny",
                               .options = { .connect_ms = 1000, .retries = WITAN_NO_RETRY } };
        witan_client *c[2], *other = open_file(file);
        char path[200], key_id[64];
        struct one o[2], o_other;
        uint64_t id;

        (void)st;
        new_key("both", "", path, key_id);
        stream(&o_other, other, &id);
        for (int i = 0; i < 2; i++) {
                stream(&o[i], c[i] = open_file(path), &id);
                assert_false(o[i].over);
        }
        assert_int_equal(command("key revoke --state %s %s >/dev/null", state, key_id), 0);
        for (int i = 0; i < 2; i++) {
                TURN_UNTIL(c[i], o[i].over);     /* cut off in the middle, both of them */
                assert_int_equal(o[i].status, WITAN_UNAVAILABLE);
        }
        for (int i = 0; i < 2; i++) {
                assert_int_equal(witan_chat(c[i], &a, NULL, NULL, NULL),
                                 WITAN_UNAUTHENTICATED);
                witan_close(c[i]);
                wt_buf_free(&o[i].bytes);
        }
        until("gateway", "witan_rpc_open_calls", 1, 1);
        assert_false(o_other.over);
        witan_close(other);
        wt_buf_free(&o_other.bytes);
}

/* ---- one that takes nothing ---- */

/* Some hundred KB of log-probabilities. */
#define MUCH_ASK "{" ONCE ",\"temperature\":1,\"seed\":11,\"max_tokens\":500,\"ignore_eos\":true," \
                 "\"logprobs\":20}"

/* The texts of an answer: its messages one after another are one message with all choices. */
static void text_of(const struct one *o, struct wt_buf *out)
{
        struct wt_buf json = { 0 };
        wt_json *j;
        wt_jv list;

        if (api_to_json(api_method(STREAM_PATH)->response, o->bytes.data, o->bytes.len, "", &json)
            != WT_OK)
                fail_msg("%s", wt_words());
        assert_int_equal(wt_json_parse(&j, json.data, json.len, &wt_json_default), WT_OK);
        list = wt_json_get(j, 0, "choices");
        for (wt_jv v = wt_json_first(j, list); v != WT_JSON_NONE; v = wt_json_next(j, v)) {
                size_t len = 0;
                const char *text = wt_json_str(j, wt_json_get(j, v, "text"), &len);

                wt_buf_add(out, text != NULL ? text : "", len);
        }
        wt_json_free(j);
        wt_buf_free(&json);
}

static void takes_nothing(void **st)
{
        struct witan_options held = { .credit = 1, .hold = 1 };
        struct wt_buf bytes = { 0 }, want = { 0 }, got = { 0 };
        double paused = metric("gateway", "witan_gateway_paused_total");
        witan_client *c = open_file(file);
        struct one o, quick;
        uint64_t id;

        (void)st;
        request_of(STREAM_PATH, MUCH_ASK, &bytes);
        begin(&quick, c, STREAM_PATH, bytes.data, bytes.len, NULL);
        TURN_UNTIL(c, quick.over);
        id = begin(&o, c, STREAM_PATH, bytes.data, bytes.len, &held);
        TURN_UNTIL(c, o.messages == 1);
        until("gateway", "witan_gateway_paused_total", paused + 1, paused + 1);
        until("router", "witan_router_sequences_running", 0, 0);
        assert_true(metric("gateway", "witan_gateway_unsent_bytes") > 32 << 10);
        assert_false(o.over);
        witan_grant(c, id, 1 << 20);
        TURN_UNTIL(c, o.over);
        if (o.status != WITAN_OK)
                fail_msg("%s", o.words);
        text_of(&quick, &want);
        text_of(&o, &got);
        assert_true(want.len > 1000);
        assert_int_equal(got.len, want.len);
        assert_memory_equal(got.data, want.data, want.len);
        assert_true(metric("gateway", "witan_gateway_unsent_bytes") == 0);
        assert_true(metric("gateway", "witan_rpc_cut_total") == 0);
        witan_close(c);
        wt_buf_free(&o.bytes);
        wt_buf_free(&quick.bytes);
        wt_buf_free(&bytes);
        wt_buf_free(&want);
        wt_buf_free(&got);
}

/* ---- messages that break a limit, from a client that checks nothing ---- */

static void read_line(const char *name, char out[41])
{
        struct wt_buf b = { 0 };
        const char *at;

        assert_int_equal(wt_file_read(file, 4096, &b), WT_OK);
        assert_non_null(at = strstr(b.data, name));
        snprintf(out, 41, "%s", at + strlen(name));
        out[strcspn(out, "\n")] = '\0';
        wt_buf_free(&b);
}

static void *raw(void *ctx)
{
        char pub[41], secret[41], server[41], endpoint[41];
        void *d = zmq_socket(ctx, ZMQ_DEALER);
        int zero = 0, soon = DEADLINE / 1000;

        read_line("public_key: ", pub);
        read_line("secret_key: ", secret);
        read_line("server_key: ", server);
        read_line("endpoint: ", endpoint);
        zmq_setsockopt(d, ZMQ_LINGER, &zero, sizeof zero);
        zmq_setsockopt(d, ZMQ_RCVTIMEO, &soon, sizeof soon);
        zmq_setsockopt(d, ZMQ_CURVE_PUBLICKEY, pub, 41);
        zmq_setsockopt(d, ZMQ_CURVE_SECRETKEY, secret, 41);
        zmq_setsockopt(d, ZMQ_CURVE_SERVERKEY, server, 41);
        assert_int_equal(zmq_connect(d, endpoint), 0);
        return d;
}

/* The next rpc_end of a raw client, and the call that it ends. */
static uint64_t read_end(void *d, uint32_t *status, char words[512])
{
        struct wt_arena a;
        uint64_t id = 0;

        wt_arena_init(&a, 4096);
        for (uint32_t method = 0; method != WT_M_RPC_END; wt_arena_reset(&a)) {
                struct wt_envelope e;
                zmq_msg_t m;

                zmq_msg_init(&m);
                assert_true(zmq_msg_recv(&m, d, 0) >= 0);
                assert_int_equal(wt_wire_decode(&e, zmq_msg_data(&m), zmq_msg_size(&m), &a), WT_OK);
                zmq_msg_close(&m);
                method = e.method;
                id = e.call_id;
                *status = e.status;
                snprintf(words, 512, "%s", (const char *)e.message.data);
        }
        wt_arena_fini(&a);
        return id;
}

static void send_raw(void *d, const char *head, size_t len, size_t zeros)
{
        struct wt_buf b = { 0 };

        wt_buf_add(&b, head, len);
        assert_non_null(wt_buf_try(&b, zeros));
        memset(b.data + b.len, 0, zeros);
        assert_int_equal(zmq_send(d, b.data, b.len + zeros, 0), b.len + zeros);
        wt_buf_free(&b);
}

static void limits(void **st)
{
        /* Call 7 with a body of 9 MiB; call 8 of more than 16 MiB; call 9 with nothing in it. */
        static const char body[] = "\x08\x01\x10\x07\x18\x40\x82\x04\x85\x80\xc0\x04\x1a\x80\x80"
                                   "\xc0\x04",
                          large[] = "\x08\x01\x10\x08\x18\x40",
                          empty[] = "\x08\x01\x10\x09\x18\x40\x82\x04\x00";
        double dropped = metric("gateway", "witan_rpc_dropped_total");
        void *ctx = zmq_ctx_new(), *d = raw(ctx);
        char words[512];
        uint32_t status;

        (void)st;
        send_raw(d, body, sizeof body - 1, 9 << 20);
        assert_int_equal(read_end(d, &status, words), 7);
        assert_int_equal(status, WITAN_INVALID_ARGUMENT);
        assert_non_null(strstr(words, "rpc_call.body has 9437184 bytes, the most is 8388608"));
        send_raw(d, large, sizeof large - 1, 16 << 20);
        assert_int_equal(read_end(d, &status, words), 8);
        assert_int_equal(status, WITAN_RESOURCE_EXHAUSTED);
        assert_non_null(strstr(words, "16777216"));
        send_raw(d, "junk", 4, 0);               /* nobody's call: no answer, but counted */
        send_raw(d, empty, sizeof empty - 1, 0);
        assert_int_equal(read_end(d, &status, words), 9);
        assert_int_equal(status, WITAN_UNIMPLEMENTED);
        until("gateway", "witan_rpc_dropped_total", dropped + 1, dropped + 1);
        zmq_close(d);
        zmq_ctx_term(ctx);
}

/* ---- from where ---- */

/* How many rows that a query finds have these words. */
static int rows(const char *flags, const char *words)
{
        struct wt_buf b = { 0 };
        char path[256];
        int n = 0;

        snprintf(path, sizeof path, "%s/rows", state);
        assert_int_equal(command("audit query --state %s %s -o json >%s", state, flags, path), 0);
        assert_int_equal(wt_file_read(path, 16 << 20, &b), WT_OK);
        for (char *at = b.data; (at = strstr(at, words)) != NULL; at++)
                n++;
        wt_buf_free(&b);
        return n;
}

static void rows_until(const char *flags, const char *words)
{
        uint64_t end = now() + DEADLINE;

        while (rows(flags, words) != 1)
                if (now() > end)
                        fail_msg("%d rows by %s with %s", rows(flags, words), flags, words);
}

static void sources(void **st)
{
        static const struct { const char *name, *list; int status; } t[] = {
                { "near", "--sources 10.0.0.0/8,127.0.0.0/8", WITAN_OK },
                { "far", "--sources 10.0.0.0/8", WITAN_PERMISSION_DENIED },
        };
        struct witan_ask a = { .text = "Hi", .model = "tiny", .more = "\"max_tokens\":2" };
        char path[200], key_id[64], flags[100];

        (void)st;
        for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
                witan_client *c;

                new_key(t[i].name, t[i].list, path, key_id);
                c = open_file(path);
                assert_int_equal(witan_chat(c, &a, NULL, NULL, NULL), t[i].status);
                if (t[i].status != WITAN_OK)
                        assert_non_null(strstr(witan_words(c), "from 127.0.0.1"));
                witan_close(c);
                if (t[i].status == WITAN_OK)
                        snprintf(flags, sizeof flags, "--key %s", key_id);
                else                             /* a row of a refusal names no key, as over HTTP */
                        snprintf(flags, sizeof flags, "--outcome refused");
                rows_until(flags, "\"source\":\"127.0.0.1\"");
        }
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(two_processes),
                cmocka_unit_test(too_many),
                cmocka_unit_test(revoked),
                cmocka_unit_test(takes_nothing),
                cmocka_unit_test(limits),
                cmocka_unit_test(sources),
        };

        if (argc == 3 && strcmp(argv[1], "--other") == 0)
                return other_process(argv[2]);
        return cmocka_run_group_tests_name("one file, several processes", tests, start, whole_stop);
}
