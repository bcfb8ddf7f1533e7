/* quota_test.c - one limit, two gateways: a thousand requests come at one time to two processes
 * that have nothing in common but the store. Together they let in what the limit says: at most one
 * reservation above it, and at least all but one reservation for each gateway. Afterwards the
 * store's own count is what the clients saw. On SQLite, and on PostgreSQL where it is installed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "../store/postgres.h"
#include "base/clock.h"
#include "field.h"
#include "identity/quota.h"
#include "net/http.h"
#include "plugin/plugin.h"

enum { AT_ONCE = 1000, GATEWAYS = 2, SECOND = 1000 * 1000, TRIES = 3 };

const struct wt_plugin *wt_plugin_store_sqlite(void);

static struct field f;
static struct pg pg;
static uint32_t gateway[GATEWAYS];
static int port[GATEWAYS];
static char url[300];
static struct conn { int fd; bool over; struct wt_buf in; } conn[AT_ONCE];
static struct { uint32_t admitted, limited; int64_t tokens, most_tokens; } seen;

#define GOOD(call)                                                                              \
        do {                                                                                    \
                if ((call) != WT_OK)                                                            \
                        fail_msg("%s: %s", #call, wt_words());                                  \
        } while (0)

static uint64_t now(void) { return wt_now_us(&wt_clock_real); }

/* ---- the cluster ----------------------------------------------------------------------------- */

static void start_gateway(int i)
{
        char name[16], http[40], store[320];

        port[i] = field_port();
        snprintf(name, sizeof name, "gateway-%d", i);
        snprintf(http, sizeof http, "--http=127.0.0.1:%d", port[i]);
        snprintf(store, sizeof store, "--store=%s", url);
        gateway[i] = field_start(&f, NULL, "gateway", name, http, store, "--rpc=",
                                 "--store-timeout=5s", NULL);
}

static int begin(bool postgres)
{
        static const struct wt_plugin *(*const entries[])(void) = { wt_plugin_store_sqlite, NULL };
        struct rlimit files;
        uint32_t r, e;

        getrlimit(RLIMIT_NOFILE, &files);        /* the gateways inherit it */
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
        GOOD(wt_plugin_register(entries));
        field_open(&f, NULL, "models/tiny");
        if (postgres)
                pg_database(&pg, "quota", url);
        else
                snprintf(url, sizeof url, "sqlite:%s/witan.db", f.dir);
        r = field_start(&f, NULL, "router", "router-0", "--threads=1", NULL);
        e = field_start(&f, NULL, "expert", "expert-0", "--threads=1", NULL);
        for (int i = 0; i < GATEWAYS; i++)
                start_gateway(i);
        field_ready(&f, e);
        field_ready(&f, r);
        for (int i = 0; i < GATEWAYS; i++)
                field_ready(&f, gateway[i]);
        return 0;
}

static int on_sqlite(void **state) { (void)state; return begin(false); }
static int on_postgresql(void **state) { (void)state; return begin(true); }

static int end(void **state)
{
        (void)state;
        field_close(&f);
        for (int i = 0; i < AT_ONCE; i++)
                wt_buf_free(&conn[i].in);
        return 0;
}

/* A key of a tenant of its own with one limit; scope: "key:ID" or "tenant:ID", whose it is. */
static void make_key(const char *tenant, bool on_tenant, enum wt_limit l, int64_t most,
                     char secret[80], char scope[WT_SCOPE_NAME])
{
        struct wt_tenant t = { .weight = 1, .limits = wt_no_limits }, made;
        struct wt_key k = { .limits = wt_no_limits }, key;
        wt_store *s;

        snprintf(t.id, sizeof t.id, "%s", tenant);
        snprintf(k.tenant, sizeof k.tenant, "%s", tenant);
        (on_tenant ? &t.limits : &k.limits)->most[l] = most;
        GOOD(wt_store_open(&s, url, 5000));
        GOOD(wt_tenant_create(s, &t, &made));
        GOOD(wt_key_create(s, &k, &key, secret));
        wt_store_close(s);
        snprintf(scope, WT_SCOPE_NAME, "%s:%s", on_tenant ? "tenant" : "key",
                 on_tenant ? tenant : key.id);
}

