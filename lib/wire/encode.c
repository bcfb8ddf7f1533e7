/* encode.c - structs to protobuf, canonically: ascending field numbers, zeros left out, packed
 * where the .proto says so, shortest varints. A message's length goes before it once the message
 * is written, by moving it; nesting is three deep, so a byte moves at most twice. */
#include "wire/table.h"

/* A message being written: the next field and array entry, and where its bytes began. */
struct open { const struct wire_desc *d; const char *base; uint32_t field, entry; size_t start; };

static unsigned put_varint(uint8_t *p, uint64_t v)
{
        unsigned n = 0;

        for (; v >= 0x80; v >>= 7)
                p[n++] = (uint8_t)(v | 0x80);
        p[n++] = (uint8_t)v;
        return n;
}

static void add_varint(struct wt_buf *out, uint64_t v)
{
        uint8_t *p = (uint8_t *)wt_buf_room(out, 10);

        out->len += put_varint(p, v);
        out->data[out->len] = 0;
}

static void add_tag(struct wt_buf *out, uint32_t number, unsigned wire_type)
{
        add_varint(out, (uint64_t)number << 3 | wire_type);
}

/* The bits of a number as they go on the wire; 0 exactly for what is left out (-0.0 stays). */
static uint64_t bits_of(const struct wire_field *f, const char *at)
{
        uint64_t v64 = 0;
        uint32_t v32 = 0;

        if (f->type == WIRE_BOOL)
                return *(const uint8_t *)at != 0;
        if (wire_item_bytes(f) == 8) {
                memcpy(&v64, at, 8);
                return v64;
        }
        memcpy(&v32, at, 4);
        return f->type == WIRE_I32 ? (uint64_t)(int64_t)(int32_t)v32 : v32;
}

static void add_number(struct wt_buf *out, const struct wire_field *f, const char *at)
{
        uint64_t v = bits_of(f, at);
        uint8_t le[8];
        unsigned n = f->type == WIRE_FLOAT ? 4 : 8;

        if (wire_form(f) == 0) {
                add_varint(out, v);
                return;
        }
        for (unsigned i = 0; i < n; i++)
                le[i] = (uint8_t)(v >> 8 * i);
        wt_buf_add(out, le, n);
}

static void add_bytes(struct wt_buf *out, const char *at)
{
        struct wt_bytes b;

        memcpy(&b, at, sizeof b);
        add_varint(out, b.len);
        if (b.len)
                wt_buf_add(out, b.data, b.len);
}

/* The length of what was written since start goes before it. */
static void close_length(struct wt_buf *out, size_t start)
{
        uint8_t head[10];
        size_t len = out->len - start;
        unsigned n = put_varint(head, len);

        wt_buf_room(out, n);
        memmove(out->data + start + n, out->data + start, len);
        memcpy(out->data + start, head, n);
        out->len += n;
        out->data[out->len] = 0;
}

static void add_one(struct wt_buf *out, const struct wire_field *f, const char *at)
{
        struct wt_bytes b;

        if (wire_form(f) == 2) {
                memcpy(&b, at, sizeof b);
                if (!b.len)
                        return;
                add_tag(out, f->number, 2);
                add_bytes(out, at);
        } else if (bits_of(f, at)) {
                add_tag(out, f->number, wire_form(f));
                add_number(out, f, at);
        }
}

static void add_array(struct wt_buf *out, const struct wire_field *f, const char *base)
{
        const char *at = wire_array(f, base);
        uint32_t n = wire_count(f, base);
        size_t item = wire_item_bytes(f), start;

        if (f->how == WIRE_PACKED && n) {
                add_tag(out, f->number, 2);
                start = out->len;
                for (uint32_t i = 0; i < n; i++)
                        add_number(out, f, at + i * item);
                close_length(out, start);
                return;
        }
        for (uint32_t i = 0; i < n; i++) {
                add_tag(out, f->number, wire_form(f));
                if (wire_form(f) == 2)
                        add_bytes(out, at + i * item);
                else
                        add_number(out, f, at + i * item);
        }
}

/* Opens the message d at base below its tag. */
static wt_err push(struct open *o, const struct wire_desc *d, const char *base, size_t start)
{
        *o = (struct open){ .d = d, .base = base, .start = start };
        return wire_limits(WT_EINVAL, d, base);
}

/* Writes the fields of *o up to a nested message (returned with its base) or to the end (NULL). */
static const struct wire_field *run_fields(struct open *o, struct wt_buf *out, const char **sub)
{
        for (; o->field < o->d->n_fields; o->field++, o->entry = 0) {
                const struct wire_field *f = &o->d->fields[o->field];

                if (f->type != WIRE_MSG) {
                        if (f->how == WIRE_ONE)
                                add_one(out, f, o->base + f->off);
                        else
                                add_array(out, f, o->base);
                } else if (o->entry < wire_count(f, o->base)) {
                        *sub = wire_array(f, o->base) + (size_t)o->entry++ * f->sub->size;
                        return f;
                }
        }
        return NULL;
}

/* What is written: a message, and one more (a body) behind its fields, or none. */
struct job {
        const struct wire_desc *head, *body;
        const char *base, *body_base, *name;
        uint32_t body_number;
        size_t most;
};

static wt_err encode(const struct job *j, struct wt_buf *out)
{
        struct open stack[WIRE_LEVELS];
        size_t begin = out->len;
        bool body_done = j->body == NULL;
        int top = 0;
        wt_err err = push(&stack[0], j->head, j->base, begin);

        while (err == WT_OK) {
                const char *sub = NULL;
                const struct wire_field *f = run_fields(&stack[top], out, &sub);

                if (out->len - begin > j->most)
                        return wt_fail(WT_EINVAL, "%s is longer than %zu bytes", j->name, j->most);
                if (f) {
                        add_tag(out, f->number, 2);
                        err = push(&stack[++top], f->sub, sub, out->len);
                } else if (top > 0) {
                        close_length(out, stack[top--].start);
                } else if (!body_done) {
                        body_done = true;
                        add_tag(out, j->body_number, 2);
                        err = push(&stack[++top], j->body, j->body_base, out->len);
                } else {
                        return WT_OK;
                }
        }
        return err;
}

/* Appends the whole message or nothing. */
static wt_err encode_whole(const struct job *j, struct wt_buf *out)
{
        size_t begin = out->len;
        wt_err err = encode(j, out);

        if (err != WT_OK && out->data)
                out->data[out->len = begin] = 0;
        return err;
}

wt_err wt_wire_encode(const struct wt_envelope *e, struct wt_buf *out)
{
        struct wt_envelope head = *e;
        struct job j = { .head = &wire_envelope, .base = (const char *)&head,
                         .body_base = e->body, .body_number = e->method, .name = "envelope",
                         .most = WT_MAX_ENVELOPE };
        wt_err err;

        if (!head.version)
                head.version = WT_WIRE_VERSION;
        if (e->body && !(j.body = wire_body(e->method)))
                return wt_fail(WT_EINVAL, "method %u has no body", e->method);
        err = head.n_tensors > WT_MAX_TENSORS ? WT_OK : wire_envelope_limits(WT_EINVAL, &head);
        return err == WT_OK ? encode_whole(&j, out) : err;
}

wt_err wire_encode_one(const struct wire_desc *d, const void *base, size_t most,
                       struct wt_buf *out)
{
        struct job j = { .head = d, .base = base, .name = d->name, .most = most };

        return encode_whole(&j, out);
}
