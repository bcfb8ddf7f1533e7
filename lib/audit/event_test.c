/* event_test.c - protobuf-c, made from audit.proto, judges the rows and the bytes; and what a
 * decoder must refuse: another encoding of the same event, cut or broken fields. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "audit/event.h"
#include "base/rng.h"
#include "wire/samples.h"
#include "witan/v1/audit.pb-c.h"

enum { N_RANDOM = 2000 };
static struct wt_arena ours, theirs;
static struct wt_buf bytes;

static bool type_matches(const struct wire_field *f, const ProtobufCFieldDescriptor *p)
{
        switch (p->type) {
        case PROTOBUF_C_TYPE_UINT32: case PROTOBUF_C_TYPE_ENUM: return f->type == WIRE_U32;
        case PROTOBUF_C_TYPE_UINT64:  return f->type == WIRE_U64;
        case PROTOBUF_C_TYPE_BYTES:   return f->type == WIRE_BYTES;
        case PROTOBUF_C_TYPE_STRING:  return f->type == WIRE_STR;
        case PROTOBUF_C_TYPE_MESSAGE: return f->type == WIRE_MSG;
        default:                      return false;
        }
}

static void same_table(const struct wire_desc *d, const ProtobufCMessageDescriptor *p)
{
        assert_int_equal(d->n_fields, p->n_fields);
        for (uint32_t i = 0; i < d->n_fields; i++) {
                const struct wire_field *f = &d->fields[i];
                const ProtobufCFieldDescriptor *q =
                        protobuf_c_message_descriptor_get_field(p, f->number);

                if (!q || strcmp(q->name, f->name) != 0 || !type_matches(f, q))
                        fail_msg("%s.%s (%u) is not so in the .proto", d->name, f->name, f->number);
                assert_int_equal(f->how != WIRE_ONE, q->label == PROTOBUF_C_LABEL_REPEATED);
                if (f->type == WIRE_MSG)
                        same_table(f->sub, q->descriptor);
        }
}

static void the_table(void **state)
{
        (void)state;
        same_table(&wt_audit_desc, &witan__v1__audit_event__descriptor);
}

/* Random, then what binds the fields. */
static void random_event(struct wt_audit_event *e, uint64_t seed)
{
        sample_fill(&wt_audit_desc, e, seed, &ours);
        e->kind = 1 + (uint32_t)(seed % 5);
        e->request = WT_BYTES(wt_arena_take(&ours, 16), 16);
        memcpy((void *)(uintptr_t)e->request.data, &seed, sizeof seed);
        if (e->sealed.len > 4000)
                e->sealed.len = (uint32_t)(seed % 4000);
        for (struct wt_bytes *const *b = (struct wt_bytes *const[]){
                     &e->revision, &e->session, &e->prompt_hash, &e->answer_hash, &e->subject,
                     NULL }; *b != NULL; b++)
                if ((*b)->len != (*b == &e->subject ? 16 : 32))
                        (*b)->len = 0;
        for (uint32_t i = 0; i < e->n_verdicts; i++)
                if (e->verdicts[i].policy.len != 32)
                        e->verdicts[i].policy.len = 0;
}

static bool equal(const struct wt_audit_event *x, const struct wt_audit_event *y)
{
        struct wt_buf a = { 0 }, b = { 0 };
        bool same;

        assert_int_equal(wt_audit_encode(x, &a), WT_OK);
        assert_int_equal(wt_audit_encode(y, &b), WT_OK);
        same = a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
        wt_buf_free(&a);
        wt_buf_free(&b);
        return same;
}

/* Our bytes mean there what the .proto says, and are the very ones that it would write. */
static void both_ways(void **state)
{
        (void)state;
        for (uint64_t seed = 0; seed < N_RANDOM; seed++) {
                struct wt_audit_event e, got;
                Witan__V1__AuditEvent *p;
                uint8_t *its;

                wt_arena_reset(&ours);
                wt_arena_reset(&theirs);
                random_event(&e, seed);
                wt_buf_clear(&bytes);
                if (wt_audit_encode(&e, &bytes) != WT_OK)
                        fail_msg("%s", wt_words());
                p = witan__v1__audit_event__unpack(NULL, bytes.len, (const uint8_t *)bytes.data);
                assert_non_null(p);
                assert_int_equal(p->kind, e.kind);
                assert_int_equal(p->total_us, e.total_us);
                assert_int_equal(p->count, e.count);
                assert_string_equal(p->tenant ? p->tenant : "",
                                    e.tenant.len ? (const char *)e.tenant.data : "");
                assert_int_equal(p->n_verdicts, e.n_verdicts);
                assert_int_equal(witan__v1__audit_event__get_packed_size(p), bytes.len);
                its = test_malloc(bytes.len);
                witan__v1__audit_event__pack(p, its);
                assert_memory_equal(its, bytes.data, bytes.len);
                test_free(its);
                witan__v1__audit_event__free_unpacked(p, NULL);
                if (wt_audit_decode(&got, bytes.data, bytes.len, &theirs) != WT_OK)
                        fail_msg("%s", wt_words());
                assert_true(equal(&e, &got));
        }
}

