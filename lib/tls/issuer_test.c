/* issuer_test.c - an issuer whose keys turn over, vanish and come back; the test is its server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "net/http.h"
#include "tls/issuer.h"
#include "tls/token.h"

#define NOW 1700000000
enum { PATIENCE_US = 20000000 };

static wt_loop *loop;
static wt_http *http;
static char base[120];                           /* http://127.0.0.1:PORT */
static struct wt_buf answer;                     /* what /keys answers; empty: 500 */
static char said_issuer[200];                    /* in the configuration */
static int asked;                                /* times that /keys was asked for */

static void on_request(void *arg, wt_call *c)
{
        struct wt_buf b = { 0 };

        (void)arg;
        if (strcmp(wt_call_path(c), "/.well-known/openid-configuration") == 0) {
                wt_buf_fmt(&b, "{\"issuer\":\"%s\",\"jwks_uri\":\"%s/keys\",\"x\":[1]}",
                           said_issuer, base);
                wt_call_reply(c, 200, "application/json", NULL, b.data, b.len);
                wt_buf_free(&b);
        } else {
                asked++;
                wt_call_reply(c, answer.len ? 200 : 500, "application/json", NULL,
                              answer.data ? answer.data : "", answer.len);
        }
}

static int set_up(void **state)
{
        const struct wt_http_handler h = { .on_request = on_request };

        (void)state;
        assert_int_equal(wt_loop_new(&loop, &wt_clock_real), WT_OK);
        assert_int_equal(wt_http_listen(&http, loop, "127.0.0.1:0", NULL, &h), WT_OK);
        snprintf(base, sizeof base, "http://%s", wt_http_address(http));
        snprintf(said_issuer, sizeof said_issuer, "%s", base);
        wt_buf_clear(&answer);
        asked = 0;
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        wt_http_close(http);
        wt_loop_free(loop);
        wt_buf_free(&answer);
        return 0;
}

/* The issuer publishes one key by this kid. */
static void publish(const char *kid)
{
        wt_buf_clear(&answer);
        wt_buf_str(&answer, "{\"keys\":[");
        put_key(&answer, kid);
        wt_buf_str(&answer, "]}");
}

static wt_issuer *open_issuer(const char *keys, uint64_t max_age_ms, uint64_t least_ms)
{
        const struct wt_issuer_conf conf = {
                .keys = keys, .max_age_ms = max_age_ms, .least_ms = least_ms,
                .rules = { .issuer = base, .audience = "witan", .algs = WT_JWS_PUBLIC },
        };
        wt_issuer *i;

        if (wt_issuer_open(&i, &conf) != WT_OK)
                fail_msg("%s", wt_words());
        return i;
}

static wt_err try_kid(wt_issuer *i, const char *kid)
{
        struct wt_buf t = { 0 };
        char header[100], claims[300];
        wt_json *j = NULL;
        wt_err err;

        snprintf(header, sizeof header, "{\"alg\":\"EdDSA\",\"kid\":\"%s\"}", kid);
        snprintf(claims, sizeof claims, "{\"iss\":\"%s\",\"aud\":\"witan\",\"exp\":%d}", base,
                 NOW + 100);
        token(&t, header, claims, false);
        err = wt_issuer_check(i, NOW, t.data, t.len, &j);
        assert_int_equal(err == WT_OK, j != NULL);
        wt_json_free(j);
        wt_buf_free(&t);
        return err;
}

