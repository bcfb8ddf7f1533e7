/* table.c - every message of proto/witan/v1 as rows; numbers and limits are those of the .proto. */
#include "wire/table.h"

#define ANY UINT32_MAX
#define ONE(num, T, type, member, lim)                                                          \
        { num, type, WIRE_ONE, offsetof(struct T, member), 0, lim, 0, NULL, #member }
#define ARR(num, T, type, how, member, lim, count)                                              \
        { num, type, how, offsetof(struct T, member), offsetof(struct T, n_##member), lim, count, \
          NULL, #member }
#define MSGS(num, T, how, member, count, desc)                                                  \
        { num, WIRE_MSG, how, offsetof(struct T, member), offsetof(struct T, n_##member), 0,    \
          count, desc, #member }
#define DESC(var, text, T, rows)                                                                \
        static const struct wire_desc var = { text, sizeof(struct T),                           \
                                              sizeof rows / sizeof *rows, rows }

static const struct wire_field tensor_rows[] = {
        ONE(1, wt_tensor, WIRE_U32, dtype, ANY),
        { 2, WIRE_U32, WIRE_INLINE, offsetof(struct wt_tensor, shape),
          offsetof(struct wt_tensor, n_dim), ANY, 3, NULL, "shape" },
};
DESC(tensor_desc, "tensor", wt_tensor, tensor_rows);

static const struct wire_field envelope_rows[] = {
        ONE(1, wt_envelope, WIRE_U32, version, ANY),
        ONE(2, wt_envelope, WIRE_U64, call_id, ANY),
        ONE(3, wt_envelope, WIRE_U32, method, ANY),
        ONE(4, wt_envelope, WIRE_U64, deadline_us, ANY),
        ONE(5, wt_envelope, WIRE_U32, status, 16),
        ONE(6, wt_envelope, WIRE_STR, message, 1024),
        ONE(7, wt_envelope, WIRE_STR, traceparent, 55),
        ONE(8, wt_envelope, WIRE_U64, epoch, ANY),
        ONE(9, wt_envelope, WIRE_U32, part, 4095),
        ONE(10, wt_envelope, WIRE_U32, parts, 4096),
        MSGS(11, wt_envelope, WIRE_INLINE, tensors, WT_MAX_TENSORS, &tensor_desc),
};
const struct wire_desc wire_envelope = { "envelope", sizeof(struct wt_envelope),
        sizeof envelope_rows / sizeof *envelope_rows, envelope_rows };

static const struct wire_field hello_rows[] = {
        ONE(1, wt_hello, WIRE_STR, role, 16),
        ONE(2, wt_hello, WIRE_STR, name, 64),
        ONE(3, wt_hello, WIRE_STR, profile, 64),
        ONE(4, wt_hello, WIRE_BYTES, config, 32),
        ONE(5, wt_hello, WIRE_U64, credit_rows, ANY),
        ONE(6, wt_hello, WIRE_U64, credit_bytes, ANY),
        ONE(7, wt_hello, WIRE_U64, incarnation, ANY),
};
static const struct wire_field welcome_rows[] = {
        ONE(1, wt_welcome, WIRE_U64, epoch, ANY),
        ONE(2, wt_welcome, WIRE_STR, profile, 64),
        ONE(3, wt_welcome, WIRE_BYTES, revision, 32),
        ONE(4, wt_welcome, WIRE_U32, max_context, ANY),
        ONE(5, wt_welcome, WIRE_U32, vocab, ANY),
        ONE(6, wt_welcome, WIRE_U64, kv_pages, ANY),
        ONE(7, wt_welcome, WIRE_U32, max_waiting, ANY),
        ONE(8, wt_welcome, WIRE_STR, model, 256),
        ONE(9, wt_welcome, WIRE_U32, max_seqs, ANY),
        ONE(10, wt_welcome, WIRE_U32, missing, ANY),
};
static const struct wire_field ping_rows[] = { ONE(1, wt_ping, WIRE_U64, stamp, ANY) };
static const struct wire_field bye_rows[] = { ONE(1, wt_bye, WIRE_STR, reason, 256) };
static const struct wire_field assign_rows[] = {
        ONE(1, wt_assign, WIRE_U32, layer, ANY),
        ONE(2, wt_assign, WIRE_U32, expert, ANY),
        ONE(3, wt_assign, WIRE_BYTES, variant, 32),
};
static const struct wire_field push_rows[] = {
        ONE(1, wt_push, WIRE_U64, plan_version, ANY),
        ONE(2, wt_push, WIRE_U64, policy_version, ANY),
        ONE(3, wt_push, WIRE_STR, key_revoked, 64),
        ONE(4, wt_push, WIRE_BOOL, draining, 1),
        ONE(5, wt_push, WIRE_U32, missing, ANY),
};
static const struct wire_field ref_rows[] = {
        ONE(1, wt_expert_ref, WIRE_U32, expert, ANY),
        ONE(2, wt_expert_ref, WIRE_BYTES, variant, 32),
};
DESC(ref_desc, "expert_ref", wt_expert_ref, ref_rows);
static const struct wire_field call_rows[] = {
        ONE(1, wt_expert_call, WIRE_STR, profile, 64),
        ONE(2, wt_expert_call, WIRE_U32, layer, ANY),
        ONE(3, wt_expert_call, WIRE_U32, slot_base, ANY),
        MSGS(4, wt_expert_call, WIRE_MANY, experts, 1024, &ref_desc),
        ARR(5, wt_expert_call, WIRE_BYTES, WIRE_MANY, adapters, 32, 64),
};
static const struct wire_field reply_rows[] = {
        ONE(1, wt_expert_reply, WIRE_U32, layer, ANY),
        ONE(2, wt_expert_reply, WIRE_U64, compute_us, ANY),
        ARR(3, wt_expert_reply, WIRE_U32, WIRE_MANY, bad_slots, ANY, 4096),
};
static const struct wire_field expert_cancel_rows[] = {
        ONE(1, wt_expert_cancel, WIRE_U64, call_id, ANY),
};
static const struct wire_field bias_rows[] = {
        ONE(1, wt_bias_msg, WIRE_U32, id, ANY),
        ONE(2, wt_bias_msg, WIRE_FLOAT, value, ANY),
};
DESC(bias_desc, "bias", wt_bias_msg, bias_rows);
static const struct wire_field submit_rows[] = {
        ONE(1, wt_submit, WIRE_BYTES, request, 16),
        ONE(2, wt_submit, WIRE_U32, attempt, ANY),
        ONE(3, wt_submit, WIRE_U32, choice, ANY),
        ONE(4, wt_submit, WIRE_U32, prompt_index, ANY),
        ONE(5, wt_submit, WIRE_BYTES, revision, 32),
        ONE(6, wt_submit, WIRE_STR, profile, 64),
        ONE(7, wt_submit, WIRE_U32, max_tokens, ANY),
        ONE(8, wt_submit, WIRE_FLOAT, temperature, ANY),
        ONE(9, wt_submit, WIRE_FLOAT, top_p, ANY),
        ONE(10, wt_submit, WIRE_U32, top_k, ANY),
        ONE(11, wt_submit, WIRE_FIXED64, seed, ANY),
        ONE(12, wt_submit, WIRE_BOOL, ignore_eos, 1),
        ARR(13, wt_submit, WIRE_U32, WIRE_MANY, eos, ANY, 16),
        ONE(14, wt_submit, WIRE_U32, n_top, 20),
        ONE(15, wt_submit, WIRE_BOOL, logprobs, 1),
        ONE(16, wt_submit, WIRE_BOOL, prompt_logprobs, 1),
        ONE(17, wt_submit, WIRE_U32, valid_vocab, ANY),
        ONE(18, wt_submit, WIRE_BYTES, cache_salt, 64),
        ONE(19, wt_submit, WIRE_BOOL, logits_digest, 1),
        ONE(20, wt_submit, WIRE_FLOAT, min_p, ANY),
        ONE(21, wt_submit, WIRE_FLOAT, repetition_penalty, ANY),
        ONE(22, wt_submit, WIRE_FLOAT, frequency_penalty, ANY),
        ONE(23, wt_submit, WIRE_FLOAT, presence_penalty, ANY),
        MSGS(24, wt_submit, WIRE_MANY, bias, 1024, &bias_desc),
        ONE(25, wt_submit, WIRE_U32, min_tokens, ANY),
};
static const struct wire_field cancel_rows[] = {
        ONE(1, wt_cancel, WIRE_BYTES, request, 16),
        ONE(2, wt_cancel, WIRE_U32, attempt, ANY),
        ONE(3, wt_cancel, WIRE_U32, choice, ANY),
        ONE(4, wt_cancel, WIRE_U32, prompt_index, ANY),
};
static const struct wire_field event_rows[] = {
        ONE(1, wt_event_msg, WIRE_BYTES, request, 16),
        ONE(2, wt_event_msg, WIRE_U32, attempt, ANY),
        ONE(3, wt_event_msg, WIRE_U32, choice, ANY),
        ONE(4, wt_event_msg, WIRE_U32, prompt_index, ANY),
        ONE(5, wt_event_msg, WIRE_U32, position, ANY),
        ARR(6, wt_event_msg, WIRE_I32, WIRE_PACKED, ids, ANY, 1 << 20),
        ARR(7, wt_event_msg, WIRE_DOUBLE, WIRE_PACKED, logprobs, ANY, 1 << 20),
        ARR(8, wt_event_msg, WIRE_I32, WIRE_PACKED, top_ids, ANY, 20 << 20),
        ARR(9, wt_event_msg, WIRE_DOUBLE, WIRE_PACKED, top_logprobs, ANY, 20 << 20),
        ONE(10, wt_event_msg, WIRE_BOOL, of_prompt, 1),
        ONE(11, wt_event_msg, WIRE_U32, finish, WT_HANDED_BACK),
        ONE(12, wt_event_msg, WIRE_U32, status, 16),
        ONE(13, wt_event_msg, WIRE_STR, message, 1024),
        ONE(14, wt_event_msg, WIRE_U64, queue_us, ANY),
        ONE(15, wt_event_msg, WIRE_U64, prefill_us, ANY),
        ONE(16, wt_event_msg, WIRE_U64, decode_us, ANY),
        ONE(17, wt_event_msg, WIRE_BYTES, logits_digest, 32),
};
DESC(event_desc, "event", wt_event_msg, event_rows);
static const struct wire_field events_rows[] = {
        MSGS(1, wt_events, WIRE_MANY, events, 4096, &event_desc),
};

static const struct wire_field metadata_rows[] = {
        ONE(1, wt_metadata, WIRE_STR, key, 64),
        ONE(2, wt_metadata, WIRE_STR, value, 8192),
};
DESC(metadata_desc, "metadata", wt_metadata, metadata_rows);
static const struct wire_field rpc_call_rows[] = {
        ONE(1, wt_rpc_call, WIRE_STR, path, 128),
        MSGS(2, wt_rpc_call, WIRE_MANY, metadata, 32, &metadata_desc),
        ONE(3, wt_rpc_call, WIRE_BYTES, body, 8 << 20),
        ONE(4, wt_rpc_call, WIRE_U64, timeout_us, ANY),
        ONE(5, wt_rpc_call, WIRE_U32, credit, ANY),
};
static const struct wire_field rpc_data_rows[] = {
        ONE(1, wt_rpc_data, WIRE_U64, seq, ANY),
        ONE(2, wt_rpc_data, WIRE_BYTES, body, 8 << 20),
};
static const struct wire_field rpc_end_rows[] = {
        MSGS(1, wt_rpc_end, WIRE_MANY, metadata, 32, &metadata_desc),
        ONE(2, wt_rpc_end, WIRE_BYTES, body, 8 << 20),
        ONE(3, wt_rpc_end, WIRE_U64, messages, ANY),
};
static const struct wire_field rpc_credit_rows[] = {
        ONE(1, wt_rpc_credit, WIRE_U32, messages, ANY),
};
static const struct wire_field rpc_cancel_rows[] = {
        ONE(1, wt_rpc_cancel, WIRE_U32, reason, ANY),
};

#define BODY(text, T, rows) { text, sizeof(struct T), sizeof rows / sizeof *rows, rows }
static const struct { uint32_t method; struct wire_desc desc; } bodies[] = {
        { WT_M_HELLO, BODY("hello", wt_hello, hello_rows) },
        { WT_M_WELCOME, BODY("welcome", wt_welcome, welcome_rows) },
        { WT_M_PING, BODY("ping", wt_ping, ping_rows) },
        { WT_M_BYE, BODY("bye", wt_bye, bye_rows) },
        { WT_M_ASSIGN, BODY("assign", wt_assign, assign_rows) },
        { WT_M_UNASSIGN, BODY("unassign", wt_assign, assign_rows) },
        { WT_M_PUSH, BODY("push", wt_push, push_rows) },
        { WT_M_EXPERT_CALL, BODY("expert_call", wt_expert_call, call_rows) },
        { WT_M_EXPERT_REPLY, BODY("expert_reply", wt_expert_reply, reply_rows) },
        { WT_M_EXPERT_CANCEL, BODY("expert_cancel", wt_expert_cancel, expert_cancel_rows) },
        { WT_M_SUBMIT, BODY("submit", wt_submit, submit_rows) },
        { WT_M_CANCEL, BODY("cancel", wt_cancel, cancel_rows) },
        { WT_M_EVENTS, BODY("events", wt_events, events_rows) },
        { WT_M_RPC_CALL, BODY("rpc_call", wt_rpc_call, rpc_call_rows) },
        { WT_M_RPC_DATA, BODY("rpc_data", wt_rpc_data, rpc_data_rows) },
        { WT_M_RPC_END, BODY("rpc_end", wt_rpc_end, rpc_end_rows) },
        { WT_M_RPC_CREDIT, BODY("rpc_credit", wt_rpc_credit, rpc_credit_rows) },
        { WT_M_RPC_CANCEL, BODY("rpc_cancel", wt_rpc_cancel, rpc_cancel_rows) },
};

const struct wire_desc *wire_body(uint32_t method)
{
        for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
                if (bodies[i].method == method)
                        return &bodies[i].desc;
        return NULL;
}

const char *wt_method_name(uint32_t method)
{
        const struct wire_desc *d = wire_body(method);

        return d ? d->name : "unknown";
}

size_t wire_item_bytes(const struct wire_field *f)
{
        switch (f->type) {
        case WIRE_U64: case WIRE_DOUBLE: case WIRE_FIXED64: return 8;
        case WIRE_BOOL:                                     return sizeof(bool);
        case WIRE_BYTES: case WIRE_STR:                     return sizeof(struct wt_bytes);
        case WIRE_MSG:                                      return f->sub->size;
        default:                                            return 4;
        }
}

uint32_t wire_form(const struct wire_field *f)
{
        switch (f->type) {
        case WIRE_FLOAT:                                return 5;
        case WIRE_DOUBLE: case WIRE_FIXED64:            return 1;
        case WIRE_BYTES: case WIRE_STR: case WIRE_MSG:  return 2;
        default:                                        return 0;
        }
}

bool wt_tensor_bytes(const struct wt_tensor *t, size_t *bytes)
{
        uint64_t n;

        switch (t->dtype) {
        case WT_F32: case WT_I32: case WT_U32: n = 4; break;
        case WT_BF16: case WT_F16:             n = 2; break;
        case WT_U8:                            n = 1; break;
        default:                               return false;
        }
        if (t->n_dim > 3)
                return false;
        for (uint32_t i = 0; i < t->n_dim; i++)
                if (__builtin_mul_overflow(n, (uint64_t)t->shape[i], &n))
                        return false;
        if (n > SIZE_MAX)
                return false;
        *bytes = (size_t)n;
        return true;
}

/* One value: its length if it has one, else its size as a number. */
static wt_err item_limit(wt_err code, const struct wire_desc *d, const struct wire_field *f,
                         const char *at)
{
        struct wt_bytes b;
        uint32_t v;

        if (f->type == WIRE_U32 && f->limit != ANY) {
                memcpy(&v, at, sizeof v);
                if (v > f->limit)
                        return wt_fail(code, "%s.%s is %u, the most is %u", d->name, f->name, v,
                                       f->limit);
        }
        if (f->type != WIRE_BYTES && f->type != WIRE_STR)
                return WT_OK;
        memcpy(&b, at, sizeof b);
        if (b.len > f->limit)
                return wt_fail(code, "%s.%s has %u bytes, the most is %u", d->name, f->name, b.len,
                               f->limit);
        if (b.len && !b.data)
                return wt_fail(code, "%s.%s has %u bytes at NULL", d->name, f->name, b.len);
        if (f->type == WIRE_STR && b.len && memchr(b.data, 0, b.len))
                return wt_fail(code, "%s.%s holds a NUL byte", d->name, f->name);
        return WT_OK;
}

wt_err wire_limits(wt_err code, const struct wire_desc *d, const char *base)
{
        for (uint32_t i = 0; i < d->n_fields; i++) {
                const struct wire_field *f = &d->fields[i];
                const char *at = base + f->off;
                uint32_t n = 1;
                wt_err err;

                if (f->how != WIRE_ONE) {
                        n = wire_count(f, base);
                        if (n > f->max_count)
                                return wt_fail(code, "%s.%s has %u entries, the most is %u",
                                               d->name, f->name, n, f->max_count);
                        at = wire_array(f, base);
                        if (n && !at)
                                return wt_fail(code, "%s.%s has %u entries at NULL", d->name,
                                               f->name, n);
                        if (f->type != WIRE_BYTES)
                                continue;        /* numbers and messages: none of their own */
                }
                for (uint32_t k = 0; k < n; k++)
                        if ((err = item_limit(code, d, f, at + k * wire_item_bytes(f))) != WT_OK)
                                return err;
        }
        return WT_OK;
}

wt_err wire_envelope_limits(wt_err code, const struct wt_envelope *e)
{
        uint32_t parts = e->parts ? e->parts : 1;
        size_t bytes;

        if (e->version != WT_WIRE_VERSION)
                return wt_fail(code, "envelope of wire version %u, this program speaks %d",
                               e->version, WT_WIRE_VERSION);
        if (e->part >= parts)
                return wt_fail(code, "envelope is part %u of %u", e->part, parts);
        for (uint32_t i = 0; i < e->n_tensors; i++)
                if (!wt_tensor_bytes(&e->tensors[i], &bytes) || bytes > WT_MAX_FRAME)
                        return wt_fail(code, "tensor %u: dtype %u with %u dimensions makes no "
                                       "frame of at most %d bytes", i, e->tensors[i].dtype,
                                       e->tensors[i].n_dim, WT_MAX_FRAME);
        return WT_OK;
}
