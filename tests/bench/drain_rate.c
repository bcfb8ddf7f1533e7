/* drain_rate.c - drain_rate FOLDER STORE-URL SECONDS ROWS: how many rows of the audit log a second
 * become durable in the store, by the product's own way there: ROWS events are put into a spool in
 * FOLDER, as a gateway of 64 open requests would have left them, then the gateway's ledger (drain,
 * Merkle log, bills) takes them into the store for SECONDS. The rows are counted in the table by a
 * connection of its own, once a second. Prints a line of JSON; exit 1: the store took nothing, or
 * the spool ran dry before the time was over; 2: it could not begin. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "audit/drain.h"
#include "base/clock.h"
#include "base/rng.h"
#include "identity/quota.h"
#include "ledger.h"
#include "plugin/plugin.h"
#include "store/store.h"

enum { OPEN = 64, MOST_SECONDS = 3600, SECOND_US = 1000 * 1000, BEGIN_S = 30 };
#define GATEWAY "gateway-0"

const struct wt_plugin *wt_plugin_store_sqlite(void);

struct rate {
        const char *folder, *url;
        uint32_t seconds, rows;
        uint64_t spool_bytes, took_us;
        int64_t first, last, each[MOST_SECONDS]; /* rows in the table */
        uint32_t n;
};

static wt_err put(wt_spool *s, const struct wt_audit_event *e, struct wt_buf *b, uint64_t *seq)
{
        wt_err err;

        wt_buf_clear(b);
        if ((err = wt_audit_encode(e, b)) != WT_OK)
                return err;
        return wt_spool_append(s, b->data, b->len, seq);
}

static void fill(struct wt_audit_event *e, uint32_t kind, const uint8_t id[16], uint64_t time_us,
                 const uint8_t hash[32])
{
        *e = (struct wt_audit_event){ .kind = kind, .request = WT_BYTES(id, 16),
                .time_us = time_us, .gateway = WT_STR(GATEWAY), .tenant = WT_STR("research"),
                .team = WT_STR("risk"), .actor = WT_STR("anna"),
                .key_id = WT_STR("3f0c9a7e5b1d4c62"), .source = WT_STR("10.0.0.17"),
                .door = WT_STR("/v1/chat/completions"), .action = WT_STR("chat"),
                .model = WT_STR("tiny"), .revision = WT_BYTES(hash, 32), .cause = WT_STR("user"),
                .session = WT_BYTES(hash, 32), .prompt_hash = WT_BYTES(hash, 32) };
        if (kind == WT_AUDIT_INTENT)
                return;
        e->outcome = WT_STR("ok");
        e->status = 200;
        e->finish_reason = WT_STR("stop");
        e->answer_hash = WT_BYTES(hash, 32);
        e->prompt_tokens = 250;
        e->completion_tokens = 16;
        e->queue_us = 120;
        e->prefill_us = 40000;
        e->decode_us = 90000;
        e->total_us = 131000;
        e->ttft_us = 41000;
        e->itl_p50_us = 6000;
        e->itl_p95_us = 9000;
}

static void until_durable(wt_spool *s, uint64_t seq)
{
        while (wt_spool_durable(s) < seq)
                wt_spool_wait(s, seq - 1, SECOND_US);
}

/* Intents, each with its outcome OPEN requests later. */
static wt_err make_rows(const struct rate *r, wt_spool *s)
{
        static uint8_t id[OPEN][16];
        struct wt_audit_event e;
        struct wt_buf b = { 0 };
        uint64_t now = wt_wall_us(&wt_clock_real), seq = 0;
        uint8_t hash[32];
        wt_err err = WT_OK;

        wt_random_bytes(hash, sizeof hash);
        for (uint32_t i = 0; i < r->rows / 2 + OPEN && err == WT_OK; i++) {
                uint8_t *at = id[i % OPEN];

                if (i >= OPEN) {
                        fill(&e, WT_AUDIT_OUTCOME, at, now + i, hash);
                        err = put(s, &e, &b, &seq);
                }
                if (i >= r->rows / 2 || err != WT_OK)
                        continue;
                wt_uuid7(now, at);
                fill(&e, WT_AUDIT_INTENT, at, now + i, hash);
                err = put(s, &e, &b, &seq);
                if (i % 10000 == 0)
                        until_durable(s, seq);
        }
        if (err == WT_OK)
                until_durable(s, seq);
        wt_buf_free(&b);
        return err;
}

static int on_int(void *arg, const struct wt_value *v, uint32_t n)
{
        (void)n;
        *(int64_t *)arg = v[0].as.i;
        return WT_OK;
}

