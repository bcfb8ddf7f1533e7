/* rpc_same_test.c - one request through both doors, with one key: the answers and the rows of the
 * audit log are the same, field by field, but for ids, times and the name of the door. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/json.h"
#include "rpc_rig.h"
#include "whole.h"
#include "wire/api.h"

static const struct same { const char *name, *method, *path, *json; } cases[] = {
        { "a chat", "/witan.v1.Chat/Complete", CHAT,
          "{" HI ",\"temperature\":0,\"max_tokens\":24}" },
        { "two drawn answers with log-probabilities", "/witan.v1.Chat/Complete", CHAT,
          "{" HI ",\"seed\":7,\"n\":2,\"max_tokens\":12,\"logprobs\":true,\"top_logprobs\":3}" },
        { "a completion of two prompts", "/witan.v1.Generate/Complete", COMP,
          "{\"model\":\"tiny\",\"prompt\":[\"Once\",\"The\"],\"seed\":3,\"max_tokens\":20,"
          "\"logprobs\":2,\"user\":\"u-1\"}" },
        { "an echo that stops", "/witan.v1.Generate/Complete", COMP,
          "{" ONCE ",\"temperature\":0,\"max_tokens\":60,\"stop\":[\" the\"],\"echo\":true}" },
        { "tokens", "/witan.v1.Tokens/Encode", "/v1/tokenize",
          "{\"model\":\"tiny\",\"text\":\"Once upon a time\"}" },
        { "a model that does not exist", "/witan.v1.Chat/Complete", CHAT,
          "{\"model\":\"none\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}" },
        { "a temperature that is none", "/witan.v1.Generate/Complete", COMP,
          "{" ONCE ",\"temperature\":9}" },
        { "no message", "/witan.v1.Chat/Complete", CHAT, "{\"model\":\"tiny\"}" },
};

/* What may differ: ids, times, the door; "object" is the message's type in protobuf. */
static bool may_differ(const char *name)
{
        static const char *const names[] = {
                "id", "created", "object", "request_id", "time", "door", "latency_ms", "ttft_ms",
                "itl_ms", "leaf", "end_leaf"
        };

        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
                if (strcmp(names[i], name) == 0)
                        return true;
        return false;
}

static uint32_t compared;                        /* values */

/* Absent is null, as it is in protobuf. */
static void values(const char *what, const wt_json *a, wt_jv x, const wt_json *b, wt_jv y);

static void members(const char *what, const wt_json *a, wt_jv x, const wt_json *b, wt_jv y)
{
        for (wt_jv v = wt_json_first(a, x); v != WT_JSON_NONE; v = wt_json_next(a, v)) {
                const char *name = wt_json_key(a, v, NULL);
                char path[400];

                snprintf(path, sizeof path, "%s.%s", what, name);
                if (!may_differ(name))
                        values(path, a, v, b, wt_json_get(b, y, name));
        }
}

static void values(const char *what, const wt_json *a, wt_jv x, const wt_json *b, wt_jv y)
{
        enum wt_json_type type = wt_json_type(a, x);
        size_t n = 0, m = 0;
        const char *s = wt_json_raw(a, x, &n), *t = wt_json_raw(b, y, &m);
        double d = 0, e = 0;

        compared++;
        if (type != wt_json_type(b, y))
                fail_msg("%s: %.*s and %.*s", what, (int)n, s != NULL ? s : "", (int)m,
                         t != NULL ? t : "");
        if (type == WT_JSON_OBJECT) {            /* what the one has the other has, and back */
                members(what, a, x, b, y);
                members(what, b, y, a, x);
        } else if (type == WT_JSON_ARRAY) {
                if (wt_json_count(a, x) != wt_json_count(b, y))
                        fail_msg("%s: %u and %u entries", what, wt_json_count(a, x),
                                 wt_json_count(b, y));
                x = wt_json_first(a, x);
                for (y = wt_json_first(b, y); y != WT_JSON_NONE; y = wt_json_next(b, y)) {
                        values(what, a, x, b, y);
                        x = wt_json_next(a, x);
                }
        } else if (type == WT_JSON_NUMBER) {
                assert_true(wt_json_f64(a, x, &d) && wt_json_f64(b, y, &e));
                if (d != e)
                        fail_msg("%s: %.17g and %.17g", what, d, e);
        } else if (type == WT_JSON_STRING) {
                s = wt_json_str(a, x, &n);
                t = wt_json_str(b, y, &m);
                if (n != m || memcmp(s, t, n) != 0)
                        fail_msg("%s: \"%s\" and \"%s\"", what, s, t);
        } else if (type == WT_JSON_BOOL && (n != m || memcmp(s, t, n) != 0)) {
                fail_msg("%s: %.*s and %.*s", what, (int)n, s, (int)m, t);
        }
}

