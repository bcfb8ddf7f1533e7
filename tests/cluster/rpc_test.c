/* rpc_test.c - the RPC door of a whole cluster through the C client: the same answers as over HTTP
 * and the same rows, streams, deadlines, cancels, credits, keys that may not, and a gateway that
 * dies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/file.h"
#include "base/json.h"
#include "bus/bus.h"
#include "wire/api.h"
#include "witan/client.h"
#include "rpc_rig.h"
#include "whole.h"

enum { STREAMS = 100 };
#define LONG "\"temperature\":0,\"max_tokens\":900,\"ignore_eos\":true"

static int gather(void *arg, uint32_t choice, const char *text, size_t len)
{
        assert_int_equal(choice, 0);
        wt_buf_add(arg, text, len);
        return 0;
}

/* ---- the same through both doors ---- */

static void http_answer(const char *path, const char *body, bool chat, struct wt_buf *text,
                        struct witan_answer *out)
{
        struct wt_buf b = { 0 };
        uint64_t end = now() + DEADLINE;
        const char *s;
        size_t len;
        wt_json *j;
        wt_jv c, u;

        while (ask("POST", path, user_key, body, &b) != 200)
                if (now() > end)                 /* a new key is known in a moment */
                        fail_msg("%s", b.data);
        assert_int_equal(wt_json_parse(&j, b.data, b.len, &wt_json_default), WT_OK);
        c = wt_json_first(j, wt_json_get(j, 0, "choices"));
        u = wt_json_get(j, 0, "usage");
        s = wt_json_str(j, chat ? wt_json_get(j, wt_json_get(j, c, "message"), "content")
                                : wt_json_get(j, c, "text"), &len);
        wt_buf_clear(text);
        wt_buf_add(text, s, len);
        snprintf(out->finish, sizeof out->finish, "%s",
                 wt_json_str(j, wt_json_get(j, c, "finish_reason"), NULL));
        assert_true(wt_json_u64(j, wt_json_get(j, u, "prompt_tokens"), &out->prompt_tokens));
        assert_true(wt_json_u64(j, wt_json_get(j, u, "completion_tokens"),
                                &out->completion_tokens));
        wt_json_free(j);
        wt_buf_free(&b);
}

static void same(const char *more, bool chat)
{
        struct witan_ask a = { .text = chat ? "Hi" : "Once", .more = more };
        struct witan_answer http = { .id = "" }, rpc;
        struct wt_buf body = { 0 }, want = { 0 }, got = { 0 };
        witan_client *c = open_file(file);

        wt_buf_fmt(&body, chat ? "{" HI ",%s}" : "{" ONCE ",%s}", more);
        http_answer(chat ? CHAT : COMP, body.data, chat, &want, &http);
        fine(c, chat ? witan_chat(c, &a, gather, &got, &rpc)
                     : witan_generate(c, &a, gather, &got, &rpc));
        assert_int_equal(got.len, want.len);
        assert_memory_equal(got.data, want.data, want.len);
        assert_string_equal(rpc.finish, http.finish);
        assert_string_equal(rpc.model, "tiny");
        assert_int_equal(rpc.prompt_tokens, http.prompt_tokens);
        assert_int_equal(rpc.completion_tokens, http.completion_tokens);
        assert_non_null(strstr(rpc.id, witan_metadata(c, "x-request-id")));
        assert_int_equal(strlen(witan_metadata(c, "x-witan-revision")), 64);
        witan_close(c);
        wt_buf_free(&body);
        wt_buf_free(&want);
        wt_buf_free(&got);
}

static void both_doors(void **st)
{
        (void)st;
        same("\"temperature\":0", true);
        same("\"seed\":5,\"max_tokens\":40", true);
        same("\"seed\":9223372036854775807,\"max_tokens\":30", false);
        same("\"temperature\":0,\"max_tokens\":60,\"stop\":[\" the\"]", false);
        same("\"temperature\":0,\"max_tokens\":20,\"echo\":true", false);
}

static void take_model(void *arg, const char *id, uint64_t most)
{
        assert_string_equal(id, "tiny");
        assert_int_equal(most, 1024);
        ++*(int *)arg;
}

