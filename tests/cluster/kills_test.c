/* kills_test.c - kills_test N sqlite|postgres: a gateway with keys and limits is killed N times
 * under load, at any moment and in the middle of what its spool does: a write that is half done,
 * before and behind a sync, before and behind the name of a new file. Then: what clients saw
 * finished is in the log once and every begun request has an end (audit_check.py, which shares no
 * code with the log), and the quotas and the usage say what the rows say. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../store/postgres.h"
#include "audit/event.h"
#include "audit_load.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/rng.h"
#include "identity/quota.h"
#include "plugin/plugin.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { CAN_PRELOAD = 0 };                        /* the sanitizer wants to be first */
#else
enum { CAN_PRELOAD = 1 };
#endif
enum { SECOND = 1000 * 1000 };

/* Where it dies: from outside, or at one of so many times that it comes there. */
enum { AT_RANDOM, IN_WRITE, BEFORE_SYNC, AFTER_SYNC, BEFORE_NAME, AFTER_NAME, N_WHERE };
static const struct { const char *name, *words; uint32_t times; } where[N_WHERE] = {
        [AT_RANDOM] = { "", "at random", 0 },
        [IN_WRITE] = { "write", "in a write", 40 },
        [BEFORE_SYNC] = { "sync", "before a sync", 40 },
        [AFTER_SYNC] = { "synced", "behind a sync", 40 },
        [BEFORE_NAME] = { "rename", "before a new file's name", 3 },
        [AFTER_NAME] = { "renamed", "behind it", 3 },
};

const struct wt_plugin *wt_plugin_store_sqlite(void);

static struct field f;
static struct pg pg;
static struct load load = { .f = &f };
static uint32_t gateway, n_kills = 200, killed[N_WHERE];
static bool on_postgres;
static char url[300], scope[2][WT_SCOPE_NAME];
static FILE *kills;