static wt_json *parsed(const char *text, size_t len)
{
        wt_json *j;

        if (wt_json_parse(&j, text, len, &wt_json_default) != WT_OK)
                fail_msg("%s: %.*s", wt_words(), (int)len, text);
        return j;
}

static void api_key(const char *path, char out[80])
{
        struct wt_buf b = { 0 };
        const char *at;

        assert_int_equal(wt_file_read(path, 4096, &b), WT_OK);
        assert_non_null(at = strstr(b.data, "api_key: "));
        snprintf(out, 80, "%s", at + strlen("api_key: "));
        out[strcspn(out, "\n")] = '\0';
        wt_buf_free(&b);
}

/* Both answers, and both refusals with the same words. */
static void ask_both(const struct same *t, witan_client *c, const char *secret)
{
        struct wt_buf http = { 0 }, body = { 0 }, text = { 0 };
        wt_json *a, *b;
        void *answer;
        size_t len;
        int status = ask("POST", t->path, secret, t->json, &http), grpc;

        a = parsed(http.data, http.len);
        request_of(t->method, t->json, &body);
        grpc = witan_unary(c, t->method, body.data, body.len, NULL, &answer, &len);
        if ((status == 200) != (grpc == WITAN_OK))
                fail_msg("%s: %d and %s: %s", t->name, status, witan_status_name(grpc),
                         witan_words(c));
        if (grpc == WITAN_OK) {
                assert_int_equal(api_to_json(api_method(t->method)->response, answer, len, "",
                                             &text), WT_OK);
                b = parsed(text.data, text.len);
                compared = 0;
                values(t->name, a, 0, b, 0);
                assert_true(compared > 2);
                wt_json_free(b);
                free(answer);
        } else {
                assert_int_equal(grpc, status == 404 ? WITAN_NOT_FOUND : WITAN_INVALID_ARGUMENT);
                assert_string_equal(wt_json_str(a, wt_json_get(a, wt_json_get(a, 0, "error"),
                                                               "message"), NULL),
                                    witan_words(c));
        }
        wt_json_free(a);
        wt_buf_free(&http);
        wt_buf_free(&body);
        wt_buf_free(&text);
}

/* The id of the key with that name. */
static void id_of(const char *name, char key_id[64])
{
        struct wt_buf b = { 0 };
        wt_json *j;

        assert_int_equal(ask("GET", "/v1/admin/keys", key, NULL, &b), 200);
        j = parsed(b.data, b.len);
        for (wt_jv v = wt_json_first(j, wt_json_get(j, 0, "data")); v != WT_JSON_NONE;
             v = wt_json_next(j, v))
                if (strcmp(wt_json_str(j, wt_json_get(j, v, "name"), NULL), name) == 0)
                        snprintf(key_id, 64, "%s", wt_json_str(j, wt_json_get(j, v, "id"), NULL));
        wt_json_free(j);
        wt_buf_free(&b);
}

/* The rows of this key once there are n of them, the oldest first. */
static wt_json *rows_of(const char *key_id, uint32_t n)
{
        uint64_t end = now() + DEADLINE;
        struct wt_buf b = { 0 };
        char path[256];
        wt_json *j = NULL;

        snprintf(path, sizeof path, "%s/rows", state);
        while (j == NULL || wt_json_count(j, wt_json_get(j, 0, "data")) < n) {
                if (now() > end)
                        fail_msg("no %u rows", n);
                wt_json_free(j);
                wt_buf_clear(&b);
                assert_int_equal(command("audit query --state %s --key %s -o json >%s", state,
                                         key_id, path), 0);
                assert_int_equal(wt_file_read(path, 16 << 20, &b), WT_OK);
                j = parsed(b.data, b.len);
        }
        wt_buf_free(&b);
        return j;
}