static void models_and_tokens(void **st)
{
        struct wt_buf b = { 0 };
        uint32_t *ids;
        int models = 0;
        size_t n, k = 0;
        witan_client *c = open_file(file);
        wt_json *j;
        wt_jv list;

        (void)st;
        fine(c, witan_models(c, take_model, &models));
        assert_int_equal(models, 1);
        fine(c, witan_tokens(c, NULL, "Once upon a time", &ids, &n));
        assert_int_equal(ask("POST", "/v1/tokenize", user_key,
                             "{\"model\":\"tiny\",\"text\":\"Once upon a time\"}", &b), 200);
        assert_int_equal(wt_json_parse(&j, b.data, b.len, &wt_json_default), WT_OK);
        list = wt_json_get(j, 0, "ids");
        assert_int_equal(wt_json_count(j, list), n);
        for (wt_jv v = wt_json_first(j, list); v != WT_JSON_NONE; v = wt_json_next(j, v)) {
                uint64_t id;

                assert_true(wt_json_u64(j, v, &id));
                assert_int_equal(ids[k++], id);
        }
        assert_true(k > 2);
        free(ids);
        wt_json_free(j);
        wt_buf_free(&b);
        witan_close(c);
}

/* Rows of the log that have this door and these words; hashes: of the last one, prompt's and
 * answer's. */
static int rows(const char *door, const char *words, char hashes[256])
{
        struct wt_buf b = { 0 };
        char path[256];
        int n = 0;

        snprintf(path, sizeof path, "%s/rows", state);
        assert_int_equal(command("audit query --state %s -o json >%s", state, path), 0);
        assert_int_equal(wt_file_read(path, 16 << 20, &b), WT_OK);
        for (char *at = b.data, *end; (at = strstr(at, "{\"request_id\"")) != NULL; at = end) {
                const char *hash, *after;

                end = strstr(at + 1, "{\"request_id\"");
                end = end != NULL ? end : b.data + b.len;
                if (memmem(at, (size_t)(end - at), door, strlen(door)) == NULL ||
                    memmem(at, (size_t)(end - at), words, strlen(words)) == NULL)
                        continue;
                n++;
                assert_non_null(hash = strstr(at, "\"prompt_hash\""));
                assert_non_null(after = strstr(hash, ",\"subject\""));
                snprintf(hashes, 256, "%.*s", (int)(after - hash), hash);
        }
        wt_buf_free(&b);
        return n;
}

static void rows_until(const char *door, const char *words, int least, char hashes[256])
{
        uint64_t end = now() + DEADLINE;

        while (rows(door, words, hashes) < least)
                if (now() > end)
                        fail_msg("no %d rows of %s with %s", least, door, words);
}

/* After both_doors: one request leaves one kind of row; door, key and times differ. */
static void same_rows(void **st)
{
        static const char *const doors[][2] = {
                { "\"door\":\"" CHAT "\"", "\"door\":\"rpc:chat\"" },
                { "\"door\":\"" COMP "\"", "\"door\":\"rpc:completions\"" },
        };
        char http[256], rpc[256];

        (void)st;
        for (size_t i = 0; i < 2; i++) {
                rows_until(doors[i][0], "\"outcome\":\"ok\"", 2 + (int)i, http);
                rows_until(doors[i][1], "\"outcome\":\"ok\"", 2 + (int)i, rpc);
                assert_non_null(strstr(http, "\"answer_hash\":\""));
                rows_until(doors[i][1], http, 1, rpc);
        }
}

/* ---- ends ---- */

static int first_is_enough(void *arg, uint32_t choice, const char *text, size_t len)
{
        (void)choice; (void)text; (void)len;
        ++*(int *)arg;
        return 1;
}

static void cancel_frees_the_sequence(void **st)
{
        struct witan_ask a = { .text = "Hi", .more = LONG };
        witan_client *c = open_file(file);
        double cancelled = metric("router", "witan_router_cancelled_total");
        double tokens = metric("router", "witan_router_tokens_total");
        int pieces = 0;

        (void)st;
        assert_int_equal(witan_chat(c, &a, first_is_enough, &pieces, NULL), WITAN_CANCELLED);
        assert_int_equal(pieces, 1);
        until("router", "witan_router_sequences_running", 0, 0);
        until("router", "witan_router_cancelled_total", cancelled + 1, cancelled + 1);
        assert_true(metric("router", "witan_router_tokens_total") - tokens < 300);
        until("gateway", "witan_rpc_open_calls", 0, 0);
        witan_close(c);
}

