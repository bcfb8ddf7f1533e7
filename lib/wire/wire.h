/* wire.h - what crosses the bus, as C structs, and its protobuf encoding (proto/witan/v1).
 * A message is an envelope, one body and up to 8 raw tensor frames. The codec is table driven,
 * works in the message's arena, allocates nothing of its own, does not recurse, and checks every
 * limit that proto/ states while it reads: a count or a length is compared before memory is
 * taken for it. (Own code instead of protobuf-c, because that one allocates per field on the hot
 * path, has no count limits and recurses; protobuf-c is the oracle of the tests.) The in-process
 * transport passes these structs as they are and needs no codec. */
#ifndef WITAN_WIRE_WIRE_H
#define WITAN_WIRE_WIRE_H
#include <stdbool.h>
#include <string.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum { WT_WIRE_VERSION = 1, WT_MAX_TENSORS = 8, WT_MAX_ENVELOPE = 16 << 20,
       WT_MAX_FRAME = 256 << 20, WT_PART_BYTES = 256 << 10 };

enum wt_method {
        WT_M_HELLO = 16, WT_M_WELCOME = 17, WT_M_PING = 18, WT_M_BYE = 19, WT_M_ASSIGN = 20,
        WT_M_UNASSIGN = 21, WT_M_PUSH = 22, WT_M_EXPERT_CALL = 32, WT_M_EXPERT_REPLY = 33,
        WT_M_EXPERT_CANCEL = 34, WT_M_SUBMIT = 48, WT_M_CANCEL = 49, WT_M_EVENTS = 50,
        WT_M_RPC_CALL = 64, WT_M_RPC_DATA = 65, WT_M_RPC_END = 66, WT_M_RPC_CREDIT = 67,
        WT_M_RPC_CANCEL = 68
};

/* Bytes and strings: data is lent by whoever built the message; after decoding it lies in the
 * message's arena. Strings are NUL-ended after decoding; an absent one is {"", 0}. */