/* Until both gateways have heard of it. */
static void until_known(const char *secret)
{
        char path[80], header[120];
        struct wt_buf b = { 0 };

        snprintf(header, sizeof header, "Authorization: Bearer %s\r\n", secret);
        for (int i = 0; i < GATEWAYS; i++) {
                uint64_t last = now() + 120 * SECOND;
                int status = 0;

                snprintf(path, sizeof path, "http://127.0.0.1:%d/v1/models", port[i]);
                while (wt_http_fetch("GET", path, header, NULL, 0, 10 * SECOND, &status, &b, NULL,
                                     NULL) != WT_OK || status != 200) {
                        wt_buf_clear(&b);
                        if (now() > last)
                                fail_msg("gateway-%d does not know the key: %d", i, status);
                        usleep(5000);
                }
        }
        wt_buf_free(&b);
}

/* ---- the crowd ------------------------------------------------------------------------------- */

static void open_all(void)
{
        for (int i = 0; i < AT_ONCE; i++) {
                struct sockaddr_in a = { .sin_family = AF_INET,
                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                        .sin_port = htons((uint16_t)port[i % GATEWAYS]) };
                struct conn *c = &conn[i];

                wt_buf_clear(&c->in);
                c->over = false;
                c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
                assert_true(c->fd >= 0);
                assert_int_equal(connect(c->fd, (struct sockaddr *)&a, sizeof a), 0);
        }
}

/* Each makes two tokens, not more and not fewer: what is reserved is what is used. */
static void ask_all(const char *secret)
{
        static const char body[] = "{\"model\":\"tiny\",\"prompt\":\"Once upon\",\"max_tokens\":2,"
                                   "\"ignore_eos\":true}";
        char text[500];
        int n = snprintf(text, sizeof text, "POST /v1/completions HTTP/1.1\r\nHost: x\r\n"
                         "Authorization: Bearer %s\r\nContent-Type: application/json\r\n"
                         "Connection: close\r\nContent-Length: %zu\r\n\r\n%s", secret,
                         sizeof body - 1, body);

        for (int i = 0; i < AT_ONCE; i++)
                assert_int_equal(send(conn[i].fd, text, (size_t)n, MSG_NOSIGNAL), n);
}

static void hear(struct conn *c)
{
        char room[4096];
        ssize_t n = recv(c->fd, room, sizeof room, 0);

        if (n > 0) {
                wt_buf_add(&c->in, room, (size_t)n);
                return;
        }
        close(c->fd);
        c->over = true;
}

static void hear_all(void)
{
        static struct pollfd p[AT_ONCE];
        uint64_t last = now() + 120 * SECOND;
        uint32_t left = AT_ONCE;

        while (left > 0) {
                for (int i = 0; i < AT_ONCE; i++)
                        p[i] = (struct pollfd){ conn[i].over ? -1 : conn[i].fd, POLLIN, 0 };
                poll(p, AT_ONCE, 1000);
                for (int i = 0; i < AT_ONCE; i++)
                        if (p[i].revents != 0) {
                                hear(&conn[i]);
                                left -= conn[i].over;
                        }
                if (now() > last)
                        fail_msg("%u of %d requests have no answer after 120 s", left, AT_ONCE);
        }
}

/* 200, or 429 in the words of a limit; nothing else. */
static void count_all(const char *code)
{
        memset(&seen, 0, sizeof seen);
        for (int i = 0; i < AT_ONCE; i++) {
                const char *text = conn[i].in.data != NULL ? conn[i].in.data : "";
                const char *at = strstr(text, "\"total_tokens\":");

                if (strncmp(text, "HTTP/1.1 200", 12) == 0 && at != NULL) {
                        int64_t n = atoll(at + 15);

                        seen.admitted++;
                        seen.tokens += n;
                        if (n > seen.most_tokens)
                                seen.most_tokens = n;
                } else if (strncmp(text, "HTTP/1.1 429", 12) == 0 && strstr(text, code) != NULL) {
                        seen.limited++;
                } else {
                        fail_msg("request %d was answered: %.600s", i, text);
                }
        }
        assert_int_equal(seen.admitted + seen.limited, AT_ONCE);
}

