/* samples.c - messages for tests. */
#include "wire/samples.h"
#include "base/rng.h"

const uint32_t sample_methods[] = {
        WT_M_HELLO, WT_M_WELCOME, WT_M_PING, WT_M_BYE, WT_M_ASSIGN, WT_M_UNASSIGN, WT_M_PUSH,
        WT_M_EXPERT_CALL, WT_M_EXPERT_REPLY, WT_M_EXPERT_CANCEL, WT_M_SUBMIT, WT_M_CANCEL,
        WT_M_EVENTS, WT_M_RPC_CALL, WT_M_RPC_DATA, WT_M_RPC_END, WT_M_RPC_CREDIT, WT_M_RPC_CANCEL,
        0,
};

/* ---- random ---- */

struct dice { uint64_t seed; uint32_t n; struct wt_arena *a; };

static uint32_t roll(struct dice *d)
{
        uint32_t key[2] = { (uint32_t)d->seed, (uint32_t)(d->seed >> 32) };
        uint32_t counter[4] = { d->n++, 0, 0, 0 }, out[4];

        wt_philox(key, counter, out);
        return out[0];
}

static uint32_t below(struct dice *d, uint32_t n) { return roll(d) % n; }

/* Up to the limit, and often at it; a body of megabytes is as good with a few thousand. */
static struct wt_bytes random_bytes(struct dice *d, const struct wire_field *f)
{
        uint32_t most = f->limit < 8192 ? f->limit : 8192;
        uint32_t len = below(d, 4) ? below(d, most + 1) : most;
        uint8_t *p = wt_arena_take(d->a, len + 1);

        for (uint32_t i = 0; i < len; i++)
                p[i] = f->type == WIRE_STR ? (uint8_t)(1 + below(d, 126)) : (uint8_t)roll(d);
        return (struct wt_bytes){ p, len };
}

/* Numbers of every length as varints: a random count of bits is kept. */
static void random_value(struct dice *d, const struct wire_field *f, char *at)
{
        uint64_t v = ((uint64_t)roll(d) << 32 | roll(d)) >> below(d, 64);
        uint32_t v32 = f->limit == UINT32_MAX ? (uint32_t)v : (uint32_t)v % (f->limit + 1);
        int32_t i32 = below(d, 2) ? (int32_t)v32 : -(int32_t)(v32 >> 1);
        float f32 = (float)(int32_t)roll(d) * 0x1p-20f;
        double f64 = (double)(int64_t)v * -0x1p-40;
        struct wt_bytes b;

        switch (f->type) {
        case WIRE_U32:    memcpy(at, &v32, 4);       break;
        case WIRE_I32:    memcpy(at, &i32, 4);       break;
        case WIRE_FLOAT:  memcpy(at, &f32, 4);       break;
        case WIRE_DOUBLE: memcpy(at, &f64, 8);       break;
        case WIRE_BOOL:   *(bool *)at = roll(d) & 1; break;
        case WIRE_BYTES: case WIRE_STR:
                b = random_bytes(d, f);
                memcpy(at, &b, sizeof b);
                break;
        default:
                memcpy(at, &v, 8);
        }
}

/* Fills one struct; arrays of messages get their entries, whose fields the caller fills. */
static void random_struct(struct dice *d, const struct wire_desc *desc, char *base)
{
        for (uint32_t i = 0; i < desc->n_fields; i++) {
                const struct wire_field *f = &desc->fields[i];
                struct wt_bytes none = { (const uint8_t *)"", 0 };
                uint32_t n = below(d, 2) ? below(d, f->max_count < 40 ? f->max_count + 1 : 40) : 0;
                char *array = base + f->off;

                if (f->how == WIRE_ONE) {
                        if (f->type == WIRE_BYTES || f->type == WIRE_STR)
                                memcpy(base + f->off, &none, sizeof none);
                        if (below(d, 2))
                                random_value(d, f, base + f->off);
                        continue;
                }
                memcpy(base + f->n_off, &n, sizeof n);
                if (f->how != WIRE_INLINE) {
                        array = n ? wt_arena_take(d->a, n * wire_item_bytes(f)) : NULL;
                        memcpy(base + f->off, &array, sizeof array);
                }
                for (uint32_t k = 0; k < n; k++)
                        if (f->type == WIRE_MSG)
                                random_struct(d, f->sub, array + k * f->sub->size);
                        else
                                random_value(d, f, array + k * wire_item_bytes(f));
        }
}

