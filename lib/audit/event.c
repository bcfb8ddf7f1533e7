/* event.c - see event.h: the rows of audit.proto, what binds its fields, and kinds and days. */
#include "audit/event.h"
#include "base/utf8.h"
#include "wire/table.h"

#define ANY UINT32_MAX
#define ROW(num, T, type, member, lim)                                                          \
        { num, type, WIRE_ONE, offsetof(struct T, member), 0, lim, 0, NULL, #member }
#define E(num, type, member, lim) ROW(num, wt_audit_event, type, member, lim)
#define V(num, type, member, lim) ROW(num, wt_verdict, type, member, lim)

static const struct wire_field verdict_rows[] = {
        V(1, WIRE_BYTES, policy, 32),
        V(2, WIRE_STR, rule, 64),
        V(3, WIRE_STR, type, 64),
        V(4, WIRE_STR, action, 16),
        V(5, WIRE_STR, direction, 3),
        V(6, WIRE_U32, start, ANY),
        V(7, WIRE_U32, end, ANY),
};
static const struct wire_desc verdict_desc = {
        "verdict", sizeof(struct wt_verdict), sizeof verdict_rows / sizeof *verdict_rows,
        verdict_rows };

static const struct wire_field event_rows[] = {
        E(1, WIRE_U32, kind, WT_AUDIT_NOTE),
        E(2, WIRE_BYTES, request, 16),
        E(3, WIRE_U64, time_us, ANY),
        E(4, WIRE_STR, gateway, 64),
        E(5, WIRE_STR, tenant, 64),
        E(6, WIRE_STR, actor, 128),
        E(7, WIRE_STR, key_id, 64),
        E(8, WIRE_STR, door, 64),
        E(9, WIRE_STR, action, 64),
        E(10, WIRE_STR, model, 256),
        E(11, WIRE_BYTES, revision, 32),
        E(12, WIRE_STR, arm, 64),
        E(13, WIRE_STR, policy, 64),
        E(14, WIRE_U32, attempt, ANY),
        E(15, WIRE_STR, outcome, 16),
        E(16, WIRE_U32, status, ANY),
        E(17, WIRE_STR, finish_reason, 32),
        E(18, WIRE_U64, prompt_tokens, ANY),
        E(19, WIRE_U64, completion_tokens, ANY),
        E(20, WIRE_U64, queue_us, ANY),
        E(21, WIRE_U64, prefill_us, ANY),
        E(22, WIRE_U64, decode_us, ANY),
        E(23, WIRE_U64, total_us, ANY),
        E(24, WIRE_U64, ttft_us, ANY),
        E(25, WIRE_U64, itl_p50_us, ANY),
        E(26, WIRE_U64, itl_p95_us, ANY),
        E(27, WIRE_BYTES, session, 32),
        E(28, WIRE_STR, cause, 16),
        { 29, WIRE_MSG, WIRE_MANY, offsetof(struct wt_audit_event, verdicts),
          offsetof(struct wt_audit_event, n_verdicts), 0, 1024, &verdict_desc, "verdicts" },
        E(30, WIRE_BYTES, prompt_hash, 32),
        E(31, WIRE_BYTES, answer_hash, 32),
        E(32, WIRE_BYTES, subject, 16),
        E(33, WIRE_BYTES, sealed, 4 << 20),
        E(34, WIRE_U64, cost_nano, ANY),
        E(35, WIRE_STR, source, 64),
        E(36, WIRE_STR, code, 64),
        E(37, WIRE_U64, count, ANY),
        E(38, WIRE_U64, since_us, ANY),
        E(39, WIRE_STR, words, 1024),
        E(40, WIRE_STR, team, 64),
};
const struct wire_desc wt_audit_desc = {
        "event", sizeof(struct wt_audit_event), sizeof event_rows / sizeof *event_rows,
        event_rows };

/* Databases take no other text, and a row that one refuses is a row that nobody finds. */
static wt_err check_text(wt_err code, const struct wire_desc *d, const char *base)
{
        for (uint32_t i = 0; i < d->n_fields; i++) {
                const struct wire_field *f = &d->fields[i];
                struct wt_bytes b;

                if (f->type != WIRE_STR)
                        continue;
                memcpy(&b, base + f->off, sizeof b);
                for (uint32_t at = 0, n; at < b.len; at += n) {
                        n = (uint32_t)wt_utf8((const char *)b.data + at, b.len - at);
                        if (n == 0)
                                return wt_fail(code, "%s.%s is no UTF-8 at byte %u", d->name,
                                               f->name, at);
                }
        }
        return WT_OK;
}

static bool whole(const struct wt_bytes *b, uint32_t bytes)
{
        return b->len == 0 || b->len == bytes;
}

/* What a length limit cannot say. */
static wt_err check(wt_err code, const struct wt_audit_event *e)
{
        wt_err err;

        if (e->kind < WT_AUDIT_INTENT || e->kind > WT_AUDIT_NOTE)
                return wt_fail(code, "event.kind is %u; 1 to %d are known", e->kind,
                               WT_AUDIT_NOTE);
        if (e->request.len != 16)
                return wt_fail(code, "event.request has %u bytes, not 16", e->request.len);
        if (!whole(&e->revision, 32) || !whole(&e->session, 32) || !whole(&e->prompt_hash, 32) ||
            !whole(&e->answer_hash, 32) || !whole(&e->subject, 16))
                return wt_fail(code, "event: a digest or the subject is cut short");
        if ((err = check_text(code, &wt_audit_desc, (const char *)e)) != WT_OK)
                return err;
        for (uint32_t i = 0; i < e->n_verdicts; i++) {
                if (!whole(&e->verdicts[i].policy, 32))
                        return wt_fail(code, "event.verdicts[%u].policy is cut short", i);
                if ((err = check_text(code, &verdict_desc, (const char *)&e->verdicts[i])) !=
                    WT_OK)
                        return err;
        }
        return WT_OK;
}

wt_err wt_audit_encode(const struct wt_audit_event *e, struct wt_buf *out)
{
        size_t begin = out->len;
        wt_err err = wire_encode_one(&wt_audit_desc, e, WT_AUDIT_MOST, out);

        /* After the limits: only now are the lengths known to be lengths of something. */
        if (err == WT_OK && (err = check(WT_EINVAL, e)) != WT_OK)
                out->data[out->len = begin] = '\0';
        return err;
}

wt_err wt_audit_decode(struct wt_audit_event *e, const void *data, size_t len, struct wt_arena *a)
{
        struct wt_audit_event got;
        struct wt_buf again = { 0 };
        wt_err err;

        if (len > WT_AUDIT_MOST)
                return wt_fail(WT_EDATA, "event of %zu bytes, the most is %d", len, WT_AUDIT_MOST);
        if ((err = wire_decode_one(&wt_audit_desc, &got, data, len, a)) != WT_OK ||
            (err = check(WT_EDATA, &got)) != WT_OK)
                return err;
        err = wire_encode_one(&wt_audit_desc, &got, WT_AUDIT_MOST, &again);
        if (err == WT_OK && (again.len != len || memcmp(again.data, data, len) != 0))
                err = wt_fail(WT_EDATA, "event is not in its one encoding: a field is unknown, "
                              "out of order, twice, or written though it is empty");
        wt_buf_free(&again);
        if (err == WT_OK)
                *e = got;
        return err;
}

const char *wt_audit_kind_name(uint32_t kind)
{
        static const char *const names[] = { "unknown", "intent", "outcome", "interrupted",
                                             "mark", "note" };

        return names[kind <= WT_AUDIT_NOTE ? kind : 0];
}

int64_t wt_audit_day(const uint8_t request[16])
{
        uint64_t ms = 0;

        for (int i = 0; i < 6; i++)
                ms = ms << 8 | request[i];
        return (int64_t)(ms / 86400000);
}