static void deadlines(void **st)
{
        struct witan_ask a = { .text = "Hi", .more = LONG, .options = { .timeout_ms = 300 } };
        struct wt_buf got = { 0 };
        witan_client *c = open_file(file);
        uint64_t then;
        int models = 0;

        (void)st;
        fine(c, witan_models(c, take_model, &models));   /* connected, the model known */
        then = now();
        assert_int_equal(witan_chat(c, &a, gather, &got, NULL), WITAN_DEADLINE_EXCEEDED);
        assert_true(now() - then >= 300000);
        until("router", "witan_router_sequences_running", 0, 0);
        until("gateway", "witan_rpc_open_calls", 0, 0);
        witan_close(c);
        wt_buf_free(&got);
}

/* ---- callbacks ---- */

#define STREAM_PATH "/witan.v1.Generate/Stream"
#define STREAM_ASK "{" ONCE ",\"temperature\":0,\"max_tokens\":24,\"ignore_eos\":true}"

/* One that grants nothing waits; others go on; once it grants, nothing is missing. */
static void credits(void **st)
{
        struct witan_options held = { .credit = 1, .hold = 1 }, slow = { .credit = 1 };
        struct wt_buf ask_bytes = { 0 };
        struct one o, free_one, slow_one;
        witan_client *c = open_file(file);
        uint64_t id;

        (void)st;
        request_of(STREAM_PATH, STREAM_ASK, &ask_bytes);
        id = begin(&o, c, STREAM_PATH, ask_bytes.data, ask_bytes.len, &held);
        TURN_UNTIL(c, o.messages == 1);
        begin(&free_one, c, STREAM_PATH, ask_bytes.data, ask_bytes.len, NULL);
        begin(&slow_one, c, STREAM_PATH, ask_bytes.data, ask_bytes.len, &slow);
        TURN_UNTIL(c, free_one.over && slow_one.over);
        assert_int_equal(free_one.status, WITAN_OK);
        assert_int_equal(slow_one.status, WITAN_OK);
        assert_int_equal(slow_one.messages, free_one.messages);
        assert_true(free_one.messages > 10);
        until("router", "witan_router_sequences_running", 0, 0);
        assert_int_equal(o.messages, 1);
        witan_grant(c, id, 3);
        TURN_UNTIL(c, o.messages == 4);
        for (int i = 0; i < 10; i++)
                witan_turn(c);
        assert_int_equal(o.messages, 4);
        assert_false(o.over);
        witan_grant(c, id, 1000);
        TURN_UNTIL(c, o.over);
        assert_int_equal(o.status, WITAN_OK);
        assert_int_equal(o.messages, free_one.messages);
        assert_int_equal(o.bytes.len, free_one.bytes.len);       /* but for the ids in them */
        witan_close(c);
        wt_buf_free(&o.bytes);
        wt_buf_free(&free_one.bytes);
        wt_buf_free(&slow_one.bytes);
        wt_buf_free(&ask_bytes);
}

static void ends_with(witan_client *c, const char *path, const void *body, size_t len, int status,
                      const char *words)
{
        struct one o;

        begin(&o, c, path, body, len, NULL);
        TURN_UNTIL(c, o.over);
        if (o.status != status || strstr(o.words, words) == NULL)
                fail_msg("%s ends %s: %s", path, witan_status_name(o.status), o.words);
        assert_int_equal(o.messages, 0);
        wt_buf_free(&o.bytes);
}

static void what_is_refused(void **st)
{
        static const char big[(8 << 20) + 1];
        struct wt_buf other = { 0 };
        witan_client *c = open_file(file);
        uint64_t id;

        (void)st;
        ends_with(c, "/witan.v1.Chat/Nothing", "", 0, WITAN_UNIMPLEMENTED, "no such method");
        ends_with(c, "/witan.v1.Chat/Stream", "\x0a\xff\xff", 3, WITAN_INVALID_ARGUMENT,
                  "no protobuf");
        ends_with(c, "/witan.v1.Chat/Stream", "\x08\x01", 2, WITAN_INVALID_ARGUMENT,
                  "another type");
        ends_with(c, "/witan.v1.Chat/Stream", "", 0, WITAN_INVALID_ARGUMENT, "");
        request_of(STREAM_PATH, "{\"model\":\"none\",\"prompt\":\"a\"}", &other);
        ends_with(c, STREAM_PATH, other.data, other.len, WITAN_NOT_FOUND, "none");
        assert_int_equal(witan_start(c, STREAM_PATH, big, sizeof big, NULL, NULL, &id),
                         WITAN_INVALID_ARGUMENT);
        assert_non_null(strstr(witan_words(c), "8 MiB"));
        wt_buf_free(&other);
        witan_close(c);
}