void sample_random(struct wt_envelope *e, uint32_t method, uint64_t seed, struct wt_arena *a)
{
        static const uint32_t dtypes[] = { WT_F32, WT_BF16, WT_F16, WT_I32, WT_U8, WT_U32 };
        struct dice d = { .seed = seed, .a = a };
        const struct wire_desc *body = wire_body(method);

        memset(e, 0, sizeof *e);
        random_struct(&d, &wire_envelope, (char *)e);
        e->version = WT_WIRE_VERSION;
        e->method = method;
        if (e->part >= (e->parts ? e->parts : 1))
                e->part = e->parts ? e->parts - 1 : 0;
        for (uint32_t i = 0; i < e->n_tensors; i++) {
                e->tensors[i].dtype = dtypes[below(&d, 6)];
                for (uint32_t k = 0; k < e->tensors[i].n_dim; k++)
                        e->tensors[i].shape[k] %= 300;
        }
        e->body = NULL;
        if (body && below(&d, 8)) {
                e->body = wt_arena_take(a, body->size);
                random_struct(&d, body, e->body);
        }
}

void sample_fill(const struct wire_desc *d, void *base, uint64_t seed, struct wt_arena *a)
{
        struct dice dice = { .seed = seed, .a = a };

        memset(base, 0, d->size);
        random_struct(&dice, d, base);
}

static bool equal_struct(const struct wire_desc *d, const char *x, const char *y);

static bool equal_item(const struct wire_field *f, const char *x, const char *y)
{
        struct wt_bytes bx, by;

        if (f->type == WIRE_MSG)
                return equal_struct(f->sub, x, y);
        if (f->type != WIRE_BYTES && f->type != WIRE_STR)
                return memcmp(x, y, wire_item_bytes(f)) == 0;
        memcpy(&bx, x, sizeof bx);
        memcpy(&by, y, sizeof by);
        return bx.len == by.len && (!bx.len || memcmp(bx.data, by.data, bx.len) == 0);
}

static bool equal_struct(const struct wire_desc *d, const char *x, const char *y)
{
        for (uint32_t i = 0; i < d->n_fields; i++) {
                const struct wire_field *f = &d->fields[i];
                uint32_t n = f->how == WIRE_ONE ? 1 : wire_count(f, x);
                const char *ax = f->how == WIRE_ONE ? x + f->off : wire_array(f, x);
                const char *ay = f->how == WIRE_ONE ? y + f->off : wire_array(f, y);

                if (f->how != WIRE_ONE && n != wire_count(f, y))
                        return false;
                for (uint32_t k = 0; k < n; k++)
                        if (!equal_item(f, ax + k * wire_item_bytes(f),
                                        ay + k * wire_item_bytes(f)))
                                return false;
        }
        return true;
}

bool sample_equal(const struct wt_envelope *x, const struct wt_envelope *y)
{
        const struct wire_desc *body = wire_body(x->method);

        return equal_struct(&wire_envelope, (const char *)x, (const char *)y) &&
               !x->body == !y->body && (!x->body || equal_struct(body, x->body, y->body));
}

/* ---- true ---- */

static struct wt_bytes filled(struct wt_arena *a, uint32_t len, int with)
{
        return (struct wt_bytes){ memset(wt_arena_take(a, len), with, len), len };
}

static void *tensor(struct sample *s, struct wt_arena *a, uint32_t dtype, uint32_t n,
                    uint32_t width)
{
        uint32_t i = s->e.n_tensors++;

        s->e.tensors[i] = (struct wt_tensor){ .dtype = dtype, .n_dim = width ? 2 : 1,
                                              .shape = { n, width } };
        wt_tensor_bytes(&s->e.tensors[i], &s->len[i]);
        return s->frame[i] = wt_arena_take(a, s->len[i] + 1);
}