static void the_same(void **st)
{
        enum { N = sizeof cases / sizeof *cases };
        char secret[80], key_id[64] = "";
        witan_client *c = open_file(file);
        wt_json *j;
        wt_jv v, list;

        (void)st;
        api_key(file, secret);
        for (size_t i = 0; i < N; i++)
                ask_both(&cases[i], c, secret);
        witan_close(c);
        id_of("rpc", key_id);
        j = rows_of(key_id, 2 * N);
        list = wt_json_get(j, 0, "data");
        assert_int_equal(wt_json_count(j, list), 2 * N);
        v = wt_json_first(j, list);
        for (size_t i = 0; i < N; i++) {
                wt_jv http = v, rpc = wt_json_next(j, v);
                const char *door = wt_json_str(j, wt_json_get(j, http, "door"), NULL);

                assert_string_equal(door, cases[i].path);
                door = wt_json_str(j, wt_json_get(j, rpc, "door"), NULL);
                assert_memory_equal(door, "rpc:", 4);
                compared = 0;
                values(cases[i].name, j, http, j, rpc);
                assert_true(compared > 2 * 20);
                v = wt_json_next(j, rpc);
        }
        wt_json_free(j);
}

/* ---- what admins ask ---- */

/* Both lists together have no more refusals of one reason than have a row each in a second
 * (audit_refusals, 10). */
#define TWO(id) "{\"id\":\"" id "\",\"name\":\"Two\"}"
static const struct asked {
        const char *method, *path, *query, *body;
        int status, grpc;
} admin[] = {
        { "GET", "tenants", "limit=1", "", 200, WITAN_OK },
        { "POST", "tenants", "", TWO("two-doors"), 200, WITAN_OK },      /* see admin_both */
        { "POST", "tenants", "", TWO("two-doors"), 409, WITAN_ALREADY_EXISTS },
        { "PATCH", "tenants/two-doors", "", "{\"weight\":3}", 200, WITAN_OK },
        { "PATCH", "tenants/nobody", "", "{\"weight\":3}", 404, WITAN_NOT_FOUND },
        { "POST", "tenants", "", "{\"id\":7}", 400, WITAN_INVALID_ARGUMENT },
        { "POST", "tenants", "", "{", 400, WITAN_INVALID_ARGUMENT },
        { "GET", "prices", "", "", 200, WITAN_OK },
        { "GET", "prices", "limit=none", "", 400, WITAN_INVALID_ARGUMENT },
        { "GET", "quota", "", "", 200, WITAN_OK },
        { "GET", "nothing", "", "", 404, WITAN_NOT_FOUND },
        { "DELETE", "prices", "", "", 405, WITAN_INVALID_ARGUMENT },
};

/* A call of Admin: its status, and the text of its answer or of its refusal. */
static int ask_admin(witan_client *c, const struct asked *a, struct wt_buf *out)
{
        struct wt_buf json = { 0 }, body = { 0 }, text = { 0 };
        void *answer;
        size_t len;
        int status;

        wt_buf_str(&json, "{");
        wt_buf_json_kv(&json, "method", a->method);
        wt_buf_json_kv(&json, "path", a->path);
        wt_buf_json_kv(&json, "query", a->query);
        wt_buf_json_kv(&json, "body", a->body);
        wt_buf_str(&json, "}");
        request_of("/witan.v1.Admin/Call", json.data, &body);
        status = witan_unary(c, "/witan.v1.Admin/Call", body.data, body.len, NULL, &answer, &len);
        wt_buf_clear(out);
        if (status != WITAN_OK) {
                wt_buf_str(out, witan_words(c));
        } else {
                wt_json *j;

                assert_int_equal(api_to_json(api_method("/witan.v1.Admin/Call")->response, answer,
                                             len, "", &text), WT_OK);
                j = parsed(text.data, text.len);
                assert_string_equal(wt_json_str(j, wt_json_get(j, 0, "type"), NULL),
                                    "application/json");
                wt_buf_str(out, wt_json_str(j, wt_json_get(j, 0, "body"), NULL));
                wt_json_free(j);
                free(answer);
        }
        wt_buf_free(&json);
        wt_buf_free(&body);
        wt_buf_free(&text);
        return status;
}