static void a_hundred_streams(void **st)
{
        static struct one o[STREAMS];
        struct wt_buf ask_bytes = { 0 };
        witan_client *c = open_file(file);

        (void)st;
        request_of(STREAM_PATH, STREAM_ASK, &ask_bytes);
        for (int i = 0; i < STREAMS; i++)
                begin(&o[i], c, STREAM_PATH, ask_bytes.data, ask_bytes.len, NULL);
        TURN_UNTIL(c, witan_turn(c) == 0);
        for (int i = 0; i < STREAMS; i++) {
                if (o[i].status != WITAN_OK)
                        fail_msg("stream %d: %s", i, o[i].words);
                assert_true(o[i].over);
                assert_true(o[i].messages > 2);
                wt_buf_free(&o[i].bytes);
        }
        wt_buf_free(&ask_bytes);
        witan_close(c);
}

/* No socket of the internet is open in this process while a stream runs over ipc. */
static void no_http_socket(void **st)
{
        struct witan_options held = { .credit = 1, .hold = 1 };
        struct wt_buf ask_bytes = { 0 };
        witan_client *c = open_file(file);
        struct dirent *e;
        struct one o;
        uint64_t id;
        int local = 0;
        DIR *d;

        (void)st;
        request_of(STREAM_PATH, STREAM_ASK, &ask_bytes);
        id = begin(&o, c, STREAM_PATH, ask_bytes.data, ask_bytes.len, &held);
        TURN_UNTIL(c, o.messages == 1);
        assert_non_null(d = opendir("/proc/self/fd"));
        while ((e = readdir(d)) != NULL) {
                struct sockaddr_storage a = { .ss_family = AF_UNSPEC };
                socklen_t len = sizeof a;

                if (getsockname(atoi(e->d_name), (struct sockaddr *)&a, &len) != 0)
                        continue;
                assert_true(a.ss_family == AF_UNIX);
                local++;
        }
        closedir(d);
        assert_true(local >= 1);
        witan_cancel(c, id);
        TURN_UNTIL(c, o.over);
        assert_int_equal(o.status, WITAN_CANCELLED);
        witan_close(c);
        wt_buf_free(&o.bytes);
        wt_buf_free(&ask_bytes);
}

/* ---- keys ---- */

static void put_line(struct wt_buf *out, const char *text, const char *name)
{
        const char *at = strstr(text, name);

        assert_non_null(at);
        wt_buf_add(out, at, strcspn(at, "\n") + 1);
}

/* The client file of most tests with other lines. */
static void write_client(const char *path, const char *curve, const char *api_key)
{
        struct wt_buf b = { 0 }, out = { 0 };

        assert_int_equal(wt_file_read(file, 4096, &b), WT_OK);
        put_line(&out, b.data, "endpoint: ");
        put_line(&out, b.data, "server_key: ");
        if (curve != NULL) {
                wt_buf_str(&out, curve);
        } else {
                put_line(&out, b.data, "public_key: ");
                put_line(&out, b.data, "secret_key: ");
        }
        if (api_key != NULL)
                wt_buf_fmt(&out, "api_key: %s\n", api_key);
        else
                put_line(&out, b.data, "api_key: ");
        assert_int_equal(wt_file_write(path, out.data, out.len, 0600), WT_OK);
        wt_buf_free(&b);
        wt_buf_free(&out);
}

static void keys_that_may_not(void **st)
{
        struct witan_ask a = { .text = "Hi", .model = "tiny", .options = { .connect_ms = 1500 } };
        char path[200], pub[41], secret[41], lines[200], words[512];
        witan_client *c;

        (void)st;
        snprintf(path, sizeof path, "%s/other", state);
        assert_int_equal(wt_bus_keypair(pub, secret), WT_OK);
        snprintf(lines, sizeof lines, "public_key: %s\nsecret_key: %s\n", pub, secret);
        write_client(path, lines, NULL);         /* nobody's CURVE key */
        c = open_file(path);
        assert_int_equal(witan_chat(c, &a, NULL, NULL, NULL), WITAN_UNAUTHENTICATED);
        assert_non_null(strstr(witan_words(c), "witan key list"));
        witan_close(c);
        write_client(path, NULL, user_key);      /* somebody else's API key */
        c = open_file(path);
        assert_int_equal(witan_chat(c, &a, NULL, NULL, NULL), WITAN_UNAUTHENTICATED);
        assert_non_null(strstr(witan_words(c), "CURVE key was made with"));
        witan_close(c);
        assert_int_equal(wt_file_write(path, "endpoint: x\n", 12, 0600), WT_OK);
        assert_int_equal(witan_open(&c, path, words), WITAN_INVALID_ARGUMENT);
        assert_non_null(strstr(words, "is no client file"));
        assert_int_equal(witan_open(&c, "/nowhere/at/all", words), WITAN_NOT_FOUND);
}

