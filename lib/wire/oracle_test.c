/* oracle_test.c - protobuf-c, generated from proto/, is the judge: our tables say what the
 * .proto says, our bytes mean there what they mean here and are the very bytes that it would
 * write, and its bytes read here, also with every zero spelt out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "witan/v1/envelope.pb-c.h"
#include "wire/samples.h"

enum { N_RANDOM = 500 };

static struct wt_arena ours, theirs;
static struct wt_buf bytes;

static const ProtobufCMessageDescriptor *const top = &witan__v1__envelope__descriptor;

static const void *member(const void *message, unsigned offset)
{
        return (const char *)message + offset;
}

/* ---- the tables are the .proto ---- */

static bool type_matches(const struct wire_field *f, const ProtobufCFieldDescriptor *p)
{
        switch (p->type) {
        case PROTOBUF_C_TYPE_UINT32: case PROTOBUF_C_TYPE_ENUM: return f->type == WIRE_U32;
        case PROTOBUF_C_TYPE_UINT64:  return f->type == WIRE_U64;
        case PROTOBUF_C_TYPE_INT32:   return f->type == WIRE_I32;
        case PROTOBUF_C_TYPE_BOOL:    return f->type == WIRE_BOOL;
        case PROTOBUF_C_TYPE_FLOAT:   return f->type == WIRE_FLOAT;
        case PROTOBUF_C_TYPE_DOUBLE:  return f->type == WIRE_DOUBLE;
        case PROTOBUF_C_TYPE_FIXED64: return f->type == WIRE_FIXED64;
        case PROTOBUF_C_TYPE_BYTES:   return f->type == WIRE_BYTES;
        case PROTOBUF_C_TYPE_STRING:  return f->type == WIRE_STR;
        case PROTOBUF_C_TYPE_MESSAGE: return f->type == WIRE_MSG;
        default:                      return false;
        }
}

static void same_table(const struct wire_desc *d, const ProtobufCMessageDescriptor *p, uint32_t n)
{
        assert_int_equal(d->n_fields, n);
        for (uint32_t i = 0; i < d->n_fields; i++) {
                const struct wire_field *f = &d->fields[i];
                const ProtobufCFieldDescriptor *q =
                        protobuf_c_message_descriptor_get_field(p, f->number);

                if (!q || strcmp(q->name, f->name) != 0 || !type_matches(f, q))
                        fail_msg("%s.%s (%u) is not so in the .proto", d->name, f->name, f->number);
                assert_int_equal(f->how != WIRE_ONE, q->label == PROTOBUF_C_LABEL_REPEATED);
                assert_int_equal(f->how == WIRE_PACKED,
                                 (q->flags & PROTOBUF_C_FIELD_FLAG_PACKED) != 0);
                if (f->type == WIRE_MSG)
                        same_table(f->sub, q->descriptor,
                                   ((const ProtobufCMessageDescriptor *)q->descriptor)->n_fields);
        }
}

static void tables(void **state)
{
        uint32_t n_bodies = 0;

        (void)state;
        for (const uint32_t *m = sample_methods; *m; m++, n_bodies++) {
                const ProtobufCFieldDescriptor *q =
                        protobuf_c_message_descriptor_get_field(top, *m);
                const ProtobufCMessageDescriptor *d;

                assert_non_null(q);
                assert_string_equal(q->name, wt_method_name(*m));
                d = q->descriptor;
                same_table(wire_body(*m), d, d->n_fields);
        }
        same_table(&wire_envelope, top, top->n_fields - n_bodies);
}

/* ---- values are the same in both ---- */

static void same_struct(const struct wire_desc *d, const char *base, const ProtobufCMessage *p);

static void same_item(const struct wire_field *f, const char *at, const void *q)
{
        struct wt_bytes b;

        if (f->type == WIRE_MSG) {
                same_struct(f->sub, at, *(ProtobufCMessage *const *)q);
        } else if (f->type == WIRE_BYTES) {
                const ProtobufCBinaryData *data = q;

                memcpy(&b, at, sizeof b);
                assert_int_equal(b.len, data->len);
                if (b.len)
                        assert_memory_equal(b.data, data->data, b.len);
        } else if (f->type == WIRE_STR) {
                const char *text = *(char *const *)q;

                memcpy(&b, at, sizeof b);
                assert_int_equal(b.len, text ? strlen(text) : 0);
                if (b.len)
                        assert_memory_equal(b.data, text, b.len);
        } else if (f->type == WIRE_BOOL) {
                assert_int_equal(*(const bool *)at, *(const protobuf_c_boolean *)q);
        } else {
                assert_memory_equal(at, q, wire_item_bytes(f));
        }
}

static size_t pb_item_bytes(const struct wire_field *f)
{
        switch (f->type) {
        case WIRE_MSG: case WIRE_STR: return sizeof(void *);
        case WIRE_BYTES:              return sizeof(ProtobufCBinaryData);
        case WIRE_BOOL:               return sizeof(protobuf_c_boolean);
        default:                      return wire_item_bytes(f);
        }
}