struct wt_bytes { const uint8_t *data; uint32_t len; };
#define WT_STR(s) ((struct wt_bytes){ (const uint8_t *)(s), (uint32_t)strlen(s) })
#define WT_BYTES(p, n) ((struct wt_bytes){ (const uint8_t *)(p), (uint32_t)(n) })
static inline bool wt_bytes_same(struct wt_bytes a, struct wt_bytes b)
{
        return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

struct wt_tensor { uint32_t dtype, n_dim, shape[3]; };

struct wt_hello { struct wt_bytes role, name, profile, config;
                  uint64_t credit_rows, credit_bytes, incarnation; };
struct wt_held { uint32_t layer, expert; uint8_t variant[32]; };        /* a row of tensor 0 */
struct wt_welcome { uint64_t epoch; struct wt_bytes profile, revision; uint32_t max_context, vocab;
                    uint64_t kv_pages; uint32_t max_waiting; struct wt_bytes model;
                    uint32_t max_seqs, missing; };
struct wt_ping { uint64_t stamp; };
struct wt_bye { struct wt_bytes reason; };
struct wt_assign { uint32_t layer, expert; struct wt_bytes variant; };  /* also Unassign */
struct wt_push { uint64_t plan_version, policy_version; struct wt_bytes key_revoked;
                 bool draining; uint32_t missing; };

struct wt_expert_ref { uint32_t expert; struct wt_bytes variant; };
struct wt_expert_call { struct wt_bytes profile; uint32_t layer, slot_base;
                        struct wt_expert_ref *experts; uint32_t n_experts;
                        struct wt_bytes *adapters; uint32_t n_adapters; };
struct wt_expert_reply { uint32_t layer; uint64_t compute_us;
                         uint32_t *bad_slots; uint32_t n_bad_slots; };
struct wt_expert_cancel { uint64_t call_id; };
struct wt_pick { uint32_t row, expert, depth; float weight; };          /* a row of tensor 1 */

struct wt_bias_msg { uint32_t id; float value; };
struct wt_submit {
        struct wt_bytes request; uint32_t attempt, choice, prompt_index;
        struct wt_bytes revision, profile;
        uint32_t max_tokens; float temperature, top_p; uint32_t top_k; uint64_t seed;
        bool ignore_eos; uint32_t *eos; uint32_t n_eos;
        uint32_t n_top; bool logprobs, prompt_logprobs; uint32_t valid_vocab;
        struct wt_bytes cache_salt; bool logits_digest;
        float min_p, repetition_penalty, frequency_penalty, presence_penalty;
        struct wt_bias_msg *bias; uint32_t n_bias;
        uint32_t min_tokens;
};
struct wt_cancel { struct wt_bytes request; uint32_t attempt, choice, prompt_index; };

enum wt_finish { WT_RUNNING, WT_STOP, WT_LENGTH, WT_CANCELLED, WT_FAILED, WT_HANDED_BACK };
struct wt_event_msg {
        struct wt_bytes request; uint32_t attempt, choice, prompt_index, position;
        int32_t *ids; uint32_t n_ids; double *logprobs; uint32_t n_logprobs;
        int32_t *top_ids; uint32_t n_top_ids; double *top_logprobs; uint32_t n_top_logprobs;
        bool of_prompt; uint32_t finish, status; struct wt_bytes message;
        uint64_t queue_us, prefill_us, decode_us; struct wt_bytes logits_digest;
};
struct wt_events { struct wt_event_msg *events; uint32_t n_events; };

struct wt_metadata { struct wt_bytes key, value; };
struct wt_rpc_call { struct wt_bytes path; struct wt_metadata *metadata; uint32_t n_metadata;
                     struct wt_bytes body; uint64_t timeout_us; uint32_t credit; };
struct wt_rpc_data { uint64_t seq; struct wt_bytes body; };
struct wt_rpc_end { struct wt_metadata *metadata; uint32_t n_metadata; struct wt_bytes body;
                    uint64_t messages; };
struct wt_rpc_credit { uint32_t messages; };
struct wt_rpc_cancel { uint32_t reason; };

struct wt_envelope {
        uint32_t version; uint64_t call_id; uint32_t method; uint64_t deadline_us;
        uint32_t status; struct wt_bytes message, traceparent; uint64_t epoch;
        uint32_t part, parts;
        struct wt_tensor tensors[WT_MAX_TENSORS]; uint32_t n_tensors;
        void *body;                              /* the struct of method; NULL: none (a bare status:
                                                  * welcome, expert_reply and events alone), or a
                                                  * method that this program does not know */
};

/* Appends the encoding of e and its body to out. WT_EINVAL when a limit of proto/ is broken. */
wt_err wt_wire_encode(const struct wt_envelope *e, struct wt_buf *out);
/* Reads one envelope. Borrows data only during the call; what e points to lies in a.
 * WT_EDATA in words: truncated, unknown wire type, limit, body that does not match method, a tensor
 * whose shape overflows. WT_ENOMEM. Unknown fields are skipped (at most 64). */
wt_err wt_wire_decode(struct wt_envelope *e, const void *data, size_t len, struct wt_arena *a);
/* Of what does not decode: the call that it speaks of, for whoever answers all the same. Reads the
 * envelope's own fields as far as they are whole, 64 at most. False: there is none in front of what
 * is wrong. */
bool wt_wire_call_id(const void *data, size_t len, uint64_t *call_id);
/* The same without bytes between, for transports that pass structs: copies all that e points to
 * into a, so that e no longer borrows from whoever built it. WT_EINVAL as by encoding; e is left
 * alone. */
wt_err wt_wire_own(struct wt_envelope *e, struct wt_arena *a);
/* Bytes a tensor's frame must have; false: unknown dtype, more than 3 dimensions, overflow. */
bool wt_tensor_bytes(const struct wt_tensor *t, size_t *bytes);
/* A message that decodes is not yet a message that is true: checks the body against its frames
 * (counts, ranges, order: rows below n, picks and nodes sorted, nodes apart). n_frame lengths and
 * pointers as received. Accepts a method that it does not know: answer WT_EUNSUPPORTED. WT_EDATA in
 * words. */
wt_err wt_wire_check(const struct wt_envelope *e, const void *const *frame, const size_t *frame_len,
                     uint32_t n_frame);
/* What the wire alone cannot know, for a worker: n picks, sorted, of a layer whose ids have
 * `bits` bits: ids and depths fit, and no pick's node lies inside the node of another pick of
 * its row. */
wt_err wt_wire_check_depths(const struct wt_pick *p, uint32_t n, uint32_t bits);
const char *wt_method_name(uint32_t method);     /* "expert_call", ... or "unknown" */
#endif