static void a_revoked_key(void **st)
{
        struct witan_options held = { .credit = 1, .hold = 1, .retries = WITAN_NO_RETRY };
        struct witan_ask a = { .text = "Hi", .model = "tiny",
                               .options = { .connect_ms = 50000, .retries = WITAN_NO_RETRY } };
        struct wt_buf b = { 0 }, ask_bytes = { 0 };
        char path[200], json[200];
        witan_client *c;
        struct one o;
        wt_json *j;

        (void)st;
        snprintf(path, sizeof path, "%s/gone", state);
        snprintf(json, sizeof json, "%s/gone.json", state);
        assert_int_equal(command("key create --state %s --name gone --rpc %s -o json >%s", state,
                                 path, json), 0);
        assert_int_equal(wt_file_read(json, 8192, &b), WT_OK);
        assert_int_equal(wt_json_parse(&j, b.data, b.len, &wt_json_default), WT_OK);
        c = open_file(path);
        request_of(STREAM_PATH, STREAM_ASK, &ask_bytes);
        begin(&o, c, STREAM_PATH, ask_bytes.data, ask_bytes.len, &held);
        TURN_UNTIL(c, o.messages == 1);
        assert_int_equal(command("key revoke --state %s %s >/dev/null", state,
                                 wt_json_str(j, wt_json_get(j, 0, "id"), NULL)), 0);
        TURN_UNTIL(c, o.over);                   /* its connection is cut, in the middle */
        assert_int_equal(o.status, WITAN_UNAVAILABLE);
        assert_int_equal(witan_chat(c, &a, NULL, NULL, NULL), WITAN_UNAUTHENTICATED);
        assert_non_null(strstr(witan_words(c), "refuses the keys of this client file"));
        until("gateway", "witan_rpc_open_calls", 0, 0);
        witan_close(c);
        wt_json_free(j);
        wt_buf_free(&o.bytes);
        wt_buf_free(&b);
        wt_buf_free(&ask_bytes);
}

/* What has not begun is asked again, what has begun is not; the client is the same. */
static void a_gateway_that_dies(void **st)
{
        struct witan_options held = { .credit = 1, .hold = 1 };
        struct witan_ask a = { .text = "Hi", .more = "\"temperature\":0,\"max_tokens\":4",
                               .options = { .connect_ms = 30000 } };
        struct wt_buf got = { 0 }, ask_bytes = { 0 };
        witan_client *c = open_file(file);
        char name[64];
        uint64_t pid;
        struct one o;

        (void)st;
        request_of(STREAM_PATH, STREAM_ASK, &ask_bytes);
        begin(&o, c, STREAM_PATH, ask_bytes.data, ask_bytes.len, &held);
        TURN_UNTIL(c, o.messages == 1);
        process_of("gateway", "name", name, sizeof name, &pid);
        assert_int_equal(kill((pid_t)pid, SIGKILL), 0);
        fine(c, witan_chat(c, &a, gather, &got, NULL));
        assert_true(got.len > 0);
        assert_true(o.over);
        assert_int_equal(o.status, WITAN_UNAVAILABLE);
        assert_int_equal(o.messages, 1);
        witan_close(c);
        wt_buf_free(&got);
        wt_buf_free(&o.bytes);
        wt_buf_free(&ask_bytes);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(both_doors),
                cmocka_unit_test(same_rows),
                cmocka_unit_test(models_and_tokens),
                cmocka_unit_test(cancel_frees_the_sequence),
                cmocka_unit_test(deadlines),
                cmocka_unit_test(credits),
                cmocka_unit_test(what_is_refused),
                cmocka_unit_test(a_hundred_streams),
                cmocka_unit_test(no_http_socket),
                cmocka_unit_test(keys_that_may_not),
                cmocka_unit_test(a_revoked_key),
                cmocka_unit_test(a_gateway_that_dies),
        };

        return cmocka_run_group_tests_name("the RPC door", tests, rpc_start, rpc_stop);
}