/* False: a window ended meanwhile, so that there were two limits to use up. */
static bool crowd(const char *secret, enum wt_limit l, const char *code)
{
        uint64_t left;
        int64_t window;

        until_known(secret);
        open_all();
        window = wt_quota_window(l, wt_wall_us(&wt_clock_real), &left);
        ask_all(secret);
        hear_all();
        if (wt_quota_window(l, wt_wall_us(&wt_clock_real), &left) != window)
                return false;
        count_all(code);
        return true;
}

static void on_line(void *arg, const struct wt_quota_line *q) { *(struct wt_quota_line *)arg = *q; }

/* The store's count, once the ends of the requests have come there. */
static void store_agrees(const char *scope, int64_t used)
{
        struct wt_quota_line line = { .used = -1 };
        uint64_t last = now() + 120 * SECOND;
        wt_store *s;

        GOOD(wt_store_open(&s, url, 5000));
        do
                GOOD(wt_quota_report(s, scope, on_line, &line));
        while (line.used < used && now() < last);
        wt_store_close(s);
        assert_int_equal(line.used, used);
}

static void within(const char *what, int64_t admitted, int64_t limit, int64_t one)
{
        print_message("# %s: %lld of %lld let in, one reservation is %lld\n", what,
                      (long long)admitted, (long long)limit, (long long)one);
        assert_true(admitted <= limit + one);
        assert_true(admitted >= limit - GATEWAYS * one);
}

static void requests(void **state)
{
        enum { LIMIT = 150 };
        char secret[80], scope[WT_SCOPE_NAME], tenant[16];
        bool whole = false;

        (void)state;
        for (int i = 0; i < TRIES && !whole; i++) {
                snprintf(tenant, sizeof tenant, "minute%d", i);
                make_key(tenant, false, WT_REQUESTS_PER_MINUTE, LIMIT, secret, scope);
                whole = crowd(secret, WT_REQUESTS_PER_MINUTE, "rate_limit_exceeded");
        }
        if (!whole)
                fail_msg("no crowd was answered within one minute of the clock");
        within("requests", seen.admitted, LIMIT, 1);
}

/* A budget of the tenant, which no multiple of a reservation fills. A second crowd finds nothing
 * but the remainder. */
static void tokens(void **state)
{
        enum { LIMIT = 601 };
        char secret[80], scope[WT_SCOPE_NAME], tenant[16];
        int64_t first = 0, one = 0;
        bool whole = false;

        (void)state;
        for (int i = 0; i < TRIES && !whole; i++) {
                snprintf(tenant, sizeof tenant, "budget%d", i);
                make_key(tenant, true, WT_TOKENS_PER_DAY, LIMIT, secret, scope);
                if (!crowd(secret, WT_TOKENS_PER_DAY, "insufficient_quota"))
                        continue;
                first = seen.tokens;
                one = seen.most_tokens;
                within("tokens", first, LIMIT, one);
                whole = crowd(secret, WT_TOKENS_PER_DAY, "insufficient_quota");
        }
        if (!whole)
                fail_msg("no two crowds were answered within one day of the clock");
        within("tokens, with a second crowd", first + seen.tokens, LIMIT, one);
        store_agrees(scope, first + seen.tokens);
}

static bool module_built(void)
{
        wt_store *s;
        wt_err err = wt_store_open(&s, "postgresql://nobody@127.0.0.1:1/none", 100);

        if (err == WT_OK)
                wt_store_close(s);
        return err != WT_ENOTFOUND;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                { "requests a minute", requests, NULL, NULL, NULL },
                { "tokens a day", tokens, NULL, NULL, NULL },
        };
        int rc = cmocka_run_group_tests_name("SQLite", tests, on_sqlite, end);

        if (!pg_installed() || !module_built()) {
                puts("# PostgreSQL, or the module for it, is not there: skipped");
                return rc;
        }
        pg_start(&pg);
        rc |= cmocka_run_group_tests_name("PostgreSQL", tests, on_postgresql, end);
        pg_end(&pg);
        return rc;
}