static void same_struct(const struct wire_desc *d, const char *base, const ProtobufCMessage *p)
{
        for (uint32_t i = 0; i < d->n_fields; i++) {
                const struct wire_field *f = &d->fields[i];
                const ProtobufCFieldDescriptor *q =
                        protobuf_c_message_descriptor_get_field(p->descriptor, f->number);
                const char *mine = base + f->off, *its = member(p, q->offset);
                uint32_t n = 1;

                if (f->how != WIRE_ONE) {
                        n = wire_count(f, base);
                        assert_int_equal(n, *(const size_t *)member(p, q->quantifier_offset));
                        mine = wire_array(f, base);
                        its = *(char *const *)its;
                }
                for (uint32_t k = 0; k < n; k++)
                        same_item(f, mine + k * wire_item_bytes(f), its + k * pb_item_bytes(f));
        }
}

static void same_envelope(const struct wt_envelope *e, const ProtobufCMessage *p)
{
        same_struct(&wire_envelope, (const char *)e, p);
        for (const uint32_t *m = sample_methods; *m; m++) {
                const ProtobufCFieldDescriptor *q =
                        protobuf_c_message_descriptor_get_field(top, *m);
                const ProtobufCMessage *body = *(ProtobufCMessage *const *)member(p, q->offset);

                assert_int_equal(body != NULL, *m == e->method && e->body != NULL);
                if (body)
                        same_struct(wire_body(*m), e->body, body);
        }
}

/* Says of every optional number and byte string that it is present. */
static void spell_out(ProtobufCMessage *p)
{
        for (unsigned i = 0; i < p->descriptor->n_fields; i++) {
                const ProtobufCFieldDescriptor *q = &p->descriptor->fields[i];
                void *at = (void *)member(p, q->offset);
                size_t n = q->label == PROTOBUF_C_LABEL_REPEATED
                        ? *(const size_t *)member(p, q->quantifier_offset) : 1;

                if (q->type == PROTOBUF_C_TYPE_MESSAGE) {
                        ProtobufCMessage **sub = q->label == PROTOBUF_C_LABEL_REPEATED
                                ? *(ProtobufCMessage ***)at : at;

                        for (size_t k = 0; k < n; k++)
                                if (sub[k])
                                        spell_out(sub[k]);
                } else if (q->label == PROTOBUF_C_LABEL_OPTIONAL &&
                           q->type != PROTOBUF_C_TYPE_STRING) {
                        *(protobuf_c_boolean *)member(p, q->quantifier_offset) = 1;
                }
        }
}

static uint8_t *packed(const ProtobufCMessage *p, size_t *n)
{
        uint8_t *out = test_malloc(protobuf_c_message_get_packed_size(p) + 1);

        *n = protobuf_c_message_pack(p, out);
        return out;
}

static void both_ways(const struct wt_envelope *e)
{
        ProtobufCMessage *p;
        struct wt_envelope got;
        uint8_t *its;
        size_t n;

        wt_buf_clear(&bytes);
        assert_int_equal(wt_wire_encode(e, &bytes), WT_OK);
        p = protobuf_c_message_unpack(top, NULL, bytes.len, (const uint8_t *)bytes.data);
        assert_non_null(p);
        same_envelope(e, p);

        its = packed(p, &n);                     /* what it read of ours, it writes as we did */
        assert_int_equal(n, bytes.len);
        assert_memory_equal(its, bytes.data, n);
        test_free(its);

        spell_out(p);
        its = packed(p, &n);
        assert_int_equal(wt_wire_decode(&got, its, n, &theirs), WT_OK);
        same_envelope(&got, p);
        assert_true(sample_equal(e, &got));
        test_free(its);
        protobuf_c_message_free_unpacked(p, NULL);
}

static void random_messages(void **state)
{
        (void)state;
        for (const uint32_t *m = sample_methods; *m; m++)
                for (uint64_t seed = 0; seed < N_RANDOM; seed++) {
                        struct wt_envelope e;

                        wt_arena_reset(&ours);
                        wt_arena_reset(&theirs);
                        sample_random(&e, *m, seed << 16 | *m, &ours);
                        both_ways(&e);
                }
}

static void true_messages(void **state)
{
        (void)state;
        for (const uint32_t *m = sample_methods; *m; m++) {
                struct sample s;

                wt_arena_reset(&ours);
                wt_arena_reset(&theirs);
                sample_true(&s, *m, &ours);
                both_ways(&s.e);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                { "the tables are the .proto", tables, NULL, NULL, NULL },
                { "true messages, both ways", true_messages, NULL, NULL, NULL },
                { "random messages, both ways", random_messages, NULL, NULL, NULL },
        };
        int rc = cmocka_run_group_tests(tests, NULL, NULL);

        wt_arena_fini(&ours);
        wt_arena_fini(&theirs);
        wt_buf_free(&bytes);
        return rc;
}
