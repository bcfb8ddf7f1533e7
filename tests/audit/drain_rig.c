/* drain_rig.c - see drain_rig.h. */
#include "drain_rig.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/rng.h"
#include "plugin/plugin.h"

const struct wt_plugin *wt_plugin_store_sqlite(void);

struct pg pg;
bool on_pg;
char folder[64], url[300];
struct heard heard;
uint64_t clock_ahead_us;
static int n_made;

int begin(void **state)
{
        static const struct wt_plugin *(*const entries[])(void) = { wt_plugin_store_sqlite, NULL };
        char name[32];

        on_pg = *(const bool *)*state;
        memset(&heard, 0, sizeof heard);
        GOOD(wt_plugin_register(entries));
        strcpy(folder, "/tmp/witan-drain-XXXXXX");
        assert_non_null(mkdtemp(folder));
        snprintf(url, sizeof url, "sqlite:%s/witan.db", folder);
        snprintf(name, sizeof name, "drain%d", n_made++);
        if (on_pg)
                pg_database(&pg, name, url);
        return 0;
}

int end(void **state)
{
        char line[100];

        (void)state;
        snprintf(line, sizeof line, "rm -rf %s", folder);
        return system(line);
}

wt_spool *spool(const char *name)
{
        char path[100];
        struct wt_spool_conf c = { .folder = path, .segment_bytes = 20000, .max_bytes = 64 << 20 };
        wt_spool *s;

        snprintf(path, sizeof path, "%s/%s", folder, name);
        GOOD(wt_spool_open(&s, &c));
        return s;
}

static wt_err on_ends(void *arg, wt_store *s, const struct wt_audit_event *e, uint32_t n)
{
        const struct wt_value v = wt_v_int(n);

        (void)arg;
        if (heard.in_store)                      /* what did not commit was not told */
                return wt_store_query(s, "UPDATE told SET n = n + $1", &v, 1, NULL, NULL, NULL);
        heard.ends += n;
        for (uint32_t i = 0; i < n; i++)
                heard.tokens += e[i].completion_tokens;
        return WT_OK;
}

static void on_said(void *arg, const char *id, const char *words)
{
        (void)arg;
        heard.said++;
        snprintf(heard.last, sizeof heard.last, "%.60s %.200s", id, words);
}

wt_drain *drain(wt_spool *s, const char *gateway)
{
        struct wt_drain_conf c = { .spool = s, .store_url = url, .timeout_ms = 2000,
                                   .gateway = gateway, .pause_ms = 2, .lease_ms = 900,
                                   .ends = on_ends, .said = on_said };
        wt_drain *d;

        GOOD(wt_drain_start(&d, &c));
        return d;
}

/* Request n of that seed. */
static void request_of(uint32_t n, uint32_t seed, uint8_t id[16])
{
        wt_uuid7(1700000000000000ull + (uint64_t)n * 1000000, id);
        memcpy(id + 8, &n, 4);
        memcpy(id + 12, &seed, 4);
}

void put(wt_spool *s, uint32_t kind, uint32_t n, const char *gateway, const char *tenant,
         uint64_t tokens)
{
        struct wt_audit_event e = { .kind = kind };
        struct wt_buf b = { 0 };
        uint8_t id[16];
        uint64_t seq;

        request_of(n, 1, id);
        e.request = WT_BYTES(id, 16);
        e.time_us = wt_wall_us(&wt_clock_real) + clock_ahead_us;
        e.gateway = WT_STR(gateway);
        e.tenant = WT_STR(tenant);
        e.completion_tokens = tokens;
        if (kind == WT_AUDIT_OUTCOME)
                e.outcome = WT_STR("ok");
        GOOD(wt_audit_encode(&e, &b));
        GOOD(wt_spool_append(s, b.data, b.len, &seq));
        wt_buf_free(&b);
}

static int one_int(void *arg, const struct wt_value *v, uint32_t n)
{
        (void)n;
        *(int64_t *)arg = v[0].type == WT_INT ? v[0].as.i : 0;
        return 0;
}

int64_t ask(const char *sql)
{
        wt_store *s;
        int64_t out = 0;

        GOOD(wt_store_open(&s, url, 5000));
        GOOD(wt_store_query(s, sql, NULL, 0, one_int, &out, NULL));
        wt_store_close(s);
        return out;
}

void wait_drained(wt_drain *d, wt_spool *s)
{
        uint64_t until = wt_now_us(&wt_clock_real) + 120 * 1000000ull, want = wt_spool_appended(s);
        struct wt_drain_stats st;

        do {
                wt_spool_wait(s, UINT64_MAX - 1, 5000);
                wt_drain_stats(d, &st);
        } while (st.drained < want && wt_now_us(&wt_clock_real) < until);
        if (st.drained < want)
                fail_msg("drained %llu of %llu; said: %s", (unsigned long long)st.drained,
                         (unsigned long long)want, heard.last);
}

void leaves_are_whole(int64_t rows)
{
        assert_int_equal(ask("SELECT count(*) FROM audit_events"), rows);
        assert_int_equal(ask("SELECT count(DISTINCT leaf) FROM audit_events"), rows);
        assert_int_equal(ask("SELECT max(leaf) FROM audit_events"), rows - 1);
        assert_int_equal(ask("SELECT size FROM audit_tree"), rows);
}