/* 3 rows of 4; row 0 goes to experts 2 and 5, row 1 to 5, row 2 to 2 and 9. */
static void true_call(struct sample *s, struct wt_arena *a)
{
        static const struct wt_pick picks[] = {
                { 0, 2, 3, .5f }, { 0, 5, 4, .25f }, { 1, 5, 0, 1.f }, { 2, 2, 1, .5f },
                { 2, 9, 1, -.5f },
        };
        static const uint32_t ids[] = { 2, 5, 9 };
        static const int32_t adapter[] = { -1, 0, 1 };
        struct wt_expert_call *c = s->e.body;
        float *x = tensor(s, a, WT_F32, 3, 4);

        for (int i = 0; i < 12; i++)
                x[i] = (float)i * .125f;
        memcpy(tensor(s, a, WT_U32, 5, 4), picks, sizeof picks);
        memcpy(tensor(s, a, WT_I32, 3, 0), adapter, sizeof adapter);
        *c = (struct wt_expert_call){ .profile = WT_STR("wn1/f32"), .layer = 3, .slot_base = 40,
                .experts = WT_ARENA_ARRAY(a, struct wt_expert_ref, 3), .n_experts = 3,
                .adapters = WT_ARENA_ARRAY(a, struct wt_bytes, 2), .n_adapters = 2 };
        for (int i = 0; i < 3; i++)
                c->experts[i] = (struct wt_expert_ref){ ids[i], filled(a, 32, 'a' + i) };
        for (int i = 0; i < 2; i++)
                c->adapters[i] = filled(a, 32, 'x' + i);
}

static void true_reply(struct sample *s, struct wt_arena *a)
{
        static const struct wt_node nodes[] = { { 40, 3, 1 }, { 40, 2, 1 }, { 41, 0, 0 } };
        struct wt_expert_reply *r = s->e.body;

        memcpy(tensor(s, a, WT_U32, 3, 3), nodes, sizeof nodes);
        memset(tensor(s, a, WT_F32, 3, 4), 0x3f, 48);
        *r = (struct wt_expert_reply){ .layer = 3, .compute_us = 1234,
                .bad_slots = WT_ARENA_ARRAY(a, uint32_t, 1), .n_bad_slots = 1 };
        r->bad_slots[0] = 41;
}

static void true_submit(struct sample *s, struct wt_arena *a)
{
        struct wt_submit *b = s->e.body;

        memset(tensor(s, a, WT_I32, 5, 0), 0x01, 20);
        tensor(s, a, WT_I32, 0, 0);
        *b = (struct wt_submit){ .request = filled(a, 16, 7), .revision = filled(a, 32, 9),
                .profile = WT_STR("wn1/f32"), .max_tokens = 16, .temperature = .7f, .top_p = .9f,
                .top_k = 40, .seed = 0x0123456789abcdefu, .eos = WT_ARENA_ARRAY(a, uint32_t, 2),
                .n_eos = 2, .n_top = 2, .logprobs = true, .valid_vocab = 1000,
                .cache_salt = WT_STR("salt"), .min_p = 0.05f, .repetition_penalty = 1.25f,
                .frequency_penalty = -0.5f, .presence_penalty = 2, .min_tokens = 3,
                .bias = WT_ARENA_ARRAY(a, struct wt_bias_msg, 2), .n_bias = 2 };
        b->eos[1] = 11;
        b->bias[0] = (struct wt_bias_msg){ 5, -100 };
        b->bias[1] = (struct wt_bias_msg){ 999, 0.5f };
}