static wt_err count(wt_store *s, int64_t *out)
{
        return wt_store_query(s, "SELECT count(*) FROM audit_events", NULL, 0, on_int, out, NULL);
}

static wt_err watch(struct rate *r, wt_store *s)
{
        uint64_t begin = wt_now_us(&wt_clock_real), next;
        wt_err err = WT_OK;

        while (r->first == 0 && err == WT_OK) {  /* from its first rows on */
                if ((wt_now_us(&wt_clock_real) - begin) / SECOND_US > BEGIN_S)
                        return wt_fail(WT_EDEADLINE, "the store has no row after %d s", BEGIN_S);
                err = count(s, &r->first);
        }
        begin = next = wt_now_us(&wt_clock_real);
        for (r->n = 0; r->n < r->seconds && err == WT_OK; r->n++) {
                uint64_t now;

                next += SECOND_US;
                while ((now = wt_now_us(&wt_clock_real)) < next)
                        nanosleep(&(struct timespec){ .tv_nsec = (long)(next - now) * 1000 %
                                                                 1000000000 }, NULL);
                err = count(s, &r->last);
                r->each[r->n] = r->last;
        }
        r->took_us = wt_now_us(&wt_clock_real) - begin;
        return err;
}

static wt_err measure(struct rate *r, const wt_conf *conf)
{
        struct wt_spool_conf c = { .folder = r->folder, .segment_bytes = 16 << 20,
                                   .max_bytes = 16ull << 30 };
        struct gateway_ledger *l = NULL;
        struct wt_spool_stats st;
        wt_spool *spool;
        wt_store *s = NULL;
        wt_err err = wt_spool_open(&spool, &c);

        if (err != WT_OK)
                return err;
        if ((err = make_rows(r, spool)) == WT_OK) {
                wt_spool_stats(spool, &st);
                r->spool_bytes = st.bytes;
                if ((err = wt_store_open(&s, r->url, 10000)) == WT_OK &&
                    (err = wt_identity_migrate(s)) == WT_OK &&
                    (err = wt_quota_migrate(s)) == WT_OK &&
                    (err = wt_drain_migrate(s)) == WT_OK &&
                    (err = gateway_ledger_open(&l, conf, GATEWAY, r->url, spool)) == WT_OK)
                        err = watch(r, s);
        }
        gateway_ledger_close(l);
        wt_store_close(s);
        wt_spool_close(spool);
        return err;
}

static int report(const struct rate *r)
{
        bool dry = r->last >= (int64_t)(r->rows / 2 * 2);
        struct wt_buf b = { 0 };

        wt_buf_str(&b, "{");
        wt_buf_json_kf(&b, "seconds", (double)r->took_us / SECOND_US);
        wt_buf_json_ku(&b, "rows", (uint64_t)(r->last - r->first));
        wt_buf_json_kf(&b, "rows_per_second",
                       (double)(r->last - r->first) * SECOND_US / (double)r->took_us);
        wt_buf_json_kf(&b, "spool_bytes_of_a_row", (double)r->spool_bytes / r->rows);
        wt_buf_json_kb(&b, "ran_dry", dry);
        wt_buf_json_key(&b, "rows_of_each_second");
        wt_buf_str(&b, "[");
        for (uint32_t i = 0; i < r->n; i++)
                wt_buf_fmt(&b, "%s%lld", i > 0 ? "," : "",
                           (long long)(r->each[i] - (i > 0 ? r->each[i - 1] : r->first)));
        wt_buf_str(&b, "]}");
        puts(b.data);
        wt_buf_free(&b);
        return dry || r->last == r->first;
}

int main(int argc, char **argv, char **envp)
{
        static const struct wt_plugin *(*const entries[])(void) = { wt_plugin_store_sqlite, NULL };
        static struct rate r;
        wt_conf *conf;

        if (argc != 5 || (r.seconds = (uint32_t)atoi(argv[3])) < 1 || r.seconds > MOST_SECONDS ||
            (r.rows = (uint32_t)atoi(argv[4])) < 2 * OPEN) {
                fprintf(stderr, "drain_rate: say FOLDER STORE-URL SECONDS ROWS: up to %d seconds, "
                        "at least %d rows\n", MOST_SECONDS, 2 * OPEN);
                return 2;
        }
        r.folder = argv[1];
        r.url = argv[2];
        if (wt_plugin_register(entries) != WT_OK ||
            wt_conf_load(&conf, WT_FOR_GATEWAY, 0, argv, envp, NULL) != WT_OK ||
            measure(&r, conf) != WT_OK) {
                fprintf(stderr, "drain_rate: %s\n", wt_words());
                return 2;
        }
        wt_conf_free(conf);
        return report(&r);
}
