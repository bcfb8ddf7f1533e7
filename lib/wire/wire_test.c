/* wire_test.c - what comes back is what went out; whatever else comes in is refused in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "wire/samples.h"

enum { N_RANDOM = 300 };

static struct wt_arena ours, theirs;
static struct wt_buf bytes, again;

static void fresh(void)
{
        wt_arena_reset(&ours);
        wt_arena_reset(&theirs);
        wt_buf_clear(&bytes);
        wt_buf_clear(&again);
}

static wt_err decode(struct wt_envelope *e, const void *p, size_t n)
{
        /* An exact copy on the heap, so that ASan sees a read beyond the end. */
        void *copy = n ? memcpy(test_malloc(n), p, n) : test_malloc(1);
        wt_err err = wt_wire_decode(e, copy, n, &theirs);

        test_free(copy);
        return err;
}

static void round_trip(void **state)
{
        (void)state;
        for (const uint32_t *m = sample_methods; *m; m++)
                for (uint64_t seed = 0; seed < N_RANDOM; seed++) {
                        struct wt_envelope e, got;

                        fresh();
                        sample_random(&e, *m, seed << 8 | *m, &ours);
                        assert_int_equal(wt_wire_encode(&e, &bytes), WT_OK);
                        assert_int_equal(decode(&got, bytes.data, bytes.len), WT_OK);
                        assert_true(sample_equal(&e, &got));
                        assert_int_equal(wt_wire_encode(&got, &again), WT_OK);
                        assert_int_equal(bytes.len, again.len);
                        assert_memory_equal(bytes.data, again.data, bytes.len);
                }
}

static void owning(void **state)
{
        (void)state;
        for (const uint32_t *m = sample_methods; *m; m++)
                for (uint64_t seed = 0; seed < N_RANDOM; seed++) {
                        struct wt_envelope e, kept, got;

                        fresh();
                        sample_random(&e, *m, seed << 8 | *m, &ours);
                        assert_int_equal(wt_wire_encode(&e, &bytes), WT_OK);
                        kept = e;
                        assert_int_equal(wt_wire_own(&kept, &theirs), WT_OK);
                        wt_arena_fini(&ours);    /* ASan: nothing of it may be read now */
                        assert_int_equal(wt_wire_encode(&kept, &again), WT_OK);
                        assert_int_equal(bytes.len, again.len);
                        assert_memory_equal(bytes.data, again.data, bytes.len);
                        assert_int_equal(decode(&got, bytes.data, bytes.len), WT_OK);
                        assert_true(sample_equal(&kept, &got));
                }
}

/* Cut off at every byte, and with every bit turned over: refused, or a message that encodes and
 * reads back as the same. */
static void steady(const void *p, size_t n)
{
        struct wt_envelope e, got;
        struct wt_buf one = { 0 }, two = { 0 };

        wt_arena_reset(&theirs);
        if (decode(&e, p, n) == WT_OK) {
                assert_int_equal(wt_wire_encode(&e, &one), WT_OK);
                assert_int_equal(decode(&got, one.data, one.len), WT_OK);
                assert_int_equal(wt_wire_encode(&got, &two), WT_OK);
                assert_int_equal(one.len, two.len);
                assert_memory_equal(one.data, two.data, one.len);
        }
        wt_buf_free(&one);
        wt_buf_free(&two);
}

static void truncated_and_flipped(void **state)
{
        (void)state;
        for (const uint32_t *m = sample_methods; *m; m++) {
                struct sample s;
                size_t refused = 0;

                fresh();
                sample_true(&s, *m, &ours);
                assert_int_equal(wt_wire_encode(&s.e, &bytes), WT_OK);
                for (size_t n = 0; n < bytes.len; n++) {
                        struct wt_envelope e;

                        steady(bytes.data, n);
                        refused += decode(&e, bytes.data, n) != WT_OK;
                }
                assert_true(refused > bytes.len / 2);    /* the rest ends between two fields */
                for (size_t bit = 0; bit < 8 * bytes.len; bit++) {
                        bytes.data[bit / 8] ^= (char)(1 << bit % 8);
                        steady(bytes.data, bytes.len);
                        bytes.data[bit / 8] ^= (char)(1 << bit % 8);
                }
        }
}