static void true_events(struct sample *s, struct wt_arena *a)
{
        struct wt_events *all = s->e.body;
        struct wt_event_msg *v = WT_ARENA_ARRAY(a, struct wt_event_msg, 2);

        v[0] = (struct wt_event_msg){ .request = filled(a, 16, 7), .attempt = 1, .position = 5,
                .ids = WT_ARENA_ARRAY(a, int32_t, 2), .n_ids = 2,
                .logprobs = WT_ARENA_ARRAY(a, double, 2), .n_logprobs = 2,
                .top_ids = WT_ARENA_ARRAY(a, int32_t, 4), .n_top_ids = 4,
                .top_logprobs = WT_ARENA_ARRAY(a, double, 4), .n_top_logprobs = 4 };
        v[0].ids[1] = 2000000000;
        v[0].logprobs[0] = -0.5;
        v[1] = (struct wt_event_msg){ .request = filled(a, 16, 8), .finish = WT_FAILED,
                .status = WT_EUNAVAILABLE, .message = WT_STR("no holder of layer 3 expert 7"),
                .queue_us = 1, .prefill_us = 2, .decode_us = UINT64_MAX,
                .logits_digest = filled(a, 32, 1) };
        *all = (struct wt_events){ v, 2 };
}

static void true_body(struct sample *s, struct wt_arena *a)
{
        void *b = s->e.body;

        switch (s->e.method) {
        case WT_M_HELLO:
                *(struct wt_hello *)b = (struct wt_hello){ .role = WT_STR("expert"),
                        .name = WT_STR("expert-0"), .profile = WT_STR("wn1/f32"),
                        .config = filled(a, 32, 5), .credit_rows = 4096, .credit_bytes = 1u << 26,
                        .incarnation = 0xfeedfacecafebeef };
                memset(tensor(s, a, WT_U8, 2, 40), 3, 80);
                break;
        case WT_M_WELCOME:
                *(struct wt_welcome *)b = (struct wt_welcome){ .epoch = 3,
                        .revision = filled(a, 32, 6), .profile = WT_STR("wn1/f32"),
                        .max_context = 4096, .vocab = 1024,
                        .kv_pages = 100, .max_waiting = 64, .model = WT_STR("tiny"),
                        .max_seqs = 32, .missing = 5 };
                break;
        case WT_M_PING:   ((struct wt_ping *)b)->stamp = 1u << 31; break;
        case WT_M_BYE:    ((struct wt_bye *)b)->reason = WT_STR("drains"); break;
        case WT_M_ASSIGN: case WT_M_UNASSIGN:
                *(struct wt_assign *)b = (struct wt_assign){ 3, 17, filled(a, 32, 4) };
                break;
        case WT_M_PUSH:
                *(struct wt_push *)b = (struct wt_push){ 1, 2, WT_STR("key-9"), true, 16 };
                break;
        case WT_M_EXPERT_CALL:   true_call(s, a); break;
        case WT_M_EXPERT_REPLY:  true_reply(s, a); break;
        case WT_M_EXPERT_CANCEL: ((struct wt_expert_cancel *)b)->call_id = 99; break;
        case WT_M_SUBMIT:        true_submit(s, a); break;
        case WT_M_CANCEL:
                *(struct wt_cancel *)b = (struct wt_cancel){ filled(a, 16, 7), 1, 2, 3 };
                break;
        case WT_M_EVENTS:        true_events(s, a); break;
        case WT_M_RPC_CALL:
                *(struct wt_rpc_call *)b = (struct wt_rpc_call){
                        .path = WT_STR("/witan.v1.Chat/Stream"), .body = filled(a, 40, 9),
                        .timeout_us = 9000000, .credit = 16 };
                break;
        case WT_M_RPC_DATA:
                *(struct wt_rpc_data *)b = (struct wt_rpc_data){ 7, filled(a, 60, 8) };
                break;
        case WT_M_RPC_CREDIT:    ((struct wt_rpc_credit *)b)->messages = 4; break;
        case WT_M_RPC_CANCEL:    ((struct wt_rpc_cancel *)b)->reason = 1; break;
        }
}

void sample_true(struct sample *s, uint32_t method, struct wt_arena *a)
{
        memset(s, 0, sizeof *s);
        s->e = (struct wt_envelope){ .version = WT_WIRE_VERSION, .call_id = 77, .method = method,
                .deadline_us = 5000000, .epoch = 2, .part = 1, .parts = 3,
                .traceparent = WT_STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
                .body = wt_arena_take(a, wire_body(method)->size) };
        true_body(s, a);
}