/* One through both doors. A tenant can be made once, so each door makes one of its own. */
static void admin_both(witan_client *c, const struct asked *a, const char *secret)
{
        struct asked mine = *a;
        struct wt_buf http = { 0 }, rpc = { 0 };
        char path[200];
        wt_json *x, *y;
        int status;

        if (a->status == 200 && strcmp(a->method, "POST") == 0)
                mine.body = TWO("two-doors-rpc");
        snprintf(path, sizeof path, "/v1/admin/%s%s%s", a->path, a->query[0] != '\0' ? "?" : "",
                 a->query);
        status = ask(a->method, path, secret, a->body, &http);
        if (status != a->status)
                fail_msg("%s %s: %d: %s", a->method, path, status, http.data);
        status = ask_admin(c, &mine, &rpc);
        if (status != a->grpc)
                fail_msg("%s %s: %s: %s", a->method, path, witan_status_name(status), rpc.data);
        x = parsed(http.data, http.len);
        if (status == WITAN_OK) {
                y = parsed(rpc.data, rpc.len);
                compared = 0;
                values(path, x, 0, y, 0);
                assert_true(compared > 1);
                wt_json_free(y);
        } else {
                assert_string_equal(wt_json_str(x, wt_json_get(x, wt_json_get(x, 0, "error"),
                                                               "message"), NULL), rpc.data);
        }
        wt_json_free(x);
        wt_buf_free(&http);
        wt_buf_free(&rpc);
}

static const char *text_of(const wt_json *j, wt_jv row, const char *name)
{
        const char *s = wt_json_str(j, wt_json_get(j, row, name), NULL);

        return s != NULL ? s : "";
}

/* A user's key is refused, in the words and with the row of HTTP; and an export is no message. */
static void not_for_everybody(void)
{
        static const struct asked list = { "GET", "keys", "", "", 403, WITAN_PERMISSION_DENIED },
                export = { "GET", "audit/export", "", "", 0, WITAN_UNIMPLEMENTED };
        witan_client *c = open_file(file);
        struct asked longer = list;
        struct wt_buf b = { 0 };
        char secret[80], path[600];

        api_key(file, secret);
        admin_both(c, &list, secret);
        assert_int_equal(ask_admin(c, &export, &b), export.grpc);
        assert_non_null(strstr(b.data, "over HTTP"));
        memset(path, 'x', sizeof path - 1);
        path[sizeof path - 1] = '\0';
        longer.path = path;
        assert_int_equal(ask_admin(c, &longer, &b), WITAN_INVALID_ARGUMENT);
        assert_non_null(strstr(b.data, "path 512"));
        wt_buf_free(&b);
        witan_close(c);
}

static void the_same_for_admins(void **st)
{
        /* A wrong method has no row; where nothing is, nobody's key was asked for, so it is no row
         * of this key. */
        enum { N = sizeof admin / sizeof *admin, WITHOUT_ROW = 2 };
        char secret[80], key_id[64] = "", path[200];
        witan_client *c;
        uint32_t n = 0;
        wt_json *j;
        wt_jv list, v;

        (void)st;
        snprintf(path, sizeof path, "%s/admin-client", state);
        assert_int_equal(command("key create --state %s --name rpc-admin --role admin --rpc %s "
                                 ">/dev/null 2>&1", state, path), 0);
        c = open_file(path);
        api_key(path, secret);
        for (size_t i = 0; i < N; i++)
                admin_both(c, &admin[i], secret);
        witan_close(c);
        not_for_everybody();
        id_of("rpc-admin", key_id);
        j = rows_of(key_id, 2 * (N - WITHOUT_ROW));
        list = wt_json_get(j, 0, "data");
        for (v = wt_json_first(j, list); v != WT_JSON_NONE; n++) {
                wt_jv rpc = wt_json_next(j, v);

                assert_memory_equal(text_of(j, rpc, "door"), "rpc:", 4);
                assert_memory_equal(text_of(j, v, "door"), "/v1/", 4);
                assert_string_equal(text_of(j, v, "action"), text_of(j, rpc, "action"));
                assert_string_equal(text_of(j, v, "cause"), text_of(j, rpc, "cause"));
                assert_string_equal(text_of(j, v, "outcome"), text_of(j, rpc, "outcome"));
                assert_string_equal(text_of(j, v, "code"), text_of(j, rpc, "code"));
                v = wt_json_next(j, rpc);
        }
        assert_int_equal(n, N - WITHOUT_ROW);
        wt_json_free(j);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(the_same),
                                            cmocka_unit_test(the_same_for_admins) };

        return cmocka_run_group_tests_name("both doors", tests, rpc_start, rpc_stop);
}