/* ---- bytes that must be refused, and the words that say why ---- */

#define B(s) { s, sizeof s - 1 }
static const struct { const char *name; struct { const char *p; size_t n; } in; const char *words; }
refused[] = {
        { "nothing",              B(""), "wire version 0" },
        { "another version",      B("\x08\x02"), "wire version 2" },
        { "field 0",              B("\x08\x01\x00"), "no tag" },
        { "tag cut off",          B("\x08\x01\x80"), "cut off" },
        { "varint cut off",       B("\x08\x01\x10\x80"), "cut off" },
        { "varint of 11 bytes",
          B("\x08\x01\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "cut off" },
        { "varint beyond 64 bit",
          B("\x08\x01\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), "cut off" },
        { "method beyond 32 bit", B("\x08\x01\x18\x80\x80\x80\x80\x10"), "method: does not fit" },
        { "status beyond 16",     B("\x08\x01\x28\x11"), "status is 17" },
        { "group",                B("\x08\x01\x0b\x0c"), "wire type 3" },
        { "wire type 6",          B("\x08\x01\x0e"), "wire type 6" },
        { "length beyond end",    B("\x08\x01\x32\x05""abcd"), "cut off" },
        { "length of 2^63",
          B("\x08\x01\x32\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), "cut off" },
        { "string with a NUL",    B("\x08\x01\x32\x03""a\0b"), "NUL" },
        { "number as bytes",      B("\x08\x01\x12\x01\x05"), "another wire type" },
        { "body as number",       B("\x08\x01\x18\x12\x90\x01\x05"), "another wire type" },
        { "two bodies",           B("\x08\x01\x18\x12\x92\x01\x00\x92\x01\x00"), "two bodies" },
        { "body of another",      B("\x08\x01\x18\x12\x9a\x01\x00"), "has the body of bye" },
        { "body of method 0",     B("\x08\x01\x92\x01\x00"), "has the body of ping" },
        { "part of parts",        B("\x08\x01\x48\x03\x50\x03"), "part 3 of 3" },
        { "part of one",          B("\x08\x01\x48\x01"), "part 1 of 1" },
        { "unknown dtype",        B("\x08\x01\x5a\x02\x08\x07"), "tensor 0" },
        { "four dimensions",
          B("\x08\x01\x5a\x08\x10\x01\x10\x01\x10\x01\x10\x01"), "more than 3" },
        { "four, packed",         B("\x08\x01\x5a\x06\x12\x04\x01\x01\x01\x01"), "more than 3" },
        { "shape overflows",
          B("\x08\x01\x5a\x0e\x12\x0c\xff\xff\xff\xff\x0f\xff\xff\xff\xff\x0f"
                                    "\xff\x7f"), "tensor 0" },
        { "frame of 1 GiB",       B("\x08\x01\x5a\x06\x10\x80\x80\x80\x80\x01"), "tensor 0" },
        { "nine tensors",
          B("\x08\x01\x5a\0\x5a\0\x5a\0\x5a\0\x5a\0\x5a\0\x5a\0\x5a\0\x5a\0"), "8" },
        { "packed cut off",       B("\x08\x01\x5a\x04\x12\x02\x01\x80"), "cut off" },
        { "bool of 2",
          B("\x08\x01\x18\x16\xb2\x01\x02\x20\x02"), "draining: does not fit" },
};

static void refuses(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
                struct wt_envelope e;

                fresh();
                if (decode(&e, refused[i].in.p, refused[i].in.n) != WT_EDATA ||
                    !strstr(wt_words(), refused[i].words))
                        fail_msg("%s: \"%s\" does not say \"%s\"", refused[i].name, wt_words(),
                                 refused[i].words);
        }
}

/* Forms that another encoder may choose, with what they mean. */
static void other_forms(void **state)
{
        static const char packed_shape[] = "\x08\x01\x5a\x06\x12\x02\x05\x06\x08\x10";
        static const char split_shape[] = "\x08\x01\x5a\x07\x12\x01\x05\x10\x06\x08\x10";
        static const char loose_ids[] =
                "\x08\x01\x18\x32\x92\x03\x13\x0a\x11\x30\x05\x30\xff\xff\xff\xff\xff\xff\xff"
                "\xff\xff\x01"
                "\x32\x02\x07\x08";
        static const char last_wins[] = "\x08\x02\x32\x01""a\x08\x01\x32\x01""b";
        struct wt_envelope e;
        struct wt_event_msg *v;

        (void)state;
        fresh();
        for (int i = 0; i < 2; i++) {
                assert_int_equal(i ? decode(&e, split_shape, sizeof split_shape - 1)
                                   : decode(&e, packed_shape, sizeof packed_shape - 1), WT_OK);
                assert_int_equal(e.n_tensors, 1);
                assert_int_equal(e.tensors[0].dtype, WT_I32);
                assert_int_equal(e.tensors[0].n_dim, 2);
                assert_int_equal(e.tensors[0].shape[0], 5);
                assert_int_equal(e.tensors[0].shape[1], 6);
        }
        assert_int_equal(decode(&e, loose_ids, sizeof loose_ids - 1), WT_OK);
        v = ((struct wt_events *)e.body)->events;
        assert_int_equal(v->n_ids, 4);
        assert_int_equal(v->ids[0], 5);
        assert_int_equal(v->ids[1], -1);
        assert_int_equal(v->ids[3], 8);
        assert_int_equal(decode(&e, last_wins, sizeof last_wins - 1), WT_OK);
        assert_string_equal((const char *)e.message.data, "b");
        assert_string_equal((const char *)e.traceparent.data, "");
}

static void unknown_fields(void **state)
{
        struct wt_envelope e;

        (void)state;
        for (int n = 64; n <= 65; n++) {
                fresh();
                wt_buf_add(&bytes, "\x08\x01", 2);
                for (int i = 0; i < n; i++)      /* field 1000, bytes that look like groups */
                        wt_buf_add(&bytes, "\xc2\x3e\x03\x0b\x0b\x0b", 6);
                assert_int_equal(decode(&e, bytes.data, bytes.len), n == 64 ? WT_OK : WT_EDATA);
        }
        fresh();                                 /* a method from the future: no body */
        assert_int_equal(decode(&e, "\x08\x01\x18\x3c\xe2\x03\x01\x00", 8), WT_OK);
        assert_int_equal(e.method, 60);
        assert_null(e.body);
        assert_string_equal(wt_method_name(60), "unknown");
}

/* ---- more than the limits allow, out and in ---- */

struct excess { const char *name; uint32_t method; void (*make)(struct wt_envelope *e);
                const char *words; };

static void many_experts(struct wt_envelope *e)
{
        struct wt_expert_call *c = e->body;

        c->experts = WT_ARENA_ARRAY(&ours, struct wt_expert_ref, 1025);
        c->n_experts = 1025;
}
static void many_adapters(struct wt_envelope *e)
{
        struct wt_expert_call *c = e->body;

        c->adapters = WT_ARENA_ARRAY(&ours, struct wt_bytes, 65);
        c->n_adapters = 65;
}
static void long_variant(struct wt_envelope *e)
{
        ((struct wt_expert_call *)e->body)->experts[1].variant.len = 33;
}
static void many_slots(struct wt_envelope *e)
{
        struct wt_expert_reply *r = e->body;

        r->bad_slots = WT_ARENA_ARRAY(&ours, uint32_t, 4097);
        r->n_bad_slots = 4097;
}
static void many_events(struct wt_envelope *e)
{
        struct wt_events *v = e->body;

        v->events = WT_ARENA_ARRAY(&ours, struct wt_event_msg, 4097);
        v->n_events = 4097;
}
static void many_ids(struct wt_envelope *e)
{
        struct wt_event_msg *v = ((struct wt_events *)e->body)->events;

        v->n_ids = (1 << 20) + 1;
        v->ids = WT_ARENA_ARRAY(&ours, int32_t, v->n_ids);
}
static void many_eos(struct wt_envelope *e)
{
        struct wt_submit *s = e->body;

        s->eos = WT_ARENA_ARRAY(&ours, uint32_t, 17);
        s->n_eos = 17;
}
static void many_top(struct wt_envelope *e) { ((struct wt_submit *)e->body)->n_top = 21; }
static void long_salt(struct wt_envelope *e)
{
        ((struct wt_submit *)e->body)->cache_salt = WT_BYTES(wt_arena_take(&ours, 65), 65);
}
static void no_finish(struct wt_envelope *e)
{
        ((struct wt_events *)e->body)->events[1].finish = 6;
}
static void long_message(struct wt_envelope *e)
{
        e->message = WT_BYTES(memset(wt_arena_take(&ours, 1025), 'm', 1025), 1025);
}
static void many_tensors(struct wt_envelope *e) { e->n_tensors = 9; }
static void bad_tensor(struct wt_envelope *e) { e->tensors[0].shape[0] = 1u << 29; }
static void other_version(struct wt_envelope *e) { e->version = 2; }
static void null_bytes(struct wt_envelope *e) { e->message = (struct wt_bytes){ NULL, 5 }; }
static void too_long(struct wt_envelope *e)
{
        struct wt_event_msg *v = WT_ARENA_ARRAY(&ours, struct wt_event_msg, 3);
        double *p = WT_ARENA_ARRAY(&ours, double, 1 << 20);

        for (int i = 0; i < 3; i++) {
                v[i].logprobs = p;
                v[i].n_logprobs = 1 << 20;
        }
        *(struct wt_events *)e->body = (struct wt_events){ v, 3 };
}

static const struct excess excesses[] = {
        { "1,025 experts", WT_M_EXPERT_CALL, many_experts, "1025 entries" },
        { "65 adapters", WT_M_EXPERT_CALL, many_adapters, "65 entries" },
        { "variant of 33 bytes", WT_M_EXPERT_CALL, long_variant, "variant has 33 bytes" },
        { "4,097 bad slots", WT_M_EXPERT_REPLY, many_slots, "4097 entries" },
        { "4,097 events", WT_M_EVENTS, many_events, "4097 entries" },
        { "1,048,577 ids", WT_M_EVENTS, many_ids, "1048577 entries" },
        { "finish 6", WT_M_EVENTS, no_finish, "finish is 6" },
        { "17 eos", WT_M_SUBMIT, many_eos, "17 entries" },
        { "21 best", WT_M_SUBMIT, many_top, "n_top is 21" },
        { "salt of 65 bytes", WT_M_SUBMIT, long_salt, "cache_salt has 65 bytes" },
        { "message of 1,025 bytes", WT_M_PING, long_message, "message has 1025 bytes" },
        { "9 tensors", WT_M_PING, many_tensors, "9 entries" },
        { "tensor of 2 GiB", WT_M_SUBMIT, bad_tensor, "tensor 0" },
        { "version 2", WT_M_PING, other_version, "version 2" },
        { "bytes at NULL", WT_M_PING, null_bytes, "at NULL" },
        { "envelope of 24 MiB", WT_M_EVENTS, too_long, "longer than" },
};

static void sending_too_much(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof excesses / sizeof *excesses; i++) {
                const struct excess *x = &excesses[i];
                struct sample s;
                struct wt_envelope e;

                fresh();
                sample_true(&s, x->method, &ours);
                x->make(&s.e);
                wt_buf_add(&bytes, "before", 6);
                if (wt_wire_encode(&s.e, &bytes) != WT_EINVAL || !strstr(wt_words(), x->words))
                        fail_msg("%s: \"%s\" does not say \"%s\"", x->name, wt_words(), x->words);
                assert_int_equal(bytes.len, 6);
                e = s.e;
                if (x->make != too_long) {       /* no bytes between, so no length to mind */
                        assert_int_equal(wt_wire_own(&e, &theirs), WT_EINVAL);
                        assert_ptr_equal(e.body, s.e.body);
                }
        }
}

static void varint(struct wt_buf *b, uint64_t v)
{
        for (; v >= 0x80; v >>= 7)
                wt_buf_add(b, &(uint8_t){ (uint8_t)(v | 0x80) }, 1);
        wt_buf_add(b, &(uint8_t){ (uint8_t)v }, 1);
}

/* Envelope of a method whose body is n times the bytes of item. */
static void flood(uint32_t method, const char *item, size_t item_len, size_t n)
{
        fresh();
        wt_buf_add(&bytes, "\x08\x01\x18", 3);
        varint(&bytes, method);
        varint(&bytes, method << 3 | 2);
        varint(&bytes, n * item_len);
        for (size_t i = 0; i < n; i++)
                wt_buf_add(&bytes, item, item_len);
}

static void receiving_too_much(void **state)
{
        static const struct { const char *what; uint32_t method; const char *item;
                              size_t len, most; } rows[] = {
                { "experts", WT_M_EXPERT_CALL, "\x22\x00", 2, 1024 },
                { "adapters", WT_M_EXPERT_CALL, "\x2a\x00", 2, 64 },
                { "bad slots", WT_M_EXPERT_REPLY, "\x18\x05", 2, 4096 },
                { "bad slots, packed by 8", WT_M_EXPERT_REPLY, "\x1a\x08""abcdefgh", 10, 512 },
                { "eos", WT_M_SUBMIT, "\x68\x05", 2, 16 },
                { "events", WT_M_EVENTS, "\x0a\x00", 2, 4096 },
        };
        struct wt_envelope e;

        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                flood(rows[i].method, rows[i].item, rows[i].len, rows[i].most);
                assert_int_equal(decode(&e, bytes.data, bytes.len), WT_OK);
                flood(rows[i].method, rows[i].item, rows[i].len, rows[i].most + 1);
                assert_int_equal(decode(&e, bytes.data, bytes.len), WT_EDATA);
                flood(rows[i].method, rows[i].item, rows[i].len, 1000000);
                wt_arena_fini(&theirs);
                wt_arena_init(&theirs, 4096);
                assert_int_equal(decode(&e, bytes.data, bytes.len), WT_EDATA);
                assert_ptr_equal(theirs.at, theirs.head);  /* before memory was taken */
        }
        flood(WT_M_BYE, "\x0a\x10""abcdefghijklmnop", 18, 900000);
        assert_int_equal(decode(&e, bytes.data, bytes.len), WT_OK);
        assert_ptr_equal(theirs.at, theirs.head);  /* the same field again costs nothing */
        assert_int_equal(((struct wt_bye *)e.body)->reason.len, 16);
        flood(WT_M_BYE, "\x0a\x10""abcdefghijklmnop", 18, 940000);
        assert_int_equal(decode(&e, bytes.data, bytes.len), WT_EDATA);   /* 16.9 MB */
}

static void leaves_out_zeros(void **state)
{
        struct wt_submit s = { .temperature = -0.0f };
        struct wt_envelope e = { .method = WT_M_SUBMIT, .body = &s };

        (void)state;
        fresh();
        assert_int_equal(wt_wire_encode(&e, &bytes), WT_OK);     /* version 0 means ours */
        assert_int_equal(bytes.len, 12);
        assert_memory_equal(bytes.data, "\x08\x01\x18\x30\x82\x03\x05\x45\x00\x00\x00\x80", 12);
        e.method = 60;
        assert_int_equal(wt_wire_encode(&e, &bytes), WT_EINVAL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                { "random messages come back, in canonical bytes", round_trip, NULL, NULL, NULL },
                { "an owned message needs nothing of its builder's", owning, NULL, NULL, NULL },
                { "cut off at every byte, bits flipped", truncated_and_flipped, NULL, NULL, NULL },
                { "bytes that must be refused", refuses, NULL, NULL, NULL },
                { "packed, loose and repeated forms", other_forms, NULL, NULL, NULL },
                { "64 unknown fields are skipped, 65 refused", unknown_fields, NULL, NULL, NULL },
                { "limits when sending", sending_too_much, NULL, NULL, NULL },
                { "limits when receiving, before memory", receiving_too_much, NULL, NULL, NULL },
                { "zeros stay at home, -0.0 does not", leaves_out_zeros, NULL, NULL, NULL },
        };
        int rc = cmocka_run_group_tests(tests, NULL, NULL);

        wt_arena_fini(&ours);
        wt_arena_fini(&theirs);
        wt_buf_free(&bytes);
        wt_buf_free(&again);
        return rc;
}
