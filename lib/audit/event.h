/* event.h - an audit event as a C struct and its one encoding (proto/witan/v1/audit.proto). The
 * encoding is canonical: fields ascending, absent (zero, empty) ones left out. It is what the
 * spool carries, what the store keeps, and the leaf of the Merkle log. */
#ifndef WITAN_AUDIT_EVENT_H
#define WITAN_AUDIT_EVENT_H
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "wire/wire.h"

enum wt_audit_kind { WT_AUDIT_INTENT = 1, WT_AUDIT_OUTCOME = 2, WT_AUDIT_INTERRUPTED = 3,
                     WT_AUDIT_MARK = 4, WT_AUDIT_NOTE = 5 };
enum { WT_AUDIT_MOST = 5 << 20 };                /* bytes of an encoded event */

struct wt_verdict { struct wt_bytes policy, rule, type, action, direction; uint32_t start, end; };
/* As in audit.proto, in its order. Bytes and strings are lent. */
struct wt_audit_event {
        uint32_t kind;
        struct wt_bytes request; uint64_t time_us;
        struct wt_bytes gateway, tenant, actor, key_id, door, action, model, revision, arm, policy;
        uint32_t attempt;
        struct wt_bytes outcome; uint32_t status; struct wt_bytes finish_reason;
        uint64_t prompt_tokens, completion_tokens;
        uint64_t queue_us, prefill_us, decode_us, total_us, ttft_us, itl_p50_us, itl_p95_us;
        struct wt_bytes session, cause;
        struct wt_verdict *verdicts; uint32_t n_verdicts;
        struct wt_bytes prompt_hash, answer_hash, subject, sealed;
        uint64_t cost_nano;
        struct wt_bytes source, code; uint64_t count, since_us; struct wt_bytes words, team;
};
/* Appends to out. WT_EINVAL: a limit of the .proto is broken, a string is no UTF-8. */
wt_err wt_audit_encode(const struct wt_audit_event *e, struct wt_buf *out);
/* What e points to lies in a. WT_EDATA in words; an encoding that is not canonical is refused. */
wt_err wt_audit_decode(struct wt_audit_event *e, const void *data, size_t len, struct wt_arena *a);
struct wire_desc;
extern const struct wire_desc wt_audit_desc;     /* the rows of audit.proto (wire/table.h) */
const char *wt_audit_kind_name(uint32_t kind);   /* "intent", ... */
/* Days since 1970 of a UUIDv7: what the tables are cut by. All events of a request share it. */
int64_t wt_audit_day(const uint8_t request[16]);
#endif