#define REQ "\x12\x10" "0123456789abcdef"
static const struct bad { const char *name, *bytes; size_t len; const char *words; } bads[] = {
        { "nothing", "", 0, "kind is 0" },
        { "no request", "\x08\x01", 2, "request has 0 bytes" },
        { "a kind beyond the last", "\x08\x06" REQ, 20, "kind is 6" },
        { "fields out of order", REQ "\x08\x01", 20, "one encoding" },
        { "a field twice", "\x08\x01\x08\x01" REQ, 22, "one encoding" },
        { "a zero that is written", "\x08\x01" REQ "\x18\x00", 22, "one encoding" },
        { "an empty string", "\x08\x01" REQ "\x22\x00", 22, "one encoding" },
        { "a long varint", "\x08\x81\x00" REQ, 21, "one encoding" },
        { "an unknown field", "\x08\x01" REQ "\xc8\x02\x01", 23, "one encoding" },
        { "a cut string", "\x08\x01" REQ "\x22\x05" "abc", 25, "cut off" },
        { "no UTF-8", "\x08\x01" REQ "\x22\x02\xc3\x28", 24, "no UTF-8" },
        { "a short digest", "\x08\x01" REQ "\x5a\x03" "abc", 25, "cut short" },
        { "a long request", "\x08\x01\x12\x11" "0123456789abcdefg", 21, "most is 16" },
        { "a long name", "\x08\x01" REQ "\x22\x41"
          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 87, "most is 64" },
};
enum { N_BADS = sizeof bads / sizeof *bads };

static void refused(void **state)
{
        const struct bad *b = *state;
        struct wt_audit_event e = { .kind = 77 };

        wt_arena_reset(&ours);
        assert_int_equal(wt_audit_decode(&e, b->bytes, b->len, &ours), WT_EDATA);
        if (strstr(wt_words(), b->words) == NULL)
                fail_msg("says \"%s\"", wt_words());
        assert_int_equal(e.kind, 77);
}

static void encode_refuses(void **state)
{
        struct wt_audit_event e = { .kind = WT_AUDIT_INTENT,
                                    .request = WT_BYTES("0123456789abcdef", 16) };

        (void)state;
        wt_buf_clear(&bytes);
        wt_buf_str(&bytes, "before");
        e.tenant = WT_BYTES("\xff", 1);
        assert_int_equal(wt_audit_encode(&e, &bytes), WT_EINVAL);
        e.tenant = WT_STR("t");
        e.request.len = 15;
        assert_int_equal(wt_audit_encode(&e, &bytes), WT_EINVAL);
        assert_string_equal(bytes.data, "before");
        e.request.len = 16;
        assert_int_equal(wt_audit_encode(&e, &bytes), WT_OK);
}

static void days(void **state)
{
        uint8_t id[16];

        (void)state;
        wt_uuid7(86400000000ull * 20000 - 1, id);
        assert_int_equal(wt_audit_day(id), 19999);
        wt_uuid7(86400000000ull * 20000, id);
        assert_int_equal(wt_audit_day(id), 20000);
        assert_string_equal(wt_audit_kind_name(WT_AUDIT_INTERRUPTED), "interrupted");
        assert_string_equal(wt_audit_kind_name(9), "unknown");
}

int main(void)
{
        struct CMUnitTest tests[4 + N_BADS] = {
                { "the table is the .proto", the_table, NULL, NULL, NULL },
                { "random events, both ways", both_ways, NULL, NULL, NULL },
                { "what is broken is not written", encode_refuses, NULL, NULL, NULL },
                { "days and kinds", days, NULL, NULL, NULL },
        };
        int rc;

        for (size_t i = 0; i < N_BADS; i++)
                tests[4 + i] = (struct CMUnitTest){ bads[i].name, refused, NULL, NULL,
                                                    (void *)(uintptr_t)&bads[i] };
        rc = cmocka_run_group_tests(tests, NULL, NULL);
        wt_arena_fini(&ours);
        wt_arena_fini(&theirs);
        wt_buf_free(&bytes);
        return rc;
}