#define UNTIL(condition)                                                                       \
        do {                                                                                   \
                uint64_t end_ = wt_now_us(&wt_clock_real) + PATIENCE_US;                       \
                while (!(condition)) {                                                         \
                        wt_loop_turn(loop, 2000);                                              \
                        if (wt_now_us(&wt_clock_real) > end_)                                  \
                                fail_msg("never: %s; %s", #condition, wt_words());             \
                }                                                                              \
        } while (0)

static struct wt_issuer_facts facts(wt_issuer *i)
{
        struct wt_issuer_facts f;

        wt_issuer_facts(i, &f);
        return f;
}

/* Waits until the fetches that it has begun are over, serving them. */
static void let_end(wt_issuer *i)
{
        UNTIL(facts(i).fetches >= (uint64_t)asked);
}

static void keys_turn_over(void **state)
{
        char url[200];
        wt_issuer *i;

        (void)state;
        snprintf(url, sizeof url, "%s/keys", base);
        publish("a");
        i = open_issuer(url, 3600000, 100);
        assert_int_equal(try_kid(i, "a"), WT_EUNAVAILABLE);      /* nothing is here yet */
        assert_non_null(strstr(wt_words(), "not here yet"));
        UNTIL(try_kid(i, "a") == WT_OK);
        publish("b");                            /* turned over; nobody knows yet */
        assert_int_equal(try_kid(i, "a"), WT_OK);
        UNTIL(try_kid(i, "b") == WT_OK);         /* asked again because of an unknown kid */
        assert_int_equal(facts(i).keys, 1);
        UNTIL(try_kid(i, "a") == WT_EUNAUTH);
        let_end(i);
        wt_issuer_close(i);
}

/* Unknown keys make the issuer be asked at most once in least_ms, however many come. */
static void a_flood_of_unknown_keys(void **state)
{
        int refused = 0, again = 0;
        char url[200];
        wt_issuer *i;

        (void)state;
        snprintf(url, sizeof url, "%s/keys", base);
        publish("a");
        i = open_issuer(url, 3600000, 600000);
        UNTIL(try_kid(i, "a") == WT_OK);
        for (int n = 0; n < 1000; n++) {
                wt_err err = try_kid(i, "x");

                refused += err == WT_EUNAUTH;
                again += err == WT_EUNAVAILABLE;
                if (n % 100 == 0)
                        wt_loop_turn(loop, 1000);
        }
        assert_int_equal(refused, 1000);         /* fetched less than least_ms ago */
        assert_int_equal(again, 0);
        assert_int_equal(asked, 1);
        wt_issuer_close(i);
}

static void old_keys_stay(void **state)
{
        static const char *const bad[] = { "", "<html>", "{\"keys\":[]}",
                "{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}" };
        char url[200];
        wt_issuer *i;

        (void)state;
        snprintf(url, sizeof url, "%s/keys", base);
        publish("a");
        i = open_issuer(url, 20, 20);            /* always fetching */
        UNTIL(try_kid(i, "a") == WT_OK);
        for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
                uint64_t failures;

                wt_buf_clear(&answer);
                wt_buf_str(&answer, bad[b]);
                let_end(i);
                failures = facts(i).failures;
                UNTIL(facts(i).failures >= failures + 2);
                assert_true(facts(i).words[0]);
                assert_int_equal(try_kid(i, "a"), WT_OK);
        }
        assert_non_null(strstr(facts(i).words, "shared secrets"));
        wt_buf_clear(&answer);
        for (int n = 0; n < WT_JWKS_BYTES / 16 + 10; n++)
                wt_buf_str(&answer, "                ");
        UNTIL(strstr(facts(i).words, "more than 256 KiB"));
        publish("a");
        UNTIL(facts(i).words[0] == '\0');        /* and all is well again */
        assert_true(facts(i).age_s >= 0);
        wt_issuer_close(i);
}

static void configuration_is_found(void **state)
{
        wt_issuer *i;

        (void)state;
        publish("a");
        i = open_issuer("", 20, 20);
        UNTIL(try_kid(i, "a") == WT_OK);
        snprintf(said_issuer, sizeof said_issuer, "https://elsewhere.example");
        UNTIL(strstr(facts(i).words, "another issuer"));
        assert_int_equal(try_kid(i, "a"), WT_OK);
        wt_issuer_close(i);
}

static void sources_that_cannot_be(void **state)
{
        static const char *const bad[] = { "http://keys.example/k", "http://127.0.0.1.example/k",
                                           "ftp://x/k", "/no/such/file" };
        wt_issuer *i = NULL;

        (void)state;
        for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
                const struct wt_issuer_conf conf = { .keys = bad[b],
                        .rules = { .issuer = "https://id.example", .audience = "w",
                                   .algs = WT_JWS_PUBLIC } };

                assert_int_equal(wt_issuer_open(&i, &conf), b == 3 ? WT_ENOTFOUND : WT_EINVAL);
                assert_null(i);
        }
}

static void files(void **state)
{
        static const char secret_set[] = "{\"kty\":\"oct\",\"k\":"
                                         "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}";
        char path[] = "/tmp/witan-jwks-XXXXXX";
        int fd = mkstemp(path);
        wt_issuer *i;

        (void)state;
        assert_true(fd >= 0);
        close(fd);
        publish("a");
        assert_int_equal(wt_file_write(path, answer.data, answer.len, 0644), WT_OK);
        i = open_issuer(path, 0, 0);
        assert_int_equal(try_kid(i, "a"), WT_OK);        /* read at once */
        publish("b");
        assert_int_equal(wt_file_write(path, answer.data, answer.len, 0644), WT_OK);
        UNTIL(try_kid(i, "b") == WT_OK);         /* seen when it changes */
        wt_issuer_close(i);
        assert_int_equal(wt_file_write(path, secret_set, sizeof secret_set - 1, 0644), WT_OK);
        {
                const struct wt_issuer_conf conf = { .keys = path,
                        .rules = { .issuer = base, .audience = "w", .algs = WT_HS256 } };

                assert_int_equal(wt_issuer_open(&i, &conf), WT_EPERM);
                assert_non_null(strstr(wt_words(), "chmod 600"));
                assert_int_equal(chmod(path, 0600), 0);
                assert_int_equal(wt_issuer_open(&i, &conf), WT_OK);
                wt_issuer_close(i);
        }
        unlink(path);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                CASE(keys_turn_over), CASE(a_flood_of_unknown_keys), CASE(old_keys_stay),
                CASE(configuration_is_found), CASE(sources_that_cannot_be), CASE(files),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