#define GOOD(call)                                                                              \
        do {                                                                                    \
                if ((call) != WT_OK)                                                            \
                        fail_msg("%s: %s", #call, wt_words());                                  \
        } while (0)

static void path_of(const char *name, char out[200])
{
        snprintf(out, 200, "%s/%s", f.dir, name);
}

static double luck(uint32_t i, uint32_t n) { return wt_philox_unit(23, i, n, 0); }

/* ---- the cluster ----------------------------------------------------------------------------- */

static void make_key(void)
{
        struct wt_tenant t = { .id = "bank", .weight = 1, .limits = wt_no_limits }, tenant;
        struct wt_key k = { .tenant = "bank", .limits = wt_no_limits }, key;
        wt_store *s;

        t.limits.most[WT_TOKENS_PER_DAY] = 100 * 1000 * 1000;
        k.limits.most[WT_TOKENS_PER_MONTH] = 100 * 1000 * 1000;
        k.limits.most[WT_REQUESTS_PER_MINUTE] = 1000 * 1000;
        k.limits.most[WT_CONCURRENCY] = 1000;
        GOOD(wt_store_open(&s, url, 5000));
        GOOD(wt_identity_migrate(s));
        GOOD(wt_tenant_create(s, &t, &tenant));
        GOOD(wt_key_create(s, &k, &key, load.key));
        wt_store_close(s);
        snprintf(scope[0], sizeof *scope, "key:%s", key.id);
        snprintf(scope[1], sizeof *scope, "tenant:bank");
}

static int begin(void **state)
{
        static const struct wt_plugin *(*const entries[])(void) = { wt_plugin_store_sqlite, NULL };
        char path[200];
        uint32_t r, e;

        (void)state;
        GOOD(wt_plugin_register(entries));
        field_open(&f, NULL, "models/tiny");
        snprintf(url, sizeof url, "sqlite:%s/witan.db", f.dir);
        if (on_postgres) {
                pg_start(&pg);
                pg_database(&pg, "audit", url);
        }
        snprintf(load.http, sizeof load.http, "127.0.0.1:%d", field_port());
        make_key();
        path_of("kills.txt", path);
        assert_non_null(kills = fopen(path, "w"));
        r = field_start(&f, NULL, "router", "router-0", "--threads=1", NULL);
        e = field_start(&f, NULL, "expert", "expert-0", "--threads=1", NULL);
        field_ready(&f, e);
        field_ready(&f, r);
        return 0;
}

static int end(void **state)
{
        (void)state;
        fclose(kills);
        field_close(&f);
        if (on_postgres)
                pg_end(&pg);
        return 0;
}

static void start_gateway(int at, uint32_t times)
{
        char http[80], store[320], kill_at[32], library[600];

        snprintf(http, sizeof http, "--http=%s", load.http);
        snprintf(store, sizeof store, "--store=%s", url);
        snprintf(kill_at, sizeof kill_at, "%s:%u", where[at].name, times);
        snprintf(library, sizeof library, "%s/tests/unsynced.so", getenv("WITAN_BUILD"));
        if (at != AT_RANDOM) {
                setenv("UNSYNCED_KILL", kill_at, 1);
                setenv("LD_PRELOAD", library, 1);
        }
        gateway = field_start(&f, NULL, "gateway", "gateway-0", http, store,
                              "--rpc=", "--spool-segment-bytes=8192", "--store-timeout=2s", NULL);
        unsetenv("LD_PRELOAD");
        unsetenv("UNSYNCED_KILL");
}

/* ---- the kills ------------------------------------------------------------------------------- */

static void kill_once(uint32_t i)
{
        int at = CAN_PRELOAD ? (int)(i % (N_WHERE + 2)) : AT_RANDOM;

        if (at >= N_WHERE)
                at = AT_RANDOM;                  /* three of eight */
        start_gateway(at, 1 + (uint32_t)(luck(i, 0) * where[at].times));
        if (at == AT_RANDOM) {
                load_until(&load, 2);
                usleep((useconds_t)(luck(i, 1) * 60000));
                field_kill(&f, gateway, SIGKILL);
        } else {
                int code = field_wait(&f, gateway);

                if (code != 128 + SIGKILL)
                        fail_msg("the gateway that dies %s ended with %d: %s", where[at].words,
                                 code, field_log(&f, "gateway-0", ""));
        }
        killed[at]++;
        fprintf(kills, "killed %llu\n", (unsigned long long)wt_wall_us(&wt_clock_real) / 1000);
}

static void drained(void)
{
        uint64_t last = wt_now_us(&wt_clock_real) + 120 * SECOND;
        double on_disk, in_store;

        do {
                on_disk = field_metric(&f, gateway, "witan_audit_durable_total");
                in_store = field_metric(&f, gateway, "witan_audit_drained_total");
                if (wt_now_us(&wt_clock_real) > last)
                        fail_msg("%.0f records are on disk, %.0f in the store: %s", on_disk,
                                 in_store, field_log(&f, "gateway-0", "AUDIT"));
        } while (on_disk < 0 || in_store < on_disk);
}

/* ---- what is there afterwards ---------------------------------------------------------------- */

struct books { int64_t ends, tokens; struct wt_arena arena; };

static int on_end(void *arg, const struct wt_value *v, uint32_t n)
{
        struct books *b = arg;
        struct wt_audit_event e;

        assert_int_equal(n, 1);
        GOOD(wt_audit_decode(&e, v[0].as.data, v[0].len, &b->arena));
        b->ends++;
        b->tokens += (int64_t)(e.prompt_tokens + e.completion_tokens);
        wt_arena_reset(&b->arena);
        return 0;
}

static int on_int(void *arg, const struct wt_value *v, uint32_t n)
{
        assert_true(n == 1 && v[0].type == WT_INT);
        *(int64_t *)arg = v[0].as.i;
        return 0;
}

static int64_t number(wt_store *s, const char *sql, const char *name)
{
        const struct wt_value v[] = { wt_v_text(name) };
        int64_t out = -1;

        GOOD(wt_store_query(s, sql, v, 1, on_int, &out, NULL));
        return out;
}

/* What was begun and has ended is what was booked, in every account of it. A day or a month may
 * have ended meanwhile, so windows are summed. */
static void books_agree(struct books *b)
{
        static const char *const sums[] = {
                "SELECT CAST(sum(granted) AS BIGINT) FROM quota_counters WHERE scope = $1"
                " AND what = 'tokens_per_day'",
                "SELECT CAST(sum(granted) AS BIGINT) FROM quota_counters WHERE scope = $1"
                " AND what = 'tokens_per_month'",
        };
        wt_store *s;

        GOOD(wt_store_open(&s, url, 5000));
        GOOD(wt_store_query(s, "SELECT e.body FROM audit_events e WHERE e.kind IN (2, 3) AND EXISTS"
                " (SELECT 1 FROM audit_events i WHERE i.day = e.day AND i.request = e.request AND"
                " i.kind = 1) AND NOT EXISTS (SELECT 1 FROM audit_events x WHERE x.day = e.day AND"
                " x.request = e.request AND x.kind IN (2, 3) AND x.leaf < e.leaf)", NULL, 0, on_end,
                b, NULL));
        for (int i = 0; i < 2; i++)
                for (int k = 0; k < 2; k++)
                        assert_int_equal(number(s, sums[k], scope[i]), b->tokens);
        assert_int_equal(number(s, "SELECT CAST(sum(prompt_tokens + completion_tokens) AS BIGINT)"
                                " FROM identity_usage WHERE tenant = $1", "bank"), b->tokens);
        assert_int_equal(number(s, "SELECT CAST(sum(requests) AS BIGINT) FROM identity_usage WHERE"
                                " tenant = $1", "bank"), b->ends);
        assert_int_equal(number(s, "SELECT count(*) FROM quota_leases WHERE amount <> 0 AND"
                                " scope <> $1", ""), 0);
        assert_int_equal(number(s, "SELECT count(*) FROM audit_open WHERE $1 = $1", ""), 0);
        wt_store_close(s);
        wt_arena_fini(&b->arena);
}

static int check(void)
{
        char log[200], rows[200], at[200], line[700];

        path_of("clients.txt", log);
        path_of("kills.txt", at);
        path_of("witan.db", rows);
        if (on_postgres) {
                static char out[64 << 20];

                assert_true(pg_sql(&pg, "audit", "SELECT encode(request, 'hex'), kind, "
                                   "coalesce(outcome, '') FROM audit_events", out, sizeof out));
                path_of("rows.txt", rows);
                assert_int_equal(wt_file_write(rows, out, strlen(out), 0600), WT_OK);
        }
        fflush(kills);
        fflush(stdout);
        snprintf(line, sizeof line, "python3 tests/cluster/audit_check.py %s %s %s", log, rows, at);
        return WEXITSTATUS(system(line));
}

static void kills_under_load(void **state)
{
        struct books b = { 0 };
        char path[200];

        (void)state;
        path_of("clients.txt", path);
        load_begin(&load, path);
        for (uint32_t i = 0; i < n_kills; i++)
                kill_once(i);
        start_gateway(AT_RANDOM, 0);
        field_ready(&f, gateway);
        load_until(&load, 5);
        load_end(&load);
        drained();
        field_until(&f, gateway, "witan_audit_held_answers", 0, 0);
        field_kill(&f, gateway, SIGTERM);
        assert_int_equal(field_wait(&f, gateway), 0);
        assert_int_equal(check(), 0);
        books_agree(&b);
        printf("# %u kills:", n_kills);
        for (int i = 0; i < N_WHERE; i++)
                printf(" %u %s%s", killed[i], where[i].words, i + 1 < N_WHERE ? "," : "\n");
        printf("# books: %lld requests and %lld tokens in rows, counters and usage alike\n",
               (long long)b.ends, (long long)b.tokens);
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                { "killed under load", kills_under_load, begin, end, NULL },
        };

        if (argc > 1)
                n_kills = (uint32_t)strtoul(argv[1], NULL, 10);
        on_postgres = argc > 2 && strcmp(argv[2], "postgres") == 0;
        if (on_postgres && !pg_installed()) {
                puts("skipped: no PostgreSQL server is installed");
                return 77;
        }
        return cmocka_run_group_tests_name(on_postgres ? "PostgreSQL" : "SQLite", tests, NULL,
                                           NULL);
}
