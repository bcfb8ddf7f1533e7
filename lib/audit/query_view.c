/* query_view.c - a row for people and programs: JSON as the admin API names it, and CSV. */
#include <stdio.h>
#include <time.h>
#include "audit/query.h"
#include "base/rng.h"
#include "base/sha256.h"

void wt_audit_time_text(uint64_t us, char out[32])
{
        time_t s = (time_t)(us / 1000000);
        struct tm tm;

        if (us > 253402300799999999 || gmtime_r(&s, &tm) == NULL ||
            strftime(out, 24, "%Y-%m-%dT%H:%M:%S", &tm) == 0)
                snprintf(out, 32, "-");
        else
                snprintf(out + strlen(out), 8, ".%03uZ", (unsigned)(us / 1000 % 1000));
}

/* A field of the end where the end has it, else of the first event. */
#define EITHER(v, field)                                                                        \
        ((v)->has_end && (v)->end.field.len > 0 ? (v)->end.field : (v)->first.field)
#define LATER(v, field) ((v)->has_end && (v)->end.field != 0 ? (v)->end.field : (v)->first.field)

const char *wt_audit_view_outcome(const struct wt_audit_view *v)
{
        struct wt_bytes b = EITHER(v, outcome);

        if (b.len > 0)
                return (const char *)b.data;
        if (v->has_end && v->end.kind == WT_AUDIT_INTERRUPTED)
                return "interrupted";
        return v->first.kind == WT_AUDIT_INTERRUPTED ? "interrupted" : "";
}

static void put_text(struct wt_buf *out, const char *key, struct wt_bytes b)
{
        wt_buf_json_key(out, key);
        if (b.len == 0)
                wt_buf_str(out, "null");
        else
                wt_buf_json_str(out, (const char *)b.data, b.len);
}

static void put_hex(struct wt_buf *out, const char *key, struct wt_bytes b)
{
        char hex[65];

        if (b.len > 0 && b.len <= 32) {
                wt_hex(b.data, b.len, hex);
                wt_buf_json_kv(out, key, hex);
        } else {
                wt_buf_json_kv(out, key, NULL);
        }
}

static void put_ms(struct wt_buf *out, const char *key, uint64_t us)
{
        wt_buf_json_kf(out, key, (double)us / 1e3);
}

static void put_times(const struct wt_audit_view *v, struct wt_buf *out)
{
        wt_buf_json_key(out, "latency_ms");
        wt_buf_str(out, "{");
        put_ms(out, "queue", LATER(v, queue_us));
        put_ms(out, "prefill", LATER(v, prefill_us));
        put_ms(out, "decode", LATER(v, decode_us));
        put_ms(out, "total", LATER(v, total_us));
        wt_buf_str(out, "}");
        if (LATER(v, ttft_us) != 0)
                put_ms(out, "ttft_ms", LATER(v, ttft_us));
        else
                wt_buf_json_kv(out, "ttft_ms", NULL);
        wt_buf_json_key(out, "itl_ms");
        wt_buf_str(out, "{");
        put_ms(out, "p50", LATER(v, itl_p50_us));
        put_ms(out, "p95", LATER(v, itl_p95_us));
        wt_buf_str(out, "}");
}

static void put_verdicts(const struct wt_audit_event *e, struct wt_buf *out)
{
        wt_buf_json_key(out, "verdicts");
        wt_buf_str(out, "[");
        for (uint32_t i = 0; i < e->n_verdicts; i++) {
                const struct wt_verdict *d = &e->verdicts[i];

                wt_buf_json_sep(out);
                wt_buf_str(out, "{");
                put_hex(out, "policy", d->policy);
                put_text(out, "rule", d->rule);
                put_text(out, "type", d->type);
                put_text(out, "action", d->action);
                put_text(out, "direction", d->direction);
                wt_buf_json_ku(out, "start", d->start);
                wt_buf_json_ku(out, "end", d->end);
                wt_buf_str(out, "}");
        }
        wt_buf_str(out, "]");
}

static void put_about(const struct wt_audit_view *v, struct wt_buf *out)
{
        char id[37] = "", time[32];

        if (v->first.request.len == 16)
                wt_uuid_text(v->first.request.data, id);
        wt_audit_time_text(v->first.time_us, time);
        wt_buf_json_kv(out, "request_id", id);
        wt_buf_json_kv(out, "time", time);
        put_text(out, "tenant", EITHER(v, tenant));
        put_text(out, "team", EITHER(v, team));
        put_text(out, "actor", EITHER(v, actor));
        put_text(out, "key_id", EITHER(v, key_id));
        put_text(out, "source", EITHER(v, source));
        put_text(out, "gateway", EITHER(v, gateway));
        put_text(out, "door", EITHER(v, door));
        put_text(out, "action", EITHER(v, action));
        put_text(out, "model", EITHER(v, model));
        put_hex(out, "revision", EITHER(v, revision));
        put_text(out, "arm", EITHER(v, arm));
        put_text(out, "policy", EITHER(v, policy));
        wt_buf_json_ku(out, "attempt", LATER(v, attempt));
}

void wt_audit_view_json(const struct wt_audit_view *v, struct wt_buf *out)
{
        const char *outcome = wt_audit_view_outcome(v);

        wt_buf_str(out, "{");
        put_about(v, out);
        wt_buf_json_kv(out, "outcome", outcome[0] != '\0' ? outcome : NULL);
        wt_buf_json_ku(out, "status", LATER(v, status));
        put_text(out, "code", EITHER(v, code));
        put_text(out, "finish_reason", EITHER(v, finish_reason));
        wt_buf_json_ku(out, "prompt_tokens", LATER(v, prompt_tokens));
        wt_buf_json_ku(out, "completion_tokens", LATER(v, completion_tokens));
        wt_buf_json_kf(out, "cost", (double)LATER(v, cost_nano) / 1e9);
        put_times(v, out);
        put_hex(out, "session", EITHER(v, session));
        if (v->first.kind == WT_AUDIT_NOTE)
                wt_buf_json_kv(out, "kind", "note");
        else
                put_text(out, "kind", EITHER(v, cause));
        put_verdicts(v->has_end && v->end.n_verdicts > 0 ? &v->end : &v->first, out);
        put_hex(out, "prompt_hash", EITHER(v, prompt_hash));
        put_hex(out, "answer_hash", EITHER(v, answer_hash));
        put_hex(out, "subject", EITHER(v, subject));
        wt_buf_json_kb(out, "sealed", EITHER(v, sealed).len > 0);
        if (LATER(v, count) != 0)
                wt_buf_json_ku(out, "count", LATER(v, count));
        if (EITHER(v, words).len > 0)
                put_text(out, "words", EITHER(v, words));
        wt_buf_json_ku(out, "leaf", v->leaf);
        if (v->has_end)
                wt_buf_json_ku(out, "end_leaf", v->end_leaf);
        wt_buf_str(out, "}");
}

const char wt_audit_csv_head[] =
        "request_id,time,tenant,team,actor,key_id,source,door,action,model,revision,arm,policy,"
        "attempt,outcome,status,code,finish_reason,prompt_tokens,completion_tokens,cost,"
        "queue_ms,prefill_ms,decode_ms,total_ms,ttft_ms,itl_p50_ms,itl_p95_ms,session,kind,words,"
        "leaf,end_leaf\r\n";

/* Quoted where RFC 4180 wants it. A value that a spreadsheet would take for a formula gets an
 * apostrophe in front: names of keys and models are chosen by users. */
static void csv_text(struct wt_buf *out, struct wt_bytes b)
{
        const char *p = (const char *)b.data;

        wt_buf_str(out, ",");
        if (b.len == 0)
                return;
        wt_buf_str(out, "\"");
        if (strchr("=+-@\t\r", p[0]) != NULL)
                wt_buf_str(out, "'");
        for (uint32_t i = 0; i < b.len; i++) {
                if (p[i] == '"')
                        wt_buf_str(out, "\"");
                wt_buf_add(out, p + i, 1);
        }
        wt_buf_str(out, "\"");
}

static void csv_hex(struct wt_buf *out, struct wt_bytes b)
{
        char hex[65] = "";

        if (b.len <= 32)
                wt_hex(b.data, b.len, hex);
        wt_buf_fmt(out, ",%s", hex);
}

static void csv_number(struct wt_buf *out, uint64_t v)
{
        wt_buf_fmt(out, ",%llu", (unsigned long long)v);
}

static void csv_ms(struct wt_buf *out, uint64_t us)
{
        wt_buf_fmt(out, ",%llu.%03u", (unsigned long long)(us / 1000), (unsigned)(us % 1000));
}

static void csv_about(const struct wt_audit_view *v, struct wt_buf *out)
{
        char id[37] = "", time[32];

        if (v->first.request.len == 16)
                wt_uuid_text(v->first.request.data, id);
        wt_audit_time_text(v->first.time_us, time);
        wt_buf_fmt(out, "%s,%s", id, time);
        csv_text(out, EITHER(v, tenant));
        csv_text(out, EITHER(v, team));
        csv_text(out, EITHER(v, actor));
        csv_text(out, EITHER(v, key_id));
        csv_text(out, EITHER(v, source));
        csv_text(out, EITHER(v, door));
        csv_text(out, EITHER(v, action));
        csv_text(out, EITHER(v, model));
        csv_hex(out, EITHER(v, revision));
        csv_text(out, EITHER(v, arm));
        csv_text(out, EITHER(v, policy));
        csv_number(out, LATER(v, attempt));
}

void wt_audit_view_csv(const struct wt_audit_view *v, struct wt_buf *out)
{
        csv_about(v, out);
        csv_text(out, WT_STR(wt_audit_view_outcome(v)));
        csv_number(out, LATER(v, status));
        csv_text(out, EITHER(v, code));
        csv_text(out, EITHER(v, finish_reason));
        csv_number(out, LATER(v, prompt_tokens));
        csv_number(out, LATER(v, completion_tokens));
        wt_buf_fmt(out, ",%llu.%09u", (unsigned long long)(LATER(v, cost_nano) / 1000000000),
                   (unsigned)(LATER(v, cost_nano) % 1000000000));
        csv_ms(out, LATER(v, queue_us));
        csv_ms(out, LATER(v, prefill_us));
        csv_ms(out, LATER(v, decode_us));
        csv_ms(out, LATER(v, total_us));
        csv_ms(out, LATER(v, ttft_us));
        csv_ms(out, LATER(v, itl_p50_us));
        csv_ms(out, LATER(v, itl_p95_us));
        csv_hex(out, EITHER(v, session));
        csv_text(out, v->first.kind == WT_AUDIT_NOTE ? WT_STR("note") : EITHER(v, cause));
        csv_text(out, EITHER(v, words));
        csv_number(out, v->leaf);
        if (v->has_end)
                csv_number(out, v->end_leaf);
        else
                wt_buf_str(out, ",");
        wt_buf_str(out, "\r\n");
}
